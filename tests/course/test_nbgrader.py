"""nbgrader itself takes our form of a lesson, and gives the points that our own grading gives.

It runs in an environment of its own, .venv-nbgrader, that `make test` prepares; the steps are those of
tests/tools/nbgraded.py. Lesson: ewc.
"""

import copy
import json
import os
import re
import subprocess

import pytest
from lessons import ROOT
from nbgraded import differences, students

HOME = ROOT / ".venv-nbgrader"
NEEDS = pytest.mark.skipif(
    not (HOME / ".ready").exists(), reason="nbgrader is not installed: make .venv-nbgrader/.ready prepares it"
)
GOOD = {
    "validate": "Success! Your notebook passes all the tests.",
    "same release": True,
    "nbgrader": {student: points for student, (_, points) in students().items()},
    "grade": {student: points for student, (_, points) in students().items()},
}


@NEEDS
def test_nbgrader_and_our_grading_agree(tmp_path):
    tool, said = ROOT / "tests/tools/nbgraded.py", tmp_path / "seen.json"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "EDGECL_DOSSIER": "off", "TQDM_DISABLE": "1"}
    command = [HOME / "bin/python", tool, said]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert differences(json.loads(said.read_text("utf-8"))) == []


def test_the_students_differ_in_every_exercise():
    points = [expected for _, expected in students().values()]
    assert all({each[name] for each in points} == {True, False} for name in points[0])


def test_what_is_as_it_must_be_has_no_differences():
    assert differences(GOOD) == []


def test_a_locked_cell_that_asserts_nothing_is_told():
    """Then nbgrader gives everybody every point."""
    seen = copy.deepcopy(GOOD)
    for points in seen["nbgrader"].values():
        points.update(dict.fromkeys(points, True))
    lines = differences(seen)
    assert [line.partition(":")[0] for line in lines] == ["nbgrader, wrong", "nbgrader, stops"]


@pytest.mark.parametrize(
    "change, told",
    [
        ({"validate": "VALIDATION FAILED ON 1 CELL(S)!"}, "validate says: VALIDATION FAILED"),
        ({"same release": False}, "generate_assignment gives another"),
        ({"grade": {}}, "grade, right: expected .*got None"),
    ],
    ids=["validate", "release", "grade"],
)
def test_each_difference_is_told(change, told):
    lines = differences(GOOD | change)
    assert lines and re.match(told, lines[0])
