"""The repository itself: pins, Binder, links, licences, size of the module, direction of its imports."""

import ast
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import edgecl_lite

ROOT = Path(__file__).resolve().parent.parent
MODULE = ROOT / "edgecl_lite"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
START = "notebooks/00_start_here.ipynb"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT.get("urls", {}).get("Repository")  # None until `make publish` has set it
OWN_TOOLS = {"nbval"}  # pinned for the learner's own checks; nothing a Binder session needs


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def pins(name):
    """{package: version} of a requirements file; every line that names a package must pin it exactly."""
    lines = [line.partition("#")[0].strip() for line in read(name).splitlines()]
    lines = [line for line in lines if line and not line.startswith("-")]
    loose = [line for line in lines if "==" not in line]
    assert not loose, f"{name}: not pinned exactly: {loose}"
    return dict(line.split("==") for line in lines)


# ---- what gets installed


def test_binder_pins_equal_the_roots():
    root = {name: pin for name, pin in pins("requirements.txt").items() if name not in OWN_TOOLS}
    binder = {name: pin.removesuffix("+cpu") for name, pin in pins("binder/requirements.txt").items()}
    assert binder == root


@pytest.mark.parametrize("name", ["requirements.txt", "tests/requirements.txt", "site/requirements.txt"])
def test_pins_are_what_is_installed(name):
    wrong = {p: (pin, version(p)) for p, pin in pins(name).items() if version(p).partition("+")[0] != pin}
    assert not wrong, f"{name} pins one version, another is installed: {wrong}"


def test_learner_gets_what_the_module_imports():
    wanted = {re.split(r"[<>=~! ]", line)[0] for line in PROJECT["dependencies"]}
    assert wanted <= pins("requirements.txt").keys()


# ---- Binder


def test_repo2docker_picks_the_binder_folder(tmp_path, monkeypatch):
    """repo2docker's own detection, as mybinder runs it, on a copy of the checkout."""
    app = pytest.importorskip("repo2docker.app")
    copy = tmp_path / "checkout"
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "shots")
    shutil.copytree(ROOT, copy, ignore=unwanted)
    monkeypatch.chdir(copy)
    packs = [pack("ubuntu") for pack in app.Repo2Docker().buildpacks]
    picked = next(pack for pack in packs if pack.detect())
    assert type(picked).__name__ == "PythonBuildPack"
    assert picked.binder_dir == "binder"
    assert picked.python_version == "3.11"
    assert "binder/requirements.txt" in picked.get_preassemble_script_files()
    assert any("binder/requirements.txt" in script for _, script in picked.get_preassemble_scripts())
    assert picked.get_post_build_scripts() == ["binder/postBuild"]
    assert not any("pip install" in script for _, script in picked.get_assemble_scripts())
    assert (copy / START).exists()


def test_post_build_is_a_shell_script():
    assert os.access(ROOT / "binder/postBuild", os.X_OK) or os.name == "nt"
    assert "pip install --no-cache-dir --no-deps -e ." in read("binder/postBuild")


# ---- one public address, or none


def test_every_link_to_the_course_is_to_its_address():
    """Until `make publish` has set one, nothing links to a repository of that name, whosoever's it is."""
    own = {ADDRESS.removeprefix("https://github.com/")} if ADDRESS else set()
    names = {"edgecl", *(slug.partition("/")[2] for slug in own)}
    hosts = r"(?:github\.com|githubusercontent\.com|mybinder\.org/v2/gh|google\.com/github)"
    courses = rf"{hosts}/([\w.-]+/(?:{'|'.join(map(re.escape, names))}))(?![\w-])"
    tops = [path for kind in ("*.md", "*.cff", "*.toml", "docs/*.md") for path in ROOT.glob(kind)]
    forms = (ROOT / ".github").rglob("*.yml")
    for path in (*tops, *forms, *NOTEBOOKS, *MODULE.rglob("*.py")):
        named = set(re.findall(courses, path.read_text(encoding="utf-8")))
        assert named <= own | {"YOUR-NAME/edgecl"}, f"{path.name} links to {named}, not to {own}"


