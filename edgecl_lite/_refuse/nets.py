"""What is refused of a network of the reader's own, before it learns: functions that raise or return nothing.

Every message says what was expected, what came, and a way that works. No lesson derives it.
"""

import copy
from contextlib import ExitStack

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from ..lanes import copied
from ..machine.settled import settled
from ..models import apply, draws_start, head_names, learns


def check_params(net, params, called="params"):
    """TypeError where params are no {name: tensor}, ValueError where not the net's with a lane axis."""
    if not isinstance(params, dict) or not all(torch.is_tensor(p) for p in params.values()):
        kinds = "params {name: tensor}, a Run, or a net whose own weights are meant"
        raise TypeError(f"{called} must be {kinds}, got {repr(params)[:80]}")
    want = {name: tuple(p.shape) for name, p in net.named_parameters()}
    if (got := {name: tuple(p.shape[1:]) for name, p in params.items()}) != want:
        unlike = {k: v for k, v in got.items() if want.get(k) != v}
        unlike |= dict.fromkeys(want.keys() - got.keys(), "none")
        way = "for one lane {k: v[None] for k, v in params.items()}; weights=net takes a net's own"
        raise ValueError(
            f"{called} must hold a lane axis and then {want}, got {unlike} there: {way}"
        )


HIDDEN_STATE = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


# ---- a net


def check_net(net, given=False):
    """Raises TypeError where net is no module, has no weights, or has state that would tie lanes together.

    given: its weights are given, so that nothing has to be drawn.
    """
    if not isinstance(net, nn.Module):
        raise TypeError(
            f"net must be a torch.nn.Module such as mlp(stream), got {type(net).__name__}"
        )
    if not any(True for _ in net.parameters()):
        raise TypeError(f"net must have weights to learn, got {net} with none")
    if len([*net.parameters()]) < len([*net.named_parameters(remove_duplicate=False)]):
        raise TypeError(
            "net must use each layer with weights once, got one that stands in two places"
        )
    for name, p in net.named_parameters():
        if isinstance(p, nn.parameter.UninitializedParameter):
            raise TypeError(
                f"net must know its sizes, {name!r} has none yet: call net(x) once before"
            )
        if p.dtype != torch.float32:
            raise TypeError(
                f"net must have weights of torch.float32, got {name!r} of {p.dtype}: net.float()"
            )
    for name, part in net.named_modules():
        what = f"got {type(part).__name__} as layer {name!r}"
        if isinstance(part, HIDDEN_STATE) and getattr(part, "p", 1):  # a Dropout of 0 does nothing
            hint = "no Dropout, and GroupNorm instead of BatchNorm"
            raise TypeError(f"net must keep no state between samples, {what}: {hint}")
        if isinstance(part, nn.RNNBase | nn.LSTMCell):
            hint = "take nn.GRUCell in a loop over time, or convolutions along time as in har_net(stream)"
            raise TypeError(
                f"net must run as many copies at once, torch cannot do so here, {what}: {hint}"
            )
        if not given and [*part.parameters(recurse=False)] and not draws_start(part):
            hint = (
                f"{what} without reset_parameters(). Write one, or give the net's own: weights=net"
            )
            raise TypeError(f"net must draw its start anew for every seed, {hint}")


def check_weights(weights):
    """Raises ValueError where given weights {name: (lanes, …)} are no finite float32."""
    for name, p in (weights or {}).items():
        if p.dtype != torch.float32 or not p.isfinite().all():
            lost = (
                "" if p.isfinite().all() else f", {(~p.isfinite()).sum()} of {p.numel()} not finite"
            )
            raise ValueError(
                f"weights must be finite, of torch.float32, got {name!r} of {p.dtype}{lost}"
            )


def check_head(net, outputs):
    """Raises TypeError where the layer registered last does not give that many outputs."""
    head = head_names(name for name, _ in net.named_parameters())
    if any(net.get_parameter(name).shape[0] != outputs for name in head):
        layer = head[0].rpartition(".")[0]
        raise TypeError(f"layer {layer!r}, the last one, must give the net's {outputs} outputs")


@settled
def check_fit(net, stream):
    """Try the net on four made-up samples of the stream's shape: it fits, and answers each alone and alike.

    Raises ValueError where it does not take the inputs or give the outputs; TypeError where a layer
    draws random numbers, keeps something from call to call, answers otherwise in training than at
    test, or mixes the samples of a batch. Torch's global generator stays as it was.
    """
    x = torch.linspace(0, 1, 4 * stream.pixels).view(4, *stream.shape)
    want = f"a net for inputs {stream.shape} and {stream.outputs} outputs, such as mlp(stream)"
    try:
        with torch.random.fork_rng(devices=[]):
            whole = refuse_strange(net, x)
        params = {k: p.detach().cpu().expand(2, *p.shape) for k, p in net.named_parameters()}
        params = {k: p.requires_grad_(k in learns(net)) for k, p in copied(params).items()}
        logits = apply(net, params, x.expand(2, *x.shape))  # (lanes, n, outputs)
        if logits.requires_grad:
            moving = [p for p in params.values() if p.requires_grad]
            torch.autograd.grad(logits.sum(), moving, allow_unused=True)
    except (TypeError, ValueError) as error:
        if str(error).startswith("net must"):
            raise
        raise ValueError(f"expected {want}; this one fails on them: {error}") from error
    except Exception as error:
        mode = "" if net.training else ". It is in the mode of a test: net.train() may help"
        raise ValueError(f"expected {want}; this one fails on them: {error}{mode}") from error
    if logits.shape[2:] != (stream.outputs,):
        raise ValueError(f"expected {want}; this one gives {tuple(logits.shape[2:])} per sample")
    if not alike(logits[0], whole):
        hint = "a hook on an nn.Sequential, or a forward of its own: make it a layer inside"
        raise TypeError(f"net must answer as a whole as it does layer by layer: {hint}")


