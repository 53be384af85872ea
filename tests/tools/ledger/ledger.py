"""Our numbers against the literature: make ledger, or python tests/tools/ledger/ledger.py --only "EWC/task".

Runs the Split MNIST protocol of van de Ven, Tuytelaars & Tolias (2022) on the real images, and five Fishers
over a grid of λ as van de Ven (2025), with the module's methods as they are. A row is one small JSON file in
rows/, written anew after every seed, so that a stopped ledger goes on where it was; a row whose settings
changed is run again. README.md beside this file and the curves of a lesson are made from the rows and from
nothing else (page.py).
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import math
import platform
import re
import statistics
import sys
import time
import warnings
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from edgecl_lite.machine import disk

HERE = Path(__file__).resolve().parent
SEEDS, FISHER_SEEDS = 5, 3
KEYS = (
    "method", "scenario", "data", "seeds", "accuracy", "mean", "sd", "published", "source", "mark",
    "settings", "settings_hash", "seconds", "versions",
)  # fmt: skip
SCENARIOS = ("task", "domain", "class")

# ---- the rows

TABLE = "van de Ven, Tuytelaars & Tolias 2022, table 2"  # M: quoted from memory of the paper
BLOG = "van de Ven 2025, at the best λ"  # R: read in the authors' repository
PUBLISHED = {  # (mean, its standard error over 20 seeds) in per cent
    "None": {"task": (84.3, 1.0), "domain": (60.1, 1.7), "class": (19.9, 0.0)},
    "EWC": {"task": (99.1, 0.2), "domain": (63.0, 1.6), "class": (20.6, 0.5)},
    "ER": {"task": (99.0, 0.1), "domain": (93.8, 0.2), "class": (88.8, 0.2)},
    "iCaRL": {"class": (92.5, 0.1)},
    "Joint": {"task": (99.7, 0.0), "domain": (98.6, 0.1), "class": (98.2, 0.0)},
}
LAM = {"task": 1e5, "domain": 1e10, "class": 1e9}  # tuned for EWC by the authors (R)
FISHERS = {  # name: samples and labels of EWC, published accuracy of the best λ, task-incremental
    "exact": (None, "exact", 99.12),
    "exact 500": (500, "exact", 98.93),
    "sampled": (None, "sample", 99.12),
    "empirical": (None, "empirical", 99.12),
    "batched": (None, "batched", 99.11),
}
# Decades of λ, fewer where the curve is flat; the exact Fisher also tries 0, no springs. The square of a mean
# of gradients is smaller by their number.
GRID = {"task": range(2, 11), "domain": range(2, 13, 2), "class": (2, 3, 4, 5, 7, 9, 11)}
BATCHED = 2  # decades up

# What a reader must know of a row; of a miss, why it is one and what was tried. The longest key that fits.
NOTES = {
    "None/task/mnist": "these five digit orders are easy ones: what was tried stands beside None, "
    "domain-incremental",
    "None/domain/mnist": "the first five of these 20 digit orders, those of rows of 5 seeds, are easy ones: "
    "67.5. What was tried: 20 seeds, 500 steps a task (`--only None/domain/mnist --seeds 20 --steps 500 "
    "--folder trial`), end at 64.3 ± 8.2; the first five of them at 69.7. Whether the published value "
    "differs, 20 seeds do not tell",
    "EWC": "the λ that the authors tuned on Split MNIST",
    "EWC/domain/mnist": "the λ that the authors tuned on Split MNIST; by seed: below. What was "
    "tried: online EWC stays above the published value at every λ and with every Fisher below",
    "online EWC": "γ = 1, the λ that the authors tuned for EWC on Split MNIST",
    "online EWC, batched": "batches of 32 (there: 128)",
    "ER": "memory of 100 samples a class from the start, the newest of a shuffled stream "
    "(there: chosen at random)",
    "ER/domain": "memory of 1,000 samples, half for each output, drawn evenly from all tasks so far: 1,000 "
    "of the first task, 200 of each at the end (there: 200 of each from the start)",
    "DER++": "memory as for ER; α = 0.5, β = 1",
    "iCaRL": "1,000 exemplars shared by the classes so far: 500 a class at first, 100 at the end (there: 100 "
    "from the start); rehearsed with weight 1 − 1/k (there: mixed into the new data); all outputs active "
    "(there: those of the classes so far)",
    "Joint": "draws evenly from all tasks so far, so that only the last 2,000 steps see all ten classes "
    "(there: all classes for 10,000 steps)",
}


@dataclass(frozen=True)
class Scale:
    """How large a ledger is: the real one, or a rehearsal of the same rows in seconds."""

    data: tuple = ("mnist", "fashion_mnist")
    hidden: tuple = (400, 400)
    steps: int = 2000
    fisher_steps: int = 500
    batch_size: int = 128
    capacity: int = 1000
    strengths: int | None = None  # how many λ of each grid; None: all


REHEARSAL = Scale(("digits",), (20,), 15, 10, 32, 100, 2)


@dataclass(frozen=True)
class Row:
    """What is to be measured. settings: what the numbers depend on beside the module's defaults; a note."""

    method: str
    scenario: str
    data: str
    settings: dict

    @property
    def name(self):
        return f"{self.method}/{self.scenario}/{self.data}"

    @property
    def fisher(self):
        """Which of the Fishers this row tries, or "" where it is a row of the comparison."""
        return self.method.partition(", ")[2]

    @property
    def seeds(self):
        return FISHER_SEEDS if self.fisher else SEEDS

    @property
    def lam(self):
        return self.settings["method"].get("lam")

    @property
    def stem(self):
        """The row's file below rows/, without its ending."""
        plain = re.sub(r"\W+", "-", (self.fisher or self.method).replace("++", "pp").lower())
        if self.fisher:
            return f"fisher/{self.scenario}-{plain}-{power(self.lam)}"
        return f"{self.data}-{self.scenario}-{plain}"

    @property
    def words(self):
        """What may change without a new run: keys of the row's file."""
        published, source, mark = PUBLISHED.get(self.method, {}).get(self.scenario), TABLE, "M"
        if self.fisher and self.scenario == "task":
            published, source, mark = (FISHERS[self.fisher][2], None), BLOG, "R"
        if published is None or self.data != "mnist":
            return {"published": None, "source": "none known under this protocol", "mark": "–"}
        return {"published": list(published), "source": source, "mark": mark}

    @property
    def hash(self):
        return digest(self.scenario, self.data, self.settings)


