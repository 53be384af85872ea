"""When a device learns: always, on a schedule, once labels are there, or when confidence drifts.

    m_t = mean(x₁ … x_t)    U_t = Σ (x_i − m_i − δ)    alarm: U_t − min U > λ      Page–Hinkley

x = 1 − the device's own confidence, a day's mean: it needs no label. Page 1954 (a sum that is set
back whenever it falls to a new low); Hinkley 1971 for the unknown mean. Lesson: wrist.
"""

from dataclasses import dataclass

import numpy as np

from .._refuse.arguments import number, whole


def page_hinkley(state, x, delta=0.005, threshold=0.5, least=10):
    """(state, alarm (lives,)) after another value x (lives,) of each life; NaN is no value.

    state: (count, mean, sum, lowest sum), each (lives,); None before the first. After an alarm a
    life begins anew; there is none among its first `least` values.
    """
    n, mean, total, low = np.zeros((4, len(x))) if state is None else state
    there = np.isfinite(x)
    n = n + there
    x = np.where(there, x, mean)
    mean = mean + (x - mean) / np.maximum(n, 1)
    total = total + np.where(there, x - mean - delta, 0)
    low = np.minimum(low, total)
    alarm = there & (n >= least) & (total - low > threshold)
    return tuple(np.where(alarm, 0, part) for part in (n, mean, total, low)), alarm


@dataclass(frozen=True)
class Every:
    """A session every so many days, in the evening: Every(7) on days 6, 13, …"""

    days: int = 1

    def __post_init__(self):
        vars(self)["days"] = whole("days", self.days)

    def start(self, lives):
        """What is remembered from day to day; None: nothing."""

    def due(self, state, day, confidence, gathered):
        """(state, whether a session is due in each life, (lives,) bool) after a day.

        confidence (lives,): the day's mean, NaN where nobody was asked; gathered (lives,): labelled
        windows that wait.
        """
        return state, np.full(len(gathered), (day + 1) % self.days == 0)


@dataclass(frozen=True)
class OnLabels:
    """A session as soon as so many labelled windows wait."""

    windows: int = 56

    def __post_init__(self):
        vars(self)["windows"] = whole("windows", self.windows)

    def start(self, lives):
        """Nothing is remembered."""

    def due(self, state, day, confidence, gathered):
        """As `Every.due`."""
        return state, gathered >= self.windows


@dataclass(frozen=True)
class OnDrift:
    """Sessions for a while after an alarm of Page and Hinkley on 1 − confidence.

    delta: δ, a rise of the mean that is let pass; threshold: λ; least: days before the first alarm.
    For `lasts` days after an alarm there is a session every `every` days, the first when so many
    have passed: on the day itself most of what waits is from before. Both are counted from the
    last alarm.
    """

    delta: float = 0.005
    threshold: float = 0.5
    least: int = 10
    lasts: int = 28
    every: int = 7

    def __post_init__(self):
        own = {"delta": number("delta", self.delta)}
        own["threshold"] = number("threshold", self.threshold, strictly=True)
        own |= {k: whole(k, getattr(self, k)) for k in ("least", "lasts", "every")}
        vars(self).update(own)

    def start(self, lives):
        """(Page and Hinkley's state, days since the last alarm (lives,), -1 before the first)."""
        return None, np.full(lives, -1)

    def due(self, state, day, confidence, gathered):
        """As `Every.due`."""
        test, since = state
        test, alarm = page_hinkley(test, 1 - confidence, self.delta, self.threshold, self.least)
        since = np.where(alarm, 0, np.where(since < 0, since, since + 1))
        return (test, since), (since > 0) & (since <= self.lasts) & (since % self.every == 0)


@dataclass(frozen=True)
class Never:
    """No session: the device as it came."""

    def start(self, lives):
        """Nothing is remembered."""

    def due(self, state, day, confidence, gathered):
        """As `Every.due`."""
        return state, np.zeros(len(gathered), dtype=bool)


WORDS = {"always": Every(1), "never": Never()}
KINDS = Every, OnLabels, OnDrift, Never


def trigger(when):
    """A word of `WORDS`, or one of `KINDS`, as the latter. ValueError for anything else."""
    if isinstance(when, KINDS):
        return when
    if not isinstance(when, str) or when not in WORDS:
        known = '"always", "never", Every(7), OnDrift() or OnLabels(56)'
        raise ValueError(f"when must be {known}, got {when!r}")
    return WORDS[when]
