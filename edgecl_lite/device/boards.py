"""Boards: what they have. `boards.csv` is the table.

    pages(n) = ⌈n / page⌉        RAM: inside the chip, in one piece or in banks; outside it, slower

Every constant stands in sight, says whether someone read it in a data sheet, and can be changed
(`dataclasses.replace`). Lesson: edge_budget.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from .._refuse.arguments import number
from ..data.download import intact
from ..data.images import SHA256


@dataclass(frozen=True)
class Board:
    """A device.

    ram, flash: bytes; reserved: bytes of RAM that system and radio take; hertz, cores,
    flop_per_cycle (of a core): their product is the peak; watts: while it computes, radio off.
    external: bytes of RAM beside the chip, slower than `ram`; block: bytes of the largest piece of
    `ram` without a gap (0: it is one piece). page: bytes of flash that are erased at once;
    erase_ms: for a page; write_us: for a word of 4 bytes; flash_watts: meanwhile, when the
    processor halts. verified: which of these were read in `source`; all others are from memory or
    second hand, to be edited.
    """

    name: str
    title: str
    ram: int
    reserved: int
    flash: int
    hertz: float
    cores: int
    flop_per_cycle: float
    watts: float
    external: int = 0
    block: int = 0
    page: int = 4096
    erase_ms: float = 90.0
    write_us: float = 41.0
    flash_watts: float = 0.012
    verified: str = ""
    source: str = ""

    def __post_init__(self):
        positive = ("hertz", "cores", "flop_per_cycle", "page")
        least = {"ram": 1, "flash": 0, "reserved": 0, "watts": 0, "external": 0, "block": 0}
        least |= dict.fromkeys((*positive, "erase_ms", "write_us", "flash_watts"), 0)
        for name, smallest in least.items():
            number(name, getattr(self, name), least=smallest, strictly=name in positive)
        for name, leaves in (("reserved", "leave some of"), ("block", "be a piece of")):
            if getattr(self, name) > self.ram:
                want = f"{name} must {leaves} the {self.ram:,} bytes"
                raise ValueError(f"{want}, got {getattr(self, name):,}")

    @property
    def usable(self):
        """Bytes of RAM inside the chip that are left for learning."""
        return self.ram - self.reserved

    @property
    def piece(self):
        """Bytes that learning finds in one piece; system and radio stand elsewhere if they can."""
        return min(self.usable, self.block or self.ram)

    @property
    def reach(self):
        """Bytes of RAM for learning inside the chip and, slower, outside it."""
        return self.usable + self.external

    @property
    def peak(self):
        """FLOPs a second at best."""
        return self.hertz * self.cores * self.flop_per_cycle


def boards():
    """All boards of the table, {name: Board}. Raises ValueError where a bit of it has changed."""
    path = Path(__file__).with_name("boards.csv")
    own = "Install the package again; boards of your own are made by Board(…)."
    rows = csv.DictReader(intact(path, SHA256[path.name], own).decode().splitlines())
    return {row["name"]: _board(row) for row in rows}


def _board(row):
    """A row of the table, {column: text}, as a Board."""
    return Board(**{k: Board.__annotations__[k](v) for k, v in row.items()})


def board(name):
    """The `Board` of this name, or itself. ValueError lists the known ones."""
    if isinstance(name, Board):
        return name
    known = boards()
    if not isinstance(name, str) or name not in known:
        want = f"one of {', '.join(known)}, or a Board of your own"
        raise ValueError(f"board must be {want}, got {name!r}")
    return known[name]


def pages(n, on):
    """Pages of a board's flash that n bytes begin, written from the start of a page on.

    A page is erased as a whole, also where it is only begun. ValueError for n below 0.
    """
    return math.ceil(number("n", n) / board(on).page)


def size(n):
    """Bytes in words, 1 KB = 1,024 B."""
    for unit, step in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if n >= step:
            return f"{n / step:,.1f} {unit}" if n < 100 * step else f"{n / step:,.0f} {unit}"
    return f"{n} B"
