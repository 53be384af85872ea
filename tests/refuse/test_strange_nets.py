"""Nets, optimisers, settings and methods that are not ours: the right number, or a sentence why not.

Each case is a kind that somebody met. Right values come from the same thing written plainly: a layer that
does not work in place, PyTorch's own loop, brute force over samples.
"""

import math
import re
import traceback
import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import edgecl_lite as cl
from edgecl_lite.lanes import lanes_of, stack
from edgecl_lite.machine.pieces import ROOM
from edgecl_lite.models import apply, initial

DIGITS = cl.digits()
STREAM = cl.rotated(DIGITS, degrees=(0, 60))
QUICK = dict(epochs=1, batch_size=100, progress=False)


def small(stream, n=60):
    """The stream with n training samples a task."""
    cut = lambda part: tuple(t[:n] for t in part)
    return replace(stream, tasks=[replace(t, train=cut(t.train), test=cut(t.test)) for t in stream])


FEW = small(STREAM)


def refused(work, *words, kind=(TypeError, ValueError)):
    """The message of an error whose last frame lies in edgecl_lite, and which holds all the words."""
    with pytest.raises(kind) as caught:
        work()
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert "edgecl_lite" in last.filename, f"the traceback ends in {last.filename}: {caught.value}"
    for word in words:
        assert word in str(caught.value), f"{word!r} is missing in: {caught.value}"
    return str(caught.value)


def brute_fisher(net, params, x):
    """Exact diagonal Fisher of one lane, sample by sample and answer by answer, by plain autograd."""
    names, total = list(params), {k: torch.zeros_like(p[0]) for k, p in params.items()}
    for sample in x[0]:
        theta = {k: p[0].clone().requires_grad_() for k, p in params.items()}
        logp = torch.func.functional_call(net, theta, (sample[None].clone(),)).log_softmax(-1)[0]
        for score in logp:
            grads = torch.autograd.grad(score, list(theta.values()), retain_graph=True)
            for k, g in zip(names, grads, strict=True):
                total[k] += score.exp().detach() * g**2 / len(x[0])
    return total


# ---- layers that work in place


class InPlaceBlock(nn.Module):
    """A block that changes its input, and has weights."""

    def __init__(self, width=8):
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x):
        return self.inner(x.mul_(0.5).tanh_())


class Halve(nn.Module):
    """No weights, changes its input."""

    def forward(self, x):
        return x.mul_(0.5)


ACTIVATIONS = [nn.ReLU, nn.ReLU6, nn.SiLU, nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU, nn.Hardtanh, nn.Mish,
               nn.Hardswish, nn.Hardsigmoid, partial(nn.Threshold, 0.1, 0.0)]  # fmt: skip


@pytest.mark.parametrize("kind", ACTIVATIONS, ids=lambda k: getattr(k, "__name__", "Threshold"))
@pytest.mark.parametrize("labels", ["exact", "sample", "empirical", "batched"])
def test_a_fisher_does_not_know_whether_a_layer_works_in_place(kind, labels):
    torch.manual_seed(0)
    nets = [nn.Sequential(nn.Flatten(), nn.Linear(6, 8), kind(inplace=ip), nn.Linear(8, 3)) for ip in (0, 1)]
    params = {k: v.detach()[None] for k, v in nets[0].named_parameters()}
    x, y = torch.rand(1, 30, 1, 1, 6), torch.arange(30)[None] % 3
    rng = lambda n: torch.linspace(0, 0.99, n)[None]
    a, b = (cl.fisher(net, params, x, y, labels=labels, rng=rng) for net in nets)
    assert all(torch.allclose(a[k], b[k], rtol=1e-5) for k in a)
    if labels == "exact":
        want = brute_fisher(nets[0], params, x)
        assert all(torch.allclose(b[k][0], want[k], rtol=1e-4, atol=1e-7) for k in want)


@pytest.mark.parametrize("layer", [Halve(), InPlaceBlock()], ids=["without weights", "with weights"])
def test_a_layer_of_ones_own_may_work_in_place(layer):
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 8), layer, nn.Linear(8, 3))
    params = {k: v.detach()[None] for k, v in net.named_parameters()}
    x = torch.rand(1, 20, 1, 1, 6)
    found, want = cl.fisher(net, params, x), brute_fisher(net, params, x)
    assert all(torch.allclose(found[k][0], want[k], rtol=1e-4, atol=1e-7) for k in want)


