"""What every method differs from, plain finetuning; and its opposite, joint training on all that was seen.

A method object holds the network's structure and its hyper-parameters, and never changes. `params`, `state`
and `batch` are plain dicts of tensors with a lane axis in front, passed in and handed back. Six verbs, each
doing nothing here, say where a method may differ from   loss = cross entropy of the new data.
Lesson: 01_catastrophic_forgetting.
"""

import math
import warnings

import torch
from torch import nn
from torch.nn import functional as F

from ._refuse.nets import check_net, check_params, check_weights
from .lanes import device_of, lanes_of, rows
from .machine.settled import settled
from .models import apply


@settled
def given_weights(net, weights):
    """Weights to begin with, {name: (1 or seeds, …)}: of params, a Run, a Point or a net. None stays None.

    Raises TypeError for what is none of these, ValueError where they are not the net's with a lane axis.
    """
    weights = getattr(weights, "params", weights)
    if weights is None:
        return None
    if isinstance(weights, nn.Module):
        weights = {name: p.detach().cpu().clone()[None] for name, p in weights.named_parameters()}
    check_params(net, weights, "weights")
    return weights


def masked(logits, active):
    """Logits where outputs that may not answer are -inf."""
    return logits.masked_fill(~active, -math.inf)


def cross_entropy(logits, y):
    """Mean over the samples of each lane: logits (lanes, n, outputs), y (lanes, n) -> (lanes,)."""
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view(y.shape).mean(1)


class NoAnswer(LookupError):
    """`predict` has nothing yet to answer this task with. In a score that counts as wrong."""


class Exhausted(RuntimeError):
    """A method has no room for another task. `.run`, set by `train`, holds the tasks learned before."""


class Finetune:
    """Plain finetuning, and the base of every method: it forgets.

    net: a `torch.nn.Module`, used as a structure: its weights are drawn anew for every seed, unless they are
    given. A parameter with `requires_grad=False` never moves. weights: what to begin with, a lane for each
    seed or one for all: params such as a meta-learned `point.params`, a `Run` (its weights only), or a net
    whose own weights are meant, for pre-trained ones `weights=net`. A subclass names its hyper-parameters
    that a sweep may vary in `ranges`, {name: check(name, value) -> value}, and passes their values to this
    constructor. (`start=` is the old name of `weights=`.)
    """

    ranges = {}

    def __init__(self, net, *, weights=None, **hyper):
        if (old := hyper.pop("start", None)) is not None:
            warnings.warn("start= is now called weights=", FutureWarning, stacklevel=3)
            weights = old
        check_net(net, given=weights is not None)
        self.net, self._weights, self._left = net, given_weights(net, weights), memory_of(weights)
        check_weights(self._weights)
        self.hyper = check_hyper(self, hyper)

    def start(self, params, stream, hyper):
        """What do I carry? hyper: {name: (lanes,)}. The state's keys never change afterwards."""
        return dict(hyper)

    def begin_task(self, params, state, task):
        """What may move? task: number, training set x, y, active (with lanes), and rng as in `draw`."""
        return params, state

    def draw(self, state, batch, rng):
        """What do I rehearse? `rng(n)` gives uniform numbers (lanes, n), drawn per seed."""
        return batch

    def loss(self, params, state, batch):
        """What do I minimise? Pure: batch {"x", "y", "active", "epoch", "left", "step"} -> (lanes,)."""
        logits = apply(self.net, params, batch["x"])  # (lanes, n, outputs)
        return cross_entropy(masked(logits, batch["active"]), batch["y"])

    def after_step(self, params, state, batch):
        """What do I remember of this batch? Copy what you keep of params: they are moved in place."""
        return state

    def end_task(self, params, state, task):
        """What do I remember of this task?"""
        return state

    def predict(self, params, state, x, task=None):
        """How do I answer? x (n, channels, height, width) for all lanes -> logits (lanes, n, outputs)."""
        x = x.to(device_of(params))
        return apply(self.net, params, x.expand(lanes_of(params), *x.shape))

    def epoch(self, sizes):
        """How many samples an epoch of the newest task goes over; sizes: of all tasks so far."""
        return sizes[-1]

    def keeps(self, state, lane=0):
        """The tensors that a device would have to store between tasks, beside the weights: {name: tensor}."""
        return {}

    def notes(self, state):
        """Sentences that whoever reads the run should know; they stand in `Run.notes`."""
        return []

    def advice(self, state, lane, lr, optimizer):
        """One sentence on what to change after lane `lane` became non-finite."""
        return f"Lower lr (it was {lr:g})."


def memory_of(run):
    """What a Run keeps beside its weights, beyond a number a lane: first words of its state's names."""
    state = getattr(run, "state", None) or {}
    return sorted({k.partition(".")[0] for k, v in state.items() if v[0].numel() > 1})


def check_hyper(method, hyper):
    """Hyper-parameters in their plain types. TypeError for one that the method does not have."""
    for name in hyper.keys() - method.ranges.keys():
        known = ", ".join(method.ranges) or "no hyper-parameter"
        raise TypeError(f"unknown option {name!r}: {type(method).__name__} takes {known}")
    return {name: method.ranges[name](name, value) for name, value in hyper.items()}


class Joint(Finetune):
    """The upper bound: every batch is drawn from all samples of all tasks so far. No device keeps them.

    Each sample is as likely as any other, so a large task weighs more than a small one. A task takes as many
    steps as the largest so far.
    """

    def epoch(self, sizes):
        return max(sizes)

    def start(self, params, stream, hyper):
        n = lanes_of(params)
        tables = {
            "x": torch.cat([task.train[0] for task in stream]),  # (all samples, channels, height, width)
            "y": torch.cat([task.train[1] for task in stream]),
            "on": torch.cat([torch.full((len(task.train[1]),), t) for t, task in enumerate(stream)]),
            "end": torch.tensor([len(task.train[1]) for task in stream]).cumsum(0),  # samples up to task t
            "answers": stream.answers(),
            "now": torch.tensor(0),
        }
        device = next(iter(params.values())).device
        return {**hyper, **{name: table.to(device).expand(n, *table.shape) for name, table in tables.items()}}

    def begin_task(self, params, state, task):
        return params, {**state, "now": torch.full_like(state["now"], task["number"])}

    def draw(self, state, batch, rng):
        now, pick = state["now"][:, None], rng(batch["y"].shape[1])
        pick = (pick * rows(state["end"], now)).long()  # (lanes, n)
        each = torch.arange(len(now), device=now.device)[:, None]
        active = state["answers"][each, now, rows(state["on"], pick)]  # (lanes, n, outputs)
        return {**batch, "x": rows(state["x"], pick), "y": rows(state["y"], pick), "active": active}

    def keeps(self, state, lane=0):
        """All training data of all tasks, as bytes of pixels, and one byte a label."""
        x, y = state["x"][lane], state["y"][lane]
        return {"x": (x * 255).round().to(torch.uint8), "y": y.to(torch.uint8)}
