"""An optimiser that keeps every weight as a whole number of 8 bits, and a scale for each tensor.

    w = s q      q in −127 … 127, s the smallest power of two by which the largest weight fits
    q ← round(q − η s⁻² ∂L/∂q)      ∂L/∂q = s ∂L/∂w, so that the real weight moves by −η ∂L/∂w

Lin et al. 2022 (quantisation-aware scaling, the s⁻²); Gupta et al. 2015 (stochastic rounding). What
`weight_bytes=1` of `budget` counts: the gradients and activations stay floats. Lesson: edge_budget.
"""

import torch

from .._refuse.arguments import choice

ROUNDINGS = "stochastic", "nearest"
LEVELS = 127  # of each sign


class Int8SGD(torch.optim.Optimizer):
    """Plain SGD on weights of one byte, each lane with scales of its own.

    rounding: "nearest" loses every step shorter than s/2, and stops learning there; "stochastic"
    goes up with the probability of the remainder, so that the mean of many short steps is right.
    scaled=False leaves s⁻² out: the weights of a tensor then move s² times as far, a millionth
    perhaps. Arguments are bound by `functools.partial`: optimizer=partial(Int8SGD,
    rounding="nearest"). From the first step on all tensors that it was given lie on the grid, those
    that never move as well. The scale follows the largest weight. What is drawn hangs on the number
    of the step and of the tensor alone and is alike in all lanes, so that a lane equals the run
    alone. Errors: ValueError for another rounding.
    """

    def __init__(self, tensors, lr=1e-2, rounding="stochastic", scaled=True):
        choice("rounding", rounding, ROUNDINGS)
        super().__init__(tensors, dict(lr=lr, rounding=rounding, scaled=scaled))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for i, w in enumerate(group["params"]):
                own = self.state[w]
                own["step"] = int(own.get("step", 0)) + 1  # a tensor, where a journal kept it
                w.copy_(moved(w, group, 1000 * own["step"] + i))


def moved(w, group, number):
    """Weights (lanes, …) after a step of the `group`, on the grid; number: of what is drawn."""
    pull = 0 if w.grad is None else group["lr"] * w.grad
    if not group["scaled"]:
        pull = pull * scale(w) ** 2
    new = w - pull
    s = scale(new)
    up = 0.5 if group["rounding"] == "nearest" else drawn(w, number)
    return s * (new / s + up).floor()


def drawn(w, number):
    """Uniform numbers in [0, 1) for the weights of one lane: 16 bits, so that 127 + u < 128."""
    dice = torch.Generator().manual_seed(number)
    bits = torch.randint(2**16, w.shape[1:], generator=dice, dtype=torch.int32, device="cpu")
    return bits.to(w) / 2**16


def scale(w):
    """s of each lane, (lanes, 1, …): the smallest power of two with |w| <= 127 s; of zeros 1."""
    largest = w.abs().reshape(len(w), -1).amax(1).view(-1, *[1] * (w.dim() - 1))
    half, power = torch.frexp(largest / LEVELS)  # largest / 127 = half · 2^power, half in [½, 1)
    return torch.exp2((power - (half == 0.5).int()).to(w.dtype))


def on_grid(w):
    """Weights (lanes, …) of floats as the nearest ones of eight bits: (whole numbers int8, s)."""
    s = scale(w)
    return (w / s).round().to(torch.int8), s
