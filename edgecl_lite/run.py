"""What a training leaves behind, of every lane: curves, the accuracy matrix R, weights, state.

R[after, on] is the accuracy on task `on` after learning task `after`, the one matrix from which
every metric of continual learning is computed (Lopez-Paz & Ranzato 2017).
Lesson: catastrophic_forgetting.
"""

import itertools
import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from . import metrics
from .lanes import Lanes
from .machine import run_file

TREES = "params", "state", "carried"


@dataclass(frozen=True)
class Run:
    """A finished, stopped or loaded training; its lanes are the cells of `grid` × `seeds`.

    step, task, ended (points,): when each point was taken, in which task, whether at its end. curve
    (*grid, seeds, points, on): accuracy on each task; NaN in lost lanes. predicted (*grid, seeds,
    points, on, n). params, state: of the last point, with lane axis. lost: {lane: what happened}.
    settings: of all that it hangs on. carried: the dice and the optimiser's moments of the last
    point, digests: of the tasks' data: with them `train(…, resume=run)` goes on. clients (seeds,
    clients, after, on): of a fleet, each client on its own test samples; else None.
    """

    method: str
    scenario: str
    names: list
    grid: dict
    seeds: list
    step: np.ndarray
    task: np.ndarray
    ended: np.ndarray
    curve: np.ndarray
    predicted: np.ndarray
    params: dict
    state: dict
    seconds: float = math.nan
    stopped: bool = False
    lost: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    settings: dict = field(default_factory=dict)
    carried: dict = field(default_factory=dict)
    digests: list = field(default_factory=list)
    clients: np.ndarray | None = None

    @classmethod
    def gather(cls, points, plan, seconds=math.nan, stopped=False):
        """A Run from the points of a plan's training, of which only the last needs its tensors."""
        last, method, stream = points[-1], plan.method, plan.stream
        fold = lambda name: plan.axes.fold(np.stack([getattr(p, name) for p in points], 1))
        when = [np.array([getattr(p, name) for p in points]) for name in ("step", "task", "ended")]
        seen = *when, fold("accuracy"), fold("predicted"), last.params, last.state
        notes = [*last.notes, *plan.told_after(last.state)]
        told = seconds, stopped, dict(last.lost), notes, plan.settings
        whose = type(method).__name__, stream.scenario, stream.names, plan.grid, plan.seeds
        digests = [task.digest for task in stream]
        return cls(*whose, *seen, *told, last.carried, digests, _own(points, len(stream)))

    def __repr__(self):
        grid = [f"{name}={values}" for name, values in self.grid.items()]
        last = f"{len(self.step)} points to step {self.step[-1]}" + ", stopped" * self.stopped
        return f"Run({', '.join([self.method, *grid, f'seeds={self.seeds}', last])})"

    @property
    def axes(self):
        """The `Lanes`: which lane is which."""
        return Lanes(self.grid, self.seeds)

    @property
    def lanes(self):
        """Number of lanes."""
        return len(self.axes)

    def at(self, **where):
        """The Run at these coordinates alone: run.at(lam=10), run.at(lam=10, seed=[0, 1]).

        A value takes its axis away, a list keeps it; the seeds stay an axis. Raises ValueError
        where there is no such axis or value.
        """
        lanes = self.axes.where(**where)
        grid = {k: list(where.get(k, v)) for k, v in self.grid.items() if _several(where.get(k, v))}
        wanted = where.get(self.axes.seed, self.seeds)
        seeds = list(wanted) if _several(wanted) else [wanted]
        lanes = lanes.tolist()
        part = Lanes(grid, seeds)
        gone = {k: v for k, v in where.items() if k not in grid and k != self.axes.seed}
        which = [self.seeds.index(seed) for seed in seeds]
        pick = lambda k, v: v[which] if k.startswith("dice.") else v[lanes] if v.dim() else v
        trees = {tree: {k: pick(k, v) for k, v in getattr(self, tree).items()} for tree in TREES}
        cut = lambda table: part.fold(self.axes.flat(table)[lanes])
        arrays = {"curve": cut(self.curve), "predicted": cut(self.predicted)}
        if self.clients is not None:
            arrays["clients"] = cut(self.clients)
        lost = {i: self.lost[lane] for i, lane in enumerate(lanes) if lane in self.lost}
        here = {"grid": grid, "seeds": seeds}
        settings = self.settings | gone | here
        return replace(self, **here, lost=lost, settings=settings, **trees, **arrays)

    @property
    def accuracy(self):
        """R (*grid, seeds, after, on); rows of tasks not learned to their end are NaN."""
        R = np.full((*self.curve.shape[:-2], len(self.names), len(self.names)), np.nan)
        for i in np.flatnonzero(self.ended):
            R[..., self.task[i], :] = self.curve[..., i, :]
        return R

    def table(self):
        """DataFrame, a row a lane: grid, seed, final accuracy on each task, their mean, forgetting.

        Columns that would share a name are numbered: "on cats", "on cats (2)".
        """
        import pandas as pd

        R, cells = self.axes.flat(self.accuracy), [[*cell.values()] for cell in self.axes.cells]
        forgetting = [np.nan if np.isnan(r).any() else metrics.forgetting(r).item() for r in R]
        ends = zip(R[:, -1].tolist(), R[:, -1].mean(1).tolist(), forgetting)
        rows = [[*cell, *final, mean, lost] for cell, (final, mean, lost) in zip(cells, ends)]
        tasks = [f"on {name}" for name in self.names]
        names = _distinct([*self.grid, "seed", *tasks, "average accuracy", "forgetting"])
        return pd.DataFrame(rows, columns=names)

    def save(self, path):
        """Write one safetensors file, the facts as JSON in its header: no pickle. Returns the path.

        .safetensors is added where it lacks, folders that do not exist are made. Where the save is
        cut short, the old file stays as it was. Raises TypeError for what such a file cannot hold,
        ValueError or OSError for a path that cannot be written.
        """
        return run_file.write(self, path)

    @classmethod
    def load(cls, path):
        """Read what `save` wrote: predictions are bit-equal. All tensors are copies, on the CPU.

        Raises ValueError where a bit of the file has changed, or it is no such file. What older
        versions wrote, without a digest, is read with a note in `notes`.
        """
        return cls(**run_file.read(path))