def power(lam):
    """λ in words."""
    return f"1e{math.log10(lam):.0f}" if lam else "0"


def digest(scenario, data, settings):
    """Settings as a short hash; the note has no part in it, nor has the code: after changing a method whose
    numbers move, remove its rows."""
    told = {"scenario": scenario, "data": data, **{k: v for k, v in settings.items() if k != "note"}}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def ledger(scale=None):
    """All rows, in the order of work."""
    scale, fishers = scale or Scale(), {}
    first, *others = ([*_compared(scale, data)] for data in scale.data)
    for scenario in SCENARIOS:
        fishers[scenario] = [*_strengths(scale, scale.data[0], scenario)]
    return [*first, *sum(fishers.values(), []), *sum(others, [])]


def _compared(scale, data):
    """Every method in every scenario that it has."""
    for scenario in SCENARIOS:
        ewc = {"class": "EWC", "lam": LAM[scenario], "samples": None, "labels": "exact"}
        policy = "balanced" if scenario == "domain" else "ring"  # there a ring would forget all old tasks
        memory = {"capacity": scale.capacity, "policy": policy}
        methods = {
            "None": {"class": "Finetune"},
            "EWC": {**ewc, "gamma": None},
            "online EWC": {**ewc, "gamma": 1.0},
            "ER": {"class": "Replay", **memory, "weighting": "1/k"},
            "DER++": {"class": "DERpp", **memory, "alpha": 0.5, "beta": 1.0},
            "iCaRL": {"class": "ICaRL", "capacity": scale.capacity, "weighting": "1/k"},
            "Joint": {"class": "Joint"},
        }
        for name, method in methods.items():
            if name != "iCaRL" or scenario == "class":
                yield _row(scale, name, scenario, data, method, scale.steps)


