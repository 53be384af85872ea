"""PackNet: one network, where each task prunes its weights for the next, W ⊙ 1[0 < owner <= t].

Mallya & Lazebnik 2018. The difference from `separate.py`. Lesson: parameter_isolation.
"""

from dataclasses import dataclass
from functools import partial

import torch

from .._refuse.arguments import number
from ..lanes import named, zeros
from ..method import Exhausted, fixed, swept
from .codecs import packed
from .separate import DENSE, SPARSE, Masked, _enter, _layer, _now


@dataclass(frozen=True, repr=False)
class PackNet(Masked):
    """PackNet: learn with the free weights, prune the smallest, retrain the others, freeze them.

    prune: the share of its weights that a task gives back, in (0, 1): in every layer it keeps
    exactly round((1 − prune) · those it had). retrain: share of a task's steps that come after
    pruning. Weights that are given back begin at 0, as in the paper. What is frozen enters the
    network from the state: no optimiser can move it. State: owner (lanes, P) uint8, 1 + the number
    of the task that keeps a weight; 0: free. Raises `Exhausted` where a layer has no weight left to
    keep, in all lanes; in a few lanes it is a note.
    """

    prune: float = swept(0.75, partial(number, most=0.999999, strictly=True))
    retrain: float = fixed(1 / 3, partial(number, most=1))
    infer_task: bool = False

    def start(self, params, stream, hyper):
        if len(stream) > 255:
            raise ValueError(f"PackNet counts to 255 tasks, got {len(stream)}")
        state = super().start(params, stream, hyper)
        return {**state, "owner": torch.zeros_like(self.flat(params)).byte()}

    def begin_task(self, params, state, task):
        params, state = super().begin_task(params, state, task)
        t, owner = task["number"], state["owner"]
        state = {**state, "owner": owner.masked_fill(owner == 0, t + 1)}
        for k, mine in self.masks(state, t).items():
            if (self.quota(state, mine) < 1).all():
                weights = f"the {mine[0].sum()} left of {mine[0].numel():,}"
                left = f"layer {_layer(k)!r} needs 1 weight, and would keep 0 of {weights}"
                way = "Take a wider net or another prune; finished tasks still answer"
                who = self.who(state, slice(1))
                raise Exhausted(f"{who} has no room for task {t}: {left}. {way}")
        blank = zeros({k: params[k] for k in self._shapes}) if t else {}
        return {**params, **blank}, state

    def quota(self, state, mine):
        """How many of its weights a task keeps in a layer: mine (lanes, …) bool -> (lanes,)."""
        prune = state["prune"].cpu().double()  # on the CPU: MPS has no float64
        prune = prune.round(decimals=6)  # 0.4, not single precision's 0.4000000059
        quota = (1 - prune) * mine.flatten(1).sum(1).cpu()
        return quota.round().long().to(mine.device)

    def current(self, params, state):
        (t, _), frozen = _now(state), self.frozen(state)
        own = self.masks(state, t)
        used = {k: torch.where(own[k], params[k], frozen[k]) for k in own}
        return {**params, **(frozen if t else {}), **used}

    def after_step(self, params, state, batch):
        _, phase = _now(state)
        due = batch["left"] <= self.retrain and phase == DENSE
        return self.pruned(params, state) if due else state

    def pruned(self, params, state):
        """The smallest of the task's own weights are free again."""
        t, free = _now(state)[0], {}
        for k, mine in self.masks(state, t).items():
            size = params[k].abs().masked_fill(~mine, -1).flatten(1)  # (lanes, weights)
            rank = size.argsort(dim=1, descending=True, stable=True).argsort(1)
            small = rank >= self.quota(state, mine).unsqueeze(1)
            free[k] = mine & small.view_as(mine)
        return {**_enter(SPARSE, state), "owner": state["owner"].masked_fill(self.flat(free), 0)}

    def end_task(self, params, state, task):
        theta = self.current(params, state)
        frozen = {k: theta[k] for k in self._hidden}
        return {**super().end_task(params, state, task), **named("frozen", frozen)}

    def masks(self, state, task):
        return self.unflat(state["owner"] == task + 1)

    def used(self, state, task):
        return self.unflat(state["owner"] <= task + 1)  # free ones are 0

    def keeps(self, state, lane=0):
        """Beside the hidden layers: ceil(log2(T + 1)) bits a weight, T tasks' output layers."""
        tasks, owner = _now(state)[0], state["owner"][lane]
        owner = owner.masked_fill(owner > tasks, 0)
        bits = tasks.bit_length() or 1
        return {"owner": packed(owner, bits), **super().keeps(state, lane)}
