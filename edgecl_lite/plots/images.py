"""Pictures of images and answers: walls of images, what was misread as what, plain bars.

Images are (n, channels, height, width), 0..1, drawn as ink on white paper. `y` and `predicted` are output
indices; 255 in `predicted` is padding and is left out. Lessons 00 to 02.
"""

import numpy as np

from .house import COLOURS, INK, PALE, listed, number, percent

ROOM = 22  # pixels above an image that carries a title


def _tiles(x, columns, room=0, slots=0):
    """All images (n, c, h, w) on a grid of at least `slots` tiles as one picture, the centre (x, y) of the
    top edge of each, and the height of a tile; `room` in pixels above each."""
    x = np.asarray(x, float)
    n, channels, height, width = x.shape
    scale = max(1, round(60 / height))
    height, width = height * scale + 2, width * scale + 2
    rows = -(-max(n, slots) // columns)
    sheet = np.full((rows * (height + 6 + room), columns * (width + 6), channels), np.nan)
    tops = []
    for i, image in enumerate(x):
        top, left = i // columns * (height + 6 + room) + room + 3, i % columns * (width + 6) + 3
        big = np.pad(image.repeat(scale, 1).repeat(scale, 2), ((0, 0), (1, 1), (1, 1)), constant_values=0.25)
        sheet[top : top + height, left : left + width] = big.transpose(1, 2, 0)
        tops.append((left + width / 2, top))
    if channels == 3:
        return np.nan_to_num(sheet, nan=1.0), tops, height
    return np.nan_to_num(sheet[..., 0]), tops, height


def _paper(ax, sheet):
    picture = ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=1, interpolation="antialiased")
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return picture


def wall(x, ax, titles=None, columns=8):
    """A wall of images, each with its title above it."""
    sheet, tops, _ = _tiles(x, min(columns, max(1, len(x))), ROOM if titles is not None else 0)
    _paper(ax, sheet)
    for (centre, top), title in zip(tops, titles if titles is not None else (), strict=False):
        ax.text(centre, top - 3, title, ha="center", va="bottom", fontsize=9.5)
    names = f" titled {listed(map(str, titles))}" if titles is not None else ""
    return f"{len(x)} image{'s' if len(x) != 1 else ''}{names}."


