"""The house style: one calm look, figures without pyplot, small PNGs with a sentence beside each.

Every plot takes `(data, ax)` and returns one plain-English sentence computed from its data: the
alternative text of the picture, for whoever cannot see it, and its caption for everybody else. The
look is in `house.mplstyle`; its colours are Okabe & Ito's and never alone: a marker goes with each.
Figures are `matplotlib.figure.Figure` objects that nobody has to close.
"""

import html
import io
import math
import sys
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

FILE = Path(__file__).with_name("house.mplstyle")
HOUSE = matplotlib.rc_params_from_file(FILE, use_default_template=False)
READERS = "backend", "interactive", "toolbar", "timezone", "date.epoch", "savefig.directory"
READERS += "webagg.", "tk."  # what begins so is the reader's own
STYLE = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith(READERS)}
STYLE |= dict(HOUSE)
COLOURS = tuple(STYLE["axes.prop_cycle"].by_key()["color"])
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK = STYLE["text.color"]
NEAR = 0.005 + 1e-9  # half a percentage point
SYMBOLS = {"lam": "λ", "alpha": "α", "beta": "β", "gamma": "γ", "lr": "learning rate"}


def style():
    """Make the house style the default of every matplotlib figure from here on."""
    matplotlib.rcParams.update(STYLE)


@contextmanager
def styled():
    """The house style, whatever the reader's settings: `with styled(): ...` or `@styled()`."""
    settings = matplotlib.rcParams
    readers = {name: dict.__getitem__(settings, name) for name in STYLE}
    dict.update(settings, STYLE)  # valid already: `rc_context` checks them anew, 1 ms each time
    try:
        yield
    finally:
        dict.update(settings, readers)


@styled()
def canvas(width=7.5, height=3.2):
    """An empty figure, sizes in inches (100 pixels each)."""
    return FigureCanvasAgg(Figure(figsize=(width, height), layout="constrained")).figure


@styled()
def figure(ncols=1, nrows=1, width=7.5, height=3.2, **options):
    """A figure in house style and its axes (one, or an array); options go to `Figure.subplots`."""
    fig = canvas(width, height)
    return fig, fig.subplots(nrows, ncols, **options)


def without_pixels(fig):
    """The figure with a canvas that holds none of its pixels, a megabyte or more."""
    return FigureCanvasBase(fig).figure


def png(fig, redraw=True):
    """The figure as the bytes of a PNG with a palette: a fifth of the size, to the eye the same.

    redraw=False takes what is on the canvas already: 4 ms instead of 50.
    """
    if redraw:
        with styled():
            fig.canvas.draw()
    picture = Image.fromarray(np.asarray(fig.canvas.buffer_rgba())).convert("RGB")
    picture = picture.quantize(method=Image.Quantize.FASTOCTREE)
    palette, paper = picture.getpalette(), 3 * picture.getpixel((0, 0))
    palette[paper : paper + 3] = 255, 255, 255  # paper stays white
    picture.putpalette(palette)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=redraw, compress_level=1)
    return file.getvalue()


def show(fig, sentence):
    """Display a figure in a notebook, its sentence as alternative text and as a caption below."""
    from IPython import get_ipython
    from IPython.display import display

    if not getattr(get_ipython(), "kernel", None):  # there is nothing to show a picture on
        return print(sayable(sentence))
    alt = {"image/png": {"alt": sentence}}
    display({"image/png": png(fig), "text/plain": sentence}, metadata=alt, raw=True)
    css = 'class="edgecl-caption" style="max-width:760px;margin:2px"'
    caption = f"<p {css}>{html.escape(sentence)}</p>"  # some viewers drop the alt
    return display({"text/html": caption, "text/plain": sentence}, raw=True)


def sayable(text):
    """The text as far as standard output can say it: an ASCII terminal has no °."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def number(value):
    """A value as a reader would write it: 0, 0.1, 63.1, 1000, 1e6; words stay themselves."""
    if isinstance(value, bool | str) or value is None or not math.isfinite(value):
        return str(value)
    value = value + 0.0  # -0.0 is 0
    whole = value > 0 and math.log10(value).is_integer()
    if value == 0 or 1e-3 <= abs(value) < (1e4 if whole else 1e5):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    power = math.floor(math.log10(abs(value)) + 1e-9)
    return f"{value / 10**power:.2g}e{power}"


def percent(value):
    """An accuracy 0..1 as words."""
    return "not measured" if np.isnan(value) else f"{round(100 * value)} %"


def few(n, most):
    """At most so many of 0 … n - 1, evenly spread, the first and the last among them."""
    most = min(n, max(1, most))
    return [round(i * (n - 1) / max(1, most - 1)) for i in range(most)]


def listed(words, most=20):
    """a, b and c; of more than `most` words five, from first to last, and how many there are."""
    words = list(words) or ["nothing"]
    if len(words) > most:
        return f"{listed(words[i] for i in few(len(words), 5))} (5 of {len(words)})"
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def tied(values, lowest=False):
    """(indices, note): all that are best within half a point, and the words that call it a tie.

    Another processor's last digits turn single test images, and with them the order of near values.
    """
    values = np.asarray(values, float)
    top = np.nanmin(values) if lowest else np.nanmax(values)
    first = np.flatnonzero((values == top) | (abs(values - top) <= NEAR))
    return first, " (a tie within half a point)" if len(first) > 1 else ""