def _strengths(scale, data, scenario):
    """Online EWC with every Fisher and λ."""
    for fisher, (samples, labels, _) in FISHERS.items():
        grid = [10.0 ** (decade + BATCHED * (fisher == "batched")) for decade in GRID[scenario]]
        for lam in [*[0.0] * (fisher == "exact"), *grid][: scale.strengths]:
            method = {"class": "EWC", "lam": lam, "samples": samples, "labels": labels, "gamma": 1.0}
            yield _row(scale, f"online EWC, {fisher}", scenario, data, method, scale.fisher_steps)


def _row(scale, name, scenario, data, method, steps):
    keys = f"{name}/{scenario}/{data}", f"{name}/{scenario}", name
    settings = {
        "method": method,
        "stream": {"per_task": 2, "active": "all", "order": "torch.randperm(10) of the seed"},
        "net": [*scale.hidden],
        "training": {
            "optimizer": "adam",
            "lr": 1e-3,
            "batch_size": scale.batch_size,
            "steps": steps,
            "fresh": False,
        },
        "note": next((NOTES[key] for key in keys if key in NOTES), ""),
    }
    return Row(name, scenario, data, settings)


# ---- a unit of work: one training with one seed, a function of plain values, for any machine


def measure(data, scenario, settings, strengths, seed):
    """Average accuracy after the last task, per cent, for each strength; NaN where one diverged, and why.

    strengths: values of λ that share the training as its lanes, or None.
    """
    import torch

    import edgecl_lite

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # moments of pixels that stay black fade into numbers slow to handle
    order = torch.randperm(10, generator=torch.Generator().manual_seed(seed)).tolist()
    images = getattr(edgecl_lite, data)()  # the stream copies them: to keep both would take 220 MB more
    stream = edgecl_lite.split(images, scenario=scenario, **{**settings["stream"], "order": order})
    del images
    begun, steps = time.thread_time(), settings["training"]["steps"]
    options = dict(settings["method"])
    kind, online = options.pop("class"), options.get("gamma") is not None
    if kind == "EWC" and not online:
        options.pop("gamma")  # None in the rows: a penalty for every task
    net = edgecl_lite.mlp(stream, hidden=settings["net"])
    method = getattr(edgecl_lite, "OnlineEWC" if online else kind)(net, **options)
    grid = strengths and {"lam": strengths}
    with contextlib.suppress(edgecl_lite.Diverged):  # raised where all lanes are lost, after a last point
        for point in edgecl_lite.learn(method, stream, [seed], grid, **settings["training"], every=steps):
            final, lost = point.accuracy.mean(1), point.lost
    return {
        "accuracy": [round(100 * share, 4) for share in final.tolist()],
        "seconds": time.thread_time() - begun,
        "lost": [*lost.values()],
        "versions": {
            "python": platform.python_version(),
            "torch": version("torch").partition("+")[0],
            "edgecl_lite": version("edgecl_lite"),
            "processor": platform.machine(),
        },
    }


def numbered(i, *unit):
    return i, measure(*unit)


# ---- the files


def path_of(folder, row):
    return folder / "rows" / f"{row.stem}.json"


def parse(path):
    """What stands in a row's file, or {} where there is none. ValueError where it is damaged, or no row."""
    if not path.exists():
        return {}
    way = f"`git checkout {path}` brings it back, `make ledger` measures it again."
    row = disk.read_json(path, way)
    if wrong := flaw(row):
        raise ValueError(f"{path} is no row and was not used: {wrong}. `make ledger` measures it again.")
    return row


