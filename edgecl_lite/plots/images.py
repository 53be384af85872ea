"""Pictures of images and answers: walls of images, a memory on shelves, what was misread as what.

Images are (n, channels, height, width), 0..1, or windows of sensors, which are drawn as lines; the
sentence says what is not drawn as it is (samples.py). `y` and `predicted` are output indices; 255
in `predicted` is no answer: told, not drawn. Most lessons.
"""

import numpy as np
from matplotlib.patches import Rectangle

from .._refuse.arguments import whole
from .curves import MANY, heat
from .house import few, listed, percent, styled
from .names import drawable, line, look, short, spoken, written
from .page import bare
from .samples import Samples


@styled()
def wall(x, ax, titles=None, columns=8):
    """A wall of images, each with its title above it."""
    samples = Samples(x)
    n, height, width = len(samples), samples.height, samples.width
    gap = max(1, height // 16)  # in pixels of the images
    scale = ax.bbox.width / columns / (width + gap)  # of the screen, for one of an image
    room = 0 if titles is None else max(3 * height // 8, int(np.ceil(14 / scale)))
    down, across = height + room + gap, width + gap
    lefts, tops = np.arange(n) % columns * across + gap, np.arange(n) // columns * down + room + gap
    samples.draw(ax, lefts, tops, (max(1, -(-n // columns)) * down, columns * across))
    frame = dict(fill=False, edgecolor="#BBBBBB", linewidth=0.8, clip_on=False)
    lefts, tops = lefts - 0.5, tops - 0.5  # of the corner of a pixel, not of its middle
    for left, top in zip(lefts, tops):
        ax.add_patch(Rectangle((left, top), width, height, **frame))
    _titles(ax, titles, lefts + width / 2, tops - gap / 2, scale * across)
    bare(ax)
    names = f" titled {listed(map(line, titles))}" if titles is not None else ""
    return f"{n} {samples.word}{'s' if n != 1 else ''}{names}{samples.note}."


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
    samples, y = Samples(x), np.asarray(y)
    if y.shape != (len(samples),):
        got = f"got {len(samples)} images and y {y.shape}"
        raise ValueError(f"shelves: expected one y for each image, {got}")
    height, across = samples.height + 2, samples.width + 2
    own = [np.flatnonzero(y == c)[:width] for c in range(classes)]
    lefts = np.concatenate([np.arange(len(row)) * across + 1 for row in own])
    tops = np.repeat(np.arange(classes) * height + 1, [len(row) for row in own])
    paper = classes * height, width * across
    samples.draw(ax, lefts, tops, paper, np.concatenate(own))
    bare(ax)
    edges = np.arange(1, classes) * height - 0.5
    ax.hlines(edges, -0.5, paper[1] - 0.5, color="#CCCCCC", lw=0.7)
    ax.set_yticks(np.arange(classes) * height + (height - 1) / 2, range(classes))
    ax.tick_params(length=0)
    ax.set_ylabel("class")
    known = listed(map(str, np.unique(y))) if len(y) else "nothing"
    word = "window" if samples.of_sensors else "picture"
    return f"{len(y)} {word}{'s' if len(y) != 1 else ''}, of {known}{samples.note}."


@styled()
def strip(stream, ax, per_task=6):
    """A row of images for each task of a stream (of many for ten of them), its classes in turn."""
    tasks, per_task = list(stream), whole("per_task", per_task)
    shown = few(len(tasks), MANY)
    rows = [_in_turn(tasks[i], per_task) for i in shown]
    samples = Samples(rows[0])
    wall(np.concatenate(rows), ax, columns=per_task)
    rows_at = np.linspace(*ax.get_ylim()[::-1], 2 * len(rows) + 1)[1::2]
    names, (labels, style) = spoken(t.name for t in tasks), written([t.name for t in tasks])
    ax.set_yticks(rows_at, [labels[i] for i in shown], **style)
    ax.tick_params(length=0)
    some = f"{len(shown)} of " * (len(shown) < len(tasks))
    told = listed(names[i] for i in shown)
    what = f"{per_task} training {samples.word}s of each of {some}{len(tasks)} tasks"
    return f"{what}: {told}{samples.note}."


def _in_turn(task, most):
    """So many training images of a task, one of each class, then the second of each, and so on."""
    x, y = (np.asarray(part) for part in task.train)
    of_each = [np.flatnonzero(y == c) for c in task.classes]
    of_each = [at for at in of_each if len(at)]
    turns = (divmod(i, len(of_each)) for i in range(most))
    return x[[of_each[c][turn % len(of_each[c])] for turn, c in turns]]


@styled()
def confusion(y, predicted, labels, ax, word="image"):
    """How often each true class (row) got each answer (column), in per cent of the row.

    Shares below 2 % stay unwritten. y, predicted: (n,) indices into labels; 255 is no answer.
    word: what a sample is called.
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
        return f"None of {len(silent)} test {word}s gets an answer."
    right = percent((y == predicted).mean())
    sentence = f"{right} of {len(y)} test {word}s are answered correctly"
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
    samples = Samples(x[:1])
    pairs = [(y[i], predicted[i]) for i in some]
    columns = min(8, -(-most // 2)) if most > 8 else most
    columns = -(-columns // 2) if samples.of_sensors else columns  # twice as wide as high
    room = int(ax.bbox.width / columns / 5 - 3) // 2  # letters for each of the two
    names = spoken(labels, 24)
    brief = [short(name, room) for name in drawable(names)]
    titles = [f"{brief[true]} → {brief[said]}" for true, said in pairs]
    wall(np.asarray(x)[some], ax, titles, columns)
    if not pairs:
        return f"No {samples.word} is misread."
    said = listed(f"{names[true]} read as {names[said]}" for true, said in dict.fromkeys(pairs))
    words = samples.word + "s" * (len(wrong) > 1)
    return f"{len(some)} of {len(wrong)} misread {words}: {said}{samples.note}."
