"""How many bytes a training will add to the process at its peak, foretold before its first step.

    bytes(L lanes) = bytes(2) + (L − 2) · (bytes(3) − bytes(2))    in every verb; the highest counts

No formula for each method: the loop itself runs, on two lanes and on three, two steps in each of
two tasks, and a dispatch mode counts the storages that live: so it holds for a method of the
reader's own as well. What the process grows by lies higher (`Foretold.process`): that is what
`check_room` speaks of.
"""

import copy
import ctypes
import os
import sys
import weakref
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..lanes import Lanes, nbytes, part
from ..models import apply
from .pieces import ROOM, Made
from .settled import settled

STEPS = 2  # in a task of a rehearsal: the second one has gradients and moments to carry
STEP = ("draw", "loss")  # what a step does with its batch
NOTE = 0.8  # share of the machine's memory above which a training is told
SURE = 0.2  # share of it below which a bound is sure enough


class Alive(Made):
    """`with Alive() as seen: …`: counts the bytes of tensors that were made inside and still live.

    now: bytes at this moment; peak: the most so far. Views and expanded tables weigh nothing.
    """

    def __init__(self):
        super().__init__()
        self.now, self.peak, self._known = 0, 0, {}

    def made(self, storage):
        place, size = storage._cdata, storage.nbytes()

        def gone(_):
            self.now -= size
            del self._known[place]

        self._known[place] = weakref.ref(storage, gone)
        self.now += size
        self.peak = max(self.peak, self.now)


class Watched:
    """A method that notes, whenever another one of its verbs is called, how many bytes live.

    verbs: [[name, bytes at its begin, most bytes until the next one]].
    """

    def __init__(self, method, seen):
        self.method, self.seen, self.verbs = method, seen, [["", 0, 0]]

    def __getattr__(self, name):
        self.close()
        if name != self.verbs[-1][0]:  # a verb for many lanes or samples may be called many times
            self.verbs.append([name, self.seen.now, 0])
        return getattr(self.method, name)

    def close(self):
        """The verb that was called last is over."""
        self.verbs[-1][2] = max(self.verbs[-1][2], self.seen.peak)
        self.seen.peak = self.seen.now


@dataclass(frozen=True)
class Foretold:
    """Bytes at the peak, by what they go into, and the verb during which it comes.

    held: what lives all the while: weights, gradients, moments, copies, the method's state; memory:
    what it keeps under "memory.", now and at the last point; passing: activations and other tables;
    points: answers.
    """

    held: float
    memory: float
    passing: float
    points: float
    verb: str

    @property
    def total(self):
        return int(self.held + self.memory + self.passing + self.points)

    @property
    def process(self):
        """What the process grows by: on top come what the allocator keeps, and kernels' scratch.

        Found, not derived: of 12 trainings of 70 to 720 MB on Linux it was 0.88 to 1.18.
        """
        return int(1.15 * self.total + min(50e6, self.total))


def foretell(plan, loop):
    """Bytes of tensors that a training by this `Plan` will have at its peak, beside the stream.

    loop(plan): the training loop, a generator of points or None (`learn.follow`).
    """
    return foretold(plan, loop).total


@settled
def foretold(plan, loop):
    """The `Foretold` of a plan. It draws from none of its generators, nor from torch's own."""
    names, found = _extrapolated(plan, loop)
    at = found[:-1, 1].argmax().item()
    (begin, peak), (memory, kept) = found[at].tolist(), found[-1].tolist()
    points, each = _points(plan)
    most = max(peak + (points - 1) * each, kept + 2 * points * each)  # at the end they are joined
    gradients = min(peak - begin, plan.lanes * _weights(plan)) if names[at] == "loss" else 0
    held, memory = begin + gradients, min(2 * memory, begin)
    return Foretold(held - memory, memory, peak - held, most - peak, names[at])


