"""All chance of a training: drawn per seed, never per lane, and gone on with after a power cut.

Plumbing of `plan.py`; no lesson derives it.
"""

import torch

from .._refuse.arguments import SEEDS


class Dice:
    """All that is random in a training: two generators a seed, one of them only for shuffling.

    dice(n) gives n uniform numbers in [0, 1) for each lane, equal in lanes of one seed: (lanes, n).
    which (lanes,): the number of a lane's seed.
    """

    def __init__(self, seeds, which, device):
        self.which, self.device, self.order = which, device, None
        self.shuffles = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.chances = [torch.Generator().manual_seed(seed + SEEDS) for seed in seeds]
        self.begun = self._now()

    def __call__(self, n):
        return torch.stack([torch.rand(n, generator=g) for g in self.chances])[self.which].to(
            self.device
        )

    def shuffle(self, n):
        """Begin an epoch: a new `order` (seeds, n) of n samples for each seed."""
        self.begun = self._now()
        self.order = torch.stack([torch.randperm(n, generator=g) for g in self.shuffles])

    def close(self):
        """The epoch ends: whoever goes on from here draws a new order, not this one again."""
        self.begun = self._now()

    def _now(self):
        return [g.get_state() for g in self.shuffles]

    @property
    def states(self):
        """What to go on with, (seeds, bytes) each: of the shuffling as this epoch began."""
        return {
            "epoch": torch.stack(self.begun),
            "chances": torch.stack([g.get_state() for g in self.chances]),
        }

    def set(self, states):
        """Go on where `states` were taken."""
        for kind, generators in (("epoch", self.shuffles), ("chances", self.chances)):
            for state, generator in zip(states[kind], generators, strict=True):
                generator.set_state(state.clone())  # torch wants them aligned
        self.begun, self.order = self._now(), None
