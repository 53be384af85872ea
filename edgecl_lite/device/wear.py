"""Wear: how often pages of flash are erased, and after how many years they are worn.

    slots      a save erases the pages of one of them
    rows       in place, each write erases a page; of w writes gathered, P (1 - (1 - 1/P)^w) pages
    reservoir  c + c (H_n - H_c) rows of n arrivals are written        H: harmonic numbers

Vitter 1985 for the reservoir: arrival t is kept with probability c / t. Lesson: wrist.
"""

from dataclasses import dataclass

import numpy as np

from .._refuse.arguments import number, or_none, whole
from .boards import Board, pages
from .boards import board as board_of
from .energy import estimate
from .flash import CYCLES


@dataclass(frozen=True)
class Wear:
    """A day's writes to a place on flash.

    pages: of the place, which share the wear evenly; erased: pages a day; written: bytes a day.
    """

    on: Board
    pages: int
    erased: float
    written: float

    @property
    def years(self):
        """Until the pages were erased as often as they endure; infinite where they are not."""
        return self.pages * CYCLES / self.erased / 365 if self.erased else float("inf")

    @property
    def a_day(self):
        """The `Estimate` of it: seconds a day in which the processor halts, and millijoules."""
        return estimate(0, self.on, written=self.written, erased=self.erased)


def slot_wear(n, a_day, on, many=2):
    """The `Wear` of saving n bytes so often a day on so many slots, as `Slots` does."""
    has, a_day = board_of(on), number("a_day", a_day)
    each = pages(n, has)
    return Wear(has, whole("many", many) * each, each * a_day, number("n", n) * a_day)


def row_wear(rows, row_bytes, writes, on, sessions=None):
    """The `Wear` of a memory of rows, of which so many are written a day, each as likely as others.

    sessions: so often a day the writes are gathered in RAM and written together; None: each at
    once, in place. A page is written again as a whole, and rows do not cross pages. ValueError
    where a row is larger than a page.
    """
    has, rows, writes = board_of(on), whole("rows", rows), number("writes", writes)
    row_bytes = whole("row_bytes", row_bytes, most=has.page)
    sessions = or_none(lambda name, n: number(name, n, strictly=True))("sessions", sessions)
    place = -(-rows // (has.page // row_bytes))
    erased = writes
    if sessions is not None:
        erased = sessions * place * (1 - (1 - 1 / place) ** (writes / sessions))
    return Wear(has, place, erased, erased * has.page)


def reservoir_writes(came, capacity):
    """How many rows algorithm R writes while so many samples arrive, on average."""
    came, capacity = whole("came", came, least=0), whole("capacity", capacity)
    later = 1 / np.arange(capacity + 1, max(came, capacity) + 1)
    return float(min(came, capacity) + capacity * later.sum())
