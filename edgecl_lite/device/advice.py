"""Whether a training fits a board; where not, the mildest changes that would help: one, or else two, three, …

Lesson: 06_edge_budget.
"""

import itertools
from bisect import bisect_left
from dataclasses import dataclass, replace

from ..methods import NearestMean, StreamingLDA
from ..methods.parts import Halves
from .boards import Board, board, size
from .budget import Budget


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
    """

    board: Board
    budget: Budget
    short: dict
    largest: tuple
    changes: tuple

    def __bool__(self):
        return not self.short

    def or_refuse(self):
        """The verdict itself. Raises `DoesNotFit` where it is that it does not fit."""
        if not self:
            raise DoesNotFit(self)
        return self

    def __str__(self):
        need, has = self.budget, self.board
        name = type(need.method).__name__
        have = {"RAM": (need.ram, has.usable), "flash": (need.flash, has.flash)}
        if self:
            told = " and ".join(f"{size(n)} of {size(m)} {where}" for where, (n, m) in have.items())
            return f"{name} fits {has.title}: {told}."
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
        raise TypeError(
            f"fits needs a Budget, as of budget(method, stream), got {type(budget).__name__}"
        )
    has = board(on)
    short = _short(budget, has)
    if not short:
        return Verdict(has, budget, {}, (), ())
    where = max(
        short, key=lambda where: short[where] / max(1, {"RAM": has.ram, "flash": has.flash}[where])
    )
    largest = max(
        ((what, n) for what, n, place in budget.lines if place == where), key=lambda line: line[1]
    )
    return Verdict(has, budget, short, largest, tuple(itertools.islice(_helps(budget, has), 2)))


def _short(budget, has):
    """Bytes missing, {where: n}."""
    over = {"RAM": budget.ram - has.usable, "flash": budget.flash - has.flash}
    return {where: n for where, n in over.items() if n > 0}


def _helps(budget, has):
    """Sentences on what would make it fit: single changes, or else two, three, … of them at once."""
    ways = {
        "optimizer": lambda value: "plain SGD instead of " + budget.optimizer,
        "batch_size": lambda value: f"a batch of {value} instead of {budget.batch_size}",
        "bits": lambda value: f"{value} bits a value instead of {budget.bits}",
        "capacity": lambda value: f"a capacity of {value} instead of {budget.hyper['capacity']}",
        "weight_bytes": lambda value: (
            f"weights of {value} byte instead of {budget.weight_bytes} (by an engine that trains so)"
        ),
    }
    least = {"optimizer": "sgd", "batch_size": 1, "weight_bytes": 1}
    if "capacity" in budget.hyper:
        least |= {"capacity": min(budget.outputs, budget.hyper["capacity"]), "bits": 4}
    now = {"optimizer": budget.optimizer, "batch_size": budget.batch_size, "bits": budget.bits,
           "weight_bytes": budget.weight_bytes, **budget.hyper}  # fmt: skip
    ways = {name: told for name, told in ways.items() if name in least and least[name] != now[name]}
    for many in range(1, len(ways) + 1):
        found = [
            _mildest(budget, has, names, least, now) for names in itertools.combinations(ways, many)
        ]
        if any(found):
            yield from (
                " and ".join(ways[k](v) for k, v in changes.items()) for changes in found if changes
            )
            break
    yield from _heads(budget, has)
    yield from _networks(budget, has)


def _heads(budget, has):
    """A sentence on the first head without backpropagation that fits behind this network, if one does."""
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
        ram = (has.usable - waits) / max(1, cheap.ram - waits)  # what waits shrinks more slowly
        if ram > 0 and not any(cheap.need.trained):
            ram **= 2  # class means go with the width, the weights with its square
        share, P = min(ram, (has.flash - kept) / max(1, cheap.flash - kept)), cheap.net.weights
        if (
            cheap.stream.pixels + 1 + 2 * cheap.outputs <= share * P < P
        ):  # not below the smallest mlp
            yield f"a network of at most about {int(share * P):,} weights instead of {P:,}{with_what}"
            return


def _mildest(budget, has, names, least, now):
    """These changes, as small as still fits, {name: value}; None where even the greatest do not help."""
    changes = {name: least[name] for name in names}
    if _short(budget.change(**changes), has):
        return None
    for name in [name for name in names if name in ("batch_size", "capacity")]:
        sizes = range(changes[name], now[name])
        over = bisect_left(
            sizes, 1, key=lambda n: bool(_short(budget.change(**{**changes, name: n}), has))
        )
        changes[name] = sizes[over - 1]
    return changes
