"""A memory of few samples, as a device would hold it: packed bytes in a fixed number of rows.

    P(a sample is kept) = rows of its group / arrivals of its group    groups: one, or one a class

Vitter 1985, algorithm R, finds the row of each arrival. Everything here is a function of the flat
`state`: capacity (lanes,); memory.x (lanes, rows, bytes), memory.y and further columns (lanes,
rows, …); filled, old (lanes, rows): which rows hold a sample, and one of an earlier task; known,
arrived (lanes, groups): which groups have rows, how many samples of each came. Groups stand one
behind the other, the last row is a waste bin. Lesson: replay.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from ..lanes import named, part, rows
from .codecs import Latents, Pixels

POLICIES = ("balanced", "reservoir", "ring")


@dataclass(frozen=True)
class Memory:
    """The policy says which samples are kept, the codec as which bytes; they are in the state."""

    policy: str
    codec: Pixels | Latents

    def start(self, params, stream, capacity, more):
        """An empty memory of capacity (lanes,) rows; more: other columns, {name: (dtype, width…)}.

        Raises ValueError where a capacity cannot give every class one sample, or needs over 1 GB.
        """
        groups = 1 if self.policy == "reservoir" else stream.outputs
        if len(small := capacity[(capacity > 0) & (capacity < groups)]):
            need = f"0, which keeps nothing, or at least {groups}, one sample for each class"
            raise ValueError(f"capacity must be {need}; got {small[0]}")
        x = stream.tasks[0].train[0]
        width = self.codec.width(params, x)
        columns = {"x": (torch.uint8, width), "y": (torch.uint8,)}
        if stream.scenario != "class":  # there the class of a sample tells its task
            columns["on"] = (torch.uint8,)
        state = empty(capacity, groups, columns | more)
        known = state["known"] | (self.policy != "balanced")
        return {**state, "known": known, **self.codec.start(params, x)}

    def make_room(self, state, task):
        """A task begins: what is there now is old, and "balanced" gives way to the new classes."""
        if self.policy == "balanced":
            known = state["known"].scatter(1, task["y"], True)
            state = make_room(state, known, task["rng"](1))
        return {**state, "old": state["filled"]}

    def recall(self, state, batch, u):
        """Old samples, a batch: x or z, y (lanes, n, …), active (lanes, n, outputs) of their tasks.

        u (lanes, n) uniform in [0, 1) says which.
        """
        row = recall(state["old"], u)
        on = torch.full(u.shape, batch["task"], device=u.device)
        if "memory.on" in state:
            on = rows(state["memory.on"], row).long()
        none = ~state["old"].any(1).view(-1, 1, 1)  # where there is no sample, no -inf either
        codes, y = (rows(state[f"memory.{k}"], row) for k in "xy")
        old = {
            self.codec.gives: self.codec.decode(state, codes, batch["x"].shape[2:]),
            "y": y.long(),
            "active": rows(batch["answers"], on) | none,
        }
        return {**old, "task": batch["task"], "row": row}

    def store(self, params, state, batch):
        """The batch arrives: x, y and chance (lanes, n, …)."""
        y = batch["y"]
        group = torch.zeros_like(y) if self.policy == "reservoir" else y
        new = {
            "memory.x": self.codec.encode(params, state, batch["x"]),
            "memory.y": y,
            "memory.on": torch.full_like(y, batch["task"]),
        }
        newest = self.policy == "ring"
        return store(state, new, group, batch["chance"], newest)

    def keeps(self, state, lane):
        """The packed samples, a byte for the class of each, one for its task unless that tells."""
        filled = state["filled"][lane]
        return {k: v[lane, filled] for k, v in tables(state).items()}

    def shows(self, state, shape, lane):
        """What is kept, decoded: x (n, *shape) and y (n,)."""
        filled = state["filled"][lane]
        one = {k: v[[lane]] for k, v in state.items()}
        x = self.codec.decode(one, one["memory.x"][:, filled], shape)
        return x[0].cpu(), one["memory.y"][0, filled].long().cpu()

    def notes(self, state):
        """Which groups keep all of their samples, being fewer than their share."""
        share, came, said = shares(state), state["arrived"], []
        few = (came > 0) & (came < share[:, None])  # (lanes, groups)
        for lane, group in few.nonzero().tolist():
            who = "the stream" if self.policy == "reservoir" else f"class {group}"
            gave = f"{who} gave {came[lane, group]} samples, fewer than its share of {share[lane]}"
            said.append(f"With capacity {state['capacity'][lane]} {gave}: all are kept.")
        return list(dict.fromkeys(said))


# ---- rows, groups and arrivals


def reservoir(t, capacity, u):
    """Row of a memory for arrival number t = 0, 1, 2, …; a row >= capacity: it is not kept.

    While there is room, the next row; then the number ⌊u (t + 1)⌋ among all that came, u uniform in
    [0, 1). After n arrivals each of them is kept with probability capacity / n. Vitter 1985,
    algorithm R. Tensors that broadcast, so that a batch finds its rows at once; where two find the
    same, the later one stays.
    """
    return torch.where(t < capacity, t, (u * (t + 1)).long())


def empty(capacity, groups, columns):
    """A memory without samples, of `capacity` (lanes,) rows. columns: {name: (dtype, width…)}.

    Raises ValueError where it would take more than 1 GB, all that a small machine has.
    """
    lanes = len(capacity)
    places = int(capacity.max()) + 1  # a waste bin behind the samples
    each = sum(dtype.itemsize * math.prod(width) for dtype, *width in columns.values())
    if lanes * places * each > 1e9:
        needs = f"{lanes} lanes × {places:,} × {each} bytes, over 1 GB"
        raise ValueError(f"capacity {places - 1:,} needs {needs}")

    def table(*shape, dtype=torch.bool):
        return torch.zeros(lanes, *shape, dtype=dtype, device=capacity.device)

    samples = {k: table(places, *width, dtype=dtype) for k, (dtype, *width) in columns.items()}
    return {
        **named("memory", samples),
        "known": table(groups),
        "arrived": table(groups, dtype=torch.long),
        "filled": table(places),
        "old": table(places),
    }


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
    """The state with samples `new` {column: (lanes, n, …)} in rows (lanes, n).

    No two of them are alike, but for the last row, the waste bin.
    """
    each = torch.arange(len(row), device=row.device)[:, None]
    samples = tables(state)
    for k in samples.keys() & new.keys():
        samples[k] = samples[k].index_put((each, row), new[k].to(samples[k].dtype))
    filled = state["filled"].clone()
    filled[each, row] = True
    filled[:, -1] = False
    old = state["old"].clone()
    old[each, row] = False
    return {**state, **samples, "filled": filled, "old": old, "arrived": arrived}


def store(state, new, group, chance, newest=False):
    """The samples `new` arrive in order, each of its group (lanes, n).

    chance (lanes, n): uniform in [0, 1). newest: they push out the oldest of their group; otherwise
    algorithm R decides.
    """
    share, waste = shares(state)[:, None], state["filled"].shape[1] - 1
    member = F.one_hot(group, state["known"].shape[1])  # (lanes, n, groups)
    t = numbers(state, group, member)
    place = t % share.clamp(min=1) if newest else reservoir(t, share, chance)
    row = first_rows(state).gather(1, group) + place
    row = torch.where(place < share, row, waste)
    row = torch.where(last_in_row(row, waste + 1), row, waste)
    return put(state, row, new, state["arrived"] + member.sum(1))


def numbers(state, group, member):
    """How many of its group came before each sample of a batch, (lanes, n)."""
    so_far = member.cumsum(1).gather(2, group.unsqueeze(-1))  # in the batch, itself included
    return state["arrived"].gather(1, group) + so_far.squeeze(-1) - 1


def last_in_row(row, places):
    """Which samples find a row that no later one of the batch finds, (lanes, n) bool."""
    order = torch.arange(row.shape[1], device=row.device).expand(row.shape)
    last = order.new_zeros(len(row), places).scatter_reduce(1, row, order, "amax")
    return last.gather(1, row) == order


def make_room(state, known, u=None):
    """Every group gives way until all groups `known` (lanes, groups) have the same share.

    u (lanes, 1) uniform in [0, 1): every sample of a group stays with the same probability. u None:
    the first rows of each group stay.
    """
    after = {**state, "known": state["known"] | known}
    share, waste = shares(after)[:, None], state["filled"].shape[1] - 1
    first, first_now = first_rows(state), first_rows(after)  # (lanes, groups)
    had = state["arrived"].minimum(shares(state)[:, None])  # (lanes, groups), rows in use
    row = torch.arange(waste + 1, device=known.device)
    # the old row of what each row is to hold
    source = torch.full_like(state["filled"], waste, dtype=torch.long)
    for c in range(known.shape[1]):
        group = slice(c, c + 1)
        used = had[:, group]
        place = row - first_now[:, group]  # (lanes, rows) within the group
        own = (place >= 0) & (place < share.minimum(used))
        own &= after["known"][:, group]
        pick = place if u is None else thinned(place, used, share, u)
        was = first[:, group] + pick.minimum(used - 1)
        source = torch.where(own, was, source)
    samples = {k: rows(v, source) for k, v in tables(state).items()}
    return {**after, **samples, "filled": source < waste}


def thinned(place, had, share, u):
    """Systematic sampling: each had/share-th place, from a random start u."""
    stride = (had / share.clamp(min=1)).clamp(min=1)
    exact = (place.cpu() + u.cpu().double()) * stride.cpu()  # on the CPU: MPS has no float64
    return exact.long().to(place.device)


def recall(among, u):
    """Rows drawn evenly among some (lanes, rows) bool by u (lanes, n) in [0, 1); else row 0."""
    count = among.sum(1, keepdim=True)
    nth = (u * count).long().minimum(count - 1)
    return torch.searchsorted(among.cumsum(1), nth + 1)
