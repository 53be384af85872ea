"""What a picture shows, as numbers, for whoever draws it elsewhere: a page without a kernel.

Places are whole thousandths of the axes, (0, 0) at the lower left: a scale, even a logarithmic one,
is applied already, and the picture may have any size. What is NaN is None. Most lessons.
"""

import numpy as np
from matplotlib.colors import to_hex

from .curves import MANY, spread
from .house import few, tied
from .sweeps import LOWER_IS_BETTER, along, sweep_name


def thousandths(values):
    """Whole thousandths of each value, None for NaN: nested lists, as the array is."""
    values = np.asarray(values, float)
    whole = np.round(1000 * np.nan_to_num(values)).astype(int).astype(object)
    return np.where(np.isnan(values), None, whole).tolist()


def places(ax, x, y):
    """Where points of data lie in the axes: two lists of thousandths."""
    x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    within = (ax.transScale + ax.transLimits).transform(np.stack([x, y], -1))  # (points, 2)
    return thousandths(within.T)


def frame(ax):
    """{"x": …, "y": …}: of each axis its label and the ticks, [[place, text], …]."""
    found, middle = {}, (np.mean(ax.get_xlim()), np.mean(ax.get_ylim()))
    for i, (name, axis) in enumerate((("x", ax.xaxis), ("y", ax.yaxis))):
        at = axis.get_majorticklocs()
        words = axis.get_major_formatter().format_ticks(at)
        place = places(ax, *((at, middle[1]) if name == "x" else (middle[0], at)))[i]
        ticks = [[p, word] for p, word in zip(place, words) if word and 0 <= p <= 1000]
        found[name] = {"label": axis.get_label_text(), "ticks": ticks}
    return found


def sweep_numbers(run, ax, over="lam", metric=None, at=None):
    """What `sweep_curve` has drawn on ax: mean, band, what was lost, what is best.

    x, mean, low, high: a place for each value, in the order of the axis; best: [indices], with the
    words that stand at one of them; `frame`.
    """
    value, grid = along(run, over, metric, at), np.array(run.grid[over], float)
    order = np.argsort(grid)
    x, value = grid[order], value[order]
    mean, sd = value.mean(1), spread(value.T)
    found = {"x": places(ax, x, 0)[0]} | {"frame": frame(ax), "best": [], "told": ""}
    for name, y in (("mean", mean), ("low", mean - sd), ("high", mean + sd)):
        found[name] = places(ax, x, y)[1]
    if np.isfinite(mean).any():
        best, _ = tied(mean, sweep_name(metric) in LOWER_IS_BETTER)
        found["best"] = best.tolist()
        found["told"] = next(text.get_text() for text in ax.texts if hasattr(text, "xyann"))
    return found


def curves_frame(curves, steps):
    """What stands still of forgetting curves (`Curves`): axes, looks, and which points are marked.

    x: a place for each step; of each curve its name, colour, marker ("" for a thin line without a
    band), the index of its first point in training and those of its markers.
    """
    ax, looks = curves.moving[0].axes, []
    for on, (_, after, _) in enumerate(curves.tasks):
        first = int(np.searchsorted(steps, curves.edges[on]))
        later = curves.edges[curves.edges > curves.edges[on]]
        ends = first + np.flatnonzero(np.isin(steps[first:], later))
        shown = on in curves.shown
        looks.append(
            {
                "name": after.get_label(),
                "colour": to_hex(after.get_color()),
                "marker": after.get_marker() if shown else "",
                "first": first,
                "ends": [int(ends[i]) for i in few(len(ends), MANY)],
            }
        )
    spans = places(ax, curves.edges, 0)[0]
    return {"x": places(ax, steps, 0)[0], "spans": spans, "curves": looks, "frame": frame(ax)}


def curves_numbers(curves, curve):
    """Mean and band of curve (seeds, points, on) in places: {"mean", "sd"}, each [on][point]."""
    low, high = curves.moving[0].axes.get_ylim()
    mean, sd = (curve.mean(0) - low) / (high - low), spread(curve) / (high - low)
    return {"mean": thousandths(mean.T), "sd": thousandths(sd.T)}


def bars_frame(bars):
    """What stands still of `MemoryBars`: a name for each part, and the words below each bar."""
    axes = [parts[0].axes for parts, _ in bars.bars.values()]
    names = [text.get_text() for text in axes[0].figure.legends[0].get_texts()]
    most = axes[0].get_xlim()[1]
    return {
        "parts": names,
        "below": [ax.get_xlabel() for ax in axes],
        "whole": thousandths(100 / most),  # where the board's memory ends
    }


def bar_widths(parts):
    """Of one bar of `MemoryBars` the widths of its parts, in thousandths of the axes."""
    most = parts[0].axes.get_xlim()[1]
    return thousandths([part.get_width() / most for part in parts])
