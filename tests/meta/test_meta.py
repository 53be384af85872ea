"""Meta-learning against oracles: loops unrolled by hand, finite differences, closed forms, plain SGD; and
episodes that never leak. What is known to go wrong elsewhere is built here and must be caught.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from edgecl_lite import Dataset, cnn, digits, mlp
from edgecl_lite._refuse.arguments import SEEDS
from edgecl_lite.data.fewshot import Episodes, Sinusoids, episodes, sinusoids, symbols
from edgecl_lite.lanes import lane, stack
from edgecl_lite.learn import Diverged
from edgecl_lite.meta import inner as meta
from edgecl_lite.meta import outer
from edgecl_lite.meta.inner import anil, first_order, head, inner_loop, maml, oml, reptile
from edgecl_lite.meta.outer import adaptation, follow, meta_learn
from edgecl_lite.models import apply, initial

METHODS = (maml, first_order, reptile, anil, oml)
WAVES = sinusoids(shots=6, queries=8)
TRAIN, TEST = symbols(digits())
FEW = episodes(TRAIN, ways=4, shots=2, queries=3)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(tasks, width=5):
    """A net without kinks, in float64, so that finite differences are exact to many digits."""
    parts = (
        nn.Linear(tasks.pixels, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(),
        nn.Linear(width, tasks.outputs),
    )  # fmt: skip
    return nn.Sequential(nn.Flatten(), *parts).double()


def double(batch):
    return {k: v.double() if v.is_floating_point() else v for k, v in batch.items()}


def setting(tasks, lanes=3, net=None):
    """(net, loss, theta, support, query): a task in each lane, each with a start of its own."""
    net = net or smooth(tasks)
    theta = {k: p.double() for k, p in stack([initial(net, seed) for seed in range(lanes)]).items()}
    support, query = map(double, tasks.draw(lanes, seeded()))
    loss = lambda params, batch: tasks.loss(apply(net, params, batch["x"]), batch["y"])
    return net, loss, {k: p.requires_grad_() for k, p in theta.items()}, support, query


def plain_loss(net, theta, x, y):
    """The loss of one net without lanes, in torch's own words."""
    out = functional_call(net, theta, (x,))
    return F.mse_loss(out, y) if y.is_floating_point() else F.cross_entropy(out, y)


def unrolled(net, theta, support, query, lr, steps, *, order=2, names=None, single=False, joint=False):
    """Oracle for ONE task without lanes: the inner loop written out, then one torch.autograd.grad.

    order=1 makes a constant of every inner gradient. names: what moves; single: one example a step; joint:
    the outer loss is on support and query. Returns (the adapted params, the meta-gradient).
    """
    theta = {k: p.detach().clone().requires_grad_() for k, p in theta.items()}
    fast, (x, y) = dict(theta), (support["x"], support["y"])
    parts = [(x[i : i + 1], y[i : i + 1]) for i in range(len(y))] if single else [(x, y)]
    for part in parts * steps:
        loss = plain_loss(net, fast, *part)
        moved = list(names or fast)
        for k, g in zip(moved, torch.autograd.grad(loss, [fast[k] for k in moved], create_graph=True)):
            fast[k] = fast[k] - lr * (g if order == 2 else g.detach())
    x, y = (torch.cat([support[k], query[k]]) if joint else query[k] for k in "xy")
    value = plain_loss(net, fast, x, y)
    return fast, dict(zip(theta, torch.autograd.grad(value, list(theta.values()))))


def one(tree, i):
    return {k: v[i].detach() for k, v in tree.items()}


def assert_same(got, want, **tolerance):
    assert got.keys() == want.keys()
    for k in want:
        torch.testing.assert_close(got[k], want[k], msg=lambda m, k=k: f"{k}: {m}", **tolerance)


def far(a, b):
    """Relative distance of two dicts of tensors."""
    norm = lambda tree: sum(v.square().sum() for v in tree.values()).sqrt()
    return (norm({k: a[k] - b[k] for k in a}) / norm(b)).item()


# ---- the meta-gradients


BODY, HEAD = ["1.weight", "1.bias", "3.weight", "3.bias"], ["5.weight", "5.bias"]
OPTIONS = {  # how the oracle unrolls each method
    "MAML": {},
    "first-order MAML": {"order": 1},
    "ANIL": {"names": HEAD},
    "OML": {"names": HEAD, "single": True, "joint": True},
}


