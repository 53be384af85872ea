"""What a report gives away, and what hides it, against oracles: the sample itself, integer arithmetic, the
closed form of one Gaussian mechanism, an accountant of privacy loss. What is known to go wrong is built here
and must be caught.
"""

import math
from functools import partial

import pytest
import torch
from torch import nn

from edgecl_lite import Clients, FedAdam, Finetune, clients, digits, federate, mlp, split, stored
from edgecl_lite.fleet import masks as hiding
from edgecl_lite.fleet.leak import closest, gradient_of, leaked, psnr
from edgecl_lite.fleet.masks import in_units, masks_of, pair_seeds, quantised, recovered, summed, under_masks
from edgecl_lite.fleet.plan import FleetPlan
from edgecl_lite.fleet.privacy import delta_of, epsilon, noise_for
from edgecl_lite.fleet.rounds import merged
from edgecl_lite.lanes import lane, stack
from edgecl_lite.models import initial

DATA = digits()
NET = mlp(split(DATA))
X, Y = DATA.train
START = stack([initial(NET, seed) for seed in range(3)])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# ---- the leak


@pytest.mark.parametrize("sample", [0, 7, 100])
def test_one_sample_is_given_away(sample):
    sent = gradient_of(NET, START, X[sample][None], Y[sample][None])
    found = leaked(NET, sent)  # (lanes, units, pixels)
    assert found.shape == (3, 100, 64)
    for one in found:
        reached = ~one.isnan().any(1)
        assert 10 < reached.sum() < 100
        difference = (one[reached] - X[sample].flatten()).abs()
        assert difference.max() < 1e-5  # any unit that the sample reaches


def test_without_lanes_it_is_the_same():
    sent = gradient_of(NET, lane(START, 0), X[:1], Y[:1])
    plain = {k: v[0] for k, v in sent.items()}
    assert torch.equal(leaked(NET, plain).nan_to_num(), leaked(NET, sent)[0].nan_to_num())


def test_the_gradient_is_torchs_own():
    theta = {k: v[1].clone().requires_grad_() for k, v in START.items()}
    loss = nn.functional.cross_entropy(torch.func.functional_call(NET, theta, (X[:5],)), Y[:5])
    sent = gradient_of(NET, START, X[:5], Y[:5])
    for k, g in zip(theta, torch.autograd.grad(loss, [*theta.values()]), strict=True):
        torch.testing.assert_close(sent[k][1], g, rtol=1e-4, atol=1e-7)


def test_a_batch_gives_away_means_of_those_who_reach_a_unit():
    x, y = X[:4], Y[:4]
    each = [gradient_of(NET, lane(START, 0), x[i : i + 1], y[i : i + 1])["1.bias"][0] for i in range(4)]
    deltas = torch.stack(each)  # (samples, units): δᵢ of each sample
    expected = (deltas.T / deltas.sum(0)[:, None]) @ x.flatten(1)
    found = leaked(NET, gradient_of(NET, lane(START, 0), x, y))[0]
    sure = deltas.sum(0).abs() > 0.05 * deltas.abs().sum(0)
    assert sure.sum() > 30
    torch.testing.assert_close(found[sure], expected[sure], rtol=1e-3, atol=1e-3)
    alone = (deltas != 0).sum(0) == 1  # those units give one sample away, exactly
    owner = deltas[:, alone].abs().argmax(0)
    assert alone.any() and (found[alone] - x.flatten(1)[owner]).abs().max() < 1e-5


def test_larger_batches_blur():
    def shown(n):
        found = leaked(NET, gradient_of(NET, lane(START, 0), X[:n], Y[:n]))[0]
        return (closest(found, X[:n])[1] > 30).double().mean().item()

    assert shown(1) == shown(2) == 1.0
    assert shown(64) < 0.5 < shown(4)


def reported(samples, **options):
    """θ₁ − θ of a client with these samples after one round, without lanes."""
    few = Clients("few", [samples] * 2, [DATA.test] * 2, DATA.classes)
    before, after = federate(Finetune(NET), few, rounds=1, **options)
    return {k: r[0, 0] - before.params[k][0] for k, r in after.reports.items()}


