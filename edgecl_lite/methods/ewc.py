"""Elastic weight consolidation: a spring on every weight, as stiff as the weight is important.

    loss = L(θ) + λ/2 Σᵢ Fᵢ (θᵢ − θ*ᵢ)²        F: diagonal Fisher information, θ*: the weights after a task

Kirkpatrick et al. 2017, eq. 3: one penalty per task. Huszár 2018 argues for a single one around the last θ*,
as in online EWC (Schwarz et al. 2018). Lesson: 02_ewc derives every line.
"""

import torch
from torch.autograd.function import once_differentiable

from .._refuse.arguments import choice, number, whole
from ..lanes import per_lane, rows, zeros
from ..method import Finetune
from ..models import learns
from .fisher import LABELS, fisher


class Quadratic(torch.autograd.Function):
    """Σᵢ Fᵢ (θᵢ − θ*ᵢ)² per lane, (lanes,), with its gradient 2 F (θ − θ*) written down: 3 passes, not 10."""

    @staticmethod
    def forward(ctx, fisher, theta, anchor):
        distance = theta - anchor
        force = fisher * distance
        ctx.save_for_backward(force)
        return torch.linalg.vecdot(force.flatten(1), distance.flatten(1))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (force,) = ctx.saved_tensors
        return None, force * per_lane(2 * grad, force), None


class EWC(Finetune):
    """Elastic weight consolidation.

    lam: strength λ >= 0. samples: how many of a task's samples, drawn at random, estimate F (None: all).
    labels: see `fisher`. gamma: None keeps a penalty for every task, Σₖ Fₖ (θ − θ*ₖ)², which is one quadratic
    around the F-weighted mean of the θ*ₖ; a number in 0..1 is online EWC: F ← γ F + Fₖ around the last θ*.
    Deviations: F is a mean over samples, so λ counts in units of one sample's log-likelihood; and the newest
    task's spring stands outside γ (Schwarz et al. pull with γ F too: their λ is this one over γ).
    """

    ranges = {"lam": number, "gamma": lambda name, value: number(name, value, most=1)}

    def __init__(self, net, lam=10.0, samples=300, labels="exact", gamma=None, weights=None, **hyper):
        super().__init__(
            net, weights=weights, lam=lam, **({} if gamma is None else {"gamma": gamma}), **hyper
        )
        self.samples = samples if samples is None else whole("samples", samples)
        self.labels = choice("labels", labels, LABELS)

    def start(self, params, stream, hyper):
        none = zeros({k: params[k] for k in learns(self.net)})
        return {**hyper, **_named("fisher", none), **_named("anchor", none)}

    def loss(self, params, state, batch):
        springs = [
            Quadratic.apply(state[f"fisher.{k}"], params[k], state[f"anchor.{k}"]) for k in learns(self.net)
        ]
        return super().loss(params, state, batch) + state["lam"] / 2 * sum(springs)

    def end_task(self, params, state, task):
        order = task["rng"](task["y"].shape[1]).argsort(1)[:, : self.samples]  # (lanes, samples)
        x, y, active = (rows(task[k], order) for k in ("x", "y", "active"))
        new = fisher(self.net, params, x, y, labels=self.labels, active=active, rng=task["rng"])
        total, anchor = {}, {}
        for k in learns(self.net):
            old, theta = state[f"fisher.{k}"], params[k]
            if "gamma" in state:
                gamma = per_lane(state["gamma"], old)
                total[k], anchor[k] = gamma * old + new[k], theta
            else:
                total[k] = old + new[k]
                mean = (old * state[f"anchor.{k}"] + new[k] * theta) / total[k]
                anchor[k] = torch.where(total[k] > 0, mean, theta)
        return {**state, **_named("fisher", total), **_named("anchor", anchor)}

    def keeps(self, state, lane=0):
        """F and θ*, one float each per weight that learns, however many tasks there were."""
        return {k: v[lane] for k, v in state.items() if k.startswith(("fisher.", "anchor."))}

    def advice(self, state, lane, lr, optimizer):
        lam = state["lam"][lane].item()
        stiffest = max(v[lane].max().item() for k, v in state.items() if k.startswith("fisher."))
        if optimizer != "sgd" or not lr * lam * stiffest >= 2:
            return super().advice(state, lane, lr, optimizer)
        sizes = f"{lr:g} · {lam:g} · {stiffest:.3g} = {lr * lam * stiffest:.3g}"
        rule = "Plain SGD holds a spring only while lr·λ·max F < 2"
        return f"{rule}; here {sizes}. Lower lam or lr, or use 'adam'."


def _named(prefix, tree):
    return {f"{prefix}.{name}": value for name, value in tree.items()}