@pytest.mark.parametrize("method", [m for m in METHODS if m is not reptile], ids=lambda m: m.name)
@pytest.mark.parametrize("tasks", [WAVES, FEW], ids=["sinusoids", "symbols"])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_meta_gradient_equals_an_unrolled_loop_task_by_task(method, tasks, steps):
    """Also: lanes equal a Python loop over the tasks."""
    net, loss, theta, support, query = setting(tasks)
    got = method.gradient(loss, theta, support, query, 0.1, steps)
    for i in range(3):
        start = one(theta, i)
        renewed = HEAD if method is oml else []
        start = {k: torch.zeros_like(p) if k in renewed else p for k, p in start.items()}
        _, want = unrolled(net, start, one(support, i), one(query, i), 0.1, steps, **OPTIONS[method.name])
        assert_same(one(got, i), {k: torch.zeros_like(g) if k in renewed else g for k, g in want.items()})


def slopes(f, theta, directions=4, eps=1e-5):
    """Pairs (direction, slope of f along it) by central differences; f sees no gradient at all."""
    g = seeded(7)
    for _ in range(directions):
        d = {k: torch.randn(p.shape, generator=g, dtype=p.dtype) for k, p in theta.items()}
        up, down = (f({k: p.detach() + sign * eps * d[k] for k, p in theta.items()}) for sign in (1, -1))
        yield d, (up - down) / (2 * eps)


def agrees(method, tasks, claimed=None, steps=2, only=None):
    """Whether finite differences confirm the meta-gradient (or the one `claimed`) in each lane."""
    _, loss, theta, support, query = setting(tasks)
    got = (claimed or method).gradient(loss, theta, support, query, 0.3, steps)
    batch = method.judged(support, query)

    def outer(part):
        start = {**theta, **part}
        tuned = method.adapt(loss, start | method.renewed(start), support, 0.3, steps)
        return loss(tuned, batch).detach()  # (lanes,)

    part = {k: p for k, p in theta.items() if only is None or k in only}
    return all(
        torch.allclose(sum((got[k] * d[k]).flatten(1).sum(1) for k in d), slope, rtol=1e-5, atol=1e-8)
        for d, slope in slopes(outer, part)
    )


@pytest.mark.parametrize("tasks", [WAVES, FEW], ids=["sinusoids", "symbols"])
@pytest.mark.parametrize("method", [maml, anil, oml], ids=lambda m: m.name)
def test_meta_gradient_by_finite_differences(method, tasks):
    assert agrees(method, tasks)


@pytest.mark.parametrize("method", [maml, anil, oml], ids=lambda m: m.name)
def test_first_order_passed_off_as_second_is_caught(method):
    assert not agrees(method, FEW, claimed=replace(method, second_order=False))


def test_omls_meta_gradient_reaches_the_representation():
    """The first release of another library cut it: its inner loop kept no graph."""
    _, loss, theta, support, query = setting(FEW)
    got = oml.gradient(loss, theta, support, query, 0.3)
    assert all((got[k] != 0).any() for k in BODY)
    assert agrees(oml, FEW, only=BODY)
    cut = replace(oml, second_order=False)
    assert not agrees(oml, FEW, claimed=cut, only=BODY)
    frozen = replace(oml, judged=lambda support, query: {**query, "x": query["x"].detach()})
    assert not agrees(oml, FEW, claimed=frozen, only=BODY)  # forgets the trajectory in the outer loss


def test_maml_of_a_quadratic_has_the_closed_form():
    """L = ½ (θ − c)ᵀ A (θ − c): ∇ = (1 − α A_s) A_q (θ' − c_q), and without (1 − α A_s) to first order."""
    g = seeded()
    normal = lambda *shape: torch.randn(2, *shape, generator=g, dtype=torch.double)
    draw = lambda: {"A": (m := normal(4, 4)) @ m.mT, "c": normal(4, 1)}
    loss = lambda p, b: 0.5 * ((p["w"] - b["c"]).mT @ b["A"] @ (p["w"] - b["c"]))[:, 0, 0]
    theta, support, query = {"w": normal(4, 1).requires_grad_()}, draw(), draw()
    tuned = theta["w"] - 0.1 * support["A"] @ (theta["w"] - support["c"])
    at_end = query["A"] @ (tuned - query["c"])
    through = (torch.eye(4) - 0.1 * support["A"]).mT @ at_end
    assert_same(maml.gradient(loss, theta, support, query, 0.1), {"w": through})
    assert_same(first_order.gradient(loss, theta, support, query, 0.1), {"w": at_end})
    assert_same(reptile.gradient(loss, theta, support, query, 0.1), {"w": theta["w"] - tuned})


