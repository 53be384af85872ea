"""`guess`: predict first, then look. `reveal` says how far off a committed guess was.

Run All spoils nothing: without a committed guess the panel keeps the number to itself.
"""

import math

import ipywidgets as W

from .._refuse.arguments import number as finite
from ..lessons import kept
from ..plots import number
from .painter import Panel, say, tip
from .states import Control, Finite

committed = {}  # name -> guess; kept here, so that a cell that is run again does not forget it
# off by at most which share of the slider's range
WORDS = {0.02: "Spot on", 0.1: "Close", 0.25: "Not far", math.inf: "A surprise"}


class Guess(Panel):
    """A question with a slider and a Commit button; `.reveal(truth)` compares.

    `value`: the committed guess, None before; it outlives a second run of the cell.
    """

    fallback = "A slider for your guess: open this notebook in Jupyter to use it."

    def __init__(self, name, question, low, high, unit="%", step=1):
        low = finite(f"guess({name!r}): low", low, -1e15, 1e15)
        high = finite(f"guess({name!r}): high", high, -1e15, 1e15)
        step = finite(f"guess({name!r}): step", step, strictly=True)
        if not low < high:
            got = f"got low={low:g}, high={high:g}"
            raise ValueError(f"guess({name!r}): low must be below high, {got}")
        self.name, self.range, self.truth = name, high - low, None
        self.question = str(question)
        self.unit = f" {unit}" if unit else ""
        self.slider = _slider(low, high, step)
        if name in committed:
            self.slider.value = committed[name]
        tip(self.slider, f"{question} Drag, or use the arrow keys")
        self.button = W.Button(description="Commit", icon="check", tooltip="Commit this guess")
        self.button.add_class("edgecl-commit").on_click(lambda _: self.commit())
        self.answer = say("", css="edgecl-answer")
        controls = [self.slider, W.Label(self.unit), self.button]
        super().__init__("edgecl-guess-panel", say(self.question), controls, self.answer)
        if self.value is not None:
            self.commit()

    @property
    def value(self):
        return committed.get(self.name)

    def commit(self):
        """Commit what the slider says; where the answer is known, say at once how far off it is."""
        committed[self.name] = self.slider.value
        kept.guessed(self.name, self.slider.value)
        self._say(self._told(self.value))

    def reveal(self, truth):
        """Say in words how far the guess was from the truth, in the panel and below this cell.

        Without a guess only the cell says the truth.
        """
        self.truth, made = _truth(self.name, truth), self.value
        computed = "The answer is computed; commit a guess to see it here."
        self._say(computed if made is None else self._told(made))
        blank = f"No guess was committed, which is fine: the answer is {self._text(truth)}."
        print(blank if made is None else self._told(made))

    def finite(self):
        low, high, step = self.slider.min, self.slider.max, self.slider.step
        values = [low + i * step for i in range(1 + int((high - low) / step + 1e-9))]
        move = lambda i: setattr(self.slider, "value", values[i])
        at = min(range(len(values)), key=lambda i: abs(values[i] - self.slider.value))
        words = [self._text(value) for value in values]
        control = Control(self.slider.description, words, move, at)
        told = lambda: self._told(self.slider.value)
        asked = {"question": self.question, "button": self.button.description}
        return Finite("guess", (control,), (told,), {}, still=asked)

    def _told(self, value):
        """What is said of a guess: how far off it was, where the answer is known."""
        if self.truth is None:
            return f"Your guess is {self._text(value)}. Now read on."
        off = value - self.truth
        how = next(word for share, word in WORDS.items() if abs(off) <= share * self.range)
        apart = self._text(abs(off)).replace("%", "points")  # between two percentages
        by = f", {apart} too {'high' if off > 0 else 'low'}" if how != "Spot on" else ""
        guessed, answer = self._text(value), self._text(self.truth)
        return f"{how}: you guessed {guessed}{by}; the answer is {answer}."

    def _text(self, value):
        return number(float(value)) + self.unit

    def _say(self, text):
        say(text, self.answer, "edgecl-answer", "status")


def _slider(low, high, step):
    """A slider that begins in the middle, over whole numbers where these three are whole."""
    whole = all(value.is_integer() for value in (low, high, step))
    made, kind = (W.IntSlider, int) if whole else (W.FloatSlider, float)
    slider = made(min=kind(low), max=kind(high), step=kind(step), description="my guess")
    slider.value, slider.layout.width = kind((low + high) / 2), "420px"
    return slider.add_class("edgecl-guess")


def _truth(name, value):
    try:
        truth = float(value)
    except (TypeError, ValueError):
        truth = math.nan
    if not math.isfinite(truth):
        raise ValueError(f"guess({name!r}).reveal must get a finite number, got {value!r}")
    return truth


guess = Guess
