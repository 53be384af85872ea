"""Our nbgrader form in nbgrader itself:  python tests/tools/nbgraded.py [FILE]   (`make nbgrader` does)

Makes the assignment of one lesson from our source form and compares it with our release form; validates the
metadata of both and runs the source's tests; then autogrades three students, and compares each point with
what `edgecl_lite.lessons.grade` says of the same files. Ends with an error where anything differs. With a
FILE it only writes there, as JSON, what it saw: test_nbgrader.py does the comparing. Lesson: ewc.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from handouts import handouts
from lessons import solutions, tagged
from papers import KNOWN, LESSON, NAMES, answer, marks, read

from edgecl_lite.lessons.grade.book import grade

STEM = LESSON.stem
LIMIT = 60  # s that autograding one student may take


def nbgrader(course, *words):
    """Run nbgrader in a course; returns what it says. CalledProcessError, after its words, if it fails."""
    command = [sys.executable, "-m", "nbgrader", *words]
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))  # it calls alembic
    own = {"PATH": path, "JUPYTER_CONFIG_DIR": str(course)}  # nobody's settings but the course's
    done = subprocess.run(command, cwd=course, text=True, capture_output=True, env={**os.environ, **own})
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
    """{student: ({exercise: source}, {exercise: its point})}; without a source an exercise is untouched."""
    right = solutions(read(LESSON))
    wrong = {"merge": answer("merge", KNOWN["merge"]["anchor first"])}
    wrong |= {"penalty": answer("penalty", KNOWN["penalty"]["forgot λ"])}
    return {
        "right": (right, marks(True, True, True)),
        "wrong": (wrong, marks(False, False, False)),
        "stops": (right | {"merge": "1 / 0"}, marks(True, False, True)),
    }


def hand_in(root, release):
    """Write what the students hand in of the released notebook."""
    for student, (answers, _) in students().items():
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


def own_points(root):
    """{student: {exercise: whether our grading says "right"}}, of the same files."""
    rows = grade(root / "submitted", LESSON).rows
    return {row.student: {n: mark.status == "right" for n, mark in row.marks.items()} for row in rows}


def seen():
    """What nbgrader and our grading make of the lesson, in a course that is thrown away."""
    from nbgrader.nbgraderformat import MetadataValidator

    with tempfile.TemporaryDirectory() as folder:
        root = course(Path(folder))
        source, release = (root / form / STEM / LESSON.name for form in ("source", "release"))
        for form in (source, release):  # raises where the metadata are not nbgrader's
            MetadataValidator().validate_nb(nbformat.read(form, as_version=4))
        validate, ours = nbgrader(root, "validate", str(source)).strip(), sources(release)
        nbgrader(root, "generate_assignment", STEM, "--create", "--force")
        same = sources(release) == ours
        hand_in(root, release)
        start = time.perf_counter()
        nbgrader(root, "autograde", STEM)
        seconds = (time.perf_counter() - start) / len(students())
        both = {"nbgrader": points(root), "grade": own_points(root)}
    return {"validate": validate, "same release": same, "seconds": seconds, **both}


def differences(seen):
    """Lines on whatever is not as it must be."""
    found = [] if seen["validate"].startswith("Success") else [f"validate says: {seen['validate']}"]
    if not seen["same release"]:
        found.append("generate_assignment gives another release form than ours")
    for who in ("nbgrader", "grade"):
        for student, (_, expected) in students().items():
            if (got := seen[who].get(student)) != expected:
                found.append(f"{who}, {student}: expected {expected}, got {got}")
    return found


def main(file=None):
    found = seen()
    if file:
        return Path(file).write_text(json.dumps(found), encoding="utf-8")
    print(json.dumps(found, indent=2, ensure_ascii=False))
    print(f"autograde: {found['seconds']:.0f} s for each student (at most {LIMIT})")
    sys.exit("\n".join(differences(found)) or 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
