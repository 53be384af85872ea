"""Streams: a data set cut into tasks that arrive one after the other, in one of three scenarios.

    task-incremental     the task is told when it answers: only its own outputs are active
    domain-incremental   every task uses the same outputs; what changes is the input
    class-incremental    the task is not told: all classes (seen so far, or all from the start) compete

van de Ven, Tuytelaars & Tolias 2022, "Three types of incremental learning".
Lesson: 01_catastrophic_forgetting.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from .arguments import LARGEST, choice, number, several, whole
from .data import Dataset, check_samples

SCENARIOS = ("task", "domain", "class")


@dataclass(frozen=True, eq=False)
class Task:
    """One task. train, test: (x (n, channels, height, width) float32 in 0..1, y (n,) int64 output indices).

    classes: the outputs this task uses; labels: what each of them is called. Raises ValueError on pixels that
    are not finite, labels outside `classes`, or no samples.
    """

    name: str
    train: tuple
    test: tuple
    classes: tuple
    labels: tuple = ()

    def __post_init__(self):
        if not self.classes:
            raise ValueError(f"task {self.name!r} must have at least one class, got none")
        for part in ("train", "test"):
            x, y = getattr(self, part)
            check_samples(f"{part} of task {self.name!r}", x, y, max(self.classes) + 1)
            strange = sorted(set(y.unique().tolist()) - set(self.classes))
            if strange:
                raise ValueError(
                    f"{part} of task {self.name!r}: expected labels in {self.classes}, got also {strange}"
                )
        object.__setattr__(self, "labels", tuple(self.labels or map(str, self.classes)))
        if len(self.labels) != len(self.classes):
            raise ValueError(f"task {self.name!r} has {len(self.classes)} classes, got labels {self.labels}")

    def __repr__(self):
        return f"Task({self.name!r}, train {tuple(self.train[0].shape)}, test {tuple(self.test[0].shape)})"


@dataclass(frozen=True, eq=False)
class Stream:
    """Tasks in order of arrival. scenario: "task", "domain" or "class"; outputs: width of the output layer.

    rule (class-incremental only): "seen" lets the classes seen so far answer, "all" lets every class from the
    start. Raises ValueError where there is no task or the tasks' images differ in shape.
    """

    tasks: tuple
    scenario: str
    outputs: int
    rule: str = "seen"

    def __post_init__(self):
        object.__setattr__(self, "tasks", tuple(self.tasks))
        choice("scenario", self.scenario, SCENARIOS)
        choice("active", self.rule, ("seen", "all"))
        if not self.tasks or not all(isinstance(task, Task) for task in self):
            raise ValueError(f"a stream needs at least one task, and only Tasks, got {self.tasks!r}")
        shapes = [(task.name, *part[0].shape[1:]) for task in self for part in (task.train, task.test)]
        if len({tuple(shape) for _, *shape in shapes}) > 1:
            raise ValueError(f"all tasks of a stream must have images of one shape, got {shapes}")
        top = max(c for task in self for c in task.classes)
        if top >= whole("outputs", self.outputs):
            raise ValueError(f"outputs must exceed the largest class {top}, got {self.outputs}")

    def __repr__(self):
        return f"Stream({self.scenario}-incremental: {', '.join(self.names)}; {self.outputs} outputs)"

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

    def active(self, now, on=None):
        """Outputs that may answer for a sample of task `on` (default: now) at task `now`, (outputs,) bool."""
        on = now if on is None else on
        if self.scenario == "domain" or (self.scenario == "class" and self.rule == "all"):
            return torch.ones(self.outputs, dtype=torch.bool)
        tasks = self.tasks[on : on + 1] if self.scenario == "task" else self.tasks[: now + 1]
        mask = torch.zeros(self.outputs, dtype=torch.bool)
        mask[[c for task in tasks for c in task.classes]] = True
        return mask

    def answers(self):
        """`active` for every pair of tasks, (now, on, outputs) bool."""
        each = range(len(self))
        return torch.stack([torch.stack([self.active(now, on) for on in each]) for now in each])


def split(data, per_task=2, scenario="class", active="seen", order=None):
    """Cut the classes of `data` into tasks of `per_task` each: digits 0, 1 then 2, 3 then …

    scenario "task" and "class" keep the class's own output; "domain" shares `per_task` outputs between all
    tasks (is it the first or the second of its pair?). order: another order of the classes, e.g. shuffled per
    seed. Raises ValueError where `per_task` does not divide the number of classes or the scenario is unknown.
    """
    choice("scenario", scenario, SCENARIOS)
    n, per_task = len(check_dataset(data).classes), whole("per_task", per_task)
    if n % per_task:
        raise ValueError(f"per_task must divide the {n} classes of {data.name!r}, got {per_task}")
    order = several("order", range(n) if order is None else order)
    if sorted(map(str, order)) != sorted(map(str, range(n))):
        raise ValueError(f"order must hold each class 0..{n - 1} once, got {order}")
    tasks = []
    for start in range(0, n, per_task):
        own = order[start : start + per_task]
        outputs = range(per_task) if scenario == "domain" else own
        answer = torch.full((n,), -1)
        answer[own] = torch.tensor(list(outputs))
        labels = tuple(data.classes[c] for c in own)
        parts = [(x[keep], answer[y[keep]]) for x, y in (data.train, data.test) for keep in [answer[y] >= 0]]
        tasks.append(Task(" & ".join(labels), *parts, tuple(outputs), labels))
    return Stream(tasks, scenario, per_task if scenario == "domain" else n, active)


def permuted(data, tasks=5, scenario="domain", seed=0):
    """Every task shuffles the pixels by a fixed permutation of its own; the first one leaves them alone."""
    pixels, g = math.prod(check_dataset(data).train[0].shape[1:]), torch.Generator().manual_seed(seed)
    orders = [
        torch.randperm(pixels, generator=g) if t else torch.arange(pixels)
        for t in range(whole("tasks", tasks))
    ]
    names = [f"shuffle {t}" if t else "as it is" for t in range(len(orders))]
    return _transformed(
        data, scenario, names, [lambda x, o=o: x.flatten(1)[:, o].view(x.shape) for o in orders]
    )


def rotated(data, degrees=(0, 30, 60, 90, 120), scenario="domain"):
    """Every task turns the images by so many degrees, counter-clockwise: a camera that slips in its mount."""
    degrees = [number("each of degrees", d, least=-LARGEST) for d in several("degrees", degrees)]
    return _transformed(
        data, scenario, [f"{d:g}°" for d in degrees], [lambda x, d=d: _turn(x, d) for d in degrees]
    )


def _turn(x, degrees):
    """Images (n, channels, height, width) turned about their centre, bilinear, zeros outside."""
    if degrees == 0:
        return x
    a = math.radians(degrees)
    turn = torch.tensor([[math.cos(a), -math.sin(a), 0.0], [math.sin(a), math.cos(a), 0.0]])
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


def check_dataset(data):
    if not isinstance(data, Dataset):
        raise TypeError(f"data must be a Dataset such as digits(), got {type(data).__name__}")
    return data
