"""Memory bars: what a method needs of a board's RAM and flash, in per cent of what there is.

The line stands where the board's memory ends (of RAM, that inside the chip); what lies beyond it
keeps its colours, is crossed out where there is no room for it, and said in words. Every part has a
colour and a hatch. The numbers are those of `budget` and of `fits`.
Lesson: edge_budget.
"""

import numpy as np

from ..device.advice import fits
from ..device.boards import size
from ..device.rules import FLASH, RAM
from .house import COLOURS, INK, listed, styled
from .names import drawable, look, spoken

MOST = 150  # per cent of the board at which bars are cut off, unless the picture makes room
ROOM = 2_000  # per cent of the board that a picture shows at most
LEAST = 0.3  # per cent of the board: what is less takes no pixel that one sees
OWN, OVER = "the method's own", "too much"
HATCH = {"weights": "", "gradients": "///", "optimiser": "||", "activations": r"\\\\"}
HATCH |= {OWN: "--", OVER: "xx"}
FACES = *COLOURS[:5], "#33333338"


def parts(verdict, where):
    """({part: bytes} of RAM or of flash, bytes that the board has).

    All that a method has beside its network is one part.
    """
    sums = dict.fromkeys(HATCH, 0)
    for what, n, place in verdict.budget.lines:
        named = [part for part in HATCH if what.startswith(part)]
        if place == where:
            sums[named[0] if named else OWN] += n
    return sums, verdict.board.usable if where == RAM else verdict.board.flash


class MemoryBars:
    """Memory bars as artists, made once and updated in place.

    There are so many rows of RAM on the first of two axes, and of flash on the second. `moving`:
    all artists.
    """

    @styled()
    def __init__(self, axes, rows=1):
        self.bars = {}
        for ax, where, name in zip(axes, (RAM, FLASH), ("the board's usable RAM", "its flash")):
            for row in range(rows):
                self.bars[where, row] = _row(ax, row)
            ax.set(xlim=(0, MOST), ylim=(rows - 0.65, -0.8), yticks=[], frame_on=False)
            ax.set_xlabel(f"% of {name}")
        bars, _ = self.bars[FLASH, rows - 1]
        place = dict(loc="outside upper left", columnspacing=1.2)
        axes[0].figure.legend(bars, HATCH, ncols=len(HATCH), **place)
        artists = [(*ax.patches, *ax.lines, *ax.texts) for ax in axes]
        self.moving = [artist for some in artists for artist in some]

    def set(self, verdicts):
        """verdicts {label: Verdict}: a bar each, as `fits` gave them. Returns the sentence."""
        told, labels = [], list(verdicts)
        for (where, row), artists in self.bars.items():
            label, most = labels[row], artists[1].axes.get_xlim()[1]
            verdict = verdicts[label]
            sizes, has = parts(verdict, where)
            cut = _fill(artists, sizes, has, most, where in verdict.short)
            words = label + _need(verdict, where, sum(sizes.values()), has)
            words += f", cut off at {most:.0f} %" * cut
            shown = drawable(verdicts)[row]  # a label that no font can write is its number
            shown = words if shown == label else f"{shown}: {words[len(label) :]}"
            artists[1].set(text=shown, **look(shown))
            each = listed(f"{part} {size(n)}" for part, n in sizes.items() if n)
            told.append(f"{words} ({each})")
        return f"Memory on {verdict.board.title}: {'; '.join(told)}."


def _row(ax, row):
    """(bars, text): the parts of one bar, still empty, and the words above them."""
    style = dict(height=0.5, edgecolor="white", linewidth=0.8)
    bars = []
    for face, hatch in zip(FACES, HATCH.values()):
        bars += ax.barh(row, 0, fc=face, hatch=hatch, **style)
    ax.plot([100, 100], [row - 0.27, row + 0.35], color=INK, lw=3, solid_capstyle="butt")
    return bars, ax.text(0.6, row - 0.32, "", fontsize=10.5)


def _fill(artists, sizes, has, most, short):
    """Give the parts of a bar their widths, in per cent of what the board has: is it cut off?"""
    whole = 100 * np.cumsum([0, *sizes.values()]) / max(1, has)
    ends = np.minimum(whole, most)
    lefts, rights = [*ends[:5], 100], [*ends[1:6], max(100, ends[-1]) if short else 100]
    for bar, left, right in zip(artists[0], lefts, rights):
        bar.set(x=left, width=right - left, visible=right > left)
    return bool(whole[-1] > most)


def _need(verdict, where, needs, has):
    """How much is needed of how much there is, and what is too much or too little to see."""
    words = f"{size(needs)} of {size(has)} {where}"
    if where in verdict.short:
        words += f", {size(verdict.short[where])} {OVER}"
    elif where == RAM and verdict.place == "outside":
        words += f", {size(needs - has)} of it outside the chip"
    elif where == RAM and verdict.place == "banks":
        words += " in banks"
    return words + ", too little to see" * (0 < 100 * needs < LEAST * has)


def memory(budgets, board, axes):
    """What one `Budget`, or several {label: Budget}, need of a board (its name, or a `Board`).

    axes: two, one above the other, for RAM and for flash, each as long as its longest bar.
    """
    budgets = budgets if isinstance(budgets, dict) else {type(budgets.method).__name__: budgets}
    labels = (f"{label}: " for label in spoken(budgets))
    verdicts = {label: fits(each, board) for label, each in zip(labels, budgets.values())}
    bars = MemoryBars(axes, len(budgets))
    for ax, where in zip(axes, (RAM, FLASH)):
        taken = [parts(verdict, where) for verdict in verdicts.values()]
        longest = max(100 * sum(sizes.values()) / max(1, has) for sizes, has in taken)
        ax.set(xlim=(0, np.clip(longest, MOST, ROOM)))
    return bars.set(verdicts)
