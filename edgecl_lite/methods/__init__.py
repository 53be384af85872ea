"""Methods of continual learning, each in a file of its own: its difference from `method.py`."""

from ..method import Exhausted, Finetune, Joint
from .agem import AGEM
from .dark import DERpp
from .ewc import EWC, OnlineEWC
from .fisher import fisher
from .gdumb import GDumb
from .icarl import ICaRL, herding
from .latent import LatentReplay
from .lwf import LwF
from .memory import reservoir
from .packnet import PackNet
from .piggyback import Piggyback, straight_through
from .replay import Replay
from .separate import Separate
from .streaming import NearestMean, StreamingLDA

__all__ = [
    "AGEM",
    "DERpp",
    "EWC",
    "Exhausted",
    "Finetune",
    "GDumb",
    "ICaRL",
    "Joint",
    "LatentReplay",
    "LwF",
    "NearestMean",
    "OnlineEWC",
    "PackNet",
    "Piggyback",
    "Replay",
    "Separate",
    "StreamingLDA",
    "fisher",
    "herding",
    "reservoir",
    "straight_through",
]
