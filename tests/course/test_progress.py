"""How far a learner is: read from the learner's file, never written by a test."""

import pytest

import edgecl_lite as cl
from edgecl_lite.lessons import kept
from edgecl_lite.machine import disk


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "elsewhere" / "mine.json"
    monkeypatch.delenv("EDGECL_DOSSIER", raising=False)
    monkeypatch.setenv("EDGECL_PROGRESS", str(path))
    return path


def test_what_was_solved_and_guessed(file):
    assert cl.progress().solved == () and not file.exists()
    kept.solved("penalty")
    kept.guessed("average", 62)
    kept.guessed("average", 0.5)  # in place of the older one
    found = cl.progress()
    assert found.solved == ("penalty",) and found.guessed == {"average": 0.5}
    assert "penalty" not in found.left["ewc"] and "merge" in found.left["ewc"]
    lines = repr(found).splitlines()
    assert f"{'ewc':20} 1 of 4   softmax fisher, merge, largest lr" in lines
    assert lines[-2:] == ["Guessed: average 0.5", "From mine.json; delete it to begin anew."]
    file.unlink()
    assert cl.progress().solved == ()


def test_every_exercise_stands_in_it_once(file):
    names = [name for names in cl.progress().left.values() for name in names]
    assert sorted(names) == sorted(cl.checks.exercises)


def test_a_file_of_an_older_copy_is_read_and_kept(file):
    old = {name: value for name, value in kept.EMPTY.items() if name != "guessed"}
    disk.write(file, disk.to_json({**old, "solved": ["merge"]}).encode())
    assert cl.progress().solved == ("merge",) and cl.progress().guessed == {}
    kept.guessed("leak", 3)
    assert cl.progress().solved == ("merge",) and cl.progress().guessed == {"leak": 3}


def test_a_damaged_file_is_told_and_left(file):
    kept.solved("merge")
    file.write_bytes(file.read_bytes()[:-9])
    raw = file.read_bytes()
    assert "could not be read" in repr(cl.progress()) and file.read_bytes() == raw


def test_tools_and_tests_write_nothing(file, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGECL_DOSSIER", "off")  # our tools
    kept.guessed("average", 1)
    assert not file.exists()
    monkeypatch.delenv("EDGECL_DOSSIER")
    monkeypatch.delenv("EDGECL_PROGRESS")  # pytest, and so nbval
    monkeypatch.chdir(tmp_path)
    kept.guessed("average", 1)
    kept.solved("merge")
    assert not [*tmp_path.iterdir()]
    assert repr(cl.progress()).endswith("Nothing is kept here.")
