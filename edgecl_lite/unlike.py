"""Lanes with unlike data go through the one training loop, each in its own way and to its own end.

    in every step: lanes whose batches are alike → draw → loss → after_step, group by group

`steps` of learn.py is the loop, `Alike` the verbs, `Unlike` the plan: lanes have unlike numbers of
samples and so unlike numbers of steps. Clients of a fleet are such lanes, and lives of a device.
Lessons: federated_learning, wrist.
"""

import math
from functools import cached_property, partial

import torch

from ._refuse.verbs import Checked
from .lanes import copied, lane
from .learn import Moment, steps


class Alike:
    """A method's verbs, for those lanes at once whose batches are alike."""

    def __init__(self, method):
        self.method = method

    def of(self, who):
        """The method, looked at for these lanes where it is the reader's own."""
        return self.method.on(len(who)) if isinstance(self.method, Checked) else self.method

    def begin_task(self, params, state, task):
        return params, state

    def end_task(self, params, state, task):
        return state

    def draw(self, state, batch, dice):
        drawn = [
            (who, self.of(who).draw(picked(state, who), own, partial(uniform, dice, who)))
            for who, own in batch["groups"]
        ]
        return {**batch, "groups": drawn}

    def loss(self, params, state, batch):
        total = next(iter(params.values())).new_zeros(batch["lanes"])
        for who, own in batch["groups"]:
            loss = self.risk(who, picked(params, who), picked(state, who), own)
            total = total.index_add(0, who, loss)
        return total

    def risk(self, who, theta, state, own):
        """The loss of the lanes `who`, (len(who),)."""
        return self.of(who).loss(theta, state, own)

    def after_step(self, params, state, batch):
        for who, own in batch["groups"]:
            before = picked(state, who)
            after = self.of(who).after_step(picked(params, who), before, own)
            state = put(state, who, {k: v for k, v in after.items() if v is not before[k]})
        return state


def picked(tree, who):
    """The lanes `who`, and where these are all of them the tree itself."""
    return tree if len(who) == len(next(iter(tree.values()), who)) else lane(tree, who)


def put(tree, who, new):
    """The tree with lanes `who` of the tensors that are in `new`."""
    if len(who) < len(next(iter(tree.values()), who)):
        new = {k: tree[k].index_copy(0, who, v) for k, v in new.items()}
    return {**tree, **new}


def uniform(dice, who, n):
    """`dice(n)` of some lanes, for which alone numbers are drawn: (those lanes, n)."""
    drawn = [torch.rand(n, generator=dice.chances[i]) for i in who.tolist()]
    return torch.stack(drawn).to(dice.device)


class Unlike:
    """The plan of lanes with unlike data, for the one training loop.

    A subclass has base, the `Plan` of the training; data, (x, y) of each lane; dice; answers
    (lanes, tasks, outputs), which outputs may answer for samples of each task; epochs; shares, how
    much of its work each lane does; orders, an empty dict. `facts` says what task and epoch a batch
    is told.
    """

    parts = (slice(None),)

    @property
    def batch_size(self):
        return self.base.options.batch_size

    @property
    def micro_batch(self):
        return self.base.micro_batch

    @property
    def lanes(self):
        """How many there are."""
        return len(self.data)

    @cached_property
    def work(self):
        """How many steps each lane makes, (lanes,)."""
        whole = [self.epochs * -(-len(y) // self.batch_size) for _, y in self.data]
        return [math.ceil(s * own) for s, own in zip(self.shares, whole, strict=True)]

    @property
    def total(self):
        """Steps of the lane that makes most."""
        return max(self.work)

    def facts(self, i, epoch):
        """(number of the task, epoch) that lane i's batch is told in an epoch."""
        return 0, epoch

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
                    kind = *self.facts(i, epoch), len(pick)
                    alike.setdefault(kind, []).append((i, pick))
            groups = [self._batch(step, kind, own) for kind, own in alike.items()]
            left = (self.total - 1 - step) / self.total
            yield {"groups": groups, "lanes": self.lanes, "left": left}

    def _pick(self, i, epoch, nth, n):
        """Which of its n samples lane i gets as batch `nth` of an epoch."""
        if nth == 0:
            self.orders[i] = torch.randperm(n, generator=self.dice.shuffles[i])
        return self.orders[i][nth * self.batch_size : (nth + 1) * self.batch_size]

    def _batch(self, step, kind, own):
        """(lanes, batch) of lanes whose batches are of a kind; own: [(lane, which samples)]."""
        task, epoch, _ = kind
        who, device = torch.tensor([i for i, _ in own]), self.base.device
        x, y = (torch.stack([self.data[i][k][pick] for i, pick in own]) for k in (0, 1))
        answers = self.answers[who]
        active = answers[:, task, None].expand(-1, y.shape[1], -1)
        told = {"x": x, "y": y, "active": active, "answers": answers}
        left = 1 - (step + 1) / max(self.work[i] for i, _ in own)
        facts = {"task": task, "epoch": epoch, "step": step, "left": left}
        return who, {k: v.to(device) for k, v in told.items()} | facts


def to_its_end(verbs, job, params, state):
    """(params of each lane, its state), each after its own last step; yields after every step.

    verbs: an `Alike`; job: an `Unlike`.
    """
    report, lanes = copied(params), torch.tensor(job.work)
    for moment in steps(verbs, job, Moment(0, params, state, None, job.dice)):
        done = (lanes == moment.step).nonzero().flatten().to(job.base.device)
        for k in report:
            report[k][done] = moment.params[k].detach()[done]
        yield
    return report, moment.state


def finished(working):
    """What a generator hands back at its end."""
    while True:
        try:
            next(working)
        except StopIteration as end:
            return end.value
