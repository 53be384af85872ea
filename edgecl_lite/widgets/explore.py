"""`explore`: a slider over a finished sweep. Nothing is trained; the picture follows the thumb (under 15 ms).

Left the whole range with its band and the thumb's place, right the forgetting curves there. A value
that lost a lane says what happened and is never drawn as a result. Lessons 02 to 04.
"""

import numpy as np

from .. import plots
from .painter import Painter, Panel, chosen, say, value_slider


class Explore(Panel):
    """A slider over a finished sweep, one more for each further axis; nothing is trained.

    metric: function of R (default `metrics.average_accuracy`). note: function of the value, its
    text stands beside the slider.
    """

    fallback = "A slider over a finished sweep: open this notebook in Jupyter to use it."

    def __init__(self, run, over="lam", metric=None, note=None):
        for name, function in dict(metric=metric, note=note).items():
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be a function, got {function!r}")
        plots.along(run, over, metric)  # refuses what cannot be shown, before anything is drawn
        self.run, self.over, self.metric, self.note = run, over, metric, note
        self.sliders = {name: value_slider(name, list(values)) for name, values in run.grid.items()}
        self.slider = self.sliders[over]
        fig, (self.left, right) = plots.figure(2, width=7.6, height=3.3, width_ratios=(1, 1.25))
        self.curves = plots.Curves(right, run.names, plots.edges_of(run))
        self.words = right.text(0.5, 0.5, "", transform=right.transAxes, ha="center", fontsize=12)
        self.painter, self.readout, self.sentence, self.beside = (
            Painter(fig),
            say(""),
            say(""),
            say(""),
        )
        controls = [*self.sliders.values(), self.beside]
        super().__init__(
            "edgecl-explore", controls, self.painter.image, self.readout, self.sentence
        )
        for name, slider in self.sliders.items():
            slider.observe(self._here if name == over else self._range, "value")
        self._range()

    @plots.styled()
    def _range(self, _=None):
        """Draw the whole range for the values of the other sliders, left, and then the thumb's place."""
        at = {name: slider.value for name, slider in self.sliders.items()}
        self.values = plots.along(self.run, self.over, self.metric, at)  # (values, seeds)
        self.left.clear()
        self.range = plots.sweep_curve(self.run, self.left, self.over, self.metric, at)
        self.left.tick_params(axis="x", labelsize=8.5)
        self.thumb = self.left.axvline(self.slider.value, color=plots.INK, lw=1.4, alpha=0.55)
        (self.dot,) = self.left.plot([], [], "o", color=plots.INK, markersize=8)
        self.painter.use([self.thumb, self.dot, *self.curves.moving, self.words])
        self._here()

    def _here(self, _=None):
        """All that the thumb's place changes."""
        cell, value = tuple(slider.index for slider in self.sliders.values()), self.slider.value
        result, curve = self.values[self.slider.index], plots.cell_of(self.run, cell)
        mean, sd, lost = result.mean(), plots.spread(result), np.isnan(result).sum()
        self.curves.set(self.run.step, np.full_like(curve, np.nan) if lost else curve)
        self.thumb.set_xdata([value, value])
        self.dot.set_data([value], [mean])
        self.words.set_text("lost in training" if lost else "")
        if lost:
            here = self.run.at(**{name: slider.value for name, slider in self.sliders.items()})
            why = next(iter(here.lost.values()), "")
            many = f" ({lost} of {here.lanes} seeds)" if here.lanes > 1 else ""
            text = f"lost in training{many}, so there is no result. {why}".strip()
        else:
            band = f" ± {100 * sd:.1f}" if len(result) > 1 else ""
            text = f"{self.left.get_ylabel()} {round(100 * mean, 1) + 0.0:.1f}{band} %."  # + 0.0: never -0.0
        setting = ", ".join(map(chosen, self.sliders.values()))
        say(f"{setting}: {text}", self.readout, "edgecl-readout", role="status")
        curves = "" if lost else plots.curves_sentence(self.run, cell)
        say(f"{curves} {self.range}".strip(), self.sentence)
        say(str(self.note(value)) if self.note else "", self.beside, "edgecl-note")
        self.painter.paint()


explore = Explore
