"""How fast and how small: `make bench` measures ratios in one run, on one thread, and writes docs/speed.md.

The yardstick is a bare hand-written PyTorch loop (default Adam) that finetunes the same net on the same
stream, 10 epochs a task: five rotated tasks, or for replay the five pairs of split digits. Every row is
timed in turn with its yardstick, and the median ratio of the rounds counts. Every figure stands beside its
limit, and one beyond it ends the run with an exit code other than 0; no test judges any of this.
"""

import argparse
import asyncio
import copy
import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ["TQDM_DISABLE"] = "1"

import torch
from lessons import ROOT
from torch import nn

from edgecl_lite import (
    EWC,
    Every,
    Finetune,
    PackNet,
    Piggyback,
    Replay,
    Strategy,
    Stream,
    StreamingLDA,
    Task,
    apply,
    cnn,
    digits,
    episodes,
    explore,
    fisher,
    fleet_train,
    learn,
    life,
    live,
    lived,
    maml,
    meter,
    mlp,
    rotated,
    setup,
    sinusoids,
    smartwatch_clients,
    smartwatch_wearers,
    split,
    sweep,
    symbols,
    train,
    wrist_net,
    year,
)
from edgecl_lite.lanes import lane, stack
from edgecl_lite.learn import follow
from edgecl_lite.machine.foretell import foretold
from edgecl_lite.models import initial
from edgecl_lite.plan import Plan

STREAM, PAIRS = rotated(digits()), split(digits())
NET = mlp(STREAM)
SYMBOLS = episodes(symbols(digits())[0], queries=5)  # 5 ways, 5 shots
CAPACITIES = [0, 10, 20, 50, 100, 200, 500]
PAGE = ROOT / "docs/speed.md"
HEAD = """# How fast it is

`make bench` writes this page: times as ratios to a bare, hand-written PyTorch loop in the same run, on one
thread, the median of {rounds} rounds; with the default points (the test sets after every epoch), and with
those at the ends of tasks alone. It fails where a figure is beyond its limit; no test does.
"""
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


def journal_share(rounds):
    """By how many percent a training takes longer that is kept in a journal."""

    def kept():
        with tempfile.TemporaryDirectory() as folder:
            return seconds(lambda: train(EWC(NET), STREAM, journal=f"{folder}/journal"))

    plain = lambda: seconds(lambda: train(EWC(NET), STREAM))
    return 100 * (statistics.median(kept() / plain() for _ in range(rounds)) - 1)


def bare_fleet(clients, rounds):
    """Federated averaging as one would write it: a client at a time, 5 epochs of Adam, the weighted mean."""
    net = wrist_net(clients.whole)
    server, sizes = copy.deepcopy(net.state_dict()), [len(y) for _, y in clients.train]
    for _ in range(rounds):
        reports = []
        for x, y in clients.train:
            net.load_state_dict(server)
            optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
            for _ in range(5):
                for pick in torch.randperm(len(x)).split(16):
                    loss = nn.functional.cross_entropy(net(x[pick]), y[pick])
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
            reports.append(copy.deepcopy(net.state_dict()))
        share = [size / sum(sizes) for size in sizes]
        server = {k: sum(w * one[k] for w, one in zip(share, reports)) for k in server}


def fleet_rows(n):
    """Rows of twenty watches that learn together."""
    clients = smartwatch_clients()
    method = Finetune(wrist_net(clients.whole))
    ours = lambda rounds: fleet_train(method, clients, rounds=rounds, lr=3e-3, every=rounds)
    ours(1)
    pairs = [seconds(lambda: bare_fleet(clients, 2)) / seconds(lambda: ours(1)) for _ in range(n)]
    what = "20 watches, a client at a time in plain PyTorch, against lanes"  # ours: a round, and own models
    yield Row(what, statistics.median(pairs), "×", 8, least=True)
    yield Row("`fleet_train`: 20 watches, 20 rounds, 5 local epochs", seconds(lambda: ours(20)), "s", 8)


