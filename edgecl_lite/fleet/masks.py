"""Secure aggregation: the server learns the sum of the reports, and of each report only noise.

    yₖ = qₖ + Σ_{j>k} m_kj − Σ_{j<k} m_jk   mod 2³²        so that  Σₖ yₖ = Σₖ qₖ, to the last bit

q: a report in whole numbers; m_kj: a mask from a seed on which k and j agreed, spread evenly over
all 2³² values. Bonawitz et al. 2017, section 4.1. Lesson: private_fleet.

What it does not hide: the sum itself, of which with two clients each knows the other's part, and of
which clients in league with the server take theirs away; ε is about that (privacy.py). Left out of
the paper: the agreement (Diffie–Hellman), keys that prove who is who, shares of the seeds for the
case that a survivor goes too, and the second mask, without which a report that comes late, after
its seeds were told, lies open. The generator here is none for secrets.
"""

import math
from itertools import combinations

import torch

from .._refuse.arguments import SEEDS, number, whole

SCALE = 2**16


def quantised(tree, scale=SCALE):
    """Reports {name: (clients, …)} as whole numbers of steps of 1 / scale, int32: 4 bytes a weight.

    The sum is off by at most half a step a client. Raises ValueError where a value is not finite,
    or so large that the sum of all clients might leave 32 bits.
    """
    number("scale", scale, strictly=True)
    n = len(next(iter(tree.values())))
    largest = max(v.abs().max().item() for v in tree.values())
    if not math.isfinite(largest):
        raise ValueError("reports must be finite: under a mask nobody finds the one that is not")
    if n * (largest * scale + 1) >= 2**31:
        most = f"{n} clients × {largest:g} × {scale:g}"
        raise ValueError(f"the sum must stay below 2³¹ steps, got {most}: take a lower scale")
    return {k: (v.double() * scale).round().to(torch.int32) for k, v in tree.items()}


def pair_seeds(clients, seed=0):
    """A seed for each pair of clients, (clients, clients), which only those two know.

    For one round: the same masks on two reports are gone from the difference of what was sent.
    """
    n = whole("clients", clients)
    if n < 2:
        raise ValueError("masks are of pairs: at least 2 clients are needed, got 1")
    drawn = torch.randint(SEEDS, (n, n), generator=torch.Generator().manual_seed(seed))
    return drawn.triu(1) + drawn.triu(1).T


def masks_of(pairs, like):
    """What each client adds, {name: int32 (clients, …)}: together 0. like: their reports."""
    total = {k: torch.zeros(v.shape, dtype=torch.int64) for k, v in like.items()}
    for i, j in combinations(range(len(pairs)), 2):
        for k, mask in _drawn(pairs[i, j], like).items():
            total[k][i] += mask
            total[k][j] -= mask
    return wrapped(total)


def under_masks(reports, pairs):
    """What the clients send, int32 (clients, …): their reports in whole numbers under masks.

    Raises ValueError where these are not of as many clients as there are pairs, TypeError where
    they are not whole.
    """
    _check(reports, pairs)
    added = masks_of(pairs, reports)
    return wrapped({k: v.long() + added[k] for k, v in reports.items()})


def summed(sent):
    """The sum over the clients modulo 2³², {name: int32 (…)}: all that the server is after."""
    return wrapped({k: v.long().sum(0) for k, v in sent.items()})


def recovered(sent, pairs, there):
    """The sum of the reports of those that are there, (clients,) bool, when the others dropped out.

    In `summed` their masks stand without a counterpart, and it is noise. So the survivors tell the
    seeds that they have with those who are gone, and the server takes these masks off.
    """
    _check(sent, pairs)
    there = torch.as_tensor(there)
    if there.dtype != torch.bool or there.shape != (len(pairs),) or not there.any():
        want = f"a bool for each of {len(pairs)} clients, at least one of them True"
        raise ValueError(f"there must be {want}, got {there.tolist()}")
    total = {k: v[there].long().sum(0) for k, v in sent.items()}
    for i in there.nonzero().flatten().tolist():
        for j in (~there).nonzero().flatten().tolist():
            for k, mask in _drawn(pairs[i, j], sent).items():
                total[k] += mask if i > j else -mask
    return wrapped(total)


def in_units(total, scale=SCALE):
    """The way back from whole numbers of steps, {name: float32}."""
    return {k: (v.double() / scale).float() for k, v in total.items()}


def wrapped(tree):
    """Whole numbers {name: int64} modulo 2³², as int32: from −2³¹ to 2³¹ − 1."""
    return {k: ((v + 2**31) % 2**32 - 2**31).to(torch.int32) for k, v in tree.items()}


def _drawn(seed, like):
    """The mask of a pair, {name: int64 (…)}, even over all 2³² values, for the reports `like`."""
    chance = torch.Generator().manual_seed(int(seed))
    draw = lambda shape: torch.randint(-(2**31), 2**31, shape, generator=chance)
    return {k: draw(v.shape[1:]) for k, v in like.items()}


def _check(reports, pairs):
    """TypeError or ValueError where these are no reports of so many clients in whole numbers."""
    for k, v in reports.items():
        if v.dtype != torch.int32:
            raise TypeError(f"masks hide whole numbers: int32 of `quantised`, got {k} {v.dtype}")
        if len(v) != len(pairs):
            got = f"{k} {tuple(v.shape)} and seeds of {len(pairs)}"
            raise ValueError(f"reports must be of as many clients as there are seeds: got {got}")
