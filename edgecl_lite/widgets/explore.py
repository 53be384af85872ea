"""`explore`: a slider over a finished sweep. Nothing is trained; the picture follows in 15 ms.

Left the whole range with its band and the thumb's place, right the forgetting curves there. A value
that lost a lane says what happened and is never drawn as a result. Most lessons.
"""

from functools import partial

import numpy as np

from .. import plots
from .painter import Painter, Panel, chosen, say, value_slider
from .states import Finite, choice, words_of

LONG = 24  # letters that fit above the narrow picture


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
        self.run, self.over = run, over
        self.metric, self.note = metric, note
        self.sliders = {name: value_slider(name, list(values)) for name, values in run.grid.items()}
        self.slider = self.sliders[over]
        fig, (self.left, right) = plots.figure(2, width=7.6, height=3.3, width_ratios=(1, 1.25))
        self.curves = plots.Curves(right, run.names, plots.edges_of(run))
        self.words = right.text(0.5, 0.5, "", transform=right.transAxes, ha="center", fontsize=12)
        self.painter = Painter(fig)
        self.readout, self.sentence, self.beside = say(""), say(""), say("")
        controls = [*self.sliders.values(), self.beside]
        below = self.painter.image, self.readout, self.sentence
        super().__init__("edgecl-explore", controls, *below)
        for name, slider in self.sliders.items():
            slider.observe(self._here if name == over else self._range, "value")
        self._range()

    @plots.styled()
    def _range(self, _=None):
        """Draw the whole range for the values of the other sliders, and then the thumb's place."""
        at = self._at()
        self.values = plots.along(self.run, self.over, self.metric, at)  # (values, seeds)
        self.left.clear()
        self.range = plots.sweep_curve(self.run, self.left, self.over, self.metric, at)
        self.left.tick_params(axis="x", labelsize=8.5)
        for text in self.left.texts:  # the picture is narrow: a long one takes two lines
            if len(text.get_text()) > LONG:
                text.set_text(text.get_text().replace(": ", ":\n"))
        self.thumb = self.left.axvline(self.slider.value, color=plots.INK, lw=1.4, alpha=0.55)
        (self.dot,) = self.left.plot([], [], "o", color=plots.INK, markersize=8)
        self.painter.use([self.thumb, self.dot, *self.curves.moving, self.words])
        self._here()

    def _here(self, _=None):
        """All that the thumb's place changes."""
        cell = tuple(slider.index for slider in self.sliders.values())
        value = self.slider.value
        result, self.curve = self.values[self.slider.index], plots.cell_of(self.run, cell)
        lost = np.isnan(result).any()
        if lost:
            self.curve = np.full_like(self.curve, np.nan)
        self.curves.set(self.run.step, self.curve)
        self.thumb.set_xdata([value, value])
        self.dot.set_data([value], [result.mean()])
        self.words.set_text("lost in training" if lost else "")
        told = self._lost(result) if lost else self._told(result)
        setting = ", ".join(map(chosen, self.sliders.values()))
        say(f"{setting}: {told}", self.readout, "edgecl-readout", role="status")
        curves = "" if lost else plots.curves_sentence(self.run, cell)
        say(f"{curves} {self.range}".strip(), self.sentence)
        note = str(self.note(value)) if self.note else ""
        say(note, self.beside, "edgecl-note")
        self.painter.paint()

    def finite(self):
        words = self.readout, self.sentence, self.beside
        numbers = {
            "sweep": lambda: plots.sweep_numbers(*self._swept()),
            "thumb": self._place,
            "curves": lambda: plots.curves_numbers(self.curves, self.curve),
        }
        return Finite(
            "explore",
            tuple(map(choice, self.sliders.values())),
            tuple(partial(words_of, word) for word in words),
            numbers,
            still={"curves": plots.curves_frame(self.curves, self.run.step)},
            labels=(self.words.get_text,),
        )

    def _place(self):
        """Where the thumb stands in the left picture, [x, y], y None where there is no result."""
        x, y = self.dot.get_data()
        middle = np.mean(self.left.get_ylim())
        return [plots.places(self.left, x, middle)[0][0], plots.places(self.left, x, y)[1][0]]

    def _swept(self):
        """What the left picture was drawn from."""
        return self.run, self.left, self.over, self.metric, self._at()

    def _at(self):
        """{name: value} of all sliders."""
        return {name: slider.value for name, slider in self.sliders.items()}

    def _told(self, result):
        """The metric in words: mean and standard deviation over seeds."""
        mean = round(100 * result.mean(), 1) + 0.0  # never -0.0
        band = f" ± {100 * plots.spread(result):.1f}" if len(result) > 1 else ""
        return f"{self.left.get_ylabel()} {mean:.1f}{band} %."

    def _lost(self, result):
        """What happened to a value that lost a lane, in words."""
        here = self.run.at(**self._at())
        why = next(iter(here.lost.values()), "")
        many = f" ({np.isnan(result).sum()} of {here.lanes} seeds)" if here.lanes > 1 else ""
        return f"lost in training{many}, so there is no result. {why}".strip()


explore = Explore
