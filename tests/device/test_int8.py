"""Weights of one byte against closed forms: the grid, roundings, the scaled gradient, lanes, a journal."""

from functools import partial

import pytest
import torch
from small import NET, STREAM

from edgecl_lite import EWC, Finetune, Int8SGD, LwF, budget, cnn, learn, nbytes, train
from edgecl_lite.device.int8 import LEVELS, on_grid, scale
from edgecl_lite.lanes import part

BOTH = "nearest", "stochastic"
NEAREST = partial(Int8SGD, rounding="nearest")


def weights(*values):
    """A tensor of one lane that an optimiser may move."""
    return torch.tensor([values], dtype=torch.float32).requires_grad_()


def stepped(w, gradient, steps=1, **options):
    """The weights after so many steps with the same gradient."""
    w = w.clone().detach().requires_grad_()
    opt = Int8SGD([w], **options)
    for _ in range(steps):
        w.grad = torch.as_tensor(gradient).expand_as(w).clone()
        opt.step()
    return w.detach()


# ---- the grid


@pytest.mark.parametrize(
    "largest, s", [(127.0, 1), (127.001, 2), (64.0, 1), (63.5, 0.5), (127 / 1024, 2**-10), (0.0, 1)]
)
def test_the_scale_is_the_smallest_power_of_two_that_holds_the_largest_weight(largest, s):
    for sign in (1, -1):
        assert scale(torch.tensor([[largest * sign, largest / 3]])).item() == (
            s if largest else scale(torch.zeros(1, 2)).item()
        )
    dice = torch.Generator().manual_seed(0)
    w = torch.randn(500, 7, generator=dice) * torch.logspace(-9, 9, 500)[:, None]
    own = scale(w)
    assert own.shape == (500, 1) and torch.equal(own.log2(), own.log2().round())
    q = w.abs().amax(1, keepdim=True) / own
    assert (q <= LEVELS).all() and (2 * q > LEVELS).all()


@pytest.mark.parametrize("rounding", BOTH)
def test_every_weight_lies_on_the_grid_after_each_step(rounding):
    method = Finetune(cnn(STREAM, channels=(3,)))
    optimizer = partial(Int8SGD, rounding=rounding)
    points = learn(method, STREAM, seeds=2, steps=4, every=1, lr=0.3, optimizer=optimizer)
    assert len([next(points)]) == 1  # before the first step they are as they were drawn
    for point in points:
        for name, w in point.params.items():
            q, s = on_grid(w)
            assert torch.equal(q * s, w), name
            assert q.dtype == torch.int8 and q.abs().max() <= LEVELS and len(s) == len(w)


@pytest.mark.parametrize("rounding", BOTH)
@pytest.mark.parametrize("largest", [127.0, -127.0, 64.0])
def test_what_has_no_gradient_stays_where_it_is(rounding, largest):
    """Also the largest weight of all, for which 127 + u must not become 128."""
    w = weights(largest, 3.0, -1.0, 0.0).expand(1, 4)
    assert torch.equal(stepped(w, 0.0, steps=300, lr=1.0, rounding=rounding), w)


def test_what_never_moves_lies_on_the_grid_too():
    w, still = weights(0.3, 100.0), weights(0.3, 100.0)
    opt = Int8SGD([w, still], lr=0.1, rounding="nearest")
    w.grad = torch.zeros_like(w)
    opt.step()
    assert torch.equal(still, torch.tensor([[0.0, 100.0]])) and torch.equal(still, w)


# ---- the steps


def test_a_step_of_whole_multiples_is_the_step_of_plain_sgd():
    w, gradient = weights(100.0, -20.0, 7.0), torch.tensor([[8.0, -24.0, 16.0]])
    for rounding in BOTH:
        for lr in (0.125, 0.25, 1.0):
            assert torch.equal(stepped(w, gradient, lr=lr, rounding=rounding), (w - lr * gradient).detach())


@pytest.mark.parametrize("share, moves", [(0.49, 0), (0.51, 1), (1.49, 1), (-0.49, 0), (-0.51, -1)])
def test_nearest_rounding_loses_what_is_shorter_than_half_a_step_of_the_grid(share, moves):
    """However often it comes: a hundred steps of 0.49 s move nothing, one of a hundred times that does."""
    w = weights(100.0, 10.0)
    assert torch.equal(stepped(w, share, lr=1.0, rounding="nearest"), w.detach() - moves)
    many = stepped(w, share, steps=20, lr=1.0, rounding="nearest")
    assert torch.equal(many, w.detach() - 20 * moves)
    assert (stepped(w, 20 * share, lr=1.0, rounding="nearest") - w).abs().max() > 9


