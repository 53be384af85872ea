"""Exercises of frozen_front: a layer corrected at low rank, and the rank at which it beats one bit a weight."""

import torch

from ..check import Wrong, exercise

X, W = torch.linspace(-1, 1, 15).view(3, 5), torch.linspace(-2, 1, 20).view(4, 5).cos()
A, B = torch.linspace(0, 3, 10).view(2, 5).sin(), torch.linspace(1, 4, 8).view(4, 2).cos()
SIZES = (64, 30), (64, 200), (768, 768), (768, 3072), (100, 1000), (33, 5000)


def _outputs(function):
    """What it gives, in two lanes at once as the lessons' networks run, and the gradients that come back."""
    x, W_, A_, B_ = (torch.stack([p, p.flip(0) * 0.5]).requires_grad_() for p in (X, W, A, B))
    out = torch.func.vmap(function)(x, W_, A_, B_)
    if out.requires_grad:
        out.square().sum().backward()
    none = torch.zeros(())
    return [out.detach(), *(none if p.grad is None else p.grad for p in (A_, B_))]


def corrected(x, W, A, B):
    return x @ W.T + x @ A.T @ B.T


def _ranks(function):
    return [int(function(*sides)) for sides in SIZES]


def rank(d_in, d_out, bits=1, number=4, fewer=1):
    return (-(-d_in * d_out * bits // 8) - fewer) // (number * (d_in + d_out))


# fmt: off
exercise("low rank", corrected, probe=_outputs, expects="x Wᵀ + x Aᵀ Bᵀ, and gradients back to A and B",
         praise="With B = 0 it is the frozen layer, exactly.", wrong=[
    Wrong("the frozen layer alone", lambda x, W, A, B: x @ W.T, "What do A and B add to it?"),
    Wrong("the correction alone", lambda x, W, A, B: x @ A.T @ B.T, "It is added to something. To what?"),
    Wrong("taken away", lambda x, W, A, B: x @ W.T - x @ A.T @ B.T, "Is BA added to W?"),
    Wrong("transposed", lambda x, W, A, B: W @ x.T + B @ A @ x.T,
          "Samples stand in the rows of x, and should in those of the output."),
    Wrong("a relu between", lambda x, W, A, B: x @ W.T + (x @ A.T).relu() @ B.T,
          "That is an adapter's idea. W + BA is one matrix again."),
    Wrong("cut off from its gradient", lambda x, W, A, B: corrected(x, W, A.detach(), B.detach()),
          "The values are right, but no gradient gets back to A and B: how do they learn?"),
])

exercise("lora rank", rank, probe=_ranks, expects="a whole number for each size of the layer",
         praise="Product against sum: the larger the layer, the higher the rank that is still cheaper.", wrong=[
    Wrong("as many bytes", lambda i, o: rank(i, o, fewer=0), "For 768 × 768: does that rank take fewer bytes, or as many?"),
    Wrong("never 0", lambda i, o: max(1, rank(i, o)), "On 64 × 30, how many bytes does rank 1 take, and how many the mask?"),
    Wrong("one too high", lambda i, o: rank(i, o) + 1, "Try your answer out: how many bytes does it take?"),
    Wrong("bits for bytes", lambda i, o: rank(i, o, bits=8), "A mask takes one bit a weight. How many bytes is that?"),
    Wrong("against whole weights", lambda i, o: rank(i, o, bits=32), "That is where it beats a copy of the layer, not a mask."),
    Wrong("a number in one byte", lambda i, o: rank(i, o, number=1), "How many bytes does each of LoRA's numbers take?"),
    Wrong("one side only", lambda i, o: (-(-i * o // 8) - 1) // (4 * o), "A has r rows. How many numbers has B?"),
    Wrong("always the same", lambda i, o: rank(768, 768), "Does it depend on the layer?"),
])
