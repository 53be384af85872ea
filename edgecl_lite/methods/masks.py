"""Parameter isolation: a task answers with weights that no later task can move, so nothing is forgotten.

    Separate     Wₜ                            a network for every task: bytes grow with T
    Piggyback    W ⊙ 1[sₜ > threshold]         one frozen backbone W, and one bit a weight for every task
    PackNet      W ⊙ 1[0 < owner <= t]         one network: each task prunes its own weights for the next

Mallya, Davis & Lazebnik 2018 (Piggyback); Mallya & Lazebnik 2018 (PackNet). Lesson: 04_parameter_isolation.
"""

import torch

from .._refuse import check_head
from ..arguments import number
from ..models import head_names
from ..tensors import lanes_of, packed, per_lane, unpacked
from .base import Exhausted, Finetune, NoAnswer, masked

IDLE, DENSE, SPARSE = range(3)  # between tasks; learning all weights it may; learning those of a mask
SCORE = 1e-2  # where Piggyback's scores begin


class Separate(Finetune):
    """A network of its own for every task; and the base of the methods that share most of it.

    infer_task: `predict` answers as that task, of all begun, whose outputs have the lowest entropy, whatever
    task it is told; other tasks' outputs get -inf. Without it the method is told the task, which nobody would
    do on a domain- or class-incremental device. Raises `NoAnswer` for a task not begun.
    State: tasks (lanes,), how many are finished; phase (lanes,); outputs (lanes, tasks, outputs) bool, which
    belong to which; own.* (lanes, tasks, …), each task's copy of the tensors that are its own.
    """

    def __init__(self, net, infer_task=False, weights=None, **hyper):
        super().__init__(net, weights=weights, **hyper)
        self.infer_task, self._own = infer_task, [name for name, _ in net.named_parameters()]
        self._head = head_names(self._own)

    def start(self, params, stream, hyper):
        check_head(self.net, stream.outputs)
        owns = [[c in task.classes for c in range(stream.outputs)] for task in stream]
        outputs = torch.tensor(owns, device=params[self._head[0]].device)
        count = outputs.new_zeros(lanes_of(params), dtype=torch.long)
        tables = {"tasks": count, "phase": count, "outputs": outputs.expand(len(count), -1, -1)}
        copies = {f"own.{k}": torch.stack([params[k]] * len(stream), 1) for k in self._own}
        return {**hyper, **tables, **copies}

    def begin_task(self, params, state, task):
        own = {k: state[f"own.{k}"][:, task["number"]] for k in self._own}
        return {**params, **own}, _enter(DENSE, state)

    def end_task(self, params, state, task):
        own = {f"own.{k}": state[f"own.{k}"].select_scatter(params[k], 1, task["number"]) for k in self._own}
        return {**_enter(IDLE, state), **own, "tasks": state["tasks"] + 1}

    def weights(self, params, state):
        """All weights of the network while it learns a task."""
        return params

    def stored(self, state, task):
        """All weights of the network for a finished task."""
        return {k: state[f"own.{k}"][:, task] for k in self._own}

    def loss(self, params, state, batch):
        return super().loss(self.weights(params, state), state, batch)

    def predict(self, params, state, x, task=None):
        now, phase = _now(state)
        begun, logits = range(now + (phase > IDLE)), []
        asked = begun if self.infer_task else [t for t in begun if t == task]
        if not asked:
            raise NoAnswer(f"{type(self).__name__} has nothing for task {task}, but for {[*begun]}")
        for t in asked:
            theta = self.weights(params, state) if t == now else self.stored(state, t)
            logits.append(masked(super().predict(theta, state, x), state["outputs"][:, t, None]))
        logits = torch.stack(logits)  # (asked, lanes, n, outputs)
        entropy = torch.special.entr(logits.softmax(-1)).sum(-1, keepdim=True)
        return logits.take_along_dim(entropy.argmin(0, keepdim=True), 0)[0]

    def keeps(self, state, lane=0):
        """What finished tasks own, of the output layer only the task's outputs: all a device stores."""
        copies = {(t, k): state[f"own.{k}"][lane, t] for t in range(_now(state)[0]) for k in self._own}
        rows = state["outputs"][lane]
        return {f"{t}.{k}": copy[rows[t]] if k in self._head else copy for (t, k), copy in copies.items()}


