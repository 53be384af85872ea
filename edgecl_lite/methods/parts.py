"""A network cut in two: the front, which may stand still, and the head. Lesson: rehearsal."""

from functools import cached_property

from torch import nn

from ..models import apply


class Halves:
    """Of a method with an argument `cut`: its net's two halves, walked apart."""

    def __post_init__(self):
        super().__post_init__()
        cut_at(self.net, self.cut)

    @cached_property
    def front(self):
        """The first `cut` layers."""
        return cut_at(self.net, self.cut)[0]

    @cached_property
    def head(self):
        """The others."""
        return cut_at(self.net, self.cut)[1]


def cut_at(net, cut):
    """(front, head) of an nn.Sequential: its first `cut` layers (-1: all but the last), the others.

    Raises ValueError where there would be no front or no head.
    """
    if type(net) is not nn.Sequential or cut not in range(1 - len(net), len(net)) or not cut:
        want = "cut must leave a layer of an nn.Sequential on both sides"
        raise ValueError(f"{want}, got {cut!r} of {net}")
    return net[:cut], net[cut:]


def latent_width(front, params, x):
    """How many values the front gives for a sample of x (n, …). ValueError unless they are flat."""
    x = x[:1].to(next(iter(params.values())).device)
    z = apply(front, {k: p[:1] for k, p in params.items()}, x[None])
    if z.dim() != 3:
        got = tuple(z.shape[1:])
        raise ValueError(f"the front must give (n, channels), got {got}: cut behind an nn.Flatten")
    return z.shape[-1]
