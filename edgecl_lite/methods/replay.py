"""Replay: keep a few samples of the past, and rehearse some of them beside every new batch.

    loss = 1/k L(new) + (1 − 1/k) L(kept)        at the k-th task, so that every task weighs the same

van de Ven et al. 2022; equal halves (Chaudhry et al. 2019b) are the other common choice. `memory.py` says
which samples stay. DER++ also keeps what the network answered, A-GEM only forbids steps that hurt the kept,
GDumb learns from the kept alone. Lesson: 03_replay.
"""

import math
from dataclasses import dataclass
from functools import partial

import torch

from .._refuse.arguments import choice, whole
from ..lanes import rows
from ..method import Finetune, fixed, swept
from . import memory
from .codecs import bit_width, levels, packed, unpacked

POLICIES = ("balanced", "reservoir", "ring")
WEIGHTINGS = ("1/k", "equal")


policy_field = partial(fixed, "balanced", partial(choice, known=POLICIES))
weighting_field = partial(fixed, "1/k", partial(choice, known=WEIGHTINGS))
bits_field = partial(fixed, 8, bit_width)


@dataclass(frozen=True, repr=False)
class Rehearsal(Finetune):
    """Replay less its arguments: what all methods with a memory of `capacity` samples share.

    A subclass makes fields of those that it takes of policy, weighting and bits.
    """

    capacity: int = swept(200, partial(whole, least=0, most=10**12))

    policy = "balanced"
    weighting = "1/k"
    bits = 8

    def start(self, params, stream, hyper):
        capacity, groups = hyper["capacity"], 1 if self.policy == "reservoir" else stream.outputs
        if len(small := capacity[(capacity > 0) & (capacity < groups)]):
            need = f"0, which keeps nothing, or at least {groups}, one sample for each class"
            raise ValueError(f"capacity must be {need}; got {small[0]}")
        x = stream.tasks[0].train[0].to(capacity.device)
        state = memory.empty(capacity, groups, self.columns(params, stream))
        return {
            **hyper,
            **state,
            "known": state["known"] | (self.policy != "balanced"),
            "levels": torch.full_like(capacity, levels(x, self.bits)),
        }

    def begin_task(self, params, state, task):
        if self.policy == "balanced":
            known = state["known"].scatter(1, task["y"], True)
            state = memory.make_room(state, known, task["rng"](1))
        return params, {**state, "old": state["filled"]}

    def draw(self, state, batch, rng):
        u, chance = rng(2 * batch["y"].shape[1]).chunk(2, 1)
        batch = {**batch, "chance": chance}
        return {**batch, "old": self.recall(state, u, batch)} if state["old"].any() else batch

    def recall(self, state, u, batch):
        """Old samples as a batch: x, y (lanes, n, …), active (lanes, n or 1, outputs): of their own task."""
        row, on = memory.recall(state["old"], u), torch.full(u.shape, batch["task"], device=u.device)
        if "memory.on" in state:
            on = rows(state["memory.on"], row).long()
        none = ~state["old"].any(1).view(-1, 1, 1)  # where there is no sample, no -inf either
        x, y = self.decode(state, rows(state["memory.x"], row), batch["x"]), rows(state["memory.y"], row)
        return {**batch, "x": x, "y": y.long(), "active": rows(batch["answers"], on) | none, "row": row}

    def loss(self, params, state, batch):
        new = self.risk(params, state, batch)
        if "old" not in batch:
            return new
        share = torch.where(state["old"].any(1), self.share(batch), 1.0)
        return share * new + (1 - share) * self.risk(params, state, batch["old"])

    def risk(self, params, state, batch):
        """L, of one batch: (lanes,). Cross entropy, unless a method says otherwise."""
        return super().loss(params, state, batch)

    def share(self, batch):
        """Weight of what is new where there is something to rehearse."""
        return 1 / (batch["task"] + 1) if self.weighting == "1/k" else 0.5

    def after_step(self, params, state, batch):
        return state if batch["epoch"] else self.store(params, state, batch)

    def store(self, params, state, batch):
        """The batch arrives: x, y and chance (lanes, n, …)."""
        on, group = torch.full_like(batch["y"], batch["task"]), batch["y"] * (self.policy != "reservoir")
        new = {"memory.x": self.encode(params, state, batch["x"]), "memory.y": batch["y"], "memory.on": on}
        return memory.store(state, new, group, batch["chance"], newest=self.policy == "ring")

    def columns(self, params, stream):
        """What is kept of a sample, {name: (dtype, width…)}."""
        columns = {"x": (torch.uint8, self.width(params, stream.tasks[0].train[0])), "y": (torch.uint8,)}
        if stream.scenario == "class":  # there the class of a sample tells its task
            return columns
        return {**columns, "on": (torch.uint8,)}

    def width(self, params, x):
        """Bytes of a sample."""
        return math.ceil(x[0].numel() * self.bits / 8)

    def encode(self, params, state, x):
        """Samples (lanes, n, …) in 0 … 1 as bytes (lanes, n, width)."""
        codes = (x.flatten(2) * state["levels"].view(-1, 1, 1)).round()
        return packed(codes.to(torch.uint8), self.bits)

    def decode(self, state, codes, like):
        """Bytes (lanes, n, width) as samples of the shape of `like` (lanes, …, channels, height, width)."""
        x = unpacked(codes, self.bits, like[0, 0].numel()) / state["levels"].view(-1, 1, 1)
        return x.view(*codes.shape[:2], *like.shape[2:])

    def keeps(self, state, lane=0):
        """The samples, packed, a byte for the class of each and, unless that tells it, one for the task."""
        return {k: v[lane][state["filled"][lane]] for k, v in memory.tables(state).items()}

    def shows(self, state, shape, lane=0):
        """What is kept, to look at: x (n, channels, height, width) of the stream's `shape`, and y (n,)."""
        rows, like = state["filled"][lane], torch.empty(1, 1, *shape)
        x = self.decode({k: v[[lane]] for k, v in state.items()}, state["memory.x"][[lane]][:, rows], like)
        return x[0].cpu(), state["memory.y"][lane][rows].long().cpu()

    def notes(self, state):
        share, came, said = memory.shares(state), state["arrived"], []
        for lane, group in ((came > 0) & (came < share[:, None])).nonzero().tolist():
            who = "the stream" if self.policy == "reservoir" else f"class {group}"
            gave = f"{who} gave {came[lane, group]} samples, fewer than its share of {share[lane]}"
            said.append(f"With capacity {state['capacity'][lane]} {gave}: all are kept.")
        return list(dict.fromkeys(said))


@dataclass(frozen=True, repr=False)
class Replay(Rehearsal):
    """Experience replay: a memory of `capacity` samples; every batch rehearses as many of them as are new.

    policy: "reservoir" keeps a uniform sample of the stream, whatever its classes; "balanced" gives each
    class seen so far the same share, capacity // classes, and keeps a uniform sample of it; "ring" gives each
    class of the stream its share from the start and keeps its newest samples (Chaudhry et al. 2019b).
    weighting: "1/k" or "equal" halves. bits: 2 to 8 for each value of a sample.
    A sample arrives once, in the first epoch of its task, and is rehearsed from the next task on. "balanced"
    makes room for the classes of a task as it begins; a device without task boundaries would do so sample by
    sample. A class with fewer samples than its share keeps them all, and `Run.notes` says so. A ring forgets
    old tasks that share their classes with the new one: in a domain-incremental stream, all. Capacity 0 is
    finetuning. Raises ValueError where a capacity cannot give every class one sample, or needs over 1 GB.
    """

    policy: str = policy_field()
    weighting: str = weighting_field()
    bits: int = bits_field()
