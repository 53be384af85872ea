"""Learning without forgetting: new samples, old answers. The difference from `method.py`.

    loss = L(new) + λ T² Σ KL(softmax(z°/T) ‖ softmax(z/T))    z°: what the network said before

The sum goes over the earlier tasks, each with the outputs that answer for it; where these are the
same for all of them it is one term, over the classes learned before. Li & Hoiem 2016, eq. 2 to 4 of
the journal version (PAMI 2018): there p^(1/T), made to sum to 1 again, which is softmax(z/T).
Lesson: rehearsal.
"""

from dataclasses import dataclass
from functools import partial

import torch

from .._refuse.arguments import number
from ..lanes import copied, device_of, lanes_of, named, part, per_lane
from ..method import Finetune, cross_entropy, masked, swept
from ..models import apply


@dataclass(frozen=True, repr=False)
class LwF(Finetune):
    """Learning without forgetting: no sample is kept, the old network is asked about the new ones.

    lam: λ; temperature: T > 0, above 1 it lets small probabilities count. Deviations: KL for the
    paper's cross entropy, whose gradient is the same; T² so that λ pulls alike at every T (Hinton
    et al. 2015); no warm-up of the new outputs. `keeps` counts the network of before, which a task
    that was cut short needs again; between two tasks it is the network itself.
    """

    lam: float = swept(1.0)
    temperature: float = swept(2.0, partial(number, strictly=True))

    def start(self, params, stream, hyper):
        none = torch.zeros(lanes_of(params), stream.outputs, dtype=torch.bool)
        return {**hyper, **named("before", copied(params)), "known": none.to(device_of(params))}

    def begin_task(self, params, state, task):
        return params, {**state, **named("before", copied(params))}

    def loss(self, params, state, batch):
        z = apply(self.net, params, batch["x"])  # (lanes, n, outputs)
        new = cross_entropy(masked(z, batch["active"]), batch["y"])
        if not state["known"].any():
            return new
        with torch.no_grad():
            before = apply(self.net, part(state, "before"), batch["x"])
        earlier = batch["answers"][:, : batch["task"]] & state["known"][:, None]
        groups = earlier.unique(dim=1).unbind(1)  # (lanes, outputs) each
        T = state["temperature"]
        apart = sum(distance(before, z, T, group[:, None]) for group in groups)
        return new + state["lam"] * T**2 * apart

    def end_task(self, params, state, task):
        return {**state, "known": state["known"].scatter(1, task["y"], True)}

    def keeps(self, state, lane=0):
        """The network of before, as many bytes as the weights."""
        return {k: p[lane] for k, p in named("before", part(state, "before")).items()}


ALL = torch.tensor(True)


def distance(before, now, T, among=ALL):
    """KL(softmax(before/T) ‖ softmax(now/T)), (lanes, n, outputs) each: means (lanes,).

    among (lanes, 1, outputs) bool: over which outputs the softmax goes; 0 in a lane of none.
    """
    some = among | ~among.any(-1, keepdim=True)
    p, q = (masked(z / per_lane(T, z), some).log_softmax(-1) for z in (before, now))
    each = (p.exp() * (p - q)).masked_fill(~among, 0)
    return each.sum(-1).mean(1)
