"""The package and a notebook by itself: what the wheel holds, how a lesson finds its module or asks for it.

The wheel is built once, without a network, from a copy; the notebooks run in environments that see the
packages of this one but not the module, which is there from the wheel or not at all. tests/tools/alone.py
runs all of them.
"""

import builtins
import fnmatch
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import alone
import nbformat
import pytest
from lessons import NOTEBOOKS, ROOT, lessons, read

import edgecl_lite

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
every_lesson = pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The path of a wheel, built from a copy of what belongs into it and of what does not."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "copy"
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "edgecl_lite", copy / "edgecl_lite", ignore=unwanted)
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / name, copy)
    states = copy / "edgecl_lite/lessons/states"
    states.mkdir(exist_ok=True)
    (states / "00_start_here.json").write_text("{}")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "-w", str(folder), str(copy)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("*.whl")
    return found


def environment(folder):
    """A new one with all packages of this one but not the module: (its python, where it installs)."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    there = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    # a line of a .pth file is a folder, and .pth files there, such as an editable install's, are not read
    (there / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"), there


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The python of an environment into which the wheel was unpacked, as an installer does it."""
    python, there = environment(tmp_path_factory.mktemp("installed"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(there)
    return python


def ask(python, code, **options):
    """What the code prints, run by that python without this repository on its path."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, env=env, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ---- the wheel


def test_the_wheel_holds_all_that_the_module_needs_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name for name in names if name.startswith("edgecl_lite/")}
    files = {p.relative_to(ROOT).as_posix() for p in (ROOT / "edgecl_lite").rglob("*") if p.is_file()}
    files = {name for name in files if "/__pycache__/" not in name and "/.ruff_cache/" not in name}
    states = {name for name in files if "/lessons/states/" in name}
    assert files - states - inside == {"edgecl_lite/ruff.toml"}
    assert inside <= files and not any("/states/" in name for name in inside)
    kinds = [f"edgecl_lite/{what}" for what in ("data/*.npz", "data/smartwatch.txt", "lessons/stored/*.json")]
    assert all(fnmatch.filter(inside, kind) for kind in kinds)
    others = {name.partition("/")[2] for name in names - inside}
    assert {"METADATA", "RECORD", "licenses/LICENSE", "licenses/LICENSE-text"} <= others


def test_the_wheel_says_its_version_what_it_needs_and_nobodys_address(wheel):
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
    said = message_from_bytes(archive.read(name))
    assert said["Version"] == edgecl_lite.__version__ == alone.version(ROOT)
    assert wheel.name == f"edgecl_lite-{edgecl_lite.__version__}-py3-none-any.whl"
    asked = [line for line in said.get_all("Requires-Dist") if "extra" not in line]
    assert sorted(asked) == sorted(PROJECT["dependencies"])
    urls = [f"Repository, {PROJECT['urls']['Repository']}"] if "Repository" in PROJECT["urls"] else None
    assert said.get_all("Project-URL") == urls


def test_the_floor_is_what_the_package_asks_for():
    """Each pin of `make floor` is the least version that pyproject.toml admits."""
    lines = (ROOT / "tests/floor.requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(p.partition("#")[0].strip().split("==") for p in lines if "==" in p)
    for dependency in PROJECT["dependencies"]:
        name, least = dependency.split(">=")
        assert pins[name].split("+")[0].split(".")[: least.count(".") + 1] == least.split("."), dependency


def test_imports_from_an_empty_folder(installed, tmp_path):
    """With data, style and stored results, and none of it from this repository."""
    code = """if True:
        import edgecl_lite as cl
        cl.setup()
        print(cl.__file__, cl.__version__, len(cl.boards()), len(cl.digits().train[0]) > 0)
        print(len(cl.smartwatch().train[0]) > 0, len(cl.stored("wrist")) > 0, bool(cl.plots.figure()))"""
    here, version, *rest = ask(installed, code, cwd=tmp_path).split()
    assert Path(here).is_relative_to(installed.parent.parent) and version == edgecl_lite.__version__
    assert int(rest[0]) > 3 and rest[1:] == ["True"] * 4


# ---- a notebook by itself


@every_lesson
def test_every_lesson_opens_with_the_same_lines(path):
    first = next(cell for cell in read(path).cells if cell.cell_type == "code")
    assert first.source.startswith(alone.head(alone.line())), f"expected:\n{alone.head(alone.line())}"
    assert first.metadata.get("jupyter", {}).get("source_hidden"), "plumbing is folded"


def test_no_notebook_names_an_address_that_is_not_set():
    for path in NOTEBOOKS.glob("*.ipynb"):
        named = path.read_text(encoding="utf-8").count("git+https://")
        assert named == ("Repository" in PROJECT["urls"] and path in lessons()), path.name


class Shell:
    """What `get_ipython()` is in a notebook: notes what it runs."""

    def __init__(self, brings):
        self.brings, self.ran = brings, []

    def run_cell(self, line):
        self.ran.append(line)
        if self.brings:
            THERE.append(True)


THERE = []
LINES = [alone.UNSET, alone.SET.format(address="https://github.com/someone/course", version="1.2.3")]


def opened(line, monkeypatch, there=False, brings=True, **env):
    """The shell after the head ran, under these variables of the environment."""
    for name in ("COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    THERE[:], shell = [True] * there, Shell(brings)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: THERE or None)
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("Run All would hang"))
    try:
        exec(alone.head(line), {"get_ipython": lambda: shell})
    finally:
        monkeypatch.undo()
    return shell


@pytest.mark.parametrize("line", LINES, ids=["unset", "set"])
@pytest.mark.parametrize("name", ["COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE", "HOME"])
def test_a_notebook_that_has_its_module_does_nothing(line, name, monkeypatch, capsys):
    assert opened(line, monkeypatch, there=True, **{name: "x"}).ran == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"])
def test_colab_and_kaggle_install_at_once(name, monkeypatch):
    line = '%pip install -q "edgecl_lite @ git+https://github.com/someone/course@v1.2.3"'
    assert opened(LINES[1], monkeypatch, **{name: "x"}).ran == [line]
    with pytest.raises(ImportError, match=r"run %pip install -q .*@v1\.2\.3\" in a new cell"):
        opened(LINES[1], monkeypatch, brings=False, **{name: "x"})  # Kaggle without its internet


def test_elsewhere_it_says_what_to_run_and_runs_nothing(monkeypatch):
    for line in LINES:
        with pytest.raises(ImportError) as said:
            opened(line, monkeypatch)
        assert eval(line) in str(said.value) and "\n" not in str(said.value)


@pytest.fixture
def opening():
    """A lesson of its first code cell alone, with a line for the wheel in the place of the release."""
    notebook = read(NOTEBOOKS / "03_ewc.ipynb")
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"][:1]
    notebook.cells.append(nbformat.v4.new_code_cell(alone.WHERE, id="where"))
    return notebook


# Runs the notebook of standard input as it stands, by the environment's own nbclient, and prints it.
RUN = """
import nbclient, nbformat, sys
notebook = nbformat.reads(sys.stdin.read(), as_version=4)
nbclient.NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=600).execute()
print(nbformat.writes(notebook))
"""


def by_itself(python, notebook, folder, **env):
    """The notebook, run in a folder by the environment of that python."""
    env = {**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **env}
    done = subprocess.run(
        [python, "-c", RUN],
        input=nbformat.writes(notebook),
        capture_output=True,
        text=True,
        env=env,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return nbformat.reads(done.stdout, as_version=4)


def test_without_the_module_a_lesson_stops_with_one_sentence(opening, tmp_path):
    found = by_itself(environment(tmp_path / "env")[0], opening, tmp_path)
    (error,) = found.cells[0].outputs
    assert error.ename == "ImportError" and error.evalue.startswith("this lesson needs its module: run %pip")


def test_on_colab_the_line_is_run_and_the_lesson_goes_on(wheel, opening, tmp_path):
    """The real %pip, told to take the wheel; it sees the packages of this environment, and lets them be."""
    python, there = environment(tmp_path / "env")
    install = f"'%pip install -q --no-deps --no-index --ignore-installed \"{wheel}\"'"
    opening.cells[0].source = opening.cells[0].source.replace(alone.line(), install)
    found = by_itself(python, opening, tmp_path, COLAB_RELEASE_TAG="release-colab")
    assert not any(output.output_type == "error" for cell in found.cells for output in cell.outputs)
    assert str(there) in found.cells[1].outputs[0].text


@pytest.mark.parametrize("name", ["00_start_here", "12_edge_budget", "glossary"])
def test_a_notebook_runs_in_an_empty_folder(name, installed, tmp_path):
    tool = ROOT / "tests/tools/alone.py"
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [installed, tool, name], capture_output=True, text=True, cwd=tmp_path, env=env, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 notebooks ran alone" in done.stdout
