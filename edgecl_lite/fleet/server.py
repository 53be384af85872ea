"""What a server makes of the reports: rules, each its difference from the weighted mean.

    θ ← Σₖ wₖ θₖ        wₖ = nₖ / n: samples of client k among those of all that reported

McMahan et al. 2017 (FedAvg); Hsu et al. 2019 (FedAvgM); Reddi et al. 2021 (FedAdam); Yin et al.
2018 (median, trimmed mean). Lesson: federated_learning.
"""

import math
from dataclasses import dataclass

import torch

from .._refuse.arguments import number
from ..lanes import named, part, zeros


def across(weights, like):
    """weights (seeds, clients) in a shape that broadcasts over `like` (seeds, clients, …)."""
    return weights.view(*weights.shape, *[1] * (like.dim() - 2))


def mean(reports, weights):
    """Σₖ wₖ θₖ / Σₖ wₖ over axis 1: reports (seeds, clients, …), weights (seeds, clients)."""
    share = weights / weights.sum(1, keepdim=True)
    return {k: (across(share, r) * r).sum(1) for k, r in reports.items()}


@dataclass(frozen=True)
class FedAvg:
    """The mean of the reports, weighted by samples."""

    def start(self, theta):
        """What the server carries from round to round."""
        return {}

    def merge(self, theta, reports, weights, state):
        """(new θ, new state): theta {name: (seeds, …)}; reports (seeds, clients, …).

        weights (seeds, clients): samples, 0 for who did not report.
        """
        return mean(reports, weights), state


@dataclass(frozen=True)
class FedAvgM(FedAvg):
    """Momentum: v ← β v + Δ, θ ← θ + η v, where Δ is the mean of θₖ − θ."""

    momentum: float = 0.9
    lr: float = 1.0

    def __post_init__(self):
        number("momentum", self.momentum, most=1)
        number("lr of the server", self.lr, strictly=True)

    def start(self, theta):
        return named("v", zeros(theta))

    def merge(self, theta, reports, weights, state):
        delta, v = difference(mean(reports, weights), theta), part(state, "v")
        v = {k: self.momentum * v[k] + delta[k] for k in theta}
        return {k: theta[k] + self.lr * v[k] for k in theta}, named("v", v)


@dataclass(frozen=True)
class FedAdam(FedAvg):
    """Adam on the server: m ← β₁ m + (1 − β₁) Δ, v likewise with Δ², θ ← θ + η m / (√v + τ)."""

    lr: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3

    def __post_init__(self):
        for name in ("beta1", "beta2"):
            number(name, getattr(self, name), most=1)
        for name in ("lr", "tau"):
            number(f"{name} of the server", getattr(self, name), strictly=True)

    def start(self, theta):
        return {**named("m", zeros(theta)), **named("v", zeros(theta))}

    def merge(self, theta, reports, weights, state):
        delta, m, v = difference(mean(reports, weights), theta), part(state, "m"), part(state, "v")
        m = {k: self.beta1 * m[k] + (1 - self.beta1) * delta[k] for k in theta}
        v = {k: self.beta2 * v[k] + (1 - self.beta2) * delta[k] ** 2 for k in theta}
        moved = {k: theta[k] + self.lr * m[k] / (v[k].sqrt() + self.tau) for k in theta}
        return moved, {**named("m", m), **named("v", v)}


@dataclass(frozen=True)
class Trimmed(FedAvg):
    """The mean of each weight without the largest and the smallest `share` of the reports.

    Every client counts alike. A broken or hostile client moves it no further than an honest one.
    """

    share: float = 0.2

    def __post_init__(self):
        number("share", self.share, most=0.5)

    def merge(self, theta, reports, weights, state):
        there = weights > 0
        count = there.sum(1, keepdim=True)  # (seeds, 1)
        cut = (self.share * count).ceil().clamp(max=(count - 1) // 2)
        rank = torch.arange(weights.shape[1], device=weights.device)
        kept = ((rank >= cut) & (rank < count - cut)).to(weights.dtype)  # (seeds, clients)
        ranked = {k: nowhere(r, there, math.inf).sort(1).values for k, r in reports.items()}
        return mean({k: nowhere(r, kept > 0, 0.0) for k, r in ranked.items()}, kept), state


@dataclass(frozen=True)
class Median(Trimmed):
    """The median of each weight: the mean of the one or two reports in the middle."""

    share: float = 0.5


RULES = {
    "fedavg": FedAvg(),
    "fedavgm": FedAvgM(),
    "fedadam": FedAdam(),
    "median": Median(),
    "trimmed": Trimmed(),
}


def difference(there, here):
    """there − here, of two dicts."""
    return {k: there[k] - here[k] for k in here}


def nowhere(reports, there, value):
    """Reports (seeds, clients, …), with a value in place of those that are not there."""
    return reports.masked_fill(~across(there, reports), value)
