"""Clients: those who learn together, each with samples of its own; and tasks that arrive at them.

    Clients      one set of samples for each client
    Arrivals     a Stream of tasks, of which every client has a share, at a time of its own

A class that a client lacks, a task without samples at one client: all that happens, and is shown.
Hsu, Qi & Brown 2019 (the Dirichlet split); McMahan et al. 2017 (shards).
Lesson: federated_learning.
"""

import dataclasses
import functools
from dataclasses import dataclass

import numpy as np
import torch

from .._refuse.arguments import choice, number, or_none, several, whole
from .._refuse.samples import check_samples, text
from .._refuse.streams import check_dataset
from ..data.images import Dataset
from ..machine.settled import settled
from ..streams import Stream, Task, split


@dataclass(frozen=True, eq=False)
class Clients:
    """Clients with samples of their own: train, test hold a pair (x, y) for each of them.

    x float32 (n, channels, height, width) in 0..1; y int64 (n,). classes: what the labels 0, 1, …
    mean; names: what the clients are called. Raises TypeError or ValueError where there is no
    client, or one without a sample to train or to test, as `check_samples`.
    """

    name: str
    train: tuple
    test: tuple
    classes: tuple
    names: tuple = ()

    def __post_init__(self):
        text("the name of clients", self.name)
        own = {part: _pairs(self, part) for part in ("train", "test")}
        n = len(own["train"])
        names = tuple(map(str, several("names", self.names, least=0) or range(n)))
        if not len(own["test"]) == len(names) == n:
            got = f"{n} to train, {len(own['test'])} to test, {len(names)} names"
            raise ValueError(f"{self.name}: as many of each are wanted, got {got}")
        shapes = {tuple(x.shape[1:]) for part in own.values() for x, _ in part}
        if len(shapes) > 1:
            unlike = sorted(map(str, shapes))
            raise ValueError(f"{self.name}: samples of all clients must have one shape, {unlike}")
        for field, value in {**own, "names": names}.items():
            object.__setattr__(self, field, value)

    def __repr__(self):
        sizes = [len(y) for _, y in self.train]
        each = f"{min(sizes)} to {max(sizes)} samples each"
        return f"Clients({self.name!r}, {len(self)} clients, {each}, {len(self.classes)} classes)"

    def __len__(self):
        return len(self.train)

    @functools.cached_property
    def together(self):
        """The `Dataset` of all clients: what nobody has who learns from them apart."""
        parts = [tuple(map(torch.cat, zip(*own, strict=True))) for own in (self.train, self.test)]
        return Dataset(self.name, *parts, self.classes)

    @settled
    def split(self, per_task=2, scenario="class", active="seen", order=None, arrival="together"):
        """Tasks of `per_task` classes each that arrive one after the other: `Arrivals`.

        per_task, scenario, active, order: as for `split` of a data set. arrival: "together", every
        client gets the same task at the same time; "apart", client c begins with task c, c + 1 … in
        turn; or a table (clients, tasks), the order of each client.
        """
        stream = split(self.together, per_task, scenario, active, order)
        return arrivals(self, stream, arrival)

    @property
    def whole(self):
        """All that each client has, as one task."""
        data = self.together
        outputs = tuple(range(len(self.classes)))
        task = Task("all clients", data.train, data.test, outputs, data.classes)
        return arrivals(self, Stream([task], "domain", len(outputs)))

    @settled
    def set_aside(self, share=0.2, seed=0):
        """Clients to choose on: this share of each one's training samples is its test.

        Of every class a client's test has this share, give or take a sample. The test samples are
        never seen. share in (0, 1).
        """
        number("share", share, most=0.999, strictly=True)
        dice, train, test = torch.Generator().manual_seed(seed), [], []
        for x, y in self.train:
            aside = _every_so_many(y, share, dice)
            test.append((x[aside], y[aside]))
            train.append((x[~aside], y[~aside]))
        return dataclasses.replace(self, train=train, test=test)


