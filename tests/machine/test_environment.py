"""`diagnose` says in plain words what is wrong and how to mend it; `setup` makes a notebook ready."""

import subprocess
import sys
import tomllib
from pathlib import Path

import matplotlib
import pytest
import torch
from lessons import lessons, read, said, sanitized

from edgecl_lite import diagnose, memory_note, setup
from edgecl_lite.machine import environment
from edgecl_lite.plots.house import STYLE

ROOT = Path(__file__).resolve().parents[2]
WELL = dict(installed=dict(environment.NEEDED), python=(3, 11))


def wrong(**changes):
    """What is wrong where all is well but for the changes."""
    return diagnose(**WELL | changes)


def without(name, **others):
    return {**WELL["installed"], name: None, **others}


def test_all_is_well():
    assert wrong() == []


def test_here_everything_is_installed():
    assert diagnose() == []


@pytest.mark.parametrize("name", environment.NEEDED)
def test_missing_package(name):
    (sentence,) = wrong(installed=without(name))
    assert sentence.startswith(f"{name} is missing: ")
    assert "pip install -r requirements.txt" in sentence and "restart the kernel" in sentence


def test_package_that_was_not_looked_for_is_missing():
    assert len(wrong(installed={})) == len(environment.NEEDED)


@pytest.mark.parametrize(
    "name, old, least",
    [
        ("torch", "2.10.1+cpu", "2.11"),
        ("ipywidgets", "7.7.0", "7.7.1"),
        ("ipywidgets", "7.6.5", "7.7.1"),
        ("matplotlib", "3.9.4", "3.10"),  # 9 < 10, though "9" > "10"
        ("numpy", "2.0.2", "2.1"),
    ],
)
def test_old_package(name, old, least):
    (sentence,) = wrong(installed=without(name, **{name: old}))
    assert sentence.startswith(f"{name} is {old}; the course needs {least} or newer: ")
    assert "pip install -r requirements.txt" in sentence


@pytest.mark.parametrize("new", ["2.11.0", "2.13.0+cpu", "2.14", "3.0.0rc1", "10.0"])
def test_new_enough(new):
    assert wrong(installed=without("torch", torch=new)) == []


def test_old_python():
    (sentence,) = wrong(python=(3, 10))
    assert sentence == "This is Python 3.10; the course needs 3.11 or newer: install that first."
    assert wrong(python=(3, 13)) == []


def test_little_memory():
    sentence = memory_note(250e6)
    assert sentence.startswith(" But only 250 MB of memory are free just now; a lesson may take 600 MB: ")
    assert "Shut Down All Kernels" in sentence
    assert memory_note(599e6) and memory_note(600e6) == ""


def test_unknown_memory_is_no_complaint(monkeypatch):
    monkeypatch.setattr(environment, "_free_memory", lambda: None)
    assert memory_note() == ""


def test_free_memory_is_in_bytes():
    free = environment._free_memory()
    assert free is None or 0 < free < 1e15


@pytest.mark.parametrize("free", [None, 250e6, 16e9])
def test_the_first_cell_compares_alike_whatever_is_free(free, monkeypatch, capsys):
    """nbval's verdict on a lesson belongs to the installation, not to what else the machine runs."""
    monkeypatch.setattr(environment, "_free_memory", lambda: free)
    cell = next(cell for cell in read(lessons()[0]).cells if cell.id == "check-this-machine")
    exec(cell.source, {})
    fresh = capsys.readouterr().out
    assert ("250 MB" in fresh) is (free == 250e6)
    assert sanitized(fresh) == sanitized(said(cell))


def test_everything_at_once_is_told_in_order():
    sentences = wrong(installed=without("torch", numpy="1.26.4"), python=(3, 9))
    assert [sentence.split()[0] for sentence in sentences] == ["This", "torch", "numpy"]


def test_asked_versions_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert dict(line.split(">=") for line in project["dependencies"]) == environment.NEEDED


def test_asked_versions_are_no_newer_than_the_pins():
    """A learner who installed what requirements.txt pins must never be told that it is too old."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.partition("#")[0].strip().split("==") for line in lines if "==" in line)
    assert wrong(installed={name: pins[name] for name in environment.NEEDED}) == []


def test_setup_sets_one_thread_and_the_style():
    threads, before = torch.get_num_threads(), dict(matplotlib.rcParams)
    try:
        torch.set_num_threads(2)
        matplotlib.rcParams["axes.grid"] = False
        setup()
        assert torch.get_num_threads() == 1
        assert matplotlib.rcParams["axes.grid"] is STYLE["axes.grid"] is True
    finally:
        torch.set_num_threads(threads)
        dict.update(matplotlib.rcParams, before)


def test_setup_without_matplotlib():
    """A board without a display needs no matplotlib to set one thread."""
    code = """if True:
        import importlib.util, sys
        sys.modules["matplotlib"] = None
        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *rest: None if name == "matplotlib" else find(name, *rest)
        import edgecl_lite, torch
        torch.set_num_threads(2)
        edgecl_lite.setup()
        print(torch.get_num_threads())"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
