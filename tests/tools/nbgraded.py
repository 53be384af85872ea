"""Our nbgrader form in nbgrader itself:  python tests/tools/nbgraded.py   (`make nbgrader` has it installed)

Makes the assignment of one lesson from our source form and compares it with our release form; validates the
metadata of both and runs the source's tests; then autogrades four students, and compares each point with what
`edgecl_lite.lessons.grade` says of the same files. Ends with an error where anything differs. Lesson: ewc.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from handouts import handouts
from lessons import solutions, tagged
from papers import KNOWN, LESSON, NAMES, answer, read

from edgecl_lite.lessons.grade.book import grade

STEM = LESSON.stem
LIMIT = 60  # s that autograding one student may take


def nbgrader(course, *words):
    """Run nbgrader in a course; returns what it says. CalledProcessError, after its words, if it fails."""
    command = [sys.executable, "-m", "nbgrader", *words]
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))  # it calls alembic
    done = subprocess.run(
        command, cwd=course, text=True, capture_output=True, env={**os.environ, "PATH": path}
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
        done.check_returncode()
    return done.stdout


def course(folder):
    """Our nbgrader form of the lesson, in a folder; returns the path of the course."""
    for path, text in handouts()["nbgrader"].items():
        if STEM in path or path.endswith("config.py"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    return folder / "nbgrader"


def sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def students():
    """{student: {exercise: source}}: all right, some wrong, nothing, one that stops."""
    right = solutions(read(LESSON))
    wrong = {"merge": answer("merge", KNOWN["merge"]["anchor first"])}
    wrong |= {"penalty": answer("penalty", KNOWN["penalty"]["forgot λ"])}
    return {"right": right, "wrong": right | wrong, "empty": {}, "stops": right | {"merge": "1 / 0"}}


def hand_in(root, release):
    """Write what the students hand in of the released notebook."""
    for student, answers in students().items():
        notebook = nbformat.read(release, as_version=4)
        for name, cell in tagged(notebook, "exercise").items():
            cell.source = answers.get(name, cell.source)
        path = root / "submitted" / student / STEM / LESSON.name
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


def points(root):
    """{student: {exercise: whether nbgrader gave the point}}."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as book:
        found = {}
        for student in students():
            graded = book.find_submission_notebook(STEM, STEM, student)
            given = {grade.name: grade.score == 1 for grade in graded.grades}
            found[student] = {n: given[f"check-{n.replace(' ', '-')}"] for n in NAMES}
    return found


def main():
    from nbgrader.nbgraderformat import MetadataValidator

    with tempfile.TemporaryDirectory() as folder:
        root = course(Path(folder))
        ours = root / "release" / STEM / LESSON.name
        expected = sources(ours)
        for form in (root / "source" / STEM / LESSON.name, ours):
            MetadataValidator().validate_nb(nbformat.read(form, as_version=4))
        said = nbgrader(root, "validate", str(root / "source" / STEM / LESSON.name))
        print("validate, on the source form:", said.strip())
        nbgrader(root, "generate_assignment", STEM, "--create", "--force")
        same = sources(ours) == expected
        print("generate_assignment gives our release form:", same)
        hand_in(root, ours)
        start = time.perf_counter()
        nbgrader(root, "autograde", STEM)
        seconds = (time.perf_counter() - start) / len(students())
        print(f"autograde: {seconds:.0f} s for each of {len(students())} students (at most {LIMIT})")
        theirs = points(root)
        rows = grade(root / "submitted", LESSON).rows
        own = {row.student: {n: mark.status == "right" for n, mark in row.marks.items()} for row in rows}
    for student in theirs:
        print(f"{student:8} nbgrader {theirs[student]}  grade {own[student]}")
    agree = theirs == own and "Success" in said and same
    sys.exit(0 if agree else "they do not agree")


if __name__ == "__main__":
    main()
