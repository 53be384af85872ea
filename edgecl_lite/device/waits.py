"""What waits for the backward pass: in PyTorch, in a lean engine, and where it is computed again.

    eager        all that autograd saves
    lean         of a layer whose weights move its input; where a gradient must pass on, a bit for
                 each value of a ReLU, a byte for each of a pooling, the input of a GroupNorm
    recompute    segments of layers, then  maxⱼ (inputs of segments 1 … j + what waits within j)

Chen et al. 2016 (recomputation); Cai et al. 2020 (TinyTL: biases need no inputs, a ReLU one bit);
Lin et al. 2022 (a few layers only). Lesson: edge_budget.
"""

import itertools
import math
from dataclasses import dataclass

from torch import nn

ENGINES = "eager", "lean"
PRODUCTS = nn.Linear, nn.Conv2d
NOTHING = nn.Flatten, nn.Identity, nn.AvgPool2d, nn.AdaptiveAvgPool2d
KNOWN = *PRODUCTS, *NOTHING, nn.ReLU, nn.MaxPool2d, nn.GroupNorm
IN_PLACE = nn.ReLU, nn.Flatten, nn.Identity  # what needs no second buffer for its output
CUTS = 4  # at most so many segments are computed again


@dataclass(frozen=True)
class Layer:
    """An innermost layer, as one sample goes through it.

    kind: its class; weight: whether its weight may move; moves: whether anything of it may; groups:
    of a GroupNorm; came, gave: (which tensor, values) of its input and of its output, where a view
    is the same tensor; saved: ((which tensor, bytes a sample, bytes once), …) that autograd saves
    in it; forward: FLOPs.
    """

    kind: type
    weight: bool
    moves: bool
    groups: int
    came: tuple
    gave: tuple
    saved: tuple
    forward: int


def waiting(layers, loss, engine, recompute):
    """(bytes a sample, bytes once, FLOPs a sample computed again) of a chain of `Layer`s.

    loss: what it saves, as `Layer.saved`. Segments begin at layers with weights, where least waits.
    Raises TypeError for a layer of which nobody knows what a lean engine keeps.
    """
    moving = [i for i, layer in enumerate(layers) if layer.moves]
    if not moving:
        return 0, 0, 0
    saved = [layer.saved for layer in layers]
    if engine == "lean":
        saved = [_lean(layers, i, passes=i > moving[0]) for i in range(len(layers))]
        loss = (("answers", 4 * layers[-1].gave[1] + 1, 0),)  # floats, and a byte for the label
    starts = [i for i, layer in enumerate(layers) if layer.forward and i > moving[0]]
    many = range(min(CUTS, len(starts)) + 1) if recompute else [0]
    cuts = itertools.chain(*(itertools.combinations(starts, k) for k in many))
    ways = [_cut(layers, saved, loss, [moving[0], *each, len(layers)]) for each in cuts]
    return min(ways, key=lambda way: (way[0] + way[1], way[2]))


def buffers(layers):
    """Bytes of the input and the output of the widest layer, for one sample."""
    inner = [layer for layer in layers if layer.kind not in IN_PLACE]
    return max(4 * (layer.came[1] + layer.gave[1]) for layer in inner)


def _cut(layers, saved, loss, bounds):
    """As `waiting`, for segments from each of the bounds to the next; the last is not repeated."""
    held, waits, again = [], [], 0
    for first, end in itertools.pairwise(bounds):
        inner = [kept for each in saved[first:end] for kept in each]
        if end < len(layers):
            which, values = layers[first].came
            held.append((which, 4 * values, 0))
            again += sum(layer.forward for layer in layers[first:end])
            waits.append(_sum([*held, *inner]))
        else:
            waits.append(_sum([*held, *inner, *loss]))
    return *max(waits), again


def _sum(kept):
    """(bytes a sample, bytes once) of [(which tensor, …)], each tensor once."""
    distinct = {which: sizes for which, *sizes in kept}.values()
    return sum(each for each, _ in distinct), sum(once for _, once in distinct)


def _lean(layers, i, passes):
    """What an engine keeps of layer i, as `Layer.saved`; passes: whether a gradient must pass."""
    layer = layers[i]
    if layer.kind not in KNOWN:
        known = ", ".join(f"nn.{kind.__name__}" for kind in KNOWN)
        raise TypeError(f"a lean engine knows {known}, got {layer.kind.__name__}: engine='eager'")
    (which, values), (out, gave) = layer.came, layer.gave
    if layer.kind in PRODUCTS and layer.weight:
        return ((which, 4 * values, 0),)
    if layer.kind is nn.GroupNorm and (layer.weight or passes):
        return (which, 4 * values, 0), (f"spread {i}", 8 * layer.groups, 0)
    if layer.kind is nn.ReLU and passes:
        wanted = any(o.came[0] == out and o.kind in PRODUCTS and o.weight for o in layers[i + 1 :])
        return ((out, 4 * gave, 0) if wanted else (f"signs {i}", math.ceil(gave / 8), 0),)
    if layer.kind is nn.MaxPool2d and passes:
        return ((f"largest {i}", gave, 0),)
    return ()


def chain(net):
    """The layers of an nn.Sequential, also of one within another, in order; another net itself."""
    if type(net) is not nn.Sequential:
        return [net]
    return [layer for part in net for layer in chain(part)]
