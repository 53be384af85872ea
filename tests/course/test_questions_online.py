"""What learners may hand in to the exercise of online learning: right in any form, wrong with its reason."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from edgecl_lite import check


def counted(labels, seen):
    classes = []
    for label in labels:
        if label not in classes:
            classes.append(label)
    return len(classes) / (len(classes) + sum(c not in classes for c in seen))


ANSWERS = {
    "sets": (lambda labels, seen: len(set(labels)) / len(set(labels) | seen), ""),
    "numpy": (
        lambda labels, seen: np.float32(len(np.unique(labels)) / len(np.union1d(labels, list(seen)))),
        "",
    ),
    "a tensor": (
        lambda labels, seen: (
            torch.tensor(labels).unique().numel() / torch.tensor([*labels, *seen]).unique().numel()
        ),
        "",
    ),
    "a fraction": (lambda labels, seen: Fraction(len(set(labels)), len(seen.union(labels))), ""),
    "a loop": (counted, ""),
    "divides by zero": (lambda labels, seen: len(set(labels)) / len(seen), "only the classes met before"),
    "twice": (
        lambda labels, seen: len(set(labels)) / (len(set(labels)) + len(seen)),
        "a class counted twice",
    ),
    "pictures": (lambda labels, seen: len(labels) / len(set(labels) | seen), "pictures, not classes"),
    "both": (lambda labels, seen: len(labels) / (len(labels) + len(seen)), "pictures on both sides"),
    "swapped": (
        lambda labels, seen: 1 - len(set(labels)) / len(set(labels) | seen),
        "the weight of the kept",
    ),
    "one class": (lambda labels, seen: 1 / len(set(labels) | seen), "one class a batch"),
    "pairs": (lambda labels, seen: 2 / len(set(labels) | seen), "always two classes"),
    "halves": (lambda labels, seen: 0.5, "equal halves"),
    "new to it": (
        lambda labels, seen: len(set(labels) - seen) / len(set(labels) | seen),
        "only what is new to it",
    ),
    "hard-coded": (lambda labels, seen: 1 / 3, "wrong"),
    "a word": (lambda labels, seen: "a third", "wrong"),
}


@pytest.mark.parametrize("form", ANSWERS)
def test_an_answer(form, capsys):
    answer, misconception = ANSWERS[form]
    verdict = check("weight without k", answer)
    if not misconception:
        assert verdict.status == "right", verdict.text
    elif misconception == "wrong":
        assert verdict.status == "wrong"
    else:
        assert verdict.misconception == misconception, verdict.text
        assert f"“{misconception}”" in capsys.readouterr().out


def test_what_is_not_right_is_not_used():
    weight = check("weight without k", lambda labels, seen: None).use
    assert weight([4, 5], {0, 1, 2, 3}) == pytest.approx(1 / 3)
