"""Continual learning on edge devices: the small module behind a course of notebooks.

The files beside this one are the core: lanes, streams, models, method, plan, learn; then train,
run, journal, metrics. Every folder is a room, and its first lines say which lesson it belongs to.
"""

from importlib import import_module

__version__ = "0.1.0"

# 00 and 01: forgetting
from . import metrics
from .data.images import Dataset, digits, fashion_mnist, mnist
from .lanes import lane, named, nbytes, part, rows, stack
from .learn import Diverged, Point, learn
from .lessons import dossier
from .lessons.progress import progress
from .lessons.results import stored
from .machine.environment import diagnose, memory_note, setup
from .method import Exhausted, Finetune, Joint, swept
from .models import apply, cnn, initial, layers, mlp, only, wrist_net
from .run import Run, best
from .streams import Stream, Task, permuted, rotated, split
from .train import sweep, train

# 02: a penalty
from .methods import EWC, OnlineEWC, fisher

# 03: a memory
from .methods import AGEM, DERpp, GDumb, ICaRL, LatentReplay, LwF, Replay, herding, reservoir

# 04: weights set apart
from .methods import PackNet, Piggyback, Separate, straight_through
from .methods.codecs import packed, unpacked

# 05: a start from which few steps go a long way
from .data.fewshot import episodes, sinusoids, symbols
from .meta.inner import anil, first_order, inner_loop, maml, new_head, oml, one_by_one, reptile
from .meta.outer import adaptation, meta_learn

# 06: the device
from .data.har import har, har_net, har_people, har_windows
from .data.smartwatch import smartwatch, smartwatch_arms, smartwatch_wearers, smartwatch_windows
from .device.advice import DoesNotFit, fits
from .device.boards import Board, boards, pages
from .device.budget import Budget, budget
from .device.energy import estimate, flash_years
from .device.int8 import Int8SGD
from .device.measure import Part, measure
from .methods import NearestMean, StreamingLDA

# a year of a device
from .device.life import Life, days, factory, lived
from .device.living import Day
from .device.strategy import Guard, Strategy
from .device.when import Every, Never, OnDrift, OnLabels, page_hinkley
from .device.worn import factory_task, life_stream
from .device.year import Year, year

# 07: a fleet
from .fleet.cost import client_budget
from .fleet.leak import closest, gradient_of, leaked, psnr
from .fleet.masks import in_units, pair_seeds, quantised, recovered, summed, under_masks
from .fleet.members import Arrivals, Clients, clients, in_turn
from .fleet.messages import message, opened
from .fleet.personal import personalise
from .fleet.privacy import epsilon, noise_for
from .fleet.train import federate, fleet_sweep, fleet_train
from .fleet.server import FedAdam, FedAvg, FedAvgM, Median, Trimmed
from .fleet.watches import smartwatch_clients
from .lessons.engine import flower_rounds

# a year on the wrist: readings of your own; when the power goes
from .data.readings import Readings, readings
from .device.flash import Flash, PowerLost
from .device.harvest import Harvest, NeverEnds, intermittent, pace
from .device.power import gone_on, kept, power_cuts, saves, weights_in
from .device.slots import Slots
from .device.wear import reservoir_writes, row_wear, slot_wear

LATER = {
    "plots": "plots",
    "widgets": "widgets",
    "checks": "lessons.check",
    "check": "lessons.check",
    "export": "device.export",
    "flower": "fleet.flower",
    "run_in_kernel": "fleet.in_kernel",
    **dict.fromkeys(("live", "explore", "flip", "guess", "watch", "meter"), "widgets"),
    **dict.fromkeys(("pick", "life"), "widgets"),
}
MODULES = "plots", "widgets", "checks", "export", "flower"


def __getattr__(name):
    """What needs a display or Flower is imported when first asked for: the rest runs without."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{LATER[name]}", __name__)
    return module if name in MODULES else getattr(module, name)
