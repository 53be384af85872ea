"""Elastic weight consolidation: a spring on every weight, as stiff as the weight is important.

    loss = L(θ) + λ/2 Σᵢ Fᵢ (θᵢ − θ*ᵢ)²        F: diagonal Fisher information, θ*: the weights after a task

Kirkpatrick et al. 2017, eq. 3; one penalty per task (Huszár 2018 discusses why), or online (Schwarz et al.
2018). Lesson: 02_ewc derives every line.
"""

import torch
from torch import nn
from torch.func import functional_call, vjp, vmap

from ..arguments import choice, number, whole
from ..models import layers
from ..tensors import zeros
from .base import Finetune, cross_entropy, masked

LABELS = ("exact", "sample", "empirical", "batched")
TEMPORARY = 50e6  # bytes that the tables of a Fisher may take at a time


class Quadratic(torch.autograd.Function):
    """Σᵢ Fᵢ (θᵢ − θ*ᵢ)² per lane, (lanes,), with its gradient 2 F (θ − θ*) written down: 3 passes, not 10."""

    @staticmethod
    def forward(ctx, fisher, theta, anchor):
        distance = theta - anchor
        force = fisher * distance
        ctx.save_for_backward(force)
        return torch.linalg.vecdot(force.flatten(1), distance.flatten(1))

    @staticmethod
    def backward(ctx, grad):
        (force,) = ctx.saved_tensors
        return None, force * (2 * grad).view(-1, *[1] * (force.dim() - 1)), None


class EWC(Finetune):
    """Elastic weight consolidation.

    lam: strength λ >= 0. samples: how many of a task's samples, drawn at random, estimate F (None: all).
    labels: see `fisher`. gamma: None keeps a penalty for every task, Σₖ Fₖ (θ − θ*ₖ)², which is one quadratic
    around the F-weighted mean of the θ*ₖ; a number in 0..1 is online EWC: F ← γ F + Fₖ around the last θ*.
    Deviation from the paper: F is the mean over samples, so λ counts in units of one sample's log-likelihood.
    """

    ranges = {"lam": number, "gamma": lambda name, value: number(name, value, most=1)}

    def __init__(self, net, lam=10.0, samples=300, labels="exact", gamma=None):
        super().__init__(net, lam=lam, **({} if gamma is None else {"gamma": gamma}))
        self.samples = samples if samples is None else whole("samples", samples)
        self.labels = choice("labels", labels, LABELS)

    def start(self, params, stream, hyper):
        return {**hyper, **_named("fisher", zeros(params)), **_named("anchor", zeros(params))}

    def loss(self, params, state, batch):
        springs = [Quadratic.apply(state[f"fisher.{k}"], p, state[f"anchor.{k}"]) for k, p in params.items()]
        return super().loss(params, state, batch) + state["lam"] / 2 * sum(springs)

    def end_task(self, params, state, task):
        order = task["rng"](task["y"].shape[1]).argsort(1)[:, : self.samples]  # (lanes, samples)
        row = torch.arange(len(order), device=order.device)[:, None]
        x, y, active = task["x"][row, order], task["y"][row, order], task["active"][row, order]
        new = fisher(self.net, params, x, y, labels=self.labels, active=active, rng=task["rng"])
        total, anchor = {}, {}
        for k, theta in params.items():
            old = state[f"fisher.{k}"]
            if "gamma" in state:
                total[k] = state["gamma"].view(-1, *[1] * (old.dim() - 1)) * old + new[k]
                anchor[k] = theta
            else:
                total[k] = old + new[k]
                mean = (old * state[f"anchor.{k}"] + new[k] * theta) / total[k]
                anchor[k] = torch.where(total[k] > 0, mean, theta)
        return {**state, **_named("fisher", total), **_named("anchor", anchor)}

    def keeps(self, state, lane=0):
        """F and θ*, one float each per weight, however many tasks there were."""
        return {k: v[lane] for k, v in state.items() if k.startswith(("fisher.", "anchor."))}

    def advice(self, state, lane, lr, optimizer):
        stiffest = max(v[lane].max().item() for k, v in state.items() if k.startswith("fisher."))
        bound, lam = lr * state["lam"][lane].item() * stiffest, state["lam"][lane].item()
        if optimizer != "sgd" or not bound >= 2:
            return super().advice(state, lane, lr, optimizer)
        return (
            f"Plain SGD holds a spring only while lr·λ·max F < 2; here {lr:g} · {lam:g} · {stiffest:.3g} = "
            f"{bound:.3g}. Lower lam or lr, or use optimizer='adam'."
        )


