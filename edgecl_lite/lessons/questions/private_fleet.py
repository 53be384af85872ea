"""Exercises of private_fleet: a picture out of a gradient, masks that cancel, noise for an ε, five statements."""

from itertools import combinations

import torch

from ...fleet.privacy import epsilon, noise_for
from ..check import Wrong, exercise
from . import letters

SAMPLES = torch.tensor([[0.1, 0.9, 0.0, 0.4, 0.7, 0.2], [0.8, 0.3, 0.6, 0.0, 0.05, 1.0]])
DELTAS = torch.tensor([[0.0, 0.5, -0.2, 0.0, 0.1, -0.05], [0.3, 0.0, -0.6, 0.02, -0.1, 0.0]])
REPORTS = 5, 4_000_000_000, 123_456, 77
TABLE = [
    [0, 9, 3_000_000_000, 17],
    [9, 0, 8, 4_294_967_000],
    [3_000_000_000, 8, 0, 1234],
    [17, 4_294_967_000, 1234, 0],
]
M = 2**32
FALSE = "ACD"
WHY = {
    "A": "A: eight steps of plain descent on one sample, and the sample is gone from the report? Measure it as above.",
    "B": "B: you know the sum of two numbers, and one of them is your own.",
    "C": "C: compare `cl.epsilon(20, 5)` with `cl.epsilon(80, 5)`.",
    "D": "D: who sees the single report, when it comes under a mask?",
    "E": "E: with or without this one smoker among many: what does the model say of smokers?",
}


BELIEVED = {  # by whoever is mistaken about this statement, in the words of a table
    "A": "steps hide a sample",
    "B": "a pair can hide",
    "C": "ε adds up",
    "D": "masks show nonsense",
    "E": "low ε, no lesson",
}


def picture(dW, db):
    unit = db.abs().argmax()
    return dW[unit] / db[unit]


def _pictures(function):
    """What it finds in two gradients, of as many units as pixels; in each, other units sleep."""
    found = [function(torch.outer(d, x), d.clone()) for d, x in zip(DELTAS, SAMPLES)]
    found = [torch.as_tensor(one).detach().double() for one in found]
    return [one.nan_to_num(-7.0, -8.0, -9.0) for one in found]


def signed(sign):
    """What client k sends, where the mask with client j has this sign(k, j)."""
    return lambda k, q, masks: (
        (q + sum(sign(k, j) * masks[k][j] for j in range(len(masks)) if j != k)) % M
    )


def _sent(function):
    """What four clients add to their reports mod 2³², whichever sign comes first; and whether it is wrapped."""
    sent = [int(function(k, q, [row[:] for row in TABLE])) for k, q in enumerate(REPORTS)]
    added = [(s - q) % M for s, q in zip(sent, REPORTS)]
    return [*min(added, [-a % M for a in added]), all(0 <= s < M for s in sent)]


later = signed(lambda k, j: 1 if j > k else -1)


def _first_slip(some):
    """The first statement on which these letters are mistaken."""
    return next(k for k in WHY if (k in some) != (k in FALSE))


# fmt: off
exercise("leak", picture, probe=_pictures, expects="one picture, a number for each pixel",
         praise="No search, no label: one division.", wrong=[
    Wrong("always unit 0", lambda dW, db: dW[0] / db[0], "Unit 0 may be asleep: then its δ is 0. Which units are not?"),
    Wrong("always the last unit", lambda dW, db: dW[-1] / db[-1], "That unit may be asleep: then its δ is 0. Which units are not?"),
    Wrong("columns for rows", lambda dW, db: dW[:, db.abs().argmax()] / db[db.abs().argmax()],
          "A row of dW belongs to a unit, a column to a pixel. Which of them is a picture?"),
    Wrong("divided column by column", lambda dW, db: (dW / db)[db.abs().argmax()],
          "PyTorch divided column by column: unit by unit it would be `db[:, None]`."),
    Wrong("the product", lambda dW, db: dW[db.abs().argmax()] * db[db.abs().argmax()], "δ times x, times δ again. What takes δ away?"),
    Wrong("upside down", lambda dW, db: db[db.abs().argmax()] / dW[db.abs().argmax()], "That is 1 / x. Which of the two holds the picture?"),
    Wrong("not divided", lambda dW, db: dW[db.abs().argmax()], "That is δ x: its shape is right, its brightness is not. What is δ?"),
    Wrong("summed, not divided", lambda dW, db: dW.sum(0), "That is x times the sum of all δ. Where do you find this sum?"),
    Wrong("the sleeping counted in", lambda dW, db: (dW / db[:, None]).mean(0), "0 / 0 is no number, and neither is a mean with it."),
    Wrong("the sleeping counted as black", lambda dW, db: (dW / db[:, None]).nan_to_num().mean(0),
          "Units whose δ is 0 saw nothing, and count as black pictures in your mean."),
    Wrong("a picture for each unit", lambda dW, db: dW / db[:, None], "Each row that is a number is the picture. One is enough: choose it."),
    Wrong("always the same", lambda dW, db: SAMPLES[0], "Another gradient holds another picture."),
])

