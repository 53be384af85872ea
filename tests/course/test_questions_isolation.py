"""Parameter isolation and the frozen front: every right form passes, every wrong one hears its sentence."""

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
import torch
from torch.nn.functional import linear, pad

from edgecl_lite.lessons.check import judge


class Step(torch.autograd.Function):
    """The straight-through estimator, written as a function of its own."""

    @staticmethod
    def forward(ctx, scores, threshold):
        return (scores > threshold).float()

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def with_where(scores, threshold):
    hard = torch.where(scores > threshold, 1.0, 0.0)
    return scores + (hard - scores).detach()


def on(s, t):
    return (s > t).float()


def packed_by_numpy(bits):
    return np.packbits(bits.numpy(), bitorder="little")


def packed_by_loop(bits):
    table = [0] * -(-len(bits) // 8)
    for i, bit in enumerate(bits.tolist()):
        table[i // 8] += bit << i % 8
    return table


def packed_by_powers(bits):
    full = pad(bits.long(), (0, -len(bits) % 8)).view(-1, 8)
    return (full * 2 ** torch.arange(8)).sum(1)


def kept_by_sorting(weights, mine, prune):
    places = [i for i in range(len(weights)) if mine[i]]
    best = sorted(places, key=lambda i: -abs(weights[i]))[: round((1 - prune) * len(places))]
    return [i in best for i in range(len(weights))]


def kept_by_threshold(weights, mine, prune):
    n = round((1 - prune) * int(mine.sum()))
    return mine & (weights.abs() >= weights[mine].abs().sort(descending=True).values[n - 1])


def kept_in_numpy(weights, mine, prune):
    return np.array(kept_by_sorting(weights, mine, prune))


def of_all(weights, mine, prune):
    n = round((1 - prune) * len(weights))
    return mine & (weights.abs() >= weights[mine].abs().sort(descending=True).values[:n][-1])


def by_search(d_in, d_out):
    mask, rank = ceil(d_in * d_out / 8), 0
    while 4 * (rank + 1) * (d_in + d_out) < mask:
        rank += 1
    return rank


def by_fraction(d_in, d_out):
    return ceil(Fraction(ceil(d_in * d_out / 8), 4 * (d_in + d_out))) - 1


def as_float(d_in, d_out):
    return float(max(r for r in range(1000) if r * 4 * (d_in + d_out) < ceil(d_in * d_out / 8)))


def in_bits(d_in, d_out):
    return torch.tensor((d_in * d_out + 7) // 8 - 1) // (4 * (d_in + d_out))


def overwritten(theta, frozen, mine):
    theta.data[~mine] = frozen[~mine]
    return theta


FREEZE = lambda theta, frozen, mine: theta * mine + frozen * ~mine
RIGHT = {
    "straight through": [Step.apply, with_where, lambda s, t: on(s, t) + s - s.detach()],
    "pack bits": [packed_by_numpy, packed_by_loop, packed_by_powers],
    "prune": [kept_by_sorting, kept_by_threshold, kept_in_numpy],
    "freeze": [
        FREEZE,
        lambda theta, frozen, mine: torch.where(~mine, frozen, theta),
        lambda theta, frozen, mine: frozen.masked_scatter(mine, theta[mine]),
    ],
    "momentum bug": [
        {"A", "D"},
        ["D", "A"],
        ("a", "d"),
        "AD",
        "A, D",
        {"a": 1, "d": 1},
        "A and D.",
        ("A, D",),
        {"A": True, "B": False, "C": False, "D": True},
        np.array(["A", "D"]),
    ],
    "low rank": [
        lambda x, W, A, B: x @ W.T + x @ A.T @ B.T,
        lambda x, W, A, B: x @ (W + B @ A).T,
        lambda x, W, A, B: (W @ x.T + B @ (A @ x.T)).T,
        lambda x, W, A, B: linear(x, W) + torch.einsum("ni,ri,or->no", x, A, B),
    ],
    "lora rank": [by_search, by_fraction, as_float, in_bits],
}
WRONG = [
    ("straight through", on, "A step is flat"),
    ("straight through", lambda s, t: on(s, 0.005) + s - s.detach(), "Another threshold came in"),
    ("straight through", lambda s, t: on(s, t) * s, "a bit is stored"),
    ("straight through", lambda s, t: on(-s, -t) + s - s.detach(), "A high score"),
    ("straight through", lambda s, t: on(s, t) + s, "no longer 0 or 1"),
    ("pack bits", lambda bits: np.packbits(bits.numpy()), "which bit of the byte is worth 1"),
    ("pack bits", lambda bits: bits.bool(), "eight times too large"),
    ("pack bits", lambda bits: packed_by_loop(bits[: len(bits) // 8 * 8]), "three bytes"),
    ("pack bits", lambda bits: packed_by_loop(pad(bits, (-len(bits) % 8, 0))), "at which end"),
    ("prune", lambda w, m, p: kept_by_sorting(w, m, 1 - p), "the share given back"),
    ("prune", of_all, "Of how many"),
    ("prune", lambda w, m, p: ~torch.tensor(kept_by_sorting(w, m, p)) & m, "Which ones stay"),
    ("prune", lambda w, m, p: kept_by_sorting(w.clamp(min=0), m, p), "does more than one of 0.1"),
    ("freeze", lambda theta, frozen, mine: torch.where(mine, theta, theta.detach()), "what if momentum"),
    ("freeze", lambda theta, frozen, mine: torch.where(mine, frozen, theta), "may move"),
    ("freeze", lambda theta, frozen, mine: theta * mine, "used by later ones"),
    ("freeze", lambda theta, frozen, mine: FREEZE(theta, frozen, mine).detach(), "how does this task learn"),
    ("freeze", overwritten, "is overwritten"),
    ("momentum bug", "A", "is the gradient all"),
    ("momentum bug", ["D"], "between writing back and answering"),
    ("momentum bug", {"A", "B", "D"}, "None"),
    ("momentum bug", "ACD", "empty memory"),
    ("momentum bug", "abcdef", "None"),
    ("momentum bug", set(), "At least one"),
    ("momentum bug", "XYZ", "expected letters"),
    ("low rank", lambda x, W, A, B: x @ W.T, "What do A and B add"),
    ("low rank", lambda x, W, A, B: x @ A.T @ B.T, "To what"),
    ("low rank", lambda x, W, A, B: (W + B @ A) @ x.T, "in the rows of x"),
    ("low rank", lambda x, W, A, B: x @ W.T + x @ (B @ A).T.detach(), "how do they learn"),
    ("low rank", lambda x, W, A, B: x @ W.T + (x @ A.T).relu() @ B.T, "an adapter's idea"),
    ("low rank", lambda x, W, A, B: W @ x, "your answer stopped"),
    ("lora rank", lambda i, o: i * o // 8 // (4 * (i + o)), "or as many"),
    ("lora rank", lambda i, o: max(1, by_search(i, o)), "On 64 × 30"),
    ("lora rank", lambda i, o: by_search(i, o) + 1, "Try your answer out"),
    ("lora rank", lambda i, o: (i * o - 1) // (4 * (i + o)), "How many bytes is that"),
    ("lora rank", lambda i, o: (4 * i * o - 1) // (4 * (i + o)), "a copy of the layer"),
    ("lora rank", lambda i, o: (ceil(i * o / 8) - 1) // (i + o), "each of LoRA's numbers"),
    ("lora rank", lambda i, o: 11, "depend on the layer"),
    ("lora rank", 11, "your answer stopped"),
]


@pytest.mark.parametrize(("name", "answer"), [(k, a) for k, answers in RIGHT.items() for a in answers])
def test_every_right_form_is_right(name, answer):
    assert judge(name, answer).status == "right", judge(name, answer).text


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_every_wrong_one_hears_its_sentence(name, answer, hint):
    verdict = judge(name, answer)
    assert verdict.status in ("misconception", "wrong") and hint in verdict.text, verdict.text
