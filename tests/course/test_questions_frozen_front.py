"""The exercises of the frozen front: every right form passes, every wrong one hears its own sentence."""

from fractions import Fraction
from math import ceil

import pytest
import torch

from edgecl_lite.lessons.check import judge


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


RIGHT = {
    "low rank": [
        lambda x, W, A, B: x @ W.T + x @ A.T @ B.T,
        lambda x, W, A, B: x @ (W + B @ A).T,
        lambda x, W, A, B: (W @ x.T + B @ (A @ x.T)).T,
        lambda x, W, A, B: torch.nn.functional.linear(x, W) + torch.einsum("ni,ri,or->no", x, A, B),
    ],
    "lora rank": [by_search, by_fraction, as_float, in_bits],
}
WRONG = [
    ("low rank", lambda x, W, A, B: x @ W.T, "What do A and B add"),
    ("low rank", lambda x, W, A, B: x @ A.T @ B.T, "To what"),
    ("low rank", lambda x, W, A, B: (W + B @ A) @ x.T, "in the rows of x"),
    ("low rank", lambda x, W, A, B: x @ W.T + x @ (B @ A).T.detach(), "how do they learn"),
    ("low rank", lambda x, W, A, B: x @ W.T + (x @ A.T).relu() @ B.T, "an adapter's idea"),
    ("low rank", lambda x, W, A, B: W @ x, "your answer stopped"),
    ("low rank", lambda x, W, A, B: None, "gives back nothing"),
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
    assert verdict.status != "right" and hint in verdict.text, verdict.text
