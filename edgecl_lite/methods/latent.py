"""Latent replay: freeze the network's front after the first task, and keep its outputs.

    z = front(x), kept as round((z − low) / step) in 8 bits or fewer; a rehearsed z skips the front

Pellegrini et al. 2020; Ravaglia et al. 2021 for so few bits. No backward pass goes through the
front any more, and what is kept skips it altogether. Lesson: rehearsal.
"""

from dataclasses import dataclass
from functools import cached_property

from ..method import cross_entropy, masked
from ..models import apply
from .codecs import Latents
from .memory import Memory
from .parts import Halves
from .replay import Rehearsal, bits_field, policy_field, weighting_field


@dataclass(frozen=True, repr=False)
class LatentReplay(Halves, Rehearsal):
    """Replay of what the front puts out, the first `cut` layers of net, an nn.Sequential.

    capacity, policy, weighting, bits: as for `Replay`; with capacity 0 the head is finetuned.
    frozen: the front never moves, not even in the first task, as one that came pre-trained through
    `weights`. The scale of each channel goes from the smallest to the largest value of the first
    task; what lies beyond is cut off. The samples of the first task arrive at its end, when the
    front stands still. Raises ValueError where the net cannot be cut there, or where the front
    gives something else than (n, channels).
    """

    cut: int = 3
    policy: str = policy_field()
    weighting: str = weighting_field()
    bits: int = bits_field()
    frozen: bool = False

    @cached_property
    def memory(self):
        return Memory(self.policy, Latents(self.front, self.bits))

    def risk(self, params, state, batch):
        z = batch["z"] if "z" in batch else apply(self.front, params, batch["x"])
        if self.frozen or batch["task"]:
            z = z.detach()  # without a gradient no optimiser moves the front, whatever its momentum
        logits = apply(self.head, params, z)
        return cross_entropy(masked(logits, batch["active"]), batch["y"])

    def after_step(self, params, state, batch):
        return super().after_step(params, state, batch) if batch["task"] else state

    def end_task(self, params, state, task):
        if task["number"]:
            return state
        state = {**state, **self.memory.codec.scale(params, task["x"])}
        chance = task["rng"](task["y"].shape[1])
        return self.memory.store(params, state, {**task, "task": 0, "chance": chance})

    def keeps(self, state, lane=0):
        """What `Replay` keeps, latents as samples; and the scale, two floats for each channel."""
        scale = {k: state[k][lane] for k in ("low", "step")}
        return super().keeps(state, lane) | scale
