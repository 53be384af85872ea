"""How a sample becomes bytes: whole numbers of a few bits, side by side, and their scale.

    Pixels     round(x · levels)              x in 0 … 1
    Latents    round((z − low) / step)        z = front(x), a scale for each channel

A codec is given its bits; its scale stands in the state. A mask of a network is packed in the same
way, one bit a weight. Lessons: replay, parameter_isolation.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from .._refuse.arguments import choice, whole
from ..lanes import device_of, lanes_of
from ..models import apply
from .parts import latent_width


@dataclass(frozen=True)
class Pixels:
    """The samples themselves. State: levels (lanes,), steps of the scale from 0 to 1."""

    bits: int
    gives = "x"  # what a rehearsed sample is called in its batch

    def start(self, params, x):
        """The scale for samples x (n, …): {name: (lanes, …)}."""
        steps = torch.tensor(levels(x, self.bits), device=device_of(params))
        return {"levels": steps.expand(lanes_of(params))}

    def width(self, params, x):
        """Bytes of a sample of x (n, …)."""
        return math.ceil(x[0].numel() * self.bits / 8)

    def encode(self, params, state, x):
        """Samples (lanes, n, …) in 0 … 1 as bytes (lanes, n, width)."""
        codes = (x.flatten(2) * state["levels"].view(-1, 1, 1)).round()
        return packed(codes.to(torch.uint8), self.bits)

    def decode(self, state, codes, shape):
        """Bytes (lanes, n, width) as samples (lanes, n, *shape)."""
        codes = unpacked(codes, self.bits, math.prod(shape))
        x = codes / state["levels"].view(-1, 1, 1)
        return x.view(*codes.shape[:2], *shape)


@dataclass(frozen=True)
class Latents:
    """What a network's front says of them. State: low, step (lanes, channels), 0 until `scale`."""

    front: nn.Sequential
    bits: int
    gives = "z"

    def start(self, params, x):
        channels = latent_width(self.front, params, x)
        zero = torch.zeros(lanes_of(params), channels, device=device_of(params))
        return {"low": zero, "step": zero}

    def width(self, params, x):
        return math.ceil(latent_width(self.front, params, x) * self.bits / 8)

    def latents(self, params, x):
        """What the front says of samples (lanes, n, …): (lanes, n, channels), 1,000 at a time."""
        return torch.cat([apply(self.front, params, some) for some in x.split(1000, 1)], 1)

    def scale(self, params, x):
        """From the smallest to the largest latent of samples (lanes, n, …), by channel."""
        z = self.latents(params, x)
        low, high = z.amin(1), z.amax(1)
        return {"low": low, "step": (high - low) / (2**self.bits - 1)}

    def encode(self, params, state, x):
        z = self.latents(params, x)
        low, step = (state[k].unsqueeze(1) for k in ("low", "step"))
        codes = torch.where(step > 0, (z - low) / step, 0).round()
        codes = codes.clamp(0, 2**self.bits - 1)
        return packed(codes.to(torch.uint8), self.bits)

    def decode(self, state, codes, shape=None):
        """Bytes (lanes, n, width) as latents (lanes, n, channels)."""
        low, step = (state[k].unsqueeze(1) for k in ("low", "step"))
        return low + step * unpacked(codes, self.bits, low.shape[-1])


# ---- bits


def bit_width(name, value):
    """2 to 8, as int: bits of a value that is kept. ValueError or TypeError for what is neither."""
    return choice(name, whole(name, value), range(2, 9))


def packed(codes, bits):
    """Whole numbers 0 … 2**bits − 1, (…, n) uint8, side by side: (…, ceil(n · bits / 8)) bytes."""
    if bits == 8:
        return codes
    places, byte = torch.arange(bits, device=codes.device), torch.arange(8, device=codes.device)
    ones = (codes[..., None] >> places & 1).flatten(-2)  # (…, n · bits)
    ones = F.pad(ones, (0, -ones.shape[-1] % 8)).unflatten(-1, (-1, 8))
    return (ones << byte).sum(-1).to(torch.uint8)


def unpacked(codes, bits, n):
    """The n whole numbers that `packed` put into (…, ceil(n · bits / 8)) bytes: (…, n) uint8."""
    if bits == 8:
        return codes
    places, byte = torch.arange(bits, device=codes.device), torch.arange(8, device=codes.device)
    ones = (codes[..., None] >> byte & 1).flatten(-2)  # (…, all bits)
    ones = ones[..., : n * bits].unflatten(-1, (n, bits))
    return (ones << places).sum(-1).to(torch.uint8)


def levels(x, bits):
    """Steps of a `bits` wide scale for values in 0 … 1: the most that x's own grey levels allow.

    MNIST's 256 levels take all 255 steps; the 17 of the digits take 240, a multiple of 16.
    """
    top, x = 2**bits - 1, x[:100].cpu().double()  # MPS has no float64
    fitting = (s for s in range(top, top // 2, -1) if torch.equal(x * s, (x * s).round()))
    return next(fitting, top)
