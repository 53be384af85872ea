"""The file beside the notebooks that holds a learner's dossier: read, changed, written as a whole.

    {"version": 1, "board": name, "job": name, "lines": {lesson: {…}}, "solved": [name, …],
     "guessed": {name: guess}}

dossier.json in the folder of the notebook, or where EDGECL_PROGRESS (or its older name,
EDGECL_DOSSIER) says. There is none, neither to read nor to write, where EDGECL_DOSSIER=off (our
tools) and where pytest, and so nbval, started this process: it sets PYTEST_CURRENT_TEST, and
kernels inherit it. Lesson: start_here.
"""

import os
from pathlib import Path

from ..machine import disk

VERSION = 1  # another one where what is kept changes its form, as by a new field of `Facts`
EMPTY = {"version": VERSION, "board": None, "job": None, "lines": {}, "solved": [], "guessed": {}}
LATER = {"guessed"}  # what files of older copies do not have


def place():
    """Path of the file; None where there shall be none."""
    said = os.environ.get("EDGECL_DOSSIER", "")
    said = said if said == "off" else os.environ.get("EDGECL_PROGRESS") or said
    if said == "off" or (not said and "PYTEST_CURRENT_TEST" in os.environ):
        return None
    return Path(said or "dossier.json").absolute()


def read():
    """(what is kept, a sentence on why nothing of a file could be used, or ""). Writes nothing."""
    path = place()
    if path is None or not path.exists():
        return EMPTY, ""
    try:
        value = disk.read_json(path, "")
        value = {name: EMPTY[name] for name in LATER} | value
        if value.keys() != EMPTY.keys() or value["version"] != VERSION:
            raise ValueError(f"{path} is no dossier of this version of the course")
        return value, ""
    except (OSError, ValueError, AttributeError) as error:  # the last: JSON, but no dict
        return EMPTY, f"{path.name} could not be read: {error}".strip().rstrip(".") + "."


def change(how):
    """Read, change by `how` (what is kept -> what shall be kept), write.

    Returns (what is kept now, a sentence on what went wrong, or ""). A file that cannot be used is
    set aside first, under a name of its own. Never raises OSError: where nothing can be written,
    the sentence says so. Two kernels that change at once wait for each other.
    """
    path = place()
    if path is None:
        return how(EMPTY), ""
    kept, told = EMPTY, ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with disk.alone(path.parent):
            kept, wrong = read()
            told = f"{wrong} {_set_aside(path)}" if wrong else ""
            disk.write(path, disk.to_json(how(kept), indent=1).encode())
    except OSError as error:
        told = f"This could not be kept in {path.name}: {error}."
    return how(kept), told


def solved(name):
    """Note that an exercise was solved. Never raises, and says nothing."""
    _note(lambda kept: kept | {"solved": sorted({*kept["solved"], name})})


def guessed(name, value):
    """Note a guess that was committed, in place of an older one. Never raises, and says nothing."""
    _note(lambda kept: kept | {"guessed": kept["guessed"] | {name: value}})


def _note(how):
    try:
        change(how)
    except Exception:  # a check of an answer, or a guess, must not fail by what it notes
        return


def _set_aside(path):
    """Rename a file, never over another one; says how."""
    numbers = ("", *map(str, range(2, 10_000)))
    names = (path.with_name(f"{path.name}.bak{number}") for number in numbers)
    aside = next(name for name in names if not name.exists())
    os.rename(path, aside)
    return f"It is now called {aside.name}, and a new one was begun."