@torch.no_grad()
def refuse_strange(net, x):
    """Answer of the net to x (n, …); TypeError where a layer does what lanes, seeds or a test cannot bear."""
    fresh = lambda: copy.deepcopy(net).cpu()
    learn, test = (lambda net: net.train()(x.clone())), (lambda net: net.eval()(x.clone()))
    twin, dice = fresh(), torch.get_rng_state()
    held = versions(twin)
    whole = learn(twin)
    if not torch.is_tensor(whole):
        raise TypeError(f"net must give a tensor of logits, got {type(whole).__name__}")
    if not torch.equal(dice, torch.get_rng_state()):
        way = "take it out, and put noise on the samples instead"
        raise TypeError(
            f"net must answer alike each time, but {drawer(fresh(), learn)} draws random numbers: {way}"
        )
    if names := [k for k, v in versions(twin).items() if held.get(k) != v]:
        layer = names[0].rpartition(".")[0]
        who = (
            f"layer {layer!r} ({type(twin.get_submodule(layer)).__name__}) changes its {names[0]!r}"
        )
        way = "no running statistics (GroupNorm, track_running_stats=False), no weights written in forward"
        raise TypeError(f"net must keep nothing from batch to batch, but {who}: {way}")
    if not alike(whole, learn(twin)):
        who, way = culprit(fresh(), learn, learn), "make it a function of its input alone"
        raise TypeError(f"net must keep nothing from batch to batch, but {who} does: {way}")
    if not alike(whole, test(twin)):
        who, way = culprit(fresh(), learn, test), "make it ignore self.training, or take it out"
        raise TypeError(f"net must learn as it answers, but {who} does not: {way}")
    if not alike(whole[:1], twin(x[:1].clone())):
        who = culprit(fresh(), test, lambda net: net.eval()(x[:1].clone()))
        way = "its output may hang on one sample only, as that of GroupNorm does"
        raise TypeError(
            f"net must answer a sample alone as beside others, but {who} mixes them: {way}"
        )
    return whole


def versions(net):
    """What changes when a parameter or a buffer is written to or replaced, {name: (which, how often)}."""
    return {k: (id(v), v._version) for k, v in (*net.named_parameters(), *net.named_buffers())}


def alike(a, b):
    """Whether two answers (n, …) agree, up to the last digits, in the rows that both have."""
    n = min(len(a), len(b)) if a.dim() and b.dim() else None
    if a.shape[1:] != b.shape[1:]:
        return False
    size = max(1.0, b.abs().max().item()) if b.numel() and b.isfinite().all() else 1.0
    return torch.allclose(a[:n], b[:n], rtol=1e-4, atol=1e-5 * size, equal_nan=True)


def culprit(net, one, two):
    """The innermost layer whose outputs differ between two calls, in words."""
    calls = [[], []]
    for seen, call in zip(calls, (one, two)):
        with ExitStack() as hooks:
            for name, part in net.named_modules():
                look = lambda part, _, out, name=name, seen=seen: seen.append(
                    (name, part, tree_leaves(out))
                )
                hooks.callback(part.register_forward_hook(look).remove)
            call(net)
    for (name, part, a), (_, _, b) in zip(*calls):
        if name and not all(alike(p, q) for p, q in zip(a, b) if torch.is_tensor(p)):
            return f"layer {name!r} ({type(part).__name__})"
    return f"its own forward ({type(net).__name__})"


def drawer(net, call):
    """The innermost layer that draws from torch's generator while the net is called, in words."""
    found, before = [], {}
    with ExitStack() as hooks:
        for name, part in net.named_modules():
            begin = lambda part, _: before.update({part: torch.get_rng_state()})
            end = lambda part, _, out, name=name: (
                None
                if torch.equal(before[part], torch.get_rng_state())
                else found.append((name, part))
            )
            hooks.callback(part.register_forward_pre_hook(begin).remove)
            hooks.callback(part.register_forward_hook(end).remove)
        call(net)
    name, part = found[0] if found else ("", net)
    return (
        f"layer {name!r} ({type(part).__name__})"
        if name
        else f"its own forward ({type(net).__name__})"
    )
