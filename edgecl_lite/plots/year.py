"""A year of a device as a still picture, and in words.

    accuracy over the year: the mean over its days; a day on which it is dead counts as 0

`life.py` draws; what a sentence says is computed from the same arrays. Lesson: wrist.
"""

import numpy as np

from .bars import told
from .house import COLOURS, listed, number, percent, styled
from .images import wall
from .life import YearCurves, outcomes
from .names import line, short

REFUSED = "it is not begun"  # how the device tells of a session that it has no joules for


@styled()
def year(life, axes, nothing=None, label=None):
    """A `Life` over its days, on one axes (accuracy) or three (and energy, and flash).

    nothing: a `Life` that learned nothing, drawn beside it; label: its name, default the method's.
    Axes one above the other: `figure(1, 3, height=4, height_ratios=(3, 1, 1))`. Returns the
    sentence of the picture.
    """
    label = label or type(life.strategy.method).__name__
    YearCurves(axes, life.year, label, life.battery.max()).set(life, nothing)
    return year_sentence(life, nothing, label)


def year_sentence(life, nothing=None, label=None):
    """What happened in a life, in words."""
    lives, days = life.accuracy.shape
    whose = f"mean of {lives} lives" if lives > 1 else "one life"
    head = f"{line(label or type(life.strategy.method).__name__)} over {days} days ({whose})"
    right = f"{told(life.score())} of the answers are right"
    beside = ""
    if nothing is not None:
        beside = f", learning nothing {told(np.nan_to_num(nothing.accuracy)[:, :days].mean(1))}"
    many = dict(zip(("kept", "rolled back", "cut by the power"), map(np.sum, outcomes(life))))
    ends = listed(f"{n} {how}" for how, n in many.items() if n or how == "kept")
    ends = f"sessions: {ends}{' in all lives together' * (lives > 1)}"
    spent = f"{number(life.joules.sum(1).mean())} J and {number(life.pages[:, -1].mean())} pages"
    return f"{head}: {right}{beside}; {ends}; it took {spent} of flash. {lacked(life)}".strip()


def day_sentence(life, day, nothing):
    """A day in words: the mean over lives, and what happened in the first of them."""
    right, beside = (percent(one.accuracy[:, day].mean()) for one in (life, nothing))
    what = f"Day {day}: {right} right of what is asked, learning nothing {beside}"
    ends = dict(zip(("was kept", "was rolled back", "was cut by the power"), outcomes(life)))
    end = next((end for end, when in ends.items() if when[0, day]), None)
    session = f"a session on {life.waiting[0, day]} windows {end}" if end else "no session"
    return f"{what}; {'; '.join([session, *life.events[0][day]])}."


def lacked(life):
    """What the battery could not pay, in a sentence for each; empty where it paid all."""
    dead = np.isnan(life.accuracy)
    said = [[any(REFUSED in event for event in day) for day in one] for one in life.events]
    told_ = []
    if dead.any():
        first = int(np.argmax(dead.any(0)))
        some = f" in {int(dead.any(1).sum())} of {len(dead)} lives" if len(dead) > 1 else ""
        told_.append(f"The battery was empty{some}, first on day {first}: no answers then.")
    if np.any(said):
        told_.append(f"{np.sum(said)} sessions were due that the battery could not pay.")
    return " ".join(told_)


@styled()
def answered(x, y, said, names, ax, columns=4):
    """Windows (n, …) of a day, above each what it is, or what it is → what was answered instead.

    y, said (n,): indices into names; 255 in `said` is no answer. Returns the sentence.
    """
    titles, wrong = [], []
    named = [*names, *["no answer"] * (256 - len(names))]
    room = int(ax.bbox.width / columns / 5 - 5) // 2  # letters for each of two names
    brief = [short(name, room) for name in named]
    for true, answer in zip(y, said):
        titles.append(
            f"✓ {names[true]}" if answer == true else f"✗ {brief[true]} → {brief[answer]}"
        )
    wall(x, ax, titles, columns)
    for patch, true, answer in zip(ax.patches, y, said):
        if true != answer:
            patch.set(edgecolor=COLOURS[1], linewidth=2)
            wrong.append(f"{names[true]} read as {named[answer]}" if answer < 255 else "no answer")
    told_ = f": {listed(dict.fromkeys(wrong))}" if wrong else ""
    return f"{len(y) - len(wrong)} of {len(y)} windows were answered right{told_}."