def flaw(row):
    """Why these values cannot be a row, in words, or ""."""
    if tuple(row) != KEYS:
        return f"its keys are {', '.join(row)}, expected {', '.join(KEYS)}"
    seeds, accuracy, settings = row["seeds"], row["accuracy"], row["settings"]
    whole = isinstance(seeds, list) and {*map(type, seeds)} == {int}
    if not whole or seeds != sorted({*seeds}) or seeds[0] < 0:
        return f"seeds must be different whole numbers in order, got {seeds!r}"
    shares = isinstance(accuracy, list) and all(isinstance(a, float) and 0 <= a <= 100 for a in accuracy)
    if not shares or len(accuracy) != len(seeds):
        return f"accuracy must be {len(seeds)} numbers in 0..100, one a seed, got {accuracy!r}"
    if (told := {k: row[k] for k in ("mean", "sd")}) != spread(accuracy):
        return f"mean and sd must be {spread(accuracy)}, got {told}"
    if type(row["seconds"]) not in (int, float) or not 0 <= row["seconds"] < math.inf:
        return f"seconds must be a finite number >= 0, got {row['seconds']!r}"
    if not isinstance(settings, dict) or row["settings_hash"] != digest(
        row["scenario"], row["data"], settings
    ):
        return f"settings_hash is not that of its settings, got {row['settings_hash']!r}"
    return ""


def read(folder, row):
    """What was measured of the row with its present settings, or {}; `check` has named what is damaged."""
    try:
        found = parse(path_of(folder, row))
    except ValueError:
        return {}
    return found if found.get("settings_hash") == row.hash else {}


def check(folder, rows, wanted):
    """Say which files are damaged. SystemExit where one is not of `wanted`, which are measured again."""
    for row in rows:
        try:
            parse(path_of(folder, row))
        except ValueError as error:
            if row not in wanted:
                sys.exit(str(error))
            print(error)


def write(path, text):
    """The whole file or none of it."""
    disk.write(path, text.encode())


def write_row(folder, row, values):
    write(path_of(folder, row), disk.to_json(values, indent=1))


def spread(accuracy):
    """Mean and sample standard deviation (None for one seed) as they stand in a row."""
    sd = round(statistics.stdev(accuracy), 4) if len(accuracy) > 1 else None
    return {"mean": round(statistics.fmean(accuracy), 4), "sd": sd}


def with_seed(row, old, seed, accuracy, seconds, versions):
    """The row's file after one more seed, measured with these versions; old: before, or {}."""
    known = dict(zip(old.get("seeds", []), old.get("accuracy", []))) | {seed: accuracy}
    ordered = [known[seed] for seed in sorted(known)]
    values = {"method": row.method, "scenario": row.scenario, "data": row.data, **row.words}
    values |= {"seeds": sorted(known), "accuracy": ordered, **spread(ordered)}
    values |= {"settings": row.settings, "settings_hash": row.hash}
    values["seconds"] = round(old.get("seconds", 0) + seconds, 1)
    values["versions"] = versions
    return {key: values[key] for key in KEYS}


def reword(folder, rows):
    """Bring published values, sources and notes of measured rows up to date; no number of ours changes."""
    for row in rows:
        old = read(folder, row)
        new = {**old, **row.words, "settings": row.settings}
        if old and new != old:
            write_row(folder, row, new)


def write_pages(folder, rows):
    """rows: all of the ledger; what was measured with other settings is not shown."""
    import fedavg
    from page import LESSON, curves, page

    found = [known for row in rows if (known := read(folder, row))]
    fleet = fedavg.rows() if folder == HERE else None
    write(folder / "README.md", page(found, [(row.method, row.scenario) for row in rows], fleet))
    if folder == HERE:
        write(LESSON, curves(found))


# ---- the work


