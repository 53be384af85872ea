"""`learn` run to its end: `train` for some seeds, `sweep` for every value of a grid, all in one pass."""

import os
import time
import warnings
from dataclasses import replace

from ._refuse.arguments import seeds_list
from ._refuse.verbs import WrongReturn
from .learn import Diverged, learn
from .method import Exhausted
from .plan import axes
from .run import Run


def train(method, stream, seeds=1, *, progress=True, board=None, **options):
    """Run `learn` (see there for the options) to its end: a `Run` with a lane for each seed.

    progress: show a bar once it takes more than a second. board: the name of a board, or a `Board`, on which
    it has to fit: `DoesNotFit` before the first step where it does not. An interrupt gives the Run as far as
    it came, with `.stopped`. Raises `Diverged`, where every seed became non-finite, or `Exhausted`, where the
    method has no room for a task: both carry that Run.
    """
    if board is not None:
        from .device.advice import require

        _known(options)
        require(method, stream, board, **{**learn.__kwdefaults__, **options})
    return _collect(method, stream, seeds, {}, progress, options)


def sweep(method, stream, seeds=1, *, progress=True, **options):
    """`train` over a grid, in one pass: options that are hyper-parameters of the method are lists of values.

    sweep(EWC(net), stream, seeds=3, lam=[0, 1, 10]) -> a Run whose arrays begin with axes (lam, seeds). Lanes
    that become non-finite are NaN and told in `Run.lost`; the others go on as if alone. Raises TypeError for
    a name that is neither an option nor a hyper-parameter, ValueError for an empty or missing list.
    """
    grid = {k: options.pop(k) for k in list(options) if k not in learn.__kwdefaults__}
    grid = axes(method, grid)
    if not grid:
        known = f"{type(method).__name__} has {', '.join(method.hyper) or 'none'}"
        raise ValueError(f"sweep needs a list of values for a hyper-parameter ({known}), got none")
    return _collect(method, stream, seeds, grid, progress, options)


def _known(options):
    """Raises TypeError for an option that `learn` does not have."""
    for name in options.keys() - learn.__kwdefaults__.keys():
        raise TypeError(f"unknown option {name!r}; to try values of a hyper-parameter: sweep(…, {name}=[…])")


def _collect(method, stream, seeds, grid, progress, options):
    from tqdm.auto import tqdm

    _known(options)
    seeds = seeds_list(seeds)
    points, stopped, begun, failure = [], False, time.perf_counter(), None
    quiet = not progress or "TQDM_DISABLE" in os.environ
    bar = tqdm(desc=type(method).__name__, unit="step", delay=1, leave=False, disable=quiet)
    try:
        for seen in filter(None, learn(method, stream, seeds, grid, **options)):
            points.append(seen)
            if len(points) == 1:
                bar.reset(seen.total)
            else:  # only the last moment needs its weights
                points[-2] = replace(points[-2], params=None, state=None)
            bar.update(seen.step - bar.n)
    except KeyboardInterrupt:
        if not points:
            raise
        stopped = True
    except (Diverged, Exhausted, WrongReturn) as error:
        if not points:
            raise
        failure = error
    finally:
        bar.close()
    seconds = time.perf_counter() - begun
    settings = {**learn.__kwdefaults__, **options, "seconds": seconds, "stopped": stopped}
    run = Run.gather(points, method, stream, seeds, grid, **settings)
    if failure is not None and not (isinstance(failure, Diverged) and grid):
        failure.run = run
        raise failure
    if run.lost:
        first = next(iter(run.lost.values()))
        warnings.warn(f"{len(run.lost)} of {run.lanes} lanes are lost. {first}", stacklevel=3)
    return run
