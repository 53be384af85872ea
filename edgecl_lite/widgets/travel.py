"""One recorded moment of a training, seen closely: confusion matrix and a few misread images.

Used by `live` for its time travel (see live.py), over the tasks seen so far. Answers are named by
what they mean: in a domain-incremental stream output 0 means "0" in one task and "2" in the next.
"""

import numpy as np

from .. import plots
from .painter import Painter


class TimeTravel:
    """Draws the answers to the test images of all tasks seen; names come from the stream."""

    def __init__(self, stream):
        self.stream = list(stream)
        own = [dict(zip(task.classes, task.labels)) for task in self.stream]  # {output: meaning}
        anywhere = {}
        for means in reversed(own):
            anywhere |= means
        labels = [label for task in self.stream for label in task.labels]
        self.names = list(dict.fromkeys(labels))
        # (task, output) -> index of its name, or padding
        self.meaning = np.full((len(own), 256), 255, np.uint8)
        for row, means in zip(self.meaning, own):
            for output, label in (anywhere | means).items():
                row[output] = self.names.index(label)
        fig, self.axes = plots.figure(2, width=7.5, height=2.8, width_ratios=(1, 1.15))
        self.painter = Painter(fig, "edgecl-moment")
        self._draw(self.stream[0].test[0][:0], [], [])
        self.painter.use(self.painter.moving)
        self.painter.paint()

    @plots.styled()
    def _draw(self, x, y, said):
        for artist in self.painter.moving:
            artist.remove()
        word = plots.Samples(x).word
        answers = plots.confusion(y, said, self.names, self.axes[0], word)
        images = plots.misread(x, y, said, self.names, self.axes[1], most=12)
        self.axes[1].apply_aspect()
        kinds = "images", "collections", "patches", "texts"
        self.painter.moving = [a for ax in self.axes for kind in kinds for a in getattr(ax, kind)]
        return f"{answers} {images}"

    def show(self, predicted, seen):
        """predicted (on, n) uint8 of one lane, tasks 0..seen; returns the two sentences."""
        tests = [task.test for task in self.stream[: seen + 1]]
        x = np.concatenate([images for images, _ in tests])
        y = np.concatenate([means[labels] for means, (_, labels) in zip(self.meaning, tests)])
        said = [means[p[: len(y)]] for means, p, (_, y) in zip(self.meaning, predicted, tests)]
        sentence = self._draw(x, y, np.concatenate(said))
        self.painter.paint()
        return sentence
