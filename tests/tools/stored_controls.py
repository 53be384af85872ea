"""Controls of the lesson federated_learning: `stored.py` runs these parts with those of stored_fleet.py.

Does a verdict of the lesson survive another class order, another output rule, a rate of its own?
Every cell has the rate (and λ, and passes) that is best on data set aside, never on the test windows.
About ten minutes on one core.
"""

import itertools
from dataclasses import replace

import numpy as np
import torch
from stored_fleet import BATCH, RATES, SEEDS, _few, _kept, _own, _plain, remembering

from edgecl_lite import (  # fmt: skip
    Finetune,
    StreamingLDA,
    best,
    fleet_sweep,
    fleet_train,
    personalise,
    smartwatch_clients,
    train,
    wrist_net,
)
from edgecl_lite.fleet.plan import FleetPlan
from edgecl_lite.fleet.rounds import beginning
from edgecl_lite.fleet.rounds import rounds as turns_of
from edgecl_lite.learn import evaluate
from edgecl_lite.machine.settled import settled

# three orders of the six exercises in which no two are a pair twice; the first is the file's
ORDERS = [[0, 1, 2, 3, 4, 5], [3, 0, 5, 1, 4, 2], [2, 5, 4, 0, 1, 3]]
PAIRS = {"rounds": 6, "local_epochs": 3, "batch_size": 16}  # rounds for each pair
REPLAY = "replay, 30 windows in 8 bits"
EQUAL = (REPLAY, "replay, 60 windows in 4 bits", "DER++, 24 windows")
RULES = {  # how the windows are cut, in which orders, for which methods
    "seen": (dict(active="seen"), ORDERS, ("finetuning", *EQUAL, "EWC")),
    "much": (dict(active="seen"), ORDERS[:1], ("replay, 138 windows",)),
    "all": (dict(active="all"), ORDERS[:1], ("finetuning", REPLAY, "DER++, 24 windows", "EWC")),
    "apart": (dict(arrival="apart"), ORDERS, ("finetuning", REPLAY)),
}


def remedies():
    """Three pairs in three orders, and by the other output rule: last rows of R, (orders, seeds, pairs).

    {rule: {method: what it keeps and how well it does}}. The rate is chosen for each method and rule, in
    the second order, λ with it where the outputs seen so far may answer. "apart": a third of the watches
    begins with each pair, so all may answer; at the rate of "seen".
    """
    watches, found = smartwatch_clients(6), {}
    aside = watches.set_aside(0.2)
    for rule, (how, orders, names) in RULES.items():
        to_choose = aside.split(2, order=ORDERS[1], **how)
        to_judge = [watches.split(2, order=order, **how) for order in orders]
        methods, found[rule] = remembering(wrist_net(to_choose)), {}
        for name in names:
            method, grid = methods[name]
            known = found["seen"].get(name, {}).get("best", {}) if rule != "seen" else {}
            grid = {"lr": RATES, **grid} | {k: [v] for k, v in known.items() if k == "lam" or rule == "apart"}
            here = found[rule][name] = _in_orders(method, grid, to_choose, to_judge)
            means = np.mean(here["R"], 1).round(2).tolist()
            print(rule, name, here["best"], here["tried"], means, flush=True)
    return {"orders": ORDERS, **found}


def _in_orders(method, grid, to_choose, to_judge):
    tried, cells = {}, list(itertools.product(*grid.values()))
    for cell in cells if len(cells) > 1 else ():
        own, lr = _with(method, dict(zip(grid, cell, strict=True)))
        tried[cell] = _last_row(own, to_choose, 2, lr)[0].mean()
    chosen = dict(zip(grid, max(cells, key=lambda cell: tried.get(cell, 0)), strict=True))
    own, lr = _with(method, chosen)
    rows, kept = zip(*(_last_row(own, stream, SEEDS, lr) for stream in to_judge))
    return {"bytes": max(kept), "tried": _plain([*tried.values()]), "best": chosen, "R": _plain(rows)}


@settled
def _last_row(method, stream, seeds, lr):
    """As `fleet_train`, without a look at each watch's own model: (R's last row, bytes kept)."""
    plan = FleetPlan(method, stream, seeds, lr=lr, **PAIRS)
    *_, end = filter(None, turns_of(plan, beginning(plan)))
    row = evaluate(Finetune(method.net), end.params, {}, plan.stream, len(stream) - 1)[0]
    return row, _kept(method, end.state)


def _with(method, settings):
    """(the method with these settings, the rate)."""
    return replace(method, **{k: v for k, v in settings.items() if k != "lr"}), settings["lr"]