def test_steps_of_plain_descent_on_one_sample_hide_nothing():
    sent = reported((X[:1], Y[:1]), local_epochs=10, optimizer="sgd", lr=0.1)
    found, quality = closest(leaked(NET, sent), X[:1])
    assert (found - X[:1]).abs().max() < 1e-5 and quality > 100


def test_the_first_step_of_adam_gives_away_the_silhouette():
    """Each weight moves by lr, whatever its gradient: the quotient is 1 where there is ink, else 0."""
    found = leaked(NET, reported((X[:1], Y[:1]), local_epochs=1, optimizer="adam", lr=1e-3))
    ink = (X[0].flatten() > 0).float()
    assert closest(found, X[:1])[1] < 20
    assert closest(found, ink.view(1, 1, 8, 8))[1] > 40


def test_no_bias_no_division():
    bare = nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False))
    with pytest.raises(ValueError, match="linear layer with a bias.*Flatten, Linear"):
        leaked(bare, {})


def test_psnr_by_hand():
    a = torch.zeros(4)
    assert psnr(a + 0.1, a).item() == pytest.approx(20, abs=1e-5)
    assert psnr(a, a).item() == math.inf and math.isnan(psnr(a * math.nan, a).item())


# ---- masks


def reports(n, seed=0):
    draw = partial(torch.randn, generator=seeded(seed))
    return {"w": draw(n, 30, 20), "b": draw(n, 20)}


@pytest.mark.parametrize("n", [2, 3, 20])
def test_masks_cancel_to_the_last_bit(n):
    added = masks_of(pair_seeds(n), reports(n))
    assert all(v.dtype == torch.int32 for v in added.values())
    assert all((v.long().sum(0) % 2**32 == 0).all() for v in added.values())
    numbers = reports(n)
    q = quantised(numbers)
    sent = under_masks(q, pair_seeds(n))
    assert all(torch.equal(v, q[k].sum(0, dtype=torch.int32)) for k, v in summed(sent).items())
    for k, v in in_units(summed(sent)).items():
        assert (v - numbers[k].double().sum(0)).abs().max() <= n / 2 / hiding.SCALE + 1e-5


def test_sums_wrap_and_come_back():
    """Near the edge of 32 bits the masked numbers overflow all the time, and the sum is right."""
    q = {"w": torch.tensor([[2**30, -(2**30)], [2**30 - 1, -(2**30)]], dtype=torch.int32)}
    assert summed(under_masks(q, pair_seeds(2)))["w"].tolist() == [2**31 - 1, -(2**31)]


def test_what_is_sent_is_noise():
    """Even over all values, whatever the report; and nothing like it."""
    q = quantised({"w": torch.zeros(3, 20_000)})
    for row in under_masks(q, pair_seeds(3))["w"].double() / 2**31:
        assert abs(row.mean()) < 4 / math.sqrt(3 * 20_000)
        counts = torch.histc(row, 16, -1, 1)
        assert ((counts - 1250) ** 2 / 1250).sum() < 45  # chi square, 15 degrees: p = 1e-4


def test_masks_without_the_sign_do_not_cancel():
    pairs, like = pair_seeds(3), {"w": torch.zeros(3, 10)}
    total = {k: v * 0 for k, v in hiding.wrapped({"w": torch.zeros(10, dtype=torch.int64)}).items()}
    for i in range(3):
        for j in range(3):
            if i != j:
                total["w"] = total["w"] + hiding._drawn(pairs[i, j], like)["w"]
    assert (total["w"] % 2**32 != 0).all()


