"""The learner's dossier: a board, a job for it, and one line a lesson on what learning there takes.

    J a day = new samples a day · mJ a sample / 1000, by `estimate` on the board

A line keeps facts, which hold on every board; what they mean on the chosen board is worked out when
it is shown. Lesson: start_here.
"""

from dataclasses import asdict

from .._refuse.arguments import choice
from ..device.boards import board as named
from ..device.boards import boards, size
from ..device.energy import estimate
from . import kept
from .jobs import JOBS, Job
from .measured import ACCURACY, Facts
from .measured import facts as facts

BOARD = "nano-33-ble"  # where nobody has chosen one
WORDS = {
    "yes": "fits {board}",
    "outside": "fits {board} only with RAM outside the chip",
    "no": "does not fit {board}",
}


class Told(str):
    """A text that a cell shows as it is, without quotes."""

    def __repr__(self):
        return str(self)


def choose(board=None, job=None):
    """Choose a board and a job for it; what is not given stays. Returns what is chosen, in words.

    board: a name of `boards()`; job: a name of `JOBS`. ValueError lists them.
    """
    if board is not None:
        choice("board", board, tuple(boards()))
    if job is not None:
        choice("job", job, tuple(JOBS))
    now, wrong = kept.read()
    given = {"board": board, "job": job}
    given = {what: name for what, name in given.items() if name is not None}
    if given:
        now, wrong = kept.change(lambda value: value | given)
    on, work = _chosen(now)
    where = on.title if now["board"] else f"No board is chosen: the lessons take {on.title}"
    what = f" for {JOBS[work]}." if work else "; no job is chosen yet."
    return Told(f"{where}{what} {wrong}".strip())


def chosen():
    """(board, job) that is chosen: a `Board`, that of the course where none is; a name or None."""
    return _chosen(kept.read()[0])


def add(lesson, chosen, what):
    """Put a lesson's line into the dossier, in place of an older one. Returns the line, in words.

    lesson: its name, such as "replay"; chosen: the method in a few words; what: its `Facts`, as
    facts(run, method, stream) gives them. Never fails because nothing can be written: it says so.
    """
    for name, value in {"lesson": lesson, "chosen": chosen}.items():
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{name} must be a few words, got {value!r}")
    if not isinstance(what, Facts):
        way = "facts(run, method, stream), or Facts(accuracy=…, kept=…)"
        raise TypeError(f"what must be Facts, as of {way}, got {type(what).__name__}")
    line = {"chosen": chosen, **asdict(what)}
    now, wrong = kept.change(lambda value: value | {"lines": value["lines"] | {lesson: line}})
    return Told(f"{told(lesson, chosen, what, *_chosen(now))} {wrong}".strip())


def told(lesson, chosen, what, board=BOARD, job=None):
    """A line in words, on a board (name or `Board`) and for a job (name or `Job`)."""
    on = named(board)
    words = [f"{what.measure} {accuracy(what)}", f"{what.kept:,} B kept"]
    if what.ram is not None:
        where = WORDS[_fits(what, on)].format(board=on.title.partition(" (")[0])
        words.append(f"{size(what.ram)} of RAM to learn ({where})")
    if what.flops is not None:
        words.append(f"{millijoules(what, on):.3g} mJ for each new sample")
    text = f"Your dossier, {lesson.replace('_', ' ')} ({chosen}): {', '.join(words)}."
    if job is None:
        return text
    wanting = missed(what, on, job)
    return f"{text} For {_job(job).title}: {'; '.join(wanting) or 'all that is demanded'}."


def missed(what, board=BOARD, job="watch"):
    """Which demands of a job the `Facts` do not meet on a board, a phrase each; [] if none.

    What was not counted is not met. board: name or `Board`; job: name or `Job`.
    """
    on, job = named(board), _job(job)
    found = []
    if what.measure != ACCURACY:
        found.append("accuracy not measured")
    elif what.mean < job.accuracy:
        found.append(f"{what.mean:.1%} right, wanted {job.accuracy:.0%}")
    if what.kept > job.kept:
        found.append(f"{size(what.kept)} kept, at most {size(job.kept)}")
    if what.ram is None:
        found.append("RAM and flash not counted")
    elif _fits(what, on) == "no":
        found.append("does not fit the board")
    if what.flops is None:
        return [*found, "energy not counted"]
    joules = job.samples * millijoules(what, on) / 1000
    if joules > job.joules:
        found.append(f"{joules:.3g} J a day, at most {job.joules:g} J")
    return found


def table(board=None, job=None):
    """The dossier as a DataFrame, a row a lesson, on the board and for the job chosen, or others.

    Accuracies are those of each lesson's own task: they say what a method can do, not what it does
    in your job. board: name or `Board`; job: name or `Job`.
    """
    import pandas as pd

    now, wrong = kept.read()
    if wrong:
        print(wrong)
    here, work = _chosen(now)
    on, job = named(here if board is None else board), work if job is None else job
    rows = [_row(lesson, line, on, job) for lesson, line in now["lines"].items()]
    names = ["lesson", "chosen", "accuracy", "B kept", "RAM", "fits", "mJ a sample", "misses"]
    return pd.DataFrame(rows, columns=names[: 7 if job is None else 8])


def solved():
    """Names of the exercises whose answers `check` has seen right, a sorted list."""
    return kept.read()[0]["solved"]


def accuracy(what):
    """Mean ± 1 sd over seeds, in per cent; of one seed its value."""
    band = f" ± {100 * what.sd:.1f}" if len(what.accuracy) > 1 else ""
    return f"{100 * what.mean:.1f}{band} %"


def millijoules(what, board):
    """Energy of learning from one new sample, by `estimate`, without saving; NaN if not counted."""
    if what.flops is None:
        return float("nan")
    return estimate(what.flops, board, sent=what.sent).energy_mj


def _chosen(now):
    """(board, job) of a dossier: a `Board`; a name, or None. One that is gone counts as none."""
    on = now["board"] if now["board"] in boards() else BOARD
    return named(on), now["job"] if now["job"] in JOBS else None


def _fits(what, on):
    """Whether a board holds what learning needs: "yes", "outside" (RAM beside the chip), "no"."""
    if what.ram > on.reach or (what.flash or 0) > on.flash:
        return "no"
    return "yes" if what.ram <= on.usable else "outside"


def _job(job):
    return job if isinstance(job, Job) else JOBS[choice("job", job, tuple(JOBS))]


def _row(lesson, line, on, job):
    chosen, what = line["chosen"], Facts(**{k: v for k, v in line.items() if k != "chosen"})
    ram, fits = "not counted", ""
    if what.ram is not None:
        ram, fits = size(what.ram), _fits(what, on)
    right = accuracy(what) if what.measure == ACCURACY else f"{accuracy(what)} ({what.measure})"
    row = [lesson.replace("_", " "), chosen, right, what.kept, ram, fits]
    row.append(round(millijoules(what, on), 4))
    return row if job is None else [*row, "; ".join(missed(what, on, job)) or "nothing"]
