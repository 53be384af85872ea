"""The house style: one calm look, figures without pyplot, small PNGs with a sentence beside each.

Every plot takes `(data, ax)` and returns one plain-English sentence computed from its data: the alternative
text of the picture, for whoever cannot see it, and its caption for everybody else. Colours are Okabe & Ito's,
told apart by any eye, and never alone: a marker goes with each. Figures are `matplotlib.figure.Figure`
objects that nobody has to close.
"""

import html
import io
import math

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5F5F5F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, PALE = "#333333", "#D9D9D9"
SYMBOLS = {"lam": "λ", "alpha": "α", "beta": "β", "gamma": "γ", "lr": "learning rate"}
STYLE = {
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.labelsize": 10.5,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), INK),
    "grid.color": "#ECECEC",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "image.interpolation": "nearest",
}


def style():
    """Make the house style the default of every matplotlib figure from here on."""
    matplotlib.rcParams.update(STYLE)


def styled():
    """The house style as a context: `with styled(): ...`, whatever the reader's own settings are."""
    return matplotlib.rc_context(STYLE)


def canvas(width=7.5, height=3.2):
    """An empty figure, sizes in inches (100 pixels each)."""
    with styled():
        figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def figure(ncols=1, nrows=1, width=7.5, height=3.2, **options):
    """A figure in house style and its axes (one, or an array of them); options go to `Figure.subplots`."""
    fig = canvas(width, height)
    with styled():
        axes = fig.subplots(nrows, ncols, **options)
    for ax in np.ravel(axes):  # ticks are made late, when the style of this context is gone
        colours = dict(color=INK, labelcolor=INK, grid_color=STYLE["grid.color"])
        ax.tick_params(labelsize=STYLE["xtick.labelsize"], **colours)
    return fig, axes


def pixels(fig):
    """What is on the canvas as an RGB picture."""
    size = fig.canvas.get_width_height()
    return Image.frombuffer("RGBA", size, fig.canvas.buffer_rgba(), "raw", "RGBA", 0, 1).convert("RGB")


def png(fig, colours=160):
    """The figure as the bytes of a small PNG with a palette (a third of the size, to the eye the same)."""
    with styled():
        fig.canvas.draw()
    file = io.BytesIO()
    pixels(fig).quantize(colours, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def show(fig, sentence):
    """Display a figure in a notebook, its sentence as alternative text and as a caption below."""
    from IPython import get_ipython
    from IPython.display import display

    if not getattr(get_ipython(), "kernel", None):  # there is nothing to show a picture on
        return print(sentence)
    alt = {"image/png": {"alt": sentence}}
    display({"image/png": png(fig), "text/plain": sentence}, metadata=alt, raw=True)
    caption = f'<p class="edgecl-caption" style="max-width:760px;margin:2px">{html.escape(sentence)}</p>'
    return display({"text/html": caption, "text/plain": sentence}, raw=True)  # some viewers drop the alt


def number(value):
    """A value as a reader would write it: 0, 0.1, 63.1, 1000, 1e6; words stay themselves."""
    if isinstance(value, bool | str) or value is None or not math.isfinite(value):
        return str(value)
    whole = value > 0 and math.log10(value).is_integer()
    if value == 0 or 1e-3 <= abs(value) < (1e4 if whole else 1e5):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    power = math.floor(math.log10(abs(value)) + 1e-9)
    return f"{value / 10**power:.2g}e{power}"


def percent(value):
    """An accuracy 0..1 as words."""
    return "not measured" if np.isnan(value) else f"{100 * value:.0f} %"


def listed(words):
    """a, b and c."""
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "nothing"


def places(values):
    """Where values stand on a log axis, with a place of its own at the left for 0.

    Returns positions `(n,)`, ticks as (position, label) and True if a gap parts 0 from the rest. Values that
    span less than a factor of ten stand on a linear axis, words at 0, 1, 2, ...
    """
    if any(isinstance(v, str | bool) or v is None for v in values):
        return np.arange(len(values), dtype=float), list(enumerate(map(number, values))), False
    values = np.asarray(values, float)
    positive = values[values > 0]
    if not len(positive) or (values < 0).any() or positive.max() < 10 * positive.min():
        return values, [(v, number(v)) for v in values], False
    low, high = np.log10(positive.min()), np.log10(positive.max())
    zero = low - max(0.6, 0.08 * (high - low))
    at = np.where(values > 0, np.log10(np.where(values > 0, values, 1)), zero)
    powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1, max(1, round((high - low) / 7)))
    ticks = [(p, number(10.0**p)) for p in powers]
    return at, ([(zero, "0")] if (values == 0).any() else []) + ticks, bool((values == 0).any())
