"""Pictures of one run: forgetting curves and the matrix R.

R[after, on] is the accuracy on task `on` after learning task `after` (Lopez-Paz & Ranzato 2017, Chaudhry et
al. 2018); the curves show the same numbers at every point of the training, their markers are the cells of R.
Bands are one standard deviation over seeds (n - 1). A lane that was lost (NaN) is named as lost and never
drawn as a result. Lessons 00 to 02.
"""

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from .house import COLOURS, INK, MARKERS, SYMBOLS, listed, number, percent


def spread(y):
    """Standard deviation over seeds, the first axis; 0 for one seed."""
    return y.std(0, ddof=min(1, len(y) - 1))


class Band:
    """A mean line and a band of one standard deviation around it, made once and updated in place."""

    def __init__(self, ax, index, **options):
        colour = COLOURS[index % len(COLOURS)]
        self.band = ax.fill_between([], [], [], color=colour, alpha=0.18, linewidth=0)
        marker = dict(marker=MARKERS[index % len(MARKERS)], markersize=5.5, markevery=[])
        (self.line,) = ax.plot([], [], color=colour, clip_on=False, **(marker | options))

    def set(self, x, y):
        """x (points,), y (seeds, points); a point where any seed is NaN is left out."""
        self.put(x, y.mean(0), spread(y), len(y) > 1)

    def put(self, x, mean, sd, banded):
        """The same of a mean and a standard deviation (points,)."""
        self.line.set_data(x, mean)
        self.band.set_visible(banded)
        x, mean, sd = (v[np.isfinite(mean)] for v in (x, mean, sd))
        outline = np.concatenate([x, x[::-1]]), np.concatenate([mean - sd, (mean + sd)[::-1]])
        self.band.set_verts([np.stack(outline, 1)])


class Curves:
    """Forgetting curves as artists: one per task, thin and dotted until its task is being learned.

    `edges` (tasks + 1,): the step at which each task begins, and the end; `moving` lists what changes with
    the data.
    """

    def __init__(self, ax, names, edges):
        self.edges = np.asarray(edges)
        self.after = [Band(ax, i, label=name) for i, name in enumerate(names)]
        self.before = [ax.plot([], [], ":", color=a.line.get_color(), lw=1)[0] for a in self.after]
        self.moving = [*(a.band for a in self.after), *self.before, *(a.line for a in self.after)]
        ax.set(xlim=(0, max(1, self.edges[-1])), ylim=(-0.02, 1.02))
        ax.set(xlabel="training step", ylabel="accuracy")
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        ax.grid(axis="x", visible=False)
        room = 72 * ax.get_position().width * ax.figure.get_figwidth() / len(names)  # points for each name
        size = float(np.clip(room / (0.65 * max(map(len, names))), 6.5, 9.5))
        for task, (start, end) in enumerate(zip(self.edges[:-1], self.edges[1:], strict=True)):
            if start:
                ax.axvline(start, color="#BBBBBB", lw=0.9, zorder=0)
            top = dict(transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=size)
            ax.text((start + end) / 2, 1.015, names[task], color="#555555", **top)
        handles = [a.line for a in self.after]
        beside = dict(loc="upper left", bbox_to_anchor=(1.0, 1.03), alignment="left")
        ax.legend(handles=handles, title="accuracy on", frameon=False, fontsize=9.5, **beside)

    def set(self, steps, task, curve):
        """steps (points,), task being learned (points,), curve (seeds, points, on)."""
        ends = np.flatnonzero(np.isin(steps, self.edges[1:]))
        mean, sd = curve.mean(0), spread(curve)
        for on, (before, after) in enumerate(zip(self.before, self.after, strict=True)):
            first = max(0, np.searchsorted(task, on) - 1)  # its training starts where the last one ended
            first = first if task[-1] >= on else len(steps)
            before.set_data(steps[: first + 1], mean[: first + 1, on])
            after.put(steps[first:], mean[first:, on], sd[first:, on], len(curve) > 1)
            after.line.set_markevery([int(e - first) for e in ends if e > first])


def edges_of(run):
    """Steps at which the tasks of a run begin, and its last step; (tasks + 1,), also for a stopped run."""
    begins = [run.step[np.argmax(run.task >= t) - 1] for t in range(1, int(run.task[-1]) + 1)]
    return np.array([0, *begins] + [run.step[-1]] * (len(run.names) - len(begins)))


