"""What waits for the backward pass, against engines that train with that and no more.

Recomputation against `torch.utils.checkpoint`, watched by hooks; the lean engine against one written here,
whose gradients are those of autograd although it looks at nothing but what it kept.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_budget import STREAM, Steps, every_method, saved
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from edgecl_lite import (
    EWC,
    Finetune,
    LatentReplay,
    Replay,
    StreamingLDA,
    budget,
    cnn,
    fits,
    measure,
    mlp,
    only,
    smartwatch_wearers,
    train,
    wrist_net,
)
from edgecl_lite.device.measure import GROUP_NORM, _of_group_norm
from edgecl_lite.device.waits import PRODUCTS, chain

WATCH = smartwatch_wearers([1, 2])
NETS = {
    "conv": (cnn(STREAM), STREAM.shape),
    "deep": (mlp(STREAM, hidden=(40, 30, 20)), STREAM.shape),
    "wrist": (wrist_net(WATCH), WATCH.shape),
    "norm": (
        nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.ReLU()),
            nn.Conv2d(4, 6, 3), nn.GroupNorm(3, 6), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(54, 12), nn.ReLU(), nn.Linear(12, 10),
        ),
        STREAM.shape,
    ),
}  # fmt: skip
MOVING = ["all", "biases", "last 1", "last 2", "sparse"]


def made(name, moving="all"):
    net, shape = NETS[name]
    if moving == "sparse":  # the weights of one layer in the middle, all later biases
        names = [k for k, _ in net.named_parameters()]
        at = names.index([k for k, p in net.named_parameters() if p.dim() > 1][1])
        moving = [names[at], *(k for k in names[at:] if k.endswith("bias"))]
    return only(net, moving), shape


def samples(n, shape):
    dice = torch.Generator().manual_seed(n)
    return torch.rand(n, *shape, generator=dice), torch.arange(n) % 5


# ---- a net of which only some weights move


def test_only_lets_some_move_and_leaves_the_net_alone():
    net = cnn(STREAM)
    names = [k for k, _ in net.named_parameters()]
    assert names == ["0.weight", "0.bias", "3.weight", "3.bias", "7.weight", "7.bias"]
    want = {"all": names, "biases": names[1::2], "last 1": names[4:], "last 2": names[2:], "last 3": names}
    for moving, moves in (*want.items(), (["3.weight", "7.bias"], ["3.weight", "7.bias"])):
        cut = only(net, moving)
        assert [k for k, p in cut.named_parameters() if p.requires_grad] == [*moves]
        assert all(torch.equal(a, b) for a, b in zip(net.parameters(), cut.parameters(), strict=True))
        assert all(p.requires_grad for p in net.parameters())
        assert [k for k, p in only(cut, "all").named_parameters() if p.requires_grad] == names


@pytest.mark.parametrize(
    "moving", ["last 4", "last", "none", [], ["8.weight"], "last 0", ["0.weight", "bias"]]
)
def test_what_only_refuses(moving):
    with pytest.raises(ValueError, match="moving must be one of 'all', 'biases', 'last 1', .*or a list of"):
        only(cnn(STREAM), moving)


def test_training_moves_those_alone():
    net = only(cnn(STREAM, channels=(3,)), "biases")
    run = train(Finetune(net, weights=net), STREAM, steps=3, lr=0.1, optimizer="sgd", progress=False)
    for name, p in net.named_parameters():
        assert torch.equal(run.params[name][0], p) != name.endswith("bias"), name


# ---- recomputation


def watched(net, cuts, x, y):
    """(most bytes that wait at a time, FLOPs) of a step in which segments are computed again."""
    layers, own = chain(net), {p.untyped_storage().data_ptr() for p in net.parameters()}
    segments = [layers[a:b] for a, b in itertools.pairwise([0, *cuts, len(layers)])]
    held, inner = [{} for _ in segments], [{} for _ in segments]

    def into(kept):
        def pack(tensor):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
            return tensor

        return torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)

    def through(j, h):
        for layer in segments[j]:
            h = layer.forward(h)  # past the hooks of the counter, which checkpoint's tensors break
        return h

    def twice(j):
        def run(h):
            if not torch.is_grad_enabled():  # the first time
                return through(j, h)
            with into(inner[j]):
                return through(j, h)

        return run

    counts = dict(zip(GROUP_NORM, (_of_group_norm(5), _of_group_norm(7)), strict=True))
    h = x.clone().requires_grad_() + 0  # or checkpoint would leave the first segment without a gradient
    with FlopCounterMode(display=False, custom_mapping=counts) as flops:
        for j in range(len(segments) - 1):
            with into(held[j]):
                h = checkpoint(twice(j), h, use_reentrant=True)
        with into(held[-1]):
            loss = F.cross_entropy(through(-1, h), y)
        loss.backward()
    moments = [held] + [[*held[: j + 1], inner[j]] for j in range(len(segments) - 1)]
    together = [
        {k: s.nbytes() for each in parts for k, s in each.items() if k not in own} for parts in moments
    ]
    return max(sum(kept.values()) for kept in together), flops.get_total_flops()


@pytest.mark.parametrize("name", NETS)
def test_recomputation_is_the_best_that_checkpoint_can_do(name):
    """Over all cuts at layers with weights: bytes as hooks see them, FLOPs as the counter."""
    net, shape = NETS[name]
    part, starts = measure(net, shape), [i for i, layer in enumerate(chain(net)) if [*layer.parameters()]]
    told = part.under(recompute=True)
    x, y = samples(1, shape)
    cuts = [c for k in range(5) for c in itertools.combinations(starts[1:], k)]
    found = {c: watched(net, c, x, y) for c in cuts}
    assert found[()][0] == part.kept + part.once
    least = min(bytes_ for bytes_, _ in found.values())
    assert told.kept + told.once == least < found[()][0]
    again = min(flops for bytes_, flops in found.values() if bytes_ == least) - found[()][1]
    assert told.backward - part.backward == again > 0
    assert replace(told, kept=part.kept, once=part.once, backward=part.backward) == part
    x, y = samples(8, shape)
    best = next(c for c, seen in found.items() if seen == (least, again + found[()][1]))
    assert watched(net, best, x, y)[0] == told.activations(8)


def test_recomputation_of_the_conv_net_has_a_closed_form():
    """Cut behind the first pooling: 4 (pixels + 16 · 64) and 8 · 16 · 16 for its indices are the most."""
    part = measure(*NETS["conv"])
    told = part.under(recompute=True)
    assert told.kept == 4 * (64 + 16 * 64) + 8 * 16 * 16 == 6400 < part.kept == 11_056
    assert told.backward - part.backward == 2 * 16 * 9 * 64


# ---- the lean engine


def windows(layer, shape):
    """Of a pooling: (rows, columns) of the input at which each window begins, and its width."""
    size, step, pad = (
        v if isinstance(v, tuple) else (v, v) for v in (layer.kernel_size, layer.stride, layer.padding)
    )
    assert pad == (0, 0)
    return torch.meshgrid(
        *(torch.arange(n) * s for n, s in zip(shape, step, strict=True)), indexing="ij"
    ), size[1]


class Lean:
    """An engine that takes one sample forward and backward, and keeps what it says it keeps.

    kept: {what: array}; the shapes of a net are known beforehand, so they cost nothing.
    """

    def __init__(self, net):
        self.layers, self.kept, self.shapes = chain(net), {}, []
        self.first = min(
            i for i, layer in enumerate(self.layers) if any(p.requires_grad for p in layer.parameters())
        )

    def weight_moves(self, i):
        weight = getattr(self.layers[i], "weight", None)
        return weight is not None and weight.requires_grad

    def signs_of(self, i):
        """Where the signs of the ReLU i are: in the input of a later product, or in bits of its own."""
        later = i + 1
        while isinstance(self.layers[later], nn.Flatten):
            later += 1
        product = isinstance(self.layers[later], PRODUCTS) and self.weight_moves(later)
        return ("input", later) if product else ("bits", i)

    @torch.no_grad()
    def forward(self, x, y):
        for i, layer in enumerate(self.layers):
            passes = i > self.first
            self.shapes.append(x.shape)
            if isinstance(layer, PRODUCTS) and self.weight_moves(i):
                self.kept["input", i] = x.numpy()
            if isinstance(layer, nn.GroupNorm) and (passes or self.weight_moves(i)):
                spread = torch.native_group_norm(
                    x, None, None, 1, x.shape[1], x[0, 0].numel(), layer.num_groups, layer.eps
                )
                self.kept["input", i], self.kept["spread", i] = x.numpy(), torch.stack(spread[1:]).numpy()
            if isinstance(layer, nn.ReLU) and passes and self.signs_of(i) == ("bits", i):
                self.kept["bits", i] = np.packbits(x.numpy() > 0)
            if isinstance(layer, nn.MaxPool2d) and passes:
                out, at = layer.__class__(
                    layer.kernel_size,
                    layer.stride,
                    layer.padding,
                    ceil_mode=layer.ceil_mode,
                    return_indices=True,
                )(x)
                (top, left), width = windows(layer, out.shape[2:])
                row, column = at // x.shape[3], at % x.shape[3]
                self.kept["which", i] = ((row - top) * width + column - left).to(torch.uint8).numpy()
            x = layer(x)
        self.kept["answers"], self.kept["label"] = x.softmax(1).numpy(), y.to(torch.uint8).numpy()

    @torch.no_grad()
    def backward(self):
        """{parameter: gradient}, from what was kept and the weights alone."""
        found, delta = {}, torch.from_numpy(self.kept["answers"]).clone()
        delta[0, int(self.kept["label"][0])] -= 1
        for i in range(len(self.layers) - 1, self.first - 1, -1):
            layer, shape = self.layers[i], self.shapes[i]
            own, delta = getattr(self, type(layer).__name__)(i, layer, shape, delta)
            found |= {p: g for p, g in own.items() if p.requires_grad and g is not None}
        return found

    def input(self, i):
        return torch.from_numpy(self.kept["input", i]) if ("input", i) in self.kept else None

    def Linear(self, i, layer, shape, delta):
        x = self.input(i)
        weight = None if x is None else delta.T @ x
        return {layer.weight: weight, layer.bias: delta.sum(0)}, delta @ layer.weight

    def Conv2d(self, i, layer, shape, delta):
        x, how = self.input(i), (delta, layer.stride, layer.padding)
        weight = None if x is None else torch.nn.grad.conv2d_weight(x, layer.weight.shape, *how)
        own = {layer.weight: weight, layer.bias: delta.sum((0, 2, 3))}
        return own, torch.nn.grad.conv2d_input(shape, layer.weight, *how)

    def GroupNorm(self, i, layer, shape, delta):
        if self.input(i) is None:  # only its bias moves, and nothing before it
            return {layer.bias: delta.sum((0, 2, 3))}, None
        mean, rstd = torch.from_numpy(self.kept["spread", i])
        sizes = 1, shape[1], shape[2] * shape[3], layer.num_groups
        down, weight, bias = torch.ops.aten.native_group_norm_backward(
            delta.contiguous(), self.input(i), mean, rstd, layer.weight, *sizes, [True] * 3
        )
        return {layer.weight: weight, layer.bias: bias}, down

    def ReLU(self, i, layer, shape, delta):
        if i <= self.first:
            return {}, delta
        where = self.signs_of(i)
        bits = self.kept[where] if where[0] == "bits" else np.packbits(self.kept[where] > 0)
        count = delta.numel()
        return {}, delta * torch.from_numpy(np.unpackbits(bits, count=count)).view(delta.shape)

    def MaxPool2d(self, i, layer, shape, delta):
        if i <= self.first:
            return {}, delta
        (top, left), width = windows(layer, delta.shape[2:])
        which = torch.from_numpy(self.kept["which", i]).long()
        at = (top + which // width) * shape[3] + left + which % width
        down = torch.zeros(shape).flatten(2)
        return {}, down.scatter_add(2, at.flatten(2), delta.flatten(2)).view(shape)

    def AvgPool2d(self, i, layer, shape, delta):
        k = layer.kernel_size
        return {}, F.pad(
            delta.repeat_interleave(k, 2).repeat_interleave(k, 3) / k**2, (0, shape[3] % k, 0, shape[2] % k)
        )

    def Flatten(self, i, layer, shape, delta):
        return {}, delta.view(shape)


@pytest.mark.parametrize("moving", MOVING)
@pytest.mark.parametrize("name", NETS)
def test_a_lean_engine_needs_no_more_than_it_counts(name, moving):
    """Its gradients are autograd's; the bytes of what it kept are those that `measure` says."""
    net, shape = made(name, moving)
    x, y = samples(1, shape)
    engine = Lean(net)
    engine.forward(x, y)
    own = engine.backward()
    F.cross_entropy(net(x), y).backward()
    wanted = {p for p in net.parameters() if p.requires_grad}
    assert own.keys() == wanted and all(torch.allclose(g, p.grad, atol=1e-6) for p, g in own.items())
    told = measure(net, shape).under("lean")
    assert sum(kept.nbytes for kept in engine.kept.values()) == told.kept
    assert told.backward == measure(net, shape).backward
    assert told.activations(7) == 7 * told.kept and told.buffers > 0 == told.once


