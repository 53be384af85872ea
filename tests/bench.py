"""How fast and how small: `make bench` prints ratios measured in one run, one thread, as a Markdown table.

The yardstick is a bare hand-written PyTorch loop (default Adam) that finetunes the same net on the same
stream, 10 epochs a task: five rotated tasks, or for replay the five pairs of split digits. Every row is
timed in turn with its yardstick, and the median ratio of the rounds counts.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

os.environ["TQDM_DISABLE"] = "1"

import torch
from torch import nn

from edgecl_lite import (
    EWC,
    Finetune,
    PackNet,
    Piggyback,
    Replay,
    StreamingLDA,
    apply,
    digits,
    episodes,
    fisher,
    maml,
    mlp,
    rotated,
    setup,
    sinusoids,
    split,
    sweep,
    symbols,
    train,
)
from edgecl_lite.models import initial
from edgecl_lite.tensors import lane, stack

STREAM, PAIRS = rotated(digits()), split(digits())
NET = mlp(STREAM)
SYMBOLS = episodes(symbols(digits())[0], queries=5)  # 5 ways, 5 shots
CAPACITIES = [0, 10, 20, 50, 100, 200, 500]
LAM16 = [10 ** (i * 6 / 15 - 1) for i in range(16)]  # 0.1 … 1e5


def bare(stream=STREAM):
    """The yardstick: what one would write without this module."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
    for task in stream:
        x, y = task.train
        optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
        for _ in range(10):
            for pick in torch.randperm(len(x)).split(32):
                loss = nn.functional.cross_entropy(net(x[pick]), y[pick])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()


def seconds(work):
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def ratio(work, rounds, stream=STREAM):
    """Median over rounds of time(work) / time(yardstick), each pair taken back to back."""
    return statistics.median(seconds(work) / seconds(lambda: bare(stream)) for _ in range(rounds))


def exact_fisher_ms(rounds):
    x = STREAM.tasks[0].train[0][None]  # (1, 1400, 1, 8, 8)
    params = stack([initial(NET, 0)])
    return 1e3 * statistics.median(seconds(lambda: fisher(NET, params, x)) for _ in range(5 * rounds))


def loop(tasks, hidden):
    """How many times longer the meta-gradient of 25 tasks takes one after the other than as lanes."""
    net = mlp(tasks, hidden=hidden)
    start = stack([initial(net, 0)] * 25)
    support, query = tasks.draw(25, torch.Generator().manual_seed(0))

    def loss(params, batch):
        return tasks.loss(apply(net, params, batch["x"]), batch["y"])

    def gradient(which):
        theta = {k: p.requires_grad_() for k, p in lane(start, which).items()}
        return maml.gradient(loss, theta, lane(support, which), lane(query, which), 0.01)

    each = torch.arange(25)
    rounds = [
        seconds(lambda: [gradient(i) for i in each]) / seconds(lambda: gradient(each)) for _ in range(15)
    ]
    return f"{statistics.median(rounds):.1f} ×"


def import_seconds():
    code = (
        "import torch, matplotlib, matplotlib.figure, time; t = time.perf_counter(); import edgecl_lite; "
        "print(time.perf_counter() - t)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(5)
    ]
    return statistics.median(float(run.stdout) for run in runs)


def peak_mb():
    """Peak resident memory of a fresh process that sweeps 16 λ × 3 seeds."""
    done = subprocess.run([sys.executable, __file__, "--peak"], capture_output=True, text=True, check=True)
    return float(done.stdout)


def explore_ms():
    from edgecl_lite import explore

    panel = explore(sweep(EWC(NET), STREAM, seeds=3, lam=LAM16, epochs=2))
    slider, times = panel.slider, []
    for _ in range(3):
        for value in [option[1] if isinstance(option, tuple) else option for option in slider.options]:
            times.append(seconds(lambda value=value: setattr(slider, "value", value)))
    return 1e3 * statistics.median(times)


