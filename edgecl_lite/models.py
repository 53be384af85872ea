"""Networks, and how to run many copies of one at once.

A network here is only a structure: a plain `torch.nn.Module` whose weights live outside, in a dict `params`
with a lane axis. `layers` walks it for all lanes; a linear layer y = x Wᵀ + b is one batched product.
No BatchNorm, no Dropout: their hidden state would tie the lanes together. Lesson: 01_catastrophic_forgetting.
"""

import copy

import torch
from torch import nn
from torch.func import functional_call, vmap

from .arguments import several, whole

HIDDEN_STATE = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


def mlp(stream, hidden=(100,)):
    """Multi-layer perceptron with ReLU, sized from the stream: pixels -> hidden… -> stream.outputs."""
    hidden = [whole("each of hidden", width) for width in several("hidden", hidden, least=0)]
    widths = [stream.pixels, *hidden, stream.outputs]
    body = [part for i, o in zip(widths, widths[1:], strict=False) for part in (nn.Linear(i, o), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *body[:-1])


def cnn(stream, channels=(16, 32)):
    """Small convolutional net: for each of channels a 3×3 convolution, ReLU, 2×2 max-pooling; then linear."""
    widths = [stream.shape[0], *(whole("each of channels", width) for width in several("channels", channels))]
    body = []
    for i, o in zip(widths, widths[1:], strict=False):
        body += [nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
    body = nn.Sequential(*body, nn.Flatten())
    with torch.no_grad():
        features = body(torch.zeros(1, *stream.shape)).shape[1]
    return nn.Sequential(*body, nn.Linear(features, stream.outputs))


def initial(net, seed):
    """The net's own random start for this seed, {name: tensor}, no lanes. Leaves net and torch alone."""
    net = copy.deepcopy(net)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for part in net.modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
    return {name: p.detach().clone() for name, p in net.named_parameters()}


def layers(net, params, x):
    """Walk the network: yield (prefix of its names, layer, its params, input, output); x (lanes, n, …).

    Linear layers broadcast over the lanes, layers without weights do not see them, and any other layer
    (Conv2d, GroupNorm, a module with a `forward` of its own) goes through `vmap`.
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
            out = torch.baddbmm(own["bias"].unsqueeze(1), x, own["weight"].mT)  # (lanes, n, out)
        elif type(layer) is nn.ReLU:
            out = x.relu()
        elif own:
            out = vmap(lambda p, z, layer=layer: functional_call(layer, p, (z,)))(own, x)
        else:
            out = layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        yield prefix, layer, own, x, out
        x = out


def is_linear(layer, own, x):
    """Whether the layer is y = W x + b of rows x (lanes, n, in), for which closed forms hold."""
    return type(layer) is nn.Linear and "bias" in own and x.dim() == 3


def apply(net, params, x):
    """Logits (lanes, n, outputs) of x (lanes, n, channels, height, width)."""
    *_, (*_, logits) = layers(net, params, x)
    return logits


def check_net(net):
    """Raises TypeError where net is no module, has no weights, or has state that would tie lanes together."""
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be a torch.nn.Module such as mlp(stream), got {type(net).__name__}")
    if not any(True for _ in net.parameters()):
        raise TypeError(f"net must have weights to learn, got {net} with none")
    if len([*net.parameters()]) < len([*net.named_parameters(remove_duplicate=False)]):
        raise TypeError("net must use each layer with weights once, got one that stands in two places")
    for name, part in net.named_modules():
        what = f"got {type(part).__name__} as layer {name!r}"
        if isinstance(part, HIDDEN_STATE):
            hint = "no Dropout, and GroupNorm instead of BatchNorm"
            raise TypeError(f"net must keep no state between samples, {what}: {hint}")
        if [*part.parameters(recurse=False)] and not hasattr(part, "reset_parameters"):
            raise TypeError(f"net must draw its start anew for every seed, {what} without reset_parameters()")
    return net


def check_start(net, params):
    """The params to begin with, of a Run or a Point if such is given, or None.

    Raises TypeError for what is no {name: tensor}, ValueError where they are not the net's with a lane axis.
    """
    params = getattr(params, "params", params)
    if params is None:
        return None
    if not isinstance(params, dict) or not all(isinstance(p, torch.Tensor) for p in params.values()):
        raise TypeError(f"start must be params {{name: tensor}} or a Run, got {type(params).__name__}")
    want = {name: tuple(p.shape) for name, p in net.named_parameters()}
    if (got := {name: tuple(p.shape[1:]) for name, p in params.items()}) != want:
        raise ValueError(f"start must hold a lane axis and then {want}, got {got}")
    return params


def head_names(names):
    """Of the names of all params those of the layer that was registered last, the output layer."""
    names = list(names)
    return [name for name in names if name.rpartition(".")[0] == names[-1].rpartition(".")[0]]


def check_head(net, outputs):
    """Raises TypeError where the layer registered last does not give that many outputs."""
    head = head_names(name for name, _ in net.named_parameters())
    if any(net.get_parameter(name).shape[0] != outputs for name in head):
        layer = head[0].rpartition(".")[0]
        raise TypeError(f"layer {layer!r}, the last one, must give the net's {outputs} outputs")


def cut_at(net, cut):
    """(front, head) of an nn.Sequential: its first `cut` layers (-1: all but the last), and the others.

    Raises ValueError where there would be no front or no head.
    """
    if type(net) is not nn.Sequential or cut not in range(1 - len(net), len(net)) or not cut:
        raise ValueError(f"cut must leave a layer of an nn.Sequential on both sides, got {cut!r} of {net}")
    return net[:cut], net[cut:]


def latent_width(front, params, x):
    """How many values the front gives for a sample of x (n, …). ValueError where they are no flat row."""
    x = x[:1].to(next(iter(params.values())).device)
    z = apply(front, {k: p[:1] for k, p in params.items()}, x[None])
    if z.dim() != 3:
        raise ValueError(
            f"the front must give (n, channels), got {tuple(z.shape[1:])}: cut behind an nn.Flatten"
        )
    return z.shape[-1]


def check_fit(net, stream):
    """Raises ValueError where the net does not take the stream's inputs or give its number of outputs."""
    x = torch.linspace(0, 1, 2 * stream.pixels).view(2, *stream.shape)
    want = f"a net for inputs {stream.shape} and {stream.outputs} outputs, such as mlp(stream)"
    params = {name: p.detach().cpu()[None] for name, p in net.named_parameters()}
    try:
        with torch.no_grad():
            logits = apply(net, params, x[None])[0]
    except RuntimeError as error:
        raise ValueError(f"expected {want}; this one fails on them: {error}") from None
    if logits.shape[1:] != (stream.outputs,):
        raise ValueError(f"expected {want}; this one gives {tuple(logits.shape[1:])} per sample")
