"""Reports that give less away: each cut to a length, and noise on their sum. What that is worth: ε.

    δ(ε) = Φ(−ε/μ + μ/2) − e^ε Φ(−ε/μ − μ/2)        μ = √R / noise, after R rounds

A client moves the sum by at most `clip`, and the noise on it has a deviation of noise · clip: one
Gaussian mechanism. R of them are one of μ = √R / noise, where every client is called in every
round. Balle & Wang 2018, theorem 8; Dong, Roth & Su 2022, corollary 3.3; McMahan et al. 2018
(whole clients are protected). Lesson: private_fleet.
"""

import math

import torch

from .._refuse.arguments import number, whole


def clipped(theta, reports, clip):
    """Reports {name: (seeds, clients, …)} no further from θ than `clip`, in the Euclidean norm."""
    moved = {k: r - theta[k][:, None] for k, r in reports.items()}
    norm = sum(d.flatten(2).square().sum(2) for d in moved.values()).sqrt()  # (seeds, clients)
    scale = (clip / norm.clamp(min=1e-12)).clamp(max=1)
    over = lambda d: scale.view(*scale.shape, *[1] * (d.dim() - 2)) * d
    return {k: theta[k][:, None] + over(d) for k, d in moved.items()}


def noised(theta, size, dice):
    """θ {name: (seeds, …)} with normal noise of deviation size (seeds,); dice: a generator each."""
    new = {}
    for k, v in theta.items():
        drawn = torch.stack([torch.randn(v.shape[1:], generator=g) for g in dice]).to(v.device)
        new[k] = v + size.view(-1, *[1] * (v.dim() - 1)).to(v.device) * drawn
    return new


def pooled(reports, size, dice):
    """The mean of clipped reports (seeds, called, …), noised: as the one report (seeds, 1, …).

    size: deviation of the noise on their sum. All that were called count, each alike; one that sent
    nothing stands there as θ. So a client moves the mean by clip / called and no more, whether it
    comes or not: a mean over those that came would move by up to twice that.
    """
    called = next(iter(reports.values())).shape[1]
    sizes = torch.full((len(dice),), size / called)
    mean = {k: r.mean(1) for k, r in reports.items()}
    return {k: v[:, None] for k, v in noised(mean, sizes, dice).items()}


def epsilon(rounds, noise, delta=1e-5):
    """ε of so many rounds with fraction=1: at most so much does any one client show in the models.

    With and without all data of a client, whatever is seen of the common models has odds that
    differ by a factor of at most e^ε, but for a probability δ, which should be far below 1 / number
    of clients. rounds: of all phases together; noise: as in `fleet_train`. Clients that drop out
    change nothing. With fraction < 1 it holds too, but is too large: see `stored("epsilon")`.

    What it does not do: the server adds the noise, so it sees every report before (masks hide them,
    see masks.py); a client's own model after personal steps is not noised; what many clients have
    in common is learned all the same; nobody is kept from sending nonsense. This noise is of a
    generator whose seed is known, in float32: for learning from, not for data of real people.
    Raises ValueError where noise is not above 0, as ε is then infinite, or delta not in (0, 1).
    """
    mu = math.sqrt(whole("rounds", rounds)) / _noise(noise)
    delta, most = _delta(delta), 1.0
    if delta_of(0.0, mu) <= delta:
        return 0.0
    while delta_of(most, mu) > delta:
        most *= 2
    return _bisected(lambda eps: delta_of(eps, mu) > delta, 0.0, most)


def noise_for(epsilon, rounds, delta=1e-5):
    """The noise with which so many rounds have this ε at this δ; errors as for `epsilon`."""
    eps, delta = number("epsilon", epsilon, strictly=True), _delta(delta)
    root, most = math.sqrt(whole("rounds", rounds)), 1.0
    while delta_of(eps, most) <= delta:
        most *= 2
    return root / _bisected(lambda mu: mu == 0 or delta_of(eps, mu) <= delta, 0.0, most)


def delta_of(epsilon, mu):
    """δ(ε) of a Gaussian mechanism that moves its output by μ deviations."""
    near, far = epsilon / mu - mu / 2, epsilon / mu + mu / 2
    odds = epsilon + _log_tail(far)
    return math.exp(_log_tail(near)) - math.exp(odds)


def _log_tail(x):
    """log Φ(−x); far out, where erfc would be 0, by its asymptotic series."""
    if x < 30:
        return math.log(math.erfc(x / math.sqrt(2)) / 2)
    u = 1 / x / x
    series = math.log1p(-u + 3 * u * u - 15 * u * u * u)
    return series - x * x / 2 - math.log(x * math.sqrt(2 * math.pi))


def _bisected(below, low, high):
    """Where `below` turns from true to false between two numbers."""
    while low < (middle := (low + high) / 2) < high:
        if below(middle):
            low = middle
        else:
            high = middle
    return high


def _noise(value):
    """A noise above 0."""
    if number("noise", value) == 0:
        raise ValueError("noise must be > 0, got 0: without noise ε is infinite, nothing is hidden")
    return float(value)


def _delta(value):
    """A probability that is neither 0 nor 1."""
    if not 0 < number("delta", value, most=1) < 1:
        raise ValueError(f"delta must be a number between 0 and 1, such as 1e-5; got {value!r}")
    return float(value)
