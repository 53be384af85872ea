"""Parameter isolation against oracles: gradients by hand, bit-identical answers, exact counts, exact bytes.

The known wrong implementations stand here too: each must be caught by the very oracle that ours passes.
"""

import hashlib
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from edgecl_lite import (
    Finetune,
    Run,
    cnn,
    digits,
    learn,
    metrics,
    mlp,
    nbytes,
    permuted,
    rotated,
    split,
    sweep,
    train,
)
from edgecl_lite.lanes import stack
from edgecl_lite.method import Exhausted
from edgecl_lite.methods import piggyback
from edgecl_lite.methods.codecs import packed
from edgecl_lite.methods.packnet import PackNet
from edgecl_lite.methods.piggyback import Piggyback, straight_through
from edgecl_lite.methods.separate import SPARSE, Separate
from edgecl_lite.models import initial

STREAM = rotated(digits(), degrees=(0, 45, 90), scenario="task")
NET = mlp(STREAM, hidden=(20,))
FAST = dict(steps=30)
X = STREAM.tasks[1].test[0][:50]
METHODS = [Separate, Piggyback, PackNet]


def momentum(tensors, lr):
    return torch.optim.SGD(tensors, lr=0.1, momentum=0.9, weight_decay=0.01)


def decaying_adam(tensors, lr):
    return torch.optim.AdamW(tensors, lr=lr, weight_decay=0.1)


def fingerprint(tensor):
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


# ---- the straight-through mask


def test_the_mask_is_exactly_0_or_1():
    scores = torch.tensor([[-3.0, 0.1, 1 / 3, 12345.678, 0.005], [1e-30, 0.2, 0.005, 7.7, -0.1]])
    mask = straight_through(scores.requires_grad_(), torch.tensor([0.005, 0.2]))
    assert mask.tolist() == [[0, 1, 1, 1, 0], [0, 0, 0, 1, 0]]  # passes only what is above


def straight_through_is_right(method, net, stream):
    """The gradient that scores get is that of a loss of real-valued masks m, at the hard mask."""
    params = stack([initial(net, seed) for seed in (0, 1)])
    state = method.start(params, stream, {"threshold": torch.tensor([0.0, 0.02])})
    g = torch.Generator().manual_seed(0)
    for k in [k for k in state if k.startswith("frozen.")]:
        state[k] = torch.randn(state[k].shape, generator=g)
    state |= {"phase": torch.tensor([SPARSE, SPARSE])}
    scores = {k: torch.randn(p.shape, generator=g) / 10 for k, p in params.items()}
    x, y = (part[:20] for part in stream.tasks[0].train)
    batch = {"x": x.expand(2, *x.shape), "y": y.expand(2, -1)}
    batch["active"] = stream.active(0).expand(2, 20, -1)
    theta = {k: s.clone().requires_grad_() for k, s in scores.items()}
    loss = method.loss(theta, state, batch)
    loss.sum().backward()
    for i, threshold in enumerate((0.0, 0.02)):
        soft = {k: (scores[k][i] > threshold).float().requires_grad_() for k in method._shapes}
        own = {k: state[f"frozen.{k}"][i] for k in method._hidden}
        own |= {k: scores[k][i] for k in method._head} | {k: own[k] * m for k, m in soft.items()}
        logits = functional_call(net, own, (x,)).masked_fill(~stream.active(0), -torch.inf)
        want = nn.functional.cross_entropy(logits, y)
        torch.testing.assert_close(loss[i], want, rtol=1e-4, atol=1e-5)
        for (k, m), grad in zip(soft.items(), torch.autograd.grad(want, list(soft.values()))):
            assert grad[m == 0].abs().max() > 0  # masked weights learn too: they may come back
            torch.testing.assert_close(theta[k].grad[i], grad, rtol=1e-3, atol=1e-5)
    assert all(theta[k].grad is None for k in method._hidden if k not in method._shapes)


@pytest.mark.parametrize(
    "net", [NET, mlp(STREAM, hidden=(12, 9)), cnn(STREAM, channels=(3,))], ids=["mlp", "two layers", "cnn"]
)
def test_straight_through_gradient_is_the_gradient_of_the_mask(net):
    straight_through_is_right(Piggyback(net), net, STREAM)