def test_buffers_are_those_of_one_sample_in_the_widest_layer():
    """The first pooling of the conv net: 16 · 64 values come, 16 · 16 go; a ReLU works in place."""
    assert measure(*NETS["conv"]).under("lean").buffers == 4 * (16 * 64 + 16 * 16) == 5120
    assert measure(mlp(STREAM), STREAM.shape).under("lean").buffers == 4 * (64 + 100)


def test_frozen_is_free_where_the_engine_leaves_out_what_is_not_needed():
    """The conv net's biases alone: PyTorch keeps nearly all, a lean engine bits, bytes and answers."""
    net, shape = made("conv", "biases")
    part = measure(net, shape)
    assert part.activations(32) == saved(net, 32) > 0.95 * measure(*NETS["conv"]).activations(32)
    bits, pools, answers = (16 * 64 + 32 * 16) // 8, 16 * 16 + 32 * 4, 4 * 10 + 1
    assert part.under("lean").kept == bits + pools + answers == 617
    assert part.learns == (16 + 32 + 10, 3)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_the_more_stands_still_the_less_waits(name, recompute):
    kept = {moving: measure(*made(name, moving)).under("lean", recompute) for moving in MOVING}
    assert max(part.kept for part in kept.values()) == kept["all"].kept
    assert kept["last 1"].kept < kept["last 2"].kept <= kept["all"].kept
    for moving in MOVING:
        eager = measure(*made(name, moving))
        assert kept[moving].kept <= eager.under(recompute=recompute).kept
        assert eager.under("lean").kept <= eager.kept