def test_version_stands_in_one_more_place_only():
    """edgecl_lite/__init__.py is the one place; pyproject.toml reads it there."""
    assert "version" in PROJECT["dynamic"]
    assert f"version: {edgecl_lite.__version__}" in read("CITATION.cff")
    assert f"## [{edgecl_lite.__version__}]" in read("CHANGELOG.md")


# ---- the texts


@pytest.mark.parametrize(
    "name",
    [path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *NOTEBOOKS)],
)
def test_relative_links_resolve(name):
    text = read(name)
    if name.endswith(".ipynb"):
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset|href)="([^"]+)"', text)
    local = [t for t in targets if not re.match(r"[a-z]+:", t)]
    headings = {
        re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.M)
    }
    found = lambda t: t[1:] in headings if t[0] == "#" else (here / t.partition("#")[0]).exists()
    here = (ROOT / name).parent
    broken = [t for t in local if not found(t)]
    assert not broken, f"{name} links to nowhere: {broken}"


def test_a_page_says_why_for_every_dependency():
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.+?) \|$", read("docs/packages.md"), re.M))
    pinned = pins("requirements.txt") | pins("tests/requirements.txt") | pins("site/requirements.txt")
    assert rows.keys() == pinned.keys()
    assert all(len(why) > 10 for why in rows.values())


def test_readme_maps_every_lesson_and_is_filled_in():
    text = read("README.md")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"notebooks/{path.name}" in text, f"the README's map lacks {path.name}"
        costs = path.stem == "glossary" or f"notebooks/{path.name}" in read("docs/lessons.md")
        assert costs, f"{path.name} lacks: `make measure`"
    for page in (ROOT / "docs").glob("*.md"):
        assert f"docs/{page.name}" in text, f"the README links to no docs/{page.name}"


def test_readme_has_the_two_commands_and_the_plain_lines():
    """Each line that installs torch, the first before all others, keeps CUDA away."""
    text = read("README.md")
    for needed in ("make lab", "make test", "pip install -r requirements.txt", "uv pip", "conda create"):
        assert needed in text, needed
    small = "download.pytorch.org/whl/cpu", "--torch-backend cpu", "CPU=1"
    installs = [
        line for line in text.splitlines() if re.match(r"    .*(make (lab|test)|-r requirements)", line)
    ]
    assert len(installs) == 5 and all(any(way in line for way in small) for line in installs), installs
    before_the_map = text.partition("| lesson |")[0].splitlines()
    assert len(before_the_map) <= 36, "one screen before the map"


def test_licences_are_stated():
    assert "MIT License" in read("LICENSE")
    text = " ".join(read("LICENSE-text").split())
    watch = "BSD-3-Clause, copyright (c) 2018, David M. Burns", "edgecl_lite/data/smartwatch.txt"
    for needed in ("Creative Commons Attribution 4.0", "Alpaydin", "Kaynak", "10.24432/C50P49", *watch):
        assert needed in text, needed


# ---- the module


def code_lines(source):
    """Lines that hold code: no blanks, comments or docstrings."""
    documented = set()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        has_body = (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body
        )
        if (
            has_body
            and isinstance(body[0], ast.Expr)
            and isinstance(getattr(body[0].value, "value", None), str)
        ):
            documented |= set(range(body[0].lineno, body[0].end_lineno + 1))
    blank = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type not in blank]
    return len({line for t in tokens for line in range(t.start[0], t.end[0] + 1)} - documented)


def sources():
    return {
        path.relative_to(MODULE).as_posix(): path.read_text(encoding="utf-8") for path in MODULE.rglob("*.py")
    }


EWC_END_TO_END = {
    "learn.py": ["learn", "follow"],
    "method.py": ["masked", "cross_entropy", "Finetune"],
    "methods/ewc.py": ["Quadratic", "EWC"],
    "methods/fisher.py": ["fisher", "_squares"],
}


def part_of(name):
    """Which part of the module a file belongs to: a room, or the core."""
    return name.partition("/")[0] + "/" if "/" in name else "the core"


