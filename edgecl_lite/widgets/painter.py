"""The painter: pictures that follow a training or a thumb, and the panel they stand in.

A figure is drawn once, its layout frozen, and afterwards only the moving artists are drawn on a copy of the
rest (blit) and encoded with little compression: 3 to 6 ms instead of 50. Width and height are fixed, so a
page never jumps.
"""

import html
import struct
import zlib

import ipywidgets as W
import numpy as np

from ..plots import SYMBOLS, number


def quick_png(rgba):
    """Pixels (height, width, 4) uint8 as a PNG, level 1, in a third of Pillow's time."""
    height, width, _ = rgba.shape
    flat = rgba[..., :3].reshape(height, -1)
    rows = np.full((height, 1 + 3 * width), 2, np.uint8)  # 2: each row is its difference from the one above
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits a channel, RGB
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows, 1))
        + chunk(b"IEND", b"")
    )


def image(width, height, css):
    """An image widget of a fixed size in pixels, smaller only where the page is narrower."""
    fixed = dict(max_width="100%", object_fit="contain", flex="0 0 auto")
    picture = W.Image(format="png", layout=W.Layout(width=f"{width}px", height=f"{height}px", **fixed))
    return tagged(picture, css)


class Painter:
    """One figure in one image widget. `moving` are the artists that `paint` draws anew; all others stay as
    they are.
    """

    def __init__(self, fig, moving=(), css="edgecl-curve"):
        self.image = image(*fig.canvas.get_width_height(), css)
        self.use(fig, moving)

    def use(self, fig, moving=()):
        """Take this figure from now on, of the same size."""
        self.fig, self.moving = fig, sorted(moving, key=lambda artist: artist.get_zorder())
        for artist in self.moving:
            artist.set(animated=True, in_layout=False)
        self.refresh()

    def refresh(self):
        """Draw everything, after something that does not move has changed."""
        self.fig.canvas.draw()
        self.fig.set_layout_engine("none")
        self.still = self.fig.canvas.copy_from_bbox(self.fig.bbox)

    def paint(self):
        """Draw what moves and send the picture (which can carry no text: a sentence stands beside it)."""
        self.fig.canvas.restore_region(self.still)
        for artist in self.moving:
            artist.axes.draw_artist(artist)
        self.image.value = quick_png(np.asarray(self.fig.canvas.buffer_rgba()))


class Panel(W.VBox):
    """A column of widgets that leaves one plain sentence where there is nothing to show it (a file, a
    terminal).
    """

    fallback = "A panel with controls: open this notebook in Jupyter to use it."

    def __init__(self, children, css):
        super().__init__(children, layout=W.Layout(overflow="visible"))
        self.add_class(css)

    def __repr__(self):
        return self.fallback

    def _repr_mimebundle_(self, **options):
        return super()._repr_mimebundle_(**options) | {"text/plain": self.fallback}


def say(text, into=None, css="edgecl-sentence", role=None):
    """A sentence as a widget, or into one that is there; role="status" has it read out."""
    into = into or W.HTML(layout=W.Layout(max_width="760px", margin="2px"))
    role = f' role="{role}"' if role else ""
    value = f'<div class="{css}"{role} style="line-height:1.45">{html.escape(text)}</div>'
    if into.value != value:
        into.value = value
    return into


def chosen(slider):
    """What a slider says, in words: λ = 10."""
    return f"{slider.description} = {number(slider.value)}"


def tagged(widget, css, width=None):
    """The widget with a CSS class to find it by, and a width."""
    widget.add_class(css)
    if width:
        widget.layout.width = width
    return widget


def button(word, icon, tooltip, css):
    return tagged(W.Button(description=word, icon=icon, tooltip=tooltip), css)


def value_slider(name, values, continuous=True):
    """A slider over the values of one hyper-parameter, with its Greek letter; CSS class edgecl-<name>."""
    options, word = [(number(v), v) for v in values], SYMBOLS.get(name, name.replace("_", " "))
    slider = W.SelectionSlider(options=options, description=word, continuous_update=continuous)
    slider.tooltip = f"{name}: drag, or use the arrow keys"
    return tagged(slider, f"edgecl-{name}", "420px")
