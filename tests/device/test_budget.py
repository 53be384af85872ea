"""Budgets against oracles: what autograd saves, the FLOP counter, bytes really kept, real optimisers.

The formulas of the course's notes on edge devices (sections 5.1 to 5.4) stand here as closed forms.
"""

import inspect
import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import edgecl_lite
from edgecl_lite import (
    AGEM,
    EWC,
    DERpp,
    Finetune,
    GDumb,
    ICaRL,
    Joint,
    LatentReplay,
    LwF,
    NearestMean,
    OnlineEWC,
    PackNet,
    Piggyback,
    Replay,
    Separate,
    Stream,
    StreamingLDA,
    Task,
    budget,
    cnn,
    digits,
    fisher,
    fits,
    har_net,
    learn,
    measure,
    mlp,
    nbytes,
    split,
    straight_through,
    train,
)
from edgecl_lite.device.budget import OPTIMIZER
from edgecl_lite.device.rules import FLASH, RAM, RULES, Need
from edgecl_lite.lanes import copied, lane, stack
from edgecl_lite.models import initial

DIGITS = digits()
STREAM = split(DIGITS)
SHORT = Stream(STREAM.tasks[:2], "class", 10)
FAST = dict(epochs=1, batch_size=8, progress=False, every=10**6)

MLP = nn.Sequential(
    nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
)
CNN = nn.Sequential(  # 18,346 weights
    nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
    nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10),
)  # fmt: skip


def toy(*tasks, scenario="class", outputs=None, shape=(1, 2, 3)):
    """A stream of random pictures; each of tasks: {class: samples}."""
    g, parts = torch.Generator().manual_seed(0), []
    for t, sizes in enumerate(tasks):
        y = torch.cat([torch.full((n,), c) for c, n in sizes.items()])
        x = torch.randint(256, (len(y), *shape), generator=g) / 255
        parts.append(Task(f"task {t}", (x, y), (x, y), tuple(sizes)))
    return Stream(parts, scenario, outputs or 1 + max(c for sizes in tasks for c in sizes))


def every_method(net, stream, capacity=60):
    """One of each method of the module, and frozen ones."""
    cut, rehearse = len(net) - 1, [Replay, DERpp, AGEM, GDumb]
    methods = [Finetune(net), Joint(net), EWC(net, samples=20), OnlineEWC(net, samples=20), LwF(net)]
    methods += [kind(net, capacity) for kind in rehearse]
    methods += [LatentReplay(net, capacity, cut=cut, frozen=frozen) for frozen in (False, True)]
    methods += [kind(net, frozen=f) for kind in (NearestMean, StreamingLDA) for f in (False, True)]
    methods += [Separate(net), Piggyback(net), PackNet(net)]
    return methods + ([ICaRL(net, capacity)] if stream.scenario == "class" else [])


def title(method):
    return f"{type(method).__name__}{'-frozen' * (getattr(method, 'frozen', None) is True)}"


# ---- activations: what autograd saves, each storage once


def saved(net, n, shape=(1, 8, 8), once=True):
    """Oracle: bytes that wait for the backward pass of a plain step, weights left out."""
    own = {p.untyped_storage()._cdata for p in net.parameters()}
    seen, total = {}, 0

    def pack(tensor):
        nonlocal total
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            total += tensor.numel() * tensor.element_size()
            seen[storage._cdata] = storage
        return tensor

    g = torch.Generator().manual_seed(0)
    x, y = torch.rand(n, *shape, generator=g), torch.arange(n) % 10
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = F.cross_entropy(net(x), y)
    loss.backward()
    return sum(storage.nbytes() for storage in seen.values()) if once else total


RECURRENT = 8, 12


class Steps(nn.Module):
    """A recurrent net that reads the rows of a picture."""

    def __init__(self, kind):
        super().__init__()
        self.rows, self.out = kind(*RECURRENT, batch_first=True), nn.Linear(12, 10)

    def forward(self, x):
        return self.out(self.rows(x.flatten(1, 2))[0][:, -1])


NETS = {
    "mlp": MLP, "cnn": CNN, "deep": mlp(STREAM, hidden=(30, 20, 10)), "linear": mlp(STREAM, hidden=()),
    "course": cnn(STREAM),
    "nested": nn.Sequential(MLP[:3], nn.Sequential(MLP[3:5], MLP[5])),
    "norm": nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)),
    "gru": Steps(nn.GRU),
}  # fmt: skip


@pytest.mark.parametrize("n", [1, 8, 32])
@pytest.mark.parametrize("name", NETS)
def test_activations_are_what_autograd_saves_to_the_byte(name, n):
    part = measure(NETS[name], (1, 8, 8))
    assert part.activations(n) == saved(NETS[name], n)


@pytest.mark.parametrize("n, of_mlp, of_cnn", [(1, 1076, 5172), (8, 8580, 41_348), (32, 34_308, 165_380)])
def test_the_figures_of_the_notes(n, of_mlp, of_cnn):
    assert measure(MLP, (1, 8, 8)).activations(n) == 1072 * n + 4 == of_mlp
    assert measure(CNN, (1, 8, 8)).activations(n) == 5168 * n + 4 == of_cnn


