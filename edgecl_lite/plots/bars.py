"""Bars of seeds: a mean with its standard deviation (n - 1), drawn and told. Every lesson.

A bar has the colour of its method (lines.py), or a calm one where its name speaks of none. One with
a lost seed (not finite) is left empty and named as lost: a mean of the survivors would flatter.
"""

import numpy as np

from .curves import spread
from .house import COLOURS, INK, few, listed, number, percent, styled
from .lines import look_of
from .names import look, spoken, written

CALM = "#8FA8BA"  # the colour of what is no method
LETTER = 7  # pixels that a letter of a value takes


@styled()
def bars(values, ax, label, share=True):
    """Horizontal bars: the mean over seeds, also in figures, and a standard deviation as whisker.

    values {name: (seeds,)}: shares 0..1, shown in per cent; with share=False numbers of any unit,
    which `label`, the name of the axis, then says. Returns the sentence of the picture. Raises
    ValueError where there is no bar or the values of one are not (seeds,).
    """
    if not values:
        raise ValueError("bars: expected at least one bar, {name: (seeds,)}, got none")
    names = spoken(values)
    seeds = [_seeds(f"bars: the values of {name!r}", v) for name, v in zip(names, values.values())]
    unit = 100 if share else 1
    mean, sd = (unit * np.array([f(v) for v in seeds]) for f in (np.mean, spread))
    colours = [COLOURS[one[0]] if (one := look_of(name)) else CALM for name in names]
    several = max(map(len, seeds)) > 1
    style = dict(height=0.62, error_kw=dict(ecolor=INK, capsize=3))
    drawn = ax.barh(range(len(mean)), mean, color=colours, xerr=sd if several else None, **style)
    figures = _figures(mean, share)
    (labels, fonts), at = written(values, 30), few(len(names), int(ax.bbox.height / 16))
    ax.set_yticks(at, [labels[i] for i in at], **fonts)
    if len(at) == len(names):
        ax.bar_label(drawn, figures, padding=5)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(label, **look(label))
    _make_room(ax, mean, sd, figures, share)
    unit = "" if share or not label else f" {label}"
    return f"{listed(f'{name}: {figure}{unit}' for name, figure in zip(names, figures))}."


def _figures(mean, share):
    """What stands beside the bars: shares in per cent, with a digit unless all are whole."""
    digits = int(any(f"{m:.1f}"[-2:] != ".0" for m in mean if not np.isnan(m)))
    write = (lambda m: f"{m + 0.0:.{digits}f} %") if share else number
    return ["lost" if np.isnan(m) else write(m) for m in mean]


def _make_room(ax, mean, sd, figures, share):
    """An axis that leaves room for the figures behind the bars; that of shares goes to 100 %."""
    room = LETTER * max(map(len, figures)) + 10
    taken = min(0.4, room / (0.7 * ax.bbox.width))  # names and margins take a part of the width
    if not share:
        return ax.margins(x=taken)
    low = min(0, np.nanmin(mean - sd, initial=0))
    ax.set(xlim=(low, 100 / (1 - taken)), xticks=range(0, 101, 20))
    return ax.xaxis.set_major_formatter(lambda v, _: percent(v / 100))


def told(values, digits=1, share=True):
    """Mean ± standard deviation over seeds, in words: 87.8 ± 0.4 %. One seed has its value alone.

    values (seeds,): shares 0..1, told in per cent, or with share=False numbers; digits after the
    point. Raises ValueError where the values are not (seeds,).
    """
    values = _seeds("told: the values", values)
    lost = int((~np.isfinite(values)).sum())
    if lost:
        return f"lost ({lost} of {len(values)} seed{'s' if len(values) > 1 else ''})"
    form, unit = (f".{digits}%", " %") if share else (f".{digits}f", "")
    words = [format(float(v), form).rstrip("%") for v in (values.mean(), spread(values))]
    return " ± ".join(words[: len(values)]) + unit


def _seeds(what, values):
    """Values as an array (seeds,), those that are not finite as NaN."""
    values = np.asarray(values, float)
    if values.ndim != 1 or not len(values):
        advice = "one number for each seed, such as metrics.average_accuracy(run.accuracy)"
        raise ValueError(f"{what} must be (seeds,), {advice}; got shape {values.shape}")
    return np.where(np.isfinite(values), values, np.nan)