@pytest.mark.parametrize("first", [nn.ReLU6(inplace=True), Halve(), nn.Hardtanh(0.2, 0.4, inplace=True)])
@pytest.mark.parametrize("method", [cl.Finetune, cl.EWC, cl.Replay, cl.Joint], ids=lambda m: m.__name__)
def test_nothing_changes_a_stream(first, method):
    before = [(x.clone(), y.clone()) for task in FEW for x, y in (task.train, task.test)]
    net = nn.Sequential(first, nn.Flatten(), nn.Linear(64, 10))
    run = cl.train(method(net), FEW, **QUICK)
    apply(net, run.params, FEW.tasks[0].train[0][None])
    after = [(x, y) for task in FEW for x, y in (task.train, task.test)]
    assert all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(before, after, strict=True))


def test_a_user_keeps_the_array_handed_in():
    x = torch.rand(1, 4, 1, 1, 6) - 0.5
    before = x.clone()
    net = nn.Sequential(nn.ReLU6(inplace=True), nn.Flatten(), nn.Linear(6, 2))
    params = {k: v.detach()[None] for k, v in net.named_parameters()}
    apply(net, params, x), cl.fisher(net, params, x)
    assert torch.equal(x, before)


def test_a_layer_without_a_rule_for_lanes_and_samples_goes_lane_by_lane():
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.PReLU(), nn.Dropout(0.0), nn.Linear(8, 3))
    params = {k: torch.stack([v.detach(), 2 * v.detach()]) for k, v in net.named_parameters()}
    x = torch.randn(1, 20, 1, 1, 6).expand(2, -1, -1, -1, -1)
    found = cl.fisher(net, params, x)
    for lane in (0, 1):
        want = brute_fisher(net, {k: p[[lane]] for k, p in params.items()}, x)
        assert all(torch.allclose(found[k][lane], want[k], rtol=1e-4, atol=1e-7) for k in want)


# ---- layers that behave otherwise in training


class Noise(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x) if self.training else x


class AlwaysNoise(nn.Module):
    def forward(self, x):
        return x + 0.1 * torch.rand(x.shape)


class Rarely(nn.Module):
    """Stochastic depth: two calls often agree."""

    def forward(self, x):
        return x * 0 if self.training and torch.rand(()) < 0.05 else x


class Double(nn.Module):
    def forward(self, x):
        return 2 * x if self.training else x


class RunningMean(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x):
        self.mean = 0.9 * self.mean + 0.1 * x.mean().detach()
        return x - self.mean


class Hidden(nn.Module):
    """Keeps a plain attribute from call to call."""

    last = 0.0

    def forward(self, x):
        out, self.last = x + self.last, x.mean()
        return out


class Batch(nn.Module):
    def forward(self, x):
        return (x - x.mean(0)) / (x.std(0) + 1)


class FunctionalDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 64)

    def forward(self, x):
        return F.dropout(self.fc(x), 0.5, self.training)


STRANGE = {
    "noise": (Noise(), "layer '1' (Noise) draws random numbers"),
    "noise at test too": (AlwaysNoise(), "layer '1' (AlwaysNoise) draws"),
    "stochastic depth": (Rarely(), "draws random numbers"),
    "RReLU": (nn.RReLU(), "layer '1' (RReLU) draws"),
    "functional dropout": (FunctionalDropout(), "layer '1' (FunctionalDropout) draws"),
    "fractional pooling": (
        nn.Sequential(
            nn.Unflatten(1, (1, 8, 8)),
            nn.FractionalMaxPool2d(2, output_size=4),
            nn.Upsample(size=8),
            nn.Flatten(),
        ),
        "(FractionalMaxPool2d) draws",
    ),
    "other in training": (Double(), "layer '1' (Double) does not: make it ignore self.training"),
    "running mean": (RunningMean(), "layer '1' (RunningMean) changes its '1.mean'"),
    "hidden attribute": (Hidden(), "must keep nothing from batch to batch, but layer '1' (Hidden)"),
    "batch statistics": (Batch(), "layer '1' (Batch) mixes them"),
    "softmax over the batch": (nn.Softmax(0), "layer '1' (Softmax) mixes them"),
    "dropout": (nn.Dropout(), "Dropout as layer '1'"),
    "batch norm": (nn.BatchNorm1d(64), "GroupNorm instead of BatchNorm"),
    "spectral norm": (nn.utils.parametrizations.spectral_norm(nn.Linear(64, 64)), "changes its"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_layer_that_no_lane_can_bear_is_named(name):
    layer, words = STRANGE[name]
    net = nn.Sequential(nn.Flatten(), layer, nn.Linear(64, 10))
    dice = torch.get_rng_state()
    refused(lambda: cl.train(cl.Finetune(net, weights=net), FEW), words)
    assert torch.equal(dice, torch.get_rng_state())


def test_running_statistics_are_refused_in_a_convolutional_net():
    norm = nn.InstanceNorm2d(4, track_running_stats=True)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.Flatten(), nn.Linear(144, 10))
    refused(
        lambda: cl.train(cl.Finetune(net), FEW), "layer '1' (InstanceNorm2d)", "track_running_stats=False"
    )


def test_a_net_is_a_structure_only_and_comes_back_as_it_was():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    cl.train(cl.Finetune(net), FEW, **QUICK)
    assert not net.training and all(torch.equal(v, net.state_dict()[k]) for k, v in before.items())


def hooked(where):
    net = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(64, 32), nn.ReLU()), nn.Linear(32, 10))
    net.get_submodule(where).register_forward_hook(lambda layer, inputs, out: 2 * out)
    return net


