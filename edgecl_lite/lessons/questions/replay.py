"""Exercises of replay: algorithm R, the weights of old and new, find the biased reservoirs."""

import operator
from itertools import combinations

import torch

from ..check import Wrong, exercise
from . import letters

CHANCES = (0.02, 0.3, 0.45, 0.6, 0.75, 0.98)
OUT, BELOW, NOTHING = -1, -2, -3  # capacity or more, as asked; a negative row; None


def _rows(rule, capacity=3):
    """The row of every arrival for some chances, or what stands for "not kept"."""

    def row(t, u):
        try:
            found = rule(t, capacity, u)
        except NotImplementedError:  # it gave back nothing, which may mean: not kept
            return NOTHING
        if not 0 <= found < capacity:
            return OUT if found >= capacity else BELOW
        try:
            return operator.index(found)
        except TypeError:  # a float cannot be a row
            return 0.5

    found = [[row(t, u) for u in CHANCES] for t in range(8)]
    if all(r == NOTHING for rows in found for r in rows):
        raise NotImplementedError
    return found


def _kept_or(other):
    """Algorithm R that says `other` where a picture is not kept."""

    def rule(t, M, u):
        row = t if t < M else int(u * (t + 1))
        if row < M:
            return row
        if other is None:
            raise NotImplementedError
        return other

    return rule


def _losses(function):
    """The loss of two pairs of losses at some tasks, in the middle of the stream and at its start."""
    pairs = (2.0, 5.0), (3.0, 1.0)
    found = [
        function(torch.tensor(new), torch.tensor(old), k) for new, old in pairs for k in (1, 2, 5)
    ]
    return [float(loss) for loss in found]


# fmt: off
exercise("reservoir", lambda t, M, u: t if t < M else int(u * (t + 1)), probe=_rows,
         expects="row t while there is room, then one of 0 … t, found from the u that is given", wrong=[
    Wrong("off by one", lambda t, M, u: t if t < M else int(u * t),
          "Number t counts from 0. How many pictures have come by then, this one included?"),
    Wrong("the newest always gets in", lambda t, M, u: t if t < M else int(u * M),
          "Every new picture pushes out an old one. What is the chance of picture 0 to stay to the end?"),
    Wrong("the last ones stay", lambda t, M, u: t % M, "A ring: it keeps the newest and uses no chance."),
    Wrong("draws while there is room", lambda t, M, u: int(u * (t + 1)),
          "While rows are empty it overwrites full ones. Where should picture t go as long as t < capacity?"),
    Wrong("one place too many", lambda t, M, u: t if t <= M else int(u * (t + 1)),
          "The rows are 0 … capacity - 1. Which is the last picture that finds an empty one?"),
    Wrong("every newcomer gets in", lambda t, M, u: t if t < M else int(u * (t + 1)) % M,
          "A number that is no row should stay so: that picture is not kept."),
    Wrong("not a whole number", lambda t, M, u: t if t < M else u * (t + 1),
          "A row is an int. What cuts off the decimals?"),
    Wrong("rounds", lambda t, M, u: t if t < M else round(u * (t + 1)),
          "Rounding gives the first row only half its chance. Which function cuts off the decimals?"),
    Wrong("a negative row", _kept_or(-1),
          "In Python row -1 is the last one, and would be overwritten. Which numbers mean here: not kept?"),
    Wrong("nothing for not kept", _kept_or(None),
          "The loop compares your number with the capacity. Which numbers mean here: not kept?"),
    Wrong("a coin for ever", lambda t, M, u: t if t < M else int(u * 2 * M),
          "Half of all new pictures get in, however many came before. How must that chance fall with t?"),
], praise="After n pictures, each of them is kept with probability capacity / n.")

exercise("weights", lambda new, old, k: new / k + (1 - 1 / k) * old,
         probe=_losses,
         expects="for a new loss of 2 and a kept loss of 5 the values 2, 3.5, 4.4 at k = 1, 2, 5",
         praise="Every task weighs the same, the newest as well.", wrong=[
    Wrong("as many tasks as before", lambda new, old, k: new / (k + 1) + k / (k + 1) * old,
          "The first task is k = 1. How many tasks are there at task k, the new one included?"),
    Wrong("only the new", lambda new, old, k: new, "That is finetuning. What is the weight of the kept?"),
    Wrong("forgets how many are old", lambda new, old, k: (new + old) / k,
          "The kept loss is a mean over k - 1 tasks. Do these then weigh as one?"),
    Wrong("a sum over the tasks", lambda new, old, k: new + (k - 1) * old,
          "The proportion is right; the weights should add up to 1."),
    Wrong("equal halves", lambda new, old, k: (new + old) / 2,
          "At task 5 the newest pair then weighs as much as the four older ones together."),
    Wrong("the two weights swapped", lambda new, old, k: (1 - 1 / k) * new + old / k,
          "At the first task, k = 1, nothing is old. Which weight should be 0 there?"),
    Wrong("a plain sum", lambda new, old, k: new + old, "The weights should add up to 1."),
])

HOW = {"A": "algorithm R", "B": "two draws", "D": "random keys"}
TRAPS = {
    "A": "A is algorithm R as you wrote it.",
    "B": "B asks whether, with chance M / (t + 1), and then where: two draws. Multiply the chances.",
    "D": "D keeps the M largest of random keys. Does any picture have a better key than another?",
}

exercise("biased reservoir", {"C", "E"}, probe=letters, wrong=[
    Wrong("none of them", set(), "At least one is. How often does each keep the first six, how often the others?"),
    Wrong("only C (one too few)", {"C"}, "There is one more. When does each of them count a picture as arrived?"),
    Wrong("only E (whole batches)", {"E"}, "There is one more. How often does each keep the first six, on average?"),
    *(Wrong(f"{letter} ({HOW[letter]}) named", set(some), TRAPS[letter])
      for n in range(1, 6) for some in combinations("ABCDE", n)
      for letter in [next((one for one in some if one in TRAPS), "")] if letter),
], expects='letters such as {"A", "B"}', praise="They count too few arrivals: late ones gain.")
