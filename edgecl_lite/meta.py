"""Meta-learning: a start θ from which a few gradient steps on five examples of something new go a long way.

    inner loop    θ' = θ − α ∇ L_support(θ)               later on the device; here in a lane for each task
    outer loop    θ ← θ − β mean of g over tasks           MAML: g = ∇ L_query(θ'(θ)), through the inner loop

Finn et al. 2017 (MAML); Nichol et al. 2018 (Reptile); Raghu et al. 2020 (ANIL); Javed & White 2019 (OML).
Lesson: 05_meta_learning.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from ._refuse import check_device, check_fit, check_head, check_net
from .arguments import SEEDS, choice, number, seeds_list, several, whole
from .models import apply, given_weights, head_names, initial
from .plan import OPTIMIZERS
from .settled import settled
from .tensors import copied, lane, lanes_of, per_lane, stack
from .train import Diverged, Point, gone

ROOM = 2e7  # bytes of weights that `adaptation` holds at a time


def inner_loop(loss, params, batches, lr, second_order=True):
    """Plain gradient descent, a step for each batch: θ ← θ − lr ∇ loss(θ, batch). Returns the new params.

    loss(params, batch) -> (lanes,). lr: a number, or a tensor (lanes,). Pure, and differentiable in params
    and lr: gradients go back through every step to the start. second_order=False takes ∇ loss for a constant,
    so that ∂θ'/∂θ = 1. No batches: params as they came. Raises ValueError where lr is not above 0, or not one
    for each lane.
    """
    rates = _rates(lr, params)
    params = {k: p if p.requires_grad else p.detach().requires_grad_() for k, p in params.items()}
    for batch in batches:
        with torch.enable_grad():
            grads = gradient(loss(params, batch), params, create_graph=second_order)
            params = {k: p - rates[k] * grads[k] for k, p in params.items()}
    return params


def gradient(loss, params, create_graph=False):
    """∂ loss / ∂ params: as lanes never touch each other, the gradient of their sum is each lane's own."""
    tensors = list(params.values())
    grads = torch.autograd.grad(loss.sum(), tensors, create_graph=create_graph, materialize_grads=True)
    return dict(zip(params, grads, strict=True))


# ---- the methods: each is its difference from MAML


def everything(theta):
    """All weights."""
    return theta


def head(theta):
    """The weights of the last layer."""
    return {k: theta[k] for k in head_names(theta)}


def none(theta):
    """No weights."""
    return {}


def new_head(theta):
    """The last layer, at zero."""
    return {k: torch.zeros_like(p) for k, p in head(theta).items()}


def at_once(support, steps):
    """All examples in every step."""
    return [support] * steps


def one_by_one(support, steps):
    """One example a step, in the order of their arrival; `steps` passes."""
    return [{k: v[:, i : i + 1] for k, v in support.items()} for i in range(support["y"].shape[1])] * steps


def new(support, query):
    """Other examples of the task than those it was adapted to."""
    return query


def old_and_new(support, query):
    """Both: nothing of the trajectory may be forgotten."""
    return {k: torch.cat([support[k], query[k]], 1) for k in query}


@dataclass(frozen=True)
class Meta:
    """A method, for a task in each lane; the defaults are MAML."""

    name: str
    fast: Callable = everything  # θ -> the weights that the inner loop moves
    renewed: Callable = none  # θ -> those that every task begins anew, so that their start is not learned
    batches: Callable = at_once  # support, steps -> what the inner loop sees
    second_order: bool = True  # does the meta-gradient go through the inner loop?
    judged: Callable | None = new  # support, query -> the outer loss's batch; None: no loss, θ nears θ'

    def adapt(self, loss, theta, support, lr, steps=1):
        """θ', after so many steps (passes) of the inner loop on the support set."""
        partial = lambda weights, batch: loss(theta | weights, batch)
        batches = self.batches(support, steps)
        return theta | inner_loop(partial, self.fast(theta), batches, lr, self.second_order)

    def gradient(self, loss, theta, support, query, lr, steps=1):
        """The meta-gradient g of each lane, shaped like theta; its tensors must require gradients."""
        tuned = self.adapt(loss, theta | self.renewed(theta), support, lr, steps)
        if self.judged is None:
            return {k: (theta[k] - tuned[k]).detach() for k in theta}
        return gradient(loss(tuned, self.judged(support, query)), theta)


