"""What a method needs of a device: bytes of RAM and of flash, and how much there is to compute.

    RAM = P w + 4 Pₜ + optimiser + A(b) + what the method holds    P weights of w bytes, Pₜ trained
    A(b): activations that wait for the backward pass, each distinct tensor once
    in micro-batches of m: A(m), while b/m backward passes add up to one gradient; FLOPs stay

A(b) and the FLOPs are measured (`measure.py`); the rest is counted, one rule a method (`rules.py`),
and held by tests against the tensors that `method.keeps` hands over. Lesson: edge_budget.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from .._refuse.arguments import choice, or_none, whole
from .._refuse.nets import check_fit
from .._refuse.verbs import check_pieces
from ..machine.settled import settled
from ..method import Finetune
from ..methods.parts import Halves, cut_at, latent_width
from ..methods.replay import Rehearsal
from ..plan import axes
from ..streams import Stream
from .asked import Asked
from .measure import measure
from .rules import FLASH, RAM, RULES
from .waits import ENGINES

# bytes a weight, bytes a tensor; FLOPs a weight
OPTIMIZER = {"sgd": (0, 0, 2), "momentum": (4, 0, 4), "adam": (8, 4, 12)}


@dataclass(frozen=True)
class Budget(Asked):
    """What a method needs to learn a stream, when it keeps most, mostly at its end.

    Made by `budget`. parts: the network, its front and its head, as `Part`s, cut where the method
    cuts it, or else before the last layer (None where impossible). need: what the method's rule
    says. In `lines` and `table()` every byte stands once, in RAM or in flash; `ram`, `flash`: the
    sums.
    """

    method: Finetune
    stream: Stream
    batch_size: int
    optimizer: str
    weight_bytes: int
    bits: int
    hyper: dict
    parts: tuple
    micro_batch: int | None = None
    engine: str = "eager"
    recompute: bool = False

    @property
    def piece(self):
        """New samples that go forward and backward at a time."""
        return min(self.micro_batch or self.batch_size, self.batch_size)

    @cached_property
    def need(self):
        """The rule's answer, a `Need`."""
        return RULES[type(self.method)](self)

    @cached_property
    def lines(self):
        """[(what, bytes, "RAM" or "flash")], training."""
        need, (weights, tensors) = self.need, self.need.trained
        each, apart, _ = OPTIMIZER[self.optimizer]
        when = "at a time" if self.piece < self.batch_size else "a step"
        ram = {
            "weights that learn": self.weight_bytes * weights,
            "gradients": 4 * weights,
            f"optimiser ({self.optimizer})": each * weights + apart * tensors,
            f"activations ({self.piece} new {when})": need.activations,
            "buffers for one sample": self.net.buffers * any(need.trained),
            **need.works,
        }
        lines = [(what, n, RAM) for what, n in ram.items()]
        lines += [("weights", self.weight_bytes * need.stored, FLASH)]
        lines += [(what, n, need.where) for what, n in need.keeps.items()]
        if need.where == RAM:
            lines += [(f"{what}, saved", n, FLASH) for what, n in need.keeps.items()]
        return [line for line in lines if line[1] or line[0] in need.keeps]

    @property
    def ram(self):
        """Bytes of RAM while it learns."""
        return sum(n for _, n, where in self.lines if where == RAM)

    @property
    def flash(self):
        """Bytes of flash: what must survive without power, and what learning only reads."""
        return sum(n for _, n, where in self.lines if where == FLASH)

    @property
    def answering(self):
        """Bytes of RAM in which the plain network answers: its weights and its widest layer."""
        return self.weight_bytes * self.net.weights + self.net.widest

    @property
    def waiting(self):
        """Bytes of the samples of the largest task, which stand neither in `ram` nor in `flash`.

        Every method that goes over a task more than once, or looks back at its end, needs them at
        hand; a front that stands still and a head without a backward pass see a sample only once.
        """
        each = math.ceil(self.stream.pixels * self.bits / 8) + 1
        return self.largest * each if any(self.need.trained) else 0

    @property
    def step(self):
        """FLOPs of a training step: {"forward", "backward", "method", "optimiser"}."""
        need = self.need
        moved = need.trained[0] if need.moved is None else need.moved
        work = {"forward": need.forward, "backward": need.backward, "method": need.extra}
        return {**work, "optimiser": OPTIMIZER[self.optimizer][2] * moved}

    @property
    def first_step(self):
        """FLOPs of a step of the first task: as `step`, unless a front learns there alone."""
        moves = OPTIMIZER[self.optimizer][2] * self.net.learns[0]
        return self.need.first + moves if self.need.first else sum(self.step.values())

    @property
    def work(self):
        """FLOPs for each {"step", "step of the first task", "new sample", …} that takes some."""
        first = self.first_step if self.need.first else 0
        work = {"step": sum(self.step.values()), "step of the first task": first}
        work |= {"new sample": self.need.sample, "end of a task": self.need.task}
        work |= {"first answer after new samples": self.need.answer}
        return {what: flops for what, flops in work.items() if flops}

    def table(self):
        """pandas DataFrame: what, bytes, where."""
        import pandas as pd

        return pd.DataFrame(self.lines, columns=["what", "bytes", "where"])

    def change(self, **changes):
        """The `Budget` for other arguments of `budget`; the network is not measured again."""
        own = (
            "batch_size",
            "micro_batch",
            "optimizer",
            "weight_bytes",
            "bits",
            "engine",
            "recompute",
        )
        known = {k: changes.pop(k) for k in own if k in changes}
        grid = axes(self.method, {k: [v] for k, v in changes.items()})
        hyper = {k: v for k, (v,) in grid.items()}
        return replace(self, **known, hyper={**self.hyper, **hyper})._checked()

    def _checked(self):
        whole("batch_size", self.batch_size)
        or_none(whole)("micro_batch", self.micro_batch)
        check_pieces(self.method, self.micro_batch)
        choice("optimizer", self.optimizer, tuple(OPTIMIZER))
        choice("weight_bytes", self.weight_bytes, (4, 2, 1))
        choice("bits", self.bits, range(2, 9))
        choice("engine", self.engine, ENGINES)
        choice("recompute", self.recompute, (False, True))
        self.net.activations(1)  # refuses layers that this engine is not known for
        return self

    # what the rules ask for

    @cached_property
    def net(self):
        """The whole network, a `Part`, as this engine trains it."""
        return self.parts[0].under(self.engine, self.recompute)

    @property
    def front(self):
        """What stands still of it."""
        return self.parts[1]

    @cached_property
    def head(self):
        """What learns behind a front."""
        return self.parts[2].under(self.engine, self.recompute)


