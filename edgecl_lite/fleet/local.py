"""A round on the clients: each is a lane of the one training loop, and goes its own way.

    θₖ ← some epochs of descent on the samples of client k, from the server's θ
    FedProx: … of loss + μ/2 ‖θₖ − θ‖²        which is EWC with F = 1 around the server's model

`steps` of the core is the loop, `Local` the method's verbs, `Round` the plan. Clients have unlike
numbers of samples: in each step those whose batches are alike go through the method together.
Li et al. 2020 (FedProx). Lesson: federated_learning.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch

from .._refuse.arguments import SEEDS
from .._refuse.verbs import Checked
from ..lanes import copied, lane
from ..learn import Moment, steps
from ..machine.dice import Dice

STRIDES = 0x9E3779B1, 0x85EBCA6B  # odd: clients and rounds far apart among the seeds


def chance(seed, client=0, turn=0):
    """The seed of a client's chance in a round; that of the first in the first is the seed."""
    return (seed + client * STRIDES[0] + turn * STRIDES[1]) % SEEDS


class Local:
    """The verbs of a round: the method's own, for those clients at once whose batches are alike.

    mu, anchor: the pull of FedProx towards the params that the server sent.
    """

    def __init__(self, method, mu, anchor):
        self.method, self.mu, self.anchor = method, mu, anchor

    def of(self, who):
        """The method, looked at for these lanes where it is the reader's own."""
        return self.method.on(len(who)) if isinstance(self.method, Checked) else self.method

    def begin_task(self, params, state, task):
        return params, state

    def end_task(self, params, state, task):
        return state

    def draw(self, state, batch, dice):
        drawn = [
            (who, self.of(who).draw(lane(state, who), own, partial(uniform, dice, who)))
            for who, own in batch["groups"]
        ]
        return {**batch, "groups": drawn}

    def loss(self, params, state, batch):
        total = next(iter(params.values())).new_zeros(batch["lanes"])
        for who, own in batch["groups"]:
            theta = picked(params, who)
            loss = self.of(who).loss(theta, lane(state, who), own)
            if self.mu:
                loss = loss + self.mu / 2 * distance(theta, lane(self.anchor, who))
            total = total.index_add(0, who, loss)
        return total

    def after_step(self, params, state, batch):
        for who, own in batch["groups"]:
            before = lane(state, who)
            after = self.of(who).after_step(picked(params, who), before, own)
            new = {k: v for k, v in after.items() if v is not before[k]}
            state = {**state, **{k: state[k].index_copy(0, who, v) for k, v in new.items()}}
        return state


def picked(params, who):
    """The lanes `who`, and where these are all of them the params themselves."""
    return params if len(who) == len(next(iter(params.values()))) else lane(params, who)


def uniform(dice, who, n):
    """`dice(n)` of some lanes, for which alone numbers are drawn: (those lanes, n)."""
    drawn = [torch.rand(n, generator=dice.chances[i]) for i in who.tolist()]
    return torch.stack(drawn).to(dice.device)


def distance(theta, anchor):
    """‖θ − anchor‖² of each lane, (lanes,)."""
    return sum((theta[k] - anchor[k]).flatten(1).square().sum(1) for k in theta)


@dataclass(frozen=True)
class Round:
    """The plan of a round, for the one training loop; a lane is a client under a seed.

    base: the `Plan` of the training; fleet: the `Arrivals`; phase; seeds, clients: of each lane;
    epochs: of local work; turn: number of the round; shares: how much of its work each lane does;
    met: whether it worked in an earlier round of this phase.
    """

    base: object
    fleet: object
    phase: int
    seeds: tuple
    clients: tuple
    epochs: int
    turn: int
    shares: tuple
    met: tuple
    parts: tuple = (slice(None),)
    orders: dict = field(default_factory=dict)

    @property
    def batch_size(self):
        return self.base.options.batch_size

    @property
    def micro_batch(self):
        return self.base.micro_batch

    @cached_property
    def work(self):
        """How many steps each lane makes, (lanes,)."""
        whole = [self.epochs * -(-len(y) // self.batch_size) for _, y in self.data]
        return [math.ceil(s * own) for s, own in zip(self.shares, whole, strict=True)]

    @property
    def total(self):
        """Steps of the lane that makes most."""
        return max(self.work)

    @cached_property
    def data(self):
        """(x, y) to train in this phase, of each lane."""
        turns = self.fleet.turns
        return [self.fleet.shares[c][turns[c][self.phase]][0] for c in self.clients]

    @cached_property
    def dice(self):
        """The chance of each lane."""
        drawn = [chance(s, c, self.turn) for s, c in zip(self.seeds, self.clients, strict=True)]
        return Dice(drawn, torch.arange(len(drawn)), self.base.device)

    @cached_property
    def answers(self):
        """(lanes, tasks, outputs): which outputs may answer for samples of each of its tasks."""
        return torch.stack([self.fleet.answers_of(c, self.phase) for c in self.clients])

    def task(self, step, dice):
        return {"begins": 0}

    def learning(self, params):
        return self.base.learning(params)

    def optimise(self, params, old):
        return self.base.optimise(params, None)

    def batches(self, task, step, dice):
        """{groups: [(lanes, batch as a method gets it)], …} of every step."""
        for step in range(self.total):
            alike = {}
            for i, (_, y) in enumerate(self.data):
                if step < self.work[i]:
                    epoch, nth = divmod(step, -(-len(y) // self.batch_size))
                    pick = self._pick(i, epoch, nth, len(y))
                    again = int(self.met[i] or epoch > 0)
                    alike.setdefault((again, len(pick)), []).append((i, pick))
            groups = [self._batch(step, again, own) for (again, _), own in alike.items()]
            left = (self.total - 1 - step) / self.total
            yield {"groups": groups, "lanes": len(self.clients), "left": left}

    def _pick(self, i, epoch, nth, n):
        """Which of its n samples lane i gets as batch `nth` of an epoch."""
        if nth == 0:
            self.orders[i] = torch.randperm(n, generator=self.dice.shuffles[i])
        return self.orders[i][nth * self.batch_size : (nth + 1) * self.batch_size]

    def _batch(self, step, again, own):
        """(lanes, batch) of lanes whose batches are alike; own: [(lane, which samples)].

        again: the epoch as a method gets it, 0 while samples come for the first time, later 1.
        """
        who, device = torch.tensor([i for i, _ in own]), self.base.device
        x, y = (torch.stack([self.data[i][k][pick] for i, pick in own]) for k in (0, 1))
        answers = self.answers[who]
        active = answers[:, self.phase, None].expand(-1, y.shape[1], -1)
        told = {"x": x, "y": y, "active": active, "answers": answers}
        left = 1 - (step + 1) / max(self.work[i] for i, _ in own)
        facts = {"task": self.phase, "epoch": again, "step": step, "left": left}
        return who, {k: v.to(device) for k, v in told.items()} | facts


def trained(method, job, params, state, mu=0.0):
    """(what each lane reports, its state), each after its own last step; yields after every step.

    job: the `Round`.
    """
    report, lanes = copied(params), torch.tensor(job.work)
    verbs = Local(method, mu, params)
    for moment in steps(verbs, job, Moment(0, params, state, None, job.dice)):
        done = (lanes == moment.step).nonzero().flatten().to(job.base.device)
        for k in report:
            report[k][done] = moment.params[k].detach()[done]
        yield
    return report, moment.state
