"""Checks of a learner's answer: right, not attempted yet, or *which* misconception it is.

An exercise holds a right answer and known wrong ones, all code or values that a test runs. A probe
turns an answer into something comparable, such as what a function gives on a small input; an answer
whose probed value equals that of a known wrong answer has that misconception, and gets its hint.
`check` never raises, whatever an answer does.

One file a lesson in questions/, found by itself. A probe makes its inputs anew, so that no answer
spoils them:

    hint = "That is backward transfer. Which accuracy was the best so far?"
    exercise("forgetting", metrics.forgetting,
             probe=lambda f: f(np.array([[0.9, 0], [0.5, 0.8]])),
             wrong=[Wrong("last minus diagonal", metrics.backward_transfer, hint)])
"""

import html
import importlib
import os
import pkgutil
import re
import sys
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from . import kept

exercises = {}  # name -> Exercise, filled when the lessons' files are loaded
EXAM = "This is an exam: `check` says right or not right, and no more."
COLOURS = {
    "right": "#009E73",
    "not attempted": "#999999",
    "misconception": "#E69F00",
    "wrong": "#D55E00",
}


@dataclass(frozen=True)
class Wrong:
    """A misconception: its name, a wrong answer that has it, a hint that gives nothing away."""

    name: str
    answer: object
    hint: str


@dataclass(frozen=True)
class Exercise:
    """right, and `answer` of each `Wrong`, are what a learner could hand in.

    probe: answer -> numbers, tensors, words, or tuples, lists, dicts of them (default: the answer
    itself). tolerance: how far numbers may be off, as a share of the largest. expects: said in
    place of the value. subject: the file of questions/ that it stands in.
    """

    name: str
    right: object
    wrong: list = ()
    probe: Callable | None = None
    tolerance: float = 1e-4
    expects: str = ""
    praise: str = ""
    subject: str = ""


@dataclass(frozen=True)
class Verdict:
    """What `check` found: status "right", "not attempted", "misconception" or "wrong", and a text.

    `use` is what the rest of a lesson works with: the learner's own answer if it is right, else the
    model answer of the exercise. A copy for grading runs with EDGECL_EXAM=1 in its environment:
    there `use` gives a right answer back and gives none away; it raises RuntimeError instead. What
    is right gets no more words there, and what is not gets no hint, no name of a misconception and
    no expected value. (The model
    answers stay in this package: whoever reads its source finds them.)
    LookupError where there is no such exercise.
    """

    status: str
    text: str
    misconception: str | None = None
    name: str | None = field(default=None, compare=False)
    answer: object = field(default=None, compare=False)

    @property
    def use(self):
        if self.status == "right":
            return self.answer
        if self.name not in exercises:
            raise LookupError(f"there is no answer to use: {self.text}")
        if exam():
            what = f"the answer to {self.name!r} is not right yet, and this cell needs it"
            way = "Go back to the exercise; then run this cell again"
            raise RuntimeError(f"this is an exam: {what}. {way}")
        return exercises[self.name].right

    def __repr__(self):
        return self.text

    def _ipython_display_(self):
        """Nothing: `check` has shown it, also when it is not the last line of its cell."""

    def show(self):
        from IPython.display import display

        if not _in_kernel():
            return print(self.text)
        box = f"border-left:4px solid {COLOURS[self.status]};padding:4px 12px;max-width:760px"
        text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(self.text))
        page = f'<div class="edgecl-verdict" role="status" style="{box}">{text}</div>'
        return display({"text/plain": self.text, "text/html": page}, raw=True)


def exam():
    """Whether this copy of the course is graded: EDGECL_EXAM is set, and not to 0."""
    return os.environ.get("EDGECL_EXAM", "0") not in ("", "0")


def exercise(name, right, **options):
    """Register an `Exercise` of the file that calls this; options are its other fields."""
    if name in exercises:
        raise ValueError(f"exercise names must differ; got {name!r} twice")
    file = sys._getframe(1).f_globals["__name__"]
    exercises[name] = Exercise(name, right, subject=file.rpartition(".")[2], **options)
    return exercises[name]


def load():
    """Import the questions of every lesson."""
    folder = Path(__file__).parent / "questions"
    for module in pkgutil.iter_modules([str(folder)], f"{__package__}.questions."):
        importlib.import_module(module.name)


def check(name, answer=...):
    """Check an answer and say so in one paragraph. Never raises; returns the `Verdict`.

    In a notebook, what is right is noted in the learner's dossier.
    """
    verdict = judge(name, answer)
    verdict.show()
    if verdict.status == "right" and _in_kernel():
        kept.solved(name)
    return replace(verdict, name=name if isinstance(name, str) else None, answer=answer)


