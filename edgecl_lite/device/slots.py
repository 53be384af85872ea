"""Two slots on a flash, written in turn, of which one is whole whenever the power goes.

    slot = mark, version, bytes, crc32 | body        the oldest is written over, its header last

A slot counts only if its crc32 is that of all the rest. Lampson & Sturgis 1979, stable storage:
kept twice, written one after the other. Lesson: wrist.
"""

import struct
import zlib
from dataclasses import dataclass

from .._refuse.arguments import whole
from .flash import Flash

HEADER = struct.Struct("<4sIII")  # mark, version, bytes of the body, crc32
MARK = b"edge"


@dataclass(frozen=True)
class Saved:
    """What a slot holds: the number of the save, from 1, and its bytes."""

    version: int
    raw: bytes


@dataclass(frozen=True)
class Slots:
    """Bytes saved on a `Flash` such that a cut at any moment leaves the last or the one before.

    many: slots, each an equal part of the pages; with 1 every save destroys the one before.
    checked=False is the wrong way: header first, and whatever has a mark is believed; with one slot
    a cut leaves pages of the new and pages of the old. A torn slot passes for whole once in 2³².
    """

    flash: Flash
    many: int = 2
    checked: bool = True

    def __post_init__(self):
        if self.flash.pages < whole("many", self.many):
            need = f"a page for each of {self.many} slots"
            raise ValueError(f"flash must have {need}, got {self.flash.pages}")

    @property
    def room(self):
        """Bytes that a slot can hold."""
        return self.flash.pages // self.many * self.flash.page_bytes - self._header

    def pages(self, n):
        """Pages that a save of n bytes erases. ValueError where they do not fit a slot."""
        if n > self.room:
            have = f"{self.room:,} bytes in each of {self.many} slots"
            more = f"{-(-self.many * (n + self._header) // self.flash.page_bytes)} pages"
            raise ValueError(f"there are {have}, got {n:,}: take a flash of at least {more}")
        return -(-(n + self._header) // self.flash.page_bytes)

    def save(self, raw):
        """Write the bytes over the oldest slot, page by page; their `Saved`. Errors as `pages`."""
        pages, found = self.pages(len(raw)), [self._read(slot) for slot in range(self.many)]
        versions = [saved.version if saved else 0 for saved in found]
        slot, version = versions.index(min(versions)), (max(versions) + 1) % 2**32
        first, header = self._start(slot), (self._start(slot), self._sealed(version, raw))
        for page in range(pages):
            begin, end = (k * self.flash.page_bytes - self._header for k in (page, page + 1))
            self.flash.erase(first // self.flash.page_bytes + page)
            if self._early and not page:
                self.flash.write(*header)
            self.flash.write(first + self._header + max(0, begin), raw[max(0, begin) : end])
        if not self._early:
            self.flash.write(*header)  # until its last word is there, the slot is none
        return Saved(version, raw)

    def load(self):
        """The newest whole slot as `Saved`, or None where there is none."""
        found = filter(None, (self._read(slot) for slot in range(self.many)))
        return max(found, key=lambda saved: saved.version, default=None)

    @property
    def _early(self):
        """Whether the header is written before the body: the wrong way."""
        return not self.checked

    def _read(self, slot):
        """What a slot holds, or None where it is not whole."""
        start = self._start(slot)
        mark, version, n, crc = HEADER.unpack(self.flash.read(start, HEADER.size))
        if mark != MARK or n > self.room:
            return None
        raw = self.flash.read(start + self._header, n)
        whole_ = not self.checked or self._sealed(version, raw)[-4:] == struct.pack("<I", crc)
        return Saved(version, raw) if whole_ else None

    def _sealed(self, version, raw):
        """The header of a slot."""
        head = struct.pack("<4sII", MARK, version, len(raw))
        return head + struct.pack("<I", zlib.crc32(raw, zlib.crc32(head)))

    def _start(self, slot):
        return slot * (self.flash.pages // self.many) * self.flash.page_bytes

    @property
    def _header(self):
        """Bytes before the body: the header in whole words."""
        return -(-HEADER.size // self.flash.word) * self.flash.word
