"""Methods of continual learning, each the difference from finetuning (`base.py`) in a file of its own."""

from .base import Finetune, Joint, NoAnswer
from .ewc import EWC, fisher
from .icarl import ICaRL, herding
from .latent import LatentReplay
from .memory import reservoir
from .replay import AGEM, DERpp, GDumb, Replay

__all__ = ["AGEM", "EWC", "DERpp", "Finetune", "GDumb", "ICaRL", "Joint", "LatentReplay", "NoAnswer",
           "Replay", "fisher", "herding", "reservoir"]  # fmt: skip
