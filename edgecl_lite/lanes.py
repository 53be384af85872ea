"""Dicts of tensors, and the one idea that carries the rest: the LANE.

Axis 0 of every tensor in `params`, `state` and `batch` is the lane, one copy of the network. A λ
sweep is lanes, seeds are lanes, the tasks of a meta-batch are lanes, the clients of a federation
are lanes. Code written for one network broadcasts over all of them; lanes never touch each other.
Lesson: ewc. There a whole slider of λ is one training.
"""

import itertools
import math

import torch


class Lanes:
    """Which lane is which: the axes of a grid, {name: values}, and the seeds, the innermost one.

    No other place knows the order of lanes. axes: {name: [values]}; seed: the name of the last one,
    "seed" unless a hyper-parameter is called so.
    """

    def __init__(self, grid, seeds):
        self.seed = "seeds" if "seed" in grid else "seed"
        self.axes = {**grid, self.seed: list(seeds)}

    def __len__(self):
        return math.prod(self.shape)

    @property
    def shape(self):
        """Number of values of each axis."""
        return tuple(map(len, self.axes.values()))

    @property
    def cells(self):
        """{name: value} of each lane, in order."""
        cells = itertools.product(*self.axes.values())
        return [dict(zip(self.axes, cell, strict=True)) for cell in cells]

    def of(self, name):
        """For each lane the number of its value on one axis, (lanes,)."""
        at = list(self.axes).index(name)
        return torch.arange(len(self)) // math.prod(self.shape[at + 1 :]) % self.shape[at]

    def where(self, **at):
        """Numbers of the lanes at these coordinates, each a value or a list, in the lists' order.

        Raises ValueError where there is no such axis, no such value on it, or a list is empty.
        """
        picks = [self._picked(name, at.pop(name, values)) for name, values in self.axes.items()]
        for name in at:
            known = ", ".join(f"{k} ({len(v)} values)" for k, v in self.axes.items())
            raise ValueError(f"the axes are {known}; got {name!r}")
        lanes = torch.arange(len(self)).view(self.shape)
        return lanes[torch.meshgrid(*picks, indexing="ij")].flatten()

    def _picked(self, name, wanted):
        """The numbers of values on one axis, (values,)."""
        wanted = wanted if isinstance(wanted, list | tuple) else [wanted]
        if not wanted:
            raise ValueError(f"{name} needs at least one value, got none")
        if strange := [value for value in wanted if value not in self.axes[name]]:
            raise ValueError(f"{name} has the values {self.axes[name]}, got {strange[0]!r}")
        return torch.tensor([self.axes[name].index(value) for value in wanted])

    def fold(self, table):
        """An array (lanes, …) as (*axes, …)."""
        return table.reshape(*self.shape, *table.shape[1:])

    def flat(self, table):
        """An array (*axes, …) as (lanes, …)."""
        return table.reshape(len(self), *table.shape[len(self.axes) :])


def lanes_of(tree):
    """Number of lanes of a dict of tensors."""
    return len(next(iter(tree.values())))


def lane(tree, index):
    """Lanes `index`: an int keeps one lane with its axis, a tensor (k,) picks k, or one twice."""
    index = torch.as_tensor(index).reshape(-1)
    return {name: value[index.to(value.device)] for name, value in tree.items()}


def some(tree, part):
    """The lanes of a slice, of a (nested) dict; what is no tensor stays itself."""
    found = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found[name] = some(value, part)
        else:
            found[name] = value[part] if torch.is_tensor(value) else value
    return found


def part(tree, first):
    """What is called `first` and a dot, without them: part(state, "fisher") is named as params."""
    prefix = f"{first}."
    return {k.removeprefix(prefix): v for k, v in tree.items() if k.startswith(prefix)}


def named(first, tree):
    """The way back: `first` and a dot before every name."""
    return {f"{first}.{name}": value for name, value in tree.items()}


def device_of(tree):
    """The device of a dict of tensors."""
    return next(iter(tree.values())).device


def rows(table, row):
    """Of each lane its own rows: table (lanes, rows, …), row (lanes, n) -> (lanes, n, …)."""
    return table[torch.arange(len(row), device=row.device)[:, None], row]


def per_lane(value, like):
    """value (lanes,) in a shape that broadcasts over `like` (lanes, …)."""
    return value.view(-1, *[1] * (like.dim() - 1))


def for_lanes(x, params):
    """Samples x (n, channels, height, width) of all lanes as (lanes, n, …); or of each its own."""
    x = x.to(device_of(params))
    return x if x.dim() == 5 else x.expand(lanes_of(params), *x.shape)


def stack(trees):
    """Dicts without lane axis -> one dict with a lane for each."""
    return {name: torch.stack([tree[name] for tree in trees]) for name in trees[0]}


def zeros(tree):
    """A dict of zeros of the same names and shapes."""
    return {name: torch.zeros_like(value) for name, value in tree.items()}


def copied(tree):
    """Detached copies: what later in-place steps of an optimiser cannot reach."""
    return {name: value.detach().clone() for name, value in tree.items()}


def thin(value):
    """(value, 0), or, where all lanes share one table, that table as one and their number."""
    one = value.dim() and len(value) > 1 and value.stride(0) == 0
    return (value[:1], len(value)) if one else (value, 0)


def thick(value, lanes):
    """What `thin` took apart."""
    return value.expand(lanes, *value.shape[1:]) if lanes else value


def nbytes(tree):
    """Bytes of all tensors in a (nested) dict, as a device would store them."""
    if torch.is_tensor(tree):
        return tree.numel() * tree.element_size()
    return sum(map(nbytes, tree.values()))