def hard_of(scores, threshold):
    return (scores > threshold.view(-1, 1, 1)).float()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s, threshold: hard_of(s, threshold) * s,  # scores used as weights of the mask
        lambda s, threshold: hard_of(s, threshold) * (1 + s - s.detach()),  # gradient masked: none comes back
        lambda s, threshold: hard_of(s, threshold) + s.sigmoid() - s.sigmoid().detach(),  # another gradient
    ],
    ids=["soft", "masked gradient", "sigmoid"],
)
def test_wrong_straight_through_is_caught(wrong, monkeypatch):
    monkeypatch.setattr(piggyback, "straight_through", wrong)
    with pytest.raises(AssertionError):
        straight_through_is_right(Piggyback(NET), NET, STREAM)


# ---- nothing is forgotten


def remembers(method, stream, **options):
    """Answers of every finished task, as bits, after each later task."""
    seen = {}
    for point in learn(method, stream, seeds=2, **{**FAST, **options, "every": 7}):
        for t in range(point.task + point.ended):
            logits = method.predict(point.params, point.state, X, t)
            seen.setdefault(t, set()).add(fingerprint(logits))
    assert [*seen] == [0, 1, 2]
    assert all(len(prints) == 1 for prints in seen.values()), {t: len(p) for t, p in seen.items()}
    assert len(set.union(*seen.values())) == 3  # and every task answers in its own way


@pytest.mark.parametrize("options", [
    {}, {"fresh": False}, {"optimizer": momentum, "fresh": False}, {"optimizer": decaying_adam},
], ids=["adam", "adam goes on", "momentum", "weight decay"])  # fmt: skip
@pytest.mark.parametrize("kind", METHODS)
def test_finished_tasks_answer_bit_for_bit_alike_ever_after(kind, options):
    remembers(kind(NET), STREAM, **options)


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize(
    "stream",
    [rotated(digits(), degrees=(0, 45, 90)), split(digits(), per_task=2, order=[*range(10)])],
    ids=["domain", "class"],
)
def test_also_where_tasks_share_outputs(kind, stream):
    stream = type(stream)(stream.tasks[:3], stream.scenario, stream.outputs)
    remembers(kind(mlp(stream, hidden=(20,))), stream)


def test_forgetting_is_exactly_zero():
    for kind in METHODS:
        run = train(kind(NET), STREAM, seeds=2, **FAST)
        assert (metrics.forgetting(run.accuracy) == 0).all() and (
            metrics.backward_transfer(run.accuracy) == 0
        ).all()
        first, last = run.predicted[:, np.flatnonzero(run.ended)[[0, -1]]].swapaxes(0, 1)
        assert (first[:, 0] == last[:, 0]).all()


class MaskedGradient(PackNet):
    """The momentum bug: frozen weights stay in params, and only their gradient is masked."""

    def begin_task(self, params, state, task):
        old = params
        params, state = super().begin_task(params, state, task)
        mine = self.masks(state, task["number"])
        return {**params, **{k: torch.where(m, params[k], old[k]) for k, m in mine.items()}}, state

    def current(self, params, state):
        mine = self.masks(state, int(state["tasks"][0]))
        held = {k: torch.where(m, params[k], params[k].detach()) for k, m in mine.items()}
        return {**super().current(params, state), **held}


class PrunesAll(PackNet):
    """Prunes all weights of a layer, not only the task's own."""

    def pruned(self, params, state):
        own = {**state, "owner": torch.full_like(state["owner"], int(state["tasks"][0]) + 1)}
        return {**super().pruned(params, own)}


@pytest.mark.parametrize("wrong", [MaskedGradient, PrunesAll])
def test_what_moves_frozen_weights_is_caught(wrong):
    with pytest.raises(AssertionError):
        remembers(wrong(NET), STREAM, optimizer=momentum, fresh=False)


@pytest.mark.parametrize("optimizer", ["adam", momentum], ids=["adam", "momentum"])
def test_a_frozen_weight_never_changes(optimizer):
    method, before = PackNet(NET, prune=0.5), None
    for point in learn(method, STREAM, seeds=2, every=1, optimizer=optimizer, fresh=False, steps=12):
        owner = method.unflat(point.state["owner"])["1.weight"]
        used = method.current(point.params, point.state)["1.weight"].detach()
        if before is not None:
            frozen = (before[0] > 0) & (before[0] <= before[2])
            assert torch.equal(used[frozen], before[1][frozen])
            assert torch.equal(owner[frozen], before[0][frozen])
        before = owner, used, int(point.state["tasks"][0])
    assert torch.equal(owner.flatten(1).gt(0).sum(1), torch.tensor([1120, 1120]))  # 7/8 of 1,280 are frozen


