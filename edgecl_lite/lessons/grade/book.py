"""A folder of what students handed in, graded: students × exercises, as a table and a heat map.

All papers are read (folder.py) before any code runs. Every file has a row of its own: of two that
one student handed in the teacher says which counts. Lesson: ewc.
"""

import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ..._refuse.arguments import whole
from .. import check
from .anew import CHANGED
from .apart import Limits
from .cells import asked, read
from .folder import handed_in
from .marks import NO_CELL, error, graded

LESSON = "Give its file, for example --lesson notebooks/03_ewc.ipynb"
SPREADSHEET = "=", "+", "-", "@", "\t", "\r"  # what makes a formula of a name


@dataclass(frozen=True)
class Row:
    """A paper's marks, {exercise: Mark}, and what else there is to say of it."""

    student: str
    file: str
    marks: dict
    note: str


@dataclass(frozen=True)
class Book:
    """The marks of a folder; seed: of the inputs that were drawn for them."""

    exercises: list
    rows: list
    seed: int

    def table(self):
        """A DataFrame, a row a paper: student, file, a column an exercise, right, note."""
        import pandas as pd

        return pd.DataFrame(map(self._line, self.rows))

    def _line(self, row):
        marks = {name: row.marks[name] for name in self.exercises}
        right = sum(mark.status == "right" for mark in marks.values())
        words = {name: mark.words for name, mark in marks.items()}
        whose = {"student": row.student, "file": row.file}
        return whose | words | {"right": f"{right} of {len(marks)}", "note": row.note}

    def labels(self):
        """A name for each row: the student, or the file where there are several of one."""
        whose = [row.student for row in self.rows]
        return [r.student if whose.count(r.student) == 1 else r.file for r in self.rows]

    def csv(self):
        """The table as CSV, in UTF-8 as spreadsheets know it; no name becomes a formula."""
        table = self.table().map(lambda v: f"'{v}" if v.startswith(SPREADSHEET) else v)
        return table.to_csv(index=False).encode("utf-8-sig")

    def by_check_alone(self):
        """Exercises whose marks rest on `check`'s own probe: their answers are no functions."""
        return [name for name in self.exercises if name not in CHANGED]


def grade(folder, lesson=None, limits=None, seed=None, jobs=2):
    """Grade all that lies in a folder; returns a `Book`.

    lesson: path of the notebook that was handed out; its exercises are the columns (default: those
    that occur in any paper). limits: `Limits` (default: 60 s, 2,000 MB). seed: of the inputs for
    marks (default: drawn anew). jobs: papers at once. Raises FileNotFoundError where nothing was
    handed in, RuntimeError where a paper's code has changed the files that it is graded with.
    """
    papers, limits = handed_in(folder), limits or Limits()
    names = None if lesson is None else asked_in(lesson)
    seed, before = secrets.randbits(32) if seed is None else seed, own_files()
    with ThreadPoolExecutor(whole("jobs", jobs)) as pool:
        marked = pool.map(lambda paper: _marked(paper, limits, seed, before), papers)
        found = [*tqdm(marked, "papers", len(papers), disable=None)]  # a teacher waits minutes
    names = names or columns(marks for marks, _ in found)
    whose = [paper.student for paper in papers]
    rows = [_row(p, *f, names, whose.count(p.student)) for p, f in zip(papers, found)]
    return Book(names, rows, seed)


def _marked(paper, limits, seed, files):
    """({exercise: Mark}, note) of a paper; {"": Mark} where it is no notebook."""
    try:
        cells = read(paper.raw)
    except ValueError as problem:
        return {"": error(str(problem))}, paper.note
    marks, printed = graded(cells, limits, seed)
    if own_files() != files:
        what = "has changed files of edgecl_lite, so that no mark is safe"
        way = "Read it, install the package anew, and leave it out"
        raise RuntimeError(f"{paper.file}, or what ran beside it, {what}. {way}")
    return marks, f"printed {printed / 1e6:.0f} MB" if printed >= 1e6 else ""


def _row(paper, marks, note, names, papers):
    notes = [note, f"one of {papers} files" if papers > 1 else ""]
    whole = {name: marks.get(name, marks.get("", NO_CELL)) for name in names}
    return Row(paper.student, paper.file, whole, "; ".join(filter(None, notes)))


def columns(found):
    """All exercises of several papers, in the order of the first that has each."""
    return list(dict.fromkeys(name for names in found for name in names if name))


def asked_in(lesson):
    """The exercises of the notebook that was handed out.

    FileNotFoundError where there is no such file, ValueError where it has no exercises.
    """
    check.load()
    if not Path(lesson).is_file():
        got = "a folder" if Path(lesson).is_dir() else "nothing of that name"
        what = f"expected the notebook that was handed out, got {got}"
        raise FileNotFoundError(f"{lesson}: {what}. Looked for in {Path.cwd()}. {LESSON}")
    try:
        names = [one.name for one in asked(read(Path(lesson).read_bytes()))]
    except ValueError as problem:
        raise ValueError(f"{lesson}: expected a lesson, got {problem}. {LESSON}") from None
    if found := [name for name in names if name in check.exercises]:
        return found
    raise ValueError(f"{lesson}: expected a lesson with exercises, found none that `check` knows")


def own_files():
    """A digest of the package's files: code of a student could write into them."""
    digest, package = hashlib.sha256(), Path(check.__file__).parents[1]
    for path in sorted(p for p in package.rglob("*") if p.suffix in (".py", ".json")):
        digest.update(f"{path} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()
