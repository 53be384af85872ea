"""What is refused of matrices of accuracies, and of lanes that do not fit each other."""

import numpy as np

ROUNDING = 1e-6  # of a mean of float32 numbers


def matrix(R, needs=lambda after, on, last: True, name="R"):
    """R as a float array, not changed. needs(after, on, last): which cells must be there.

    Raises TypeError where R is no array of numbers, ValueError where it is not square, leaves 0..1,
    or one of those cells is NaN in every lane.
    """
    R = shares(name, R)
    if R.ndim < 2 or R.shape[-1] != R.shape[-2] or not R.size:
        curve = " (run.curve is no R)" * (R.ndim > 1)
        got = f"got shape {R.shape}: give run.accuracy; the lanes, if any, come first{curve}"
        raise ValueError(f"{name} must be square, (…, tasks, tasks), {got}")
    tasks = R.shape[-1]
    needed = np.fromfunction(needs, (tasks, tasks), last=tasks - 1, dtype=int) | (tasks == 1)
    there = ~np.isnan(R).reshape(-1, tasks, tasks).all(0)
    if missing := [f"[{after}, {on}]" for after, on in np.argwhere(needed & ~there)]:
        cells = ", ".join(missing[:6]) + f" and {len(missing) - 6} more" * (len(missing) > 6)
        advice = "Train to the end, then measure"
        if (there == np.tri(tasks, dtype=bool).T).all():
            way = f"give {name}.T where it is the other way round"
            advice = f"Rows are `after`, columns are `on`; {way}"
        rows = f"{there.all(-1).sum()} of {tasks} rows are there"
        lacks = f"{rows}, this metric also needs {name}{cells}"
        raise ValueError(f"{name} is unfinished: {lacks}. {advice}")
    return R


def shares(name, values):
    """The values as a float array. TypeError or ValueError where not all are in 0..1 or NaN."""
    if hasattr(values, "accuracy"):
        kind = type(values).__name__
        raise TypeError(f"{name} must be an array of accuracies, got a {kind}; give its .accuracy")
    try:
        if isinstance(values, np.ma.MaskedArray):
            values = values.astype(float).filled(np.nan)
        table = np.asarray(values, dtype=float)
    except (TypeError, ValueError, RuntimeError) as error:
        want = "an array or nested lists of numbers, all rows equally long"
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{name} must be {want}, got {type(values).__name__}: {error}") from None
    known = table[~np.isnan(table)]
    if known.size and (known.min() < -ROUNDING or known.max() > 1 + ROUNDING):
        percent = "; divide percentages by 100" * bool(1 < known.max() <= 100 and known.min() >= 0)
        got = f"got {known.min():g}..{known.max():g}{percent}"
        raise ValueError(f"{name} must hold shares in 0..1, {got}")
    return table


def difference(ours, theirs, names):
    """ours − theirs. Raises ValueError where their lanes do not fit."""
    try:
        return ours - theirs
    except ValueError:
        got = f"got {ours.shape[:-1]} and {theirs.shape[:-1]}"
        want = f"{names} must have the same lanes, or one of them none"
        raise ValueError(f"{want}, {got}") from None