def units(folder, rows, seeds):
    """What is missing: [(rows that share a training, those of them that lack the seed, seed)].

    Every row gets its first seed before any gets its second, one section of the page after the other.
    """
    sweeps, work = {}, []
    for row in rows:
        sweeps.setdefault(row.name, []).append(row)

    def section(sweep):
        return sweep[0].data, sweep[0].fisher and sweep[0].scenario

    for _, group in itertools.groupby(sweeps.values(), section):
        group = [(sweep, [set(read(folder, row).get("seeds", [])) for row in sweep]) for sweep in group]
        for seed in range(seeds):
            for sweep, done in group:
                lacking = [row for row, known in zip(sweep, done) if seed not in known]
                if lacking and not (sweep[0].fisher and seed >= FISHER_SEEDS):
                    work.append((sweep, lacking, seed))
    return work


STEP_MS = {"Finetune": 6, "EWC": 8, "Replay": 10, "DERpp": 13, "ICaRL": 15, "Joint": 6}  # for the time left


def cost(rows):
    """About how many seconds a training of these rows takes on one core."""
    settings = rows[0].settings
    return len(rows) * 5 * settings["training"]["steps"] * STEP_MS[settings["method"]["class"]] / 1000


@contextlib.contextmanager
def engine(workers, address):
    """Who does the work: processes of this machine, or the Dask cluster at an address."""
    from joblib import parallel_config

    if not address:
        with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
            yield
        return
    from distributed import Client

    with Client(address) as client:
        client.upload_file(__file__)  # its workers import this file; edgecl_lite they must have
        with parallel_config("dask"):
            yield


def fetch(work):
    """Let the loader fetch and check what the work needs, once. It says itself where files are to be put."""
    import edgecl_lite

    for name in dict.fromkeys(sweep[0].data for sweep, *_ in work if sweep[0].data != "digits"):
        getattr(edgecl_lite, name)(1, 1)


def run(folder, rows, every, seeds, workers, address=None):
    """Measure what is missing of rows; they and the page, of `every` row, are written as results come."""
    from joblib import Parallel, delayed
    from tqdm import tqdm

    for row in rows:
        if path_of(folder, row).exists() and not read(folder, row):
            print(f"{row.stem}.json is damaged or has other settings: it is run again.")
    work = units(folder, rows, seeds)
    total = sum(cost(lacking) for _, lacking, _ in work)
    print(f"{len(work)} trainings to do, about {total / 60:.0f} minutes on one core.", flush=True)
    if not address:
        fetch(work)
    jobs = []
    for i, (sweep, lacking, seed) in enumerate(work):
        strengths = [row.lam for row in lacking] if sweep[0].fisher else None
        jobs.append(
            delayed(numbered)(i, sweep[0].data, sweep[0].scenario, sweep[0].settings, strengths, seed)
        )
    warnings.filterwarnings("ignore", message=".*have been cancelled")  # joblib, when stopped: we say so
    form = "{percentage:3.0f}%|{bar}| {elapsed} so far, {remaining} left{postfix}"
    pause = 1 if sys.stderr.isatty() else 60  # seconds between two pictures of the bar
    with engine(workers, address), tqdm(total=total, bar_format=form, mininterval=pause) as bar:
        for i, found in Parallel(return_as="generator_unordered", batch_size=1)(jobs):
            sweep, lacking, seed = work[i]
            seconds = found["seconds"] / len(lacking)
            for row, value in zip(lacking, found["accuracy"], strict=True):
                if math.isfinite(value):
                    old = read(folder, row)
                    write_row(folder, row, with_seed(row, old, seed, value, seconds, found["versions"]))
            for why in found["lost"]:
                bar.write(f"{sweep[0].name}, seed {seed}, is no row: {why}")
            write_pages(folder, every)
            bar.set_postfix_str(f"{sweep[0].name}, seed {seed}", refresh=False)
            bar.update(cost(lacking))


