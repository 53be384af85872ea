"""One recorded moment of a training, seen closely: the confusion matrix over the tasks seen so far, a few
misread images.

Answers are named by what they mean: in a domain-incremental stream output 0 means "0" in one task and "2" in
the next. Used by `live` for its time travel (lesson 01).
"""

import numpy as np

from .. import plots
from .painter import Painter


class Moment:
    """Draws the answers to the test images of all tasks seen; names come from the stream."""

    def __init__(self, stream):
        self.stream = list(stream)
        pairs = [
            (c, label) for task in self.stream for c, label in zip(task.classes, task.labels, strict=True)
        ]
        self.names = list(dict.fromkeys(str(label) for _, label in pairs))
        anywhere = {int(c): self.names.index(str(label)) for c, label in reversed(pairs)}
        self.meaning = np.full(
            (len(self.stream), 256), 255, np.uint8
        )  # (task, output) -> index into names; 255 is padding
        for row, task in zip(self.meaning, self.stream, strict=True):
            own = {
                int(c): self.names.index(str(label))
                for c, label in zip(task.classes, task.labels, strict=True)
            }
            for output, name in (anywhere | own).items():
                row[output] = name
        fig, (left, right) = plots.figure(2, width=7.5, height=3.2, width_ratios=(1, 1.15))
        with plots.styled():
            self.confusion = plots.Confusion(left, self.names)
            self.misread = plots.Misread(right, self.names, np.shape(self.stream[0].test[0])[1:], most=12)
        self.painter = Painter(fig, [*self.confusion.moving, *self.misread.moving], "edgecl-moment")

    def show(self, predicted, seen):
        """predicted (on, n) uint8 of one lane, tasks 0..seen; returns the two sentences."""
        x, y, said = [], [], []
        for on, task in enumerate(self.stream[: seen + 1]):
            images, labels = (np.asarray(v) for v in task.test)
            x.append(images)
            y.append(self.meaning[on][labels])
            said.append(self.meaning[on][predicted[on, : len(labels)]])
        x, y, said = map(np.concatenate, (x, y, said))
        sentence = f"{self.confusion.set(y, said)} {self.misread.set(x, y, said)}"
        self.painter.paint()
        return sentence
