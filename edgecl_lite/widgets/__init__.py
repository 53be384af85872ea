# ruff: noqa: F401
"""Widgets: each a thin wrapper around a plot. Nothing else knows ipywidgets."""

from .explore import explore
from .fleet import live
from .flip import flip
from .guess import guess
from .life import life
from .meter import meter
from .pick import pick
from .watch import watch
