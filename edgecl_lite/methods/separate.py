"""Parameter isolation: a task answers with weights that no later task can move.

    Separate     Wₜ                       a network for every task: bytes grow with T
    Piggyback    W ⊙ 1[sₜ > threshold]    one frozen backbone W, and one bit a weight for every task
    PackNet      W ⊙ 1[0 < owner <= t]    one network: each task prunes its weights for the next

So nothing is forgotten. Here the first, and what the two others (`piggyback.py`, `packnet.py`)
share. Lesson: parameter_isolation.
"""

from dataclasses import dataclass
from functools import cached_property

import torch

from .._refuse.nets import check_head
from ..lanes import lanes_of, named, part, zeros
from ..method import Finetune, masked
from ..models import head_names

# a method's phases: between tasks; learning all weights it may; learning those of a mask
IDLE, DENSE, SPARSE = range(3)


@dataclass(frozen=True, repr=False)
class Isolated(Finetune):
    """`Separate` less its argument: what all methods share that give a task tensors of its own.

    State: tasks (lanes,), how many are finished; phase (lanes,); outputs (lanes, tasks, outputs)
    bool, which belong to which; own.* (lanes, tasks, …), each task's copy of the tensors that are
    its own.
    """

    infer_task = False

    @cached_property
    def _head(self):
        return head_names(name for name, _ in self.net.named_parameters())

    @property
    def _own(self):
        """Names of the tensors of which every task has a copy of its own."""
        return [name for name, _ in self.net.named_parameters()]

    def start(self, params, stream, hyper):
        check_head(self.net, stream.outputs)
        owns = [[c in task.classes for c in range(stream.outputs)] for task in stream]
        outputs = torch.tensor(owns, device=params[self._head[0]].device)
        count = outputs.new_zeros(lanes_of(params), dtype=torch.long)
        tables = {"tasks": count, "phase": count, "outputs": outputs.expand(len(count), -1, -1)}
        copies = {k: torch.stack([params[k]] * len(stream), 1) for k in self._own}
        return {**hyper, **tables, **named("own", copies)}

    def begin_task(self, params, state, task):
        return {**params, **own_of(state, task["number"])}, _enter(DENSE, state)

    def end_task(self, params, state, task):
        t, own = task["number"], part(state, "own")
        own = {k: v.select_scatter(params[k], 1, t) for k, v in own.items()}
        return {**_enter(IDLE, state), **named("own", own), "tasks": state["tasks"] + 1}

    def current(self, params, state):
        """All weights of the network while it learns a task."""
        return params

    def stored(self, state, task):
        """All weights of the network for a finished task."""
        return own_of(state, task)

    def loss(self, params, state, batch):
        return super().loss(self.current(params, state), state, batch)

    def predict(self, params, state, x, task=None):
        """As the network of the task; -inf everywhere for a task that is not begun."""
        (now, phase), outputs = _now(state), state["outputs"]  # (lanes, tasks, outputs)
        begun, logits = range(now + (phase > IDLE)), []
        asked = begun if self.infer_task else [t for t in begun if t == task]
        if not asked:
            nothing = torch.full((len(x), outputs.shape[-1]), -torch.inf, device=outputs.device)
            return nothing.expand(len(outputs), -1, -1)
        for t in asked:
            theta = self.current(params, state) if t == now else self.stored(state, t)
            logits.append(masked(super().predict(theta, state, x), outputs[:, t, None]))
        logits = torch.stack(logits)  # (asked, lanes, n, outputs)
        entropy = torch.special.entr(logits.softmax(-1)).sum(-1, keepdim=True)
        return logits.take_along_dim(entropy.argmin(0, keepdim=True), 0)[0]

    def keeps(self, state, lane=0):
        """What finished tasks own, of the output layer their outputs only: all a device stores."""
        kept, outputs = {}, state["outputs"][lane]
        for t in range(_now(state)[0]):
            own = {k: v[lane] for k, v in own_of(state, t).items()}
            kept |= named(t, {k: v[outputs[t]] if k in self._head else v for k, v in own.items()})
        return kept


