"""What shows the ledger: README.md beside this file and a lesson's curves, functions of its rows alone.

The verdict is computed from what is printed: here minus published, d, and e, two standard errors of that
difference. Agrees: all of d ± e is within 2 points. Differs: all of it is beyond 2 points. Else undecided:
that two values cannot be told apart does not say that they agree.
"""

import math
import statistics
from pathlib import Path

from ledger import FISHER_SEEDS, FISHERS, LAM, SCENARIOS, SEEDS, power

from edgecl_lite.machine import disk

LESSON = Path(__file__).resolve().parents[3] / "edgecl_lite/lessons/stored" / "ewc.json"
MARGIN = 2.0  # points within which two means are called the same
PAIRS = (("EWC", "None"), ("online EWC", "None"), ("DER++", "ER"))  # of the same seeds and orders
PASS = 98.0  # per cent that a Fisher must reach at its best λ, task-incremental
TITLES = {
    "mnist": "Split MNIST",
    "fashion_mnist": "Split Fashion-MNIST",
    "digits": "Split digits, a rehearsal",
}
METHODS = ("None", "EWC", "online EWC", "ER", "DER++", "iCaRL", "Joint")
HEAD = """\
# Our numbers against the literature

`make ledger` makes this page from the files in [rows/](rows); nothing on it is edited by hand. It shows the
average accuracy on the five tasks after the last one, in per cent, over seeds, each with an order of the
classes of its own.

**Protocol.** G. M. van de Ven, T. Tuytelaars and A. S. Tolias, "Three types of incremental learning", Nature
Machine Intelligence 4, 2022: a network of 784-400-400 units and its outputs, Adam with 1e-3, batches of 128,
2,000 steps a task; class-incremental, all ten outputs are active from the start. What differs is noted. None
is plain finetuning, Joint trains on all tasks so far; lessons tell of EWC and its Fishers, of ER, DER++ and
iCaRL.

**Here**: mean ± standard deviation of the seeds. **Published**: table 2 of that paper, mean ± standard error
of the mean of 20 seeds, as the authors' script prints it. M: we wrote the value down from memory, so check it
in the paper before you cite it; R: we read it in the authors' repository.

**Apart**: here minus published, ± two standard errors of that difference (here: sd / √seeds). *Agrees*: all
of it is within 2 points; *differs*: all of it is beyond them; else *undecided*, for noise is no agreement.
2 points cannot tell EWC from None class-incrementally, nor one Fisher from another.

**By seed**: the difference of two methods on the same seeds, so with the same orders of the classes, which
spread both by more than they differ: its mean ± standard error. Published: the difference of the two means;
its error is that of two means that are not paired, an upper bound.
"""


def page(rows, wanted, fleet=None):
    """Markdown of the page, for rows as they stand in their files; wanted: (method, scenario) of all.

    fleet: rows of fedavg.py, {split: row}.
    """
    out = [HEAD]
    for fisher, title in ((False, "{}, {}-incremental"), (True, "Which Fisher, which λ? {}, {}-incremental")):
        for data in TITLES:
            for scenario in SCENARIOS:
                own = [row for row in rows if (row["data"], row["scenario"]) == (data, scenario)]
                if own := [row for row in own if bool(fisher_of(row)) == fisher]:
                    out.append(f"## {title.format(TITLES[data], scenario)}\n")
                    out += [*(strengths(own, wanted) if fisher else compared(own)), ""]
    out += federated(fleet) if fleet else []
    rows = [*rows, *(fleet or {}).values()]
    minutes = sum(row["seconds"] for row in rows) / 60
    return "\n".join([*out, f"{len(rows)} rows, {minutes:.0f} minutes on one core.\n"])


def curves(rows):
    """JSON for the lesson, sealed: {scenario: {"tuned": λ, "curves": {Fisher: [[λ, *accuracy], …]}}}."""
    told = {}
    for scenario in SCENARIOS:
        own = sorted((row for row in rows if row["scenario"] == scenario and fisher_of(row)), key=lam)
        found = {name: [[lam(r), *r["accuracy"]] for r in own if fisher_of(r) == name] for name in FISHERS}
        told[scenario] = {"tuned": LAM[scenario], "curves": found}
    return disk.to_json(told)


def federated(fleet):
    """The section on federated averaging."""
    told = next(iter(fleet.values()))["settings"]
    yield "## Federated averaging, MNIST: rounds until 97 %\n"
    what = f"{told['clients']} clients, a tenth of them in each round, {told['local_epochs']} local epoch"
    yield f"{what} in batches of {told['batch_size']},"
    yield f"SGD with {told['lr']}, 784-200-200-10; by `tests/tools/ledger/fedavg.py`. Published: McMahan et"
    yield "al. 2017, table 2, one run each at the best rate of a grid (M: from memory), so that the number to"
    yield "compare is its order of size. Here one rate for both; a seed is a start, a deal of the samples and"
    yield "an order of the clients.\n"
    yield "| samples | here | seeds | published | |"
    yield "| --- | ---: | ---: | ---: | --- |"
    words = {"IID": "dealt evenly", "non-IID": "two shards of one label each"}
    for split, row in fleet.items():
        ratio = f"{row['published'] / row['mean']:.1f} times fewer here"
        cells = pm(row["mean"], row["sd"], 0), str(len(row["seeds"])), f"{row['published']} (M)"
        yield line(words[split], *cells, ratio)
    yield ""


