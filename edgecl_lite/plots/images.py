"""Pictures of images and answers: walls of images, what was misread as what, plain bars.

Images are (n, channels, height, width), 0..1: three channels are drawn in their colours, one as ink on white
paper, other numbers as the ink of their mean; of height 1 it is a sensor's window, drawn with a row for each
channel. The sentence says what is not drawn as it is. `y` and `predicted` are output indices; 255 in
`predicted` is no answer: told, not drawn. Lessons 00 to 05.
"""

import numpy as np
from matplotlib.patches import Rectangle

from .._refuse.arguments import whole
from .curves import MANY, heat
from .house import COLOURS, INK, few, listed, number, percent, styled
from .names import drawable, line, look, short, spoken, written


def pictures(x):
    """(images, note): (n, height, width) of ink or (n, height, width, 3) of colours; what is not as it is."""
    x = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x, float)
    if x.ndim != 4:
        raise ValueError(f"images must be (n, channels, height, width), got shape {x.shape}")
    _, channels, height, width = x.shape
    if height == 1:
        each = max(1, width // (2 * channels))  # a window is drawn about twice as wide as high
        note = f"; each window has a row for each of its {channels} channels" if channels > 1 else ""
        return np.repeat(x[:, :, 0], each, axis=1), note
    if channels == 3:
        return np.clip(x.transpose(0, 2, 3, 1), 0, 1), ""
    return x.mean(1), f"; the mean of their {channels} channels is drawn" if channels > 1 else ""


@styled()
def wall(x, ax, titles=None, columns=8):
    """A wall of images, each with its title above it."""
    x, note = pictures(x)
    (n, height, width), paper = x.shape[:3], float(x.ndim == 4)
    rows, gap = max(1, -(-n // columns)), max(1, height // 16)  # gap in pixels of the images
    scale = ax.bbox.width / columns / (width + gap)  # of the screen, for one of an image
    room = 0 if titles is None else max(3 * height // 8, int(np.ceil(14 / scale)))
    colours = [(0, 0)] * (x.ndim - 3)
    tiles = np.pad(x, ((0, rows * columns - n), (room + gap, 0), (gap, 0), *colours), constant_values=paper)
    _, down, across = tiles.shape[:3]
    sheet = tiles.reshape(rows, columns, down, across, *x.shape[3:]).swapaxes(1, 2)
    sheet = sheet.reshape(rows * down, columns * across, *x.shape[3:])
    ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=1, interpolation="antialiased")
    lefts = np.arange(n) % columns * across + gap - 0.5
    tops = np.arange(n) // columns * down + room + gap - 0.5
    frame = dict(fill=False, edgecolor="#BBBBBB", linewidth=0.8, clip_on=False)
    for left, top in zip(lefts, tops):
        ax.add_patch(Rectangle((left, top), width, height, **frame))
    _titles(ax, titles, lefts + width / 2, tops - gap / 2, scale * across)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    names = f" titled {listed(map(line, titles))}" if titles is not None else ""
    return f"{n} image{'s' if n != 1 else ''}{names}{note}."


def _titles(ax, titles, xs, ys, room):
    """Titles, each centred above its image, in a letter that fits the room (pixels of the screen)."""
    titles = drawable(short(line(title), int(max(3, room / 5))) for title in titles or ())
    size = np.clip(1.3 * room / max([1, *map(len, titles)]), 6.5, 9.5)
    for x, y, title in zip(xs, ys, titles):
        ax.text(x, y, title, ha="center", va="bottom", fontsize=size, **look(title))


@styled()
def strip(stream, ax, per_task=6):
    """A row of example images for each task of a stream (of many for ten of them), its classes in turn."""
    tasks, rows = list(stream), []
    per_task, shown = whole("per_task", per_task), few(len(tasks), MANY)
    for task in (tasks[i] for i in shown):
        x, y = (np.asarray(part) for part in task.train)
        of = [at for c in task.classes if len(at := np.flatnonzero(y == c))]  # the images of each class
        turns = [divmod(i, len(of)) for i in range(per_task)]
        rows.append(x[[of[c][i % len(of[c])] for i, c in turns]])
    *_, note = pictures(rows[0])
    wall(np.concatenate(rows), ax, columns=per_task)
    rows_at = np.linspace(*ax.get_ylim()[::-1], 2 * len(rows) + 1)[1::2]
    names, (labels, style) = spoken(t.name for t in tasks), written([t.name for t in tasks])
    ax.set_yticks(rows_at, [labels[i] for i in shown], **style)
    ax.tick_params(length=0)
    some = f"{len(shown)} of " * (len(shown) < len(tasks))
    told = listed(names[i] for i in shown)
    return f"{per_task} training images of each of {some}{len(tasks)} tasks: {told}{note}."


@styled()
def confusion(y, predicted, labels, ax):
    """How often each true class (row) got each answer (column), in per cent of the row; shares below 2 % stay
    unwritten. y, predicted (n,) indices into labels; 255 is no answer.
    """
    silent, labels = np.asarray(predicted) == 255, spoken(labels)  # 255: no answer
    y, predicted = np.stack([y, predicted])[:, ~silent].astype(int)
    counts = np.zeros((len(labels), len(labels)), int)
    np.add.at(counts, (y, predicted), 1)
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    heat(shares, ax, labels, least=0.02, upright=max(map(len, labels)) <= 3 and len(labels) <= MANY)
    ax.set(xlabel="answer", ylabel="true")
    if not len(y):
        return f"None of {len(silent)} test images gets an answer."
    sentence = f"{percent((y == predicted).mean())} of {len(y)} test images are answered correctly"
    sentence += f", {silent.sum()} without an answer" * bool(silent.any())
    wrong = counts - np.diag(counts.diagonal())
    if wrong.any():
        pairs = [(labels[true], labels[said]) for true, said in np.argwhere(wrong == wrong.max())]
        times = "once" if wrong.max() == 1 else f"{wrong.max()} times"
        first = [f"{true} {'as' if i else 'is read as'} {said}" for i, (true, said) in enumerate(pairs)]
        sentence += f"; most often {listed(first, 6)} ({times}{' each' * (len(pairs) > 1)})"
    return f"{sentence}."


def misread(x, y, predicted, labels, ax, most=8):
    """A strip of misread images, each with 'true → said' above it, spread over all mistakes."""
    y, predicted = np.asarray(y), np.asarray(predicted)
    wrong = np.flatnonzero((y != predicted) & (predicted != 255))
    some = wrong[np.linspace(0, len(wrong) - 1, min(most, len(wrong))).astype(int)]
    *_, note = pictures(x)
    pairs, columns = [(y[i], predicted[i]) for i in some], min(8, -(-most // 2)) if most > 8 else most
    room = int(ax.bbox.width / columns / 5 - 3) // 2  # letters for each of the two
    names = [short(name, room) for name in drawable(spoken(labels, 24))]
    wall(np.asarray(x)[some], ax, [f"{names[true]} → {names[said]}" for true, said in pairs], columns)
    if not pairs:
        return "No image is misread."
    names = spoken(labels, 24)
    said = listed(f"{names[true]} read as {names[said]}" for true, said in dict.fromkeys(pairs))
    return f"{len(some)} of {len(wrong)} misread image{'s' if len(wrong) > 1 else ''}: {said}{note}."


@styled()
def bars(names, values, ax, unit="", sd=None, log=False):
    """Horizontal bars with their values written at the ends; values in `unit`, sd (n,) draws error bars."""
    values, names = np.asarray(values, float), list(names)
    if len(names) != len(values):
        raise ValueError(f"names must be one for each of {len(values)} values, got {len(names)}")
    style = dict(color=COLOURS[0], height=0.62, error_kw=dict(ecolor=INK, capsize=3))
    drawn = ax.barh(range(len(values)), values, xerr=sd, log=log, **style)
    (labels, style), at = written(names, 30), few(len(names), int(ax.bbox.height / 16))
    ax.set_yticks(at, [labels[i] for i in at], **style)
    if len(at) == len(names):
        ax.bar_label(drawn, [number(v) for v in values], padding=5)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(unit, **look(unit))
    ax.margins(x=0.14)
    unit = f" {unit}" if unit else ""
    return f"{listed(f'{n}: {number(v)}{unit}' for n, v in zip(spoken(names), values))}."
