"""What a power cut leaves, for every moment in which it can come: a strip for each way to save.

    along: the operation in which the power goes      colour and hatch: what is found afterwards

Data are those of `power_cuts`. Lesson: wrist.
"""

import numpy as np

from .house import COLOURS, listed, number, styled
from .names import line, look
from .page import legend

NOTHING, UNLIKE = -1, -2  # as in a `Cuts`
FOUND = {  # what is found: what it is drawn with
    "the new save": dict(facecolor=COLOURS[2], hatch=""),
    "what was there before": dict(facecolor=COLOURS[5], hatch=""),
    "an older one": dict(facecolor=COLOURS[4], hatch=".."),
    "nothing": dict(facecolor="white", hatch=""),
    "bytes that never were": dict(facecolor=COLOURS[1], hatch="xx"),
}


@styled()
def cuts(ways, ax):
    """{name of a way to save: `Cuts`} as strips, one above the other.

    Returns the sentence of the picture. Raises ValueError where there is none.
    """
    if not ways:
        raise ValueError("cuts: expected at least one way to save, {name: Cuts}, got none")
    named = list(FOUND)
    for at, own in enumerate(ways.values()):
        kinds = kinds_of(own)
        edges = np.flatnonzero(np.diff(kinds, prepend=-1, append=-1))
        share = 100 * edges / len(kinds)
        for first, start, end in zip(edges, share, share[1:]):
            name = named[kinds[first]]
            style = dict(edgecolor="#555555", lw=0.4, label=name, **FOUND[name])
            ax.barh(at, end - start, left=start, height=0.6, **style)
    labels = [line(name, 40) for name in ways]
    ax.set_yticks(range(len(ways)), labels, **look(*labels))
    ax.set(
        xlim=(0, 100), ylim=(len(ways) - 0.5, -0.5), xlabel="when the power goes, % of all writes"
    )
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False)
    legend(ax, "above")
    return " ".join(sentence(line(name), own) for name, own in ways.items())


def kinds_of(own):
    """What is found after each cut, (operations,): indices into FOUND.

    Before the first save nothing was there.
    """
    found, hit = np.asarray(own.found), np.asarray(own.interrupted)
    cases = [found == hit, found == hit - 1, found == NOTHING, found == UNLIKE]
    return np.select(cases, [0, 1, 3, 4], 2)


def sentence(name, own):
    """The shares of a strip in words."""
    kinds, many = kinds_of(own), len(own.found)
    counts = [(word, int((kinds == i).sum())) for i, word in enumerate(FOUND)]
    told = listed(f"{word} in {100 * n / many:.1f} %" for word, n in counts if n)
    return (
        f"{name}: of {number(many)} moments at which the power may go, there is afterwards {told}."
    )
