"""Lines with bands: the mean over seeds against an x, one standard deviation (n - 1) around it.

A method has one colour and one marker in the whole course, found by its name (`KNOWN`); other names
take the colours that are left. Lines of one colour differ in marker and dashes. A point with a lost
seed (not finite) is a gap in its line and a cross at the bottom: a mean of the survivors would
flatter. Every lesson.
"""

import itertools
import re
from collections import Counter

import numpy as np

from .curves import spread
from .house import COLOURS, INK, MARKERS, few, listed, number, percent, styled
from .names import line, look, spoken, written

DASHES = ("solid", "dashed", "dashdot", "dotted", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (2, 1)))
TICKS = 8  # so many values of x have a tick each
LETTER = 8  # pixels that a letter of a tick takes
MANY = 25  # of more points not every one has a marker
KNOWN = {  # what the name of a method begins a word with: (index of its colour, marker)
    "finetun": (6, "X"),
    "joint": (5, "*"),
    "ewc": (1, "s"),
    "replay": (0, "o"),
    "pictures": (0, "o"),  # that replay keeps
    "der++": (2, "^"),
    "icarl": (3, "D"),
    "gdumb": (4, "v"),
    "latent": (5, "P"),
    "a-gem": (6, "*"),
    "separate": (4, "P"),
    "piggyback": (2, "D"),
    "packnet": (3, "^"),
    "nearest mean": (0, "v"),
    "streaming lda": (3, "*"),
    "mean of pixels": (5, "^"),
    "nearest mean drawing": (5, "^"),  # the same
    "lda of pixels": (4, "*"),
    "maml": (0, "D"),
    "pre-train": (1, "o"),
    "first-order maml": (2, "s"),
    "reptile": (3, "v"),
    "anil": (4, "^"),
    "oml": (5, "X"),
    "lwf": (1, "P"),
    "output layers": (5, "o"),  # alone, on a frozen front
    "lora": (1, "D"),
    "adapter": (0, "^"),
    "random": (6, "P"),  # weights to begin with
    "learn nothing": (6, "o"),
}


def look_of(name):
    """(index of the colour, marker) of the method that a name speaks of, or None.

    "8-bit replay" and "Replay, 200 pictures" both speak of replay.
    """
    name = str(name).lower()
    said = [word for word in KNOWN if re.search(rf"\b{re.escape(word)}", name)]
    said.sort(key=name.index)  # of two as long the first: latent replay is not plain replay
    return KNOWN[max(said, key=len)] if said else None


def looks(names):
    """What each line is drawn with, in the order of the names: [{color, marker, linestyle}]."""
    own = [look_of(name) for name in names]
    taken = {colour for colour, _ in filter(None, own)}
    every = list(zip(range(len(COLOURS)), MARKERS))
    others = itertools.cycle([one for one in every if one[0] not in taken] or every)
    often, found = Counter(), []
    for one in own:
        colour, marker = one or next(others)
        again = often[colour]
        often[colour] += 1
        marker = MARKERS[(MARKERS.index(marker) + again) % len(MARKERS)]
        style = DASHES[again % len(DASHES)]
        found.append(dict(color=COLOURS[colour], marker=marker, linestyle=style))
    return found


@styled()
def lines(ax, curves, xlabel, ylabel, log="", share=True):
    """One line for each name, its mean over seeds and a band of one standard deviation.

    curves {name: (x (points,), values (points, seeds))}; log: "x", "y" or "xy", the axes that are
    logarithmic; share: values are shares 0..1, shown in per cent. Returns the sentence of the
    picture. Raises ValueError where there is no line, a shape does not fit, or a logarithmic axis
    is given zeros.
    """
    if not curves:
        raise ValueError("lines: expected at least one line, {name: (x, values)}, got none")
    names, write = spoken(curves), percent if share else number
    labels = [" " * k.startswith("_") + k for k in written(curves, 40)[0]]  # _ would hide it
    checked = [_checked(name, curve, log) for name, curve in zip(names, curves.values())]
    for label, style, (x, values) in zip(labels, looks(curves), checked):
        _draw(ax, x, values, style | dict(label=label))
    ax.set_xlabel(xlabel, **look(xlabel))
    ax.set_ylabel(ylabel, **look(ylabel))
    _scales(ax, [x for x, _ in checked], log, write)
    said = [_said(name, x, values, write) for name, (x, values) in zip(names, checked)]
    some = [said[i] for i in few(len(said), 10 if len(said) <= 10 else 5)]
    told = "; ".join(some) + f" ({len(some)} of {len(said)})" * (len(some) < len(said))
    return f"{ylabel or 'value'} against {xlabel}, {_over(checked)}: {told}."