@pytest.mark.parametrize("where", ["1.0", "2"])
def test_a_hook_on_a_linear_layer_counts(where):
    net = hooked(where)
    params = {k: p.detach()[None] for k, p in net.named_parameters()}
    x = FEW.tasks[0].test[0]
    assert torch.allclose(apply(net, params, x[None])[0], net(x), atol=1e-5)
    assert cl.train(cl.EWC(net), FEW, **QUICK).accuracy.shape == (1, 2, 2)


@pytest.mark.parametrize("where", ["", "1"])
def test_a_hook_that_lanes_would_pass_by_is_refused(where):
    refused(lambda: cl.train(cl.Finetune(hooked(where)), FEW), "as a whole as it does layer by layer", "hook")


@pytest.mark.parametrize(
    "norm", [nn.utils.parametrizations.weight_norm, nn.utils.weight_norm], ids=["parametrised", "hook"]
)
@pytest.mark.filterwarnings("ignore:There is a performance drop", "ignore:.*weight_norm.*deprecated")
def test_weight_norm_is_right(norm):
    net = nn.Sequential(nn.Flatten(), norm(nn.Linear(64, 20)), nn.Tanh(), nn.Linear(20, 10))
    params = {k: p.detach()[None] for k, p in net.named_parameters()}
    x = FEW.tasks[0].test[0][:10]
    assert torch.allclose(apply(net, params, x[None])[0], net(x), atol=1e-5)
    found, want = cl.fisher(net, params, x[None]), brute_fisher(net, params, x[None])
    assert all(torch.allclose(found[k][0], want[k], rtol=1e-3, atol=1e-6) for k in want)


# ---- recurrence and attention


class OverTime(nn.Module):
    """Reads an image row by row."""

    def __init__(self, cell, inner=nn.GRUCell):
        super().__init__()
        self.cell, self.whole = cell, not isinstance(cell, nn.RNNCellBase)

    def forward(self, x):
        x = x.squeeze(1)  # (n, rows, columns)
        if self.whole:
            return self.cell(x)[0][:, -1]
        h = x.new_zeros(len(x), self.cell.hidden_size)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return h


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN], ids=lambda k: k.__name__)
def test_a_recurrent_layer_is_refused_with_a_way_that_works(kind):
    net = nn.Sequential(OverTime(kind(8, 12, batch_first=True)), nn.Linear(12, 10))
    refused(lambda: cl.Finetune(net), f"{kind.__name__} as layer '0.cell'", "nn.GRUCell in a loop", "har_net")


@pytest.mark.parametrize("kind", [nn.GRUCell, nn.RNNCell], ids=lambda k: k.__name__)
@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_the_way_that_a_message_names_works(kind):
    net = nn.Sequential(OverTime(kind(8, 12)), nn.Linear(12, 10))
    run = cl.train(cl.EWC(net), FEW, epochs=20, progress=False)
    x, params = FEW.tasks[1].test[0], {k: p[0] for k, p in run.params.items()}
    assert run.accuracy[0, 1, 1] == pytest.approx(
        (torch.func.functional_call(net, params, (x,)).argmax(1) == FEW.tasks[1].test[1])
        .float()
        .mean()
        .item()
    )


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        x = x.squeeze(1)
        return self.attend(x, x, x, need_weights=False)[0].flatten(1)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_attention_works():
    net = nn.Sequential(Attention(), nn.Linear(64, 10))
    run = cl.train(cl.Finetune(net), FEW, epochs=3, seeds=2, progress=False)
    assert not torch.equal(run.params["0.attend.in_proj_weight"][0], run.params["0.attend.in_proj_weight"][1])
    x = FEW.tasks[0].test[0]
    with torch.no_grad():
        mine = apply(net, run.params, x.expand(2, *x.shape))
        for lane in (0, 1):
            own = {k: p[lane] for k, p in run.params.items()}
            assert torch.allclose(mine[lane], torch.func.functional_call(net, own, (x,)), atol=1e-4)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).double(), "torch.float64: net.float()"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).half(), "torch.float16: net.float()"),
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), "call net(x) once"),
    ],
    ids=["double", "half", "lazy"],
)
def test_a_net_of_another_type_is_refused(net, words):
    refused(lambda: cl.Finetune(net), words)


