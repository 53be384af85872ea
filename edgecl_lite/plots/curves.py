"""Pictures of one run: forgetting curves and the matrix R.

R[after, on] is the accuracy on task `on` after learning task `after` (Lopez-Paz & Ranzato 2017,
Chaudhry et al. 2018); the curves show the same numbers at every point of the training, their
markers are the cells of R. Bands are one standard deviation over seeds (n - 1). A lane that was
lost (NaN) is named as lost and never drawn as a result. Every lesson.
"""

import numpy as np
from matplotlib import colormaps
from matplotlib.patches import Rectangle

from .house import COLOURS, INK, MARKERS, SYMBOLS, few, listed, number, percent, styled, tied
from .names import look, spoken, written

MANY = 10  # so many tasks have a colour, a marker and a line of the legend each
LETTER = 6  # pixels that a letter takes at least


def spread(y):
    """Standard deviation over seeds, the first axis; 0 for one seed."""
    return y.std(0, ddof=min(1, len(y) - 1))


class Curves:
    """Forgetting curves as artists, made once and updated in place.

    A curve is thin and dotted until its task is being learned, then bold with a band over seeds,
    and has a marker at the end of every task. Of more than ten tasks five are so; all others are
    thin lines between their colours.

    `edges` (tasks + 1,): the step at which each task begins, and the end. `tasks`: (before, after,
    band) of each; `moving`: all of them in one list.
    """

    @styled()
    def __init__(self, ax, names, edges, label="accuracy", top=1.0):
        self.names, self.label, self.top = names, label, top
        self.edges, self.tasks = np.asarray(edges), []
        self.shown = few(len(names), 5 if len(names) > MANY else MANY)
        labels, self.look = written(names)
        for i in range(len(names)):
            self.tasks.append(self._artists(ax, i, labels[i]))
        self.moving = [artist for task in self.tasks for artist in task]
        several = len(set(edges)) > 2  # tasks, one after the other
        if several or len(names) == 1:
            self._name_spans(ax, labels)
        ax.set(xlim=(0, max(1, self.edges[-1])), xlabel="training step")
        ax.set(ylim=(-0.02 * top, 1.02 * top))
        ax.set_ylabel(label, **look(label))
        if top == 1:
            ax.yaxis.set_major_formatter(lambda v, _: percent(v))
        ax.grid(axis="x", visible=False)
        some = f" ({len(self.shown)} of {len(names)})" if len(names) > MANY else ""
        self._name_curves(ax, labels, f"{label} on{some}" if several else None)

    def _name_curves(self, ax, labels, title):
        """A legend of those that are shown, beside the axes."""
        curves = [self.tasks[i][1] for i in self.shown]
        blank = [" "] * len(curves)  # a label that begins with _ would be left out
        place = dict(loc="upper left", bbox_to_anchor=(1.0, 1.03), alignment="left")
        legend = ax.legend(curves, blank, title=title, **place)
        legend.get_title().set(parse_math=False)
        for text, i in zip(legend.get_texts(), self.shown):
            text.set(text=labels[i], **self.look)

    def _artists(self, ax, i, label):
        """The curve of task i before and after it is learned, and its band."""
        own, many = i in self.shown, len(self.names) > MANY
        colour = COLOURS[i % len(COLOURS)]
        if many:
            colour = colormaps["viridis"](0.9 * i / len(self.names))
        place = self.shown.index(i) if own else 0
        style = dict(ms=5.5, marker=MARKERS[place % len(MARKERS)])
        style |= dict(zorder=2.5) if own else dict(lw=0.7, alpha=0.6, marker="")
        (before,) = ax.plot([], [], ":", color=colour, lw=1, visible=own)
        (after,) = ax.plot([], [], color=colour, label=label, clip_on=False, **style)
        (band,) = ax.fill([], [], color=colour, alpha=0.18, linewidth=0, visible=own)
        return before, after, band

    def _name_spans(self, ax, labels):
        """Write above the curves what is learned when, as many names as there is room for."""
        letters, width = max(map(len, labels)), ax.bbox.width
        beside = 0.7 * width  # the legend takes a part of it
        named = few(len(labels), int(beside / LETTER / letters))
        room = (0.7 if len(named) < len(labels) else 1.1) * width / len(named) / letters
        size = np.clip(room, 6.5, 9.5)
        above = dict(transform=ax.get_xaxis_transform(), ha="center", va="bottom", color="#555555")
        for i in named:
            start, end = self.edges[i : i + 2]
            if start < end:  # a stopped run has tasks that it never reached
                ax.text((start + end) / 2, 1.015, labels[i], fontsize=size, **above, **self.look)
        begun = self.edges[:-1][np.diff(self.edges) > 0]
        for start in begun if len(labels) <= MANY else ():
            ax.axvline(start, color="#BBBBBB", lw=0.9, zorder=0)

    def set(self, steps, curve):
        """steps (points,), curve (seeds, points, on)."""
        mean, sd = curve.mean(0), spread(curve)
        for on, (before, after, band) in enumerate(self.tasks):
            first = np.searchsorted(steps, self.edges[on])  # the point at which its training starts
            before.set_data(steps[: first + 1], mean[: first + 1, on])
            sound = np.isfinite(mean[first:, on])  # up to where a seed was lost
            kept = first + np.flatnonzero(sound)
            x, y, dy = steps[kept], mean[kept, on], sd[kept, on]
            after.set_data(x, y)
            later = self.edges[self.edges > self.edges[on]]
            ends = np.flatnonzero(np.isin(x, later))
            after.set_markevery([ends[i] for i in few(len(ends), MANY)])
            if on in self.shown:
                low, high = np.stack([x, y - dy], 1), np.stack([x, y + dy], 1)
                band.set_xy(np.vstack([low, high[::-1]]))


