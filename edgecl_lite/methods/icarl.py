"""iCaRL: rehearse well chosen exemplars, distil what the network knew, answer by the nearest mean.

    loss = Σ_c BCE(σ(z_c), q_c)      q_c: σ(z_c) before the task if c was known then, else 1[c = y]
    answer = argmin_c ‖φ(x) − μ_c‖   φ: features of unit length, μ_c: mean over the exemplars of c

Rebuffi et al. 2017, algorithms 1 to 5. Exemplars are chosen by herding, so that the first m of them
are the best m, whatever m the memory has room for. Lesson: rehearsal.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from ..lanes import copied, for_lanes, named, part, rows
from ..machine.pieces import in_pieces
from ..models import apply, layers
from . import memory
from .replay import Rehearsal, bits_field, weighting_field


def herding(features, m):
    """Indices (lanes, m), best first, of m samples whose mean follows that of all.

    features (lanes, n, d). The k-th is the one that brings the mean of the first k closest to
    theirs (Welling 2009; Rebuffi et al. 2017, algorithm 4), so that every prefix is the selection
    for a smaller m. Deviation: the paper's code brings each mean back to unit length first. Raises
    ValueError where m exceeds n.
    """
    if m > features.shape[1]:
        raise ValueError(f"herding can choose at most {features.shape[1]} samples, got m = {m}")
    mean, total, chosen = features.mean(1, keepdim=True), torch.zeros_like(features[:, :1]), []
    size = features.square().sum(-1)  # (lanes, n), inf where chosen
    for k in range(1, m + 1):
        # k² ‖μ − (total + φ) / k‖², but for what all φ share
        apart = size - 2 * (features @ (k * mean - total).mT).squeeze(-1)
        pick = apart.argmin(1, keepdim=True)
        total, size = total + rows(features, pick), size.scatter(1, pick, torch.inf)
        chosen.append(pick)
    return torch.cat(chosen, 1) if chosen else total.new_empty(len(features), 0, dtype=torch.long)


def features(net, params, x):
    """What the last layer of the net gets, at unit length: (lanes, n, d)."""

    def last(params, x):
        for _, _, _, h, _ in layers(net, params, x):  # noqa: B007
            pass
        return F.normalize(h.flatten(2), dim=-1)

    return in_pieces(last, params, x)


@dataclass(frozen=True, repr=False)
class ICaRL(Rehearsal):
    """iCaRL, for class-incremental streams: the classes seen share `capacity` exemplars evenly.

    Exemplars are chosen at the end of a task; until then the network has no answer for its classes.
    A class that comes again in a later task counts as known: its target is what the network said
    before. The network of before a task, which distillation needs while it is learned, is not
    counted in `keeps`. weighting: of new samples and exemplars, as for `Replay` (the paper mixes
    them as they come). Capacity 0 keeps no exemplar, still distils, and answers by the network
    itself. Raises TypeError where net is no nn.Sequential that ends in a linear layer; ValueError
    where the stream is not class-incremental.
    """

    weighting: str = weighting_field()
    bits: int = bits_field()

    def __post_init__(self):
        super().__post_init__()
        last = self.net
        while type(last) is nn.Sequential:
            last = last[-1]
        if last is self.net or type(last) is not nn.Linear:
            raise TypeError(f"iCaRL needs an nn.Sequential that ends in nn.Linear, got {self.net}")

    def start(self, params, stream, hyper):
        if stream.scenario != "class":
            got = f"got scenario {stream.scenario!r}"
            raise ValueError(f"iCaRL is for class-incremental streams, {got}")
        state = super().start(params, stream, hyper)
        return {**state, **named("before", params)}

    def begin_task(self, params, state, task):
        return params, {**state, **named("before", copied(params)), "old": state["filled"]}

    def risk(self, params, state, batch):
        logits = apply(self.net, params, batch["x"])  # (lanes, n, outputs)
        q = F.one_hot(batch["y"], logits.shape[-1]).to(logits.dtype)
        if state["known"].any():
            with torch.no_grad():
                before = apply(self.net, part(state, "before"), batch["x"]).sigmoid()
            q = torch.where(state["known"].unsqueeze(1), before, q)
        bce = F.binary_cross_entropy_with_logits(logits, q, reduction="none")
        return (bce * batch["active"]).sum(-1).mean(1)

    def after_step(self, params, state, batch):
        return state

    def end_task(self, params, state, task):
        phi = torch.cat([features(self.net, params, x) for x in task["x"].split(1000, 1)], 1)
        known = state["known"].scatter(1, task["y"], True)
        state = memory.make_room(state, known)  # older classes keep the first of their exemplars
        for c in task["y"][0].unique().tolist():
            state = self.exemplars(params, state, task, phi, c)
        return state

    def exemplars(self, params, state, task, phi, c):
        """The state with the exemplars of class c, chosen by their features phi (lanes, n, d)."""
        own = (task["y"][0] == c).nonzero().flatten()
        share = memory.shares(state)[:, None]
        m = min(len(own), int(share.max()))
        best = own[herding(phi[:, own], m)]  # (lanes, m)
        rank = torch.arange(best.shape[1], device=best.device)
        row = torch.where(rank < share, memory.first_rows(state)[:, [c]] + rank, -1)
        x = self.memory.codec.encode(params, state, rows(task["x"], best))
        came = state["arrived"].clone()
        # a class that comes again overwrites its first exemplars
        came[:, c] = came[:, c].clamp(min=len(own))
        return memory.put(state, row, {"memory.x": x, "memory.y": rows(task["y"], best)}, came)

    def predict(self, params, state, x, task=None):
        """Minus the squared distance to the mean of a class's exemplars, -inf for one without."""
        mean, has = self.class_means(params, state, x.shape[1:])
        own = features(self.net, params, for_lanes(x, params))
        apart = 2 - 2 * own @ mean.mT  # ‖φ − μ‖² of unit vectors, (lanes, n, classes)
        nearest = -apart.masked_fill(~has.unsqueeze(1), torch.inf)
        chosen = state["capacity"].view(-1, 1, 1) > 0
        if chosen.all():
            return nearest
        return torch.where(chosen, nearest, super().predict(params, state, x, task))

    def class_means(self, params, state, shape):
        """(μ (lanes, classes, d) of unit length, which classes have exemplars (lanes, classes))."""
        kept = self.memory.codec.decode(state, state["memory.x"], shape)  # (lanes, rows, …)
        phi = features(self.net, params, kept)
        member = F.one_hot(state["memory.y"].long(), state["known"].shape[1])
        member = member * state["filled"].unsqueeze(-1)  # (lanes, rows, classes)
        return F.normalize(member.to(phi.dtype).mT @ phi, dim=-1), member.any(1)