class Masked(Separate):
    """What Piggyback and PackNet have in common: tasks share the hidden layers, each through a mask.

    Every task has its own output layer. A subclass adds `masks(state, task)`, {name: (lanes, …) bool}, a
    task's own part of the P weights of the hidden layers. Their biases are learned with the first task and
    then frozen. State: frozen.*, what can no longer move of the hidden layers.
    """

    def __init__(self, net, infer_task=False, weights=None, **hyper):
        super().__init__(net, infer_task, weights, **hyper)
        self._own, hidden = self._head, {k: p for k, p in net.named_parameters() if k not in self._head}
        self._hidden, self._shapes = [*hidden], {k: p.shape for k, p in hidden.items() if p.dim() > 1}
        kind = type(self).__name__
        if not self._shapes:
            raise TypeError(f"{kind} masks hidden layers, got a net without one")
        if still := [k for k, p in hidden.items() if not p.requires_grad]:
            way = "let requires_grad be True (for trained weights: backbone=, weights=)"
            raise TypeError(f"{kind} freezes the hidden layers itself, got {still[0]!r} frozen: {way}")

    def start(self, params, stream, hyper):
        frozen = {f"frozen.{k}": torch.zeros_like(params[k]) for k in self._hidden}
        return {**super().start(params, stream, hyper), **frozen}

    def flat(self, tree):
        """{name: (lanes, …)} of the weights under masks -> (lanes, P)."""
        return torch.cat([tree[k].flatten(1) for k in self._shapes], 1)

    def unflat(self, table):
        """(lanes, P) -> {name: (lanes, …)}."""
        parts = table.split([shape.numel() for shape in self._shapes.values()], 1)
        return {k: part.unflatten(1, self._shapes[k]) for k, part in zip(self._shapes, parts, strict=True)}

    def frozen(self, state):
        """Weights and biases of the hidden layers that can no longer move."""
        return {k: state[f"frozen.{k}"] for k in self._hidden}

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
        values = {k: "/".join(dict.fromkeys(f"{v:g}" for v in state[k][lanes].tolist())) for k in self.hyper}
        return f"{type(self).__name__} ({', '.join(f'{k}={v}' for k, v in values.items())})"


class Piggyback(Masked):
    """Piggyback: a frozen backbone W, and for every task a mask 1[s > threshold] learned through scores s.

    threshold: scores begin at 0.01; above that, all weights are masked at first. backbone: trained weights of
    the hidden layers, {name: tensor} without lanes, a net, or a `Run` (its lane 0); without one, the first
    task trains the backbone and uses all of it. While a mask is learned, `params` holds scores. Deviation:
    the paper masks a large net trained on ImageNet. State: masks (lanes, tasks, ceil(P / 8)) uint8, packed.
    Raises ValueError where the backbone does not fit, or no lane's threshold is below the scores' start.
    """

    ranges = {"threshold": number}

    def __init__(self, net, threshold=5e-3, backbone=None, infer_task=False, weights=None, **hyper):
        super().__init__(net, infer_task, weights, threshold=threshold, **hyper)
        self._backbone = {} if backbone is None else self.fitting(backbone)

    def fitting(self, backbone):
        """The hidden layers of a backbone; of a run with frozen weights, those."""
        if isinstance(backbone, torch.nn.Module):
            backbone = dict(backbone.named_parameters())
        elif hasattr(backbone, "params"):
            backbone = {k: backbone.state.get(f"frozen.{k}", p)[0] for k, p in backbone.params.items()}
        if not isinstance(backbone, dict):
            raise TypeError(
                f"backbone must be a Run, a net or {{name: tensor}}, got {type(backbone).__name__}"
            )
        for k in self._hidden:
            want, got = tuple(self.net.get_parameter(k).shape), k in backbone and tuple(backbone[k].shape)
            if got != want:
                raise ValueError(f"backbone must have {k!r} of shape {want}, got {got or 'none'}")
        return {k: backbone[k].detach().clone() for k in self._hidden}

    def start(self, params, stream, hyper):
        if (hyper["threshold"] >= SCORE).all():
            (k, shape), *_ = self._shapes.items()
            dead = f"layer {_layer(k)!r}: 0 of {shape.numel():,} weights pass {hyper['threshold'].min():g}"
            raise ValueError(f"threshold must be below {SCORE:g}, where scores begin. {dead}")
        given = {f"frozen.{k}": w.to(params[k]).expand_as(params[k]) for k, w in self._backbone.items()}
        none = packed(torch.zeros_like(self.flat(params)).byte(), 1)  # (lanes, ceil(P / 8))
        masks = none.unsqueeze(1).expand(-1, len(stream), -1)
        return {**super().start(params, stream, hyper), **given, "masks": masks}

    def begin_task(self, params, state, task):
        params, state = super().begin_task(params, state, task)
        blank = {k: torch.full_like(params[k], SCORE) for k in self._shapes}
        scores = blank if self._backbone or task["number"] else {}
        return {**params, **scores}, _enter(SPARSE if scores else DENSE, state)

    def weights(self, params, state):
        if _now(state)[1] < SPARSE:
            return params
        frozen = self.frozen(state)
        used = {k: frozen[k] * straight_through(params[k], state["threshold"]) for k in self._shapes}
        return {**params, **frozen, **used}

    def end_task(self, params, state, task):
        learned = _now(state)[1] == SPARSE  # a mask; else the backbone, of which the first task uses all
        frozen = {} if learned else {f"frozen.{k}": params[k] for k in self._hidden}
        threshold = state["threshold"] if learned else torch.full_like(state["threshold"], -torch.inf)
        mask = packed(straight_through(self.flat(params), threshold).byte(), 1)
        masks = state["masks"].select_scatter(mask, 1, task["number"])
        return {**super().end_task(params, state, task), **frozen, "masks": masks}

    def masks(self, state, task):
        bits = unpacked(state["masks"][:, task], 1, sum(shape.numel() for shape in self._shapes.values()))
        return self.unflat(bits.bool())

    def keeps(self, state, lane=0):
        """Beside the hidden layers, which are the backbone: ceil(P / 8) bytes and an output layer a task."""
        return {"masks": state["masks"][lane, : _now(state)[0]], **super().keeps(state, lane)}


