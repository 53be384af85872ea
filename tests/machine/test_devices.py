"""Training on a second device, on a machine that has none: the real code with real numbers (otherdevice.py).

Each training runs on the CPU and on a simulated "mps" (some on "cuda"), and gives the same, bit for bit, or
the device's own refusal. No operation may lack a kernel for Apple's chips in torch's own table.
Not covered, for it needs the device: its roundings, so on a real one numbers differ in their last digits;
which kernels there refuse an integer or a bool; its memory, its speed and its waiting; a stream or a panel
that runs in another thread.
"""

import copy
import warnings

import numpy as np
import pytest
import torch
from otherdevice import Elsewhere, second_device, without_kernel
from torch import nn
from torch.func import functional_call, vmap

import edgecl_lite as cl


def few(pair, each):
    x, y = pair
    keep = torch.cat([(y == c).nonzero().flatten()[:each] for c in range(4)]).sort().values
    return x[keep], y[keep]


ALL = cl.digits()
DATA = cl.Dataset("few digits", few(ALL.train, 12), few(ALL.test, 3), ALL.classes[:4])
TURNED, SPLIT = cl.rotated(DATA, degrees=(0, 60)), cl.split(DATA)
TOLD = cl.split(DATA, scenario="task")
FAST = dict(steps=3, every=2, seeds=2, progress=False)
NETS = {"mlp": lambda stream: cl.mlp(stream, (12,)), "cnn": lambda stream: cl.cnn(stream, (2, 3))}
FAMILIES = {
    "sinusoids": (cl.sinusoids(), nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))),
    "mlp": (symbols := cl.episodes(DATA, ways=3, shots=2, queries=4), cl.mlp(symbols, (8,))),
    "cnn": (symbols, cl.cnn(symbols, (2, 2))),
}


def here(value):
    """A tensor of the second device, or a tree of such, as the CPU has it; one that never left fails."""
    if isinstance(value, dict):
        return {k: here(v) for k, v in value.items()}
    assert isinstance(value, Elsewhere), f"{value!r} was left on the CPU"
    return value.inner


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def both(run, name="mps"):
    """run(device) here and on the second device, where every operation has a kernel: the two results."""
    ours = run("cpu")
    with second_device(name) as mode:
        theirs = run(name)
    assert mode.ops and not without_kernel(mode.ops), without_kernel(mode.ops)
    return ours, theirs


def assert_same_runs(a, b):
    assert np.array_equal(a.curve, b.curve, equal_nan=True) and np.array_equal(a.predicted, b.predicted)
    assert same(a.params, here(b.params)) and same(a.state, here(b.state))
    assert a.lost == b.lost and a.notes == b.notes


# ---- the device that is simulated


NO = {
    "two devices": (lambda x: x("mps") + x("cpu"), RuntimeError, "at least two devices, mps:0 and cpu"),
    "the other way": (lambda x: x("cpu") @ x("mps"), RuntimeError, "at least two devices"),
    "in place": (lambda x: x("mps").add_(x("cpu")), RuntimeError, "at least two devices"),
    "a number of ours in a list": (
        lambda x: torch.stack([x("mps").sum(), x("cpu").sum()]),
        RuntimeError,
        "at least two devices",
    ),
    "our tensor by its number": (lambda x: x("cpu") * x("mps").sum(), RuntimeError, "at least two devices"),
    "an index of its own for ours": (
        lambda x: x("cpu")[torch.arange(2, device="mps")],
        RuntimeError,
        "indices should be either on cpu",
    ),
    "our values for its rows": (
        lambda x: x("mps").index_put((torch.arange(2),), x("cpu")[:2]),
        RuntimeError,
        "at least two devices",
    ),
    "gather": (
        lambda x: x("mps").gather(1, torch.zeros(3, 1, dtype=torch.long)),
        RuntimeError,
        "at least two devices",
    ),
    "double": (lambda x: x("mps").double(), TypeError, "doesn't support float64"),
    "double, taken there": (lambda x: x("cpu").double().to("mps"), TypeError, "doesn't support float64"),
    "double, made there": (
        lambda x: torch.zeros(2, dtype=torch.float64, device="mps"),
        TypeError,
        "doesn't support float64",
    ),
    "an array of NumPy": (
        lambda x: torch.tensor(np.ones(2), device="mps"),
        TypeError,
        "doesn't support float64",
    ),
    "a sum": (lambda x: x("mps").sum(dtype=torch.float64), TypeError, "doesn't support float64"),
    "to NumPy": (lambda x: x("mps").numpy(), TypeError, "Use Tensor.cpu"),
    "as an array": (lambda x: np.asarray(x("mps")), TypeError, "Use Tensor.cpu"),
    "our dice": (
        lambda x: torch.rand(2, generator=torch.Generator(), device="mps"),
        RuntimeError,
        "device type for generator but found 'cpu'",
    ),
}