@dataclass(frozen=True, repr=False)
class Separate(Isolated):
    """A network of its own for every task.

    infer_task: `predict` answers as that task, of all begun, whose outputs have the lowest entropy,
    whatever task it is told; other tasks' outputs get -inf. Without it the method is told the task,
    which nobody would do on a domain- or class-incremental device. For a task not begun every
    output gets -inf.
    """

    infer_task: bool = False


@dataclass(frozen=True, repr=False)
class Masked(Isolated):
    """What Piggyback and PackNet share: one set of hidden layers, for every task through a mask.

    Every task has its own output layer. A subclass adds `masks(state, task)`, {name: (lanes, …)
    bool}, a task's own part of the P weights of the hidden layers. Their biases are learned with
    the first task and then frozen. State: frozen.*, what can no longer move of the hidden layers.
    """

    def __post_init__(self):
        super().__post_init__()
        hidden, kind = {k: self.net.get_parameter(k) for k in self._hidden}, type(self).__name__
        if not self._shapes:
            raise TypeError(f"{kind} masks hidden layers, got a net without one")
        if still := [k for k, p in hidden.items() if not p.requires_grad]:
            way = "let requires_grad be True (for trained weights: backbone=, weights=)"
            got = f"got {still[0]!r} frozen"
            raise TypeError(f"{kind} freezes the hidden layers itself, {got}: {way}")

    @property
    def _own(self):
        return self._head

    @cached_property
    def _hidden(self):
        return [name for name, _ in self.net.named_parameters() if name not in self._head]

    @cached_property
    def _shapes(self):
        """{name: shape} of the weights under masks."""
        hidden = {k: self.net.get_parameter(k) for k in self._hidden}
        return {k: p.shape for k, p in hidden.items() if p.dim() > 1}

    def start(self, params, stream, hyper):
        frozen = zeros({k: params[k] for k in self._hidden})
        return {**super().start(params, stream, hyper), **named("frozen", frozen)}

    def flat(self, tree):
        """{name: (lanes, …)} of the weights under masks -> (lanes, P)."""
        return torch.cat([tree[k].flatten(1) for k in self._shapes], 1)

    def unflat(self, table):
        """(lanes, P) -> {name: (lanes, …)}."""
        parts = table.split([shape.numel() for shape in self._shapes.values()], 1)
        shapes = self._shapes.items()
        return {k: p.unflatten(1, shape) for (k, shape), p in zip(shapes, parts, strict=True)}

    def frozen(self, state):
        """Weights and biases of the hidden layers that can no longer move."""
        return part(state, "frozen")

    def used(self, state, task):
        """Which frozen weights a finished task answers with, {name: (lanes, …) bool}."""
        return self.masks(state, task)

    def stored(self, state, task):
        frozen = self.frozen(state)
        used = {k: torch.where(use, frozen[k], 0.0) for k, use in self.used(state, task).items()}
        return {**super().stored(state, task), **frozen, **used}

    def notes(self, state):
        """Which layers died: none of their weights is in a task's mask."""
        notes = []
        for t in range(_now(state)[0]):
            for k, mask in self.masks(state, t).items():
                dead = ~mask.flatten(1).any(1)  # (lanes,)
                if dead.any():
                    who = f"{self.who(state, dead)}, in {dead.sum()} of {len(dead)} lanes"
                    rest = f"0 of its {mask[0].numel():,} weights are in the mask"
                    notes.append(f"{who}: layer {_layer(k)!r} died in task {t}, {rest}")
        return notes

    def who(self, state, lanes):
        """The method with its hyper-parameters in these lanes, (lanes,) bool."""
        told = []
        for name in self.hyper:
            values = [f"{value:g}" for value in state[name][lanes].tolist()]
            told.append(f"{name}={'/'.join(dict.fromkeys(values))}")
        return f"{type(self).__name__} ({', '.join(told)})"


def own_of(state, task):
    """A task's copies of the tensors that are its own, {name: (lanes, …)}."""
    return {k: v[:, task] for k, v in part(state, "own").items()}


def _now(state):
    """(number of finished tasks, phase): the same in all lanes."""
    return state["tasks"][0].item(), state["phase"][0].item()


def _enter(phase, state):
    return {**state, "phase": torch.full_like(state["phase"], phase)}


def _layer(name):
    return name.rpartition(".")[0]
