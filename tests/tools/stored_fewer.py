"""Fewer weights, or weights of one byte: `stored.py edge_budget fewer`. Some minutes on one core.

A factory trains the small conv net on six of ten signs and half of the drawings; the wearer's half brings all
ten, pair by pair, and replay goes on from there. Each way has the rate that is best on a quarter set aside.
"""

import time
from functools import partial

import numpy as np
import torch

from edgecl_lite import (  # fmt: skip
    Dataset,
    Finetune,
    Int8SGD,
    NearestMean,
    Replay,
    Stream,
    StreamingLDA,
    Task,
    apply,
    best,
    cnn,
    digits,
    metrics,
    mlp,
    only,
    split,
    sweep,
    train,
)

SEEDS, KNOWN, CAPACITY = 5, range(6), 200
QUIET = {"every": 10_000, "progress": False}
ADAM, SGD = ("adam", [3e-3, 1e-2, 3e-2, 0.1]), [0.02, 0.05, 0.1, 0.2]
HEAD = ["7.weight", "7.bias"]
WAYS = {  # what moves, optimiser, rates tried
    "all weights": ("all", *ADAM),
    "all weights, SGD": ("all", "sgd", SGD),
    "all weights of a byte, SGD": ("all", Int8SGD, SGD),
    "the same, rounded to nearest": ("all", partial(Int8SGD, rounding="nearest"), SGD),
    "the last two layers": ("last 2", *ADAM),
    "the last layer": ("last 1", *ADAM),
    "biases": ("biases", *ADAM),
    "biases and the last layer": (["0.bias", "3.bias", *HEAD], *ADAM),
}


def fewer_weights():
    """Accuracy of replay on the conv net by what of it learns, beside heads without a backward pass."""
    factory, wearer = halves()
    net, aside = cnn(wearer), wearer.set_aside(0.25)
    front = train(Finetune(net), factory, SEEDS, epochs=20, lr=3e-3, **QUIET).params
    ways = {}
    for name, (moving, optimizer, rates) in WAYS.items():
        began, method = time.perf_counter(), Replay(only(net, moving), CAPACITY, weights=front)
        tried = sweep(method, aside, SEEDS, lr=rates, optimizer=optimizer, **QUIET)
        lr = best(tried, over="lr")
        reached = _ended(train(method, wearer, SEEDS, lr=lr, optimizer=optimizer, **QUIET))
        trials = dict(zip(map(str, rates), np.nanmean(_ended(tried), 1).round(4).tolist(), strict=True))
        needs = {"optimizer": optimizer if optimizer == "adam" else "sgd"}
        needs["weight_bytes"] = 4 if isinstance(optimizer, str) else 1
        found = {"lr": lr, "trials": trials, "accuracy": reached.round(4).tolist()}
        ways[name] = {"moving": moving, "budget": needs, **found}
        print(f"  {name}: {reached.round(3)}, lr {lr} ({time.perf_counter() - began:.0f} s)", flush=True)
    pixels = dict(cut=1, frozen=True)
    cheap = {
        "mean of pixels": NearestMean(mlp(wearer), **pixels),
        "LDA of pixels": StreamingLDA(mlp(wearer), **pixels),
        "nearest mean": NearestMean(net, frozen=True, weights=front),
        "streaming LDA": StreamingLDA(net, frozen=True, weights=front),
    }
    cheap = {name: {"accuracy": _ended(train(m, wearer, SEEDS, **QUIET))} for name, m in cheap.items()}
    cheap = {"learn nothing": {"accuracy": _nothing(net, front, wearer)}} | cheap
    cheap = {name: {"accuracy": np.round(each["accuracy"], 4).tolist()} for name, each in cheap.items()}
    told = {"seeds": SEEDS, "factory knows": [*KNOWN], "capacity": CAPACITY, "torch": torch.__version__}
    return {"settings": told, "ways": ways, "cheap": cheap}


def halves():
    """(the factory's stream, the wearer's): six signs at once; five pairs, of other drawings."""
    data = digits()
    (x, y), test = data.train, data.test
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    theirs, own = ((x[rows], y[rows]) for rows in (order[1::2], order[::2]))
    known = lambda part: (part[0][part[1] < len(KNOWN)], part[1][part[1] < len(KNOWN)])
    task = Task("factory", known(theirs), known(test), tuple(KNOWN))
    return Stream([task], "class", 10), split(Dataset("the wearer's half", own, test, data.classes))


def _nothing(net, front, stream):
    """(seeds,): the factory's network as it came, which never answers with a sign unknown to it."""
    each = []
    for x, y in (task.test for task in stream):
        z = apply(net, front, x.expand(SEEDS, *x.shape))[..., : len(KNOWN)]
        each.append((z.argmax(-1) == y).double().mean(1))
    return torch.stack(each).mean(0).detach().numpy()


def _ended(run):
    return np.asarray(metrics.average_accuracy(run.accuracy))
