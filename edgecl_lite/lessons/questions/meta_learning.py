"""Exercises of meta_learning: the inner step, which meta-gradients have a cut graph, which splits leak."""

import warnings
from functools import partial

import torch

from ..check import Wrong, exercise
from . import letters

X = torch.tensor([[0.5, -1.0, 2.0], [0.3, 0.8, -0.7], [1.5, 0.2, -0.4]])
BATCH = {"x": X, "y": torch.tensor([1.0, -2.0, 0.5])}
START = {"w": [0.4, -0.2, 0.1], "b": [0.3]}


def _loss(theta, batch):
    return ((batch["x"] @ theta["w"] + theta["b"]).tanh() - batch["y"]).square().mean()


def _stepped(function):
    """Where the second step from one start leads, what comes back through it, the start afterwards."""
    theta = {k: torch.tensor(v, requires_grad=True) for k, v in START.items()}
    for _ in range(2):
        new = function(_loss, theta, {k: v.clone() for k, v in BATCH.items()}, 0.7)
    if isinstance(new, list | tuple):  # a network finds its weights by their names
        return [v.detach() for v in new]
    new = dict(new)
    there = _loss(new, {"x": X.flip(0), "y": BATCH["y"]})
    grads = torch.autograd.grad(
        there, list(theta.values()), materialize_grads=True, allow_unused=True
    )
    return [
        {k: v.detach() for k, v in new.items()},
        list(grads),
        {k: v.detach() for k, v in theta.items()},
    ]


def step(
    loss, theta, support, lr, *, sign=-1, graph=True, start=lambda p: p, rate=True, only=False
):
    """One inner step, with room for mistakes."""
    grads = torch.autograd.grad(loss(theta, support), list(theta.values()), create_graph=graph)
    grads = [g * lr for g in grads] if rate else grads
    return {k: -g if only else start(p) + sign * g for (k, p), g in zip(theta.items(), grads)}


def in_place(loss, theta, support, lr):
    for p, g in zip(
        theta.values(), torch.autograd.grad(loss(theta, support), list(theta.values()))
    ):
        p.data -= lr * g
    return theta


def one_after_the_other(loss, theta, support, lr):
    theta = dict(theta)
    for k in theta:
        (g,) = torch.autograd.grad(loss(theta, support), [theta[k]], create_graph=True)
        theta[k] = theta[k] - lr * g
    return theta


def left_behind(loss, theta, support, lr):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of it as well
        loss(theta, support).backward(create_graph=True)
    return {k: p - lr * p.grad for k, p in theta.items()}


def constant(loss, theta, support, lr):
    return {k: p.detach().requires_grad_() for k, p in step(loss, theta, support, lr).items()}


# fmt: off
exercise("inner step", step, probe=_stepped, expects="a dict θ', and a gradient that runs through it to θ",
         praise="The value is one step of SGD, and the way back to the start is open.", wrong=[
    Wrong("the graph is cut", partial(step, graph=False),
          "The numbers are right, but on the way back the gradient counts as a constant. Which option of "
          "`torch.autograd.grad` keeps a gradient differentiable?"),
    Wrong("uphill", partial(step, sign=1), "The loss grows. Which way does gradient descent go?"),
    Wrong("no learning rate", partial(step, rate=False), "How long is the step?"),
    Wrong("the start is detached", partial(step, start=torch.Tensor.detach),
          "θ' = θ − α g: the way back also runs through the θ in front."),
    Wrong("the result is detached", constant,
          "Whoever asks θ' where it comes from gets no answer: what cut it?"),
    Wrong("in place", in_place, "It moves the start itself. Other users begin there too: make a new dict."),
    Wrong("one tensor after the other", one_after_the_other,
          "The second gradient is taken where the first step led. Take all of them at the same θ."),
    Wrong("a list, not a dict", lambda *a: list(step(*a).values()),
          "The numbers are right, but a network finds its weights by their names: give back a dict."),
    Wrong("a gradient is left behind", left_behind,
          "The first step is right; the next from the same θ is not, for `backward` adds to what stands in "
          "`.grad`. Which function gives the gradients back and leaves nothing behind?"),
    Wrong("the change, not the result", partial(step, only=True),
          "From where does the step set out?"),
])

CUTS = dict(A="create_graph", B="retain_graph", C="func.grad", D="detach", E="clone")
SPLITS = dict(A="3, 4, 7 new", B="the 9 new", C="turns new", D="0, 6, 9 new", E="images new")
FINE = {"A": "A is the textbook: create_graph keeps the inner gradient differentiable.",
        "C": "C: torch.func.grad is differentiable as often as you like.",
        "E": "E: clone copies the numbers and keeps the way back."}
CUT = {"B": "There is one more: retain_graph keeps the graph of the loss. Does it also write down a new one?",
       "D": "There is one more. θ stands twice in θ − α ∇L(θ): are both ways open everywhere?"}
LEAKS = {"B": "Turn the pad upside down in your mind: is there a pair of digits that becomes the same?",
         "C": "A symbol turned is another symbol; does it still show the same digit by the same hands?",
         "E": "New images are not new classes. What is an episode supposed to test?"}
CLEAN = {"A": "A holds out whole digits in all turns, and no held-out digit is a turned known one.",
         "D": "D holds out 6 and 9 together. A 0 upside down is a 0, on the same side."}


def _other(right, wrong, how, names):
    """A `Wrong` for each set of the letters A to E that is not right.

    how: what each letter is, in a word or two; names: (all, complement, none, hint for none).
    """
    for n in range(32):
        given = {c for i, c in enumerate("ABCDE") if n >> i & 1}
        false, missing = sorted(given & wrong.keys()), sorted(right.keys() - given)
        if len(given) == 5:
            yield Wrong(names[0], given, "That says nothing about any of them. " + wrong[false[0]])
        elif given == wrong.keys():
            yield Wrong(names[1], given, "You have parted them well. Which side does the question ask for?")
        elif not given:
            yield Wrong(names[2], given, names[3])
        elif false:
            yield Wrong(f"{false[0]} ({how[false[0]]}) named", given, wrong[false[0]])
        elif missing:
            one = missing[0] if len(given) > 1 else min(given)
            what = f"{one} ({how[one]})"
            what = f"{what} missing" if len(given) > 1 else f"only {what}"
            yield Wrong(what, given, right[missing[0]])


SOME = 'letters, such as {"A", "B"}'
exercise("cut graph", {"B", "D"}, probe=letters, wrong=[*_other(CUT, FINE, CUTS, (
    "all of them", "those that are whole", "none of them", "Measure with `apart`: not all are near 0."))],
    expects=SOME, praise="B drops the curvature, D the direct way, and neither raises an error.")
exercise("leaked class", {"B", "C", "E"}, probe=letters, wrong=[*_other(LEAKS, CLEAN, SPLITS, (
    "all of them", "those that are clean", "none of them", LEAKS["E"]))],
    expects=SOME, praise="New means: no turned copy of it, by any name.")
