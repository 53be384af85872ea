"""What learners may hand in to the exercises of replay: right in any form, wrong with its reason."""

import numpy as np
import pytest
import torch

from edgecl_lite import check


def loop(t, capacity, u):
    if t < capacity:
        return t
    return int(np.floor(u * (t + 1)))


def by_interval(t, capacity, u):
    if t < capacity:
        return t
    return next(row for row in range(t + 1) if u < (row + 1) / (t + 1))


def refused(value):
    def rule(t, capacity, u):
        row = t if t < capacity else int(u * (t + 1))
        return row if row < capacity else value

    return rule


RESERVOIR = {
    "as taught": (lambda t, M, u: t if t < M else int(u * (t + 1)), ""),
    "numpy": (loop, ""),
    "a tensor": (lambda t, M, u: torch.tensor(t if t < M else int(u * (t + 1))), ""),
    "by intervals": (by_interval, ""),
    "capacity for not kept": (lambda t, M, u: min(t if t < M else int(u * (t + 1)), M), ""),
    "-1": (refused(-1), "a negative row"),
    "None": (refused(None), "nothing for not kept"),
    "off by one": (lambda t, M, u: t if t < M else int(u * t), "off by one"),
    "always in": (lambda t, M, u: t if t < M else int(u * M), "the newest always gets in"),
    "a float": (lambda t, M, u: t if t < M else u * (t + 1), "not a whole number"),
    "rounds": (lambda t, M, u: t if t < M else round(u * (t + 1)), "rounds"),
}
WEIGHTS = {
    "as taught": (lambda new, kept, k: new / k + (1 - 1 / k) * kept, ""),
    "one fraction": (lambda new, kept, k: (new + (k - 1) * kept) / k, ""),
    "a mean": (lambda new, kept, k: sum([new] + [kept] * (k - 1)) / k, ""),
    "lerp": (lambda new, kept, k: torch.lerp(kept, new, 1 / k), ""),
    "a float": (lambda new, kept, k: float(new) / k + float(kept) * (k - 1) / k, ""),
    "halves": (lambda new, kept, k: (new + kept) / 2, "equal halves"),
    "swapped": (lambda new, kept, k: kept / k + (1 - 1 / k) * new, "the two weights swapped"),
    "a sum": (lambda new, kept, k: new + kept, "a plain sum"),
    "k counts from 0": (lambda new, kept, k: new / (k + 1) + k / (k + 1) * kept, "as many tasks as before"),
    "divides both": (lambda new, kept, k: (new + kept) / k, "forgets how many are old"),
    "finetuning": (lambda new, kept, k: new, "only the new"),
    "hard-coded": (lambda new, kept, k: {1: 2.0, 2: 3.5, 5: 4.4}[k], "wrong"),
}
BIASED = {
    "a set": ({"C", "E"}, ""),
    "a list": (["E", "C"], ""),
    "a word": ("CE", ""),
    "a tuple, lower case": (("c", "e"), ""),
    "numpy": (np.array(["C", "E"]), ""),
    "with a comma": ("C, E", ""),
    "a table": ({"A": False, "C": True, "E": True}, ""),
    "by a function": (lambda: {"C", "E"}, ""),
    "one": ({"C"}, "only C (one too few)"),
    "the other": (["E"], "only E (whole batches)"),
    "none": (set(), "none of them"),
    "with B": ("BCE", "B (two draws) named"),
    "with D": ({"D", "E"}, "D (random keys) named"),
}
ANSWERS = {"reservoir": RESERVOIR, "weights": WEIGHTS, "biased reservoir": BIASED}


@pytest.mark.parametrize("name, form", [(name, form) for name, rows in ANSWERS.items() for form in rows])
def test_an_answer(name, form, capsys):
    answer, misconception = ANSWERS[name][form]
    verdict = check(name, answer)
    if not misconception:
        assert verdict.status == "right", verdict.text
    elif misconception == "wrong":
        assert verdict.status == "wrong" and "expected" in verdict.text
    else:
        assert verdict.misconception == misconception, verdict.text
        assert f"“{misconception}”" in capsys.readouterr().out


def test_a_row_that_is_refused_goes_on_with_the_model_answer():
    """A half-right answer never reaches the loop below it."""
    row = check("reservoir", refused(None)).use
    assert row(5, 3, 0.99) >= 3
