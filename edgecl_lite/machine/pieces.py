"""An answer in pieces: so many samples and lanes at a time that the tables they need find room.

`Made` watches what torch's operations make; nothing here knows of learning. No lesson derives it.
"""

import itertools
from contextvars import ContextVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode

ROOM = ContextVar("bytes that tables may take at a time", default=50e6)
CACHE = 0.1  # of the room for an answer: what stays in the processor's cache is ready sooner


def in_pieces(answer, params, x):
    """answer(params, x) (lanes, n, …) of x (lanes, n, …), a few lanes and samples at a time."""
    lanes, n = x.shape[:2]
    if not params or x.numel() < ROOM.get() / 200:  # too little to be worth a look
        return answer(params, x)
    with Made() as one:
        row = answer({k: p[:1] for k, p in params.items()}, x[:1, :1])
    whole = row.new_empty(lanes, n, *row.shape[2:])
    for part in pieces(lanes, n, 3 * one.largest / CACHE):  # three such tables
        whole[part] = answer({k: p[part[0]] for k, p in params.items()}, x[part])
    return whole


def pieces(lanes, n, nbytes):
    """Slices (lanes, samples) whose tables find room, where a sample takes so many bytes."""
    room = max(1, int(ROOM.get() / nbytes))  # samples at a time
    some = min(lanes, max(1, room // n))  # lanes with all their samples, or one with some of them
    few = max(1, room // some)
    rows = [slice(i, i + some) for i in range(0, lanes, some)]
    columns = [slice(j, j + few) for j in range(0, n, few)]
    return list(itertools.product(rows, columns))


class Made(TorchDispatchMode):
    """`with Made() as seen: …`: bytes of the largest tensor that operations made, and of all.

    A view of what was there before is not made.
    """

    def __init__(self):
        super().__init__()
        self.largest, self.total = 1, 1

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        for storage in storages(out):
            if storage._cdata not in {given._cdata for given in storages((args, kwargs))}:
                self.made(storage)
        return out

    def made(self, storage):
        """What happens for each."""
        self.largest = max(self.largest, storage.nbytes())
        self.total += storage.nbytes()


def storages(tree):
    """Those of all tensors in nested lists, tuples and dicts."""
    if isinstance(tree, torch.Tensor):
        yield tree.untyped_storage()
    elif isinstance(tree, list | tuple | dict):
        for leaf in tree.values() if isinstance(tree, dict) else tree:
            yield from storages(leaf)
