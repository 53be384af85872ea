"""Pictures of lesson 02: two loss valleys over two weights, and lines with bands over a logarithmic axis.

A task here is (centre, curvature) of a quadratic loss ½ (θ − centre)ᵀ H (θ − centre), H (2, 2).
"""

import numpy as np
from matplotlib.patches import Ellipse
from matplotlib.ticker import PercentFormatter

from .curves import spread
from .house import COLOURS, INK, MARKERS, number

LEVELS = [0.2, 0.8, 2.2]


def loss(theta, centre, curvature):
    """½ (θ − centre)ᵀ H (θ − centre) of points θ (…, 2)."""
    distance = theta - centre
    return 0.5 * np.einsum("...i,ij,...j->...", distance, curvature, distance)


def valleys(ax, a, b, stiffness, path, here, title=""):
    """Two valleys, the spring's ellipse around A's minimum, and where the minimum moves as λ grows.

    a, b: tasks; stiffness (2,): the diagonal of the spring; path (λ, 2): minima; here: index of one to mark.
    """
    grid = np.stack(np.meshgrid(np.linspace(-2.2, 4.2, 120), np.linspace(-1.6, 2.9, 100)), -1)
    for name, task, line, colour in (("A", a, "dashed", COLOURS[0]), ("B", b, "solid", COLOURS[1])):
        ax.contour(*grid.T, loss(grid, *task).T, LEVELS, linestyles=line, colors=colour, linewidths=1.0)
        ax.plot(*task[0], "*", color=colour, markersize=13)
        ax.annotate(name, task[0], (8, -12), textcoords="offset points", color=colour, weight="bold")
    width, height = 2 * np.sqrt(2 * LEVELS[1] / np.asarray(stiffness))
    ax.add_patch(Ellipse(a[0], width, height, facecolor=COLOURS[0], alpha=0.15))
    ax.plot(*path.T, ".-", color=INK, lw=2, markersize=7, markevery=4)
    ax.plot(*path[here], "o", color=COLOURS[2], markersize=11, markeredgecolor="white")
    ax.set(xlabel="weight 1", ylabel="weight 2", title=title)
    ax.set(xlim=(-2.2, 4.2), ylim=(-1.6, 2.9), aspect=1)
    ax.grid(visible=False)
    return f"the loss is {loss(path[here], *a):.2f} on A and {loss(path[here], *b):.2f} on B"


def lines(ax, x, values, xlabel, ylabel, log=True):
    """{name: (points, seeds)} over x (or {name: x}): means with bands of one standard deviation.

    log: x is a hyper-parameter on a logarithmic axis and values are accuracies. Returns where each line
    peaks, {name: x}, from a parabola in log x through its best point and the two beside it.
    """
    peaks = {}
    for i, (name, value) in enumerate(values.items()):
        at, colour = np.asarray(x[name] if isinstance(x, dict) else x, float), COLOURS[i % len(COLOURS)]
        mean, sd = np.mean(value, 1), spread(np.asarray(value).T)
        ax.fill_between(at, mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)
        ax.plot(at, mean, color=colour, marker=MARKERS[i % len(MARKERS)], markersize=5, label=name)
        near = slice(max(0, int(mean.argmax()) - 1), int(mean.argmax()) + 2)
        bend, slope, _ = np.polyfit(np.log(at[near]), mean[near], 2) if len(at[near]) == 3 else (0, 0, 0)
        peaks[name] = np.exp(-slope / (2 * bend)) if bend else at[mean.argmax()]
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if log:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda at, _: number(at))
        ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    ax.legend(frameon=False)
    return peaks