@pytest.mark.parametrize("name", NO)
def test_what_a_device_refuses_is_refused(name):
    do, kind, words = NO[name]
    with second_device(), pytest.raises(kind, match=words):
        do(lambda device: torch.linspace(0, 1, 12).view(3, 4).to(device))


def by_autograd(x):
    w = x.clone().requires_grad_()
    ((w @ w.mT).relu().softmax(-1) ** 2).sum().backward()
    return w.grad


def by_fused_adam(x):
    w = x.clone().requires_grad_()
    opt = torch.optim.Adam([w], fused=True)
    for _ in range(3):
        opt.zero_grad()
        (w**2).sum().backward()
        opt.step()
    return w.detach()


def by_vmap(x):
    torch.manual_seed(0)
    layer = nn.Conv2d(1, 2, 2)
    own = {k: torch.stack([p.detach(), 2 * p.detach()]).to(x.device) for k, p in layer.named_parameters()}
    return vmap(lambda p, z: functional_call(layer, p, (z,)))(own, x.expand(2, 1, 1, 3, 4))


def by_rows(x):
    x = x.clone()
    x[0], x[[1, 2]], x[torch.tensor([0]), 1:] = 5.0, x[[2, 1]], torch.tensor(7.0)
    x[x > 6] = -1
    return x


YES = {
    "operators": lambda x: (x * 2 + 1).exp().cumsum(1).argsort(1, descending=True),
    "a number of ours": lambda x: x * torch.tensor(3.0) + torch.where(x > 0.5, x, torch.tensor(0.0)),
    "an index of ours": lambda x: x[torch.tensor([2, 0])],
    "rows": by_rows,
    "there and back": lambda x: (x.cpu() + torch.ones(3, 4)).to(x.device),
    "numbers": lambda x: x * x.sum().item() + float(x[0, 1]) + len(x.nonzero()) + sum(x[1].tolist()),
    "branches": lambda x: x + 1 if (x > 0).any() and bool(x.sum() > 1) else x,
    "made there": lambda x: torch.cat(
        [
            x.new_zeros(1),
            torch.arange(3, device=x.device) / 1,
            torch.full((2,), 4.0, device=x.device),
            torch.eye(2, device=x.device)[0],
            torch.tensor([5.0, 6.0], device=x.device),
            torch.as_tensor([7.0]).to(x),
        ]
    ),
    "in place": lambda x: x.clone().mul_(2).masked_fill_(x > 0.5, 1).clamp_(min=0.2),
    "index_put": lambda x: x.index_put((torch.tensor([0, 1]),), x[:2] + 1),
    "scatter_reduce": lambda x: x.scatter_reduce(1, (x * 3).long(), x + 1, "amax"),
    "foreach": lambda x: torch.stack(torch._foreach_add(torch._foreach_mul([x, x + 1], 3.0), 1.0)),
    "autograd": by_autograd,
    "fused Adam": by_fused_adam,
    "vmap": by_vmap,
}


@pytest.mark.parametrize("name", YES)
def test_what_a_device_can_it_can(name):
    make = lambda device: YES[name](torch.linspace(0, 1, 12).view(3, 4).to(device))
    ours, theirs = both(make)
    assert torch.equal(ours, here(theirs)) and theirs.device == torch.device("mps", 0)


def test_the_device_is_there_only_inside():
    before = torch.backends.mps.is_available()
    with second_device():
        assert torch.backends.mps.is_available() and torch.zeros(1).is_cpu
        x = torch.zeros(1, device="mps")
    assert torch.backends.mps.is_available() is before
    with pytest.raises(AssertionError, match="outside of second_device"):
        x + 1


def test_its_dice_are_its_own():
    torch.manual_seed(0)
    ours = torch.rand(3)
    torch.manual_seed(0)
    with second_device():
        theirs = torch.rand(3, device="mps")
        assert not torch.equal(ours, here(theirs)) and torch.equal(ours, torch.rand(3))


def test_operations_without_a_kernel_are_named():
    ops = [torch.ops.aten.mm.default, torch.ops.aten.detach.default, torch.ops.aten.add.Tensor]
    assert without_kernel(ops) == [] and without_kernel(ops, "NoSuchDevice") == ["add.Tensor", "mm"]


# ---- every method


