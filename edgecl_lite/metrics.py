"""Metrics of continual learning: each a short function of one matrix, R[after, on].

R (…, T, T): accuracy in 0..1 on task `on` after learning task `after`; leading axes (grid, seeds) are carried
along, so a metric takes one run or a whole sweep. Each reads only some cells of R, and only those must be
there: the others may be NaN, as in a stopped run or where tasks to come were not measured. ValueError where
such a cell is NaN in every lane; a lane that was lost in a sweep keeps its NaN, and so does its metric.
Lopez-Paz & Ranzato 2017 (transfer), Chaudhry et al. 2018 (forgetting, intransigence).
Lesson: 01_catastrophic_forgetting lights up the cells that each one uses.
"""

import numpy as np

ROUNDING = 1e-6  # of a mean of float32 numbers


def average_accuracy(R):
    """Mean of the last row: accuracy over all tasks after the last one, (…)."""
    return matrix(R, lambda after, on, last: after == last)[..., -1, :].mean(-1)


def forgetting(R):
    """Mean over all tasks but the last of (best accuracy ever had before the end − accuracy at the end), (…).

    Chaudhry et al. 2018, sec. 3: max minus last, over T − 1 tasks. Accuracy on tasks still to come counts
    where it was measured. One task alone forgets nothing: 0.
    """
    R = matrix(R, lambda after, on, last: (on < last) & (on <= after))
    if R.shape[-1] == 1:
        return 0 * R[..., 0, 0]
    best = np.where(np.isnan(R) & ~np.tri(R.shape[-1], dtype=bool), -np.inf, R)[..., :-1, :-1].max(-2)
    return (best - R[..., -1, :-1]).mean(-1)


def backward_transfer(R):
    """Mean over all tasks but the last of (accuracy at the end − accuracy right after learning it), (…).

    Lopez-Paz & Ranzato 2017, eq. 3: last minus diagonal, over T − 1 tasks. Negative means forgetting.
    """
    R = matrix(R, lambda after, on, last: (on < last) & ((after == on) | (after == last)))
    if R.shape[-1] == 1:
        return 0 * R[..., 0, 0]
    return (R[..., -1, :-1] - _diagonal(R)[..., :-1]).mean(-1)


def forward_transfer(R, chance):
    """Mean over all tasks but the first of (accuracy just before learning it − chance), (…).

    chance: a number, or the untrained network's accuracy on each task (…, T). Lopez-Paz 2017, eq. 4.
    """
    R = matrix(R, lambda after, on, last: on == after + 1)
    chance = _shares("chance", chance)
    if chance.ndim and chance.shape[-1] != R.shape[-1]:
        raise ValueError(f"chance must be a number or (…, {R.shape[-1]}), got shape {chance.shape}")
    if R.shape[-1] == 1:
        return 0 * R[..., 0, 0]
    before = np.diagonal(R, offset=1, axis1=-2, axis2=-1)  # (…, T − 1)
    return _difference(before, chance[..., 1:] if chance.ndim else chance, "R and chance").mean(-1)


def intransigence(R, joint):
    """Mean over tasks of (joint accuracy on task k after k tasks − ours), (…). Positive: it cannot learn.

    joint: R of `Joint` on the same stream. Chaudhry et al. 2018, sec. 3, define it for each task.
    """
    R, joint = (matrix(each, lambda after, on, last: after == on, name) for each, name in
                ((R, "R"), (joint, "joint")))  # fmt: skip
    if R.shape[-1] != joint.shape[-1]:
        raise ValueError(f"R and joint must have the same tasks, got shapes {R.shape} and {joint.shape}")
    return _difference(_diagonal(joint), _diagonal(R), "joint and R").mean(-1)


def matrix(R, needs=lambda after, on, last: True, name="R"):
    """R as a float array, not changed. needs: of the numbers of rows and columns, which cells must be there.

    Raises TypeError where R is no array of numbers, ValueError where it is not square, leaves 0..1, or one of
    those cells is NaN in every lane.
    """
    R = _shares(name, R)
    if R.ndim < 2 or R.shape[-1] != R.shape[-2] or not R.size:
        advice = f"give run.accuracy; the lanes, if any, come first{' (run.curve is no R)' * (R.ndim > 1)}"
        raise ValueError(f"{name} must be square, (…, tasks, tasks), got shape {R.shape}: {advice}")
    tasks = R.shape[-1]
    needed = np.fromfunction(needs, (tasks, tasks), last=tasks - 1, dtype=int) | (tasks == 1)
    there = ~np.isnan(R).reshape(-1, tasks, tasks).all(0)
    if missing := [f"[{after}, {on}]" for after, on in np.argwhere(needed & ~there)]:
        cells = ", ".join(missing[:6]) + f" and {len(missing) - 6} more" * (len(missing) > 6)
        advice = "Train to the end, then measure"
        if (there == np.tri(tasks, dtype=bool).T).all():
            advice = f"Rows are `after`, columns are `on`; give {name}.T where it is the other way round"
        rows = f"{there.all(-1).sum()} of {tasks} rows are there"
        raise ValueError(f"{name} is unfinished: {rows}, this metric also needs {name}{cells}. {advice}")
    return R


def _diagonal(R):
    return np.diagonal(R, axis1=-2, axis2=-1)


def _shares(name, values):
    """The values as a float array. TypeError or ValueError where they are neither in 0..1 nor NaN."""
    if hasattr(values, "accuracy"):
        kind = type(values).__name__
        raise TypeError(f"{name} must be an array of accuracies, got a {kind}; give its .accuracy")
    try:
        if isinstance(values, np.ma.MaskedArray):
            values = values.astype(float).filled(np.nan)
        shares = np.asarray(values, dtype=float)
    except (TypeError, ValueError, RuntimeError) as error:
        want = "an array or nested lists of numbers, all rows equally long"
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{name} must be {want}, got {type(values).__name__}: {error}") from None
    known = shares[~np.isnan(shares)]
    if known.size and (known.min() < -ROUNDING or known.max() > 1 + ROUNDING):
        percent = "; divide percentages by 100" * bool(1 < known.max() <= 100 and known.min() >= 0)
        raise ValueError(f"{name} must hold shares in 0..1, got {known.min():g}..{known.max():g}{percent}")
    return shares


def _difference(ours, theirs, names):
    """ours − theirs. Raises ValueError where their lanes do not fit."""
    try:
        return ours - theirs
    except ValueError:
        lanes = f"{ours.shape[:-1]} and {theirs.shape[:-1]}"
        raise ValueError(f"{names} must have the same lanes, or one of them none, got {lanes}") from None