def _extrapolated(plan, loop):
    """Names of the verbs and table of `_rehearse`, for all the lanes."""
    lanes, part = plan.lanes, min(plan.lanes, plan.parts[0].stop or plan.lanes)
    if lanes == part:  # all go through a step together
        # one lane alone spares copies that two need
        sizes = [[lanes]] if lanes <= 2 else [[2], [3]]
    else:
        sizes = [[1, 1], [1, 1, 1]] if part == 1 else [[2, 1], [2, 2], [3, 1]]
    names, tables = zip(*(_rehearse(plan, parts, loop) for parts in sizes), strict=True)
    if len({*map(len, tables)}) > 1:  # one came to an earlier end
        tables = [torch.stack([table[:-1].amax(0), table[-1]]) for table in tables]
    first, *more = tables
    if more:
        first = first + (lanes - sum(sizes[0])) * (more[0] - first)
    if len(more) > 1:  # what a step makes grows with the lanes of a part, not with all
        first = first + (part - sizes[0][0]) * (more[1] - more[0])
    return names[0], first


def _rehearse(plan, parts, loop):
    """Two short tasks, with lanes in parts of these sizes: names of the verbs called, and a table.

    The table (verbs + 1, 2) has bytes at the begin of each verb and the most meanwhile; in its last
    row those of the samples kept, and of the last point, which outlives the training.
    """
    small, point = _small(plan, parts), None
    seen = Alive()
    small.verbs = Watched(small.method, seen)
    before = ROOM.set(ROOM.get() * small.lanes / plan.lanes)  # cut where the training will cut
    try:
        with torch.random.fork_rng(devices=[]), seen:
            for point in filter(None, loop(small)):
                if point.step == 2 * STEPS:
                    break
            small.verbs.close()
    except Exception:  # it will come again in the training, which says what it is
        small.verbs.close()
    finally:
        ROOM.reset(before)
    names, *table = zip(*small.verbs.verbs, strict=True)
    memory = part(point.state if point else {}, "memory")
    table = torch.tensor(table, dtype=torch.float64).mT
    return names, torch.cat([table, table.new_tensor([[nbytes(memory), seen.now]])])


def _small(plan, parts):
    """The plan with few lanes, all of the largest hyper-parameters; its largest task is second."""
    small, lanes = copy.copy(plan), sum(parts)
    largest = {name: [max(values)] for name, values in plan.grid.items()}
    if plan.lanes > len(plan.seeds):
        largest[next(iter(largest))] *= lanes
        small.seeds = [0]
    else:
        small.seeds = list(range(lanes))
    small.axes = Lanes(largest, small.seeds)
    ends = torch.tensor([0, *parts]).cumsum(0).tolist()
    small.parts = [slice(i, j) for i, j in zip(ends, ends[1:], strict=False)]
    small.spans, small.options = [STEPS] * len(plan.stream), replace(plan.options, every=STEPS)
    small.method, small.stream = copy.copy(plan.method), _light(plan.stream)
    if plan.method.weights is not None:  # of a copy, which no one else sees
        vars(small.method)["weights"] = {k: p[:1] for k, p in plan.method.weights.items()}
    return small


def _light(stream):
    """The stream with its largest training set second, and there alone a test set, the largest."""
    *rest, largest = sorted(map(copy.copy, stream), key=lambda task: len(task.train[1]))
    test = max((task.test for task in stream), key=lambda test: len(test[1]))
    for task in rest:
        object.__setattr__(task, "test", tuple(part[:1] for part in task.test))
    object.__setattr__(largest, "test", test)
    light = copy.copy(stream)
    object.__setattr__(light, "tasks", (*rest[:1], largest, *rest[1:]))
    return light