def test_first_order_is_the_gradient_at_the_end_and_not_mamls():
    _, loss, theta, support, query = setting(FEW)
    got = first_order.gradient(loss, theta, support, query, 0.5, 3)
    end = {k: p.detach().requires_grad_() for k, p in maml.adapt(loss, theta, support, 0.5, 3).items()}
    assert_same(got, meta.gradient(loss(end, query), end))
    assert far(got, maml.gradient(loss, theta, support, query, 0.5, 3)) > 0.1


def test_second_order_goes_through_convolutions_too():
    tasks = episodes(TRAIN, ways=3, shots=1, queries=2)
    body = nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2), nn.Tanh(), nn.Flatten()
    net = nn.Sequential(*body, nn.Linear(72, 3)).double()
    _, loss, theta, support, query = setting(tasks, net=net)
    got = maml.gradient(loss, theta, support, query, 0.1)
    for i in range(3):
        _, want = unrolled(net, one(theta, i), one(support, i), one(query, i), 0.1, 1)
        assert_same(one(got, i), want)


def test_learning_rate_may_be_a_lane_and_be_learned():
    _, loss, theta, support, query = setting(WAVES)
    rates = torch.tensor([0.01, 0.1, 0.2], dtype=torch.double, requires_grad=True)
    tuned = inner_loop(loss, theta, [support] * 2, rates)
    for i, rate in enumerate(rates.tolist()):
        alone = inner_loop(loss, lane(theta, i), [lane(support, i)] * 2, rate)
        assert_same(one(tuned, i), one(alone, 0))
    (slope,) = torch.autograd.grad(loss(tuned, query).sum(), rates)
    values = [
        loss(inner_loop(loss, theta, [support] * 2, (rates + sign * 1e-6).detach()), query).detach()
        for sign in (1, -1)
    ]
    torch.testing.assert_close(slope, (values[0] - values[1]) / 2e-6, rtol=1e-5, atol=1e-8)


# ---- the inner loop


def test_inner_loop_equals_torchs_sgd():
    net = mlp(FEW, hidden=(7,))
    start = initial(net, 0)
    batches = [{k: v[:1] for k, v in FEW.draw(2, seeded(s))[0].items()} for s in range(4)]
    loss = lambda params, batch: FEW.loss(apply(net, params, batch["x"]), batch["y"])
    got = inner_loop(loss, stack([start]), batches, 0.3, second_order=False)
    net.load_state_dict(start)
    sgd = torch.optim.SGD(net.parameters(), lr=0.3)
    for batch in batches:
        sgd.zero_grad()
        F.cross_entropy(net(batch["x"][0]), batch["y"][0]).backward()
        sgd.step()
    assert_same(one(got, 0), {k: p.detach() for k, p in net.named_parameters()}, rtol=1e-5, atol=1e-6)


def test_inner_loop_is_pure():
    _, loss, theta, support, _ = setting(WAVES)
    theta = {k: p.detach() for k, p in theta.items()}
    before = {k: p.clone() for k, p in theta.items()}
    with torch.no_grad():  # as an evaluation may call it
        tuned = inner_loop(loss, theta, [support], 0.1, second_order=False)
    assert far(tuned, before) > 1e-3
    assert all(torch.equal(theta[k], before[k]) and not theta[k].requires_grad for k in theta)
    assert all(p.grad is None for p in theta.values())


def test_no_steps_leave_the_start_as_it_is():
    _, loss, theta, support, query = setting(WAVES)
    assert all(torch.equal(p, theta[k]) for k, p in inner_loop(loss, theta, [], 0.1).items())
    plain = meta.gradient(loss(theta, query), theta)
    assert_same(maml.gradient(loss, theta, support, query, 0.1, steps=0), plain)
    assert all((g == 0).all() for g in reptile.gradient(loss, theta, support, query, 0.1, steps=0).values())


