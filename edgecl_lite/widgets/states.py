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
PHRASE = re.compile(r"(?<=[:;.,(] )|(?= \()|(?<= of )|(?<= for )")  # where a sentence is cut
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
    picture: a PNG. still: what is the same in all states; labels: texts within what is drawn.
    """

    kind: str
    controls: tuple
    words: tuple
    numbers: dict
    picture: Callable | None = None
    still: dict | None = None
    labels: tuple = ()


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
    read = {**_named("said", finite.words), **_named("labels", finite.labels), **finite.numbers}
    read |= {"pictures": lambda: bytes(finite.picture())} if finite.picture else {}
    seen = [{name: look() for name, look in read.items()} for _ in _each(finite.controls)]
    found = {name: packed([each[name] for each in seen]) for name in read}
    pictures = found.get("pictures", {"of": [], "at": []})
    told = {"kind": finite.kind, "controls": [_plain(control) for control in finite.controls]}
    for name, all in (("said", finite.words), ("labels", finite.labels)):
        told[name] = [phrased(found[f"{name} {k}"]) for k in range(len(all))]
    told |= {"still": finite.still or {}, "drawn": {name: found[name] for name in finite.numbers}}
    return told | {"pictures": pictures["at"]}, pictures["of"]


def _each(controls):
    """Move the controls to each of their states, the last one fastest, and back at the end."""
    for places in product(*(range(len(control.words)) for control in controls)):
        for control, place in zip(controls, places):
            control.move(place)
        yield places
    for control in controls:
        control.move(control.at)


def _named(name, texts):
    return {f"{name} {k}": text for k, text in enumerate(texts)}


def _plain(control):
    """A control as JSON can hold it."""
    return {name: getattr(control, name) for name in ("label", "words", "at", "buttons")}


def packed(values):
    """{"of": those that differ, "at": for each state which of them}."""
    keys = [value if isinstance(value, bytes) else json.dumps(value) for value in values]
    first = dict(zip(reversed(keys), reversed(values)))
    of = list(dict.fromkeys(keys))
    return {"of": [first[key] for key in of], "at": [of.index(key) for key in keys]}


def phrased(texts):
    """Packed texts with each text as numbers of phrases: long sentences differ in a few of them."""
    split = [PHRASE.split(text) for text in texts["of"]]
    phrases = list(dict.fromkeys(phrase for text in split for phrase in text))
    number = {phrase: i for i, phrase in enumerate(phrases)}
    return {"phrases": phrases, **texts, "of": [[number[p] for p in text] for text in split]}


def panels(sources):
    """{cell id: its panel}, of the cells {id: source} that ran in this kernel."""
    found = {}
    for name, source in sources.items():
        made = [panel() for panel in cells.made.get(source, (None, []))[1]]
        if alive := [panel for panel in made if panel is not None]:
            found[name] = alive[-1]
    return found
