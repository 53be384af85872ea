"""Piggyback: one frozen backbone W, and one bit a weight for every task, W ⊙ 1[sₜ > threshold].

Mallya, Davis & Lazebnik 2018. The difference from `separate.py`. Lesson: parameter_isolation.
"""

from dataclasses import dataclass

import torch

from ..lanes import named, part, per_lane
from ..method import Weights, swept
from .codecs import packed, unpacked
from .separate import DENSE, SPARSE, Masked, _enter, _layer, _now

SCORE = 1e-2  # where Piggyback's scores begin


@dataclass(frozen=True, repr=False)
class Piggyback(Masked):
    """Piggyback: a frozen backbone W, and a mask 1[s > threshold] a task, learned through scores.

    threshold: scores begin at 0.01; above that, all weights are masked at first. backbone: trained
    weights of the hidden layers, {name: tensor} without lanes, a net, or a `Run` (its lane 0);
    without one, the first task trains the backbone and uses all of it. While a mask is learned,
    `params` holds scores. Deviations: the paper masks a large net trained on ImageNet, and trains
    scores with Adam at 1e-4; here at the training's own lr. State: masks (lanes, tasks, ceil(P /
    8)) uint8, packed. Raises ValueError where the backbone does not fit, or
    no lane's threshold is below the scores' start.
    """

    threshold: float = swept(5e-3)
    backbone: Weights | None = None
    infer_task: bool = False

    def __post_init__(self):
        super().__post_init__()
        if self.backbone is not None:
            vars(self)["backbone"] = self.fitting(self.backbone)

    def fitting(self, backbone):
        """The hidden layers of a backbone; of a run with frozen weights, those."""
        if isinstance(backbone, torch.nn.Module):
            backbone = dict(backbone.named_parameters())
        elif hasattr(backbone, "params"):
            kept = backbone.params | part(backbone.state, "frozen")
            backbone = {k: p[0] for k, p in kept.items()}
        if not isinstance(backbone, dict):
            got = type(backbone).__name__
            raise TypeError(f"backbone must be a Run, a net or {{name: tensor}}, got {got}")
        for k in self._hidden:
            want = tuple(self.net.get_parameter(k).shape)
            got = k in backbone and tuple(backbone[k].shape)
            if got != want:
                raise ValueError(f"backbone must have {k!r} of shape {want}, got {got or 'none'}")
        return Weights({k: backbone[k].detach().clone() for k in self._hidden})

    def start(self, params, stream, hyper):
        if (hyper["threshold"] >= SCORE).all():
            (k, shape), *_ = self._shapes.items()
            low = hyper["threshold"].min()
            dead = f"layer {_layer(k)!r}: 0 of {shape.numel():,} weights pass {low:g}"
            raise ValueError(f"threshold must be below {SCORE:g}, where scores begin. {dead}")
        given = {k: w.to(params[k]).expand_as(params[k]) for k, w in (self.backbone or {}).items()}
        none = packed(torch.zeros_like(self.flat(params)).byte(), 1)  # (lanes, ceil(P / 8))
        masks = none.unsqueeze(1).expand(-1, len(stream), -1)
        return {**super().start(params, stream, hyper), **named("frozen", given), "masks": masks}

    def begin_task(self, params, state, task):
        params, state = super().begin_task(params, state, task)
        blank = {k: torch.full_like(params[k], SCORE) for k in self._shapes}
        scores = blank if self.backbone or task["number"] else {}
        return {**params, **scores}, _enter(SPARSE if scores else DENSE, state)

    def current(self, params, state):
        if _now(state)[1] < SPARSE:
            return params
        frozen, threshold = self.frozen(state), state["threshold"]
        used = {k: frozen[k] * straight_through(params[k], threshold) for k in self._shapes}
        return {**params, **frozen, **used}

    def end_task(self, params, state, task):
        frozen, threshold = {}, state["threshold"]
        if _now(state)[1] == DENSE:  # it learned the backbone, of which it uses all
            frozen = {k: params[k] for k in self._hidden}
            threshold = torch.full_like(threshold, -torch.inf)
        mask = packed(straight_through(self.flat(params), threshold).byte(), 1)
        masks = state["masks"].select_scatter(mask, 1, task["number"])
        return {**super().end_task(params, state, task), **named("frozen", frozen), "masks": masks}

    def masks(self, state, task):
        size = sum(shape.numel() for shape in self._shapes.values())
        bits = unpacked(state["masks"][:, task], 1, size)
        return self.unflat(bits.bool())

    def keeps(self, state, lane=0):
        """Beside the backbone: ceil(P / 8) bytes and an output layer a task.

        A first task that trained the backbone uses all of it, and needs no mask.
        """
        first = 0 if self.backbone else 1
        return {"masks": state["masks"][lane, first : _now(state)[0]], **super().keeps(state, lane)}


def straight_through(scores, threshold):
    """1[s > threshold] of scores s (lanes, …), 0.0 or 1.0; its gradient goes to s unchanged."""
    hard = (scores > per_lane(threshold, scores)).to(scores.dtype)
    return hard + (scores - scores.detach())  # the bracket is exactly 0
