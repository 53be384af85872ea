"""What is refused before a training, or as soon as it shows: functions that raise or return nothing.

A net of the reader's own, an optimiser, a device, a method that returns the wrong thing. Every message says
what was expected, what came, and a way that works. Left out of the reading paths; no lesson derives it.
"""

import copy
from contextlib import ExitStack

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from .models import apply, draws_start, head_names, learns
from .settled import settled
from .tensors import copied, lanes_of

HIDDEN_STATE = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


# ---- a net


def check_net(net, given=False):
    """Raises TypeError where net is no module, has no weights, or has state that would tie lanes together.

    given: its weights are given, so that nothing has to be drawn.
    """
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be a torch.nn.Module such as mlp(stream), got {type(net).__name__}")
    if not any(True for _ in net.parameters()):
        raise TypeError(f"net must have weights to learn, got {net} with none")
    if len([*net.parameters()]) < len([*net.named_parameters(remove_duplicate=False)]):
        raise TypeError("net must use each layer with weights once, got one that stands in two places")
    for name, p in net.named_parameters():
        if isinstance(p, nn.parameter.UninitializedParameter):
            raise TypeError(f"net must know its sizes, {name!r} has none yet: call net(x) once before")
        if p.dtype != torch.float32:
            raise TypeError(f"net must have weights of torch.float32, got {name!r} of {p.dtype}: net.float()")
    for name, part in net.named_modules():
        what = f"got {type(part).__name__} as layer {name!r}"
        if isinstance(part, HIDDEN_STATE) and getattr(part, "p", 1):  # a Dropout of 0 does nothing
            hint = "no Dropout, and GroupNorm instead of BatchNorm"
            raise TypeError(f"net must keep no state between samples, {what}: {hint}")
        if isinstance(part, nn.RNNBase | nn.LSTMCell):
            hint = "take nn.GRUCell in a loop over time, or convolutions along time as in har_net(stream)"
            raise TypeError(f"net must run as many copies at once, torch cannot do so here, {what}: {hint}")
        if not given and [*part.parameters(recurse=False)] and not draws_start(part):
            hint = f"{what} without reset_parameters(). Write one, or give the net's own: weights=net"
            raise TypeError(f"net must draw its start anew for every seed, {hint}")


def check_weights(weights):
    """Raises ValueError where given weights {name: (lanes, …)} are no finite float32."""
    for name, p in (weights or {}).items():
        if p.dtype != torch.float32 or not p.isfinite().all():
            lost = "" if p.isfinite().all() else f", {(~p.isfinite()).sum()} of {p.numel()} not finite"
            raise ValueError(f"weights must be finite, of torch.float32, got {name!r} of {p.dtype}{lost}")


def check_head(net, outputs):
    """Raises TypeError where the layer registered last does not give that many outputs."""
    head = head_names(name for name, _ in net.named_parameters())
    if any(net.get_parameter(name).shape[0] != outputs for name in head):
        layer = head[0].rpartition(".")[0]
        raise TypeError(f"layer {layer!r}, the last one, must give the net's {outputs} outputs")


