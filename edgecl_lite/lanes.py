"""Dicts of tensors, and the one idea that carries the rest: the LANE.

Axis 0 of every tensor in `params`, `state` and `batch` is the lane, one copy of the network. A λ sweep is
lanes, seeds are lanes, the tasks of a meta-batch are lanes, the clients of a federation are lanes. Code
written for one network broadcasts over all of them; lanes never touch each other.
Lesson: 02_ewc, where a whole slider of λ is one training.
"""

import torch


def lanes_of(tree):
    """Number of lanes of a dict of tensors."""
    return len(next(iter(tree.values())))


def lane(tree, index):
    """Lanes `index` (an int keeps one lane with its axis, a tensor (k,) picks k lanes, also repeatedly)."""
    index = torch.as_tensor(index).reshape(-1)
    return {name: value[index.to(value.device)] for name, value in tree.items()}


def some(tree, part):
    """The lanes of a slice, of a (nested) dict; what is no tensor stays itself."""
    pick = lambda v: some(v, part) if isinstance(v, dict) else v[part] if torch.is_tensor(v) else v
    return {name: pick(value) for name, value in tree.items()}


def device_of(tree):
    """The device of a dict of tensors."""
    return next(iter(tree.values())).device


def rows(table, row):
    """Of each lane its own rows: table (lanes, rows, …), row (lanes, n) -> (lanes, n, …)."""
    return table[torch.arange(len(row), device=row.device)[:, None], row]


def per_lane(value, like):
    """value (lanes,) in a shape that broadcasts over `like` (lanes, …)."""
    return value.view(-1, *[1] * (like.dim() - 1))


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
    """(value, 0), or, where all lanes look at one table, that table as one lane and how many they are."""
    one = value.dim() and len(value) > 1 and value.stride(0) == 0
    return (value[:1], len(value)) if one else (value, 0)


def thick(value, lanes):
    """What `thin` took apart."""
    return value.expand(lanes, *value.shape[1:]) if lanes else value


def nbytes(tree):
    """Bytes of all tensors in a (nested) dict, as a device would store them."""
    return sum(nbytes(v) if isinstance(v, dict) else v.numel() * v.element_size() for v in tree.values())
