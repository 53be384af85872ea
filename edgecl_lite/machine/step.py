"""How many lanes go through a step together: all, unless their activations would take too much."""

import torch

from ..models import apply
from .pieces import Made

STEP = 200e6  # bytes of activations that all lanes of a step may take together
LITTLE = 2**16  # values in a batch of all lanes that are not worth a look


def lanes_at_once(plan):
    """Slices of lanes that go through a step together: all, unless that takes over `STEP` bytes."""
    if plan.lanes * plan.options.batch_size * plan.stream.pixels < LITTLE:
        return [slice(None)]
    params = {k: p.detach().cpu()[None] for k, p in plan.method.net.named_parameters()}
    with torch.no_grad(), Made() as one:
        apply(plan.method.net, params, plan.stream.tasks[0].train[0][None, :1])
    # bytes of a lane: what is new, what is rehearsed, and gradients
    each = 3 * plan.options.batch_size * one.total
    several = max(1, int(STEP / each))
    return [slice(i, i + several) for i in range(0, plan.lanes, several)]
