"""`live`: watch a network learn and forget, stop it, and travel back through its training.

The curve moves while the job (job.py) works off the moments of a training (`follow`); afterwards a
slider over the recorded points shows the accuracies, the confusion matrix and misread images there
(travel.py). Most lessons.
"""

from dataclasses import fields

import ipywidgets as W
import numpy as np

from .. import plots
from ..lanes import nbytes
from ..learn import beginning, checked, follow
from ..machine.settled import settled
from ..plan import Options
from ..run import Run
from .painter import chosen, say, stacked, value_slider
from .states import RECORDED, Control, Finite, words_of
from .travel import TimeTravel
from .watch import Training

MOMENTS = 16  # of a recorded training, that a page without a kernel shows
KEEP = 64e6  # bytes of Runs that a panel keeps
LATER = "After the training: what the network answers at the chosen moment, and what it misreads."


class Live(Training):
    """A panel that trains `method` on `stream` before your eyes: Train, Stop, a slider over time.

    Options are those of `learn` (epochs, lr, every, ...). Any other is a list of values of a
    hyper-parameter and becomes a slider for the next training:
    `live(EWC(net), stream, seeds=3, lam=[0, 1, 10, 100])`.
    `run` is the newest Run, None before the first; `runs` the newest that together take
    at most 64 MB.
    """

    fallback = "A live panel: open this notebook in Jupyter to use it."

    def __init__(self, method, stream, *, seeds=1, **options):
        self.method, self.stream, self.seeds = method, stream, seeds
        plan = self.planned(options)
        stream, self.run, self.runs = self.stream, None, []
        self.names = plots.spoken(stream.names)
        self.sliders = {k: value_slider(k, v, continuous=False) for k, v in self.choices.items()}
        self.time = time_slider()
        self.sentence, self.details, self.later = say(""), say(""), say(LATER)
        fig, ax = plots.figure(width=7.5, height=2.5)
        curves = plots.Curves(ax, stream.names, np.cumsum([0, *plan.spans]))
        ax.set_xlabel(self.label)
        self.thumb, self.moment = ax.axvline(0, color=plots.INK, lw=1.2), TimeTravel(stream)
        past = stacked(self.later, self.moment.painter.image)
        still = dict(min_height="125px")  # so that nothing moves
        words = W.VBox([self.sentence, self.details], layout=still)
        below = [self.time, past, words]
        super().__init__("edgecl-live", fig, curves, self.sliders.values(), below)
        self.painter.use([*curves.moving, self.thumb])
        self.time.observe(lambda _: self.job.call(self._travel), "value")
        for slider in self.sliders.values():
            slider.observe(lambda _: self.job.call(self._ready), "value")
        self._busy(False)
        self._ready()
        self.painter.paint()

    def planned(self, options):
        """The plan with all choices, which becomes sliders; refuses what makes no sense."""
        known = {field.name for field in fields(Options)}
        choices = {name: options.pop(name) for name in list(options) if name not in known}
        plan = checked(self.method, self.stream, self.seeds, choices, **options)
        often = plan.spans[0] // max(40, 4 * plan.options.epochs)  # four times an epoch
        beginning(plan)
        self.options, self.choices = {"every": max(1, often)} | options, plan.grid
        return plan

    def run_blocking(self):
        """Train to the end in this call and return the Run, for tests and scripts."""
        super().run_blocking()
        return self.run

    # ---- training

    def work(self):
        """Train with the sliders' values."""
        grid = {name: [slider.value] for name, slider in self.sliders.items()}
        self.plan = checked(self.method, self.stream, self.seeds, grid, **self.options)
        return settled(follow)(self.plan)

    def _where(self, point):
        return f"{super()._where(point)}, learning {self.names[point.task]}"

    def _keep(self, seconds):
        self.run = Run.gather(self.points, self.plan, seconds, self.job.state != "done")
        self.runs.append(self.run)
        while len(self.runs) > 1 and sum(map(_bytes, self.runs)) > KEEP:
            del self.runs[0]

    def _done(self, error):
        super()._done(error)
        if self.run and not self.job.over:
            self._remember()

    # ---- time travel

    def _remember(self):
        """Show the newest run and stand at its end."""
        cell, last = (0,) * len(self.run.grid), len(self.run.step) - 1
        self.curve = plots.cell_of(self.run, cell)  # (seeds, points, on)
        self.curves.set(self.run.step, self.curve)
        why = "; ".join(self.run.lost.values())
        say(f"{plots.curves_sentence(self.run, cell)} {why}".strip(), self.sentence)
        self.time.max, self.time.value, self.time.disabled = max(1, last), last, False
        self._travel()

    def _travel(self):
        """Draw the moment that the time slider points at."""
        if self.run is None or self.job.over or self.job.state == "training":
            return
        run, i = self.run, min(self.time.value, len(self.run.step) - 1)
        accuracy = [plots.percent(a) for a in self.curve[:, i].mean(0)]
        each = plots.listed(f"{name} {a}" for name, a in zip(self.names, accuracy))
        seed = f"Seed {run.seeds[0]}: " if len(run.seeds) > 1 else ""
        answers = self.moment.show(run.axes.flat(run.predicted)[0, i], int(run.task[i]))
        where = f"At {self.unit} {run.step[i]}, learning {self.names[run.task[i]]}"
        say(f"{where}: accuracy on {each}. {seed}{answers}", self.details)
        self.thumb.set(xdata=[run.step[i]] * 2, visible=True)
        self._past(True)
        self.painter.paint()

    def finite(self):
        recorded = self._recorded()
        some = plots.few(len(self.run.step), MOMENTS)
        words = [f"{self.unit} {self.run.step[i]}" for i in some]
        moments = Control(self.time.description, words, lambda i: self._go(some[i]), len(some) - 1)
        ax = self.thumb.axes
        numbers = {
            "thumb": lambda: [plots.places(ax, self.thumb.get_xdata()[:1], 0)[0][0], None],
            "curves": lambda: plots.curves_numbers(self.curves, self.curve),
        }
        told = lambda: words_of(self.details), lambda: words_of(self.sentence), lambda: recorded
        picture = lambda: self.moment.painter.image.value
        still = {"curves": plots.curves_frame(self.curves, self.run.step)}
        return Finite("live", (moments,), told, numbers, picture, still)

    def _recorded(self):
        """Train where that was not done; what fails midway is shown as far as it came, and said."""
        try:
            self.run or self.run_blocking()
        except Exception:
            if self.run is None:
                raise
        failed = words_of(self.status) if self.job.state == "failed" else ""
        return f"{RECORDED.replace(';', f'{self._setting()};')} {failed}".strip()

    def _go(self, moment):
        """Travel to a moment in this call."""
        self.time.value = moment
        self._travel()

    # ---- words

    def _busy(self, busy):
        super()._busy(busy)
        self.time.disabled = True  # until there is a run to travel in
        self.thumb.set_visible(False)
        self._past(False)

    def _past(self, seen):
        """Show the moment, or a calm line in its place."""
        self.moment.painter.image.layout.visibility = "visible" if seen else "hidden"
        self.later.layout.visibility = "hidden" if seen else "visible"
        if not seen:
            say("", self.sentence), say("", self.details)

    def _ready(self):
        if self.job.state != "training":
            self._say(f"Ready{self._setting()}: press Train.")

    def _setting(self):
        return " with " + plots.listed(map(chosen, self.sliders.values())) if self.sliders else ""


def time_slider():
    """A slider over recorded moments."""
    slider = W.IntSlider(description="moment", max=1, readout=False).add_class("edgecl-time")
    slider.tooltip = "Travel through the recorded moments: drag, or use the arrow keys"
    slider.layout.width = "620px"
    return slider


def _bytes(run):
    return run.predicted.nbytes + nbytes(run.params) + nbytes(run.state)