exercise("masks", later, probe=_sent, tolerance=1e-13, expects="four whole numbers of 0 … 2³² − 1 whose masks cancel in the sum",
         praise="Each mask is there twice, once with each sign.", wrong=[
    Wrong("no sign", signed(lambda k, j: 1), "Each mask is in the sum twice. With which signs is it gone?"),
    Wrong("no sign", signed(lambda k, j: -1), "Each mask is in the sum twice. With which signs is it gone?"),
    Wrong("only with those after", signed(lambda k, j: int(j > k)), "Who takes the mask away again that you have added?"),
    Wrong("only with those before", signed(lambda k, j: int(j < k)), "Who takes the mask away again that you have added?"),
    Wrong("no mask", lambda k, q, masks: q % M, "So the server reads every report."),
    Wrong("not wrapped", lambda k, q, masks: q + sum((1 if j > k else -1) * masks[k][j] for j in range(len(masks)) if j != k),
          "The masks cancel. But a sum that is not wrapped is large where the report is: is it from 0 to 2³² − 1?"),
    Wrong("wrapped one bit too early", lambda k, q, masks: later(k, q, masks) % 2**31, "How many values have 32 bits?"),
    Wrong("wrapped at 2³² − 1", lambda k, q, masks: (q + sum((1 if j > k else -1) * masks[k][j] for j in range(len(masks)) if j != k)) % (M - 1),
          "How many values have 32 bits? Count the 0."),
    Wrong("the report lost", lambda k, q, masks: (later(k, q, masks) - q) % M, "The masks are right. And the report?"),
    Wrong("sign by even and odd", signed(lambda k, j: 1 if (k + j) % 2 else -1), "k + j is the same for both of a pair: are their signs?"),
])

exercise("noise", noise_for(2.0, 50), probe=lambda a: float(a() if callable(a) else a), tolerance=0.01,
         expects="the noise at which 50 rounds have ε = 2, within a hundredth of itself",
         praise="√50 times the noise that one round would need.", wrong=[
    Wrong("ε shared out over the rounds", noise_for(2 / 50, 1),
          "Safe, but far too much: ε of rounds does not add up. Noise of different rounds is independent."),
    Wrong("a round's noise, times rounds", 50 * noise_for(2.0, 1), "Over R independent rounds μ grows with √R, not with R."),
    Wrong("one round only", noise_for(2.0, 1), "That is spent in the first round. 49 more come."),
    Wrong("√ of the rounds the wrong way", noise_for(2.0, 1) / 50**0.5, "More rounds show more. Do they need less noise?"),
    Wrong("ε of noise 2", noise_for(2.0, 20), "That is for 20 rounds. How many does the maker plan?"),
    Wrong("the other way round", epsilon(50, 2.0), "You asked for the ε of noise 2. Asked for is the noise of ε 2."),
    Wrong("δ of a thousandth", noise_for(2.0, 50, 1e-3), "At which δ? With 1e-5 less may go wrong, and it takes more noise."),
])

exercise("false statements", set(FALSE), probe=letters, expects='letters such as {"A", "B"}',
         praise="B and E are true, and both are reasons not to stop at masks.", wrong=[
    Wrong(f"{BELIEVED[_first_slip(some)]}: {''.join(some) or 'none'}", set(some),
          f"Look again at {WHY[_first_slip(some)]}")
    for n in range(6) for some in combinations(WHY, n) if "".join(some) != FALSE
])
