"""Hand-outs: nothing gives an answer away, everything can be filled in, and the form is nbgrader's."""

import builtins
import zipfile

import beside
import handouts
import nbformat
import pytest
from lessons import lessons, read, solutions, tagged
from public_address import UNSET

from edgecl_lite import checks
from edgecl_lite.lessons.grade import cells
from edgecl_lite.lessons.grade.names import names_of

checks.load()
every_lesson = pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
SCHEMA = {  # nbgrader's, version 3
    "exercise": {"grade": False, "solution": True, "locked": False, "task": False},
    "check": {"grade": True, "solution": False, "locked": True, "task": False, "points": 1},
}


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def unknown(notebook):
    """Names that a notebook looks up, run from top to bottom, and that nobody has given."""
    known, found = {*dir(builtins), "get_ipython"}, set()  # a kernel has that one, too
    for cell in code(notebook):
        given, _, used = names_of(cell.source)
        known |= given
        found |= used - known
    return found


def asked(notebook):
    """The exercises that grading finds in a notebook."""
    return [one.name for one in cells.asked(cells.read(nbformat.writes(notebook)))]


def squeezed(text):
    return "".join(text.split())


@every_lesson
def test_students_get_exercises_and_no_answers(path):
    lesson = read(path)
    made = handouts.students(lesson)
    assert tagged(made, "exercise").keys() == tagged(lesson, "exercise").keys()
    assert not tagged(made, "solution") and not any(handouts.has(c, "claims") for c in made.cells)
    assert not any(cell.outputs or cell.execution_count for cell in code(made))
    for name, answer in solutions(lesson).items():
        given = tagged(lesson, "exercise")[name].source.splitlines()
        body = squeezed("".join(line for line in answer.splitlines() if line not in given))
        assert len(body) < 20 or body not in squeezed("".join(cell.source for cell in made.cells)), name
    assert "](../" not in nbformat.writes(made)
    assert unknown(made) <= unknown(lesson)  # no cell needs one that is gone
    assert asked(made) == asked(lesson) == list(tagged(lesson, "exercise"))  # and it can be graded


@every_lesson
def test_teachers_get_every_solution_and_every_hint_folded(path):
    lesson = read(path)
    made = handouts.teachers(lesson)
    assert solutions(made) == solutions(lesson)
    for name, cell in tagged(made, "solution").items():
        told = made.cells[made.cells.index(cell) + 1].source
        assert told.startswith("<details>") and "</details>" in told
        for wrong in checks.exercises[name].wrong:
            assert wrong.name in told and f": {wrong.hint}\n" in told


@every_lesson
def test_the_form_of_nbgrader(path):
    lesson = read(path)
    full = handouts.source(lesson)
    released = handouts.release(full)
    ids = [cell.metadata["nbgrader"]["grade_id"] for cell in full.cells if "nbgrader" in cell.metadata]
    names = list(tagged(lesson, "exercise"))
    assert len(set(ids)) == len(ids) == 2 * len(names)
    for name, cell in tagged(full, "exercise").items():
        locked = full.cells[full.cells.index(cell) + 1]
        for one, kind in ((cell, "exercise"), (locked, "check")):
            own = dict(one.metadata["nbgrader"])
            assert own.pop("grade_id") == f"{kind}-{handouts.slug(name)}" and own.pop("schema_version") == 3
            assert own == SCHEMA[kind]
        assert cell.source.count(handouts.BEGIN) == cell.source.count(handouts.END) == 1
        assert f'check("{name}", ' in locked.source and locked.source.endswith('== "right"')
        for one in (cell, locked, tagged(released, "exercise")[name]):
            compile(one.source, name, "exec")
        assert handouts.SKIP not in [*cell.metadata.tags, *locked.metadata.get("tags", [])]
    assert unknown(full) <= unknown(lesson)
    full.cells = [cell for cell in full.cells if not handouts.has(cell, handouts.SKIP)]
    assert not unknown(full)  # what nbgrader runs needs nothing that it leaves out
    assert asked(released) == names
    text = nbformat.writes(released)
    assert handouts.BEGIN not in text and text.count(handouts.STUB) == len(names)


