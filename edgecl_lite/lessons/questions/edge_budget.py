"""Exercises of edge_budget: bytes kept for the backward pass, bytes of latents, what fits, years of flash."""

import math
from itertools import combinations

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


def years(session, sessions, flash, cycles, *, per="all", days=365):
    """Years of flash, with room for mistakes."""
    writes = {"all": flash * cycles / session, "place": cycles, "bytes": flash / session}[per]
    return writes / sessions / days


NUMBERS = (200, 100, 4), (63, 25, 6), (1000, 32, 8), (7, 3, 7)
LIVES = (30_040, 100, 2**20, 10_000), (5_000, 24, 2**15, 1_000), (120, 4, 4096, 10_000)

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
    Wrong("values are not packed", lambda *a: latents(*a, up="value"),
          "Four bits take half a byte: two values share one."),
    Wrong("half bytes", lambda *a: latents(*a, up="never"), "A sample begins with a new byte: round up."),
    Wrong("rounds down", lambda M, d, q: M * (d * q // 8 + 1) + 8 * d,
          "What does not fill a whole byte takes one all the same: round up."),
    Wrong("bits, not bytes", lambda *a: latents(*a, up="bits"), "A byte has 8 bits."),
])

HINTS = {"A": "A changes the weights alone. Look at the largest part: does it shrink?",
         "C": "C keeps fewer samples, in flash. What is too full here?",
         "E": "E takes less of the optimiser, some 48 KB. How much is too much?"}
MISSING = {"B": "What waits for the backward pass grows with the batch.",
           "D": "Of a front that stands still nothing waits for a backward pass."}
exercise("what would help", {"B", "D"}, wrong=[
    *(Wrong(f"{k} is missing", {"B", "D"} - {k}, f"One is missing. {why}") for k, why in MISSING.items()),
    *(Wrong(f"among them {k}: {''.join(some)}", set(some), HINTS[k])
      for n in range(1, 6) for some in combinations("ABCDE", n)
      for k in [next((one for one in some if one in HINTS), "")] if k),
], expects='a set of letters, such as {"A", "B"}', praise="Both go for the largest part: the activations.")

exercise("flash years", years, probe=lambda f: [float(f(*case)) for case in LIVES],
         expects="about 9.6 years for 100 sessions a day of 30,040 bytes, 1 MiB of flash and 10,000 cycles",
         praise="All bytes that the flash can ever take, over those of a year.", wrong=[
    Wrong("always the same place", lambda *a: years(*a, per="place"),
          "That is the life without wear levelling. If writes spread evenly, every page takes its share."),
    Wrong("one cycle", lambda *a: years(*a, per="bytes"), "Each page bears many cycles."),
    Wrong("days", lambda *a: years(*a, days=1), "These are days. How many are a year?"),
    Wrong("sessions", lambda w, n, flash, cycles: flash * cycles / w,
          "These are sessions. How many are there in a year?"),
    Wrong("no bracket", lambda w, n, flash, cycles: flash * cycles / w * n / 365,
          "More sessions a day, a shorter life: what is written in a day stands below the line."),
    Wrong("upside down", lambda *a: 1 / years(*a), "More writes, a shorter life: turn it over."),
])
