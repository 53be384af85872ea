"""Power that is gathered drop by drop: how many steps an hour, and which step never ends.

    a charge: E = ½ C (V_on² - V_off²)     pieces in it: ⌊E / (e + s)⌋, or ⌊(E - s) / e⌋
    e: energy of a piece of a step, s: of saving what must survive, after each piece or once, last

Saving after each piece: Lucia & Ransford 2015; once, before the power goes: Balsamo et al. 2015
(Hibernus). A piece is a micro-batch, whose gradients are added up. Lesson: wrist.
"""

import math
from dataclasses import dataclass

from .._refuse.arguments import choice, number
from .boards import pages
from .energy import estimate

# a byte to an FM25V20A over SPI: 300 µA at 1 MHz and 3 V (its data sheet, read), and 1 µs of a
# processor of 10 mW at 8 MHz
FRAM_J = 17e-9
ASLEEP_WATTS = 8e-6  # 256 KB of RAM retained: 2.7 µA of the nRF54L15 (its data sheet, read) at 3 V
MEMORIES = "flash", "fram", "ram"
WHEN = "each", "last"


class NeverEnds(RuntimeError):
    """A step, or a piece of one, takes more than a charge holds: it begins again for ever."""


@dataclass(frozen=True)
class Harvest:
    """joules: in the capacitor, between waking and dying; watts: gathered, on average."""

    joules: float
    watts: float

    def __post_init__(self):
        for name in ("joules", "watts"):
            number(name, getattr(self, name), strictly=True)

    @classmethod
    def of(cls, farads, watts, on_v=3.3, off_v=1.8):
        """That of a capacitor which wakes the device at on_v and lets it die at off_v volts."""
        off_v, farads = number("off_v", off_v), number("farads", farads, strictly=True)
        on_v = number("on_v", on_v, least=off_v, strictly=True)
        return cls(farads * (on_v**2 - off_v**2) / 2, watts)


@dataclass(frozen=True)
class Pace:
    """How a training goes on: a_charge: pieces in each charge, saved.

    steps_an_hour, saves_an_hour; saving, lost: shares of what is gathered that go into saves, and
    into pieces that died, or into keeping RAM.
    """

    a_charge: int
    steps_an_hour: float
    saves_an_hour: float
    saving: float
    lost: float


def pace(harvest, piece_j, save_j=0.0, pieces=1, when="last", asleep=0.0):
    """The `Pace` of steps of so many pieces. Raises `NeverEnds` where a charge holds none.

    piece_j, save_j: joules of one; when: "each", saved after every piece, and what is left of a
    charge dies with a piece begun; or "last", saved once when the charge allows no further piece
    and the save, what is left being kept, which takes a voltage that is watched. asleep: watts that
    go away all the time. pieces: in a step, 32 / 10 for batches of 32 in pieces of 10. What comes
    in while it runs counts, but makes no charge larger; watts are an average, without a night.
    """
    piece_j, save_j = number("piece_j", piece_j, strictly=True), number("save_j", save_j)
    pieces, each = number("pieces", pieces, least=1), choice("when", when, WHEN) == "each"
    held, gathered = harvest.joules, harvest.watts - number("asleep", asleep)
    done = _whole(held / (piece_j + save_j) if each else (held - save_j) / piece_j)
    if done < 1:
        takes = f"{told(piece_j)} and saving it {told(save_j)}"
        raise NeverEnds(f"a piece takes {takes}, a charge holds {told(held)}: it never ends")
    if gathered <= 0:
        takes = f"takes {told(asleep)} a second asleep"
        raise NeverEnds(f"the device {takes}, and {told(harvest.watts)} come in: it never wakes")
    saves = done if each else 1
    drained = held if each else done * piece_j + save_j
    an_hour = 3600 * gathered / drained  # charges
    saving, used = saves * save_j / drained, (done * piece_j + saves * save_j) / drained
    share = gathered / harvest.watts
    shares = share * saving, 1 - share * used
    return Pace(done, an_hour * done / pieces, an_hour * saves, *shares)


def intermittent(budget, harvest, on="nano-33-ble", memory="fram", when="last"):
    """The `Pace` of a `Budget`'s training on a board without a battery.

    A piece is a micro-batch of the budget, whose gradients must survive, too, or else a whole step.
    memory: where what must survive is saved, "flash" (its pages erased each time), "fram" beside
    the chip, or "ram", which is kept and takes power asleep. when: as `pace`; the flash of an nRF52
    cannot be written once its supply is below the power-fail threshold, so "last" has to come
    before that. Raises `NeverEnds`, saying what would help, ValueError for what is out of range.
    """
    choice("memory", memory, MEMORIES)
    if not any(budget.step.values()):
        what = f"{type(budget.method).__name__} learns without steps"
        raise ValueError(f"{what}: give pace the energy of a new sample, budget.work")
    pieces = budget.batch_size / budget.piece
    step_j = 1e-3 * estimate(sum(budget.step.values()), on).energy_mj
    save_j = saving_j(survives(budget), on, memory)
    asleep = ASLEEP_WATTS if memory == "ram" else 0.0
    try:
        return pace(harvest, step_j / pieces, save_j, pieces, when, asleep)
    except NeverEnds as error:
        help_ = _helps(budget, harvest, on, memory, step_j)
        raise NeverEnds(f"{error}. What would help: {help_}") from None


def survives(budget):
    """Bytes without which a step cannot go on: weights, the optimiser's own; of pieces the sum."""
    needed = ["weights that learn", f"optimiser ({budget.optimizer})"]
    needed += ["gradients"] * (budget.piece < budget.batch_size)
    return sum(n for what, n, _ in budget.lines if what in needed)


def saving_j(n, on, memory):
    """Joules of saving n bytes on a board, in one of `MEMORIES`."""
    if memory == "flash":
        return 1e-3 * estimate(0, on, written=n, erased=pages(n, on)).flash_mj
    return FRAM_J * n if memory == "fram" else 0.0


def _helps(budget, harvest, on, memory, step_j):
    """What would make it end, in words: the largest piece that a charge holds, and where saved."""
    ways, each, least = [], step_j / budget.batch_size, step_j
    if not budget.method.indivisible:
        ones, least = survives(budget.change(micro_batch=1)), each
        for other in dict.fromkeys((memory, "fram", "ram")):
            fit = _whole((harvest.joules - saving_j(ones, on, other)) / each)
            if fit := min(fit, budget.batch_size - 1):
                named = f", memory={other!r}" * (other != memory)
                ways.append(f"micro_batch={fit}{named}")
    return "; or ".join(ways) or f"a charge of {told(least)}, and RAM that is kept"


def _whole(ratio):
    """The whole number in a ratio, at least 0; what is a hair below the next one is that."""
    return max(0, math.floor(ratio * (1 + 1e-9)))


def told(joules):
    """Joules in words."""
    for unit, step in (("J", 1), ("mJ", 1e-3), ("µJ", 1e-6)):
        if joules >= step:
            return f"{joules / step:.3g} {unit}"
    return f"{joules / 1e-9:.3g} nJ"
