"""A metric along one axis of a sweep, and what makes it worth trusting: band, zero, best, losses.

The axis is logarithmic down to the smallest value above 0 and linear from there to 0. A value with
any lost seed is a cross at the bottom: a mean of the survivors would flatter. Lesson: ewc.
"""

import numpy as np
from matplotlib.ticker import MaxNLocator

from ..metrics import average_accuracy
from .curves import spread
from .house import COLOURS, INK, SYMBOLS, listed, number, percent, styled, tied

LOWER_IS_BETTER = ("forgetting", "intransigence")


def along(run, over="lam", metric=None, at=None):
    """A metric (default average accuracy) along an axis of the grid: (values, seeds), NaN if lost.

    Raises ValueError on a Run that has no such axis, is not finished, or that the metric does not
    measure. `at` {name: value} chooses from the other axes (default: the first value of each).
    """
    if not getattr(run, "grid", None):
        raise ValueError(f"expected a Run of sweep(…), with an axis to go along; got {run!r}")
    if over not in list(run.grid):
        want = f"an axis of the sweep, one of {list(run.grid)}"
        raise ValueError(f"over: expected {want}; got {over!r}")
    if run.stopped:
        got = f"got one stopped at step {run.step[-1]}"
        raise ValueError(f"expected a finished sweep, {got}: run it again")
    at = {name: values[0] for name, values in run.grid.items()} | (at or {})
    index = {name: list(values).index(at[name]) for name, values in run.grid.items()}
    R = np.asarray(run.accuracy)[tuple((index | {over: slice(None)}).values())]
    kept = np.isfinite(R).all((-1, -2))
    result = np.full(kept.shape, np.nan)
    if kept.any():
        values = np.asarray((metric or average_accuracy)(R[kept]), float)
        if values.shape != (kept.sum(),) or not np.isfinite(values).all():
            want = f"one finite number for each of the {kept.sum()} matrices of R"
            want += ", (…, tasks, tasks)"
            got = f"shape {values.shape}" if values.shape != (kept.sum(),) else f"{values}"
            raise ValueError(f"metric: expected {want}; got {got}")
        result[kept] = values
    return result


@styled()
def sweep_curve(run, ax, over="lam", metric=None, at=None):
    """A metric (default average accuracy) along one axis: mean, band over seeds, best marked."""
    metric, symbol = metric or average_accuracy, SYMBOLS.get(over, over)
    value, grid = along(run, over, metric, at), np.array(run.grid[over], float)
    order = np.argsort(grid)
    x, value = grid[order], value[order]
    mean, lost = value.mean(1), np.isnan(value).any(1)  # (values,)
    name = sweep_name(metric)
    words = [f"{symbol} = {number(v)}" for v in x]
    _hill(ax, x, value)
    ax.set(xlabel=symbol, ylabel=name)
    gone = ""
    if lost.any():
        _crosses(ax, x[lost])
        gone = f" Lost in training: {listed(np.array(words)[lost])}."
    if lost.all():
        return f"There is no {name} to show.{gone}"
    lowest = name in LOWER_IS_BETTER
    first, tie = tied(mean, lowest)
    top = first[np.argmin(mean[first]) if lowest else np.argmax(mean[first])]
    _ring(ax, x, mean, first, top, f"{words[top]}: {percent(mean[top])}" + ", a tie" * bool(tie))
    ends = np.unique(np.flatnonzero(~lost)[[0, -1]])
    others = [f"{percent(mean[i])} at {words[i]}" for i in ends if i not in first]
    band = f" (sd {100 * spread(value[top]):.0f})" if value.shape[1] > 1 else ""
    rest = f"; it is {listed(others)}" if others else ""
    where = listed(dict.fromkeys(words[i] for i in first), 6)
    return f"The {name} is best at {where}, {percent(mean[top])}{band}{tie}{rest}.{gone}"


def sweep_name(metric=None):
    """The name of a metric in words."""
    return getattr(metric or average_accuracy, "__name__", "metric").replace("_", " ")


def _hill(ax, x, value):
    """Mean and band of value (values, seeds), on an axis that has a place for 0."""
    mean, sd = value.mean(1), spread(value.T)
    ax.fill_between(x, mean - sd, mean + sd, color=COLOURS[0], alpha=0.18, linewidth=0)
    ax.plot(x, mean, "o-", color=COLOURS[0], markersize=4)
    least = x[x > 0].min(initial=np.inf)
    if x[-1] >= 10 * least:
        ax.set_xscale("symlog", linthresh=least, linscale=0.9)
        ax.xaxis.set_major_formatter(lambda v, _: number(v))
        ax.xaxis.minorticks_off()
    ax.margins(y=0.16)
    ax.grid(axis="x", visible=False)
    ax.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(lambda v, _: percent(v))


def _crosses(ax, x):
    """What was lost: crosses at the bottom."""
    low = ax.get_xaxis_transform()  # x in data, y in axes: 0 is the bottom
    ax.plot(x, np.full(len(x), 0.04), "x", color=INK, transform=low, label="lost")
    ax.text(x[-1], 0.08, "lost", transform=low, ha="center", fontsize=9.5)


def _ring(ax, x, mean, first, top, text):
    """A ring around each of the best, and the text at the first of them."""
    ring = dict(markersize=11, fillstyle="none", color=COLOURS[1], markeredgewidth=1.8)
    ax.plot(x[first], mean[first], "o", **ring)
    side = "right" if top > len(x) / 2 else "left"
    label = dict(textcoords="offset points", ha=side, color=COLOURS[1])
    ax.annotate(text, (x[top], mean[top]), (0, 10), **label)