# ---- weights that are given, weights that stand still


def frozen_net():
    net = cl.mlp(FEW, hidden=(12,))
    net[1].weight.data.fill_(0.1)
    net[1].requires_grad_(False)
    return net


METHODS = [
    cl.Finetune,
    cl.Joint,
    cl.EWC,
    partial(cl.OnlineEWC, gamma=0.5),
    partial(cl.EWC, labels="batched"),
    cl.Replay,
    cl.DERpp,
    cl.AGEM,
    cl.GDumb,
    cl.LatentReplay,
    cl.LwF,
    cl.NearestMean,
    cl.StreamingLDA,
    cl.Separate,
]


@pytest.mark.parametrize("make", METHODS, ids=lambda m: getattr(m, "__name__", str(m)[-25:-1]))
def test_a_frozen_parameter_never_moves(make):
    net = frozen_net()
    run = cl.train(make(net, weights=net), FEW, seeds=2, **QUICK)
    assert (run.params["1.weight"] == 0.1).all() and torch.equal(run.params["1.bias"][0], net[1].bias)
    assert run.settings["weights"] == "given"


def test_weights_of_a_net_are_used_on_request_and_else_it_is_told():
    net = frozen_net()
    given, drawn = (cl.train(cl.Finetune(net, weights=w), FEW, **QUICK) for w in (net, None))
    assert (given.params["1.weight"] == 0.1).all() and not given.notes
    assert (drawn.params["1.weight"] != 0.1).any() and drawn.settings["weights"] == "drawn"
    assert [n for n in drawn.notes if "requires_grad=False" in n and "weights=net" in n]
    first = next(cl.learn(cl.Finetune(net), FEW, seeds=[3]))
    assert torch.equal(drawn.params["1.weight"][0], initial(net, 0)["1.weight"])
    assert torch.equal(first.params["1.weight"][0], initial(net, 3)["1.weight"])


def test_weights_are_copied():
    net = cl.mlp(FEW)
    method = cl.Finetune(net, weights=net)
    before = net[1].weight.detach().clone()
    net[1].weight.data.zero_()
    assert torch.equal(next(cl.learn(method, FEW)).params["1.weight"][0], before)


def test_a_layer_that_draws_nothing_may_be_given():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.s = nn.Parameter(torch.ones(64))

        def forward(self, x):
            return x * self.s

    net = nn.Sequential(nn.Flatten(), Scale(), nn.Linear(64, 10))
    refused(lambda: cl.Finetune(net), "layer '1'", "reset_parameters()", "weights=net")
    assert cl.train(cl.Finetune(net, weights=net), FEW, **QUICK).accuracy.shape == (1, 2, 2)


def test_a_frozen_front_that_was_drawn_is_told():
    net = cl.mlp(FEW)
    assert "frozen=True" in cl.train(cl.NearestMean(net, frozen=True), FEW, **QUICK).notes[0]
    assert not cl.train(cl.NearestMean(net, frozen=True, weights=net), FEW, **QUICK).notes


def test_a_pretrained_front_classifies_as_it_does_by_hand():
    task = DIGITS.train
    net = cl.mlp(STREAM, hidden=(50,))
    pre = cl.train(cl.Finetune(net), cl.rotated(DIGITS, degrees=(0,)), epochs=3, progress=False)
    for k, p in net.named_parameters():
        p.data.copy_(pre.params[k][0])
    net.requires_grad_(False)
    run = cl.train(cl.NearestMean(net, frozen=True, weights=net), cl.rotated(DIGITS, degrees=(0,)), **QUICK)
    with torch.no_grad():
        z, test = net[:-1](task[0]), net[:-1](DIGITS.test[0])
    means = torch.stack([z[task[1] == c].mean(0) for c in range(10)])
    want = (torch.cdist(test, means).argmin(1) == DIGITS.test[1]).float().mean().item()
    assert run.accuracy.item() == pytest.approx(want, abs=0.003)


