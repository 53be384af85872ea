"""Exercises of ewc: the penalty, one spring for two, the largest learning rate; and of fisher: the
Fisher of softmax regression.
"""

import torch

from ..check import Wrong, exercise

THETA = torch.tensor([[1.0, -2.0, 0.5], [2.0, 0.0, -1.0]])
STIFF = torch.tensor([[0.5, 2.0, 3.0], [1.0, 0.2, 0.7]])
ANCHOR = torch.tensor([[0.0, 1.0, 2.0], [-1.0, 0.5, 1.5]])
STIFF2, ANCHOR2 = STIFF.flip(1) + 0.3, torch.tensor([[2.0, 0.3, -1.0], [0.1, 0.2, 0.3]])
FISHERS = torch.tensor([[0.1, 0.3, 0.02], [0.4, 0.05, 0.02], [0.02, 0.1, 0.08]])  # (tasks, weights)
P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]])
X, Y = torch.tensor([[1.0, -2.0], [0.5, 1.0], [3.0, 0.2], [-1.0, 2.0]]), torch.tensor([0, 2, 1, 2])
CANCEL = (
    "Gradients of different samples cancel in a sum. Which comes first: the square, or the sum?"
)
AGAIN = "Once around each anchor: the first task's spring is still there."


def each(energy):
    """A penalty: the sum over springs of energy(theta, F, anchor, lam)."""
    return lambda theta, springs, lam: sum(energy(theta, F, a, lam) for F, a in springs)


def energy_and_force(f):
    """What a penalty is worth on two springs, its gradient there, and its value without springs."""
    theta, springs = THETA.clone().requires_grad_(), [(STIFF, ANCHOR), (STIFF2, ANCHOR2)]
    value = f(theta, [(F.clone(), a.clone()) for F, a in springs], 10.0)
    value = value if isinstance(value, torch.Tensor) else torch.tensor(float(value))
    if value.requires_grad:
        value.sum().backward()
    force = torch.zeros_like(theta) if theta.grad is None else theta.grad
    value = value.detach().float()
    none = torch.as_tensor(f(THETA.clone(), [], 10.0)).detach().float()
    return value.reshape(()) if value.numel() == 1 else value, force, none.sum()


def delta(p, y):
    """∂(−log p_y) / ∂logits: (n, classes)."""
    return p - torch.eye(p.shape[1])[y]


