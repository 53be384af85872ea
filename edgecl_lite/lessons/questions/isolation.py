"""Exercises of parameter_isolation: the straight-through mask, packed bits, PackNet's pruning, freezing, and
which ways of freezing leak.
"""

from itertools import combinations

import torch

from ...methods.codecs import packed
from ..check import Wrong, exercise
from . import letters

SCORES = torch.tensor([-0.3, 0.004, 0.006, 2.0, 0.3, -1.5])
THRESHOLDS = 0.005, 0.5, -1.0
BITS = torch.tensor([1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 1, 1])
WEIGHTS = torch.tensor([0.9, -0.8, 0.1, 0.02, -1.5, 0.6, 3.0, -2.0, 0.3, -0.4, 0.05, 4.0])
MINE = torch.tensor([1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0]).bool()
MEANT = "A gradient of 1 for every weight: what would the loss say if m were s itself?"


def hard(s, threshold):
    return (s > threshold).float()


def _value_and_gradient(function, start):
    """What a function gives, and the gradient that comes back to `start` through it."""
    theta = start.clone().requires_grad_()
    out = function(theta)
    if out.requires_grad:
        (out * torch.tensor([1.0, -2.0, 3.0, 0.5, -1.0, 2.0])).sum().backward()
    grad = torch.zeros_like(theta) if theta.grad is None else theta.grad
    return out.detach().float(), grad


def _packed(function):
    """The bytes of 21 bits and of 16, as plain numbers."""
    return [
        torch.as_tensor(function(bits)).long() for bits in (BITS.clone().byte(), BITS[:16].byte())
    ]


def columns(bits):
    bits = torch.nn.functional.pad(bits, (0, -len(bits) % 8)).view(8, -1)
    return (bits.long() << torch.arange(8)[:, None]).sum(0)


def keep(weights, mine, prune, size=torch.abs, of=None, largest=True, among="own", rounded=round):
    """Which of its own weights a task keeps, with room for mistakes."""
    of, last = mine.sum() if of is None else of, -torch.inf if largest else torch.inf
    size = size(weights) if among == "all" else size(weights).masked_fill(~mine, last)
    kept = torch.zeros_like(mine)
    kept[size.argsort(descending=largest)[: rounded((1 - prune) * int(of))]] = True
    return kept & mine


def overwritten(theta, frozen, mine):
    with torch.no_grad():
        theta[~mine] = frozen[~mine]
    return theta


# fmt: off
exercise("straight through", lambda s, t: hard(s, t) + (s - s.detach()),
         probe=lambda f: [_value_and_gradient(lambda s, t=t: f(s, t), SCORES) for t in THRESHOLDS],
         expects="0 or 1 forwards, and the gradient handed on unchanged backwards",
         praise="Also a weight that is off gets a gradient: it can come back.", wrong=[
    Wrong("no gradient", hard, "A step is flat: gradient 0. What could you add that is 0 and has one?"),
    Wrong("the score itself", lambda s, t: hard(s, t) * s, "The mask must be 0 or 1: a bit is stored."),
    Wrong("the gradient is masked too", lambda s, t: hard(s, t) * (1 + s - s.detach()),
          "A weight that is off gets no gradient now, and stays off for ever."),
    Wrong("a sigmoid's gradient", lambda s, t: hard(s, t) + s.sigmoid() - s.sigmoid().detach(), MEANT),
    Wrong("nothing detached", lambda s, t: hard(s, t) + s, "Forwards the mask is no longer 0 or 1."),
    Wrong("always the same threshold", lambda s, t: hard(s, 0.005) + (s - s.detach()),
          "Another threshold came in, and the mask stayed the same."),
    Wrong("always 0", lambda s, t: hard(s, 0) + (s - s.detach()), "What does `threshold` do in it?"),
    Wrong("off and on turned round", lambda s, t: 1 - hard(s, t) + (s - s.detach()),
          "A high score should switch a weight on."),
    Wrong("the sign turned", lambda s, t: hard(s, t) - s + s.detach(),
          "Now each step makes the loss larger: which of the two should be detached?"),
])

