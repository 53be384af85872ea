# ruff: noqa: F401, I001
"""Plots: functions of data and axes that hand back the sentence of their picture.

Only they know matplotlib, and every lesson draws with them. Read house.py first (the style, numbers
as words, `show`), then curves.py (one run), lines.py and bars.py (values over seeds), page.py (bare
axes, legends, an easel), and what you need of images.py (samples and answers), samples.py (how one
is drawn), sweeps.py (a metric along a grid), memory.py (a board's bytes), life.py and year.py
(a device's year), league.py (several of them), cuts.py (a power cut), tables.py (rows and columns),
marks.py (a class), ideas.py (a map), names.py (any name, made fit for a picture) and numbers.py
(what a picture shows, as numbers, for whoever draws it elsewhere).
"""

from .bars import bars, told
from .curves import Curves, cell_of, curves, curves_sentence, edges_of, heat, matrix, spread
from .cuts import cuts
from .house import COLOURS, INK, MARKERS, SYMBOLS
from .house import canvas, few, figure, listed, number, percent, png, show
from .house import style, styled, without_pixels
from .ideas import ideas
from .images import confusion, misread, shelves, strip, wall
from .league import league
from .life import YearCurves, outcomes
from .lines import lines, look_of
from .marks import marks
from .memory import MemoryBars, memory
from .names import line, spoken
from .numbers import bar_widths, bars_frame, curves_frame, curves_numbers, places, sweep_numbers
from .page import Easel, bare, legend
from .samples import Samples
from .sweeps import along, sweep_curve
from .tables import table
from .year import answered, day_sentence, year, year_sentence