@settled
def budget(
    method,
    stream,
    batch_size=32,
    optimizer="adam",
    weight_bytes=4,
    bits=None,
    micro_batch=None,
    engine="eager",
    recompute=False,
    **hyper,
):
    """What a method needs to learn a stream: a `Budget`.

    optimizer: "sgd", "momentum", "adam", or a callable that keeps as much as one of them;
    weight_bytes: 4, 2 or 1 (int8, as `Int8SGD` trains) for the network and the copies of it that a
    method keeps, without the byte that a tensor's scale takes; gradients, scores and Fishers stay
    floats; bits: 2 to 8 for a kept value; hyper: values for the method's hyper-parameters, such as
    capacity. How a step is made: micro_batch: at most so many new samples go forward and backward
    at a time, as for `train`; only their activations wait, gradients add up in place, and the FLOPs
    are the same. engine: "eager" keeps for the backward pass all that PyTorch does; "lean" only
    what is needed, no input of a layer whose weights stand still (see `only`), a bit for a ReLU, a
    byte for a pooling, and buffers for one sample. recompute: some layers pass forward again in the
    backward pass rather than keep what they put out: fewer activations, more FLOPs. The samples of
    the task at hand are counted apart, in `waiting`. Raises TypeError for a method without a rule,
    an unknown hyper-parameter, a layer that counts as 0 or that no lean engine is known for;
    ValueError for other values, where the method cannot cut its net, and for a micro_batch of a
    method whose loss is no mean over samples, as A-GEM's.
    """
    _check_asked(method, stream)
    check_fit(method.net, stream)
    net, front, head = measure(method.net, stream.shape), None, None
    if halves := _halves(method, stream):
        front = measure(halves[0], stream.shape)
        head = measure(halves[1], (front.outputs,))
    bits = (method.bits if isinstance(method, Rehearsal) else 8) if bits is None else bits
    parts, name = (net, front, head), _kind(optimizer)
    own = name, weight_bytes, bits, method.hyper, parts, micro_batch, engine, recompute
    return Budget(method, stream, batch_size, *own).change(**hyper)


def _check_asked(method, stream):
    """TypeError where there is no rule for such a method, or no such stream."""
    if type(method) not in RULES:
        known = ", ".join(kind.__name__ for kind in RULES)
        got = f"got {type(method).__name__}"
        way = "edgecl_lite.device.rules.RULES[YourMethod] = function(budget) -> Need"
        raise TypeError(f"method must have a rule, as {known}, {got}; for your own: {way}")
    if not isinstance(stream, Stream):
        got = f"got {type(stream).__name__}"
        raise TypeError(f"stream must be a Stream such as split(digits()), {got}")


def _halves(method, stream):
    """(front, head), cut where the method cuts or before the last layer; None if that fails."""
    try:
        front, head = cut_at(method.net, method.cut if isinstance(method, Halves) else -1)
        params = {name: p.detach()[None] for name, p in method.net.named_parameters()}
        latent_width(front, params, stream.tasks[0].train[0])
        return front, head
    except ValueError:
        if isinstance(method, Halves):  # its training would say the same
            raise
        return None


def _kind(optimizer):
    """The name of an optimiser that keeps as many bytes as this one, a name or a callable."""
    if not callable(optimizer):
        return optimizer
    one, two = (_kept_for(optimizer, n) for n in (1, 2))
    each, apart = two - one, 2 * one - two
    for name, known in OPTIMIZER.items():
        if known[:2] == (each, apart):
            return name
    keeps = f"one that keeps {each} bytes a weight and {apart} a tensor"
    raise ValueError(f"optimizer must keep as much as {', '.join(OPTIMIZER)}, got {keeps}")


def _kept_for(optimizer, n):
    """Bytes that it keeps for one tensor of n weights."""
    tensor = torch.zeros(n, requires_grad=True)
    made, tensor.grad = optimizer([tensor], lr=1e-3), torch.zeros(n)
    made.step()
    return sum(v.nbytes for v in made.state[tensor].values() if isinstance(v, torch.Tensor))
