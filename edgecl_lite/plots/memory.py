"""Memory bars: what a method needs of a board's RAM and flash, part by part, in per cent of what there is.

The line stands where the board's memory ends; what lies beyond it is cross-hatched and said in words. Every
part has a colour and a hatch. The numbers are those of `budget` and of `fits`. Lesson: 06_edge_budget.
"""

import numpy as np

from ..device.advice import fits
from ..device.boards import size
from ..device.rules import FLASH, RAM
from .house import COLOURS, INK, listed, styled
from .names import drawable, look, spoken

OWN, OVER, MOST = "the method's own", "too much", 150  # per cent of the board at which bars are cut off
LEAST = 0.3  # per cent of the board: what is less takes no pixel that one sees
HATCH = {"weights": "", "gradients": "///", "optimiser": "||", "activations": r"\\\\", OWN: "--", OVER: "xx"}
FACES = *COLOURS[:5], "#333333B0"


def parts(verdict, where):
    """({part: bytes} of RAM or of flash, bytes that the board has); all that a method has beside its network
    is one part.
    """
    sums = dict.fromkeys(HATCH, 0)
    for what, n, place in verdict.budget.lines:
        sums[next((part for part in HATCH if what.startswith(part)), OWN)] += n * (place == where)
    return sums, verdict.board.usable if where == RAM else verdict.board.flash


class Memory:
    """Memory bars as artists, made once and updated in place: so many of RAM on the first of two axes, and of
    flash on the second. `moving`: all of them.
    """

    @styled()
    def __init__(self, axes, rows=1):
        self.bars, style = {}, dict(height=0.5, edgecolor="white", linewidth=0.8)
        for ax, (where, name) in zip(axes, {RAM: "the board's usable RAM", FLASH: "its flash"}.items()):
            for row in range(rows):
                bars = [ax.barh(row, 0, fc=c, hatch=h, **style)[0] for c, h in zip(FACES, HATCH.values())]
                ax.plot([100, 100], [row - 0.27, row + 0.35], color=INK, lw=3, solid_capstyle="butt")
                self.bars[where, row] = bars, ax.text(0.6, row - 0.32, "", fontsize=10.5)
            ax.set(xlim=(0, MOST), ylim=(rows - 0.65, -0.8), yticks=[], xlabel=f"% of {name}", frame_on=False)
        axes[0].figure.legend(bars, HATCH, ncols=len(HATCH), loc="outside upper left", columnspacing=1.2)
        self.moving = [artist for ax in axes for artist in (*ax.patches, *ax.lines, *ax.texts)]

    def set(self, verdicts):
        """verdicts {label: Verdict}: a bar each, as `fits` gave them. Returns the sentence."""
        told = []
        for (where, row), (bars, text) in self.bars.items():
            label, verdict = list(verdicts.items())[row]
            sizes, has = parts(verdict, where)
            ends = np.minimum(100 * np.cumsum([0, *sizes.values()]) / max(1, has), MOST)
            for bar, left, right in zip(bars, [*ends[:5], 100], [*ends[1:6], max(100, ends[-1])]):
                bar.set(x=left, width=right - left, visible=right > left)
            words = f"{label}{size(sum(sizes.values()))} of {size(has)} {where}"
            words += f", {size(verdict.short[where])} {OVER}" if where in verdict.short else ""
            words += ", too little to see" if 0 < 100 * sum(sizes.values()) < LEAST * has else ""
            shown = drawable(verdicts)[row]  # a label that no font can write is its number
            shown = words if shown == label else f"{shown}: {words[len(label) :]}"
            text.set(text=shown, **look(shown))
            told += [f"{words} ({listed(f'{part} {size(n)}' for part, n in sizes.items() if n)})"]
        return f"Memory on {verdict.board.title}: {'; '.join(told)}."


def memory(budgets, board, axes):
    """What one `Budget`, or several {label: Budget}, need of a board (its name, or a `Board`).

    axes: two, one above the other, for RAM and for flash. Bars are cut off at one and a half times the board.
    """
    budgets = budgets if isinstance(budgets, dict) else {type(budgets.method).__name__: budgets}
    labels = (f"{label}: " for label in spoken(budgets))
    return Memory(axes, len(budgets)).set({k: fits(b, board) for k, b in zip(labels, budgets.values())})
