"""How much time and energy it would take, how long the flash would last: modelled, not measured.

    t = FLOPs / (efficiency · peak)      E = P t + bits sent · e_radio + bytes written · e_flash

Every constant stands in sight and can be changed. Lesson: battery.
"""

from dataclasses import dataclass

from .._refuse.arguments import number
from .boards import board


@dataclass(frozen=True)
class Estimate:
    """What some work takes by a model, never by measurement: seconds, and millijoules by cause."""

    seconds: float
    computing_mj: float
    radio_mj: float
    flash_mj: float

    @property
    def energy_mj(self):
        """All of it, in millijoules."""
        return self.computing_mj + self.radio_mj + self.flash_mj


def estimate(
    flops, on, sent=0, written=0, *, efficiency=0.2, radio_nj_per_bit=100.0, flash_nj_per_byte=100.0
):
    """Time and energy on a board of FLOPs, of bytes sent by radio and bytes written to flash.

    efficiency: the share of the board's peak that a program reaches, in (0, 1]. All constants are
    from memory and differ between parts by more than a factor of 3: put in those of your own.
    Raises ValueError for negative amounts.
    """
    has = board(on)
    flops, sent, written = number("flops", flops), number("sent", sent), number("written", written)
    seconds = flops / (number("efficiency", efficiency, most=1, strictly=True) * has.peak)
    radio_mj = 8e-6 * number("radio_nj_per_bit", radio_nj_per_bit) * sent
    flash_mj = 1e-6 * number("flash_nj_per_byte", flash_nj_per_byte) * written
    return Estimate(seconds, 1e3 * has.watts * seconds, radio_mj, flash_mj)


def flash_years(bytes_a_day, on, cycles=10_000):
    """Years until every page of the board's flash was written `cycles` times, if spread evenly.

    bytes_a_day: in whole pages, for a page is erased as a whole; that all of the flash shares the
    wear, the program's place too, is the best case. ValueError where bytes_a_day is not above 0.
    """
    writes = board(on).flash * number("cycles", cycles)
    return writes / number("bytes_a_day", bytes_a_day, strictly=True) / 365
