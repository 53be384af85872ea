"""Convolutions along time and GroupNorm in all lanes at once: the numbers of `vmap`, sooner."""

import torch
from torch import nn
from torch.nn import functional as F


def along_time(layer, own, x):
    """(lanes, n, channels, 1, readings) -> (lanes, n, out, 1, places), as a product with windows.

    None where the layer is another, or more than plain: there `vmap` does.
    """
    if type(layer) is not nn.Conv2d or "bias" not in own or not _fits(layer, x):
        return None
    readings = F.pad(x[:, :, :, 0], 2 * layer.padding[1:])
    seen = readings.unfold(3, layer.kernel_size[1], layer.stride[1])  # (…, channels, places, k)
    rows = seen.transpose(2, 3).flatten(3).flatten(1, 2)  # (lanes, n · places, channels · k)
    out = torch.baddbmm(own["bias"].unsqueeze(1), rows, own["weight"].flatten(2).mT)
    return out.unflatten(1, (x.shape[1], -1)).mT.unsqueeze(3)


def group_normed(layer, own, x):
    """(lanes, n, channels, …) -> the same shape, bit for bit as by `vmap`. None: another layer."""
    if type(layer) is not nn.GroupNorm or own.keys() != {"weight", "bias"} or _watched(layer):
        return None
    even = F.group_norm(x.flatten(0, 1), layer.num_groups, eps=layer.eps).unflatten(0, x.shape[:2])
    shape = len(x), 1, layer.num_channels, *[1] * (x.dim() - 3)
    return even * own["weight"].view(shape) + own["bias"].view(shape)


def _watched(layer):
    return layer._forward_hooks or layer._forward_pre_hooks


def _fits(layer, x):
    """Whether nothing hangs on the layer, and windows of height 1 are as long as its kernel."""
    if _watched(layer):
        return False
    plain = (layer.groups, layer.dilation, layer.padding_mode) == (1, (1, 1), "zeros")
    flat = x.shape[3:4] == layer.kernel_size[:1] == (1,) and layer.padding[0] == 0
    return plain and flat and x.shape[4] + 2 * layer.padding[1] >= layer.kernel_size[1]
