"""One day of several lives at once: the step from a `Now` to the next, which `days` repeats.

    answer → gather → is a session due, is there power for it → learn → guard → write to flash

A `Now` is a value: all that the next day hangs on. Plumbing of life.py; lesson: wrist.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch.nn import functional as F

from ..plan import Dice
from .session import Session, learned
from .update import answers, session


@dataclass(frozen=True)
class Now:
    """Several lives between two days.

    dice: all chance of the trainings; waiting, held: for each life (x, y) of labelled windows that
    wait for a session, and that the guard holds back; came (lives,): labelled windows so far;
    sessions (lives,): accepted so far, the factory's too; battery, pages (lives,); watch: what the
    trigger remembers; past (lives,): accuracy on earlier stretches, known until something changes.
    """

    params: dict
    state: dict
    dice: Dice
    waiting: list
    held: list
    came: np.ndarray
    sessions: np.ndarray
    battery: np.ndarray
    pages: np.ndarray
    watch: object
    past: np.ndarray


@dataclass(frozen=True)
class Day:
    """What was seen on a day, of each life.

    accuracy (lives,): on what the day asks, at its end; before: the same before it learned; past:
    on what was asked at the ends of the stretches between events that are over, a mean, NaN in the
    first; confidence: a mean over the windows worn. learned, rolled_back, cut (lives,) bool: a
    session was begun; undone, by the guard or as its weights were not finite; lost to a power cut.
    joules: that the day took; battery: joules left at its end, inf where none is counted; pages
    (lives,): of flash, erased so far; waiting: labelled windows that waited in the evening. events:
    for each life what happened, in sentences. NaN in a life whose battery is empty. params, state:
    at the day's end.
    """

    day: int
    accuracy: np.ndarray
    before: np.ndarray
    past: np.ndarray
    confidence: np.ndarray
    learned: np.ndarray
    rolled_back: np.ndarray
    cut: np.ndarray
    joules: np.ndarray
    battery: np.ndarray
    pages: np.ndarray
    waiting: np.ndarray
    events: list
    params: dict = field(repr=False)
    state: dict = field(repr=False)


def beginning(course):
    """The `Now` before day 0: what the factory delivers."""
    base, seeds, guard = course.base, course.lives.seeds, course.strategy.guard
    params, hyper = base.start()
    state = base.verbs.start(params, base.stream, hyper)
    n = len(seeds)
    dice, zeros = Dice(seeds, torch.arange(n), "cpu"), np.zeros(n, dtype=int)
    first = course.lives.worn(0)[0]
    none = [(first.x[0, :0], first.y[0, :0])] * n
    held = none
    if course.strategy.shipped:
        data = [task.train for task in course.tasks]
        job = Session(base, data, (0,) * n, dice, still=True)
        params, state = learned(base.verbs, job, params, state)
        if guard and guard.each == "class":
            aside = [task.test for task in course.tasks]  # from which the factory did not learn
            held = [held_back(none[0], own, guard, course.year.classes) for own in aside]
    sessions, battery = zeros + course.strategy.shipped, np.full(n, course.capacity)
    counts = {"came": zeros, "sessions": sessions, "battery": battery, "pages": zeros}
    watch, past = course.trigger.start(n), np.full(n, np.nan)
    return Now(params, state, dice, none, held, watch=watch, past=past, **counts)


# ---- what gathers


def gathered(course, now, worn, labelled, believed):
    """The `Now` after the windows of a day.

    labelled, believed (lives, n): which have a label, and (which, answers) that the device takes
    for one. Of the labelled each so many go to the guard; the newest `gathers` others wait.
    """
    guard, waiting, held = course.strategy.guard, [*now.waiting], [*now.held]
    sure, said = believed
    count = labelled.cumsum(1) + torch.from_numpy(now.came)[:, None]
    aside = labelled & (count % guard.nth == 0) if guard else torch.zeros_like(labelled)
    label = torch.where(labelled, worn.y, said)
    take = (labelled | sure) & ~aside
    for i in range(len(waiting)):
        new = worn.x[i, take[i]], label[i, take[i]]
        waiting[i] = newest(waiting[i], new, course.strategy.gathers)
        if guard:
            new = worn.x[i, aside[i]], worn.y[i, aside[i]]
            held[i] = held_back(held[i], new, guard, course.year.classes)
    return replace(now, waiting=waiting, held=held, came=count[:, -1].numpy())


def held_back(old, new, guard, classes):
    """What a guard holds back of two lots of windows (x, y)."""
    if guard.each == "any":
        return newest(old, new, guard.windows)
    x, y = (torch.cat(both) for both in zip(old, new, strict=True))
    member = F.one_hot(y, classes)
    later = member.flip(0).cumsum(0).flip(0)[torch.arange(len(y)), y] - 1  # of the same class
    keep = later < guard.windows // classes
    return x[keep], y[keep]


def newest(old, new, most):
    """The last `most` of two lots of windows (x, y)."""
    return tuple(torch.cat(both)[-most:] for both in zip(old, new, strict=True))


# ---- a day


def next_day(course, now, day):
    """(`Now`, `Day`) after one more day."""
    worn, labelled = course.lives.worn(day)
    asked, n, verbs = course.lives.asked(day), worn.y.shape[1], course.base.verbs
    battery = np.minimum(now.battery + course.harvest, course.capacity)
    takes = course.costs.answering(n)
    alive = battery >= takes
    now = replace(now, battery=battery - takes * alive)
    logits = answers(verbs, now.params, now.state, torch.cat([worn.x, asked.x], 1))
    sure, said = logits[:, :n].softmax(-1).max(-1)
    here = torch.from_numpy(alive)[:, None]
    believes = here & (sure > (course.strategy.pseudo or torch.inf)) & ~labelled
    now = gathered(course, now, worn, labelled & here, (believes, said))
    waiting, confidence = [len(y) for _, y in now.waiting], np.where(alive, sure.mean(1), np.nan)
    now, who, told = due(course, now, day, confidence, alive)
    now, done = session(course, now, who, day)
    before = asked.right(logits[:, n:])
    after = before
    if who.any():
        after = asked.right(answers(verbs, now.params, now.state, asked.x))
    now = replace(now, past=looked_back(course, now, day, who.any()))
    scores = (np.where(alive, own, np.nan) for own in (after, before, now.past))
    events = [[*diary.events[day], *own] for diary, own in zip(course.lives.diaries, told)]
    counts = takes * alive + done.joules, now.battery, now.pages, np.array(waiting), events
    seen = *scores, confidence, done.began, done.undone, done.cut, *counts
    return now, Day(day, *seen, now.params, now.state)


def due(course, now, day, confidence, alive):
    """(`Now`, which lives have a session (lives,) bool, what there is to tell of each)."""
    waits = np.array([len(y) for _, y in now.waiting])
    watch, wanted = course.trigger.due(now.watch, day, confidence, waits)
    who, told = wanted & alive & (waits > 0), [[] for _ in waits]
    able = np.flatnonzero(who)
    for i, steps in zip(able, course.job(now, able).work, strict=True):
        if (takes := course.joules(now, i, steps)) > now.battery[i]:
            who[i] = False
            has = f"the battery has {now.battery[i]:.3g} J, a session takes {takes:.3g} J"
            told[i].append(f"{has}: it is not begun")
    return replace(now, watch=watch), who, told


def looked_back(course, now, day, changed):
    """Accuracy on what was asked in the stretches that are over, (lives,); NaN in the first."""
    begins = any(first == day for first, _ in course.lives.conditions)
    if not (changed or begins):
        return now.past
    past = course.lives.past(day)
    each = [seen.right(answers(course.base.verbs, now.params, now.state, seen.x)) for seen in past]
    return np.mean(each, 0) if each else now.past
