"""Exercises of wrist: a drift test, an update that counts or not, the newest whole slot, steps from drops of power."""

import math
import zlib

import numpy as np

from ...device.when import page_hinkley
from ..check import Wrong, exercise

SERIES = (
    [0.1, 0.12, 0.09, 0.11, 0.1, 0.3, 0.35, 0.28, 0.33, 0.3],
    [0.5, 0.4, 0.3, 0.2, 0.6, 0.1, 0.0, 0.7],
)
DELTAS = 0.005, 0.05
SLICES = [
    ([1, 1, 1, 0], [1, 1, 0, 1], 0.0),
    ([1, 1, 1, 0], [1, 0, 0, 1], 0.0),
    ([1, 1, 1, 0], [1, 0, 0, 1], 0.25),
    ([1, 1, 1, 0, 1, 1, 1, 1], [1, 1, 1, 0, 1, 0, 0, 1], 0.2),
    ([1, 0, 0, 0], [1, 1, 0, 1], 0.3),
    ([0, 0], [1, 1], 0.0),
    ([1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 0, 0], 0.3),
    ([1] * 16, [1] * 15 + [0], 0.1),
    ([1, 1, 1, 0], [1, 0, 1, 0], 1.0),
    ([1, 0, 0, 0], [1, 1, 0, 0], 0.3),
]
BODIES = b"week 3", b"week 4", b"week 5", b"week 6"
SUMS = [zlib.crc32(raw) for raw in BODIES]
FLASHES = (
    [(4, BODIES[1], SUMS[1]), (3, BODIES[0], SUMS[0])],
    [(3, BODIES[0], SUMS[0]), (4, b"week \xff", SUMS[1])],
    [(6, b"we\x00k 6", SUMS[3]), (5, BODIES[2], SUMS[2])],
    [(5, BODIES[2], SUMS[2]), (6, BODIES[3], SUMS[3])],
    [(9, BODIES[3], SUMS[3]), (10, BODIES[2], SUMS[2])],
    [(6, BODIES[3], SUMS[3] ^ 1), (2, BODIES[1], SUMS[1])],
    [(8, BODIES[3], SUMS[3]), (7, b"week", SUMS[2])],
    [(7, b"later", zlib.crc32(b"late")), (1, b"", zlib.crc32(b""))],
)
POWERS = [  # joules of a charge, watts gathered, joules of a step and of saving it
    (0.012, 1e-4, 0.004, 0.001),
    (0.012, 1e-4, 0.0035, 0.0004),
    (0.05, 2e-3, 0.004, 0.001),
    (0.003, 1e-4, 0.004, 0.001),
    (0.0045, 1e-4, 0.004, 0.001),
]


def _rises(x, delta, lowest=np.minimum.accumulate, running=True):
    """U − min U of every day; running: the mean so far, else that of all days."""
    x = np.asarray(x, float)
    mean = np.cumsum(x) / np.arange(1, len(x) + 1) if running else x.mean()
    sums = np.cumsum(x - mean - delta)
    return sums - lowest(sums)


def drift(x, delta):
    """The module's test, day by day, which never sounds an alarm."""
    state, found = None, []
    for value in x:
        state, _ = page_hinkley(state, np.array([value]), delta, math.inf)
        found.append(float(state[2][0] - state[3][0]))
    return found


def _drifts(function):
    """What it makes of two series, each new to it."""
    found = [function(np.array(x), delta) for x, delta in zip(SERIES, DELTAS)]
    return [np.asarray([float(v) for v in one]) for one in found]


def _one_by_one(x, delta):
    """Against the mean of the days before."""
    means = [x[0], *(np.cumsum(x)[:-1] / np.arange(1, len(x)))]
    sums = np.cumsum(x - means - delta)
    return sums - np.minimum.accumulate(sums)


def counts(old, new, tolerance):
    return np.mean(new) >= np.mean(old) - tolerance - 1e-9


def _kept(function):
    """Of ten slices whether the update counts."""
    cases = [(np.array(old) > 0, np.array(new) > 0, t) for old, new, t in SLICES]
    return [bool(function(*case)) for case in cases]


def newest(slots):
    whole = [(version, raw) for version, raw, crc in slots if zlib.crc32(raw) == crc]
    return max(whole)[1]


def _loaded(function):
    return [bytes(function(list(slots))) for slots in FLASHES]


def steps_an_hour(charge, watts, step, save):
    in_a_charge = math.floor(charge / (step + save))
    return in_a_charge * 3600 * watts / charge


def _paces(function):
    return [float(function(*power)) for power in POWERS]


# fmt: off
exercise("drift", drift, probe=_drifts, expects="a number for each day: how far U stands above its lowest so far",
         praise="Two running sums and a minimum: twelve bytes on the device.", wrong=[
    Wrong("the mean of all days", lambda x, delta: _rises(x, delta, running=False),
          "On a Tuesday in spring nobody knows the mean of the year. Which mean is known on day t?"),
    Wrong("the mean without today", _one_by_one, "m_t is the mean of x₁ … x_t, today's value too."),
    Wrong("no δ", lambda x, delta: _rises(x, 0), "Without δ the sum climbs by mere chance. Where does it belong?"),
    Wrong("δ added", lambda x, delta: _rises(x, -delta), "With + δ the sum grows every day, whatever is measured."),
    Wrong("not above its lowest", lambda x, delta: _rises(x, delta, lowest=lambda sums: 0 * sums),
          "That is U itself. A watch that was sure for months has sunk far below 0; from where should a rise count?"),
    Wrong("below its highest", lambda x, delta: _rises(x, delta, lowest=np.maximum.accumulate),
          "That finds a fall of x. x is 1 − confidence: which way does trouble go?"),
    Wrong("the lowest of the whole year", lambda x, delta: _rises(x, delta, lowest=lambda sums: sums.min()),
          "The lowest of the whole year may lie ahead. Which of them does day t know?"),
    Wrong("from the first day", lambda x, delta: _rises(x, delta, lowest=lambda sums: sums[0]),
          "U − U₁: and if U has sunk since?"),
    Wrong("nothing added up", lambda x, delta: np.asarray(x) - np.cumsum(x) / np.arange(1, len(x) + 1) - delta,
          "That is one day's surprise. A small rise that lasts is found by adding up."),
    Wrong("always the same", lambda x, delta: drift(SERIES[0], DELTAS[0])[: len(x)], "Another series has other sums."),
])

