"""What every method differs from, plain finetuning; and its opposite, joint training.

A method object holds the network's structure and its hyper-parameters, and never changes. `params`,
`state` and `batch` are plain dicts of tensors with a lane axis in front, passed in and handed back.
Six verbs, each doing nothing here, say where a method may differ from

    loss = cross entropy of the new data

Lesson: catastrophic_forgetting.
"""

import math
from dataclasses import dataclass, field, fields

import torch
from torch import nn
from torch.nn import functional as F

from ._refuse.arguments import number
from ._refuse.nets import check_net, check_params, check_weights
from ._refuse.verbs import Named
from .lanes import device_of, lanes_of, rows
from .machine.settled import settled
from .models import apply


def swept(default, check=number):
    """A field of a method that a sweep may vary: in the state a tensor with one value a lane.

    check(name, value) gives the value in its plain type, or raises: `number`, finite and >= 0, or
    another.
    """
    return field(default=default, metadata={"check": check, "swept": True})


def fixed(default, check):
    """A field of a method that is the same in all lanes; check as for `swept`."""
    return field(default=default, metadata={"check": check})


class Weights(dict):
    """Weights to begin with, {name: (1 or seeds, …)}, equal by value.

    left: first words of what the Run they came from kept beside them.
    """

    left = ()

    def __eq__(self, other):
        if not isinstance(other, dict) or self.keys() != other.keys():
            return False
        return all(torch.equal(p, other[name]) for name, p in self.items())

    def __hash__(self):
        return hash(tuple(self))

    def __repr__(self):
        return f"<{sum(p.numel() for p in self.values()):,} weights>"


@settled
def given_weights(net, weights):
    """`Weights` to begin with: of params, a Run, a Point or a net. None stays None.

    Raises TypeError for what is none of these, ValueError where they are not the net's with a lane
    axis.
    """
    params = getattr(weights, "params", weights)
    if params is None:
        return None
    if isinstance(params, nn.Module):
        params = {name: p.detach().cpu().clone()[None] for name, p in params.named_parameters()}
    check_params(net, params, "weights")
    given = Weights(params)
    given.left = getattr(weights, "left", None) or memory_of(weights)
    return given


def masked(logits, active):
    """Logits where outputs that may not answer are -inf."""
    return logits.masked_fill(~active, -math.inf)


def cross_entropy(logits, y):
    """Mean over the samples of each lane: logits (lanes, n, outputs), y (lanes, n) -> (lanes,)."""
    each = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
    return each.view(y.shape).mean(1)


class Exhausted(RuntimeError):
    """A method has no room for another task. `.run`, set by `train`: the tasks learned before."""


