"""The one training loop. For every batch:   draw → loss → backward → optimiser → after_step.

`learn` yields what it sees and leaves watching to others; `train` runs it to its end; `sweep` gives every
value of a grid and every seed a lane of its own, so that a whole slider costs one pass. Lesson:
01_catastrophic_forgetting.
"""

import itertools
import os
import time
import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch

from .arguments import number, seeds_list, whole
from .methods.base import Finetune, masked
from .models import check_fit, initial
from .run import Run
from .streams import Stream
from .tensors import copied, lane, stack

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


class Diverged(FloatingPointError):
    """Every lane became non-finite. `.run` (from `train`) holds what was learned before."""


@dataclass(frozen=True)
class Point:
    """What `learn` saw at one moment.

    step: steps so far; total: steps of the whole stream; task: number of the task being learned; ended: this
    is the moment after its end. accuracy (lanes, on): share of right answers on each task's test set, NaN in
    lost lanes. predicted (lanes, on, n) uint8: the answers, padded with 255. params, state: copies at this
    moment. lost: {lane: what happened}.
    """

    step: int
    total: int
    task: int
    ended: bool
    accuracy: np.ndarray
    predicted: np.ndarray
    params: dict
    state: dict
    lost: dict


def learn(
    method, stream, seeds=1, grid=None, *, epochs=10, batch_size=32, lr=1e-3, optimizer="adam",
    fresh=True, steps=None, every=None, device=None,
):  # fmt: skip
    """Train on the tasks in turn; yield a `Point` before the first step, every `every` steps and after each
    task.

    seeds: a count or a list. grid: {hyper-parameter: values}; lanes are its cells × seeds, seeds innermost.
    steps: steps per task, instead of epochs. every: default once an epoch. optimizer: "adam", "sgd" or a
    callable taking (tensors, lr=…). fresh: a new optimiser for every task. Same seed, same result, bit for
    bit. Raises ValueError or TypeError on arguments out of range, `Diverged` once every lane is lost.
    """
    cells, seeds = check_plan(method, stream, seeds, grid)
    epochs, batch_size, lr = (
        whole("epochs", epochs),
        whole("batch_size", batch_size),
        number("lr", lr, strictly=True),
    )
    steps, every = (v if v is None else whole(k, v) for k, v in (("steps", steps), ("every", every)))
    sizes = [len(task.train[1]) for task in stream]
    spans = [steps or epochs * -(-n // batch_size) for n in sizes]  # steps of each task
    make = optimiser(optimizer, lr)

    lanes = [(cell, i) for cell in cells for i in range(len(seeds))]
    which = torch.tensor([i for _, i in lanes])
    shuffles, chances = ([torch.Generator().manual_seed(s + start) for s in seeds] for start in (0, 2**32))

    def rng(n):
        return torch.stack([torch.rand(n, generator=g) for g in chances])[which].to(device)

    params = lane(stack([initial(method.net, seed) for seed in seeds]), which)
    params = {k: p.to(device) for k, p in params.items()}
    hyper = {k: torch.tensor([cell[k] for cell, _ in lanes], device=device) for k in method.hyper}
    state, opt, losses, lost, step = method.start(params, stream, hyper), None, [], {}, 0
    tests = [(x.to(device), y.to(device)) for x, y in (task.test for task in stream)]

    def point(t, ended=False):
        note_lost(
            lost,
            losses,
            params,
            step,
            lambda i, at: told(method, stream, state, cells, seeds, lr, optimizer, i, t, at),
        )
        accuracy, predicted = evaluate(method, params, state, stream, tests, t)
        gone = list(lost)
        accuracy[gone], predicted[gone] = np.nan, 255
        losses.clear()
        return Point(step, sum(spans), t, ended, accuracy, predicted, copied(params), dict(state), dict(lost))

    yield point(0)
    for t, task in enumerate(stream):
        x, y = (part.to(device) for part in task.train)
        active = stream.active(t).to(device).expand(len(lanes), len(y), -1)
        full = {"x": x.expand(len(lanes), *x.shape), "y": y.expand(len(lanes), -1)}
        now = {"number": t, **full, "active": active, "rng": rng}
        params, state = method.begin_task(params, state, now)
        params = {k: p.requires_grad_() for k, p in copied(params).items()}
        new = make(params.values())
        if opt is not None and not fresh:
            new.load_state_dict(opt.state_dict())
        opt, per_epoch = new, -(-len(x) // batch_size)
        for i, pick in enumerate(itertools.islice(batches(len(x), batch_size, shuffles), spans[t])):
            pick = pick[which].to(device)  # (lanes, batch_size)
            batch = {"x": x[pick], "y": y[pick], "active": active[:, : pick.shape[1]]}
            batch = method.draw(state, {**batch, "epoch": i // per_epoch, "step": step}, rng)
            loss = method.loss(params, state, batch)  # (lanes,); the sum keeps each lane's gradient its own
            opt.zero_grad()
            loss.sum().backward()
            opt.step()
            state, step = method.after_step(params, state, batch), step + 1
            losses.append(loss.detach())
            if (i + 1) % (every or per_epoch) == 0 and i + 1 < spans[t]:
                yield (seen := point(t))
                if len(seen.lost) == len(lanes):
                    raise Diverged(" ".join(seen.lost.values()))
        params = {k: p.detach() for k, p in params.items()}
        state = method.end_task(params, state, now)
        yield (seen := point(t, ended=True))
        if len(seen.lost) == len(lanes):
            raise Diverged(" ".join(seen.lost.values()))


def train(method, stream, seeds=1, *, progress=True, **options):
    """Run `learn` (see there for the options) to its end: a `Run` with a lane for each seed.

    progress: show a bar once it takes more than a second. An interrupt gives the Run as far as it came, with
    `.stopped`. Raises `Diverged`, which carries that Run, where every seed became non-finite.
    """
    return _collect(method, stream, seeds, {}, progress, options)


def sweep(method, stream, seeds=1, *, progress=True, **options):
    """`train` over a grid, in one pass: every option that names a hyper-parameter of the method is a list of
    values.

    sweep(EWC(net), stream, seeds=3, lam=[0, 1, 10]) -> a Run whose arrays begin with axes (lam, seeds). Lanes
    that become non-finite are NaN and told in `Run.lost`; the others go on as if alone. Raises as `train`,
    and TypeError for a name that is neither an option nor a hyper-parameter, ValueError for an empty or
    missing list.
    """
    grid = {k: options.pop(k) for k in list(options) if k in method.ranges or k not in learn.__kwdefaults__}
    if not grid:
        raise ValueError(f"sweep needs a list for at least one of {_known(method)}, got none; or use train")
    return _collect(method, stream, seeds, grid, progress, options)


def _collect(method, stream, seeds, grid, progress, options):
    if "grid" in options:
        raise TypeError("train takes no grid: use sweep(method, stream, lam=[…])")
    from tqdm.auto import tqdm

    points, stopped, begun, failure = [], False, time.perf_counter(), None
    quiet = not progress or "TQDM_DISABLE" in os.environ
    bar = tqdm(desc=type(method).__name__, unit="step", delay=1, leave=False, disable=quiet)
    try:
        for seen in learn(method, stream, seeds, grid, **options):
            bar.total = seen.total
            bar.update(seen.step - bar.n)
            if points:  # only the last moment needs its weights
                points[-1] = replace(points[-1], params=None, state=None)
            points.append(seen)
    except KeyboardInterrupt:
        stopped = True
    except Diverged as error:
        failure = error
    finally:
        bar.close()
    if not points:
        raise KeyboardInterrupt("interrupted before the first point")
    run = Run.gather(
        points, method, stream, seeds, grid, seconds=time.perf_counter() - begun, stopped=stopped, **options
    )
    if failure is not None and not grid:
        failure.run = run
        raise failure
    if run.lost:
        warnings.warn(
            f"{len(run.lost)} of {run.lanes} lanes became non-finite: {next(iter(run.lost.values()))}",
            stacklevel=3,
        )
    return run


@torch.no_grad()
def evaluate(method, params, state, stream, tests, now):
    """(accuracy (lanes, on) float64, predicted (lanes, on, n) uint8 padded with 255) while at task `now`."""
    lanes, widest = len(next(iter(params.values()))), max(len(y) for _, y in tests)
    predicted = torch.full((lanes, len(tests), widest), 255, dtype=torch.uint8)
    accuracy = torch.empty(lanes, len(tests), dtype=torch.float64)
    for on, (x, y) in enumerate(tests):
        logits = method.predict(params, state, x, on)  # (lanes, n, outputs)
        answers = masked(logits, stream.active(now, on).to(x.device)).argmax(-1)
        predicted[:, on, : len(y)] = answers
        accuracy[:, on] = (answers == y).sum(1) / len(y)
    return accuracy.numpy(), predicted.numpy()


def batches(n, size, shuffles):
    """Endless mini-batches (seeds, size) of sample numbers: every epoch each generator shuffles anew."""
    while True:
        yield from torch.stack([torch.randperm(n, generator=g) for g in shuffles]).split(size, 1)


def optimiser(optimizer, lr):
    """A function of the tensors to learn -> torch optimiser."""
    if callable(optimizer):
        return lambda tensors: optimizer(list(tensors), lr=lr)
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be 'adam', 'sgd' or a callable(tensors, lr=…), got {optimizer!r}")
    return lambda tensors: OPTIMIZERS[optimizer](list(tensors), lr=lr, fused=True)


def check_plan(method, stream, seeds, grid):
    """Checked (cells of the grid as dicts of hyper-parameters, list of seeds)."""
    if not isinstance(method, Finetune):
        raise TypeError(f"method must be a method such as Finetune(net), got {type(method).__name__}")
    if not isinstance(stream, Stream):
        raise TypeError(f"stream must be a Stream such as rotated(digits()), got {type(stream).__name__}")
    if stream.outputs > 255:
        raise ValueError(f"a stream may have at most 255 outputs, got {stream.outputs}")
    check_fit(method.net, stream)
    axes = {}
    for name, values in (grid or {}).items():
        if name not in method.hyper:
            raise TypeError(f"unknown option {name!r}: {type(method).__name__} can sweep {_known(method)}")
        if isinstance(values, str) or not hasattr(values, "__iter__") or len(values := list(values)) == 0:
            raise ValueError(f"{name} must be a list of at least one value to sweep, got {values!r}")
        axes[name] = [method.ranges[name](f"each of {name}", value) for value in values]
    return [
        {**method.hyper, **dict(zip(axes, cell, strict=True))} for cell in itertools.product(*axes.values())
    ], seeds_list(seeds)


def note_lost(lost, losses, params, step, message):
    """Adds to `lost` the lanes whose loss or weights became non-finite since the last point."""
    finite = torch.stack([p.isfinite().flatten(1).all(1) for p in params.values()]).all(0)
    steps = torch.stack(losses).isfinite() if losses else finite[None]  # (steps, lanes)
    for i in (~(finite & steps.all(0))).nonzero().flatten().tolist():
        if i not in lost:
            first = step - len(steps) + 1 + int(steps[:, i].int().argmin()) if not steps[:, i].all() else step
            lost[i] = message(i, first)


def told(method, stream, state, cells, seeds, lr, optimizer, i, t, step):
    """What happened to lane i, and what to do."""
    cell = (
        "".join(f"{k}={v:g}, " for k, v in cells[i // len(seeds)].items()) + f"seed={seeds[i % len(seeds)]}"
    )
    moment = f"at step {step}, in task {stream.names[t]!r}"
    return f"{type(method).__name__} ({cell}) became non-finite {moment}. {method.advice(state, i, lr, optimizer)}"


def _known(method):
    return ", ".join(method.hyper) or f"nothing, {type(method).__name__} has no such hyper-parameter"