def test_a_fisher_of_a_frozen_parameter_is_0_and_not_kept():
    net = frozen_net()
    params = {k: p.detach()[None] for k, p in net.named_parameters()}
    x = FEW.tasks[0].train[0][None]
    found, want = cl.fisher(net, params, x), brute_fisher(net, params, x)
    assert not found["1.weight"].any() and not found["1.bias"].any()
    assert torch.allclose(found["3.weight"][0], want["3.weight"], rtol=1e-4, atol=1e-7)
    run = cl.train(cl.EWC(net), FEW, **QUICK)
    kept = cl.EWC(net).keeps(run.state)
    assert sorted(kept) == ["anchor.3.bias", "anchor.3.weight", "fisher.3.bias", "fisher.3.weight"]
    told = {what: n for what, n, _ in cl.budget(cl.EWC(net), FEW).lines}
    assert told["Fisher F"] + told["anchor θ*"] == cl.nbytes(kept)
    head = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert told["weights that learn"] == told["gradients"] == 4 * head
    assert told["weights"] == 4 * sum(p.numel() for p in net.parameters())


def test_half_a_layer_may_be_frozen():
    net = cl.mlp(FEW, hidden=(12,))
    net[1].weight.requires_grad_(False)
    run = cl.train(cl.EWC(net, weights=net), FEW, **QUICK)
    assert torch.equal(run.params["1.weight"][0], net[1].weight) and not torch.equal(
        run.params["1.bias"][0], net[1].bias
    )


def test_frozen_training_equals_pytorchs():
    net = frozen_net()
    run = cl.train(cl.Finetune(net, weights=net), FEW, steps=3, batch_size=60, optimizer="sgd", lr=0.1,
                   progress=False)  # fmt: skip
    twin = frozen_net()
    twin.load_state_dict(net.state_dict())
    opt = torch.optim.SGD([p for p in twin.parameters() if p.requires_grad], lr=0.1)
    for task in FEW:
        for _ in range(3):  # whole batches, whose order does not matter
            opt.zero_grad()
            F.cross_entropy(twin(task.train[0]), task.train[1]).backward()
            opt.step()
    assert all(torch.allclose(run.params[k][0], p, atol=1e-6) for k, p in twin.named_parameters())


@pytest.mark.parametrize("make", [cl.Piggyback, cl.PackNet], ids=lambda m: m.__name__)
def test_masks_refuse_a_frozen_hidden_layer(make):
    refused(lambda: make(frozen_net()), "freezes the hidden layers itself", "'1.weight'", "backbone=")


def test_nothing_to_learn_is_said():
    net = cl.mlp(FEW).requires_grad_(False)
    refused(lambda: cl.train(cl.Finetune(net, weights=net), FEW, **QUICK), "requires_grad=False")
    params = {k: p[None] for k, p in net.named_parameters()}
    refused(lambda: cl.fisher(net, params, FEW.tasks[0].train[0][None]), "requires_grad=False")


def test_the_old_name_of_weights_says_the_new_one():
    with pytest.raises(
        TypeError, match=r"unknown option 'start'.* is called weights= now: EWC\(net, weights=…\)"
    ):
        cl.EWC(cl.mlp(FEW), start=cl.mlp(FEW))


def test_a_run_given_as_weights_says_what_it_leaves_behind():
    one = replace(STREAM, tasks=FEW.tasks[:1])
    first = cl.train(cl.EWC(cl.mlp(FEW)), one, **QUICK)
    then = cl.train(cl.EWC(cl.mlp(FEW), weights=first), FEW, **QUICK)
    assert "(anchor, fisher) was left behind" in then.notes[0]
    assert not cl.train(cl.EWC(cl.mlp(FEW), weights=first.params), FEW, **QUICK).notes
    plain = cl.train(cl.Finetune(cl.mlp(FEW)), one, **QUICK)
    assert not cl.train(cl.EWC(cl.mlp(FEW), weights=plain), FEW, **QUICK).notes


# ---- optimisers


class Clip(torch.optim.SGD):
    def step(self, closure=None):
        torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1.0)
        super().step()


class ClipEach(torch.optim.SGD):
    """Clips value by value, which no lane feels of another."""

    def step(self, closure=None):
        torch.nn.utils.clip_grad_value_(self.param_groups[0]["params"], 0.01)
        super().step()


class Trust(torch.optim.SGD):
    """LARS: the step of a tensor scales with its norm."""

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p -= self.param_groups[0]["lr"] * p.norm() / p.grad.norm() * p.grad


