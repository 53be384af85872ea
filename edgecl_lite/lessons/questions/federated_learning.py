"""Exercises of federated_learning: the weighted mean, the pull of FedProx, the bytes of a whole
training, the client that breaks the average.
"""

import math

import torch

from ..check import Wrong, exercise

REPORTS = torch.tensor(
    [[[1.0, -2.0], [0.5, 3.0]], [[4.0, 0.0], [-1.0, 2.0]], [[-3.0, 5.0], [2.0, 7.0]]]
)
SAMPLES = torch.tensor([160, 69, 20])
THETA = {
    "weight": torch.tensor([[1.0, -2.0, 0.5], [2.0, 0.0, -1.0]]),
    "bias": torch.tensor([0.3, -0.7]),
}
SENT = {
    "weight": torch.tensor([[0.0, 1.0, 2.0], [-1.0, 0.5, 1.5]]),
    "bias": torch.tensor([1.0, 0.2]),
}
FLEETS = (
    (3415, 688, 20, 1.0, 20),
    (3415, 688, 20, 0.25, 10),
    (7510, 300, 7, 0.3, 3),
    (10, 0, 1, 1.0, 1),
)
BROKEN, CLIENTS = 13, 20
FORCE = (
    "The number is right, but cut off from θ (`detach`, `item`, NumPy): its gradient pulls nowhere."
)


def shaped(rows, like):
    """A number for each client in a shape that broadcasts over the reports."""
    return rows.view(-1, *[1] * (like.dim() - 1))


def weighted(weight):
    """The sum over clients of weight(samples) · report."""
    return lambda reports, samples: (shaped(weight(samples.float()), reports) * reports).sum(0)


def merged(f):
    """A mean of reports of two shapes, and of two clients that have the same number of samples."""
    told = [(REPORTS, SAMPLES), (REPORTS[:, 0], SAMPLES), (REPORTS[:2], torch.tensor([50, 50]))]
    return [torch.as_tensor(f(r.clone(), n.clone())).float() for r, n in told]


def pulled(f):
    """What a pull is worth, and its gradient."""
    theta = {k: v.clone().requires_grad_() for k, v in THETA.items()}
    value = f(theta, {k: v.clone() for k, v in SENT.items()}, 3.0)
    value = value if isinstance(value, torch.Tensor) else torch.tensor(float(value))
    if value.requires_grad:
        value.sum().backward()
    force = [torch.zeros_like(v) if v.grad is None else v.grad for v in theta.values()]
    value = value.detach().float()
    return [value.reshape(()) if value.numel() == 1 else value, *force]


def squares(theta, sent):
    """Σᵢ (θᵢ − sentᵢ)², of all tensors."""
    return sum(((theta[k] - sent[k]) ** 2).sum() for k in theta)


def traffic(called=lambda n, share: math.ceil(share * n), each=lambda w, h: 4 * w + h, ways=2):
    """Bytes of a training, each part of the count to be replaced."""
    return lambda w, h, n, share, rounds: rounds * called(n, share) * ways * each(w, h)


def numbers(answer):
    """The clients named, in order: of a number, a tensor, a list, a set, words with a number."""
    answer = answer() if callable(answer) else answer
    if (
        isinstance(answer, str)
        or not hasattr(answer, "__iter__")
        or getattr(answer, "ndim", 1) == 0
    ):
        answer = [answer]
    words = [str(getattr(one, "item", lambda one=one: one)()) for one in answer]
    return sorted({int(float(word.lower().replace("client", "").strip(" ,"))) for word in words})


