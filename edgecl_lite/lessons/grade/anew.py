"""For marks each exercise is asked once more, with inputs that nobody has seen before.

    probe(f)  ->  probe(x -> f(changed x)),  for a student's f and the right one alike

The probes of `check`, with all they look at (gradients, shapes, arguments that must not change), on
other inputs of the same kind: `a` is a number of 0.6 … 0.9 and `n` a whole one of 2 … 9, drawn for
each grading. An answer that is a value and no function has nothing to be asked. Lesson: ewc.
"""

import random
import zlib

import torch


def numbers_of(seed, name):
    """(a, n) that change the inputs of one exercise."""
    dice = random.Random(f"{seed} {name}")
    return dice.uniform(0.6, 0.9), dice.randint(2, 9)


def asked_anew(name, answer, seed):
    """The answer, a function, as it is when its inputs are changed. KeyError if none are known."""
    return CHANGED[name](answer, *numbers_of(seed, name))


def _all(tree, change):
    return {k: change(v) for k, v in tree.items()}


def _softened(p, a):
    """Probabilities (n, classes) that are nearer to each other."""
    return p**a / (p**a).sum(1, keepdim=True)


def _tuned(f, a, n):
    return lambda net, stream, shuffle, lr, **rest: f(
        net, stream, shuffle.manual_seed(n), lr=a * lr, **rest
    )


def _digits(pairs, n):
    """Pairs of other digits."""
    return [tuple((digit + n) % 10 for digit in pair) for pair in pairs]


def _other(version, raw, crc, n):
    """A slot of other bytes, whole where it was whole."""
    other, whole = raw + b"!" * n, zlib.crc32(raw) == crc
    return version + n, other, zlib.crc32(other) if whole else crc


# fmt: off
CHANGED = {
    "average": lambda f, a, n: lambda R: f(a * R + 0.01 * n),
    "training loop": _tuned,
    "forgetting": lambda f, a, n: lambda R: f(a * R + 0.01 * n),
    "backward transfer": lambda f, a, n: lambda R: f(a * R + 0.01 * n),
    "may answer": lambda f, a, n: lambda pairs, *rest: f(_digits(pairs, n), *rest),
    "put back": lambda f, a, n: lambda now, old, rows: f(
        _all(now, lambda v: a * v), _all(old, lambda v: v + n), rows),
    "penalty": lambda f, a, n: lambda theta, springs, lam: f(
        a * theta, [(F + a, anchor - a) for F, anchor in springs], n * lam),
    "merge": lambda f, a, n: lambda F1, a1, F2, a2: f(a * F1, a1 + n, F2, a2 - a),
    "largest lr": lambda f, a, n: lambda fishers, lam: f([a * F for F in fishers], n * lam),
    "softmax fisher": lambda f, a, n: lambda p, x, y: f(_softened(p, a), n * x, y),
    "reservoir": lambda f, a, n: lambda t, capacity, u: f(t, capacity, a * u + 0.01 * n),
    "weights": lambda f, a, n: lambda new, kept, k: f(a * new, kept + n, k),
    "old answers": lambda f, a, n: lambda before, now, known, T: f(before / a, a * now, known, T),
    "herding": lambda f, a, n: lambda features, m: f(features.roll(n, 0), m),
    "weight without k": lambda f, a, n: lambda labels, seen: f(
        [*labels, 20], {*seen, *range(30, 30 + n)}),
    "straight through": lambda f, a, n: lambda s, threshold: f(a * s, threshold / n),
    "pack bits": lambda f, a, n: lambda bits: f(bits.roll(n)),
    "prune": lambda f, a, n: lambda weights, mine, p: f(weights.roll(n), mine.roll(n), p),
    "freeze": lambda f, a, n: lambda theta, frozen, mine: f(a * theta, frozen + n, mine),
    "low rank": lambda f, a, n: lambda x, W, A, B: f(a * x, n * W, A, B),
    "lora rank": lambda f, a, n: lambda d_in, d_out: f(d_in + n, d_out * n),
    "inner step": lambda f, a, n: lambda loss, theta, support, lr: f(loss, theta, support, a * lr),
    "activation bytes": lambda f, a, n: lambda net, x, y: f(
        net, torch.cat([x] * n), torch.cat([y] * n)),
    "latent bytes": lambda f, a, n: lambda M, d, q: f(M * n, d + n, q),
    "flash years": lambda f, a, n: lambda session, per_day, flash, cycles: f(
        session * n, per_day + n, flash, cycles),
    "fleet mean": lambda f, a, n: lambda reports, samples: f(a * reports, samples + n),
    "fedprox": lambda f, a, n: lambda theta, sent, mu: f(
        theta, _all(sent, lambda v: a * v), n * mu),
    "fleet bytes": lambda f, a, n: lambda weights, header, clients, fraction, rounds: f(
        weights + n, header + n, clients, fraction, rounds * n),
    "leak": lambda f, a, n: lambda dW, db: f(a * dW, db),
    "masks": lambda f, a, n: lambda k, q, masks: f(
        k, q, [[mask * n % 2**32 for mask in row] for row in masks]),
    "drift": lambda f, a, n: lambda x, delta: f(a * x, delta / n),
    "undo": lambda f, a, n: lambda old, new, tolerance: f(new, old, tolerance),
    "newest whole": lambda f, a, n: lambda slots: f([_other(*slot, n) for slot in slots[::-1]]),
    "drops of power": lambda f, a, n: lambda charge, watts, *rest: f(charge, a * watts, *rest),
}
