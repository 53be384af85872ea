"""`watch`: follow any training before your eyes, such as a meta-training. `live` builds on it.

The curves move while the job (job.py) works off a generator of points; Stop keeps what there is.
Lesson: meta_learning.
"""

import time
from dataclasses import fields, replace
from functools import partial

import ipywidgets as W
import numpy as np

from .. import plots
from .._refuse.arguments import several, whole
from .job import SHARE, Job
from .painter import Painter, Panel, say
from .states import RECORDED, Finite, words_of

POINTS = 60  # of a recorded training, that a page without a kernel draws
HEAVY = "params", "state", "carried"  # of a point: only the newest one's are needed


def seen(point):
    """What a point saw, (lanes, curves): the score of a meta-training, else the accuracy."""
    return point.score if hasattr(point, "score") else point.accuracy


def light(point):
    """A point without its weights."""
    return replace(point, **{f.name: None for f in fields(point) if f.name in HEAVY})


class Training(Panel):
    """What `live` and `watch` share: Train, Stop, a status line, and curves that follow a job.

    A subclass says what `work()` is, a generator of points, None in between so that Stop gets in;
    and may say more when it begins and when it is done. points: those of the newest training.
    """

    unit, label = "step", "training step"
    button, verb = "Train", "Training"
    share = SHARE  # of the time, at most, that pictures take

    def __init__(self, css, fig, curves, above=(), below=()):
        self.points, self.curves, self.painter = [], curves, Painter(fig)
        self.job = Job(self._learn, self._show, self._done, self.share)
        self.train_button = W.Button(description=self.button, icon="play")
        self.train_button.add_class("edgecl-train")
        self.stop_button = W.Button(description="Stop", icon="stop").add_class("edgecl-stop")
        self.train_button.tooltip = f"{self.button} from the start with these values"
        self.stop_button.tooltip = "Stop, and keep what was learned so far"
        self.train_button.on_click(lambda _: self.job.call(self.job.start))
        self.stop_button.on_click(lambda _: self.job.stop())
        self.status = say("")
        controls = [*above, self.train_button, self.stop_button]
        super().__init__(css, controls, self.status, self.painter.image, *below)

    @property
    def drawing(self):
        """(seconds spent drawing, number of pictures) of the newest training."""
        return self.job.drawing

    def run_blocking(self):
        """Train to the end in this call, for tests and scripts."""
        self.job.run_blocking()
        return self.points

    def _learn(self):
        """Work, and keep the points; only the last moment needs its weights."""
        self._busy(True)
        self._say(f"{self.verb}{self._setting()} …{self._hint()}")
        self.points, self.begun = [], time.perf_counter()
        for point in self.work():
            if point is not None:
                self._add(point)
            yield point

    def _add(self, point):
        curves, names = seen(point).shape[1], self.curves.names
        if curves != len(names):
            raise ValueError(f"there are {curves} curves to name, got names {names}")
        if self.points:
            self.points[-1] = light(self.points[-1])
        self.points.append(point)

    def _show(self):
        last = self.points[-1]
        self._draw()
        self.painter.paint()
        step, total = self._far(last)
        left = (time.perf_counter() - self.begun) * (total / max(1, step) - 1)
        far = f"{self._where(last)}; about {left:.0f} s left.{self._hint()}"
        self._say(f"{self.verb}{self._setting()}: {far}")

    def _draw(self):
        curve = np.stack([seen(point) for point in self.points], 1)  # (lanes, points, on)
        self.curves.set(np.array([point.step for point in self.points]), curve)

    def _done(self, error):
        if self.job.over:  # nobody sees it any more
            return self._keep(time.perf_counter() - self.begun) if self.points else None
        self._busy(False)
        if self.points:
            self._show()
            word = "Stopped" if self.job.state == "stopped" else "Finished"
            seconds, last = time.perf_counter() - self.begun, self.points[-1]
            place = Training._where(self, last)
            self._say(f"{word} at {place} after {seconds:.1f} s.", "status")
            self._keep(seconds)
            self._finished()
        if error:
            self._say(f"{self._failed(error)}{error}", "alert")

    def _keep(self, seconds):
        """Keep what was learned."""

    def _finished(self):
        """Look at what was learned."""

    def _where(self, point):
        return "{} {} of {}".format(self.unit, *self._far(point))

    def _far(self, point):
        """(how far it has come, how far it goes)."""
        return point.step, point.total

    def _failed(self, error):
        """What is said before an error."""
        return f"The training failed: {type(error).__name__}: "

    def _setting(self):
        return ""

    def _hint(self):
        """How to stop what keeps Stop from being heard."""
        return "" if self.job.loop else " To stop it, interrupt the kernel (on Colab: Runtime)."

    def _busy(self, busy):
        self.train_button.disabled = busy
        self.stop_button.disabled = not (busy and self.job.loop)

    def _say(self, text, role=None):
        say(text, self.status, "edgecl-status", role)


class Watch(Training):
    """A panel that follows any generator of points: Train, Stop, and a curve for each column.

        watch(lambda: meta.follow(maml, net, tasks), ["before", "after 1 step"], 1000)

    The columns are those of a `MetaPoint`'s score or a `Point`'s accuracy. work() -> the generator;
    names: of the curves; total: its steps; label, top: what the upright axis shows, from 0. Bands
    are over lanes. `points` are those of the newest training.
    """

    fallback = "A panel that follows a training: open this notebook in Jupyter to use it."

    def __init__(self, work, names, total, label="accuracy", top=1.0):
        if not callable(work):
            hint = "must be a function that begins a training: lambda: meta.follow(…)"
            raise TypeError(f"work {hint}, got {type(work).__name__}")
        names, total = several("names", names), whole("total", total)
        self.work = work
        fig, ax = plots.figure(width=7.5, height=2.8)
        curves = plots.Curves(ax, names, [0] * len(names) + [total], label, top)
        self.sentence = say("")
        super().__init__("edgecl-watch", fig, curves, below=[self.sentence])
        self.painter.use(curves.moving)
        self._busy(False)
        self._say("Ready: press Train.")
        self.painter.paint()

    def finite(self):
        points = self.points or self.run_blocking()
        some = [points[i] for i in plots.few(len(points), POINTS)]
        steps = np.array([point.step for point in some])
        curve = np.stack([seen(point) for point in some], 1)
        numbers = {"curves": lambda: plots.curves_numbers(self.curves, curve)}
        still = {"curves": plots.curves_frame(self.curves, steps)}
        said = partial(words_of, self.sentence), lambda: RECORDED
        return Finite("watch", (), said, numbers, still=still)

    def _finished(self):
        first, last = self.points[0], self.points[-1]
        show = plots.percent if self.curves.top == 1 else "{:.2f}".format
        tell = lambda value: show(value) if np.isfinite(value) else "not finite"
        names = plots.spoken(self.curves.names)
        ends = zip(names, seen(first).mean(0), seen(last).mean(0))
        moves = plots.listed(f"{name} from {tell(a)} to {tell(b)}" for name, a, b in ends)
        label, why = self.curves.label.capitalize(), " ".join(last.lost.values())
        say(f"{label}, mean of {len(seen(last))} lanes: {moves}. {why}".strip(), self.sentence)


watch = Watch
