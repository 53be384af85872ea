"""EWC against oracles: the penalty written out, finite differences, one penalty per task."""

import torch

from edgecl_lite import EWC, Finetune, OnlineEWC, digits, fisher, mlp, nbytes, rotated, split, sweep, train
from edgecl_lite.lanes import lane, stack
from edgecl_lite.methods.ewc import Quadratic
from edgecl_lite.models import initial

STREAM = rotated(digits(), degrees=(0, 90))
X, Y = (part[:40] for part in STREAM.tasks[0].train)


def start(net, seeds=(0, 1)):
    """Params with a lane for each seed, scaled up so that probabilities are not all alike."""
    return {k: 2 * p for k, p in stack([initial(net, seed) for seed in seeds]).items()}


def with_lanes(params, *parts):
    n = len(next(iter(params.values())))
    return [part.expand(n, *part.shape) for part in parts]


# ---- the penalty


def filled(method, params, g):
    state = method.start(params, STREAM, {"lam": torch.tensor([3.0, 0.5])})
    for k, p in params.items():
        state[f"fisher.{k}"] = torch.rand(p.shape, generator=g)
        state[f"anchor.{k}"] = p + torch.randn(p.shape, generator=g)
    return state


def test_penalty_is_zero_at_the_anchor_and_pulls_with_lam_F_distance():
    net = mlp(STREAM)
    params, g = start(net), torch.Generator().manual_seed(0)
    method, plain = EWC(net), Finetune(net)
    state = filled(method, params, g)
    x, y, active = with_lanes(params, X, Y, torch.ones(40, 10, dtype=torch.bool))
    batch = {"x": x, "y": y, "active": active}
    anchor = {k: state[f"anchor.{k}"] for k in params}
    assert torch.equal(method.loss(anchor, state, batch), plain.loss(anchor, {}, batch))

    theta = {k: p.clone().requires_grad_() for k, p in params.items()}
    penalty = method.loss(theta, state, batch) - plain.loss(theta, {}, batch)
    by_hand = sum((state[f"fisher.{k}"] * (p - anchor[k]) ** 2).flatten(1).sum(1) for k, p in params.items())
    torch.testing.assert_close(penalty, state["lam"] / 2 * by_hand, rtol=1e-4, atol=1e-3)
    grads = torch.autograd.grad(penalty.sum(), list(theta.values()))
    for (k, p), got in zip(params.items(), grads):
        lam = state["lam"].view(-1, *[1] * (p.dim() - 1))
        torch.testing.assert_close(got, lam * state[f"fisher.{k}"] * (p - anchor[k]), rtol=1e-3, atol=1e-4)


def test_quadratic_gradient_by_finite_differences():
    g = torch.Generator().manual_seed(0)
    F, theta, anchor = (torch.rand(2, 3, 4, generator=g, dtype=torch.double) for _ in range(3))
    bias = [part[..., 0] for part in (F, theta, anchor)]
    both = lambda *t: Quadratic.apply([F, bias[0]], [anchor, bias[2]], *t)
    assert torch.autograd.gradcheck(both, (theta.requires_grad_(), bias[1].clone().requires_grad_()))


def test_two_accumulators_equal_one_penalty_per_task():
    """Σ_k F_k (θ − θ*_k)² and the merged quadratic differ by a constant: same gradient everywhere."""
    net, seen = mlp(STREAM, hidden=(6,)), []
    stream = rotated(digits(), degrees=(0, 45, 90))

    class Listening(EWC):
        def end_task(self, params, state, task):
            after = super().end_task(params, state, task)
            new = {k: after[f"fisher.{k}"] - state[f"fisher.{k}"] for k in params}
            seen.append((new, {k: p.clone() for k, p in params.items()}))
            return after

    run = train(Listening(net, lam=10.0), stream, seeds=2, epochs=2)
    assert len(seen) == 3
    g = torch.Generator().manual_seed(1)
    for k, last in run.params.items():
        theta = last + torch.randn(last.shape, generator=g)
        separate = sum(F[k] * (theta - anchor[k]) for F, anchor in seen)
        merged = run.state[f"fisher.{k}"] * (theta - run.state[f"anchor.{k}"])
        torch.testing.assert_close(merged, separate, rtol=1e-3, atol=1e-5)
        assert separate.abs().max() > 0


