"""What a training is going to do, checked before it begins: lanes, batches, the optimiser.

Lanes are the cells of the grid × the seeds, seeds innermost. All that is random is drawn per seed,
never per lane: a lane of a sweep sees just what the same training alone would see. Plumbing; no
lesson derives it.
"""

import functools
from dataclasses import dataclass, fields

import torch

from ._refuse.arguments import number, seeds_list, several, whole
from ._refuse.nets import check_fit
from ._refuse.optimizers import check_device, check_kind, check_optimizer
from ._refuse.verbs import Checked, check_pieces, moved
from .lanes import Lanes, copied, lane, lanes_of, stack
from .machine.records import digest, plain
from .machine.step import lanes_at_once
from .method import Finetune, checks
from .models import initial, learns
from .streams import Stream

VERSION = "edgecl 1"
OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


@dataclass(frozen=True)
class Options:
    """How `learn`, `train`, `sweep` and `live` train.

    TypeError or ValueError where one is out of range.     epochs, or steps per task instead. lr.
    optimizer: "adam", "sgd" or a callable taking (tensors, lr=…), which moves each lane by itself.
    fresh: a new optimiser for every task. every: steps between two points, once an epoch by
    default. device: default the CPU. room: bytes that the training may add to the process.
    micro_batch: a batch goes forward and backward in pieces of at most so many new samples, whose
    gradients add up: the same step (to rounding) with fewer activations at a time.
    """

    epochs: int = 10
    batch_size: int = 32
    lr: float = 1e-3
    optimizer: object = "adam"
    fresh: bool = True
    steps: int | None = None
    every: int | None = None
    device: object = None
    room: float | None = None
    micro_batch: int | None = None

    def __post_init__(self):
        check_kind(self.optimizer, tuple(OPTIMIZERS))
        check_device(self.device)
        own = {"epochs": whole("epochs", self.epochs), "lr": number("lr", self.lr, strictly=True)}
        own["batch_size"] = whole("batch_size", self.batch_size)
        given = {k: getattr(self, k) for k in ("steps", "every", "micro_batch")}
        own |= {k: whole(k, v) for k, v in given.items() if v is not None}
        if self.room is not None:
            own["room"] = number("room, in bytes,", self.room, strictly=True)
        vars(self).update(own)

    @classmethod
    def named(cls, options):
        """Those of a dict. TypeError names one that is none."""
        for name in options.keys() - {field.name for field in fields(cls)}:
            hint = f"to try values of a hyper-parameter: sweep(…, {name}=[…])"
            if name == "board":
                hint = "ask before: fits(budget(method, stream), board).or_refuse()"
            raise TypeError(f"unknown option {name!r}; {hint}")
        return cls(**options)


