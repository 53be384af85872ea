"""The one training loop: for every batch, draw → loss → backward → optimiser → after_step.

`learn` yields what it sees and leaves watching to others; `train` runs it to its end; `sweep` gives every
value of a grid and every seed a lane of its own, so that a whole slider costs one pass. Lesson:
01_catastrophic_forgetting writes this loop for one network.
"""

from dataclasses import dataclass

import numpy as np
import torch

from .lanes import copied, lanes_of, some
from .machine.foretell import check_room
from .machine.settled import settled
from .method import NoAnswer, masked
from .plan import Plan


class Diverged(FloatingPointError):
    """Every lane became non-finite. `.run`, set by `train`, holds what was learned before."""


@dataclass(frozen=True)
class Point:
    """What `learn` saw at one moment.

    step: steps so far; total: steps of the whole stream; task: number of the task being learned; ended: this
    is the moment after its end. accuracy (lanes, on): share of right answers on each task's test set, NaN in
    lost lanes. predicted (lanes, on, n) uint8: the answers, padded with 255. params, state: copies at this
    moment. lost: {lane: what happened}. notes: sentences that whoever reads the run should know.
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

    def __repr__(self):
        return f"Point(step {self.step} of {self.total}, task {self.task}, accuracy {self.accuracy.round(3)})"


@settled
def learn(
    method, stream, seeds=1, grid=None, *, epochs=10, batch_size=32, lr=1e-3, optimizer="adam",
    fresh=True, steps=None, every=None, device=None, room=None, ticks=False,
):  # fmt: skip
    """Train on the tasks in turn; yield a `Point` at the start, every `every` steps and after each task.

    seeds: a count or a list. grid: {hyper-parameter: values}; lanes are its cells × seeds, seeds innermost.
    steps: steps per task, instead of epochs. every: default once an epoch. optimizer: "adam", "sgd" or a
    callable taking (tensors, lr=…), which moves each lane by itself. fresh: a new optimiser for every task.
    room: bytes that it may add to the process, 2e9 for 2 GB; where it needs more it is refused before it
    begins. ticks: yield None after the other steps, for whoever may want to stop there. Same seed, same
    result, bit for bit, on one machine and for as many lanes; beside others the last digits may differ.
    Raises ValueError or TypeError on arguments out of range, `Diverged` once every lane is lost.
    """
    training = epochs, batch_size, lr, optimizer, fresh, steps, every, device, room
    plan = Plan(method, stream, seeds, grid, *training)
    plan.notes += check_room(plan, follow)
    yield from follow(plan, ticks)


def follow(plan, ticks=False):
    """What `learn` yields, for a plan that was checked: the loop itself."""
    stream, notes = plan.stream, plan.notes
    method, (params, hyper) = plan.verbs, plan.start()
    state, opt, losses, lost, step = method.start(params, stream, hyper), None, [], {}, 0

    def look(t):
        for i, first in gone(losses, params, step).items():
            lost.setdefault(i, plan.told(i, t, first, state))
        losses.clear()

    def point(t, ended=False):
        accuracy, predicted = evaluate(method, params, state, stream, t)
        accuracy[[*lost]], predicted[[*lost]] = np.nan, 255
        seen = accuracy, predicted, copied(params), {**state}
        return Point(step, plan.total, t, ended, *seen, {**lost}, notes)

    yield point(0)
    for t in range(len(stream)):
        task, begun = plan.whole_task(t), step
        params, state = method.begin_task(params, state, task)
        params = plan.learning(params)
        opt = plan.optimise(params, opt)
        for batch in plan.batches(task):
            batch = method.draw(state, {**batch, "step": step}, plan.rng)
            opt.zero_grad()
            losses.append(descend(method, params, state, batch, plan.parts))
            opt.step()
            state, step = method.after_step(params, state, batch), step + 1
            ended = step == begun + plan.spans[t]
            due = ended or (step - begun) % plan.pause(task) == 0
            if due or len(losses) == 100:
                look(t)
            if ended:
                params = {k: p.detach() for k, p in params.items()}
                state = method.end_task(params, state, task)
            if due or len(lost) == plan.lanes:
                yield point(t, ended)
            elif ticks:
                yield None
            if len(lost) == plan.lanes:
                raise Diverged(" ".join(lost.values()))


def descend(method, params, state, batch, parts):
    """The loss (lanes,), and its gradient in params: each lane's own, for none knows another's weights."""
    if len(parts) == 1:
        loss = method.loss(params, state, batch)
        if not loss.requires_grad:
            raise ValueError("there is nothing to learn: all parameters of the net have requires_grad=False")
        loss.sum().backward()
        return loss.detach()
    losses = []
    for part in parts:  # a few lanes at a time, where all at once take too much memory
        losses += [descend(method, *(some(tree, part) for tree in (params, state, batch)), parts[:1])]
    return torch.cat(losses)


@settled
@torch.no_grad()
def evaluate(method, params, state, stream, now):
    """(accuracy (lanes, on) float64, predicted (lanes, on, n) uint8 padded with 255) while at task `now`.

    Where the method has no answer (`NoAnswer`, or -inf for every active output) it says 255, and is wrong.
    """
    lanes, device = lanes_of(params), next(iter(params.values())).device
    widest = max(len(task.test[1]) for task in stream)
    predicted = torch.full((lanes, len(stream), widest), 255, dtype=torch.uint8)
    accuracy = torch.zeros(lanes, len(stream), dtype=torch.float64)
    for on, task in enumerate(stream):
        x, y = (part.to(device) for part in task.test)
        try:
            logits = torch.cat([method.predict(params, state, part, on) for part in x.split(1000)], 1)
        except NoAnswer:
            continue
        best, answers = masked(logits, stream.active(now, on).to(device)).max(-1)
        answers[best.isneginf()] = 255
        predicted[:, on, : len(y)] = answers
        accuracy[:, on] = (answers == y).sum(1).cpu().double() / len(y)
    return accuracy.numpy(), predicted.numpy()


def gone(losses, params, step):
    """{lane: first step whose loss, or else weights, are not finite} of the steps since the last point."""
    sound = torch.stack([p.isfinite().flatten(1).all(1) for p in params.values()]).all(0)  # (lanes,)
    table = torch.stack([*(loss.isfinite() for loss in losses), sound])  # (steps + 1, lanes)
    first = step - len(losses) + 1 + table.int().argmin(0)
    return {i: min(first[i].item(), step) for i in (~table.all(0)).nonzero().flatten().tolist()}
