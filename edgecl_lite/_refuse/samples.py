"""Samples (x, y) as everything here takes them, and one message where they are not so.

    x float32 (n, channels, height, width) in 0..1        y int64 (n,), class numbers from 0

What is right is shared, not copied. Plumbing; no lesson derives it.
"""

import sys
import warnings

import numpy as np
import torch

from ..machine.settled import settled
from .mend import searches

PACKAGE = __package__.partition(".")[0] + "."
WANTED = "x float32 (n, channels, height, width) in 0..1, y int64 (n,), class numbers from 0"


@settled
def check_samples(where, pair, classes=None, training=True):
    """(x, y) of the pair, checked: plain tensors in the CPU's memory, without a graph.

    `where` opens the message, e.g. "digits, train"; labels must be smaller than `classes`. Values
    of x less than 0.0001 beyond 0..1 are clipped in a copy, with a warning. training: the part
    whose range and labels give the measure for the other. TypeError: wrong type or dtype;
    ValueError: wrong shape or values.
    """
    x, y = map(_plain, _two(where, pair, classes))
    both = searches(x, y, classes, training)
    faults = [fault for each in both for fault in each.faults]
    if faults:
        lines = [line for each in both if each.code for line in each.lines + each.assigned()]
        advice = f" Write {'; '.join(lines)}." * bool(lines)
        kind = TypeError if TypeError in [each.kind for each in both] else ValueError
        raise kind(f"{where}: {'; '.join(faults)}.{advice} Wanted: {WANTED}")
    return (_clipped(where, x, *both[0].hair) if both[0].hair else x), y


def text(name, value):
    """The value. Raises TypeError where it is no str."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {value!r}; write str({value!r})")
    return value


def _two(where, pair, classes):
    """The pair as it is. TypeError where it is none, ValueError where it is not an x and a y."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        came = type(pair).__name__ + (f" of {len(pair)}" if isinstance(pair, tuple | list) else "")
        raise TypeError(f"{where} must be a tuple (x, y), got {came}{_from_items(pair, classes)}")
    x, y = (tuple(getattr(part, "shape", ())) for part in pair)
    if len(x) == 1 and (len(y) > 2 or (len(y) == 2 and y[1] > 1 and _whole(pair[0]))):
        got = f"got shapes {x} and {y}"
        raise ValueError(f"{where}: x and y seem to be swapped, {got}. Write (y, x)")
    if x[1:] == y[1:] and (len(x) > 2 or (len(x) == 2 and len({1, x[0], y[0], *x[1:]}) == 4)):
        got = f"got two sets of samples, {x} and {y}, and no labels"
        both = "train=(x_train, y_train), test=(x_test, y_test)"
        raise ValueError(f"{where}: {got}. Write {both}")
    return pair


def _from_items(data, classes):
    """How the pairs (x, y) of a data set of torch, or of a loader of such, become one."""
    name = "data" if not hasattr(data, "dataset") else "data.dataset"
    data = getattr(data, "dataset", data)
    if isinstance(data, str | list | tuple | dict | np.ndarray | torch.Tensor):
        return ""
    try:
        x, y = zip(*(data[i] for i in range(min(len(data), 100))), strict=True)
        x, y = searches(x, y, classes, True)
    except Exception:  # whatever it is, it holds no pairs
        return ""
    lines = [f"x, y = zip(*{name})", *x.lines, *x.assigned(), *y.lines, *y.assigned()]
    return f". Write {'; '.join(lines)}, and give (x, y)"


def _whole(values):
    """Whether these are whole numbers by type."""
    return "int" in str(getattr(values, "dtype", ""))


def _plain(value):
    """A tensor without graph, subclass or mark of inference mode; what is none as it is."""
    if not isinstance(value, torch.Tensor):
        return value
    if value.requires_grad or type(value) is not torch.Tensor:
        value = value.detach().as_subclass(torch.Tensor)
    return value.clone() if value.is_inference() else value


def _clipped(where, x, low, high):
    count = int(((x < 0) | (x > 1)).sum())
    told = f"{count:,} of {x.numel():,} values lie a hair beyond 0..1, in {low:.9g}..{high:.9g}"
    warnings.warn(f"{where}: {told}; they were clipped", stacklevel=_outside())
    return x.clamp(0, 1)


def _outside():
    """How many calls up the first line outside this package stands: where a warning belongs."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    return level