def test_the_closed_form_of_activations():
    """A1 = 4 (input + every ReLU + every pool + K logits) + 8 (indices of every pool) + 8 (label), and 4."""
    of_mlp = 4 * (64 + 128 + 64 + 10) + 8
    of_cnn = 4 * (64 + 8 * 64 + 8 * 16 + 16 * 16 + 64 + 10) + 8 * (8 * 16) + 8
    for net, each, weights in ((MLP, of_mlp, 17_226), (CNN, of_cnn, 18_346)):
        part = measure(net, (1, 8, 8))
        assert (part.kept, part.once, part.weights) == (each, 4, weights)
        assert part.tensors == len([*net.parameters()])


def test_without_looking_for_doubles_activations_are_overstated():
    for net, wrong in ((MLP, 60_164), (CNN, 273_156)):
        assert saved(net, 32, once=False) == wrong
        assert 1.6 < wrong / measure(net, (1, 8, 8)).activations(32) < 1.76


def only(net, learns):
    """The net, where only weights with these names learn."""
    net = NETS_TO_FREEZE[net]()
    for name, p in net.named_parameters():
        p.requires_grad_(learns(name))
    return net


NETS_TO_FREEZE = {
    "mlp": lambda: nn.Sequential(*(type(m)(m.in_features, m.out_features) if type(m) is nn.Linear else m
                                   for m in MLP)),
    "cnn": lambda: nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                                 nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 64),
                                 nn.ReLU(), nn.Linear(64, 10)),
}  # fmt: skip


def test_frozen_is_not_free():
    """A bias-only update saves a quarter in the MLP and nothing in the CNN; the last layer alone 17 times."""
    bias, last = (lambda k: k.endswith("bias")), (lambda k: k.startswith(("5.", "8.")))
    assert saved(only("mlp", bias), 32) == 26_116 == 32 * (1072 - 4 * 64) + 4
    assert saved(only("cnn", bias), 32) == 165_380
    for name, net in (("mlp", MLP), ("cnn", CNN)):
        assert saved(only(name, last), 32) == 9732 == 304 * 32 + 4
        assert measure(net[-1:], (64,)).activations(32) == 9732  # what the rules take for a head


def test_a_head_and_a_front_are_parts_of_their_own():
    b = budget(StreamingLDA(MLP), STREAM)
    assert b.front == measure(MLP[:-1], (1, 8, 8)) and b.head == measure(MLP[-1:], (64,))
    assert b.front.outputs == 64 and b.net.outputs == 10
    assert b.front.weights + b.head.weights == b.net.weights
    assert b.front.forward + b.head.forward == b.net.forward
    other = budget(LatentReplay(MLP, cut=3), STREAM)
    assert other.front.outputs == 128 and other.head.weights == 128 * 64 + 64 + 650
    raw = budget(NearestMean(MLP, cut=1), STREAM)  # a front without weights
    assert (raw.front.weights, raw.front.forward, raw.front.outputs) == (0, 0, 64)

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(64, 10)

        def forward(self, x):
            return self.out(x.flatten(1))

    uncut = budget(Finetune(Whole()), STREAM)
    assert uncut.front is None and uncut.net.weights == 650


def test_measuring_leaves_net_and_random_numbers_alone():
    net = mlp(STREAM)
    before, drawn = copied(dict(net.named_parameters())), torch.get_rng_state()
    measure(net, (1, 8, 8))
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(torch.equal(before[k], p) and p.grad is None for k, p in net.named_parameters())
    assert not any(part._forward_hooks for part in net.modules())


# ---- micro-batches


@pytest.mark.parametrize("piece", [1, 4, 5, 31, 32, 100, None])
def test_of_a_micro_batch_only_the_piece_waits(piece):
    """The last piece may be smaller, never larger; a piece beyond the batch is the batch."""
    net, most = NETS["course"], min(piece or 32, 32)
    b = budget(Finetune(net), STREAM, micro_batch=piece)
    assert b.piece == most and b.need.activations == saved(net, most)
    assert budget(Replay(net), STREAM, micro_batch=piece).need.activations == 2 * saved(net, most)
    head = saved(net[-1:], most, (32 * 2 * 2,))
    frozen = budget(LatentReplay(net, cut=-1, frozen=True), STREAM, micro_batch=piece)
    assert frozen.need.activations == 2 * head
    [line] = [what for what, *_ in b.lines if what.startswith("activations")]
    assert line == f"activations ({most} new {'a step' if most == 32 else 'at a time'})"


def test_nothing_but_activations_changes_with_a_micro_batch():
    for method in every_method(cnn(STREAM, channels=(4,)), STREAM):
        whole = budget(method, STREAM)
        if method.indivisible:
            with pytest.raises(
                ValueError, match="AGEM takes no micro_batch: .*batch_size. Got micro_batch=4"
            ):
                whole.change(micro_batch=4)
            continue
        cut = whole.change(micro_batch=4)
        assert cut.lines == budget(method, STREAM, micro_batch=4).lines
        assert (cut.step, cut.work, cut.flash) == (whole.step, whole.work, whole.flash)
        assert whole.ram - cut.ram == whole.need.activations - cut.need.activations
        assert replace(cut.need, activations=0) == replace(whole.need, activations=0)
        assert cut.change(micro_batch=None).lines == whole.lines


