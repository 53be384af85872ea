"""Boards: what they have. `boards.csv` is the table.

Every constant stands in sight, says whether someone read it in a data sheet, and can be changed
(`dataclasses.replace`). Lesson: edge_budget.
"""

import csv
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
    verified: which of these were read in `source`; all others are from memory or second hand, to be
    edited.
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
    verified: str = ""
    source: str = ""

    def __post_init__(self):
        positive = ("hertz", "cores", "flop_per_cycle")
        for name in ("ram", "flash", "reserved", *positive, "watts"):
            least = 1 if name == "ram" else 0
            number(name, getattr(self, name), least=least, strictly=name in positive)
        if self.reserved > self.ram:
            want = f"reserved must leave some of the {self.ram:,} bytes"
            raise ValueError(f"{want}, got {self.reserved:,}")

    @property
    def usable(self):
        """Bytes of RAM that are left for learning."""
        return self.ram - self.reserved

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


def size(n):
    """Bytes in words, 1 KB = 1,024 B."""
    for unit, step in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if n >= step:
            return f"{n / step:,.1f} {unit}" if n < 100 * step else f"{n / step:,.0f} {unit}"
    return f"{n} B"
