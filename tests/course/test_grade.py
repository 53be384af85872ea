"""Grading: which cells run, that judging is the same on the other side of a process, and marks of a class.

`make class` grades all of papers.py; here a few of them, and all of the rest without running anybody.
"""

import importlib
import json
import math
import os
import sys
import unicodedata
from pathlib import Path

import grading
import numpy as np
import pandas as pd
import papers
import pytest
import torch
from lessons import lessons, read, solutions, tagged

from edgecl_lite import checks, plots
from edgecl_lite.lessons.grade import __main__ as command
from edgecl_lite.lessons.grade import anew, apart, book, cells, folder, inside, marks, names, wire

checks.load()
GIVEN = dict(checks.exercises)
FUNCTIONS = [name for name in GIVEN if name in anew.CHANGED]
SEEDS = 0, 1, 2


def notebook(*sources, tags=(), **more):
    """The bytes of a notebook with these code cells; tags: {number of a cell: tags}."""
    tags = dict(tags)
    made = [
        {"cell_type": "code", "source": source, "metadata": {"tags": tags.get(n, [])}, "id": f"c{n}"}
        for n, source in enumerate(sources)
    ]
    return json.dumps({"cells": made, "nbformat": 4, **more}).encode()


# ---- which cells run


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"PK\x03\x04",
        b"\xff\xfe",
        b"3",
        b"[1]",
        b'{"cells": 3}',
        b'{"cells": [3]}',
        b'{"worksheets": []}',
        b'{"cells": [{"cell_type": "code"}]}',
        b'{"cells": [{"cell_type": "code", "source": 5}]}',
        b"[" * 100_000,
    ],
    ids=range(11),
)
def test_what_is_no_notebook(raw):
    with pytest.raises(ValueError, match="^no notebook$"):
        cells.read(raw)


def test_a_cell_is_read_as_text_or_as_lines_and_without_magics():
    raw = {
        "cells": [
            {"cell_type": "markdown", "source": "# Text"},
            {"cell_type": "code", "source": ["%pip install this\n", "x = 7 \\\n", "    % 3\n"]},
            {"cell_type": "code", "source": "%%time\ny = 1\n!rm -r *\nprint?"},
            {"cell_type": "code", "source": "x = (7\n% 3)"},
        ]
    }
    sources = [cell.source for cell in cells.read(json.dumps(raw))]
    assert sources[1] == "\ny = 1\npass\npass" and sources[2] == "x = (7\n% 3)"
    assert "install" not in sources[0]


def test_an_exercise_runs_with_what_it_needs_and_nothing_else():
    raw = notebook(
        "import numpy as np",
        "kept = []",
        "1 / 0",
        "kept.append(np.ones(2))",
        "def mine(x):\n    return x + kept[0]\ncheck('mine', mine)",
        "kept = None",
        "cl.live(mine)",
        tags={4: ["exercise:mine"], 0: ["setup"]},
    )
    (asked,) = cells.asked(cells.read(raw))
    assert asked == cells.Asked("mine", (0, 1, 3, 4), "mine")
    without = cells.asked(cells.read(notebook("x = 1", "cl.check('mine', x + 1)")))
    assert without == [cells.Asked("mine", (0, 1), "x + 1")]  # a program has lost the tags


def test_the_later_of_two_cells_counts():
    source, tag = "def f():\n    pass\n\n\ncheck('n', f)", ["exercise:n"]
    (asked,) = cells.asked(cells.read(notebook(source, source, tags={0: tag, 1: tag})))
    assert asked.run == (1,)