exercise("undo", counts, probe=_kept, expects="of ten updates whether each counts, True or False",
         praise="The whole guard in one line.", wrong=[
    Wrong("only what is better", lambda old, new, t: np.mean(new) > np.mean(old) - t,
          "An update that changes nothing on the slice: does it do harm there?"),
    Wrong("the tolerance demanded", lambda old, new, t: np.mean(new) >= np.mean(old) + t,
          "You ask each update to be better by the tolerance. It may be *worse* by that much."),
    Wrong("no tolerance", lambda old, new, t: np.mean(new) >= np.mean(old), "And the tolerance?"),
    Wrong("the other way round", lambda old, new, t: np.mean(old) >= np.mean(new) - t, "Which of the two is the new one?"),
    Wrong("far from the old", lambda old, new, t: abs(np.mean(new) - np.mean(old)) <= t, "A great improvement is far from the old, too."),
    Wrong("counts for shares", lambda old, new, t: np.sum(new) >= np.sum(old) - t,
          "The tolerance is a share of the slice; you compare numbers of windows with it."),
    Wrong("the new one alone", lambda old, new, t: np.mean(new) >= 1 - t, "Better than perfect less a tolerance? Compare with the old weights."),
    Wrong("nothing that was right may go wrong", lambda old, new, t: bool((np.asarray(new) >= np.asarray(old)).all()),
          "One window for another is no harm. Count."),
    Wrong("always", lambda old, new, t: True, "Then nothing is ever undone."),
    Wrong("never", lambda old, new, t: False, "Then nothing is ever learned."),
])

exercise("newest whole", newest, probe=_loaded, expects="the bytes of the slot with the highest version among those that are whole",
         praise="Whatever was torn, what this loads was written to its end.", wrong=[
    Wrong("the newest, torn or not", lambda slots: max(slots)[1], "And if the power went while it was being written?"),
    Wrong("the first that is whole", lambda slots: next(raw for _, raw, crc in slots if zlib.crc32(raw) == crc),
          "Both may be whole: then the place says nothing of the age."),
    Wrong("the last that is whole", lambda slots: next(raw for _, raw, crc in slots[::-1] if zlib.crc32(raw) == crc),
          "Both may be whole: then the place says nothing of the age."),
    Wrong("the oldest whole", lambda slots: min((v, raw) for v, raw, crc in slots if zlib.crc32(raw) == crc)[1],
          "Safe, and a week of learning is thrown away every time."),
    Wrong("the largest sum", lambda slots: max((crc, raw) for v, raw, crc in slots if zlib.crc32(raw) == crc)[1],
          "A larger checksum is not a later one. Which of the three counts the saves?"),
    Wrong("the largest bytes", lambda slots: max(raw for v, raw, crc in slots if zlib.crc32(raw) == crc),
          "Compare versions, not what was saved."),
    Wrong("the torn one", lambda slots: max(slots, key=lambda s: (zlib.crc32(s[1]) != s[2], s[0]))[1], "Whole is where the two sums are the same."),
])

exercise("drops of power", steps_an_hour, probe=_paces, expects="steps an hour for five capacitors, 0 where a step never ends",
         praise="A charge holds whole steps only: what is left of it is lost.", wrong=[
    Wrong("parts of steps", lambda charge, watts, step, save: 3600 * watts / (step + save),
          "When the charge is over, a step that is half done is gone. How many *whole* ones are in a charge?"),
    Wrong("saving is free", lambda charge, watts, step, save: math.floor(charge / step) * 3600 * watts / charge,
          "A step that is not saved is lost when the power goes."),
    Wrong("saved once", lambda charge, watts, step, save: max(0, math.floor((charge - save) / step)) * 3600 * watts / charge,
          "Here it saves after every step: it does not see the end of the charge coming."),
    Wrong("steps of a charge", lambda charge, watts, step, save: math.floor(charge / (step + save)), "That is a charge. How many charges has an hour?"),
    Wrong("a second", lambda charge, watts, step, save: math.floor(charge / (step + save)) * watts / charge, "Joules and watts make seconds. Asked for is an hour."),
    Wrong("charges an hour", lambda charge, watts, step, save: 3600 * watts / charge, "That is how many charges. How many steps are in each?"),
    Wrong("rounded up", lambda charge, watts, step, save: math.ceil(charge / (step + save)) * 3600 * watts / charge, "The last of them is not finished."),
    Wrong("rounded", lambda charge, watts, step, save: round(charge / (step + save)) * 3600 * watts / charge, "The last of them may not be finished."),
    Wrong("the hour rounded", lambda charge, watts, step, save: math.floor(3600 * watts / (step + save)),
          "Each *charge* holds whole steps, not each hour: what is left in the capacitor is lost every time."),
])
