"""How much time and energy it would take, how long the flash would last: modelled, not measured.

    t = FLOPs / (efficiency · peak) + h      h = pages · t_erase + words · t_write, the CPU halted
    E = P (t − h) + bits sent · e_radio + h · P_flash

Every constant stands in sight and can be changed. Lesson: battery.
"""

from dataclasses import dataclass

from .._refuse.arguments import number
from .boards import board, pages


@dataclass(frozen=True)
class Estimate:
    """What some work takes by a model, never by measurement: seconds, and millijoules by cause.

    halted: those of the seconds in which flash is erased or written, and nothing else goes on.
    """

    seconds: float
    computing_mj: float
    radio_mj: float
    flash_mj: float
    halted: float = 0.0

    @property
    def energy_mj(self):
        """All of it, in millijoules."""
        return self.computing_mj + self.radio_mj + self.flash_mj


def estimate(flops, on, sent=0, written=0, erased=0, *, efficiency=0.2, radio_nj_per_bit=100.0):
    """Time and energy on a board of FLOPs, bytes sent by radio, and flash.

    written: bytes written to flash; erased: pages that had to be erased for it, as `pages` counts
    them (a page can be written only where it is erased). While flash is erased or written the
    processor halts and the board takes its `flash_watts`. efficiency: the share of the board's peak
    that a program reaches, in (0, 1]. It and the radio's price are from memory and differ between
    parts by more than a factor of 3: put in those of your own. Raises ValueError for negative
    amounts.
    """
    has = board(on)
    flops, sent, written = number("flops", flops), number("sent", sent), number("written", written)
    computing = flops / (number("efficiency", efficiency, most=1, strictly=True) * has.peak)
    halted = 1e-3 * has.erase_ms * number("erased", erased)
    halted += 1e-6 * has.write_us * written / 4  # a word has 4 bytes
    radio_mj = 8e-6 * number("radio_nj_per_bit", radio_nj_per_bit) * sent
    spent = 1e3 * has.watts * computing, radio_mj, 1e3 * has.flash_watts * halted
    return Estimate(computing + halted, *spent, halted)


def flash_years(session, on, a_day=1, cycles=10_000):
    """Years until every page of the board's flash was erased `cycles` times, if spread evenly.

    session: bytes that one session writes, from the start of a page on: a page that is only begun
    counts as a whole; a_day: sessions a day, also less than one. That all of the flash shares the
    wear, the program's place too, is the best case. ValueError where nothing is written, or never.
    """
    has = board(on)
    whole_pages = pages(number("session", session, strictly=True), has)
    erased = whole_pages * number("a_day", a_day, strictly=True)
    return has.flash // has.page * number("cycles", cycles) / erased / 365
