"""Classes graded and their marks compared:  python tests/tools/grading.py [JOBS]   (`make class`)

Thirty ordinary papers of the EWC lesson and the nasty ones, both of papers.py; and every lesson with its own
solutions, which must all be right. JOBS students at once (2). Ends with an error where a mark is another than
it must be. Some of the nasty ones wait for limits of time and memory, so theirs is no speed. Lesson: ewc.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from lessons import lessons, read, solutions, solved
from papers import LESSON, MEGABYTES, SECONDS, everyone, ordinary, papers

from edgecl_lite.lessons.grade.__main__ import told
from edgecl_lite.lessons.grade.apart import Limits
from edgecl_lite.lessons.grade.book import grade

MINUTES = 5  # that thirty ordinary papers may take on two cores


def differences(book, expected):
    """Lines on every mark that is another than it must be."""
    found = {row.file: {name: mark.words for name, mark in row.marks.items()} for row in book.rows}
    lacking = [f"{path} is not in the table" for path in expected.keys() ^ found.keys()]
    wrong = []
    for path in sorted(expected.keys() & found.keys()):
        for name, want in expected[path].items():
            if (got := found[path].get(name)) != want:
                wrong.append(f"{path}, {name}: expected {want!r}, got {got!r}")
    return lacking + wrong


def answered(folder):
    """Write every lesson with its solutions into a folder, a student each; returns {path: marks}."""
    for path in lessons():
        nbformat.write(solved(read(path)), folder / path.name)
    return {path.name: dict.fromkeys(solutions(read(path)), "right") for path in lessons()}


def processor():
    """Seconds of a core that this process and the ended ones which it started have taken."""
    return sum(os.times()[:4])


def graded(what, write, lesson, jobs):
    """Grade what a function writes into a folder; lines on every mark that differs."""
    with tempfile.TemporaryDirectory() as folder:
        expected = write(Path(folder))
        start, before = time.perf_counter(), processor()
        book = grade(folder, lesson, Limits(SECONDS, MEGABYTES), jobs=jobs)
        seconds, busy = time.perf_counter() - start, processor() - before
    if lesson:
        print(told(book))
    wrong = differences(book, expected)
    took = f"{seconds:.0f} s with {jobs} jobs, {busy:.0f} s of a core"
    print(f"{what}: {len(expected)} papers in {took}; {len(wrong)} marks other than expected", flush=True)
    return wrong


def main():
    jobs = int(sys.argv[1]) if sys.argv[1:] else 2
    limit = f"ordinary (at most {MINUTES} minutes on two cores)"
    wrong = graded(limit, lambda folder: papers(folder, ordinary()), LESSON, jobs)
    wrong += graded("nasty", lambda folder: papers(folder, everyone()), LESSON, jobs)
    wrong += graded("every lesson, solved", answered, None, jobs)
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