METHODS = {
    "Finetune": (cl.Finetune, TURNED),
    "Joint": (cl.Joint, TURNED),
    **{f"EWC, {v}": (lambda net, v=v: cl.EWC(net, labels=v, samples=20), TURNED)
       for v in ("exact", "sample", "empirical", "batched")},
    "online EWC": (lambda net: cl.OnlineEWC(net, gamma=0.9, samples=20), TURNED),
    "LwF": (cl.LwF, SPLIT),
    "LwF, told": (cl.LwF, TOLD),
    **{f"Replay, {v}": (lambda net, v=v: cl.Replay(net, 9, v), SPLIT)
       for v in ("balanced", "reservoir", "ring")},
    "Replay, 2 bits": (lambda net: cl.Replay(net, 9, bits=2), SPLIT),
    "Replay, 5 bits, halves": (lambda net: cl.Replay(net, 9, weighting="equal", bits=5), TURNED),
    "DERpp": (lambda net: cl.DERpp(net, 9), SPLIT),
    "AGEM": (lambda net: cl.AGEM(net, 9), SPLIT),
    "GDumb": (lambda net: cl.GDumb(net, 9), SPLIT),
    "ICaRL": (lambda net: cl.ICaRL(net, 9), SPLIT),
    "ICaRL, none kept": (lambda net: cl.ICaRL(net, 0), SPLIT),
    "LatentReplay": (lambda net: cl.LatentReplay(net, 9, cut=-1), SPLIT),
    "LatentReplay, frozen, 3 bits": (lambda net: cl.LatentReplay(net, 9, -1, bits=3, frozen=True), SPLIT),
    "NearestMean": (cl.NearestMean, SPLIT),
    "StreamingLDA": (cl.StreamingLDA, SPLIT),
    "StreamingLDA, frozen": (lambda net: cl.StreamingLDA(net, frozen=True), SPLIT),
    **{f"{make.__name__}, {'guessed' if guess else 'told'}":
       (lambda net, make=make, guess=guess: make(net, infer_task=guess), SPLIT if guess else TOLD)
       for make in (cl.Separate, cl.Piggyback, cl.PackNet) for guess in (False, True)},
}  # fmt: skip


OTHER_LAYERS = [  # those that treat a convolution in a way of their own
    "Finetune", "EWC, exact", "EWC, batched", "Replay, balanced", "DERpp", "AGEM", "ICaRL", "LatentReplay",
    "StreamingLDA", "Separate, told", "Piggyback, told", "PackNet, told",
]  # fmt: skip


@pytest.mark.parametrize(
    "name, net", [*((name, "mlp") for name in METHODS), *((name, "cnn") for name in OTHER_LAYERS)]
)
def test_every_method_learns_there_what_it_learns_here(name, net):
    make, stream = METHODS[name]
    method = make(NETS[net](stream))
    ours, theirs = both(lambda device: cl.train(method, stream, device=device, **FAST))
    assert_same_runs(ours, theirs)


@pytest.mark.skipif(torch.backends.cuda.is_built(), reason="this torch asks a real driver about cuda")
@pytest.mark.parametrize("name", ["EWC, exact", "Replay, balanced", "PackNet, told"])
def test_a_device_with_float64_too(name):
    make, stream = METHODS[name]
    method = make(NETS["mlp"](stream))
    ours, theirs = both(lambda device: cl.train(method, stream, device=device, **FAST), "cuda")
    assert_same_runs(ours, theirs)
    with second_device("cuda"):
        assert all(p.is_cuda for p in theirs.params.values())


GRIDS = {
    "EWC": (lambda net: cl.EWC(net, samples=20), TURNED, {"lam": [1, 100]}),
    "online EWC": (lambda net: cl.OnlineEWC(net, gamma=0.9, samples=20), TURNED, {"gamma": [0.5, 1]}),
    "LwF": (cl.LwF, SPLIT, {"lam": [0, 1], "temperature": [1, 2]}),
    "Replay": (cl.Replay, SPLIT, {"capacity": [0, 8, 45]}),
    "DERpp": (cl.DERpp, SPLIT, {"capacity": [9, 13], "alpha": [0, 0.5]}),
    "AGEM": (cl.AGEM, SPLIT, {"capacity": [0, 9]}),
    "GDumb": (cl.GDumb, SPLIT, {"capacity": [0, 9]}),
    "ICaRL": (cl.ICaRL, SPLIT, {"capacity": [0, 9]}),
    "StreamingLDA": (cl.StreamingLDA, SPLIT, {"shrinkage": [0.01, 1]}),
    "Piggyback": (cl.Piggyback, TOLD, {"threshold": [1e-3, 2e-2]}),
    "PackNet": (cl.PackNet, TOLD, {"prune": [0.4, 0.75, 0.999]}),
}