@pytest.mark.parametrize("method", [anil, oml], ids=lambda m: m.name)
def test_the_body_is_untouched(method):
    _, loss, theta, support, _ = setting(FEW)
    assert [*head(theta)] == HEAD
    tuned = method.adapt(loss, theta, support, 0.3, 2)
    for k in theta:
        assert (tuned[k] is theta[k]) == (k in BODY), k
        assert k in BODY or not torch.equal(tuned[k], theta[k]), k


def test_omls_head_begins_anew_and_is_not_learned():
    net = mlp(FEW, hidden=(8,))
    first, *_, last = meta_learn(oml, net, FEW, seeds=2, steps=3, meta_batch=2, every=3, shown=(0,))
    for k, p in last.params.items():
        assert (p == 0).all() if k.startswith("3.") else (p != first.params[k]).any(), k


def test_oml_learns_one_example_at_a_time_in_the_order_of_arrival():
    _, loss, theta, support, _ = setting(FEW)
    seen = []

    def listening(params, batch):
        seen.append(batch["y"].clone())
        return loss(params, batch)

    oml.adapt(listening, theta, support, 0.1, 1)
    assert torch.equal(torch.cat(seen, 1), support["y"]) and all(y.shape == (3, 1) for y in seen)


# ---- the outer loop


def test_reptile_with_one_client_and_step_1_is_plain_sgd():
    net = mlp(WAVES, hidden=(8,))
    options = dict(steps=3, meta_batch=1, inner_steps=4, inner_lr=0.02, optimizer="sgd", lr=1.0)
    *_, last = meta_learn(reptile, net, WAVES, seeds=[5], **options)
    net.load_state_dict(initial(net, 5))
    sgd, g = torch.optim.SGD(net.parameters(), lr=0.02), seeded(5)
    for _ in range(3):
        support, _ = WAVES.draw(1, g)
        for _ in range(4):
            sgd.zero_grad()
            F.mse_loss(net(support["x"][0]), support["y"][0]).backward()
            sgd.step()
    assert_same(one(last.params, 0), {k: p.detach() for k, p in net.named_parameters()}, rtol=1e-4, atol=1e-6)


