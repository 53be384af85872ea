"""A device's life in one picture: accuracy, energy and flash on one axis of time, and its events.

    a line: the mean over lives; its band: ± 1 standard deviation (n - 1)

A day on which the battery is empty counts as 0, as in `Life.score`. "Learn nothing" is a quiet line
of reference. No outcome of a session is known by its colour alone. Lesson: wrist.
"""

import numpy as np

from .bars import CALM
from .curves import spread
from .house import COLOURS, INK, number, percent, styled
from .lines import look_of
from .names import line, look
from .page import legend

NOTHING, PAST, LETTER = "learn nothing", "on earlier stretches", 6.5
MONTH, YEARLY = 365 / 12, 90  # days; from so many on the axis tells months
EMPTY = 1e-9  # where an axis ends on which nothing is drawn yet
RUG = -0.06, -0.12, -0.18  # where sessions stand, below 0 %
ROW, ROWS = 0.14, 4  # above 100 %, for a row of names of events; so many rows at most
OUTCOMES = {  # of a session: what it is drawn with
    "session kept": dict(marker="|", color=INK, ms=7),
    "rolled back": dict(marker="x", color=COLOURS[1], ms=6, mew=1.8),
    "cut by the power": dict(marker="v", color=COLOURS[3], ms=6),
}


class Band:
    """A line over days and its band, made once and updated in place."""

    def __init__(self, ax, band=True, **style):
        (self.line,) = ax.plot([], [], **style)
        (self.band,) = ax.fill([], [], alpha=0.16, linewidth=0, visible=band)
        self.paint(style["color"])

    def paint(self, colour):
        """Take another colour."""
        self.line.set_color(colour)
        self.band.set_color(colour)

    def set(self, values):
        """values (lives, days); NaN in a life is a gap. Returns the highest that is drawn, or 0."""
        values = np.where(np.isfinite(values), values, np.nan)
        mean, sd, x = values.mean(0), spread(values), np.arange(values.shape[1])
        self.line.set_data(x, mean)
        kept = np.isfinite(mean) & (sd > 0)
        low, high = (np.stack([x, mean + k * sd], 1)[kept] for k in (-1, 1))
        self.band.set_xy(np.vstack([low, high[::-1], np.zeros((int(not kept.any()), 2))]))
        return np.nanmax(mean + sd, initial=0)