class Sign(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p -= self.param_groups[0]["lr"] * p.grad.sign()


class Langevin(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p += torch.randn_like(p)


class Centre(torch.optim.SGD):
    """Gradient centralisation over the whole tensor."""

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p -= self.param_groups[0]["lr"] * (p.grad - p.grad.mean())


BY_LANE = [partial(torch.optim.SGD, momentum=0.9, weight_decay=1e-2), torch.optim.AdamW, torch.optim.RMSprop,
           torch.optim.Adagrad, torch.optim.NAdam, torch.optim.RAdam, torch.optim.Adamax, torch.optim.Rprop,
           torch.optim.Adadelta, partial(torch.optim.Adam, amsgrad=True), ClipEach, Sign]  # fmt: skip


@pytest.mark.parametrize(
    "make", BY_LANE, ids=lambda m: getattr(m, "__name__", str(m.keywords) if hasattr(m, "keywords") else "")
)
def test_an_optimiser_that_leaves_lanes_alone_is_let_through(make):
    both, alone = (
        cl.sweep(cl.EWC(cl.mlp(FEW)), FEW, lam=lam, lr=1e-3, optimizer=make, **QUICK)
        for lam in ([10.0, 1e4], [10.0])
    )
    assert torch.allclose(both.params["1.weight"][0], alone.params["1.weight"][0], atol=1e-5)


@pytest.mark.parametrize("make", [Clip, Trust, Centre, torch.optim.Adafactor], ids=lambda m: m.__name__)
def test_an_optimiser_that_looks_at_all_weights_is_refused_beside_other_lanes(make):
    sweep = lambda **more: cl.sweep(cl.EWC(cl.mlp(FEW)), FEW, lr=0.1, optimizer=make, **more, **QUICK)
    words = "each lane by itself", "when another lane is there", "one seed and one value at a time"
    refused(lambda: sweep(lam=[10.0, 1e9]), *words)
    refused(lambda: cl.train(cl.Finetune(cl.mlp(FEW)), FEW, seeds=2, optimizer=make, **QUICK), *words)
    assert sweep(lam=[10.0]).lanes == 1  # alone it does what it says


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Langevin, "draw no random numbers"),
        (torch.optim.LBFGS, "step() needs nothing else"),
        (lambda tensors, lr: None, "a callable(tensors, lr=…)"),
        (lambda tensors: torch.optim.SGD(tensors, lr=1), "a callable(tensors, lr=…)"),
        (torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1), "must be 'adam', 'sgd' or a callable"),
        ("adagrad", "'adam', 'sgd' or a callable"),
    ],
    ids=["draws", "closure", "nothing", "no lr", "an optimiser itself", "a name"],
)
def test_what_is_no_optimiser_is_refused(make, words):
    net, dice = cl.mlp(FEW), torch.get_rng_state()
    refused(lambda: cl.train(cl.Finetune(net), FEW, optimizer=make), words)
    assert torch.equal(dice, torch.get_rng_state())


# ---- methods of one's own


def method(**verbs):
    return type("My", (cl.Finetune,), verbs)(cl.mlp(FEW))


def up(verb):
    return getattr(cl.Finetune, verb)


