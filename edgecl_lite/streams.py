"""Streams: a data set cut into tasks that arrive one after the other, in one of three scenarios.

    task-incremental     the task is told when it answers: only its own outputs are active
    domain-incremental   every task uses the same outputs; what changes is the input
    class-incremental    the task is not told: all classes (seen so far, or from the start) compete

van de Ven, Tuytelaars & Tolias 2022, "Three types of incremental learning".
Lesson: catastrophic_forgetting.
"""

import dataclasses
import functools
import itertools
import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from ._refuse.arguments import LARGEST, choice, number, several, whole
from ._refuse.samples import text
from ._refuse.streams import (
    SCENARIOS,
    check_dataset,
    check_stream,
    labelled,
    order_of,
    outputs_of,
    sizes_of,
)
from .machine.records import digest
from .machine.settled import settled


@dataclass(frozen=True, eq=False)
class Task:
    """A task. train, test: (x (n, channels, height, width) float32 in 0..1, y (n,) int64 outputs).

    classes: the outputs this task uses; labels: what each of them is called. Samples are shared,
    not copied. Raises TypeError or ValueError as `check_samples`, and on labels of samples that are
    not in `classes`.
    """

    name: str
    train: tuple
    test: tuple
    classes: tuple
    labels: tuple = ()

    def __post_init__(self):
        text("the name of a task", self.name)
        classes = outputs_of(self.name, self.classes)
        labels = tuple(map(str, several("labels", self.labels, least=0) or classes))
        if len(labels) != len(classes):
            raise ValueError(f"task {self.name!r} has {len(classes)} classes, got labels {labels}")
        parts = {part: labelled(self, part, classes) for part in ("train", "test")}
        for field, value in {**parts, "classes": classes, "labels": labels}.items():
            object.__setattr__(self, field, value)

    @functools.cached_property
    def digest(self):
        """sha256 of all that a training sees of the task: classes, samples and labels."""
        return digest((*self.train, *self.test), self.classes)

    def parted(self, share):
        """The task whose test is a share of every class's training samples, taken out of these."""
        x, y = self.train
        order = torch.randperm(len(y), generator=_dice(0))
        aside = torch.zeros(len(y), dtype=torch.bool)
        for c in y.unique():
            own = order[y[order] == c]
            if len(own) < 2:
                only = f"one sample of class {c}"
                raise ValueError(f"task {self.name!r} has {only}: none to set aside")
            aside[own[: min(len(own) - 1, max(1, round(share * len(own))))]] = True
        parts = {"train": (x[~aside], y[~aside]), "test": (x[aside], y[aside])}
        return dataclasses.replace(self, **parts)

    def __repr__(self):
        train, test = (tuple(x.shape) for x, _ in (self.train, self.test))
        return f"Task({self.name!r}, train {train}, test {test})"


@dataclass(frozen=True, eq=False)
class Stream:
    """Tasks in order of arrival. scenario: "task", "domain" or "class"; outputs: of the net.

    rule (class-incremental only): "seen" lets the classes seen so far answer, "all" lets every
    class from the start. Raises ValueError where there is no task or images differ in shape.
    """

    tasks: tuple
    scenario: str
    outputs: int
    rule: str = "seen"

    def __post_init__(self):
        object.__setattr__(self, "tasks", tuple(several("tasks", self.tasks, least=0)))
        check_stream(self, Task)

    def __repr__(self):
        names = ", ".join(self.names)
        return f"Stream({self.scenario}-incremental: {names}; {self.outputs} outputs)"

    def __iter__(self):
        return iter(self.tasks)

    def __len__(self):
        return len(self.tasks)

    @property
    def shape(self):
        """(channels, height, width) of one sample."""
        return tuple(self.tasks[0].train[0].shape[1:])

    @property
    def pixels(self):
        """channels · height · width."""
        return math.prod(self.shape)

    @property
    def names(self):
        """The tasks' names, in order."""
        return [task.name for task in self]

    @property
    def trivial(self):
        """Names of tasks that ask nothing: all of their samples have one label, and it is known.

        Whoever is told the task (task-incremental), or only the stream (domain-incremental), knows
        the answer without looking.
        """
        known = [set(torch.cat([task.train[1], task.test[1]]).tolist()) for task in self]
        if self.scenario == "domain":
            known = [set.union(*known)] * len(self)
        told = self.scenario != "class"
        return [name for name, labels in zip(self.names, known) if told and len(labels) == 1]

    def active(self, now, on=None):
        """Outputs (outputs,) that may answer at task `now` for samples of `on` (default: now)."""
        on = now if on is None else on
        everyone = self.scenario == "domain" or (self.scenario == "class" and self.rule == "all")
        mask = torch.full((self.outputs,), everyone, dtype=torch.bool, device="cpu")
        tasks = self.tasks[on : on + 1] if self.scenario == "task" else self.tasks[: now + 1]
        mask[[c for task in tasks for c in task.classes]] = True
        return mask

    def all(self, part):
        """Samples of all tasks in one, in their order: (x, y) of "train" or of "test"."""
        choice("part", part, ("train", "test"))
        x, y = zip(*(getattr(task, part) for task in self))
        return torch.cat(x), torch.cat(y)

    @settled
    def set_aside(self, share=0.2):
        """The stream to choose on: this share of every class's training samples is a task's test.

        The same samples each time; the test sets are never seen. share in (0, 1). Raises ValueError
        where it is not, or where a class of a task has one sample only.
        """
        number("share", share, most=0.999, strictly=True)
        return dataclasses.replace(self, tasks=[task.parted(share) for task in self])

    @settled
    def answers(self):
        """`active` for every pair of tasks, (now, on, outputs) bool."""
        each = range(len(self))
        return torch.stack([torch.stack([self.active(now, on) for on in each]) for now in each])


