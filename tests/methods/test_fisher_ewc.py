"""EWC against oracles: closed forms, per-sample autograd, finite differences, one penalty per task."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from edgecl_lite import (
    EWC,
    Finetune,
    OnlineEWC,
    cnn,
    digits,
    fisher,
    mlp,
    nbytes,
    rotated,
    split,
    sweep,
    train,
)
from edgecl_lite.lanes import lane, stack
from edgecl_lite.machine import pieces
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


def by_autograd(net, params, x, answers, active=None):
    """Oracle: Σ_c weight_c (∂ log p_c)² by one backward pass per sample and answer. answers(p) -> weights
    (outputs,).
    """
    total = {k: torch.zeros_like(p) for k, p in params.items()}
    for sample in x:
        theta = {k: p.clone().requires_grad_() for k, p in params.items()}
        logits = functional_call(net, theta, (sample[None],))[0]
        if active is not None:
            logits = logits.masked_fill(~active, -torch.inf)
        logp = logits.log_softmax(-1)
        for c, weight in enumerate(answers(logp.detach().exp())):
            if weight > 0:
                grads = torch.autograd.grad(logp[c], list(theta.values()), retain_graph=True)
                for k, g in zip(theta, grads):
                    total[k] += weight * g**2 / len(x)
    return total


def assert_same(got, want, rtol=2e-4):
    assert got.keys() == want.keys()
    for k in want:
        torch.testing.assert_close(got[k], want[k], rtol=rtol, atol=1e-7, msg=lambda m, k=k: f"{k}: {m}")


def test_exact_fisher_of_softmax_regression_has_the_textbook_form():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    params = start(net)
    (x,) = with_lanes(params, X)
    F = fisher(net, params, x)
    p = torch.stack(
        [functional_call(net, lane_, (X,)).softmax(-1) for lane_ in unstack(params)]
    )  # (lanes, n, 10)
    h = x.flatten(2)
    assert_same(F, {"1.weight": (p * (1 - p)).mT @ h**2 / 40, "1.bias": (p * (1 - p)).mean(1)})


def unstack(params):
    return [{k: p[i] for k, p in params.items()} for i in range(len(next(iter(params.values()))))]


@pytest.mark.parametrize("make", [mlp, lambda s: mlp(s, hidden=(20, 20)), lambda s: cnn(s, channels=(4, 6))])
@pytest.mark.parametrize("masked", [False, True])
def test_exact_fisher_equals_per_sample_autograd(make, masked):
    net = make(STREAM)
    params, x = start(net), X[:8]
    active = torch.arange(10) < 4 if masked else None
    (lanes_x,) = with_lanes(params, x)
    F = fisher(net, params, lanes_x, active=active)
    for i, own in enumerate(unstack(params)):
        want = by_autograd(net, own, x, lambda p: p, active)
        assert_same({k: v[i] for k, v in F.items()}, want)


def test_a_module_with_its_own_forward_and_group_norm_works_too():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.out = nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Linear(4 * 36, 10)

        def forward(self, x):
            return self.out(self.norm(self.conv(x)).tanh().flatten(1))

    net = Net()
    params, x = start(net), X[:5]
    F = fisher(net, params, *with_lanes(params, x))
    for i, own in enumerate(unstack(params)):
        assert_same({k: v[i] for k, v in F.items()}, by_autograd(net, own, x, lambda p: p))


def test_empirical_fisher_uses_the_true_label():
    net = mlp(STREAM)
    params = start(net, seeds=(0,))
    F = fisher(net, params, X[None, :6], Y[None, :6], labels="empirical")
    want = {k: torch.zeros_like(p[0]) for k, p in params.items()}
    for x, y in zip(X[:6], Y[:6]):
        part = by_autograd(net, unstack(params)[0], x[None], lambda p, y=y: nn.functional.one_hot(y, 10))
        want = {k: want[k] + part[k] / 6 for k in want}
    assert_same({k: v[0] for k, v in F.items()}, want)


@pytest.mark.parametrize("batch", [10, 16])  # 16 leaves a ragged batch of 8
def test_batched_fisher_squares_the_gradient_of_the_batch_mean(batch):
    net = mlp(STREAM)
    params, starts = start(net, seeds=(0,)), range(0, 40, batch)
    F = fisher(net, params, X[None], Y[None], labels="batched", batch=batch)
    want = {k: torch.zeros_like(p[0]) for k, p in params.items()}
    for i in starts:
        theta = {k: p.clone().requires_grad_() for k, p in unstack(params)[0].items()}
        part = slice(i, i + batch)
        loss = nn.functional.cross_entropy(functional_call(net, theta, (X[part],)), Y[part])
        for k, g in zip(theta, torch.autograd.grad(loss, list(theta.values()))):
            want[k] += g**2 / len(starts)
    assert_same({k: v[0] for k, v in F.items()}, want)


def test_sampled_fisher_averages_to_the_exact_one():
    net = mlp(STREAM, hidden=(8,))
    params, g = start(net, seeds=(0,)), torch.Generator().manual_seed(3)
    x = X[None, :4].repeat(1, 5000, 1, 1, 1)
    sampled = fisher(net, params, x, labels="sample", rng=lambda n: torch.rand(1, n, generator=g))
    exact = fisher(net, params, X[None, :4])
    for k in exact:
        scale = exact[k].max()
        assert (sampled[k] - exact[k]).abs().max() < 0.06 * scale, k


def test_fisher_is_the_hessian_of_the_divergence_by_finite_differences():
    """F_ii = ∂²/∂ε² KL(p(θ) ‖ p(θ + ε e_i)) at 0: the definition that needs no gradient at all."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Tanh(), nn.Linear(3, 10)).double()
    params = {k: v.double() for k, v in start(net, seeds=(0,)).items()}
    x, eps = X[:6].double(), 1e-4
    own = unstack(params)[0]
    F = fisher(net, params, x[None])
    logp = functional_call(net, own, (x,)).log_softmax(-1)
    for k in ("1.weight", "3.weight", "3.bias"):
        for place in torch.randperm(own[k].numel(), generator=torch.Generator().manual_seed(0))[:5]:
            values = []
            for sign in (1, -1):
                moved = {**own, k: own[k].clone()}
                moved[k].view(-1)[place] += sign * eps
                q = functional_call(net, moved, (x,)).log_softmax(-1)
                values.append((logp.exp() * (logp - q)).sum(-1).mean())
            torch.testing.assert_close(F[k][0].view(-1)[place], sum(values) / eps**2, rtol=1e-3, atol=1e-6)


