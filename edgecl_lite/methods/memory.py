"""A memory of few samples, as a device would hold it: packed bytes in a fixed number of rows.

    P(a sample is kept) = rows of its group / arrivals of its group      groups: one for all, or one a class

Vitter 1985, algorithm R, finds the row of each arrival. Everything here is a function of the flat `state`:
capacity (lanes,); memory.x (lanes, rows, bytes), memory.y and further columns (lanes, rows, …); filled, old
(lanes, rows): which rows hold a sample, and one of an earlier task; known, arrived (lanes, groups): which
groups have rows, how many samples of each came. Groups stand one behind the other, the last row is a waste
bin. Lesson: 03_replay.
"""

import math

import torch
from torch.nn import functional as F

from ..lanes import named, part, rows


def reservoir(t, capacity, u):
    """Row of a memory for arrival number t = 0, 1, 2, …; a row >= capacity means that it is not kept.

    While there is room, the next row; then the number ⌊u (t + 1)⌋ among all that came, u uniform in [0, 1).
    After n arrivals each of them is kept with probability capacity / n. Vitter 1985, algorithm R. Tensors
    that broadcast, so that a batch finds its rows at once; where two find the same, the later one stays.
    """
    return torch.where(t < capacity, t, (u * (t + 1)).long())


def empty(capacity, groups, columns):
    """A memory without samples, of `capacity` (lanes,) rows. columns: {name: (dtype, width…)}.

    Raises ValueError where it would take more than 1 GB, all that a small machine has.
    """
    lanes, places = len(capacity), int(capacity.max()) + 1
    each = sum(dtype.itemsize * math.prod(width) for dtype, *width in columns.values())
    if lanes * places * each > 1e9:
        raise ValueError(
            f"capacity {places - 1:,} needs {lanes} lanes × {places:,} × {each} bytes, over 1 GB"
        )

    def table(*shape, dtype=torch.bool):
        return torch.zeros(lanes, *shape, dtype=dtype, device=capacity.device)

    samples = {f"memory.{k}": table(places, *width, dtype=dtype) for k, (dtype, *width) in columns.items()}
    plan = {"known": table(groups), "arrived": table(groups, dtype=torch.long)}
    return {**samples, **plan, "filled": table(places), "old": table(places)}


def shares(state):
    """Rows for each known group, (lanes,)."""
    return state["capacity"] // state["known"].sum(1).clamp(min=1)


def first_rows(state):
    """Row at which each known group begins, (lanes, groups)."""
    return (state["known"].cumsum(1) - 1) * shares(state)[:, None]


def tables(state):
    """The tables of the memory alone, {name: (lanes, rows, …)}."""
    return named("memory", part(state, "memory"))


def put(state, row, new, arrived):
    """The state with samples `new` {column: (lanes, n, …)} in rows (lanes, n): different, or the last."""
    each = torch.arange(len(row), device=row.device)[:, None]
    taken = {k: v for k, v in tables(state).items() if k in new}
    samples = {k: v.index_put((each, row), new[k].to(v.dtype)) for k, v in taken.items()}
    filled, old = state["filled"].clone(), state["old"].clone()
    filled[each, row], filled[:, -1], old[each, row] = True, False, False
    return {**state, **samples, "filled": filled, "old": old, "arrived": arrived}


def store(state, new, group, chance, newest=False):
    """The samples `new` arrive in order, each of its group (lanes, n); chance (lanes, n) uniform in [0, 1).

    newest: they push out the oldest of their group; otherwise algorithm R decides.
    """
    order = torch.arange(group.shape[1], device=group.device).expand(group.shape)
    waste = state["filled"].shape[1] - 1
    came = F.one_hot(group, state["known"].shape[1]).cumsum(1)  # (lanes, n, groups)
    t = state["arrived"].gather(1, group) + came.gather(2, group[..., None])[..., 0] - 1
    share = shares(state)[:, None]
    place = t % share.clamp(min=1) if newest else reservoir(t, share, chance)
    row = torch.where(place < share, first_rows(state).gather(1, group) + place, waste)
    last = order.new_zeros(state["filled"].shape).scatter_reduce(1, row, order, "amax")
    row = torch.where(last.gather(1, row) == order, row, waste)  # of two that found one row the later stays
    return put(state, row, new, state["arrived"] + came[:, -1])


def make_room(state, known, u=None):
    """Every group gives way until all groups `known` (lanes, groups) have the same share.

    u (lanes, 1) uniform in [0, 1): every sample of a group stays with the same probability (systematic
    sampling: each m/share-th row, from a random start). u None: the first rows of each group stay.
    """
    after = {**state, "known": state["known"] | known}
    share, waste = shares(after)[:, None], state["filled"].shape[1] - 1
    row = torch.arange(waste + 1, device=known.device)
    source = torch.full_like(state["filled"], waste, dtype=torch.long)  # the old row of what each is to hold
    for c in range(known.shape[1]):
        had = state["arrived"][:, [c]].minimum(shares(state)[:, None])  # (lanes, 1)
        place = row - first_rows(after)[:, [c]]  # (lanes, rows) within the group
        stride = (had / share.clamp(min=1)).clamp(min=1)
        pick = place
        if u is not None:  # on the CPU: MPS has no float64
            pick = ((place.cpu() + u.cpu().double()) * stride.cpu()).long().to(place.device)
        own = after["known"][:, [c]] & (place >= 0) & (place < share.minimum(had))
        source = torch.where(own, first_rows(state)[:, [c]] + pick.minimum(had - 1), source)
    return {**after, **{k: rows(v, source) for k, v in tables(state).items()}, "filled": source < waste}


def recall(among, u):
    """Rows drawn evenly among some (lanes, rows) bool, for u (lanes, n) uniform in [0, 1); else row 0."""
    count = among.sum(1, keepdim=True)
    nth = (u * count).long().minimum(count - 1)
    return torch.searchsorted(among.cumsum(1), nth + 1)
