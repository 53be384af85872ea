"""The exercises of catastrophic_forgetting and scenarios: right forms, wrong ones, and what they are told."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from edgecl_lite.lessons.check import judge
from edgecl_lite.lessons.questions.forgetting import SCENARIOS, finetune, surgery, who_answers


def of(function, **mistake):
    """The function with one of its own mistakes, as a learner's function."""
    return lambda *args, **options: function(*args, **options, **mistake)


def tensor_rows(*args, **options):
    return [torch.tensor(row) for row in finetune(*args, **options)]


def own_loop(net, stream, shuffle, epochs=10, batch_size=32, lr=1e-3):
    """Other words for the same: indices by hand, gradients cleared last, R as an array."""
    R = np.zeros((len(stream), len(stream)))
    for t, task in enumerate(stream):
        (x, y), adam = task.train, torch.optim.Adam(net.parameters(), lr=lr)
        for _ in range(epochs):
            order = torch.randperm(len(y), generator=shuffle)
            for start in range(0, len(y), batch_size):
                pick = order[start : start + batch_size]
                F.cross_entropy(net(x[pick]), y[pick]).backward()
                adam.step()
                adam.zero_grad()
        for on, other in enumerate(stream):
            R[t, on] = (net(other.test[0]).argmax(1) == other.test[1]).numpy().mean()
    return R


def above_zero(R):
    """Forgetting that is never negative."""
    return R[-1].mean(), np.maximum(R[:-1, :-1].max(0) - R[-1, :-1], 0).mean()


