"""The outer loop of meta-learning: draw tasks, adapt to each, move the start; scores on new tasks.

    θ ← θ − β mean of g over tasks           MAML: g = ∇ L_query(θ'(θ)), through the inner loop

`meta_steps` is the loop; `follow` looks at the starts after every step of it, `meta_learn` gives
the points that are due. Lesson: meta_learning.
"""

from dataclasses import KW_ONLY, dataclass, replace

import numpy as np
import torch
from torch import nn

from .._refuse.arguments import SEEDS, choice, number, seeds_list, several, whole
from .._refuse.nets import check_fit, check_head, check_net
from .._refuse.optimizers import check_device
from ..lanes import copied, device_of, lane, lanes_of, stack
from ..learn import Diverged, gone
from ..machine.settled import settled
from ..method import given_weights
from ..models import apply, initial
from ..plan import OPTIMIZERS
from .inner import Meta, head, maml

ROOM = 5e6  # bytes of weights that `adaptation` holds at a time, besides gradients and a graph


# ---- the outer loop


@dataclass(frozen=True)
class MetaPoint:
    """What `meta_learn` saw at one moment.

    step: meta-steps so far; total: of them all. score (lanes, shown): the mean of `tasks.score` on
    100 new tasks after each number of inner steps in `shown`; NaN where one diverged. params: a
    copy of the starts at this moment, a lane for each seed. lost: {lane: what happened}.
    """

    step: int
    total: int
    score: np.ndarray
    params: dict
    lost: dict

    def __repr__(self):
        return f"MetaPoint(step {self.step} of {self.total}, score {self.score.round(3)})"


@settled
def meta_learn(method, net, tasks, seeds=1, **options):
    """Meta-train; yield a `MetaPoint` at the start, every `every` steps and at the end.

    tasks: `sinusoids()` or `episodes(…)`; each step draws meta_batch of them for every seed. The
    points' params are the meta-learned starts; their score is an error for sinusoids, else an
    accuracy. Options: held_out= what it is scored on, by default tasks; steps=1000; meta_batch=25;
    inner_steps=1, where 0 is plain pre-training, on all tasks' queries; inner_lr=0.01; lr=1e-3;
    optimizer="adam", "sgd" or a callable taking (tensors, lr=…); shown=(0, 1, 10), after how many
    inner steps it is scored; every= steps between two points, twenty in all by default;
    device="cpu". Same seed, same result. Deviations: OML's paper draws a random head for every
    trajectory, here it begins at zero; Reptile's inner steps all see the whole support set, the
    paper draws a minibatch for each. Raises ValueError or TypeError on arguments out of range,
    `Diverged` once every lane is lost. Where a score is NaN, a lower inner_lr helps.
    """
    yield from filter(None, follow(method, net, tasks, seeds, **options))


@settled
def follow(method, net, tasks, seeds=1, **options):
    """After every meta-step the `MetaPoint` that is due, or None. Arguments as `meta_learn`."""
    plan, lost = MetaPlan(method, net, tasks, seeds, **options), {}
    for step, params in enumerate(meta_steps(plan)):
        point = None
        if step % plan.every == 0 or step == plan.steps:
            lost = _lost(plan, params, step) | lost  # what was said first stays
            point = _point(plan, params, step, lost)
        yield point
        if len(lost) == len(plan.seeds):
            raise Diverged(" ".join(lost.values()))


def meta_steps(plan):
    """The loop: the starts, a lane for each seed, before the first step and after each; alive."""
    params = stack([initial(plan.net, seed) for seed in plan.seeds])
    params |= plan.method.renewed(params)
    params = {k: p.to(plan.device).requires_grad_() for k, p in params.items()}
    opt, loss = plan.optimizer(list(params.values()), lr=plan.lr), _loss(plan.net, plan.tasks)
    dice, n = [torch.Generator().manual_seed(seed) for seed in plan.seeds], plan.meta_batch
    yield params
    for _ in range(plan.steps):
        support, query = _drawn(plan.tasks, n, dice, plan.device)  # (seeds · n, …)
        theta = {k: p.detach().repeat_interleave(n, 0).requires_grad_() for k, p in params.items()}
        g = plan.method.gradient(loss, theta, support, query, plan.inner_lr, plan.inner_steps)
        for k, p in params.items():
            p.grad = g[k].unflatten(0, (len(plan.seeds), n)).mean(1)
        opt.step()
        yield params


