"""Checks of a learner's answer: right, not attempted yet, or *which* misconception it is, with a hint.

An exercise holds a right answer and known wrong ones, all code or values that a test runs. A probe turns an
answer into something comparable, such as what a function gives on a small input; an answer whose probed value
equals that of a known wrong answer has that misconception. `check` never raises, whatever an answer does.

One file a lesson in this folder, found by itself. A probe makes its inputs anew, so that no answer spoils
them:

    hint = "That is backward transfer. Which accuracy was the best so far?"
    exercise("01 forgetting", metrics.forgetting, probe=lambda f: f(np.array([[0.9, 0], [0.5, 0.8]])),
             wrong=[Wrong("last minus diagonal", metrics.backward_transfer, hint)])
"""

import functools
import html
import importlib
import linecache
import pkgutil
import re
import types
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

exercises = {}  # name -> Exercise, filled when the lessons' files are loaded
NUMBERS = "biufc"  # numpy's kinds of numbers
COLOURS = {"right": "#009E73", "not attempted": "#999999", "misconception": "#E69F00", "wrong": "#D55E00"}


@dataclass(frozen=True)
class Wrong:
    """A known misconception: its name, a wrong answer that has it, a hint that gives nothing away."""

    name: str
    answer: object
    hint: str


@dataclass(frozen=True)
class Exercise:
    """See `exercise`."""

    name: str
    right: object
    wrong: list = field(default_factory=list)
    probe: Callable | None = None
    tolerance: float = 1e-4
    expects: str = ""
    praise: str = ""

    def value(self, answer):
        """What the probe makes of an answer (raises what the answer raises)."""
        return self.probe(_watched(answer)) if self.probe else answer


@dataclass(frozen=True)
class Verdict:
    """What `check` found: status "right", "not attempted", "misconception" or "wrong", and a short text."""

    status: str
    text: str
    misconception: str | None = None

    def __repr__(self):
        return self.text

    def _ipython_display_(self):
        """Nothing: `check` has shown it, also when it is not the last line of its cell."""

    def show(self):
        from IPython import get_ipython
        from IPython.display import display

        if not getattr(get_ipython(), "kernel", None):
            return print(self.text)
        box = f"border-left:4px solid {COLOURS[self.status]};padding:4px 12px;max-width:760px"
        page = f'<div class="edgecl-verdict" role="status" style="{box}">{html.escape(self.text)}</div>'
        return display({"text/plain": self.text, "text/html": page}, raw=True)


def exercise(name, right, *, wrong=(), probe=None, tolerance=1e-4, expects="", praise=""):
    """Register an exercise. right, and `answer` of each `Wrong`, are what a learner could hand in.

    probe: answer -> numbers, tensors, words, or tuples, lists, dicts of them (default: the answer itself).
    tolerance: how far numbers may be off, as a share of the largest. expects: said in place of the value.
    """
    if name in exercises:
        raise ValueError(f"exercise names must differ; got {name!r} twice")
    exercises[name] = Exercise(name, right, list(wrong), probe, tolerance, expects, praise)
    return exercises[name]


def check(name, answer=...):
    """Check an answer and say so in one paragraph. Never raises; returns the `Verdict`."""
    verdict = judge(name, answer)
    verdict.show()
    return verdict


def judge(name, answer=...):
    """The verdict without showing it."""
    try:
        load()
        if not isinstance(name, str) or name not in exercises:
            known = ", ".join(map(repr, sorted(exercises))) or "none yet"
            return _not_yet(f"there is no exercise named {_short(name)}. The names are: {known}.")
        return _judge(exercises[name], answer)
    except BaseException as problem:  # also an answer that interrupts, exits or misbehaves when looked at
        return _not_yet(f"looking at the answer gave {type(problem).__name__}: {_message(problem)}.")


def load():
    """Import the file of every lesson."""
    for module in pkgutil.iter_modules(__path__, __name__ + "."):
        importlib.import_module(module.name)


def _not_yet(text):
    return Verdict("wrong", f"Not right yet: {text}")


def _empty(value):
    """None, ..., or a tuple of nothing else: what stands in an exercise before it is attempted."""
    return (
        value is None
        or value is ...
        or (isinstance(value, tuple) and bool(value) and all(map(_empty, value)))
    )