def meter_ms():
    """Milliseconds a change of the memory meter takes, over all its controls."""
    from edgecl_lite import meter

    panel, times = meter({"replay": Replay(mlp(PAIRS)), "EWC": EWC(mlp(PAIRS))}, PAIRS), []
    for control in panel.controls.values():
        before = control.index
        for i in set(range(len(control.options))) - {before}:
            times.append(seconds(lambda i=i, control=control: setattr(control, "index", i)))
        control.index = before
    return 1e3 * statistics.median(times)


def live_share(rounds):
    """(pictures a second, share of the training time that drawing takes) of a live panel."""
    from edgecl_lite import live

    shares, rates = [], []
    for _ in range(rounds):
        panel = live(Finetune(NET), STREAM, seeds=3, epochs=40)
        whole = seconds(panel.run_blocking)
        drawing, pictures = panel.drawing  # seconds, number
        shares.append(drawing / (whole - drawing))
        rates.append(pictures / whole)
    return statistics.median(rates), statistics.median(shares)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    setup()
    if options.peak:
        sweep(EWC(NET), STREAM, seeds=3, lam=LAM16)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    bare()
    n = options.rounds
    yard = statistics.median(seconds(bare) for _ in range(n))
    pictures, share = live_share(2)

    def times(what, limit, work, rounds=n, stream=STREAM):
        found = ratio(work, rounds, stream)
        return f"`{what}`", f"{found:.{1 if found > 4 else 2}f} ×", f"{limit} ×"

    few, pairs = max(1, n - 2), dict(stream=PAIRS)
    rows = [
        times("train(Finetune)", 1.4, lambda: train(Finetune(NET), STREAM)),
        times("train(EWC)", 2.2, lambda: train(EWC(NET), STREAM)),
        times("train(Replay)", 2.5, lambda: train(Replay(NET), PAIRS), **pairs),
        times("train(Piggyback)", 2.5, lambda: train(Piggyback(NET), STREAM)),
        times("train(PackNet)", 2.5, lambda: train(PackNet(NET), STREAM)),
        times("train(StreamingLDA)", 2.5, lambda: train(StreamingLDA(NET), PAIRS), **pairs),
        times("sweep, 16 λ", 7, lambda: sweep(EWC(NET), STREAM, lam=LAM16), few),
        times("sweep, 16 λ × 3 seeds", 18, lambda: sweep(EWC(NET), STREAM, seeds=3, lam=LAM16), few),
        ("peak memory of that sweep", f"{peak_mb():.0f} MB", "600 MB"),
        times(
            "sweep, 7 capacities × 3 seeds",
            10,
            lambda: sweep(Replay(NET), PAIRS, seeds=3, capacity=CAPACITIES),
            few,
            **pairs,
        ),
        ("exact Fisher, 1,400 samples", f"{exact_fisher_ms(n):.0f} ms", "50 ms"),
        ("MAML, 25 sinusoids in a Python loop, against lanes", loop(sinusoids(), (40, 40)), "at least 3 ×"),
        ("MAML, 25 episodes of symbols, likewise", loop(SYMBOLS, (100, 100)), "at least 3 ×"),
        ("`import edgecl_lite` after torch and matplotlib", f"{import_seconds():.2f} s", "0.3 s"),
        ("`explore`: key press to picture, in the kernel", f"{explore_ms():.1f} ms", "15 ms"),
        ("`meter`: key press to picture, in the kernel", f"{meter_ms():.1f} ms", "20 ms"),
        ("`live`: pictures a second", f"{pictures:.0f}", "at least 10"),
        ("`live`: drawing, share of the training time", f"{share:.0%}", "10 %"),
    ]
    print(f"Yardstick: a bare PyTorch loop, {yard:.2f} s for 2,200 steps here.\n")
    print("| what | measured | at most |\n| --- | ---: | ---: |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
