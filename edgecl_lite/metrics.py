"""Metrics of continual learning: each a short function of one matrix, R[after, on].

R (…, T, T): accuracy in 0..1 on task `on` after learning task `after`; leading axes (grid, seeds)
are carried along, so a metric takes one run or a whole sweep. Each reads only some cells of R, and
only those must be there: the others may be NaN, as in a stopped run or where tasks to come were not
measured. ValueError where such a cell is NaN in every lane; a lane that was lost in a sweep keeps
its NaN, and so does its metric. Lopez-Paz & Ranzato 2017 (transfer), Chaudhry et al. 2018
(forgetting, intransigence).
Lesson: catastrophic_forgetting lights up the cells that each one uses.
"""

import numpy as np

from ._refuse.shares import difference, matrix, shares


def average_accuracy(R):
    """Mean of the last row: accuracy over all tasks after the last one, (…)."""
    R = matrix(R, lambda after, on, last: after == last)
    return R[..., -1, :].mean(-1)


def forgetting(R):
    """Mean over all tasks but the last of (best accuracy before the end − at the end), (…).

    Chaudhry et al. 2018, sec. 3: max minus last, over T − 1 tasks. Accuracy on tasks still to come
    counts where it was measured. One task alone forgets nothing: 0.
    """
    R = matrix(R, lambda after, on, last: (on < last) & (on <= after))
    if _tasks(R) == 1:
        return 0 * R[..., 0, 0]
    to_come = ~np.tri(_tasks(R), dtype=bool)
    known = np.where(np.isnan(R) & to_come, -np.inf, R)
    best = known[..., :-1, :-1].max(-2)
    return (best - R[..., -1, :-1]).mean(-1)


def backward_transfer(R):
    """Mean over all tasks but the last of (accuracy at the end − right after learning it), (…).

    Lopez-Paz & Ranzato 2017, eq. 3: last minus diagonal, over T − 1 tasks. Negative: it forgets.
    """
    R = matrix(R, lambda after, on, last: (on < last) & ((after == on) | (after == last)))
    if _tasks(R) == 1:
        return 0 * R[..., 0, 0]
    gained = R[..., -1, :] - _diagonal(R)  # (…, T), of the last task 0
    return gained[..., :-1].mean(-1)


def forward_transfer(R, chance):
    """Mean over all tasks but the first of (accuracy just before learning it − chance), (…).

    Lopez-Paz & Ranzato 2017, eq. 4. chance: a number, or the untrained network's accuracy on each
    task (…, T).
    """
    R = matrix(R, lambda after, on, last: on == after + 1)
    chance = shares("chance", chance)
    if chance.ndim and _tasks(chance) != _tasks(R):
        raise ValueError(f"chance must be a number or (…, {_tasks(R)}), got shape {chance.shape}")
    if _tasks(R) == 1:
        return 0 * R[..., 0, 0]
    before = np.diagonal(R, offset=1, axis1=-2, axis2=-1)  # (…, T − 1)
    chance = chance[..., 1:] if chance.ndim else chance
    return difference(before, chance, "R and chance").mean(-1)


def intransigence(R, joint):
    """Mean over tasks of (joint accuracy right after learning it − ours), (…).

    joint: R of `Joint` on the same stream. Positive: it cannot learn. Chaudhry et al. 2018, sec. 3,
    define it for each task.
    """
    diagonal = lambda after, on, last: after == on
    R, joint = matrix(R, diagonal), matrix(joint, diagonal, "joint")
    if _tasks(R) != _tasks(joint):
        got = f"got shapes {R.shape} and {joint.shape}"
        raise ValueError(f"R and joint must have the same tasks, {got}")
    return difference(_diagonal(joint), _diagonal(R), "joint and R").mean(-1)


def _tasks(table):
    return table.shape[-1]


def _diagonal(R):
    return np.diagonal(R, axis1=-2, axis2=-1)
