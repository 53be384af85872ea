"""Latent replay: freeze the front of the network after the first task, and keep its outputs, not the samples.

    z = front(x), kept as round((z − low) / step) in 8 bits or fewer; a rehearsed z skips the front

Pellegrini et al. 2020; Ravaglia et al. 2021 for so few bits. No backward pass goes through the front any
more, and what is kept skips it altogether. Lesson: 03_replay.
"""

import math
from dataclasses import dataclass

import torch

from ..lanes import device_of, lanes_of
from ..method import cross_entropy, masked
from ..models import apply
from .codecs import packed, unpacked
from .parts import Halves, latent_width
from .replay import Rehearsal, bits_field, policy_field, weighting_field


@dataclass(frozen=True, repr=False)
class LatentReplay(Halves, Rehearsal):
    """Replay of latents: the first `cut` layers of net, an nn.Sequential, are the front; its output is kept.

    capacity, policy, weighting, bits: as for `Replay`; with capacity 0 the head is finetuned. frozen: the
    front never moves, not even in the first task, as one that came pre-trained through `weights`. The scale
    of each channel goes from the smallest to the largest value of the first task; what lies beyond is cut
    off. The samples of the first task arrive at its end, when the front stands still. Raises ValueError where
    the net cannot be cut there, or where the front gives something else than (n, channels).
    """

    cut: int = 3
    policy: str = policy_field()
    weighting: str = weighting_field()
    bits: int = bits_field()
    frozen: bool = False

    def start(self, params, stream, hyper):
        state = super().start(params, stream, hyper)
        x = stream.tasks[0].train[0]
        low = x.new_zeros(lanes_of(params), self.channels(params, x)).to(device_of(params))
        return {**state, "low": low, "step": low}

    def channels(self, params, x):
        """Values of one latent."""
        return latent_width(self.front, params, x)

    def width(self, params, x):
        return math.ceil(self.channels(params, x) * self.bits / 8)

    def recall(self, state, u, batch):
        old = super().recall(state, u, batch)
        return {**old, "z": old.pop("x")}

    def risk(self, params, state, batch):
        z = batch["z"] if "z" in batch else apply(self.front, params, batch["x"])
        if self.frozen or batch["task"]:  # without a gradient no optimiser moves it, whatever its momentum
            z = z.detach()
        return cross_entropy(masked(apply(self.head, params, z), batch["active"]), batch["y"])

    def after_step(self, params, state, batch):
        return super().after_step(params, state, batch) if batch["task"] else state

    def end_task(self, params, state, task):
        if task["number"]:
            return state
        z = self.latents(params, task["x"])
        low, high = z.amin(1), z.amax(1)  # (lanes, channels)
        state = {**state, "low": low, "step": (high - low) / (2**self.bits - 1)}
        return self.store(params, state, {**task, "task": 0, "chance": task["rng"](task["y"].shape[1])})

    def latents(self, params, x):
        """What the front says of samples (lanes, n, …): (lanes, n, channels), a thousand at a time."""
        return torch.cat([apply(self.front, params, part) for part in x.split(1000, 1)], 1)

    def encode(self, params, state, x):
        z, step = self.latents(params, x), state["step"].unsqueeze(1)
        codes = torch.where(step > 0, (z - state["low"].unsqueeze(1)) / step, 0).round()
        return packed(codes.clamp(0, 2**self.bits - 1).to(torch.uint8), self.bits)

    def decode(self, state, codes, like):
        codes = unpacked(codes, self.bits, state["low"].shape[1])
        return state["low"].unsqueeze(1) + state["step"].unsqueeze(1) * codes

    def keeps(self, state, lane=0):
        """What `Replay` keeps, with latents as samples; and the scale, two floats for each channel."""
        return {**super().keeps(state, lane), "low": state["low"][lane], "step": state["step"][lane]}
