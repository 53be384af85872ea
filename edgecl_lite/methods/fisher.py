"""The diagonal Fisher information: how much the answers of a network hang on each of its weights.

    Fᵢ = mean over x of Σ_y p(y|x) (∂ log p(y|x) / ∂θᵢ)²

Martens 2020, sec. 5 and 11; van de Ven 2025 compares the four ways in use. Lessons: ewc, fisher.
"""

import functools

import torch
from torch.func import functional_call, vjp, vmap

from .._refuse.arguments import choice, whole
from .._refuse.nets import check_params
from .._refuse.verbs import check_fisher
from ..lanes import stack, zeros
from ..machine.pieces import pieces
from ..machine.settled import settled
from ..method import cross_entropy, masked
from ..models import apply, is_linear, layers, learns

LABELS = ("exact", "sample", "empirical", "batched")


@settled
def fisher(net, params, x, y=None, *, labels="exact", active=None, rng=None, batch=32):
    """Diagonal Fisher of each lane, shaped like params: mean over x of (∂ log p(y|x) / ∂θ)².

    params, x (lanes, n, …), y (lanes, n), active (lanes, n, outputs) bool or None for all: with
    lane axis. labels says which y.  "exact": the expectation over the model's own answer, Σ_c p_c
    (∂ log p_c)². "sample": one answer per sample, drawn from p with `rng(n)` -> (lanes, n) in 0..1.
    "empirical": the true label.  "batched": squares the gradient of the mean loss of `batch`
    samples: no Fisher, but widely used. A parameter with `requires_grad=False` has 0. Martens 2020,
    sec. 5 and 11; van de Ven 2025 compares them. Tables stay under 50 MB: it goes through lanes and
    samples in chunks. Raises ValueError where labels is unknown, y or rng is missing, or x is
    empty.
    """
    choice("labels", labels, LABELS)
    check_params(net, params)
    moving = learns(net)
    check_fisher(params, moving, labels, x, y, rng)
    lanes, n = x.shape[:2]
    if active is None:
        active = torch.ones(1, dtype=torch.bool, device=x.device)
    active = active.expand(lanes, n, -1)
    if labels == "batched":
        return _batched(net, params, x, y, active, whole("batch", batch))
    total = zeros(params)
    u = rng(n) if labels == "sample" else None
    for part in _chunks(net, params, x):
        theta = {k: p[part[0]].detach().requires_grad_(k in moving) for k, p in params.items()}
        answers = functools.partial(_answers, labels, y=y, u=u, part=part)
        for k, square in _of_part(net, theta, x[part], active[part], answers):
            total[k][part[0]] += square / n
    return total


def _of_part(net, theta, x, active, answers):
    """Pairs (name, sum over x of its squared scores); its tables go when the next part comes."""
    walk = list(layers(net, theta, x))
    logits = walk[-1][-1]
    logp = masked(logits, active).log_softmax(-1)  # (lanes, n, outputs)
    learned = [step for step in walk if learnable(step[2])]
    outputs = [out for *_, out in learned]
    for answer, weight in answers(logp.detach().exp()):
        score = logp.gather(-1, answer.unsqueeze(-1)).sum()  # of all samples: each δ is its own
        deltas = torch.autograd.grad(score, outputs, retain_graph=True)
        for (prefix, layer, own, h, _), delta in zip(learned, deltas, strict=True):
            squares = _squares(layer, own, h.detach(), delta, weight)
            for k in learnable(own):
                yield prefix + k, squares[k]


def learnable(own):
    """Names of the parameters that get a gradient."""
    return [k for k, p in own.items() if p.requires_grad]


def _answers(labels, p, y, u, part):
    """Pairs (answer, weight), (lanes, n) each, over which the squared scores are summed."""
    if labels == "exact":
        may = p.flatten(0, -2).any(0)  # outputs that may not answer weigh nothing
        classes = may.nonzero().flatten().tolist()
        return [(torch.full_like(p[..., c], c).long(), p[..., c]) for c in classes]
    if labels == "empirical":
        drawn = y[part]
    else:  # the first answer whose cumulated probability is above u
        below = p.cumsum(-1)[..., :-1]
        drawn = (u[part].unsqueeze(-1) >= below).sum(-1)
    return [(drawn, torch.ones_like(p[..., 0]))]


def _squares(layer, own, h, delta, weight):
    """Σ over samples of weight (∂ score / ∂ own)²; h: the layer's input, delta: ∂ score / ∂ output.

    A linear layer y = W h + b has ∂/∂W = δ hᵀ, so that the sum of squares is (weight δ²)ᵀ h², in
    closed form.
    """
    if is_linear(layer, own, h):
        delta2 = weight.unsqueeze(-1) * delta**2  # (lanes, n, out)
        return {"weight": delta2.mT @ h**2, "bias": delta2.sum(1)}

    held = {name: b.to(h.device) for name, b in layer.named_buffers()}

    def of_one_sample(own, h, delta):
        output = lambda p: functional_call(layer, held | p, (h[None].clone(),))[0]
        _, pull = vjp(output, own)
        return pull(delta)[0]

    own = {k: p.detach() for k, p in own.items()}
    of_samples = vmap(of_one_sample, in_dims=(None, 0, 0))
    try:
        grads = vmap(of_samples)(own, h, delta)  # {name: (lanes, n, …)}
    except RuntimeError:  # torch has no rule for lanes and samples at once, as of nn.PReLU
        lanes = [{k: p[i] for k, p in own.items()} for i in range(len(h))]
        grads = stack([of_samples(*each) for each in zip(lanes, h, delta)])
    return {k: torch.einsum("ln,ln...->l...", weight, g**2) for k, g in grads.items()}


def _batched(net, params, x, y, active, batch):
    """Mean over batches of (∂ mean loss / ∂θ)²."""
    total, moving = zeros(params), learns(net)
    starts = range(0, x.shape[1], batch)
    for j in starts:
        part = slice(None), slice(j, j + batch)
        theta = {k: p.detach().requires_grad_(k in moving) for k, p in params.items()}
        logits = masked(apply(net, theta, x[part]), active[part])
        loss = cross_entropy(logits, y[part])  # (lanes,)
        grads = torch.autograd.grad(loss.sum(), [theta[k] for k in moving])
        for k, g in zip(moving, grads, strict=True):
            total[k] += g**2 / len(starts)
    return total


def _chunks(net, params, x):
    """Slices (lanes, samples) whose tables find room."""
    (lanes, n), floats = x.shape[:2], 0
    one = {k: p[:1].detach() for k, p in params.items()}
    for _, layer, own, h, out in layers(net, one, x[:1, :1]):
        floats += out.numel()
        if not is_linear(layer, own, h):  # a gradient of its own for every sample
            floats += sum(p.numel() for p in own.values())
    return pieces(lanes, n, 4 * 4 * floats)  # four tables of 4-byte floats