WRONG = {
    "loss over lanes": (
        dict(loss=lambda s, p, st, b: up("loss")(s, p, st, b).mean()),
        "My.loss must return one value per lane, (2,), got a tensor ()",
    ),
    "loss per sample": (
        dict(loss=lambda s, p, st, b: torch.zeros(2, 5, requires_grad=True)),
        "My.loss must return one value per lane, (2,), got a tensor (2, 5)",
    ),
    "loss a number": (
        dict(loss=lambda s, p, st, b: 1.0),
        "My.loss must return one value per lane, (2,), got 1.0",
    ),
    "loss without gradient": (
        dict(loss=lambda s, p, st, b: up("loss")(s, p, st, b).detach()),
        "My.loss must return a tensor with a gradient",
    ),
    "after_step nothing": (
        dict(after_step=lambda s, p, st, b: None),
        "My.after_step must return state, a dict, got None",
    ),
    "end_task nothing": (
        dict(end_task=lambda s, p, st, t: None),
        "My.end_task must return state, a dict, got None",
    ),
    "begin_task params only": (
        dict(begin_task=lambda s, p, st, t: p),
        "My.begin_task must return a tuple (params, state), got {",
    ),
    "begin_task nothing": (
        dict(begin_task=lambda s, p, st, t: None),
        "My.begin_task must return a tuple (params, state), got None",
    ),
    "begin_task loses params": (
        dict(begin_task=lambda s, p, st, t: ({}, st)),
        "My.begin_task must return params with '1.weight' as before",
    ),
    "start nothing": (dict(start=lambda s, p, st, h: None), "My.start must return state, a dict, got None"),
    "start a number": (
        dict(start=lambda s, p, st, h: {**h, "seen": 0}),
        "My.start must return state['seen'] as a tensor of (2, …), got 0: torch.full((2,), value)",
    ),
    "start without lanes": (
        dict(start=lambda s, p, st, h: {**h, "seen": torch.zeros(7)}),
        "state['seen'] as a tensor of (2, …), got a tensor (7,)",
    ),
    "draw nothing": (dict(draw=lambda s, st, b, r: None), "My.draw must return batch, a dict, got None"),
    "draw loses y": (
        dict(draw=lambda s, st, b, r: {"x": b["x"]}),
        "My.draw must return batch with 'y' as before",
    ),
    "predict classes": (
        dict(predict=lambda s, p, st, x, t=None: up("predict")(s, p, st, x).argmax(-1)),
        "My.predict must return logits (2, 60, outputs), got a tensor (2, 60)",
    ),
    "predict one lane": (
        dict(predict=lambda s, p, st, x, t=None: up("predict")(s, p, st, x)[0]),
        "My.predict must return logits (2, 60, outputs)",
    ),
    "end_task a number": (
        dict(
            start=lambda s, p, st, h: {**h, "n": torch.zeros(2)}, end_task=lambda s, p, st, t: {**st, "n": 3}
        ),
        "My.end_task must return state['n'] as a tensor of (2, …), got 3",
    ),
    "end_task drops a key": (
        dict(start=lambda s, p, st, h: {**h, "n": torch.zeros(2)}, end_task=lambda s, p, st, t: {}),
        "My.end_task must return state with 'n' as before",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_method_of_ones_own_is_told_which_verb_what_and_what_came(name):
    verbs, words = WRONG[name]
    refused(lambda: cl.train(method(**verbs), FEW, seeds=2, **QUICK), words, kind=TypeError)


def test_what_was_learned_before_a_wrong_return_is_kept():
    with pytest.raises(TypeError) as caught:
        cl.train(method(end_task=lambda s, p, st, t: None), FEW, every=1, **QUICK)
    assert len(caught.value.run.step) >= 1


def test_a_right_method_of_ones_own_runs_as_the_base_does():
    ours, base = (cl.train(m, FEW, seeds=2, **QUICK) for m in (method(), cl.Finetune(cl.mlp(FEW))))
    assert all(torch.equal(ours.params[k], base.params[k]) for k in base.params)


# ---- devices and settings of the reader's own


@pytest.mark.parametrize("device", ["mps", "meta", "nonsense", "cpu:x", 7.5])
def test_a_device_that_is_not_there_is_refused(device):
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has it")
    words = "device must be one that this machine has", repr(device)
    refused(lambda: cl.train(cl.Finetune(cl.mlp(FEW)), FEW, device=device), *words)


def test_cuda_where_there_is_none_is_refused():
    if torch.cuda.is_available():
        pytest.skip("this machine has it")
    refused(lambda: cl.train(cl.Finetune(cl.mlp(FEW)), FEW, device="cuda"), "leave it out to use the CPU")


def everything():
    """What a small lesson does, as numbers."""
    stream = small(cl.rotated(cl.digits(), degrees=(0, 30)))
    net = cl.mlp(stream, hidden=(10,))
    run = cl.sweep(cl.EWC(net), stream, lam=[0.0, 10.0], seeds=2, **QUICK)
    pairs = small(cl.split(cl.digits()), 40)
    others = [
        cl.train(kind(cl.cnn(pairs, channels=(4,))), pairs, **QUICK)
        for kind in (cl.Replay, cl.ICaRL, cl.PackNet, cl.StreamingLDA)
    ]
    point = list(cl.meta_learn(cl.maml, cl.mlp(cl.sinusoids(), (8,)), cl.sinusoids(), steps=2, meta_batch=2))[
        -1
    ]
    F = cl.fisher(net, {k: p[:1] for k, p in run.params.items()}, stream.tasks[0].train[0][None])
    budget = cl.budget(cl.EWC(net), stream).ram
    numbers = [
        run.params["1.weight"],
        F["1.weight"],
        point.params["1.weight"],
        *(o.params["0.weight"] for o in others),
    ]
    return (
        [t.detach().clone() for t in numbers],
        [run.curve, point.score, *(o.curve for o in others)],
        budget,
    )


class Setting:
    """`with Setting(...)`: torch as a reader may have set it."""

    def __init__(self, dtype=torch.float32, device=None, grad=True, inference=False):
        self.dtype, self.device, self.grad, self.inference = dtype, device, grad, inference

    def __enter__(self):
        torch.set_default_dtype(self.dtype)
        torch.set_default_device(self.device)
        self.modes = [torch.set_grad_enabled(self.grad), torch.inference_mode(self.inference)]
        for mode in self.modes:
            mode.__enter__()

    def __exit__(self, *error):
        for mode in reversed(self.modes):
            mode.__exit__(*error)
        torch.set_grad_enabled(True)
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)


SETTINGS = {
    "float64": dict(dtype=torch.float64), "bfloat16": dict(dtype=torch.bfloat16), "meta": dict(device="meta"),
    "no gradients": dict(grad=False), "inference": dict(inference=True),
    "all of them": dict(dtype=torch.float64, device="meta", grad=False, inference=True),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_the_readers_own_settings_of_torch_change_nothing(name):
    tensors, curves, budget = everything()
    with Setting(**SETTINGS[name]):
        theirs = everything()
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(tensors, theirs[0], strict=True))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(curves, theirs[1], strict=True))
    assert budget == theirs[2]