def test_where_one_drops_out_the_sum_is_noise_until_the_others_tell():
    n, gone = 5, 2
    q, pairs = quantised(reports(n)), pair_seeds(n)
    sent, there = under_masks(q, pairs), torch.arange(n) != gone
    expected = {k: v[there].sum(0, dtype=torch.int32) for k, v in q.items()}
    noise = summed({k: v[there] for k, v in sent.items()})
    assert all((noise[k] == expected[k]).double().mean() < 0.01 for k in noise)
    assert in_units(noise)["w"].abs().median() > 1000 * in_units(expected)["w"].abs().median()
    assert all(torch.equal(v, expected[k]) for k, v in recovered(sent, pairs, there).items())
    all_there = recovered(sent, pairs, torch.ones(n, dtype=torch.bool))
    assert all(torch.equal(v, summed(sent)[k]) for k, v in all_there.items())
    two = torch.tensor([True, False, True, False, True])
    found = recovered(sent, pairs, two)["w"]
    assert torch.equal(found, q["w"][two].sum(0, dtype=torch.int32))


def test_a_late_report_lies_open():
    """A limit that masks.py states: the paper's second mask against it is left out."""
    n, late = 4, 1
    q, pairs = quantised(reports(n)), pair_seeds(n)
    sent, there = under_masks(q, pairs), torch.arange(n) != late
    apart = recovered(sent, pairs, there)["w"].long()
    assert torch.equal((summed(sent)["w"].long() - apart + 2**31) % 2**32 - 2**31, q["w"][late].long())


def test_masks_used_twice_hide_no_difference():
    first, second, pairs = quantised(reports(3)), quantised(reports(3, seed=1)), pair_seeds(3)
    sent = [under_masks(q, pairs)["w"].long() for q in (first, second)]
    difference = (sent[1] - sent[0] + 2**31) % 2**32 - 2**31
    assert torch.equal(difference, second["w"].long() - first["w"].long())
    assert not torch.equal(pair_seeds(3, seed=1), pairs)


def test_a_mask_costs_no_byte():
    tree = reports(2)
    sent = under_masks(quantised(tree), pair_seeds(2))
    assert all(v.element_size() == tree[k].element_size() for k, v in sent.items())


@pytest.mark.parametrize(
    "call, error, told",
    [
        (lambda: pair_seeds(1), ValueError, "at least 2 clients"),
        (lambda: pair_seeds(2.5), ValueError, "clients must be a whole number"),
        (lambda: quantised({"w": torch.full((2, 3), math.nan)}), ValueError, "must be finite"),
        (lambda: quantised({"w": torch.full((2, 3), 20_000.0)}), ValueError, "2 clients × 20000 × 65536"),
        (lambda: quantised({"w": torch.zeros(2, 3)}, scale=0), ValueError, "scale must be"),
        (
            lambda: under_masks(reports(2), pair_seeds(2)),
            TypeError,
            "int32 of `quantised`, got w torch.float32",
        ),
        (
            lambda: under_masks(quantised(reports(2)), pair_seeds(3)),
            ValueError,
            r"\(2, 30, 20\) and seeds of 3",
        ),
        (lambda: recovered(quantised(reports(2)), pair_seeds(2), [0, 1]), ValueError, "a bool for each of 2"),
        (lambda: recovered(quantised(reports(2)), pair_seeds(2), [False] * 2), ValueError, "at least one"),
    ],
)
def test_masks_refuse(call, error, told):
    with pytest.raises(error, match=told):
        call()


# ---- ε


def one_gaussian(eps, mu):
    """δ(ε) of one Gaussian mechanism, integrated: ∫ max(0, p − e^ε q), p = N(μ, 1), q = N(0, 1)."""
    x = torch.linspace(-12, 12 + mu, 400_001, dtype=torch.float64)
    p, q = (torch.exp(-((x - m) ** 2) / 2) / math.sqrt(2 * math.pi) for m in (mu, 0.0))
    return torch.trapezoid((p - math.exp(eps) * q).clamp(min=0), x).item()