# fmt: off
exercise("fleet mean", weighted(lambda n: n / n.sum()), probe=merged,
         expects="a tensor of the shape of one report, each client counting by its samples",
         praise="That is FedAvg's server, all of it.", wrong=[
    Wrong("every client counts alike", weighted(lambda n: torch.full_like(n, 1 / len(n))),
          "Who has more samples should count more: what is `samples` for?"),
    Wrong("mean over the wrong axis", lambda r, n: r.mean(-1),
          "That mixes weights of one client. Axis 0 is the clients."),
    Wrong("a sum, not a mean", weighted(lambda n: n),
          "If all clients report the same, the mean is just that. What do the weights add up to?"),
    Wrong("divided by the number of clients", weighted(lambda n: n / len(n)),
          "If all clients report the same, the mean is just that. What do the weights add up to?"),
    Wrong("a plain sum", weighted(torch.ones_like),
          "If all clients report the same, the mean is just that. What do the weights add up to?"),
    Wrong("divided twice", weighted(lambda n: n / n.sum() / len(n)),
          "The weights add up to 1 already. What does `mean` add to that?"),
    Wrong("weights upside down", weighted(lambda n: (1 / n) / (1 / n).sum()),
          "Who has more samples should count more, not less."),
    Wrong("softmax of the samples", weighted(lambda n: n.softmax(0)),
          "160 samples against 69 are a bit more than twice as many. How much more is e to these?"),
    Wrong("only the largest client", lambda r, n: r[n.argmax()],
          "Then the others have learned for nothing."),
])
exercise("fedprox", lambda theta, sent, mu: mu / 2 * squares(theta, sent), probe=pulled,
         expects="the energy of a spring of stiffness μ on every weight, and its force μ (θ − sent)",
         praise="EWC with F = 1 for every weight, λ = μ, and the server's model as the anchor.", wrong=[
    Wrong("no force", lambda theta, sent, mu: (mu / 2 * squares(theta, sent)).detach(), FORCE),
    Wrong("forgot the ½", lambda theta, sent, mu: mu * squares(theta, sent),
          "Then the force is 2 μ (θ − sent), and every μ you read elsewhere means something else."),
    Wrong("forgot μ", lambda theta, sent, mu: squares(theta, sent) / 2, "What sets the strength?"),
    Wrong("not squared", lambda theta, sent, mu: mu / 2 * sum(
        (theta[k] - sent[k]).sum() for k in theta),
          "Moving a weight down now lowers the loss. What makes both directions cost the same?"),
    Wrong("absolute distance", lambda theta, sent, mu: mu / 2 * sum(
        (theta[k] - sent[k]).abs().sum() for k in theta),
          "A spring pulls harder the further it is stretched: which power of the distance does that?"),
    Wrong("pulls to zero", lambda theta, sent, mu: mu / 2 * sum((v**2).sum() for v in theta.values()),
          "That is weight decay. Where should the weights stay?"),
    Wrong("mean instead of sum", lambda theta, sent, mu: mu / 2 * sum(
        ((theta[k] - sent[k]) ** 2).mean() for k in theta),
          "A mean makes each spring of a larger tensor weaker."),
    Wrong("the norm, not its square", lambda theta, sent, mu: mu / 2 * squares(theta, sent) ** 0.5,
          "That pulls as hard near the server's model as far from it. Which power is in the formula?"),
    Wrong("only the weights", lambda theta, sent, mu: mu / 2 * (
        (theta["weight"] - sent["weight"]) ** 2).sum(), "And the biases? Every tensor has springs."),
    Wrong("only the last tensor", lambda theta, sent, mu: mu / 2 * (
        (theta["bias"] - sent["bias"]) ** 2).sum(), "Add up over all tensors."),
])
exercise("fleet bytes", traffic(),
         probe=lambda f: [float(f(*fleet)) for fleet in FLEETS],
         expects="bytes up and down: for the watches 11,478,400 at 20 rounds with all, so for each "
                 "round and client called two messages of 4 bytes a weight and a header",
         praise="Nothing in it depends on how many samples there are.", wrong=[
    Wrong("one way only", traffic(ways=1), "The server sends its model, too."),
    Wrong("four bytes forgotten", traffic(each=lambda w, h: w + h), "A weight is a float: how many bytes?"),
    Wrong("two bytes a weight", traffic(each=lambda w, h: 2 * w + h),
          "That would be half precision. Here a weight is a float of 32 bits."),
    Wrong("bits, not bytes", traffic(each=lambda w, h: 32 * w + 8 * h), "Eight bits are a byte."),
    Wrong("no header", traffic(each=lambda w, h: 4 * w),
          "Names and shapes travel in every message, too."),
    Wrong("the header of every weight", traffic(each=lambda w, h: w * (4 + h)),
          "There is one header in each message."),
    Wrong("every client in every round", traffic(called=lambda n, share: n),
          "The server calls only a share of them."),
    Wrong("not a whole client", traffic(called=lambda n, share: share * n),
          "Of 7 clients 0.3 are 2.1: how many watches are called so that it is at least that share?"),
    Wrong("rounded down", traffic(called=lambda n, share: int(share * n)),
          "Of 7 clients 0.3 are 2.1: how many watches are called so that it is at least that share?"),
    Wrong("one round", lambda w, h, n, share, rounds: math.ceil(share * n) * 2 * (4 * w + h),
          "How often does that happen?"),
    Wrong("of one client", lambda w, h, n, share, rounds: rounds * 2 * (4 * w + h),
          "That is what one watch sends and gets, if it is called every time. And all of them?"),
])
exercise("broken client", BROKEN, probe=numbers, expects="the number of one client, counted from 0",
         praise="It moves far, and away from where the others go.", wrong=[
    Wrong("counted from 1", BROKEN + 1, "The first line of the table is client 0."),
    Wrong("the one that moved least", 4, "A short step does little harm. Which pulls the mean the furthest?"),
    Wrong("far, but along with the others", 7,
          "Client 7 has worked longer and goes where the others go. Look at the cosine, too."),
    Wrong("all that moved far", [7, BROKEN], "One of these two goes where the others go."),
    Wrong("the whole fleet", range(CLIENTS), "Only one is broken."),
])
