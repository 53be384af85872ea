"""What a line of a dossier rests on: facts of a training that hold on every board.

    FLOPs a sample = (steps · FLOPs a step + once a sample + once a task) / samples of the stream

Counted by `budget`, with one answer after each task where that has to be prepared, as LDA's Λ; the
accuracy of every seed and the bytes kept come from the Run itself. Saving to flash is not in it.
Lesson: start_here.
"""

import math
from dataclasses import dataclass

import numpy as np

from .. import metrics
from .._refuse.arguments import number, or_none, several, whole
from ..device.budget import budget
from ..lanes import nbytes
from ..run import Run

ACCURACY = "average accuracy"


def _count(name, value):
    return whole(name, value, least=0)


CHECKS = {
    "kept": _count,
    "ram": or_none(_count),
    "flash": or_none(_count),
    "flops": or_none(number),
    "sent": number,
}


@dataclass(frozen=True)
class Facts:
    """Facts of a training; None where the lesson has not counted it.

    accuracy (seeds,): of each seed at the end, shares 0..1; kept: bytes that stay from task to
    task, beside the weights; ram, flash: bytes that learning needs; flops: for each new sample,
    all passes over it together; sent: bytes by radio for each new sample; measure: what the shares
    are of, if they are no accuracies. Errors: TypeError, ValueError for other values.
    """

    accuracy: list
    kept: int
    ram: int | None = None
    flash: int | None = None
    flops: float | None = None
    sent: float = 0.0
    measure: str = ACCURACY

    def __post_init__(self):
        shares = [number("each of accuracy", a, most=1) for a in several("accuracy", self.accuracy)]
        object.__setattr__(self, "accuracy", shares)
        for name, check in CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))

    @property
    def mean(self):
        """Mean accuracy over seeds, 0..1."""
        return float(np.mean(self.accuracy))

    @property
    def sd(self):
        """Standard deviation over seeds (n − 1); 0 for one seed."""
        return float(np.std(self.accuracy, ddof=min(1, len(self.accuracy) - 1)))


def facts(run, method, stream, **options):
    """Facts of a method that learned a stream.

    run: a `Run` with no axis but the seeds (run.at(lam=10)), or the accuracy of each seed, shares
    0..1. options: of `budget`; for shares alone also epochs (10). A Run brings its own batch size,
    optimiser, steps, and values of the grid. Errors: ValueError for a Run with other axes or one
    that was stopped; those of `budget`.
    """
    if not isinstance(run, Run):
        batch, epochs = options.get("batch_size", 32), whole("epochs", options.pop("epochs", 10))
        steps = [epochs * math.ceil(len(task.train[1]) / batch) for task in stream]
        need = budget(method, stream, **options)
        return _facts(run, sum(need.need.keeps.values()), need, steps)
    if run.grid:
        got = f"a run with the axes {list(run.grid)}"
        raise ValueError(f"facts are those of one cell, got {got}: take one, run.at(…)")
    own = "batch_size", "micro_batch", "optimizer", *method.hyper
    told = {k: run.settings[k] for k in own if k in run.settings}
    steps = np.diff(run.step[run.ended], prepend=0).tolist()
    accuracy = metrics.average_accuracy(run.accuracy)
    need = budget(method, stream, **told | options)
    return _facts(accuracy, nbytes(method.keeps(run.state)), need, steps)


def _facts(accuracy, kept, need, steps):
    """steps (tasks,): of each task."""
    samples = sum(len(task.train[1]) for task in need.stream)
    flops = steps[0] * need.first_step + sum(steps[1:]) * sum(need.step.values())
    flops += samples * need.need.sample + len(steps) * (need.need.task + need.need.answer)
    return Facts(accuracy, kept, need.ram, need.flash, flops / samples)