@pytest.mark.parametrize("eps, mu", [(0.0, 1.0), (0.5, 0.3), (1.0, 1.0), (4.0, 2.0), (20.0, 4.0)])
def test_delta_is_the_closed_form_of_one_gaussian_mechanism(eps, mu):
    assert delta_of(eps, mu) == pytest.approx(one_gaussian(eps, mu), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("rounds, noise, delta", [(1, 1.0, 1e-5), (20, 1.0, 1e-3), (7, 3.0, 1e-6)])
def test_rounds_are_one_mechanism_of_less_noise(rounds, noise, delta):
    eps = epsilon(rounds, noise, delta)
    assert delta_of(eps, math.sqrt(rounds) / noise) == pytest.approx(delta, rel=1e-9)
    assert eps == pytest.approx(epsilon(1, noise / math.sqrt(rounds), delta), rel=1e-12)
    assert one_gaussian(eps, math.sqrt(rounds) / noise) == pytest.approx(delta, rel=1e-3)


@pytest.mark.parametrize(
    "rounds, noise, delta, known",
    [
        (1, 1.0, 1e-5, 4.3771780956812246),
        (20, 1.0, 1e-3, 23.06351424165172),
        (200, 0.1, 1e-5, 10602.161437899068),
        (1, 100.0, 1e-5, 0.027219419814577135),
        (5, 2.0, 1e-300, 41.938345233366792),
        (1, 1e6, 1e-5, 0.0),  # δ alone covers it
    ],
)
def test_epsilon_in_sixty_digits(rounds, noise, delta, known):
    """Known: the same equation solved by mpmath 1.4.1 with mp.dps = 60, ncdf and bisection."""
    assert epsilon(rounds, noise, delta) == pytest.approx(known, rel=1e-11)
    if known:
        assert noise_for(known, rounds, delta) == pytest.approx(noise, rel=1e-10)


def cells():
    """(at, fraction, noise, rounds, delta) of the stored tables."""
    table = stored("epsilon")
    axes = [list(enumerate(table[k])) for k in ("fractions", "noise", "rounds", "deltas")]
    for f, fraction in axes[0]:
        for z, noise in axes[1]:
            for r, rounds in axes[2]:
                for d, delta in axes[3]:
                    yield lambda name, at=(f, z, r, d): _in(table[name], at), fraction, noise, rounds, delta


def _in(table, at):
    for i in at:
        table = table[i]
    return table


def test_the_accountant_is_the_oracle():
    """stored("epsilon"), by `make epsilon`: dp-accounting's privacy loss distributions at fraction 1."""
    whole = [cell for cell in cells() if cell[1] == 1]
    assert len(whole) == 70
    for told, _, noise, rounds, delta in whole:
        assert epsilon(rounds, noise, delta) == pytest.approx(told("Poisson"), rel=1e-4)
        twice = epsilon(rounds, noise / 2, delta)  # one client replaced: 2 clip; Rényi orders are a bound
        assert twice * 0.999 < told("without replacement") < 1.2 * twice


def test_fewer_called_show_less():
    """By the tight reading always; by the bound never more, and much less under much noise."""
    for told, fraction, noise, rounds, delta in cells():
        everybody = [epsilon(rounds, z, delta) for z in (noise, noise / 2)]
        assert fraction == 1 or told("Poisson") < everybody[0]
        assert told("without replacement") < 1.2 * everybody[1]
        if noise >= 5 and rounds > 1:
            assert fraction > 0.25 or told("without replacement") < 0.6 * everybody[1]


def test_epsilon_rises_with_rounds_and_falls_with_noise_and_delta():
    for worse, better in (((20, 1), (19, 1)), ((20, 1), (20, 1.01)), ((20, 1, 1e-6), (20, 1, 1e-5))):
        assert epsilon(*worse) > epsilon(*better)


def test_rounds_do_not_add_up():
    """The known wrong form: ε of a round, times rounds."""
    assert epsilon(100, 5.0) < 0.25 * 100 * epsilon(1, 5.0)


def test_epsilon_of_hardly_any_noise_is_infinite():
    assert epsilon(10, 1e-200) == math.inf


@pytest.mark.parametrize(
    "call, told",
    [
        (lambda: epsilon(10, 0), "without noise ε is infinite"),
        (lambda: epsilon(10, -1), "noise must be"),
        (lambda: epsilon(0, 1), "rounds must be"),
        (lambda: epsilon(10, 1, 0), "delta must be a number between 0 and 1, such as 1e-5; got 0"),
        (lambda: epsilon(10, 1, 1), "delta must be"),
        (lambda: noise_for(0, 10), "epsilon must be"),
        (lambda: noise_for(1, 10, 2), "delta must be"),
    ],
)
def test_epsilon_refuses(call, told):
    with pytest.raises(ValueError, match=told):
        call()


# ---- noise on the sum: what makes ε true

FLEET = clients(DATA, 10, alpha=1.0)


def after_a_round(moves, there=None, called=10, **options):
    """(θ before, θ after) of a round in which the clients report θ + moves; there: who answers."""
    plan = FleetPlan(Finetune(NET), FLEET, 2, **options)
    if there is not None:
        plan.reporting = lambda turn: there.expand(2, -1)
    theta, state = plan.start()
    server = {k.removeprefix("server."): v for k, v in state.items() if k.startswith("server.")}
    told = {k: v[:, None] + moves[k] for k, v in theta.items()}
    return theta, merged(plan, 0, theta, told, plan.call(0), server)[0]


def drawn_moves(seed=0, size=1.0):
    return {k: size * torch.randn(2, 10, *v.shape[1:], generator=seeded(seed)) for k, v in START.items()}


def apart(a, b):
    """‖a − b‖ of each seed."""
    return sum((a[k] - b[k]).double().flatten(1).square().sum(1) for k in a).sqrt()


def test_noise_has_the_deviation_that_was_told():
    """On the sum noise · clip, so on the mean that by the number of clients called."""
    none = {k: torch.zeros_like(v) for k, v in drawn_moves().items()}
    theta, after = after_a_round(none, clip=2.0, noise=1.5)
    drawn = torch.cat([(after[k] - theta[k]).flatten() for k in theta])
    assert drawn.std().item() == pytest.approx(1.5 * 2.0 / 10, rel=0.02)
    assert abs(drawn.mean()) < 0.01


@pytest.mark.parametrize("server", ["fedavg", "fedavgm"])
@pytest.mark.parametrize("how", ["NaN", "silent", "huge", "beyond float32", "opposite"])
def test_no_client_moves_the_model_by_more_than_its_share(how, server):
    """Under the same noise: whatever one client does, its part is clip / called at the most."""
    options = dict(clip=1.0, noise=0.5, server=server)
    there, moves = torch.ones(10, dtype=torch.bool), drawn_moves()
    silent = there & (torch.arange(10) != 3)
    without = after_a_round(moves, silent, **options)[1]
    changed = {k: v.clone() for k, v in moves.items()}
    for v in changed.values():
        v[:, 3] *= {"NaN": math.nan, "huge": 1e10, "beyond float32": 1e30, "opposite": -1.0}.get(how, 1)
    with_it = after_a_round(changed, there, **options)[1]
    assert (apart(with_it, without) < 0.1 * (1 + 1e-4)).all()
    if how in ("silent", "huge", "opposite"):
        assert (apart(with_it, without) > 0.0999).all()


def test_who_does_not_come_makes_the_mean_smaller_not_the_share_larger():
    moves, few = drawn_moves(), torch.arange(10) < 2
    theta, after = after_a_round(moves, few, clip=1.0, noise=1e-9)
    assert (apart(after, theta) < 0.2).all()


def test_the_rule_of_the_server_sees_the_noised_mean_only():
    """FedAdam's step hangs on what was noised: with overwhelming noise it is that of noise alone."""
    options = dict(clip=1e-6, noise=1e6, server=FedAdam(lr=0.1))
    (theta, one), (_, two) = (after_a_round(drawn_moves(seed), **options) for seed in (0, 1))
    assert (apart(one, two) < 1e-4 * apart(one, theta)).all()


def test_no_noise_for_a_median():
    for server in ("median", "trimmed"):
        with pytest.raises(ValueError, match="noise is for a mean"):
            FleetPlan(Finetune(NET), FLEET, clip=1.0, noise=1.0, server=server)


@pytest.mark.parametrize("options", [dict(clip=0.0), dict(clip=-1), dict(clip=1.0, noise=-1), dict(noise=1)])
def test_clip_and_noise_refuse(options):
    with pytest.raises(ValueError, match="clip|noise"):
        FleetPlan(Finetune(NET), FLEET, **options)
