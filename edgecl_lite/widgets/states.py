"""The states of a panel: what a page without a kernel can show of it, found by moving its controls.

    states(panel) -> ({"kind", "controls", "said", "drawn"}, [picture of each state])

The panel's own controls go through all their places, and what it then says and draws is written
down: words as words, curves and bars as numbers, other pictures as pictures. Most lessons.
"""

import html
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

from . import cells

MOST = 60  # pictures of a panel, that a page takes
RECORDED = "A recorded training; in Jupyter you train it yourself."


@dataclass(frozen=True)
class Control:
    """What one chooses by: its label, a word for each place, move(place), and where it stands."""

    label: str
    words: list
    move: Callable
    at: int = 0
    buttons: bool = False


@dataclass(frozen=True)
class Finite:
    """How to read a panel off: functions without arguments, of the state in which it is.

    words: each a text, the first is what follows the thumb; numbers {name: what is drawn by them};
    picture: the bytes of a PNG. still: what is the same in all states.
    """

    kind: str
    controls: tuple
    words: tuple
    numbers: dict
    picture: Callable | None = None
    still: dict | None = None


def choice(widget):
    """The `Control` of a slider over values, or of a row of buttons."""
    move = partial(setattr, widget, "index")
    buttons = not hasattr(widget, "readout")
    return Control(widget.description, list(widget._options_labels), move, widget.index, buttons)


def words_of(widget):
    """What a sentence says (`say`), without its HTML."""
    return html.unescape(re.sub(r"<[^>]+>", "", widget.value))


def states(panel):
    """(what its states are, a dict that JSON can hold; their pictures, [] where there are none).

    None for a panel that only a kernel can work. ValueError where it has too many pictures.
    """
    finite = panel.finite()
    if finite is None or isinstance(finite, str):
        return finite and {"kind": "kernel", "said": finite}, []
    counts = [len(control.words) for control in finite.controls]
    if finite.picture and math.prod(counts) > MOST:
        many = " × ".join(f"{c.label}: {n}" for c, n in zip(finite.controls, counts))
        hint = "give its controls fewer values"
        raise ValueError(f"{math.prod(counts)} pictures ({many}), at most {MOST}: {hint}")
    seen = []
    for places in product(*map(range, counts)):
        for control, place in zip(finite.controls, places):
            control.move(place)
        read = [word() for word in finite.words], {k: f() for k, f in finite.numbers.items()}
        seen.append((*read, bytes(finite.picture()) if finite.picture else b""))
    for control in finite.controls:
        control.move(control.at)
    words, numbers, pictures = zip(*seen)
    pictures = packed(pictures) if finite.picture else {"of": [], "at": []}
    told = {"kind": finite.kind, "controls": [_plain(control) for control in finite.controls]}
    told |= {"said": [packed(each) for each in zip(*words)], "still": finite.still or {}}
    told["drawn"] = {name: packed([each[name] for each in numbers]) for name in finite.numbers}
    return told | {"pictures": pictures["at"]}, pictures["of"]


def _plain(control):
    """A control as JSON can hold it."""
    return {name: getattr(control, name) for name in ("label", "words", "at", "buttons")}


def packed(values):
    """{"of": those that differ, "at": for each state which of them}."""
    keys = [value if isinstance(value, bytes) else json.dumps(value) for value in values]
    first = dict(zip(reversed(keys), reversed(values)))
    of = list(dict.fromkeys(keys))
    return {"of": [first[key] for key in of], "at": [of.index(key) for key in keys]}


def panels(sources):
    """{cell id: its panel}, of the cells {id: source} that ran in this kernel."""
    found = {}
    for name, source in sources.items():
        made = [panel() for panel in cells.made.get(source, (None, []))[1]]
        if alive := [panel for panel in made if panel is not None]:
            found[name] = alive[-1]
    return found
