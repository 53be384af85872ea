"""What a device answered on each day of a year, kept while it is played, and shown afterwards.

The first windows of a day as lines, above each what it is and what was answered instead. Used by
`life` for its time travel (life.py). Lesson: wrist.
"""

import numpy as np

from .. import plots
from ..device.living import beginning, next_day
from ..device.update import answers
from ..device.worn import Lives
from ..lanes import lane
from ..machine.settled import settled
from .painter import Painter

MOST = 8  # windows of a day that are shown


@settled
def played(course):
    """(`Day`, y, what the device answered before it learned) for each day; (windows,) of life 0."""
    now, first = beginning(course), Lives(course.year, course.lives.seeds[:1])
    for day in range(course.year.days):
        worn, _ = first.worn(day)
        logits = answers(course.base.verbs, lane(now.params, [0]), lane(now.state, [0]), worn.x)
        now, seen = next_day(course, now, day)
        said = np.where(np.isnan(seen.accuracy[0]), 255, logits[0].argmax(-1).numpy())
        yield seen, worn.y[0].numpy(), said


class Strip:
    """The windows of a day and what was answered, a picture in the place of the last."""

    def __init__(self, year):
        self.names = year.names
        fig, self.ax = plots.figure(width=7.5, height=2.5)
        self.painter = Painter(fig, "edgecl-day")
        self._draw(np.zeros((0, *year.train.x.shape[1:])), [], [])
        self.painter.use(self.painter.moving)
        self.painter.paint()

    @plots.styled()
    def _draw(self, x, y, said):
        for artist in self.painter.moving:
            artist.remove()
        told = plots.answered(x, y, said, self.names, self.ax)
        self.ax.apply_aspect()
        kinds = "collections", "patches", "texts"
        self.painter.moving = [a for kind in kinds for a in getattr(self.ax, kind)]
        return told

    def show(self, course, day, y, said):
        """The first windows of a day of life 0; returns their sentence."""
        worn, _ = Lives(course.year, course.lives.seeds[:1]).worn(day)
        told = self._draw(worn.x[0][:MOST], y[:MOST], said[:MOST])
        self.painter.paint()
        more = f" The first {MOST} of {len(y)} are shown." if len(y) > MOST else ""
        return told + more
