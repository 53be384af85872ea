"""Flash, modelled bit by bit: what an erase and a write do, and what a power cut leaves of them.

    erase: all bits of a page <- 1       write: word <- word AND new, never a 0 back to a 1

NOR flash as in the nRF52840; `slots.py` saves on it. Lesson: wrist.
"""

import copy

import numpy as np

from .._refuse.arguments import or_none, whole
from .boards import board as board_of
from .energy import estimate

CYCLES = 10_000  # erases that a page endures, of the nRF family (nRF5340's data sheet, read)
ONES = 0xFF


class PowerLost(RuntimeError):
    """Power went in the middle of an operation on flash; what is there now can be read."""


class Flash:
    """NOR flash of whole pages, fresh from the factory: all bits are 1.

    word: bytes that are written at once. cut: the number of the operation, the erase of a page or
    the write of a word, counted from 0, in which power is lost: only some of its bits change, which
    ones the seed says, and `PowerLost` is raised. Afterwards power is back, until `cut` is set
    anew. erases (pages,): of each page so far; words: written so far; operations: both, torn ones,
    too. board: whose times and watts are charged, a name or a `Board`. Not modelled: a bit that a
    torn write left weak, so that it reads now so, now so; and how often a word may be written
    between two erases (twice, says Nordic; `Slots` writes it once).
    """

    def __init__(self, pages, page_bytes=4096, word=4, cut=None, seed=0, board="nano-33-ble"):
        self.pages, self.page_bytes = whole("pages", pages), whole("page_bytes", page_bytes)
        self.word, self.words, self.operations = whole("word", word), 0, 0
        if self.page_bytes % self.word:
            raise ValueError(f"page_bytes must be whole words of {word} bytes, got {page_bytes}")
        self.cells = np.full(self.pages * self.page_bytes, ONES, np.uint8)
        self.erases = np.zeros(self.pages, int)
        self.cut = or_none(lambda name, n: whole(name, n, least=0))("cut", cut)
        self.board = board_of(board)
        self.dice = np.random.default_rng(whole("seed", seed, least=0))

    @property
    def spent(self):
        """All of them as an `Estimate`: seconds, in which the processor halts, and millijoules."""
        written, erased = self.words * self.word, int(self.erases.sum())
        return estimate(0, self.board, written=written, erased=erased)

    def erase(self, page):
        """Set all bits of a page (its number, from 0) to 1. ValueError where there is no such."""
        page = whole("page", page, least=0, most=self.pages - 1)
        own = self.cells[page * self.page_bytes :][: self.page_bytes]
        torn = self.operations == self.cut
        self.erases[page] += 1
        self.operations += 1
        if torn:
            own |= self._some(len(own))
            self._lose(f"the erase of page {page}")
        own[:] = ONES

    def write(self, at, raw):
        """Write bytes from an address on, word by word; of a last one not full the rest stays.

        A bit that is 0 stays 0: erase the page before. ValueError where the address is in the
        middle of a word, or the bytes go beyond the last page.
        """
        at, raw = whole("at", at, least=0), raw + b"\xff" * (-len(raw) % self.word)
        if at % self.word or at + len(raw) > len(self.cells):
            place = f"{len(raw):,} bytes at {at:,}"
            have = f"words of {self.word} bytes within {len(self.cells):,}"
            raise ValueError(f"flash is written in {have}, got {place}")
        own, new = self.cells[at : at + len(raw)], np.frombuffer(raw, np.uint8)
        words = len(raw) // self.word
        left = words if self.cut is None else self.cut - self.operations
        if not 0 <= left < words:
            own &= new
            self._wrote(words)
            return
        done, torn = slice(left * self.word), slice(left * self.word, (left + 1) * self.word)
        own[done] &= new[done]
        own[torn] &= new[torn] | self._some(self.word)
        self._wrote(left + 1)
        self._lose(f"the write of a word at {at + torn.start:,}")

    def read(self, at, n):
        """n bytes from an address on."""
        return self.cells[at : at + n].tobytes()

    def before(self, cut, seed=0):
        """A copy of this flash as it is, which loses power in operation number `cut`, or never."""
        other = copy.copy(self)
        other.cells, other.erases = self.cells.copy(), self.erases.copy()
        other.cut, other.dice = cut, np.random.default_rng([seed, cut or 0])
        return other

    def _wrote(self, words):
        self.words += words
        self.operations += words

    def _some(self, n):
        """n bytes in which each bit is 1 with the same probability, itself drawn in [0, 1)."""
        share = self.dice.random()
        return np.packbits(self.dice.random(8 * n) < share)

    def _lose(self, what):
        self.cut = None
        raise PowerLost(f"power was lost in {what}, operation {self.operations - 1} of this flash")
