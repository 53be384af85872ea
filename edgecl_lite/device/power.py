"""A short life in which every single operation on flash is cut once: what is found, how it ends.

    saves: params, state and dice after each task      cut at operation 0, 1, 2, … of writing them
    survived: found is the save before the cut, or the one that was being written

By brute force, for a proof by example is worth nothing here. Lesson: wrist.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from safetensors.torch import load, save

from .._refuse.arguments import several, whole
from ..journal import Kept
from ..lanes import lane as lane_of
from ..lanes import named, part
from ..learn import beginning, carried, steps
from ..machine.records import digest, framed, records
from ..machine.settled import settled
from ..plan import Plan
from .flash import Flash, PowerLost

NOTHING, UNLIKE = -1, -2  # no whole slot; bytes that no save ever was
TREES = "params", "state", "carried"


@settled
def kept(method, params, state, lane=0):
    """What `budget` counts as flash, as bytes: one lane's weights, and what the method keeps.

    A safetensors file: a header of names and shapes, then exactly the counted bytes. To answer and
    to rehearse it is enough; to go on to the same end it is not: dice, counts of arrivals and the
    optimiser's moments are left out, which `saves` has.
    """
    keeps = named("keeps", method.keeps(state, lane))
    weights = {k: v[0] for k, v in lane_of(params, lane).items()}
    tensors = named("params", weights) | keeps
    return save({k: v.detach().cpu().contiguous() for k, v in tensors.items()})


def weights_in(raw):
    """The weights in the bytes of `kept`, {name: (1, …)} as a method's `weights=` takes them.

    What a torn save left is read, too, while its header is whole: that is what a device would do.
    ValueError where it is not.
    """
    try:
        tensors = part(load(raw), "params")
    except Exception as error:  # whatever of the header is torn
        raise ValueError(f"these {len(raw):,} bytes are nothing that was kept: {error}") from None
    return {k: v[None] for k, v in tensors.items()}


@settled
def saves(method, stream, seeds=1, **options):
    """Train, and yield the bytes to save before the first step and after every task.

    Each holds all that the rest hangs on: params, state, dice (10 kB a seed, as PyTorch has them; a
    device's own would take a few bytes), of the optimiser what the next task takes over: nothing
    while fresh=True. What was answered on test sets is left out. Options and errors as `learn`.
    """
    plan = Plan(method, stream, seeds, None, **options)
    first = beginning(plan)
    yield _bytes(plan, first)
    for moment in steps(plan.verbs, plan, first):
        if not plan.place(moment.step)[1]:
            yield _bytes(plan, moment)


@settled
def gone_on(raw, method, stream, seeds=1, **options):
    """The `Moment` at the end of a training that goes on from the bytes of one of its `saves`.

    ValueError where the bytes are not whole, or the arguments are not those of that training.
    """
    plan = Plan(method, stream, seeds, None, **options)
    trees, found = {tree: {} for tree in TREES}, [*records("what was saved", raw)]
    if not found:
        raise ValueError(f"these {len(raw):,} bytes are no whole save; load those of a `Slots`")
    facts, tensors = found[0]
    if facts["of"] != _of(plan):
        raise ValueError("this was saved by another training: give the arguments `saves` was given")
    for name, value in tensors.items():
        tree, _, key = name.partition("/")
        trees[tree][key] = value
    first, _ = Kept({}, [], [], facts["step"], **trees).go_on(plan)
    last = deque(steps(plan.verbs, plan, first), maxlen=1)
    return last.pop() if last else first


def _bytes(plan, moment):
    """All of a `Moment` at a task's end, as a record of the journal."""
    also = carried(moment)
    if plan.options.fresh:
        also = {k: v for k, v in also.items() if k.startswith("dice")}
    trees = zip(TREES, (moment.params, moment.state, also), strict=True)
    tensors = {f"{tree}/{k}": v for tree, values in trees for k, v in values.items()}
    return framed(tensors, {"step": moment.step, "of": _of(plan)})


def _of(plan):
    """What tells one training from another: the digest of its settings and its data."""
    return digest([], (plan.settings, [task.digest for task in plan.stream]))


@dataclass(frozen=True)
class Cuts:
    """What was found after a power cut in each operation of a life.

    interrupted, found (operations,): numbers of the save that was being written, and of the one
    that was there when power came back, `NOTHING` = −1 or `UNLIKE` = −2, bytes that never were.
    """

    interrupted: np.ndarray
    found: np.ndarray

    @property
    def survived(self):
        """Which cuts lost no more than the save they hit, (operations,) bool."""
        return (self.found == self.interrupted) | (self.found == self.interrupted - 1)

    def __str__(self):
        lost, wrong = (int((self.found[~self.survived] == w).sum()) for w in (NOTHING, UNLIKE))
        told = f"{int(self.survived.sum()):,} of {len(self.found):,} cuts survived"
        return f"{told}; {lost:,} left nothing, {wrong:,} left bytes that never were"


def power_cuts(saved, slots, seed=0, every=1):
    """`Cuts`: save these bytes in turn, again and again, with a cut at every operation once.

    saved: a list of bytes, as of `saves`; slots: `Slots` on a flash that stays as it is, and is
    taken as fresh. seed: which bits a torn operation still changes; every: k for a cut in each k-th
    operation only. Errors as `Slots.save`.
    """
    saved, every, was = several("saved", saved), whole("every", every), slots.flash
    slots = _on(slots, Flash(was.pages, was.page_bytes, was.word, board=was.board))
    interrupted, found = [], []
    for i, raw in enumerate(saved):
        after = slots.flash.before(None)
        _on(slots, after).save(raw)
        for cut in range(slots.flash.operations, after.operations, every):
            interrupted.append(i)
            found.append(_found(saved, i, _cut(slots, raw, cut, seed)))
        slots = _on(slots, after)
    return Cuts(np.array(interrupted), np.array(found))


def _cut(slots, raw, cut, seed):
    """The `Saved` that is there after a save of raw was cut, or None."""
    torn = _on(slots, slots.flash.before(cut, seed))
    try:
        torn.save(raw)
    except PowerLost:
        return torn.load()
    raise AssertionError(f"operation {cut} was not reached")


def _found(saved, i, here):
    """The number of the save found, the newest of those that it can be."""
    if here is None:
        return NOTHING
    return next((k for k in range(i, -1, -1) if saved[k] == here.raw), UNLIKE)


def _on(slots, flash: Flash):
    """The same slots on another flash."""
    return type(slots)(flash, slots.many, slots.checked)
