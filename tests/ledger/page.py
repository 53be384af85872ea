"""The page that shows the ledger: README.md beside this file, a function of its rows and of nothing else.

Reproduced: the mean lies within 2 points of the published one, or within two published spreads where that is
more.
"""

import math

from ledger import FISHER_SEEDS, FISHERS, SCENARIOS, SEEDS

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
average accuracy on the five tasks after the last one, in per cent: mean ± standard deviation over seeds (20
there, 30 for the Fishers), each with an order of the classes of its own. The protocol is that of van de Ven,
Tuytelaars & Tolias, "Three types of incremental learning", Nature Machine Intelligence 4, 2022;
class-incremental, all outputs are active from the start. *Reproduced*: within 2 points of the published mean,
or within two of the published spreads (standard deviations or errors of the mean, we do not know which) where
that is more. M: the published value is quoted from memory of the paper; R: it was read in the authors'
repository.
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


def compared(rows):
    """A table of methods in one scenario."""
    yield "| method | here | seeds | published | verdict | note |"
    yield "| --- | ---: | ---: | ---: | --- | --- |"
    for row in sorted(rows, key=lambda row: METHODS.index(row["method"])):
        here, n, note = pm(row["mean"], row["sd"], 1), len(row["seeds"]), row["settings"]["note"]
        yield line(row["method"], here, of(n, SEEDS), theirs(row, 1), verdict(row, n < SEEDS), note)


def strengths(rows, wanted):
    """A table of accuracy by Fisher and λ in one scenario, the best λ of each Fisher in bold."""
    curves = {name: {lam(row): row for row in rows if fisher_of(row) == name} for name in FISHERS}
    columns, task = sorted({lam(row) for row in rows}), rows[0]["scenario"] == "task"
    heads = ["Fisher", "best", "seeds", *["published", "verdict", f"λ with {PASS:.0f} or more"] * task]
    steps = rows[0]["settings"]["training"]["steps"]
    yield f"Online EWC, γ = 1, {steps} steps a task (there: 2,000). The columns are λ.\n"
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
        cells += [theirs(best, 2), verdict(best, early), enough] * task
        for x in columns:
            mean = f"{curve[x]['mean']:.1f}" if x in curve else ""
            cells.append(f"**{mean}**" if curve.get(x) is best else mean)
        yield line(*cells, best["settings"]["note"])


def verdict(row, early=False):
    """In words; early: more seeds are to come."""
    if row["published"] is None:
        return "none published"
    return ("reproduced" if near(row) else "**not reproduced**") + " so far" * early


def near(row):
    mean, sd = row["published"]
    return abs(row["mean"] - mean) <= max(2, 2 * (sd or 0))


def theirs(row, digits):
    return f"{pm(*row['published'], digits)}, {row['source']} ({row['mark']})" if row["published"] else "–"


def fisher_of(row):
    return row["method"].partition(", ")[2]


def lam(row):
    return row["settings"]["method"]["lam"]


def power(lam):
    return f"1e{math.log10(lam):.0f}"


def pm(mean, sd, digits):
    return f"{mean:.{digits}f}" + ("" if sd is None else f" ± {sd:.{digits}f}")


def of(n, wanted):
    return str(n) if n >= wanted else f"{n} of {wanted}"


def line(*cells):
    return f"| {' | '.join(cells)} |"