def test_stochastic_rounding_is_right_in_the_mean():
    """10,000 weights, 40 steps of 0.1 s: each variance is 0.1 · 0.9 s², so four standard errors are known."""
    w = torch.full((1, 10_000), 50.0)
    w[0, 0] = 100.0  # keeps s = 1
    gone = (w - stepped(w, 0.1, steps=40, lr=1.0, rounding="stochastic"))[0, 1:]
    error = (40 * 0.1 * 0.9 / len(gone)) ** 0.5
    assert abs(gone.mean() - 4.0) < 4 * error and gone.std() == pytest.approx((40 * 0.09) ** 0.5, rel=0.05)
    assert torch.equal(w, stepped(w, 0.1, steps=40, lr=1.0, rounding="nearest"))


def test_without_the_scaling_a_step_is_s_squared_as_long():
    """∂L/∂q = s ∂L/∂w, and q moves s times as far in w: what scaled gradients take out again."""
    s = 2.0**-6
    w = s * weights(100.0, -20.0, 7.0).detach()
    plain = stepped(w, 3.0, lr=s**2 * 40, rounding="nearest")
    assert torch.equal(stepped(w, 3.0, lr=40.0, rounding="nearest", scaled=False), plain)
    assert not torch.equal(plain, w)
    assert torch.equal(stepped(w, 3.0, lr=1.0, rounding="nearest", scaled=False), w)  # too short by far


# ---- in a training


def test_a_lane_equals_the_run_alone():
    options = dict(steps=3, lr=0.3, optimizer=Int8SGD, progress=False)
    many = train(Finetune(NET), STREAM, seeds=[3, 5], **options)
    for i, seed in enumerate((3, 5)):
        alone = train(Finetune(NET), STREAM, seeds=[seed], **options)
        for name, p in alone.params.items():
            assert torch.allclose(p[0], many.params[name][i], atol=2 * scale(p).max().item())
            assert (p[0] == many.params[name][i]).float().mean() > 0.97  # a last digit may flip a rounding


def test_the_same_twice_and_on_from_a_journal(tmp_path):
    options = dict(steps=3, lr=0.3, optimizer=Int8SGD, fresh=False, progress=False)
    whole = train(Finetune(NET), STREAM, **options)
    again = train(Finetune(NET), STREAM, **options)
    cut = train(Finetune(NET), STREAM.__class__(STREAM.tasks[:2], "class", 10), **options)
    on = train(Finetune(NET), STREAM, resume=cut, **options)
    for name, p in whole.params.items():
        assert torch.equal(p, again.params[name]) and torch.equal(p, on.params[name])
    path = tmp_path / "night.journal"
    train(Finetune(NET), STREAM, journal=path, **options)
    with pytest.raises(ValueError, match="its optimizer is .*Int8SGD"):
        train(Finetune(NET), STREAM, resume=path, **{**options, "optimizer": NEAREST})


def test_torchs_own_dice_stay_as_they_were():
    before = torch.get_rng_state()
    stepped(weights(1.0, 2.0), 0.1, steps=3, lr=0.1)
    assert torch.equal(before, torch.get_rng_state())


# ---- what a budget promises


@pytest.mark.parametrize("kind", [Finetune, LwF])
def test_a_byte_a_weight_is_what_a_budget_counts(kind):
    method = kind(NET)
    run = train(method, STREAM, steps=2, lr=0.3, optimizer=Int8SGD, progress=False)
    b = budget(method, STREAM, optimizer=Int8SGD, weight_bytes=1)
    assert b.optimizer == "sgd"  # it keeps nothing between two steps
    lines = {what: n for what, n, _ in b.lines}
    assert (
        nbytes({k: on_grid(p)[0] for k, p in run.params.items()})
        == lines["weights that learn"]
        == lines["weights"]
    )
    if kind is LwF:  # the network of before was on the grid, too
        before = part(run.state, "before")
        assert all(
            torch.equal(q * s, before[k]) for k, (q, s) in {k: on_grid(p) for k, p in before.items()}.items()
        )
        assert nbytes({k: on_grid(p)[0] for k, p in before.items()}) == lines["network of before"]
    assert nbytes(method.keeps(run.state)) == (4 * lines["network of before"] if kind is LwF else 0)


def test_springs_stay_floats():
    run = train(EWC(NET, samples=20), STREAM, steps=2, lr=0.1, optimizer=Int8SGD, progress=False)
    kept = sum(budget(EWC(NET, samples=20), STREAM, weight_bytes=1).need.keeps.values())
    assert nbytes(EWC(NET).keeps(run.state)) == kept


def test_another_rounding_is_refused():
    with pytest.raises(ValueError, match="rounding must be one of 'stochastic', 'nearest', got 'up'"):
        Int8SGD([weights(1.0)], rounding="up")
