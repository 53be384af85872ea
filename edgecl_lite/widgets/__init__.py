# ruff: noqa: F401
"""Widgets: each a thin wrapper around a plot. Nothing else knows ipywidgets."""

from .explore import explore
from .flip import flip
from .guess import guess
from .live import live
from .meter import meter
from .watch import watch