@pytest.mark.parametrize(
    "source, needs",
    [
        ("x = y", {"y"}),
        ("y = 1\nx = y", set()),
        ("x = y\ny = 1", {"y"}),
        ("x += 1", {"x"}),
        ("def f(a, b=c):\n    return a + d + f(a)\nf(1)", {"c", "d", "f"}),
        ("for k in ks:\n    s = k\nprint(s)", {"ks", "print"}),
        ("with o(p) as (q, r):\n    q = r", {"o", "p"}),
        ("if t:\n    a = 1\nelse:\n    a, b = 2, a\nb", {"t", "a", "b"}),
        ("z = [i + j for i in range(3)]", {"j", "range"}),
        ("g = lambda v: v + w", {"w"}),
        ("try:\n    import m\nexcept ImportError:\n    m = None\nm", {"m", "ImportError"}),
        ("class K:\n    a = b\n    def f(self):\n        return c", {"b", "c"}),
        ("import numpy as np\nnp.ones(n)", {"n"}),
        ("a.b = c[d]", {"a", "c", "d"}),
        ("def broken(", set()),
    ],
)
def test_what_a_cell_needs(source, needs):
    assert names.names_of(source)[2] == needs


@pytest.mark.parametrize(
    "source, handed",
    [
        ("def f(x):\n    pass\ncheck('n', f)", "f"),
        ("v = cl.check('n', (1, 2))", "(1, 2)"),
        ("def f(x):\n    pass\n\nprint(f)", "f"),
        ("a = b = 3", "a"),
        ("print(1)", "..."),
        ("def broken(", "..."),
    ],
)
def test_what_is_handed_to_check(source, handed):
    assert cells.handed([cells.Cell(source)], 0, "n") == handed


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_every_exercise_of_a_lesson_is_found_and_few_cells_run(path):
    found = cells.asked(cells.read(path.read_bytes()))
    asked = tagged(read(path), "exercise")
    assert [one.name for one in found] == list(asked)
    for one in found:
        assert len(one.run) <= 2 and one.answer in asked[one.name].source


# ---- judged on the other side of a process


def sent(value):
    return wire.unpacked(json.loads(json.dumps(wire.packed(value))))


@pytest.mark.parametrize(
    "value",
    [
        "ä",
        b"\xff",
        True,
        3,
        10**30,
        -0.5,
        math.inf,
        [1, [2.0, "x"]],
        (),
        {"a": torch.ones(2, 3), 3: {1, 2}},
        np.zeros((0, 4)),
        [np.float32(0.1), None],
        torch.tensor(1.5),
    ],
    ids=range(13),
)
def test_what_is_sent_equals_what_it_was(value):
    assert checks.same(sent(value), value) and checks.same(value, sent(value))


def test_what_cannot_be_sent_equals_nothing():
    for value in (object(), len, torch.nn.Linear(2, 2), np.zeros(wire.MOST + 1), "x" * 10**6):
        assert isinstance(sent(value), wire.Other)
    for junk in (None, 3, {}, {"array": [1], "type": "|O8", "shape": [1]}, {"literal": "f("}, {"dict": 3}):
        with pytest.raises(ValueError):
            wire.unpacked(junk)
    with pytest.raises(ValueError):
        wire.unpacked({"array": [1, 2], "type": "<f8", "shape": [3]})


# ---- asked anew


def test_every_function_is_asked_anew_and_nothing_else():
    assert FUNCTIONS == [name for name in GIVEN if callable(GIVEN[name].right)]
    assert anew.CHANGED.keys() == set(FUNCTIONS)


def by_heart(probe, right):
    """An answer that gives back, call for call, what the right one gave under a probe."""
    given = []

    def listen(*args, **options):
        given.append(right(*args, **options))
        return given[-1]

    probe(listen)
    rest = iter([])

    def recite(*args, **options):
        nonlocal rest
        value = next(rest, None)
        if value is None:
            rest = iter(given)
            value = next(rest)
        return value

    return recite


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_right_answer_stays_right_and_one_by_heart_does_not(name):
    task = GIVEN[name]
    usual = task.probe(task.right)
    for seed in SEEDS:
        found = inside.answered(name, task.right, task.probe, seed)
        assert marks.mark(name, json.loads(json.dumps(found)), seed) == marks.Mark("right", "right")
        assert not checks.same(sent_back(found["anew"]), usual, task.tolerance)
        found = inside.answered(name, by_heart(task.probe, task.right), task.probe, seed)
        assert marks.mark(name, found, seed).status != "right"


