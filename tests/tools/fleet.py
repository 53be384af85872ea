"""Our fleet and the same on Flower, compared, measured and recorded: `make fleet`, in its own environment.

Writes edgecl_lite/lessons/stored/fleet.json, which lessons load as `stored("fleet")`: `flower_rounds` shows
it where Flower is not installed. Fails where the two do not agree, or where a limit of `LIMITS` is passed.
"""

import argparse
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psutil
import torch
from deployed import APP, deployed

import edgecl_lite as cl
from edgecl_lite.fleet.plan import FleetPlan
from edgecl_lite.fleet.rounds import alone, apart, beginning, called, merged, rounds
from edgecl_lite.lessons.engine import about, on_flower
from edgecl_lite.machine import disk

STORED = Path(cl.__file__).parent / "lessons/stored/fleet.json"
LIMITS = {"apart": 1e-6, "Flower over fleet_train": 2.0, "MB of the deployment": 2000}
OPTIONS = dict(rounds=3, local_epochs=2, optimizer="sgd", lr=0.1)  # the lesson says the same


def fleets():
    """The trainings of the lesson: {name: (method, clients)}, each under `OPTIONS`."""
    four = cl.clients(cl.digits(), 4, alpha=0.5).split(5)
    net = cl.mlp(four)
    return {"Finetune": (cl.Finetune(net), four), "Replay": (cl.Replay(net, capacity=50), four)}


def ours(method, clients):
    """θ of our own rounds: clients are lanes."""
    plan = FleetPlan(method, clients, **OPTIONS)
    return [*filter(None, rounds(plan, beginning(plan)))][-1].params


def one_by_one(method, clients):
    """θ of the same rounds, a client at a time, as Flower calls them."""
    plan = FleetPlan(method, clients, **OPTIONS)
    theta, state = plan.start()
    who, (own, server) = torch.arange(plan.members)[None], apart(state)
    states = [called(own, who[:, [c]]) for c in range(plan.members)]
    for step in range(plan.total):
        came = [alone(plan, step, c, theta, own) for c, own in enumerate(states)]
        states = [own for _, own in came]
        reports = {k: torch.stack([report[k] for report, _ in came], 1) for k in theta}
        theta, server, _ = merged(plan, step, theta, reports, who, server)
    return theta


def flower(method, clients):
    return cl.run_in_kernel(method, clients, **OPTIONS)[0]


def fleet_train(method, clients):
    return cl.fleet_train(method, clients, progress=False, **OPTIONS).params


WAYS = {"ours": ours, "one by one": one_by_one, "fleet_train": fleet_train, "Flower": flower}


def furthest(a, b):
    return max((a[k] - b[k]).abs().max().item() for k in a)


def runs():
    """What `flower_rounds` says of each training."""
    found = []
    for method, clients in fleets().values():
        plan = FleetPlan(method, clients, **OPTIONS)
        found.append(on_flower(plan, method, clients, 0, OPTIONS))
        print(f"{found[-1]['name']}: {found[-1]['apart']:.1e} apart", flush=True)
    return found


def costs(times=5):
    """CPU seconds of each way, medians of turns in one process, their ratios; peaks of fresh processes."""
    what = fleets()["Replay"]
    seconds = {way: [] for way in WAYS}
    for turn in range(times + 1):
        for way, train in WAYS.items():
            begun = time.process_time()
            train(*what)
            if turn:  # the first warms up
                seconds[way].append(time.process_time() - begun)
    ratio = lambda own: statistics.median(f / o for f, o in zip(seconds["Flower"], seconds[own]))
    return {
        "seconds": {way: round(statistics.median(each), 2) for way, each in seconds.items()},
        "Flower over fleet_train": round(ratio("fleet_train"), 2),
        "Flower over ours": round(ratio("ours"), 2),
        "Flower over one by one": round(ratio("one by one"), 2),
        "peak MB": {way: peak_mb(way) for way in ("fleet_train", "Flower")},
    }


def peak_mb(way):
    """Megabytes that a fresh process takes at its peak."""
    command = [sys.executable, __file__, "--peak", way]
    return round(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def resident():
    """Megabytes of this process at its peak; not getrusage, which on Linux counts who started it, too."""
    try:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(status["VmHWM"].split()[0]) * 1024 / 1e6
    except OSError:
        return psutil.Process().memory_info().rss / 1e6


def on_machines():
    """Three rounds between real processes, against ours."""
    theta, cost = deployed()
    sys.path.insert(0, str(APP))
    import watches

    plan = FleetPlan(*watches.fleet, **watches.options)
    for turn in filter(None, rounds(plan, beginning(plan))):
        own = turn.params
    return {"name": about(plan)["name"], "apart": furthest(theta, own), **cost}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("parts", nargs="*", help="runs, costs, deployment: only these anew")
    options.add_argument("--peak", choices=WAYS, help="print the peak of one way, in MB")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    if chosen.peak:
        WAYS[chosen.peak](*fleets()["Replay"])
        return print(resident())
    begun = time.perf_counter()
    kept = cl.stored("fleet") if chosen.parts and STORED.exists() else {}
    found = kept | {"versions": {name: version(name) for name in ("flwr", "torch")}, "options": OPTIONS}
    for part in chosen.parts or PARTS:
        found[part] = PARTS[part]()
        print(f"{part}: {found[part]}", flush=True)
    if wrong := beyond(found):
        sys.exit("\n".join(wrong))
    disk.write(STORED, disk.to_json(found).encode())
    print(f"{STORED.name} is written; {time.perf_counter() - begun:.0f} s in all")


PARTS = {"runs": runs, "costs": costs, "deployment": on_machines}


def beyond(found):
    """What is not as it should be, in sentences."""
    machines, costs = found.get("deployment", {}), found.get("costs", {})
    apart = {run["name"]: run["apart"] for run in found.get("runs", [])}
    apart |= {"on machines": machines["apart"]} if machines else {}
    wrong = [f"{name}: {far:.1e} apart" for name, far in apart.items() if not far <= LIMITS["apart"]]
    if costs and costs["Flower over fleet_train"] > LIMITS["Flower over fleet_train"]:
        wrong.append("Flower takes more than twice our own time")
    if machines and machines["MB"] > LIMITS["MB of the deployment"]:
        wrong.append("the deployment takes more than 2 GB")
    if machines and machines["connections elsewhere"]:
        wrong.append("a process was connected to another machine")
    return wrong


if __name__ == "__main__":
    main()