@every_lesson
def test_what_is_released_is_the_exercise_and_what_is_graded_its_solution(path):
    """But for the markers: a function's first lines, what it gives, and its call of check."""
    lesson = read(path)
    full = handouts.source(lesson)
    for name, cell in tagged(full, "exercise").items():
        given = tagged(lesson, "exercise")[name].source
        released = tagged(handouts.release(full), "exercise")[name].source
        lines = [line for line in released.splitlines() if line.strip() != handouts.STUB]
        assert lines == [line for line in given.splitlines() if line.strip() != "return ..."]
        body = cell.source.partition(handouts.BEGIN)[2].partition(handouts.END)[0]
        answer = solutions(lesson)[name]
        assert all(line in answer.splitlines() for line in body.splitlines() if line.strip())


def test_the_zips(tmp_path):
    packs = handouts.handouts()
    paths = beside.write(packs, tmp_path)
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in beside.write(packs, tmp_path)] == first
    stems = [path.stem for path in lessons()]
    for path in paths:
        with zipfile.ZipFile(path) as pack:
            assert pack.testzip() is None
            names = pack.namelist()
        assert all(sum(stem in name for name in names) in (1, 2) for stem in stems)
        assert all(name.startswith(f"{path.stem}/") for name in names)
    assert "solution" not in "".join(name for name in packs["students"])
    assert "nbgrader/nbgrader_config.py" in packs["nbgrader"]


def installs(notebook):
    """The lines with which a notebook gets its module."""
    return [line.strip() for cell in code(notebook) for line in cell.source.splitlines() if "%pip" in line]


@every_lesson
def test_the_first_cell_names_the_wheel_of_the_zip(path, monkeypatch):
    monkeypatch.setattr(beside, "address", lambda: None)
    lesson, wheel = read(path), beside.wheel_name()
    unset = [line for line in installs(lesson) if UNSET in line]
    for make, place in ((handouts.students, "."), (handouts.teachers, "."), (handouts.source, "/PATH/TO")):
        made = installs(make(lesson))
        assert "/PATH/OF/THE/COURSE" not in "".join(made)
        assert made.count(f'line = "%pip install {place}/{wheel}"') == len(unset)


def test_each_zip_brings_the_wheel_and_says_how_to_install_it(tmp_path):
    path = tmp_path / beside.wheel_name()
    path.write_bytes(b"a wheel")
    packs = beside.beside(path)
    assert packs.keys() == {"students", "teachers", "nbgrader"}
    for pack, files in packs.items():
        assert files[f"{pack}/{path.name}"] == b"a wheel"
    text = packs["students"]["students/README.md"]
    lines = [line for line in text.splitlines() if f"{path.name} jupyterlab" in line]
    assert len(lines) == 2 and "WHEEL" not in text  # Linux and macOS, Windows
    assert "download.pytorch.org/whl/cpu" in lines[0] and "`your name.ipynb`" in text
    assert "SECONDS" not in text and "MEGABYTES" not in text
    for name in {name for line in text.splitlines() for name in line.split() if name.endswith(".ipynb")}:
        assert name in {lesson.name for lesson in lessons()}


def test_without_its_wheel_there_is_no_handout(tmp_path):
    (tmp_path / "edgecl_lite-0.0.9-py3-none-any.whl").touch()
    with pytest.raises(FileNotFoundError, match="found edgecl_lite-0.0.9-.*make wheel"):
        beside.wheel(tmp_path)
    with pytest.raises(FileNotFoundError, match="found no wheel. Run: make wheel"):
        beside.wheel(tmp_path / "nowhere")
    right = tmp_path / beside.wheel_name()
    right.touch()
    assert beside.wheel(tmp_path) == right