def test_a_settled_generator_gives_the_reader_back_what_was_set():
    torch.set_default_dtype(torch.float64)
    try:
        for _ in cl.learn(cl.Finetune(cl.mlp(FEW)), FEW, epochs=1):
            assert torch.zeros(1).dtype == torch.float64
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


# ---- memory


def test_answers_in_pieces_are_the_answers(monkeypatch):
    stream = cl.split(
        cl.Dataset("noise", *[(torch.rand(40, 3, 32, 32), torch.arange(40) % 2)] * 2, ("a", "b"))
    )
    net = cl.cnn(stream)
    params = stack([initial(net, seed) for seed in range(3)])
    x = stream.tasks[0].test[0].expand(3, -1, -1, -1, -1)
    whole = {k: p.clone().requires_grad_() for k, p in params.items()}
    want, made = apply(net, whole, x).detach(), []
    before = ROOM.set(2e6)
    monkeypatch.setattr(
        "edgecl_lite.models.through", lambda *a, of=cl.models.through: made.append(of(*a)) or made[-1]
    )
    assert torch.allclose(apply(net, params, x), want, atol=1e-6)
    ROOM.reset(before)
    assert max(t.nbytes for t in made) <= 2e6


def test_a_step_in_pieces_is_the_step(monkeypatch):
    run = lambda: cl.sweep(cl.Replay(cl.cnn(FEW)), FEW, seeds=2, capacity=[20, 40], batch_size=20, steps=4,
                           progress=False)  # fmt: skip
    whole = run()
    monkeypatch.setattr("edgecl_lite.machine.step.STEP", 1.0)
    monkeypatch.setattr("edgecl_lite.machine.step.LITTLE", 0)
    pieces = run()
    assert all(torch.allclose(whole.params[k], pieces.params[k], atol=1e-5) for k in whole.params)
    assert np.allclose(whole.curve, pieces.curve, atol=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own = cl.train(method(), FEW, seeds=3, **QUICK)
    assert lanes_of(own.params) == 3


# ---- tasks that ask nothing


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_a_task_of_one_class_that_is_told_says_so(scenario):
    stream = small(cl.split(DIGITS, per_task=1, scenario=scenario), 20)
    run = cl.train(cl.EWC(cl.mlp(stream)), stream, **QUICK)
    told = [note for note in run.notes if "100 % says nothing" in note]
    assert len(told) == (scenario != "class") and all("0, 1, 2 …" in note for note in told)
    pairs = small(cl.split(DIGITS, scenario=scenario), 20)
    assert not cl.train(cl.EWC(cl.mlp(pairs)), pairs, **QUICK).notes


# ---- the upper bound


def test_joint_is_an_upper_bound_where_tasks_differ_in_size():
    g = torch.Generator().manual_seed(0)
    centres = torch.rand(10, 1, 1, 16, generator=g)
    y = torch.arange(10).repeat_interleave(40)
    x = (centres[y] + 0.05 * torch.randn(400, 1, 1, 16, generator=g)).clamp(0, 1)
    groups, tasks = [(0, 1, 2, 3, 4), (5, 6), (7, 8), (9,)], []
    for own in groups:
        pick = torch.isin(y, torch.tensor(own))
        tasks.append(cl.Task(str(own), (x[pick], y[pick]), (x[pick], y[pick]), own))
    stream = cl.Stream(tasks, "class", 10)
    joint = cl.train(cl.Joint(cl.mlp(stream)), stream, seeds=3, epochs=20, lr=1e-2, progress=False)
    best = cl.train(cl.ICaRL(cl.mlp(stream)), stream, seeds=3, epochs=20, lr=1e-2, progress=False)
    assert joint.accuracy[:, -1].mean() > 0.97
    assert abs(cl.metrics.intransigence(best.accuracy, joint.accuracy).mean()) < 0.1
    steps = np.diff([0, *joint.step[joint.ended]])
    assert list(steps) == [20 * math.ceil(200 / 32)] * 4  # those of the largest task so far


def test_joint_of_equal_tasks_takes_the_steps_of_finetuning():
    joint, fine = (cl.train(kind(cl.mlp(FEW)), FEW, **QUICK) for kind in (cl.Joint, cl.Finetune))
    assert list(joint.step) == list(fine.step)
    assert re.search("all samples of all tasks", cl.Joint.__doc__)
