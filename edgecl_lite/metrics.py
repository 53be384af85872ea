"""Metrics of continual learning: each a short function of one matrix, R[after, on].

R (…, T, T): accuracy on task `on` after learning task `after`; leading axes (grid, seeds) are carried along,
so a metric takes one run or a whole sweep. Lopez-Paz & Ranzato 2017 (transfer), Chaudhry et al. 2018
(forgetting, intransigence). Lesson: 01_catastrophic_forgetting lights up the cells that each one uses.
"""

import numpy as np


def matrix(R):
    """R as a float array. Raises ValueError where it is not square, or unfinished: NaN in every lane.

    A lane that was lost in a sweep keeps its NaN, and so does every metric of it.
    """
    R = np.asarray(R, dtype=float)
    if R.ndim < 2 or R.shape[-1] != R.shape[-2] or not R.size:
        raise ValueError(f"R must be square, (…, tasks, tasks), got shape {R.shape}")
    if np.isnan(R).any((-1, -2)).all():
        rows = (~np.isnan(R).any(-1)).reshape(-1, R.shape[-1]).all(0).sum()
        raise ValueError(
            f"R is unfinished: {rows} of {R.shape[-1]} rows are there. Train to the end, then measure"
        )
    return R


def average_accuracy(R):
    """Mean of the last row: accuracy over all tasks after the last one, (…)."""
    return matrix(R)[..., -1, :].mean(-1)


def forgetting(R):
    """Mean over all tasks but the last of (best accuracy ever had before the end − accuracy at the end), (…).

    Chaudhry et al. 2018, sec. 3: max minus last, over T − 1 tasks. One task alone forgets nothing: 0.
    """
    R = matrix(R)
    if R.shape[-1] == 1:
        return np.zeros(R.shape[:-2])
    return (R[..., :-1, :-1].max(-2) - R[..., -1, :-1]).mean(-1)


def backward_transfer(R):
    """Mean over all tasks but the last of (accuracy at the end − accuracy right after learning it), (…).

    Lopez-Paz & Ranzato 2017, eq. 3: last minus diagonal, over T − 1 tasks. Negative means forgetting.
    """
    R = matrix(R)
    if R.shape[-1] == 1:
        return np.zeros(R.shape[:-2])
    return (R[..., -1, :-1] - np.diagonal(R, axis1=-2, axis2=-1)[..., :-1]).mean(-1)


def forward_transfer(R, chance):
    """Mean over all tasks but the first of (accuracy just before learning it − chance), (…).

    chance: a number, or the untrained network's accuracy on each task (…, T). Lopez-Paz 2017, eq. 4.
    """
    R = matrix(R)
    if R.shape[-1] == 1:
        return np.zeros(R.shape[:-2])
    before = np.diagonal(R, offset=1, axis1=-2, axis2=-1)  # (…, T − 1)
    chance = np.asarray(chance, dtype=float)
    if chance.ndim and chance.shape[-1] != R.shape[-1]:
        raise ValueError(f"chance must be a number or (…, {R.shape[-1]}), got shape {chance.shape}")
    return (before - (chance[..., 1:] if chance.ndim else chance)).mean(-1)


def intransigence(R, joint):
    """Mean over tasks of (joint accuracy on task k after k tasks − ours), (…). Positive: it cannot learn.

    joint: R of `Joint` on the same stream. Chaudhry et al. 2018, sec. 3, define it for each task.
    """
    R, joint = matrix(R), matrix(joint)
    if R.shape[-1] != joint.shape[-1]:
        raise ValueError(f"R and joint must have the same tasks, got shapes {R.shape} and {joint.shape}")
    return (np.diagonal(joint, axis1=-2, axis2=-1) - np.diagonal(R, axis1=-2, axis2=-1)).mean(-1)
