"""What a device does with what it sees: a method, when it learns, how much, whether it checks.

A `Strategy` is a value: it holds what was chosen and does nothing. `Guard` keeps a slice of
labelled windows back, by which an update is accepted or undone; `pseudo` lets the device believe
answers of which it is sure (self-training: Yarowsky 1995; Lee 2013 for networks). Lesson: wrist.
"""

import math
from dataclasses import dataclass

from .._refuse.arguments import choice, number, whole
from ..method import Finetune, Joint
from ..methods import PackNet, Piggyback, Separate
from ..plan import Options
from .when import OnLabels, trigger

TOLD = Separate, PackNet, Piggyback


@dataclass(frozen=True)
class Guard:
    """An update counts only if it does no harm on windows held back.

    windows: how many the device holds back, the newest; share: of the labelled windows that go
    there, each 1/share-th, and are not learned from; tolerance: by how much the accuracy on them
    may fall (math.inf: an update always counts): one of 56 is 1.8 points. each: "class", the newest
    of every class, windows // classes, at first some that the factory set aside, if it delivers
    what is kept; or "any", the newest of all: they are of what is done at present, and cannot tell
    what else is forgotten. Where none is held back nothing is checked.
    """

    windows: int = 56
    tolerance: float = 0.05
    share: float = 0.2
    each: str = "class"

    def __post_init__(self):
        own = {"windows": whole("windows", self.windows)}
        if self.tolerance != math.inf:
            own["tolerance"] = number("tolerance", self.tolerance)
        own["share"] = number("share", self.share, most=0.5, strictly=True)
        choice("each", self.each, ("class", "any"))
        vars(self).update(own)

    @property
    def nth(self):
        """Every so many labelled windows one is held back."""
        return round(1 / self.share)


@dataclass(frozen=True)
class Strategy:
    """How a device learns over its life.

    method: its weights= are what the factory delivers, see `factory`; without them each life begins
    with random ones. when: "always" (every day), "never", Every(7), OnDrift(), OnLabels(56): a
    session is a task of the method, on the labelled windows that wait, at most the newest `gathers`
    of them, and then they are gone. epochs (or steps), batch_size, micro_batch, lr, optimizer: of a
    session, as in `train`. guard: a `Guard`. pseudo: None, or a confidence in (0, 1] above which
    the device takes its own answer for a label. shipped: the factory also delivers what the method
    keeps (samples, Fishers, means), from an epoch over its own windows at a learning rate of 0:
    task 0 of the method. TypeError or ValueError where one is out of range, and for methods that
    have to be told the task.
    """

    method: Finetune
    when: object = "always"
    epochs: int = 3
    steps: int | None = None
    batch_size: int = 16
    lr: float = 1e-3
    optimizer: object = "adam"
    guard: Guard | None = None
    pseudo: float | None = None
    gathers: int = 64
    shipped: bool = True
    micro_batch: int | None = None

    def __post_init__(self):
        check_method(self.method)
        trigger(self.when)
        if self.guard is not None and not isinstance(self.guard, Guard):
            raise TypeError(f"guard must be None or a Guard such as Guard(32), got {self.guard!r}")
        if self.pseudo is not None:
            number("pseudo, a confidence,", self.pseudo, most=1, strictly=True)
        Options(**self.training)
        vars(self)["gathers"] = whole("gathers", self.gathers)
        if isinstance(self.when, OnLabels) and self.when.windows > self.gathers:
            why = (
                f"at most the newest {self.gathers} wait (gathers), so no session would ever be due"
            )
            raise ValueError(f"when must ask for what can wait: {why}; got {self.when!r}")

    @property
    def training(self):
        """Options of `train` for a session."""
        names = "epochs", "steps", "batch_size", "micro_batch", "lr", "optimizer"
        return {name: getattr(self, name) for name in names}


def check_method(method):
    """TypeError for what is no method, or one that cannot live through a year."""
    kind = type(method).__name__
    if not isinstance(method, Finetune):
        raise TypeError(f"method must be a method such as Finetune(net), got {kind}")
    if isinstance(method, TOLD):
        why = "it has to be told the task when it answers, and nobody tells a watch"
        raise TypeError(f"{kind} cannot live here: {why}; take Finetune, EWC, Replay …")
    if isinstance(method, Joint):
        why = "it draws from all samples of the past, and no watch keeps them"
        raise TypeError(f"Joint cannot live here: {why}; take Replay")
