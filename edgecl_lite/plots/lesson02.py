"""Pictures of lesson 02: two loss valleys over two weights, and lines with bands over a logarithmic axis.

A task here is (centre, curvature) of a quadratic loss ½ (θ − centre)ᵀ H (θ − centre), H (2, 2).
"""

import numpy as np
from matplotlib.patches import Ellipse
from matplotlib.ticker import PercentFormatter

from .curves import spread
from .house import COLOURS, INK, MARKERS, number


def loss(theta, centre, curvature):
    """½ (θ − centre)ᵀ H (θ − centre) of points θ (…, 2)."""
    distance = theta - centre
    return 0.5 * np.einsum("...i,ij,...j->...", distance, curvature, distance)


def valleys(ax, a, b, stiffness, path, here=None, title=""):
    """Two valleys, the spring's ellipse around A's minimum, and where the minimum moves as λ grows.

    a, b: tasks; stiffness (2,): the diagonal of the spring; path (λ, 2): minima; here: index of one to mark.
    """
    grid = np.stack(np.meshgrid(np.linspace(-2.2, 4.2, 120), np.linspace(-1.6, 2.9, 100)), -1)
    levels = [0.2, 0.8, 2.2]
    for task, line, colour in ((a, "dashed", COLOURS[0]), (b, "solid", COLOURS[1])):
        ax.contour(*grid.T, loss(grid, *task).T, levels, linestyles=line, colors=colour, linewidths=1.0)
    width, height = 2 * np.sqrt(2 * levels[1] / np.asarray(stiffness))
    ax.add_patch(Ellipse(a[0], width, height, facecolor=COLOURS[0], alpha=0.15))
    ax.plot(*path.T, "-", color=INK, lw=2)
    ax.plot(*path[::4].T, ".", color=INK, markersize=7)
    for task, name, colour in ((a, "A", COLOURS[0]), (b, "B", COLOURS[1])):
        ax.plot(*task[0], "*", color=colour, markersize=13)
        ax.annotate(name, task[0], (8, -12), textcoords="offset points", color=colour, weight="bold")
    theta = path[-1] if here is None else path[here]
    if here is not None:
        ax.plot(*theta, "o", color=COLOURS[2], markersize=11, markeredgecolor="white")
    ax.set(xlabel="weight 1", ylabel="weight 2", title=title, xlim=(-2.2, 4.2), ylim=(-1.6, 2.9), aspect=1)
    ax.grid(visible=False)
    return f"the loss is {loss(theta, *a):.2f} on A and {loss(theta, *b):.2f} on B"


def lines(ax, x, values, xlabel, ylabel, log=True):
    """{name: (points, seeds)} over x (or {name: x}): means with bands of one standard deviation.

    log: x is a hyper-parameter on a logarithmic axis and values are accuracies.
    Returns {name: (x, mean)} of the peaks, x from a parabola through the best point and its neighbours, in
    log x.
    """
    peaks = {}
    for i, (name, value) in enumerate(values.items()):
        at, colour = np.asarray(x[name] if isinstance(x, dict) else x, float), COLOURS[i % len(COLOURS)]
        mean, sd = np.mean(value, 1), spread(np.asarray(value).T)
        ax.fill_between(at, mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)
        ax.plot(at, mean, color=colour, marker=MARKERS[i % len(MARKERS)], markersize=5, label=name)
        best = int(mean.argmax())
        if log and 0 < best < len(at) - 1:
            near = slice(best - 1, best + 2)
            bend, slope, _ = np.polyfit(np.log(at[near]), mean[near], 2)
            peaks[name] = (np.exp(-slope / (2 * bend)), mean[best])
        else:
            peaks[name] = (at[best], mean[best])
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if log:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda at, _: number(at))
        ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    ax.legend(frameon=False)
    return peaks


def said(peaks):
    """The peaks in words."""
    return "; ".join(f"{name}: best {100 * y:.0f} % near λ = {x:.1f}" for name, (x, y) in peaks.items())
