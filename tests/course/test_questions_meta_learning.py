"""The exercises of meta_learning: every right form is right, every wrong one gets its sentence."""

import warnings

import numpy as np
import pytest
import torch

from edgecl_lite.lessons.check import judge


def textbook(loss, theta, support, lr):
    grads = torch.autograd.grad(loss(theta, support), list(theta.values()), create_graph=True)
    return {k: p - lr * g for (k, p), g in zip(theta.items(), grads)}


def functional(loss, theta, support, lr):
    grads = torch.func.grad(loss)(theta, support)
    return {k: p - lr * grads[k] for k, p in theta.items()}


def as_a_list(loss, theta, support, lr):
    return list(textbook(loss, theta, support, lr).values())


def stepwise(loss, theta, support, lr):
    new, value = {}, loss(theta, support)
    for k, p in theta.items():
        (g,) = torch.autograd.grad(value, [p], create_graph=True)
        new[k] = torch.sub(p, g, alpha=lr)
    return new


def by_backward(loss, theta, support, lr):
    with warnings.catch_warnings(action="ignore"):
        loss(theta, support).backward(create_graph=True)
    return {k: p - lr * p.grad for k, p in theta.items()}


def on_a_clone(loss, theta, support, lr):
    return textbook(loss, {k: p.clone() for k, p in theta.items()}, support, lr)


def no_graph(loss, theta, support, lr):
    grads = torch.autograd.grad(loss(theta, support), list(theta.values()), retain_graph=True)
    return {k: p - lr * g for (k, p), g in zip(theta.items(), grads)}


def climbing(loss, theta, support, lr):
    return textbook(loss, theta, support, -lr)


def without_the_start(loss, theta, support, lr):
    return {k: p - theta[k] for k, p in textbook(loss, theta, support, lr).items()}


def half_detached(loss, theta, support, lr):
    return {k: p - theta[k] + theta[k].detach() for k, p in textbook(loss, theta, support, lr).items()}


def by_data(loss, theta, support, lr):
    for p, new in zip(theta.values(), textbook(loss, theta, support, lr).values()):
        p.data = new.data
    return theta


def hard_coded(loss, theta, support, lr):
    return textbook(loss, theta, support, 0.01)


def B():
    """A learner's function of that name."""


def D():
    """A learner's function of that name."""


RIGHT = [
    *(("inner step", step) for step in (textbook, functional, on_a_clone, stepwise)),
    *(("cut graph", form) for form in ({"B", "D"}, ["D", "B"], ("B", "D"), "BD", "b, d", "B and D", [B, D])),
    ("cut graph", np.array(["B", "D"])),
    ("cut graph", dict(A=False, B=True, C=False, D=np.True_, E=False)),
    *(
        ("leaked class", form)
        for form in ({"B", "C", "E"}, ["E", "C", "B"], "BCE", "B, C, E", frozenset("CBE"))
    ),
    ("leaked class", np.array(["B", "C", "E"])),
]
WRONG = [
    ("inner step", no_graph, "on the way back the gradient counts as a constant"),
    ("inner step", as_a_list, "give back a dict"),
    ("inner step", by_backward, "leaves nothing behind"),
    ("inner step", climbing, "Which way does gradient descent go?"),
    ("inner step", without_the_start, "From where does the step set out?"),
    ("inner step", half_detached, "the way back also runs through the θ in front"),
    ("inner step", by_data, "It moves the start itself"),
    ("inner step", hard_coded, "expected a dict θ'"),
    ("cut graph", {"A", "C", "E"}, "Which side does the question ask for?"),
    ("cut graph", ["A", "C", "E"], "“those that are whole”"),
    ("cut graph", {"B"}, "are both ways open everywhere?"),
    ("cut graph", "D", "Does it also write down a new one?"),
    ("cut graph", {"B", "C", "D"}, "torch.func.grad is differentiable as often"),
    ("cut graph", {"A", "C"}, "A is the textbook"),
    ("cut graph", set("ABCDE"), "That says nothing about any of them"),
    ("cut graph", set(), "not all are near 0"),
    ("cut graph", {"X"}, 'expected letters, such as {"A", "B"}'),
    ("leaked class", {"A", "D"}, "Which side does the question ask for?"),
    ("leaked class", {"D", "E"}, "D holds out 6 and 9 together"),
    ("leaked class", ["E"], "“only E (images new)”"),
    ("leaked class", {"B", "C"}, "New images are not new classes"),
    ("leaked class", {"C", "E"}, "Turn the pad upside down"),
    ("leaked class", "BE", "A symbol turned is another symbol"),
    ("leaked class", set("ABCDE"), "That says nothing about any of them"),
]


@pytest.mark.parametrize("name, answer", RIGHT)
def test_right_in_every_form(name, answer):
    assert judge(name, answer).status == "right"


@pytest.mark.parametrize("name, answer, sentence", WRONG)
def test_wrong_with_its_sentence(name, answer, sentence):
    verdict = judge(name, answer)
    assert verdict.status in ("misconception", "wrong") and sentence in verdict.text, verdict.text
