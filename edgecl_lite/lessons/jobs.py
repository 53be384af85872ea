"""Jobs for a device that learns, and what they demand: content, not machinery.

    a coin cell for a year: 0.22 Ah · 3 V · 3600 s / 365 = 6.5 J a day

Every figure is ours, illustrative and to be edited; those of cells and harvesters are from memory.
Lesson: start_here.
"""

from dataclasses import dataclass

from .._refuse.arguments import number, whole
from ..device.boards import size


@dataclass(frozen=True)
class Job:
    """What somebody wants of a device that learns; make your own with figures of your own.

    accuracy: the least share of right answers, 0..1; kept: the most bytes beside the weights;
    joules: the most that learning may take a day; samples: how many new ones come a day.
    """

    title: str
    accuracy: float
    kept: int
    joules: float
    samples: int

    def __post_init__(self):
        number("accuracy", self.accuracy, most=1)
        number("joules", self.joules)
        whole("kept", self.kept, least=0)
        whole("samples", self.samples)

    def __str__(self):
        room = f"at most {size(self.kept)} kept"
        power = f"{self.joules:g} J a day to learn from {self.samples:,} new samples"
        return f"{self.title}: {self.accuracy:.0%} right, {room}, {power}"


JOBS = {
    # not quite half of what a coin cell gives a day if it is to last a year
    "watch": Job("a watch that recognises exercises", 0.8, 32 * 1024, 3, 500),
    # a third of what four AA cells, 15 Wh, give a day for a year
    "door": Job("a camera that knows who is at the door", 0.9, 1024 * 1024, 50, 200),
    "signs": Job("a car that reads signs", 0.95, 8 * 1024 * 1024, 2000, 2000),
    # an eighth of what a harvester of 50 µW gives a day
    "machine": Job("a sensor that listens to a machine", 0.85, 8 * 1024, 0.5, 1440),
}