# ---- Piggyback


def test_the_first_task_is_finetuning_and_then_the_backbone():
    one = type(STREAM)(STREAM.tasks[:1], "task", STREAM.outputs)
    plain = train(Finetune(NET), one, seeds=2, **FAST)
    run = train(Piggyback(NET), STREAM, seeds=2, **FAST)
    for k in ("1.weight", "1.bias"):
        assert torch.equal(run.state[f"frozen.{k}"], plain.params[k])
    for k in ("3.weight", "3.bias"):
        assert torch.equal(run.state[f"own.{k}"][:, 0], plain.params[k])
    assert (run.accuracy[:, :1, 0] == plain.accuracy[..., 0]).all()
    method = Piggyback(NET)
    assert all(m.all() for m in method.masks(run.state, 0).values())
    share = method.masks(run.state, 2)["1.weight"].float().mean()
    assert 0.3 < share < 1


@pytest.mark.parametrize("kind", METHODS)
def test_other_tasks_output_rows_do_not_move(kind):
    run = train(kind(NET), STREAM, seeds=2, **FAST)
    begun = stack([initial(NET, seed) for seed in range(2)])
    for t, task in enumerate(STREAM):
        for k in ("3.weight", "3.bias"):
            moved = (run.state[f"own.{k}"][:, t] != begun[k]).flatten(2) if k == "3.weight" else None
            rows = moved.any(2) if moved is not None else run.state[f"own.{k}"][:, t] != begun[k]
            assert rows[:, list(task.classes)].all() and rows.sum() == 2 * len(task.classes)


@pytest.mark.parametrize("whole", [True, False], ids=["run", "dict"])
def test_a_given_backbone_is_used_from_the_first_task_on(whole):
    pre = train(Finetune(NET), STREAM, seeds=2, **FAST)
    given = pre if whole else {k: p[0] for k, p in pre.params.items() if k.startswith("1.")}
    run = train(Piggyback(NET, backbone=given), STREAM, seeds=3, **FAST)
    for k in ("1.weight", "1.bias"):
        assert torch.equal(run.state[f"frozen.{k}"], pre.params[k][:1].expand(3, *pre.params[k].shape[1:]))
    mask = Piggyback(NET).masks(run.state, 0)["1.weight"]
    assert 0.3 < mask.float().mean() < 1
    again = Piggyback(NET, backbone=run).backbone  # of a masked run: what it froze, not its scores
    assert torch.equal(again["1.weight"], pre.params["1.weight"][0])


def test_scores_begin_at_a_hundredth_in_every_task():
    method, seen = Piggyback(NET), []

    class Listening(Piggyback):
        def begin_task(self, params, state, task):
            params, state = super().begin_task(params, state, task)
            seen.append(params["1.weight"].unique().tolist())
            return params, state

    train(Listening(NET), STREAM, **FAST)
    assert len(seen[0]) > 1000 and seen[1] == seen[2] == [pytest.approx(0.01)]
    assert isinstance(method.hyper["threshold"], float)


# ---- PackNet


def expected_counts(free, prune, tasks):
    """How many weights each task keeps of a layer, and how many are left, by plain arithmetic."""
    kept = []
    for _ in range(tasks):
        kept.append(round((1 - prune) * free))
        free -= kept[-1]
    return kept, free


@pytest.mark.parametrize("steps", [1, 4])  # of one step, pruning comes at the end of the task
def test_masks_are_disjoint_and_hold_exactly_the_share_asked_for(steps):
    net, prunes = mlp(STREAM, hidden=(20, 15)), [0.3, 0.4, 0.5, 0.75, 0.9]
    run = sweep(PackNet(net), STREAM, seeds=2, prune=prunes, steps=steps)
    method = PackNet(net)
    own = [method.masks(run.state, t) for t in range(3)]
    for k, total in (("1.weight", 1280), ("3.weight", 300)):
        table = torch.stack([m[k].flatten(1) for m in own])  # (tasks, lanes, weights)
        assert table.sum(0).max() == 1
        for i, prune in enumerate(prunes):
            kept, free = expected_counts(total, prune, 3)
            for lane in (2 * i, 2 * i + 1):
                assert table[:, lane].sum(1).tolist() == kept
                assert (method.unflat(run.state["owner"])[k][lane] == 0).sum() == free