def life_seconds(lives):
    """A year of so many lives: a session a week, three epochs, replay of 63 windows."""
    watch = year()
    method = Replay(wrist_net(smartwatch_wearers()), capacity=63, weighting="equal")
    lived(Strategy(method), year(3), 1)  # what is imported only then
    return seconds(lambda: lived(Strategy(method, Every(7)), watch, lives))


def life_pictures():
    """Pictures a second while a panel plays a season, what learns nothing being known."""
    method = Replay(wrist_net(smartwatch_wearers()), capacity=63, weighting="equal")
    panel = life(method, year(120), on="esp32-s3")
    panel.run_blocking()
    panel.run_blocking()
    return panel.drawing[1] / panel.played.seconds


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
    return statistics.median(rounds)


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


def peak_mb(work):
    """Megabytes that a fresh process took at its peak for one of `PEAKS`: (in all, of which for the work)."""
    done = subprocess.run(
        [sys.executable, __file__, "--peak", work], capture_output=True, text=True, check=True
    )
    return [float(mb) for mb in done.stdout.split()]


def grow(work):
    """Do one of `PEAKS` and print what `peak_mb` reads."""
    work = PEAKS[work]()  # makes ready, and hands back what is to be measured
    whole, before = resident("Peak"), resident("now")
    work()
    after = resident("Peak")
    print(max(whole, after), after - before)


def resident(what):
    """Megabytes of this process: "now", or at their "Peak" since this was last asked.

    Where the system keeps no such mark that can be set back (not Linux), the peak since the begin.
    """
    unit = 1e6 if sys.platform == "darwin" else 1e6 / 1024  # Linux counts in KB, macOS in bytes
    try:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        if what == "Peak":
            Path("/proc/self/clear_refs").write_text("5")
        return int(status["VmHWM" if what == "Peak" else "VmRSS"].split()[0]) * 1024 / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def accumulation(rounds, sizes=(16, 8, 4)):
    """How many times as long a training takes in pieces of these sizes as with whole batches of 32."""
    options = dict(epochs=2, every=10**6)

    def times(size):
        whole, cut = (
            seconds(lambda n=n: train(Replay(NET), PAIRS, micro_batch=n, **options)) for n in (None, size)
        )
        return cut / whole

    return [statistics.median(times(size) for _ in range(rounds)) for size in sizes]


def wide_sweep():
    return lambda **points: sweep(EWC(NET), STREAM, seeds=3, lam=LAM16, **points)


def wide_evaluation():
    """16 lanes of `cnn` evaluated on 1,000 images of 3 × 32 × 32; one lane before, so that all is loaded."""
    dice = torch.Generator().manual_seed(0)
    x, y = torch.rand(1000, 3, 32, 32, generator=dice), torch.arange(1000) % 10
    few, many = (
        Stream((Task("colours", (x[:16], y[:16]), (x[:n], y[:n]), tuple(range(10))),), "class", 10)
        for n in (16, 1000)
    )
    method = Finetune(cnn(many))
    options = dict(steps=1, batch_size=2)
    list(learn(method, few, **options))
    return lambda: list(learn(method, many, seeds=16, **options))


def colours(n=200):
    """Two tasks of images of 3 × 32 × 32."""
    dice = torch.Generator().manual_seed(0)
    x, y = torch.rand(n, 3, 32, 32, generator=dice), torch.arange(n) % 2
    return Stream((Task(name, (x, y), (x, y), (0, 1)) for name in "ab"), "domain", 2)


COLOUR = dict(seeds=2, steps=3)
COLOUR_LAM = [10.0**k for k in range(8)]


def colour_sweep():
    stream = colours()
    method = EWC(cnn(stream))
    train(Finetune(NET), STREAM, steps=1)  # so that all is loaded
    return lambda: sweep(method, stream, lam=COLOUR_LAM, **COLOUR)


PEAKS = {"sweep": wide_sweep, "evaluation": wide_evaluation, "colours": colour_sweep}


def a_plan(method, stream, seeds=1, grid=None, **options):
    return Plan(method, stream, seeds, grid, **options)


