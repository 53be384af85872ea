"""The exercises of the year on the wrist: every right form passes, every wrong one hears its own sentence."""

import zlib

import numpy as np
import pytest

from edgecl_lite import Harvest, NeverEnds, pace
from edgecl_lite.lessons.check import judge


def by_loop(x, delta):
    found, mean, total, low = [], 0.0, 0.0, 0.0
    for t, value in enumerate(x, 1):
        mean += (value - mean) / t
        total += value - mean - delta
        low = min(low, total)
        found.append(total - low)
    return found


def by_sums(x, delta):
    total = np.cumsum(x - np.cumsum(x) / np.arange(1, len(x) + 1) - delta)
    return total - np.minimum.accumulate(total)


def at_worst(old, new, tolerance):
    lost = old.sum() - new.sum()
    return lost / len(old) <= tolerance


def by_hand(slots):
    best = (-1, b"")
    for version, raw, crc in slots:
        if zlib.crc32(raw) == crc and version > best[0]:
            best = version, raw
    return best[1]


def by_sorting(slots):
    return [raw for _, raw, crc in sorted(slots, reverse=True) if zlib.crc32(raw) == crc][0]


def by_charges(charge, watts, step, save):
    return int(charge / (step + save)) / (charge / watts / 3600)


def by_module(charge, watts, step, save):
    try:
        return pace(Harvest(charge, watts), step, save, when="each").steps_an_hour
    except NeverEnds:
        return 0


RIGHT = {
    "drift": [by_loop, by_sums, lambda x, delta: tuple(by_sums(x, delta))],
    "undo": [
        at_worst,
        lambda old, new, t: np.mean(old) - np.mean(new) <= t,
        lambda old, new, t: bool(sum(new) >= sum(old) - t * len(old)),
    ],
    "newest whole": [by_hand, by_sorting, lambda slots: bytearray(by_hand(slots))],
    "drops of power": [by_charges, by_module],
}
HOUR = 3600
WRONG = [
    ("drift", lambda x, d: np.cumsum(x - x.mean() - d), "expected a number for each day"),
    ("drift", lambda x, d: by_sums(x, 0), "Without δ"),
    ("drift", lambda x, d: by_sums(x, -d), "grows every day"),
    ("drift", lambda x, d: np.cumsum(x - np.cumsum(x) / np.arange(1, len(x) + 1) - d), "U itself"),
    ("drift", lambda x, d: by_sums(x, d)[-1:], "expected a number for each day"),
    ("drift", lambda x, d: None, "gives back nothing"),
    ("undo", lambda old, new, t: new.mean() > old.mean() - t, "changes nothing"),
    ("undo", lambda old, new, t: new.mean() >= old.mean() + t, "*worse*"),
    ("undo", lambda old, new, t: new.mean() >= old.mean(), "And the tolerance"),
    ("undo", lambda old, new, t: new.sum() >= old.sum() - t, "numbers of windows"),
    ("undo", lambda old, new, t: old.mean() >= new.mean() - t, "the new one"),
    ("undo", lambda old, new, t: abs(new.mean() - old.mean()) <= t, "great improvement"),
    ("undo", lambda old, new, t: True, "nothing is ever undone"),
    ("undo", lambda old, new, t: False, "nothing is ever learned"),
    ("newest whole", lambda slots: max(slots)[1], "while it was being written"),
    ("newest whole", lambda slots: slots[0][1], "expected the bytes"),
    ("newest whole", lambda slots: max(v for v, _, _ in slots), "expected the bytes"),
    (
        "newest whole",
        lambda slots: [r for _, r, c in slots if zlib.crc32(r) == c][0],
        "says nothing of the age",
    ),
    (
        "newest whole",
        lambda slots: [r for _, r, c in sorted(slots) if zlib.crc32(r) == c][0],
        "a week of learning",
    ),
    ("drops of power", lambda c, w, e, s: HOUR * w / (e + s), "*whole*"),
    ("drops of power", lambda c, w, e, s: c // e * HOUR * w / c, "not saved is lost"),
    ("drops of power", lambda c, w, e, s: c // (e + s), "How many charges"),
    ("drops of power", lambda c, w, e, s: c // (e + s) * w / c, "an hour"),
    ("drops of power", lambda c, w, e, s: HOUR * w / c, "How many steps"),
    ("drops of power", lambda c, w, e, s: HOUR * w // (e + s), "every time"),
]


@pytest.mark.parametrize(("name", "answer"), [(k, a) for k, answers in RIGHT.items() for a in answers])
def test_every_right_form_is_right(name, answer):
    assert judge(name, answer).status == "right", judge(name, answer).text


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_every_wrong_one_hears_its_sentence(name, answer, hint):
    verdict = judge(name, answer)
    assert verdict.status != "right" and hint in verdict.text, verdict.text
