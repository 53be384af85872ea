"""A device's life, day by day: it is worn, it answers, labels gather, and at times it learns.

    worn → answers (joules) → labelled windows wait → is a session due? → learn → did it help? → Day

`days` is the generator, `lived` runs it to its end; lanes are lives. What may happen says `Year`,
what the device does about it `Strategy`. Lesson: wrist.
"""

import time
from dataclasses import dataclass, field

import numpy as np
import torch

from .._refuse.arguments import seeds_list
from ..machine.settled import settled
from ..method import Finetune
from ..plan import Dice, Plan
from ..streams import Stream
from .course import Course
from .living import beginning, next_day
from .session import Session, learned
from .worn import factory_task

SERIES = "accuracy", "before", "past", "confidence", "learned", "rolled_back", "cut"
SERIES += "joules", "battery", "pages", "waiting"


@settled
def factory(net, year, seeds=5, epochs=20, lr=3e-3, batch_size=32):
    """What every life begins with: {name: (seeds, …)}, weights= of a strategy's method.

    Each seed's net is trained on the wearers that the factory knows in that life, without the
    exercises that come later, by plain cross entropy, and without any drift.
    """
    seeds = seeds_list(seeds)
    tasks = [factory_task(year, seed) for seed in seeds]
    stream = Stream(tasks[:1], "domain", year.classes)
    base = Plan(Finetune(net), stream, seeds, epochs=epochs, lr=lr, batch_size=batch_size)
    dice = Dice(seeds, torch.arange(len(seeds)), "cpu")
    job = Session(base, [task.train for task in tasks], (0,) * len(seeds), dice)
    return learned(base.verbs, job, base.start()[0], {})[0]


@settled
def days(strategy, year, lives=5, board="nano-33-ble", battery_j=None, harvest_j=0.0, cuts=0.0):
    """Live: a `Day` for every day of the year.

    lives: a count of lives or a list of their seeds. battery_j: what the battery holds, full at the
    beginning, for answers and for learning alone: sensor and radio are not counted; None: it is
    charged every night. harvest_j: joules that come in a day. cuts: probability that the power
    fails in a session: what was learned in it is lost, the flash still has what was before. Raises
    ValueError or TypeError on arguments out of range.
    """
    course = Course(strategy, year, lives, board, battery_j, harvest_j, cuts)
    yield from each_day(course)


@settled
def each_day(course):
    """The `Day`s of a `Course`."""
    now = beginning(course)
    for day in range(course.year.days):
        now, seen = next_day(course, now, day)
        yield seen


@dataclass(frozen=True)
class Life:
    """Several lives, to their end or as far as they came. Arrays (lives, days) as in `Day`.

    costs: the `Costs` of the strategy; events: for each life and day what happened; params, state:
    at the end; notes: sentences that whoever reads it should know; seconds: that it took here.
    """

    strategy: object
    year: object
    seeds: list
    costs: object = field(repr=False)
    accuracy: np.ndarray = field(repr=False)
    before: np.ndarray = field(repr=False)
    past: np.ndarray = field(repr=False)
    confidence: np.ndarray = field(repr=False)
    learned: np.ndarray = field(repr=False)
    rolled_back: np.ndarray = field(repr=False)
    cut: np.ndarray = field(repr=False)
    joules: np.ndarray = field(repr=False)
    battery: np.ndarray = field(repr=False)
    pages: np.ndarray = field(repr=False)
    waiting: np.ndarray = field(repr=False)
    events: list = field(repr=False)
    params: dict = field(repr=False)
    state: dict = field(repr=False)
    notes: list = field(repr=False)
    seconds: float = np.nan

    @classmethod
    def of(cls, course, seen, seconds=np.nan):
        """A Life of the days `seen`, in order."""
        arrays = {k: np.stack([getattr(day, k) for day in seen], 1) for k in SERIES}
        events = [[day.events[i] for day in seen] for i in range(len(course.lives.seeds))]
        last = {"params": seen[-1].params, "state": seen[-1].state}
        whose = course.strategy, course.year, course.lives.seeds, course.costs
        notes = [*course.year.notes, *course.base.notes, *course.costs.notes]
        return cls(*whose, **arrays, events=events, **last, notes=notes, seconds=seconds)

    def score(self):
        """Mean accuracy over the days so far, (lives,); a day on which it is dead counts as 0."""
        return np.nan_to_num(self.accuracy).mean(1)

    def table(self):
        """DataFrame, a row a life."""
        import pandas as pd

        columns = {
            "life": self.seeds,
            "accuracy over the year": self.score(),
            "on the last day": self.accuracy[:, -1],
            "on earlier stretches": self.past[:, -1],
            "sessions": self.learned.sum(1),
            "rolled back": self.rolled_back.sum(1),
            "joules": self.joules.sum(1),
            "pages erased": self.pages[:, -1],
        }
        return pd.DataFrame(columns)


@settled
def lived(strategy, year, lives=5, board="nano-33-ble", battery_j=None, harvest_j=0.0, cuts=0.0):
    """`days` run to their end: a `Life`. Arguments as there.

    An interrupt gives the Life as far as it came; before the first day is over it is raised.
    """
    begun, seen = time.perf_counter(), []
    course = Course(strategy, year, lives, board, battery_j, harvest_j, cuts)
    try:
        for day in each_day(course):
            seen.append(day)
    except KeyboardInterrupt:
        if not seen:
            raise
    return Life.of(course, seen, time.perf_counter() - begun)