def _own(points, tasks):
    """A fleet's `clients` (lanes, clients, after, on) of its points; None where they tell none."""
    if points[-1].own is None:
        return None
    lanes, clients, on = points[-1].own.shape
    table = np.full((lanes, clients, tasks, on), np.nan)
    for point in points:
        if point.ended:
            table[:, :, point.task] = point.own
    return table


def joined(runs, grid):
    """The Runs of all cells of a grid {name: values}, in order, as one Run with its axes first.

    What the method kept in tables of other sizes is left out, with a note; no training goes on from
    it.
    """
    first, grid = max(runs, key=lambda run: len(run.step)), {**grid, **runs[0].grid}
    part, axes = first.lanes, Lanes(grid, first.seeds)
    same = lambda k: len({(run.state[k].dtype, run.state[k].shape) for run in runs}) == 1
    state = {k: torch.cat([run.state[k] for run in runs]) for k in first.state if same(k)}
    notes = [note for run in runs for note in run.notes]
    if unlike := [k for k in first.state if k not in state]:
        what = "What differs in size between the values was left out of the state"
        notes.append(f"{what}: {unlike[0]} …")
    lost = {i * part + lane: text for i, run in enumerate(runs) for lane, text in run.lost.items()}
    fold = lambda name, nothing: axes.fold(_padded(runs, name, len(first.step), nothing))
    return replace(
        first,
        grid=grid,
        curve=fold("curve", np.nan),
        predicted=fold("predicted", 255),
        clients=first.clients if first.clients is None else axes.fold(_of_clients(runs)),
        params={k: torch.cat([run.params[k] for run in runs]) for k in first.params},
        state=state,
        carried={},
        seconds=sum(run.seconds for run in runs),
        stopped=any(run.stopped for run in runs),
        lost=lost,
        notes=list(dict.fromkeys(notes)),
        settings={k: v for k, v in first.settings.items() if k not in grid} | {"grid": grid},
    )


def _of_clients(runs):
    """`clients` of the Runs of a fleet, (lanes, clients, after, on)."""
    return np.concatenate([run.axes.flat(run.clients) for run in runs])


def _padded(runs, name, points, nothing):
    """An array of all runs, (lanes, points, …): one whose lanes were all lost has fewer points."""
    tables = [run.axes.flat(getattr(run, name)) for run in runs]
    more = [[(0, 0), (0, points - t.shape[1]), *[(0, 0)] * (t.ndim - 2)] for t in tables]
    whole = [np.pad(t, m, constant_values=nothing) for t, m in zip(tables, more, strict=True)]
    return np.concatenate(whole)


def best(run, over, metric=metrics.average_accuracy):
    """The value of an axis of a sweep that is best in the mean over seeds: best(run, over="lr").

    Where there are other axes, that of the best of all cells. The first of equals; a cell with a
    lost lane is never the best. Choose on data set aside: sweep(method, stream.set_aside(0.2),
    lr=[…]). Raises ValueError where there is no such axis, the run was stopped, or every cell is
    lost.
    """
    if over not in run.grid:
        known = f"one of {list(run.grid)}"
        raise ValueError(f"over: expected an axis of the sweep, {known}; got {over!r}")
    if run.stopped:
        got = f"one stopped at step {run.step[-1]}"
        raise ValueError(f"expected a finished sweep, got {got}: run it again")
    sound = np.isfinite(run.accuracy).all((-1, -2, -3))  # (*grid,)
    if not sound.any():
        lost = next(iter(run.lost.values()))
        raise ValueError(f"no value of {over} is the best: all lanes are lost. {lost}")
    score = np.full(sound.shape, -np.inf)
    score[sound] = metric(run.accuracy[sound]).mean(-1)
    cell = np.unravel_index(score.argmax(), score.shape)
    return run.grid[over][cell[list(run.grid).index(over)]]


def _several(value):
    return isinstance(value, list | tuple)


def _distinct(names):
    """The names, those that came before with a number behind."""
    found = []
    for name in names:
        ways = itertools.chain([name], (f"{name} ({i})" for i in itertools.count(2)))
        found.append(next(way for way in ways if way not in found))
    return found
