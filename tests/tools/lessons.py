"""The lessons as files: find, read, run in a kernel of their own, fill in the solutions, measure.

A lesson is executed with nbclient in the folder `notebooks/`, without progress bars, on one thread, so that
the same cells give the same text everywhere. Used by test_notebooks.py and refresh_notebooks.py.

How a lesson marks its exercises: the cell to fill in carries the tag `exercise:NAME`, a later Markdown cell
the tag `solution:NAME`; the solution is the first ```python block in that cell, folded by <details>.
"""

import copy
import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from edgecl_lite.lessons.grade.names import names_of, needed

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
QUIET = {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1", "EDGECL_DOSSIER": "off"}  # no learner's dossier
# Every warning is an error, but for these of others' packages: action:beginning of the message:category.
STRICT = {
    "PYTHONWARNINGS": ",".join(
        [
            "error",
            # ipykernel 7.4 about itself, when it shuts down
            "ignore:For consistency across implementations:PendingDeprecationWarning",
            # tornado 6.6 on Python 3.12 and later, as the kernel starts
            "ignore:There is no current event loop:DeprecationWarning",
        ]
    )
}

PEAK = """
try:        # not ru_maxrss: on Linux a process inherits that from the one that started it
    with open("/proc/self/status") as status:
        print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024)
except (OSError, StopIteration):
    import psutil
    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):
        print(memory.peak_wset)
    else:
        import resource
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@dataclass(frozen=True)
class Cost:
    """What one lesson took from kernel start to its last cell."""

    seconds: float  # wall time
    peak_mb: float  # peak resident memory of the kernel, 10^6 bytes


def lessons():
    """Paths of all lessons, in the order of the course; the glossary is none."""
    return sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def folded(cell):
    """Whether nobody has to read a cell: hidden code, claims, solutions, references and the way on."""
    hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
    return hidden or cell.source.lstrip().startswith("<details") or cell.id in ("references", "navigation")


def lines_of_code(cell):
    """How many lines of a code cell are neither blank nor a comment."""
    if cell.cell_type != "code":
        return 0
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in cell.source.splitlines())


def title(notebook):
    """The text of the first heading."""
    return re.search(r"^#\s+(.+)$", notebook.cells[0].source, re.M).group(1).strip()


def chosen(names):
    """Paths of the lessons whose file names begin with one of `names`; of all without names."""
    found = [path for path in lessons() if not names or path.name.startswith(tuple(names))]
    if not found:
        sys.exit(f"no lesson begins with {' or '.join(names)}; there are {[p.name for p in lessons()]}")
    return found


def run(notebook, cwd=NOTEBOOKS, timeout=3600, allow_errors=False, **env):
    """Execute every cell of `notebook` in place and return its `Cost`.

    timeout: seconds a single cell may take, against hanging. env: more of the kernel's environment. Errors:
    CellExecutionError from the first cell that fails; with allow_errors the others are run too.
    """
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK, id="peak-memory"))
    try:
        client = NotebookClient(
            notebook,
            timeout=timeout,
            allow_errors=allow_errors,
            kernel_name="python3",
            resources={"metadata": {"path": str(cwd)}},
            store_widget_state=False,
            record_timing=False,
            extra_arguments=["--Application.log_level=40"],
        )
        start = time.perf_counter()
        client.execute(env={**os.environ, **QUIET, **env})
        seconds = time.perf_counter() - start
        return Cost(seconds, int(said(notebook.cells[-1])) / 1e6)
    finally:
        notebook.cells.pop()


def said(cell):
    """All text a code cell has put out, streams and displayed objects alike."""
    return "\n".join(
        output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
        for output in cell.get("outputs", [])
    )


def sanitized(text):
    """A text as nbval compares it: without what may differ between two machines (nbval_sanitize.cfg)."""
    rules = (ROOT / "tests/nbval_sanitize.cfg").read_text(encoding="utf-8")
    for regex, replacement in re.findall(r"^regex: (.*)\nreplace: (.*)$", rules, re.M):
        text = re.sub(regex, replacement, text)
    return text


def tagged(notebook, kind):
    """{NAME: cell} of all cells with a tag `kind:NAME`."""
    return {
        tag.partition(":")[2]: cell
        for cell in notebook.cells
        for tag in cell.metadata.get("tags", [])
        if tag.startswith(f"{kind}:")
    }


def solutions(notebook):
    """{NAME: source} of all folded solutions ('' where the cell has no ```python block)."""
    found = {
        name: re.search(r"```python\n(.*?)```", cell.source, re.S)
        for name, cell in tagged(notebook, "solution").items()
    }
    return {name: match.group(1).strip() if match else "" for name, match in found.items()}


def checks(cell):
    """Names that a code cell passes to check(...)."""
    return re.findall(r"""\bcheck\(\s*["']([^"']+)["']""", cell.source) if cell.cell_type == "code" else []


def solved(notebook):
    """A copy with every exercise cell replaced by its solution; check(...) lines of the cell stay."""
    notebook = copy.deepcopy(notebook)
    answers = solutions(notebook)
    for name, cell in tagged(notebook, "exercise").items():
        kept = [line for line in cell.source.splitlines() if line.startswith("check(")]
        missing = [line for line in kept if line not in answers[name]]
        cell.source = "\n".join([answers[name], *missing])
    return notebook


def concerned(notebook):
    """A copy with the exercises, the cells that check or use what they give, and all that those need."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    names = {cell.id: names_of(cell.source) for cell in code}
    asked = [cell for cell in code if cell in tagged(notebook, "exercise").values()]
    made = set().union(*(names[cell.id][0] for cell in asked))
    wanted = {cell.id for cell in code if cell in asked or checks(cell) or names[cell.id][2] & made}
    first = [at for at, cell in enumerate(code) if cell.id in wanted]
    run = {code[at].id for at in needed([names[cell.id] for cell in code], first)}
    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if cell.id in run]
    return notebook