def cell_of(run, cell=()):
    """The curve of one cell of the grid: (seeds, points, on)."""
    cell = (cell,) if np.isscalar(cell) else tuple(cell)
    if len(cell) != len(run.grid):
        axes = ", ".join(f"{k} ({len(v)} values)" for k, v in run.grid.items()) or "none"
        raise ValueError(f"cell: expected one index for each axis of the grid ({axes}); got {cell}")
    return np.asarray(run.curve)[cell]


def curves(run, ax, cell=()):
    """Forgetting curves of one cell of the grid (an index for each axis): mean and band over seeds."""
    Curves(ax, run.names, edges_of(run)).set(run.step, run.task, cell_of(run, cell))
    for text in ax.texts[int(run.task[-1]) + 1 :]:  # tasks that a stopped run never reached
        text.set_visible(False)
    return curves_sentence(run, cell)


def curves_sentence(run, cell=()):
    """What the forgetting curves say, in words."""
    curve, last, names = cell_of(run, cell), int(run.task[-1]), run.names
    values = (values[i] for values, i in zip(run.grid.values(), np.ravel(cell).astype(int), strict=True))
    setting = [f"{SYMBOLS.get(k, k)} = {number(v)}" for k, v in zip(run.grid, values, strict=True)]
    head = ", ".join([*setting, f"mean of {len(curve)} seeds" if len(curve) > 1 else "one seed"])
    head = f"{run.method} ({head})"
    lost = int(np.isnan(curve[:, -1]).any(-1).sum())
    if lost:
        return f"{head}: {lost} of {len(curve)} seed(s) lost before the end, so there is no result."
    ends = np.searchsorted(run.step, edges_of(run)[1:])
    now = [percent(a) for a in curve[:, -1].mean(0)]
    past = [f"on {names[t]} from {percent(curve[:, ends[t], t].mean())} to {now[t]}" for t in range(last)]
    if not past:
        return f"{head}: accuracy on {names[0]} is {now[0]}."
    past = listed(past).replace(" from", " goes from", 1)
    then = f"between just having learned it and the end; on {names[last]}, learned last, it is {now[last]}"
    return f"{head}: accuracy {past} {then}."


def matrix(R, ax, names=None, lit=None):
    """R (..., after, on) in per cent as a heat map, mean over leading axes; `lit`: cells a metric uses."""
    R = np.asarray(R, float)
    R = R.reshape(-1, *R.shape[-2:]).mean(0)
    names = list(names or range(1, len(R) + 1))
    bright = np.ones(R.shape, bool) if lit is None else np.asarray(lit, bool)
    ax.imshow(R, cmap="Blues", vmin=0, vmax=1.25, aspect="auto", alpha=np.where(bright, 1, 0.18))
    for (after, on), value in np.ndenumerate(R):
        marked = lit is not None and bright[after, on]
        colour = "#8A8A8A" if not bright[after, on] else "white" if value > 0.7 else INK
        text = "·" if np.isnan(value) else f"{100 * value:.0f}"
        weight = "bold" if marked else "normal"
        ax.text(on, after, text, ha="center", va="center", color=colour, weight=weight)
        if marked:
            box = dict(fill=False, edgecolor=COLOURS[1], linewidth=1.8)
            ax.add_patch(Rectangle((on - 0.46, after - 0.46), 0.92, 0.92, **box))
    ax.set(xlabel="accuracy on (%)", ylabel="after learning")
    ax.set_xticks(range(R.shape[1]), names)
    ax.set_yticks(range(R.shape[0]), names)
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if lit is not None:
        return (
            f"The accuracy matrix R: {bright.sum()} of {R.size} cells lit, mean {percent(R[bright].mean())}."
        )
    if np.isnan(R).any():
        return f"The accuracy matrix R, filled for {int(np.isfinite(R).all(1).sum())} of {len(R)} tasks."
    worst = f"lowest on {names[R[-1].argmin()]} with {percent(R[-1].min())}"
    diagonal, last = percent(R.diagonal().mean()), percent(R[-1].mean())
    text = f"just after learning a task (the diagonal) accuracy averages {diagonal}"
    return f"The accuracy matrix R: {text}, after the last task (the last row) {last}, {worst}."