maml = Meta("MAML")
first_order = Meta("first-order MAML", second_order=False)
reptile = Meta("Reptile", second_order=False, judged=None)
anil = Meta("ANIL", fast=head)
oml = Meta("OML", fast=head, renewed=new_head, batches=one_by_one, judged=old_and_new)


# ---- the outer loop


@settled
def meta_learn(
    method, net, tasks, seeds=1, *, held_out=None, steps=1000, meta_batch=25, inner_steps=1, inner_lr=0.01,
    lr=1e-3, optimizer="adam", shown=(0, 1, 10), every=None, device=None, ticks=False,
):  # fmt: skip
    """Meta-train; yield a `Point` at the start, every `every` steps (default: twenty in all) and at the end.

    tasks: `sinusoids()` or `episodes(…)`; each step draws meta_batch of them for every seed. The points'
    params are the meta-learned starts, a lane for each seed; accuracy (lanes, on) is the mean score on 100
    tasks of held_out (default: tasks) after each number of inner steps in `shown`, for sinusoids an error.
    It is NaN where one of them diverged, which a lower inner_lr prevents. inner_steps=0 is plain
    pre-training, on all tasks' queries. optimizer, ticks: see `learn`. Same seed, same result. Deviations:
    OML's paper draws a random head for every trajectory, here it begins at zero; Reptile's inner steps all
    see the whole support set, the paper draws a minibatch for each.
    Raises ValueError or TypeError on arguments out of range, `Diverged` once every lane is lost.
    """
    for family in (tasks, held_out or tasks):
        _check(method, net, family)
    check_device(device)
    if method.judged is None and whole("inner_steps", inner_steps, least=0) < 2:
        one = "with one step it is plain pre-training, with none it never moves"
        raise ValueError(f"{method.name} needs inner_steps >= 2: {one}; got {inner_steps}")
    seeds, steps, meta_batch = seeds_list(seeds), whole("steps", steps), whole("meta_batch", meta_batch)
    inner_steps, lr = whole("inner_steps", inner_steps, least=0), number("lr", lr, strictly=True)
    every = whole("every", -(-steps // 20) if every is None else every)
    inner_lr = number("inner_lr", inner_lr, strictly=True)
    shown = [whole("each of shown", k, least=0) for k in several("shown", shown)]
    params = stack([initial(net, seed) for seed in seeds])
    params = {k: p.to(device).requires_grad_() for k, p in (params | method.renewed(params)).items()}
    if not callable(optimizer):
        optimizer = OPTIMIZERS[choice("optimizer", optimizer, tuple(OPTIMIZERS))]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    opt, loss, lost = optimizer(list(params.values()), lr=lr), _loss(net, tasks), {}

    def point(step):
        scores = adaptation(net, params, held_out or tasks, inner_lr, max(shown), method=method, episodes=100)
        for i in gone([], params, step):
            advice = f"Lower lr (it was {lr:g}) or inner_lr (it was {inner_lr:g})."
            lost.setdefault(i, f"{method.name} (seed={seeds[i]}) is not finite at step {step}. {advice}")
        score = scores.mean(2)[:, 0, shown]
        score[[*lost]] = np.nan
        answers = np.zeros((*score.shape, 0), np.uint8)
        return Point(step, steps, 0, step == steps, score, answers, copied(params), {}, {**lost})

    yield point(0)
    for step in range(1, steps + 1):
        support, query = _drawn(tasks, meta_batch, generators, device)
        theta = {k: p.detach().repeat_interleave(meta_batch, 0).requires_grad_() for k, p in params.items()}
        g = method.gradient(loss, theta, support, query, inner_lr, inner_steps)  # (seeds · meta_batch, …)
        for k, p in params.items():
            p.grad = g[k].unflatten(0, (len(seeds), meta_batch)).mean(1)
        opt.step()
        if step % every == 0 or step == steps:
            yield point(step)
            if len(lost) == len(seeds):
                raise Diverged(" ".join(lost.values()))
        elif ticks:
            yield None


@settled
def adaptation(net, params, tasks, lr, steps=10, *, method=maml, episodes=600, seed=0):
    """Scores on new tasks after 0 … steps inner steps: float64 array (lanes, rates, episodes, steps + 1).

    params: starts, a lane each. lr: one rate or a list; every start meets the same tasks at every rate, all
    as lanes of one pass, in chunks of tasks. method: how it adapts (`anil`: the head only; `oml`: a step is a
    pass, example by example). NaN where it diverged. Raises ValueError where a rate is not above 0.
    """
    _check(method, net, tasks)
    params = given_weights(net, params)
    rates = [number("lr", v, strictly=True) for v in (several("lr", lr) if hasattr(lr, "__iter__") else [lr])]
    steps, episodes, (seed,) = whole("steps", steps, least=0), whole("episodes", episodes), seeds_list([seed])
    method, starts = replace(method, second_order=False), lanes_of(params)
    device = next(iter(params.values())).device
    drawn = _drawn(tasks, episodes, [torch.Generator().manual_seed(seed + SEEDS)], device)
    each = 4 * starts * len(rates) * sum(p[0].numel() for p in params.values())  # bytes for each task
    scores, loss = [], _loss(net, tasks)
    for some in torch.arange(episodes).split(max(1, int(ROOM / each))):
        support, query = (lane(part, some.repeat(starts * len(rates))) for part in drawn)
        theta = lane(copied(params), torch.arange(starts).repeat_interleave(len(rates) * len(some)))
        rate, own = torch.tensor(rates, device=device).repeat_interleave(len(some)).repeat(starts), []
        for step in range(steps + 1):
            theta = copied(method.adapt(loss, theta, support, rate)) if step else theta
            with torch.no_grad():
                own.append(tasks.score(apply(net, theta, query["x"]), query["y"]))
        scores.append(torch.stack(own, -1).view(starts, len(rates), len(some), steps + 1))
    return torch.cat(scores, 2).cpu().double().numpy()


def _check(method, net, tasks):
    """TypeError or ValueError where the three do not fit each other."""
    if not isinstance(method, Meta):
        raise TypeError(f"method must be a Meta such as maml, got {type(method).__name__}")
    if not hasattr(tasks, "draw"):
        raise TypeError(f"tasks must be sinusoids() or episodes(…), got {type(tasks).__name__}")
    check_net(net)
    check_fit(net, tasks)
    if still := [k for k, p in net.named_parameters() if not p.requires_grad]:
        raise TypeError(f"meta-learning moves all weights, got {still[0]!r} with requires_grad=False")
    if method.fast is head:
        check_head(net, tasks.outputs)


def _loss(net, tasks):
    """loss(params, batch) -> (lanes,) of this net on these tasks."""
    return lambda params, batch: tasks.loss(apply(net, params, batch["x"]), batch["y"])


def _drawn(tasks, n, generators, device):
    """(support, query) of n tasks for each generator, one after the other along the lanes."""
    parts = zip(*(tasks.draw(n, g) for g in generators))
    return [{k: torch.cat([one[k] for one in part]).to(device) for k in part[0]} for part in parts]


def _rates(lr, params):
    """{name: lr in a shape that broadcasts over the lanes of that tensor}."""
    if not isinstance(lr, torch.Tensor):
        return dict.fromkeys(params, number("lr", lr, strictly=True))
    if lr.shape != (lanes_of(params),) or not (lr > 0).all():
        want, span = f"a number > 0 for each of {lanes_of(params)} lanes", f"{lr.min():g}..{lr.max():g}"
        raise ValueError(f"lr must be {want}, got {tuple(lr.shape)} in {span}")
    return {k: per_lane(lr, p) for k, p in params.items()}