@settled
def split(data, per_task=2, scenario="class", active="seen", order=None):
    """Cut the classes of `data` into tasks of `per_task` each: digits 0, 1 then 2, 3 then …

    per_task: one number for all tasks, or a list with one for each, such as [5, 2, 2, 1]. scenario
    "task" and "class" keep the class's own output; "domain" shares outputs between all tasks, as
    many as the largest has (is it the first or the second of its pair?); a smaller task uses the
    first of them, and all may answer. order: another order of the classes, e.g. shuffled per seed.
    Raises ValueError where `per_task` does not add up to the number of classes or the scenario is
    unknown.
    """
    choice("scenario", scenario, SCENARIOS)
    n = len(check_dataset(data).classes)
    sizes = sizes_of(data, per_task)
    order = order_of(range(n) if order is None else order, n)
    tasks, outputs = [], max(sizes) if scenario == "domain" else n
    for end, size in zip(itertools.accumulate(sizes), sizes):
        own = order[end - size : end]
        classes = range(size) if scenario == "domain" else own
        answer = torch.full((n,), -1)
        answer[own] = torch.tensor(list(classes))
        labels = tuple(data.classes[c] for c in own)
        parts = []
        for x, y in (data.train, data.test):
            keep = answer[y] >= 0
            parts.append((x[keep], answer[y[keep]]))
        tasks.append(Task(" & ".join(labels), *parts, tuple(classes), labels))
    return Stream(tasks, scenario, outputs, active)


@settled
def permuted(data, tasks=5, scenario="domain", seed=0):
    """Every task shuffles the pixels by a permutation of its own; the first leaves them alone."""
    pixels, g = math.prod(check_dataset(data).train[0].shape[1:]), _dice(seed)
    shuffles = [torch.randperm(pixels, generator=g) for _ in range(1, whole("tasks", tasks))]
    orders = [torch.arange(pixels), *shuffles]
    names = [f"shuffle {t}" if t else "as it is" for t in range(len(orders))]
    changes = [lambda x, o=o: x.flatten(1)[:, o].view(x.shape) for o in orders]
    return _transformed(data, scenario, names, changes)


@settled
def rotated(data, degrees=(0, 30, 60, 90, 120), scenario="domain"):
    """Every task turns the images so many degrees counter-clockwise: a camera slips in its mount.

    Angles are as seen, also where images are not square; what leaves the picture is lost, what
    enters it is black. Raises ValueError for sensor windows, whose height (or width) is 1: they
    have nothing to turn.
    """
    shape = tuple(check_dataset(data).train[0].shape[1:])
    if 1 in shape[1:]:
        other = "permuted(data), split(data) or a Stream of your own Tasks takes them"
        what = f"{data.name!r} has samples (channels, height, width) = {shape}"
        raise ValueError(f"only pictures can be turned, {what}, which are sensor windows; {other}")
    degrees = [number("each of degrees", d, least=-LARGEST) for d in several("degrees", degrees)]
    names = [f"{d:g}°" for d in degrees]
    return _transformed(data, scenario, names, [lambda x, d=d: _turn(x, d) for d in degrees])


def _turn(x, degrees):
    """Images (n, channels, height, width) turned about their centre, bilinear, zeros outside."""
    if degrees == 0:
        return x
    a, (height, width) = math.radians(degrees), x.shape[2:]
    sin, cos = math.sin(a), math.cos(a)
    # the grid counts in half heights and half widths, not in pixels
    turn = torch.tensor([[cos, -sin * (height / width), 0.0], [sin * (width / height), cos, 0.0]])
    grid = F.affine_grid(turn.expand(len(x), 2, 3), x.shape, align_corners=False)
    return F.grid_sample(x, grid, align_corners=False).clamp(0, 1)


def _transformed(data, scenario, names, changes):
    """All classes in every task; scenario "task" gives every task outputs of its own."""
    choice("scenario", scenario, ("domain", "task"))
    n, tasks = len(check_dataset(data).classes), []
    for t, (name, change) in enumerate(zip(names, changes, strict=True)):
        first = n * t if scenario == "task" else 0
        parts = [(change(x), y + first) for x, y in (data.train, data.test)]
        tasks.append(Task(name, *parts, tuple(range(first, first + n)), data.classes))
    return Stream(tasks, scenario, n * len(tasks) if scenario == "task" else n)


def _dice(seed):
    return torch.Generator("cpu").manual_seed(whole("seed", seed, least=0, most=2**63 - 1))
