"""A training as a value: kept in a file while it goes on, and gone on with after a power cut.

A journal is a chain of records, each with its length and its sha256: first what is trained, then,
at the ends of tasks and at most once a second, the points since the last record and the `Moment`
itself. A record that was cut short counts as never written; all before it is whole, and from there
the end is bit for bit that of a training that was never cut. A saved `Run` is such a value too,
taken at its last point.
"""

import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from ._refuse.arguments import number
from ._refuse.journals import check_same, check_state
from .learn import Moment, Observer, Point, carried
from .machine import disk
from .machine.dice import Dice
from .machine.records import framed, records
from .machine.settled import settled
from .run import Run

OLDER = "It went on from a Run of an older version, without its dice: not as if never stopped."
SHARE = 0.04  # of the time at most goes into writing
SEEN = "accuracy", "predicted", "own"  # arrays of a point that are kept; own: of a fleet only
LARGE = 64e6  # bytes of moments that have passed, before the file is written anew without them


@dataclass(frozen=True)
class Kept:
    """What a journal or a Run keeps of a training.

    settings, digests: of the plan and its tasks; points: without their tensors; step, params,
    state, carried: of the last `Moment`; losses, lost: what its `Observer` had seen; seconds: what
    it took so far; notes: for whoever goes on.
    """

    settings: dict
    digests: list
    points: list
    step: int
    params: dict
    state: dict
    carried: dict
    losses: tuple = ()
    lost: dict = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple = ()

    def past(self, plan):
        """The points so far, the last one with its tensors if it is this very moment."""
        *before, last = [_widened(p, plan) for p in self.points]
        if last.step == self.step:
            now = {k: getattr(self, k) for k in ("params", "state", "carried", "lost")}
            last = replace(last, **now)
        return [*before, last]

    @settled
    def go_on(self, plan):
        """(moment, observer) from which a plan's training goes on."""
        dice = Dice(plan.seeds, plan.which, plan.device)
        if "dice.epoch" in self.carried:
            dice.set({k: self.carried[f"dice.{k}"] for k in ("epoch", "chances")})
        params, state, opt = plan.to(self.params), plan.to(self.state), None
        if self.step:
            params = plan.learning(params)
            opt = plan.optimise(params, None)
            moments, groups = _moments(self.carried)
            opt.load_state_dict({**opt.state_dict(), "state": moments})
            for i, own in groups.items():
                opt.param_groups[i].update(own)
        if plan.place(self.step)[1] == 0:
            params = {k: p.detach() for k, p in params.items()}
        return Moment(self.step, params, state, opt, dice), Observer(plan, self.losses, self.lost)


def _widened(point, plan):
    """A point of a shorter stream, with what it did not see: NaN, and 255 for no answer."""
    shape = plan.lanes, len(plan.stream), max(len(task.test[1]) for task in plan.stream)
    accuracy, predicted = np.full(shape[:2], np.nan), np.full(shape, 255, np.uint8)
    _, on, n = point.predicted.shape
    accuracy[:, :on], predicted[:, :on, :n] = point.accuracy, point.predicted
    more = dict(total=plan.total, notes=plan.notes, accuracy=accuracy, predicted=predicted)
    return replace(point, **more)


def _moments(kept):
    """The optimiser's own from `carried`: {number of the tensor: state}, {of a group: numbers}."""
    state, groups = {}, {}
    for name, value in kept.items():
        kind, i, key = [*name.split(".", 2), ""][:3]
        if kind == "opt":
            state.setdefault(int(i), {})[key] = value.clone()
        if kind == "group":
            groups.setdefault(int(i), {})[key] = value.item()
    return state, groups


