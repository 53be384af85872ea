"""`federate`: what is seen of a federated training; `fleet_train` runs it to its end.

The common model is judged on the test samples of all clients, each client's own model, some local
epochs from the common one, on its own. Lesson: federated_learning.
"""

import itertools
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from ..lanes import lane, lanes_of
from ..learn import Observer, Point, evaluate
from ..machine.settled import settled
from ..method import Finetune
from ..run import joined
from ..train import OWN, collected
from ..unlike import finished
from .local import trained
from .plan import FleetPlan
from .rounds import Turn, apart, beginning, called, rounds, to_clients

# ---- what was seen


@dataclass(frozen=True, repr=False)
class FleetPoint(Point):
    """What `federate` saw after a round; step counts rounds, and params are the server's model.

    accuracy (seeds, on): of the common model, on all clients' test samples of each task. own
    (seeds, clients, on): of each client on its own test samples, after local_epochs more on its own
    training samples; NaN within a phase. who, weights, reports: see `Turn`.
    """

    who: object = None
    weights: object = None
    reports: dict | None = None


class FleetObserver(Observer):
    """Looks after every round; what is not finite never reaches the common model."""

    def seen(self, turn, journal=None):
        """The `FleetPoint` of this turn if one is due, else None."""
        if turn is None:  # within a round
            return None
        point = self.point(turn) if self.plan.due(turn.step) else None
        if journal is not None:
            journal.keep(turn, point, self)
        return point

    def point(self, turn):
        plan, step = self.plan, turn.step
        phase = plan.place(max(0, step - 1))[0]
        ended = step > 0 and plan.place(step)[1] == 0
        model = Finetune(plan.method.net)
        accuracy, predicted = evaluate(model, turn.params, {}, plan.stream, phase)
        own = np.full((plan.lanes, plan.members, len(plan.stream)), np.nan)
        if ended:
            own = own_accuracy(plan, personal(plan, turn, step - 1), phase)
        seen = accuracy, predicted, turn.params, turn.state, {}, plan.notes
        told = {"own": own, "who": turn.who, "weights": turn.weights, "reports": turn.reports}
        return FleetPoint(step, plan.total, phase, ended, *seen, **told)


def personal(plan, turn, step, epochs=None):
    """Each client's own model, lanes (seeds × clients): some epochs from the common one."""
    who = torch.arange(plan.members).expand(plan.lanes, -1)
    own, _ = apart(turn.state)
    sent, job = to_clients(turn.params, plan.members), plan.round(step, who, epochs)
    return finished(trained(plan.verbs_of(lanes_of(sent)), job, sent, called(own, who)))[0]


def own_accuracy(plan, params, phase):
    """(seeds, clients, on): of each client's model, lanes, on its own test samples of each task."""
    method, found = (
        Finetune(plan.method.net),
        np.full((plan.lanes, plan.members, len(plan.stream)), np.nan),
    )
    for c in range(plan.members):
        mine = lane(params, torch.arange(plan.lanes) * plan.members + c)
        for on in range(len(plan.stream)):
            x, y = plan.stream.shares[c][on][1]
            if len(y):
                found[:, c, on] = right(method, mine, x, y, plan.stream.active(phase, on))
    return found


@torch.no_grad()
def right(method, params, x, y, active):
    """The share of right answers of each lane, (lanes,)."""
    logits = method.predict(params, {}, x).cpu().masked_fill(~active, -torch.inf)
    return (logits.argmax(-1) == y).double().mean(1).numpy()


# ---- training


@settled
def federate(method, clients, seeds=1, **options):
    """Train a fleet: a `FleetPoint` at the start, every `every` rounds, after each phase.

    clients: `Clients`, or their `Arrivals` of tasks. Options: see `FleetOptions`.
    """
    yield from points(FleetPlan(method, clients, seeds, **options))


def fleet_train(method, clients, seeds=1, **options):
    """`federate` run to its end: a `Run`, whose lanes are the seeds.

    accuracy (seeds, after, on): the common model on all clients' test samples; `clients` (seeds,
    clients, after, on): each client's own model, local_epochs from the common one, on its own.
    params: the common model; state: what the clients carry, (seeds, clients, …). Options: see
    `FleetOptions`, and progress, journal, journal_every, resume as for `train`; a journal is
    written at the ends of rounds.
    """
    own = {k: options.pop(k) for k in OWN & options.keys()}
    plan = FleetPlan(method, clients, seeds, **options)
    return collected(plan, light, gone_on, beginning, **own)


def fleet_sweep(method, clients, seeds=1, **options):
    """`fleet_train` for every value of the options that are lists, in turn: one `Run`, axes first.

    fleet_sweep(Finetune(net), clients, seeds=3, noise=[0, 0.3, 1], clip=0.5) -> a Run whose arrays
    begin with axes (noise, seeds). Arguments of the method may be lists, too. Raises ValueError
    where none is.
    """
    turns = {k: list(v) for k, v in options.items() if isinstance(v, list | tuple)}
    if not turns:
        raise ValueError("fleet_sweep needs a list of values for an option, got none")
    runs, own = [], {f.name for f in fields(method)}
    for cell in itertools.product(*turns.values()):
        here = dict(zip(turns, cell, strict=True))
        part = replace(method, **{k: v for k, v in here.items() if k in own})
        its = options | here
        its = {k: v for k, v in its.items() if k not in own}
        runs.append(fleet_train(part, clients, seeds, **its))
    return joined(runs, turns)


@settled
def points(plan, *going_on, journal=None):
    """The `FleetPoint`s that are due; see `follow`."""
    yield from filter(None, follow(plan, *going_on, journal=journal))


def light(plan, *going_on, journal=None):
    """As `points`, but each without its reports: a `Run` has none, and they are many bytes."""
    for point in points(plan, *going_on, journal=journal):
        yield replace(point, reports=None)


def gone_on(kept, plan):
    """(turn, observer) from which a fleet's training goes on."""
    return Turn(kept.step, plan.base.to(kept.params), plan.base.to(kept.state)), FleetObserver(plan)


def follow(plan, turn=None, observer=None, journal=None):
    """After every step the `FleetPoint` that is due, or None: all there is to see of it."""
    observer = observer or FleetObserver(plan)
    if turn is None:
        turn = beginning(plan)
        yield observer.seen(turn, journal)
    elif journal is not None:
        journal.keep(turn, None, observer)
    for after in rounds(plan, turn):
        yield observer.seen(after, journal)
