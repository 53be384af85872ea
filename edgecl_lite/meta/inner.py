"""Meta-learning: a start θ from which a few steps on five examples of something new go a long way.

    inner loop    θ' = θ − α ∇ L_support(θ)      later on the device; here in a lane for each task

and five methods, each by what its inner loop moves and what its outer loop follows. Finn et al.
2017 (MAML); Nichol et al. 2018 (Reptile); Raghu et al. 2020 (ANIL); Javed & White 2019 (OML).
Lesson: meta_learning.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .._refuse.arguments import number
from ..lanes import lanes_of, per_lane
from ..models import head_names


def inner_loop(loss, params, batches, lr, second_order=True):
    """The params after plain descent, a step for each batch: θ ← θ − lr ∇ loss(θ, batch).

    loss(params, batch) -> (lanes,). lr: a number, or a tensor (lanes,). Pure, and differentiable in
    params and lr: gradients go back through every step to the start. second_order=False takes ∇
    loss for a constant, so that ∂θ'/∂θ = 1. No batches: params as they came. Raises ValueError
    where lr is not above 0, or not one for each lane.
    """
    rates = _rates(lr, params)
    params = {k: p if p.requires_grad else p.detach().requires_grad_() for k, p in params.items()}
    for batch in batches:
        with torch.enable_grad():
            grads = gradient(loss(params, batch), params, create_graph=second_order)
            params = {k: p - rates[k] * grads[k] for k, p in params.items()}
    return params


def gradient(loss, params, create_graph=False):
    """∂ loss / ∂ params: as lanes never touch, the gradient of their sum is each lane's own."""
    tensors, how = list(params.values()), dict(create_graph=create_graph, materialize_grads=True)
    grads = torch.autograd.grad(loss.sum(), tensors, **how)
    return dict(zip(params, grads, strict=True))


# ---- the methods: each is its difference from MAML


def everything(theta):
    """All weights."""
    return theta


def head(theta):
    """The weights of the last layer."""
    return {k: theta[k] for k in head_names(theta)}


def none(theta):
    """No weights."""
    return {}


def new_head(theta):
    """The last layer, at zero."""
    return {k: torch.zeros_like(p) for k, p in head(theta).items()}


def at_once(support, steps):
    """All examples in every step."""
    return [support] * steps


def one_by_one(support, steps):
    """One example a step, in the order of their arrival; `steps` passes."""
    examples = range(support["y"].shape[1])
    return [{k: v[:, i : i + 1] for k, v in support.items()} for i in examples] * steps


def new(support, query):
    """Other examples of the task than those it was adapted to."""
    return query


def old_and_new(support, query):
    """Both: nothing of the trajectory may be forgotten."""
    return {k: torch.cat([support[k], query[k]], 1) for k in query}


@dataclass(frozen=True)
class Meta:
    """A method, for a task in each lane; the defaults are MAML."""

    name: str
    fast: Callable = everything  # θ -> the weights that the inner loop moves
    renewed: Callable = none  # θ -> those that every task begins anew: their start is not learned
    batches: Callable = at_once  # support, steps -> what the inner loop sees
    second_order: bool = True  # does the meta-gradient go through the inner loop?
    judged: Callable | None = new  # support, query -> the outer batch; None: no loss, θ nears θ'

    def adapt(self, loss, theta, support, lr, steps=1):
        """θ', after so many steps (passes) of the inner loop on the support set."""
        partial = lambda weights, batch: loss(theta | weights, batch)
        batches = self.batches(support, steps)
        return theta | inner_loop(partial, self.fast(theta), batches, lr, self.second_order)

    def gradient(self, loss, theta, support, query, lr, steps=1):
        """The meta-gradient g of each lane, shaped like theta, which must require gradients."""
        tuned = self.adapt(loss, theta | self.renewed(theta), support, lr, steps)
        if self.judged is None:
            return {k: (theta[k] - tuned[k]).detach() for k in theta}
        return gradient(loss(tuned, self.judged(support, query)), theta)


maml = Meta("MAML")
first_order = Meta("first-order MAML", second_order=False)
reptile = Meta("Reptile", second_order=False, judged=None)
anil = Meta("ANIL", fast=head)
oml = Meta("OML", fast=head, renewed=new_head, batches=one_by_one, judged=old_and_new)


def _rates(lr, params):
    """{name: lr in a shape that broadcasts over the lanes of that tensor}."""
    if not isinstance(lr, torch.Tensor):
        return dict.fromkeys(params, number("lr", lr, strictly=True))
    if lr.shape != (lanes_of(params),) or not (lr > 0).all():
        want = f"a number > 0 for each of {lanes_of(params)} lanes"
        span = f"{lr.min():g}..{lr.max():g}"
        raise ValueError(f"lr must be {want}, got {tuple(lr.shape)} in {span}")
    return {k: per_lane(lr, p) for k, p in params.items()}