def foretold_off():
    """By how many per cent the memory foretold for a sweep of 16 lanes of `cnn` misses what it takes."""
    stream = colours()
    ahead = foretold(a_plan(EWC(cnn(stream)), stream, grid={"lam": COLOUR_LAM}, **COLOUR), follow).process
    return 100 * abs(ahead / 1e6 / peak_mb("colours")[1] - 1)


def plan_ms(rounds):
    """Milliseconds that go by before a training, what is tried out beforehand included."""
    options = dict(optimizer=torch.optim.AdamW, seeds=3)
    plans = (lambda net=net: a_plan(EWC(net), STREAM, **options) for net in (NET, cnn(STREAM)))
    return 1e3 * max(statistics.median(seconds(plan) for _ in range(5 * rounds)) for plan in plans)


def explore_ms():
    panel = explore(sweep(EWC(NET), STREAM, seeds=3, lam=LAM16, epochs=2))
    slider, times = panel.slider, []
    for _ in range(3):
        for value in [option[1] if isinstance(option, tuple) else option for option in slider.options]:
            times.append(seconds(lambda value=value: setattr(slider, "value", value)))
    return 1e3 * statistics.median(times)


def meter_ms():
    """Milliseconds a change of the memory meter takes, over all its controls."""
    panel, times = meter({"replay": Replay(mlp(PAIRS)), "EWC": EWC(mlp(PAIRS))}, PAIRS), []
    for control in panel.controls.values():
        before = control.index
        for i in set(range(len(control.options))) - {before}:
            times.append(seconds(lambda i=i, control=control: setattr(control, "index", i)))
        control.index = before
    return 1e3 * statistics.median(times)


def live_share(rounds):
    """(pictures a second, share of the training time that drawing takes) of a live panel."""
    shares, rates = [], []
    for _ in range(rounds):
        panel = live(Finetune(NET), STREAM, seeds=3, epochs=40)
        whole = seconds(panel.run_blocking)
        drawing, pictures = panel.drawing  # seconds, number
        shares.append(drawing / (whole - drawing))
        rates.append(pictures / whole)
    return statistics.median(rates), statistics.median(shares)


async def beside(panel, lasting=1.5):
    """(ms from pressing Stop to stopped, the longest ms away from the kernel) of a panel that trains."""
    gaps, looked = [], time.perf_counter()
    end = looked + lasting
    panel.train_button.click()
    while looked < end:
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        gaps.append(now - looked)
        looked = now
    begun = time.perf_counter()
    panel.stop_button.click()
    await panel.job.task
    return 1e3 * (time.perf_counter() - begun), 1e3 * max(gaps)


async def stop_ms(rounds):
    """Medians of `beside`, each for a panel of its own."""
    found = [await beside(live(EWC(NET), STREAM, epochs=1000)) for _ in range(rounds)]
    return [statistics.median(values) for values in zip(*found)]


@dataclass(frozen=True)
class Row:
    """A measured figure beside its limit: at most, or at least, so much."""

    what: str
    found: float
    unit: str
    limit: float
    least: bool = False
    ends: float | None = None  # the same without points but those at the ends of tasks

    @property
    def kept(self):
        return self.found >= self.limit if self.least else self.found <= self.limit

    def __str__(self):
        digits = 0 if self.found >= 20 else 1 if self.found >= 4 else 2
        limit = f"{'at least ' if self.least else ''}{self.limit:g} {self.unit}"
        ends = "" if self.ends is None else f"{self.ends:.{digits}f} {self.unit}"
        found = f"{self.found:.{digits}f} {self.unit}".strip()
        return f"| {self.what} | {found} | {ends} | {limit.strip()} |"