def test_a_batch_of_32_of_the_conv_net_with_replay_fits_the_nano_in_pieces():
    whole = budget(Replay(cnn(STREAM)), STREAM)
    assert not fits(whole, "nano-33-ble") and fits(whole.change(micro_batch=4), "nano-33-ble")
    assert whole.ram > 4 * whole.change(micro_batch=4).ram
    with_adam = [
        budget(m, STREAM, micro_batch=1) for m in every_method(cnn(STREAM), STREAM) if not m.indivisible
    ]
    assert all(fits(b, "nano-33-ble") for b in with_adam)


# ---- FLOPs


def macs(net, x=None):
    """Multiply-adds of every layer with weights for one sample, written out."""
    x, each = torch.zeros(1, 1, 8, 8) if x is None else x, []
    for layer in net:
        x = layer(x)
        if type(layer) is nn.Linear:
            each.append(layer.in_features * layer.out_features)
        if type(layer) is nn.Conv2d:
            each.append(layer.weight.numel() * x[0, 0].numel())
    return each


@pytest.mark.parametrize("name", ["mlp", "cnn", "deep", "linear", "course"])
def test_flops_have_a_closed_form(name):
    """Forward 2 Σ MAC; backward twice that, without the gradient of the data, 2 MAC(first)."""
    part, each = measure(NETS[name], (1, 8, 8)), macs(NETS[name])
    assert part.forward == 2 * sum(each) and part.backward == 2 * part.forward - 2 * each[0]


def test_flops_of_the_notes():
    of_mlp, of_cnn = (measure(net, (1, 8, 8)) for net in (MLP, CNN))
    assert (of_mlp.forward, of_mlp.forward + of_mlp.backward) == (34_048, 85_760)
    assert (of_cnn.forward, of_cnn.forward + of_cnn.backward) == (80_128, 231_168)
    head = measure(CNN[-1:], (64,))
    assert 32 * (of_cnn.forward + head.backward) == 2_605_056  # the last layer alone
    assert 32 * (of_cnn.forward + of_cnn.backward) == 7_397_376


def test_group_norm_and_gru_are_counted():
    part = measure(NETS["norm"], (1, 8, 8))
    conv, head, values = 4 * 9 * 36, 1440, 4 * 36
    assert part.forward == 2 * (conv + head) + 5 * values
    assert part.backward == 2 * conv + 4 * head + 7 * values
    part, (width, hidden) = measure(NETS["gru"], (1, 8, 8)), RECURRENT
    into, again, head = 8 * 3 * hidden * width, 8 * 3 * hidden * hidden, 10 * hidden
    assert part.forward == 2 * (into + again + head)
    assert part.backward == 2 * (into + again + again * 7 // 8 + 2 * head)  # no gradient of the first state
    assert measure(har_net(toy({0: 2, 1: 2}, shape=(9, 1, 128))), (9, 1, 128)).forward > 0


class Scaled(nn.Module):
    """A product that the counter sees, beside one that it does not see."""

    def __init__(self):
        super().__init__()
        self.scale, self.out = nn.Parameter(torch.ones(64)), nn.Linear(64, 10)

    def forward(self, x):
        return self.out(self.scale * x.flatten(1))


@pytest.mark.parametrize(
    "net, words",
    [
        (Steps(nn.LSTM), "layer 'rows', LSTM: the counter says 0 FLOPs.* nn.Conv2d"),
        (nn.Sequential(nn.Conv2d(1, 2, 8), nn.BatchNorm2d(2), nn.Flatten()), "BatchNorm2d: take GroupNorm"),
        (nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10)), "'1', BatchNorm1d"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.LayerNorm(10)), "layer '2', LayerNorm"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 9), nn.PReLU(), nn.Linear(9, 10)), "layer '2', PReLU"),
        (nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(64, 10)), "'1', Dropout: take .* no Dropout"),
        (Scaled(), "layer '', Scaled: the counter says 0"),
        (nn.Sequential(nn.Identity(), Scaled()), "layer '1', Scaled: the counter says 0"),
    ],
)  # fmt: skip
def test_a_layer_whose_work_cannot_be_counted_is_refused(net, words):
    with pytest.raises(TypeError, match=words):
        measure(net, (1, 8, 8))


def test_a_budget_refuses_such_a_layer_too():
    with pytest.raises(TypeError, match="LayerNorm"):
        budget(Finetune(nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.LayerNorm(10))), STREAM)


def last_step(method, stream, n):
    """Arguments of the method's last loss after a short training, when replay rehearses."""
    seen = []

    class Spied(type(method)):
        def loss(self, params, state, batch):
            seen[:] = [(copied(params), state, batch)]
            return super().loss(params, state, batch)

    spied = Spied.__new__(Spied)
    spied.__dict__.update(vars(method))
    train(spied, stream, steps=2, batch_size=n, progress=False)
    return seen[0]


def counted(work):
    with FlopCounterMode(display=False) as counter:
        result = work()
        forward = counter.get_total_flops()
        if isinstance(result, torch.Tensor):
            result.sum().backward()
    return forward, counter.get_total_flops() - forward


