"""What shows the ledger: README.md beside this file and a lesson's curves, functions of its rows alone.

Reproduced: the means are no further apart than 2 points, or than two standard errors of their difference. For
both sides that error takes the published spread, which 20 seeds know better than our few.
"""

import math
from pathlib import Path

from ledger import FISHER_SEEDS, FISHERS, LAM, SCENARIOS, SEEDS, power

from edgecl_lite.machine import disk

LESSON = Path(__file__).resolve().parents[3] / "edgecl_lite/lessons/stored" / "ewc.json"
THEIR_SEEDS = 20
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

**Apart**: here minus published, and how much is *allowed*: 2 points, or two standard errors of the difference
of the two means where that is more. So *reproduced* is a modest word. It says that an implementation does
roughly what the authors' does; 2 points cannot tell EWC from None class-incrementally, nor one Fisher from
another.
"""


def page(rows, wanted):
    """Markdown of the page, for rows as they stand in their files; wanted: (method, scenario) of all."""
    out = [HEAD]
    for fisher, title in ((False, "{}, {}-incremental"), (True, "Which Fisher, which λ? {}, {}-incremental")):
        for data in TITLES:
            for scenario in SCENARIOS:
                own = [row for row in rows if (row["data"], row["scenario"]) == (data, scenario)]
                if own := [row for row in own if bool(fisher_of(row)) == fisher]:
                    out.append(f"## {title.format(TITLES[data], scenario)}\n")
                    out += [*(strengths(own, wanted) if fisher else compared(own)), ""]
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


def compared(rows):
    """A table of methods in one scenario."""
    yield "| method | here | seeds | published | apart (allowed) | verdict | note |"
    yield "| --- | ---: | ---: | ---: | ---: | --- | --- |"
    for row in sorted(rows, key=lambda row: METHODS.index(row["method"])):
        here, n, note = pm(row["mean"], row["sd"], 1), len(row["seeds"]), row["settings"]["note"]
        cells = row["method"], here, of(n, SEEDS), theirs(row, 1), distance(row), verdict(row, n < SEEDS)
        yield line(*cells, note)


def strengths(rows, wanted):
    """A table of accuracy by Fisher and λ in one scenario, the best λ of each Fisher in bold."""
    curves = {name: {lam(row): row for row in rows if fisher_of(row) == name} for name in FISHERS}
    columns, task = sorted({lam(row) for row in rows}), rows[0]["scenario"] == "task"
    told = ["published", "apart (allowed)", "verdict", f"λ with {PASS:.0f} or more"]
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
    return ("reproduced" if near(row) else "**not reproduced**") + " so far" * early


def near(row):
    return abs(row["mean"] - row["published"][0]) <= allowed(row)


def allowed(row):
    """Points that the means may be apart: 2, or two standard errors of their difference."""
    error = row["published"][1] or 0
    return max(2, 2 * error * math.sqrt(1 + THEIR_SEEDS / len(row["seeds"])))


def distance(row):
    """Here minus published, and how much is allowed."""
    return f"{row['mean'] - row['published'][0]:+.2f} ({allowed(row):.2f})" if row["published"] else "–"


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
