"""Replay: keep a few samples of the past, and rehearse some of them beside every new batch.

    loss = 1/k L(new) + (1 − 1/k) L(kept)    at the k-th task, so that every task weighs the same

van de Ven et al. 2022; equal halves (Chaudhry et al. 2019b) are the other common choice.
`memory.py` says which samples stay. DER++ also keeps what the network answered, A-GEM only forbids
steps that hurt the kept, GDumb learns from the kept alone. Lesson: replay.
"""

from dataclasses import dataclass
from functools import cached_property, partial

import torch

from .._refuse.arguments import choice, whole
from ..method import Finetune, fixed, swept
from .codecs import Pixels, bit_width
from .memory import POLICIES, Memory

WEIGHTINGS = ("1/k", "equal")

# arguments that several methods take, each in a place of its own
policy_field = partial(fixed, "balanced", partial(choice, known=POLICIES))
weighting_field = partial(fixed, "1/k", partial(choice, known=WEIGHTINGS))
bits_field = partial(fixed, 8, bit_width)


@dataclass(frozen=True, repr=False)
class Rehearsal(Finetune):
    """Replay less its arguments: what all methods with a memory of `capacity` samples share.

    A subclass makes fields of those that it takes of policy, weighting and bits.
    State: see `memory.py`.
    """

    capacity: int = swept(200, partial(whole, least=0, most=10**12))

    policy = "balanced"
    weighting = "1/k"
    bits = 8

    @cached_property
    def memory(self):
        return Memory(self.policy, Pixels(self.bits))

    def columns(self, stream):
        """What is kept of a sample but itself, its class and its task: {name: (dtype, width…)}."""
        return {}

    def start(self, params, stream, hyper):
        memory = self.memory.start(params, stream, hyper["capacity"], self.columns(stream))
        return {**hyper, **memory}

    def begin_task(self, params, state, task):
        return params, self.memory.make_room(state, task)

    def draw(self, state, batch, rng):
        u, chance = rng(2 * batch["y"].shape[1]).chunk(2, 1)
        batch = {**batch, "chance": chance}
        if not state["old"].any():
            return batch
        return {**batch, "old": self.memory.recall(state, batch, u)}

    def loss(self, params, state, batch):
        new = self.risk(params, state, batch)
        if "old" not in batch:
            return new
        share = torch.where(state["old"].any(1), self.share(batch), 1.0)  # (lanes,)
        return share * new + (1 - share) * self.risk(params, state, batch["old"])

    def risk(self, params, state, batch):
        """L, of one batch: (lanes,). Cross entropy, unless a method says otherwise."""
        return super().loss(params, state, batch)

    def share(self, batch):
        """Weight of what is new where there is something to rehearse."""
        return 1 / (batch["task"] + 1) if self.weighting == "1/k" else 0.5

    def after_step(self, params, state, batch):
        return state if batch["epoch"] else self.memory.store(params, state, batch)

    def keeps(self, state, lane=0):
        """The packed samples, a byte for the class of each, one for its task unless that tells."""
        return self.memory.keeps(state, lane)

    def shows(self, state, shape, lane=0):
        """What is kept, to look at: x (n, *shape) in the `shape` of the stream, and y (n,)."""
        return self.memory.shows(state, shape, lane)

    def notes(self, state):
        return self.memory.notes(state)


@dataclass(frozen=True, repr=False)
class Replay(Rehearsal):
    """Experience replay: every batch rehearses as many of `capacity` kept samples as are new.

    policy: "reservoir" keeps a uniform sample of the stream, whatever its classes; "balanced" gives
    each class seen so far the same share, capacity // classes, and keeps a uniform sample of it;
    "ring" gives each class of the stream its share from the start and keeps its newest samples
    (Chaudhry et al. 2019b). weighting: "1/k" or "equal" halves. bits: 2 to 8 for each value of a
    sample. A sample arrives once, in the first epoch of its task, and is rehearsed from the next
    task on. "balanced" makes room for the classes of a task as it begins; a device without task
    boundaries would do so sample by sample. A class with fewer samples than its share keeps them
    all, and `Run.notes` says so. A ring forgets old tasks that share their classes with the new
    one: in a domain-incremental stream, all. Capacity 0 is finetuning. Raises ValueError where a
    capacity cannot give every class one sample, or needs over 1 GB.
    """

    policy: str = policy_field()
    weighting: str = weighting_field()
    bits: int = bits_field()
