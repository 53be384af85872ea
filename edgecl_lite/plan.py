"""What a training is going to do, checked before its first step: the lanes, the batches, the optimiser.

Lanes are the cells of the grid × the seeds, seeds innermost. All that is random is drawn per seed, never per
lane: a lane of a sweep sees just what the same training alone would see. Plumbing; no lesson derives it.
"""

import itertools

import torch

from ._refuse.arguments import SEEDS, number, seeds_list, several, whole
from ._refuse.nets import check_fit
from ._refuse.optimizers import check_device, check_optimizer
from ._refuse.verbs import Checked
from .lanes import copied, lane, lanes_of, stack
from .machine.pieces import Made
from .method import Finetune
from .models import apply, initial, learns
from .streams import Stream

STEP = 200e6  # bytes of activations that all lanes of a step may take together
LITTLE = 2**16  # values in a batch of all lanes that are not worth a look
OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


class Plan:
    """Arguments of `learn`, checked. TypeError or ValueError says what was expected and what came.

    cells: [{hyper-parameter: value}] of the grid, in C order; which (lanes,): a lane's seed number; spans:
    steps of each task, total: of all; shuffles, chances: a random generator for each seed.
    """

    def __init__(
        self, method, stream, seeds, grid, epochs, batch_size, lr, optimizer, fresh, steps, every, device,
        room=None,
    ):  # fmt: skip
        self.grid = axes(method, grid or {})
        if not isinstance(stream, Stream):
            raise TypeError(f"stream must be a Stream such as rotated(digits()), got {type(stream).__name__}")
        if stream.outputs > 255:
            raise ValueError(f"a stream may have at most 255 outputs, got {stream.outputs}")
        if not callable(optimizer) and optimizer not in tuple(OPTIMIZERS):
            known = "'adam', 'sgd' or a callable(tensors, lr=…)"
            raise ValueError(f"optimizer must be {known}, got {optimizer!r}")
        check_fit(method.net, stream)
        check_device(device)
        self.method, self.stream, self.fresh = method, stream, fresh
        self.device = "cpu" if device is None else device
        self.room = room if room is None else number("room, in bytes,", room, strictly=True)
        self.optimizer, self.lr = optimizer, number("lr", lr, strictly=True)
        self.batch_size, epochs = whole("batch_size", batch_size), whole("epochs", epochs)
        steps, self.every = (v if v is None else whole(k, v) for k, v in (("steps", steps), ("every", every)))
        sizes = [len(task.train[1]) for task in stream]
        self.epochs = [-(-method.epoch(sizes[: t + 1]) // self.batch_size) for t in range(len(sizes))]
        self.spans = [steps or epochs * each for each in self.epochs]
        self.total = sum(self.spans)
        cells = itertools.product(*self.grid.values())
        self.cells = [{**method.hyper, **dict(zip(self.grid, cell, strict=True))} for cell in cells]
        self.seeds = seeds_list(seeds)
        self.which = torch.arange(len(self.seeds)).repeat(len(self.cells))
        self.shuffles = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self.chances = [torch.Generator().manual_seed(seed + SEEDS) for seed in self.seeds]
        own = type(method).__module__.partition(".")[0] == __package__
        self.verbs = method if own else Checked(method, self.lanes)
        self.parts, self.notes = self.some_lanes(), self.told_before()
        if callable(optimizer):
            check_optimizer(optimizer, self.start()[0], self.lr)

    @property
    def lanes(self):
        return len(self.which)

    def start(self):
        """(params, hyper): every lane's start, and its hyper-parameters {name: (lanes,)}."""
        given = self.method._weights
        starts = given or stack([initial(self.method.net, seed) for seed in self.seeds])
        if lanes_of(starts) not in (1, len(self.seeds)):
            want = f"1 lane or one for each of {len(self.seeds)} seeds"
            raise ValueError(f"weights must have {want}, got {lanes_of(starts)}")
        params = lane(starts, self.which % lanes_of(starts))
        hyper = {k: [cell[k] for cell in self.cells for _ in self.seeds] for k in self.method.hyper}
        return self.to(params), {k: torch.tensor(v, device=self.device) for k, v in hyper.items()}

    def some_lanes(self):
        """Slices of lanes that go through a step together: all, unless that takes over `STEP` bytes."""
        if self.lanes * self.batch_size * self.stream.pixels < LITTLE:
            return [slice(None)]
        params = {k: p.detach().cpu()[None] for k, p in self.method.net.named_parameters()}
        with torch.no_grad(), Made() as one:
            apply(self.method.net, params, self.stream.tasks[0].train[0][None, :1])
        each = 3 * self.batch_size * one.total  # of a lane: what is new, what is rehearsed, and gradients
        several = max(1, int(STEP / each))
        return [slice(i, i + several) for i in range(0, self.lanes, several)]

    def to(self, tree):
        """The dict on the device asked for."""
        return {k: v.to(self.device) for k, v in tree.items()}

    def rng(self, n):
        """n uniform numbers in [0, 1) for each lane, equal in lanes of one seed: (lanes, n)."""
        return torch.stack([torch.rand(n, generator=g) for g in self.chances])[self.which].to(self.device)

    def whole_task(self, t):
        """Task t as begin_task and end_task get it: its training set with a lane axis (views, no copies)."""
        x, y = (part.to(self.device) for part in self.stream.tasks[t].train)
        data = {"x": x, "y": y, "active": self.stream.active(t).to(self.device).expand(len(y), -1)}
        return {"number": t, "rng": self.rng, **{k: v.expand(self.lanes, *v.shape) for k, v in data.items()}}

    def batches(self, task):
        """Mini-batches of a task, each epoch shuffled anew by each seed: x, y, active (lanes, n, …).

        epoch: its number; left: the share of the task's steps that come after this one, in [0, 1).
        """
        n, span, epoch, step = task["y"].shape[1], self.spans[task["number"]], 0, 0
        x, y = task["x"][0], task["y"][0]
        while step < span:
            order = torch.stack([torch.randperm(n, generator=g) for g in self.shuffles])  # (seeds, n)
            for pick in order.split(self.batch_size, 1)[: span - step]:
                pick, step = pick[self.which].to(self.device), step + 1  # (lanes, batch_size)
                own = {"x": x[pick], "y": y[pick], "active": task["active"][:, : pick.shape[1]]}
                yield {**own, "epoch": epoch, "left": (span - step) / span}
            epoch += 1

    def pause(self, task):
        """Steps between two points in this task."""
        return self.every or self.epochs[task["number"]]

    def learning(self, params):
        """Copies of the params that an optimiser may move, unless the net says `requires_grad=False`."""
        moving = learns(self.method.net)
        return {k: p.requires_grad_(k in moving) for k, p in copied(params).items()}

    def told_before(self):
        """Sentences that a reader should know of this training; they stand in `Run.notes`."""
        method, notes = self.method, []
        still = [k for k, p in method.net.named_parameters() if not p.requires_grad]
        if method._weights is None and (still or getattr(method, "frozen", False) is True):
            what = f"{still[0]!r} has requires_grad=False" if still else "frozen=True"
            way = "weights=net takes the net's own"
            notes.append(f"{what}, and what stands still was drawn at random: {way}.")
        if method._left:
            what = f"what it kept beside them ({', '.join(method._left)}) was left behind"
            notes.append(f"Only the weights of the Run given as weights= were taken; {what}.")
        if names := self.stream.trivial:
            some = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
            why = "one class, so 100 % says nothing"
            notes.append(f"Whoever is told the task knows the answer in {some}: {why}.")
        return notes

    def optimise(self, params, old):
        """An optimiser of these params; unless `fresh`, it goes on with the moments of the old one."""
        make = OPTIMIZERS.get(self.optimizer) if isinstance(self.optimizer, str) else None
        tensors = list(params.values())
        new = make(tensors, lr=self.lr, fused=True) if make else self.optimizer(tensors, lr=self.lr)
        if old is not None and not self.fresh:
            new.load_state_dict(old.state_dict())
        return new

    def told(self, i, t, step, state):
        """What happened to lane i, and what to do about it."""
        cell = {**self.cells[i // len(self.seeds)], "seed": self.seeds[i % len(self.seeds)]}
        who = f"{type(self.method).__name__} ({', '.join(f'{k}={v:g}' for k, v in cell.items())})"
        optimizer = "sgd" if self.optimizer is torch.optim.SGD else self.optimizer
        advice = self.method.advice(state, i, self.lr, optimizer)
        return f"{who} became non-finite at step {step}, in task {self.stream.names[t]!r}. {advice}"


def axes(method, grid):
    """The grid checked: {hyper-parameter: [plain numbers]}. TypeError where the method has no such name."""
    if not isinstance(method, Finetune):
        raise TypeError(f"method must be a method such as Finetune(net), got {type(method).__name__}")
    kind = type(method).__name__
    for name in grid:
        if name not in method.hyper:
            known = f"{kind} can sweep {', '.join(method.hyper) or 'no hyper-parameter'}"
            first = f"; give it a value first: {kind}(net, {name}=…)" if name in method.ranges else ""
            raise TypeError(f"unknown option {name!r}: {known}{first}")
    return {
        name: [method.ranges[name](f"each of {name}", v) for v in several(name, values)]
        for name, values in grid.items()
    }