def _every_so_many(y, share, dice):
    """(n,) bool: a share of the samples, evenly spaced in the order of their classes.

    At least one of them; so a class of a single sample may be on either side.
    """
    out = max(1, min(len(y) - 1, round(share * len(y))))
    shuffled = torch.randperm(len(y), generator=dice)
    by_class = shuffled[y[shuffled].argsort(stable=True)]
    at = (torch.arange(out) + torch.rand(1, generator=dice).double()) * len(y) / out
    aside = torch.zeros(len(y), dtype=torch.bool)
    aside[by_class[at.long()]] = True
    return aside


def _pairs(clients, part):
    """The pairs (x, y) of all clients, checked."""
    pairs = several(f"{clients.name}, {part}", getattr(clients, part), least=0)
    if not pairs:
        raise ValueError(f"{clients.name}: a fleet needs at least one client, got none to {part}")
    for c, pair in enumerate(pairs):
        if isinstance(pair, tuple) and len(pair) == 2 and not len(pair[1]):
            way = "leave it out"
            raise ValueError(f"{clients.name}, client {c} has no sample to {part}: {way}")
    n = len(clients.classes)
    return tuple(
        check_samples(f"{clients.name}, client {c}, {part}", pair, n, part == "train")
        for c, pair in enumerate(pairs)
    )


@dataclass(frozen=True, eq=False)
class Arrivals(Stream):
    """A stream of tasks whose samples lie with clients; tasks: what all of them have together.

    shares: for each client and task ((x, y) to train, (x, y) to test), which may be empty. turns:
    for each client the task that arrives in each phase. members: names of the clients.
    """

    members: tuple = ()
    shares: tuple = ()
    turns: tuple = ()

    def __repr__(self):
        return f"Arrivals({len(self.members)} clients, {super().__repr__()})"

    @property
    def together(self):
        """The plain `Stream` of all clients' samples, in the order of the first client."""
        tasks = [self.tasks[t] for t in self.turns[0]]
        return Stream(tasks, self.scenario, self.outputs, self.rule)

    def active(self, now, on=None):
        """Outputs (outputs,) that may answer in phase `now` for samples of task `on`."""
        if self.scenario != "class" or self.rule == "all":
            return super().active(now, now if on is None else on)
        seen = {t for own in self.turns for t in own[: now + 1]}
        mask = torch.zeros(self.outputs, dtype=torch.bool)
        mask[[c for t in seen for c in self.tasks[t].classes]] = True
        return mask

    def answers_of(self, client, phase):
        """Which outputs may answer at a client in a phase, (tasks in its order, outputs)."""
        return torch.stack([self.active(phase, on) for on in self.turns[client]])

    def set_aside(self, share=0.2):
        way = "clients.set_aside(share).split(…)"
        raise ValueError(f"set aside before the tasks are cut, at each client: {way}")


def in_turn(parts, arrival="together"):
    """`Arrivals` whose tasks are whole `Clients`, the same ones in each, such as left, then right.

    All share their outputs (domain-incremental). Raises ValueError where they are not the same.
    """
    parts = several("parts", parts)
    first = parts[0]
    for part in parts:
        if part.names != first.names or part.classes != first.classes:
            raise ValueError(f"every task needs the clients {first.names}, got {part.names}")
    outputs = tuple(range(len(first.classes)))
    whole_sets = [part.together for part in parts]
    tasks = [Task(d.name, d.train, d.test, outputs, d.classes) for d in whole_sets]
    shares = tuple(zip(*(zip(p.train, p.test, strict=True) for p in parts), strict=True))
    turns = _turns(arrival, len(first), len(parts))
    return Arrivals(tasks, "domain", len(outputs), "seen", first.names, shares, turns)


def arrivals(clients, stream, arrival="together"):
    """A stream that was cut from all clients' samples together, as what it is to each of them."""
    own = zip(clients.train, clients.test, strict=True)
    shares = tuple(tuple(_share(clients, task, pairs) for task in stream) for pairs in own)
    turns = _turns(arrival, len(clients), len(stream))
    told = stream.tasks, stream.scenario, stream.outputs, stream.rule
    return Arrivals(*told, clients.names, shares, turns)


