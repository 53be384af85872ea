"""Replay against oracles: losses written out, lanes against runs alone; and what all memories share."""

import copy
import inspect
import math

import numpy as np
import pytest
import torch
from small import DIGITS, FAST, NET, STREAM, TOLD, by_loops, numbered, pixel_net, same, spied

from edgecl_lite import (
    AGEM,
    DERpp,
    Finetune,
    GDumb,
    ICaRL,
    Joint,
    LatentReplay,
    Replay,
    Run,
    cnn,
    learn,
    mlp,
    nbytes,
    rotated,
    split,
    sweep,
    train,
)
from edgecl_lite.lanes import copied, lane

KINDS = [Replay, DERpp, AGEM, GDumb, LatentReplay, ICaRL]
BELOW_ONE = 1 - 2**-24  # the largest that torch.rand gives

# ---- what is rehearsed, and with which weight


@pytest.mark.parametrize("weighting", ["1/k", "equal"])
@pytest.mark.parametrize("stream", [STREAM, TOLD, rotated(DIGITS, (0, 30, 60))], ids=lambda s: s.scenario)
def test_the_loss_is_the_one_of_the_book(stream, weighting):
    seen, net = [], mlp(stream, hidden=(10,))
    method = spied(Replay, seen)(net, capacity=50, weighting=weighting)
    train(method, stream, seeds=2, steps=4, progress=False, batch_size=8)
    for params, state, batch in seen[3::4]:
        now = batch["task"]
        got = Replay(net, weighting=weighting).loss(params, state, batch)
        for i in range(2):
            want = by_loops(net, params, i, batch)
            if now:
                share = 1 / (now + 1) if weighting == "1/k" else 0.5
                assert batch["old"]["y"].shape == batch["y"].shape
                want = share * want + (1 - share) * by_loops(net, params, i, batch["old"])
            else:
                assert "old" not in batch
            assert abs(got[i].item() - want.item()) < 1e-4


@pytest.mark.parametrize("policy", ["balanced", "reservoir", "ring"])
@pytest.mark.parametrize("scenario", ["class", "domain", "task"])
def test_only_earlier_tasks_are_rehearsed_with_their_own_outputs(policy, scenario):
    shared = scenario == "domain"
    newest = policy == "ring" and shared  # there every task pushes out all before, in its first epoch
    sizes = [{c + (0 if shared else 2 * t): 20 for c in range(2)} for t in range(4)]
    stream, seen = numbered(*sizes, scenario=scenario), []
    method = spied(Replay, seen)(pixel_net(stream), capacity=24, policy=policy)
    train(method, stream, seeds=3, epochs=2, batch_size=9, progress=False)
    labels, rehearsed = torch.cat([task.train[1] for task in stream]), set()
    for _, state, batch in seen:
        now = batch["task"]
        assert ("old" in batch) <= (now > 0) and (("old" in batch) == (now > 0) or newest)
        for i in range(3 if "old" in batch else 0):
            old = batch["old"]
            if not state["old"][i].any():
                continue
            ids = (old["x"][i].flatten() * 255).round().long()
            on = ids // 40
            assert (on < now).all() and torch.equal(labels[ids], old["y"][i])
            may = torch.stack([stream.active(now, t) for t in on.tolist()])
            assert torch.equal(old["active"][i].expand(len(on), -1), may)
            rehearsed |= set(zip([now] * len(on), on.tolist()))
    assert rehearsed == {(now, on) for now in range(4) for on in range(now) if not newest or on == now - 1}


TASK_INCREMENTAL = dict(seeds=5, progress=False, every=10**6)


def test_rehearsal_does_not_hurt_where_the_task_is_told():
    """One mask for all samples once made replay far worse than finetuning here, 0.64 instead of 0.98."""
    net = mlp(TOLD)
    plain = train(Finetune(net), TOLD, **TASK_INCREMENTAL).accuracy[:, -1].mean(-1)
    assert plain.mean() > 0.97  # little is left to win
    for policy in ("balanced", "reservoir", "ring"):
        kept = train(Replay(net, policy=policy), TOLD, **TASK_INCREMENTAL).accuracy[:, -1].mean(-1)
        assert kept.mean() >= plain.mean() and (kept >= plain - 0.01).all()


