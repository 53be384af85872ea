"""Methods of continual learning, each the difference from finetuning (`base.py`) in a file of its own."""

from .base import Finetune, Joint
from .ewc import EWC, fisher

__all__ = ["EWC", "Finetune", "Joint", "fisher"]
