"""`live`: watch a network learn and forget, stop it, and travel back through its training. Lessons 00 to 02.

The curve moves while the job (job.py) works off the generator `learn`; afterwards a slider over the recorded
points shows the accuracies, the confusion matrix and misread images of that moment (moment.py).
"""

import inspect
import time
from dataclasses import replace

import ipywidgets as W
import numpy as np

from .. import plots
from ..train import Run, learn
from .job import Job
from .moment import Moment
from .painter import Painter, Panel, button, chosen, say, tagged, value_slider

DEFAULTS = {name: p.default for name, p in inspect.signature(learn).parameters.items()}


class Live(Panel):
    """See `live`. run: the newest Run, None before the first; runs: all of them."""

    fallback = "A live panel: open this notebook in Jupyter to use it."

    def __init__(self, method, stream, seeds=1, **options):
        choices = {name: values for name, values in options.items() if name not in DEFAULTS}
        for name, values in choices.items():
            if np.ndim(values) != 1 or not len(values):
                raise TypeError(f"live(..., {name}=) must be a list of values to choose from, got {values!r}")
        self.method, self.stream, self.run, self.runs = method, stream, None, []
        self.options = {"seeds": seeds} | {k: v for k, v in options.items() if k in DEFAULTS}
        self.job = Job(self._learn, self._show, self._done)
        self.sliders = {name: value_slider(name, list(v), continuous=False) for name, v in choices.items()}
        self.train_button = button("Train", "play", "Train from the start with these values", "edgecl-train")
        self.stop_button = button("Stop", "stop", "Stop, and keep what was learned so far", "edgecl-stop")
        self.time = tagged(W.IntSlider(description="moment", max=1, readout=False), "edgecl-time", "620px")
        self.time.tooltip = "Travel through the recorded moments: drag, or use the arrow keys"
        self.status, self.sentence = say("", css="edgecl-status"), say("")
        self.details = say("After a training, a slider travels back through its moments here.")
        self._axes(np.append(0, np.cumsum(self._lengths())))
        self.moment = Moment(stream)
        self.past = W.VBox([self.time, self.moment.painter.image])
        controls = W.HBox([*self.sliders.values(), self.train_button, self.stop_button])
        controls.layout.flex_flow, self.past.layout.visibility = "row wrap", "hidden"  # its room is kept
        pictures = [self.painter.image, self.sentence, self.details, self.past]
        super().__init__([controls, self.status, *pictures], "edgecl-live")
        self.train_button.on_click(lambda _: self.job.call(self.job.start))
        self.stop_button.on_click(lambda _: self.job.stop())
        self.time.observe(lambda _: self.job.call(self._travel), "value")
        for slider in self.sliders.values():
            slider.observe(lambda _: self.job.call(self._chosen), "value")
        self._busy(False)
        self.painter.paint()
        self._say(f"Ready{self._setting(' with ')}: press Train.")

    def run_blocking(self):
        """Train to the end in this call and return the Run, for tests and scripts."""
        self.job.run_blocking()
        return self.run

    # ---- training

    def _lengths(self):
        """Steps of each task as the options say, and a point every quarter of an epoch unless they say
        otherwise.
        """
        given = DEFAULTS | self.options
        epoch = [max(1, -(-len(task.train[1]) // given["batch_size"])) for task in self.stream]
        lengths = [given["steps"] or given["epochs"] * steps for steps in epoch]
        self.options.setdefault("every", max(1, min(epoch[0], lengths[0] // 10) // 4))
        return lengths

    def _learn(self):
        """The generator of points, with the sliders' values; `ticks` lets Stop in between two points."""
        self._busy(True)
        self._say(f"Training{self._setting(' with ')} …")
        self.grid = {name: [slider.value] for name, slider in self.sliders.items()}
        ticks = {"ticks": True} if "ticks" in DEFAULTS else {}
        kept = self.job.points
        for point in learn(self.method, self.stream, grid=self.grid or None, **self.options, **ticks):
            if point is not None and kept:  # only the last moment needs its weights
                kept[-1] = replace(kept[-1], params=None, state=None)
            yield point

    def _show(self, points):
        total, last = points[-1].total, points[-1]
        if total != self.edges[-1]:
            self._axes(self.edges * total / self.edges[-1])
        curve = np.stack([p.accuracy for p in points], 1)  # (seeds, points, on)
        self.curves.set(np.array([p.step for p in points]), np.array([p.task for p in points]), curve)
        self.painter.paint()
        left = (time.perf_counter() - self.job.begun) * (total / max(1, last.step) - 1)
        where = f"step {last.step} of {total}, learning {self.stream.tasks[last.task].name}"
        self._say(f"Training{self._setting(' with ')}: {where}; about {left:.0f} s left.")

    def _done(self, points, error):
        seconds = time.perf_counter() - self.job.begun
        self._busy(False)
        if points:
            facts = dict(grid=self.grid, seconds=seconds, stopped=self.job.state != "done", **self.options)
            self.run = Run.gather(points, self.method, self.stream, **facts)
            self.runs.append(self.run)
        if self.run is not None:
            self._remember()
        if error is not None:
            self._say(f"The training failed: {type(error).__name__}: {error}", "alert")
        elif points:
            word = "Stopped" if self.job.state == "stopped" else "Finished"
            lost = f" Lost: {'; '.join(map(str, self.run.lost.values()))}." if self.run.lost else ""
            text = f"{word} at step {points[-1].step} of {points[-1].total} after {seconds:.1f} s.{lost}"
            self._say(text, "status")

    # ---- pictures

    def _axes(self, edges):
        """The curve's picture for tasks that begin at these steps."""
        self.edges = np.asarray(edges)
        fig, ax = plots.figure(width=7.5, height=3.2)
        with plots.styled():
            self.curves = plots.Curves(ax, self.stream.names, self.edges)
            self.thumb = ax.axvline(0, color="#333333", lw=1.2, visible=False)
        moving = [*self.curves.moving, self.thumb]
        if hasattr(self, "painter"):
            self.painter.use(fig, moving)
        else:
            self.painter = Painter(fig, moving)

    def _remember(self):
        """Show the newest run and stand at its end."""
        self.cell = (0,) * len(self.run.grid)
        self.curves.set(self.run.step, self.run.task, plots.cell_of(self.run, self.cell))
        say(plots.curves_sentence(self.run, self.cell), self.sentence)
        self.past.layout.visibility, self.time.disabled = "visible", False
        self.time.max = max(1, len(self.run.step) - 1)
        self.time.value = len(self.run.step) - 1
        self._travel()

    def _travel(self):
        """Draw the moment that the time slider points at."""
        if self.run is None or self.job.state == "training":
            return
        run, i = self.run, min(self.time.value, len(self.run.step) - 1)
        accuracy = plots.cell_of(run, self.cell)[:, i].mean(0)
        each = plots.listed(f"{name} {plots.percent(a)}" for name, a in zip(run.names, accuracy, strict=True))
        answers = self.moment.show(run.predicted[i, 0], int(run.task[i]))
        seed = f"Seed {run.seeds[0]}: " if len(run.seeds) > 1 else ""
        text = (
            f"At step {run.step[i]}, learning {run.names[run.task[i]]}: accuracy on {each}. {seed}{answers}"
        )
        self.thumb.set(xdata=[run.step[i]] * 2, visible=True)
        self.painter.paint()
        say(text, self.details)

    # ---- words

    def _busy(self, busy):
        self.train_button.disabled, self.stop_button.disabled = busy, not busy
        self.time.disabled = True  # until there is a run to travel in
        self.thumb.set_visible(False)

    def _chosen(self):
        if self.job.state != "training":
            kept = " The last run stays until then." if self.run is not None else ""
            self._say(f"Next training{self._setting(' with ')}: press Train.{kept}")

    def _setting(self, before):
        return before + plots.listed(map(chosen, self.sliders.values())) if self.sliders else ""

    def _say(self, text, role=None):
        say(text, self.status, "edgecl-status", role)


def live(method, stream, *, seeds=1, **options):
    """A panel that trains `method` on `stream` before your eyes: Train, Stop, then a slider back through
    time.

    Options are those of `learn` (epochs, lr, every, ...). Any other is a list of values of a hyper-parameter
    and becomes a slider for the next training: `live(EWC(net), stream, seeds=3, lam=[0, 1, 10, 100])`.
    `panel.run` is the Run, `panel.runs` all of them.
    """
    return Live(method, stream, seeds=seeds, **options)