@pytest.mark.parametrize("kind", [Replay, DERpp, AGEM])
def test_rehearsal_helps_where_every_task_has_outputs_of_its_own(kind):
    stream = rotated(DIGITS, (0, 60, 120), scenario="task")
    net, options = mlp(stream), {**TASK_INCREMENTAL, "epochs": 2, "seeds": 3}
    plain = train(Finetune(net), stream, **options).accuracy[:, -1].mean(-1)
    for policy in ("balanced", "reservoir", "ring") if kind is Replay else ("balanced",):
        assert (train(kind(net, policy=policy), stream, **options).accuracy[:, -1].mean(-1) > plain).all()


# ---- capacity 0, and lanes


SETTINGS = [
    (Replay, {}),
    (Replay, dict(policy="ring", weighting="equal")),
    (Replay, dict(policy="reservoir")),
    (DERpp, {}),
    (AGEM, {}),
    (GDumb, {}),
]


@pytest.mark.parametrize("kind, options", SETTINGS)
@pytest.mark.parametrize("stream", [STREAM, TOLD], ids=lambda s: s.scenario)
def test_capacity_zero_is_finetuning_bit_for_bit(kind, options, stream):
    plain = train(Finetune(NET), stream, seeds=2, epochs=1, progress=False)
    alone = train(kind(NET, capacity=0, **options), stream, seeds=2, epochs=1, progress=False)
    both = sweep(kind(NET, **options), stream, seeds=2, capacity=[0, 30], epochs=1, progress=False)
    assert same(alone.params, plain.params) and same(lane(both.params, [0, 1]), plain.params)
    assert (alone.curve == plain.curve).all() and (both.curve[0] == plain.curve).all()
    assert (alone.predicted == plain.predicted).all() and not same(lane(both.params, [2, 3]), plain.params)
    assert nbytes(kind(NET).keeps(both.state, 1)) == 0 < nbytes(kind(NET).keeps(both.state, 2))


def test_dark_replay_with_no_weight_is_finetuning_bit_for_bit():
    plain = train(Finetune(NET), STREAM, seeds=2, **FAST)
    alone = train(DERpp(NET, alpha=0, beta=0), STREAM, seeds=2, **FAST)
    both = sweep(DERpp(NET), STREAM, seeds=2, alpha=[0, 0.5], beta=[0, 1], **FAST)
    assert same(alone.params, plain.params) and same(lane(both.params, [0, 1]), plain.params)
    assert not any(same(lane(both.params, [i, i + 1]), plain.params) for i in (2, 4, 6))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", ["balanced", "reservoir", "ring"])
def test_lanes_of_a_sweep_equal_the_runs_alone(kind, policy):
    if policy != "balanced" and kind is not Replay:
        return
    options = {"policy": policy} if kind is Replay else {}
    capacities, seeds = [0, 13, 60], [1, 4]
    whole = sweep(kind(NET, **options), STREAM, seeds=seeds, capacity=capacities, **FAST)
    assert whole.accuracy.shape == (3, 2, 5, 5)
    for i, capacity in enumerate(capacities):
        for j, seed in enumerate(seeds):
            method, n = kind(NET, capacity=capacity, **options), 2 * i + j
            alone = train(method, STREAM, seeds=[seed], **FAST)
            for k in alone.params:
                torch.testing.assert_close(whole.params[k][n], alone.params[k][0], rtol=5e-3, atol=5e-4)
            assert np.abs(whole.curve[i, j] - alone.curve[0]).max() < 0.02
            ours, theirs = method.keeps(whole.state, n), method.keeps(alone.state)
            assert ours.keys() == theirs.keys()
            for k in theirs:
                assert ours[k].shape == theirs[k].shape
                apart = (ours[k].float() - theirs[k].float()).abs().max().item() if ours[k].numel() else 0
                assert apart <= (0 if kind in (Replay, AGEM, GDumb, DERpp) and k != "memory.logits" else 1), k


