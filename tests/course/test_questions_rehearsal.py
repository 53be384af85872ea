"""Exercises of rehearsal: every right form is Right, and each misconception gets its own sentence."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from edgecl_lite.lessons.check import judge
from edgecl_lite.lessons.questions.rehearsal import herd, nearest, pull, sigmoids

# ---- old answers


def by_kl_div(before, now, known, T):
    p, q = (z[:, :known] / T for z in (before, now))
    return T**2 * F.kl_div(q.log_softmax(-1), p.log_softmax(-1), log_target=True, reduction="batchmean")


def by_cross_entropy(before, now, known, T):
    return F.cross_entropy(now[:, :known] / T, (before[:, :known] / T).softmax(1))


def by_powers(before, now, known, T):
    """As Li & Hoiem write it: probabilities to the power 1 / T, made to sum to 1 again; a value a sample."""
    p, q = (z[:, :known].softmax(1) ** (1 / T) for z in (before, now))
    p, q = p / p.sum(1, keepdim=True), q / q.sum(1, keepdim=True)
    return -(p * q.log()).sum(1)


def swapped(before, now, known, T):
    return pull(now, before, known, T)


OLD_ANSWERS = {
    "kl_div": (by_kl_div, "Right"),
    "cross entropy": (by_cross_entropy, "Right"),
    "powers, a value a sample": (by_powers, "Right"),
    "the model answer": (pull, "Right"),
    "all outputs": (lambda b, n, k, T: pull(b, n, 5, T), "Before the task nobody had trained those"),
    "no T": (lambda b, n, k, T: pull(b, n, k, 1.0), "T does nothing yet"),
    "half soft": (lambda b, n, k, T: F.cross_entropy(n[:, :k], (b[:, :k] / T).softmax(1)), "Soften both"),
    "swapped": (swapped, "The old network is the teacher"),
    "labels": (lambda b, n, k, T: F.cross_entropy(n[:, :k] / T, b[:, :k].argmax(1)), "the runner-up"),
    "a sum that grows": (lambda b, n, k, T: -by_cross_entropy(b, n, k, T), "drives the answers apart"),
    "DER++": (lambda b, n, k, T: F.mse_loss(n[:, :k], b[:, :k]), "the term of DER++"),
    "iCaRL": (sigmoids, "the form of iCaRL"),
    "always T = 2": (lambda b, n, k, T: by_cross_entropy(b, n, k, 2.0), "pulls the outputs of now another"),
    "always three known": (
        lambda b, n, k, T: by_cross_entropy(b, n, 3, T),
        "pulls the outputs of now another",
    ),
    "a float": (lambda *a: pull(*a).item(), "without detach, item or NumPy"),
    "cross entropy with the hard new": (
        lambda b, n, k, T: n[:, :k].sum(),
        "pulls the outputs of now another",
    ),
}


@pytest.mark.parametrize("name", OLD_ANSWERS)
def test_old_answers(name):
    answer, words = OLD_ANSWERS[name]
    verdict = judge("old answers", answer)
    assert words in verdict.text and (words == "Right") == (verdict.status == "right")


# ---- herding


def welling(features, m):
    """Welling 2009: argmax ⟨w, φ⟩, then w ← w + μ − φ."""
    mean, chosen = features.mean(0), []
    w = mean.clone()
    for _ in range(m):
        score = features @ w
        score[chosen] = -torch.inf
        chosen.append(int(score.argmax()))
        w += mean - features[chosen[-1]]
    return chosen


def renormalised(features, m):
    """As iCaRL's text: every average is scaled to unit length again."""
    mean, total, chosen = F.normalize(features.mean(0), dim=0), torch.zeros(features.shape[1]), []
    for _ in range(m):
        apart = (mean - F.normalize(total + features, dim=1)).norm(dim=1)
        apart[chosen] = torch.inf
        chosen.append(int(apart.argmin()))
        total = total + features[chosen[-1]]
    return chosen


HERDING = {
    "a list": (herd, "Right"),
    "Welling's rule": (welling, "Right"),
    "averages of unit length": (renormalised, "Right"),
    "NumPy": (lambda f, m: np.array(herd(f, m)), "Right"),
    "a tuple": (lambda f, m: tuple(herd(f, m)), "Right"),
    "a tensor": (lambda f, m: torch.tensor(herd(f, m)), "Right"),
    "a list of tensors": (lambda f, m: [*torch.tensor(herd(f, m))], "Right"),
    "nearest": (nearest, "does not look at what is chosen already"),
    "one twice": (lambda f, m: herd(f, m, pool="all"), "Two copies"),
    "sum": (lambda f, m: herd(f, m, over="1"), "turns a sum of k features into a mean"),
    "by m": (lambda f, m: herd(f, m, over="m"), "Otherwise the choice depends on m"),
    "a mean that moves": (lambda f, m: herd(f, m, aim="free"), "The aim must not move"),
    "always five": (lambda f, m: herd(f, 5), "in another order"),
    "backwards": (lambda f, m: herd(f, m)[::-1], "in another order"),
}


@pytest.mark.parametrize("name", HERDING)
def test_herding(name):
    answer, words = HERDING[name]
    verdict = judge("herding", answer)
    assert words in verdict.text and (words == "Right") == (verdict.status == "right")