def strip(stream, ax, per_task=6):
    """A row of example images for each task of a stream, its classes in turn."""
    rows = []
    for task in stream:
        x, y = (np.asarray(v) for v in task.train)
        of = [np.flatnonzero(y == c) for c in task.classes]
        turns = range(per_task * len(of))
        pick = [of[i % len(of)][i // len(of)] for i in turns if i // len(of) < len(of[i % len(of)])][
            :per_task
        ]
        rows.append(x[np.resize(pick, per_task)])
    sheet, tops, height = _tiles(np.concatenate(rows), per_task)
    _paper(ax, sheet)
    ax.set_yticks(
        [tops[i * per_task][1] + height / 2 for i in range(len(rows))], [task.name for task in stream]
    )
    ax.tick_params(length=0)
    return f"{per_task} training images of each of {len(rows)} tasks: {listed(task.name for task in stream)}."


class Confusion:
    """The confusion matrix as artists, made once and updated in place: `moving` lists what changes with the
    data.
    """

    def __init__(self, ax, labels):
        self.labels, size = labels, len(labels)
        self.picture = ax.imshow(np.zeros((size, size)), cmap="Blues", vmin=0, vmax=1.25)
        centre = dict(ha="center", va="center", fontsize=8)
        self.texts = [[ax.text(said, true, "", **centre) for said in range(size)] for true in range(size)]
        self.moving = (
            [self.picture, *(text for row in self.texts for text in row)] if size <= 12 else [self.picture]
        )
        ax.set(xlabel="answer", ylabel="true")
        ax.set_xticks(range(size), labels, rotation=90 if max(map(len, labels)) > 3 else 0)
        ax.set_yticks(range(size), labels)
        ax.grid(visible=False)
        ax.tick_params(length=0)
        ax.spines[:].set_color(PALE)

    def set(self, y, predicted):
        """y, predicted (n,) indices into labels; returns the sentence. Shares below 2 % stay unwritten."""
        y, predicted = np.asarray(y), np.asarray(predicted)
        y, predicted = y[predicted != 255], predicted[predicted != 255]
        counts = np.zeros((len(self.labels), len(self.labels)), int)
        np.add.at(counts, (y, predicted), 1)
        share = counts / np.maximum(1, counts.sum(1, keepdims=True))
        self.picture.set_data(share)
        for (true, said), value in np.ndenumerate(share):
            written = value >= 0.02 and len(self.labels) <= 12
            text = self.texts[true][said]
            text.set(text=f"{100 * value:.0f}" if written else "", color="white" if value > 0.7 else INK)
        if not len(y):
            return "No test image to answer."
        wrong = counts - np.diag(counts.diagonal())
        true, said = np.unravel_index(wrong.argmax(), wrong.shape)
        sentence = f"{percent((y == predicted).mean())} of {len(y)} test images are answered correctly"
        if wrong.any():
            times = "once" if wrong.max() == 1 else f"{wrong.max()} times"
            sentence += f"; most often {self.labels[true]} is read as {self.labels[said]} ({times})"
        return sentence + "."


def confusion(y, predicted, labels, ax):
    """How often each true class (row) got each answer (column), in per cent of the row. y, predicted (n,)
    indices.
    """
    return Confusion(ax, labels).set(y, predicted)


class Misread:
    """A strip of misread images as artists: `most` tiles of images of one shape (channels, height, width)."""

    def __init__(self, ax, labels, shape, most=8):
        self.labels, self.most, self.columns = labels, most, most if most <= 8 else -(-most // 2)
        sheet, tops, _ = _tiles(np.zeros((most, *shape)), self.columns, ROOM)
        self.picture = _paper(ax, sheet)
        self.texts = [ax.text(x, top - 3, "", ha="center", va="bottom", fontsize=9.5) for x, top in tops]
        self.moving = [self.picture, *self.texts]

    def set(self, x, y, predicted):
        """x (n, channels, height, width), y, predicted (n,) indices into labels; returns the sentence."""
        y, predicted = np.asarray(y), np.asarray(predicted)
        wrong = np.flatnonzero((y != predicted) & (predicted != 255))
        some = wrong[np.linspace(0, len(wrong) - 1, min(self.most, len(wrong))).astype(int)]
        pairs = [f"{self.labels[y[i]]} → {self.labels[predicted[i]]}" for i in some]
        for text, pair in zip(self.texts, pairs + [""] * (self.most - len(pairs)), strict=True):
            text.set_text(pair)
        self.picture.set_data(_tiles(np.asarray(x)[some], self.columns, ROOM, self.most)[0])
        if not pairs:
            return "No image is misread."
        said = listed(pair.replace("→", "read as") for pair in dict.fromkeys(pairs))
        return f"{len(some)} of {len(wrong)} misread image{'s' if len(wrong) > 1 else ''}: {said}."


def misread(x, y, predicted, labels, ax, most=8):
    """A strip of misread images, each with 'true → said' above it, spread over all mistakes."""
    return Misread(ax, labels, np.shape(x)[1:], most).set(x, y, predicted)


def bars(names, values, ax, unit="", sd=None, log=False):
    """Horizontal bars with their values written at the ends; values in `unit`, sd (n,) draws error bars."""
    values = np.asarray(values, float)
    at = np.arange(len(values))[::-1]
    ax.barh(at, values, xerr=sd, color=COLOURS[0], height=0.62, error_kw=dict(ecolor=INK, capsize=3), log=log)
    ax.set_yticks(at, names)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(unit)
    sd = np.zeros(len(values)) if sd is None else np.asarray(sd, float)
    for y, value, extra in zip(at, values, sd, strict=True):
        ax.annotate(number(value), (value + extra, y), (5, 0), textcoords="offset points", va="center")
    ax.margins(x=0.14)
    unit = f" {unit}" if unit else ""
    return f"{listed(f'{n}: {number(v)}{unit}' for n, v in zip(names, values, strict=True))}."
