"""A table of shares as a heat map, rows and columns named apart: clients × tasks, model × windows.

Dark is much; a cell has its number where there is room, and · where there was nothing to measure.
Lesson: federated_learning.
"""

import numpy as np

from .curves import MANY
from .house import INK, listed, percent, styled
from .names import look, spoken, written


@styled()
def table(values, ax, rows, columns, xlabel="", ylabel=""):
    """values (rows, columns), shares 0..1, drawn in per cent. Returns the sentence of the picture.

    Raises ValueError where the names are not as many as the values.
    """
    values = np.asarray(values, float)
    if values.ndim != 2 or values.shape != (len(rows), len(columns)) or not values.size:
        got = f"got {values.shape} for {len(rows)} rows and {len(columns)} columns"
        raise ValueError(
            f"table: expected values (rows, columns), one for each pair of names, {got}"
        )
    ax.imshow(values, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    room = ax.bbox.height / 14, ax.bbox.width / 40
    for axis, names, most in zip((ax.yaxis, ax.xaxis), (rows, columns), room):
        (labels, fonts), every = written(names, 20), -(-len(names) // max(1, int(most)))
        axis.set_ticks(range(0, len(names), every), labels[::every], **fonts)
    ax.set_xlabel(xlabel, **look(xlabel))
    ax.set_ylabel(ylabel, **look(ylabel))
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    if len(columns) <= MANY:
        for (row, column), value in np.ndenumerate(values):
            text = "·" if np.isnan(value) else f"{100 * value:.0f}"
            style = dict(
                ha="center", va="center", fontsize=9, color="white" if value > 0.7 else INK
            )
            ax.text(column, row, text, **style)
    means = [v[np.isfinite(v)] for v in values.T]
    if len(columns) > MANY:
        return f"{len(rows)} × {len(columns)} cells, {percent(np.nanmean(values))} in the mean."
    each = zip(spoken(columns), means)
    told = (f"{name} {percent(v.mean()) if len(v) else 'not measured'}" for name, v in each)
    return f"{len(rows)} rows, in the mean: {listed(told)}."
