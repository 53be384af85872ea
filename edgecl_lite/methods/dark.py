"""DER++: rehearse what was answered, too. The difference from `replay.py`. Lesson: rehearsal."""

from dataclasses import dataclass

import torch

from ..lanes import rows
from ..method import swept
from ..models import apply
from .replay import Rehearsal, bits_field, policy_field


@dataclass(frozen=True, repr=False)
class DERpp(Rehearsal):
    """Dark experience replay ++: also rehearses what the network answered, its logits z*.

        loss = L(new) + α mean (z(x') − z*)² + β L(x'', y'')            Buzzega et al. 2020, eq. 6

    x' and x'' are two independent draws; the mean goes over samples and outputs; a float for each
    output is kept beside the sample. Deviations: z* are the logits at the end of the task in which
    a sample came, not at its arrival, for here it arrives once, in the first epoch, when the
    network knows little of it. They are of all outputs, so also of classes that were not trained
    yet. The memory is balanced, not a reservoir, unless policy says so; only samples of earlier
    tasks are rehearsed, none of the present one.
    """

    alpha: float = swept(0.5)
    beta: float = swept(1.0)
    policy: str = policy_field()
    bits: int = bits_field()

    def columns(self, stream):
        return {"logits": (torch.float32, stream.outputs)}

    def draw(self, state, batch, rng):
        batch, u = super().draw(state, batch, rng), rng(batch["y"].shape[1])
        if "old" not in batch:
            return batch
        return {**batch, "dark": self.memory.recall(state, batch, u)}

    def loss(self, params, state, batch):
        new = self.risk(params, state, batch)
        if "old" not in batch:
            return new
        old, dark = self.risk(params, state, batch["old"]), batch["dark"]
        said = rows(state["memory.logits"], dark["row"])  # z*, (lanes, n, outputs)
        apart = ((apply(self.net, params, dark["x"]) - said) ** 2).mean((1, 2))
        penalty = state["alpha"] * apart + state["beta"] * old
        return new + state["old"].any(1) * penalty

    def end_task(self, params, state, task):
        x = self.memory.codec.decode(state, state["memory.x"], task["x"].shape[2:])
        came_now = (state["filled"] & ~state["old"]).unsqueeze(-1)
        logits = torch.where(came_now, apply(self.net, params, x), state["memory.logits"])
        return {**state, "memory.logits": logits}