def test_a_front_that_stands_still_is_not_computed_again():
    for name in NETS:
        net, shape = made(name, "last 1")
        part = measure(net, shape)
        assert part.under("lean", True) == part.under("lean") and part.under(recompute=True) == part


def test_a_layer_that_no_lean_engine_is_known_for_is_refused():
    for net, word in (
        (Steps(nn.GRU), "Steps"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.GELU()), "GELU"),
    ):
        part = measure(net, (1, 8, 8))
        with pytest.raises(TypeError, match=f"a lean engine knows nn.Linear, .*, got {word}: engine='eager'"):
            part.under("lean")
        assert part.under(recompute=True).kept == part.kept  # nothing to cut
    with pytest.raises(TypeError, match="a lean engine knows .*, got GELU"):
        budget(Finetune(net), STREAM, engine="lean")


# ---- in a budget


@pytest.mark.parametrize(
    "how", [dict(engine="lean"), dict(recompute=True), dict(engine="lean", recompute=True)], ids=str
)
def test_nothing_but_activations_and_the_second_forward_changes(how):
    stream = STREAM
    for method in every_method(cnn(stream, channels=(4,)), stream):
        whole = budget(method, stream)
        other = whole.change(**how)
        assert other.lines == budget(method, stream, **how).lines
        assert other.flash == whole.flash and other.answering == whole.answering
        lines, changed = ({what: n for what, n, _ in b.lines} for b in (whole, other))
        assert changed.pop("buffers for one sample", 0) == other.net.buffers * any(other.need.trained)
        for each in (lines, changed):
            each.pop(f"activations ({whole.batch_size} new a step)", 0)
        assert lines == changed
        assert {k: n - whole.step[k] for k, n in other.step.items() if k != "backward"} == dict.fromkeys(
            ("forward", "method", "optimiser"), 0
        )
        learns = "head" if type(method) is LatentReplay else "net"  # a head of one layer has no cut
        before, after = (getattr(b, learns).backward for b in (whole, other))
        passes = whole.step["backward"] // before
        assert other.step["backward"] - whole.step["backward"] == passes * (after - before)
        assert (after > before) == ("recompute" in how and learns == "net")
        assert other.change(engine="eager", recompute=False).lines == whole.lines


