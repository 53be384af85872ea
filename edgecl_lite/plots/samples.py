"""A sample as every plot shows it: a picture as an image, a sensor's window as lines.

Samples are (n, channels, height, width), 0..1. Three channels are drawn in their colours, one as
ink on white paper, other numbers as the ink of their mean. Of height 1 a sample is a window: a thin
line along time for each channel, up for more, all windows at one scale. Most lessons.
"""

import numpy as np
from matplotlib.collections import LineCollection

from .house import COLOURS

WINDOW = 16, 32  # height and width of a window in units of the axes, those of an image in pixels
DASHES = "-", (0, (3, 1))  # a second round of colours is dashed


class Samples:
    """Samples, how large each is drawn, what they are called, and what is not drawn as it is.

    Raises ValueError where x is not (n, channels, height, width).
    """

    def __init__(self, x):
        x = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x, float)
        if x.ndim != 4:
            raise ValueError(f"images must be (n, channels, height, width), got shape {x.shape}")
        channels, self.height, self.width = x.shape[1:]
        self.of_sensors = self.height == 1
        self.word, self.note = ("window" if self.of_sensors else "image"), ""
        if self.of_sensors:
            self.x, (self.height, self.width) = x[:, :, 0], WINDOW  # (n, channels, readings)
            if channels > 1:
                self.note = f"; each window has a line for each of its {channels} channels"
        elif channels == 3:
            self.x = np.clip(x.transpose(0, 2, 3, 1), 0, 1)
        else:
            self.x = x.mean(1)
            if channels > 1:
                self.note = f"; the mean of their {channels} channels is drawn"

    def __len__(self):
        return len(self.x)

    def draw(self, ax, lefts, tops, paper, rows=slice(None)):
        """Each of these rows with its corner at (left, top) on paper (height, width)."""
        if self.of_sensors:
            return self._lines(self.x[rows], ax, lefts, tops, paper)
        colours = self.x.shape[3:]
        sheet = np.full((*paper, *colours), float(bool(colours)))  # white: no ink, but all colours
        for image, left, top in zip(self.x[rows], lefts, tops):
            sheet[top : top + self.height, left : left + self.width] = image
        ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=1, interpolation="antialiased")

    def _lines(self, x, ax, lefts, tops, paper):
        """The axes are those that an image of this size would have."""
        height, width = paper
        x = x.repeat(2, 2) if x.shape[2] == 1 else x  # a single reading is a level
        ax.set_xlim(-0.5, width - 0.5)
        ax.set_ylim(height - 0.5, -0.5)
        ax.set_aspect("equal")
        lines = np.empty((*x.shape, 2))  # (n, channels, readings, along and down)
        lines[..., 0] = np.linspace(0, self.width, x.shape[2]) + np.reshape(lefts, (-1, 1, 1))
        lines[..., 1] = self.height * (1 - x) + np.reshape(tops, (-1, 1, 1))
        thin = np.clip(ax.bbox.width * self.width / width / 90, 0.4, 1.0)
        for c, own in enumerate(lines.swapaxes(0, 1) - 0.5):
            look = dict(color=COLOURS[c % len(COLOURS)], linestyle=DASHES[c // len(COLOURS) % 2])
            ax.add_collection(LineCollection(own, linewidths=thin, **look), autolim=False)
