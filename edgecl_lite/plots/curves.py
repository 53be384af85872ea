"""Pictures of one run: forgetting curves and the matrix R.

R[after, on] is the accuracy on task `on` after learning task `after` (Lopez-Paz & Ranzato 2017, Chaudhry et
al. 2018); the curves show the same numbers at every point of the training, their markers are the cells of R.
Bands are one standard deviation over seeds (n - 1). A lane that was lost (NaN) is named as lost and never
drawn as a result. Every lesson.
"""

import numpy as np
from matplotlib.patches import Rectangle

from .house import COLOURS, INK, MARKERS, SYMBOLS, listed, number, percent, styled, tied


def spread(y):
    """Standard deviation over seeds, the first axis; 0 for one seed."""
    return y.std(0, ddof=min(1, len(y) - 1))


class Curves:
    """Forgetting curves as artists, made once and updated in place: thin and dotted until a task is being
    learned, then bold with a band over seeds, and a marker at the end of every task.

    `edges` (tasks + 1,): the step at which each task begins, and the end. `tasks`: (before, after, band) of
    each; `moving`: all of them in one list.
    """

    @styled()
    def __init__(self, ax, names, edges, label="accuracy", top=1.0):
        self.edges, self.tasks, self.names, self.label, self.top = np.asarray(edges), [], names, label, top
        several = len(set(edges)) > 2  # tasks, one after the other
        room = ax.bbox.width / len(names) / max(map(len, names))  # pixels for each letter above the curves
        above = dict(transform=ax.get_xaxis_transform(), ha="center", va="bottom", color="#555555")
        for i, (name, start, end) in enumerate(zip(names, self.edges, self.edges[1:])):
            colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
            (before,) = ax.plot([], [], ":", color=colour, lw=1)
            (after,) = ax.plot([], [], color=colour, marker=marker, ms=5.5, label=name, clip_on=False)
            (band,) = ax.fill([], [], color=colour, alpha=0.18, linewidth=0)
            self.tasks.append((before, after, band))
            if start < end and (several or len(names) == 1):  # a stopped run has tasks that it never reached
                ax.text((start + end) / 2, 1.015, name, fontsize=np.clip(1.1 * room, 6.5, 9.5), **above)
                ax.axvline(start, color="#BBBBBB", lw=0.9, zorder=0)
        self.moving = [artist for task in self.tasks for artist in task]
        ax.set(xlim=(0, max(1, self.edges[-1])), ylim=(-0.02 * top, 1.02 * top))
        ax.set(xlabel="training step", ylabel=label)
        if top == 1:
            ax.yaxis.set_major_formatter(lambda v, _: percent(v))
        ax.grid(axis="x", visible=False)
        ax.legend(
            title=f"{label} on" if several else None,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.03),
            alignment="left",
        )

    def set(self, steps, curve):
        """steps (points,), curve (seeds, points, on)."""
        mean, sd = curve.mean(0), spread(curve)
        for on, (before, after, band) in enumerate(self.tasks):
            first = np.searchsorted(steps, self.edges[on])  # the point at which its training starts
            before.set_data(steps[: first + 1], mean[: first + 1, on])
            kept = first + np.flatnonzero(np.isfinite(mean[first:, on]))  # up to where a seed was lost
            x, y, dy = steps[kept], mean[kept, on], sd[kept, on]
            after.set_data(x, y)
            later = self.edges[self.edges > self.edges[on]]
            after.set_markevery(list(np.flatnonzero(np.isin(x, later))))
            band.set_xy(np.vstack([np.stack([x, y - dy], 1), np.stack([x, y + dy], 1)[::-1]]))


def heat(values, ax, names, least=0.0, alpha=None):
    """A square of shares 0..1 in per cent as a heat map; those below `least` stay unwritten. Returns the
    texts, {(row, column): text}.
    """
    ax.imshow(values, cmap="Blues", vmin=0, vmax=1.25, aspect="auto", alpha=alpha)
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    look = dict(ha="center", va="center", fontsize=min(10.5, 80 / len(names)))
    texts = {}
    for (row, column), value in np.ndenumerate(values):
        if not value < least:
            text = "·" if np.isnan(value) else f"{100 * value:.0f}"
            texts[row, column] = ax.text(column, row, text, color="white" if value > 0.7 else INK, **look)
    return texts