def fisher(net, params, x, y=None, *, labels="exact", active=None, rng=None, batch=32):
    """Diagonal Fisher information of each lane, a dict shaped like params: mean over x of (∂ log p(y|x) /
    ∂θ)².

    params, x (lanes, n, …), y (lanes, n), active (lanes, n, outputs) bool or None (all outputs): with lane
    axis. labels says which y: "exact" takes the expectation over the model's own answer, Σ_c p_c (∂ log
    p_c)²; "sample" draws one answer per sample, from `rng(n)` -> (lanes, n); "empirical" takes the true
    label; "batched" squares the gradient of the mean loss of `batch` samples, which is no Fisher but is
    widely used. Martens 2020, sec. 5 and 11; van de Ven 2025 compares all four. Works through lanes and
    samples in chunks of at most 50 MB. Raises ValueError where labels, y or rng are missing or unknown, or x
    is empty.
    """
    choice("labels", labels, LABELS)
    lanes, n = x.shape[:2]
    if not n:
        raise ValueError(f"fisher needs at least one sample, got x of shape {tuple(x.shape)}")
    if (labels in ("empirical", "batched") and y is None) or (labels == "sample" and rng is None):
        raise ValueError(f"labels={labels!r} needs {'rng' if labels == 'sample' else 'y'}, got None")
    params = {k: p.detach() for k, p in params.items()}
    if labels == "batched":
        return _batched(net, params, x, y, active, whole("batch", batch))

    with torch.no_grad():
        one = {k: p[:1] for k, p in params.items()}
        walk = [(own, out[0, 0].numel()) for *_, own, _, out in layers(net, one, x[:1, :1])]
        outputs = walk[-1][1]
        active = torch.ones(outputs, dtype=torch.bool, device=x.device) if active is None else active
        active = active.expand(lanes, n, outputs)
        u = rng(n) if labels == "sample" else x.new_zeros(lanes, n)
        y = torch.zeros(lanes, n, dtype=torch.long, device=x.device) if y is None else y
        answers = outputs if labels == "exact" else 1
        widest = max(size + sum(p[0].numel() for p in own.values() if p.dim() != 3) for own, size in walk)
        room = max(
            1, int(TEMPORARY / (4 * 4 * answers * widest))
        )  # samples at a time: 4 tables of 4-byte floats
        total = zeros(params)
        for i in range(0, lanes, max(1, room // n)):
            some = slice(i, i + max(1, room // n))
            for j in range(0, n, room):
                part = (some, slice(j, j + room))
                own = {k: p[some] for k, p in params.items()}
                squares = _squares(net, own, x[part], y[part], u[part], active[part], labels)
                for k, square in squares.items():
                    total[k][some] += square / n
    return total


def _squares(net, params, x, y, u, active, labels):
    """Σ over samples and answers c of weight_c (∂ log p_c / ∂θ)², backwards through the layers.

    For a linear layer y = W h + b and δ_c = ∂(−log p_c)/∂y the sum has a closed form, Σ_c w_c (δ_c²)ᵀ h².
    """
    walk = list(layers(net, params, x))
    p = masked(walk[-1][-1], active).softmax(-1)  # (lanes, n, outputs)
    eye = torch.eye(p.shape[-1], device=x.device)
    if labels == "exact":
        delta, weight = (
            p.unsqueeze(2) - eye,
            p.unsqueeze(-1),
        )  # (lanes, n, answers, outputs), (lanes, n, answers, 1)
    else:
        if labels == "sample":
            y = (u.unsqueeze(-1) * p.sum(-1, keepdim=True) >= p.cumsum(-1)).sum(-1).clamp_max(p.shape[-1] - 1)
        delta, weight = (p - eye[y]).unsqueeze(2), torch.ones_like(p[..., :1, None])
    squares, left = {}, sum(bool(own) for _, _, own, *_ in walk)
    for prefix, layer, own, h, _ in reversed(walk):
        left -= bool(own)
        if isinstance(layer, nn.Linear) and "bias" in own:
            delta2 = (weight * delta**2).sum(2)  # (lanes, n, out)
            squares[prefix + "weight"], squares[prefix + "bias"] = delta2.mT @ h**2, delta2.sum(1)
            delta = (delta.flatten(1, 2) @ own["weight"]).unflatten(1, delta.shape[1:3]) if left else None
        elif isinstance(layer, nn.ReLU):
            delta = delta * (h > 0).unsqueeze(2)
        elif left or own:
            each = vmap(vmap(_pull_back(layer), in_dims=(None, 0, 0)))
            grads, delta = each(own, h, delta)
            for k, g in grads.items():
                w = weight.view(*weight.shape[:3], *[1] * (g.dim() - 3))
                squares[prefix + k] = (w * g**2).sum((1, 2))
        if not left:
            return squares


def _pull_back(layer):
    """Function of one sample: own, h (…), delta (answers, …) -> gradients of own and of h, each with
    answers.
    """

    def pull(own, h, delta):
        _, back = vjp(lambda p, z: functional_call(layer, p, (z[None],))[0], own, h)
        return vmap(back)(delta)

    return pull


def _batched(net, params, x, y, active, batch):
    """Mean over batches of (∂ mean loss / ∂θ)²."""
    total, starts = zeros(params), range(0, x.shape[1], batch)
    for i in starts:
        theta = {k: p.clone().requires_grad_() for k, p in params.items()}
        *_, (*_, logits) = layers(net, theta, x[:, i : i + batch])
        if active is not None:
            logits = masked(logits, active.expand(*x.shape[:2], -1)[:, i : i + batch])
        loss = cross_entropy(logits, y[:, i : i + batch]).sum()
        for k, g in zip(theta, torch.autograd.grad(loss, list(theta.values())), strict=True):
            total[k] += g**2 / len(starts)
    return total


def _named(prefix, tree):
    return {f"{prefix}.{name}": value for name, value in tree.items()}