def test_the_share_is_rounded_as_written():
    """round((1 − prune) · n) of the number that was asked for, not of its nearest single-precision float."""
    for prune in (0.1, 0.4, 0.5, 0.7, 0.75, 0.9):
        state = {"prune": torch.tensor([prune])}
        for n in range(1, 200):
            kept = PackNet(NET).quota(state, torch.ones(1, n, dtype=torch.bool)).item()
            assert kept == round((1 - prune) * n), (prune, n)


def test_what_is_given_back_begins_at_zero():
    class Listening(PackNet):
        def begin_task(self, params, state, task):
            params, state = super().begin_task(params, state, task)
            seen.append(self.current(params, state)["1.weight"])
            return params, state

    seen = []
    run = train(Listening(NET), STREAM, seeds=2, **FAST)
    owner = PackNet(NET).unflat(run.state["owner"])["1.weight"]
    assert torch.equal(seen[0], stack([initial(NET, seed) for seed in range(2)])["1.weight"])
    for t in (1, 2):
        assert torch.equal(
            seen[t], torch.where((owner > 0) & (owner <= t), run.state["frozen.1.weight"], 0.0)
        )


def test_the_largest_of_its_own_weights_survive():
    class Listening(PackNet):
        def pruned(self, params, state):
            after = super().pruned(params, state)
            seen.append((state["owner"], self.flat(params).detach().abs(), after["owner"]))
            return after

    seen = []
    train(Listening(NET), STREAM, seeds=2, **FAST)
    assert len(seen) == 3  # once a task
    for t, (before, size, after) in enumerate(seen, start=1):
        for lane in range(2):
            mine, kept = before[lane] == t, after[lane] == t
            assert not (kept & ~mine).any() and torch.equal(before[lane][~mine], after[lane][~mine])
            assert size[lane][kept].min() >= size[lane][mine & ~kept].max()


@pytest.mark.parametrize(
    ("steps", "retrain", "after"), [(30, 1 / 3, 10), (10, 0.5, 5), (9, 1 / 3, 3), (3, 1 / 3, 1)]
)
def test_as_many_steps_retrain_as_were_asked_for(steps, retrain, after):
    points = learn(PackNet(NET, retrain=retrain), STREAM, steps=steps, every=1)
    phases = [int(p.state["phase"][0]) for p in itertools.islice(points, steps + 1)]
    assert phases.count(SPARSE) == after  # the moment of pruning and each later one, but the end of the task


def test_when_pruning_comes_and_that_the_survivors_are_retrained():
    method = PackNet(NET, retrain=0.5)
    points = list(learn(method, STREAM, steps=8, every=1))[:9]  # the start, and eight steps of the first task
    assert [int(p.state["phase"][0]) for p in points] == [0, 1, 1, 1, 2, 2, 2, 2, 0]
    pruned, end = (method.current(p.params, p.state)["1.weight"].detach() for p in (points[4], points[7]))
    assert (pruned != 0).sum() == (end != 0).sum() == 320
    survivors = pruned != 0
    assert (pruned[survivors] != end[survivors]).float().mean() > 0.5 and (end[~survivors] == 0).all()


def test_a_task_answers_with_its_own_and_earlier_weights_only():
    method = PackNet(NET, prune=0.5)
    run = train(method, STREAM, **FAST)
    frozen, owner = run.state["frozen.1.weight"], method.unflat(run.state["owner"])["1.weight"]
    for t in range(3):
        want = torch.where((owner > 0) & (owner <= t + 1), frozen, 0.0)
        theta = {
            "1.weight": want[0], "1.bias": run.state["frozen.1.bias"][0],
            "3.weight": run.state["own.3.weight"][0, t], "3.bias": run.state["own.3.bias"][0, t],
        }  # fmt: skip
        logits = functional_call(NET, theta, (X,))
        rows = list(STREAM.tasks[t].classes)
        got = method.predict(run.params, run.state, X, t)[0]
        torch.testing.assert_close(got[:, rows], logits[:, rows], rtol=1e-4, atol=1e-5)
        assert got.isneginf().sum() == 50 * 20