def sent_back(found):
    return wire.unpacked(json.loads(json.dumps(found["got"])))


def right_forms():
    """[(exercise, answer)]: all right forms of an answer that the tests of the questions know."""
    pairs = []
    for path in sorted(Path(__file__).parent.glob("test_questions_*.py")):
        known = vars(importlib.import_module(path.stem))
        right = known.get("RIGHT", [])
        pairs += right if isinstance(right, list) else [(n, a) for n, each in right.items() for a in each]
        tables = known.get("ANSWERS", {})
        tables = {"weight without k": tables} if path.stem.endswith("online") else dict(tables)
        if path.stem.endswith("rehearsal"):
            tables = {"old answers": known["OLD_ANSWERS"], "herding": known["HERDING"]}
        for name, rows in tables.items():
            pairs += [(name, answer) for answer, words in rows.values() if words in ("", "Right")]
    return pairs


@pytest.mark.parametrize("name", GIVEN)
def test_every_right_form_is_right_for_other_inputs_too(name):
    answers = [answer for other, answer in right_forms() if other == name]
    assert len(answers) >= 2 or name == "average"
    for answer in answers:
        for seed in SEEDS:
            found = inside.answered(name, answer, GIVEN[name].probe, seed)
            assert marks.mark(name, json.loads(json.dumps(found)), seed).words == "right"


@pytest.mark.parametrize("name", GIVEN)
def test_a_misconception_is_recognised_on_the_other_side_of_a_process(name):
    probe = GIVEN[name].probe or (lambda answer: answer)
    for wrong in GIVEN[name].wrong:
        found = json.loads(json.dumps(inside.answered(name, wrong.answer, probe, 0)))
        assert marks.mark(name, found, 0) == marks.Mark("misconception", wrong.name)


def test_the_inputs_are_drawn_anew_for_each_seed():
    drawn = {anew.numbers_of(seed, "penalty") for seed in range(20)}
    assert len(drawn) == 20 and anew.numbers_of(3, "penalty") == anew.numbers_of(3, "penalty")
    for a, n in drawn:
        assert 0.6 <= a <= 0.9 and n in range(2, 10)


def test_what_a_student_s_process_may_send():
    for junk in ({}, {"got": 3}, {"got": {"literal": "f("}}):
        assert marks.mark("penalty", junk, 0).status == "error"
    assert marks.mark("penalty", {"empty": True}, 0) == marks.NOTHING
    asked = [cells.Asked("penalty", (0, 1), "penalty"), cells.Asked("merge", (0, 2), "merge")]
    junk = [{"name": []}, {"name": "noise", "got": 3}, {"name": "merge", "got": 3, "anew": 3}]
    assert marks._told(junk, asked, 0) == {"merge": marks.error("an answer that cannot be read")}
    for begun, hit in (
        ({}, 2),
        ({"begin": "x"}, 2),
        ({"begin": [], "cell": 2}, 1),
        ({"begin": "x", "cell": 0}, 2),
    ):
        assert len(marks._ended(apart.Heard([begun], "", 0), asked)) == hit
    assert marks.mark("noise", {"got": wire.packed(GIVEN["noise"].right)}, 0).status == "right"
    got = wire.packed(GIVEN["penalty"].probe(GIVEN["penalty"].right))
    assert marks.mark("penalty", {"got": got}, 0).words == marks.ONLY_THERE  # never asked anew


# ---- a folder


def laid(where, paths):
    """Write a folder of files with one byte each; a path that ends on / is an empty folder."""
    for name in paths:
        path = where / unicodedata.normalize("NFD", name)
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_text("x")


