"""`explore`: a slider over a finished sweep. Nothing is trained; the picture follows the thumb (under 15 ms).

Left the whole range with its band and the thumb's place, right the forgetting curves there. A value that lost
a lane says what happened and is never drawn as a result. Lesson 02.
"""

import ipywidgets as W
import numpy as np

from .. import plots
from .painter import Painter, Panel, chosen, say, value_slider


class Explore(Panel):
    """See `explore`."""

    fallback = "A slider over a finished sweep: open this notebook in Jupyter to use it."

    def __init__(self, run, over="lam", metric=None, note=None):
        plots.along(run, over, metric)  # refuses what cannot be shown, before anything is drawn
        self.run, self.over, self.metric, self.note = run, over, metric, note
        self.sliders = {name: value_slider(name, list(values)) for name, values in run.grid.items()}
        self.fig, (self.left, self.right) = plots.figure(2, width=7.6, height=3.3, width_ratios=(1, 1.25))
        with plots.styled():
            self.curves = plots.Curves(self.right, run.names, plots.edges_of(run))
            self.words = self.right.text(
                0.5, 0.5, "", transform=self.right.transAxes, ha="center", va="center", fontsize=12
            )
        self._whole_range()
        self.painter = Painter(self.fig, self._moving())
        self.readout, self.sentence, self.beside = (
            say("", css="edgecl-readout"),
            say(""),
            say("", css="edgecl-note"),
        )
        row = W.HBox([self.sliders[over], self.beside], layout=W.Layout(flex_flow="row wrap"))
        others = [slider for name, slider in self.sliders.items() if name != over]
        super().__init__([row, *others, self.painter.image, self.readout, self.sentence], "edgecl-explore")
        for name, slider in self.sliders.items():
            slider.observe(self._changed if name == over else self._other, "value")
        self._changed()

    def _whole_range(self):
        """The left picture, for the values of the other sliders."""
        at = {name: slider.value for name, slider in self.sliders.items() if name != self.over}
        with plots.styled():
            self.left.clear()
            self.range = plots.sweep_curve(self.run, self.left, self.over, self.metric, at)
            self.left.grid(True, axis="y")
            self.left.tick_params(axis="x", labelsize=8.5)
            self.thumb = self.left.axvline(0, color="#333333", lw=1.4, alpha=0.55)
            self.dot = self.left.plot([], [], "o", color="#333333", markersize=8)[0]
        self.values, self.places = (
            plots.along(self.run, self.over, self.metric, at),
            plots.places(self.run.grid[self.over])[0],
        )

    def _moving(self):
        return [self.thumb, self.dot, *self.curves.moving, self.words]

    def _other(self, _):
        self._whole_range()
        self.painter.use(self.fig, self._moving())
        self._changed()

    def _changed(self, _=None):
        cell = tuple(slider.index for slider in self.sliders.values())
        here = self.sliders[self.over].index
        value, x = self.values[here], self.places[here]  # (seeds,)
        setting = ", ".join(map(chosen, self.sliders.values()))
        lost = np.isnan(value).any()
        curve = plots.cell_of(self.run, cell)
        self.curves.set(self.run.step, self.run.task, np.full_like(curve, np.nan) if lost else curve)
        self.thumb.set_xdata([x, x])
        self.dot.set_data([x], [value.mean()])
        self.words.set_text("lost in training" if lost else "")
        if lost:
            text = f"{setting}: {self._what_happened(cell)}"
        else:
            spread = f" ± {100 * value.std():.1f}" if len(value) > 1 else ""
            text = f"{setting}: {self.left.get_ylabel()} {100 * value.mean():.1f}{spread} %."
        say(text, self.readout, "edgecl-readout", role="status")
        say(f"{plots.curves_sentence(self.run, cell)} {self.range}", self.sentence)
        if self.note:
            say(str(self.note(self.sliders[self.over].value)), self.beside, "edgecl-note")
        self.painter.paint()

    def _what_happened(self, cell):
        shape = [len(values) for values in self.run.grid.values()] + [len(self.run.seeds)]
        lanes = [int(np.ravel_multi_index((*cell, seed), shape)) for seed in range(shape[-1])]
        messages = [self.run.lost[lane] for lane in lanes if lane in self.run.lost]
        lost = np.isnan(self.values[self.sliders[self.over].index]).sum()
        many = f" ({lost} of {len(lanes)} seeds)" if len(lanes) > 1 else ""
        return f"lost in training{many}, so there is no result. {' '.join(messages[:1])}".strip()


def explore(run, over="lam", metric=None, note=None):
    """A slider over a finished sweep, one more for each further axis; nothing is trained.

    metric: function of R (default `metrics.average_accuracy`). note: function of the value, its text stands
    beside the slider.
    """
    return Explore(run, over, metric, note)
