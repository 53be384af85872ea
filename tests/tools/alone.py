"""Each notebook by itself, in an empty folder beside the module:  PYTHON tests/tools/alone.py [NAME ...]

PYTHON is that of the environment to be tried, in which the wheel lies: the kernels are its own. A notebook
must run to its end, take `edgecl_lite` from that environment and leave nothing behind. NAME picks notebooks
by the beginning of their file name; without one it is all of them, the glossary too. The exit code says
whether one failed. Every lesson opens with the same lines (`head`), one of which `make publish` fills in.
"""

import sys
import tempfile
import tomllib
from pathlib import Path

import nbformat
from lessons import NOTEBOOKS, ROOT, read, run, said
from nbclient.exceptions import CellExecutionError
from public_address import UNSET, version

SET = "'%pip install -q \"edgecl_lite @ git+{address}@v{version}\"'"
HEAD = """import os
from importlib.util import find_spec

if not find_spec("edgecl_lite"):  # this notebook by itself: Colab and Kaggle install at once
    line = {line}
    if {{"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"}} & os.environ.keys():
        get_ipython().run_cell(line)
    if not find_spec("edgecl_lite"):
        raise ImportError(f"this lesson needs its module: run {{line}} in a new cell, then this one")
"""
WHERE = "import edgecl_lite, sys; print(edgecl_lite.__file__, sys.prefix, sep='\\n')"


def line():
    """The line of code that says how to install the module: as published, or from a folder."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project["urls"].get("Repository")
    return SET.format(address=address, version=version(ROOT)) if address else UNSET


def head(line):
    """What every lesson's first code cell begins with."""
    return HEAD.format(line=line)


def alone(path, **env):
    """Run one notebook in an empty folder; returns (its `Cost`, where the module came from).

    env: more of the kernel's environment. Errors: CellExecutionError where a cell fails, RuntimeError
    where the module came from elsewhere or something was left behind.
    """
    notebook = read(path)
    notebook.cells.append(nbformat.v4.new_code_cell(WHERE, id="where"))
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"PYTHONPATH": "", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # the latter for old debuggers
        cost = run(notebook, cwd=folder, **quiet, **env)
        left = sorted(file.name for file in Path(folder).rglob("*"))
    file, prefix = said(notebook.cells[-1]).split()
    if not Path(file).is_relative_to(prefix):
        raise RuntimeError(f"expected edgecl_lite from {prefix}, got {file}")
    if left:
        raise RuntimeError(f"expected an empty folder after {path.name}, found {left}")
    return cost, file


def main(names):
    paths = [p for p in sorted(NOTEBOOKS.glob("*.ipynb")) if not names or p.name.startswith(tuple(names))]
    if not paths:
        sys.exit(f"no notebook begins with {' or '.join(names)}")
    failed = []
    for path in paths:
        try:
            cost, file = alone(path)
            print(f"{path.name}: {cost.seconds:.0f} s, {cost.peak_mb:.0f} MB, {file}", flush=True)
        except (CellExecutionError, RuntimeError) as error:
            failed.append(path.name)
            print(f"{path.name} FAILED: {error}", flush=True)
    print(f"{len(paths) - len(failed)} of {len(paths)} notebooks ran alone.")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
