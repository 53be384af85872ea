"""The exercises of the lessons ewc and fisher: right in any form, and each wrong one named."""

import math

import numpy as np
import pytest
import torch

from edgecl_lite.lessons.check import judge


def penalty_loop(theta, springs, lam):
    energy = 0.0
    for fisher, anchor in springs:
        for F, a, t in zip(fisher.flatten(), anchor.flatten(), theta.flatten()):
            energy = energy + lam / 2 * F * (t - a) ** 2
    return energy


def penalty_vdot(theta, springs, lam):
    energy = torch.zeros(1)
    for fisher, anchor in springs:
        d = (theta - anchor).flatten()
        energy = energy + 0.5 * lam * torch.dot(fisher.flatten() * d, d)
    return energy


def of_springs(one):
    return lambda theta, springs, lam: sum(one(theta, F, a, lam) for F, a in springs)


def fisher_by_autograd(p, x, y):
    """From the definition: the score of every answer, squared and weighted."""
    total = torch.zeros(p.shape[1], x.shape[1])
    for p_x, one in zip(p, x):
        for c in range(len(p_x)):
            score = torch.outer(torch.eye(len(p_x))[c] - p_x, one)
            total += p_x[c] * score**2 / len(x)
    return total


def fisher_numpy(p, x, y):
    p, x = p.numpy(), x.numpy()
    return np.einsum("nk,nj->kj", p * (1 - p), x**2) / len(x)


RIGHT = {
    "penalty": [
        of_springs(lambda t, F, a, lam: lam / 2 * (F * (t - a) ** 2).sum()),
        penalty_loop,
        penalty_vdot,
        of_springs(lambda t, F, a, lam: lam * (F * (a - t).square()).sum() / 2),
    ],
    "softmax fisher": [
        fisher_by_autograd,
        fisher_numpy,
        lambda p, x, y: (p - p**2).T @ (x * x) / x.shape[0],
        lambda p, x, y: ((p * (1 - p))[:, :, None] * x[:, None] ** 2).mean(0),
    ],
    "merge": [
        lambda F1, a1, F2, a2: (F1 + F2, (F1 * a1 + F2 * a2) / (F1 + F2)),
        lambda F1, a1, F2, a2: [F1 + F2, a1 + F2 / (F1 + F2) * (a2 - a1)],
        lambda F1, a1, F2, a2: (
            (F1 + F2).numpy(),
            torch.where(F1 + F2 > 0, (F1 * a1 + F2 * a2) / (F1 + F2), a2).tolist(),
        ),
    ],
    "largest lr": [
        lambda fishers, lam: 2 / (lam * sum(fishers).max()),
        lambda fishers, lam: 2 / lam / torch.stack(fishers).sum(0).max().item(),
        lambda fishers, lam: (2 / (lam * np.sum([F.numpy() for F in fishers], axis=0))).min(),
    ],
}
WRONG = [  # exercise, answer, a part of the sentence that it gets
    ("penalty", of_springs(lambda t, F, a, lam: lam / 2 * (F * (t - a) ** 2).sum().detach()), "no force"),
    ("penalty", of_springs(lambda t, F, a, lam: lam / 2 * (F * (t - a) ** 2).sum().item()), "no force"),
    (
        "penalty",
        of_springs(lambda t, F, a, lam: lam / 2 * float(np.sum((F * (t - a) ** 2).detach().numpy()))),
        "feels no spring",
    ),
    ("penalty", of_springs(lambda t, F, a, lam: lam / 2 * sum(F * (t - a) ** 2)), "one axis only"),
    ("penalty", of_springs(lambda t, F, a, lam: lam / 2 * F @ (t - a) ** 2), "stopped with RuntimeError"),
    ("penalty", of_springs(lambda t, F, a, lam: lam * (F * (t - a) ** 2).sum()), "forgot the ½"),
    ("penalty", lambda t, springs, lam: lam / 2 * (springs[-1][0] * (t - springs[-1][1]) ** 2).sum(), "stop"),
    ("penalty", of_springs(lambda t, F, a, lam: lam / 2 * F * (t - a) ** 2), "Not right yet"),
    ("penalty", lambda t, springs, lam: 42.0, "Not right yet"),
    ("softmax fisher", lambda p, x, y: (p * (1 - p)).T @ x**2, "sum instead of mean"),
    ("softmax fisher", lambda p, x, y: fisher_by_autograd(p, x, y).T, "transposed"),
    ("softmax fisher", lambda p, x, y: ((p - torch.eye(3)[y]) ** 2).T @ x**2 / len(x), "true labels"),
    ("softmax fisher", lambda p, x, y: (p * (1 - p)).T @ x / len(x), "x instead of x²"),
    ("softmax fisher", lambda p, x, y: (p * (1 - p) ** 2).T @ x**2 / len(x), "only the answer k itself"),
    ("softmax fisher", lambda p, x, y: torch.zeros(3, 2), "Not right yet"),
    ("merge", lambda F1, a1, F2, a2: (F1 + F2, a2), "the latest anchor"),
    ("merge", lambda F1, a1, F2, a2: (F1 + F2, (a1 + a2) / 2), "mean of the anchors"),
    ("merge", lambda F1, a1, F2, a2: ((F1 * a1 + F2 * a2) / (F1 + F2), F1 + F2), "anchor first"),
    ("merge", lambda F1, a1, F2, a2: (F1 + F2, F1 * a1 + F2 * a2), "forgot to divide"),
    ("merge", lambda F1, a1, F2, a2: F1 + F2, "a pair (fisher, anchor)"),
    ("largest lr", lambda fishers, lam: 2 / (lam * fishers[-1].max()), "the last task only"),
    ("largest lr", lambda fishers, lam: 2 / (lam * max(F.max() for F in fishers)), "single spring"),
    ("largest lr", lambda fishers, lam: 2 / (lam * sum(F.max() for F in fishers)), "sum of the maxima"),
    ("largest lr", lambda fishers, lam: 1 / (lam * sum(fishers).max()), "1 instead of 2"),
    ("largest lr", lambda fishers, lam: 2 / (lam * sum(fishers)), "stopped with"),
    ("largest lr", lambda fishers, lam: math.nan, "Not right yet"),
]


@pytest.mark.parametrize(
    "name, i", [(name, i) for name, answers in RIGHT.items() for i in range(len(answers))]
)
def test_every_right_form_is_right(name, i):
    verdict = judge(name, RIGHT[name][i])
    assert verdict.status == "right", verdict


@pytest.mark.parametrize("name, answer, words", WRONG, ids=lambda v: v if isinstance(v, str) else "")
def test_each_wrong_answer_gets_its_sentence(name, answer, words):
    verdict = judge(name, answer)
    assert verdict.status in ("wrong", "misconception") and words in verdict.text, verdict


def test_there_are_enough_of_both():
    for name, answers in RIGHT.items():
        assert len(answers) >= 3 and sum(name == wrong for wrong, *_ in WRONG) >= 4
