"""The diagonal Fisher information: how much the answers of a network hang on each of its weights.

    Fᵢ = mean over x of Σ_y p(y|x) (∂ log p(y|x) / ∂θᵢ)²

Martens 2020, sec. 5 and 11; van de Ven 2025 compares the four ways that are in use. Lesson: 02_ewc.
"""

import functools

import torch
from torch.func import functional_call, vjp, vmap

from .._refuse.arguments import choice, whole
from .._refuse.nets import check_params
from ..lanes import lanes_of, stack, zeros
from ..machine.pieces import pieces
from ..machine.settled import settled
from ..method import cross_entropy, masked
from ..models import apply, is_linear, layers, learns

LABELS = ("exact", "sample", "empirical", "batched")


@settled
def fisher(net, params, x, y=None, *, labels="exact", active=None, rng=None, batch=32):
    """Diagonal Fisher information of each lane, shaped like params: mean over x of (∂ log p(y|x) / ∂θ)².

    params, x (lanes, n, …), y (lanes, n), active (lanes, n, outputs) bool or None for all: with lane axis.
    labels says which y.  "exact": the expectation over the model's own answer, Σ_c p_c (∂ log p_c)².
    "sample": one answer per sample, drawn from p with `rng(n)` -> (lanes, n) in 0..1.  "empirical": the true
    label.  "batched": squares the gradient of the mean loss of `batch` samples: no Fisher, but widely used.
    A parameter with `requires_grad=False` has 0.
    Martens 2020, sec. 5 and 11; van de Ven 2025 compares them. Tables stay under 50 MB: it goes through lanes
    and samples in chunks. Raises ValueError where labels is unknown, y or rng is missing, or x is empty.
    """
    _refuse(net, params, labels, x, y, rng)
    lanes, n = x.shape[:2]
    active = torch.ones(1, dtype=torch.bool, device=x.device) if active is None else active
    active = active.expand(lanes, n, -1)
    if labels == "batched":
        return _batched(net, params, x, y, active, whole("batch", batch))
    total, u = zeros(params), rng(n) if labels == "sample" else None
    moving = learns(net)
    for part in _chunks(net, params, x):
        theta = {k: p[part[0]].detach().requires_grad_(k in moving) for k, p in params.items()}
        answers = functools.partial(_answers, labels, y=y, u=u, part=part)
        for k, square in _of_part(net, theta, x[part], active[part], answers):
            total[k][part[0]] += square / n
    return total


def _refuse(net, params, labels, x, y, rng):
    """ValueError where a Fisher of these arguments makes no sense."""
    choice("labels", labels, LABELS)
    check_params(net, params)
    if len(x) != lanes_of(params):
        got = f"{tuple(x.shape)} for {lanes_of(params)} lanes"
        raise ValueError(f"x must be (lanes, n, channels, height, width), got {got}: x[None] for one lane")
    if not learns(net):
        raise ValueError("fisher needs a parameter that may move, all have requires_grad=False")
    if not x.shape[1]:
        raise ValueError(f"fisher needs at least one sample, got x of shape {tuple(x.shape)}")
    if labels == "sample" and rng is None:
        raise ValueError("labels='sample' needs rng, got None")
    if labels in ("empirical", "batched") and (y is None or y.shape != x.shape[:2]):
        got = None if y is None else f"shape {tuple(y.shape)}"
        raise ValueError(f"labels={labels!r} needs y of shape {tuple(x.shape[:2])}, got {got}")


def _of_part(net, theta, x, active, answers):
    """Pairs (name, sum over x of its squared scores); what it made is gone when the next part comes."""
    walk = list(layers(net, theta, x))
    logp = masked(walk[-1][-1], active).log_softmax(-1)  # (lanes, n, outputs)
    learned = [step for step in walk if any(p.requires_grad for p in step[2].values())]
    for answer, weight in answers(logp.detach().exp()):
        score = logp.gather(-1, answer.unsqueeze(-1)).sum()  # of all samples: each δ is its own
        deltas = torch.autograd.grad(score, [out for *_, out in learned], retain_graph=True)
        for (prefix, layer, own, h, _), delta in zip(learned, deltas, strict=True):
            for k, square in _squares(layer, own, h.detach(), delta, weight).items():
                if own[k].requires_grad:
                    yield prefix + k, square


def _answers(labels, p, y, u, part):
    """Pairs (answer, weight), (lanes, n) each, over which the squared scores are summed."""
    if labels == "exact":
        seen = (
            p.flatten(0, -2).any(0).nonzero().flatten().tolist()
        )  # outputs that may not answer weigh nothing
        return [(torch.full_like(p[..., c], c).long(), p[..., c]) for c in seen]
    drawn = y[part] if labels == "empirical" else (u[part].unsqueeze(-1) >= p.cumsum(-1)[..., :-1]).sum(-1)
    return [(drawn, torch.ones_like(p[..., 0]))]


def _squares(layer, own, h, delta, weight):
    """Σ over samples of weight (∂ score / ∂ own)², given the layer's input h and δ = ∂ score / ∂ output.

    A linear layer y = W h + b has ∂/∂W = δ hᵀ, so that the sum of squares is (weight δ²)ᵀ h², in closed form.
    """
    if is_linear(layer, own, h):
        delta2 = weight.unsqueeze(-1) * delta**2  # (lanes, n, out)
        return {"weight": delta2.mT @ h**2, "bias": delta2.sum(1)}

    held = {name: b.to(h.device) for name, b in layer.named_buffers()}

    def of_one_sample(own, h, delta):
        return vjp(lambda p: functional_call(layer, held | p, (h[None].clone(),))[0], own)[1](delta)[0]

    own = {k: p.detach() for k, p in own.items()}
    of_samples = vmap(of_one_sample, in_dims=(None, 0, 0))
    try:
        grads = vmap(of_samples)(own, h, delta)  # {name: (lanes, n, …)}
    except RuntimeError:  # torch has no rule for lanes and samples at once, as of nn.PReLU
        each = range(len(h))
        grads = stack([of_samples({k: p[i] for k, p in own.items()}, h[i], delta[i]) for i in each])
    return {k: torch.einsum("ln,ln...->l...", weight, g**2) for k, g in grads.items()}


def _batched(net, params, x, y, active, batch):
    """Mean over batches of (∂ mean loss / ∂θ)²."""
    total, starts, moving = zeros(params), range(0, x.shape[1], batch), learns(net)
    for j in starts:
        part = slice(None), slice(j, j + batch)
        theta = {k: p.detach().requires_grad_(k in moving) for k, p in params.items()}
        loss = cross_entropy(masked(apply(net, theta, x[part]), active[part]), y[part])  # (lanes,)
        for k, g in zip(moving, torch.autograd.grad(loss.sum(), [theta[k] for k in moving]), strict=True):
            total[k] += g**2 / len(starts)
    return total


def _chunks(net, params, x):
    """Slices (lanes, samples) whose tables find room."""
    (lanes, n), floats = x.shape[:2], 0
    for _, layer, own, h, out in layers(net, {k: p[:1].detach() for k, p in params.items()}, x[:1, :1]):
        floats += out.numel() + (0 if is_linear(layer, own, h) else sum(p.numel() for p in own.values()))
    return pieces(lanes, n, 4 * 4 * floats)  # four tables of 4-byte floats