class YearCurves:
    """A life as artists on axes: accuracy alone, or accuracy, energy and flash.

    year: the `Year`; battery: joules that it holds, inf where none is counted: then joules spent
    are drawn. moving: all artists that `set` changes; where it says that an axis grew, all is to be
    drawn anew.
    """

    @styled()
    def __init__(self, axes, year, label, battery=np.inf):
        self.axes = list(np.ravel(axes))
        self.days, self.finite = year.days, np.isfinite(battery)
        top, *lower = self.axes
        quiet = dict(color=CALM, lw=1.3, linestyle=(0, (4, 2)), zorder=2)
        self.own = [Band(ax, color=INK, zorder=3, clip_on=ax is not top) for ax in self.axes]
        self.nothing = [Band(ax, band=ax is top, **quiet) for ax in self.axes]
        self.past = Band(top, False, color=INK, lw=1, linestyle=":")
        some = OUTCOMES.values()
        self.sessions = [top.plot([], [], linestyle="", **style)[0] for style in some]
        top.set_ylim(-0.24, 1.05 + ROW * marked(self.axes, year))
        self._scales(top, lower, battery)
        bands = *self.own, *self.nothing, self.past
        self.moving = [part for band in bands for part in (band.line, band.band)] + self.sessions
        self.named(label)

    def _scales(self, top, lower, battery):
        """Months or days along, per cent, joules and pages upright."""
        top.set(yticks=np.arange(0, 1.01, 0.25), ylabel="accuracy")
        top.yaxis.set_major_formatter(lambda v, _: percent(v))
        months = self.days >= YEARLY
        ticks = np.arange(0, self.days + 1, MONTH) if months else None
        for ax in self.axes:
            ax.set_xlim(-0.01 * self.days, self.days)
            ax.grid(axis="x", visible=False)
            if months:
                ax.set_xticks(ticks, [str(round(t / MONTH)) for t in ticks])
            ax.tick_params(labelbottom=ax is self.axes[-1])
        self.axes[-1].set_xlabel("month" if months else "day")
        words = "battery left, J" if self.finite else "joules spent", "pages of flash erased"
        for ax, text in zip(lower, words):
            low = self.finite and ax is lower[0]
            ax.set_ylim(0, 1.05 * battery if low else EMPTY)
            place = dict(va="bottom" if low else "top", transform=ax.transAxes, color="#555555")
            ax.text(0.008, 0.06 if low else 0.95, text, fontsize=9, **place)
            ax.locator_params(axis="y", nbins=3)
            ax.yaxis.set_major_formatter(lambda v, _: number(v) if v == 0 or v > EMPTY else "")

    @styled()
    def named(self, label):
        """Give the life another name, and its method's colour; the legend tells both."""
        known = look_of(label)
        colour = COLOURS[known[0]] if known else INK
        for band in (*self.own, self.past):
            band.paint(colour)
        top = self.axes[0]
        labels = line(label, 30), PAST, NOTHING, *OUTCOMES
        shown = self.own[0].line, self.past.line, self.nothing[0].line, *self.sessions
        for artist, text in zip(shown, labels):
            artist.set_label(text)
        legend(top)

    @styled()
    def set(self, life, nothing=None):
        """Draw a `Life`, or as much as there is of one; whether an axis grew for it.

        An axis grows to where a life is going, so that it seldom has to.
        """
        done, grown = life.accuracy.shape[1] / self.days, []
        for who, bands in (life, self.own), (nothing, self.nothing):
            every = zip(self.axes, bands, parts(who, self.finite) if who else ())
            grown += [grow(ax, band.set(part), done) for ax, band, part in every]
        self.past.set(life.past)
        for artist, when, height in zip(self.sessions, outcomes(life), RUG):
            at = np.flatnonzero(when.any(0))
            artist.set_data(at, np.full(len(at), height))
        return any(grown)

    def holds(self, joules, pages):
        """Whether the axes have room for so much."""
        drawn = zip(self.axes[1:], (0 if self.finite else joules, pages))
        return all(value <= ax.get_ylim()[1] for ax, value in drawn)


def grow(ax, most, done):
    """Make room for a value on an axis from 0, not the accuracy's, when a share is done of all."""
    low, high = ax.get_ylim()
    needed = low == 0 and most > high
    if needed:
        ax.set_ylim(0, 1.15 * most / done)
    return needed


def marked(axes, year):
    """Mark the events of a `Year`: a line on all axes, a name above; how many rows of names."""
    top, ends = axes[0], []
    width = 0.8 * top.bbox.width  # the legend takes a part of it
    for day, text in named_events(year).items():
        x = day / year.days * width
        row = next((i for i, end in enumerate(ends) if end <= x), len(ends))
        ends[row:] = [x + LETTER * (len(text) + 2), *ends[row + 1 :]]
        for ax in axes:
            ax.axvline(day, color="#AAAAAA", lw=0.9, zorder=1)
        place = dict(fontsize=9, color="#444444", va="bottom", ha="left", **look(text))
        if row < ROWS:
            top.text(day, 1.04 + ROW * row, f" {text}", **place)
    return min(len(ends), ROWS)


def named_events(year):
    """{day: what happens in every life}, in order of days."""
    found = {}
    for name, days in year.events.items():
        for i, day in enumerate(days):
            back = name == "other arm" and i % 2
            found.setdefault(day, []).append("first arm again" if back else name)
    return {day: ", ".join(found[day]) for day in sorted(found)}


def parts(life, battery):
    """Accuracy, energy and pages of a life, (lives, days) each; battery: joules left, not spent."""
    energy = life.battery if battery else life.joules.cumsum(1)
    return np.nan_to_num(life.accuracy), energy, life.pages


def outcomes(life):
    """Which sessions were kept, rolled back, cut: (lives, days) bool each."""
    bad = life.rolled_back | life.cut
    return life.learned & ~bad, life.rolled_back, life.cut