def bench(rounds=7, steps=100):
    """Compare a finetuning step with a bare PyTorch step of the same net, in one run, on one thread."""
    import torch
    from torch import nn

    from edgecl_lite import Finetune, learn, mlp, mnist, split

    def bare():
        layers = nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 400), nn.ReLU(), nn.Linear(400, 10)
        net = nn.Sequential(nn.Flatten(), *layers)
        optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
        for task in stream:
            x, y = task.train
            picks = (pick for _ in range(steps) for pick in torch.randperm(len(x)).split(128))
            for pick in itertools.islice(picks, steps):
                loss = nn.functional.cross_entropy(net(x[pick]), y[pick])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()

    def ours():
        for _ in learn(method, stream, batch_size=128, fresh=False, steps=steps, every=steps):
            pass

    def step_ms(work):
        begun = time.thread_time()
        work()
        return 1e3 * (time.thread_time() - begun) / steps / len(stream)

    torch.set_num_threads(1)
    stream = split(mnist(test=100))
    method = Finetune(mlp(stream, (400, 400)))
    pairs = [(step_ms(bare), step_ms(ours)) for _ in range(rounds)]
    ratio, plain = (statistics.median(v) for v in zip(*((own / plain, plain) for plain, own in pairs)))
    print(f"A finetuning step takes {ratio:.2f} × a bare PyTorch step of the same net, {plain:.1f} ms")
    print(f"(784-400-400-10, batch 128, one thread, median of {rounds} rounds).")


def chosen(rows, only):
    """Rows named method/scenario or method/scenario/data, or all. LookupError says which there are."""
    picked = [row for row in rows if only in (None, row.name, row.name.rpartition("/")[0])]
    if not picked:
        known = "\n  ".join(dict.fromkeys(row.name for row in rows))
        raise LookupError(f"No row {only!r}. The rows, whose data set may be left out:\n  {known}")
    return picked


def main(argv=None):
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--only", metavar="ROW", help='such as "EWC/task" or "EWC/task/mnist"')
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, help="how many (the Fishers: at most 3); default 5"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes on this machine; default 2")
    parser.add_argument(
        "--dask", metavar="ADDRESS", help="scheduler of a Dask cluster that does the work instead"
    )
    parser.add_argument(
        "--table", action="store_true", help="only make the page and the lesson ewc's curves anew"
    )
    parser.add_argument("--bench", action="store_true", help="only measure a step against bare PyTorch")
    parser.add_argument("--rehearse", action="store_true", help="the same rows, tiny, on the bundled digits")
    parser.add_argument("--steps", type=int, help="a shorter trial, into a --folder of its own; default 2000")
    parser.add_argument("--folder", type=Path, default=HERE, help="where rows/ and README.md are")
    told = parser.parse_args(argv)
    scale, folder = REHEARSAL if told.rehearse else Scale(), told.folder.resolve()
    rows = ledger(replace(scale, steps=told.steps) if told.steps is not None else scale)
    if folder == HERE and (told.rehearse or told.steps is not None):
        parser.error("--rehearse and --steps need a --folder of their own")
    if min(told.seeds, told.workers, 1 if told.steps is None else told.steps) < 1:
        parser.error("--seeds, --workers and --steps must be at least 1")
    from filelock import FileLock, Timeout

    if told.bench:
        return bench()
    try:
        wanted = chosen(rows, told.only)
    except LookupError as error:
        sys.exit(error.args[0])
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            check(folder, rows, [] if told.table else wanted)
            reword(folder, rows)
            write_pages(folder, rows)
            if not told.table:
                run(folder, wanted, rows, told.seeds, told.workers, told.dask)
    except Timeout:
        sys.exit("Another ledger is at work on these rows: wait for it, or stop it and start this one again.")
    except KeyboardInterrupt:
        sys.exit("\nStopped. Every finished seed is kept; the same command goes on from here.")
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    from ledger import main  # under its own name, by which other processes import what they are sent

    main()
