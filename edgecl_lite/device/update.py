"""A session held and judged: learn, ask the windows held back, and write it down or undo it.

    accuracy after ≥ accuracy before − tolerance, on windows held back; else all is as it was

The guard of `Strategy`, and the power that may fail. Plumbing of living.py; lesson: wrist.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from .._refuse.verbs import Checked
from ..lanes import lane, lanes_of
from ..unlike import put
from .session import learned
from .worn import Seen


@dataclass(frozen=True)
class Done:
    """A session of several lives. began, undone, cut (lives,) bool; joules (lives,)."""

    began: np.ndarray
    undone: np.ndarray
    cut: np.ndarray
    joules: np.ndarray


def session(course, now, who, day):
    """(`Now`, `Done`) after a session of the lives `who` (lives,) bool.

    Where the guard undoes it or the power fails, params and state stay what they were; the windows
    that waited are gone.
    """
    if not who.any():
        return now, Done(who, who, who, np.zeros(len(who)))
    at = np.flatnonzero(who)
    job = course.job(now, at)
    before = lane(now.params, at), lane(now.state, at)
    after = learned(course.base.verbs, job, *before)
    better = helped(course, [now.held[i] for i in at], before, after)
    ran = course.power(at, day)
    kept = better & (ran == 1)
    took = [course.joules(now, *own) for own in zip(at, job.work, kept, strict=True)]
    undone = ~better & (ran == 1)
    done = Done(who, *(spread(own, who) for own in (undone, ran < 1, ran * took)))
    now = written(course, now, at, kept, after)
    return replace(now, battery=now.battery - done.joules), done


def spread(own, who):
    """Values of the lives `who` (lives,) among all, 0 or False in the others."""
    all = np.zeros(len(who), own.dtype)
    all[who] = own
    return all


def written(course, now, at, kept, after):
    """The `Now` in which the lives `at` have learned: what waited there is gone.

    kept (len(at),) bool: where it counts; after: (params, state) of these lives.
    """
    into, rows = torch.from_numpy(at[kept]), np.flatnonzero(kept)
    params = put(now.params, into, lane(after[0], rows))
    state = put(now.state, into, lane(after[1], rows))
    waiting, sessions, pages = [*now.waiting], now.sessions.copy(), now.pages.copy()
    for i in at:
        waiting[i] = tuple(part[:0] for part in waiting[i])
    sessions[at[kept]] += 1
    pages[at[kept]] += course.costs.pages
    counts = {"sessions": sessions, "pages": pages}
    return replace(now, params=params, state=state, waiting=waiting, **counts)


def helped(course, held, before, after):
    """Whether the update of each lane is accepted, (lanes,) bool: by the windows held back.

    One whose weights are not finite never is: that needs no window.
    """
    guard = course.strategy.guard
    finite = [p.isfinite().flatten(1) for p in after[0].values()]
    sound = torch.cat(finite, 1).all(1).numpy()
    if not guard or not max(len(y) for _, y in held):
        return sound
    seen = together(held)
    old, new = (seen.right(answers(course.base.verbs, *both, seen.x)) for both in (before, after))
    return sound & (np.isnan(old) | (new >= old - guard.tolerance))


# ---- answers


@torch.no_grad()
def answers(method, params, state, x):
    """Logits (lives, n, outputs) of x (lives, n, …), of each life its own."""
    own = method.method if isinstance(method, Checked) else method
    if type(own).predict.__module__.startswith("edgecl_lite."):
        return own.predict(params, state, x)
    each = range(lanes_of(params))  # a verb of the reader's may know nothing of x of each lane
    return torch.cat([own.predict(lane(params, i), lane(state, i), x[i]) for i in each])


def together(pairs):
    """(x, y) of each life, of unlike numbers, as one `Seen`."""
    x, y = (pad_sequence(own, batch_first=True) for own in zip(*pairs, strict=True))
    there = [torch.ones(len(y), dtype=torch.bool) for _, y in pairs]
    return Seen(x, y, pad_sequence(there, batch_first=True))