def ratios(n):
    """Rows of times against the yardstick."""

    def times(what, limit, work, rounds=n, stream=STREAM):
        ends = ratio(lambda: work(every=10**6), max(1, rounds - 2), stream)
        return Row(f"`{what}`", ratio(work, rounds, stream), "×", limit, ends=ends)

    few, pairs = max(1, n - 2), dict(stream=PAIRS)
    capacities = lambda **points: sweep(Replay(NET), PAIRS, seeds=3, capacity=CAPACITIES, **points)
    trained = lambda method, stream=STREAM: lambda **points: train(method, stream, **points)
    yield times("train(Finetune)", 1.2, trained(Finetune(NET)))
    yield times("train(EWC)", 1.6, trained(EWC(NET)))
    yield times("train(Replay)", 2.2, trained(Replay(NET), PAIRS), **pairs)
    yield times("train(Piggyback)", 2.5, trained(Piggyback(NET)))
    yield times("train(PackNet)", 2.5, trained(PackNet(NET)))
    yield times("train(StreamingLDA)", 2.5, trained(StreamingLDA(NET), PAIRS), **pairs)
    yield times("sweep, 16 λ", 4.5, lambda **points: sweep(EWC(NET), STREAM, lam=LAM16, **points), few)
    yield times("sweep, 16 λ × 3 seeds", 12, wide_sweep(), few)
    yield times("sweep, 7 capacities × 3 seeds", 10, capacities, few, **pairs)


def others(n):
    """Rows of milliseconds, megabytes, and of what a panel does beside the kernel."""
    loops = "MAML, 25 sinusoids in a Python loop, against lanes"
    yield Row("`lived`: a year of one life", life_seconds(1), "s", 4)
    yield Row("`lived`: a year of five lives", life_seconds(5), "s", 10)
    yield Row("a journal at its default, added to `train(EWC)`", journal_share(n), "%", 5)
    yield Row("peak memory of 16 λ × 3 seeds", peak_mb("sweep")[0], "MB", 600)
    grown = peak_mb("evaluation")[1]
    yield Row("16 lanes of `cnn`, 1,000 test images of 3×32×32, added", grown, "MB", 400)
    yield Row("memory foretold for 16 lanes of `cnn`, off by", foretold_off(), "%", 25)
    yield Row("what is tried before a training, `mlp` and `cnn`", plan_ms(n), "ms", 20)
    half, *smaller = accumulation(n)
    told = " and ".join(f"{x:.1f}" for x in smaller)
    what = f"`train(Replay)` in two halves of a batch, against the whole; of 8 and 4: {told} ×"
    yield Row(what, half, "×", 1.7)
    yield Row("exact Fisher, 1,400 samples", exact_fisher_ms(n), "ms", 50)
    yield Row(loops, loop(sinusoids(), (40, 40)), "×", 3, least=True)
    yield Row("MAML, 25 episodes of symbols, likewise", loop(SYMBOLS, (100, 100)), "×", 3, least=True)
    yield Row("`import edgecl_lite` after torch and matplotlib", import_seconds(), "s", 0.3)
    yield Row("`explore`: key press to picture, in the kernel", explore_ms(), "ms", 15)
    yield Row("`meter`: key press to picture, in the kernel", meter_ms(), "ms", 20)
    pictures, share = live_share(2)
    yield Row("`live`: pictures a second", pictures, "", 10, least=True)
    yield Row("`live`: drawing, share of the training time", 100 * share, "%", 10)
    yield Row("`life`: pictures a second", life_pictures(), "", 10, least=True)
    stop, away = asyncio.run(stop_ms(3))
    yield Row("`live`: from Stop to stopped", stop, "ms", 500)
    yield Row("`live`: longest time away from the kernel", away, "ms", 300)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peak", choices=PEAKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    setup()
    if options.peak:
        grow(options.peak)
        return
    bare()
    yard = statistics.median(seconds(bare) for _ in range(options.rounds))
    lines = [
        HEAD.format(rounds=options.rounds),
        f"Yardstick: a bare PyTorch loop, {yard:.2f} s for 2,200 steps there.\n",
    ]
    lines += ["| what | measured | without points | at most |\n| --- | ---: | ---: | ---: |"]
    print("\n".join(lines))
    rows = []
    for row in itertools.chain(*(rows(options.rounds) for rows in (ratios, fleet_rows, others))):
        rows.append(row)
        print(row, flush=True)
    PAGE.write_text("\n".join([*lines, *map(str, rows), ""]), encoding="utf-8")
    beyond = [row.what for row in rows if not row.kept]
    sys.exit(f"\nBeyond the limit: {', '.join(beyond)}" if beyond else 0)


if __name__ == "__main__":
    main()
