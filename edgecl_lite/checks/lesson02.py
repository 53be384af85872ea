"""Exercises of lesson 02: the penalty, the Fisher of softmax regression, one spring for two, the largest
learning rate.
"""

import torch

from . import Wrong, exercise


def penalty(theta, fisher, anchor, lam):
    return lam / 2 * (fisher * (theta - anchor) ** 2).sum()


def _springs(answer):
    theta, stiff = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.5, 2.0, 3.0])
    return answer(theta, stiff, torch.tensor([0.0, 1.0, 2.0]), 10.0)


exercise(
    "02 penalty",
    penalty,
    probe=_springs,
    praise="A spring on every weight; its force is λ F (θ − θ*).",
    wrong=[
        Wrong("forgot the ½", lambda t, f, a, lam: lam * (f * (t - a) ** 2).sum(),
              "Then the force is 2 λ F (θ − θ*): every λ you read elsewhere means something else here."),
        Wrong("forgot λ", lambda t, f, a, lam: 0.5 * (f * (t - a) ** 2).sum(),
              "How does the reader of your code set the strength?"),
        Wrong("forgot the Fisher", lambda t, f, a, lam: lam / 2 * ((t - a) ** 2).sum(),
              "That is plain L2: every weight is held equally, whether it matters or not."),
        Wrong("not squared", lambda t, f, a, lam: lam / 2 * (f * (t - a)).sum(),
              "Moving a weight down now lowers the loss. What makes both directions cost the same?"),
        Wrong("absolute distance", lambda t, f, a, lam: lam / 2 * (f * (t - a).abs()).sum(),
              "A spring pulls harder the further it is stretched: which power of the distance does that?"),
        Wrong("squared the weights, not the distance", lambda t, f, a, lam: lam / 2 * (f * t**2).sum(),
              "This pulls towards zero. Where should the weights stay?"),
        Wrong("mean instead of sum", lambda t, f, a, lam: lam / 2 * (f * (t - a) ** 2).mean(),
              "A mean makes the springs of a larger network weaker, each of them."),
    ],
)  # fmt: skip


def softmax_fisher(p, x, y):
    return (p * (1 - p)).T @ x**2 / len(x)


def _regression(answer):
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(6, 4, generator=g), torch.tensor([0, 2, 1, 1, 0, 2])
    return answer((2 * torch.randn(6, 3, generator=g)).softmax(-1), x, y)


def _delta(p, y):
    return p - torch.eye(p.shape[1])[y]


exercise(
    "02 softmax fisher",
    softmax_fisher,
    probe=_regression,
    praise="The labels never entered: the model's own answers are enough.",
    wrong=[
        Wrong("the true labels", lambda p, x, y: (_delta(p, y) ** 2).T @ x**2 / len(x),
              "That is the empirical Fisher. Who answers in the definition: the data or the model?"),
        Wrong("squared the mean gradient", lambda p, x, y: (_delta(p, y).T @ x / len(x)) ** 2,
              "Gradients of different samples cancel before you square. Which comes first?"),
        Wrong("squared the summed gradient", lambda p, x, y: (_delta(p, y).T @ x) ** 2,
              "Gradients of different samples cancel before you square. Which comes first?"),
        Wrong("p instead of p(1 − p)", lambda p, x, y: p.T @ x**2 / len(x),
              "When the model is certain, p = 1: can its answer still surprise it?"),
        Wrong("1 − p instead of p(1 − p)", lambda p, x, y: (1 - p).T @ x**2 / len(x),
              "An answer that never comes, p = 0, should weigh nothing."),
        Wrong("x not squared", lambda p, x, y: (p * (1 - p)).T @ x / len(x),
              "A squared score squares its factor x, too; a Fisher is never negative."),
        Wrong("sum instead of mean", lambda p, x, y: (p * (1 - p)).T @ x**2,
              "Should twice the samples make every spring twice as stiff?"),
    ],
)  # fmt: skip


def merge(fisher1, anchor1, fisher2, anchor2):
    return fisher1 + fisher2, (fisher1 * anchor1 + fisher2 * anchor2) / (fisher1 + fisher2)


def _two(answer):
    return answer(*map(torch.tensor, ([1.0, 2.0], [0.0, 4.0], [3.0, 2.0], [1.0, -2.0])))


exercise(
    "02 merge",
    merge,
    probe=_two,
    praise="Two tensors, however many tasks: this is what `EWC` stores.",
    wrong=[
        Wrong("the latest anchor", lambda f1, a1, f2, a2: (f1 + f2, a2),
              "Then the first task's spring has moved house. (Online EWC does this, and knows it.)"),
        Wrong("the plain mean of the anchors", lambda f1, a1, f2, a2: (f1 + f2, (a1 + a2) / 2),
              "Which spring should win where one is far stiffer?"),
        Wrong("weights swapped", lambda f1, a1, f2, a2: (f1 + f2, (f2 * a1 + f1 * a2) / (f1 + f2)),
              "Let the first spring become infinitely stiff: where does your minimum go?"),
        Wrong("mean of the Fishers", lambda f1, a1, f2, a2:
              ((f1 + f2) / 2, (f1 * a1 + f2 * a2) / (f1 + f2)),
              "Two springs side by side: are they stiffer than one, or as stiff as the average?"),
    ],
)  # fmt: skip


def largest_lr(fisher, lam):
    return 2 / (lam * fisher.max())


exercise(
    "02 largest lr",
    largest_lr,
    probe=lambda answer: answer(torch.tensor([0.1, 0.4, 0.02]), 50.0),
    praise="Beyond it each step lands further away, on the other side.",
    wrong=[
        Wrong("1 instead of 2", lambda f, lam: 1 / (lam * f.max()),
              "At that rate the weight jumps exactly onto its anchor. When does it stop coming closer?"),
        Wrong("mean instead of maximum", lambda f, lam: 2 / (lam * f.mean()),
              "How many weights must blow up before the network is lost?"),
        Wrong("sum instead of maximum", lambda f, lam: 2 / (lam * f.sum()),
              "With a diagonal F every weight is a spring of its own."),
        Wrong("softest spring", lambda f, lam: 2 / (lam * f.min()), "Which spring swings too far first?"),
        Wrong("forgot λ", lambda f, lam: 2 / f.max(), "How stiff is a spring: F, or λ F?"),
    ],
)  # fmt: skip