def test_chunks_change_nothing():
    net = cnn(STREAM, channels=(4,))
    params = start(net, seeds=(0, 1, 2))
    (x,) = with_lanes(params, X)
    whole = fisher(net, params, x)
    before = pieces.ROOM.set(1e5)
    try:
        assert_same(fisher(net, params, x), whole, rtol=1e-5)
    finally:
        pieces.ROOM.reset(before)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"labels": "true"}, "'exact', 'sample', 'empirical', 'batched', got 'true'"),
        ({"labels": "empirical"}, r"needs y of shape \(1, 40\), got None"),
        ({"labels": "sample"}, "needs rng, got None"),
        ({"labels": "empirical", "y": Y[None, :3]}, r"needs y of shape \(1, 40\), got shape \(1, 3\)"),
        ({"labels": "batched", "y": Y[None], "batch": 0}, "batch must be a whole number >= 1, got 0"),
    ],
)
def test_fisher_refuses(options, words):
    net = mlp(STREAM)
    with pytest.raises(ValueError, match=words):
        fisher(net, start(net, seeds=(0,)), X[None], **options)


def test_fisher_refuses_no_samples():
    net = mlp(STREAM)
    with pytest.raises(ValueError, match="at least one sample"):
        fisher(net, start(net, seeds=(0,)), X[None, :0])


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
    assert torch.autograd.gradcheck(lambda t: Quadratic.apply([F], [anchor], t), theta.requires_grad_())


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
