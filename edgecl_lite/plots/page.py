"""What stands around a picture: bare axes, a legend outside of them, an easel for live pictures.

Every lesson.
"""

import itertools

import numpy as np
from matplotlib.axes import Axes

from .house import png, sayable, styled
from .names import look

PLACES = {  # of a legend: for a figure, and for axes with the point of them where it is hung up
    "right": ("outside right upper", "upper left", (1.0, 1.03)),
    "above": ("outside upper center", "lower center", (0.5, 1.02)),
    "below": ("outside lower center", "upper center", (0.5, -0.2)),
}
LETTER, HANDLE = 6, 70  # pixels that a letter of a legend takes, and what stands before it


@styled()
def bare(*axes, frame=False):
    """Axes (or arrays of axes) for pictures: no ticks, no grid, a frame only where asked for."""
    for ax in (ax for one in axes for ax in np.ravel(one)):
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        ax.spines[:].set(visible=frame, color="#BBBBBB")


@styled()
def legend(of, where="right", title=None):
    """A legend outside the axes, of axes or of a whole figure (every label of its axes once).

    where: "right", "above" or "below". Returns the legend. Raises ValueError for another place and
    where nothing has a label.
    """
    if where not in PLACES:
        raise ValueError(f"legend: where must be one of {list(PLACES)}, got {where!r}")
    outside, corner, anchor = PLACES[where]
    axes = [of] if isinstance(of, Axes) else of.axes
    pairs = [pair for ax in axes for pair in zip(*ax.get_legend_handles_labels())]
    shown = {label: handle for handle, label in reversed(pairs)}  # the first of each label
    labels = list(dict.fromkeys(label for _, label in pairs))
    if not labels:
        raise ValueError("legend: nothing here has a label; draw first, with label=…")
    place = dict(loc=corner, bbox_to_anchor=anchor) if isinstance(of, Axes) else dict(loc=outside)
    if where != "right":
        place["ncols"] = _columns(labels, of.bbox.width)
    made = of.legend([shown[k] for k in labels], labels, title=title, alignment="left", **place)
    for text in made.get_texts():
        text.set(**look(text.get_text()))
    return made


def _columns(labels, width):
    """Into how many columns the labels go, at most so many pixels wide together."""
    for n in range(len(labels), 1, -1):
        rows, more = divmod(len(labels), n)  # the first columns have one more
        ends = list(itertools.accumulate(rows + (i < more) for i in range(n)))
        longest = [max(map(len, labels[a:b])) for a, b in itertools.pairwise([0, *ends])]
        if sum(LETTER * letters + HANDLE for letters in longest) <= width:
            return n
    return 1


class Easel:
    """One picture in the output of a cell: each `paint` replaces the last, while something trains.

    words: what stands for the picture where none can be seen; its alternative text is the newest
    sentence. Without a notebook the sentences are printed instead.
    """

    def __init__(self, words):
        self.words, self.handle = words, None

    def paint(self, fig, sentence):
        """Show this figure in the place of the one before."""
        from IPython import get_ipython
        from IPython.display import display

        if not getattr(get_ipython(), "kernel", None):
            return print(sayable(sentence))
        picture = {"image/png": png(fig), "text/plain": self.words}
        options = dict(metadata={"image/png": {"alt": sentence}}, raw=True)
        if self.handle:
            return self.handle.update(picture, **options)
        self.handle = display(picture, display_id=True, **options)
        return None
