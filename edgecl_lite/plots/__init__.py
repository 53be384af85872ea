# ruff: noqa: F401, I001
"""Plots: functions of (data, ax) that return the sentence of their picture. Only they know matplotlib."""

from .bars import bars, told
from .curves import Curves, cell_of, curves, curves_sentence, edges_of, heat, matrix, spread
from .house import COLOURS, INK, MARKERS, SYMBOLS
from .house import canvas, few, figure, listed, number, percent, png, show, style, styled, without_pixels
from .images import confusion, misread, shelves, strip, wall
from .lines import lines, look_of
from .memory import MemoryBars, memory
from .names import line, spoken
from .page import Easel, bare, legend
from .sweeps import along, sweep_curve
