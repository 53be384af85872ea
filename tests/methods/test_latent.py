"""Latent replay: the front stands still, and its latents come back."""

import math

import numpy as np
import pytest
import torch
from small import FAST, NET, STREAM, adamw, by_loops, numbered, same, sgd, spied

from edgecl_lite import Finetune, LatentReplay, Run, learn, mlp, nbytes, train
from edgecl_lite.lanes import lane
from edgecl_lite.models import apply


@pytest.mark.parametrize("optimizer", ["adam", "sgd", sgd, adamw])
@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("capacity", [0, 60])
def test_the_front_stands_still_after_the_first_task(optimizer, fresh, capacity):
    method = LatentReplay(NET, capacity=capacity)
    points = list(learn(method, STREAM, seeds=2, steps=6, every=2, optimizer=optimizer, fresh=fresh))
    first = next(p for p in points if p.ended)
    for k in ("1.weight", "1.bias"):
        assert not torch.equal(first.params[k], points[0].params[k])
        assert all(torch.equal(p.params[k], first.params[k]) for p in points if p.task)
    assert not torch.equal(points[-1].params["3.weight"], first.params["3.weight"])


@pytest.mark.parametrize("optimizer", ["adam", "sgd", sgd, adamw])
@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("capacity", [0, 60])
def test_a_frozen_front_never_moves(optimizer, fresh, capacity):
    begun = lane(train(Finetune(NET), STREAM, seeds=[7], steps=3, progress=False).params, 0)
    method = LatentReplay(NET, capacity=capacity, frozen=True, weights=begun)
    points = list(learn(method, STREAM, seeds=2, steps=6, every=2, optimizer=optimizer, fresh=fresh))
    for k in ("1.weight", "1.bias"):
        assert all(torch.equal(p.params[k], begun[k].expand_as(p.params[k])) for p in points)
    for before, after in zip(points, points[1:]):
        assert not torch.equal(before.params["3.weight"], after.params["3.weight"])


def test_behind_a_frozen_front_the_head_learns_as_ever():
    """In the first task its gradient is finetuning's, the front has none; the scale is of its latents."""
    seen = []
    run = train(spied(LatentReplay, seen)(NET, frozen=True), STREAM, seeds=2, steps=3, progress=False)
    params, state, batch = seen[0]
    theta = {k: p.clone().requires_grad_() for k, p in params.items()}
    ours = LatentReplay(NET, frozen=True).loss(theta, state, batch)
    plain = Finetune(NET).loss(theta, {}, batch)
    torch.testing.assert_close(ours, plain, rtol=1e-6, atol=1e-6)
    want = dict(zip(theta, torch.autograd.grad(plain.sum(), [*theta.values()])))
    ours.sum().backward()
    for k, p in theta.items():
        assert (p.grad is None) == k.startswith("1.")
        assert p.grad is None or torch.allclose(p.grad, want[k], atol=1e-6)
    x = STREAM.tasks[0].train[0].expand(2, -1, -1, -1, -1)
    z = apply(NET[:3], params, x)
    torch.testing.assert_close(run.state["low"], z.amin(1))
    torch.testing.assert_close(run.state["step"], (z.amax(1) - z.amin(1)) / 255)


def test_a_front_that_is_not_frozen_learns_in_the_first_task():
    """There it is finetuning, bit for bit, and comes to something else than a frozen one."""
    options = dict(seeds=2, steps=5, every=5)
    methods = (
        Finetune(NET),
        LatentReplay(NET),
        LatentReplay(NET, frozen=False),
        LatentReplay(NET, frozen=True),
    )
    runs = ([p for p in learn(method, STREAM, **options) if p.ended] for method in methods)
    plain, default, ours, still = runs
    assert all(same(a.params, b.params) and same(a.state, b.state) for a, b in zip(ours, default))
    assert np.array_equal(plain[0].predicted, ours[0].predicted) and same(plain[0].params, ours[0].params)
    assert torch.equal(ours[0].params["1.weight"], ours[-1].params["1.weight"])
    assert not torch.equal(ours[0].params["1.weight"], still[0].params["1.weight"])


def test_a_frozen_front_is_told_in_the_run_and_comes_back_from_its_file(tmp_path):
    method = LatentReplay(NET, capacity=50, frozen=True)
    run = train(method, STREAM, **FAST)
    again = Run.load(run.save(tmp_path / "run"))
    assert run.settings["frozen"] is True is again.settings["frozen"] and same(run.state, again.state)
    x = STREAM.tasks[0].test[0]
    ours, theirs = (method.predict(r.params, r.state, x) for r in (run, again))
    assert torch.equal(ours, theirs) and nbytes(method.keeps(run.state)) == 50 * 21 + 8 * 20


@pytest.mark.parametrize("bits", [2, 4, 5, 8])
def test_latents_are_off_by_at_most_half_a_step(bits):
    method = LatentReplay(NET, bits=bits)
    run = train(method, STREAM, seeds=2, steps=10, progress=False)
    x = STREAM.tasks[0].train[0].expand(2, -1, -1, -1, -1)
    z = apply(NET[:3], run.params, x)  # the front has not moved since
    codec = method.memory.codec
    step, codes = run.state["step"][:, None], codec.encode(run.params, run.state, x)
    assert codes.shape[-1] == math.ceil(20 * bits / 8)
    assert ((codec.decode(run.state, codes) - z).abs() <= 0.501 * step + 1e-6).all()
    torch.testing.assert_close(run.state["low"], z.amin(1))
    torch.testing.assert_close(run.state["step"], (z.amax(1) - z.amin(1)) / (2**bits - 1))
    wild = codec.decode(run.state, codec.encode(run.params, run.state, 5 - 10 * x))
    assert (wild >= z.amin(1)[:, None] - 1e-5).all() and (wild <= z.amax(1)[:, None] + 1e-5).all()


def test_latents_are_those_of_the_kept_samples_and_reach_the_head():
    seen, stream = [], numbered({0: 30, 1: 30}, {2: 30, 3: 30})
    net = mlp(stream, hidden=(6,))
    method = spied(LatentReplay, seen)(net, capacity=20)
    run = train(method, stream, seeds=2, epochs=1, batch_size=8, progress=False)
    assert run.state["filled"].sum(1).tolist() == [20, 20]
    everything = torch.cat([task.train[0] for task in stream]).expand(2, -1, -1, -1, -1)
    labels = torch.cat([task.train[1] for task in stream])
    codes = method.memory.codec.encode(run.params, run.state, everything)
    for i in range(2):
        for row in range(20):
            fits = (codes[i] == run.state["memory.x"][i, row]).all(-1)
            assert (labels[fits] == run.state["memory.y"][i, row]).any()
    params, state, batch = seen[-1]
    got = LatentReplay(net).loss(params, state, batch)
    old = {**batch["old"], "x": batch["old"]["z"]}
    assert old["z"].shape == (2, batch["y"].shape[1], 6)
    for i in range(2):
        want = (by_loops(net, params, i, batch) + by_loops(net[3:], params, i, old)) / 2
        assert abs(got[i].item() - want.item()) < 1e-4
