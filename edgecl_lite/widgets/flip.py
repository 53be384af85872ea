"""`flip`: leaf through the pictures of a drawing function, each drawn once and kept.

Lesson: catastrophic_forgetting. All later ones, too.
"""

import ipywidgets as W

from .. import plots
from .._refuse.arguments import number, several
from .painter import Panel, image, say, value_slider, worded
from .states import Finite, choice, words_of

MOST = 1000  # values to choose from: more than pixels of a slider


class Flip(Panel):
    """Leaf through pictures: `draw(fig, **values)` fills a figure and returns its sentence.

    Each choice is a list: numbers become a slider, up to six words a row of buttons:
    `flip(draw, lam=[0, 1, 10])`. width and height are inches.
    """

    fallback = "Pictures to leaf through: open this notebook in Jupyter to use it."

    def __init__(self, draw, *, width=7.5, height=3.2, **choices):
        if not callable(draw):
            came = type(draw).__name__
            raise TypeError(f"draw must be a function draw(fig, **values), got {came}")
        self.draw, self.kept = draw, {}
        self.size = number("width", width, 1, 100), number("height", height, 1, 100)
        self.values = {name: several(f"flip(…, {name}=)", v) for name, v in choices.items()}
        self.controls = {name: self._control(name, values) for name, values in self.values.items()}
        width, height = (round(100 * side) for side in self.size)
        self.image, self.sentence = image(width, height, "edgecl-flip"), say("")
        super().__init__("edgecl-flip-panel", *self.controls.values(), self.image, self.sentence)
        for control in self.controls.values():
            control.observe(self._changed, "value")
        self._changed()

    def _control(self, name, values):
        if len(values) > MOST:
            what = f"{MOST} values to choose from, got {len(values)}"
            raise ValueError(f"flip(…, {name}=) may hold {what}")
        if any(v != v for v in values if isinstance(v, float)):
            what = f"values that one can choose, got nan in {values}"
            raise ValueError(f"flip(…, {name}=) must hold {what}")
        if len(values) > 6 or not all(isinstance(v, str | bool) for v in values):
            return value_slider(name, values)
        word, options = name.replace("_", " "), list(zip(worded(values), values))
        buttons = W.ToggleButtons(options=options, description=word, index=0)
        return buttons.add_class(f"edgecl-{name}")

    def finite(self):
        controls = tuple(map(choice, self.controls.values()))
        said, picture = lambda: words_of(self.sentence), lambda: self.image.value
        return Finite("flip", controls, (said,), {}, picture)

    def _changed(self, _=None):
        key = tuple(control.index for control in self.controls.values())
        try:
            if key not in self.kept:
                values = {name: self.values[name][i] for name, i in zip(self.controls, key)}
                with plots.styled():
                    fig = plots.canvas(*self.size)
                    sentence = self.draw(fig, **values)
                self.kept[key] = plots.png(fig), str(sentence or "")
        except Exception as error:  # in a callback nobody would see it
            say(f"No picture: {type(error).__name__}: {error}", self.sentence, role="alert")
            raise
        self.image.value, sentence = self.kept[key]
        say(sentence, self.sentence, role="status")


flip = Flip
