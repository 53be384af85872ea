"""Pictures of images and answers: walls of images, a memory on shelves, what was misread as what.

Images are (n, channels, height, width), 0..1: three channels are drawn in their colours, one as ink
on white paper, other numbers as the ink of their mean; of height 1 it is a sensor's window, drawn
with a row for each channel. The sentence says what is not drawn as it is. `y` and `predicted` are
output indices; 255 in `predicted` is no answer: told, not drawn. Most lessons.
"""

import numpy as np
from matplotlib.patches import Rectangle

from .._refuse.arguments import whole
from .curves import MANY, heat
from .house import few, listed, percent, styled
from .names import drawable, line, look, short, spoken, written
from .page import bare

INKED = dict(cmap="gray_r", vmin=0, vmax=1)  # how an image of one channel is drawn


def pictures(x):
    """(images, note): (n, height, width) of ink or (…, 3) of colours; what is not as it is."""
    x = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x, float)
    if x.ndim != 4:
        raise ValueError(f"images must be (n, channels, height, width), got shape {x.shape}")
    _, channels, height, width = x.shape
    if height == 1:
        each = max(1, width // (2 * channels))  # a window is drawn about twice as wide as high
        rows = f"; each window has a row for each of its {channels} channels"
        return np.repeat(x[:, :, 0], each, axis=1), rows if channels > 1 else ""
    if channels == 3:
        return np.clip(x.transpose(0, 2, 3, 1), 0, 1), ""
    return x.mean(1), f"; the mean of their {channels} channels is drawn" if channels > 1 else ""


@styled()
def wall(x, ax, titles=None, columns=8):
    """A wall of images, each with its title above it."""
    x, note = pictures(x)
    n, height, width = x.shape[:3]
    gap = max(1, height // 16)  # in pixels of the images
    scale = ax.bbox.width / columns / (width + gap)  # of the screen, for one of an image
    room = 0 if titles is None else max(3 * height // 8, int(np.ceil(14 / scale)))
    down, across = height + room + gap, width + gap
    ax.imshow(_sheet(x, columns, room + gap, gap), **INKED, interpolation="antialiased")
    lefts = np.arange(n) % columns * across + gap - 0.5
    tops = np.arange(n) // columns * down + room + gap - 0.5
    frame = dict(fill=False, edgecolor="#BBBBBB", linewidth=0.8, clip_on=False)
    for left, top in zip(lefts, tops):
        ax.add_patch(Rectangle((left, top), width, height, **frame))
    _titles(ax, titles, lefts + width / 2, tops - gap / 2, scale * across)
    bare(ax)
    names = f" titled {listed(map(line, titles))}" if titles is not None else ""
    return f"{n} image{'s' if n != 1 else ''}{names}{note}."


def _sheet(x, columns, above, left):
    """Images side by side as one, with so much paper above and left of each."""
    rows = max(1, -(-len(x) // columns))
    paper = float(x.ndim == 4)  # white: no ink, but all colours
    colours = [(0, 0)] * (x.ndim - 3)
    missing = 0, rows * columns - len(x)
    tiles = np.pad(x, (missing, (above, 0), (left, 0), *colours), constant_values=paper)
    down, across, *colours = tiles.shape[1:]
    sheet = tiles.reshape(rows, columns, down, across, *colours).swapaxes(1, 2)
    return sheet.reshape(rows * down, columns * across, *colours)


def _titles(ax, titles, xs, ys, room):
    """Titles, each centred above its image, in a letter that fits the room (screen pixels)."""
    titles = drawable(short(line(title), int(max(3, room / 5))) for title in titles or ())
    size = np.clip(1.3 * room / max([1, *map(len, titles)]), 6.5, 9.5)
    for x, y, title in zip(xs, ys, titles):
        ax.text(x, y, title, ha="center", va="bottom", fontsize=size, **look(title))


@styled()
def shelves(x, y, ax, classes=10, width=25):
    """A memory as shelves, one for each class with its first `width` images: x (n, …), y (n,).

    Raises ValueError where there is not one y for each image.
    """
    (images, note), y = pictures(x), np.asarray(y)
    if y.shape != images.shape[:1]:
        got = f"got {len(images)} images and y {y.shape}"
        raise ValueError(f"shelves: expected one y for each image, {got}")
    height, across, *colours = images.shape[1:]
    paper = float(bool(colours))
    sheet = np.full((classes, height + 2, width, across + 2, *colours), paper)
    for c in range(classes):
        own = images[y == c][:width]
        sheet[c, 1:-1, : len(own), 1:-1] = own.swapaxes(0, 1)
    sheet = sheet.reshape(classes * (height + 2), width * (across + 2), *colours)
    ax.imshow(sheet, **INKED)
    bare(ax)
    edges = np.arange(1, classes) * (height + 2) - 0.5
    ax.hlines(edges, -0.5, sheet.shape[1] - 0.5, color="#CCCCCC", lw=0.7)
    ax.set_yticks(np.arange(classes) * (height + 2) + (height + 1) / 2, range(classes))
    ax.tick_params(length=0)
    ax.set_ylabel("class")
    known = listed(map(str, np.unique(y))) if len(y) else "nothing"
    return f"{len(y)} picture{'s' if len(y) != 1 else ''}, of {known}{note}."


@styled()
def strip(stream, ax, per_task=6):
    """A row of images for each task of a stream (of many for ten of them), its classes in turn."""
    tasks, per_task = list(stream), whole("per_task", per_task)
    shown = few(len(tasks), MANY)
    rows = [_in_turn(tasks[i], per_task) for i in shown]
    *_, note = pictures(rows[0])
    wall(np.concatenate(rows), ax, columns=per_task)
    rows_at = np.linspace(*ax.get_ylim()[::-1], 2 * len(rows) + 1)[1::2]
    names, (labels, style) = spoken(t.name for t in tasks), written([t.name for t in tasks])
    ax.set_yticks(rows_at, [labels[i] for i in shown], **style)
    ax.tick_params(length=0)
    some = f"{len(shown)} of " * (len(shown) < len(tasks))
    told = listed(names[i] for i in shown)
    return f"{per_task} training images of each of {some}{len(tasks)} tasks: {told}{note}."


def _in_turn(task, most):
    """So many training images of a task, one of each class, then the second of each, and so on."""
    x, y = (np.asarray(part) for part in task.train)
    of_each = [np.flatnonzero(y == c) for c in task.classes]
    of_each = [at for at in of_each if len(at)]
    turns = (divmod(i, len(of_each)) for i in range(most))
    return x[[of_each[c][turn % len(of_each[c])] for turn, c in turns]]


@styled()
def confusion(y, predicted, labels, ax):
    """How often each true class (row) got each answer (column), in per cent of the row.

    Shares below 2 % stay unwritten. y, predicted: (n,) indices into labels; 255 is no answer.
    """
    silent, labels = np.asarray(predicted) == 255, spoken(labels)
    y, predicted = np.stack([y, predicted])[:, ~silent].astype(int)
    counts = np.zeros((len(labels), len(labels)), int)
    np.add.at(counts, (y, predicted), 1)
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    narrow = max(map(len, labels)) <= 3 and len(labels) <= MANY
    heat(shares, ax, labels, least=0.02, upright=narrow)
    ax.set(xlabel="answer", ylabel="true")
    if not len(y):
        return f"None of {len(silent)} test images gets an answer."
    right = percent((y == predicted).mean())
    sentence = f"{right} of {len(y)} test images are answered correctly"
    if silent.any():
        sentence += f", {silent.sum()} without an answer"
    wrong = counts - np.diag(counts.diagonal())
    if wrong.any():
        sentence += f"; most often {_worst(wrong, labels)}"
    return f"{sentence}."


def _worst(wrong, labels):
    """The pairs that are confused most often, and how often."""
    said = []
    for true, answer in np.argwhere(wrong == wrong.max()):
        verb = "as" if said else "is read as"
        said.append(f"{labels[true]} {verb} {labels[answer]}")
    times = "once" if wrong.max() == 1 else f"{wrong.max()} times"
    each = " each" if len(said) > 1 else ""
    return f"{listed(said, 6)} ({times}{each})"


def misread(x, y, predicted, labels, ax, most=8):
    """A strip of misread images, each with 'true → said' above it, spread over all mistakes."""
    y, predicted = np.asarray(y), np.asarray(predicted)
    wrong = np.flatnonzero((y != predicted) & (predicted != 255))
    some = wrong[np.linspace(0, len(wrong) - 1, min(most, len(wrong))).astype(int)]
    *_, note = pictures(x)
    pairs = [(y[i], predicted[i]) for i in some]
    columns = min(8, -(-most // 2)) if most > 8 else most
    room = int(ax.bbox.width / columns / 5 - 3) // 2  # letters for each of the two
    names = spoken(labels, 24)
    brief = [short(name, room) for name in drawable(names)]
    titles = [f"{brief[true]} → {brief[said]}" for true, said in pairs]
    wall(np.asarray(x)[some], ax, titles, columns)
    if not pairs:
        return "No image is misread."
    said = listed(f"{names[true]} read as {names[said]}" for true, said in dict.fromkeys(pairs))
    images = "images" if len(wrong) > 1 else "image"
    return f"{len(some)} of {len(wrong)} misread {images}: {said}{note}."