def test_the_lean_engine_takes_a_batch_of_32_of_biases_onto_the_nano():
    """Which of the ways it takes for the conv net with replay: all three at PyTorch's own engine fail."""
    net = cnn(STREAM)
    for moving in ("all", "biases", "last 2"):
        assert not fits(budget(Replay(only(net, moving)), STREAM), "nano-33-ble")
    assert fits(budget(Replay(only(net, "biases")), STREAM, engine="lean"), "nano-33-ble")
    assert not fits(budget(Replay(net), STREAM, recompute=True), "nano-33-ble")
    assert fits(budget(Replay(net), STREAM, engine="lean", micro_batch=16), "nano-33-ble")


def test_heads_without_a_backward_pass_wait_for_nothing():
    for how in (dict(engine="lean"), dict(recompute=True)):
        b = budget(StreamingLDA(cnn(STREAM), frozen=True), STREAM, **how)
        assert (
            b.need.activations == 0
            and b.lines == budget(StreamingLDA(cnn(STREAM), frozen=True), STREAM).lines
        )


@pytest.mark.parametrize("how", [dict(engine="pytorch"), dict(recompute="yes"), dict(recompute=2)], ids=str)
def test_what_is_no_engine_is_refused(how):
    [(name, value)] = how.items()
    with pytest.raises(ValueError, match=f"{name} must be one of .*, got {value!r}"):
        budget(EWC(mlp(STREAM)), STREAM, **how)
