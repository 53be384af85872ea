"""A session: what a device learns in one go, from the labelled windows that wait.

    begin_task → some epochs through the one training loop → end_task        lanes are lives

A session is a task of the method: EWC takes new springs, replay keeps samples. Lives have unlike
numbers of windows and of sessions; `unlike.py` takes those together that are alike. Lesson: wrist.
"""

import copy
from dataclasses import dataclass, field
from functools import cached_property

import torch

from ..lanes import lane
from ..unlike import Alike, Unlike, finished, put, to_its_end
from .boards import pages, size
from .energy import estimate


@dataclass(frozen=True)
class Session(Unlike):
    """The plan of a session. base: the `Plan` of the life; data: (x, y) of each lane, never empty;
    numbers: of the lanes' tasks; dice: of these lanes; still: nothing moves (the factory's own).
    """

    base: object
    data: list
    numbers: tuple
    dice: object
    still: bool = False
    orders: dict = field(default_factory=dict)

    @property
    def epochs(self):
        return 1 if self.still else self.base.options.epochs

    @property
    def shares(self):
        return (1,) * self.lanes

    @cached_property
    def work(self):
        """How many steps each lane makes, (lanes,)."""
        steps = self.base.options.steps
        return [steps] * self.lanes if steps and not self.still else super().work

    @cached_property
    def answers(self):
        """(lanes, tasks, outputs): all outputs may answer from the start, in every task."""
        shape = self.lanes, max(self.numbers) + 1, self.base.stream.outputs
        return torch.ones(shape, dtype=torch.bool)

    def facts(self, i, epoch):
        """The number of the life's task, and the epoch."""
        return self.numbers[i], epoch

    def optimise(self, params, old):
        """As the life's; of the factory's own session one that moves nothing."""
        moves = [p for p in params.values() if p.requires_grad]
        return torch.optim.SGD(moves, lr=0.0) if self.still else super().optimise(params, old)

    def tasks(self):
        """[(lanes, task as begin_task and end_task get it)] of lanes whose tasks are alike."""
        alike = {}
        for i, (_, y) in enumerate(self.data):
            alike.setdefault((self.numbers[i], len(y)), []).append(i)
        for (number, n), own in alike.items():
            who = torch.tensor(own)
            x, y = (torch.stack([self.data[i][k] for i in own]) for k in (0, 1))
            answers = self.answers[who, : number + 1]
            told = {"x": x, "y": y, "active": answers[:, [number]].expand(-1, n, -1)}
            rng = few(self.dice, own)
            yield who, {"number": number, "begins": 0, "rng": rng, **told, "answers": answers}


def few(dice, lanes):
    """The dice of some lanes: the same generators."""
    own = copy.copy(dice)
    own.shuffles, own.chances = ([all[i] for i in lanes] for all in (dice.shuffles, dice.chances))
    own.which = torch.arange(len(lanes))
    return own


def learned(method, job, params, state):
    """(params, state) of the lanes of a `Session` after it."""
    verbs = Alike(method)
    for who, task in job.tasks():
        begun = verbs.of(who).begin_task(lane(params, who), lane(state, who), task)
        params, state = put(params, who, begun[0]), put(state, who, begun[1])
    params, state = finished(to_its_end(verbs, job, params, state))
    for who, task in job.tasks():
        state = put(state, who, verbs.of(who).end_task(lane(params, who), lane(state, who), task))
    return params, state


# ---- what it costs


@dataclass(frozen=True)
class Costs:
    """What days and sessions take of a board: `budget`'s FLOPs, `estimate`'s joules, whole pages.

    budget: of the method on the life's windows; board: a `Board`. Flash is written page by page.
    """

    budget: object
    board: object
    strategy: object

    @property
    def ram(self):
        """Bytes of RAM while it learns, and of the labelled windows that wait."""
        return self.budget.ram + self.strategy.gathers * self.window

    @property
    def flash(self):
        """Bytes of flash: the network, what the method keeps, the slice that is held back."""
        return self.budget.flash + self.held

    @property
    def notes(self):
        """Where the board has too little of either, in sentences."""
        has, needs = self.board, {"RAM": self.ram, "flash": self.flash}
        room = {"RAM": has.reach, "flash": has.flash}
        way = {"RAM": "a micro_batch or a smaller batch_size", "flash": "a smaller capacity"}
        short = [kind for kind in needs if needs[kind] > room[kind]]
        told = "It needs {} of {}, and {} has {}: {} may help."
        rows = [(size(needs[k]), k, has.title, size(room[k]), way[k]) for k in short]
        return [told.format(*row) for row in rows]

    @property
    def window(self):
        """Bytes of a window with its label: a byte a value, one for the label."""
        return self.budget.stream.pixels + 1

    @property
    def forward(self):
        """FLOPs of an answer."""
        return self.budget.net.forward

    @cached_property
    def saved(self):
        """Bytes written by a session that counts: what moved, what the method keeps, the slice."""
        need, weights = self.budget.need, self.budget.weight_bytes
        moved = need.trained[0] if need.moved is None else need.moved
        return weights * moved + sum(need.keeps.values()) + self.held

    @property
    def held(self):
        """Bytes of the slice that is held back."""
        guard = self.strategy.guard
        return guard.windows * self.window if guard else 0

    @property
    def pages(self):
        """Pages of flash that an accepted session erases and writes."""
        return pages(self.saved, self.board)

    def answering(self, windows):
        """Joules of so many answers."""
        return estimate(self.forward * windows, self.board).energy_mj / 1e3

    def flops(self, steps, new, checked=0):
        """FLOPs of a session of so many steps on `new` windows, with `checked` held back.

        The first answer afterwards is in it, where that takes more (LDA's Λ).
        """
        budget, need = self.budget, self.budget.need
        work = steps * sum(budget.step.values()) + new * need.sample
        return work + need.task + need.answer + 2 * checked * self.forward

    def session(self, steps, new, checked=0, kept=True):
        """Joules of a session; kept: it was accepted, and written to flash."""
        flash = {"written": self.saved, "erased": self.pages} if kept else {}
        flops = self.flops(steps, new, checked)
        return estimate(flops, self.board, **flash).energy_mj / 1e3