@pytest.mark.parametrize(
    "net", [mlp(STREAM, hidden=(20, 12)), cnn(STREAM, channels=(4,))], ids=["mlp", "cnn"]
)
@pytest.mark.parametrize("which", range(18))
def test_flops_of_a_step_are_those_of_the_real_loss(net, which):
    method, n = every_method(net, STREAM)[which], 5 + which % 4
    params, state, batch = last_step(method, SHORT, n)
    params = {k: p.requires_grad_() for k, p in params.items()}
    forward, backward = counted(lambda: method.loss(params, state, batch))
    told = budget(method, SHORT, batch_size=n).step
    if type(method) is AGEM:  # each gradient once inside the loss, and a second time through it
        assert (forward, backward) == (told["forward"] + told["backward"], told["backward"])
    elif type(method) is GDumb:  # the new batch passes too, with weight 0
        assert (forward, backward) == (2 * told["forward"], 2 * told["backward"])
    else:
        assert (forward, backward) == (told["forward"], told["backward"])
    assert (forward > 0) == (type(method) not in (NearestMean, StreamingLDA))


def test_each_method_stands_in_the_list():
    assert {type(m) for m in every_method(MLP, STREAM)} == set(RULES)
    assert len(every_method(MLP, STREAM)) >= 18


def test_extra_flops_are_those_of_the_notes():
    P = measure(MLP, (1, 8, 8)).weights
    extra = {title(m): budget(m, STREAM).step["method"] for m in every_method(MLP, STREAM)}
    assert {k: v for k, v in extra.items() if v} == {"EWC": 4 * P, "OnlineEWC": 4 * P, "AGEM": 6 * P}


@pytest.mark.parametrize("labels, answers", [("exact", 10), ("sample", 1), ("empirical", 1), ("batched", 1)])
def test_flops_of_a_fisher(labels, answers):
    net = mlp(STREAM, hidden=(20, 12))
    params, part = stack([initial(net, 0)]), measure(net, (1, 8, 8))
    x, y = (v[None, :16] for v in STREAM.tasks[0].train)
    u = torch.rand(1, 16, generator=torch.Generator().manual_seed(0))
    total = sum(counted(lambda: fisher(net, params, x, y, labels=labels, rng=lambda n: u)))
    told = budget(EWC(net, samples=16, labels=labels), STREAM).need.task
    assert told == 16 * (part.forward + answers * part.backward)
    assert total - told == (0 if labels == "batched" else part.forward)  # a sample to find the chunks
    most = max(len(task.train[1]) for task in STREAM)
    assert budget(EWC(net, samples=None, labels=labels), STREAM).need.task == told * most // 16


def ended(method, stream):
    """Arguments of the last `end_task` or `after_step` of a short training."""
    seen = {}

    class Spied(type(method)):
        def end_task(self, params, state, task):
            seen["end"] = params, state, task
            return super().end_task(params, state, task)

        def after_step(self, params, state, batch):
            seen["step"] = copied(params), state, batch
            return super().after_step(params, state, batch)

    spied = Spied.__new__(Spied)
    spied.__dict__.update(vars(method))
    train(spied, stream, **FAST)
    return seen


def test_flops_once_a_task():
    stream = toy({0: 9, 1: 6}, {2: 8, 3: 14})  # the last task is the largest
    net = mlp(stream, hidden=(5,))
    P = measure(net, stream.shape)
    method = ICaRL(net, 12)
    params, state, task = ended(method, stream)["end"]
    told = budget(method, stream).need.task
    assert sum(counted(lambda: method.end_task(params, state, task))) == told == 22 * (P.forward + 2 * 3 * 5)
    method = DERpp(net, 12)
    params, state, task = ended(method, stream)["end"]
    told = budget(method, stream).need.task
    assert told == 12 * P.forward
    assert sum(counted(lambda: method.end_task(params, state, task))) == told + P.forward  # a waste row


@pytest.mark.parametrize("kind", [NearestMean, StreamingLDA])
def test_flops_of_a_sample_behind_a_front_that_stands_still(kind):
    net = mlp(STREAM, hidden=(20,))
    method = kind(net, frozen=True)
    params, state, batch = ended(method, SHORT)["step"]
    n, d, lda = batch["y"].shape[1], 20, kind is StreamingLDA
    total = sum(counted(lambda: method.arrive(params, state, batch)))
    told = budget(method, SHORT).need.sample
    assert told == measure(net[:-1], (1, 8, 8)).forward + 2 * d + 2 * d * d * lda
    # as a product with ten rows a sample, of which it needs one; and the shift of the axes, once a batch
    assert total == n * (told + 2 * 9 * d) + 2 * 10 * d * d * lda


def inverted(A):
    """(the inverse of a symmetric matrix, FLOPs): by its root, written out, each operation counted."""
    d, flops = len(A), 0
    L, X = (torch.zeros(d, d, dtype=torch.double) for _ in range(2))
    for j in range(d):
        for i in range(j, d):
            rest = A[i, j] - L[i, :j] @ L[j, :j]
            L[i, j] = rest.sqrt() if i == j else rest / L[j, j]
            flops += 2 * j + 1
    for j in range(d):
        X[j, j] = 1 / L[j, j]
        for i in range(j + 1, d):
            X[i, j] = -(L[i, j:i] @ X[j:i, j]) / L[i, i]
            flops += 2 * (i - j) + 1
    flops += sum(2 * (d - max(i, j)) for i in range(d) for j in range(i, d))
    return X.T @ X, flops


