"""What the test files repeat: small streams and nets, quick options, spies, optimisers of one's own."""

from unittest import mock

import torch
from torch.func import functional_call

from edgecl_lite import digits, mlp, split
from edgecl_lite.lanes import copied
from edgecl_lite.streams import Stream, Task

DIGITS = digits()
STREAM = split(DIGITS)
TOLD = split(DIGITS, scenario="task")
NET = mlp(STREAM, hidden=(20,))
FAST = dict(epochs=1, progress=False, every=10**6)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def numbered(*tasks, scenario="class"):
    """A stream of one-pixel images that are their own numbers 0, 1, …; each of tasks: {class: samples}."""
    parts, first = [], 0
    for t, sizes in enumerate(tasks):
        y = torch.cat([torch.full((n,), c) for c, n in sizes.items()])
        x = (torch.arange(first, first + len(y)) / 255).view(-1, 1, 1, 1)
        first += len(y)
        parts.append(Task(f"task {t}", (x, y), (x, y), tuple(sizes)))
    assert first <= 256
    return Stream(parts, scenario, 1 + max(c for sizes in tasks for c in sizes))


def pixel_net(stream):
    return mlp(stream, hidden=(3,))


def spied(kind, seen):
    """kind, whose `loss` also writes (params, state, batch) down."""

    class Spied(kind):
        def loss(self, params, state, batch):
            seen.append((copied(params), state, batch))
            return super().loss(params, state, batch)

    return Spied


def by_loops(net, params, i, batch):
    """Cross entropy of one lane, sample by sample, over the outputs that may answer."""
    own, total = {k: p[i] for k, p in params.items() if k in net.state_dict()}, 0
    active = batch["active"][i].expand(len(batch["y"][i]), -1)  # one row may stand for all
    for x, y, may in zip(batch["x"][i], batch["y"][i], active):
        z = functional_call(net, own, (x[None],))[0].double()
        total = total + torch.log(z[may].exp().sum()) - z[y]
    return total / len(batch["y"][i])


def sgd(tensors, lr):
    return torch.optim.SGD(tensors, lr=20 * lr, momentum=0.9, weight_decay=0.01)


def adamw(tensors, lr):
    return torch.optim.AdamW(tensors, lr=lr, weight_decay=0.1)


def displayed(panel):
    """What a cell that ends on a panel stores, {kind: data}; ipywidgets 7 displays it itself."""
    if hasattr(panel, "_repr_mimebundle_"):
        return panel._repr_mimebundle_()
    with mock.patch("ipywidgets.widgets.widget.display") as display:
        panel._ipython_display_()
    return display.call_args.args[0]