def _share(clients, task, pairs):
    """What a client has of a task: the pairs without other classes, labels as its outputs."""
    answer = torch.full((len(clients.classes),), -1)
    answer[[clients.classes.index(label) for label in task.labels]] = torch.tensor(task.classes)
    return tuple((x[answer[y] >= 0], answer[y][answer[y] >= 0]) for x, y in pairs)


def _turns(arrival, clients, tasks):
    """The order of tasks at each client, as a tuple for each."""
    if isinstance(arrival, str):
        choice("arrival", arrival, ("together", "apart"))
        late = range(clients) if arrival == "apart" else [0] * clients
        return tuple(tuple((c + t) % tasks for t in range(tasks)) for c in late)
    table = tuple(tuple(map(int, own)) for own in several("arrival", arrival))
    if len(table) != clients or any(sorted(own) != list(range(tasks)) for own in table):
        want = f"the order of {tasks} tasks for each of {clients} clients"
        raise ValueError(f"arrival must be 'together', 'apart' or {want}, got {arrival!r}")
    return table


# ---- a data set cut for clients


@settled
def clients(data, n=20, alpha=None, shards=None, seed=0):
    """A `Dataset` dealt to n `Clients`, every sample to one of them.

    alpha: how alike they are: each class is dealt in proportions drawn from Dirichlet(alpha), 100
    nearly the same for all, 0.1 few classes each; None: alike. shards: instead, the samples sorted
    by class are cut into n · shards pieces, and each client gets so many of them at random
    (McMahan et al. 2017: 2). The test samples are dealt in the same proportions. Raises ValueError
    where a client would get none, or on both.
    """
    n, alpha = whole("n", n), or_none(number)("alpha", alpha)
    if alpha is not None and shards is not None:
        raise ValueError(f"alpha or shards, not both; got alpha={alpha} and shards={shards}")
    dice = np.random.default_rng(whole("seed", seed, least=0))
    parts = [y.numpy() for _, y in (check_dataset(data).train, data.test)]
    if shards is not None:
        pieces = dice.permutation(n * whole("shards", shards)).reshape(n, -1)
        owned = [_by_pieces(y, pieces) for y in parts]
    else:
        owned = _by_share(parts, n, len(data.classes), alpha, dice)
    dealt = [
        [tuple(v[own] for v in pair) for own in each]
        for pair, each in zip((data.train, data.test), owned, strict=True)
    ]
    return Clients(f"{data.name}, {n} clients", *map(tuple, dealt), data.classes)


def _by_pieces(y, pieces):
    """Numbers of each client's samples, where the sorted samples are cut into pieces."""
    cut = np.array_split(np.argsort(y, kind="stable"), pieces.size)
    return [torch.from_numpy(np.concatenate([cut[i] for i in own])) for own in pieces]


def _by_share(parts, n, classes, alpha, dice):
    """Numbers of each client's samples, for each part, in shares drawn for each class."""
    for _ in range(1000):
        even = np.full((classes, n), 1 / n)
        share = even if alpha is None else dice.dirichlet([max(alpha, 1e-3)] * n, classes)
        owned = [[[] for _ in range(n)] for _ in parts]
        for y, own in zip(parts, owned, strict=True):
            for c in range(classes):
                mine = dice.permutation(np.flatnonzero(y == c))
                offset = dice.permutation(n) if alpha is None else np.arange(n)
                ends = (np.cumsum(share[c]) * len(mine)).round().astype(int)[:-1]
                for k, some in zip(offset, np.split(mine, ends), strict=True):
                    own[k].append(some)
        owned = [[torch.from_numpy(np.concatenate(k)) for k in own] for own in owned]
        if min(len(k) for own in owned for k in own):
            return owned
    want = f"a sample to train and to test for each of {n} clients"
    raise ValueError(f"there is not {want}, with alpha={alpha}: fewer clients, or a larger alpha")