def _judge(task, answer):
    if _empty(answer):
        return Verdict("not attempted", "Not attempted yet: the answer is still empty. Take your time.")
    try:
        got = task.value(answer)
    except (NotAttempted, NotImplementedError):
        text = "Not attempted yet: it gives back nothing. If you have written it, is there a `return`?"
        return Verdict("not attempted", text)
    except BaseException as problem:
        return _not_yet(f"your answer stopped with {_quoted(problem, answer)}")
    want = task.value(task.right)
    if same(got, want, task.tolerance):
        return Verdict("right", f"Right. {task.praise}".strip())
    for wrong in task.wrong:
        if same(got, task.value(wrong.answer), task.tolerance):
            text = f"Not quite: this looks like “{wrong.name}”. {wrong.hint}"
            return Verdict("misconception", text, wrong.name)
    return _not_yet(f"expected {task.expects or _short(want)}; got {_short(got)}.{_shapes(got, want)}")


class NotAttempted(Exception):
    """A learner's function gave back nothing."""


def _watched(answer):
    """A learner's function that says so when it gives back nothing; classes and values stay as they are."""
    if not isinstance(answer, types.FunctionType | types.MethodType):
        return answer

    @functools.wraps(answer, updated=())
    def call(*args, **options):
        result = answer(*args, **options)
        if _empty(result):
            raise NotAttempted
        return result

    return call


def same(a, b, tolerance=1e-4):
    """Equal in shape and, up to a share of the largest, in value: numbers, tensors, words, nests of them."""
    if isinstance(b, dict):
        return isinstance(a, dict) and a.keys() == b.keys() and all(same(a[k], b[k], tolerance) for k in b)
    x, y = _array(a), _array(b)
    if y is None and isinstance(b, tuple | list):
        lists = isinstance(a, tuple | list) and len(a) == len(b)
        return lists and all(same(v, w, tolerance) for v, w in zip(a, b, strict=True))
    if x is None or y is None or x.shape != y.shape:
        return x is y is None and type(a) is type(b) and bool(a == b)
    if not (x.dtype.kind in NUMBERS and y.dtype.kind in NUMBERS):
        return x.dtype.kind == y.dtype.kind and bool((x == y).all())
    scale = np.abs(y[np.isfinite(y)]).max(initial=0) or 1
    return bool(np.allclose(x, y, rtol=0, atol=tolerance * scale))


def _array(value):
    """As numpy; None for what is no data, or a nest of unequal parts."""
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        if isinstance(value, tuple | list):
            value = [_array(v) for v in value]
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):
        return None
    return None if array.dtype.kind == "O" else array


def _short(value, most=90):
    """A value in a few words."""
    array = None if isinstance(value, dict) else _array(value)
    if array is not None and array.dtype.kind in NUMBERS:
        if array.ndim == 0 and array.dtype.kind in "fc":
            return f"{array.item():.4g}"
        with np.printoptions(precision=3, suppress=True, threshold=12, edgeitems=2):
            text = " ".join(str(array).split())
        return text if len(text) <= most else f"numbers of shape {array.shape}"
    text = f"something named {value.__name__}" if hasattr(value, "__name__") else repr(value)
    text = re.sub(" at 0x[0-9a-fA-F]+", "", text)
    return text if len(text) <= most else text[: most - 1] + "…"


def _shapes(got, want):
    got, want = (None if isinstance(v, dict) else _array(v) for v in (got, want))
    if got is None or want is None or got.shape == want.shape:
        return ""
    return f" The shape is {got.shape}, it should be {want.shape}."


def _message(problem):
    try:
        return str(problem)[:200].rstrip(".") or "(no message)"
    except BaseException:
        return "(no message)"


def _quoted(problem, answer):
    """The exception and the line of the learner's own code where it came from."""
    where, trace = None, problem.__traceback__
    own = getattr(getattr(answer, "__code__", None), "co_filename", None)
    while trace:
        file = trace.tb_frame.f_code.co_filename
        if file == own or "ipykernel_" in file:  # the answer's own file, or a cell of the notebook
            where = linecache.getline(file, trace.tb_lineno).strip()
        trace = trace.tb_next
    line = f", in the line `{where}`" if where else ""
    return f"{type(problem).__name__}: {_message(problem)}{line}."
