"""How a sample becomes bytes: whole numbers of a few bits each, side by side, and the scale they stand on.

A mask of a network is packed in the same way, one bit a weight. Lessons: 03_replay, 04_parameter_isolation.
"""

import torch
from torch.nn import functional as F

from .._refuse.arguments import choice, whole


def bit_width(name, value):
    """2 to 8, as int: bits of a value that is kept. ValueError or TypeError for what is neither."""
    return choice(name, whole(name, value), range(2, 9))


def packed(codes, bits):
    """Whole numbers 0 … 2**bits − 1, (…, n) uint8, side by side in (…, ceil(n · bits / 8)) bytes."""
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
    ones = (codes[..., None] >> byte & 1).flatten(-2)[..., : n * bits].unflatten(-1, (n, bits))
    return (ones << places).sum(-1).to(torch.uint8)


def levels(x, bits):
    """Steps of a `bits` wide scale for values in 0 … 1: the most there are that x's own grey levels allow.

    MNIST's 256 levels take all 255 steps; the 17 of the digits take 240, a multiple of 16.
    """
    top, x = 2**bits - 1, x[:100].cpu().double()  # MPS has no float64
    return next((s for s in range(top, top // 2, -1) if torch.equal(x * s, (x * s).round())), top)
