"""What the rules ask of a budget beside its parts: how many samples come, and what a net's head is.

A file of counts, each a property of `Budget`. Lesson: edge_budget.
"""

import math

import torch

from ..models import head_names


class Asked:
    """`Budget` less its arguments and its sums: counts of its stream, method, hyper and bits."""

    @property
    def outputs(self):
        """Width of the output layer."""
        return self.stream.outputs

    @property
    def arrivals(self):
        """How many samples of each output came up to the end of each task, (tasks, outputs)."""
        came = [task.train[1].bincount(minlength=self.outputs) for task in self.stream]
        return torch.stack(came).cumsum(0)

    @property
    def seen(self):
        """How many outputs the stream has samples of."""
        return (self.arrivals[-1] > 0).sum().item()

    @property
    def answers(self):
        """The most outputs that may answer for a sample."""
        return self.stream.answers().sum(-1).max().item()

    @property
    def largest(self):
        """Samples of the largest task."""
        return max(len(task.train[1]) for task in self.stream)

    @property
    def kept_rows(self):
        """Samples in memory when it is fullest: as many as its shares hold, or as came.

        Where the capacity cannot be shared out evenly, that may be earlier than at the end.
        """
        capacity, policy, came = self.hyper["capacity"], self.method.policy, self.arrivals
        if policy == "reservoir":
            return min(capacity, came[-1].sum().item())
        groups = (came > 0).sum(1, keepdim=True) if policy == "balanced" else self.outputs
        return came.minimum(capacity // groups * torch.ones_like(came)).sum(1).max().item()

    def memory(self, values):
        """{what: bytes} of a full memory, for samples of so many values."""
        tags = 1 if self.stream.scenario == "class" else 2  # the class; the task, unless that tells
        each = math.ceil(values * self.bits / 8)
        return {"samples": self.kept_rows * each, "their labels": self.kept_rows * tags}

    @property
    def head_weights(self):
        """Weights of the output layer."""
        named = dict(self.method.net.named_parameters())
        return sum(named[k].numel() for k in head_names(named))

    @property
    def heads(self):
        """Weights of all tasks' own output layers: of each only the rows of the task's classes."""
        return sum(len(task.classes) for task in self.stream) * self.head_weights // self.outputs

    @property
    def masked(self):
        """Weights of the hidden layers that a mask can switch: all but biases."""
        named = dict(self.method.net.named_parameters())
        hidden = [named[k] for k in named.keys() - head_names(named)]
        return sum(p.numel() for p in hidden if p.dim() > 1)
