"""Results of the lesson federated_learning: `stored.py` runs these parts. About ten minutes on one core.

Every way has the learning rate that is best on a fifth of each watch's training windows, with one seed.
"""

from dataclasses import replace

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
    metrics,
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


def _kept(method, run):
    """Bytes that a client keeps beside its model at the end: the most of all."""
    state = {k: v.flatten(0, 1) for k, v in run.state.items() if not k.startswith("server.")}
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


def newcomers():
    """Four watches that join late, with few windows: alone, or from the model of the others."""
    watches, lr = smartwatch_clients(), 3e-3  # the rate of both in `together`
    here, late = (
        replace(watches, train=watches.train[at], test=watches.test[at], names=watches.names[at])
        for at in (slice(16), slice(16, 20))
    )
    net = wrist_net(watches.whole)
    run = fleet_train(Finetune(net), here, SEEDS, rounds=20, local_epochs=5, lr=lr, **BATCH)
    found = {
        "common": _plain(_own(net, run, late)),
        "windows": [1, 2, 4, 8],
        "alone": [],
        "from the common": [],
    }
    for k in found["windows"]:
        some = replace(late, train=tuple(_few(*pair, k) for pair in late.train))
        for name, start in (("alone", None), ("from the common", run)):
            own = personalise(Finetune(net), some, start, SEEDS, local_epochs=40, lr=lr)
            found[name].append(_plain(own.own.mean(1)))
        print(
            "newcomers",
            k,
            *(np.mean(found[name][-1]).round(3) for name in ("alone", "from the common")),
            flush=True,
        )
    return found


def _few(x, y, k):
    """The first k windows of each exercise."""
    pick = torch.cat([(y == c).nonzero().flatten()[:k] for c in y.unique()])
    return x[pick], y[pick]


def remedies():
    """Six exercises in three pairs: the last row of R, (seeds, pairs), of six methods; what each keeps."""
    watches = smartwatch_clients(6)
    pairs, aside = watches.split(2), watches.set_aside(0.2).split(2)
    apart, net = watches.split(2, arrival="apart"), wrist_net(pairs)
    how = {"rounds": 6, "local_epochs": 3, "every": 6, **BATCH}
    methods = {
        "finetuning": (Finetune(net), {}),
        "replay, 30 windows in 8 bits": (Replay(net, capacity=30), {}),
        "replay, 60 windows in 4 bits": (Replay(net, capacity=60, bits=4), {}),
        "DER++, 24 windows": (DERpp(net, capacity=24), {}),
        "EWC": (EWC(net), {"lam": [1.0, 100.0]}),
        "replay, 138 windows": (Replay(net, capacity=138), {}),
    }
    found = {}
    for name, (method, grid) in methods.items():
        tried = fleet_sweep(method, aside, 1, lr=RATES if grid else MORE, **grid, **how)
        scores = metrics.average_accuracy(tried.accuracy).mean(-1)
        at = np.unravel_index(scores.argmax(), scores.shape)
        best = {k: values[i] for (k, values), i in zip(tried.grid.items(), at)}
        method = replace(method, **{k: v for k, v in best.items() if k != "lr"})
        run = fleet_train(method, pairs, SEEDS, lr=best["lr"], **how)
        most = _kept(method, run)
        print(name, best, run.accuracy.mean(0)[-1].round(3), flush=True)
        found[name] = {
            "bytes": most,
            "tried": _plain(scores),
            "best": best,
            "R": _plain(run.accuracy[:, -1]),
            "own": _plain(np.nanmean(run.clients[:, :, -1], 0)),
        }
        if name in ("finetuning", "replay, 30 windows in 8 bits"):
            mixed = fleet_train(method, apart, SEEDS, lr=best["lr"], **how)
            found[name]["apart"] = _plain(mixed.accuracy[:, -1])
    return found


def rounds():
    """Common model round by round, (local epochs, fraction, seeds, rounds), at the rate of FedAvg."""
    watches, grid = smartwatch_clients(), {"local_epochs": [1, 5], "fraction": [0.2, 1.0]}
    method = Finetune(wrist_net(watches.whole))
    run = fleet_sweep(method, watches, 3, **grid, rounds=10, lr=3e-3, **BATCH)
    told = {"local epochs": grid["local_epochs"], "fraction": grid["fraction"]}
    return told | {"curve": _plain(run.curve[..., 0])}


def mu():
    """FedProx: accuracy (strengths, seeds) of the common model after eight rounds."""
    watches, grid = smartwatch_clients(), [0, 0.01, 0.1, 1.0]
    method = Finetune(wrist_net(watches.whole))
    how = {"rounds": 8, "local_epochs": 5, "every": 8, "lr": 3e-3, **BATCH}
    run = fleet_sweep(method, watches, SEEDS, mu=grid, **how)
    return {"mu": grid, "accuracy": _plain(run.accuracy[..., -1, -1])}


PARTS = {"remedies": remedies, "together": together, "newcomers": newcomers, "mu": mu, "rounds": rounds}