def test_whose_a_paper_is(tmp_path):
    paths = ["Änne Groß.ipynb", "ben.docx", ".DS_Store", "desktop.ini", "Thumbs.db", "~$ben.docx"]
    paths += ["__MACOSX/._ben.docx", ".ipynb_checkpoints/ben.ipynb", "_anna_/_last.IPYNB"]
    paths += ["zoë/sub/a.ipynb", "zoë/data.csv", "zoë/.ipynb_checkpoints/a.ipynb", "zoë/__MACOSX/._a.ipynb"]
    paths += ["no notebook/essay.txt", "nothing/", "nothing, too/.DS_Store"]
    laid(tmp_path, paths)
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "ben.docx")
    found = [(paper.student, paper.file) for paper in folder.handed_in(tmp_path)]
    assert found == [
        ("_anna_", "_anna_/_last.IPYNB"),
        ("Änne Groß", "Änne Groß.ipynb"),
        ("ben", "ben.docx"),
        ("no notebook", "no notebook/essay.txt"),
        ("nothing", "nothing"),
        ("nothing, too", "nothing, too"),
        ("zoë", "zoë/sub/a.ipynb"),
    ]


def test_what_is_no_folder_of_papers_is_said(tmp_path):
    laid(tmp_path, ["class.zip", "empty/", "left/.ipynb_checkpoints/", "left/__MACOSX/"])
    for name, what in (
        ("class.zip", "got a file. Unpack a zip"),
        ("nowhere", "got nothing of that name. It was looked for"),
    ):
        with pytest.raises(NotADirectoryError, match=f"expected the folder with what was handed in, {what}"):
            folder.handed_in(tmp_path / name)
    for name, what in (("empty", "an empty folder"), ("left", ".ipynb_checkpoints, __MACOSX")):
        with pytest.raises(FileNotFoundError, match=f"expected a notebook or a folder .* got {what}"):
            book.grade(tmp_path / name)


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    laid(tmp_path, ["a.ipynb"])
    monkeypatch.setattr(folder, "LARGEST", 0)
    assert folder.handed_in(tmp_path) == [folder.Paper("a", "a.ipynb", b"", "larger than 0 MB")]


def test_a_folder_as_it_arrives_on_a_sunday_night(tmp_path, capsys, monkeypatch):
    """Blanks and umlauts in its own path, a zip of another system, a student's zip, an empty folder."""
    class_ = tmp_path / "Übung 3 (Gruppe Ä)" / "Abgaben nr 1"
    laid(class_, ["anna.zip", "ben/", "__MACOSX/._a.ipynb", ".ipynb_checkpoints/a-checkpoint.ipynb"])
    (class_ / "carl.ipynb").write_bytes(b"%PDF-1.7 printed, and renamed")
    (class_ / "dora.ipynb").write_bytes(b"\n")
    if sys.platform.startswith("linux"):  # elsewhere a name is always text
        (class_ / os.fsdecode(b"M\x81ller.ipynb")).write_bytes(notebook("x = 1"))
    else:
        (class_ / "M�ller.ipynb").write_bytes(notebook("x = 1"))
    monkeypatch.chdir(class_ / "ben")
    command.main(["..", "--lesson", str(papers.LESSON)])
    assert "Abgaben nr 1.csv" in capsys.readouterr().out
    table = pd.read_csv(class_.with_name("Abgaben nr 1.csv"), encoding="utf-8-sig", keep_default_na=False)
    told = dict(zip(table["student"], zip(table["penalty"], table["note"])))
    assert told == {
        "anna": ("error: no notebook", "unpack it, and grade again"),
        "ben": ("error: no notebook", "an empty folder"),
        "carl": ("error: no notebook", "a PDF"),
        "dora": ("error: no notebook", "an empty file"),
        "M�ller": ("no such cell", ""),
    }
    assert class_.with_name("Abgaben nr 1.png").exists()


def test_a_table_that_cannot_be_written_is_shown_all_the_same(tmp_path, capsys):
    laid(tmp_path, ["class/a.ipynb", "class.csv/"])
    with pytest.raises(SystemExit, match="class.csv.*could not be written. Close it where it is open"):
        command.main([str(tmp_path / "class")])
    assert "a.ipynb" in capsys.readouterr().out


