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
    """Alone, FedAvg, personal steps, all in one place: accuracy (seeds,) on own and everybody's windows.

    Each way has its own rate, best of two seeds on data set aside. A watch of "FedAvg, then 40 passes"
    has made 140 passes in all, hence "alone, 140 passes".
    """
    watches = smartwatch_clients()
    net, aside = wrist_net(watches.whole), watches.set_aside(0.2)
    method, fed = Finetune(net), {"rounds": 20, "local_epochs": 5, **BATCH}
    tried = {"FedAvg": fleet_sweep(method, aside, 2, lr=RATES, every=20, **fed).accuracy[..., -1, -1].mean(1)}
    lr = RATES[tried["FedAvg"].argmax()]
    common = fleet_train(method, aside, 2, lr=lr, every=20, **fed)  # to choose from
    run = fleet_train(method, watches, SEEDS, lr=lr, **fed)
    ways = {"FedAvg": (_own(net, run, watches), run.accuracy[:, -1, -1])}
    best, each = {"FedAvg": lr}, {}
    starts = {"alone, 40 passes": (40, None, None), "alone, 140 passes": (140, None, None)}
    starts |= {f"FedAvg, then {passes} passes": (passes, common, run) for passes in (5, 40)}
    for name, (passes, choosing, start) in starts.items():
        own = [personalise(method, aside, choosing, 2, local_epochs=passes, lr=lr).own.mean() for lr in RATES]
        tried[name], best[name] = own, RATES[int(np.argmax(own))]
        end = personalise(method, watches, start, SEEDS, local_epochs=passes, lr=best[name])
        ways[name], each[name] = (end.own.mean(1), end.everybody.mean(1)), _plain(end.own.mean(0))
    name = "all data in one place"
    tried[name] = sweep(method, aside.whole, 2, lr=LESS, **PLAIN).accuracy[..., -1, -1].mean(1)
    best[name] = LESS[tried[name].argmax()]
    one = train(method, watches.whole, SEEDS, lr=best[name], **PLAIN)
    ways[name] = _own(net, one, watches), one.accuracy[:, -1, -1]
    told = [*starts][:2] + ["FedAvg"] + [*starts][2:] + [name]
    return {
        "rates": RATES,
        "tried": {name: _plain(scores) for name, scores in tried.items()},
        "best": best,
        "curve": _plain(run.curve[:, :, -1]),
        "ways": {k: {"own": _plain(ways[k][0]), "everybody": _plain(ways[k][1])} for k in told},
        "each watch": each,
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


PARTS = {"together": together}
