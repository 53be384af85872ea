"""What an answer is worth, judged where no code of a student runs.

A mark is "right" where the answer is right under the probe of `check` and, if it is a function,
under one with inputs of its own; which misconception it is, `check`'s probe says. Lesson: ewc.
"""

from dataclasses import asdict, dataclass

from .. import check
from . import apart
from .anew import CHANGED, asked_anew
from .cells import asked
from .wire import unpacked

ONLY_THERE = "right only for what `check` tries"


@dataclass(frozen=True)
class Mark:
    """status: one of those of `check`, or "error"; words: what the table says."""

    status: str
    words: str


NOTHING = Mark("not attempted", "not attempted")
NO_CELL = Mark("error", "no such cell")


def error(words):
    return Mark("error", f"error: {words}")


def mark(name, found, seed):
    """The `Mark` of what an answer gave, as inside.py found it."""
    if found.get("empty"):
        return NOTHING
    if "error" in found:
        return error(str(found["error"])[:100])
    try:
        task, got = check.exercises[name], unpacked(found.get("got"))
        like = check.like(task, got)
        if like == "right" and not _anew(task, found.get("anew"), seed):
            return Mark("wrong", ONLY_THERE)
    except Exception:  # whatever comes from a student's process, the others are graded
        return error("an answer that cannot be read")
    if like == "right":
        return Mark("right", "right")
    return Mark("misconception", like.name) if like else Mark("wrong", "wrong")


def _anew(task, found, seed):
    """Whether an answer is right for the inputs drawn for marks too; True if there are none."""
    if task.name not in CHANGED:
        return True
    if not isinstance(found, dict) or "got" not in found:
        return False
    right = asked_anew(task.name, check.watched(task.right), seed)
    return check.same(unpacked(found["got"]), task.probe(right), task.tolerance)


def graded(cells, limits, seed):
    """({exercise: Mark}, bytes printed) of the code cells of a notebook.

    Where an exercise ends its process, that is its mark, and the others go on in a new one.
    """
    check.load()
    left, marks, printed = [one for one in asked(cells) if one.name in check.exercises], {}, 0
    names = [one.name for one in left]
    while left:
        job = {"cells": [cell.source for cell in cells], "asked": [*map(asdict, left)]}
        heard = apart.run({**job, "seed": seed}, limits)
        printed += heard.printed
        marks |= _told(heard.messages, left, seed) or _ended(heard, left)
        left = [one for one in left if one.name not in marks]
    return {name: marks[name] for name in names}, printed


def _told(messages, left, seed):
    """{exercise: Mark} of the answers among the messages."""
    names = [one.name for one in left]
    told = [message for message in messages if message.get("name") in names]
    return {message["name"]: mark(message["name"], message, seed) for message in told}


def _ended(heard, left):
    """{exercise: Mark} where a process ended before it had answered anything.

    All exercises that need the cell it was in have the same mark, for they would end there, too.
    """
    begun = [message for message in heard.messages if "begin" in message]
    mark = error(heard.ended or "ends its process")
    name, cell = (begun[-1]["begin"], begun[-1].get("cell")) if begun else (None, None)
    hit = [one.name for one in left if one.name == name or cell in one.run]
    return dict.fromkeys(hit or [one.name for one in left], mark)
