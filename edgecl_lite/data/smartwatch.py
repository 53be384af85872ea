"""A smart watch: ten people do seven exercises for the shoulder, with the left arm and the right.

    x = (signal / span + 1) / 2    signals in g and rad/s, 32 readings at 12.5 Hz

Inside the package, and a stream in three ways: `split(smartwatch(exercises=6))` brings exercises in
pairs, `smartwatch_wearers()` wearer after wearer, `smartwatch_arms()` the left arms, then the
right. Burns et al. 2018. Lesson: federated_learning.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from .._refuse.arguments import several, whole
from ..machine.settled import settled
from ..streams import Stream, Task
from .download import intact
from .images import SHA256, Dataset

EXERCISES = "pendulum", "abduction", "forward elevation", "internal rotation", "external rotation"
EXERCISES += "trapezius extension", "upright row"
WEARERS, ARMS = range(1, 11), ("left", "right")
WINDOW, HOP = 32, 16  # readings
LEARNED = 7  # tenths of every recording, its beginning: to train on; the rest is to test on


@settled
def smartwatch(exercises=7):
    """The watch, 7 exercises: a `Dataset`, 2,458 windows to train and 943 to test, (n, 6, 1, 32).

    Ten wearers, each arm, each exercise: 140 recordings of about 20 repetitions, cut into windows
    of 2.56 s that overlap by half; of each the last 30 % is to test on, and no reading is in both
    parts. exercises: the first so many of them, such as six for pairs. Channels: acceleration x, y,
    z, ±3, ±2 and ±3 g, and angular velocity, ±6, ±8 and ±4 rad/s; half stands for zero, and the
    0.4 % or less of a channel beyond are cut off. Changed from the original: of four readings the
    mean, as a byte (263 kB). Licence: BSD-3-Clause, copyright 2018 David M. Burns; its text is in
    `smartwatch.txt`, beside the data. Source: `watch_dataset` of seglearn 1.2.5; D. M. Burns, N.
    Leung, M. Hardisty, C. M. Whyne, P. Henry, S. McLachlin, "Shoulder physiotherapy exercise
    recognition: machine learning the inertial signals from a smartwatch", Physiological
    Measurement 39(7), 2018, arXiv:1802.01489. Errors: ValueError where exercises is not in 1 … 7,
    or the file is damaged.
    """
    n = whole("exercises", exercises, most=len(EXERCISES))
    return Dataset("smartwatch", *_those(exercises=n), EXERCISES[:n])


@settled
def smartwatch_wearers(wearers=WEARERS):
    """A domain-incremental `Stream`: one task a wearer, 1 … 10, the seven exercises in each.

    Errors: ValueError for a wearer unknown or named twice; else as `smartwatch`.
    """
    people = [whole("each of wearers", w, most=WEARERS[-1]) for w in several("wearers", wearers)]
    if len(set(people)) < len(people):
        raise ValueError(f"wearers must be different ones of 1 … {WEARERS[-1]}, got {people}")
    return _stream({f"wearer {w}": dict(wearer=w) for w in people})


@settled
def smartwatch_arms():
    """A domain-incremental `Stream`: all wearers' left arms, then their right. As `smartwatch`."""
    return _stream({f"{name} arm": dict(arm=arm) for arm, name in enumerate(ARMS)})


@settled
def smartwatch_windows():
    """All windows, (train, test), each x (n, 6, 1, 32), exercise, wearer, arm (n,) int64.

    In the original's order of recordings. Exercises count from 0, wearers from 1; arm is 0 for the
    left, 1 for the right. x, source and errors as `smartwatch`.
    """
    path = Path(__file__).with_name("smartwatch.npz")
    file = np.load(BytesIO(intact(path, SHA256[path.name], "Install the package again.")))
    about = np.stack([file[key] for key in ("exercise", "wearer", "right")]).astype(np.int64)
    parts = [], []
    for steps in np.split(file["steps"], file["length"].cumsum()[:-1]):
        readings = steps.cumsum(0, dtype=np.int8)  # wraps round, as the steps did
        cut = LEARNED * len(readings) // 10
        for part, own in zip(parts, (readings[:cut], readings[cut:])):
            part.append(np.lib.stride_tricks.sliding_window_view(own, WINDOW, 0)[::HOP])
    return tuple(_tensors(part, about) for part in parts)


@settled
def smartwatch_by_client(exercises=7):
    """(names, train, test) of 20 watches, each wearer's left, then right; (x, y) of each watch."""
    n = whole("exercises", exercises, most=len(EXERCISES))
    keys = {(w, arm): f"wearer {w}, {ARMS[arm]}" for w in WEARERS for arm in range(len(ARMS))}
    parts = [_those(wearer, arm, n) for wearer, arm in keys]
    return tuple(keys.values()), *zip(*parts)


def _tensors(windows, about):
    """Of windows (n, 6, 32) a recording and its (exercise, wearer, arm): tensors of all of them."""
    each = np.repeat(about, [len(own) for own in windows], 1)
    x = np.concatenate(windows) / 254 + 0.5  # of bytes: -127 … 127
    return torch.from_numpy(np.float32(x)).unsqueeze(2), *map(torch.from_numpy, each)


def _those(wearer=None, arm=None, exercises=7):
    """[train, test], each (x, exercise): of this wearer, arm and the first exercises, or of all."""
    parts = []
    for x, y, who, side in smartwatch_windows():
        keep = y < exercises
        keep &= True if wearer is None else who == wearer
        keep &= True if arm is None else side == arm
        parts.append((x[keep], y[keep]))
    return parts


def _stream(tasks):
    """A domain-incremental stream of {name: whose windows}."""
    outputs = tuple(range(len(EXERCISES)))
    made = [Task(name, *_those(**whose), outputs, EXERCISES) for name, whose in tasks.items()]
    return Stream(made, "domain", len(outputs))