# ---- how small


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_what_is_kept_to_the_byte(scenario, bits):
    stream = split(DIGITS, scenario=scenario)
    net, told = mlp(stream, hidden=(12,)), scenario != "class"
    picture, latent = math.ceil(64 * bits / 8), math.ceil(12 * bits / 8)
    for kind, each, scale in (
        (Replay, picture + 1 + told, 0),
        (AGEM, picture + 1 + told, 0),
        (GDumb, picture + 1 + told, 0),
        (DERpp, picture + 1 + told + 4 * stream.outputs, 0),
        (LatentReplay, latent + 1 + told, 2 * 4 * 12),
    ):
        method = kind(net, bits=bits)
        run = sweep(method, stream, capacity=[0, 57, 200], **FAST)
        for i, capacity in enumerate([0, 57, 200]):
            kept = method.keeps(run.state, i)
            samples = capacity // stream.outputs * stream.outputs
            assert nbytes(kept) == samples * each + scale, (kind.__name__, capacity)
            assert kept.keys() <= {"memory.x", "memory.y", "memory.on", "memory.logits", "low", "step"}
            assert ("memory.on" in kept) == told


@pytest.mark.parametrize("policy", ["balanced", "reservoir", "ring"])
def test_nothing_grows_with_the_stream(policy):
    net = mlp(rotated(DIGITS, (0,)), hidden=(5,))
    method, sizes = Replay(net, capacity=50, policy=policy), set()
    for angles in ((0, 90), (0, 30, 60, 90, 120, 150)):
        for p in learn(method, rotated(DIGITS, angles), steps=40):
            if p.ended:
                sizes.add((nbytes(method.keeps(p.state)), sum(v[0].numel() for v in p.state.values())))
    assert len(sizes) == 1 and sizes.pop()[0] == 50 * (64 + 2)


# ---- the state, and files


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_keeps_its_keys_and_points_keep_theirs(kind):
    """Verbs hand back new dicts: neither a point's state nor the method may change afterwards."""
    method = kind(NET, capacity=23)
    before = copy.copy(method)
    points, copies = [], []
    for p in learn(method, STREAM, seeds=2, steps=5, every=1, batch_size=16):
        points.append(p)
        copies.append((copied(p.state), copied(p.params)))
    for p, (state, params) in zip(points, copies):
        assert same(p.state, state) and same(p.params, params)
        kinds = {k: (v.shape, v.dtype) for k, v in p.state.items()}
        assert kinds == {k: (v.shape, v.dtype) for k, v in points[0].state.items()}
        assert all(len(v) == 2 for v in p.state.values())
    assert method == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_comes_back_from_its_file(kind, tmp_path):
    method = kind(NET, capacity=2000)
    run = sweep(method, STREAM, seeds=2, capacity=[0, 2000], **FAST)
    again = Run.load(run.save(tmp_path / "run"))
    assert same(run.state, again.state) and same(run.params, again.params)
    assert again.notes == run.notes and len(again.notes) == 10
    x = STREAM.tasks[2].test[0]
    ours, theirs = (method.predict(r.params, r.state, x, 2) for r in (run, again))
    assert torch.equal(ours, theirs) and (run.predicted == again.predicted).all()
    assert nbytes(method.keeps(again.state, 2)) == nbytes(method.keeps(run.state, 2)) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_with_few_samples_keeps_them_all_and_says_so(kind):
    stream = numbered({0: 30, 1: 3}, {2: 30, 3: 30})
    net, options = pixel_net(stream), dict(seeds=2, epochs=2, progress=False, batch_size=8)
    cut = {"cut": 2} if kind is LatentReplay else {}
    run = train(kind(net, capacity=40, **cut), stream, **options)
    assert run.notes == ["With capacity 40 class 1 gave 3 samples, fewer than its share of 10: all are kept."]
    kept = kind(net, **cut).keeps(run.state)["memory.y"].tolist()
    assert [kept.count(c) for c in range(4)] == [10, 3, 10, 10]
    assert not train(kind(net, capacity=12, **cut), stream, **options).notes


