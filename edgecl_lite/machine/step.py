"""What goes through a step together: which lanes, and which samples of a batch.

    ∇L(batch) = Σᵢ nᵢ/n ∇L(piece i)      L a mean over n samples, pieces of nᵢ: accumulation

All lanes, unless their activations would take too much; all samples, unless a micro-batch is asked
for. Lesson: edge_budget.
"""

import torch

from ..models import apply
from .pieces import Made

STEP = 200e6  # bytes of activations that all lanes of a step may take together
LITTLE = 2**16  # values in a batch of all lanes that are not worth a look


def lanes_at_once(plan):
    """Slices of lanes that go through a step together: all, unless that takes over `STEP` bytes."""
    samples = min(plan.options.batch_size, plan.micro_batch or plan.options.batch_size)
    if plan.lanes * samples * plan.stream.pixels < LITTLE:
        return [slice(None)]
    params = {k: p.detach().cpu()[None] for k, p in plan.method.net.named_parameters()}
    with torch.no_grad(), Made() as one:
        apply(plan.method.net, params, plan.stream.tasks[0].train[0][None, :1])
    # bytes of a lane: what is new, what is rehearsed, and gradients
    each = 3 * samples * one.total
    several = max(1, int(STEP / each))
    return [slice(i, i + several) for i in range(0, plan.lanes, several)]


def pieces(batch, size):
    """(share of the samples, piece) of a batch in pieces of at most `size` samples; None: whole.

    Cut is whatever has a row for each sample of `y`, also in dicts inside the batch: what is
    rehearsed beside each new sample goes with it. All else goes along with every piece, and counts
    once, for the shares sum to 1. The groups of a fleet's batch are cut one after the other.
    """
    if "groups" in batch:
        for who, own in batch["groups"]:
            for share, piece in pieces(own, size):
                yield share, {**batch, "groups": [(who, piece)]}
        return
    n = batch["y"].shape[1]
    for piece in cut(batch, size or n, n):
        yield piece["y"].shape[1] / n, piece


def cut(tree, size, n):
    """The pieces of a (nested) dict: of its tensors (lanes, n, …) so many rows each."""
    rows = {k: v.split(size, 1) for k, v in tree.items() if has_rows(k, v, n)}
    rows |= {k: cut(v, size, n) for k, v in tree.items() if isinstance(v, dict)}
    return [{**tree, **{k: v[i] for k, v in rows.items()}} for i in range(-(-n // size))]


def has_rows(name, value, n):
    """Whether it is a tensor with a row for each of n samples; `answers` has one for each task."""
    return torch.is_tensor(value) and value.shape[1:2] == (n,) and name != "answers"
