"""Heads that learn without a backward pass: means of the classes, and the scatter around them.

    nearest mean     argmin_c ‖z − μ_c‖²            z = front(x), standing still
    streaming LDA    argmax_c μ_cᵀΛz − ½ μ_cᵀΛμ_c   Λ = ((1 − ε) Σ + ε I)⁻¹

Hayes & Kanan 2020, eq. 1 to 3.
Sums are all that is kept, so a sample counts once, is thrown away and cannot be forgotten: after
the last one both are what all data at once would give. What a small board can run.
Lessons: frozen_front, battery.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch.nn import functional as F

from .._refuse.arguments import number
from ..lanes import device_of, for_lanes, lanes_of, rows
from ..method import Finetune, swept
from ..models import apply
from .parts import Halves, latent_width


@dataclass(frozen=True, repr=False)
class Means(Halves, Finetune):
    """Nearest class mean less its arguments: what heads made of class means share."""

    cut = -1
    frozen = False

    def start(self, params, stream, hyper):
        width = latent_width(self.front, params, stream.tasks[0].train[0])
        count = torch.zeros(lanes_of(params), stream.outputs, device=device_of(params))
        still = torch.full(count.shape[:1], self.frozen, device=count.device)
        mean = count.new_zeros(*count.shape, width)
        return {**hyper, "still": still, "count": count, "mean": mean}

    def loss(self, params, state, batch):
        if state["still"].all():  # nothing that an optimiser could move
            return batch["x"].new_zeros(len(batch["x"])).requires_grad_()
        return super().loss(params, state, batch)

    def after_step(self, params, state, batch):
        counts = state["still"].all() and not batch["epoch"]
        return self.arrive(params, state, batch) if counts else state

    def end_task(self, params, state, task):
        if state["still"].all():
            return state
        return self.arrive(params, {**state, "still": torch.ones_like(state["still"])}, task)

    @torch.no_grad()
    def arrive(self, params, state, batch):
        """Samples x, y (lanes, n, …) are counted in, a thousand at a time."""
        for x, y in zip(batch["x"].split(1000, 1), batch["y"].split(1000, 1), strict=True):
            state = self.fold(state, apply(self.front, params, x), y)
        return state

    def fold(self, state, z, y):
        """The state after latents z (lanes, n, d) of classes y (lanes, n)."""
        member = F.one_hot(y, state["count"].shape[1]).to(z.dtype)  # (lanes, n, classes)
        came = member.sum(1)
        total = state["count"] + came
        apart = member.mT @ (z - rows(state["mean"], y))  # sums by class
        mean = state["mean"] + apart / total.clamp(min=1).unsqueeze(-1)
        return {**state, "count": total, "mean": mean}

    def precision(self, state):
        """Λ, (lanes, d, d): here I, all directions count alike."""
        mean = state["mean"]
        return torch.eye(mean.shape[-1], device=mean.device).expand(len(mean), -1, -1)

    def predict(self, params, state, x, task=None):
        if not state["count"].any():
            return super().predict(params, state, x, task)
        z = apply(self.front, params, for_lanes(x, params))  # (lanes, n, d)
        mean = state["mean"]
        pull = mean @ self.precision(state)  # μᵀΛ, (lanes, classes, d)
        logits = z @ pull.mT - (pull * mean).sum(-1).unsqueeze(1) / 2
        unseen = state["count"].unsqueeze(1) == 0
        return logits.masked_fill(unseen, -torch.inf)

    def keeps(self, state, lane=0):
        """A mean and a count for every class seen."""
        seen = state["count"][lane] > 0
        return {name: state[name][lane][seen] for name in ("count", "mean")}


@dataclass(frozen=True, repr=False)
class NearestMean(Means):
    """Nearest class mean: the running mean of the latents z of every class, by itself a classifier.

    cut: how many layers of net, an nn.Sequential, are the front (-1: all but the last). frozen: the
    front never moves, as one that came pre-trained through `weights`; otherwise the first task
    trains the whole net by cross entropy, and its samples count at its end, when the front stands
    still. Nothing after that has a gradient. Before the first mean the net itself answers; a class
    without one cannot be the answer. Raises ValueError where the net cannot be cut there, or the
    front gives something else than (n, channels).
    """

    cut: int = -1
    frozen: bool = False


@dataclass(frozen=True, repr=False)
class StreamingLDA(Means):
    """Deep streaming linear discriminant analysis: class means, and one scatter Σ of all classes.

    shrinkage: ε in (0, 1]; with 1 it is `NearestMean`. Σ is the mean of (z − μ)(z − μ)ᵀ within the
    classes, exact at every moment. Deviations: Hayes & Kanan weigh a new sample by the number of
    all samples, not of those of its class, which comes to nearly the same, and take ε = 1e-4; 0 is
    refused, for a latent that never varies leaves Σ without an inverse.
    """

    shrinkage: float = swept(1e-2, partial(number, most=1, strictly=True))
    cut: int = -1
    frozen: bool = False

    def start(self, params, stream, hyper):
        state = super().start(params, stream, hyper)
        mean = state["mean"]
        return {**state, "scatter": mean.new_zeros(len(mean), mean.shape[-1], mean.shape[-1])}

    def fold(self, state, z, y):
        after = super().fold(state, z, y)
        apart, moved = z - rows(state["mean"], y), after["mean"] - state["mean"]
        # around the old means first, and then the axes shift to the new ones (Steiner's theorem)
        shift = (moved * after["count"].unsqueeze(-1)).mT @ moved
        return {**after, "scatter": state["scatter"] + apart.mT @ apart - shift}

    def precision(self, state):
        eps, cov = state["shrinkage"].view(-1, 1, 1), state["scatter"]
        cov = cov / state["count"].sum(1).clamp(min=1).view(-1, 1, 1)
        eye = torch.eye(cov.shape[-1], device=cov.device)
        return torch.linalg.inv((1 - eps) * cov + eps * eye)

    def keeps(self, state, lane=0):
        """What `NearestMean` keeps, and Σ, d · d floats."""
        return {**super().keeps(state, lane), "scatter": state["scatter"][lane]}
