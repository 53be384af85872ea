"""The outer loop of meta-learning: draw tasks, adapt to each, move the start; and scores on new tasks.

    θ ← θ − β mean of g over tasks           MAML: g = ∇ L_query(θ'(θ)), through the inner loop

Lesson: 05_meta_learning.
"""

from dataclasses import replace

import numpy as np
import torch

from .._refuse.arguments import SEEDS, choice, number, seeds_list, several, whole
from .._refuse.nets import check_fit, check_head, check_net
from .._refuse.optimizers import check_device
from ..lanes import copied, lane, lanes_of, stack
from ..learn import Diverged, Point, gone
from ..machine.settled import settled
from ..method import given_weights
from ..models import apply, initial
from ..plan import OPTIMIZERS
from .inner import Meta, head, maml

ROOM = 2e7  # bytes of weights that `adaptation` holds at a time


# ---- the outer loop


@settled
def meta_learn(
    method, net, tasks, seeds=1, *, held_out=None, steps=1000, meta_batch=25, inner_steps=1, inner_lr=0.01,
    lr=1e-3, optimizer="adam", shown=(0, 1, 10), every=None, device=None, ticks=False,
):  # fmt: skip
    """Meta-train; yield a `Point` at the start, every `every` steps (default: twenty in all) and at the end.

    tasks: `sinusoids()` or `episodes(…)`; each step draws meta_batch of them for every seed. The
    points' params are the meta-learned starts, a lane for each seed; accuracy (lanes, on) is the
    mean score on 100 tasks of held_out (default: tasks) after each number of inner steps in
    `shown`, for sinusoids an error. It is NaN where one of them diverged, which a lower inner_lr
    prevents. inner_steps=0 is plain pre-training, on all tasks' queries. optimizer, ticks: see
    `learn`. Same seed, same result. Deviations: OML's paper draws a random head for every
    trajectory, here it begins at zero; Reptile's inner steps all see the whole support set, the
    paper draws a minibatch for each. Raises ValueError or TypeError on arguments out of range,
    `Diverged` once every lane is lost.
    """
    for family in (tasks, held_out or tasks):
        _check(method, net, family)
    check_device(device)
    if method.judged is None and whole("inner_steps", inner_steps, least=0) < 2:
        one = "with one step it is plain pre-training, with none it never moves"
        raise ValueError(f"{method.name} needs inner_steps >= 2: {one}; got {inner_steps}")
    seeds, steps, meta_batch = (
        seeds_list(seeds),
        whole("steps", steps),
        whole("meta_batch", meta_batch),
    )
    inner_steps, lr = whole("inner_steps", inner_steps, least=0), number("lr", lr, strictly=True)
    every = whole("every", -(-steps // 20) if every is None else every)
    inner_lr = number("inner_lr", inner_lr, strictly=True)
    shown = [whole("each of shown", k, least=0) for k in several("shown", shown)]
    params = stack([initial(net, seed) for seed in seeds])
    params = {
        k: p.to(device).requires_grad_() for k, p in (params | method.renewed(params)).items()
    }
    if not callable(optimizer):
        optimizer = OPTIMIZERS[choice("optimizer", optimizer, tuple(OPTIMIZERS))]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    opt, loss, lost = optimizer(list(params.values()), lr=lr), _loss(net, tasks), {}

    def point(step):
        scores = adaptation(
            net, params, held_out or tasks, inner_lr, max(shown), method=method, episodes=100
        )
        for i in gone([], params, step):
            advice = f"Lower lr (it was {lr:g}) or inner_lr (it was {inner_lr:g})."
            lost.setdefault(
                i, f"{method.name} (seed={seeds[i]}) is not finite at step {step}. {advice}"
            )
        score = scores.mean(2)[:, 0, shown]
        score[[*lost]] = np.nan
        answers = np.zeros((*score.shape, 0), np.uint8)
        return Point(step, steps, 0, step == steps, score, answers, copied(params), {}, {**lost})

    yield point(0)
    for step in range(1, steps + 1):
        support, query = _drawn(tasks, meta_batch, generators, device)
        theta = {
            k: p.detach().repeat_interleave(meta_batch, 0).requires_grad_()
            for k, p in params.items()
        }
        g = method.gradient(
            loss, theta, support, query, inner_lr, inner_steps
        )  # (seeds · meta_batch, …)
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

    params: starts, a lane each. lr: one rate or a list; every start meets the same tasks at every
    rate, all as lanes of one pass, in chunks of tasks. method: how it adapts (`anil`: the head
    only; `oml`: a step is a pass, example by example). NaN where it diverged. Raises ValueError
    where a rate is not above 0.
    """
    _check(method, net, tasks)
    params = given_weights(net, params)
    rates = [
        number("lr", v, strictly=True)
        for v in (several("lr", lr) if hasattr(lr, "__iter__") else [lr])
    ]
    steps, episodes, (seed,) = (
        whole("steps", steps, least=0),
        whole("episodes", episodes),
        seeds_list([seed]),
    )
    method, starts = replace(method, second_order=False), lanes_of(params)
    device = next(iter(params.values())).device
    drawn = _drawn(tasks, episodes, [torch.Generator().manual_seed(seed + SEEDS)], device)
    each = (
        4 * starts * len(rates) * sum(p[0].numel() for p in params.values())
    )  # bytes for each task
    scores, loss = [], _loss(net, tasks)
    for some in torch.arange(episodes).split(max(1, int(ROOM / each))):
        support, query = (lane(part, some.repeat(starts * len(rates))) for part in drawn)
        theta = lane(copied(params), torch.arange(starts).repeat_interleave(len(rates) * len(some)))
        rate, own = (
            torch.tensor(rates, device=device).repeat_interleave(len(some)).repeat(starts),
            [],
        )
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
        raise TypeError(
            f"meta-learning moves all weights, got {still[0]!r} with requires_grad=False"
        )
    if method.fast is head:
        check_head(net, tasks.outputs)


def _loss(net, tasks):
    """loss(params, batch) -> (lanes,) of this net on these tasks."""
    return lambda params, batch: tasks.loss(apply(net, params, batch["x"]), batch["y"])


def _drawn(tasks, n, generators, device):
    """(support, query) of n tasks for each generator, one after the other along the lanes."""
    parts = zip(*(tasks.draw(n, g) for g in generators))
    return [{k: torch.cat([one[k] for one in part]).to(device) for k in part[0]} for part in parts]
