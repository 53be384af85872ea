"""Exercises of ewc: the penalty, the Fisher of softmax regression, one spring for two, the
largest learning rate.
"""

import torch

from ..check import Wrong, exercise

THETA, STIFF, ANCHOR = torch.tensor([[1.0, -2.0, 0.5], [0.5, 2.0, 3.0], [0.0, 1.0, 2.0]])
P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]])
X, Y = torch.tensor([[1.0, -2.0], [0.5, 1.0], [3.0, 0.2], [-1.0, 2.0]]), torch.tensor([0, 2, 1, 2])
CANCEL = (
    "Gradients of different samples cancel in a sum. Which comes first: the square, or the sum?"
)


def delta(p, y):
    """∂(−log p_y) / ∂logits: (n, classes)."""
    return p - torch.eye(p.shape[1])[y]


# fmt: off
exercise("penalty", lambda t, F, a, lam: lam / 2 * (F * (t - a) ** 2).sum(),
         probe=lambda f: f(THETA.clone(), STIFF.clone(), ANCHOR.clone(), 10.0),
         praise="A spring on every weight; its force is λ F (θ − θ*).", wrong=[
    Wrong("forgot the ½", lambda t, F, a, lam: lam * (F * (t - a) ** 2).sum(),
          "Then the force is 2 λ F (θ − θ*): every λ you read elsewhere means something else here."),
    Wrong("forgot λ", lambda t, F, a, lam: (F * (t - a) ** 2).sum() / 2, "What sets the strength?"),
    Wrong("forgot the Fisher", lambda t, F, a, lam: lam / 2 * ((t - a) ** 2).sum(),
          "That is plain L2: every weight is held alike, whether it matters or not."),
    Wrong("not squared", lambda t, F, a, lam: lam / 2 * (F * (t - a)).sum(),
          "Moving a weight down now lowers the loss. What makes both directions cost the same?"),
    Wrong("absolute distance", lambda t, F, a, lam: lam / 2 * (F * (t - a).abs()).sum(),
          "A spring pulls harder the further it is stretched: which power of the distance does that?"),
    Wrong("squared the weights, not the distance", lambda t, F, a, lam: lam / 2 * (F * t**2).sum(),
          "This pulls towards zero. Where should the weights stay?"),
    Wrong("mean instead of sum", lambda t, F, a, lam: lam / 2 * (F * (t - a) ** 2).mean(),
          "A mean makes each spring of a larger network weaker."),
])
exercise("softmax fisher", lambda p, x, y: (p * (1 - p)).T @ x**2 / len(x),
         probe=lambda f: f(P.clone(), X.clone(), Y.clone()),
         praise="The labels never entered: the model's own answers are enough.", wrong=[
    Wrong("the true labels", lambda p, x, y: (delta(p, y) ** 2).T @ x**2 / len(x),
          "That is the empirical Fisher. Who answers in the definition: the data or the model?"),
    Wrong("squared the mean gradient", lambda p, x, y: (delta(p, y).T @ x / len(x)) ** 2, CANCEL),
    Wrong("squared the summed gradient", lambda p, x, y: (delta(p, y).T @ x) ** 2, CANCEL),
    Wrong("p instead of p(1 − p)", lambda p, x, y: p.T @ x**2 / len(x),
          "When the model is certain, p = 1: can its answer still surprise it?"),
    Wrong("1 − p instead of p(1 − p)", lambda p, x, y: (1 - p).T @ x**2 / len(x),
          "An answer that never comes, p = 0, should weigh nothing."),
])
exercise("merge", lambda F1, a1, F2, a2: (F1 + F2, (F1 * a1 + F2 * a2) / (F1 + F2)),
         probe=lambda f: f(*map(torch.tensor, ([1.0, 2.0], [0.0, 4.0], [3.0, 2.0], [1.0, -2.0]))),
         praise="Two tensors, however many tasks: this is what `EWC` stores.", wrong=[
    Wrong("the latest anchor", lambda F1, a1, F2, a2: (F1 + F2, a2),
          "Then the first task's spring has moved house. (Online EWC does this, and knows it.)"),
    Wrong("the plain mean of the anchors", lambda F1, a1, F2, a2: (F1 + F2, (a1 + a2) / 2),
          "Which spring should win where one is far stiffer?"),
])
exercise("largest lr", lambda F, lam: 2 / (lam * F.max()),
         probe=lambda f: f(torch.tensor([0.1, 0.4, 0.02]), 50.0),
         praise="Beyond it each step lands further away, on the other side.", wrong=[
    Wrong("1 instead of 2", lambda F, lam: 1 / (lam * F.max()),
          "There the weight jumps exactly onto its anchor. When does it stop coming closer?"),
    Wrong("mean instead of maximum", lambda F, lam: 2 / (lam * F.mean()),
          "How many weights must blow up before the network is lost?"),
])
