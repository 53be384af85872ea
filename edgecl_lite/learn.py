"""The one training loop: for every batch, draw → loss → backward → optimiser → after_step.

The path of one step, for EWC: `Plan.batches` deals every lane its samples, `EWC.loss` adds the
springs to the cross entropy, `descend` sums over lanes and goes backward, `opt.step` moves. After
the last step of a task, `EWC.end_task` takes new springs from `fisher`.

`steps` is the loop and holds nothing that is not in its `Moment`, so that a training can be left
and gone on with between any two steps (`journal.py` writes moments down); `follow` looks at each of
them, `learn` gives the Points that are due. Lesson: catastrophic_forgetting writes this loop for
one network.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from ._refuse.verbs import check_whole
from .lanes import copied, lanes_of, some
from .machine.dice import Dice
from .machine.foretell import check_room
from .machine.settled import settled
from .machine.step import pieces
from .method import masked
from .plan import Plan


class Diverged(FloatingPointError):
    """Every lane became non-finite. `.run`, set by `train`, holds what was learned before."""


@dataclass(frozen=True)
class Moment:
    """A training between two steps: all that the next ones hang on.

    It is alive: the next step changes params, opt and dice in place; `carried` and `Journal` make
    copies. step: how many were made; opt: the optimiser, None before the first; dice: all that is
    random, a method's `rng`; loss (lanes,): of the last step, None before the first.
    """

    step: int
    params: dict
    state: dict
    opt: object
    dice: Dice
    loss: object = None


def steps(method, plan, moment):
    """The loop: the `Moment` after every step, from a given one to the end of the stream."""
    step, params, state = moment.step, moment.params, moment.state
    opt, dice = moment.opt, moment.dice
    while step < plan.total:
        task = plan.task(step, dice)
        if step == task["begins"]:
            params, state = method.begin_task(params, state, task)
            params = plan.learning(params)
            opt = plan.optimise(params, opt)
        for batch in plan.batches(task, step, dice):
            batch = method.draw(state, batch, dice)
            opt.zero_grad()
            loss = descend(method, params, state, batch, plan)
            opt.step()
            state, step = method.after_step(params, state, batch), step + 1
            if not batch["left"]:  # the last step of the task
                params = {k: p.detach() for k, p in params.items()}
                state = method.end_task(params, state, task)
            yield Moment(step, params, state, opt, dice, loss)


@settled
def beginning(plan):
    """The `Moment` before the first step."""
    params, hyper = plan.start()
    state = plan.verbs.start(params, plan.stream, hyper)
    return Moment(0, params, state, None, Dice(plan.seeds, plan.which, plan.device))


@dataclass(frozen=True)
class Point:
    """What `learn` saw at one moment.

    step: steps so far; total: steps of the whole stream; task: number of the task being learned;
    ended: this is the moment after its end. accuracy (lanes, on): share of right answers on each
    task's test set, NaN in lost lanes. predicted (lanes, on, n) uint8: the answers, padded with
    255. params, state: copies at this moment. lost: {lane: what happened}. notes: sentences that
    whoever reads the run should know. carried: what else the next steps hang on, the dice and the
    optimiser's moments.
    """

    step: int
    total: int
    task: int
    ended: bool
    accuracy: np.ndarray
    predicted: np.ndarray
    params: dict
    state: dict
    lost: dict
    notes: tuple = ()
    carried: dict = field(default_factory=dict)
    own: np.ndarray | None = None

    def __repr__(self):
        where = f"step {self.step} of {self.total}, task {self.task}"
        return f"{type(self).__name__}({where}, accuracy {self.accuracy.round(3)})"


@settled
def learn(method, stream, seeds=1, grid=None, **options):
    """Train on the tasks in turn: a `Point` at the start, every `every` steps, after each task.

    seeds: a count or a list. grid: {hyper-parameter: values}; lanes are its cells × seeds, seeds
    innermost. Options: epochs=10, or steps= per task instead; batch_size=32; lr=1e-3;
    optimizer="adam", "sgd" or a callable taking (tensors, lr=…), which moves each lane by itself;
    fresh=True, a new optimiser for every task; every= steps between two points, once an epoch by
    default; device="cpu"; room= bytes that it may add to the process, 2e9 for 2 GB: where it needs
    more it is refused before it begins; micro_batch= new samples that go forward and backward at a
    time, for the gradients of a batch's pieces add up to its own. Same seed, same result, bit for
    bit, on one machine and for as many lanes; beside others the last digits may differ. Raises
    ValueError or TypeError on arguments out of range, `Diverged` once every lane is lost.
    """
    yield from points(checked(method, stream, seeds, grid, **options))


@settled
def checked(method, stream, seeds=1, grid=None, **options):
    """The `Plan` of these arguments, with room for its training."""
    plan = Plan(method, stream, seeds, grid, **options)
    plan.notes += check_room(plan, follow)
    return plan


@settled
def points(plan, *going_on, journal=None):
    """The `Point`s that are due; see `follow`."""
    yield from filter(None, follow(plan, *going_on, journal=journal))


def follow(plan, moment=None, observer=None, journal=None):
    """After every step the `Point` that is due, or None: what there is to see of a training.

    moment, observer: where it goes on, in place of the beginning. journal: the `Journal` of it.
    """
    observer = observer or Observer(plan)
    if moment is None:
        moment = beginning(plan)
        yield observer.seen(moment, journal)
    elif journal is not None:
        journal.keep(moment, None, observer)
    for after in steps(plan.verbs, plan, moment):
        yield observer.seen(after, journal)
        if len(observer.lost) == plan.lanes:
            raise Diverged(" ".join(observer.lost.values()))


class Observer:
    """What was seen of a training.

    losses: of the steps since the last look; lost: {lane: what happened}.
    """

    def __init__(self, plan, losses=(), lost=()):
        self.plan, self.losses, self.lost = plan, [*losses], dict(lost)
        self.state = None  # of the moment before: what a step was made with

    def seen(self, moment, journal=None):
        """The `Point` of this moment if one is due, else None."""
        due, point = self.plan.due(moment.step), None
        if moment.loss is not None:
            self.losses.append(moment.loss)
        if due or len(self.losses) == 100:
            for i, first in gone(self.losses, moment.params, moment.step).items():
                self.lost.setdefault(i, self.plan.told(i, first, self.state or moment.state))
            self.losses.clear()
        self.state = moment.state
        if due or len(self.lost) == self.plan.lanes:
            point = self.point(moment)
        if journal is not None:
            journal.keep(moment, point, self)
        return point

    def point(self, moment):
        """The `Point` of this moment."""
        plan, step, params, state = self.plan, moment.step, moment.params, moment.state
        t = plan.place(max(0, step - 1))[0]
        accuracy, predicted = evaluate(plan.verbs, params, state, plan.stream, t)
        accuracy[[*self.lost]], predicted[[*self.lost]] = np.nan, 255
        ended = step > 0 and plan.place(step)[1] == 0
        seen = accuracy, predicted, copied(params), {**state}, {**self.lost}
        return Point(step, plan.total, t, ended, *seen, plan.notes, carried(moment))


def carried(moment):
    """What else the next steps hang on, copied: {name: tensor} of the dice and the optimiser."""
    found = {f"dice.{k}": v for k, v in moment.dice.states.items()}
    if moment.opt is None:
        return found
    for i, own in moment.opt.state_dict()["state"].items():
        found |= {f"opt.{i}.{k}": torch.as_tensor(v).detach().clone() for k, v in own.items()}
    for i, group in enumerate(moment.opt.param_groups):  # a rate that decays, say
        own = {k: v for k, v in group.items() if isinstance(v, int | float)}
        changed = {k: v for k, v in own.items() if v != moment.opt.defaults.get(k)}
        found |= {f"group.{i}.{k}": torch.as_tensor(np.asarray(v)) for k, v in changed.items()}
    return found


def descend(method, params, state, batch, plan):
    """The loss (lanes,), and its gradient in params, of a few lanes or samples at a time.

    Lanes: where all of them take too much; samples: where a micro-batch is asked for. Gradients add
    up in params: Σ nᵢ/n ∇L(piece i) = ∇L(batch) where L is a mean over samples.
    """
    if len(plan.parts) == 1 and not plan.micro_batch:
        return backward(method.loss(params, state, batch))
    trees, size = (params, state, batch), plan.micro_batch
    if len(plan.parts) == 1:
        return summed(method, *trees, size)
    own = ([some(tree, few) for tree in trees] for few in plan.parts)
    return torch.cat([summed(method, *few, size) for few in own])


def summed(method, params, state, batch, size):
    """The loss (lanes,) of a batch, and its gradient in params, the sum over its pieces."""
    cut = pieces(batch, size)
    losses = [backward(method.loss(params, state, piece), share) for share, piece in cut]
    check_whole(method, params, state, batch, losses)
    return sum(losses)


def backward(loss, share=1.0):
    """The gradient of the sum over lanes: each lane's own, for none knows another's weights.

    share: by what it is weighed, as the loss that is handed back.
    """
    if not loss.requires_grad:
        still = "all parameters of the net have requires_grad=False"
        raise ValueError(f"there is nothing to learn: {still}")
    if share == 1:
        loss.sum().backward()
        return loss.detach()
    loss.backward(torch.full_like(loss, share))
    return share * loss.detach()


@settled
@torch.no_grad()
def evaluate(method, params, state, stream, now):
    """What is answered at task `now`: accuracy (lanes, on) float64, predicted (lanes, on, n) uint8.

    Predicted is padded with 255. Where the method has no answer, -inf for every active output, it
    says 255, and is wrong.
    """
    lanes, device = lanes_of(params), next(iter(params.values())).device
    widest = max(len(task.test[1]) for task in stream)
    predicted = torch.full((lanes, len(stream), widest), 255, dtype=torch.uint8)
    accuracy = torch.zeros(lanes, len(stream), dtype=torch.float64)
    for on, task in enumerate(stream):
        x, y = (part.to(device) for part in task.test)
        logits = torch.cat([method.predict(params, state, part, on) for part in x.split(1000)], 1)
        best, answers = masked(logits, stream.active(now, on).to(device)).max(-1)
        answers[best.isneginf()] = 255
        predicted[:, on, : len(y)] = answers
        accuracy[:, on] = (answers == y).sum(1).cpu().double() / len(y)
    return accuracy.numpy(), predicted.numpy()


def gone(losses, params, step):
    """{lane: first step whose loss, or else weights, are not finite}, since the last point."""
    finite = [p.isfinite().flatten(1).all(1) for p in params.values()]
    sound = torch.stack(finite).all(0)  # (lanes,)
    table = torch.stack([*(loss.isfinite() for loss in losses), sound])  # (steps + 1, lanes)
    first = step - len(losses) + 1 + table.int().argmin(0)
    return {i: min(first[i].item(), step) for i in (~table.all(0)).nonzero().flatten().tolist()}