def edges_of(run):
    """Steps at which the tasks of a run begin, and its last step: (tasks + 1,), also for a stopped run."""
    ends = [*run.step[run.ended], *[run.step[-1]] * len(run.names)]
    return np.array([0, *ends[: len(run.names)]])


def cell_of(run, cell=()):
    """The curve of one cell of the grid: (seeds, points, on)."""
    cell = (cell,) if np.isscalar(cell) else tuple(cell)
    if len(cell) != len(run.grid):
        axes = ", ".join(f"{k} ({len(v)} values)" for k, v in run.grid.items()) or "none"
        raise ValueError(f"cell: expected one index for each axis of the grid ({axes}); got {cell}")
    return np.asarray(run.curve)[cell]


def curves(run, ax, cell=()):
    """Forgetting curves of one cell of the grid (an index for each axis): mean and band over seeds."""
    Curves(ax, run.names, edges_of(run)).set(run.step, cell_of(run, cell))
    return curves_sentence(run, cell)


def curves_sentence(run, cell=()):
    """What the forgetting curves say, in words."""
    curve, last, names = cell_of(run, cell), int(run.task[-1]), run.names
    setting = [
        f"{SYMBOLS.get(name, name)} = {number(values[i])}"
        for (name, values), i in zip(run.grid.items(), np.ravel(cell).astype(int))
    ]
    seeds = f"mean of {len(curve)} seeds" if len(curve) > 1 else "one seed"
    head = f"{run.method} ({', '.join([*setting, seeds])})"
    lost = int(np.isnan(curve[:, -1]).any(-1).sum())
    if lost:
        seeds = "seed" if len(curve) == 1 else "seeds"
        return f"{head}: {lost} of {len(curve)} {seeds} lost before the end, so there is no result."
    now = [percent(a) for a in curve[:, -1].mean(0)]
    if not last:
        return f"{head}: accuracy on {names[0]} is {now[0]}."
    ends = np.searchsorted(run.step, edges_of(run)[1:])
    past = [f"on {names[t]} from {percent(curve[:, ends[t], t].mean())} to {now[t]}" for t in range(last)]
    past = listed(past).replace(" from", " goes from", 1)
    then = f"between just having learned it and the end; on {names[last]}, learned last, it is {now[last]}"
    return f"{head}: accuracy {past} {then}."


@styled()
def matrix(R, ax, names=None, lit=None):
    """R (..., after, on) in per cent as a heat map, mean over leading axes; `lit`: cells a metric uses."""
    R = np.asarray(R, float)
    R = R.reshape(-1, *R.shape[-2:]).mean(0)
    names = list(names or range(1, len(R) + 1))
    bright = np.ones(R.shape, bool) if lit is None else np.asarray(lit, bool)
    for (after, on), text in heat(R, ax, names, alpha=np.where(bright, 1, 0.18)).items():
        if not bright[after, on]:
            text.set_color("#8A8A8A")
        elif lit is not None:
            text.set_weight("bold")
            box = dict(fill=False, edgecolor=COLOURS[1], linewidth=1.8)
            ax.add_patch(Rectangle((on - 0.46, after - 0.46), 0.92, 0.92, **box))
    ax.set(xlabel="accuracy on (%)", ylabel="after learning")
    if lit is not None:
        mean = percent(R[bright].mean())
        return f"The accuracy matrix R: {bright.sum()} of {R.size} cells lit, mean {mean}."
    if np.isnan(R).any():
        return f"The accuracy matrix R, filled for {np.isfinite(R).all(1).sum()} of {len(R)} tasks."
    lowest, tie = tied(R[-1], lowest=True)
    worst = f"lowest on {listed((names[t] for t in lowest), 6)} with {percent(R[-1].min())}{tie}"
    diagonal = f"just after learning a task (the diagonal) accuracy averages {percent(R.diagonal().mean())}"
    last = f"after the last task (the last row) {percent(R[-1].mean())}"
    return f"The accuracy matrix R: {diagonal}, {last}, {worst}."
