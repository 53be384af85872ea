"""`flip`: leaf through the pictures of a drawing function; each is drawn once and kept. From lesson 01 on."""

import ipywidgets as W

from .. import plots
from .painter import Panel, image, say, value_slider


class Flip(Panel):
    """Leaf through pictures: `draw(fig, **values)` fills a figure (inches) and returns its sentence.

    Each choice is a list: numbers become a slider, up to six words a row of buttons:
    `flip(draw, lam=[0, 1, 10])`.
    """

    fallback = "Pictures to leaf through: open this notebook in Jupyter to use it."

    def __init__(self, draw, *, width=7.5, height=3.2, **choices):
        self.draw, self.size, self.kept = draw, (width, height), {}
        self.controls = {name: self._control(name, list(values)) for name, values in choices.items()}
        self.image, self.sentence = image(round(100 * width), round(100 * height), "edgecl-flip"), say("")
        super().__init__("edgecl-flip-panel", *self.controls.values(), self.image, self.sentence)
        for control in self.controls.values():
            control.observe(self._changed, "value")
        self._changed()

    def _control(self, name, values):
        if not values:
            raise ValueError(f"flip(..., {name}=) must hold values to choose from, got none")
        if len(values) > 6 or not all(isinstance(v, str | bool) for v in values):
            return value_slider(name, values)
        word, options = name.replace("_", " "), [(str(v), v) for v in values]
        return W.ToggleButtons(options=options, description=word).add_class(f"edgecl-{name}")

    def _changed(self, _=None):
        key = tuple(control.index for control in self.controls.values())
        try:
            if key not in self.kept:
                values = {name: control.value for name, control in self.controls.items()}
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