@dataclass(frozen=True, repr=False)
class Finetune(Named):
    """Plain finetuning, and the base of every method: it forgets.

    net: a `torch.nn.Module`, used as a structure: its weights are drawn anew for every seed, unless
    they are given. A parameter with `requires_grad=False` never moves. weights: what to begin with,
    a lane for each seed or one for all: params such as a meta-learned `point.params`, a `Run` (its
    weights only), or a net whose own weights are meant, for pre-trained ones `weights=net`. A
    subclass is a dataclass as this one; its arguments are its fields: `swept(default)` where a
    sweep may vary it, else `fixed(default, check)` or a plain default. `dataclasses.replace(method,
    lam=3)` gives the method with another value.
    """

    net: nn.Module
    weights: Weights | None = field(default=None, kw_only=True)

    # why the gradient of a batch is not that of its pieces, weighed by their samples: "" where it
    # is, as of every mean over samples, whatever stands beside it that no sample changes
    indivisible = ""

    def __post_init__(self):
        check_net(self.net, given=self.weights is not None)
        settled_on = {"weights": given_weights(self.net, self.weights)}
        check_weights(settled_on["weights"])
        for name, check in checks(self).items():
            settled_on[name] = check(name, getattr(self, name))
        vars(self).update(settled_on)  # in their plain types; from here on frozen

    def __repr__(self):
        size = sum(p.numel() for p in self.net.parameters())
        net = f"<{type(self.net).__name__} of {size:,} weights>"
        changed = [f.name for f in fields(self)[1:] if getattr(self, f.name) != f.default]
        told = [net, *(f"{name}={getattr(self, name)!r}" for name in changed)]
        return f"{type(self).__name__}({', '.join(told)})"

    @property
    def hyper(self):
        """{name: value} of what a sweep may vary."""
        return {f.name: getattr(self, f.name) for f in fields(self) if "swept" in f.metadata}

    def start(self, params, stream, hyper):
        """What do I carry? hyper: {name: (lanes,)}. The state's keys never change afterwards."""
        return dict(hyper)

    def begin_task(self, params, state, task):
        """What may move? task: number, training set x and y, active, answers, rng as in `draw`."""
        return params, state

    def draw(self, state, batch, rng):
        """What do I rehearse? `rng(n)`: uniform numbers (lanes, n), drawn per seed."""
        return batch

    def loss(self, params, state, batch):
        """What do I minimise? Pure: batch -> (lanes,).

        batch: x (lanes, n, …), y (lanes, n), active (lanes, n, outputs), which may answer for each
        sample; task, its number; answers (lanes, tasks, outputs), active for samples of each task;
        epoch, step, left.
        """
        logits = apply(self.net, params, batch["x"])  # (lanes, n, outputs)
        return cross_entropy(masked(logits, batch["active"]), batch["y"])

    def after_step(self, params, state, batch):
        """What do I remember of this batch? Copy what you keep of params, which move in place."""
        return state

    def end_task(self, params, state, task):
        """What do I remember of this task?"""
        return state

    def predict(self, params, state, x, task=None):
        """How do I answer? x (n, channels, height, width) of all lanes -> (lanes, n, outputs).

        A method that cannot answer yet gives -inf for every output; a score counts that as wrong.
        """
        x = x.to(device_of(params))
        return apply(self.net, params, x.expand(lanes_of(params), *x.shape))

    def epoch(self, sizes):
        """How many samples an epoch of the newest task goes over; sizes: of all tasks so far."""
        return sizes[-1]

    def keeps(self, state, lane=0):
        """What a device would have to store between tasks, beside the weights: {name: tensor}."""
        return {}

    def notes(self, state):
        """Sentences that whoever reads the run should know; they stand in `Run.notes`."""
        return []

    def advice(self, state, lane, lr, optimizer):
        """One sentence on what to change after lane `lane` became non-finite."""
        return f"Lower lr (it was {lr:g})."


def memory_of(run):
    """What a Run keeps but its weights and a number a lane: first words of its state's names."""
    state = getattr(run, "state", None) or {}
    return sorted({k.partition(".")[0] for k, v in state.items() if v[0].numel() > 1})


def checks(method):
    """{name: check(name, value) -> value} of the method's arguments."""
    return {f.name: f.metadata["check"] for f in fields(method) if "check" in f.metadata}


class Joint(Finetune):
    """The upper bound: batches drawn from all samples of all tasks so far. No device keeps them.

    Each sample is as likely as any other, so a large task weighs more than a small one. A task
    takes as many steps as the largest so far.
    """

    def epoch(self, sizes):
        return max(sizes)

    def start(self, params, stream, hyper):
        x, y = stream.all("train")
        sizes = torch.tensor([len(task.train[1]) for task in stream])
        tables = {
            "x": x,  # (all samples, channels, height, width)
            "y": y,
            "on": torch.arange(len(stream)).repeat_interleave(sizes),
            "end": sizes.cumsum(0),  # samples up to task t
        }
        n, device = lanes_of(params), device_of(params)
        return hyper | {k: table.to(device).expand(n, *table.shape) for k, table in tables.items()}

    def draw(self, state, batch, rng):
        seen = state["end"][:, batch["task"], None]  # (lanes, 1), how many samples
        pick = (rng(batch["y"].shape[1]) * seen).long()  # (lanes, n)
        active = rows(batch["answers"], rows(state["on"], pick))  # (lanes, n, outputs)
        return {**batch, "x": rows(state["x"], pick), "y": rows(state["y"], pick), "active": active}

    def keeps(self, state, lane=0):
        """All training data of all tasks, as bytes of pixels, and one byte a label."""
        x, y = state["x"][lane], state["y"][lane]
        return {"x": (x * 255).round().to(torch.uint8), "y": y.to(torch.uint8)}