# fmt: off
exercise("penalty", each(lambda t, F, a, lam: lam / 2 * (F * (t - a) ** 2).sum()),
         probe=energy_and_force, expects="the energy of two springs on a matrix, and its force",
         praise="Energies add up; the force of each spring is λ F (θ − θ*).", wrong=[
    Wrong("no force", each(lambda t, F, a, lam: lam / 2 * (F * (t - a) ** 2).sum().item()),
          "The number is right, but cut off from θ (`detach`, `item`, NumPy): a training that takes "
          "its gradient feels no spring."),
    Wrong("forgot the ½", each(lambda t, F, a, lam: lam * (F * (t - a) ** 2).sum()),
          "Then the force is 2 λ F (θ − θ*): every λ you read elsewhere means something else here."),
    Wrong("forgot λ", each(lambda t, F, a, lam: (F * (t - a) ** 2).sum() / 2),
          "What sets the strength?"),
    Wrong("forgot the Fisher", each(lambda t, F, a, lam: lam / 2 * ((t - a) ** 2).sum()),
          "That is plain L2: every weight is held alike, whether it matters or not."),
    Wrong("not squared", each(lambda t, F, a, lam: lam / 2 * (F * (t - a)).sum()),
          "Moving a weight down now lowers the loss. What makes both directions cost the same?"),
    Wrong("absolute distance", each(lambda t, F, a, lam: lam / 2 * (F * (t - a).abs()).sum()),
          "A spring pulls harder the further it is stretched: which power of the distance does that?"),
    Wrong("squared the weights, not the distance",
          each(lambda t, F, a, lam: lam / 2 * (F * t**2).sum()),
          "This pulls towards zero. Where should the weights stay?"),
    Wrong("mean instead of sum", each(lambda t, F, a, lam: lam / 2 * (F * (t - a) ** 2).mean()),
          "A mean makes each spring of a larger network weaker."),
    Wrong("summed over one axis only", each(lambda t, F, a, lam: lam / 2 * sum(F * (t - a) ** 2)),
          "Python's `sum` adds the rows of a matrix and leaves a row. What adds everything?"),
    Wrong("only the last spring", lambda t, springs, lam: sum(
        lam / 2 * (F * (t - a) ** 2).sum() for F, a in springs[-1:]), AGAIN),
    Wrong("only the first spring", lambda t, springs, lam: sum(
        lam / 2 * (F * (t - a) ** 2).sum() for F, a in springs[:1]),
          "And the later tasks? Each of them has left a spring, too."),
    Wrong("the last anchor for all", lambda t, springs, lam: sum(
        lam / 2 * (F * (t - springs[-1][1]) ** 2).sum() for F, _ in springs), AGAIN),
    Wrong("mean over the springs", lambda t, springs, lam: sum(
        lam / 2 * (F * (t - a) ** 2).sum() for F, a in springs) / max(1, len(springs)),
          "Then the first task's spring gets weaker with every task. (EWC adds them.)"),
])
exercise("softmax fisher", lambda p, x, y: (p * (1 - p)).T @ x**2 / len(x),
         probe=lambda f: f(P.clone(), X.clone(), Y.clone()),
         expects="a tensor of shape (classes, features) with other values",
         praise="The labels never entered: the model's own answers are enough.", wrong=[
    Wrong("sum instead of mean", lambda p, x, y: (p * (1 - p)).T @ x**2,
          "The definition is an expectation over x: a device with twice the samples has the same F."),
    Wrong("transposed", lambda p, x, y: ((p * (1 - p)).T @ x**2 / len(x)).T,
          "The numbers are right; the weights of softmax regression are (classes, features)."),
    Wrong("the true labels", lambda p, x, y: (delta(p, y) ** 2).T @ x**2 / len(x),
          "That is the empirical Fisher. Who answers in the definition: the data or the model?"),
    Wrong("squared the mean gradient", lambda p, x, y: (delta(p, y).T @ x / len(x)) ** 2, CANCEL),
    Wrong("squared the summed gradient", lambda p, x, y: (delta(p, y).T @ x) ** 2, CANCEL),
    Wrong("p instead of p(1 − p)", lambda p, x, y: p.T @ x**2 / len(x),
          "When the model is certain, p = 1: can its answer still surprise it?"),
    Wrong("1 − p instead of p(1 − p)", lambda p, x, y: (1 - p).T @ x**2 / len(x),
          "An answer that never comes, p = 0, should weigh nothing."),
    Wrong("(1 − p)² only", lambda p, x, y: ((1 - p) ** 2).T @ x**2 / len(x),
          "That is the squared score of the answer k itself. How often does it come, and what is the "
          "score of W_k when another answer comes?"),
    Wrong("only the answer k itself", lambda p, x, y: (p * (1 - p) ** 2).T @ x**2 / len(x),
          "With probability 1 − p another answer comes. Its score for W_k is −p x: square that, too."),
    Wrong("x instead of x²", lambda p, x, y: (p * (1 - p)).T @ x / len(x),
          "The whole score is squared, the input in it as well."),
])
exercise("merge", lambda F1, a1, F2, a2: (F1 + F2, (F1 * a1 + F2 * a2) / (F1 + F2)),
         probe=lambda f: f(*map(torch.tensor, ([1.0, 2.0], [0.0, 4.0], [3.0, 2.0], [1.0, -2.0]))),
         expects="a pair (fisher, anchor) that pulls as both springs do",
         praise="Two tensors, however many tasks: this is what `EWC` stores.", wrong=[
    Wrong("the latest anchor", lambda F1, a1, F2, a2: (F1 + F2, a2),
          "Then the first task's spring has moved house. (Online EWC does this, and knows it.)"),
    Wrong("the plain mean of the anchors", lambda F1, a1, F2, a2: (F1 + F2, (a1 + a2) / 2),
          "Which spring should win where one is far stiffer?"),
    Wrong("the mean of the stiffness",
          lambda F1, a1, F2, a2: ((F1 + F2) / 2, (F1 * a1 + F2 * a2) / (F1 + F2)),
          "Two springs side by side pull with the sum of their forces."),
    Wrong("forgot to divide", lambda F1, a1, F2, a2: (F1 + F2, F1 * a1 + F2 * a2),
          "Compare the terms in θ: they give F times the anchor, not the anchor."),
    Wrong("anchor first", lambda F1, a1, F2, a2: ((F1 * a1 + F2 * a2) / (F1 + F2), F1 + F2),
          "The right two tensors, but in the other order: (fisher, anchor)."),
])
exercise("largest lr", lambda fishers, lam: 2 / (lam * sum(fishers).max()),
         probe=lambda f: torch.as_tensor(f(list(FISHERS.clone()), 50.0)).float().reshape(()),
         expects="the bound of the spring that is stiffest after all tasks",
         praise="First the sum over tasks, then the stiffest weight.", wrong=[
    Wrong("1 instead of 2", lambda fishers, lam: 1 / (lam * sum(fishers).max()),
          "There the weight jumps exactly onto its anchor. When does it stop coming closer?"),
    Wrong("the last task only", lambda fishers, lam: 2 / (lam * fishers[-1].max()),
          "The springs of the earlier tasks pull, too."),
    Wrong("the first task only", lambda fishers, lam: 2 / (lam * fishers[0].max()),
          "That held in the first month. Which springs are there after the last?"),
    Wrong("the stiffest single spring", lambda fishers, lam: 2 / (lam * max(map(torch.max, fishers))),
          "On one weight there hang several springs. With what force do they pull together?"),
    Wrong("the sum of the maxima", lambda fishers, lam: 2 / (lam * sum(map(torch.max, fishers))),
          "Safe, but too careful: are the stiffest weights of all tasks the same weight?"),
    Wrong("mean instead of maximum", lambda fishers, lam: 2 / (lam * sum(fishers).mean()),
          "How many weights must blow up before the network is lost?"),
    Wrong("mean over the tasks",
          lambda fishers, lam: 2 / (lam * sum(fishers).max()) * len(fishers),
          "EWC adds the springs of all tasks; it does not average them."),
    Wrong("the sum over all weights", lambda fishers, lam: 2 / (lam * sum(fishers).sum()),
          "Different weights do not pull at each other here: one weight is lost by its own springs."),
])