def _in_kernel():
    """Whether a notebook runs this, not a script or a terminal."""
    from IPython import get_ipython

    return bool(getattr(get_ipython(), "kernel", None))


def judge(name, answer=...):
    """The verdict without showing it."""
    try:
        load()
        if not isinstance(name, str) or name not in exercises:
            known = ", ".join(map(repr, sorted(exercises))) or "none yet"
            return _not_yet(f"there is no exercise named {_short(name)}. The names are: {known}.")
        return _judge(exercises[name], answer)
    except BaseException as problem:  # an answer may interrupt, exit or misbehave when looked at
        return _not_yet(f"looking at the answer gave {type(problem).__name__}.")


def _judge(task, answer):
    if empty(answer):
        return _not_attempted("the answer is still empty. Take your time.")
    probe = task.probe or (lambda answer: answer)
    try:
        got = probe(watched(answer))
    except NotImplementedError:
        hint = "If you have written it, is there a `return`?"
        return _not_attempted(f"it gives back nothing. {hint}")
    except BaseException as problem:
        return _not_yet(f"your answer stopped with {_quoted(problem, answer)}.")
    found = like(task, got)
    if found == "right":
        return Verdict("right", "Right." if exam() else f"Right. {task.praise}".strip())
    if exam():
        return Verdict("wrong", f"Not right yet. {EXAM}")
    if found:
        text = f"Not quite: this looks like “{found.name}”. {found.hint}"
        return Verdict("misconception", text, found.name)
    expected = task.expects or _short(probe(task.right))
    return _not_yet(f"expected {expected}; got {_short(got)}.")


def like(task, got):
    """What gives the same as an answer did under the probe: "right", a `Wrong`, or None."""
    probe = task.probe or (lambda answer: answer)
    if same(got, probe(task.right), task.tolerance):
        return "right"
    alike = (w for w in task.wrong if same(got, probe(w.answer), task.tolerance))
    return next(alike, None)


def _not_attempted(text):
    return Verdict("not attempted", f"Not attempted yet: {text}")


def _not_yet(text):
    return Verdict("wrong", f"Not right yet: {text}")


def empty(value):
    """None, ..., or a tuple of nothing else: what stands in an exercise before it is attempted."""
    if isinstance(value, tuple):
        return bool(value) and all(map(empty, value))
    return value is None or value is ...


def watched(answer):
    """A learner's function that says so when it gives back nothing; anything else as it is."""
    if not isinstance(answer, types.FunctionType):
        return answer

    def call(*args, **options):
        result = answer(*args, **options)
        if empty(result):
            raise NotImplementedError
        return result

    return call


def same(a, b, tolerance=1e-4):
    """Equal in shape and, up to a share of the largest, in value; also words and nested values."""
    x, y = numbers(a), numbers(b)
    if y is not None:
        scale = np.abs(y[np.isfinite(y)]).max(initial=0) or 1
        equal = x is not None and x.shape == y.shape
        return equal and bool(np.allclose(x, y, rtol=0, atol=tolerance * scale))
    if isinstance(b, dict):
        keys = isinstance(a, dict) and a.keys() == b.keys()
        return keys and all(same(a[k], b[k], tolerance) for k in b)
    if isinstance(b, tuple | list):
        lists = isinstance(a, tuple | list) and len(a) == len(b)
        return lists and all(same(v, w, tolerance) for v, w in zip(a, b))
    return type(a) is type(b) and bool(a == b)


def numbers(value):
    """Numbers, tensors and lists of them as an array, anything else as None."""
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except (ValueError, TypeError, RuntimeError):
        return None
    return array if array.dtype.kind in "biufc" else None


def _short(value, most=90):
    """A value in a few words."""
    array = numbers(value)
    with np.printoptions(precision=4, suppress=True, threshold=12, edgeitems=2):
        text = repr(value) if array is None else f"{array:.4g}" if array.ndim == 0 else str(array)
    text = " ".join(placeless(text).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def placeless(text):
    """A text without addresses in memory, which differ from run to run."""
    return re.sub(r" at 0x\w+", "", text)


def _quoted(problem, answer):
    """The exception, and the line of the learner's own code (answer or cell) that it came from."""
    own = getattr(getattr(answer, "__code__", None), "co_filename", None)
    cells = re.compile("ipykernel_|ipython-input-")  # files of cells in Jupyter, on Colab
    frames = traceback.extract_tb(problem.__traceback__)
    theirs = [f.line for f in frames if f.filename == own or cells.search(f.filename)]
    where = f", in the line `{theirs[-1]}`" if theirs else ""
    return f"{type(problem).__name__}: {problem}"[:200].rstrip(".") + where
