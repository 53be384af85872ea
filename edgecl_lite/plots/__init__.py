# ruff: noqa: F401, I001
"""Plots: functions of (data, ax) that return the sentence of their picture. Only they know matplotlib."""

from .curves import Curves, cell_of, curves, curves_sentence, edges_of, matrix, spread
from .house import COLOURS, INK, MARKERS, SYMBOLS
from .house import canvas, few, figure, listed, number, percent, png, show, style, styled, without_pixels
from .images import bars, confusion, misread, strip, wall
from .memory import Memory, memory
from .names import line, spoken
from .sweeps import along, sweep_curve
