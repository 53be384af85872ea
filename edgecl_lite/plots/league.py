"""The league of strategies: who does best over a year of several lives, and what it costs.

    bar: the mean over lives; whisker: ± 1 standard deviation (n - 1); points: the lives

The one that learns nothing stands in it, in a quiet colour. Lesson: wrist.
"""

import numpy as np

from ..device.boards import size
from .bars import CALM, told
from .curves import spread
from .house import COLOURS, INK, listed, number, percent, styled
from .lines import look_of
from .names import line, look

RIGHT = 75, 112, 152, 210  # where the columns end, in points beside the axes


@styled()
def league(lives, ax):
    """Strategies {name: Life}, the best first: a bar for the mean, a point for each life.

    A `Life` may stand as its scores alone, (lives,), 0..1. Beside the bars mean ± sd; of whole
    lives joules, pages of flash and RAM, too. A strategy that never learns is told from the others.
    Returns the sentence of the picture. Raises ValueError where there is none, or their lives are
    unlike.
    """
    rows = sorted(scores(lives).items(), key=lambda row: -row[1].mean())
    for at, (name, own) in enumerate(rows):
        known = None if learns_not(name, lives[name]) else look_of(name)
        colour, marker = (COLOURS[known[0]], known[1]) if known else (CALM, "o")
        ax.barh(at, own.mean(), height=0.5, color=colour, alpha=0.45)
        if len(own) > 1:
            ax.errorbar(own.mean(), at, xerr=spread(own), color=INK, capsize=3, lw=1.2)
        style = dict(color=colour, ms=6, mec=INK, mew=0.7, zorder=3)
        ax.plot(own, np.full(len(own), at), marker, linestyle="", **style)
    _columns(ax, rows, lives)
    return league_sentence(rows, lives)


def _columns(ax, rows, lives):
    """Names at the left of the bars, figures at their right."""
    heads = {"accuracy": lambda name, own: told(own)}
    if all(hasattr(life, "joules") for life in lives.values()):
        heads["J"] = lambda name, own: number(lives[name].joules.sum(1).mean())
        heads["pages"] = lambda name, own: number(lives[name].pages[:, -1].mean())
        heads["RAM"] = lambda name, own: size(needed(lives[name]))
    labels = [line(name, 40) for name, _ in rows]
    ax.set_yticks(range(len(rows)), labels, **look(*labels))
    ax.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.6), xlabel="accuracy over the year")
    ax.xaxis.set_major_formatter(lambda v, _: percent(v))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    frame = dict(xycoords=("axes fraction", "data"), textcoords="offset points")
    place = dict(ha="right", va="center", fontsize=9.5, annotation_clip=False, **frame)
    for x, (head, figure) in zip(RIGHT, heads.items()):
        ax.annotate(head, (1, -0.75), xytext=(x, 0), color="#555555", **place)
        for at, row in enumerate(rows):
            ax.annotate(figure(*row), (1, at), xytext=(x, 0), **place)


def needed(life):
    """Bytes of RAM: those in which a device answers, if that is all it does."""
    costs = life.costs
    return costs.budget.answering if learns_not("", life) else costs.ram


def scores(lives):
    """{name: scores (lives,)}. ValueError where there is none, or they have not as many lives."""
    if not lives:
        raise ValueError("league: expected at least one strategy, {name: Life}, got none")
    found = {
        k: np.asarray(v.score() if hasattr(v, "score") else v, float) for k, v in lives.items()
    }
    shapes = {own.shape for own in found.values()}
    if len(shapes) > 1 or len(next(iter(shapes))) != 1:
        got = ", ".join(f"{k!r}: {own.shape}" for k, own in found.items())
        raise ValueError(f"league: every strategy must have lived the same lives, got {got}")
    return found


def learns_not(name, life):
    """Whether a strategy is the one that never learns, by its trigger or its name."""
    when = getattr(getattr(life, "strategy", None), "when", None)
    return when == "never" or type(when).__name__ == "Never" or "nothing" in str(name).lower()


def league_sentence(rows, lives):
    """The league in words: means ± sd, best first, and in how many lives each beats nothing."""
    still = next((own for name, own in rows if learns_not(name, lives[name])), None)
    said = []
    for name, own in rows:
        ahead = ""
        if still is not None and own is not still:
            ahead = f" (above learning nothing in {int((own > still).sum())} of {len(own)} lives)"
        said.append(f"{line(name)} {told(own)}{ahead}")
    return f"Accuracy over the year, the best first: {listed(said)}."
