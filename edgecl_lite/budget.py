"""What a method needs of a device: bytes of RAM and of flash, and how much there is to compute.

    RAM = P w + 4 Pₜ + optimiser + A(b) + what the method holds       P weights of w bytes, Pₜ of them trained
    A(b): activations that wait for the backward pass, each distinct tensor once

A(b) and the FLOPs are measured, by running the network once and watching what autograd saves and what is
multiplied. The rest is counted, one rule a method, and tested against the tensors that `method.keeps` hands
over. Cai et al. 2020 (TinyTL) for why activations weigh most. Lesson: 06_edge_budget.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch.func import functional_call
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from .arguments import choice, whole
from .methods.base import Finetune
from .models import HIDDEN_STATE, check_fit, cut_at, head_names, latent_width
from .plan import axes
from .rules import FLASH, RAM, RULES
from .streams import Stream

OPTIMIZER = {"sgd": (0, 0), "momentum": (4, 0), "adam": (8, 4)}  # bytes a trained weight, and a tensor
GROUP_NORM = torch.ops.aten.native_group_norm, torch.ops.aten.native_group_norm_backward


@dataclass(frozen=True)
class Part:
    """A network, or the front or the head of one, as `measure` found it.

    weights, tensors: how many; forward, backward: FLOPs a sample, 2 for each multiply-add, none for gradients
    of the data; kept: bytes a sample, and once: bytes a batch, that wait for the backward pass; widest: bytes
    of the largest input and output of one layer, what an answer takes beside the weights; outputs: values a
    sample comes out with.
    """

    weights: int
    tensors: int
    forward: int
    backward: int
    kept: int
    once: int
    widest: int
    outputs: int

    def activations(self, samples):
        """A(b): bytes that wait for the backward pass of so many samples."""
        return self.kept * samples + self.once


def measure(net, shape):
    """The `Part` that net is for samples of this shape, with the cross entropy behind it.

    Products are counted as `torch.utils.flop_counter` does, and GroupNorm as 5 FLOPs a value forward and 7
    backward; ReLU, pooling, softmax and biases are left out. Raises TypeError for a layer with weights whose
    work cannot be counted, such as a fused LSTM or BatchNorm: never 0 in silence.
    """
    (one, *flops, widest, outputs), (two, *_) = _walk(net, shape, 1), _walk(net, shape, 2)
    sizes = [p.numel() for p in net.parameters()]
    return Part(sum(sizes), len(sizes), *flops, two - one, 2 * one - two, widest, outputs)


def _walk(net, shape, n):
    """(bytes kept, FLOPs forward and backward, widest, values that come out) for n samples."""
    for name, part in net.named_modules():
        if isinstance(part, HIDDEN_STATE):
            raise TypeError(f"cannot count layer {name!r}, {type(part).__name__}: take GroupNorm, no Dropout")
    x, y = torch.zeros(n, *shape), torch.zeros(n, dtype=torch.long)
    theta = {k: p.detach().cpu().clone().requires_grad_() for k, p in net.named_parameters()}
    own, saved, widest = {p.untyped_storage().data_ptr() for p in theta.values()}, {}, [0]

    def pack(tensor):  # keeps the storage alive, so that no later one gets its address
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    def look(layer, inputs, output):  # an output may be a tuple, as of nn.GRU
        if not [*layer.children()]:
            widest.append(4 * sum(t.numel() for t in (*inputs, output) if isinstance(t, torch.Tensor)) // n)

    hooks = [part.register_forward_hook(look) for part in net.modules()]
    counts = dict(zip(GROUP_NORM, (_of_group_norm(5), _of_group_norm(7)), strict=True))
    try:
        with (
            FlopCounterMode(display=False, custom_mapping=counts) as counter,
            torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        ):
            logits = functional_call(net, theta, (x,)).flatten(1)  # of a front: what its head gets
            loss = F.cross_entropy(logits, y)
            forward = counter.get_total_flops()
            if theta:  # the front may be an nn.Flatten alone
                torch.autograd.grad(loss, [*theta.values()], allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    counts = {name.partition(".")[2]: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    for name, part in net.named_modules():
        inside = sum(counts.get(f"{name}.{child}".lstrip("."), 0) for child, _ in part.named_children())
        if [*part.parameters(recurse=False)] and counts.get(name, 0) == inside:
            what = f"cannot count the work of layer {name!r}, {type(part).__name__}: the counter says 0 FLOPs"
            raise TypeError(f"{what}. Take layers of products, such as nn.Linear, nn.Conv2d or nn.GRU")
    kept = sum(storage.nbytes() for place, storage in saved.items() if place not in own)
    return kept, forward, counter.get_total_flops() - forward, max(widest), logits.shape[1]


def _of_group_norm(each):
    def flops(x_shape, *_, out_shape=None, **__):
        return each * math.prod(x_shape)

    return flops


@dataclass(frozen=True)
class Budget:
    """What a method needs to learn a stream, when it keeps most, mostly at the end. Made by `budget`.

    parts: the network, its front and its head, as `Part`s, cut where the method cuts it, or else before the
    last layer (None where that is impossible). need: what the method's
    rule says. In `lines` and `table()` every byte stands once, in RAM or in flash; `ram`, `flash`: the sums.
    """

    method: Finetune
    stream: Stream
    batch_size: int
    optimizer: str
    weight_bytes: int
    bits: int
    hyper: dict
    parts: tuple

    @cached_property
    def need(self):
        """The rule's answer, a `Need`."""
        return RULES[type(self.method)](self)

    @cached_property
    def lines(self):
        """[(what, bytes, "RAM" or "flash")], training."""
        need, (weights, tensors) = self.need, self.need.trained
        each, apart = OPTIMIZER[self.optimizer]
        ram = {
            "weights that learn": self.weight_bytes * weights,
            "gradients": 4 * weights,
            f"optimiser ({self.optimizer})": each * weights + apart * tensors,
            f"activations ({self.batch_size} new a step)": need.activations,
            **need.works,
        }
        lines = [(what, n, RAM) for what, n in ram.items()]
        lines += [("weights", self.weight_bytes * need.stored, FLASH)]
        return [line for line in lines if line[1]] + [(what, n, need.where) for what, n in need.keeps.items()]

    @property
    def ram(self):
        """Bytes of RAM while it learns."""
        return sum(n for _, n, where in self.lines if where == RAM)

    @property
    def flash(self):
        """Bytes of flash: what must survive without power, and what is only read while it learns."""
        return sum(n for _, n, where in self.lines if where == FLASH)

    @property
    def answering(self):
        """Bytes of RAM while it only answers: the weights, the widest layer's input and output."""
        return self.weight_bytes * self.net.weights + self.net.widest

    @property
    def step(self):
        """FLOPs of a training step: {"forward", "backward", "method"}."""
        return {"forward": self.need.forward, "backward": self.need.backward, "method": self.need.extra}

    def table(self):
        """pandas DataFrame: what, bytes, where."""
        import pandas as pd

        return pd.DataFrame(self.lines, columns=["what", "bytes", "where"])

    def change(self, **changes):
        """The `Budget` for other arguments of `budget`, at once: the network is not measured again."""
        known = {
            k: changes.pop(k) for k in ("batch_size", "optimizer", "weight_bytes", "bits") if k in changes
        }
        hyper = {k: v for k, (v,) in axes(self.method, {k: [v] for k, v in changes.items()}).items()}
        return replace(self, **known, hyper={**self.hyper, **hyper})._checked()

    def _checked(self):
        whole("batch_size", self.batch_size)
        choice("optimizer", self.optimizer, tuple(OPTIMIZER))
        choice("weight_bytes", self.weight_bytes, (4, 2, 1))
        choice("bits", self.bits, range(2, 9))
        return self

    # what the rules ask for

    @property
    def net(self):
        """The whole network, a `Part`."""
        return self.parts[0]

    @property
    def front(self):
        """What stands still of it."""
        return self.parts[1]

    @property
    def head(self):
        """What learns behind a front."""
        return self.parts[2]

    @property
    def outputs(self):
        """Width of the output layer."""
        return self.stream.outputs

    @property
    def arrivals(self):
        """How many samples of each output the stream brings, (outputs,)."""
        return torch.cat([task.train[1] for task in self.stream]).bincount(minlength=self.outputs)

    @property
    def answers(self):
        """The most outputs that may answer for a sample."""
        return self.stream.answers().sum(-1).max().item()

    @property
    def largest(self):
        """Samples of the largest task."""
        return max(len(task.train[1]) for task in self.stream)

    @property
    def kept_rows(self):
        """Samples in memory when it is fullest: as many as its shares hold, or as came.

        Where the capacity cannot be shared out evenly, that may be earlier than at the end.
        """
        capacity, policy = self.hyper["capacity"], self.method.policy
        came = torch.stack(
            [y.bincount(minlength=self.outputs) for _, y in (task.train for task in self.stream)]
        )
        came = came.cumsum(0)  # (tasks, outputs)
        if policy == "reservoir":
            return min(capacity, came[-1].sum().item())
        groups = (came > 0).sum(1, keepdim=True) if policy == "balanced" else self.outputs
        return came.minimum(capacity // groups * torch.ones_like(came)).sum(1).max().item()

    def memory(self, values):
        """{what: bytes} of a full memory, for samples of so many values."""
        tags = 1 if self.stream.scenario == "class" else 2  # the class, and unless that tells it the task
        each = math.ceil(values * self.bits / 8)
        return {"samples": self.kept_rows * each, "their labels": self.kept_rows * tags}

    @property
    def head_weights(self):
        """Weights of the output layer."""
        named = dict(self.method.net.named_parameters())
        return sum(named[k].numel() for k in head_names(named))

    @property
    def heads(self):
        """Weights of all tasks' own output layers: of each only the rows of the task's classes."""
        return sum(len(task.classes) for task in self.stream) * self.head_weights // self.outputs

    @property
    def masked(self):
        """Weights of the hidden layers that a mask can switch: all but biases."""
        named = dict(self.method.net.named_parameters())
        return sum(p.numel() for k, p in named.items() if p.dim() > 1 and k not in head_names(named))


def budget(method, stream, batch_size=32, optimizer="adam", weight_bytes=4, bits=None, **hyper):
    """What a method needs to learn a stream: a `Budget`.

    optimizer: "sgd", "momentum" or "adam"; weight_bytes: 4, 2 or 1 (int8; gradients and what a method keeps
    stay as they are); bits: 2 to 8 for a kept value; hyper: values for the method's hyper-parameters, such as
    capacity. All of a step stands in RAM at once, as in PyTorch; an engine made for a board may do with less.
    Raises TypeError for a method without a rule, an unknown hyper-parameter or a layer that counts as 0,
    ValueError for other values, and where the method cannot cut its net.
    """
    if type(method) not in RULES:
        known = ", ".join(kind.__name__ for kind in RULES)
        advice = "for your own: edgecl_lite.rules.RULES[YourMethod] = function(budget) -> Need"
        raise TypeError(f"method must have a rule, as {known}, got {type(method).__name__}; {advice}")
    check_fit(method.net, stream)
    net, front, head = measure(method.net, stream.shape), None, None
    if halves := _halves(method, stream):
        front = measure(halves[0], stream.shape)
        head = measure(halves[1], (front.outputs,))
    bits = getattr(method, "bits", 8) if bits is None else bits
    parts = net, front, head
    made = Budget(method, stream, batch_size, optimizer, weight_bytes, bits, method.hyper, parts)
    return made.change(**hyper)


def _halves(method, stream):
    """(front, head) where the method cuts its net, or else before the last layer; None if that fails."""
    try:
        front, head = cut_at(method.net, getattr(method, "cut", -1))
        params = {name: p.detach()[None] for name, p in method.net.named_parameters()}
        latent_width(front, params, stream.tasks[0].train[0])
        return front, head
    except ValueError:
        if hasattr(method, "cut"):  # its training would say the same
            raise
        return None
