"""Methods of continual learning, each the difference from finetuning (`base.py`) in a file of its own."""

from .base import Exhausted, Finetune, Joint, NoAnswer
from .ewc import EWC, fisher
from .icarl import ICaRL, herding
from .latent import LatentReplay
from .masks import PackNet, Piggyback, Separate, straight_through
from .memory import reservoir
from .replay import AGEM, DERpp, GDumb, Replay
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
    "NearestMean",
    "NoAnswer",
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
