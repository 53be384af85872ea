"""iCaRL against oracles: greedy herding by brute force, the loss in loops, nearest means in numpy, spies."""

import itertools
import math

import numpy as np
import pytest
import torch
from small import FAST, NET, STREAM, same
from torch.func import functional_call

from edgecl_lite import (
    Finetune,
    ICaRL,
    Stream,
    Task,
    cnn,
    digits,
    herding,
    learn,
    mlp,
    nbytes,
    rotated,
    split,
    sweep,
    train,
)
from edgecl_lite.lanes import copied, lane
from edgecl_lite.methods import icarl
from edgecl_lite.models import apply


class Spy(ICaRL):
    """Writes down what every verb saw."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._losses, self._ends, self._begins = [], [], []

    def begin_task(self, params, state, task):
        self._begins.append(copied(params))
        return super().begin_task(params, state, task)

    def loss(self, params, state, batch):
        self._losses.append((copied(params), state, batch))
        return super().loss(params, state, batch)

    def end_task(self, params, state, task):
        after = super().end_task(params, state, task)
        self._ends.append((copied(params), state, task, after))
        return after


@pytest.fixture(scope="module")
def spy():
    method = Spy(NET, capacity=47)
    method.run = train(method, STREAM, seeds=2, epochs=2, progress=False)
    return method


# ---- herding


def greedy(features, m):
    """Oracle: at each step try every sample that is left, in exact order, the mean taken anew."""
    features, chosen = features.double().numpy(), []
    mean = features.mean(0)
    for _ in range(m):
        left = [i for i in range(len(features)) if i not in chosen]
        apart = [np.square(mean - features[[*chosen, i]].mean(0)).sum() for i in left]
        chosen.append(left[int(np.argmin(apart))])
    return chosen


@pytest.mark.parametrize(
    "n, d", [(1, 3), (3, 1), (7, 2), (12, 5), (30, 20)]
)  # of two samples either is as near
def test_herding_equals_a_brute_force_greedy(n, d):
    z = torch.randn(4, n, d, generator=torch.Generator().manual_seed(n), dtype=torch.double)
    z = torch.nn.functional.normalize(z, dim=-1) if d > 1 else z
    picks = herding(z, n)
    assert picks.shape == (4, n) and all(sorted(row) == list(range(n)) for row in picks.tolist())
    assert picks.tolist() == [greedy(lane, n) for lane in z]
    for m in range(n + 1):  # every prefix is the selection for a smaller m
        assert torch.equal(herding(z, m), picks[:, :m])


def test_herding_does_not_see_other_lanes_nor_change_its_argument():
    z = torch.rand(3, 15, 4, generator=torch.Generator().manual_seed(0))
    before = z.clone()
    assert torch.equal(herding(z, 9)[1:2], herding(z[1:2], 9)) and torch.equal(z, before)


def test_the_first_of_equals_is_chosen_and_none_twice():
    z = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]])
    assert herding(z, 4).tolist() == [[0, 1, 2, 3]]
    assert herding(torch.ones(2, 6, 3), 6).tolist() == [[0, 1, 2, 3, 4, 5]] * 2


def test_the_first_exemplar_is_the_nearest_to_the_mean_and_each_more_brings_it_closer_than_any_other():
    z = torch.randn(1, 9, 2, generator=torch.Generator().manual_seed(5), dtype=torch.double)
    mean, picks = z[0].mean(0), herding(z, 9)[0]
    assert picks[0] == (z[0] - mean).norm(dim=1).argmin()
    assert torch.allclose(z[0, picks].mean(0), mean)
    pairs = {i: (mean - z[0, [picks[0], i]].mean(0)).norm() for i in range(9) if i != picks[0]}
    assert min(pairs, key=pairs.get) == picks[1]


def test_herding_beats_chance():
    """Twenty herded samples have a mean far nearer to the whole than twenty drawn ones."""
    z = torch.nn.functional.normalize(
        torch.randn(1, 200, 16, generator=torch.Generator().manual_seed(1)), dim=-1
    )
    apart = lambda pick: (z[0, pick].mean(0) - z[0].mean(0)).norm()
    g = torch.Generator().manual_seed(2)
    drawn = [apart(torch.randperm(200, generator=g)[:20]) for _ in range(50)]
    assert apart(herding(z, 20)[0]) < min(drawn) / 2.5


def test_herding_refuses_more_than_there_are():
    with pytest.raises(ValueError, match="at most 5 samples, got m = 6"):
        herding(torch.rand(2, 5, 3), 6)


# ---- exemplars


def test_exemplars_are_herded_from_the_class_and_stay_a_prefix(spy):
    """Older classes keep the first of theirs; whatever is in the memory, in the order of herding."""
    order = [{} for _ in range(2)]  # {class: pictures, best first}, each lane
    for t, (params, _, task, state) in enumerate(spy._ends):
        share = 47 // (2 * t + 2)
        z = icarl.features(NET, params, task["x"])
        for i, c in itertools.product(range(2), (2 * t, 2 * t + 1)):
            own = (task["y"][i] == c).nonzero().flatten()
            order[i][c] = task["x"][i, own[herding(z[[i]][:, own], 23)[0]]]
        for i in range(2):
            x, y = spy.shows(state, STREAM.shape, i)
            assert y.tolist() == sorted(y.tolist()) and y.bincount().tolist() == [share] * (2 * t + 2)
            for c in range(2 * t + 2):
                assert torch.equal(x[y == c], order[i][c][:share])
            assert state["known"][i].tolist() == [c < 2 * t + 2 for c in range(10)]


def test_features_are_the_inputs_of_the_last_layer_at_unit_length():
    for net in (NET, cnn(STREAM, channels=(2, 3)), mlp(STREAM, hidden=(9, 7))):
        run = train(Finetune(net), STREAM, seeds=2, steps=2, progress=False)
        x = STREAM.tasks[0].train[0][:6]
        z = icarl.features(net, run.params, x.expand(2, -1, -1, -1, -1))
        assert torch.allclose(z.norm(dim=-1), torch.ones(2, 6), atol=1e-5)
        for i in range(2):
            own = {k: p[i] for k, p in run.params.items()}
            h = functional_call(
                net[:-1], {k: p for k, p in own.items() if k in dict(net[:-1].named_parameters())}, (x,)
            )
            torch.testing.assert_close(z[i], h / h.norm(dim=1, keepdim=True), rtol=1e-4, atol=1e-6)


def test_exemplars_are_in_every_batch_and_in_the_gradient(spy):
    """Elsewhere they were chosen, stored, and never seen again."""
    pictures = {x.numpy().tobytes(): y.item() for task in STREAM for x, y in zip(*task.train)}
    tasks = [batch["task"] for *_, batch in spy._losses]
    assert set(tasks) == {0, 1, 2, 3, 4}
    met = set()
    for now, (_, state, batch) in zip(tasks, spy._losses):
        assert ("old" in batch) == (now > 0)
        if not now:
            continue
        old = batch["old"]
        assert old["y"].shape == batch["y"].shape and (old["y"] < 2 * now).all()
        for i in range(2):
            kept = {x.numpy().tobytes() for x in spy.shows(state, STREAM.shape, i)[0]}
            mine = [x.numpy().tobytes() for x in old["x"][i]]
            assert set(mine) <= kept and [pictures[x] for x in mine] == old["y"][i].tolist()
        met.add((now, *sorted(old["y"].unique().tolist())))
    assert max(map(len, met)) >= 8
    params, state, batch = spy._losses[-1]
    x = batch["old"]["x"].clone().requires_grad_()
    loss = spy.__class__(NET).loss(params, state, {**batch, "old": {**batch["old"], "x": x}})
    (g,) = torch.autograd.grad(loss.sum(), x)
    assert (g.flatten(2).abs().sum(-1) > 0).float().mean() > 0.9


def test_all_exemplars_take_part(spy):
    """In the last task, over two epochs, nearly every exemplar has been rehearsed."""
    rows = [batch["old"]["row"] for *_, batch in spy._losses if batch["task"] == 4]
    assert all(len(set(torch.cat(rows, 1)[i].tolist())) > 36 for i in range(2))  # of 8 · 5 = 40


# ---- the loss


def by_loops(params, state, i, batch):
    """Σ_c BCE of one lane, in Python, output by output."""
    own = {k: p[i] for k, p in params.items()}
    before = {k: state[f"before.{k}"][i] for k in params}
    total, n = 0.0, len(batch["y"][i])
    for s in range(n):
        x, y = batch["x"][i, s][None], batch["y"][i, s].item()
        active = batch["active"][i].expand(n, -1)[s]
        z, past = (functional_call(NET, p, (x,))[0].double().sigmoid().tolist() for p in (own, before))
        for c in range(10):
            if active[c]:
                q = past[c] if state["known"][i, c] else float(c == y)
                total -= q * math.log(z[c]) + (1 - q) * math.log(1 - z[c])
    return total / n


@pytest.mark.parametrize("weighting", ["1/k", "equal"])
def test_the_loss_written_out(spy, weighting):
    by_task = {batch["task"]: (params, state, batch) for params, state, batch in spy._losses}
    for now, (params, state, batch) in by_task.items():
        got = ICaRL(NET, weighting=weighting).loss(params, state, batch)
        for i in range(2):
            want = by_loops(params, state, i, batch)
            if now:
                share = 1 / (now + 1) if weighting == "1/k" else 0.5
                want = share * want + (1 - share) * by_loops(params, state, i, batch["old"])
            assert abs(got[i].item() - want) < 1e-4 * max(1, want)


def test_distillation_asks_the_network_as_it_was_before_the_task(spy):
    for params, state, batch in spy._losses:
        begun = spy._begins[batch["task"]]
        assert same({k: state[f"before.{k}"] for k in params}, begun)
        assert state["known"].sum(1).tolist() == [2 * batch["task"]] * 2
    ends = [params for params, *_ in spy._ends]
    assert all(same(ends[t], spy._begins[t + 1]) for t in range(4))
    assert not same(spy._losses[-1][0], spy._begins[4])


def test_a_network_that_did_not_move_is_at_the_distillation_s_minimum(spy):
    """The gradient of what is known is zero there: only the new classes pull."""
    _, state, batch = next(s for s in spy._losses if s[2]["task"] == 2)
    params = {k: p.clone().requires_grad_() for k, p in spy._begins[2].items()}
    g = torch.autograd.grad(ICaRL(NET).loss(params, state, batch).sum(), params["3.bias"])[0]
    assert (g[:, :4].abs() < 1e-6).all() and (g[:, 4:6].abs() > 1e-3).all() and (g[:, 6:] == 0).all()


# ---- the answers


def test_answers_are_the_nearest_mean_of_exemplars(spy):
    params, state = spy.run.params, spy.run.state
    for t in range(5):
        x, y = STREAM.tasks[t].test
        logits = spy.predict(params, state, x, t)
        for i in range(2):
            own = {k: p[i] for k, p in params.items()}
            phi = lambda images, own=own: unit(
                functional_call(NET[:3], {k: own[k] for k in ("1.weight", "1.bias")}, (images,))
                .double()
                .numpy()
            )
            kept, labels = spy.shows(state, STREAM.shape, i)
            means = unit(np.stack([phi(kept)[labels.numpy() == c].mean(0) for c in range(10)]))
            apart = np.square(phi(x)[:, None] - means).sum(-1)
            assert np.abs(logits[i].numpy() + apart).max() < 1e-3
            answers = spy.run.predicted[i, -1, t, : len(y)]
            assert (answers == apart.argmin(1)).mean() > 0.99
            assert spy.run.accuracy[i, -1, t] == pytest.approx((answers == y.numpy()).mean())


def unit(z):
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def test_no_answer_for_a_class_without_exemplars():
    points = list(learn(ICaRL(NET, capacity=40), STREAM, steps=4, every=2))
    assert (points[0].predicted == 255).all() and (points[0].accuracy == 0).all()
    for p in points:
        known = 2 * (p.task + p.ended)
        said = set(p.predicted[0, 0, :50].tolist())
        assert said <= ({*range(known)} if known else {255})
        assert (p.accuracy[0, p.task + p.ended :] == 0).all()
    # the last layer has no say in it
    state, params = points[-1].state, points[-1].params
    x = STREAM.tasks[0].test[0]
    other = {**params, "3.weight": torch.randn_like(params["3.weight"])}
    assert torch.equal(ICaRL(NET).predict(params, state, x), ICaRL(NET).predict(other, state, x))


def test_capacity_zero_answers_by_the_network_itself():
    alone = train(ICaRL(NET, capacity=0), STREAM, seeds=2, epochs=1, progress=False)
    both = sweep(ICaRL(NET), STREAM, seeds=2, capacity=[0, 40], epochs=1, progress=False)
    for k, p in lane(both.params, [0, 1]).items():  # sigmoids round by where in a vector they stand
        torch.testing.assert_close(p, alone.params[k], rtol=1e-4, atol=1e-5)
    assert np.abs(both.curve[0] - alone.curve).max() < 0.01
    x = STREAM.tasks[4].test[0]
    network = apply(NET, alone.params, x.expand(2, *x.shape))
    assert torch.equal(ICaRL(NET).predict(alone.params, alone.state, x), network)
    assert nbytes(ICaRL(NET).keeps(alone.state)) == 0 and not alone.state["filled"].any()


# ---- how small, how good


@pytest.mark.parametrize("bits, each", [(8, 64), (4, 32)])
def test_what_is_kept_to_the_byte(bits, each):
    method = ICaRL(NET, bits=bits)
    run = sweep(method, STREAM, seeds=2, capacity=[0, 10, 47], **FAST)
    assert [nbytes(method.keeps(run.state, i)) for i in range(0, 6, 2)] == [
        0,
        10 * (each + 1),
        40 * (each + 1),
    ]
    assert method.keeps(run.state, 5).keys() == {"memory.x", "memory.y"}


def test_only_class_incremental_streams():
    for stream in (
        rotated(digits(), (0, 90)),
        split(digits(), scenario="task"),
        split(digits(), scenario="domain"),
    ):
        with pytest.raises(ValueError, match=f"class-incremental streams, got scenario '{stream.scenario}'"):
            train(ICaRL(mlp(stream)), stream, **FAST)


def test_two_hundred_exemplars_are_worth_it():
    run = train(ICaRL(mlp(STREAM)), STREAM, seeds=5, progress=False, every=10**6)
    final = run.accuracy[:, -1].mean(1)
    assert final.mean() >= 0.85 and final.min() > 0.82
    assert run.notes == []


def test_a_class_that_comes_again_leaves_no_ghosts():
    """3 samples of class 0, then 2 more: 3 exemplars, all of them real, however large its share is."""
    x = torch.rand(9, 1, 2, 2, generator=torch.Generator().manual_seed(0)) / 2 + 0.5  # never black
    parts = ([0, 1, 2], [0, 0, 0]), ([3, 4, 5], [1, 1, 1]), ([6, 7], [0, 0]), ([8, 8, 8], [2, 2, 2])
    tasks = []
    for i, (pick, y) in enumerate(parts):
        pair = x[pick], torch.tensor(y)
        tasks.append(Task(f"{i}", pair, pair, (y[0],)))
    stream = Stream(tasks, "class", 3)
    method = ICaRL(mlp(stream, hidden=(4,)), capacity=30)
    state = train(method, stream, epochs=1, progress=False).state
    kept, y = method.shows(state, stream.shape)
    assert y.bincount().tolist() == [3, 3, 3]
    assert (kept >= 0.49).all(), "an exemplar that nobody ever showed"