def test_notes_of_the_other_policies():
    stream = numbered({0: 30, 1: 3}, {2: 30, 3: 30})
    net = pixel_net(stream)
    run = sweep(Replay(net, policy="reservoir"), stream, capacity=[20, 100], **FAST)
    assert run.notes == [
        "With capacity 100 the stream gave 93 samples, fewer than its share of 100: all are kept."
    ]
    run = train(Replay(net, 40, policy="ring"), stream, **FAST)
    assert run.notes == ["With capacity 40 class 1 gave 3 samples, fewer than its share of 10: all are kept."]
    assert train(Finetune(net), stream, **FAST).notes == []


# ---- nets, batches and streams of other shapes


@pytest.mark.parametrize("kind", KINDS)
def test_convolutions_and_odd_batches(kind):
    net = cnn(STREAM, channels=(2, 3))
    method = kind(net, 20, **({"cut": 7} if kind is LatentReplay else {}))
    for size, steps in ((1, 2), (5, 2), (500, 1)):
        run = sweep(method, STREAM, seeds=1, capacity=[0, 20], batch_size=size, steps=steps, progress=False)
        assert np.isfinite(run.curve).all() and not run.lost
        assert (run.state["filled"].sum(1) <= torch.tensor([0, 20])).all()
    assert nbytes(method.keeps(run.state, 1)) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_of_one_task_is_plain_learning(kind):
    stream = split(DIGITS, per_task=10)
    run = train(kind(NET, capacity=50), stream, seeds=2, **FAST)
    assert run.state["filled"].sum(1).tolist() == [50, 50]
    if kind not in (GDumb, ICaRL):
        assert same(run.params, train(Finetune(NET), stream, seeds=2, **FAST).params)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["seen", "all"])
def test_classes_that_come_in_another_order(kind, rule):
    stream = split(DIGITS, order=[7, 2, 9, 0, 4, 1, 8, 3, 5, 6], active=rule)
    method, seen = kind(NET, capacity=50), []
    run = train(spied(kind, seen)(NET, capacity=50), stream, seeds=2, **FAST)
    assert method.keeps(run.state)["memory.y"].bincount().tolist() == [5] * 10
    pictures = {x.numpy().tobytes(): y.item() for x, y in zip(*DIGITS.train)}
    if kind is not LatentReplay:
        x, y = method.shows(run.state, stream.shape, 1)
        assert [pictures[each.numpy().tobytes()] for each in x] == y.tolist()
    _, state, batch = next(s for s in seen if s[2]["task"] == 2 and "old" in s[2])
    assert kind is GDumb or set(batch["old"]["y"].flatten().tolist()) <= {7, 2, 9, 0}


# ---- what bad input gets


BALANCED = [Replay, DERpp, AGEM, GDumb, LatentReplay, ICaRL, lambda *a, **k: Replay(*a, policy="ring", **k)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [-1, 2.5, math.nan, math.inf, "200", None, True])
def test_a_capacity_is_a_whole_number(kind, value):
    error = ValueError if type(value) in (int, float) else TypeError
    with pytest.raises(error, match=r"capacity must be a whole number >= 0, got"):
        kind(NET, capacity=value)
    with pytest.raises(error, match=r"each of capacity must be a whole number >= 0, got"):
        sweep(kind(NET), STREAM, capacity=[20, value], **FAST)


@pytest.mark.parametrize("kind", BALANCED)
@pytest.mark.parametrize("capacity", [1, 9])
def test_a_capacity_that_leaves_a_class_without_a_sample_is_refused(kind, capacity):
    with pytest.raises(ValueError, match=rf"0, which keeps nothing, or at least 10, .* got {capacity}"):
        train(kind(NET, capacity=capacity), STREAM, **FAST)
    with pytest.raises(ValueError, match=rf"0, which keeps nothing, or at least 10, .* got {capacity}"):
        sweep(kind(NET), STREAM, capacity=[0, 100, capacity], **FAST)


