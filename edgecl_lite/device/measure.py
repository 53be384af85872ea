"""A network measured for a device: its weights, its work, and what waits for its backward pass.

    A(b) = bytes of all distinct tensors that autograd saves for b samples
    FLOPs: 2 for a multiply-add

Both by running it once and watching: the hooks of `torch.autograd.graph`, and
`torch.utils.flop_counter`. Chen et al. 2016 and Cai et al. 2020 (TinyTL) on why what waits weighs
most. Lesson: edge_budget.
"""

import math
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.func import functional_call
from torch.nn import functional as F
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import FlopCounterMode

from .._refuse.nets import HIDDEN_STATE
from ..machine.settled import settled

GROUP_NORM = torch.ops.aten.native_group_norm, torch.ops.aten.native_group_norm_backward


@dataclass(frozen=True)
class Part:
    """A network, or the front or the head of one, as `measure` found it.

    weights, tensors: how many; learns: (weights, tensors) of them that `requires_grad` lets move;
    forward, backward: FLOPs a sample, 2 for each multiply-add, none for gradients of the data;
    kept: bytes a sample, and once: bytes a batch, that wait for the backward pass; widest: bytes of
    the largest input and output of one layer, what an answer takes beside the weights; outputs:
    values a sample comes out with.
    """

    weights: int
    tensors: int
    learns: tuple
    forward: int
    backward: int
    kept: int
    once: int
    widest: int
    outputs: int

    def activations(self, samples):
        """A(b): bytes that wait for the backward pass of so many samples."""
        return self.kept * samples + self.once


@settled
def measure(net, shape):
    """The `Part` that net is for samples of this shape, with the cross entropy behind it.

    Products are counted as `torch.utils.flop_counter` does, and GroupNorm as 5 FLOPs a value
    forward and 7 backward; ReLU, pooling, softmax and biases are left out. Raises TypeError for a
    layer with weights whose work cannot be counted, such as a fused LSTM: never 0 in silence.
    """
    (one, *flops, widest, outputs), (two, *_) = _walk(net, shape, 1), _walk(net, shape, 2)
    sizes = [p.numel() for p in net.parameters()]
    moving = [p.numel() for p in net.parameters() if p.requires_grad]
    learns = sum(moving), len(moving)
    return Part(sum(sizes), len(sizes), learns, *flops, two - one, 2 * one - two, widest, outputs)


def _walk(net, shape, n):
    """(bytes kept, FLOPs forward and backward, widest, values that come out) for n samples."""
    _check_layers(net)
    copy = lambda p: p.detach().cpu().clone().requires_grad_(p.requires_grad)
    theta = {name: copy(p) for name, p in net.named_parameters()}
    held = {name: b.detach().cpu() for name, b in net.named_buffers()}
    moving = [p for p in theta.values() if p.requires_grad]
    x, y = torch.zeros(n, *shape), torch.zeros(n, dtype=torch.long)
    counts = dict(zip(GROUP_NORM, (_of_group_norm(5), _of_group_norm(7)), strict=True))
    flops = FlopCounterMode(display=False, custom_mapping=counts)
    with _widths(net) as widths, flops, _saved() as saved:
        logits = functional_call(net, held | theta, (x,)).flatten(1)  # of a front: for its head
        loss = F.cross_entropy(logits, y)
        forward = flops.get_total_flops()
        if moving:  # the front may be an nn.Flatten alone
            torch.autograd.grad(loss, moving, allow_unused=True)
    _check_counted(net, flops)
    own = {p.untyped_storage().data_ptr() for p in theta.values()}
    kept = sum(storage.nbytes() for place, storage in saved.items() if place not in own)
    backward = flops.get_total_flops() - forward
    return kept, forward, backward, 4 * max(widths) // n, logits.shape[1]


@contextmanager
def _saved():
    """{place: storage} of what autograd saves; held, so that no later one gets the same place."""
    saved = {}

    def pack(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield saved


@contextmanager
def _widths(net):
    """[values of input and output of every innermost layer] as the net is called."""
    widths = [0]

    def look(layer, inputs, output):
        if not [*layer.children()]:
            tensors, _ = tree_flatten((inputs, output))  # an output may be a tuple, as of nn.GRU
            places = {t.untyped_storage().data_ptr(): t.numel() for t in tensors if t is not None}
            widths.append(sum(places.values()))

    hooks = [part.register_forward_hook(look) for part in net.modules()]
    try:
        yield widths
    finally:
        for hook in hooks:
            hook.remove()


def _check_layers(net):
    """TypeError where a layer has what no device should learn with."""
    for name, part in net.named_modules():
        if isinstance(part, HIDDEN_STATE) and getattr(part, "p", 1):
            layer = f"{name!r}, {type(part).__name__}"
            raise TypeError(f"cannot count layer {layer}: take GroupNorm, no Dropout")


def _check_counted(net, flops):
    """TypeError where a layer has weights of its own and the counter saw it do nothing."""
    table = flops.get_flop_counts()  # {"Net.layer": {operation: FLOPs}}
    counts = {name.partition(".")[2]: sum(each.values()) for name, each in table.items()}
    for name, part in net.named_modules():
        children = [f"{name}.{child}".lstrip(".") for child, _ in part.named_children()]
        inside = sum(counts.get(child, 0) for child in children)
        if [*part.parameters(recurse=False)] and counts.get(name, 0) == inside:
            layer = f"{name!r}, {type(part).__name__}"
            what = f"cannot count the work of layer {layer}: the counter says 0 FLOPs"
            raise TypeError(f"{what}. Take layers of products, such as nn.Linear or nn.Conv2d")


def _of_group_norm(each):
    def flops(x_shape, *_, out_shape=None, **__):
        return each * math.prod(x_shape)

    return flops
