"""Pictures of images and answers: walls of images, what was misread as what, plain bars.

Images are (n, channels, height, width), 0..1, drawn as ink on white paper. `y` and `predicted` are output
indices; 255 in `predicted` is no answer: told, not drawn. Lessons 00 to 05.
"""

import numpy as np
from matplotlib.patches import Rectangle

from .curves import heat
from .house import COLOURS, INK, listed, number, percent, styled


@styled()
def wall(x, ax, titles=None, columns=8):
    """A wall of images, each with its title above it."""
    x = np.asarray(x, float)[:, 0]
    n, height, width = x.shape
    gap, room = max(1, height // 16), 0 if titles is None else 3 * height // 8  # in pixels of the images
    rows = max(1, -(-n // columns))
    tiles = np.pad(x, ((0, rows * columns - n), (room + gap, 0), (gap, 0)))
    _, down, across = tiles.shape
    sheet = tiles.reshape(rows, columns, down, across).swapaxes(1, 2).reshape(rows * down, columns * across)
    ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=1, interpolation="antialiased")
    frame = dict(fill=False, edgecolor="#BBBBBB", linewidth=0.8, clip_on=False)
    for i in range(n):
        left, top = i % columns * across + gap - 0.5, i // columns * down + room + gap - 0.5
        ax.add_patch(Rectangle((left, top), width, height, **frame))
        if titles is not None:
            ax.text(left + width / 2, top - gap / 2, titles[i], ha="center", va="bottom", fontsize=9.5)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    names = f" titled {listed(map(str, titles))}" if titles is not None else ""
    return f"{len(x)} image{'s' if len(x) != 1 else ''}{names}."


@styled()
def strip(stream, ax, per_task=6):
    """A row of example images for each task of a stream, its classes in turn."""
    rows = []
    for task in stream:
        x, y = (np.asarray(part) for part in task.train)
        of = [np.flatnonzero(y == c) for c in task.classes]  # the images of each class
        turns = [divmod(i, len(of)) for i in range(per_task)]
        rows.append(x[[of[c][i % len(of[c])] for i, c in turns]])
    wall(np.concatenate(rows), ax, columns=per_task)
    rows_at = np.linspace(*ax.get_ylim()[::-1], 2 * len(rows) + 1)[1::2]
    ax.set_yticks(rows_at, [task.name for task in stream])
    ax.tick_params(length=0)
    return f"{per_task} training images of each of {len(rows)} tasks: {listed(task.name for task in stream)}."


@styled()
def confusion(y, predicted, labels, ax):
    """How often each true class (row) got each answer (column), in per cent of the row; shares below 2 % stay
    unwritten. y, predicted (n,) indices into labels; 255 is no answer.
    """
    silent = np.asarray(predicted) == 255  # no answer
    y, predicted = np.stack([y, predicted])[:, ~silent].astype(int)
    counts = np.zeros((len(labels), len(labels)), int)
    np.add.at(counts, (y, predicted), 1)
    heat(counts / np.maximum(1, counts.sum(1, keepdims=True)), ax, labels, least=0.02)
    ax.set(xlabel="answer", ylabel="true")
    ax.tick_params(axis="x", rotation=90 if max(map(len, labels)) > 3 else 0)
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
    pairs = [f"{labels[y[i]]} → {labels[predicted[i]]}" for i in some]
    wall(np.asarray(x)[some], ax, pairs, columns=min(8, -(-most // 2)) if most > 8 else most)
    if not pairs:
        return "No image is misread."
    said = listed(pair.replace("→", "read as") for pair in dict.fromkeys(pairs))
    return f"{len(some)} of {len(wrong)} misread image{'s' if len(wrong) > 1 else ''}: {said}."


@styled()
def bars(names, values, ax, unit="", sd=None, log=False):
    """Horizontal bars with their values written at the ends; values in `unit`, sd (n,) draws error bars."""
    values = np.asarray(values, float)
    look = dict(color=COLOURS[0], height=0.62, error_kw=dict(ecolor=INK, capsize=3))
    drawn = ax.barh(range(len(values)), values, xerr=sd, log=log, **look)
    ax.bar_label(drawn, [number(v) for v in values], padding=5)
    ax.set_yticks(range(len(values)), names)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(unit)
    ax.margins(x=0.14)
    unit = f" {unit}" if unit else ""
    return f"{listed(f'{n}: {number(v)}{unit}' for n, v in zip(names, values))}."
