"""Whether a training fits a board; where not, the mildest changes that would help.

Lesson: edge_budget.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace
from itertools import combinations, islice

from ..methods import NearestMean, StreamingLDA
from ..methods.parts import Halves
from .boards import Board, board, size
from .budget import Budget

WAYS = {
    "micro_batch": "micro-batches of {new} instead of {now} (the same gradient, added up)",
    "optimizer": "plain SGD instead of {now}",
    "batch_size": "a batch of {new} instead of {now}",
    "recompute": "computing activations again in the backward pass instead of keeping them",
    "engine": "an engine that keeps only what the backward pass needs",
    "bits": "{new} bits a value instead of {now}",
    "capacity": "a capacity of {new} instead of {now}",
    "weight_bytes": "weights of {new} byte instead of {now} (by an engine that trains so)",
}
PLACES = "outside", "banks"
WHERE = {
    "one piece": "",
    "banks": " only cut by hand over banks of RAM, the largest of {piece}",
    "outside": " only with RAM outside the chip, which is slower (inside are {usable})",
}


class DoesNotFit(MemoryError):
    """A training does not fit a board. `.verdict` says why, and what would help."""

    def __init__(self, verdict):
        super().__init__(str(verdict))
        self.verdict = verdict


@dataclass(frozen=True)
class Verdict:
    """Whether a budget fits a board; true or false by itself, a sentence as text.

    short: bytes missing, {"RAM": n} or {"flash": n}, empty where it fits; largest: (what, bytes) of
    the tightest memory; changes: two ways to make it fit, each a sentence, fewer where fewer exist.
    place: where it fits, "one piece" of the chip's RAM, its "banks" (cut over them by hand), or
    "outside" (partly in RAM beside the chip, which is slower); "" where it does not fit.
    """

    board: Board
    budget: Budget
    short: dict
    largest: tuple
    changes: tuple

    def __bool__(self):
        return not self.short

    @property
    def place(self):
        """The mildest of "one piece", "banks" and "outside" that holds it; "" where none does."""
        if self.short:
            return ""
        inside = self.budget.ram <= self.board.usable
        return "one piece" if self.budget.ram <= self.board.piece else PLACES[inside]

    def or_refuse(self):
        """The verdict itself. Raises `DoesNotFit` where it is that it does not fit."""
        if not self:
            raise DoesNotFit(self)
        return self

    def __str__(self):
        need, has = self.budget, self.board
        name = type(need.method).__name__
        inside = has.usable if self.place in ("one piece", "banks") else has.reach
        have = {"RAM": (need.ram, inside), "flash": (need.flash, has.flash)}
        if self:
            told = " and ".join(f"{size(n)} of {size(m)} {where}" for where, (n, m) in have.items())
            only = WHERE[self.place].format(piece=size(has.piece), usable=size(has.usable))
            return f"{name} fits {has.title}{only}: {told}."
        lacks = []
        for where in self.short:
            exact = size(have[where][0]) == size(have[where][1])
            needs, there = (f"{m:,} B" if exact else size(m) for m in have[where])
            lacks.append(f"{needs} of {where}, there are {there}")
        sentence = f"{name} does not fit {has.title}: it needs {', and '.join(lacks)}."
        sentence += f" The largest part: {self.largest[0]}, {size(self.largest[1])}."
        return f"{sentence} What would help: {'; or '.join(self.changes) or 'only a larger board'}."


def fits(budget, on):
    """Whether a `Budget` fits a board (its name, or a `Board`): a `Verdict`."""
    if not isinstance(budget, Budget):
        came = type(budget).__name__
        raise TypeError(f"fits needs a Budget, as of budget(method, stream), got {came}")
    has = board(on)
    short = _short(budget, has)
    if not short:
        return Verdict(has, budget, {}, (), ())
    room = {"RAM": has.ram + has.external, "flash": has.flash}
    where = max(short, key=lambda where: short[where] / max(1, room[where]))
    parts = [(what, n) for what, n, place in budget.lines if place == where]
    largest = max(parts, key=lambda part: part[1])
    return Verdict(has, budget, short, largest, tuple(islice(_helps(budget, has), 2)))


def _short(budget, has):
    """Bytes missing, {where: n}."""
    over = {"RAM": budget.ram - has.reach, "flash": budget.flash - has.flash}
    return {where: n for where, n in over.items() if n > 0}


def _helps(budget, has):
    """Sentences on what would make it fit: single changes, or else two, three, … at once."""
    fewer = "batch_size" if budget.method.indivisible else "micro_batch"  # as good for RAM, milder
    least = {"optimizer": "sgd", fewer: 1, "weight_bytes": 1, "recompute": True}
    least |= {"engine": budget.parts[0].engines[-1]}
    if "capacity" in budget.hyper:
        least |= {"capacity": min(budget.outputs, budget.hyper["capacity"]), "bits": 4}
    now = vars(budget) | budget.hyper | {"micro_batch": budget.piece}
    ways = [name for name in WAYS if name in least and least[name] != now[name]]
    for many in range(1, len(ways) + 1):
        tried = [_mildest(budget, has, names, least, now) for names in combinations(ways, many)]
        for changes in filter(None, tried):
            told = [WAYS[name].format(new=new, now=now[name]) for name, new in changes.items()]
            yield " and ".join(told)
        if any(tried):
            break
    yield from _heads(budget, has)
    yield from _networks(budget, has)


def _heads(budget, has):
    """A sentence on the first head without backpropagation that fits behind this network."""
    for kind in (StreamingLDA, NearestMean) if budget.front else ():
        cut = budget.method.cut if isinstance(budget.method, Halves) else -1
        method = kind(budget.method.net, cut=cut, frozen=True)
        still = replace(budget, method=method, hyper=method.hyper)
        if not _short(still, has):
            takes = f"{kind.__name__} behind it ({size(still.ram)} of RAM)"
            yield f"a front that comes trained and stands still, {takes}"
            return


def _networks(budget, has):
    """A sentence on how small a network would fit, as it is or with the cheapest training."""
    cheapest = budget.change(optimizer="sgd", batch_size=1)
    for with_what, cheap in (("", budget), (", plain SGD and a batch of 1", cheapest)):
        waits = cheap.need.activations + cheap.need.works.get("buffers of the front", 0)
        kept = sum(cheap.need.keeps.values()) * ("samples" in cheap.need.keeps)
        ram = (has.reach - waits) / max(1, cheap.ram - waits)  # what waits shrinks more slowly
        if ram > 0 and not any(cheap.need.trained):
            ram **= 2  # class means go with the width, the weights with its square
        share, P = min(ram, (has.flash - kept) / max(1, cheap.flash - kept)), cheap.net.weights
        smallest = cheap.stream.pixels + 1 + 2 * cheap.outputs  # weights of an mlp
        if smallest <= share * P < P:
            most = f"{int(share * P):,} weights instead of {P:,}"
            yield f"a network of at most about {most}{with_what}"
            return


def _mildest(budget, has, names, least, now):
    """These changes, as small as still fits, {name: value}; None where the greatest do not help."""
    changes = {name: least[name] for name in names}
    too_large = lambda changes: bool(_short(budget.change(**changes), has))
    if too_large(changes):
        return None
    for name in [name for name in names if name in ("micro_batch", "batch_size", "capacity")]:
        sizes = range(changes[name], now[name])
        over = bisect_left(sizes, True, key=lambda n: too_large(changes | {name: n}))
        changes[name] = sizes[over - 1]
    return changes
