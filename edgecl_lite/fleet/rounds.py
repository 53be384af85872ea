"""Federated training: the server sends its model, the clients learn, and it takes their mean.

    rounds:     who is called → θ to each → θₖ after local work (local.py) → merge (server.py)

In the first round of a phase a new task begins at every client, after the last one it ends there,
from the common model: so EWC anchors where the fleet stands, and replay keeps samples on each
device. McMahan et al. 2017, algorithm 1. Lesson: federated_learning.
"""

from dataclasses import dataclass, field

import torch

from ..lanes import lane, lanes_of, named, part
from ..machine.dice import Dice
from ..machine.settled import settled
from ..unlike import finished
from .local import chance, trained
from .messages import message
from .privacy import clipped, pooled


class Anew:
    """Dice without a state to keep: all chance is drawn anew from (seed, client, round)."""

    states = {}


@dataclass(frozen=True)
class Turn:
    """A federated training between two rounds: all that the next ones hang on.

    step: rounds so far; params: the server's model {name: (seeds, …)}; state: of the clients
    {name: (seeds, clients, …)}, and of the server, server.… (seeds, …). Of the round that led here:
    who (seeds, called), which clients took part; weights (seeds, called), what each counted, 0
    where no report came or it was not finite; reports {name: (seeds, called, …)}.
    """

    step: int
    params: dict
    state: dict
    who: object = None
    weights: object = None
    reports: dict = field(default_factory=dict)
    opt = loss = None  # nothing else goes on from one round to the next
    dice = Anew()


def rounds(plan, turn):
    """The loop: the `Turn` after every round, from a given one to the end; None between steps."""
    while turn.step < plan.total:
        phase, nth = plan.place(turn.step)
        theta, own, server = turn.params, *apart(turn.state)
        if nth == 0:
            own = at_each(plan, phase, theta, own, begins)
        who = plan.call(turn.step)
        job = plan.round(turn.step, who, shares=plan.shares(turn.step))
        sent, carried = to_clients(theta, who.shape[1]), called(own, who)
        method = plan.verbs_of(lanes_of(sent))
        reports, kept = yield from trained(method, job, sent, carried, plan.options.mu)
        own = returned(own, kept, who)
        reports = {k: v.unflatten(0, who.shape) for k, v in reports.items()}
        theta, server, weights = merged(plan, turn.step, theta, reports, who, server)
        if nth == plan.options.rounds - 1:
            own = at_each(plan, phase, theta, own, ends)
        state = own | named("server", server)
        turn = Turn(turn.step + 1, theta, state, who, weights, reports)
        yield turn


def merged(plan, step, theta, reports, who, server):
    """(new θ, the server's new state, what each report counted) of the reports of a round."""
    options, samples = plan.options, plan.samples(step, who)
    answered = plan.reporting(step)  # (seeds, called)
    there = answered & (samples > 0)
    finite = [r.isfinite().flatten(2).all(2) for r in reports.values()]
    sound = torch.stack(finite).all(0).cpu()
    weights = (samples * (there & sound)).to(plan.base.device)
    found = {
        k: torch.where(_over(weights > 0, r), r, theta[k][:, None]) for k, r in reports.items()
    }
    if options.clip is not None:
        found, weights = clipped(theta, found, options.clip), (weights > 0).float()
    counted, came = weights, weights.sum(1) > 0  # where nothing came, the model stays
    if options.noise:  # on the sum of all that were called; nothing hangs on what a report says
        found = pooled(found, options.noise * options.clip, plan.noise(step))
        counted, came = torch.ones_like(weights[:, :1]), answered.any(1).to(weights.device)
    new, after = options.server.merge(theta, found, counted.where(came[:, None], 1.0), server)
    theta = {k: torch.where(_over(came, v), v, theta[k]) for k, v in new.items()}
    after = {k: torch.where(_over(came, v), v, server[k]) for k, v in after.items()}
    each = len(message(lane(theta, 0)))  # all messages are of one size
    told = {
        "down": server["down"] + each * who.shape[1],
        "up": server["up"] + each * there.sum(1).to(plan.base.device),
        "skipped": server["skipped"] + ~came,
        "broken": server["broken"].scatter_add(1, who, (there & ~sound).long()),
    }
    return theta, {**server, **after, **told}, weights


def _over(rows, like):
    """rows (seeds,) or (seeds, clients) in a shape that broadcasts over `like`."""
    return rows.view(*rows.shape, *[1] * (like.dim() - rows.dim()))


@settled
def beginning(plan):
    """The `Turn` before the first round."""
    return Turn(0, *plan.start())


# ---- what lies where: (seeds, …) at the server, (seeds, clients, …) in all, lanes in a round


def apart(state):
    """(what the clients carry, what the server carries)."""
    own = {k: v for k, v in state.items() if not k.startswith("server.")}
    return own, part(state, "server")


def to_clients(theta, n):
    """θ (seeds, …) as n lanes for each seed."""
    return {k: v.repeat_interleave(n, 0) for k, v in theta.items()}


def called(own, who):
    """What the clients `who` (seeds, several) carry, as lanes."""
    seeds = torch.arange(len(who))[:, None]
    return {k: v[seeds, who].flatten(0, 1) for k, v in own.items()}


def returned(own, kept, who):
    """What all clients carry, after those called have come back."""
    seeds, new = torch.arange(len(who))[:, None], dict(own)
    for k, v in kept.items():
        new[k] = own[k].clone()
        new[k][seeds, who] = v.unflatten(0, who.shape)
    return new


def at_each(plan, phase, theta, own, verb):
    """What all clients carry after a verb of their method, for the task of this phase."""
    states = ({k: v[:, c] for k, v in own.items()} for c in range(plan.members))
    after = [at_one(plan, phase, c, theta, state, verb) for c, state in enumerate(states)]
    return {k: torch.stack([one[k] for one in after], 1) for k in own}


def at_one(plan, phase, client, theta, state, verb):
    """What one client carries after a verb, lanes (seeds, …)."""
    task = task_of(plan, phase, client)
    return state if task is None else verb(plan.verbs_of(plan.lanes), theta, state, task)


def begins(method, theta, state, task):
    return method.begin_task(theta, state, task)[1]


def ends(method, theta, state, task):
    return method.end_task(theta, state, task)


def task_of(plan, phase, client):
    """A task as begin_task and end_task get it, of one client under all seeds; None if empty."""
    t = plan.stream.turns[client][phase]
    x, y = (v.to(plan.base.device) for v in plan.stream.shares[client][t][0])
    if not len(y):
        return None
    answers = plan.stream.answers_of(client, phase).to(x.device)
    data = {"x": x, "y": y, "active": answers[phase].expand(len(y), -1), "answers": answers}
    data = {k: v.expand(plan.lanes, *v.shape) for k, v in data.items()}
    drawn = [chance(seed, client, plan.total + phase) for seed in plan.seeds]
    dice = Dice(drawn, torch.arange(len(drawn)), plan.base.device)
    return {"number": phase, "begins": 0, "rng": dice, **data}


# ---- a client by itself


def alone(plan, step, client, theta, state):
    """(report, state) of one client's work in a round, on its own machine, lanes (1, …).

    It gets only messages: the model with which a task has ended comes with the next task.
    """
    phase, nth = plan.place(step)
    if nth == 0 and phase > 0:
        state = at_one(plan, phase - 1, client, theta, state, ends)
    if nth == 0:
        state = at_one(plan, phase, client, theta, state, begins)
    job = plan.round(step, torch.tensor([[client]]), shares=plan.shares(step)[:, [client]])
    return finished(trained(plan.verbs_of(1), job, theta, state, plan.options.mu))
