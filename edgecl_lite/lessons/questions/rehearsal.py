"""Exercises of rehearsal: the pull of old answers (distillation), herding."""

from functools import partial

import torch
from torch.nn import functional as F

from ..check import Wrong, exercise

BEFORE = torch.tensor([[2.0, -1.0, 0.5, 0.3, 0.1], [0.2, 1.0, 3.0, -0.4, 0.2]])
NOW = torch.tensor([[0.5, 0.8, -0.3, 2.5, 1.0], [1.5, 0.1, 0.4, 0.6, -2.0]])
CASES = (3, 2.0), (4, 3.0)  # so many of the outputs were known; the temperature


def pull(before, now, known, T, *, soft=(True, True), swapped=False, cut=True):
    """Cross entropy of the softened answers, with room for mistakes."""
    p, q = (z[:, :known] if cut else z for z in (before, now))
    p, q = (z / T if s else z for z, s in zip((p, q), soft, strict=True))
    p, q = (q, p) if swapped else (p, q)
    return (p.softmax(1) * (p.log_softmax(1) - q.log_softmax(1))).sum(1).mean()


def hard(before, now, known, T):
    return F.cross_entropy(now[:, :known] / T, before[:, :known].argmax(1))


def sigmoids(before, now, known, T):
    p, q = before[:, :known] / T, now[:, :known] / T
    return F.binary_cross_entropy_with_logits(q, p.sigmoid())


def _slopes(function):
    """Which way it pulls the outputs of now, at length 1: no constant and no factor changes that."""
    return torch.cat([_slope(function, *case) for case in CASES])


def _slope(function, known, T):
    now = NOW.clone().requires_grad_()
    value = function(BEFORE.clone(), now, known, T)
    if not torch.is_tensor(value) or not value.requires_grad:
        raise TypeError(
            "it must give a tensor that depends on `now`, without detach, item or NumPy"
        )
    (slope,) = torch.autograd.grad(value.sum(), now)
    return slope / slope.norm().clamp(min=1e-12)


def herd(features, m, *, pool="free", over="k", aim="all"):
    """Greedy choice of m rows of features (n, d), with room for mistakes."""
    mean, total, chosen = features.mean(0), torch.zeros_like(features[0]), []
    for k in range(1, m + 1):
        free = torch.tensor([i not in chosen for i in range(len(features))])
        target = features[free].mean(0) if aim == "free" else mean
        apart = (target - (total + features) / {"k": k, "m": m, "1": 1}[over]).square().sum(1)
        apart = apart.masked_fill(~free, torch.inf) if pool == "free" else apart
        chosen.append(int(apart.argmin()))
        total = total + features[chosen[-1]]
    return chosen


def nearest(features, m):
    return (features - features.mean(0)).square().sum(1).argsort()[:m].tolist()


def _chosen(function):
    """Five, then three of ten points of unit length, where iCaRL's rule is Welling's."""
    points = [[-3, 0, 4], [2, -3, 4], [2, -1, 2], [1, 4, 0], [5, 1, 2]]
    points += [[2, 3, 3], [-2, 3, 5], [-2, 5, 3], [2, 5, 2], [2, -1, 5]]
    features = F.normalize(torch.tensor(points).float(), dim=1)
    return [int(i) for m in (5, 3) for i in function(features.clone(), m)]


# fmt: off
exercise("old answers", pull, probe=_slopes, expects="a value that pulls the outputs of now another way",
         praise="It pulls the known outputs to what was said before, and leaves the new ones alone.", wrong=[
    Wrong("the new outputs are asked, too", partial(pull, cut=False),
          "Before the task nobody had trained those. What do their old answers mean?"),
    Wrong("no temperature", partial(pull, soft=(False, False)),
          "T does nothing yet. At T = 2 small probabilities should count for more."),
    Wrong("only the old answers are softened", partial(pull, soft=(True, False)),
          "Where now = before it should rest; yours pulls even there. Soften both."),
    Wrong("only the new answers are softened", partial(pull, soft=(False, True)),
          "Where now = before it should rest; yours pulls even there. Soften both."),
    Wrong("before and now swapped", partial(pull, swapped=True),
          "Whose probabilities weigh, and whose logarithm is moved? The old network is the teacher."),
    Wrong("only the old network's favourite", hard,
          "A class label says less than the answer: what about the runner-up?"),
    Wrong("the sign", lambda *a: -pull(*a), "Minimised, yours drives the answers apart."),
    Wrong("a distance of outputs", lambda b, n, k, T: ((n - b)[:, :k] ** 2).mean(),
          "That is the term of DER++. Here probabilities are compared."),
    Wrong("a sigmoid for each output", sigmoids,
          "That is the form of iCaRL. Here one softmax goes over the known outputs."),
])

exercise("herding", herd, probe=_chosen, expects="the indices of other rows, or in another order (it is asked for 5, then for 3)",
         praise="Stop it early, and you have the best of fewer.", wrong=[
    Wrong("the nearest to the mean", nearest,
          "Each is good alone. Are they good together? Your choice does not look at what is chosen already."),
    Wrong("the same one again", partial(herd, pool="all"), "Two copies of a picture tell no more than one."),
    Wrong("the sum, not the mean", partial(herd, over="1"), "What turns a sum of k features into a mean?"),
    Wrong("divided by m", partial(herd, over="m"),
          "With k pictures chosen so far the mean is a sum divided by k. Otherwise the choice depends on m."),
    Wrong("the mean of what is left", partial(herd, aim="free"),
          "The aim must not move: it is the mean of the whole class."),
])