def ewc_lines():
    """Lines of code that a reader of EWC meets; a name that has gone is an error."""
    total = 0
    for name, wanted in EWC_END_TO_END.items():
        source = (MODULE / name).read_text(encoding="utf-8")
        found = {node.name: node for node in ast.parse(source).body if getattr(node, "name", None) in wanted}
        assert found.keys() == set(wanted), f"{name} lacks {set(wanted) - found.keys()}: EWC_END_TO_END"
        lines = source.splitlines()
        total += sum(code_lines("\n".join(lines[n.lineno - 1 : n.end_lineno])) for n in found.values())
    return total


def test_sizes_are_counted(record_property):
    """How long the module is to read: a table at the end of the run, never a verdict."""
    files = {name: code_lines(source) for name, source in sources().items()}
    parts = dict.fromkeys(map(part_of, files), 0)
    for name, lines in files.items():
        parts[part_of(name)] += lines
    longest = max(files, key=files.get)
    rows = [
        *parts.items(),
        (f"the longest file, {longest}", files[longest]),
        ("EWC, end to end", ewc_lines()),
    ]
    record_property("sizes", [f"{what:40} {lines:6,} lines of code" for what, lines in rows])
    assert sum(parts.values()) == sum(files.values()) and min(parts.values()) > 0


def test_what_counts_as_a_line_of_code():
    source = '"""Scope."""\n\n# why\nx = [\n    1,\n]\n\n\ndef f():\n    """What."""\n    return x  # said\n'
    assert code_lines(source) == 5  # the list's three lines, def and return


# The order in which modules may build on each other; a module sees those on lines above it, and its own line.
LAYERS = """
    _refuse/arguments _refuse/shares _refuse/journals machine/settled machine/disk machine/pieces
    _refuse/readings machine/along_time machine/dice lanes
    metrics _refuse/given _refuse/engine
    _refuse/mend machine/records machine/run_file
    _refuse/samples data/download
    data/images
    _refuse/streams
    streams models
    _refuse/nets _refuse/optimizers _refuse/verbs data/har data/smartwatch data/readings machine/step
    method
    methods data/fewshot
    plan run
    machine/foretell
    learn
    unlike
    journal
    train
    meta
    device/waits device/asked
    device/measure
    device/rules
    device/budget
    device/boards device/energy device/export device/int8
    device/flash device/harvest
    device/slots device/wear
    device/power
    device/advice
    device/windows device/when
    device/year
    device/worn device/strategy
    device/session
    device/course device/update
    device/living
    device/life
    fleet
    lessons/kept lessons/measured
    plots lessons
    machine/environment
    widgets
""".strip().splitlines()
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}


def ranked(name):
    """The longest beginning of a module's name, such as device/rules, that `LAYERS` knows; else None."""
    parts = name.split("/")
    names = ("/".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((name for name in names if name in RANK), None)


def imports(name, source):
    """Absolute names of the modules that a module file imports anywhere, functions included."""
    package = ["edgecl_lite", *name.split("/")[:-1]]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def test_imports_point_one_way():
    wrong = []
    for name, source in sources().items():
        own = ranked(name.removesuffix(".py"))
        if name == "__init__.py" or name.endswith("/__init__.py") and not own:
            continue
        assert own, f"edgecl_lite/{name}: say in LAYERS of this test what it may build on"
        for imported in imports(name, source):
            top, _, rest = imported.partition(".")
            other = ranked(rest.replace(".", "/")) if top == "edgecl_lite" else None
            if other and RANK[other] > RANK[own]:
                wrong.append(f"{name} imports {imported}")
            if top == "matplotlib" and own != "plots" or top == "ipywidgets" and own != "widgets":
                wrong.append(f"{name} imports {imported}")
    assert not wrong


def test_import_is_light():
    """A board without a display needs only torch and numpy to import edgecl_lite."""
    heavy = "matplotlib", "ipywidgets", "pandas", "pooch"
    code = f"import sys, edgecl_lite; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


# ---- style


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
