"""A network measured for a device: its weights, its work, and what waits for its backward pass.

    A(b) = bytes of all distinct tensors that autograd saves for b samples
    FLOPs: 2 for a multiply-add

Both by running it once and watching: the hooks of `torch.autograd.graph`, and
`torch.utils.flop_counter`. Chen et al. 2016 and Cai et al. 2020 (TinyTL) on why what waits weighs
most. Lesson: edge_budget.
"""

import math
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch.func import functional_call
from torch.nn import functional as F
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import FlopCounterMode

from .._refuse.nets import HIDDEN_STATE
from ..machine.settled import settled
from .waits import ENGINES, KNOWN, Layer, buffers, chain, waiting

GROUP_NORM = torch.ops.aten.native_group_norm, torch.ops.aten.native_group_norm_backward


@dataclass(frozen=True)
class Part:
    """A network, or the front or the head of one, as `measure` found it.

    weights, tensors: how many; learns: (weights, tensors) of them that `requires_grad` lets move;
    forward, backward: FLOPs a sample, 2 for each multiply-add, none for gradients of the data;
    kept: bytes a sample, and once: bytes a batch, that wait for the backward pass; widest: bytes of
    the largest input and output of one layer, what an answer takes beside the weights; outputs:
    values a sample comes out with; layers, loss: what waits where, see `waits.py`; buffers: bytes
    that an engine works in which counts them, as the lean one.
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
    layers: tuple = ()
    loss: tuple = ()
    buffers: int = 0

    def activations(self, samples):
        """A(b): bytes that wait for the backward pass of so many samples."""
        return self.kept * samples + self.once

    @property
    def engines(self):
        """Those of `ENGINES` under which this can be counted."""
        known = all(layer.kind in KNOWN for layer in self.layers)
        return ENGINES if known else ENGINES[:1]

    def under(self, engine="eager", recompute=False):
        """The part as another engine would train it: other `kept`, `once`, `backward`, `buffers`.

        engine: "eager", as PyTorch, or "lean", which keeps only what the backward pass needs, and
        takes samples one after the other; recompute: segments of layers keep their input alone and
        pass forward a second time. Raises TypeError for layers that no lean engine is known for.
        """
        if engine == "eager" and not recompute:
            return self
        kept, once, again = waiting(self.layers, self.loss, engine, recompute)
        work = buffers(self.layers) if engine == "lean" else 0
        return replace(self, kept=kept, once=once, backward=self.backward + again, buffers=work)


@settled
def measure(net, shape):
    """The `Part` that net is for samples of this shape, with the cross entropy behind it.

    Products are counted as `torch.utils.flop_counter` does, and GroupNorm as 5 FLOPs a value
    forward and 7 backward; ReLU, pooling, softmax and biases are left out. Raises TypeError for a
    layer with weights whose work cannot be counted, such as a fused LSTM: never 0 in silence.
    """
    (one, *flops, widest, outputs, seen), (two, *_, again) = (_walk(net, shape, n) for n in (1, 2))
    sizes = [p.numel() for p in net.parameters()]
    moving = [p.numel() for p in net.parameters() if p.requires_grad]
    learns = sum(moving), len(moving)
    kept = two - one, 2 * one - two
    chained = _layers(seen, again)
    return Part(sum(sizes), len(sizes), learns, *flops, *kept, widest, outputs, *chained)


def _walk(net, shape, n):
    """(bytes kept, FLOPs forward and backward, widest, values that come out, `Passed`) for n."""
    _check_layers(net)
    copy = lambda p: p.detach().cpu().clone().requires_grad_(p.requires_grad)
    theta = {name: copy(p) for name, p in net.named_parameters()}
    held = {name: b.detach().cpu() for name, b in net.named_buffers()}
    moving = [p for p in theta.values() if p.requires_grad]
    x, y = torch.zeros(n, *shape), torch.zeros(n, dtype=torch.long)
    counts = dict(zip(GROUP_NORM, (_of_group_norm(5), _of_group_norm(7)), strict=True))
    flops = FlopCounterMode(display=False, custom_mapping=counts)
    with _widths(net) as widths, flops, _passing(net, flops) as seen:
        logits = functional_call(net, held | theta, (x,)).flatten(1)  # of a front: for its head
        loss = F.cross_entropy(logits, y)
        forward = flops.get_total_flops()
        if moving:  # the front may be an nn.Flatten alone
            torch.autograd.grad(loss, moving, allow_unused=True)
    _check_counted(net, flops)
    own = {p.untyped_storage().data_ptr() for p in theta.values()}
    seen = [replace(one, saved=[s for s in one.saved if s.data_ptr() not in own]) for one in seen]
    distinct = {s.data_ptr(): s.nbytes() for one in seen for s in one.saved}
    backward = flops.get_total_flops() - forward
    return sum(distinct.values()), forward, backward, 4 * max(widths) // n, logits.shape[1], seen


@dataclass
class Passed:
    """What was seen of a layer, and in the last of them of the loss: tensors that came and that it
    gave, storages that autograd saved meanwhile (held, so that no later one gets their place)."""

    layer: object = None
    came: object = None
    gave: object = None
    saved: list = field(default_factory=list)
    forward: int = 0


@contextmanager
def _passing(net, flops):
    """[`Passed`] of each layer of the net's chain and of the loss, as the net is called."""
    seen, behind = [], Passed()
    inside = [behind]

    def enter(layer, came):
        inside.append(Passed(layer, came[0], forward=-flops.get_total_flops()))

    def leave(layer, came, gave):
        one = inside.pop()
        one.gave, one.forward = gave, one.forward + flops.get_total_flops()
        seen.append(one)

    def pack(tensor):
        inside[-1].saved.append(tensor.untyped_storage())
        return tensor

    hooks = [part.register_forward_pre_hook(enter) for part in chain(net)]
    hooks += [part.register_forward_hook(leave) for part in chain(net)]
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            yield seen
        seen.append(behind)
    finally:
        for hook in hooks:
            hook.remove()


def _layers(one, two):
    """(the `Layer`s, what the loss saves) of what was `Passed` with one sample, and with two."""
    found, places = [], [{}, {}]  # {place: its number, in the order in which tensors appear}

    def number(storage, n):
        return places[n].setdefault(storage.data_ptr(), len(places[n]))

    def kept(a, b):
        first, second = (
            {number(s, n): s.nbytes() for s in one.saved} for n, one in enumerate((a, b))
        )
        if first.keys() != second.keys():  # a layer of one's own: what it saves hangs on n, as one
            own = f"layer {len(found)}"
            first, second = ({own: sum(sizes.values())} for sizes in (first, second))
        return tuple((k, second[k] - first[k], 2 * first[k] - second[k]) for k in first)

    for a, b in zip(one[:-1], two[:-1], strict=True):
        came, gave = ((number(t.untyped_storage(), 0), t.numel()) for t in (a.came, a.gave))
        for t in (b.came, b.gave):
            number(t.untyped_storage(), 1)
        weight, own = getattr(a.layer, "weight", None), [*a.layer.parameters()]
        learns = weight is not None and weight.requires_grad, any(p.requires_grad for p in own)
        groups = getattr(a.layer, "num_groups", 0)
        found.append(Layer(type(a.layer), *learns, groups, came, gave, kept(a, b), a.forward))
    return tuple(found), kept(one[-1], two[-1])


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
