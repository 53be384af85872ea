"""GDumb: learn from what is kept alone. The difference from `replay.py`. Lesson: rehearsal."""

from dataclasses import dataclass

import torch

from ..lanes import named, part, per_lane
from .replay import Rehearsal, bits_field, policy_field


@dataclass(frozen=True, repr=False)
class GDumb(Rehearsal):
    """Greedy sampler, dumb learner: at each task forget all, learn anew from what is kept alone.

    The baseline that every method should beat: what is learned owes nothing to the stream but its
    choice of samples. Prabhu et al. 2020. Deviations: as many steps as any method here, not until
    it fits, and the first of them while the memory still fills; with fresh=False the optimiser's
    moments outlive the reset; capacity 0 is finetuning.
    """

    policy: str = policy_field()
    bits: int = bits_field()

    def start(self, params, stream, hyper):
        return {**super().start(params, stream, hyper), **named("start", params)}

    def begin_task(self, params, state, task):
        params, state = super().begin_task(params, state, task)
        none = state["capacity"] == 0
        first = part(state, "start")
        return {k: torch.where(per_lane(none, p), p, first[k]) for k, p in params.items()}, state

    def share(self, batch):
        return 0.0

    def loss(self, params, state, batch):
        # the first batch of all finds nothing kept
        learns = state["old"].any(1) | (state["capacity"] == 0)
        return learns * super().loss(params, state, batch)

    def after_step(self, params, state, batch):
        state = super().after_step(params, state, batch)
        return {**state, "old": state["filled"]}  # what came in this task, too