def test_the_table_the_file_and_the_picture(tmp_path, capsys):
    mark = marks.Mark("misconception", "forgot λ")
    rows = [
        book.Row("=1+1", "a.ipynb", {"penalty": mark, "noise": marks.NOTHING}, ""),
        book.Row("Änne", "b.ipynb", {"penalty": marks.Mark("right", "right"), "noise": marks.NO_CELL}, "x"),
        book.Row("Änne", "c.ipynb", {"penalty": marks.error("calls exit"), "noise": marks.NO_CELL}, ""),
    ]
    made = book.Book(["penalty", "noise"], rows, 7)
    assert made.table()["right"].tolist() == ["0 of 2", "1 of 2", "0 of 2"]
    assert made.labels() == ["=1+1", "b.ipynb", "c.ipynb"]
    (tmp_path / "it.csv").write_bytes(made.csv())
    again = pd.read_csv(tmp_path / "it.csv", encoding="utf-8-sig", keep_default_na=False)
    assert again["student"].tolist() == ["'=1+1", "Änne", "Änne"]
    assert again["penalty"].tolist() == ["forgot λ", "right", "error: calls exit"]
    assert made.by_check_alone() == ["noise"] and "noise." in command.told(made)
    sentence = command.picture(made, tmp_path / "it.png")
    assert (tmp_path / "it.png").read_bytes()[:4] == b"\x89PNG"
    assert sentence == ("Marks of 3 papers: penalty 1 right, most often “forgot λ” (1) and noise 0 right.")


def test_a_heat_map_refuses_what_it_cannot_draw():
    _, ax = plots.figure()
    with pytest.raises(ValueError, match="expected 2 rows of 1, got 1 rows of"):
        plots.marks([["right"]], ax, ["a", "b"], ["x"])
    with pytest.raises(ValueError, match="status must be one of 'right'.*got 'fine'"):
        plots.marks([["fine"]], ax, ["a"], ["x"])


def test_limits_are_refused():
    for wrong in (dict(seconds=0), dict(megabytes=-1), dict(seconds=math.nan)):
        with pytest.raises(ValueError, match="must be a finite number > 0"):
            apart.Limits(**wrong)
    with pytest.raises(TypeError, match="seconds must be"):
        apart.Limits("60")


def test_the_command_says_what_is_wrong(tmp_path):
    with pytest.raises(SystemExit, match="expected the folder with what was handed in"):
        command.main([str(tmp_path / "nowhere")])
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "a.ipynb").write_text("x")
    with pytest.raises(SystemExit, match="a.ipynb: expected a lesson, got no notebook"):
        command.main([str(tmp_path / "class"), "--lesson", str(tmp_path / "class" / "a.ipynb")])
    for name, got in (("03_ewc", "nothing of that name"), (str(tmp_path), "a folder")):
        what = f"{name}: expected the notebook that was handed out, got {got}.*notebooks/03_ewc.ipynb"
        with pytest.raises(SystemExit, match=what):
            command.main([str(tmp_path / "class"), "--lesson", name])
    (tmp_path / "empty.ipynb").write_bytes(notebook("x = 1"))
    with pytest.raises(SystemExit, match="expected a lesson with exercises"):
        command.main([str(tmp_path / "class"), "--lesson", str(tmp_path / "empty.ipynb")])
    with pytest.raises(SystemExit, match="jobs must be a whole number >= 1, got 0"):
        command.main([str(tmp_path / "class"), "--jobs", "0"])
    with pytest.raises(SystemExit, match="seconds must be a finite number > 0, got 0"):
        command.main([str(tmp_path / "class"), "--seconds", "0"])
    command.main([str(tmp_path / "class")])  # without any exercise there is no picture
    assert not (tmp_path / "class.png").exists() and (tmp_path / "class.csv").exists()


# ---- students' code


