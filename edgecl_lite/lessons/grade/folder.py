"""What lies in a folder of papers: whose each is, its bytes. Nothing is run.

A file in the folder is a student's, called as the student is; a folder in it is a student's too,
with all notebooks in it. What systems and editors leave behind is nobody's: hidden files, __MACOSX,
desktop.ini. Whatever else lies there is somebody's, and has its row. Lesson: ewc.
"""

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

LARGEST = 50_000_000  # bytes of a notebook
LEFT_BEHIND = ".", "__", "~$"  # .DS_Store, .ipynb_checkpoints; __MACOSX; a document that is open
OF_WINDOWS = "desktop.ini", "thumbs.db"


@dataclass(frozen=True)
class Paper:
    """What was handed in: whose it is, the file's path in the folder, its bytes, a note on them."""

    student: str
    file: str
    raw: bytes
    note: str = ""


def handed_in(folder):
    """The papers of a folder, by student.

    Raises NotADirectoryError where it is no folder, FileNotFoundError where no paper lies in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        got, way = "nothing of that name", f"It was looked for in {Path.cwd()}"
        if folder.exists():
            got, way = "a file", "Unpack a zip; put a single notebook into a folder of its own"
        what = "expected the folder with what was handed in"
        raise NotADirectoryError(f"{folder}: {what}, got {got}. {way}")
    own = [path for path in folder.iterdir() if _somebodys(path)]
    if not own:
        got = ", ".join(sorted(words(path.name) for path in folder.iterdir())) or "an empty folder"
        what = "expected a notebook or a folder for each student"
        raise FileNotFoundError(f"{folder}: {what}, got {got}. Put into it what was handed in")
    papers = [_paper(path, one, folder) for path in own for one in _files(path)]
    return sorted(papers, key=lambda paper: (_place(paper.student), paper.file))


def words(name):
    """A file's name as text, in one spelling; what another system's zip has spoilt is a �."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))


def _place(name):
    """Where a name stands in a list: Ä beside A, z behind both."""
    letters = unicodedata.normalize("NFKD", name)
    return "".join(c for c in letters if not unicodedata.combining(c)).casefold(), name


def _somebodys(path):
    left = path.name.startswith(LEFT_BEHIND) or path.name.lower() in OF_WINDOWS
    return not left and not path.is_symlink()


def _files(path):
    """A file itself; of a folder the notebooks or, without one, a file that there is, or itself."""
    if path.is_file():
        return [path]
    every = [one for one in sorted(path.rglob("*")) if one.is_file()]
    seen = [one for one in every if all(map(_somebodys, (one, *_between(one, path))))]
    return [one for one in seen if one.suffix.lower() == ".ipynb"] or seen[:1] or [path]


def _between(path, folder):
    """The folders from a file up to one that it lies in."""
    return [one for one in path.parents if one.is_relative_to(folder) and one != folder]


def _paper(whose, path, folder):
    name = whose.name if whose.is_dir() else whose.stem
    file = words(path.relative_to(folder).as_posix())
    return Paper(words(name), file, *_read(path))


def _read(path):
    """The bytes of a file, and what there is to say of it; none where it is none."""
    if path.is_dir():
        return b"", "an empty folder"
    if path.stat().st_size > LARGEST:
        return b"", f"larger than {LARGEST / 1e6:.0f} MB"
    raw = path.read_bytes()
    return raw, _seen(path, raw)


def _seen(path, raw):
    """What a file is that cannot be a notebook, whatever it is called; else nothing."""
    if not raw.strip():
        return "an empty file"
    if raw.startswith(b"%PDF-"):
        return "a PDF"
    return "unpack it, and grade again" if path.suffix.lower() == ".zip" else ""