@settled
def check_fit(net, stream):
    """Try the net on four made-up samples of the stream's shape: it fits, and answers each alone and alike.

    Raises ValueError where it does not take the inputs or give the outputs; TypeError where a layer draws
    random numbers, keeps something from call to call, answers otherwise in training than at test, or mixes
    the samples of a batch. Torch's global generator stays as it was.
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
        who = f"layer {layer!r} ({type(twin.get_submodule(layer)).__name__}) changes its {names[0]!r}"
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
        raise TypeError(f"net must answer a sample alone as beside others, but {who} mixes them: {way}")
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
                look = lambda part, _, out, name=name, seen=seen: seen.append((name, part, tree_leaves(out)))
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
                None if torch.equal(before[part], torch.get_rng_state()) else found.append((name, part))
            )
            hooks.callback(part.register_forward_pre_hook(begin).remove)
            hooks.callback(part.register_forward_hook(end).remove)
        call(net)
    name, part = found[0] if found else ("", net)
    return f"layer {name!r} ({type(part).__name__})" if name else f"its own forward ({type(net).__name__})"


# ---- where, and by what, it learns


def check_device(device):
    """Raises ValueError where this machine has no such device."""
    if device is None:
        return
    try:
        if torch.empty(1, device=device).device.type == "meta":
            raise ValueError("'meta' holds no numbers")
        torch.ones(1, device=device).add(1).cpu()
    except Exception as error:  # torch raises AssertionError, RuntimeError or others, by device
        why = str(error).partition("\n")[0]
        want = "device must be one that this machine has; leave it out to use the CPU"
        raise ValueError(f"{want}. Got {device!r}: {why}") from None


def check_optimizer(make, params, lr):
    """Try an optimiser of the reader's own for two steps, one lane alone and beside a second, far larger one.

    Raises TypeError where it is no optimiser, draws random numbers, or needs more than gradients; ValueError
    where the first lane goes another way beside the second. Torch's global generator stays as it was.
    """
    one = {k: p[:1] for k, p in params.items()}
    with torch.random.fork_rng(devices=[]):
        dice = torch.get_rng_state()
        alone = two_steps(make, one, lr)
        if not torch.equal(dice, torch.get_rng_state()):
            raise TypeError("optimizer must draw no random numbers, or no seed could be trained again")
    if lanes_of(params) == 1:
        return
    two = {k: torch.cat([p[:1], 1e3 * p[:1] + 1]) for k, p in params.items()}
    with torch.random.fork_rng(devices=[]):
        beside = two_steps(make, two, lr)
    for name, a in alone.items():
        moved = (a - one[name]).abs().max()
        if not (a - beside[name][:1]).abs().max() <= 1e-3 * moved + 1e-6 * one[name].abs().max():
            what = "it clips or scales by the norm of whole tensors, of which each holds all lanes"
            way = "train one seed and one value at a time, or clip inside a method's loss"
            raise ValueError(
                f"optimizer must move each lane by itself, and moves {name!r} of one lane "
                f"otherwise when another lane is there: {what}; {way}"
            )


def two_steps(make, params, lr):
    """The params after two steps; the second lane's gradient is a million times the first one's."""
    params, pull = {k: p.requires_grad_() for k, p in copied(params).items()}, [1.0, 1e6]
    try:
        opt = make(list(params.values()), lr=lr)
        for _ in range(2):
            opt.zero_grad()
            for p in params.values():
                slope = torch.linspace(-1, 1, p[0].numel(), device=p.device).view(p[0].shape)
                p.grad = torch.stack([scale * slope for scale in pull[: len(p)]])
            opt.step()
    except Exception as error:
        want = "a callable(tensors, lr=…) that gives a torch optimiser whose step() needs nothing else"
        raise TypeError(f"optimizer must be {want}, this one fails: {error!r}") from error
    return copied(params)


# ---- a method of one's own


class WrongReturn(TypeError):
    """A verb of a method returned what it may not. `.run`, set by `train`, holds what was learned before."""


class Checked:
    """A method of the reader's own, each verb of which is looked at as it returns; else it is that method."""

    def __init__(self, method, lanes):
        self.method, self.lanes = method, lanes

    def __getattr__(self, name):
        return getattr(self.method, name)

    def start(self, params, stream, hyper):
        return self._dict("start", "state", self.method.start(params, stream, hyper))

    def begin_task(self, params, state, task):
        both = self.method.begin_task(params, state, task)
        if not isinstance(both, tuple) or len(both) != 2:
            self._wrong("begin_task", "a tuple (params, state)", both)
        return self._dict("begin_task", "params", both[0], params), self._dict(
            "begin_task", "state", both[1], state
        )

    def draw(self, state, batch, rng):
        return self._dict(
            "draw", "batch", self.method.draw(state, batch, rng), ("x", "y", "active"), lanes=False
        )

    def loss(self, params, state, batch):
        loss, lanes = self.method.loss(params, state, batch), lanes_of(params)
        if not torch.is_tensor(loss) or loss.shape != (lanes,):
            self._wrong("loss", f"one value per lane, ({lanes},)", loss, "mean over samples, not over lanes")
        if not loss.requires_grad:
            self._wrong("loss", "a tensor with a gradient", loss, "no .item(), .detach() or torch.no_grad()")
        return loss

    def after_step(self, params, state, batch):
        return self._dict("after_step", "state", self.method.after_step(params, state, batch), state)

    def end_task(self, params, state, task):
        return self._dict("end_task", "state", self.method.end_task(params, state, task), state)

    def predict(self, params, state, x, task=None):
        logits = self.method.predict(params, state, x, task)
        if not torch.is_tensor(logits) or logits.dim() != 3 or logits.shape[:2] != (lanes_of(params), len(x)):
            self._wrong("predict", f"logits ({lanes_of(params)}, {len(x)}, outputs)", logits)
        return logits

    def _dict(self, verb, what, tree, like=(), lanes=True):
        """tree itself, if it is a dict of tensors with a lane axis, and has the keys of `like`."""
        if not isinstance(tree, dict):
            self._wrong(verb, f"{what}, a dict", tree)
        if missing := [k for k in like if k not in tree]:
            self._wrong(verb, f"{what} with {missing[0]!r} as before", [*tree])
        for key, value in tree.items() if lanes else ():
            if not torch.is_tensor(value) or not value.dim() or len(value) != self.lanes:
                fix = f"torch.full(({self.lanes},), value)"
                self._wrong(verb, f"{what}[{key!r}] as a tensor of ({self.lanes}, …)", value, fix)
        return tree

    def _wrong(self, verb, want, came, advice=""):
        came = f"a tensor {tuple(came.shape)}" if torch.is_tensor(came) else repr(came)[:80]
        who = f"{type(self.method).__name__}.{verb} must return {want}"
        raise WrongReturn(f"{who}, got {came}{advice and ': '}{advice}")
