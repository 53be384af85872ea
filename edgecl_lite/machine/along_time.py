"""Layers of a net along time for all lanes at once: the numbers of `vmap`, in half its time.

A convolution over windows of height 1 is a product with unfolded readings; GroupNorm's mean and
variance know no weights, so only the scale after them is a lane's own. Plumbing.
"""

import torch
from torch import nn
from torch.nn import functional as F


def at_once(layer, own, x):
    """Output of a layer for x (lanes, n, channels, …), or None where only `vmap` is sure to do."""
    if own.keys() != {"weight", "bias"} or layer._forward_pre_hooks or layer._forward_hooks:
        return None
    if type(layer) is nn.GroupNorm and x.dim() > 3 and x.shape[2] == layer.num_channels:
        return _normed(layer, own, x)
    if type(layer) is nn.Conv2d and x.dim() == 5 and _is_along_time(layer, *x.shape[3:]):
        return _convolved(layer, own, x)
    return None


def _is_along_time(layer, height, width):
    """Whether the layer only looks along windows of height 1, in the plain way."""
    plain = layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
    flat = height == layer.kernel_size[0] == 1 and layer.padding[0] == 0
    return plain and flat and width + 2 * layer.padding[1] >= layer.kernel_size[1]


def _convolved(layer, own, x):
    """(lanes, n, channels, 1, width) -> (lanes, n, out, 1, places)."""
    pad, n = layer.padding[1], x.shape[1]
    readings = F.pad(x[:, :, :, 0], (pad, pad))
    seen = readings.unfold(3, layer.kernel_size[1], layer.stride[1])  # (…, channels, places, k)
    rows = seen.transpose(2, 3).flatten(3).flatten(1, 2)  # (lanes, n · places, channels · k)
    out = torch.baddbmm(own["bias"].unsqueeze(1), rows, own["weight"].flatten(2).mT)
    return out.unflatten(1, (n, -1)).mT.unsqueeze(3)


def _normed(layer, own, x):
    """(lanes, n, channels, …) -> the same shape."""
    out = F.group_norm(x.flatten(0, 1), layer.num_groups, eps=layer.eps).unflatten(0, x.shape[:2])
    scale, shift = (own[k].view(len(x), 1, -1, *[1] * (x.dim() - 3)) for k in ("weight", "bias"))
    return torch.addcmul(shift, out, scale)