class Plan:
    """Arguments of `learn`, checked. TypeError or ValueError says what was expected and what came.

    options: an `Options`; axes: the `Lanes`; spans: steps of each task, total: of all; each_epoch:
    steps of an epoch of each task.
    """

    def __init__(self, method, stream, seeds=1, grid=None, **options):
        self.grid, self.options = axes(method, grid or {}), Options.named(options)
        if not isinstance(stream, Stream):
            kind = type(stream).__name__
            raise TypeError(f"stream must be a Stream such as rotated(digits()), got {kind}")
        if stream.outputs > 255:
            raise ValueError(f"a stream may have at most 255 outputs, got {stream.outputs}")
        check_fit(method.net, stream)
        self.method, self.stream, self.seeds = method, stream, seeds_list(seeds)
        self.device = self.options.device or "cpu"
        sizes = [len(task.train[1]) for task in stream]
        batch = self.options.batch_size
        self.each_epoch = [-(-method.epoch(sizes[: t + 1]) // batch) for t in range(len(sizes))]
        self.spans = [self.options.steps or self.options.epochs * each for each in self.each_epoch]
        self.axes = Lanes(self.grid, self.seeds)
        own = type(method).__module__.partition(".")[0] == __package__
        self.verbs = method if own else Checked(method, self.lanes)
        check_pieces(method, self.micro_batch)
        self.parts, self.notes = lanes_at_once(self), self.told_before()
        if callable(self.options.optimizer):
            check_optimizer(self.options.optimizer, self.start()[0], self.options.lr)

    @property
    def lanes(self):
        return len(self.axes)

    @property
    def micro_batch(self):
        """The most new samples that go forward and backward at a time; None: the whole batch."""
        return self.options.micro_batch

    @property
    def which(self):
        """For each lane the number of its seed, (lanes,)."""
        return self.axes.of(self.axes.seed)

    @property
    def total(self):
        """Steps of the whole stream."""
        return sum(self.spans)

    @functools.cached_property
    def settings(self):
        """What the training hangs on beside the data, {name: plain value}: alike, it ends alike."""
        method, stream, given = self.method, self.stream, self.method.weights
        names = [f.name for f in fields(method)[1:] if f.name not in self.grid]
        own = {name: getattr(method, name) for name in names}
        told = {"version": VERSION, "method": type(method).__qualname__, **own}
        told |= {"weights": "drawn" if given is None else "given", "net": str(method.net)}
        told |= {"scenario": stream.scenario, "outputs": stream.outputs, "active": stream.rule}
        told |= {"seeds": self.seeds, "grid": self.grid, **vars(self.options)}
        told |= {} if given is None else {"digest of the weights": digest(given.values())}
        return {k: plain(v) for k, v in told.items()}

    def start(self):
        """(params, hyper): every lane's start, and its hyper-parameters {name: (lanes,)}."""
        drawn = (initial(self.method.net, seed) for seed in self.seeds)
        starts = self.method.weights or stack([*drawn])
        if lanes_of(starts) not in (1, len(self.seeds)):
            want = f"1 lane or one for each of {len(self.seeds)} seeds"
            raise ValueError(f"weights must have {want}, got {lanes_of(starts)}")
        params = lane(starts, self.which % lanes_of(starts))
        cells = [{**self.method.hyper, **cell} for cell in self.axes.cells]
        hyper = {k: [cell[k] for cell in cells] for k in self.method.hyper}
        return self.to(params), {k: torch.tensor(v, device=self.device) for k, v in hyper.items()}

    def to(self, tree):
        """The dict on the device asked for."""
        return {k: v.to(self.device) for k, v in tree.items()}

    def place(self, step):
        """(number of the task, steps of it that are done) after so many steps of the stream."""
        for t, span in enumerate(self.spans):
            if step < span:
                return t, step
            step -= span
        return len(self.spans), 0

    def due(self, step):
        """Whether a point is taken after so many steps: at times within a task, and at its end."""
        t, done = self.place(step)
        return not done or done % (self.options.every or self.each_epoch[t]) == 0

    def task(self, step, dice):
        """The task of the next step, as begin_task and end_task get it.

        x, y, active (lanes, n, …): its training set; begins: the number of steps before it; answers
        (lanes, tasks, outputs): which outputs may answer for samples of each task, while at this
        one. No copies: lanes are views.
        """
        t, done = self.place(step)
        x, y = (part.to(self.device) for part in self.stream.tasks[t].train)
        answers = torch.stack([self.stream.active(t, on) for on in range(len(self.stream))])
        answers = answers.to(self.device)
        data = {"x": x, "y": y, "active": answers[t].expand(len(y), -1), "answers": answers}
        data = {k: v.expand(self.lanes, *v.shape) for k, v in data.items()}
        return {"number": t, "begins": step - done, "rng": dice, **data}

    def batches(self, task, step, dice):
        """Mini-batches of a task from step on, each epoch shuffled by each seed.

        x, y, active (lanes, n, …); task: its number; answers: see `task`; epoch: its number; step:
        how many came before; left: the share of the task's steps that come after this one, in [0,
        1).
        """
        x, y, n, span = task["x"][0], task["y"][0], task["y"].shape[1], self.spans[task["number"]]
        told = {"task": task["number"], "answers": task["answers"]}
        size = self.options.batch_size
        each = -(-n // size)  # steps of an epoch
        for done in range(step - task["begins"], span):
            epoch, nth = divmod(done, each)
            # None after `set`, which went back to where the epoch began
            if not nth or dice.order is None:
                dice.shuffle(n)
            pick = dice.order[:, nth * size : (nth + 1) * size]  # (seeds, batch_size)
            pick = pick[dice.which].to(self.device)  # (lanes, batch_size)
            own = {"x": x[pick], "y": y[pick], "active": task["active"][:, : pick.shape[1]], **told}
            # before the yield, for a `Moment` is taken after this batch
            if nth == each - 1 or done == span - 1:
                dice.close()
            left = (span - 1 - done) / span
            yield {**own, "epoch": epoch, "step": task["begins"] + done, "left": left}

    def learning(self, params):
        """Copies of the params, which an optimiser may move unless they have `requires_grad=False`.

        Copies, so that what a method kept of them at the end of a task stays where it is.
        """
        moving = learns(self.method.net)
        return {k: p.requires_grad_(k in moving) for k, p in copied(params).items()}

    def told_before(self):
        """Sentences that a reader should know of this training; they stand in `Run.notes`."""
        method, notes = self.method, []
        still = [k for k, p in method.net.named_parameters() if not p.requires_grad]
        if method.weights is None and (still or getattr(method, "frozen", False) is True):
            what = f"{still[0]!r} has requires_grad=False" if still else "frozen=True"
            way = "weights=net takes the net's own"
            notes.append(f"{what}, and what stands still was drawn at random: {way}.")
        if method.weights is not None and method.weights.left:
            what = f"what it kept beside them ({', '.join(method.weights.left)}) was left behind"
            notes.append(f"Only the weights of the Run given as weights= were taken; {what}.")
        if names := self.stream.trivial:
            some = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
            why = "one class, so 100 % says nothing"
            notes.append(f"Whoever is told the task knows the answer in {some}: {why}.")
        return notes

    def told_after(self, state):
        """Sentences on how the training went, of its last state; they stand there, too."""
        return self.method.notes(state)

    def optimise(self, params, old):
        """An optimiser of these params; unless `fresh`, it has the moments of the old one."""
        kind, tensors, lr = self.options.optimizer, list(params.values()), self.options.lr
        make = OPTIMIZERS.get(kind) if isinstance(kind, str) else None
        new = make(tensors, lr=lr, fused=True) if make else kind(tensors, lr=lr)
        if old is not None and not self.options.fresh:
            new.load_state_dict(old.state_dict())
        return new

    def told(self, i, step, state):
        """What happened to lane i, and what to do about it."""
        cell = {**self.method.hyper, **self.axes.cells[i]}
        who = f"{type(self.method).__name__} ({', '.join(f'{k}={v:g}' for k, v in cell.items())})"
        advice = self.method.advice(state, i, self.options.lr, self.options.optimizer)
        name = self.stream.names[self.place(max(0, step - 1))[0]]
        return f"{who} became non-finite at step {step}, in task {name!r}. {advice}"


def axes(method, grid):
    """The grid, checked: {hyper-parameter: [numbers]}. TypeError where the method has no such."""
    kind = type(method).__name__
    if not isinstance(method, Finetune):
        raise TypeError(f"method must be a method such as Finetune(net), got {kind}")
    for name in grid:
        if name not in method.hyper:
            known = f"{kind} can sweep {', '.join(method.hyper) or 'no hyper-parameter'}"
            raise TypeError(f"unknown option {name!r}: {known}{moved(type(method), name)}")
    return {
        name: [checks(method)[name](f"each of {name}", v) for v in several(name, values)]
        for name, values in grid.items()
    }
