"""Results of the lesson wrist: `stored.py` runs these parts. About half an hour on one core.

Every method has the learning rate that is best over three lives that are set aside, seeds 100 to
102; judged are the five lives of seeds 0 to 4: other people, other exercises, another drift.
"""

from dataclasses import fields, replace
from functools import cache, partial

import numpy as np
import torch

from edgecl_lite import (  # fmt: skip
    EWC,
    Every,
    Finetune,
    Guard,
    LatentReplay,
    NearestMean,
    OnDrift,
    OnLabels,
    Replay,
    Strategy,
    StreamingLDA,
    factory,
    lived,
    smartwatch_wearers,
    wrist_net,
    year,
)
from edgecl_lite.device.course import costs as counted

ASIDE, LIVES = [100, 101, 102], [0, 1, 2, 3, 4]
OTHERS = [200, 201, 202, 203, 204]
RATES = [3e-4, 1e-3, 3e-3, 1e-2]
LOWER = [1e-4, 3e-4, 1e-3, 3e-3]  # what keeps no samples wants smaller steps
LOWEST = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3]  # and what keeps nothing the smallest
SESSION = 56  # labelled windows of a week
PIECES = 8  # samples at a time, so that all of them fit the watch's board
NET = wrist_net(smartwatch_wearers())
WEEKLY = Every(7)
METHODS = {
    "nearest mean": partial(NearestMean, NET, frozen=True),
    "streaming LDA": partial(StreamingLDA, NET, frozen=True),
    "finetuning": partial(Finetune, NET),
    "EWC": partial(EWC, NET, lam=100.0, samples=64, labels="empirical"),
    "latents": partial(LatentReplay, NET, capacity=126, cut=-1, weighting="equal"),
    "replay": partial(Replay, NET, capacity=63, weighting="equal"),
}
CHOICES = {"finetuning": LOWEST, "EWC": LOWER, "latents": [3e-3, 1e-2, 3e-2, 1e-1]}
STILL = "nearest mean", "streaming LDA"  # no gradient, no rate


def world(**own):
    """The year of the lesson: the factory measured left arms only."""
    return year(arms="left", **own)


@cache
def shipped(seeds, arms="left"):
    """What the factory delivers in each life, trained alone as in the lesson; it knows not what comes."""
    known = world() if arms == "left" else year(arms=arms)
    each = [factory(NET, known, [seed]) for seed in seeds]
    return {k: torch.cat([own[k] for own in each]) for k in each[0]}


def life(name, lives=LIVES, lives_in=None, arms="left", **how):
    """The `Life` of a strategy; arms: those that the factory knows."""
    method = METHODS[name](weights=shipped(tuple(lives), arms))
    return lived(Strategy(method, **{"when": WEEKLY, **how}), lives_in or world(), lives)


def chosen(name, **how):
    """(best rate, {rate: score}) on the lives that are set aside; weekly, with all labels."""
    if name in STILL:
        return 1e-3, {}
    rates = CHOICES.get(name, RATES)
    tried = {lr: life(name, ASIDE, lr=lr, **how).score().mean() for lr in rates}
    return max(tried, key=tried.get), {f"{lr:g}": round(float(a), 4) for lr, a in tried.items()}