def test_flops_of_the_answer_that_needs_a_new_precision():
    net, d, K = mlp(STREAM, hidden=(60,)), 60, 10
    method = StreamingLDA(net, frozen=True)
    told = budget(method, STREAM).need.answer
    state = ended(method, STREAM)["end"][1]
    A = torch.linalg.inv(method.precision(state)[0].double())
    A = (A + A.T) / 2  # symmetric to the last digit
    inverse, flops = inverted(A)
    assert torch.allclose(inverse, torch.linalg.inv(A), atol=1e-8)
    assert told - 2 * K * d * d == d**3 and 0.97 < flops / d**3 < 1.06
    assert told < 2 * K * d * d + 1.1 * flops  # μᵀΛ for every class, and Λ
    assert budget(NearestMean(net, frozen=True), STREAM).need.answer == 0
    assert budget(method, STREAM).work["first answer after new samples"] == told


# ---- bytes kept from task to task

SIZES = {0: 9, 1: 6}, {2: 7, 3: 13}, {4: 3, 5: 11}
STREAMS = {
    "class": toy(*SIZES), "task": toy(*SIZES, scenario="task"),
    "gaps": toy({0: 9, 1: 6}, {5: 7, 3: 13}, outputs=8),
    "domain": toy({0: 9, 1: 6, 2: 1}, {0: 7, 1: 13}, {2: 3, 1: 11, 0: 2}, scenario="domain"),
    "one": toy({0: 9, 1: 6, 2: 11}),
}  # fmt: skip
CAPACITIES = [0, 8, 9, 11, 23, 50, 101]
BITS = itertools.cycle(range(2, 9))
MEMORIES = {
    **{kind.__name__: kind for kind in (Replay, DERpp, AGEM, GDumb)},
    "LatentReplay": lambda net, policy, bits: LatentReplay(net, cut=3, policy=policy, bits=bits),
    "behind": lambda net, policy, bits: LatentReplay(net, cut=5, policy=policy, bits=bits, frozen=True),
}


def fullest(method, stream, grid=None):
    """The most bytes that each lane keeps at the end of a task."""
    options = {k: v for k, v in FAST.items() if k != "progress"}
    ends = [point for point in learn(method, stream, grid=grid, **options) if point.ended]
    lanes = range(len(ends[0].accuracy))
    return [max(nbytes(method.keeps(point.state, i)) for point in ends) for i in lanes]


def test_an_uneven_capacity_is_fullest_before_the_end():
    """19 samples: 9 for each of 2 classes, then 4 for each of 4, … and 1 for each of 10."""
    b = budget(Replay(mlp(STREAM), capacity=19), STREAM)
    assert b.kept_rows == 18 and sum(b.need.keeps.values()) == 18 * 65


@pytest.mark.parametrize("policy", ["balanced", "reservoir", "ring"])
@pytest.mark.parametrize("name", ["class", "task", "gaps", "domain"])
@pytest.mark.parametrize("kind", MEMORIES)
def test_a_memory_to_the_byte(kind, name, policy):
    stream = STREAMS[name]
    method = MEMORIES[kind](mlp(stream, hidden=(5, 4)), policy=policy, bits=next(BITS))
    b = budget(method, stream)
    for capacity, want in zip(CAPACITIES, fullest(method, stream, {"capacity": CAPACITIES}), strict=True):
        assert sum(b.change(capacity=capacity).need.keeps.values()) == want
        assert not b.change(capacity=capacity).need.keeps["samples"] if not capacity else want


@pytest.mark.parametrize("bits", range(2, 9))
def test_bits_to_the_byte(bits):
    stream = STREAMS["class"]
    net = mlp(stream, hidden=(5, 4))
    for kind in (Replay, LatentReplay, ICaRL):
        method = kind(net, capacity=23, bits=bits)
        (want,) = fullest(method, stream)
        assert sum(budget(method, stream).need.keeps.values()) == want
        assert sum(budget(kind(net, capacity=7), stream, bits=bits, capacity=23).need.keeps.values()) == want


@pytest.mark.parametrize("name", STREAMS)
def test_what_every_method_keeps_to_the_byte(name):
    stream = STREAMS[name]
    net = mlp(stream, hidden=(5, 4))
    methods = every_method(net, stream, capacity=23)
    methods += [
        OnlineEWC(net, gamma=0.5),
        EWC(net, samples=None, labels="empirical"),
        PackNet(net, prune=0.3),
    ]
    methods += [kind(net, cut=cut) for kind in (NearestMean, StreamingLDA) for cut in (1, 3)]
    for method in methods:
        keeps = budget(method, stream).need.keeps
        assert [sum(keeps.values())] == fullest(method, stream), title(method)


def test_what_is_kept_behind_convolutions():
    stream = toy(*SIZES, shape=(2, 5, 4))
    net = cnn(stream, channels=(2, 3))
    for method in every_method(net, stream, capacity=33):
        told = sum(budget(method, stream).need.keeps.values())
        assert [told] == fullest(method, stream), title(method)


# ---- gradients and optimisers, against the real ones


def momentum(tensors, lr):
    return torch.optim.SGD(tensors, lr=lr, momentum=0.9)


