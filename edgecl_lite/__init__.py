"""Continual learning on edge devices: the small module behind a course of notebooks."""

from importlib import import_module

from . import metrics
from .boards import Board, DoesNotFit, boards, estimate, fits, flash_years
from .budget import Budget, budget
from .data import Dataset, digits, fashion_mnist, mnist
from .environment import diagnose, memory_note, setup
from .fewshot import episodes, sinusoids, symbols
from .har import har, har_net, har_people, har_windows
from .measure import Part, measure
from .meta import adaptation, anil, first_order, inner_loop, maml, meta_learn, oml, reptile
from .methods import (
    AGEM,
    EWC,
    DERpp,
    Exhausted,
    Finetune,
    GDumb,
    ICaRL,
    Joint,
    LatentReplay,
    NearestMean,
    PackNet,
    Piggyback,
    Replay,
    Separate,
    StreamingLDA,
    fisher,
    herding,
    reservoir,
    straight_through,
)  # fmt: skip
from .models import apply, cnn, mlp
from .run import Run
from .streams import Stream, Task, permuted, rotated, split
from .tensors import nbytes
from .train import Diverged, Point, learn, sweep, train

LATER = {"plots": "plots", "widgets": "widgets", "live": "widgets", "explore": "widgets", "flip": "widgets",
         "guess": "widgets", "watch": "widgets", "meter": "widgets",
         "checks": "checks", "check": "checks"}  # fmt: skip


def __getattr__(name):
    """What needs a display is imported when first asked for, so that all the rest runs without one."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{LATER[name]}", __name__)
    return module if name == LATER[name] else getattr(module, name)