@pytest.mark.parametrize("kind", [Piggyback, PackNet])
def test_a_convolutional_net(kind):
    net = cnn(STREAM, channels=(3, 4))
    method = kind(net)
    run = train(method, STREAM, seeds=2, steps=6)
    assert list(method.masks(run.state, 1)) == ["0.weight", "3.weight"]
    assert (metrics.forgetting(run.accuracy) == 0).all()


# ---- which task is it


def test_the_task_inferred_is_the_one_with_the_lowest_entropy():
    told = Piggyback(NET)
    run = train(told, STREAM, seeds=2, steps=120)
    unsure = Piggyback(NET, infer_task=True)
    each = [told.predict(run.params, run.state, X, t).double().numpy() for t in range(3)]
    got = unsure.predict(run.params, run.state, X, 1).numpy()
    chosen = set()
    for lane in range(2):
        for n in range(50):
            entropies = []
            for t, task in enumerate(STREAM):
                z = each[t][lane, n, list(task.classes)]
                p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
                entropies.append(-(p * np.log(p)).sum())
            best = int(np.argmin(entropies))
            chosen.add(best)
            np.testing.assert_array_equal(got[lane, n], each[best][lane, n].astype(np.float32))
    assert len(chosen) == 3
    for other in (None, 0, 2):  # whatever it is told
        assert torch.equal(unsure.predict(run.params, run.state, X, other), torch.tensor(got))


@pytest.mark.parametrize("kind", METHODS)
def test_right_only_if_the_task_is_right_too(kind):
    told, inferred = (train(kind(NET, infer_task=flag), STREAM, seeds=2, steps=60) for flag in (False, True))
    last = told.predicted[:, -1], inferred.predicted[:, -1]
    assert (inferred.accuracy[0, -1] <= told.accuracy[0, -1]).all()
    assert (last[1] == 255).mean() > 0.1 and ((last[0] == last[1]) | (last[1] == 255)).all()
    shared = rotated(digits(), degrees=(0, 45, 90))  # domain-incremental: any task may name the class
    run = train(kind(mlp(shared, hidden=(20,)), infer_task=True), shared, steps=60)
    assert (run.predicted[0, -1][:, :397] < 10).all()


@pytest.mark.parametrize("kind", METHODS)
def test_a_task_that_was_not_learned_has_no_answer(kind):
    points = list(learn(kind(NET), STREAM, steps=4, every=2))
    assert (points[0].predicted == 255).all() and (points[0].accuracy == 0).all()
    middle = next(p for p in points if p.task == 1 and not p.ended)
    assert (middle.accuracy[:, :2] > 0).all() and (middle.accuracy[:, 2] == 0).all()
    method = kind(NET)
    silent = [
        method.predict(middle.params, middle.state, X, 2),
        method.predict(middle.params, middle.state, X),
        kind(NET, infer_task=True).predict(points[0].params, points[0].state, X, 0),
    ]
    for logits in silent:
        assert logits.shape == (1, len(X), STREAM.outputs) and logits.isneginf().all()


# ---- bytes and files


@pytest.mark.parametrize("kind", METHODS)
def test_a_loaded_run_answers_bit_for_bit_alike(kind, tmp_path):
    method = kind(NET)
    run = train(method, STREAM, seeds=2, **FAST)
    back = Run.load(run.save(tmp_path / "run"))
    for t in range(3):
        saw, sees = (method.predict(r.params, r.state, X, t) for r in (run, back))
        assert fingerprint(saw) == fingerprint(sees)
    assert run.state.keys() == back.state.keys()
    assert all(torch.equal(run.state[k], back.state[k]) and run.state[k].dtype == back.state[k].dtype
               for k in run.state)  # fmt: skip
    assert not [k for k in run.settings if k.startswith("_")]