REAL = {"sgd": torch.optim.SGD, "momentum": momentum, "adam": torch.optim.Adam}


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("which", range(18))
def test_gradients_and_optimiser_state_are_those_of_torch(name, which):
    net = mlp(SHORT, hidden=(20, 12))
    method, made = every_method(net, SHORT)[which], []

    def spied(tensors, lr):
        made.append(REAL[name](tensors, lr=lr))
        return made[-1]

    train(method, SHORT, steps=2, optimizer=spied, progress=False)
    most = []
    for optimizer in made[-len(SHORT) :]:  # one a task; those before were tried on beforehand
        tensors = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        state = [v for p in tensors for v in optimizer.state[p].values() if isinstance(v, torch.Tensor)]
        most.append((sum(p.grad.nbytes for p in tensors), sum(v.nbytes for v in state), len(tensors)))
    grads, state, tensors = max(most)  # the task that needs most
    lines = {what: n for what, n, _ in budget(method, SHORT, optimizer=name).lines}
    assert lines.get("gradients", 0) == grads and lines.get(f"optimiser ({name})", 0) == state
    weights = grads // 4
    assert state == {"sgd": 0, "momentum": 4 * weights, "adam": 8 * weights + 4 * tensors}[name]


def test_a_backbone_that_was_given_leaves_its_biases_alone():
    net = mlp(SHORT, hidden=(20, 12))
    backbone = train(Finetune(net), SHORT, steps=1, progress=False)
    with_one, without = (budget(Piggyback(net, backbone=b), SHORT) for b in (backbone, None))
    assert without.need.trained == (with_one.net.weights, 6)
    assert with_one.need.trained == (with_one.net.weights - 32, 4)


def test_optimisers_of_the_notes():
    of_cnn = budget(Finetune(CNN), STREAM)
    for name, want in (("momentum", 73_384), ("adam", 146_800)):
        assert dict(x[:2] for x in of_cnn.change(optimizer=name).lines)[f"optimiser ({name})"] == want
    assert not any("optimiser" in what for what, *_ in of_cnn.change(optimizer="sgd").lines)
    assert OPTIMIZER.keys() == REAL.keys()


# ---- the sums


@pytest.mark.parametrize("weight_bytes", [4, 2, 1])
def test_ram_is_the_formula_of_the_notes(weight_bytes):
    """P w + 4 Pₜ + O + A(b) + what the method holds; answering: P w + the widest layer."""
    for net, P, kept, wide in ((MLP, 17_226, 1072, 4 * (128 + 128)), (CNN, 18_346, 5168, 4 * 2 * 512)):
        b = budget(Finetune(net), STREAM, batch_size=8, optimizer="momentum", weight_bytes=weight_bytes)
        assert b.ram == weight_bytes * P + 4 * P + 4 * P + 8 * kept + 4 and b.flash == weight_bytes * P
        assert b.answering == weight_bytes * P + wide
        springs = budget(EWC(net), STREAM, batch_size=8, optimizer="momentum", weight_bytes=weight_bytes)
        assert springs.ram == b.ram + 4 * P and springs.flash == b.flash + 8 * P


def test_every_byte_stands_once():
    for stream in (STREAM, split(DIGITS, scenario="task")):
        for method in every_method(mlp(stream), stream):
            b = budget(method, stream)
            table = b.table()
            assert b.ram + b.flash == table["bytes"].sum() == sum(n for _, n, _ in b.lines)
            assert set(table["where"]) <= {RAM, FLASH} and list(table.columns) == ["what", "bytes", "where"]
            assert b.ram == table[table["where"] == RAM]["bytes"].sum()
            assert len(set(table["what"])) == len(table)  # each line is named once
            assert (table["bytes"] >= 0).all()


def test_a_front_that_stands_still_needs_no_backward_pass():
    """Frozen: the head alone; else the first task, which trains all, sets the peak."""
    b = {f: budget(LatentReplay(MLP, cut=5, frozen=f), STREAM) for f in (True, False)}
    head = 304 * 32 + 4
    assert b[True].need.activations == 2 * head < b[False].need.activations == 1072 * 32 + 4
    assert b[True].need.trained == (650, 2) and b[False].need.trained == (17_226, 6)
    assert b[True].need.works == b[False].need.works == {"buffers of the front": 4 * (128 + 128)}
    for kind in (NearestMean, StreamingLDA):
        lines = dict(x[:2] for x in budget(kind(MLP, frozen=True), STREAM).lines)
        assert not lines.keys() & {"weights that learn", "gradients", "optimiser (adam)"}
        assert lines["weights"] == 4 * (17_226 - 650) and not any("activations" in what for what in lines)
        assert budget(kind(MLP), STREAM).need.activations == 1072 * 32 + 4


