"""The painter: pictures that follow a training or a thumb, and the panel they stand in.

A figure is drawn once, its layout frozen, and afterwards only the moving artists are drawn on a
copy of the rest (blit): 5 ms instead of 50. Width and height are fixed, so a page never jumps.
"""

import html
from numbers import Real

import ipywidgets as W

from ..plots import SYMBOLS, line, number, png, styled, without_pixels
from . import cells


class Painter:
    """One figure in one image widget. `use` says what moves, `paint` shows it."""

    def __init__(self, fig, css="edgecl-curve"):
        self.fig, self.image, self.moving = fig, image(*fig.canvas.get_width_height(), css), ()
        self.image.painter = self

    @styled()
    def use(self, moving=()):
        """Draw everything; from now on `paint` draws these artists anew, and no others."""
        self.moving = sorted(moving, key=lambda artist: artist.get_zorder())
        for artist in self.moving:
            artist.set(animated=True, in_layout=False)
        self.fig.canvas.draw()
        self.fig.set_layout_engine("none")
        self.still = self.fig.canvas.copy_from_bbox(self.fig.bbox)

    @styled()
    def paint(self):
        """Draw what moves and send the picture; it carries no text, so a sentence stands beside."""
        self.fig.canvas.restore_region(self.still)
        for artist in self.moving:
            artist.axes.draw_artist(artist)
        self.image.value = png(self.fig, redraw=False)

    def free(self):
        """Give up the pixels."""
        without_pixels(self.fig)
        self.still, self.moving = None, ()


class Panel(W.VBox):
    """A column of widgets, and a plain sentence where nothing can show it (a file, a terminal).

    It ends when the cell that made it runs again (cells.py), or by `close`.
    """

    fallback = "A panel with controls: open this notebook in Jupyter to use it."
    alone = None  # what is said in a page where only a kernel could show it
    job = None  # a training, of those that have one

    def __init__(self, css, *rows):
        """Each row is a widget or a list of widgets side by side."""
        wrap = dict(flex_flow="row wrap")
        rows = [W.HBox(row, layout=wrap) if isinstance(row, list) else row for row in rows]
        super().__init__(rows, layout=dict(overflow="visible"))
        self.add_class(css)
        cells.enter(self)

    def finite(self):
        """Its finitely many states (`states.Finite`), or why a page without a kernel has none."""
        return self.alone

    def close(self):
        """Stop what it does, close all its widgets and free its pictures; results stay."""
        if self.comm is None:
            return
        if self.job:
            self.job.end()
        for widget in _parts(self):
            if hasattr(widget, "painter"):
                widget.painter.free()
                widget.value = b""
            if widget is not self:
                widget.close()
        super().close()

    def __del__(self):
        """Nothing: the registry of widgets holds a panel until it is closed or Python ends."""

    def __repr__(self):
        return self.fallback


def _parts(widget):
    """A widget and all that it is made of: children, layouts, styles."""
    own = [getattr(widget, name) for name in widget.keys]
    own = [part for value in own for part in (value if isinstance(value, tuple) else (value,))]
    return [widget, *(p for part in own if isinstance(part, W.Widget) for p in _parts(part))]


def image(width, height, css):
    """An image widget of a fixed size in pixels, smaller only where the page is narrower."""
    fixed = dict(max_width="100%", object_fit="contain", flex="0 0 auto")
    return W.Image(layout=dict(width=f"{width}px", height=f"{height}px", **fixed)).add_class(css)


def stacked(*widgets):
    """Widgets in one and the same place; their `layout.visibility` says which is seen."""
    for widget in widgets:
        widget.layout.grid_area = "1 / 1"
    return W.GridBox(widgets)


def value_slider(name, values, continuous=True):
    """A slider over values of a hyper-parameter, with its Greek letter; CSS class edgecl-<name>."""
    word = SYMBOLS.get(name, name.replace("_", " "))
    options = list(zip(worded(values), values))
    slider = W.SelectionSlider(options=options, description=word, index=0)
    slider.continuous_update, slider.layout.width = continuous, "420px"
    if len(word) > 10:  # more than the place for it
        slider.style.description_width = "initial"
    tip(slider, f"{name}: drag, or use the arrow keys")
    return slider.add_class(f"edgecl-{name}")


def tip(widget, text):
    """What a control is for, seen where the mouse rests; ipywidgets 7 has another name for it."""
    setattr(widget, "tooltip" if widget.has_trait("tooltip") else "description_tooltip", text)


def worded(values):
    """Each value as a reader would write it; as Python does where two would else look alike."""
    words = [number(v) if isinstance(v, Real | str | None) else line(v) for v in values]
    exact = [str(v) for v in values]
    return words if len(set(words)) == len(set(exact)) else exact


def chosen(slider):
    """What a slider says, in words: λ = 10."""
    return f"{slider.description} = {slider.label}"


def say(text, into=None, css="edgecl-sentence", role=None):
    """A sentence as a widget, or into one that is there; role="status" has it read out."""
    into = into or W.HTML(layout=dict(max_width="760px", margin="2px"))
    role = f' role="{role}"' if role else ""
    into.value = f'<div class="{css}"{role} style="line-height:1.45">{html.escape(text)}</div>'
    return into