def test_few_rows_are_enough_where_classes_do_not_count():
    for capacity in (1, 9):
        run = train(Replay(NET, capacity, policy="reservoir"), STREAM, **FAST)
        assert run.state["filled"].sum() == capacity
    assert train(Replay(NET, 10), STREAM, **FAST).state["filled"].sum() == 10
    assert Replay(NET, 200.0).hyper == {"capacity": 200}


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Replay(NET, policy="fifo"), "one of 'balanced', 'reservoir', 'ring', got 'fifo'"),
        (lambda: DERpp(NET, policy=None), "policy must be one of"),
        (lambda: AGEM(NET, policy="fifo"), "policy must be one of"),
        (lambda: GDumb(NET, policy="fifo"), "policy must be one of"),
        (lambda: LatentReplay(NET, policy="fifo"), "policy must be one of"),
        (lambda: Replay(NET, weighting="k"), "weighting must be one of '1/k', 'equal', got 'k'"),
        (lambda: ICaRL(NET, weighting="k"), "weighting must be one of"),
        (lambda: Replay(NET, bits=1), "bits must be one of 2, .*, got 1"),
        (lambda: Replay(NET, bits=16), "bits must be one of"),
        (lambda: DERpp(NET, alpha=-0.1), "alpha must be a finite number >= 0, got -0.1"),
        (lambda: DERpp(NET, beta=-1), "beta must be a finite number >= 0, got -1"),
        (lambda: DERpp(NET, beta=math.nan), "beta must be a finite number >= 0, got nan"),
        (lambda: sweep(DERpp(NET), STREAM, alpha=[0, -2]), "each of alpha must be .* >= 0, got -2"),
        (lambda: LatentReplay(NET, cut=4), "cut must leave a layer .* got 4"),
        (lambda: LatentReplay(NET, cut=0), "cut must leave a layer .* got 0"),
        (lambda: train(LatentReplay(cnn(STREAM)), STREAM), r"the front must give \(n, channels\), got"),
    ],
)  # fmt: skip
def test_what_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_list_for_a_single_run_and_an_unknown_option_are_refused():
    with pytest.raises(TypeError, match="capacity"):
        Replay(NET, capacity=[10, 20])
    with pytest.raises(TypeError, match="Replay can sweep capacity"):
        sweep(Replay(NET), STREAM, alpha=[1])
    assert "capacity" in inspect.signature(Replay).parameters


# ---- what it buys


@pytest.fixture(scope="module")
def final():
    """{method: mean final accuracy (seeds,)} on split digits, class-incremental, 200 samples."""
    net = mlp(STREAM)
    methods = {"replay": Replay(net), "der": DERpp(net), "finetune": Finetune(net), "joint": Joint(net),
               "plain": Replay(net, policy="reservoir", weighting="equal")}  # fmt: skip
    options = dict(seeds=5, progress=False, every=10**6)
    return {k: train(method, STREAM, **options).accuracy[:, -1].mean(1) for k, method in methods.items()}


def test_two_hundred_samples_are_worth_it(final):
    assert final["finetune"].mean() == pytest.approx(0.19, abs=0.02)
    assert final["replay"].mean() >= 0.88 and final["replay"].min() > 0.85
    assert final["der"].mean() >= 0.80
    assert final["joint"].mean() >= 0.88 and final["replay"].mean() < final["joint"].mean() + 0.02
    assert 0.6 < final["plain"].mean() < final["replay"].mean()


def test_cuda_gives_what_the_processor_gives():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here, so device='cuda' was not tried")
    for kind in KINDS:
        here, there = (train(kind(NET, 50), STREAM, seeds=2, device=d, **FAST) for d in (None, "cuda"))
        assert there.state["memory.x"].is_cuda and np.abs(here.curve - there.curve).max() < 0.05
