"""What a class on one server is measured with, by its parts that need no server."""

import re

import pytest
import served_words as words
from hub import SOONER, settings, wanted
from served_words import Class, fit, part, per_student
from students import SLIDES, TRAINS, WHERE, cells, rollup

ROLLUP = """56516b471000-7ffceb870000 ---p 00000000 00:00 0                          [rollup]
Rss:                1808 kB
Pss:                 239 kB
Pss_Dirty:           116 kB
SwapPss:               0 kB
"""
GB = 10**9


def a_class(students, threads=1, seconds=30.0):
    """A made-up class: 0.1 GB that all share, and 0.4 GB each."""
    full = GB // 10 + students * 4 * GB // 10
    waits = [0.020, 0.030, 0.500]
    return Class(students, threads, students * GB // 8, full, students * GB, [seconds] * students, waits)


def test_rollup_is_read_in_bytes():
    assert rollup(ROLLUP) == {"Rss": 1808 * 1024, "Pss": 239 * 1024, "Pss_Dirty": 116 * 1024, "SwapPss": 0}
    assert rollup("") == {}


def test_as_many_fit_as_leave_the_system_its_part():
    classes = [a_class(1), a_class(8)]
    assert per_student(classes) == 0.4 * GB
    assert fit(classes, room=7 * GB) == 17  # 0.1 + 17 · 0.4 = 6.9
    assert fit(classes, room=6.9 * GB) == 17 and fit(classes, room=6.8 * GB) == 16
    assert fit(classes, room=2 * GB) == 4  # fewer than were measured


def test_table_says_what_was_measured():
    text = part(
        [a_class(8, seconds=120.0), a_class(4, 2, seconds=90.0), a_class(4, seconds=60.0), a_class(1)]
    )
    rows = [line for line in text.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert rows == [
        "| 1 | 0.1 GB | 0.5 GB | 30 s | 30 ms |",
        "| 4 | 0.5 GB | 1.7 GB | 60 s | 30 ms |",
        "| 8 | 1.0 GB | 3.3 GB | 120 s | 30 ms |",
    ]
    assert "**16 students**" in text and "400 MB" in text and "1000 MB a student" in text
    assert "adds 0.50 of the time" in text and "1.50 times as long (90 s against 60 s)" in text


def test_sentence_on_threads_only_where_they_were_compared():
    assert "OMP_NUM_THREADS" not in part([a_class(1), a_class(8), a_class(4, 2)])
    assert "OMP_NUM_THREADS" not in part([a_class(1), a_class(8)])


def test_one_class_is_too_few_to_foretell():
    with pytest.raises(ValueError, match="two sizes.*got 1"):
        part([a_class(4)])


def test_only_what_stands_between_the_marks_is_filled():
    page = f"before\n{words.START}\nold\n{words.END}\nbetween\n{words.END}\n"
    assert words.filled(page, "new") == f"before\nnew\nbetween\n{words.END}\n"
    with pytest.raises(ValueError, match="measured by make server"):
        words.filled("no marks", "new")


def test_limit_of_servers_is_one_less_than_fit():
    text = words.limited("a = 1\nc.JupyterHub.active_server_limit = 99  # why\n", 14)
    assert text == "a = 1\nc.JupyterHub.active_server_limit = 14  # why\n"
    page = words.PAGE.read_text("utf-8")
    (fitting,) = re.findall(r"\*\*(\d+) students\*\*", page)
    assert words.limited(page, int(fitting) - 1) == page, "run `make server`"


def test_settings_are_those_that_a_hub_is_asked_for():
    environment, arguments = wanted(settings())
    assert environment["OMP_NUM_THREADS"] == "1" and int(environment["MEM_LIMIT"]) == 2**30
    assert "--MappingKernelManager.cull_connected=True" in arguments
    assert all(settings().count(slow) == 1 for slow in SOONER)  # what a trial hurries on is there


def test_guide_has_a_measured_table_and_the_cells_are_there():
    text = words.PAGE.read_text("utf-8")
    assert words.filled(text, "new") != text and "| students |" in text
    assert {TRAINS, SLIDES} <= cells().keys() and WHERE.endswith("03_ewc.ipynb")
