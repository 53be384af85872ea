"""The windows of a day as tensors, for several lives at once: what is worn, and what is asked.

What is asked of the device on a day: the windows set aside of its wearer, its arm and the exercises
prescribed, under the drift of that day. Lanes are lives. Plumbing of life.py; lesson: wrist.
"""

from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import pad_sequence

from .._refuse.arguments import SEEDS
from ..streams import Stream, Task
from .windows import arms_of
from .year import APART

WORN, ASKED, PAST = range(3)  # for what noise is drawn
STRIDES = 0x85EBCA6B, 0x27D4EB2F  # odd


@dataclass(frozen=True)
class Seen:
    """Windows of several lives: x (lives, n, …), y (lives, n); there (lives, n): no padding."""

    x: torch.Tensor
    y: torch.Tensor
    there: torch.Tensor

    def right(self, logits):
        """The share of right answers in each life, (lives,) float64 array; NaN of no window."""
        best, said = logits.max(-1)
        hit = (said == self.y) & self.there & ~best.isneginf()  # -inf: no answer
        return (hit.sum(1).double() / self.there.sum(1)).numpy()


class Lives:
    """Several lives of a `Year`, by their seeds."""

    def __init__(self, year, seeds):
        self.year, self.seeds = year, seeds
        self.diaries = [year.life(seed) for seed in seeds]
        self.conditions = self.diaries[0].conditions  # the days of events are the year's

    def worn(self, day):
        """(`Seen`, labelled (lives, n) bool) of the windows that are worn on a day."""
        rows = [diary.row[day] for diary in self.diaries]
        labelled = torch.stack([diary.labelled[day] for diary in self.diaries])
        return self._seen(self.year.train, rows, day, WORN), labelled

    def asked(self, day, kind=ASKED):
        """`Seen` of the windows set aside on which the day is judged."""
        told = [(d.wearer[day], d.arm[day], d.prescribed[day]) for d in self.diaries]
        rows = [self.year.test.rows(*own) for own in told]
        return self._seen(self.year.test, rows, day, kind)

    def past(self, day):
        """[`Seen`]: what was asked at the end of every stretch between events that is over."""
        return [self.asked(last, PAST) for _, last in self.conditions if last < day]

    def _seen(self, windows, rows, day, kind):
        """Windows of some rows in each life, under the drift of a day."""
        there = [torch.ones(len(own), dtype=torch.bool) for own in rows]
        row, there = (pad_sequence(own, batch_first=True) for own in (rows, there))
        gain, offset = (
            torch.stack([getattr(d, k)[day] for d in self.diaries])[:, None, :, None, None]
            for k in ("gain", "offset")
        )
        x = 0.5 + (1 + gain) * (windows.x[row] - 0.5) + offset
        if self.year.noise:
            x += self.year.noise * self._noise(rows, day, kind, x.shape[2:])
        return Seen(x.clamp(0, 1), windows.exercise[row], there)

    def _noise(self, rows, day, kind, shape):
        """Of a life, a day and a purpose its own noise, as many windows as the life has rows."""
        each = []
        for seed, own in zip(self.seeds, rows, strict=True):
            chance = seed * APART + (3 * day + kind + 1) * STRIDES[0] + STRIDES[1]
            g = torch.Generator().manual_seed(chance % SEEDS)
            each.append(torch.randn(len(own), *shape, generator=g))
        return pad_sequence(each, batch_first=True)


def factory_task(year, seed):
    """What the factory learns from: its wearers, without later exercises; a `Task`."""
    diary = year.life(seed)
    parts = []
    for windows in (year.train, year.test):
        mine = torch.zeros_like(windows.exercise, dtype=torch.bool)
        for wearer in diary.met:
            for arm in range(1 if year.arms == "left" else len(arms_of(windows))):
                mine[windows.rows(wearer, arm, diary.known)] = True
        parts.append((windows.x[mine], windows.exercise[mine]))
    return Task("factory", *parts, tuple(range(year.classes)), year.names)


def life_stream(year, seed, every=1):
    """The labelled windows of a life as a domain-incremental `Stream`: a task for `every` days.

    A task's test set is what is asked on its last day. Stretches without a label are no task.
    """
    lives, tasks = Lives(year, [seed]), []
    for first in range(0, year.days, every):
        span = range(first, min(first + every, year.days))
        days = [lives.worn(day) for day in span]
        x = torch.cat([seen.x[0][labelled[0]] for seen, labelled in days])
        y = torch.cat([seen.y[0][labelled[0]] for seen, labelled in days])
        asked = lives.asked(span[-1])
        if len(y):
            test = asked.x[0], asked.y[0]
            name = f"days {first} to {span[-1]}"
            tasks.append(Task(name, (x, y), test, tuple(range(year.classes)), year.names))
    return Stream(tasks, "domain", year.classes)