class PackNet(Masked):
    """PackNet: learn with the free weights, prune the smallest, retrain the others, freeze; the next task.

    prune: the share of its weights that a task gives back, in (0, 1): in every layer it keeps exactly
    round((1 − prune) · those it had). retrain: share of a task's steps that come after pruning. Weights that
    are given back begin at 0, as in the paper. What is frozen enters the network from the state: no optimiser
    can move it. State: owner (lanes, P) uint8, 1 + the number of the task that keeps a weight; 0: free.
    Raises `Exhausted` where a layer has no weight left to keep, in all lanes; in a few lanes it is a note.
    """

    ranges = {"prune": lambda name, value: number(name, value, most=0.999999, strictly=True)}

    def __init__(self, net, prune=0.75, retrain=1 / 3, infer_task=False, weights=None, **hyper):
        super().__init__(net, infer_task, weights, prune=prune, **hyper)
        self.retrain = number("retrain", retrain, most=1)

    def start(self, params, stream, hyper):
        if len(stream) > 255:
            raise ValueError(f"PackNet counts to 255 tasks, got {len(stream)}")
        return {**super().start(params, stream, hyper), "owner": torch.zeros_like(self.flat(params)).byte()}

    def begin_task(self, params, state, task):
        params, state = super().begin_task(params, state, task)
        t, owner = task["number"], state["owner"]
        state = {**state, "owner": owner.masked_fill(owner == 0, t + 1)}
        for k, mine in self.masks(state, t).items():
            if (self.quota(state, mine) < 1).all():
                left = f"needs 1 weight, and would keep 0 of the {mine[0].sum()} left of {mine[0].numel():,}"
                room = f"{self.who(state, slice(1))} has no room for task {t}: layer {_layer(k)!r} {left}"
                raise Exhausted(f"{room}. Take a wider net or another prune; finished tasks still answer")
        return {**params, **{k: torch.zeros_like(params[k]) for k in self._shapes if t}}, state

    def quota(self, state, mine):
        """How many of its weights a task keeps in a layer: mine (lanes, …) bool -> (lanes,)."""
        prune = state["prune"].cpu().double().round(decimals=6)  # 0.4, not single precision's 0.4000000059
        quota = ((1 - prune) * mine.flatten(1).sum(1).cpu()).round()  # on the CPU: MPS has no float64
        return quota.long().to(mine.device)

    def weights(self, params, state):
        t, frozen = _now(state)[0], self.frozen(state)
        used = {k: torch.where(mine, params[k], frozen[k]) for k, mine in self.masks(state, t).items()}
        return {**params, **(frozen if t else {}), **used}

    def after_step(self, params, state, batch):
        due = batch["left"] <= self.retrain and _now(state)[1] == DENSE
        return self.pruned(params, state) if due else state

    def pruned(self, params, state):
        """The smallest of the task's own weights are free again."""
        t, free = _now(state)[0], {}
        for k, mine in self.masks(state, t).items():
            size = params[k].abs().masked_fill(~mine, -1).flatten(1)  # (lanes, weights of the layer)
            rank = size.argsort(dim=1, descending=True, stable=True).argsort(1)
            free[k] = mine & (rank >= self.quota(state, mine).unsqueeze(1)).view_as(mine)
        return {**_enter(SPARSE, state), "owner": state["owner"].masked_fill(self.flat(free), 0)}

    def end_task(self, params, state, task):
        theta = self.weights(params, state)
        frozen = {f"frozen.{k}": theta[k] for k in self._hidden}
        return {**super().end_task(params, state, task), **frozen}

    def masks(self, state, task):
        return self.unflat(state["owner"] == task + 1)

    def used(self, state, task):
        return self.unflat(state["owner"] <= task + 1)  # free ones are 0

    def keeps(self, state, lane=0):
        """Beside the hidden layers: ceil(log2(T + 1)) bits a weight, an output layer for each of T tasks."""
        tasks, owner = _now(state)[0], state["owner"][lane]
        bits = packed(owner.masked_fill(owner > tasks, 0), tasks.bit_length() or 1)
        return {"owner": bits, **super().keeps(state, lane)}


def straight_through(scores, threshold):
    """1[s > threshold] of scores (lanes, …), as 0.0 or 1.0; its gradient goes to s as if it were s."""
    hard = (scores > per_lane(threshold, scores)).to(scores.dtype)
    return hard + (scores - scores.detach())  # the bracket is exactly 0


def _now(state):
    """(number of finished tasks, phase): the same in all lanes."""
    return state["tasks"][0].item(), state["phase"][0].item()


def _enter(phase, state):
    return {**state, "phase": torch.full_like(state["phase"], phase)}


def _layer(name):
    return name.rpartition(".")[0]
