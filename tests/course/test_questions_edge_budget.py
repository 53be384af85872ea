"""Exercises of edge_budget and battery: right forms are right, and each wrong one gets its sentence."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from edgecl_lite import DERpp, budget, checks, digits, mlp, split
from edgecl_lite.lessons.check import judge


def saved(net, x, y, keep=lambda tensor, own: tensor.untyped_storage().data_ptr() not in own):
    """Bytes of what waits, each place once; keep: what counts of it."""
    own, places = {p.untyped_storage().data_ptr() for p in net.parameters()}, {}

    def pack(tensor):
        if keep(tensor, own):
            places[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = functional.cross_entropy(net(x), y)
    total = sum(place.nbytes() for place in places.values())
    del loss
    return total


def every_hook(net, x, y):
    """As told in snippets: every hook counts that is no weight."""
    own, sizes = {p.untyped_storage().data_ptr() for p in net.parameters()}, []

    def pack(tensor):
        counts = tensor.untyped_storage().data_ptr() not in own
        sizes.append(tensor.untyped_storage().nbytes() if counts else 0)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = functional.cross_entropy(net(x), y)
    del loss
    return sum(sizes)


pages = lambda session: math.ceil(session / 4096)
per_day = lambda session, n: 4096 * pages(session) * n
RIGHT = [
    ("activation bytes", saved),
    ("activation bytes", lambda *a: torch.tensor(saved(*a))),
    ("activation bytes", lambda *a: np.float64(saved(*a))),
    ("RAM of DER++", 137_084),
    ("RAM of DER++", 137_084.0),
    ("RAM of DER++", np.int64(137_084)),
    ("RAM of DER++", torch.tensor(137_084)),
    ("RAM of DER++", "137,084 bytes"),
    ("RAM of DER++", "133.87 KB"),
    ("latent bytes", lambda M, d, q: M * (math.ceil(d * q / 8) + 1) + 8 * d),
    ("latent bytes", lambda M, d, q: float(M * ((d * q + 7) // 8 + 1) + 8 * d)),
    ("latent bytes", lambda M, d, q: M * (np.ceil(d * q / 8) + 1) + 8 * np.int64(d)),
    ("latent bytes", lambda M, d, q: torch.tensor(M * (-(-d * q // 8) + 1) + 8 * d)),
    ("flash years", lambda s, n, flash, cycles: flash * cycles / per_day(s, n) / 365),
    ("flash years", lambda s, n, flash, cycles: flash * cycles / per_day(s, n) / 365.25),
    ("flash years", lambda s, n, flash, cycles: (flash // 4096) * cycles / (pages(s) * n * 365)),
    ("flash years", lambda s, n, flash, cycles: torch.tensor(flash * cycles / per_day(s, n) / 365)),
    ("flash years", lambda s, n, flash, cycles: np.float32(flash * cycles / per_day(s, n) / 365)),
]
WRONG = [
    ("activation bytes", every_hook, "told twice"),
    ("activation bytes", lambda *a: saved(*a, keep=lambda *_: True), "Layers save their weights"),
    ("activation bytes", lambda *a: saved(*a) // 4, "expected for a small conv net"),
    ("activation bytes", lambda net, x, y: 4 * net(x).numel(), "expected for a small conv net"),
    ("RAM of DER++", 131_448, "That is replay"),
    ("RAM of DER++", 187_772, "What of it grows with the batch?"),
    ("RAM of DER++", 187_772 / 4, "Only the activations grow with the batch"),
    ("RAM of DER++", 137_084 + 21_000, "What DER++ keeps lies in flash"),
    ("RAM of DER++", 137_084 - 60_096, "Adam keeps two running averages"),
    ("RAM of DER++", 137_084 - 30_040, "four floats"),
    ("RAM of DER++", 133.87, "The question is for bytes"),
    ("RAM of DER++", "a lot", "your answer stopped"),
    ("latent bytes", lambda M, d, q: M * math.ceil((d * q + 4) / 8) + 8 * d, "a byte of its own"),
    ("latent bytes", lambda M, d, q: M * (d * q // 8 + 1) + 8 * d, "round up"),
    ("latent bytes", lambda M, d, q: M * (d + 1) + 8 * d, "two values share one"),
    ("latent bytes", lambda M, d, q: M * math.ceil(d * q / 8) + 8 * d, "Without its class"),
    ("latent bytes", lambda M, d, q: 21_000, "expected"),
    ("flash years", lambda s, n, flash, cycles: flash * cycles / s / n / 365, "erased as a whole"),
    ("flash years", lambda s, n, flash, cycles: cycles / n / 365, "every page takes its share"),
    ("flash years", lambda s, n, flash, cycles: flash * cycles / per_day(s, n), "These are days"),
    ("flash years", lambda s, n, flash, cycles: flash * cycles / per_day(s, 1), "These are sessions"),
    ("flash years", lambda s, n, flash, cycles: 8.77, "expected about 8.8 years"),
]


@pytest.mark.parametrize("name, answer", RIGHT, ids=[name for name, _ in RIGHT])
def test_a_right_answer_in_any_form(name, answer):
    assert judge(name, answer).status == "right", judge(name, answer).text


@pytest.mark.parametrize("name, answer, sentence", WRONG, ids=[f"{n}: {s}" for n, _, s in WRONG])
def test_a_wrong_answer_gets_its_sentence(name, answer, sentence):
    verdict = judge(name, answer)
    assert verdict.status in ("misconception", "wrong") and sentence in verdict.text, verdict.text


def test_the_budget_by_hand_is_that_of_the_module():
    checks.load()
    signs = split(digits())
    assert checks.exercises["RAM of DER++"].right == budget(DERpp(mlp(signs)), signs, batch_size=8).ram