def heat(values, ax, names, least=0.0, alpha=None, upright=None):
    """A square of shares 0..1 in per cent as a heat map. Returns the texts, {(row, column): text}.

    Shares below `least` stay unwritten, as all do of more than 16 names. upright: of the names
    below, None for where they fit.
    """
    ax.imshow(values, cmap="Blues", vmin=0, vmax=1.25, aspect="auto", alpha=alpha)
    letters, (width, height) = max(map(len, written(names, 14)[0])), ax.bbox.size
    if upright is None:
        upright = (LETTER * letters + 4) * len(names) <= width
    labels, style = written(names, 14 if upright else 12)
    for axis, room in ((ax.xaxis, width / 16), (ax.yaxis, height / 20)):
        at = few(len(labels), len(labels) if len(labels) <= MANY else int(room))
        axis.set_ticks(at, [labels[i] for i in at], **style)
    ax.tick_params(axis="x", rotation=0 if upright else 90)
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    place = dict(ha="center", va="center", fontsize=min(10.5, 80 / len(labels)))
    texts = {}
    if not written_out(values):
        return texts
    for (row, column), value in np.ndenumerate(values):
        if not value < least:
            text = "·" if np.isnan(value) else f"{100 * value:.0f}"
            colour = "white" if value > 0.7 else INK
            texts[row, column] = ax.text(column, row, text, color=colour, **place)
    return texts


def written_out(values):
    """Whether each cell of a heat map has room for its number."""
    return len(values) <= 16


def edges_of(run):
    """Steps at which the tasks of a run, also a stopped one, begin, and its last: (tasks + 1,)."""
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
    """Forgetting curves of one cell of the grid (an index for each axis), with bands over seeds."""
    Curves(ax, run.names, edges_of(run)).set(run.step, cell_of(run, cell))
    return curves_sentence(run, cell)


def curves_sentence(run, cell=()):
    """What the forgetting curves say, in words."""
    curve, last, names = cell_of(run, cell), int(run.task[-1]), spoken(run.names)
    setting = []
    for (name, values), i in zip(run.grid.items(), np.ravel(cell).astype(int)):
        setting.append(f"{SYMBOLS.get(name, name)} = {number(values[i])}")
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
    just = np.array([curve[:, ends[t], t].mean() for t in range(last)])
    past = [f"on {names[t]} from {percent(just[t])} to {now[t]}" for t in range(last)]
    then = f"the end; on {names[last]}, learned last, it is {now[last]}"
    if last > MANY:
        mean = f"from {percent(just.mean())} to {percent(curve[:, -1, :last].mean())}"
        past = f"on the {last} tasks before the last goes {mean} in the mean, {listed(past, MANY)},"
        return f"{head}: accuracy {past} between just having learned each and {then}."
    past = listed(past).replace(" from", " goes from", 1)
    return f"{head}: accuracy {past} between just having learned it and {then}."


@styled()
def matrix(R, ax, names=None, lit=None):
    """R (..., after, on) as a heat map, mean over leading axes; `lit`: the cells a metric uses."""
    R = np.asarray(R, float)
    R = R.reshape(-1, *R.shape[-2:]).mean(0)
    names = list(range(1, len(R) + 1) if names is None else names)
    if len(names) != len(R):
        got = f"got {len(names)}: {listed(map(str, names))}"
        raise ValueError(f"names must be one for each of {len(R)} tasks, {got}")
    bright = np.ones(R.shape, bool) if lit is None else np.asarray(lit, bool)
    for (after, on), text in heat(R, ax, names, alpha=np.where(bright, 1, 0.18)).items():
        if not bright[after, on]:
            text.set_color("#8A8A8A")
        elif lit is not None:
            text.set_weight("bold")
            box = dict(fill=False, edgecolor=COLOURS[1], linewidth=1.8)
            ax.add_patch(Rectangle((on - 0.46, after - 0.46), 0.92, 0.92, **box))
    scale = "%" if written_out(R) else "white 0, dark 100 %"
    ax.set(xlabel=f"accuracy on ({scale})", ylabel="after learning")
    if lit is not None:
        mean = percent(R[bright].mean())
        return f"The accuracy matrix R: {bright.sum()} of {R.size} cells lit, mean {mean}."
    if np.isnan(R).any():
        return f"The accuracy matrix R, filled for {np.isfinite(R).all(1).sum()} of {len(R)} tasks."
    lowest, tie = tied(R[-1], lowest=True)
    hardest = listed((spoken(names)[t] for t in lowest), 6)
    worst = f"lowest on {hardest} with {percent(R[-1].min())}{tie}"
    mean = percent(R.diagonal().mean())
    diagonal = f"just after learning a task (the diagonal) accuracy averages {mean}"
    last = f"after the last task (the last row) {percent(R[-1].mean())}"
    return f"The accuracy matrix R: {diagonal}, {last}, {worst}."
