"""The exercises of the lesson federated_learning: right in any form, and each wrong one named."""

import math

import numpy as np
import pytest
import torch

from edgecl_lite.lessons.check import judge


def mean_loop(reports, samples):
    total = torch.zeros_like(reports[0])
    for report, n in zip(reports, samples):
        total = total + n / samples.sum() * report
    return total


def prox_flat(theta, sent, mu):
    a, b = (torch.cat([t[k].flatten() for k in theta]) for t in (theta, sent))
    return 0.5 * mu * torch.dot(a - b, a - b)


def prox_loop(theta, sent, mu):
    loss = torch.zeros(1)
    for name, weight in theta.items():
        loss = loss + mu * (sent[name] - weight).square().sum() / 2
    return loss


def bytes_loop(weights, header, clients, fraction, rounds):
    total = 0
    for _ in range(rounds):
        total += int(np.ceil(fraction * clients)) * (weights * 4 + header) * 2
    return total


RIGHT = {
    "fleet mean": [
        mean_loop,
        lambda r, n: torch.tensordot(n / n.sum(), r, 1),
        lambda r, n: torch.einsum("c,c...->...", n.float(), r) / n.sum(),
        lambda r, n: np.average(r.numpy(), axis=0, weights=n.numpy()),
        lambda r, n: sum(k * one for k, one in zip(n.tolist(), r)) / sum(n.tolist()),
    ],
    "fedprox": [
        prox_flat,
        prox_loop,
        lambda t, s, mu: mu / 2 * sum((t[k] - s[k]).pow(2).sum() for k in t),
        lambda t, s, mu: sum(mu / 2 * torch.norm(t[k] - s[k]) ** 2 for k in s),
    ],
    "fleet bytes": [
        bytes_loop,
        lambda w, h, c, f, r: 2 * r * math.ceil(f * c) * (4 * w + h),
        lambda w, h, c, f, r: np.int64(r * -(-f * c // 1) * 2 * (4 * w + h)),
        lambda w, h, c, f, r: torch.tensor(8 * w + 2 * h) * r * math.ceil(c * f),
    ],
    "broken client": [13, [13], {13}, (13,), "13", "client 13", np.array([13]), torch.tensor(13), 13.0],
}
WRONG = [  # exercise, answer, a part of the sentence that it gets
    ("fleet mean", lambda r, n: r.mean(0), "every client counts alike"),
    ("fleet mean", lambda r, n: r.mean(-1), "Axis 0 is the clients"),
    ("fleet mean", lambda r, n: torch.tensordot(n.float(), r, 1), "a sum, not a mean"),
    ("fleet mean", lambda r, n: torch.tensordot(n / n.sum(), r, 1) / len(n), "divided twice"),
    ("fleet mean", lambda r, n: r.sum(0), "a plain sum"),
    ("fleet mean", lambda r, n: torch.tensordot(n.float().softmax(0), r, 1), "softmax of the samples"),
    ("fleet mean", lambda r, n: r.median(0).values, "Not right yet"),
    ("fleet mean", lambda r, n: n / n.sum() * r, "Not right yet"),
    ("fedprox", lambda t, s, mu: prox_flat(t, s, mu).item(), "cut off from θ"),
    ("fedprox", lambda t, s, mu: 2 * prox_flat(t, s, mu), "forgot the ½"),
    ("fedprox", lambda t, s, mu: prox_flat(t, {k: 0 * v for k, v in s.items()}, mu), "pulls to zero"),
    ("fedprox", lambda t, s, mu: prox_flat(t, s, 1.0), "forgot μ"),
    ("fedprox", lambda t, s, mu: mu / 2 * (t["weight"] - s["weight"]).square().sum(), "only the weights"),
    ("fedprox", lambda t, s, mu: torch.zeros(()), "Not right yet"),
    ("fleet bytes", lambda w, h, c, f, r: r * math.ceil(f * c) * (4 * w + h), "one way only"),
    ("fleet bytes", lambda w, h, c, f, r: r * math.ceil(f * c) * 2 * 4 * w, "no header"),
    ("fleet bytes", lambda w, h, c, f, r: r * c * 2 * (4 * w + h), "every client in every round"),
    ("fleet bytes", lambda w, h, c, f, r: r * int(f * c) * 2 * (4 * w + h), "rounded down"),
    ("fleet bytes", lambda w, h, c, f, r: r * math.ceil(f * c) * 2 * (w + h), "four bytes forgotten"),
    ("fleet bytes", lambda w, h, c, f, r: 11_478_400, "Not right yet"),
    ("broken client", 14, "counted from 1"),
    ("broken client", {7}, "has worked longer"),
    ("broken client", "7, 13", "stopped with"),
    ("broken client", [7, 13], "goes where the others go"),
    ("broken client", 4, "A short step"),
    ("broken client", 0, "Not right yet"),
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
