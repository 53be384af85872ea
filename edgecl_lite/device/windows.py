"""Windows of several wearers, who wears what on which arm: what a life draws its days from.

The smart watch's, or those of a domain-incremental stream with a task for each wearer, such as
`readings` makes of a file. Plumbing of year.py; lesson: wrist.
"""

from dataclasses import dataclass

import torch

from ..data.smartwatch import ARMS, EXERCISES, smartwatch_windows
from ..streams import Stream


@dataclass(frozen=True)
class Windows:
    """x (n, channels, 1, readings); exercise, wearer, arm (n,) int64."""

    x: torch.Tensor
    exercise: torch.Tensor
    wearer: torch.Tensor
    arm: torch.Tensor

    def rows(self, wearer, arm, exercises):
        """Numbers of the windows of a wearer, an arm, and some exercises (classes,) bool."""
        own = (self.wearer == wearer) & (self.arm == arm) & exercises[self.exercise]
        return own.nonzero().flatten()


def parts_of(data):
    """(train, test `Windows`, names of the exercises) of a stream, or of the watch where None.

    Wearers count from 1. TypeError for what is no stream; ValueError for one that is not
    domain-incremental, or where a wearer has no window of an exercise.
    """
    if data is None:
        return *(Windows(*part) for part in smartwatch_windows()), EXERCISES
    if not isinstance(data, Stream):
        want = "a Stream such as readings(…), with a task for each wearer"
        raise TypeError(f"data must be {want}, got {type(data).__name__}")
    if data.scenario != "domain":
        want = "domain-incremental, with a task for each wearer and all classes in each"
        raise ValueError(f"data must be {want}, got a {data.scenario}-incremental stream")
    train, test = (_joined(data, part) for part in ("train", "test"))
    check_whole(train, test, names := data.tasks[0].labels, data.names)
    return train, test, names


def _joined(stream, part):
    """The `Windows` of all tasks; nobody says on which arm: all are on one."""
    each = [getattr(task, part) for task in stream]
    sizes = torch.tensor([len(y) for _, y in each])
    who = (torch.arange(len(each)) + 1).repeat_interleave(sizes)
    x, y = stream.all(part)
    return Windows(x, y, who, torch.zeros_like(who))


def check_whole(train, test, names, wearers):
    """ValueError where a wearer has no window of an exercise, to train on or to test on."""
    for part, windows in (("train", train), ("test", test)):
        for w, wearer in enumerate(wearers, 1):
            seen = {*windows.exercise[windows.wearer == w].tolist()}
            if lacks := [name for c, name in enumerate(names) if c not in seen]:
                what = f"{wearer!r} has no window of {lacks[0]!r} to {part} on"
                raise ValueError(f"each wearer needs windows of every class: {what}")


def arms_of(windows):
    """Names of the arms that there are windows of."""
    return ARMS[: int(windows.arm.max()) + 1]