RIGHT = {
    "training loop": [
        finetune,
        own_loop,
        tensor_rows,
        lambda *a, **k: np.array(finetune(*a, **k)),
        lambda *a, **k: tuple(map(tuple, finetune(*a, **k))),
    ],
    "forgetting": [
        lambda R: (R[-1].mean(), (R[:-1, :-1].max(axis=0) - R[-1, :-1]).mean()),
        lambda R: [np.mean(R[-1]), np.mean([R[:-1, k].max() - R[-1, k] for k in range(len(R) - 1)])],
        lambda R: torch.tensor([R[-1].mean(), (R[:-1].max(0) - R[-1])[:-1].mean()]),
        lambda R: np.array([sum(R[-1]) / len(R), (np.max(R[:-1], 0) - R[-1])[:-1].sum() / (len(R) - 1)]),
    ],
    "backward transfer": [
        lambda R: (R[-1, :-1] - R.diagonal()[:-1]).mean(),
        lambda R: float(sum(R[-1, k] - R[k, k] for k in range(len(R) - 1)) / (len(R) - 1)),
        lambda R: torch.tensor((R[-1] - np.diag(R)).sum() / (len(R) - 1)),
    ],
    "scenario": [
        SCENARIOS,
        list(SCENARIOS),
        np.array(SCENARIOS),
        " ".join(SCENARIOS),
        ", ".join(f"{kind.title()}-incremental" for kind in SCENARIOS),
        dict(enumerate(SCENARIOS)),
    ],
    "may answer": [
        who_answers,
        lambda *a: sorted(who_answers(*a), reverse=True),
        lambda *a: tuple(who_answers(*a)),
        lambda *a: np.array(list(who_answers(*a))),
        lambda *a: torch.tensor(list(who_answers(*a))),
        lambda *a: dict.fromkeys(who_answers(*a), True),
    ],
    "put back": [
        surgery,
        lambda now, old, rows: {k: v.numpy() for k, v in surgery(now, old, rows).items()},
        lambda now, old, rows: now | {k: surgery(now, old, rows)[k] for k in ("3.weight", "3.bias")},
        lambda now, old, rows: {
            k: v
            if k[0] == "1"
            else torch.stack([(old if r in rows else now)[k][:, r] for r in range(v.shape[1])], 1)
            for k, v in now.items()
        },
    ],
}
WRONG = {  # {exercise: [(answer, words of the sentence that it gets)]}
    "training loop": [
        (of(finetune, mistake="learns the test images"), "was trained on `task.test`"),
        (of(finetune, mistake="tested on training images"), "On which images does R ask?"),
        (of(finetune, mistake="rows and columns exchanged"), "`R[after, on]` has a row for each moment"),
        (lambda *a, **k: np.array(finetune(*a, **k)).T, "`R[after, on]` has a row for each moment"),
        (of(finetune, mistake="one shuffle a task"), "Where does `randperm` stand?"),
        (of(finetune, mistake="plain SGD"), "the optimiser is Adam"),
        (of(finetune, mistake="the rate is not used"), "another rate than `lr`"),
        (of(finetune, mistake="gradients pile up"), "What must happen before it?"),
        (lambda *a, **k: finetune(*a, **k)[-1], "Not right yet: your answer stopped with TypeError"),
        (lambda *a, **k: [[1 / 3, 1 / 3]] * 2, "Not right yet: expected the weights and the accuracies"),
        (lambda net, stream, shuffle: [[]], "stopped with TypeError"),
    ],
    "forgetting": [
        (
            lambda R: (R[-1].mean(), (R.diagonal() - R[-1])[:-1].mean()),
            "backward transfer with its sign turned",
        ),
        (
            lambda R: (R[-1].mean(), np.mean([max(R[k:-1, k]) - R[-1, k] for k in range(len(R) - 1)])),
            "can be best before it is learned, too",
        ),
        (lambda R: (R[-1].mean(), (R.max(0) - R[-1])[:-1].mean()), "could never be negative"),
        (lambda R: (R[-1].mean(), (R[:-1].max(0) - R[-1]).mean()), "expected A = 0.7, F = 0.15"),
        (above_zero, "could never be negative"),
        (lambda R: (R[:, -1].mean(), (R[:-1, :-1].max(0) - R[-1, :-1]).mean()), "expected A = 0.7"),
        (lambda R: (0.7, 0.15), "expected A = 0.7"),
        (lambda R: (R[-1].mean(), (R[:-1].max(0) - R[-1])[:-1].sum() / 4), "How many tasks are in the R"),
    ],
    "backward transfer": [
        (lambda R: (R[-1] - R.diagonal()).mean(), "how many terms are left?"),
        (lambda R: (R.diagonal() - R[-1])[:-1].mean(), "the end comes first"),
        (lambda R: (R[-1] - R[:-1].max(0))[:-1].mean(), "forgetting with its sign turned"),
        (lambda R: (R[:-1, -1] - R.diagonal()[:-1]).mean(), "expected BWT = -0.0833"),
        (lambda R: -1 / 12, "expected BWT = -0.0833"),
        (lambda R: (R[-1] - R.diagonal()).sum() / 3, "How many tasks are in the R"),
    ],
    "scenario": [
        (("class", "domain", "task", "task", "task", "domain", "class"), "How many gestures compete?"),
        (("class", "domain", "task", "class", "domain", "domain", "class"), "Who says which fruit it is?"),
        (("class", "domain", "task", "class", "task", "domain", "task"), "Who pays for a wrong guess?"),
        (("class", "domain", "task"), "more than one is off"),
        (("task",) * 7, "more than one is off"),
        ("class domain", "more than one is off"),
        (set(SCENARIOS), "more than one is off"),
        (("class", ..., ..., ..., ..., ..., ...), "more than one is off"),
    ],
    "may answer": [
        (of(who_answers, mistake="the newest task"), "`now` or `on`?"),
        (of(who_answers, mistake="the task is told"), "nobody says `on`"),
        (of(who_answers, mistake="counted, not looked up"), "Which digits do they hold?"),
        (of(who_answers, mistake="never all"), 'With `active="all"`'),
        (of(who_answers, mistake="always all"), "tasks to come may not answer yet"),
        (lambda *a: [o in who_answers(*a) for o in range(10)], "True and False are read as"),
        (lambda *a: {0, 1, 2}, "Not right yet"),
        (lambda *a: len(who_answers(*a)), "stopped with TypeError"),
    ],
    "put back": [
        (of(surgery, mistake="the bias is left"), "A row has a bias, too"),
        (of(surgery, mistake="lanes for rows"), "Axis 0 is the lane"),
        (of(surgery, mistake="the whole layer"), "the others stay as they are"),
        (of(surgery, mistake="changes its argument"), "What makes a copy?"),
        (lambda now, old, rows: now, "Not right yet: expected a dict like `now`"),
        (lambda now, old, rows: old, "Not right yet: expected a dict like `now`"),
        (lambda now, old, rows: surgery(now, old, [0, 1]), "Not right yet"),
    ],
}


@pytest.mark.parametrize("name, answer", [(name, answer) for name in RIGHT for answer in RIGHT[name]])
def test_every_right_form_is_right(name, answer):
    verdict = judge(name, answer)
    assert verdict.status == "right", verdict.text


@pytest.mark.parametrize("name, answer, words", [(name, *one) for name in WRONG for one in WRONG[name]])
def test_every_wrong_answer_is_told_why(name, answer, words):
    verdict = judge(name, answer)
    assert verdict.status in ("misconception", "wrong")
    assert words in verdict.text, verdict.text
