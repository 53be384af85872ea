"""Learning without forgetting against closed forms, finite differences, and plain finetuning."""

import math

import pytest
import torch
from small import DIGITS, FAST, NET, STREAM, TOLD, by_loops, same, spied
from torch.func import functional_call

from edgecl_lite import Finetune, LwF, initial, learn, mlp, named, nbytes, rotated, split, stack, sweep, train
from edgecl_lite.lanes import copied, some
from edgecl_lite.methods.lwf import distance

STREAMS = {
    "class": STREAM,
    "all": split(DIGITS, active="all"),
    "task": TOLD,
    "domain": rotated(DIGITS, (0, 40, 80)),
}


def test_the_distance_of_two_outputs_in_closed_form():
    """KL of coins: p log p/q + (1 − p) log (1 − p)/(1 − q), with p = σ(a/T); the mean over samples."""
    a, b, T = torch.randn(3, 7), torch.randn(3, 7), torch.tensor([0.5, 1.0, 2.0])
    p, q = ((z.double() / T[:, None].double()).sigmoid() for z in (a, b))
    want = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean(1)
    both = (torch.stack([z, torch.zeros_like(z)], -1) for z in (a, b))
    torch.testing.assert_close(distance(*both, T).double(), want, rtol=1e-4, atol=1e-7)


def test_at_a_high_temperature_it_is_a_squared_distance():
    """T² KL → 1/(2 K) Σ (z − z°)² for K outputs whose mean is 0 (Hinton et al. 2015, eq. 4)."""
    a, b = (z - z.mean(-1, keepdim=True) for z in torch.randn(2, 1, 9, 5, dtype=torch.double))
    T = torch.tensor([1e3], dtype=torch.double)
    torch.testing.assert_close(
        T**2 * distance(a, b, T), ((a - b) ** 2).sum(-1).mean(1) / 10, rtol=1e-2, atol=0
    )


def test_lanes_may_know_unlike_classes():
    """A lane that knows classes 0 and 1 beside one that knows 1, 2, 3: each as it would be alone."""
    method, params = LwF(NET), stack([initial(NET, seed) for seed in (0, 1)])
    state = method.start(params, STREAM, {"lam": torch.ones(2), "temperature": torch.full((2,), 2.0)})
    before = stack([initial(NET, seed) for seed in (2, 3)])
    known = torch.zeros(2, 10, dtype=torch.bool)
    known[0, :2], known[1, 1:4] = True, True
    state |= {**named("before", before), "known": known}
    x, answers = torch.rand(2, 6, 1, 8, 8), torch.ones(2, 3, 10, dtype=torch.bool)
    batch = {"x": x, "y": torch.randint(10, (2, 6)), "active": answers[:, :1].expand(2, 6, 10)}
    batch |= {"answers": answers, "task": 2}
    together = method.loss(params, state, batch)
    for i in range(2):
        here = slice(i, i + 1)
        alone = method.loss(some(params, here), some(state, here), some(batch, here))
        torch.testing.assert_close(together[here], alone)
        p, q = (functional_call(NET, {k: v[i] for k, v in w.items()}, (x[i],)) for w in (before, params))
        p, q = ((z[:, known[i]] / 2).softmax(-1) for z in (p, q))
        plain = by_loops(NET, params, i, batch)
        want = plain + 4 * (p * (p / q).log()).sum(-1).mean()
        assert together[i].item() == pytest.approx(want.item(), rel=1e-4)


@pytest.mark.parametrize("name", STREAMS)
def test_the_loss_written_out(name):
    """Sample by sample: own outputs of each earlier task where it is told, else all learned before."""
    stream, seen, grid = STREAMS[name], [], {"lam": [0.5, 2.0], "temperature": [1.0, 3.0]}
    net = mlp(stream, hidden=(6,))
    sweep(spied(LwF, seen)(net), stream, seeds=1, steps=2, batch_size=5, every=9, progress=False, **grid)
    for params, state, batch in seen[::3]:
        got, k = LwF(net).loss(params, state, batch), batch["task"]
        before = [stream.tasks[t].classes for t in range(k)]
        groups = before if name == "task" else [sorted({c for some in before for c in some})] if k else []
        for i in range(4):
            then = {n.removeprefix("before."): p[i] for n, p in state.items() if n.startswith("before.")}
            z, old = (
                functional_call(net, p, (batch["x"][i],))
                for p in ({n: p[i] for n, p in params.items()}, then)
            )
            T, want = state["temperature"][i], by_loops(net, params, i, batch)
            for own in groups:
                p, q = ((v[:, list(own)].double() / T).softmax(-1) for v in (old, z))
                want = want + state["lam"][i] * T**2 * (p * (p / q).log()).sum(-1).mean()
            assert abs(got[i].item() - want.item()) < 1e-4 * max(1, want.item())


def test_its_slope_is_that_of_finite_differences():
    seen, net = [], mlp(STREAM, hidden=(4,))
    train(spied(LwF, seen)(net, lam=3), STREAM, steps=2, batch_size=6, every=9, progress=False)
    params, state, batch = seen[-1]
    double = lambda tree: {
        k: v.double() if torch.is_tensor(v) and v.is_floating_point() else v for k, v in tree.items()
    }
    params, state, batch = double(params), double(state), double(batch)
    loss = lambda p: LwF(net).loss(p, state, batch).sum()
    moving = {k: p.clone().requires_grad_() for k, p in params.items()}
    slopes = torch.autograd.grad(loss(moving), list(moving.values()))
    for (name, p), slope in zip(params.items(), slopes):
        step = torch.zeros_like(p).flatten()
        step[len(step) // 2] = 1e-6
        ahead, behind = (loss({**params, name: p + s * step.view_as(p)}).item() for s in (1, -1))
        assert slope.flatten()[len(step) // 2].item() == pytest.approx(
            (ahead - behind) / 2e-6, rel=1e-4, abs=1e-8
        )


def test_where_nothing_moved_only_the_new_samples_pull():
    seen = []
    train(spied(LwF, seen)(NET), STREAM, steps=2, batch_size=8, every=9, progress=False)
    for params, state, batch in seen[2::2]:  # the first step of each later task
        params = {k: p.requires_grad_() for k, p in params.items()}
        ours, plain = (method(NET).loss(params, state, batch) for method in (LwF, Finetune))
        torch.testing.assert_close(ours, plain)
        slopes = (torch.autograd.grad(loss.sum(), list(params.values())) for loss in (ours, plain))
        for a, b in zip(*slopes):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_with_lam_zero_it_is_finetuning():
    run, plain = (train(method, STREAM, seeds=2, **FAST) for method in (LwF(NET, lam=0), Finetune(NET)))
    for k, p in plain.params.items():
        torch.testing.assert_close(run.params[k], p)


def test_what_it_keeps_is_the_network_of_before():
    ends = [p for p in learn(LwF(NET), STREAM, seeds=2, epochs=1, every=10**6) if p.ended]
    for earlier, later in zip(ends, ends[1:]):
        kept = LwF(NET).keeps(later.state, 1)
        assert same({f"before.{k}": v[1] for k, v in copied(earlier.params).items()}, kept)
        assert nbytes(kept) == 4 * sum(p.numel() for p in NET.parameters())


@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_a_temperature_is_above_zero(value):
    with pytest.raises(ValueError, match="temperature must be a finite number > 0, got"):
        LwF(NET, temperature=value)