def test_meta_step_is_the_mean_over_the_tasks_of_each_seed():
    """One step of meta-training against a Python loop over seeds and tasks, each unrolled by hand."""
    net, seeds, n = mlp(WAVES, hidden=(6, 6)), (3, 8), 4
    options = dict(steps=1, meta_batch=n, inner_steps=2, inner_lr=0.05, optimizer="sgd", lr=0.1)
    *_, last = meta_learn(maml, net, WAVES, seeds=list(seeds), **options)
    for i, seed in enumerate(seeds):
        start, (support, query) = initial(net, seed), WAVES.draw(n, seeded(seed))
        grads = [unrolled(net, start, one(support, t), one(query, t), 0.05, 2)[1] for t in range(n)]
        want = {k: start[k] - 0.1 * sum(g[k] for g in grads) / n for k in start}
        assert_same(one(last.params, i), want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_seed_among_others_equals_the_seed_alone(method):
    net, options = mlp(FEW, hidden=(9,)), dict(steps=4, meta_batch=3, inner_lr=0.1, every=2, shown=(0, 1))
    options["inner_steps"] = 2 if method is reptile else 1
    both, alone = ([*meta_learn(method, net, FEW, seeds=s, **options)] for s in ([4, 1], [1]))
    for a, b in zip(both, alone, strict=True):
        assert_same(one(a.params, 1), one(b.params, 0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(a.score[1], b.score[0], atol=0.01)
    again = [*meta_learn(method, net, FEW, seeds=[4, 1], **options)]
    for a, b in zip(both, again, strict=True):
        assert all(torch.equal(a.params[k], b.params[k]) for k in a.params)
        assert (a.score == b.score).all()


def test_points_are_those_that_are_due():
    net, caller = mlp(WAVES, hidden=(4,)), torch.random.get_rng_state()
    options = dict(seeds=2, steps=7, every=3, shown=(0, 2))
    seen = [*follow(maml, net, WAVES, **options)]
    assert torch.equal(caller, torch.random.get_rng_state())
    assert [p is None for p in seen] == [False, True, True, False, True, True, False, False]
    points = [*meta_learn(maml, net, WAVES, **options)]
    for p, same in zip(points, filter(None, seen), strict=True):
        assert p.step == same.step and (p.score == same.score).all()
        assert_same(p.params, same.params, rtol=0, atol=0)
    assert [p.step for p in points] == [0, 3, 6, 7]
    assert repr(points[1]).startswith("MetaPoint(step 3 of 7, score [[")
    for p in points:
        assert (p.total, p.score.shape, p.lost) == (7, (2, 2), {})
        assert p.params["1.weight"].shape == (2, 4, 1) and not p.params["1.weight"].requires_grad
    assert not torch.equal(points[0].params["1.weight"], points[-1].params["1.weight"])


def test_points_are_scored_on_held_out_tasks():
    net, other = mlp(FEW, hidden=(6,)), episodes(TEST, ways=4, shots=2, queries=3)
    point = next(meta_learn(maml, net, FEW, held_out=other, inner_lr=0.2, shown=(0, 1, 3)))
    scores = adaptation(net, point.params, other, 0.2, 3, episodes=100)
    np.testing.assert_array_equal(point.score, scores[:, 0].mean(1)[:, [0, 1, 3]])


@pytest.mark.parametrize("method", [maml, first_order, anil], ids=lambda m: m.name)
def test_meta_training_teaches_to_adapt(method):
    net = mlp(WAVES, hidden=(20, 20))
    options = dict(steps=400, every=400, lr=3e-3, inner_lr=0.02, shown=(0, 1))
    first, *_, last = meta_learn(method, net, WAVES, **options)
    before, after = last.score[0]
    assert after < 0.9 * before and after < 0.75 * first.score[0, 1]


def test_a_lost_lane_is_told_and_the_last_one_ends_it():
    net = mlp(WAVES, hidden=(4,))
    options = dict(steps=40, every=5, inner_lr=1e12)
    points = []
    with pytest.raises(Diverged, match=r"MAML \(seed=0\) is not finite at step 5. Lower lr .*1e\+12"):
        for point in meta_learn(maml, net, WAVES, **options):
            points.append(point)
    assert np.isnan(points[-1].score).all() and points[-1].lost.keys() == {0}


# ---- adapting to new tasks


@pytest.mark.parametrize("method", [maml, anil, oml], ids=lambda m: m.name)
def test_adaptation_equals_a_loop_over_starts_rates_and_tasks(method, monkeypatch):
    net, rates, steps = mlp(FEW, hidden=(6,)), [0.1, 1.0], 2
    params = stack([initial(net, seed) for seed in range(2)])
    got = adaptation(net, params, FEW, rates, steps, method=method, episodes=5, seed=3)
    assert got.shape == (2, 2, 5, 3) and got.dtype == np.float64
    support, query = FEW.draw(5, seeded(3 + SEEDS))
    options = {k: v for k, v in OPTIONS.get(method.name, {}).items() if k == "single"}
    names = ["3.weight", "3.bias"] if method is not maml else None
    for s, r, t, k in itertools.product(range(2), range(2), range(5), range(3)):
        parts = one(params, s), one(support, t), one(query, t)
        fast, _ = unrolled(net, *parts, rates[r], k, names=names, **options)
        right = functional_call(net, fast, (query["x"][t],)).argmax(-1) == query["y"][t]
        assert got[s, r, t, k] == pytest.approx(right.float().mean().item())
    monkeypatch.setattr(outer, "ROOM", 1)  # one task at a time
    again = adaptation(net, params, FEW, rates, steps, method=method, episodes=5, seed=3)
    np.testing.assert_allclose(again, got)


def test_evaluation_never_meets_the_tasks_of_training():
    """Same seed, other waves. (torch reads 32 bits of a seed: seed + 2³² would be the same again.)"""
    net, seen = mlp(WAVES, hidden=(4,)), []

    class Listening(Sinusoids):
        def draw(self, tasks, generator):
            seen.append(super().draw(tasks, generator))
            return seen[-1]

    [*meta_learn(maml, net, Listening(6, 8), steps=4, every=4, shown=(0,))]
    first, *trained, last = [query["x"].flatten().tolist() for _, query in seen]
    assert first == last and len(first) == 800 and len(trained) == 4
    assert not set(first) & {x for part in trained for x in part}


@pytest.mark.parametrize("tasks", [WAVES, FEW], ids=["sinusoids", "symbols"])
def test_a_rate_that_diverges_is_no_result(tasks):
    net = mlp(tasks, hidden=(6,))
    got = adaptation(net, stack([initial(net, 0)]), tasks, [0.01, 1e30], 3, episodes=4)
    assert np.isfinite(got[0, 0]).all() and np.isfinite(got[0, 1, :, 0]).all()
    assert np.isnan(got[0, 1, :, -1]).all()


# ---- sinusoids


def test_sinusoids_are_waves_of_the_papers_ranges():
    support, query = sinusoids(10, 20).draw(2000, seeded())
    assert support["x"].shape == support["y"].shape == (2000, 10, 1) and query["x"].shape == (2000, 20, 1)
    x, y = (torch.cat([support[k], query[k]], 1).double() for k in "xy")
    assert x.min() >= -5 and x.max() <= 5 and x.min() < -4.99 and x.max() > 4.99
    waves = torch.cat([x.sin(), x.cos()], -1)  # a sin(x − φ) = a cos φ sin x − a sin φ cos x
    weights = torch.linalg.lstsq(waves, y).solution
    torch.testing.assert_close(waves @ weights, y, atol=1e-4, rtol=1e-4)
    a, phase = weights.norm(dim=1).flatten(), torch.atan2(-weights[:, 1], weights[:, 0]).flatten()
    assert 0.09 < a.min() < 0.12 and 4.98 < a.max() < 5.01 and abs(a.mean() - 2.55) < 0.1
    assert -1e-3 < phase.min() < 0.01 and 3.13 < phase.max() < 3.142 and abs(phase.mean() - 1.57) < 0.06
    assert abs(np.corrcoef(a, phase)[0, 1]) < 0.06


# ---- episodes never leak


def keys_of(x):
    """Each image as bytes."""
    return [image.numpy().tobytes() for image in x.flatten(0, -4)]


def origin():
    """{bytes of an image in any quarter turn: classes of the digits that look so}, from the data itself."""
    data, found = digits(), {}
    for x, y in (data.train, data.test):
        for turn in range(4):
            for key, c in zip(keys_of(x.rot90(turn, (2, 3)).contiguous()), y.tolist()):
                found.setdefault(key, set()).add(c)
    return found


def test_no_image_of_one_side_nor_a_turned_copy_is_on_the_other():
    """Exhaustive: every image of both sides, traced back to the digit it was written as."""
    known, sides = origin(), []
    for data, kinds in ((TRAIN, {0, 1, 2, 5, 6, 8, 9}), (TEST, {3, 4, 7})):
        assert len(data.classes) == 4 * len(kinds)
        keys = {key for x, _ in (data.train, data.test) for key in keys_of(x)}
        assert all(known[key] <= kinds for key in keys)
        sides.append(keys)
    assert not sides[0] & sides[1]
    whole = digits()
    assert sum(len(d.train[1]) + len(d.test[1]) for d in (TRAIN, TEST)) == 4 * sum(
        len(y) for _, y in (whole.train, whole.test)
    )


def test_a_symbol_is_one_digit_in_one_turn():
    data, held = digits(), (3, 4, 7)
    for part in ("train", "test"):
        (x, y), (sx, sy) = getattr(data, part), getattr(TEST, part)
        for i, (c, turn) in enumerate(itertools.product(held, range(4))):
            assert TEST.classes[i] == f"{c} turned {90 * turn}°"
            want = np.stack([np.rot90(image[0], turn) for image in x[y == c].numpy()])
            np.testing.assert_array_equal(sx[sy == i][:, 0], want)


@pytest.mark.parametrize("held_out", [(6,), (9, 3, 4), (6, 1)])
def test_six_and_nine_stay_together(held_out):
    with pytest.raises(ValueError, match="6 and 9 must be on one side"):
        symbols(digits(), held_out)


def test_six_and_nine_may_both_be_held_out():
    train, test = symbols(digits(), (6, 9, 2))
    assert len(train.classes) == 28 and len(test.classes) == 12


def drawn(tasks, n=400, seed=0):
    """(symbols of the support, of the query, support, query): each image traced back, (n, images)."""
    support, query = tasks.draw(n, seeded(seed))
    known = {}
    for x, y in (tasks.data.train, tasks.data.test):
        known |= dict(zip(keys_of(x), y.tolist()))
    names = lambda batch: torch.tensor([known[key] for key in keys_of(batch["x"])]).view(batch["y"].shape)
    return names(support), names(query), support, query


def test_every_episode_is_what_it_says():
    ways, shots, queries = 5, 3, 4
    tasks = episodes(TEST, ways, shots, queries)
    s_names, q_names, support, query = drawn(tasks)
    assert support["x"].shape == (400, 15, 1, 8, 8) and query["x"].shape == (400, 20, 1, 8, 8)
    for names, batch, each in ((s_names, support, shots), (q_names, query, queries)):
        for i in range(400):
            pairs = set(zip(names[i].tolist(), batch["y"][i].tolist()))
            assert len(pairs) == ways and len({a for a, _ in pairs}) == len({b for _, b in pairs}) == ways
            assert batch["y"][i].bincount(minlength=ways).tolist() == [each] * ways
    for i in range(400):  # one meaning of the labels in support and query, and no image twice
        assert set(zip(s_names[i].tolist(), support["y"][i].tolist())) == set(
            zip(q_names[i].tolist(), query["y"][i].tolist())
        )
        keys = keys_of(support["x"][i]) + keys_of(query["x"][i])
        assert len(set(keys)) == len(keys)
    assert set(s_names.flatten().tolist()) == set(range(12))


def shuffled(tasks, n=3000):
    """Whether every symbol, and every place in time, gets each label equally often (within 5 σ)."""
    support, _ = tasks.draw(n, seeded())
    names, *_ = drawn(tasks, n)
    count = lambda labels: labels.bincount(minlength=tasks.ways)
    by_symbol = [count(support["y"][names == c]) for c in names.unique()]
    by_place = [count(labels) for labels in support["y"].T]
    table, p = torch.stack(by_symbol + by_place), 1 / tasks.ways  # one shot: every label is a draw of its own
    total = table.sum(1, keepdim=True)
    return ((table / total - p).abs() < 5 * (p * (1 - p) / total).sqrt()).all().item()


def test_labels_are_shuffled_anew_in_every_episode(monkeypatch):
    tasks = episodes(TEST, ways=4, shots=1, queries=1)
    assert shuffled(tasks)

    class ByName(Episodes):
        """Labels in the order of the symbols' names: a net could learn them by heart."""

        def draw(self, n, generator):
            support, query = super().draw(n, generator)
            names = dict(zip(keys_of(self.x), torch.cat([self.data.train[1], self.data.test[1]]).tolist()))
            for batch in (support, query):
                own = torch.tensor([names[k] for k in keys_of(batch["x"])]).view(batch["y"].shape)
                batch["y"] = (own[:, :, None] > own[:, None, :]).sum(2)
            return support, query

    class ByTime(Episodes):
        """The first class is always 0: a head could learn what comes last."""

        def draw(self, n, generator):
            support, query = super().draw(n, generator)
            return tuple({**batch, "y": batch["y"].sort(1).values} for batch in (support, query))

    for wrong in (ByName, ByTime):
        assert not shuffled(wrong(TEST, 4, 1, 1)), wrong.__doc__


def test_the_support_set_brings_class_after_class():
    support, _ = episodes(TEST, ways=5, shots=3, queries=1).draw(50, seeded())
    runs = support["y"].view(50, 5, 3)
    assert (runs == runs[:, :, :1]).all() and (runs[:, :, 0].sort(1).values == torch.arange(5)).all()


def test_classes_of_any_size_are_drawn_without_padding():
    x = torch.arange(9.0).view(9, 1, 1, 1) / 10
    y = torch.tensor([0, 1, 1, 1, 1, 1, 1, 0, 0])
    data = Dataset("small", (x[:8], y[:8]), (x[8:], y[8:]), ("a", "b"))
    support, query = episodes(data, ways=2, shots=2, queries=1).draw(300, seeded())
    for batch in (support, query):
        value, y = batch["x"].flatten(1).mul(10).round(), batch["y"]
        zero = (value == 0) | (value >= 7)  # the three images of class a
        assert (zero.sum(1) == y.shape[1] / 2).all()
        assert (y[zero].view(300, -1).min(1).values == y[zero].view(300, -1).max(1).values).all()


# ---- bad input


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: episodes(TEST, ways=13), "13 ways, but digits in quarter turns has 12 classes"),
        (lambda: episodes(TEST, shots=170, queries=15), r"170 shots \+ 15 queries = 185 .*has 179"),
        (lambda: episodes(TEST, shots=0), "shots must be a whole number >= 1, got 0"),
        (lambda: sinusoids(queries=0), "queries must be a whole number >= 1, got 0"),
        (lambda: symbols(digits(), (3, 11)), r"classes 0..9, got \[3, 11\]"),
        (lambda: symbols(digits(), range(10)), "some, not all"),
        (lambda: symbols(digits(), ()), "at least one value, got"),
    ],
)
def test_tasks_refuse(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"meta_batch": 0}, "meta_batch must be a whole number >= 1, got 0"),
        ({"inner_lr": 0}, "inner_lr must be a finite number > 0, got 0"),
        ({"inner_lr": -0.1}, "inner_lr must be a finite number > 0, got -0.1"),
        ({"lr": 0}, "lr must be a finite number > 0, got 0"),
        ({"every": 0}, "every must be a whole number >= 1, got 0"),
        ({"inner_steps": -1}, "inner_steps must be a whole number >= 0, got -1"),
        ({"steps": 0}, "steps must be a whole number >= 1, got 0"),
        ({"optimizer": "adm"}, "one of 'adam', 'sgd', got 'adm'"),
        ({"held_out": FEW}, r"inputs \(1, 8, 8\) and 4 outputs"),
    ],
)
def test_meta_learn_refuses(options, words):
    with pytest.raises(ValueError, match=words):
        next(meta_learn(maml, mlp(WAVES, hidden=(4,)), WAVES, **options))


