"""What stays the same in a device's life: the arguments of `days`, checked, and what things cost.

What a session or an answer costs hangs on the method and the board, never on the day; so it is
counted once, of a life in which all windows are labelled. Plumbing of life.py; lesson: wrist.
"""

import math
from dataclasses import replace

import numpy as np
import torch

from .._refuse.arguments import SEEDS, number, seeds_list
from ..plan import Plan
from ..streams import Stream
from .boards import board as board_of
from .budget import budget
from .session import Costs, Session, few
from .strategy import Strategy
from .when import trigger
from .worn import Lives, factory_task, life_stream
from .year import Year

CUT = 0x6A09E667  # the chance of a power cut, apart from all other


class Course:
    """Arguments of `days`, checked. Raises as `days`.

    base: the `Plan` of a session's training; lives: their windows; costs: the `Costs`; capacity: of
    the battery, joules.
    """

    def __init__(self, strategy, year, lives, board, battery_j, harvest_j, cuts):
        if not isinstance(strategy, Strategy):
            got = type(strategy).__name__
            raise TypeError(f"strategy must be a Strategy such as Strategy(method), got {got}")
        if not isinstance(year, Year):
            raise TypeError(f"year must be a Year, as year() makes one, got {type(year).__name__}")
        check_guard(strategy.guard, year.classes)
        self.strategy, self.year, self.trigger = strategy, year, trigger(strategy.when)
        self.lives = Lives(year, seeds_list(lives))
        self.tasks = [factory_task(year, seed) for seed in self.lives.seeds]
        stream = Stream(self.tasks[:1], "domain", year.classes)
        self.base = Plan(strategy.method, stream, self.lives.seeds, **strategy.training)
        self.costs = costs(strategy, year, self.lives.seeds[0], board)
        self.capacity = math.inf
        if battery_j is not None:
            self.capacity = number("battery_j", battery_j, strictly=True)
        self.harvest, self.cuts = number("harvest_j", harvest_j), number("cuts", cuts, most=1)

    def job(self, now, lanes):
        """The `Session` of some lives, on what waits there."""
        data = [now.waiting[i] for i in lanes]
        numbers = tuple(now.sessions[lanes].tolist())
        return Session(self.base, data, numbers, few(now.dice, lanes))

    def joules(self, now, i, steps, kept=True):
        """Of a session of life i, of so many steps."""
        new, held = len(now.waiting[i][1]), len(now.held[i][1])
        return self.costs.session(steps, new, held, kept)

    def power(self, lanes, day):
        """The share of a session on this day after which the power fails; 1 where it does not."""
        drawn = [(self.lives.seeds[i] + 1) * CUT + day for i in lanes]
        chances = [torch.Generator().manual_seed(seed % SEEDS) for seed in drawn]
        u = torch.stack([torch.rand(2, generator=g) for g in chances]).numpy()
        return np.where(u[:, 0] < self.cuts, u[:, 1], 1.0)


def check_guard(guard, classes):
    """ValueError where a guard would hold back nothing of a class."""
    if guard and guard.each == "class" and guard.windows < classes:
        want = f"at least {classes} windows, one of each class"
        raise ValueError(f"the guard needs {want}, or each='any'; got {guard.windows}")


def costs(strategy, year, seed, board):
    """The `Costs` of a strategy: of a life all of whose windows are labelled, in full sessions."""
    every = max(1, strategy.gathers // (year.wearings * year.windows))
    stream = life_stream(replace(year, labelled=1.0, noise=0.0), seed, every)
    kind = strategy.optimizer if isinstance(strategy.optimizer, str) else "adam"
    micro = strategy.micro_batch
    needs = budget(strategy.method, stream, strategy.batch_size, kind, micro_batch=micro)
    return Costs(needs, board_of(board), strategy)