@pytest.mark.skipif(not apart.Path("/proc/self/stat").exists(), reason="there is no /proc here")
def test_a_process_is_ended():
    job = {"cells": ["while True: pass"], "seed": 0, "asked": [{"name": "merge", "run": [0], "answer": "1"}]}
    heard = apart.run(job, apart.Limits(seconds=600, megabytes=20))
    assert heard.ended == "took more than 20 MB"
    assert heard.messages[-1] == {"begin": "merge", "cell": 0}
    heard = apart.run(job, apart.Limits(seconds=3))
    assert heard.ended == "ran longer than 3 s"


FEW = "ends.ipynb", "exits.ipynb", "copies.ipynb", "redefines, wrong.ipynb"
FEW += "by heart.ipynb", "writes.ipynb", "Zoë van den Berg/EWC, my last try (2).ipynb", "an essay.ipynb"


def test_some_of_a_class_get_their_marks(tmp_path, capsys):
    expected = papers.papers(tmp_path / "class", {path: papers.everyone()[path] for path in FEW})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.ipynb")}
    command.main([str(tmp_path / "class"), "--lesson", str(papers.LESSON), "--jobs", "1", "--seed", "5"])
    said = capsys.readouterr().out
    assert "--seed 5" in said and "Marks of 8 papers" in said
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.ipynb")} == before
    assert {path.name for path in tmp_path.iterdir()} == {"class", "class.csv", "class.png"}
    table = pd.read_csv(tmp_path / "class.csv", encoding="utf-8-sig", keep_default_na=False)
    found = {row["file"]: {name: row[name] for name in papers.NAMES} for _, row in table.iterrows()}
    assert found == expected


def test_a_class_has_every_misconception_of_the_lesson():
    expected = {path: told for path, (_, told) in papers.everyone().items()}
    assert len(expected) >= 30
    for name in papers.NAMES:
        known = {wrong.name for wrong in GIVEN[name].wrong}
        assert set(papers.KNOWN[name]) == known <= {told[name] for told in expected.values()}


def test_an_ordinary_class_is_half_right_and_has_no_errors():
    told = [expected for _, expected in papers.ordinary().values()]
    assert len(told) == 30 and sum(each == papers.RIGHT for each in told) == 15
    known = {name: {"right", *papers.KNOWN[name]} for name in papers.NAMES}
    assert all(each[name] in known[name] for each in told for name in papers.NAMES)


def test_what_is_not_in_a_table_is_told():
    row = book.Row("a", "a.ipynb", {"merge": marks.NOTHING}, "")
    made = book.Book(["merge"], [row], 0)
    lines = grading.differences(made, {"a.ipynb": {"merge": "right"}, "b.ipynb": {}})
    assert lines == ["b.ipynb is not in the table", "a.ipynb, merge: expected 'right', got 'not attempted'"]


def test_code_that_changes_the_grader_is_told(tmp_path, monkeypatch):
    (tmp_path / "a.ipynb").write_bytes(notebook("x = 1"))
    seen = iter(["before", "after"])
    monkeypatch.setattr(book, "own_files", lambda: next(seen))
    with pytest.raises(RuntimeError, match="a.ipynb, or what ran beside it, has changed files"):
        book.grade(tmp_path)
    monkeypatch.undo()
    assert book.own_files() == book.own_files() and len(book.own_files()) == 64


def test_an_exam_gives_no_hint_and_no_value(monkeypatch):
    monkeypatch.setenv("EDGECL_EXAM", "1")
    for wrong in GIVEN["penalty"].wrong:
        verdict = checks.judge("penalty", wrong.answer)
        assert verdict.status == "wrong" and verdict.misconception is None
        assert wrong.name not in verdict.text and wrong.hint not in verdict.text
    assert "13" not in checks.judge("broken client", 5).text
    assert checks.judge("penalty", GIVEN["penalty"].right).status == "right"
    assert checks.judge("penalty", ...).status == "not attempted"
    assert "ZeroDivisionError" in checks.judge("penalty", lambda *a: 1 / 0).text


def test_solutions_are_what_the_class_is_made_of():
    assert solutions(read(papers.LESSON)).keys() == set(papers.NAMES)