CHANGES = [
    dict(batch_size=1),
    dict(optimizer="sgd"),
    dict(weight_bytes=1),
    dict(batch_size=7, optimizer="momentum"),
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_a_change_is_a_budget_made_anew(changes):
    for method in every_method(mlp(STREAM), STREAM):
        ours, theirs = budget(method, STREAM).change(**changes), budget(method, STREAM, **changes)
        assert ours.lines == theirs.lines and ours.step == theirs.step and ours.need == theirs.need


def test_a_change_of_the_memory_is_another_method():
    net = mlp(STREAM)
    for kind in (Replay, DERpp, AGEM, GDumb, LatentReplay, ICaRL):
        ours = budget(kind(net), STREAM).change(capacity=77, bits=5)
        assert ours.lines == budget(kind(net, capacity=77, bits=5), STREAM).lines
        assert ours.lines == budget(kind(net), STREAM, capacity=77, bits=5).lines
        assert budget(kind(net, bits=3), STREAM).bits == 3


# ---- the table of the notes, row by row


def test_the_table_of_methods():
    """Split digits: T = 5, K = 10; net 64-100-10: d = 100; M samples of s bytes."""
    net, M, T, K, d, s = mlp(STREAM), 200, 5, 10, 100, 64
    P, masked, head = 7510, 6400, 100 * 10 + 10

    def keeps(method):
        return sum(budget(method, STREAM).need.keeps.values())

    assert keeps(Finetune(net)) == 0
    assert keeps(EWC(net)) == 8 * P == 2 * keeps(LwF(net))
    assert keeps(Replay(net, M)) == keeps(AGEM(net, M)) == keeps(GDumb(net, M)) == M * (s + 1) == 13_000
    assert keeps(DERpp(net, M)) == M * (s + 4 * K + 1)
    assert keeps(ICaRL(net, M)) == M * (s + 1)
    assert budget(ICaRL(net, M), STREAM).need.works == {
        "network of before": 4 * P, "means of the exemplars": 4 * K * d}  # fmt: skip
    for q in (8, 7, 6, 4):
        assert keeps(LatentReplay(net, M, bits=q)) == M * (math.ceil(d * q / 8) + 1) + 8 * d
    assert keeps(NearestMean(net)) == 4 * K * d + 4 * K == 4040
    assert keeps(StreamingLDA(net)) == 4 * K * d + 4 * d * d + 4 * K == 44_040
    assert keeps(Separate(net)) == T * 4 * (P - head) + 4 * K * (d + 1)
    assert keeps(Piggyback(net)) == (T - 1) * math.ceil(masked / 8) + 4 * K * (d + 1)
    assert keeps(PackNet(net)) == math.ceil(masked * math.ceil(math.log2(T + 1)) / 8) + 4 * K * (d + 1)
    assert keeps(Joint(net)) == len(DIGITS.train[1]) * (s + 1)
    works = {"EWC": {"force of the springs": 4 * P}, "AGEM": {"gradient of the kept": 4 * P}}
    for method in (EWC(net), AGEM(net), Replay(net), Finetune(net), PackNet(net)):
        assert budget(method, STREAM).need.works == works.get(title(method), {})
    one, two, three = (budget(m, STREAM).need.activations for m in (Finetune(net), Replay(net), DERpp(net)))
    assert (two, three) == (2 * one, 3 * one) and budget(AGEM(net), STREAM).need.activations == one
    assert budget(StreamingLDA(net), STREAM).need.where == RAM != budget(EWC(net), STREAM).need.where


def test_tasks_that_are_told_cost_a_byte_a_sample_more():
    for scenario, more in (("class", 0), ("task", 1), ("domain", 1)):
        stream = split(DIGITS, scenario=scenario)
        told = sum(budget(Replay(mlp(stream), 200), stream).need.keeps.values())
        assert told == 200 * (64 + 1 + more)


def test_sizes_of_the_literature():
    """The MLP 784-400-400-10 of van de Ven et al. 2022 with 100 samples of each class."""
    stream = toy(*[{c: 100, c + 1: 100} for c in range(0, 10, 2)], shape=(1, 28, 28))
    net = mlp(stream, hidden=(400, 400))
    P = budget(Finetune(net), stream).net.weights
    assert P == 478_410 and 4 * P == budget(Finetune(net), stream).flash == 1_913_640  # 1.91 MB
    springs = sum(budget(OnlineEWC(net, gamma=1), stream).need.keeps.values())
    assert springs == 3_827_280 and springs // 784 == 4881  # pictures of MNIST
    assert budget(Replay(net, 1000), stream).need.keeps == {"samples": 784_000, "their labels": 1000}
    masks = budget(Piggyback(net), stream).need.keeps["masks"]
    assert masks == 4 * 59_200 and math.ceil(P / 8) == 59_802  # ours leave biases and the output layer out


# ---- rules


def public_methods():
    known = (getattr(edgecl_lite, name) for name in dir(edgecl_lite))
    return {kind for kind in known if inspect.isclass(kind) and issubclass(kind, Finetune)}


def test_every_method_of_the_module_has_a_rule():
    assert public_methods() == set(RULES) and len(RULES) >= 15
    from edgecl_lite import methods

    known = {v for v in vars(methods).values() if inspect.isclass(v) and issubclass(v, Finetune)}
    assert known == set(RULES)


def test_a_method_without_a_rule_is_refused_until_it_has_one(monkeypatch):
    class Mine(EWC):
        pass

    with pytest.raises(
        TypeError, match=r"method must have a rule, as Finetune, .*PackNet, got Mine; .*RULES\[Your"
    ):
        budget(Mine(MLP), STREAM)
    monkeypatch.setitem(RULES, Mine, lambda c: Need((c.net.weights, 6), 0, 5, 1, 2, keeps={"things": 77}))
    b = budget(Mine(MLP), STREAM)
    assert ("things", 77, FLASH) in b.lines and b.flash == 77 and b.step["backward"] == 2


# ---- what bad input gets


@pytest.mark.parametrize("bits", [1, 9, 0, 16, "8", 8.5])
def test_bits_outside_two_to_eight_are_refused(bits):
    for make in (
        lambda: budget(Replay(MLP), STREAM, bits=bits),
        lambda: budget(Replay(MLP), STREAM).change(bits=bits),
    ):
        with pytest.raises(ValueError, match="bits must be one of 2, 3, 4, 5, 6, 7, 8, got"):
            make()


@pytest.mark.parametrize(
    "options, error, words",
    [
        (dict(batch_size=0), ValueError, "batch_size must be a whole number >= 1, got 0"),
        (dict(batch_size="32"), TypeError, "batch_size"),
        (dict(micro_batch=0), ValueError, "micro_batch must be a whole number >= 1, got 0"),
        (dict(micro_batch=1.5), ValueError, "micro_batch must be a whole number >= 1, got 1.5"),
        (dict(optimizer="rmsprop"), ValueError, "one of 'sgd', 'momentum', 'adam', got 'rmsprop'"),
        (dict(weight_bytes=3), ValueError, "weight_bytes must be one of 4, 2, 1, got 3"),
        (dict(capacity=-1), ValueError, "each of capacity must be a whole number >= 0, got -1"),
        (dict(capacity=2.5), ValueError, "capacity"),
        (dict(lam=3), TypeError, "unknown option 'lam': Replay can sweep capacity"),
    ],
)  # fmt: skip
def test_what_a_budget_refuses(options, error, words):
    with pytest.raises(error, match=words):
        budget(Replay(MLP), STREAM, **options)
    with pytest.raises(error, match=words):
        budget(Replay(MLP), STREAM).change(**options)


def test_a_net_that_does_not_fit_the_stream_or_the_method_is_refused():
    with pytest.raises(ValueError, match=r"expected a net for inputs \(1, 2, 3\)"):
        budget(Finetune(MLP), STREAMS["class"])
    for method in (LatentReplay(CNN, cut=3), StreamingLDA(CNN, cut=2)):
        with pytest.raises(ValueError, match=r"the front must give \(n, channels\)"):
            budget(method, STREAM)
    with pytest.raises(TypeError, match="got str"):
        budget("replay", STREAM)


def test_a_mask_is_learned_through_scores_of_four_bytes():
    """Scores weigh as much as the weights that they stand for; the packed mask an eighth of a byte each."""
    net = mlp(STREAM)
    run = train(Piggyback(net), STREAM, steps=2, progress=False)
    mask = lane({"scores": run.params["1.weight"].flatten(1)}, 0)["scores"]
    assert nbytes({"mask": straight_through(mask, torch.tensor([5e-3]))}) == 4 * 6400
    assert nbytes({"masks": Piggyback(net).keeps(run.state)["masks"]}) == 4 * 800  # the first has none


# ---- what stands beside the sums


def test_what_a_head_learned_survives_without_power():
    b = budget(StreamingLDA(MLP, frozen=True), STREAM)
    kept = b.need.keeps
    saved = {
        what.removesuffix(", saved"): n for what, n, where in b.lines if where == FLASH and what != "weights"
    }
    assert saved == kept and {what: n for what, n, where in b.lines if where == RAM and what in kept} == kept
    assert b.flash == 4 * 16_576 + sum(kept.values())


def test_samples_that_wait_for_their_task():
    largest = max(len(task.train[1]) for task in STREAM)
    for method in (Finetune(MLP), Replay(MLP), StreamingLDA(MLP), LatentReplay(MLP, cut=5, frozen=True)):
        assert budget(method, STREAM).waiting == largest * 65
    assert budget(Replay(MLP, bits=4), STREAM).waiting == largest * 33
    assert budget(NearestMean(MLP, frozen=True), STREAM).waiting == 0


def test_arithmetic_of_the_optimiser_and_of_the_first_task():
    P, head = 17_226, 650
    for optimizer, each in (("sgd", 2), ("momentum", 4), ("adam", 12)):
        assert budget(Finetune(MLP), STREAM, optimizer=optimizer).step["optimiser"] == each * P
        free, still = (
            budget(LatentReplay(MLP, cut=5, frozen=f), STREAM, optimizer=optimizer) for f in (False, True)
        )
        assert free.step == still.step and still.step["optimiser"] == each * head
        assert still.first_step == sum(still.step.values())
        assert free.first_step == 85_760 * 32 + each * P
    lda = budget(StreamingLDA(MLP), STREAM)
    assert not any(lda.step.values()) and lda.first_step == 85_760 * 32 + 12 * P


def test_int8_leaves_the_scores_of_masks_floats():
    b = budget(Piggyback(MLP), STREAM, weight_bytes=1)
    ram = {what: n for what, n, where in b.lines if where == RAM}
    assert ram["weights that learn"] + ram["scores, being floats"] == 17_226 + 3 * (17_226 - 650 - 128 - 64)


def test_a_budget_wants_a_stream():
    with pytest.raises(TypeError, match="stream must be a Stream such as .*, got str"):
        budget(Finetune(MLP), "digits")
