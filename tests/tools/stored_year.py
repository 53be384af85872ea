"""Results of the lesson wrist: `stored.py` runs these parts. About half an hour on one core.

Every method has the learning rate that is best over three lives that are set aside, seeds 100 to
102; judged are the five lives of seeds 0 to 4: other people, other exercises, another drift.
"""

from functools import cache, partial

import numpy as np

from edgecl_lite import (  # fmt: skip
    EWC,
    Every,
    Finetune,
    Guard,
    LatentReplay,
    LwF,
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

ASIDE, LIVES = [100, 101, 102], [0, 1, 2, 3, 4]
RATES = [3e-4, 1e-3, 3e-3, 1e-2]
NET = wrist_net(smartwatch_wearers())
WEEKLY = Every(7)
METHODS = {
    "nearest mean": partial(NearestMean, NET, frozen=True),
    "streaming LDA": partial(StreamingLDA, NET, frozen=True),
    "finetuning": partial(Finetune, NET),
    "EWC, λ = 10": partial(EWC, NET, lam=10.0),
    "EWC, λ = 100": partial(EWC, NET, lam=100.0),
    "LwF": partial(LwF, NET),
    "latents": partial(LatentReplay, NET, capacity=126, cut=-1, weighting="equal"),
    "replay": partial(Replay, NET, capacity=63, weighting="equal"),
}
STILL = "nearest mean", "streaming LDA"  # no gradient, no rate


@cache
def shipped(seeds):
    """What the factory delivers in each life; it does not know what comes."""
    return factory(NET, year(), list(seeds))


def life(make, lives=LIVES, world=None, **how):
    """The `Life` of a strategy."""
    method = make(weights=shipped(tuple(lives)))
    return lived(Strategy(method, **{"when": WEEKLY, **how}), world or year(), lives)


def chosen(name, rates=RATES, **how):
    """(best rate, {rate: score}) on the lives that are set aside."""
    if name in STILL:
        return RATES[1], {}
    tried = {lr: life(METHODS[name], ASIDE, lr=lr, **how).score().mean() for lr in rates}
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
    costs = one.costs
    kept = sum(costs.budget.need.keeps.values()) + costs.held
    sizes = {"ram": costs.ram, "flash": costs.flash, "saved": costs.saved, "kept": kept}
    return {k: np.round(v, 4).tolist() for k, v in per_life.items()} | sizes


def league():
    """Every method, weekly, with all labels: each at its own rate; and the one that never learns."""
    found = {"learn nothing": told(life(METHODS["finetuning"], when="never"))}
    for name, make in METHODS.items():
        lr, tried = chosen(name)
        found[name] = {"lr": lr, "tried": tried, **told(life(make, lr=lr))}
        print(name, lr, tried, np.mean(found[name]["score"]).round(3), flush=True)
    return found


PARTS = {"league": league}