def test_bytes_on_the_device():
    net = mlp(STREAM, hidden=(7, 5))  # 64 · 7 + 7 · 5 = 483 weights under masks, 60 full bytes and 3 bits
    heads = 4 * 3 * 10 * (5 + 1)  # of 3 tasks, 10 outputs of their own each
    runs = {kind: train(kind(net), STREAM, seeds=2, steps=3) for kind in METHODS}
    assert runs[Piggyback].state["masks"].shape == (2, 3, 61)
    for lane in range(2):
        kept = {kind: kind(net).keeps(run.state, lane) for kind, run in runs.items()}
        assert nbytes({"masks": kept[Piggyback]["masks"]}) == 2 * 61  # the first uses the whole backbone
        assert nbytes(kept[Piggyback]) == 2 * 61 + heads
        assert nbytes(kept[PackNet]) == math.ceil(483 * 2 / 8) + heads  # 0 … 3: two bits
        assert nbytes(kept[Separate]) == 4 * 3 * (483 + 7 + 5) + heads
        codes = runs[PackNet].state["owner"][lane]
        assert torch.equal(kept[PackNet]["owner"], packed(codes, 2))
        mask = torch.cat([m[lane].flatten() for m in Piggyback(net).masks(runs[Piggyback].state, 2).values()])
        bits = np.packbits(mask.numpy(), bitorder="little")
        assert (kept[Piggyback]["masks"][1].numpy() == bits).all()


def test_an_unfinished_task_is_not_counted():
    last = [p for p in learn(PackNet(NET), STREAM, steps=4, every=2) if p.step in (8, 10)]
    after, within = (PackNet(NET).keeps(p.state) for p in last)  # the second task's end, inside the third
    assert all(torch.equal(after[k], within[k]) for k in after) and after.keys() == within.keys()
    for kind, first in ((Piggyback, 0), (PackNet, 160), (Separate, 4 * (1280 + 20))):
        points = learn(kind(NET), STREAM, steps=4, every=2)
        sizes = [nbytes(kind(NET).keeps(p.state)) for p in points]
        head = 4 * 10 * 21
        assert sizes[1] == sizes[0] in (0, 160)
        assert sizes[2] == sizes[3] == first + head


# ---- lanes


@pytest.mark.parametrize(
    "kind, name, values", [(Piggyback, "threshold", [0.0, 5e-3, 8e-3]), (PackNet, "prune", [0.3, 0.75])]
)
def test_lanes_equal_the_runs_alone(kind, name, values):
    whole = sweep(kind(NET), STREAM, seeds=[1, 4], steps=40, **{name: values})
    assert whole.accuracy.shape == (len(values), 2, 3, 3)
    for i, value in enumerate(values):
        for j, seed in enumerate((1, 4)):
            method = kind(NET, **{name: value})
            alone = train(method, STREAM, seeds=[seed], steps=40)
            for t in range(3):
                ours, theirs = (method.masks(run.state, t)["1.weight"] for run in (whole, alone))
                assert (ours[2 * i + j] == theirs[0]).float().mean() > 0.995
            assert np.abs(whole.accuracy[i, j] - alone.accuracy[0]).max() < 0.02
    assert not whole.notes


