"""The Fisher against oracles: closed forms, per-sample autograd, finite differences."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from edgecl_lite import cnn, digits, fisher, mlp, rotated
from edgecl_lite.lanes import stack
from edgecl_lite.machine import pieces
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
