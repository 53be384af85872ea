"""A metric along one axis of a sweep, with what a reader needs to trust it: band, zero, best, what was lost.

The axis is logarithmic and 0 has a place of its own. A value with any lost seed is a cross at the bottom,
whatever its other seeds did: a mean of the survivors would flatter. Lesson 02.
"""

import numpy as np
from matplotlib.ticker import PercentFormatter

from ..metrics import average_accuracy
from .curves import Band, spread
from .house import COLOURS, INK, SYMBOLS, listed, number, percent, places

LOWER_IS_BETTER = ("forgetting", "intransigence")


def along(run, over="lam", metric=None, at=None):
    """A metric (default average accuracy) along one axis of the grid: (values, seeds), NaN where lost.

    `at` {name: value} chooses from the other axes (default: the first value of each).
    """
    if over not in run.grid:
        raise ValueError(f"over: expected an axis of the sweep, one of {list(run.grid)}; got {over!r}")
    if run.stopped:
        raise ValueError(
            f"expected a finished sweep; this one was stopped at step {run.step[-1]}: run it again"
        )
    at = {name: values[0] for name, values in run.grid.items()} | (at or {})
    index = (slice(None) if k == over else list(values).index(at[k]) for k, values in run.grid.items())
    R = np.asarray(run.accuracy)[tuple(index)]
    kept = np.isfinite(R).all((-1, -2))
    result = np.full(kept.shape, np.nan)
    if kept.any():
        result[kept] = (metric or average_accuracy)(R[kept])
    return result


def sweep_curve(run, ax, over="lam", metric=None, at=None):
    """A metric (default average accuracy) along one axis: mean, band over seeds, the best marked."""
    value, grid = along(run, over, metric, at), run.grid[over]
    mean, sd, lost = value.mean(1), spread(value.T), np.isnan(value).any(1)
    x, ticks, gap = places(grid)
    name = getattr(metric, "__name__", "metric").replace("_", " ") if metric else "average accuracy"
    words = [f"{SYMBOLS.get(over, over)} = {number(v)}" for v in grid]
    low = ax.get_xaxis_transform()  # x in data, y in axes: 0 is the bottom
    order = [i for i in np.argsort(x) if not (gap and grid[i] == 0)]
    Band(ax, 0, marker="o", markersize=4, markevery=None).set(x[order], value[order].T)
    if gap:
        zero = x.argmin()
        error = sd[zero] if value.shape[1] > 1 else None
        ax.errorbar(x[zero], mean[zero], error, color=COLOURS[0], fmt="o", markersize=4, capsize=3)
        broken = ax.text(
            (x[zero] + x[order[0]]) / 2, 0, "//", transform=low, ha="center", va="center", fontsize=9
        )
        broken.set_bbox(dict(facecolor="white", edgecolor="none", boxstyle="square,pad=0"))
    ax.set(xlabel=SYMBOLS.get(over, over), ylabel=name)
    ax.set_xticks([place for place, _ in ticks], [label for _, label in ticks])
    ax.set_xlim(x.min() - 0.04 * np.ptp(x) - 1e-9, x.max() + 0.04 * np.ptp(x) + 1e-9)
    ax.grid(axis="x", visible=False)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    gone = (
        f" Lost in training: {listed(w for w, no in zip(words, lost, strict=True) if no)}."
        if lost.any()
        else ""
    )
    if lost.any():
        ax.plot(x[lost], np.full(lost.sum(), 0.04), "x", color=INK, transform=low, label="lost")
        ax.text(x[lost][-1], 0.08, "lost", transform=low, ha="center", fontsize=9.5)
    if lost.all():
        return f"There is no {name} to show.{gone}"
    best = int(np.nanargmin(mean) if name in LOWER_IS_BETTER else np.nanargmax(mean))
    bottom, top = np.nanmin(mean - sd), np.nanmax(mean + sd)
    ax.set_ylim(bottom - 0.16 * (top - bottom) - 0.01, top + 0.2 * (top - bottom) + 0.01)
    ax.plot(x[best], mean[best], "o", markersize=11, fillstyle="none", color=COLOURS[1], markeredgewidth=1.8)
    label = dict(textcoords="offset points", ha="right" if x[best] > x.mean() else "left", color=COLOURS[1])
    ax.annotate(f"{words[best]}: {percent(mean[best])}", (x[best], mean[best]), (0, 10), **label)
    kept = [i for i in np.argsort(x) if not lost[i]]
    others = [f"{percent(mean[i])} at {words[i]}" for i in dict.fromkeys((kept[0], kept[-1])) if i != best]
    band = f" (sd {100 * sd[best]:.0f})" if value.shape[1] > 1 else ""
    ends = f"; it is {listed(others)}" if others else ""
    return f"The {name} is best at {words[best]}, {percent(mean[best])}{band}{ends}.{gone}"
