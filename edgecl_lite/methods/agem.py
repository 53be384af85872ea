"""A-GEM: no step may hurt what is kept. The difference from `replay.py`. Lesson: rehearsal."""

from dataclasses import dataclass

import torch

from .replay import Rehearsal, bits_field, policy_field


@dataclass(frozen=True, repr=False)
class AGEM(Rehearsal):
    """Averaged gradient episodic memory: a step may not raise the loss of what is kept.

        g ← g − (gᵀ r / rᵀ r) r  where gᵀ r < 0;  g, r: gradients of L(new), L(kept)

    Chaudhry et al. 2019a, eq. 11, written as a loss whose gradient that is. Deviation: with Adam,
    the default optimiser here, the step is rescaled afterwards; the paper used SGD.
    """

    policy: str = policy_field()
    bits: int = bits_field()

    indivisible = "g and r are the gradients of all that is new and of all that is rehearsed"

    def loss(self, params, state, batch):
        new = self.risk(params, state, batch)
        if "old" not in batch:
            return new
        old = self.risk(params, state, batch["old"])
        moving = [p for p in params.values() if p.requires_grad]
        g, r = (torch.autograd.grad(L.sum(), moving, retain_graph=True) for L in (new, old))
        conflict = dot(g, r).clamp(max=0) / dot(r, r).clamp(min=1e-30)  # (lanes,)
        return new - state["old"].any(1) * conflict * old


def dot(a, b):
    """Inner product of two lists of tensors with lanes, (lanes,)."""
    return sum(torch.linalg.vecdot(p.flatten(1), q.flatten(1)) for p, q in zip(a, b, strict=True))
