"""What a report gives away, and three ways to give away less: cut, noise, masks.

Lesson: federated_learning.
"""

import torch


def clipped(theta, reports, clip):
    """Reports {name: (seeds, clients, …)} no further from θ than `clip`, in the Euclidean norm."""
    moved = {k: r - theta[k][:, None] for k, r in reports.items()}
    norm = sum(d.flatten(2).square().sum(2) for d in moved.values()).sqrt()  # (seeds, clients)
    scale = (clip / norm.clamp(min=1e-12)).clamp(max=1)
    over = lambda d: scale.view(*scale.shape, *[1] * (d.dim() - 2)) * d
    return {k: theta[k][:, None] + over(d) for k, d in moved.items()}


def noised(theta, size, dice):
    """θ {name: (seeds, …)} with normal noise of deviation size (seeds,); dice: a generator each."""
    new = {}
    for k, v in theta.items():
        drawn = torch.stack([torch.randn(v.shape[1:], generator=g) for g in dice]).to(v.device)
        new[k] = v + size.view(-1, *[1] * (v.dim() - 1)).to(v.device) * drawn
    return new