def _checked(name, curve, log):
    """x (points,) and values (points, seeds) as arrays. Raises ValueError on anything else."""
    try:
        x, values = (np.asarray(part, float) for part in curve)
    except (TypeError, ValueError):
        want = "a pair of arrays of numbers, (x, values)"
        raise ValueError(f"lines: expected {want} for {name!r}, got {line(curve)}") from None
    if values.ndim != 2 or x.shape != values.shape[:1] or not values.size:
        want = "x (points,) and values (points, seeds)"
        got = f"x {x.shape} and values {values.shape}"
        advice = "of one seed they are values[:, None]"
        if values.ndim == 2 and x.shape == values.shape[1:]:
            advice = "these seem to be (seeds, points): give values.T"
        raise ValueError(f"lines: expected {want} of {name!r}, got {got}; {advice}")
    if not np.isfinite(x).all():
        raise ValueError(f"lines: every x of {name!r} must be a number, got {x.tolist()}")
    for axis, low in (("x", x.min()), ("y", np.nanmin(values, initial=np.inf))):
        if axis in log and low <= 0:
            advice = f"leave it out, or draw without log={axis!r}"
            what = f"{axis} of {name!r} must be above 0, got {number(low)}"
            raise ValueError(f"lines: on a logarithmic axis every {what}: {advice}")
    return x, np.where(np.isfinite(values), values, np.nan)


def _draw(ax, x, values, style):
    """One line, its band, and a cross at the bottom for each point with a lost seed."""
    mean, sd, lost = values.mean(1), spread(values.T), np.isnan(values).any(1)
    every = -(-len(x) // MANY)
    if values.shape[1] > 1:
        colour = style["color"]
        ax.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)
    ax.plot(x, mean, markersize=5, markevery=every, **style)
    if len(x) == 1 < values.shape[1]:  # a band has no width there
        ax.errorbar(x, mean, sd, fmt="none", ecolor=style["color"], capsize=3)
    if lost.any():
        low = ax.get_xaxis_transform()  # x in data, y in axes: 0 is the bottom
        ax.plot(x[lost], np.full(lost.sum(), 0.04), "x", color=INK, transform=low)


def _scales(ax, xs, log, write):
    """Logarithmic axes as asked, their ticks at the values of x where these are few."""
    if "x" in log:
        ax.set_xscale("log")
        at = np.unique(np.concatenate(xs))
        if len(at) <= TICKS:
            ax.set_xticks(_apart(at, 0.7 * ax.bbox.width))  # a legend takes a part of the width
        ax.xaxis.set_major_formatter(lambda v, _: number(v))
    if "y" in log:
        ax.set_yscale("log")
    if log:
        ax.minorticks_off()
    ax.yaxis.set_major_formatter(lambda v, _: write(v))


def _apart(at, width):
    """Of the ticks of a logarithmic axis those whose numbers have room, the last among them."""
    pixels = width * np.log(at / at[0]) / max(1e-9, np.log(at[-1] / at[0]))
    kept = []
    for i in reversed(range(len(at))):
        room = LETTER * (len(number(at[i])) + 1)
        if not kept or pixels[kept[-1]] - pixels[i] >= room:
            kept.append(i)
    return at[kept[::-1]]


def _over(checked):
    """What is drawn, in words: mean and band over how many seeds."""
    seeds = {values.shape[1] for _, values in checked}
    if seeds == {1}:
        return "one seed"
    return "mean and band of " + (f"{max(seeds)} seeds" if len(seeds) == 1 else "several seeds")


def _said(name, x, values, write):
    """Where a line begins and ends, and what of it is lost."""
    mean = values.mean(1)
    kept = np.flatnonzero(np.isfinite(mean))
    first_last = dict.fromkeys(kept[[0, -1]] if len(kept) else ())
    ends = [f"{write(mean[i])} at {number(x[i])}" for i in first_last]
    way = f" from {ends[0]} to {ends[1]}" if len(ends) == 2 else f" {ends[0]}" if ends else ""
    gone = [number(v) for v in x[np.isnan(mean)]]
    lost = f"lost at {listed(gone)}" if len(kept) else "lost everywhere"
    return name + way + (f"{',' * bool(ends)} {lost}" if gone else "")
