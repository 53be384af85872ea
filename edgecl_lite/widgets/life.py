"""`life`: a year of a device before your eyes: choose, play it, stop it, travel back in it.

The curves move while the job (job.py) works off the days; afterwards a slider over the days shows
what the device answered on each. What can be chosen is in settings.py, the picture in
plots/life.py. Lesson: wrist.
"""

import time
from types import SimpleNamespace

import numpy as np

from .. import plots
from ..device.life import SERIES, Life, each_day
from .answered import Strip, played
from .live import time_slider
from .painter import say, stacked
from .settings import Settings, or_too_small
from .watch import Training, light

LATER = "After the year: the windows of the chosen day, and what the device answered."
KEPT = 20  # lives that a panel keeps


class YearPanel(Training):
    """A panel that plays a year of a device before your eyes: Play, Stop, a slider over its days.

        life({"finetuning": Finetune(net, weights=w), "replay": Replay(net, weights=w)}, year())

    methods: one, or {label: method or `Strategy`}; the first, never learning, is the quiet line of
    reference. lives: a count or seeds; more than one have a band. when {label: trigger}, guards
    {label: `Guard` or None}; on: the board at first. options: of `Strategy` and of `days`,
    labelled, capacity; a list becomes a slider. `played` is the newest `Life`, None before the
    first; `lives` {label: Life} the newest 20, for `plots.league`; `nothing` that which learned
    nothing.
    """

    fallback = "A panel that plays a year: open this notebook in Jupyter to use it."
    alone = f"{fallback} It trains as it plays, which a page cannot."
    unit, button, verb = "day", "Play", "Playing"
    share = 0.16  # three axes take twice as long to draw as one, and a year lasts but seconds

    def __init__(self, methods, year, lives=1, when=None, guards=None, on="nano-33-ble", **options):
        self.settings = Settings(methods, year, lives, when, guards, on, options)
        self.year, self.now, self.last, self.lives = year, None, None, {}
        self.still = {}  # what learned nothing, by the conditions on which it hangs
        self.time, self.strip, self.later = time_slider(), Strip(year), say(LATER)
        self.time.description, self.time.max = "day", year.days - 1
        self.sentence, self.details = say(""), say("")
        fig, self.axes = plots.figure(1, 3, width=7.6, height=4.0, height_ratios=(3, 1, 1))
        past = stacked(self.later, self.strip.painter.image)
        below = [self.sentence, self.time, past, self.details]
        super().__init__("edgecl-life", fig, None, below=below)
        self.children = self.settings.shown(), *self.children
        for words in (self.sentence, self.details):
            words.layout.min_height = "4.5em"  # so that nothing moves
        for control in self.settings.controls.values():
            control.observe(lambda _: self.job.call(self._ready), "value")
        self.time.observe(lambda _: self.job.call(self._travel), "value")
        self._busy(False)
        self._fresh(self.settings.label(), np.inf)
        self._ready()

    @property
    def played(self):
        """The newest `Life`."""
        return self.last and self.last.life

    @property
    def nothing(self):
        """The `Life` of a device that learned nothing, beside it."""
        return self.last and self.last.nothing

    def run_blocking(self):
        """Play to the end in this call and return the Life, for tests and scripts."""
        super().run_blocking()
        return self.played

    # ---- a year

    def work(self):
        """Play what is chosen; before, where it is not known, a device that learns nothing."""
        course, key = or_too_small(self.settings.course()), self.settings.conditions()
        if key not in self.still:
            self._say("First a device that learns nothing …")
            still, seen = self.settings.still(), []
            for day in each_day(still):
                seen.append(day)
                yield None
            self.still[key] = Life.of(still, seen)
        own = dict(name=self.settings.label(), course=course, nothing=self.still[key], answers=[])
        self.now, self.begun = SimpleNamespace(**own), time.perf_counter()
        self._fresh(self.now.name, course.capacity)
        for day, *answered in played(course):
            self.now.answers.append(answered)
            yield day

    @plots.styled()
    def _fresh(self, name, battery):
        """An empty picture."""
        for ax in self.axes:
            ax.clear()
        self.curves = plots.YearCurves(self.axes, self.year, name, battery)
        self.thumbs = [ax.axvline(0, color=plots.INK, lw=1.2, visible=False) for ax in self.axes]
        self.painter.fig.set_layout_engine("constrained")
        self.painter.use([*self.curves.moving, *self.thumbs])
        self.painter.paint()

    def _add(self, day):
        if not self.points:
            shape = len(day.accuracy), self.year.days
            self.record = {k: np.zeros(shape, getattr(day, k).dtype) for k in SERIES}
        else:
            self.points[-1] = light(self.points[-1])
        for name, all in self.record.items():
            all[:, day.day] = getattr(day, name)
        self.points.append(day)
        if not self.curves.holds(self.record["joules"].sum(1).max(), day.pages.max()):
            self._draw()  # here and not in `_show`: it takes ten times as long, and is rare

    def _draw(self):
        n = len(self.points)
        if self.curves.set(begun(self.record, n), begun(vars(self.now.nothing), n)):
            self.painter.use([*self.curves.moving, *self.thumbs])

    def _keep(self, seconds):
        self.last, self.now.life = self.now, Life.of(self.now.course, self.points, seconds)
        self.lives[self.now.name] = self.played
        while len(self.lives) > KEPT:
            del self.lives[next(iter(self.lives))]

    def _done(self, error):
        super()._done(error)
        if self.job.over:
            return
        if not (self.points or error):
            self._say("Stopped before the first day.", "status")
        if self.last:
            self._remember()

    # ---- time travel

    def _remember(self):
        """Tell the newest life and stand at its end; draw it again where another had begun."""
        if self.now is not self.last:
            self.now = self.last
            self._fresh(self.now.name, self.now.course.capacity)
            self.curves.set(self.played, self.nothing)
            self.painter.use([*self.curves.moving, *self.thumbs])
        last = self.played.accuracy.shape[1] - 1
        told = plots.year_sentence(self.played, self.nothing, self.last.name)
        say(" ".join([told, *self.played.notes]), self.sentence)
        self.time.max, self.time.value, self.time.disabled = max(1, last), last, False
        self._travel()

    def _travel(self):
        """Draw the day at which the slider stands."""
        if not self.last or self.job.over or self.job.state == "training":
            return
        day = min(self.time.value, len(self.last.answers) - 1)
        told = self.strip.show(self.last.course, day, *self.last.answers[day])
        what = plots.day_sentence(self.played, day, self.nothing)
        say(f"{what} {told}", self.details, "edgecl-details")
        for thumb in self.thumbs:
            thumb.set(xdata=[day] * 2, visible=True)
        self._past(True)
        self.painter.paint()

    def _busy(self, busy):
        super()._busy(busy)
        self.time.disabled = True  # until there is a life to travel in
        self._past(False)

    def _past(self, seen):
        """Show the day, or a calm line in its place."""
        self.strip.painter.image.layout.visibility = "visible" if seen else "hidden"
        self.later.layout.visibility = "hidden" if seen else "visible"
        for words in () if seen else (self.sentence, self.details):
            say("", words)

    def _ready(self):
        if slider := self.settings.controls.get("capacity"):
            slider.layout.visibility = "visible" if self.settings.keeps() else "hidden"
        if self.job.state != "training":
            self._say(f"Ready with {self.settings.label()}: press Play.")

    def _setting(self):
        return f" {self.now.name}" if self.points else ""

    def _far(self, day):
        return day.day + 1, self.year.days

    def _failed(self, error):
        return "" if isinstance(error, MemoryError) else super()._failed(error)


def begun(record, days):
    """The first days of a record, or of a life."""
    return SimpleNamespace(**{name: record[name][:, :days] for name in SERIES})


life = YearPanel
