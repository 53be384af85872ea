"""Networks, and how to run many copies of one at once.

A network here is only a structure: a plain `torch.nn.Module` whose weights live outside, in a dict
`params` with a lane axis. `layers` walks it for all lanes; a linear layer y = x Wᵀ + b is one
batched product. No BatchNorm, no Dropout: their hidden state would tie the lanes together.
Lesson: catastrophic_forgetting.
"""

import copy

import torch
from torch import nn
from torch.func import functional_call, vmap

from ._refuse.arguments import several, whole
from .lanes import lanes_of
from .machine.along_time import along_time, group_normed
from .machine.pieces import in_pieces
from .machine.settled import settled


@settled
def mlp(stream, hidden=(100,)):
    """Multi-layer perceptron with ReLU, sized from the stream: pixels -> hidden… -> outputs."""
    check_stream(stream)
    hidden = [whole("each of hidden", width) for width in several("hidden", hidden, least=0)]
    widths = [stream.pixels, *hidden, stream.outputs]
    body = [nn.Flatten()]
    for i, o in zip(widths, widths[1:], strict=False):
        body += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*body[:-1])


@settled
def cnn(stream, channels=(16, 32)):
    """Small net: for each of channels 3×3 convolution, ReLU, 2×2 max-pooling; a linear layer."""
    check_stream(stream)
    channels = [whole("each of channels", width) for width in several("channels", channels)]
    widths = [stream.shape[0], *channels]
    body = []
    for i, o in zip(widths, widths[1:], strict=False):
        body += [nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
    body = nn.Sequential(*body, nn.Flatten())
    with torch.no_grad():
        features = body(torch.zeros(1, *stream.shape)).shape[1]
    return nn.Sequential(*body, nn.Linear(features, stream.outputs))


@settled
def wrist_net(stream, channels=(16, 32)):
    """Small convolutional net along time, for sensors; `net[:-1]` is the front.

    For each of channels a 1×5 convolution with stride 2, GroupNorm, ReLU; then the largest value of
    every channel, flat, and a linear head: 3,415 weights for the smart watch.
    """
    check_stream(stream)
    (last, height, width), body = stream.shape, []
    for each in several("channels", channels):
        each, width = whole("each of channels", each), -(-width // 2)
        body += [nn.Conv2d(last, each, (1, 5), (1, 2), (0, 2)), nn.GroupNorm(1, each), nn.ReLU()]
        last = each
    pool = nn.MaxPool2d((1, width)), nn.Flatten()
    return nn.Sequential(*body, *pool, nn.Linear(last * height, stream.outputs))


def check_stream(stream):
    """Raises TypeError where this cannot say how wide a net has to be."""
    if not hasattr(stream, "pixels"):
        want = "a Stream such as rotated(digits()), or tasks such as sinusoids()"
        raise TypeError(f"stream must be {want}, got {type(stream).__name__}")


@settled
def initial(net, seed):
    """The net's random start for a seed, {name: tensor}, no lanes. Leaves net and torch alone."""
    net = copy.deepcopy(net).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for part in net.modules():
            if reset := draws_start(part):
                reset()
    return {name: p.detach().clone() for name, p in net.named_parameters()}


def draws_start(part):
    """The function by which a layer draws its weights anew, or None."""
    return getattr(part, "reset_parameters", getattr(part, "_reset_parameters", None))


def learns(net):
    """Names of the parameters that may move: all but those with `requires_grad=False`."""
    return [name for name, p in net.named_parameters() if p.requires_grad]


def only(net, moving):
    """A copy of the net in which only some parameters may move, the others standing still.

    moving: "all", "biases", "last 2" (layers with weights, counted from the output), or a list of
    names, such as ["3.weight", "3.bias", "6.bias"]. The weights themselves come along: what stands
    still was trained before, `weights=net`. Raises ValueError where nothing would move, or a name
    is none of the net's.
    """
    net = copy.deepcopy(net)
    names = [name for name, _ in net.named_parameters()]
    chosen = _chosen(names, moving)
    for name, p in net.named_parameters():
        p.requires_grad_(name in chosen)
    return net


def _chosen(names, moving):
    """Those of the names that `only` lets move."""
    owners = [*dict.fromkeys(name.rpartition(".")[0] for name in names)]  # layers with weights
    ways = {"all": names, "biases": [name for name in names if name.endswith("bias")]}
    for k in range(1, len(owners) + 1):
        ways[f"last {k}"] = [name for name in names if name.rpartition(".")[0] in owners[-k:]]
    chosen = ways.get(moving) if isinstance(moving, str) else list(moving)
    if not chosen or not set(chosen) <= set(names):
        want = f"one of {', '.join(map(repr, ways))}, or a list of some of {', '.join(names)}"
        raise ValueError(f"moving must be {want}; got {moving!r}")
    return chosen


def layers(net, params, x):
    """Walk the network: yield (prefix of names, layer, its params, input, output); x (lanes, n, …).

    Linear layers, convolutions along time and GroupNorm broadcast over the lanes, layers without
    weights do not see them, and any other layer (Conv2d, a module with a `forward` of its own) goes
    through `vmap`. None changes its input.
    """
    for name, layer in net._modules.items() if type(net) is nn.Sequential else [("", net)]:
        prefix = f"{name}." if name else ""
        own = {key[len(prefix) :]: p for key, p in params.items() if key.startswith(prefix)}
        if type(layer) is nn.Sequential:
            for inner, *step in layers(layer, own, x):
                yield prefix + inner, *step
            x = step[-1]
            continue
        if is_linear(layer, own, x):
            out = torch.baddbmm(own["bias"].unsqueeze(2), own["weight"], x.mT).mT  # (lanes, n, out)
        elif type(layer) is nn.ReLU:
            out = x.relu()
        else:
            out = through(layer, own, x)
        yield prefix, layer, own, x, out
        x = out


def through(layer, own, x):
    """Output of any layer for x (lanes, n, …); its buffers come along to the device of x."""
    held = {name: b.to(x.device) for name, b in layer.named_buffers()}
    x = x.clone() if writes(layer) else x.contiguous()  # as torch's own layers would hand it on
    for quick in (along_time, group_normed):
        if (out := quick(layer, own, x)) is not None:
            return out
    if own:
        return vmap(lambda p, z: functional_call(layer, held | p, (z,)))(own, x)
    flat = x.flatten(0, 1)
    out = functional_call(layer, held, (flat,)) if held else layer(flat)
    return out.unflatten(0, x.shape[:2])


def writes(layer):
    """Whether a layer may change its input: it says so, or nobody knows, as it is not torch's."""
    known = type(layer).__module__.startswith("torch.nn.modules.")
    return getattr(layer, "inplace", False) or not known


def is_linear(layer, own, x):
    """Whether the layer is y = W x + b of rows x (lanes, n, in), for which closed forms hold."""
    if type(layer) is not nn.Linear or x.dim() != 3 or own.keys() != {"weight", "bias"}:
        return False
    return not (layer._forward_pre_hooks or layer._forward_hooks)


def apply(net, params, x):
    """Logits (lanes, n, outputs) of x (lanes, n, channels, height, width).

    Where no gradient waits for them, a few lanes and samples at a time: tables stay under 50 MB.
    Raises ValueError where params and x have not as many lanes.
    """
    if len(x) != lanes_of(params):
        want = "params and x must have as many lanes, the first axis"
        got = f"params have {lanes_of(params)}, x {tuple(x.shape)} has {len(x)}"
        raise ValueError(f"{want}; {got}: x[None] for one lane")

    def logits(params, x):
        for *_, out in layers(net, params, x):  # noqa: B007
            pass
        return out.contiguous()

    if torch.is_grad_enabled() and any(p.requires_grad for p in (*params.values(), x)):
        return logits(params, x)
    return in_pieces(logits, params, x)


def head_names(names):
    """Of the names of all params those of the layer that was registered last, the output layer."""
    names = list(names)
    return [name for name in names if name.rpartition(".")[0] == names[-1].rpartition(".")[0]]
