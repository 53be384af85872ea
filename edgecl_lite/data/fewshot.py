"""Small tasks to learn to learn on: each is a support set to adapt to, a query set to be judged by.

    sinusoids   y = a sin(x − φ), amplitude a and phase φ of each task       Finn et al. 2017, 5.1
    episodes    which of `ways` symbols? `shots` images, labels shuffled     Vinyals et al. 2016

Every digit in each of its four quarter turns is a symbol, as Omniglot is augmented (Santoro et al.
2016). Lesson: meta_learning.
"""

import math

import torch

from .._refuse.arguments import several, whole
from .._refuse.streams import check_dataset
from ..machine.settled import settled
from ..method import cross_entropy
from .images import Dataset


class Sinusoids:
    """Waves y = a sin(x − φ), one a task: a in 0.1..5, φ in 0..π, x in −5..5, all uniform."""

    measure, shape, pixels, outputs = "mean squared error", (1,), 1, 1

    def __init__(self, shots=10, queries=10):
        self.shots, self.queries = whole("shots", shots), whole("queries", queries)

    @settled
    def draw(self, tasks, generator):
        """(support, query) of new tasks, a lane each: x, y (tasks, shots, 1); query likewise."""
        u = torch.rand(tasks, 2 + self.shots + self.queries, 1, generator=generator)
        a, phase, x = 0.1 + 4.9 * u[:, :1], math.pi * u[:, 1:2], 10 * u[:, 2:] - 5
        return _parted(x, a * (x - phase).sin(), self.shots)

    def loss(self, outputs, y):
        """Mean squared error of each lane: outputs, y (lanes, n, 1) -> (lanes,)."""
        return (outputs - y).square().mean((1, 2))

    score = loss


class Episodes:
    """Few-shot classification: a task is `ways` classes of a `Dataset`, with shuffled labels.

    No image stands twice in a task. The support set brings class after class, a correlated
    trajectory for OML; since labels are shuffled, the place in time says nothing about them. All
    images of data are used. Raises ValueError where data has fewer classes, or one of them fewer
    images, than a task asks for.
    """

    measure = "accuracy"

    def __init__(self, data, ways=5, shots=5, queries=15):
        self.shots, self.queries = whole("shots", shots), whole("queries", queries)
        self.data = check_dataset(data)
        self.ways = self.outputs = whole("ways", ways)
        # x (n, channels, height, width)
        self.x, y = (torch.cat(parts) for parts in zip(data.train, data.test))
        self.shape = tuple(self.x.shape[1:])
        self.pixels = math.prod(self.shape)
        rows = [(y == c).nonzero().flatten() for c in range(len(data.classes))]
        if self.ways > len(rows):
            has = f"{data.name} has {len(rows)} classes"
            raise ValueError(f"episodes ask for {ways} ways, but {has}")
        each, fewest = self.shots + self.queries, min(map(len, rows))
        if each > fewest:
            name = min(name for row, name in zip(rows, data.classes) if len(row) == fewest)
            asked = f"{shots} shots + {queries} queries = {each} images of each class"
            raise ValueError(f"episodes ask for {asked}, but {name!r} has {fewest}")
        # (classes, largest class) rows of x, of smaller classes filled up with -1
        self.table = torch.nn.utils.rnn.pad_sequence(rows, True, -1)

    @settled
    def draw(self, tasks, generator):
        """(support, query), a task a lane: x (tasks, ways · shots, …), y; query likewise."""
        chance = lambda *shape: torch.rand(tasks, *shape, generator=generator)
        classes = chance(len(self.table)).argsort(1)[:, : self.ways]  # (tasks, ways)
        labels = chance(self.ways).argsort(1)  # (tasks, ways)
        own = self.table[classes]  # (tasks, ways, largest class)
        lots = chance(*own.shape[1:]).masked_fill(own < 0, -1)
        some = lots.topk(self.shots + self.queries).indices  # (tasks, ways, shots + queries)
        x = self.x[own.gather(2, some)]
        y = labels[..., None].expand(some.shape)
        return _parted(x, y, self.shots, 2)

    def loss(self, outputs, y):
        """Cross entropy of each lane: outputs (lanes, n, ways), y (lanes, n) -> (lanes,)."""
        return cross_entropy(outputs, y)

    def score(self, outputs, y):
        """Share of right answers of each lane, NaN where the net diverged: (lanes,)."""
        right = (outputs.argmax(-1) == y).float()
        return right.masked_fill(~outputs.isfinite().all(-1), math.nan).mean(1)


sinusoids, episodes = Sinusoids, Episodes


@settled
def symbols(data, held_out=(3, 4, 7)):
    """(to meta-train on, held out): two Datasets of classes of `data`, each in four quarter turns.

    The split is by class, so no held-out symbol nor a turned copy of one is ever trained on. A 6
    turned by 180° is a 9: both are on one side. A class is called "3 turned 90°",
    counter-clockwise. Raises ValueError where held_out names no class, all or an unknown one, parts
    6 from 9, or the images are not square.
    """
    names, held_out = check_dataset(data).classes, several("held_out", held_out)
    if not set(held_out) < set(range(len(names))):
        some = f"some, not all, of classes 0..{len(names) - 1}"
        raise ValueError(f"held_out must name {some}, got {held_out}")
    if len({names.index(name) in held_out for name in ("6", "9") if name in names}) > 1:
        why = "6 and 9 must be on one side, a 6 turned by 180° is a 9"
        raise ValueError(f"{why}; got held_out={held_out}")
    height, width = data.train[0].shape[2:]
    if height != width:
        raise ValueError(f"only square images can be turned by 90°, got {height} × {width}")
    sides = [[c for c in range(len(names)) if (c in held_out) == side] for side in (False, True)]
    return tuple(_turned(data, classes) for classes in sides)


def _turned(data, classes):
    """A Dataset of these classes: the i-th becomes 4 i, 4 i + 1, … as it is turned."""
    place, parts = torch.full((len(data.classes),), -1), []
    place[classes] = 4 * torch.arange(len(classes))
    for x, y in (data.train, data.test):
        keep = place[y] >= 0
        x, y = x[keep], place[y[keep]]
        turned = torch.cat([x.rot90(turn, (2, 3)) for turn in range(4)])
        labels = torch.cat([y + turn for turn in range(4)])
        parts.append((turned, labels))
    names = tuple(f"{data.classes[c]} turned {90 * turn}°" for c in classes for turn in range(4))
    return Dataset(f"{data.name} in quarter turns", *parts, names)


def _parted(x, y, shots, axis=1):
    """(support, query): the first `shots` along the axis, and the rest; flat from 1 to there."""
    support, query = {}, {}
    for name, values in (("x", x), ("y", y)):
        first, rest = values.tensor_split([shots], axis)
        support[name], query[name] = first.flatten(1, axis), rest.flatten(1, axis)
    return support, query
