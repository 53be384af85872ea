"""What a training leaves behind: curves, the accuracy matrix R, answers, weights and state of every lane.

R[after, on] is the accuracy on task `on` after learning task `after`, the one matrix from which every metric
of continual learning is computed (Lopez-Paz & Ranzato 2017). Lesson: 01_catastrophic_forgetting.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from . import metrics
from .arguments import seeds_list

ARRAYS = ("step", "task", "ended", "curve", "predicted")
FACTS = ("method", "scenario", "names", "grid", "seeds", "seconds", "stopped", "notes", "settings")


@dataclass(frozen=True)
class Run:
    """A finished, stopped or loaded training. Lanes are the cells of `grid` × `seeds`, seeds innermost.

    step, task, ended (points,): when each point was taken, in which task, whether at its end. curve (*grid,
    seeds, points, on): accuracy on each task; NaN in lost lanes. predicted (points, lanes, on, n). params,
    state: of the last point, with lane axis. lost: {lane: what happened}. settings: options of `learn`.
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

    @classmethod
    def gather(cls, points, method, stream, seeds=1, grid=None, seconds=math.nan, stopped=False, **settings):
        """A Run from the points of `learn` and its arguments; only the last point needs params and state."""
        seeds, grid = seeds_list(seeds), {k: list(v) for k, v in (grid or {}).items()}
        curve = np.stack([p.accuracy for p in points], 1)  # (lanes, points, on)
        last = points[-1]
        told = {k: v for k, v in vars(method).items() if k not in ("net", "hyper") and k[0] != "_"} | settings
        told["weights"] = "drawn" if method._weights is None else "given"
        told = {k: v.item() if isinstance(v, np.generic) else v for k, v in told.items() if k != "ticks"}
        return cls(
            type(method).__name__, stream.scenario, stream.names, grid, seeds,
            np.array([p.step for p in points]), np.array([p.task for p in points]),
            np.array([p.ended for p in points]),
            curve.reshape(*map(len, grid.values()), len(seeds), *curve.shape[1:]),
            np.stack([p.predicted for p in points]), last.params, last.state, seconds, stopped,
            dict(last.lost), [*last.notes, *method.notes(last.state)],
            {k: v if isinstance(v, int | float | str | None) else str(v) for k, v in told.items()},
        )  # fmt: skip

    def __repr__(self):
        grid = [f"{name}={values}" for name, values in self.grid.items()]
        last = f"{len(self.step)} points to step {self.step[-1]}" + ", stopped" * self.stopped
        return f"Run({', '.join([self.method, *grid, f'seeds={self.seeds}', last])})"

    @property
    def lanes(self):
        """Number of lanes."""
        return math.prod(map(len, self.grid.values())) * len(self.seeds)

    @property
    def accuracy(self):
        """R (*grid, seeds, after, on); rows of tasks not learned to their end are NaN."""
        R = np.full((*self.curve.shape[:-2], len(self.names), len(self.names)), np.nan)
        for i in np.flatnonzero(self.ended):
            R[..., self.task[i], :] = self.curve[..., i, :]
        return R

    def table(self):
        """pandas DataFrame, a row a lane: grid, seed, final accuracy on each task, their mean, forgetting."""
        import itertools

        import pandas as pd

        R = self.accuracy.reshape(self.lanes, len(self.names), len(self.names))
        rows = list(itertools.product(*self.grid.values(), self.seeds))
        final = pd.DataFrame(R[:, -1], columns=[f"on {name}" for name in self.names])
        table = pd.concat([pd.DataFrame(rows, columns=[*self.grid, "seed"]), final], axis=1)
        table["average accuracy"] = R[:, -1].mean(1)
        table["forgetting"] = [np.nan if np.isnan(r).any() else metrics.forgetting(r) for r in R]
        return table

    def save(self, path):
        """Write one safetensors file, the facts as JSON in its header: no pickle. Returns the path."""
        from safetensors.torch import save_file

        path = _file(path)
        trees = {"params": self.params, "state": self.state}
        flat = {f"{tree}/{k}": v for tree, d in trees.items() for k, v in d.items()}
        one = [k for k, v in flat.items() if len(v) > 1 and v.stride(0) == 0]  # equal in all lanes
        tensors = {k: (v[:1] if k in one else v).clone().contiguous() for k, v in flat.items()}
        tensors |= {f"array/{k}": torch.tensor(getattr(self, k)) for k in ARRAYS}
        facts = {k: getattr(self, k) for k in (*FACTS, "lanes")} | {"lost": [*self.lost.items()], "one": one}
        save_file(tensors, path, {"edgecl": json.dumps(facts)})
        return path

    @classmethod
    def load(cls, path):
        """Read what `save` wrote: predictions are bit-equal. Raises ValueError where it is no such file."""
        from safetensors import SafetensorError, safe_open

        path = _file(path)
        if not path.exists():
            raise FileNotFoundError(f"no run saved at {path}; Run.save(path) writes one")
        try:
            with safe_open(path, "pt") as file:
                facts = json.loads(file.metadata()["edgecl"])
                one, lanes, lost = facts.pop("one"), facts.pop("lanes"), dict(facts.pop("lost"))
                trees = {"params": {}, "state": {}, "array": {}}
                for name in file.keys():  # noqa: SIM118
                    tree, _, key = name.partition("/")
                    value = file.get_tensor(name)
                    trees[tree][key] = value.expand(lanes, *value.shape[1:]) if name in one else value
            arrays = {k: v.numpy() for k, v in trees.pop("array").items()}
            return cls(**facts, lost=lost, **trees, **arrays)
        except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is damaged or was not written by Run.save: {error!r}") from None


def _file(path):
    """The path, with .safetensors at its end."""
    return Path(path) if str(path).endswith(".safetensors") else Path(f"{path}.safetensors")