def compared(rows):
    """A table of methods in one scenario."""
    yield "| method | here | seeds | published | apart | verdict | note |"
    yield "| --- | ---: | ---: | ---: | ---: | --- | --- |"
    for row in sorted(rows, key=lambda row: METHODS.index(row["method"])):
        here, n, note = pm(row["mean"], row["sd"], 1), len(row["seeds"]), row["settings"]["note"]
        cells = row["method"], here, of(n, SEEDS), theirs(row, 1), distance(row), verdict(row, n < SEEDS)
        yield line(*cells, note)
    if told := [*paired({row["method"]: row for row in rows})]:
        yield from ["", "| by seed | here | seeds | published |", "| --- | ---: | ---: | ---: |", *told]


def paired(rows):
    """Lines of the differences of two methods over the seeds that both have; rows {method: row}."""
    for one, other in PAIRS:
        if one not in rows or other not in rows:
            continue
        a, b = (dict(zip(rows[k]["seeds"], rows[k]["accuracy"])) for k in (one, other))
        apart = [a[seed] - b[seed] for seed in a if seed in b]
        if len(apart) < 2:
            continue
        error = statistics.stdev(apart) / math.sqrt(len(apart))
        theirs = "–"
        if rows[one]["published"] and rows[other]["published"]:
            (high, e), (low, f) = (rows[k]["published"] for k in (one, other))
            theirs = f"{high - low:+.1f} ± {math.hypot(e, f):.1f}"
        here = f"{round(statistics.fmean(apart), 1) + 0.0:+.1f} ± {error:.1f}"  # + 0.0: never -0.0
        yield line(f"{one} − {other}", here, str(len(apart)), theirs)


def strengths(rows, wanted):
    """A table of accuracy by Fisher and λ in one scenario, the best λ of each Fisher in bold."""
    curves = {name: {lam(row): row for row in rows if fisher_of(row) == name} for name in FISHERS}
    columns, task = sorted({lam(row) for row in rows}), rows[0]["scenario"] == "task"
    told = ["published", "apart", "verdict", f"λ with {PASS:.0f} or more"]
    heads = ["Fisher", "best", "seeds", *told * task]
    steps = rows[0]["settings"]["training"]["steps"]
    yield f"Online EWC, γ = 1, {steps} steps a task (there: 2,000). The columns are λ. 0 is no springs, and"
    yield "the same for every Fisher; an empty cell was not tried."
    yield "Published: van de Ven 2025, mean of 30 seeds at the best λ.\n" if task else ""
    yield line(*heads, *map(power, columns), "note")
    yield line("---", *["---:"] * (len(heads) + len(columns) - 1), "---")
    for name, curve in curves.items():
        if not curve:
            continue
        best = max(curve.values(), key=lambda row: row["mean"])
        n = min(len(row["seeds"]) for row in curve.values())
        early = n < FISHER_SEEDS or len(curve) < wanted.count((best["method"], best["scenario"]))
        enough = ", ".join(power(x) for x in columns if x in curve and curve[x]["mean"] >= PASS) or "none"
        cells = [name, pm(best["mean"], best["sd"], 2), of(n, FISHER_SEEDS)]
        cells += [theirs(best, 2), distance(best), verdict(best, early), enough] * task
        for x in columns:
            mean = f"{curve[x]['mean']:.1f}" if x in curve else ""
            cells.append(f"**{mean}**" if curve.get(x) is best else mean)
        yield line(*cells, best["settings"]["note"])


def verdict(row, early=False):
    """In words; early: more seeds are to come."""
    if row["published"] is None:
        return row["source"]
    apart, error = difference(row)
    word = "agrees" if abs(apart) + error <= MARGIN else "undecided"
    return ("**differs**" if abs(apart) - error > MARGIN else word) + " so far" * early


def difference(row):
    """Here minus published, and two standard errors of that: of one seed, infinity."""
    n, sd, (theirs, error) = len(row["seeds"]), row["sd"], row["published"]
    own = math.inf if sd is None else sd / math.sqrt(n)
    return row["mean"] - theirs, 2 * math.hypot(own, error or 0)


def distance(row):
    """Here minus published, ± two standard errors."""
    return "{:+.2f} ± {:.2f}".format(*difference(row)) if row["published"] else "–"


def theirs(row, digits):
    return f"{pm(*row['published'], digits)} ({row['mark']})" if row["published"] else "–"


def fisher_of(row):
    return row["method"].partition(", ")[2]


def lam(row):
    return row["settings"]["method"]["lam"]


def pm(mean, sd, digits):
    return f"{mean:.{digits}f}" + ("" if sd is None else f" ± {sd:.{digits}f}")


def of(n, wanted):
    return str(n) if n >= wanted else f"{n} of {wanted}"


def line(*cells):
    return f"| {' | '.join(cells)} |"