def _points(plan):
    """(how many points a training records, bytes of the answers in each)."""
    pauses = [plan.options.every or each for each in plan.each_epoch]
    points = 1 + sum(-(-span // pause) for span, pause in zip(plan.spans, pauses, strict=True))
    widest = max(len(task.test[1]) for task in plan.stream)
    return points, plan.lanes * len(plan.stream) * (widest + 8)


def _weights(plan):
    """Bytes of the weights of one lane."""
    return sum(p.nbytes for p in plan.method.net.parameters())


# ---- what there is room for


def check_room(plan, loop):
    """Notes on a training that takes over 80 % of what the machine, or its container, has.

    Raises ValueError, which says what to lower, where it needs more than `plan.room` bytes. Small
    ones are let through by a bound, without a rehearsal: mostly no note. loop: see `foretell`.
    """
    room, total = plan.options.room, total_memory(plan.device)
    given = [size for size in (room, total) if size is not None]
    if not given or _bound(plan) < SURE * min(given):
        return []
    found = foretold(plan, loop)
    need = f"this training needs about {_size(found.process)}"
    if room is not None and found.process > room:
        raise ValueError(f"{need}, room is {_size(room)}: {_advice(plan, found)}")
    if total is not None and found.process > NOTE * total:
        has = f"this machine, or its container, has {_size(total)} in all"
        return [f"{need[0].upper()}{need[1:]}, and {has}: {_advice(plan, found)}."]
    return []


def _bound(plan):
    """Bytes that it surely needs less than, unless a method of one's own is greedy."""
    net, stream = plan.method.net, plan.stream
    params = {k: p.detach().cpu()[None] for k, p in net.named_parameters()}
    with torch.no_grad(), Made() as one:
        apply(net, params, stream.tasks[0].train[0][None, :1])
    widest = max(len(y) for task in stream for _, y in (task.train, task.test))
    kept = max(plan.grid.get("capacity", [plan.method.hyper.get("capacity", 0)]))
    samples = 12 * plan.options.batch_size + 2 * widest + 4 * kept
    lane = _weights(plan) * (30 + 4 * len(stream)) + samples * (one.total + 8 * stream.pixels)
    points, each = _points(plan)
    return plan.lanes * lane + 3 * sum(task.train[0].nbytes for task in stream) + 2 * points * each


def _advice(plan, found):
    """What to lower, the heaviest first, with its share."""
    lanes, names = plan.lanes, [f"the number of values of {name}" for name in plan.grid]
    names += ["the number of seeds"] * (len(plan.seeds) > 1)
    many = f"{' or '.join(names)} ({lanes} lanes at once)" if lanes > 1 else "the width of the net"
    spent = {many: found.held, "capacity": found.memory}
    spent["the points, by a larger every=…"] = found.points
    of_memory = found.memory and found.verb not in ("predict", "")
    passing = "batch_size" if found.verb in STEP else "capacity" if of_memory else many
    spent[passing] = spent.get(passing, 0) + found.passing
    shares = {what: size / found.total for what, size in spent.items()}
    first, *others = sorted(shares, key=shares.get, reverse=True)
    worth = [first, *(what for what in others if shares[what] > 0.1)]
    return "lower " + "; or ".join(f"{what}: {shares[what]:.0%} of it" for what in worth)


def _size(n):
    """3.1 GB, 870 MB."""
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.3g} MB"


def total_memory(device=None, root="/"):
    """Bytes of memory of the device; of the CPU the machine's or its container's, the lesser.

    None where it cannot be told. root: where the system's files lie.
    """
    if device is not None and torch.device(device).type == "cuda":
        with suppress(AssertionError, RuntimeError):  # a device that cannot say
            return torch.cuda.get_device_properties(device).total_memory
        return None
    sizes = [size for size in (_installed(), *_limits(Path(root))) if size]
    return min(sizes, default=None)


def _installed():
    """What the machine has, or None."""
    try:
        if sys.platform != "win32":
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        table = (ctypes.c_ulonglong * 8)(64)  # MEMORYSTATUSEX: its own size, the total, six more
        return table[1] if ctypes.windll.kernel32.GlobalMemoryStatusEx(table) else None
    except (AttributeError, OSError, ValueError):
        return None


def _limits(root):
    """What the control groups of this process allow, versions 1 and 2; none outside of Linux."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, kinds, path = line.split(":", 2)
        if number != "0" and "memory" not in kinds.split(","):
            continue
        top, file = ("", "memory.max") if number == "0" else ("memory", "memory.limit_in_bytes")
        group = Path(path.lstrip("/"))
        for place in (group, *group.parents):  # a limit of a group above holds as well
            with suppress(OSError, ValueError):  # no such group seen from here, or "max"
                yield int((root / "sys/fs/cgroup" / top / place / file).read_text())