def test_meta_learn_refuses_what_is_no_method_or_no_tasks():
    net = mlp(WAVES, hidden=(4,))
    with pytest.raises(TypeError, match="a Meta such as maml, got str"):
        next(meta_learn("maml", net, WAVES))
    with pytest.raises(TypeError, match=r"sinusoids\(\) or episodes\(…\), got Dataset"):
        next(meta_learn(maml, net, digits()))
    with pytest.raises(TypeError, match="'step'"):
        next(meta_learn(maml, net, WAVES, step=3))


@pytest.mark.parametrize(
    "lr, words",
    [
        (0, "lr must be a finite number > 0, got 0"),
        (-1.0, "lr must be a finite number > 0, got -1.0"),
        (torch.tensor([0.1, 0.2]), r"each of 3 lanes, got \(2,\)"),
        (torch.tensor([0.1, 0.0, 0.2]), "each of 3 lanes, got .* in 0..0.2"),
    ],
)
def test_inner_loop_refuses(lr, words):
    _, loss, theta, support, _ = setting(WAVES)
    with pytest.raises(ValueError, match=words):
        inner_loop(loss, theta, [support], lr)


def test_adaptation_refuses_a_rate_of_zero():
    net = mlp(WAVES, hidden=(4,))
    with pytest.raises(ValueError, match="lr must be a finite number > 0, got 0"):
        adaptation(net, stack([initial(net, 0)]), WAVES, [0.1, 0])