@pytest.mark.parametrize("name", GRIDS)
def test_a_sweep_there_is_a_sweep_here(name):
    make, stream, grid = GRIDS[name]
    method = make(NETS["mlp"](stream))
    assert_same_runs(*both(lambda device: cl.sweep(method, stream, device=device, **FAST, **grid)))


OPTIMIZERS = {
    "sgd": "sgd",
    "AdamW": torch.optim.AdamW,
    "RMSprop": torch.optim.RMSprop,
    "momentum": lambda tensors, lr: torch.optim.SGD(tensors, lr=lr, momentum=0.9),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("fresh", [True, False])
def test_every_optimiser_steps_there_as_here(name, fresh):
    options = dict(FAST, optimizer=OPTIMIZERS[name], fresh=fresh)
    method = cl.EWC(NETS["mlp"](TURNED), samples=20)
    assert_same_runs(*both(lambda device: cl.train(method, TURNED, device=device, **options)))


def test_what_becomes_non_finite_is_told_there_too():
    options = dict(FAST, steps=20, lr=1.0, optimizer="sgd", lam=[1, 1e12])

    def trained(device):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            run = cl.sweep(cl.EWC(NETS["mlp"](TURNED)), TURNED, device=device, **options)
        return run, [str(warning.message) for warning in told]

    (ours, a), (theirs, b) = both(trained)
    assert ours.lost and ours.lost == theirs.lost and a == b
    assert np.array_equal(ours.curve, theirs.curve, equal_nan=True)


def test_packnet_says_there_too_that_it_is_full():
    def full(device):
        with pytest.raises(cl.Exhausted) as caught:
            cl.train(cl.PackNet(NETS["mlp"](TOLD), prune=0.9999), TOLD, device=device, **FAST)
        return caught.value

    ours, theirs = both(full)
    assert str(ours) == str(theirs)
    assert_same_runs(ours.run, theirs.run)


# ---- nets


class Scaled(nn.Module):
    """Without weights, but with a buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.linspace(0.5, 2, 64))

    def forward(self, x):
        return x.flatten(1) * self.scale


class Block(Scaled):
    """Weights and a buffer in one layer."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(64, 8)

    def reset_parameters(self):
        self.inner.reset_parameters()

    def forward(self, x):
        return self.inner(super().forward(x)).relu()


BUFFERED = {
    "a layer of its own": nn.Sequential(Scaled(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 4)),
    "beside weights": nn.Sequential(Block(), nn.Linear(8, 4)),
}
THERE_TOO = {
    "EWC": lambda net: cl.EWC(net, samples=20),
    "EWC, batched": lambda net: cl.EWC(net, samples=20, labels="batched"),
    "Replay": lambda net: cl.Replay(net, 9),
    "ICaRL": lambda net: cl.ICaRL(net, 9),
    "StreamingLDA": cl.StreamingLDA,
}


@pytest.mark.parametrize("method", THERE_TOO)
@pytest.mark.parametrize("net", BUFFERED)
def test_buffers_travel(net, method):
    method = THERE_TOO[method](BUFFERED[net])
    assert_same_runs(*both(lambda device: cl.train(method, SPLIT, device=device, **FAST)))
    assert all(buffer.is_cpu for buffer in BUFFERED[net].buffers())


@pytest.mark.parametrize("net", [NETS["mlp"](TURNED), *BUFFERED.values()])
@pytest.mark.parametrize("asked", [True, False])
def test_a_net_that_is_there_already_is_the_same_net(net, asked):
    def trained(device):
        moved = copy.deepcopy(net).to(device)
        budget, part = cl.budget(cl.EWC(moved), TURNED), cl.measure(moved, TURNED.shape)
        where = {"device": device} if asked else {}
        return cl.train(cl.EWC(moved, samples=20), TURNED, **where, **FAST), budget.lines, part

    (ours, *a), (theirs, *b) = both(trained)
    assert a == b and np.array_equal(ours.curve, theirs.curve)
    assert same(ours.params, here(theirs.params) if asked else theirs.params)


def test_many_lanes_of_a_net_that_is_there():
    """So many that their memory is foretold by a look at the net, with a sample of the CPU."""
    net, options = NETS["mlp"](TURNED), dict(FAST, seeds=32, steps=1)

    def trained(device):
        return cl.train(cl.Finetune(copy.deepcopy(net).to(device)), TURNED, device=device, **options)

    assert_same_runs(*both(trained))


def test_weights_of_a_net_there_are_used():
    net = NETS["mlp"](TURNED)

    def trained(device):
        moved = copy.deepcopy(net).to(device)
        return cl.train(cl.Finetune(moved, weights=moved), TURNED, device=device, **FAST)

    assert_same_runs(*both(trained))


# ---- what comes after a training


def test_a_run_is_saved_and_read_as_any_other(tmp_path):
    for name in ("EWC, exact", "Replay, 5 bits, halves", "Piggyback, told"):
        make, stream = METHODS[name]

        def saved(device, make=make, stream=stream):
            run = cl.train(make(NETS["mlp"](stream)), stream, device=device, **FAST)
            return cl.Run.load(run.save(tmp_path / device)), run.table().to_csv()

        (ours, a), (theirs, b) = both(saved)
        assert same(ours.params, theirs.params) and same(ours.state, theirs.state) and a == b


def test_a_run_goes_on_there_or_here():
    net, options = NETS["mlp"](TURNED), dict(FAST)

    def gone_on(device, then):
        first = cl.train(cl.Finetune(net), TURNED, device=device, **options)
        return cl.train(cl.EWC(net, samples=20, weights=first), TURNED, device=then, **options)

    ours, theirs = both(lambda device: gone_on(device, device))
    assert_same_runs(ours, theirs)
    back = both(lambda device: gone_on(device, None))[1]
    assert np.array_equal(ours.curve, back.curve) and same(ours.params, back.params)


def test_a_backbone_comes_along():
    net = NETS["mlp"](TOLD)

    def trained(device):
        first = cl.train(cl.Finetune(net), TOLD, device=device, **FAST)
        return cl.train(cl.Piggyback(net, backbone=first), TOLD, device=device, **FAST)

    assert_same_runs(*both(trained))


@pytest.mark.parametrize("name", METHODS)
def test_a_run_answers_keeps_and_shows(name):
    make, stream = METHODS[name]
    method = make(NETS["mlp"](stream))

    def asked(device):
        run, x = cl.train(method, stream, device=device, **FAST), stream.tasks[0].test[0]
        there = [method.predict(run.params, run.state, part, 0).tolist() for part in (x, x.to(device))]
        assert there[0] == there[1]  # samples of the CPU are taken along
        bytes_of, shown = cl.nbytes(method.keeps(run.state)), []
        if hasattr(method, "shows") and not isinstance(method, cl.LatentReplay):
            shown = [part.numpy().tolist() for part in method.shows(run.state, stream.shape)]
        return there[0], bytes_of, shown, method.notes(run.state)

    ours, theirs = both(asked)
    assert ours == theirs


def test_herding_none_is_on_the_device_too():
    ours, theirs = both(lambda device: cl.herding(torch.ones(2, 5, 3, device=device), 0))
    assert ours.shape == here(theirs).shape == (2, 0) and theirs.dtype == torch.long


# ---- meta-learning, and no such device


MEANS = [cl.maml, cl.first_order, cl.reptile, cl.anil, cl.oml]


@pytest.mark.parametrize(
    "method, family",
    [*((m, f) for m in MEANS for f in ("sinusoids", "mlp")), (cl.maml, "cnn"), (cl.oml, "cnn")],
    ids=lambda value: getattr(value, "name", value),
)
def test_meta_learning(method, family):
    tasks, net = FAMILIES[family]
    options = dict(seeds=2, steps=2, meta_batch=2, inner_steps=2, shown=(0, 1))

    def learned(device):
        *_, last = cl.meta_learn(method, net, tasks, device=device, **options)
        scores = cl.adaptation(net, last.params, tasks, [0.01, 0.1], 2, method=method, episodes=4)
        return last, scores

    (ours, a), (theirs, b) = both(learned)
    assert same(ours.params, here(theirs.params)) and np.array_equal(ours.score, theirs.score)
    assert a.dtype == b.dtype == np.float64 and np.array_equal(a, b)


ABSENT = "cuda" if torch.backends.mps.is_available() else "mps"  # no machine has both


@pytest.mark.parametrize("device", [ABSENT, "cuda:99", "meta", "gpu", torch.device("xpu", 99)])
def test_a_device_that_is_not_there_is_a_sentence(device):
    net = NETS["mlp"](TURNED)
    tasks, wave = FAMILIES["sinusoids"]
    with pytest.raises(ValueError, match="device must be one that this machine has; leave it out") as caught:
        cl.train(cl.Finetune(net), TURNED, device=device, **FAST)
    assert repr(device) in str(caught.value)
    with pytest.raises(ValueError, match="device must be one that this machine has; leave it out"):
        next(cl.meta_learn(cl.maml, wave, tasks, device=device))