class Journal:
    """Keeps a training in a file: new, or made anew from what was kept of it before.

    every: seconds between two records, but for the ends of tasks; 0: one after every step.
    """

    def __init__(self, path, plan, every=1.0, kept=None):
        self.path, self.plan, self.every = path, plan, number("journal_every", every)
        self.points, self.told = (kept.past(plan), kept.seconds) if kept else ([], 0.0)
        self.points = [replace(p, params=None, state=None, carried=None) for p in self.points]
        self.begun, self.due, self.new = time.perf_counter(), 0.0, 0
        self.last, self.size, self.live = {}, 0, 0

    def keep(self, moment, point, observer):
        """Hear of a moment, and write it if it is time."""
        if point is not None:
            self.points.append(replace(point, params=None, state=None, carried=None))
            self.new += 1
        began = time.perf_counter()
        if began < self.due and self.plan.place(moment.step)[1]:
            return
        if not self.size or self.size > 4 * self.live + LARGE:
            self._begin(moment, observer)
        else:
            self._append(self._record(moment, observer, self.points[len(self.points) - self.new :]))
        now, self.new = time.perf_counter(), 0
        self.due = now + (max(self.every, (now - began) / SHARE) if self.every else 0)

    def _begin(self, moment, observer):
        """Write the file anew: what is trained, all points, the moment."""
        digests = [task.digest for task in self.plan.stream]
        told = {"settings": self.plan.settings, "digests": digests}
        self.last = {}
        raw = framed({}, told) + self._record(moment, observer, self.points)
        disk.write(self.path, raw)
        self.size = self.live = len(raw)

    def _append(self, raw):
        try:
            with open(self.path, "ab") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            what = f"{self.path} could not be written: {error.strerror}"
            raise type(error)(error.errno, what) from None
        self.size += len(raw)

    def _record(self, moment, observer, points):
        """The bytes of a moment: of the method's state only what is new since the last record."""
        state = {k: v for k, v in moment.state.items() if self.last.get(k) != (id(v), v._version)}
        self.last = {k: (id(v), v._version) for k, v in moment.state.items()}
        self.held = moment.state  # alive, so that no other tensor gets its id
        told = {
            "step": moment.step,
            "seconds": self.told + time.perf_counter() - self.begun,
            "lost": [*observer.lost.items()],
            "state": [*moment.state],
            "points": [(p.step, p.task, p.ended) for p in points],
        }
        trees = {"params": moment.params, "state": state, "carried": carried(moment)}
        tensors = {f"{tree}/{k}": v for tree, values in trees.items() for k, v in values.items()}
        if observer.losses:
            tensors["losses"] = torch.stack(observer.losses)
        for name in SEEN if points else ():
            if getattr(points[0], name) is not None:
                tensors[name] = torch.from_numpy(np.stack([getattr(p, name) for p in points]))
        return framed(tensors, told)


def read(path):
    """The `Kept` of a journal. ValueError where it is none, or its first moment is not whole."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no journal at {path}; train(…, journal=path) writes one")
    told, points, kept = None, [], {}
    for told_now, tensors in records(path, path.read_bytes()):
        if told is None:
            told = told_now
            continue
        facts, found = told_now, {"params": {}, "state": {}, "carried": {}}
        for name, value in tensors.items():
            tree, slash, key = name.partition("/")
            if slash:
                found[tree][key] = value
        state = {k: (kept.get("state", {}) | found["state"])[k] for k in facts["state"]}
        kept = {**found, "state": state}
        for i, (step, task, ended) in enumerate(facts["points"]):
            seen = [tensors[name][i].numpy() if name in tensors else None for name in SEEN]
            points.append(_bare(step, task, ended, *seen))
        kept |= {k: facts[k] for k in ("step", "seconds")} | {"lost": dict(facts["lost"])}
        kept["losses"] = tuple(tensors["losses"]) if "losses" in tensors else ()
    if not kept:
        raise ValueError(f"{path} holds no whole moment of a training: take it away and begin anew")
    return Kept(told["settings"], told["digests"], points, **kept)


def of_run(run):
    """The `Kept` of a Run."""
    curve, said = run.axes.flat(run.curve), run.axes.flat(run.predicted)
    points = [
        _bare(int(s), int(t), bool(e), curve[:, i], said[:, i], _own(run, t, e))
        for i, (s, t, e) in enumerate(zip(run.step, run.task, run.ended, strict=True))
    ]
    notes = () if run.carried else (OLDER,)
    tensors = run.params, run.state, run.carried
    facts = (), run.lost, run.seconds, notes
    return Kept(run.settings, run.digests, points, int(run.step[-1]), *tensors, *facts)


def _own(run, task, ended):
    """What each client of a fleet did at a point, (lanes, clients, on); else None."""
    if run.clients is None:
        return None
    own = run.axes.flat(run.clients)[:, :, task]
    return own if ended else np.full_like(own, np.nan)


def _bare(step, task, ended, accuracy, predicted, own):
    """A point without its tensors."""
    seen = accuracy, predicted, None, None, {}
    return Point(step, 0, task, ended, *seen, carried=None, own=own)


@settled
def resumed(source, plan, begun):
    """What was kept of a plan's training, in a journal (its path) or in a Run (or its path).

    begun: the state it begins with. Raises ValueError that names the first difference where it is
    one of another training; TypeError where source is neither.
    """
    if isinstance(source, Run):
        kept, where = of_run(source), "the Run"
    elif isinstance(source, str | os.PathLike):
        path = Path(os.path.expanduser(source))
        run = path.suffix == ".safetensors"
        kept, where = of_run(Run.load(path)) if run else read(path), str(path)
    else:
        kind = type(source).__name__
        raise TypeError(f"resume must be a Run or the path of a journal, got {kind}")
    check_same(kept, plan, where)
    check_state(kept, begun, where)
    return kept
