"""DER++: rehearse what the network answered, too. The difference from `replay.py`. Lesson: 03_replay."""

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

    x' and x'' are two independent draws; the mean goes over samples and outputs; a float for each output is
    kept beside the sample. Deviation: z* are the logits at the end of the task in which a sample came, not at
    its arrival, for here it arrives once, in the first epoch, when the network knows little of it.
    """

    alpha: float = swept(0.5)
    beta: float = swept(1.0)
    policy: str = policy_field()
    bits: int = bits_field()

    def columns(self, params, stream):
        return {**super().columns(params, stream), "logits": (torch.float32, stream.outputs)}

    def draw(self, state, batch, rng):
        batch, u = super().draw(state, batch, rng), rng(batch["y"].shape[1])
        return {**batch, "dark": self.recall(state, u, batch)} if "old" in batch else batch

    def loss(self, params, state, batch):
        new = self.risk(params, state, batch)
        if "old" not in batch:
            return new
        old = self.risk(params, state, batch["old"])
        dark = batch["dark"]
        apart = apply(self.net, params, dark["x"]) - rows(state["memory.logits"], dark["row"])
        return new + state["old"].any(1) * (state["alpha"] * (apart**2).mean((1, 2)) + state["beta"] * old)

    def end_task(self, params, state, task):
        logits = apply(self.net, params, self.decode(state, state["memory.x"], task["x"]))
        late = (state["filled"] & ~state["old"]).unsqueeze(-1)
        return {**state, "memory.logits": torch.where(late, logits, state["memory.logits"])}
