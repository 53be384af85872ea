"""Run every lesson and store its outputs:  refresh_notebooks.py [--measure | --states] [NAME ...]

Stores text and static figures only: no widget state, no timestamps; a control panel is stored as the sentence
that stands in for it, since GitHub and nbviewer could not show it anyway. Prints what each lesson took.
What the panels show in each of their states goes into edgecl_lite/lessons/states/ (panel_states.py), from the
kernel that ran the lesson; --states writes only these, and leaves the notebook as it is. The time printed is
with them, but for --measure, which writes none.
--measure stores no outputs: it writes the measured time and memory into docs/lessons.md and start_here, and
ends with an exit code other than 0 where a lesson takes more than its limit; no test does.
NAME picks lessons by the beginning of their file name: python tests/tools/refresh_notebooks.py 02
"""

import argparse
import re
import sys
from importlib.metadata import version
from pathlib import Path

import nbformat
from lessons import ROOT, chosen, lessons, read, run, title

SECONDS, PEAK_MB = 45, 500  # a lesson's limits: one whole Run All on one core, with the CPU wheel of torch
CUDA_MB = 310  # about what the plain Linux wheel of torch takes more
STATES = """import sys
sys.path.insert(0, {tools!r})
import panel_states
panel_states.write(panel_states.sources({stem!r}), {stem!r})"""
WIDGET = "application/vnd.jupyter.widget-view+json"


def clean(notebook):
    """Keep of `notebook` only what is the same at every run (in place)."""
    language = notebook.metadata.get("language_info", {})
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": kernel, "language_info": {"name": "python", **language}}
    )
    notebook.metadata.language_info.pop("version", None)
    for cell in notebook.cells:
        for key in ("execution", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", []):
            if WIDGET in output.get("data", {}):
                output["data"] = nbformat.from_dict({"text/plain": output["data"]["text/plain"]})
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("data") != {} and o.get("text") != ""]
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def run_with_states(notebook, stem):
    """Run a lesson, and then what writes down the states of its panels, in the same kernel."""
    write = STATES.format(tools=str(Path(__file__).parent), stem=stem)
    notebook.cells.append(nbformat.v4.new_code_cell(write, id="panel-states"))
    try:
        return run(notebook)
    finally:
        notebook.cells.pop()


def table(costs):
    """What the lessons cost as Markdown; costs: {path: (title, Cost)}."""
    rows = [
        f"| [{name}](../notebooks/{path.name}) | {cost.seconds:.0f} s | {cost.peak_mb:.0f} MB |"
        for path, (name, cost) in costs.items()
    ]
    return "\n".join(["| lesson | Run All | peak memory |", "| --- | ---: | ---: |", *rows])


def beyond(costs):
    """Sentences about the lessons that take more than their limit."""
    found = []
    for path, (_, cost) in costs.items():
        for value, limit, unit in ((cost.seconds, SECONDS, "s"), (cost.peak_mb, PEAK_MB, "MB")):
            if value > limit:
                found.append(f"{path.name}: {value:.0f} {unit}, at most {limit} {unit}")
    return found


def fill_maps(costs):
    """Write the costs into docs/lessons.md and into the map of start_here (last two columns of its rows)."""
    page = ROOT / "docs/lessons.md"
    head = page.read_text(encoding="utf-8").partition("\n| lesson ")[0]
    page.write_text(f"{head}\n{table(costs)}\n", encoding="utf-8")
    start = lessons()[0]
    notebook = read(start)
    cell = next(cell for cell in notebook.cells if cell.id == "map")
    for path, (_, cost) in costs.items():
        name = r"\*\*00 Start here\*\*" if path == start else rf"[^|]*\({path.name}\)"
        row = rf"(?m)^(\| {name} \|[^|]*\|)[^|]*\|[^|]*\|$"
        cell.source = re.sub(row, rf"\g<1> {cost.seconds:.0f} s | {cost.peak_mb:.0f} MB |", cell.source)
    nbformat.write(notebook, start)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="beginning of a lesson's file name; default all"
    )
    parser.add_argument("--measure", action="store_true", help="only measure, and fill in the maps")
    parser.add_argument("--states", action="store_true", help="only write the states of the panels")
    options = parser.parse_args()
    costs = {}
    for path in chosen(options.names):
        notebook = read(path)
        cost = run(notebook) if options.measure else run_with_states(notebook, path.stem)
        costs[path] = (title(notebook), cost)
        took = f"{cost.seconds:.1f} s (at most {SECONDS}), {cost.peak_mb:.0f} MB (at most {PEAK_MB})"
        print(f"{path.name}: {took}", flush=True)
        if not (options.measure or options.states):
            nbformat.write(clean(notebook), path)
    print("\n" + table(costs))
    if options.measure and not options.names:
        fill_maps(costs)
        print("\nwritten into docs/lessons.md and the lesson start_here")
    if options.measure:
        wheel = version("torch")
        more = "" if wheel.endswith("+cpu") else f", which takes about {CUDA_MB} MB more than the CPU wheel"
        print(f"\nThe limits are for the CPU wheel of torch and an idle core. Here: torch {wheel}{more}.")
        sys.exit("Over the limit:\n" + "\n".join(over) if (over := beyond(costs)) else 0)


if __name__ == "__main__":
    main()
