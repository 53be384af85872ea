"""What a gradient gives away: the sample itself, by one division.

    z = W x + b    ∂L/∂Wᵢ = δᵢ x    ∂L/∂bᵢ = δᵢ    x = ∂L/∂Wᵢ / ∂L/∂bᵢ  for any unit i, δᵢ ≠ 0

Of a batch it is the mean of the samples that reach unit i, weighted with their δᵢ: a unit that only
one of them reaches gives that one away. The same of a report θₖ − θ after steps of plain descent,
whose rate cancels; Adam's steps blur it. Nothing is searched for, no label is needed.
Phong et al. 2018, section 3; Boenisch et al. 2023. Lesson: private_fleet.
"""

import torch
from torch import nn

from ..machine.settled import settled
from ..meta.inner import gradient
from ..method import Finetune


@settled
def gradient_of(net, params, x, y):
    """∂L/∂θ, {name: (lanes, …)}: what a client with the samples x (n, …), y (n,) would send.

    params {name: (lanes, …)}, such as those of a Run. L: the mean cross entropy of all outputs.
    """
    theta = {k: p.detach().clone().requires_grad_() for k, p in params.items()}
    n = len(next(iter(theta.values())))
    batch = {"x": x.expand(n, *x.shape), "y": y.expand(n, -1), "active": torch.tensor(True)}
    return gradient(Finetune(net).loss(theta, {}, batch), theta)


def leaked(net, sent):
    """What each unit of the net's first linear layer gives away: (units, pixels), after any lanes.

    sent: a gradient, or a report θₖ − θ, {name: (…)} or {name: (lanes, …)}; units that no sample
    reached are NaN. Where layers stand before the linear one it is their output that leaks, no
    picture; pixels are in the order in which the net flattens them. Raises ValueError where no
    linear layer has a bias, KeyError where `sent` lacks it.
    """
    name = first_linear(net)
    slope = sent[f"{name}weight"]  # (…, units, pixels)
    shift = sent[f"{name}bias"].unsqueeze(-1)
    return (slope / shift).masked_fill(shift == 0, torch.nan)


def first_linear(net):
    """ "0." or the like: how the names of the net's first linear layer with a bias begin."""
    for name, layer in net.named_modules():
        if isinstance(layer, nn.Linear) and layer.bias is not None:
            return f"{name}." if name else ""
    kinds = ", ".join(sorted({type(m).__name__ for m in net.modules() if not [*m.children()]}))
    raise ValueError(f"the division needs a linear layer with a bias, and the net has: {kinds}")


def psnr(found, sample):
    """Peak signal-to-noise ratio in dB of values in 0..1: −10 log₁₀ of the mean squared difference.

    found, sample: broadcast, (…, pixels) -> (…). Infinite where they are equal, NaN where found is.
    """
    error = (found.double() - sample).square()
    return -10 * error.mean(-1).log10()


def closest(found, samples):
    """(the candidate that is closest to each sample (n, …), its PSNR in dB (n,)).

    found (units, pixels), of `leaked`. Whoever attacks knows no samples: this is to measure with.
    """
    table = psnr(found[:, None], samples.flatten(1)).nan_to_num(-torch.inf, posinf=torch.inf)
    best = table.max(0)  # over the units
    return found[best.indices].view(samples.shape), best.values
