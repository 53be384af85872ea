"""Federated averaging against its paper: rounds until 97 % on MNIST.  python tests/tools/ledger/fedavg.py

McMahan et al. 2017, table 2: 100 clients, 10 of them in a round, the net 784-200-200-10, one local epoch in
batches of 10, SGD; samples dealt evenly, or sorted by label in 200 shards of which each client gets two. A
split is a small JSON file in fleet/, written anew after every seed: a stopped run goes on where it was.
The page beside this file (README.md) is made from these files too.
"""

import argparse
import math
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path

from edgecl_lite.machine import disk

HERE = Path(__file__).resolve().parent
SPLITS = {"IID": {"alpha": None}, "non-IID": {"shards": 2}}
PUBLISHED = {"IID": 87, "non-IID": 664}  # M: quoted from memory of the paper
SOURCE = "McMahan et al. 2017, table 2: one run each, at the best rate of a grid"
GOAL, MOST, SEEDS = 0.97, 2000, 5
SETTINGS = {
    "clients": 100,
    "fraction": 0.1,
    "hidden": [200, 200],
    "local_epochs": 1,
    "batch_size": 10,
    "optimizer": "sgd",
    "lr": 0.1,
}


def path_of(split):
    return HERE / "fleet" / f"{split.lower()}.json"


def rows():
    """What was measured so far, {split: row}."""
    paths = {split: path_of(split) for split in SPLITS}
    way = "`git checkout` brings it back, or take it away and measure it again."
    return {k: disk.read_json(path, way) for k, path in paths.items() if path.exists()}


def rounds(split, seed, data=None, goal=GOAL):
    """The first round after which the common model has 97 % of the test images right; NaN if none."""
    import edgecl_lite as cl

    told = {k: v for k, v in SETTINGS.items() if k not in ("clients", "hidden")}
    clients = cl.clients(data or cl.mnist(), SETTINGS["clients"], seed=seed, **SPLITS[split]).whole
    method = cl.Finetune(cl.mlp(clients, SETTINGS["hidden"]))
    for point in cl.federate(method, clients, seeds=[seed], rounds=MOST, **told):
        if point.accuracy.item() >= goal:
            return point.step
    return math.nan


def row(split, found, seconds):
    """The file's content; found: {seed: rounds}."""
    values = [found[seed] for seed in sorted(found)]
    sd = round(statistics.stdev(values), 1) if len(values) > 1 else None
    return {
        "split": split,
        "seeds": sorted(found),
        "rounds": values,
        "mean": round(statistics.fmean(values), 1),
        "sd": sd,
        "published": PUBLISHED[split],
        "source": SOURCE,
        "mark": "M",
        "settings": SETTINGS,
        "seconds": round(seconds, 1),
        "versions": {"python": platform.python_version(), "torch": version("torch").partition("+")[0]},
    }


def main(argv=None):
    import torch
    from ledger import ledger, write_pages

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--only", choices=SPLITS)
    told = parser.parse_args(argv)
    torch.set_num_threads(1)
    for seed in range(told.seeds):
        for split in [told.only] if told.only else SPLITS:
            old = rows().get(split, {})
            found = dict(zip(old.get("seeds", []), old.get("rounds", [])))
            if seed in found or old and old["settings"] != SETTINGS:
                continue
            begun = time.thread_time()
            found[seed] = rounds(split, seed)
            seconds = old.get("seconds", 0) + time.thread_time() - begun
            disk.write(path_of(split), disk.to_json(row(split, found, seconds), indent=1).encode())
            print(f"{split}, seed {seed}: {found[seed]} rounds", flush=True)
            write_pages(HERE, ledger())


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(HERE))
    main()
