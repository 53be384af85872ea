"""Results of the lesson federated_learning: `stored.py` runs these parts. About ten minutes on one core.

Every way has the learning rate that is best on a fifth of each watch's training windows, with one seed.
"""

import numpy as np
import torch

from edgecl_lite import (  # fmt: skip
    EWC,
    DERpp,
    Finetune,
    Replay,
    apply,
    fleet_sweep,
    fleet_train,
    nbytes,
    personalise,
    smartwatch_clients,
    sweep,
    train,
    wrist_net,
)

SEEDS, RATES, MORE, LESS = 5, [1e-3, 3e-3, 1e-2], [1e-3, 3e-3, 1e-2, 3e-2], [3e-4, 1e-3, 3e-3]
BATCH = {"batch_size": 16, "progress": False}
PLAIN = {"epochs": 20, "every": 10**6, **BATCH}


def _plain(array):
    return np.round(np.asarray(array, float), 4).tolist()


def _own(net, run, watches):
    """(seeds,): a common model on each watch's own test windows, the mean over the watches."""
    each = []
    for x, y in watches.test:
        answers = apply(net, run.params, x.expand(len(run.seeds), *x.shape)).argmax(-1)
        each.append((answers == y).double().mean(1).detach().numpy())
    return np.mean(each, 0)


def _kept(method, state):
    """Bytes that a client keeps beside its model at the end: the most of all."""
    state = {k: v.flatten(0, 1) for k, v in state.items() if not k.startswith("server.")}
    lanes = len(next(iter(state.values()), ()))
    return max((nbytes(method.keeps(state, lane)) for lane in range(lanes)), default=0)


def together():
    """Alone, FedAvg, personal steps, all in one place: accuracy (seeds,) on own and everybody's windows."""
    watches = smartwatch_clients()
    net, aside = wrist_net(watches.whole), watches.set_aside(0.2)
    method, ways = Finetune(net), {}
    fed = fleet_sweep(method, aside, 1, lr=RATES, rounds=8, local_epochs=5, every=8, **BATCH)
    place = sweep(method, aside.whole, 1, lr=LESS, **PLAIN)
    tried = {
        "FedAvg": fed.accuracy[:, 0, -1, -1],
        "alone": [personalise(method, aside, local_epochs=40, lr=lr).own.mean() for lr in RATES],
        "all data in one place": place.accuracy[:, 0, -1, -1],
    }
    rates = {"all data in one place": LESS}
    best = {name: rates.get(name, RATES)[int(np.argmax(scores))] for name, scores in tried.items()}
    alone = personalise(method, watches, None, SEEDS, local_epochs=40, lr=best["alone"])
    ways["alone"] = alone.own.mean(1), alone.everybody.mean(1)
    run = fleet_train(method, watches, SEEDS, rounds=20, local_epochs=5, lr=best["FedAvg"], **BATCH)
    ways["FedAvg"] = _own(net, run, watches), run.accuracy[:, -1, -1]
    for passes in (5, 40):
        own = personalise(method, watches, run, local_epochs=passes, lr=best["FedAvg"])
        ways[f"FedAvg, then {passes} passes"] = own.own.mean(1), own.everybody.mean(1)
    one = train(method, watches.whole, SEEDS, lr=best["all data in one place"], **PLAIN)
    ways["all data in one place"] = _own(net, one, watches), one.accuracy[:, -1, -1]
    each = {"alone": alone.own.mean(0), "FedAvg, then 40 passes": own.own.mean(0)}
    return {
        "rates": RATES,
        "tried": {name: _plain(scores) for name, scores in tried.items()},
        "best": best,
        "curve": _plain(run.curve[:, :, -1]),
        "ways": {k: {"own": _plain(a), "everybody": _plain(b)} for k, (a, b) in ways.items()},
        "each watch": {name: _plain(scores) for name, scores in each.items()},
    }


def _few(x, y, k):
    """The first k windows of each exercise."""
    pick = torch.cat([(y == c).nonzero().flatten()[:k] for c in y.unique()])
    return x[pick], y[pick]


def remembering(net):
    """{name: (method, settings to choose from)}: all that keep 5,820 bytes at most, and two that do not."""
    return {
        "finetuning": (Finetune(net), {}),
        "replay, 30 windows in 8 bits": (Replay(net, capacity=30), {}),
        "replay, 60 windows in 4 bits": (Replay(net, capacity=60, bits=4), {}),
        "DER++, 24 windows": (DERpp(net, capacity=24), {}),
        "EWC": (EWC(net), {"lam": [1.0, 100.0]}),
        "replay, 138 windows": (Replay(net, capacity=138), {}),
    }


def rounds():
    """Common model round by round, (local epochs, fraction, seeds, rounds), at the rate of FedAvg."""
    watches, grid = smartwatch_clients(), {"local_epochs": [1, 5], "fraction": [0.2, 1.0]}
    method = Finetune(wrist_net(watches.whole))
    run = fleet_sweep(method, watches, 3, **grid, rounds=10, lr=3e-3, **BATCH)
    told = {"local epochs": grid["local_epochs"], "fraction": grid["fraction"]}
    return told | {"curve": _plain(run.curve[..., 0])}


PARTS = {"together": together, "rounds": rounds}
