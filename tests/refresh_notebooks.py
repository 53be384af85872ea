"""Run every lesson and store its outputs:  python tests/refresh_notebooks.py [--measure] [NAME ...]

Stores text and static figures only: no widget state, no timestamps; a control panel is stored as the sentence
that stands in for it, since GitHub and nbviewer could not show it anyway. Prints what each lesson took.
--measure stores no outputs: it writes the measured time and memory into the maps of README and lesson 00.
NAME picks lessons by the beginning of their file name: python tests/refresh_notebooks.py 02
"""

import argparse
import re

import nbformat
from lessons import ROOT, chosen, lessons, read, run, title

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


def table(costs):
    """The map of lessons as Markdown; costs: {path: (title, Cost)}."""
    rows = [
        f"| [{name}](notebooks/{path.name}) | {cost.seconds:.0f} s | {cost.peak_mb:.0f} MB |"
        for path, (name, cost) in costs.items()
    ]
    return "\n".join(["| lesson | Run All | peak memory |", "| --- | ---: | ---: |", *rows])


def fill_maps(costs):
    """Write the costs into the README and into the map in lesson 00 (last two columns of its rows)."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    pattern = r"(?<=<!-- lessons:begin -->\n).*?(?=\n<!-- lessons:end -->)"
    readme.write_text(re.sub(pattern, lambda _: table(costs), text, flags=re.S), encoding="utf-8")
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
    options = parser.parse_args()
    costs = {}
    for path in chosen(options.names):
        notebook = read(path)
        cost = run(notebook)
        costs[path] = (title(notebook), cost)
        print(f"{path.name}: {cost.seconds:.1f} s, {cost.peak_mb:.0f} MB", flush=True)
        if not options.measure:
            nbformat.write(clean(notebook), path)
    print("\n" + table(costs))
    if options.measure and not options.names:
        fill_maps(costs)
        print("\nwritten into README.md and lesson 00")


if __name__ == "__main__":
    main()
