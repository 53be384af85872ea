"""The exercises of the private fleet: every right form passes, every wrong one hears its own sentence."""

import math

import numpy as np
import pytest
import torch

from edgecl_lite import noise_for
from edgecl_lite.lessons.check import judge

M = 2**32


def by_loop(dW, db):
    for row, delta in zip(dW, db):
        if delta != 0:
            return row / delta


def by_mean(dW, db):
    return (dW / db[:, None]).nanmean(0)


def as_list(dW, db):
    unit = int(np.abs(db.numpy()).argmax())
    return [float(v / db[unit]) for v in dW[unit]]


def masked(k, q, masks):
    for j, mask in enumerate(masks[k]):
        q += mask if j > k else -mask if j < k else 0
    return q % M


def the_other_way(k, q, masks):
    return (q + sum(masks[k][:k]) - sum(masks[k][k + 1 :])) % M


def numpy_unsigned(k, q, masks):
    own = np.array(masks[k], dtype=np.int64)
    return np.uint32((q + own[k + 1 :].sum() - own[:k].sum()) % M)


RIGHT = {
    "leak": [
        by_loop,
        by_mean,
        as_list,
        lambda dW, db: dW.sum(0) / db.sum(),
        lambda dW, db: (dW[db != 0] / db[db != 0][:, None])[0],
    ],
    "masks": [masked, the_other_way, numpy_unsigned],
    "noise": [
        noise_for(2.0, 50),
        14.1,
        torch.tensor(14.1),
        "14.1",
        math.sqrt(50) * noise_for(2.0, 1),
        lambda: noise_for(2.0, 50),
    ],
    "false statements": [{"A", "C", "D"}, ["D", "C", "A"], "ACD", "a, c, d", np.array(["A", "D", "C"])],
}
WRONG = [
    ("leak", lambda dW, db: dW[0] / db[0], "Which units are not?"),
    ("leak", lambda dW, db: dW[:, db.abs().argmax()] / db[db.abs().argmax()], "a column to a pixel"),
    ("leak", lambda dW, db: (dW / db)[db.abs().argmax()], "column by column"),
    ("leak", lambda dW, db: dW[db.abs().argmax()] * db[db.abs().argmax()], "What takes δ away"),
    ("leak", lambda dW, db: db[db.abs().argmax()] / dW[db.abs().argmax()], "1 / x"),
    ("leak", lambda dW, db: (dW / db[:, None]).mean(0), "0 / 0 is no number"),
    ("leak", lambda dW, db: (dW / db[:, None]).nan_to_num().mean(0), "black pictures"),
    ("leak", lambda dW, db: dW / db[:, None], "One is enough"),
    ("leak", lambda dW, db: torch.tensor([0.1, 0.9, 0.0, 0.4, 0.7, 0.2]), "Another gradient"),
    ("leak", lambda dW, db: None, "gives back nothing"),
    ("masks", lambda k, q, masks: (q + sum(masks[k])) % M, "With which signs"),
    ("masks", lambda k, q, masks: (q + sum(masks[k][k:])) % M, "Who takes the mask away"),
    ("masks", lambda k, q, masks: q, "reads every report"),
    ("masks", lambda k, q, masks: q + sum(masks[k][k:]) - sum(masks[k][:k]), "from 0 to"),
    ("masks", lambda k, q, masks: masked(k, q, masks) % 2**31, "How many values"),
    ("masks", lambda k, q, masks: (masked(k, q, masks) - q) % M, "And the report"),
    ("masks", lambda k, q, masks: masks[k][9], "your answer stopped"),
    ("noise", noise_for(2 / 50, 1), "does not add up"),
    ("noise", 50 * noise_for(2, 1), "grows with √R"),
    ("noise", noise_for(2, 1), "49 more come"),
    ("noise", noise_for(2, 20), "How many does the maker plan"),
    ("noise", 20.7, "the noise of ε 2"),
    ("noise", 1.0, "expected the noise"),
    ("false statements", set(), "Look again at A"),
    ("false statements", "AC", "who sees the single report"),
    ("false statements", {"A", "B", "C", "D"}, "one of them is your own"),
    ("false statements", "ABCDE", "one of them is your own"),
    ("false statements", ["A", "D"], "cl.epsilon(80, 5)"),
    ("false statements", "ACDE", "what does the model say"),
]


@pytest.mark.parametrize(("name", "answer"), [(k, a) for k, answers in RIGHT.items() for a in answers])
def test_every_right_form_is_right(name, answer):
    assert judge(name, answer).status == "right", judge(name, answer).text


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_every_wrong_one_hears_its_sentence(name, answer, hint):
    verdict = judge(name, answer)
    assert verdict.status != "right" and hint in verdict.text, verdict.text