def told(one):
    """What a life is remembered by: shares of each life, sums and bytes."""
    spans = one.year.life(0).conditions
    stretches = np.stack([one.accuracy[:, a : b + 1].mean(1) for a, b in spans], 1)
    per_life = {
        "score": one.score(),
        "stretches": stretches,
        "past": one.past[:, -1],
        "sessions": one.learned.sum(1),
        "undone": one.rolled_back.sum(1),
        "joules": one.joules.sum(1),
        "pages": one.pages[:, -1],
    }
    pieces = replace(one.strategy, micro_batch=PIECES)  # the same gradient, and what then is needed
    costs = counted(pieces, one.year, one.seeds[0], "nano-33-ble")
    kept = sum(costs.budget.need.keeps.values()) + costs.held
    steps = one.strategy.epochs * -(-SESSION // one.strategy.batch_size)
    flops = costs.flops(steps, SESSION) / SESSION  # for each new window
    sizes = {
        "flops": round(flops),
        "ram": costs.ram,
        "flash": costs.flash,
        "saved": costs.saved,
        "kept": kept,
    }
    return {k: np.round(v, 4).tolist() for k, v in per_life.items()} | sizes


def league():
    """Every method, weekly, with all labels: each at its own rate; and the one that never learns."""
    found = {"learn nothing": told(life("finetuning", when="never"))}
    for name in METHODS:
        lr, tried = chosen(name)
        found[name] = {"lr": lr, "tried": tried, **told(life(name, lr=lr))}
    return found


def other_lives():
    """Five lives more, at the same rates: does the league stand?"""
    found = {"learn nothing": told(life("finetuning", OTHERS, when="never"))}
    names = "finetuning", "streaming LDA", "replay"
    return found | {name: told(life(name, OTHERS, lr=rate(name))) for name in names}


def both_arms():
    """The same where the factory knows both arms: learn nothing, and three that learn."""
    own = {"lives_in": year(arms="both"), "arms": "both"}
    found = {"learn nothing": told(life("finetuning", when="never", **own))}
    for name in ("finetuning", "streaming LDA", "replay"):
        lr, tried = chosen(name, **own)
        found[name] = {"lr": lr, "tried": tried, **told(life(name, lr=lr, **own))}
    return found


def controls():
    """LDA behind a front that learned nothing; replay with three times the memory, at replay's rate."""
    blind = Strategy(StreamingLDA(NET, frozen=True), when=WEEKLY)
    more = Replay(NET, capacity=196, weighting="equal", weights=shipped(tuple(LIVES)))
    more = Strategy(more, when=WEEKLY, lr=rate("replay"))
    ways = {"streaming LDA, random front": blind, "replay, 196 windows": more}
    return {name: told(lived(way, world(), LIVES)) for name, way in ways.items()}


SCHEDULES = {
    "every day": "always",
    "every week": WEEKLY,
    "every fourth week": Every(28),
    "on drift": OnDrift(),
    "once 28 labels wait": OnLabels(28),
}
SHARES = 0.3, 0.1, 0.03
WRONG_WEEKS = 8, 16, 24, 32, 40


@cache
def rate(name):
    """A method's own rate."""
    return chosen(name)[0]


def schedules():
    """When to learn: replay and streaming LDA, all labels; its rate is the weekly one."""
    names = "streaming LDA", "replay"
    return {
        name: {k: told(life(name, lr=rate(name), when=when)) for k, when in SCHEDULES.items()}
        for name in names
    }


def shares():
    """Fewer labels: shares of the wearings, weekly; replay at the rate that is best for each."""
    found = {"streaming LDA": {}, "replay": {}}
    for share in SHARES:
        few = world(labelled=share)
        for name, own in found.items():
            lr, tried = chosen(name, lives_in=few)
            own[f"{share:g}"] = {"lr": lr, "tried": tried, **told(life(name, lives_in=few, lr=lr))}
    return found


def unlabelled():
    """The device believes itself where it is sure: finetuning with no label, and with a tenth of them."""
    found = {}
    for share, believed in ((0.0, (0.99, 0.9, 0.5)), (0.1, (None, 0.9))):
        few = world(labelled=share)
        for sure in believed:
            own = life("finetuning", lives_in=few, lr=rate("finetuning"), pseudo=sure)
            found[f"{share:.0%} labelled, believes {sure or 'nothing'}"] = told(own)
    own = life("finetuning", lives_in=world(labelled=0.0), lr=1e-4, pseudo=0.9)
    return found | {"0% labelled, believes 0.9, rate 0.0001": told(own)}


def mistaken(year, weeks=WRONG_WEEKS):
    """The same year, but in some weeks each exercise is called by the next one's name."""
    true, n = year.train, len(year.train.x)
    both = [torch.cat([v, v]) for v in (true.x, true.exercise, true.wearer, true.arm)]
    both[1][n:] = (both[1][n:] + 1) % year.classes
    both[3][n:] += 2  # on an arm that nobody has: worn only where it is asked for below
    days = [d for week in weeks for d in range(7 * week, 7 * week + 7) if d < year.days]

    class Mistaken(type(year)):
        def life(self, seed):
            diary = super().life(seed)
            row = diary.row.clone()
            row[days] += n
            return replace(diary, row=row)

    own = {f.name: getattr(year, f.name) for f in fields(year)}
    return Mistaken(**own | {"train": type(true)(*both)})


def guards():
    """Replay with and without a guard, in a year whose labels are right, and with five wrong weeks.

    Ten lives: five did not settle it.
    """
    found, right = {}, world()
    ways = {"no guard": None, "tolerance 0": Guard(32), "tolerance 0.1": Guard(32, tolerance=0.1)}
    for labels, year_ in (("right labels", right), ("five wrong weeks", mistaken(right))):
        for name, guard in ways.items():
            own = life("replay", LIVES + OTHERS, year_, lr=rate("replay"), guard=guard)
            found[f"{labels}, {name}"] = told(own)
    return found


def confidence():
    """What a watch that never learns thinks of itself, (lives, days), in our year and in a calm one."""
    found = {}
    for name, own in (("usual", world()), ("calm", world(events={"new wearer": (0,)}))):
        still = Strategy(Finetune(NET, weights=factory(NET, own, LIVES)), when="never")
        one = lived(still, own, LIVES)
        found[name] = {"confidence": np.round(one.confidence, 3).tolist(), "score": told(one)["score"]}
    return found


PARTS = {
    "league": league,
    "schedules": schedules,
    "shares": shares,
    "unlabelled": unlabelled,
    "guards": guards,
    "confidence": confidence,
    "both arms": both_arms,
    "other lives": other_lives,
    "controls": controls,
}
