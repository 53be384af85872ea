"""The marks of a class as a heat map, students × exercises: who has which misconception.

A colour, a sign and, where there is room, the words: never the colour alone. Lesson: ewc.
"""

from collections import Counter

from .house import INK, listed, styled
from .names import spoken, written

WHITE = "#ffffff"
LOOKS = {  # status: colour of the cell, of the words, sign
    "right": ("#009E73", WHITE, "✓"),
    "misconception": ("#E69F00", INK, "?"),
    "wrong": ("#D55E00", WHITE, "✗"),
    "not attempted": ("#E4E4E4", INK, "·"),
    "error": ("#4D4D4D", WHITE, "!"),
}
ROOM = 34  # letters that stand in a cell


@styled()
def marks(status, ax, students, exercises, words=None):
    """status (students, exercises), names of LOOKS; words: alike, written into the cells.

    Returns the sentence of the picture. Raises ValueError where the names are not as many as the
    values, or where a status is none of LOOKS.
    """
    size = {len(row) for row in status}
    if not students or len(status) != len(students) or size != {len(exercises)} or not exercises:
        got = f"got {len(status)} rows of {sorted(size)}"
        raise ValueError(f"marks: expected {len(students)} rows of {len(exercises)}, {got}")
    known = ", ".join(map(repr, LOOKS))
    for strange in {one for row in status for one in row} - LOOKS.keys():
        raise ValueError(f"marks: a status must be one of {known}, got {strange!r}")
    for at, row in enumerate(status):
        for column, one in enumerate(row):
            said = words[at][column] if words else ""
            _cell(ax, at, column, one, "" if said in ("right", one) else said)
    _axes(ax, students, exercises)
    return sentence(status, exercises, words)


def _cell(ax, at, column, status, said):
    colour, ink, sign = LOOKS[status]
    box = dict(color=colour, linewidth=0)
    ax.barh(at, 0.96, left=column - 0.48, height=0.92, **box)
    said = said.removeprefix("error: ")
    short = said if len(said) <= ROOM else f"{said[: ROOM - 1]}…"
    style = dict(ha="center", va="center", fontsize=7.5, color=ink, parse_math=False)
    ax.text(column, at, f"{sign} {short}".strip(), **style)


def _axes(ax, students, exercises):
    for axis, names in ((ax.yaxis, students), (ax.xaxis, exercises)):
        labels, fonts = written(names, 28)
        axis.set_ticks(range(len(names)), labels, **fonts)
    ax.set(xlim=(-0.5, len(exercises) - 0.5), ylim=(len(students) - 0.5, -0.5))
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    key = "   ".join(f"{sign} {status}" for status, (_, _, sign) in LOOKS.items())
    ax.set_xlabel(key, fontsize=8)


def sentence(status, exercises, words=None):
    """How many have each exercise right, and what is most often the matter with it."""
    told = []
    for column, name in enumerate(spoken(exercises)):
        right = sum(row[column] == "right" for row in status)
        rows = zip(status, words or [])
        wrong = Counter(w[column] for row, w in rows if row[column] == "misconception")
        often = "".join(f", most often “{what}” ({n})" for what, n in wrong.most_common(1))
        told.append(f"{name} {right} right{often}")
    papers = "1 paper" if len(status) == 1 else f"{len(status)} papers"
    return f"Marks of {papers}: {listed(told)}."