def test_online_ewc_decays_and_follows():
    """F ← γ F + F_k and θ* ← θ, with F_k computed here from the weights after each task."""
    net, after = mlp(STREAM, hidden=(6,)), []

    class Listening(OnlineEWC):
        def end_task(self, params, state, task):
            x = task["x"]
            after.append((fisher(net, params, x), {k: p.clone() for k, p in params.items()}))
            return super().end_task(params, state, task)

    run = train(Listening(net, gamma=0.5, samples=None), STREAM, epochs=2)
    (first, _), (second, last) = after
    for k in run.params:
        torch.testing.assert_close(run.state[f"fisher.{k}"], 0.5 * first[k] + second[k], rtol=1e-4, atol=1e-8)
        assert torch.equal(run.state[f"anchor.{k}"], last[k])
    assert "gamma" in run.state


def test_lam_zero_equals_finetuning_bit_for_bit():
    net = mlp(STREAM)
    ours, plain = (
        train(EWC(net, lam=0), STREAM, seeds=2, epochs=2),
        train(Finetune(net), STREAM, seeds=2, epochs=2),
    )
    assert all(torch.equal(ours.params[k], plain.params[k]) for k in plain.params)
    assert (ours.curve == plain.curve).all() and (ours.predicted == plain.predicted).all()


def test_the_penalty_is_really_there():
    """A whole release of another library had a penalty that was identically zero."""
    net, after = mlp(STREAM), []

    class Listening(EWC):
        def end_task(self, params, state, task):
            after.append({k: p.clone() for k, p in params.items()})
            return super().end_task(params, state, task)

    sweep(Listening(net), STREAM, lam=[0, 1e4], epochs=2)
    first, last = after
    free, held = (sum((last[k][i] - first[k][i]).abs().sum() for k in first) for i in range(2))
    for k in first:
        torch.testing.assert_close(first[k][0], first[k][1])  # no spring in the first task
    assert held < 0.5 * free


def test_labels_and_samples_reach_the_fisher():
    """The state after one task holds `fisher` with these labels, of a random part of the samples."""
    net, stream = mlp(STREAM, hidden=(6,)), rotated(digits(), degrees=(0,))
    x, y = (part[None] for part in stream.tasks[0].train)
    for labels in ("exact", "empirical"):
        run = train(EWC(net, labels=labels, samples=None), stream, epochs=1)
        want = fisher(net, run.params, x, y, labels=labels)
        for k in run.params:
            torch.testing.assert_close(run.state[f"fisher.{k}"], want[k], rtol=1e-3, atol=1e-7)
    order = y[0].argsort()
    (task,) = stream.tasks
    task = type(task)("0°", (x[0, order], y[0, order]), task.test, task.classes)
    by_class = type(stream)([task], "domain", 10)
    run = train(EWC(net, labels="empirical", samples=60), by_class, epochs=1)
    bias = run.state["fisher.3.bias"][0]
    first = order[:60]
    only_zeros = fisher(net, run.params, x[:, first], y[:, first], labels="empirical")["3.bias"][0]
    assert (bias[1:] > 3 * only_zeros[1:]).any(), "the first 60 samples are all zeros"


def test_fisher_covers_only_active_outputs():
    stream = split(digits())
    net = mlp(stream)
    run = train(EWC(net), rotated_first(stream), epochs=1)
    F = run.state["fisher.3.weight"][0]  # (10, 100)
    assert (F[:2] > 0).any() and (F[2:] == 0).all()


def rotated_first(stream):
    """The stream's first task alone, with all its outputs."""
    return type(stream)(stream.tasks[:1], "class", 10)


def test_what_ewc_keeps():
    net = mlp(STREAM)
    run = train(EWC(net), STREAM, seeds=2, epochs=1)
    weights = nbytes(lane(run.params, 0))
    assert nbytes(EWC(net).keeps(run.state)) == 2 * weights == 2 * 4 * (64 * 100 + 100 + 100 * 10 + 10)
