"""Readings of your own: a CSV file of sensors becomes a stream of windows.

    x = (reading - low) / (high - low)     low, high of each channel: of the windows to train on

A window spans no change of label or wearer and no gap in time; the last readings of every recording
are to test on, and no reading is in both parts. Lesson: wrist.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .._refuse.arguments import number, whole
from .._refuse.readings import check_counts, check_moving, check_time, span_of, table
from ..machine.settled import settled
from ..streams import Stream, Task, split
from .images import Dataset


@dataclass(frozen=True, eq=False, repr=False)
class Readings(Stream):
    """The `Stream` of a file.

    channels: their names; low, high: of each what 0 and 1 stand for; notes: sentences on what was
    chosen, cut off or left out.
    """

    channels: tuple = ()
    low: tuple = ()
    high: tuple = ()
    notes: tuple = ()


@dataclass(frozen=True)
class Recordings:
    """What a file holds, a recording after the other.

    values (n, channels); bounds (recordings + 1,): the reading each begins with, at last n; y, who
    (recordings,): numbers of its class and of its wearer; classes, people: their names, no people
    where there is no wearer.
    """

    path: Path
    channels: list
    values: np.ndarray
    bounds: np.ndarray
    y: np.ndarray
    who: np.ndarray
    classes: tuple
    people: tuple


@settled
def readings(
    path,
    rate,
    window,
    hop,
    *,
    test=0.3,
    span=None,
    per_task=None,
    channels=None,
    label="label",
    wearer="wearer",
    time="time",
):
    """The stream in a CSV file, a row a reading: `Readings`, x (n, channels, 1, window) in 0..1.

    rate: readings a second; window, hop: in readings, so 2.56 s at 12.5 Hz are 32. test: the share
    of every recording, its end, that is to test on. A recording goes on until label or wearer
    change or, where there is a time in seconds, that jumps or goes back. span: (low, high) of the
    sensors, one pair or one for each channel; else the range of the windows to train on, all
    wearers', which a device would not know beforehand. Readings beyond are cut off; `.notes` says
    how many. per_task: so many classes a task, class-incremental; else a task a wearer,
    domain-incremental, or one task where there is no wearer. channels: names of columns, else all
    that are left; label, wearer, time: what these columns are called. Classes and wearers stand in
    the order of their numbers, or of their first rows where they are words. Raises
    FileNotFoundError or TypeError for the path, ValueError that names the row for an empty cell,
    text among numbers, a class without a window in each part; nothing is read by half.
    """
    rate, test = number("rate", rate, strictly=True), number("test", test, most=0.9, strictly=True)
    window, hop = whole("window", window), whole("hop", hop)
    held = _recordings(path, dict(label=label, wearer=wearer, time=time), channels, rate)
    cuts = [_cut(held.bounds, test, part, window, hop) for part in (0, 1)]
    enough = math.ceil(window / min(test, 1 - test))
    check_counts(held, [recording for _, recording in cuts], enough)
    raw = [held.values[starts[:, None] + np.arange(window)] for starts, _ in cuts]
    low, high = span_of(held.channels, span) or (raw[0].min((0, 1)), raw[0].max((0, 1)))
    check_moving(held.path, held.channels, low, high)
    scaled = [_scaled(x, low, high) for x in raw]
    stream = _stream(held, scaled, [recording for _, recording in cuts], per_task)
    told = f"Windows of {window} readings are {window / rate:.3g} s long, every {hop / rate:.3g} s."
    notes = [told, *_scale_told(held, raw, low, high, span), *_left_out(held, cuts, enough)]
    facts = tuple(held.channels), tuple(low.tolist()), tuple(high.tolist()), tuple(notes)
    return Readings(stream.tasks, stream.scenario, stream.outputs, stream.rule, *facts)


def _recordings(path, roles, channels, rate):
    """The `Recordings` of a file, every cell of it checked."""
    path, columns, roles, channels = table(path, roles, channels)
    label, wearer, time = (columns.get(roles.get(role)) for role in ("label", "wearer", "time"))
    new = label[1:] != label[:-1]
    if wearer is not None:
        new |= wearer[1:] != wearer[:-1]
    if time is not None:
        check_time(path, time, rate)
        new |= abs(np.diff(time) * rate - 1) > 0.5
    first = np.concatenate([[0], new.nonzero()[0] + 1])
    classes, people = _order(label), () if wearer is None else _order(wearer)
    y, who = _numbers(label[first], classes), np.zeros(len(first), int)
    if people:
        who = _numbers(wearer[first], people)
    values = np.stack([columns[name] for name in channels], 1)
    return Recordings(path, channels, values, np.append(first, len(label)), y, who, classes, people)


def _order(words):
    """Different words: numbers by size, else in the order of their first rows."""
    known = tuple(dict.fromkeys(words))
    try:
        return tuple(sorted(known, key=float))
    except ValueError:
        return known


def _numbers(words, known):
    """Of each word its number among the known ones, (n,)."""
    number_of = {word: i for i, word in enumerate(known)}
    return np.array([number_of[word] for word in words])


def _cut(bounds, test, part, window, hop):
    """Where the windows of a part (0: train, 1: test) begin, and of which recording, (k,) each."""
    starts, recordings = [], []
    for i, (first, last) in enumerate(zip(bounds, bounds[1:])):
        cut = first + math.floor((last - first) * (1 - test) + 1e-9)
        first, last = ((first, cut), (cut, last))[part]
        own = np.arange(first, last - window + 1, hop)
        starts.append(own)
        recordings.append(np.full(len(own), i))
    return np.concatenate(starts), np.concatenate(recordings)


def _scaled(x, low, high):
    """Windows (k, window, channels) as x (k, channels, 1, window) in 0..1; beyond is cut off."""
    x = ((x - low) / (high - low)).clip(0, 1).astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 1)[:, :, None]))


def _stream(held, x, recordings, per_task):
    """Of windows to train and to test on, [x (k, …)] and [recording (k,)], their stream."""
    y, who = ([torch.from_numpy(of[own]) for own in recordings] for of in (held.y, held.who))
    if per_task is not None:
        return split(Dataset(held.path.stem, *zip(x, y), held.classes), per_task)
    outputs, tasks = tuple(range(len(held.classes))), []
    for person, name in enumerate(held.people or (None,)):
        parts = [(x[part][who[part] == person], y[part][who[part] == person]) for part in (0, 1)]
        title = held.path.stem if name is None else f"wearer {name}"
        tasks.append(Task(title, *parts, outputs, held.classes))
    return Stream(tasks, "domain", len(outputs))


def _scale_told(held, raw, low, high, span):
    """What 0 and 1 stand for, and how many readings lie beyond."""
    each = [f"{n} {a:g} … {b:g}" for n, a, b in zip(held.channels, low, high, strict=True)]
    whose = "as given" if span is not None else "of the windows to train on"
    told = [f"0 … 1 stand for {', '.join(each)}, {whose}."]
    for name, x in zip(("train", "test"), raw):
        if beyond := int(((x < low) | (x > high)).sum()):
            told.append(f"{beyond:,} of {x.size:,} values to {name} on lie beyond and are cut off.")
    return told


def _left_out(held, cuts, enough):
    """Which recordings were too short, and who lacks which class."""
    told, sizes = [], np.diff(held.bounds)
    used = [np.isin(np.arange(len(sizes)), recording) for _, recording in cuts]
    for part, there in zip(("to train on", "to test on"), used):
        if not there.all():
            short = (~there).nonzero()[0]
            first = f"the first begins in row {held.bounds[short[0]] + 2}"
            few = f"{len(short):,} of {len(sizes):,} recordings gave no window {part}"
            told.append(f"{few}, {first}: {enough} readings would be enough.")
    for person, name in enumerate(held.people):
        here = set(held.y[held.who == person])
        if lacks := [c for i, c in enumerate(held.classes) if i not in here]:
            told.append(f"Wearer {name} has no reading of {', '.join(lacks)}.")
    return told