def test_cnn_can_be_meta_trained():
    *_, last = meta_learn(maml, cnn(FEW, channels=(3,)), FEW, steps=1, meta_batch=2, shown=(0,))
    assert last.step == 1


# ---- what three things must fit each other


@pytest.mark.parametrize("steps", [0, 1])
def test_reptile_wants_more_than_one_inner_step(steps):
    with pytest.raises(ValueError, match=f"Reptile needs inner_steps >= 2: .* got {steps}"):
        next(meta_learn(reptile, mlp(WAVES, (4,)), WAVES, inner_steps=steps))


def test_methods_of_the_head_want_the_output_layer_last():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.body = nn.Linear(4, 1), nn.Linear(1, 4)

        def forward(self, x):
            return self.head(self.body(x).relu())

    with pytest.raises(TypeError, match="layer 'body', the last one, must give the net's 1 outputs"):
        next(meta_learn(anil, Backwards(), WAVES))
    next(meta_learn(maml, Backwards(), WAVES))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (dict(method="maml"), TypeError, "method must be a Meta"),
        (dict(tasks=digits()), TypeError, "tasks must be sinusoids"),
        (dict(params={"1.weight": torch.zeros(4, 1)}), ValueError, "weights must hold a lane axis"),
    ],
)
def test_adaptation_says_what_does_not_fit(change, error, says):
    net = mlp(WAVES, (4,))
    given = dict(params=stack([initial(net, 0)]), tasks=WAVES, method=maml) | change
    with pytest.raises(error, match=says):
        adaptation(net, given["params"], given["tasks"], 0.1, method=given["method"])