exercise("pack bits", lambda bits: packed(bits, 1), probe=_packed, praise="ceil(P / 8) bytes.", wrong=[
    Wrong("highest bit first", lambda bits: packed(torch.nn.functional.pad(bits, (0, -len(bits) % 8))
                                                   .view(-1, 8).flip(1).flatten(), 1),
          "A fine order too, but ours counts from below: which bit of the byte is worth 1?"),
    Wrong("the rest is lost", lambda bits: packed(bits[: len(bits) // 8 * 8], 1),
          "21 bits need three bytes: fill the last one up with zeros."),
    Wrong("a byte for each bit", lambda bits: bits, "That is eight times too large. Eight bits, one number."),
    Wrong("columns", columns, "Bits 0 to 7 belong into the first byte. What does `view(8, -1)` put there?"),
    Wrong("filled up in front", lambda bits: packed(torch.nn.functional.pad(bits, (-len(bits) % 8, 0)), 1),
          "The first bit should stay bit 0: at which end do the zeros go?"),
    Wrong("a byte too many", lambda bits: torch.cat([packed(bits, 1), torch.zeros(int(len(bits) % 8 == 0))]),
          "16 bits fill two bytes exactly, and need no third."),
])

exercise("prune", keep, probe=lambda f: [f(WEIGHTS.clone(), MINE.clone(), p) for p in (0.75, 0.4, 0.6)],
         expects="the round((1 − prune) · own) largest of its own weights", wrong=[
    Wrong("the smallest are kept", lambda w, m, p: keep(w, m, p, largest=False), "Which ones matter least?"),
    Wrong("the share turned round", lambda w, m, p: keep(w, m, 1 - p), "`prune` is the share given back."),
    Wrong("without the sign's absolute value", lambda w, m, p: keep(w, m, p, size=lambda w: w),
          "A weight of −1.5 does more than one of 0.1."),
    Wrong("rounded down", lambda w, m, p: keep(w, m, p, rounded=int), "4.8 weights: four, or five?"),
    Wrong("those it gives back", lambda w, m, p: m & ~keep(w, m, p), "Those go. Which ones stay?"),
    Wrong("earlier tasks' as well", lambda w, m, p: keep(w, m, p) | ~m, "Are those at `~mine` its own?"),
    Wrong("their places", lambda w, m, p: (w.abs() * m).topk(round((1 - p) * int(m.sum()))).indices,
          "The right ones, as a list of places. True or False for every weight is asked for."),
    Wrong("a share of all weights", lambda w, m, p: keep(w, m, p, of=len(w)),
          "Of how many does it keep the share 1 − prune: of the whole layer, or of those it had?"),
    Wrong("ranked among all", lambda w, m, p: keep(w, m, p, among="all"),
          "The weights of earlier tasks take the best places. Whom does this task compare?"),
], praise="The others are free again, for the next task.")

exercise("freeze", lambda theta, frozen, mine: torch.where(mine, theta, frozen),
         probe=lambda f: _value_and_gradient(
             lambda theta: f(theta, WEIGHTS[:6].clone(), torch.tensor([1, 0, 1, 0, 0, 1]).bool()), SCORES),
         praise="Whatever an optimiser does to theta, these numbers stay.", wrong=[
    Wrong("only the gradient is stopped", lambda theta, _, mine: torch.where(mine, theta, theta.detach()),
          "No gradient, but the value is still theta's: what if momentum moves theta?"),
    Wrong("the wrong way round", lambda theta, frozen, mine: torch.where(mine, frozen, theta),
          "`mine` marks what this task may move."),
    Wrong("the frozen ones are gone", lambda theta, frozen, mine: theta * mine,
          "Earlier tasks' weights are used by later ones too."),
    Wrong("added on top", lambda theta, frozen, mine: theta + frozen * ~mine,
          "Where it is frozen theta should not be in the sum."),
    Wrong("added to the frozen ones", lambda theta, frozen, mine: frozen + theta * mine,
          "Where it may learn, the network should use theta alone."),
    Wrong("cut off from its gradient", lambda theta, frozen, mine: torch.where(mine, theta, frozen).detach(),
          "The values are right, but no gradient gets back to theta: how does this task learn?"),
    Wrong("overwritten", overwritten,
          "The values are right, but theta is overwritten, and still gets a gradient where it is frozen."),
    Wrong("nothing may move", lambda theta, frozen, mine: frozen, "How does this task learn?"),
    Wrong("nothing is held", lambda theta, frozen, mine: theta, "What holds the earlier tasks' weights?"),
])

HOW = {"B": "grad None", "C": "a new Adam", "E": "torch.where", "F": "back after"}
HOLDS = {"B": "takes the gradient away altogether: what does an optimiser do with a weight whose gradient is None?",
         "C": "starts with an empty memory: gradients of 0 give a step of 0.",
         "E": "never lets theta's own value there enter the network.",
         "F": "has the frozen values back before the network is used again."}


exercise("momentum bug", {"A", "D"}, probe=letters, wrong=[
    Wrong("none of them", "", "At least one does. Go through them: with what does the network answer in the end?"),
    Wrong("only A (back before)", {"A"}, "There is one more: is the gradient all that moves a weight?"),
    Wrong("only D (weight decay)", {"D"}, "There is one more: what has happened to the weights between writing back and answering?"),
    *(Wrong(f"{k} ({HOW[k]}) suspected", {*some}, f"{k} {why}") for k, why in HOLDS.items()
      for n in range(1, 7) for some in combinations("ABCDEF", n) if min({*some} - {*"AD"}, default="") == k),
], expects='letters such as {"B", "C"}', praise="The one writes back a step too early, weight decay moves the other.")
