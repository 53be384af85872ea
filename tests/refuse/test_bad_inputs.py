"""Bad input of every kind, in one table: what is asked for, and the words that its message must hold.

A message says what was expected, what came and what to do; the traceback ends in edgecl_lite, not somewhere
below. Further kinds stand in test_strange_nets.py (nets, optimisers, methods), test_samples.py and
test_saved.py.
"""

import traceback

import numpy as np
import pytest
import torch
from torch import nn

import edgecl_lite as cl

DIGITS = cl.digits()
STREAM, PAIRS = cl.rotated(DIGITS, degrees=(0, 60)), cl.split(DIGITS)
NET, (X, Y) = cl.mlp(STREAM), DIGITS.train
PARAMS = {k: p.detach()[None] for k, p in NET.named_parameters()}
FINE = cl.Finetune(NET)


def data(x, y, classes=tuple("0123456789")):
    return cl.Dataset("mine", (x, y), (x, y), classes)


def train(**options):
    return cl.train(FINE, STREAM, **options)


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(x.flatten(1)), 1


BAD = {
    # data
    "pixels as numpy": (lambda: data(X.numpy(), Y), "x = torch.as_tensor(x, dtype=torch.float32)"),
    "pixels in double": (lambda: data(X.double(), Y), "torch.float32, got torch.float64"),
    "bytes": (lambda: data((255 * X).byte(), Y), "divide bytes by 255", "/ 255"),
    "one-hot": (lambda: data(X, nn.functional.one_hot(Y)), "not one-hot", "y.argmax(1)"),
    "regression": (lambda: data(X, Y + 0.3), "no regression", "not whole"),
    "whole floats": (lambda: data(X, Y.float()), "y = y.long()"),
    "labels from 1": (lambda: data(X, Y + 1), "0..9", "1..10", "y - 1"),
    "labels as text": (lambda: data(X, ["a"] * len(X)), "list of str", "names.index"),
    "a column of labels": (lambda: data(X, Y[:, None]), "(n,)", "y[:, 0]"),
    "flat rows": (lambda: data(X.flatten(1), Y), "(1400, 64)", "x.reshape(-1, 1, 8, 8)"),
    "channels last": (lambda: data(torch.rand(9, 8, 8, 3), Y[:9]), "x.permute(0, 3, 1, 2)"),
    "standardised": (lambda: data((X - X.mean()) / X.std(), Y), "must lie in 0..1", ".clamp(0, 1)"),
    "not finite": (
        lambda: data(X / X.amax((1, 2, 3), keepdim=True).where(Y[:, None, None, None] > 0, 0), Y),
        "isfinite",
    ),
    "fewer labels": (lambda: data(X, Y[1:]), "(1400, 1, 8, 8) and (1399,)"),
    "no samples": (lambda: data(X[:0], Y[:0]), "is empty"),
    "number of classes": (lambda: data(X, Y, 10), "tuple of at least one str", "10"),
    # streams
    "split of a pair": (lambda: cl.split((X, Y)), "Dataset such as digits()", "tuple"),
    "split in threes": (lambda: cl.split(DIGITS, 3), "must divide the 10 classes", "per_task=[3, 3, 3, 1]"),
    "sizes that miss one": (lambda: cl.split(DIGITS, [5, 2, 2]), "adds up to 9"),
    "unknown scenario": (lambda: cl.split(DIGITS, scenario="cil"), "'task', 'domain', 'class'", "'cil'"),
    "order of three": (lambda: cl.split(DIGITS, order=[0, 1, 2]), "each class 0..9 once"),
    "one angle": (lambda: cl.rotated(DIGITS, degrees=30), "list", "got 30: [30]"),
    "no angle": (lambda: cl.rotated(DIGITS, degrees=[float("nan")]), "finite number", "nan"),
    "turned by class": (lambda: cl.rotated(DIGITS, scenario="class"), "'domain', 'task'", "'class'"),
    "no tasks": (lambda: cl.permuted(DIGITS, tasks=0), "tasks must be a whole number >= 1"),
    "tensors as tasks": (lambda: cl.Stream((X, Y), "class", 10), "only Tasks", "['Tensor']"),
    "too few outputs": (lambda: cl.Stream(PAIRS.tasks, "class", 3), "exceed the largest class 9", "3"),
    # nets and weights
    "a net as method": (lambda: cl.train(NET, STREAM), "a method such as Finetune(net)", "Sequential"),
    "a class as method": (lambda: cl.train(cl.EWC, STREAM), "a method such as Finetune(net)", "type"),
    "data as stream": (lambda: cl.train(FINE, DIGITS), "a Stream such as rotated(digits())", "Dataset"),
    "no net": (lambda: cl.EWC(None), "a torch.nn.Module such as mlp(stream)", "NoneType"),
    "a net of pairs": (lambda: cl.train(cl.Finetune(Pair()), STREAM), "a tensor of logits", "tuple"),
    "a net for three": (
        lambda: cl.train(cl.Finetune(cl.mlp(cl.split(DIGITS, scenario="domain"))), STREAM),
        "10 outputs",
        "gives (2,)",
    ),
    "a net without Flatten": (
        lambda: cl.train(cl.Finetune(nn.Sequential(nn.Linear(64, 10))), STREAM),
        "inputs (1, 8, 8)",
        "fails on them",
    ),
    "an mlp of data": (lambda: cl.mlp(DIGITS), "a Stream such as rotated(digits())", "Dataset"),
    "a width": (lambda: cl.mlp(STREAM, 100), "list", "got 100: [100]"),
    "weights of another net": (lambda: cl.EWC(NET, weights=cl.mlp(STREAM, (7,))), "lane axis", "(7, 64)"),
    "a state dict": (lambda: cl.EWC(NET, weights=NET.state_dict()), "lane axis", "weights=net"),
    "a path as weights": (lambda: cl.EWC(NET, weights="run"), "a Run, or a net", "'run'"),
    "weights in double": (
        lambda: cl.EWC(NET, weights={k: p.double() for k, p in PARAMS.items()}),
        "torch.float32",
        "torch.float64",
    ),
    "weights lost": (lambda: cl.EWC(NET, weights={k: p / 0 for k, p in PARAMS.items()}), "not finite"),
    "two lanes for three": (
        lambda: cl.train(
            cl.EWC(NET, weights={k: torch.cat([p, p]) for k, p in PARAMS.items()}), STREAM, seeds=3
        ),
        "each of 3 seeds",
        "got 2",
    ),
    "apply without lanes": (lambda: cl.apply(NET, PARAMS, X), "as many lanes", "x[None]"),
    "Fisher without lanes": (
        lambda: cl.fisher(NET, PARAMS, X),
        "(lanes, n, channels, height, width)",
        "x[None]",
    ),
    "Fisher of a list": (lambda: cl.fisher(NET, [1], X[None]), "params {name: tensor}", "[1]"),
    "Fisher without labels": (
        lambda: cl.fisher(NET, PARAMS, X[None], labels="empirical"),
        "(1, 1400)",
        "None",
    ),
    # options
    "no epochs": (lambda: train(epochs=0), "epochs must be a whole number >= 1"),
    "half an epoch": (lambda: train(epochs=1.5), "whole number", "1.5"),
    "several rates": (lambda: train(lr=[0.1, 0.2]), "finite number > 0", "[0.1, 0.2]"),
    "a rate in quotes": (lambda: train(lr="0.1"), "finite number > 0", "'0.1'"),
    "no seeds": (lambda: train(seeds=[]), "at least one value"),
    "a seed twice": (lambda: train(seeds=[1, 1]), "different whole numbers"),
    "a seed below 0": (lambda: train(seeds=[-1]), ">= 0, got -1"),
    "an option misspelt": (lambda: train(epoch=3), "unknown option 'epoch'"),
    "λ to train": (lambda: cl.train(cl.EWC(NET), STREAM, lam=3), "sweep(…, lam=[…])"),
    "Adam in capitals": (lambda: train(optimizer="Adam"), "'adam', 'sgd' or a callable", "'Adam'"),
    "one λ to sweep": (lambda: cl.sweep(cl.EWC(NET), STREAM, lam=3), "list", "got 3: [3]"),
    "nothing to sweep": (lambda: cl.sweep(cl.EWC(NET), STREAM), "EWC has lam"),
    "λ below 0": (lambda: cl.EWC(NET, lam=-1), "lam must be a finite number >= 0"),
    "λ not a number": (lambda: cl.EWC(NET, lam=float("nan")), "finite number", "nan"),
    "a hyper-parameter misspelt": (lambda: cl.EWC(NET, lamda=2), "'lamda'", "EWC takes lam"),
    "an unknown Fisher": (lambda: cl.EWC(NET, labels="true"), "'exact', 'sample', 'empirical', 'batched'"),
    "a memory of five": (lambda: cl.train(cl.Replay(NET, 5), PAIRS), "one sample for each class", "got 5"),
    "a memory of gigabytes": (lambda: cl.train(cl.Replay(NET, 10**8), STREAM), "over 1 GB"),
    "an unknown policy": (lambda: cl.Replay(NET, policy="fifo"), "'balanced', 'reservoir', 'ring'"),
    "iCaRL by domain": (lambda: cl.train(cl.ICaRL(NET), STREAM), "class-incremental", "'domain'"),
    "a cut behind the net": (
        lambda: cl.LatentReplay(NET, cut=9),
        "a layer of an nn.Sequential on both sides",
    ),
    "a mask of nothing": (lambda: cl.train(cl.Piggyback(NET, threshold=1.0), STREAM), "below 0.01"),
    "everything pruned": (lambda: cl.PackNet(NET, prune=1), "<= 0.999999", "got 1"),
    # what is left behind
    "percentages": (lambda: cl.metrics.forgetting([[97.0, 3], [2, 98]]), "0..1", "divide percentages by 100"),
    "a Run as R": (
        lambda: cl.metrics.forgetting(cl.train(FINE, STREAM, steps=1, progress=False)),
        ".accuracy",
    ),
    "ragged R": (lambda: cl.metrics.forgetting([[1, 2], [3]]), "equally long"),
    "an unfinished R": (
        lambda: cl.metrics.forgetting(np.full((2, 2), np.nan)),
        "unfinished",
        "Train to the end",
    ),
    "no such run": (lambda: cl.Run.load("nowhere/at-all"), "no run saved at", "Run.save(path)"),
    "no such board": (
        lambda: cl.fits(cl.budget(cl.Finetune(NET), STREAM), "pi"),
        "nano-33-ble",
        "a Board of your own",
        "'pi'",
    ),
    "a budget of a net": (lambda: cl.budget(NET, STREAM), "RULES[YourMethod]", "Sequential"),
    "meta-learning a stream": (lambda: [*cl.meta_learn(cl.maml, NET, STREAM)], "sinusoids() or episodes(…)"),
    "an unknown lesson": (lambda: cl.stored("99"), "ewc", "'99'"),
    "an image too many": (lambda: cl.mnist(0), "1..60000", "got 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_message_that_ends_the_search(name):
    work, *words = BAD[name]
    with pytest.raises((TypeError, ValueError, FileNotFoundError)) as caught:
        work()
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert "edgecl_lite" in last.filename, f"the traceback ends in {last.filename}: {caught.value}"
    missing = [word for word in words if word not in str(caught.value)]
    assert not missing, f"{missing} missing in: {caught.value}"
