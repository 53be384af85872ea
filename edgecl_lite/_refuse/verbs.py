"""What is refused of a method: arguments it does not have, what verbs of one's own return."""

from dataclasses import fields

import torch

from ..lanes import lanes_of

# ---- the arguments

MOVED = {
    "start": "start= is called weights= now: {kind}(net, weights=…)",
    "gamma": "gamma is an argument of online EWC, a method of its own: OnlineEWC(net, gamma=…)",
}


class Named:
    """Base of all methods: what they are given has to be an argument that they have."""

    def __new__(cls, *_, **given):
        known = [f.name for f in fields(cls)]
        if own := [name for name in vars(cls).get("__annotations__", {}) if name not in known]:
            way = "write @dataclass(frozen=True, repr=False) above it"
            raise TypeError(f"{cls.__name__} must be a dataclass, for its field {own[0]!r}: {way}")
        init = next(kind for kind in cls.__mro__ if "__init__" in vars(kind))
        unknown = [name for name in given if name not in known]
        plain = "__dataclass_fields__" in vars(init)  # a constructor of one's own may take more
        if unknown and plain:
            takes = ", ".join(known[2:] + known[1:2])  # net is always given; weights come last
            what = f"unknown option {unknown[0]!r}: {cls.__name__} takes {takes}"
            raise TypeError(what + moved(cls, unknown[0]))
        return super().__new__(cls)


def moved(kind, name):
    """Where an argument of older versions went, in a sentence."""
    return f". {MOVED[name].format(kind=kind.__name__)}" if name in MOVED else ""


def check_fisher(params, moving, labels, x, y, rng):
    """ValueError where a Fisher of these arguments makes no sense."""
    if len(x) != lanes_of(params):
        got = f"{tuple(x.shape)} for {lanes_of(params)} lanes"
        want = "x must be (lanes, n, channels, height, width)"
        raise ValueError(f"{want}, got {got}: x[None] for one lane")
    if not moving:
        raise ValueError("fisher needs a parameter that may move, all have requires_grad=False")
    if not x.shape[1]:
        raise ValueError(f"fisher needs at least one sample, got x of shape {tuple(x.shape)}")
    if labels == "sample" and rng is None:
        raise ValueError("labels='sample' needs rng, got None")
    if labels in ("empirical", "batched") and (y is None or y.shape != x.shape[:2]):
        got = None if y is None else f"shape {tuple(y.shape)}"
        raise ValueError(f"labels={labels!r} needs y of shape {tuple(x.shape[:2])}, got {got}")


# ---- a method of one's own


class WrongReturn(TypeError):
    """A verb of a method returned what it may not. `.run`, set by `train`: what was learned."""


def check_pieces(method, size):
    """ValueError where the gradient of a batch is asked for in pieces, and is not their sum."""
    if size is not None and method.indivisible:
        what = f"{type(method).__name__} takes no micro_batch: {method.indivisible}"
        raise ValueError(f"{what}; take a smaller batch_size. Got micro_batch={size!r}")


def check_whole(method, params, state, batch, losses):
    """WrongReturn where a method of the reader's own is no mean over samples: its pieces show it.

    losses: of the pieces, each weighed by its share. The module's own methods say so themselves.
    """
    own = [m for m in (method, getattr(method, "method", None)) if isinstance(m, Checked)]
    if not own or len(losses) == 1:
        return
    whole, sum_ = method.loss(params, state, batch).detach(), sum(losses)
    apart = (whole - sum_).abs() > 1e-4 * whole.abs() + 1e-6  # False where a lane is lost
    if apart.any():
        i = apart.nonzero()[0].item()
        who, n = type(own[0].method).__name__, len(losses)
        got = f"of a batch it is {whole[i]:.6g}, of its {n} pieces together {sum_[i]:.6g}"
        way = 'return a mean over samples, or say why not: indivisible = "…", and no micro_batch'
        raise WrongReturn(f"{who}.loss cannot be taken in pieces: {got}. Let it {way}")


class Checked:
    """A method of the reader's own, each verb of which is looked at as it returns."""

    def __init__(self, method, lanes):
        self.method, self.lanes = method, lanes

    def __getattr__(self, name):
        return getattr(self.method, name)

    def on(self, lanes):
        """The same for another number of lanes."""
        return Checked(self.method, lanes)

    def start(self, params, stream, hyper):
        return self._dict("start", "state", self.method.start(params, stream, hyper))

    def begin_task(self, params, state, task):
        both = self.method.begin_task(params, state, task)
        if not isinstance(both, tuple) or len(both) != 2:
            self._wrong("begin_task", "a tuple (params, state)", both)
        self._dict("begin_task", "params", both[0], params)
        self._dict("begin_task", "state", both[1], state)
        return both

    def draw(self, state, batch, rng):
        drawn = self.method.draw(state, batch, rng)
        return self._dict("draw", "batch", drawn, ("x", "y", "active"), lanes=False)

    def loss(self, params, state, batch):
        loss, lanes = self.method.loss(params, state, batch), lanes_of(params)
        if not torch.is_tensor(loss) or loss.shape != (lanes,):
            way = "mean over samples, not over lanes"
            self._wrong("loss", f"one value per lane, ({lanes},)", loss, way)
        if not loss.requires_grad:
            way = "no .item(), .detach() or torch.no_grad()"
            self._wrong("loss", "a tensor with a gradient", loss, way)
        return loss

    def after_step(self, params, state, batch):
        after = self.method.after_step(params, state, batch)
        return self._dict("after_step", "state", after, state)

    def end_task(self, params, state, task):
        after = self.method.end_task(params, state, task)
        return self._dict("end_task", "state", after, state)

    def predict(self, params, state, x, task=None):
        logits = self.method.predict(params, state, x, task)
        lanes, n = lanes_of(params), len(x)
        shape = logits.shape if torch.is_tensor(logits) else ()
        if len(shape) != 3 or shape[:2] != (lanes, n):
            self._wrong("predict", f"logits ({lanes}, {n}, outputs)", logits)
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
