"""What is refused of a network of the reader's own, before it learns.

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
    """TypeError where params are no {name: tensor}, ValueError where not the net's, in lanes."""
    if not isinstance(params, dict) or not all(torch.is_tensor(p) for p in params.values()):
        kinds = "params {name: tensor}, a Run, or a net whose own weights are meant"
        raise TypeError(f"{called} must be {kinds}, got {repr(params)[:80]}")
    want = {name: tuple(p.shape) for name, p in net.named_parameters()}
    if (got := {name: tuple(p.shape[1:]) for name, p in params.items()}) != want:
        unlike = {k: v for k, v in got.items() if want.get(k) != v}
        unlike |= dict.fromkeys(want.keys() - got.keys(), "none")
        way = "for one lane {k: v[None] for k, v in params.items()}; weights=net takes a net's own"
        got = f"got {unlike} there: {way}"
        raise ValueError(f"{called} must hold a lane axis and then {want}, {got}")


HIDDEN_STATE = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


# ---- a net


def check_net(net, given=False):
    """Raises TypeError where net is no module that lanes can train side by side.

    given: its weights are given, so that nothing has to be drawn.
    """
    if not isinstance(net, nn.Module):
        came = type(net).__name__
        raise TypeError(f"net must be a torch.nn.Module such as mlp(stream), got {came}")
    _check_parameters(net)
    for name, part in net.named_modules():
        _check_layer(part, f"got {type(part).__name__} as layer {name!r}")
        if not given and [*part.parameters(recurse=False)] and not draws_start(part):
            got = f"got {type(part).__name__} as layer {name!r} without reset_parameters()"
            way = "Write one, or give the net's own: weights=net"
            raise TypeError(f"net must draw its start anew for every seed, {got}. {way}")


def _check_parameters(net):
    """TypeError where a net has no weights, or some without size, no float32 or used twice."""
    if not any(True for _ in net.parameters()):
        raise TypeError(f"net must have weights to learn, got {net} with none")
    if len([*net.parameters()]) < len([*net.named_parameters(remove_duplicate=False)]):
        got = "got one that stands in two places"
        raise TypeError(f"net must use each layer with weights once, {got}")
    for name, p in net.named_parameters():
        if isinstance(p, nn.parameter.UninitializedParameter):
            got = f"{name!r} has none yet: call net(x) once before"
            raise TypeError(f"net must know its sizes, {got}")
        if p.dtype != torch.float32:
            got = f"got {name!r} of {p.dtype}: net.float()"
            raise TypeError(f"net must have weights of torch.float32, {got}")


def _check_layer(layer, got):
    """TypeError where a layer has state that would tie lanes or samples together."""
    if isinstance(layer, HIDDEN_STATE) and getattr(layer, "p", 1):  # a Dropout of 0 does nothing
        hint = "no Dropout, and GroupNorm instead of BatchNorm"
        raise TypeError(f"net must keep no state between samples, {got}: {hint}")
    if isinstance(layer, nn.RNNBase | nn.LSTMCell):
        want = "net must run as many copies at once, torch cannot do so here"
        hint = "take nn.GRUCell in a loop over time"
        hint += ", or convolutions along time as in har_net(stream)"
        raise TypeError(f"{want}, {got}: {hint}")


def check_weights(weights):
    """Raises ValueError where given weights {name: (lanes, …)} are no finite float32."""
    for name, p in (weights or {}).items():
        lost = int((~p.isfinite()).sum())
        if p.dtype != torch.float32 or lost:
            got = f"{name!r} of {p.dtype}" + f", {lost} of {p.numel()} not finite" * bool(lost)
            raise ValueError(f"weights must be finite, of torch.float32, got {got}")


def check_head(net, outputs):
    """Raises TypeError where the layer registered last does not give that many outputs."""
    head = head_names(name for name, _ in net.named_parameters())
    if any(net.get_parameter(name).shape[0] != outputs for name in head):
        layer = head[0].rpartition(".")[0]
        raise TypeError(f"layer {layer!r}, the last one, must give the net's {outputs} outputs")