@dataclass(frozen=True)
class MetaPlan:
    """The arguments of `meta_learn`, checked. ValueError or TypeError says what was expected."""

    method: Meta
    net: nn.Module
    tasks: object
    seeds: object
    _: KW_ONLY
    held_out: object = None
    steps: int = 1000
    meta_batch: int = 25
    inner_steps: int = 1
    inner_lr: float = 0.01
    lr: float = 1e-3
    optimizer: object = "adam"
    shown: tuple = (0, 1, 10)
    every: int | None = None
    device: object = None

    def __post_init__(self):
        own = {"held_out": self.held_out or self.tasks, "seeds": seeds_list(self.seeds)}
        for family in (self.tasks, own["held_out"]):
            _check(self.method, self.net, family)
        check_device(self.device)
        own["inner_steps"] = whole("inner_steps", self.inner_steps, least=0)
        if self.method.judged is None and self.inner_steps < 2:
            one = "with one step it is plain pre-training, with none it never moves"
            name = self.method.name
            raise ValueError(f"{name} needs inner_steps >= 2: {one}; got {self.inner_steps}")
        own |= {k: whole(k, getattr(self, k)) for k in ("steps", "meta_batch")}
        own |= {k: number(k, getattr(self, k), strictly=True) for k in ("lr", "inner_lr")}
        own["every"] = whole("every", -(-own["steps"] // 20) if self.every is None else self.every)
        own["shown"] = [whole("each of shown", k, least=0) for k in several("shown", self.shown)]
        if not callable(self.optimizer):
            kind = choice("optimizer", self.optimizer, tuple(OPTIMIZERS))
            own["optimizer"] = OPTIMIZERS[kind]
        for name, value in own.items():
            object.__setattr__(self, name, value)


def _lost(plan, params, step):
    """{lane: what happened} of all starts that are not finite."""
    advice = f"Lower lr (it was {plan.lr:g}) or inner_lr (it was {plan.inner_lr:g})."
    who = {i: f"{plan.method.name} (seed={plan.seeds[i]})" for i in gone([], params, step)}
    return {i: f"{name} is not finite at step {step}. {advice}" for i, name in who.items()}


def _point(plan, params, step, lost):
    """The `MetaPoint` of these starts."""
    steps, how = max(plan.shown), dict(method=plan.method, episodes=100)
    scores = adaptation(plan.net, params, plan.held_out, plan.inner_lr, steps, **how)
    score = scores.mean(2)[:, 0, plan.shown]  # (lanes, shown)
    score[[*lost]] = np.nan
    return MetaPoint(step, plan.steps, score, copied(params), lost)


# ---- new tasks


@settled
def adaptation(net, params, tasks, lr, steps=10, *, method=maml, episodes=600, seed=0):
    """Scores on new tasks after 0 … steps inner steps: array (lanes, rates, episodes, steps + 1).

    params: starts, a lane each. lr: one rate or a list; every start meets the same tasks at every
    rate, all as lanes of one pass, in chunks of tasks. method: how it adapts (`anil`: the head
    only; `oml`: a step is a pass, example by example). NaN where it diverged; float64. Raises
    ValueError where a rate is not above 0.
    """
    _check(method, net, tasks)
    params = copied(given_weights(net, params))
    rates = several("lr", lr) if hasattr(lr, "__iter__") else [lr]
    rates = torch.tensor([number("lr", rate, strictly=True) for rate in rates])
    steps, episodes = whole("steps", steps, least=0), whole("episodes", episodes)
    (seed,), device = seeds_list([seed]), device_of(params)
    drawn = _drawn(tasks, episodes, [torch.Generator().manual_seed(seed + SEEDS)], device)
    cells = torch.cartesian_prod(torch.arange(lanes_of(params)), torch.arange(len(rates)))  # pairs
    each = 4 * len(cells) * sum(p[0].numel() for p in params.values())  # bytes for each task
    scores, loss = [], _loss(net, tasks)
    for some in torch.arange(episodes).split(max(1, int(ROOM / each))):
        support, query = (lane(part, some.repeat(len(cells))) for part in drawn)
        start, rate = cells.repeat_interleave(len(some), 0).unbind(1)
        path = _path(method, loss, lane(params, start), support, rates[rate].to(device), steps)
        own = [tasks.score(apply(net, theta, query["x"]), query["y"]) for theta in path]
        shape = lanes_of(params), len(rates), len(some), steps + 1
        scores.append(torch.stack(own, -1).view(shape))
    return torch.cat(scores, 2).cpu().double().numpy()


def _path(method, loss, theta, support, rate, steps):
    """θ after 0 … steps inner steps, without a graph."""
    yield theta
    for _ in range(steps):
        adapted = replace(method, second_order=False).adapt(loss, theta, support, rate)
        theta = copied(adapted)
        yield theta


def _check(method, net, tasks):
    """TypeError or ValueError where the three do not fit each other."""
    if not isinstance(method, Meta):
        raise TypeError(f"method must be a Meta such as maml, got {type(method).__name__}")
    if not hasattr(tasks, "draw"):
        raise TypeError(f"tasks must be sinusoids() or episodes(…), got {type(tasks).__name__}")
    check_net(net)
    check_fit(net, tasks)
    if still := [k for k, p in net.named_parameters() if not p.requires_grad]:
        first = f"{still[0]!r} with requires_grad=False"
        raise TypeError(f"meta-learning moves all weights, got {first}")
    if method.fast is head:
        check_head(net, tasks.outputs)


def _loss(net, tasks):
    """loss(params, batch) -> (lanes,) of this net on these tasks."""
    return lambda params, batch: tasks.loss(apply(net, params, batch["x"]), batch["y"])


def _drawn(tasks, n, generators, device):
    """(support, query) of n tasks for each generator, one after the other along the lanes."""
    parts = zip(*(tasks.draw(n, g) for g in generators))
    return [{k: torch.cat([one[k] for one in part]).to(device) for k in part[0]} for part in parts]