# ---- bad input


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: PackNet(NET, prune=0), ValueError, "prune must be a finite number > 0 and <= 0.999"),
        (lambda: PackNet(NET, prune=1), ValueError, "prune must be .* got 1"),
        (lambda: PackNet(NET, prune=-0.5), ValueError, "prune must be .* got -0.5"),
        (lambda: PackNet(NET, prune="half"), TypeError, "prune must be .* got 'half'"),
        (lambda: PackNet(NET, retrain=2), ValueError, "retrain must be .* <= 1, got 2"),
        (lambda: Piggyback(NET, threshold=-1), ValueError, "threshold must be a finite number >= 0, got -1"),
        (lambda: Piggyback(mlp(STREAM, hidden=())), TypeError, "Piggyback masks hidden layers, got"),
        (lambda: PackNet(mlp(STREAM, hidden=())), TypeError, "PackNet masks hidden layers, got"),
        (lambda: Piggyback(NET, backbone=3), TypeError, "a Run, a net or {name: tensor}, got int"),
        (lambda: Piggyback(NET, backbone={}), ValueError, r"'1.weight' of shape \(20, 64\), got none"),
        (
            lambda: Piggyback(NET, backbone=initial(mlp(STREAM, hidden=(30,)), 0)),
            ValueError,
            r"backbone must have '1.weight' of shape \(20, 64\), got \(30, 64\)",
        ),
    ],
)  # fmt: skip
def test_refuses(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_threshold_that_masks_everything_is_refused_before_training():
    with pytest.raises(
        ValueError, match="below 0.01, where scores begin. layer '1': 0 of 1,280 weights pass 0.5"
    ):
        train(Piggyback(NET, threshold=0.5), STREAM, **FAST)
    with pytest.raises(ValueError, match="threshold must be below 0.01"):
        sweep(Piggyback(NET), STREAM, threshold=[0.01, 50], **FAST)


def test_a_layer_that_dies_in_a_sweep_is_a_note_and_kills_no_other_lane():
    net = mlp(STREAM, hidden=(12, 12))
    run = sweep(Piggyback(net), STREAM, seeds=2, threshold=[5e-3, 50], **FAST)
    notes = [note for note in run.notes if "task 1" in note]
    assert len(run.notes) == 4 and len(notes) == 2 and "task 0" not in " ".join(run.notes)
    assert notes[0] == ("Piggyback (threshold=50), in 2 of 4 lanes: layer '1' died in task 1, "
                        "0 of its 768 weights are in the mask")  # fmt: skip
    alone = train(Piggyback(net), STREAM, seeds=2, **FAST)
    assert np.abs(run.accuracy[0] - alone.accuracy).max() < 0.02 and not alone.notes


def test_no_weights_left():
    net = mlp(STREAM, hidden=(4,))  # of 256 weights, 251 are kept, then the other 5
    words = (
        r"PackNet \(prune=0.02\) has no room for task 2: layer '1' needs 1 weight, and would keep 0 of the "
        "0 left of 256. Take a wider net or another prune; finished tasks still answer"
    )
    method = PackNet(net, prune=0.02)
    with pytest.raises(Exhausted, match=words) as caught:
        train(method, STREAM, **FAST)
    run = caught.value.run  # the finished tasks still answer
    assert np.isnan(run.accuracy[:, 2]).all() and not np.isnan(run.accuracy[:, :2]).any()
    want = torch.from_numpy(run.predicted[0, -1, 0, :50]).long()
    got = method.predict(run.params, run.state, STREAM.tasks[0].test[0][:50], 0)[0]
    assert torch.equal(got.argmax(1), want)
    with pytest.raises(Exhausted) as caught:
        sweep(PackNet(net), STREAM, prune=[0.02, 0.01], **FAST)
    assert caught.value.run.accuracy.shape == (2, 1, 3, 3)
    points = []
    with pytest.raises(Exhausted):
        for point in learn(PackNet(net, prune=0.02), STREAM, **FAST):
            points.append(point)
    assert points[-1].ended and points[-1].task == 1 and (points[-1].predicted[:, :2, :397] < 255).all()
    run = sweep(PackNet(net), STREAM, prune=[0.02, 0.5], seeds=2, **FAST)
    note = "PackNet (prune=0.02), in 2 of 4 lanes: layer '1' died in task 2, 0 of its 256 weights are in the"
    assert run.notes == [f"{note} mask"]
    alone = train(PackNet(net, prune=0.5), STREAM, seeds=2, **FAST)
    assert np.abs(run.accuracy[1] - alone.accuracy).max() < 0.02


def test_a_net_whose_last_layer_is_not_the_output_is_refused():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.out, self.body = nn.Linear(20, STREAM.outputs), nn.Linear(64, 20)

        def forward(self, x):
            return self.out(self.body(x.flatten(1)).relu())

    with pytest.raises(TypeError, match="layer 'body', the last one, must give the net's"):
        train(Piggyback(Odd()), STREAM, **FAST)


# ---- and it works


def test_five_permuted_tasks_are_learned():
    """Three seeds gave 0.953 (PackNet), 0.946 (Piggyback), 0.963 (Separate); one seed here."""
    stream = permuted(digits(), scenario="task")
    net = mlp(stream, hidden=(200,))
    for method, least in ((PackNet(net), 0.93), (Piggyback(net), 0.90)):
        run = train(method, stream, epochs=20, every=10**6)
        assert metrics.average_accuracy(run.accuracy) >= least and metrics.forgetting(run.accuracy) == 0
