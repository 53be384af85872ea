"""Elastic weight consolidation: a spring on every weight, as stiff as the weight is important.

    loss = L(θ) + λ/2 Σᵢ Fᵢ (θᵢ − θ*ᵢ)²    F: diagonal Fisher information, θ*: weights after a task

Kirkpatrick et al. 2017, eq. 3: one penalty per task. Their sum is one quadratic, so two tensors are
kept: Σₖ Fₖ (θ − θ*ₖ)² = F (θ − θ*)² + constant, with F = Σₖ Fₖ and θ* = Σₖ Fₖ θ*ₖ / F. Huszár 2018
argues for a single one around the last θ*, as in online EWC (Schwarz et al. 2018). Lesson: ewc
derives every line.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch.autograd.function import once_differentiable

from .._refuse.arguments import choice, number, or_none, whole
from ..lanes import named, part, per_lane, rows, zeros
from ..method import Finetune, fixed, swept
from ..models import learns
from .fisher import LABELS, fisher


class Quadratic(torch.autograd.Function):
    """Σᵢ Fᵢ (θᵢ − θ*ᵢ)² per lane, (lanes,), of lists of tensors.

    Its gradient, 2 F (θ − θ*), is written down: one node for the whole network, and 3 passes over
    each tensor instead of 10.
    """

    @staticmethod
    def forward(ctx, stiffness, anchors, *theta):
        forces, energy = [], 0
        for F, anchor, weight in zip(stiffness, anchors, theta, strict=True):
            distance = weight - anchor
            forces.append(F * distance)
            energy = energy + torch.linalg.vecdot(forces[-1].flatten(1), distance.flatten(1))
        ctx.save_for_backward(*forces)
        return energy

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        twice = 2 * grad
        return None, None, *(force * per_lane(twice, force) for force in ctx.saved_tensors)


@dataclass(frozen=True, repr=False)
class EWC(Finetune):
    """Elastic weight consolidation: a penalty for every task, Σₖ Fₖ (θ − θ*ₖ)².

    lam: strength λ >= 0. samples: how many of a task's samples, drawn at random, estimate F (None:
    all). labels: see `fisher`. Deviation: F is a mean over samples, so λ counts in units of one
    sample's log-likelihood.
    """

    lam: float = swept(10.0)
    samples: int | None = fixed(300, or_none(whole))
    labels: str = fixed("exact", partial(choice, known=LABELS))

    def start(self, params, stream, hyper):
        none = zeros({k: params[k] for k in learns(self.net)})
        return {**hyper, **named("fisher", none), **named("anchor", none)}

    def loss(self, params, state, batch):
        F, anchor = part(state, "fisher"), part(state, "anchor")
        theta = [params[k] for k in F]
        penalty = Quadratic.apply([*F.values()], [*anchor.values()], *theta)  # (lanes,)
        return super().loss(params, state, batch) + state["lam"] / 2 * penalty  # force λ F (θ − θ*)

    def end_task(self, params, state, task):
        shuffled = task["rng"](task["y"].shape[1]).argsort(1)
        drawn = shuffled[:, : self.samples]  # (lanes, samples), none twice
        x, y, active = (rows(task[k], drawn) for k in ("x", "y", "active"))
        new = fisher(self.net, params, x, y, labels=self.labels, active=active, rng=task["rng"])
        F, anchor = part(state, "fisher"), part(state, "anchor")
        for k in F:
            F[k], anchor[k] = self.merge(state, F[k], anchor[k], new[k], params[k])
        return {**state, **named("fisher", F), **named("anchor", anchor)}

    def merge(self, state, F, anchor, new, theta):
        """(F, θ*) of the springs so far and of a new one in θ: of each tensor."""
        total = F + new
        return total, torch.where(total > 0, (F * anchor + new * theta) / total, theta)

    def keeps(self, state, lane=0):
        """F and θ*, one float each per weight that learns, however many tasks there were."""
        both = {**named("fisher", part(state, "fisher")), **named("anchor", part(state, "anchor"))}
        return {k: v[lane] for k, v in both.items()}

    def advice(self, state, lane, lr, optimizer):
        lam = state["lam"][lane].item()
        stiffest = max(F[lane].max().item() for F in part(state, "fisher").values())
        if optimizer not in ("sgd", torch.optim.SGD) or not lr * lam * stiffest >= 2:
            return super().advice(state, lane, lr, optimizer)
        sizes = f"{lr:g} · {lam:g} · {stiffest:.3g} = {lr * lam * stiffest:.3g}"
        rule = "Plain SGD holds a spring only while lr·λ·max F < 2"
        return f"{rule}; here {sizes}. Lower lam or lr, or use 'adam'."


@dataclass(frozen=True, repr=False)
class OnlineEWC(EWC):
    """Online EWC: one spring that fades, around the last θ*: F ← γ F + Fₖ.

    gamma: γ in 0..1. Schwarz et al. 2018. Deviation: the newest task's spring stands outside γ
    (they pull with γ F too: their λ is this one over γ).
    """

    gamma: float = swept(1.0, partial(number, most=1))

    def merge(self, state, F, anchor, new, theta):
        return per_lane(state["gamma"], F) * F + new, theta
