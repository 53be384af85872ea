"""A round on the clients: each is a lane of the one training loop, and goes its own way.

    θₖ ← some epochs of descent on the samples of client k, from the server's θ
    FedProx: … of loss + μ/2 ‖θₖ − θ‖²        which is EWC with F = 1 around the server's model

`unlike.py` leads lanes with unlike numbers of samples through the loop; here is what a round adds.
Li et al. 2020 (FedProx). Lesson: federated_learning.
"""

from dataclasses import dataclass, field
from functools import cached_property

import torch

from .._refuse.arguments import SEEDS
from ..lanes import lane
from ..machine.dice import Dice
from ..unlike import Alike, Unlike, to_its_end

STRIDES = 0x9E3779B1, 0x85EBCA6B  # odd: clients and rounds far apart among the seeds


def chance(seed, client=0, turn=0):
    """The seed of a client's chance in a round; that of the first in the first is the seed."""
    return (seed + client * STRIDES[0] + turn * STRIDES[1]) % SEEDS


class Local(Alike):
    """The verbs of a round: the method's own, and the pull of FedProx.

    mu, anchor: how strong, and towards which params, those that the server sent.
    """

    def __init__(self, method, mu, anchor):
        super().__init__(method)
        self.mu, self.anchor = mu, anchor

    def risk(self, who, theta, state, own):
        loss = super().risk(who, theta, state, own)
        return loss + self.mu / 2 * distance(theta, lane(self.anchor, who)) if self.mu else loss


def distance(theta, anchor):
    """‖θ − anchor‖² of each lane, (lanes,)."""
    return sum((theta[k] - anchor[k]).flatten(1).square().sum(1) for k in theta)


@dataclass(frozen=True)
class Round(Unlike):
    """The plan of a round, for the one training loop; a lane is a client under a seed.

    base: the `Plan` of the training; fleet: the `Arrivals`; phase; seeds, clients: of each lane;
    epochs: of local work; turn: number of the round; shares: how much of its work each lane does;
    met: whether it worked in an earlier round of this phase.
    """

    base: object
    fleet: object
    phase: int
    seeds: tuple
    clients: tuple
    epochs: int
    turn: int
    shares: tuple
    met: tuple
    orders: dict = field(default_factory=dict)

    @cached_property
    def data(self):
        """(x, y) to train in this phase, of each lane."""
        turns = self.fleet.turns
        return [self.fleet.shares[c][turns[c][self.phase]][0] for c in self.clients]

    @cached_property
    def dice(self):
        """The chance of each lane."""
        drawn = [chance(s, c, self.turn) for s, c in zip(self.seeds, self.clients, strict=True)]
        return Dice(drawn, torch.arange(len(drawn)), self.base.device)

    @cached_property
    def answers(self):
        """(lanes, tasks, outputs): which outputs may answer for samples of each of its tasks."""
        return torch.stack([self.fleet.answers_of(c, self.phase) for c in self.clients])

    def facts(self, i, epoch):
        """The phase; and the epoch, 0 while samples come for the first time, later 1."""
        return self.phase, int(self.met[i] or epoch > 0)


def trained(method, job, params, state, mu=0.0):
    """(what each lane reports, its state), each after its own last step; yields after every step.

    job: the `Round`.
    """
    return to_its_end(Local(method, mu, params), job, params, state)
