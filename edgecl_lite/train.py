"""`learn` run to its end: `train` for some seeds, `sweep` for a grid of values, mostly in one pass.

Lesson: catastrophic_forgetting (`train`), ewc (`sweep`).
"""

import itertools
import math
import os
import time
import warnings
from dataclasses import fields, replace

import numpy as np

from ._refuse.arguments import several
from ._refuse.journals import check_parts, new_path
from ._refuse.verbs import WrongReturn
from .journal import Journal, Kept, resumed
from .learn import Diverged, beginning, checked, points
from .method import Exhausted
from .plan import Options, axes
from .run import Run, joined

OWN = {"progress", "journal", "journal_every", "resume"}  # options that do not belong to `learn`
IN_TURN = "lr", "optimizer"  # options of `learn` that a sweep takes lists of


def train(method, stream, seeds=1, **options):
    """Run `learn` (see there for its options) to its end: a `Run` with a lane for each seed.

    progress=True: show a bar once it takes more than a second. journal: the path of a file in which
    the training is kept, at the ends of tasks and every journal_every=1.0 seconds at most. resume:
    such a file, or a Run (or its path), that the training goes on from, to the same end bit for
    bit; the stream is the whole one, tasks that ended are not learned again. An interrupt gives the
    Run as far as it came, with `.stopped`. Raises `Diverged`, where every seed became non-finite,
    or `Exhausted`, where the method has no room for a task: both carry that Run. Raises ValueError
    where resume is of another training, FileExistsError where there is a journal already, OSError
    where it cannot be written.
    """
    return _collect(method, stream, seeds, {}, **options)


def sweep(method, stream, seeds=1, **options):
    """`train` over a grid: arguments of the method, lr or optimizer as lists, each of them an axis.

    sweep(EWC(net), stream, seeds=3, lam=[0, 1, 10]) -> a Run whose arrays begin with axes (lam,
    seeds). The values of a hyper-parameter are lanes of one pass; those of another argument (bits,
    lr, …) are trained in turn, and their axes come first: part i keeps its journal in the file
    journal.i. Lanes that become non-finite are NaN and told in `Run.lost`; the others go on as if
    alone. Raises TypeError for a name that is neither an option nor an argument, ValueError for an
    empty or missing list.
    """
    axes(method, {})  # refuses what is no method
    own = {field.name for field in fields(method)[1:]} - method.hyper.keys() - {"weights"}
    lists = [k for k in IN_TURN if isinstance(options.get(k), list | tuple | np.ndarray)]
    names = [name for name in options if name in own or name in lists]
    turns = {name: several(name, options.pop(name)) for name in names}
    known = {field.name for field in fields(Options)} | OWN
    grid = axes(method, {k: options.pop(k) for k in list(options) if k not in known})
    if not grid and not turns:
        known = f"{type(method).__name__} has {', '.join(method.hyper) or 'none'}"
        raise ValueError(f"sweep needs a list of values for a hyper-parameter ({known}), got none")
    if not turns:
        return _collect(method, stream, seeds, grid, **options)
    runs = []
    for part, its in _parts(method, turns, own, options):
        try:
            runs.append(_collect(part, stream, seeds, grid, **its))
        except Diverged as error:  # the other parts go on
            runs.append(error.run)
            lost = error.run.lanes
            warnings.warn(f"{lost} of {lost} lanes are lost. {error}", stacklevel=2)
    return joined(runs, turns)


def _parts(method, turns, own, options):
    """(method, options) of each part that is trained in turn; own: names of method's arguments."""
    check_parts(options.get("resume"), math.prod(map(len, turns.values())))
    for i, cell in enumerate(itertools.product(*turns.values())):
        here = dict(zip(turns, cell, strict=True))
        mine = {k: v for k, v in here.items() if k in own}
        others = {k: v for k, v in here.items() if k not in own}
        yield replace(method, **mine), options | others | _files(options, i)


def _files(options, i):
    """The journals of part i: the one it keeps, and the one it goes on from, where it had begun."""
    files = {k: f"{options[k]}.{i}" for k in ("journal", "resume") if options.get(k) is not None}
    if "resume" in files and not os.path.exists(os.path.expanduser(files["resume"])):
        files["resume"] = None
    return files


def _collect(*what, **options):
    """The Run of a training, with its journal and its bar; what: method, stream, seeds and grid."""
    own = {k: options.pop(k) for k in OWN & options.keys()}
    plan = checked(*what, **options)
    return collected(plan, points, Kept.go_on, beginning, **own)


def collected(
    plan, points, go_on, beginning, progress=True, journal=None, journal_every=1.0, resume=None
):
    """The Run of a plan's training, with its journal and its bar.

    points(plan, …, journal=…): what is seen of it; go_on(kept, plan): from where, in place of
    beginning(plan). So a room with a loop of its own collects what it sees.
    """
    kept = None if resume is None else resumed(resume, plan, beginning(plan).state)
    book = None
    if journal is not None:
        book = Journal(new_path(journal, resume), plan, journal_every, kept)
    plan.notes += kept.notes if kept else ()
    found, begun = kept.past(plan) if kept else [], time.perf_counter()
    seen = points(plan, *(go_on(kept, plan) if kept else ()), journal=book)
    stopped, failure = _fill(found, seen, _bar(plan, progress))
    seconds = time.perf_counter() - begun + (kept.seconds if kept else 0)
    run = Run.gather(found, plan, seconds, stopped)
    if failure is not None and not (isinstance(failure, Diverged) and plan.grid):
        failure.run = run
        raise failure
    if run.lost:
        first = next(iter(run.lost.values()))
        warnings.warn(f"{len(run.lost)} of {run.lanes} lanes are lost. {first}", stacklevel=4)
    return run


def _fill(found, seen, bar):
    """Append the points that are seen, to the end: (was it interrupted, what error ended it)."""
    try:
        for point in seen:
            if found:  # only the last moment needs its weights
                found[-1] = replace(found[-1], params=None, state=None, carried=None)
            found.append(point)
            bar.update(point.step - bar.n)
    except KeyboardInterrupt:
        if not found or found[-1].params is None:
            raise
        return True, None
    except (Diverged, Exhausted, WrongReturn) as error:
        if not found:
            raise
        return False, error
    finally:
        bar.close()
    return False, None


def _bar(plan, progress):
    """A bar of progress, which shows itself once it takes more than a second."""
    from tqdm.auto import tqdm

    quiet = not progress or "TQDM_DISABLE" in os.environ
    name = type(plan.method).__name__
    return tqdm(desc=name, unit="step", delay=1, leave=False, disable=quiet, total=plan.total)