@settled
def check_fit(net, stream):
    """Try the net on four made-up samples of the stream's shape.

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
    """Answer of the net to x (n, …); TypeError where a layer does what lanes cannot bear."""
    fresh = lambda: copy.deepcopy(net).cpu()
    learn = lambda net: net.train()(x.clone())
    test = lambda net: net.eval()(x.clone())
    alone = lambda net: net.eval()(x[:1].clone())
    twin = fresh()
    whole = _first_answer(twin, learn, fresh)
    if not alike(whole, learn(twin)):
        who, way = culprit(fresh(), learn, learn), "make it a function of its input alone"
        raise TypeError(f"net must keep nothing from batch to batch, but {who} does: {way}")
    if not alike(whole, test(twin)):
        who, way = culprit(fresh(), learn, test), "make it ignore self.training, or take it out"
        raise TypeError(f"net must learn as it answers, but {who} does not: {way}")
    if not alike(whole[:1], alone(twin)):
        who = f"{culprit(fresh(), test, alone)} mixes them"
        way = "its output may hang on one sample only, as that of GroupNorm does"
        raise TypeError(f"net must answer a sample alone as beside others, but {who}: {way}")
    return whole


def _first_answer(net, learn, fresh):
    """What the net gives; TypeError where that is no tensor or random, or changes the net."""
    held, dice = versions(net), torch.get_rng_state()
    answer = learn(net)
    if not torch.is_tensor(answer):
        raise TypeError(f"net must give a tensor of logits, got {type(answer).__name__}")
    if not torch.equal(dice, torch.get_rng_state()):
        who = f"{drawer(fresh(), learn)} draws random numbers"
        way = "take it out, and put noise on the samples instead"
        raise TypeError(f"net must answer alike each time, but {who}: {way}")
    if names := [k for k, v in versions(net).items() if held.get(k) != v]:
        layer = names[0].rpartition(".")[0]
        kind = type(net.get_submodule(layer)).__name__
        who = f"layer {layer!r} ({kind}) changes its {names[0]!r}"
        way = "no running statistics (GroupNorm, track_running_stats=False)"
        way += ", no weights written in forward"
        raise TypeError(f"net must keep nothing from batch to batch, but {who}: {way}")
    return answer


def versions(net):
    """{name: (which, how often written)} of the net's tensors: what shows that one was changed."""
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
    for (name, part, a), (_, _, b) in zip(answers(net, one), answers(net, two)):
        if name and not all(alike(p, q) for p, q in zip(a, b) if torch.is_tensor(p)):
            return in_words(name, part)
    return in_words("", net)


def answers(net, call):
    """What each layer gives while the net is called: [(name, layer, tensors)], innermost first."""
    seen = []
    with ExitStack() as hooks:
        for name, part in net.named_modules():
            look = lambda part, _, out, name=name: seen.append((name, part, tree_leaves(out)))
            hooks.callback(part.register_forward_hook(look).remove)
        call(net)
    return seen


def drawer(net, call):
    """The innermost layer that draws from torch's generator while the net is called, in words."""
    names = {part: name for name, part in net.named_modules()}
    before, drew = {}, []

    def begin(part, _):
        before[part] = torch.get_rng_state()

    def end(part, _, out):
        if not torch.equal(before[part], torch.get_rng_state()):
            drew.append(part)

    with ExitStack() as hooks:
        for part in names:
            hooks.callback(part.register_forward_pre_hook(begin).remove)
            hooks.callback(part.register_forward_hook(end).remove)
        call(net)
    part = drew[0] if drew else net
    return in_words(names[part], part)


def in_words(name, part):
    """A layer of a net; the net itself has no name."""
    kind = type(part).__name__
    return f"layer {name!r} ({kind})" if name else f"its own forward ({kind})"