def at_once():
    """All six exercises from the start: the rate, and accuracy (seeds,) after so many rounds of 3 passes.

    6 rounds have as many passes over each window as three pairs have, 18 as many rounds.
    """
    watches = smartwatch_clients(6)
    method, aside = Finetune(wrist_net(watches.whole)), watches.set_aside(0.2)
    how = {"local_epochs": 3, **BATCH}
    lr = best(fleet_sweep(method, aside, 2, lr=RATES, rounds=6, every=6, **how), over="lr")
    run = fleet_train(method, watches, SEEDS, lr=lr, rounds=18, every=6, **how)
    return {"lr": lr} | {str(n): _plain(run.curve[:, n // 6, -1]) for n in (6, 18)}


def mu():
    """FedProx: accuracy (strengths, seeds) of the common model after eight rounds, each μ at its own rate."""
    watches, strengths = smartwatch_clients(), [0, 0.01, 0.1, 1.0]
    method, aside = Finetune(wrist_net(watches.whole)), watches.set_aside(0.2)
    how = {"rounds": 8, "local_epochs": 5, "every": 8, **BATCH}
    rates = RATES[1:]  # at the lowest, μ = 0 is far behind, and a pull asks for a higher one
    tried = fleet_sweep(method, aside, 1, mu=strengths, lr=rates, **how).accuracy[..., -1, -1].mean(-1)
    rates = [rates[i] for i in tried.argmax(1)]
    runs = [fleet_train(method, watches, SEEDS, mu=m, lr=lr, **how) for m, lr in zip(strengths, rates)]
    told = {"mu": strengths, "tried": _plain(tried), "lr": rates}
    return told | {"accuracy": _plain([run.accuracy[:, -1, -1] for run in runs])}


FEW, PASSES = [1, 2, 4, 8], [40, 200]


def newcomers():
    """Two people of the ten join late, with few windows: alone, or from the model of the others.

    Accuracy (windows, seeds) of wearers 9 and 10. Each way has, for each number of windows, the passes and
    the rate that are best for wearers 7 and 8 as newcomers, on training windows that these were not given.
    """
    watches, how = smartwatch_clients(), {"rounds": 20, "local_epochs": 5, "every": 20, **BATCH}
    method, fleets = Finetune(wrist_net(watches.whole)), []
    for first, seeds in ((12, 1), (16, SEEDS)):  # to choose, to judge
        late = range(first, first + 4)
        here, new = ([c for c in range(20) if (c in late) is joins] for joins in (False, True))
        here, new = (_members(watches, some) for some in (here, new))
        fleets.append((new, fleet_train(method, here, seeds, lr=3e-3, **how)))
    (trial, trial_run), (new, run) = fleets
    found = {
        "windows": FEW,
        "passes": PASSES,
        "rates": RATES[1:],
        "common": _plain(_own(method.net, run, new)),
    }
    for name, starts in (("alone", (None, None)), ("from the common", (trial_run, run))):
        each = [_late(method, (trial, new), starts, k) for k in FEW]
        found[name] = {key: [one[key] for one in each] for key in each[0]}
        print(name, found[name]["chosen passes"], found[name]["lr"], found[name]["accuracy"], flush=True)
    found["streaming LDA"] = [_plain(_sums(method.net, new, k)) for k in FEW]
    return found


def _members(watches, some):
    """These of the watches."""
    parts = {k: tuple(getattr(watches, k)[c] for c in some) for k in ("train", "test", "names")}
    return replace(watches, **parts)


def _late(method, both, starts, k):
    """Passes and rate that are best for the first newcomers, and what the second then reach, (seeds,)."""
    few = [replace(new, train=tuple(_few(*own, k) for own in new.train)) for new in both]
    rest = replace(few[0], test=tuple(_but_few(*own, k) for own in both[0].train))
    tried = {
        (n, lr): personalise(method, rest, starts[0], 1, local_epochs=n, lr=lr).own.mean()
        for n, lr in itertools.product(PASSES, RATES[1:])
    }
    passes, lr = max(tried, key=tried.get)
    own = personalise(method, few[1], starts[1], SEEDS, local_epochs=passes, lr=lr).own.mean(1)
    told = {"tried": _plain([*tried.values()]), "chosen passes": passes, "lr": lr}
    return told | {"accuracy": _plain(own)}


def _but_few(x, y, k):
    """All but the first k windows of each exercise."""
    late = torch.ones(len(y), dtype=torch.bool)
    for c in y.unique():
        late[(y == c).nonzero().flatten()[:k]] = False
    return x[late], y[late]


def _sums(net, new, k):
    """(seeds,): streaming LDA on a random front, from a newcomer's own few windows."""
    each = []
    for c in range(len(new)):
        one = _members(new, [c])
        one = replace(one, train=(_few(*one.train[0], k),)).whole.together
        run = train(StreamingLDA(net, frozen=True), one, SEEDS, epochs=1, every=10**6, progress=False)
        each.append(run.accuracy[:, -1, -1])
    return np.mean(each, 0)


PARTS = {"remedies": remedies, "at once": at_once, "mu": mu, "newcomers": newcomers}
