"""Exercises of edge_budget: bytes kept for the backward pass, of latents, of a method; years of flash."""

import math
import re

import torch
from torch import nn
from torch.nn import functional

from ..check import Wrong, exercise


def _nets():
    """Two small networks with what they get; in one the first layers stand still."""
    torch.manual_seed(0)
    conv = [
        nn.Conv2d(1, 3, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(48, 5),
    ]
    still = nn.Sequential(nn.Flatten(), nn.Linear(64, 7), nn.ReLU(), nn.Linear(7, 5))
    still[1].requires_grad_(False)
    y = torch.tensor([0, 3, 4])
    return [(net, torch.rand(3, 1, 8, 8), y) for net in (nn.Sequential(*conv), still)]


def saved(net, x, y, *, once=True, weights=False, unit="bytes", logits=True):
    """Bytes of activations, with room for mistakes."""
    own, kept = {p.untyped_storage().data_ptr() for p in net.parameters()}, []

    def pack(tensor):
        if weights or tensor.untyped_storage().data_ptr() not in own:
            kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        z = net(x)
        loss = functional.cross_entropy(z, y) if logits else z.sum()
    if once:
        kept = {t.untyped_storage().data_ptr(): t for t in kept}.values()
    each = {"bytes": lambda t: t.untyped_storage().nbytes(), "values": torch.Tensor.numel,
            "fp32": lambda t: 4 * t.numel()}[unit]  # fmt: skip
    del loss
    return sum(each(t) for t in kept)


def latents(M, d, q, *, up="sample", label=1, scale=8):
    """Bytes of a latent memory, with room for mistakes."""
    each = {
        "sample": math.ceil(d * q / 8),
        "value": d * math.ceil(q / 8),
        "never": d * q / 8,
        "bits": d * q,
    }
    return M * (each[up] + label) + scale * d


def ram(batch=8, *, passes=3, adam=2, tensors=4, more=0, values=4 * 174 + 8, weights=7510):
    """Bytes of RAM of DER++ on the perceptron of 64, 100 and 10, with room for mistakes."""
    activations = passes * (values * batch + 4)
    return 4 * weights * (2 + adam) + 4 * tensors + activations + more


def amount(answer):
    """Bytes as a number, also where they come as words, "137,084 bytes", or from a function."""
    answer = answer() if callable(answer) else answer
    if not isinstance(answer, str):
        return float(answer)
    number, unit = re.fullmatch(r"\s*([\d,_.]+)\s*(|b|bytes?|kb|kib)\s*", answer, re.I).groups()
    return float(re.sub("[,_]", "", number)) * (1024 if unit[:1] in "kK" and unit else 1)


def years(session, sessions, flash, cycles, *, per="all", days=365, page=4096, up=math.ceil):
    """Years of flash, with room for mistakes."""
    session = page * up(session / page)
    writes = {"all": flash * cycles / session, "place": cycles, "bytes": flash / session}[per]
    return writes / sessions / days


NUMBERS = (200, 100, 4), (63, 25, 6), (1000, 32, 8), (7, 3, 7), (900, 5, 4), (400, 9, 2)
LIVES = (30_040, 100, 2**20, 10_000), (5_000, 120, 2**19, 10_000), (120, 40, 2**17, 10_000)

# fmt: off
exercise("activation bytes", saved, probe=lambda f: [int(f(*case)) for case in _nets()],
         expects="for a small conv net and for one whose first layer stands still other bytes",
         praise="Each storage once, and no weights: that is what waits for the backward pass.", wrong=[
    Wrong("every hook counts", lambda *a: saved(*a, once=False),
          "The ReLU's saved output is the next layer's saved input: one place in memory, told twice."),
    Wrong("the weights count, too", lambda *a: saved(*a, weights=True),
          "Layers save their weights as well, but those stand in memory anyway. How do you know them?"),
    Wrong("both", lambda *a: saved(*a, once=False, weights=True),
          "Two things are in it that should not be: weights, and what is told twice."),
    Wrong("values, not bytes", lambda *a: saved(*a, unit="values"), "A float32 has 4 bytes, an int64 has 8."),
    Wrong("4 bytes for everything", lambda *a: saved(*a, unit="fp32"),
          "Labels and the indices of a max-pooling are int64. What does a storage itself say, `.nbytes()`?"),
    Wrong("no loss", lambda *a: saved(*a, logits=False),
          "The cross entropy keeps something, too. Run it inside the hooks."),
])

exercise("latent bytes", latents, probe=lambda f: [float(f(*case)) for case in NUMBERS],
         expects="for M = 7, d = 3, q = 7 the value 52",
         praise="Bits are packed within a sample, and the scale is paid only once.", wrong=[
    Wrong("no scale", lambda *a: latents(*a, scale=0),
          "To read a latent again one needs the smallest value and the step of each channel."),
    Wrong("half a scale", lambda *a: latents(*a, scale=4), "Two floats for each channel: low and step."),
    Wrong("a scale for each sample", lambda M, d, q: M * (math.ceil(d * q / 8) + 1 + 8 * d),
          "All samples share one scale."),
    Wrong("no label", lambda *a: latents(*a, label=0), "Without its class a sample teaches nothing."),
    Wrong("the label is packed, too", lambda M, d, q: M * math.ceil((d * q + 4) / 8) + 8 * d,
          "Four bits would tell ten classes apart, but here the class has a byte of its own."),
    Wrong("values are not packed", lambda *a: latents(*a, up="value"),
          "Four bits take half a byte: two values share one."),
    Wrong("half bytes", lambda *a: latents(*a, up="never"), "A sample begins with a new byte: round up."),
    Wrong("rounds down", lambda M, d, q: M * (d * q // 8 + 1) + 8 * d,
          "What does not fill a whole byte takes one all the same: round up."),
    Wrong("bits, not bytes", lambda *a: latents(*a, up="bits"), "A byte has 8 bits."),
])

exercise("RAM of DER++", ram(), probe=amount, tolerance=5e-4, expects="another number of bytes",
         praise="Only what waits for the backward pass shrank with the batch.", wrong=[
    Wrong("one batch", ram(passes=1), "How many batches wait for the backward pass in a step of DER++?"),
    Wrong("two batches", ram(passes=2), "That is replay. DER++ rehearses two batches beside the new one."),
    Wrong("a batch of 32", ram(32), "That is what the table says for 32. What of it grows with the batch?"),
    Wrong("a quarter of it all", ram(32) / 4, "Only the activations grow with the batch: weights do not."),
    Wrong("the memory stands in RAM", ram(more=21_000), "What DER++ keeps lies in flash."),
    Wrong("plain SGD", ram(adam=0, tensors=0), "Adam keeps two running averages of every weight."),
    Wrong("three floats a weight", ram(adam=1),
          "Of every weight there is the weight, its gradient, and Adam's *two* averages: four floats."),
    Wrong("values, not bytes", ram() / 4, "These are floats. How many bytes has one?"),
    Wrong("in KB", ram() / 1024, "The question is for bytes; 1 KB is 1,024 of them."),
    Wrong("no labels", ram(values=4 * 174), "The loss keeps the labels, too: an int64 each."),
    Wrong("only the activations", ram(weights=0, tensors=0), "Weights, gradients and averages stand in RAM, too."),
])

exercise("flash years", years, probe=lambda f: [float(f(*case)) for case in LIVES], tolerance=1e-3,
         expects="about 8.8 years for 100 sessions a day of 30,040 bytes, 1 MiB of flash and 10,000 cycles",
         praise="Whole pages, and all of them that the flash can ever take.", wrong=[
    Wrong("bytes, not pages", lambda *a: years(*a, up=float),
          "A page is erased as a whole: how many pages does a session begin?"),
    Wrong("pages rounded down", lambda *a: years(*a, up=lambda n: max(1, math.floor(n))),
          "A page that is only begun is erased, too: round up."),
    Wrong("always the same pages", lambda *a: years(*a, per="place"),
          "That is the life without wear levelling. If writes spread evenly, every page takes its share."),
    Wrong("one cycle", lambda *a: years(*a, per="bytes"), "Each page bears many cycles."),
    Wrong("days", lambda *a: years(*a, days=1), "These are days. How many are a year?"),
    Wrong("sessions", lambda w, n, flash, cycles: years(w, 1, flash, cycles, days=1),
          "These are sessions. How many are there in a year?"),
    Wrong("no bracket", lambda w, n, flash, cycles: n * n * years(w, n, flash, cycles),
          "More sessions a day, a shorter life: what is written in a day stands below the line."),
    Wrong("upside down", lambda *a: 1 / years(*a), "More writes, a shorter life: turn it over."),
])
