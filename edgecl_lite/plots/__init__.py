# ruff: noqa: F401
"""Plots: functions of (data, ax) that return the sentence a picture stands for. Nothing else knows
matplotlib.
"""

from .curves import Curves, cell_of, curves, curves_sentence, edges_of, matrix, spread
from .house import (
    COLOURS,
    MARKERS,
    SYMBOLS,
    canvas,
    figure,
    listed,
    number,
    percent,
    places,
    png,
    show,
    style,
    styled,
)
from .images import Confusion, Misread, bars, confusion, misread, strip, wall
from .sweeps import along, sweep_curve
