"""Results that take too long for a lesson, computed once: python tests/tools/stored.py [NN [PART ...]]

Writes edgecl_lite/lessons/stored/<lesson>.json, plain numbers, small enough to read; a lesson loads them with
`edgecl_lite.stored` and trains a short version of its own beside them. PART names one or more parts to
compute anew; the others stay as they are. Same seeds, same results, up to the last digits of another CPU.
Those of the lesson ewc come from the ledger (tests/tools/ledger/page.py).
The lesson edge_budget reads UCI HAR: from EDGECL_DATA, or it is downloaded (see `edgecl_lite.data.har`).
"""

import itertools
import sys
import time
from dataclasses import replace

import numpy as np
import torch
from lessons import ROOT
from stored_controls import PARTS as CONTROLS
from stored_fewer import fewer_weights
from stored_fleet import PARTS as FLEET
from stored_year import PARTS as YEAR

from edgecl_lite import (  # fmt: skip
    EWC,
    DERpp,
    Finetune,
    ICaRL,
    Joint,
    LatentReplay,
    NearestMean,
    Piggyback,
    Replay,
    Stream,
    StreamingLDA,
    Task,
    adaptation,
    anil,
    best,
    budget,
    digits,
    episodes,
    epsilon,
    first_order,
    fleet_sweep,
    fleet_train,
    har,
    har_net,
    maml,
    meta_learn,
    metrics,
    mlp,
    nbytes,
    oml,
    personalise,
    reptile,
    setup,
    sinusoids,
    smartwatch_clients,
    split,
    sweep,
    symbols,
    train,
    wrist_net,
)
from edgecl_lite.data.har import ACTIVITIES, TEST_PEOPLE
from edgecl_lite.lanes import copied, lane, stack
from edgecl_lite.lessons.results import stored
from edgecl_lite.machine import disk
from edgecl_lite.meta.inner import head, new_head, one_by_one
from edgecl_lite.meta.outer import _drawn, _loss
from edgecl_lite.method import cross_entropy, masked
from edgecl_lite.methods.parts import cut_at, latent_width
from edgecl_lite.models import apply, head_names, initial

SEEDS = 5
CLASSES = (3, 4, 7)  # held out, in all four quarter turns
WAYS = {"all weights": maml, "head only": anil}  # what adapting moves
RATES = [1e-4, 1e-3, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0]


def waves():
    """Sinusoids, 10 shots: error after 0 … 10 steps of five ways to find a start, 10,000 meta-steps each."""
    tasks, steps = sinusoids(), 10_000
    net, rates = mlp(tasks, hidden=(40, 40)), [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05]
    ways = {
        "MAML": (maml, {}),
        "first-order MAML": (first_order, {}),
        "Reptile": (reptile, dict(inner_steps=5, inner_lr=0.02)),
        "ANIL": (anil, {}),
        "pre-training": (maml, dict(inner_steps=0)),
    }
    found = {}
    for name, (method, options) in ways.items():
        start, began = _learned(method, net, tasks, steps=steps, **options), time.perf_counter()
        how = anil if method is anil else maml
        tried = adaptation(net, start["params"], tasks, rates, 1, method=how, episodes=200, seed=1)
        best = rates[np.nanargmin(tried[..., 1].mean((0, 2)))]  # chosen on other tasks than those below
        error = {
            rate: adaptation(net, start["params"], tasks, rate, method=how)[:, 0] for rate in {0.01, best}
        }
        found[name] = {
            "seconds": round(start["seconds"]),
            "error at 0.01": _plain(error[0.01].mean(1)),  # (seeds, steps 0 … 10)
            "best rate": best,
            "error": _plain(error[best].mean(1)),
        }
        if name in ("MAML", "pre-training"):  # for the lesson's slider, seed 0; 1,761 numbers each
            found[name]["start"] = {
                k: [[float(f"{v:.4g}") for v in row] for row in p[0].view(len(p[0]), -1).tolist()]
                for k, p in start["params"].items()
            }
        _say(name, began, found[name]["error at 0.01"][0])
    options = {"meta-steps": steps, "meta-batch": 25, "shots": 10, "tasks": 600, "rates": rates}
    return {"settings": options, "methods": found}


def episodes_of_symbols():
    """Held-out symbols, 5 ways, 5 shots: accuracy after k steps from five starts, each at its best."""
    known, new = symbols(digits(), CLASSES)
    meta, trials, tests = episodes(known, queries=5), episodes(known), episodes(new)
    net, steps, found = mlp(meta, hidden=(100, 100)), 1500, {}
    learned = _learned(maml, net, meta, steps=steps, every=500, inner_lr=1.0, shown=(0,))
    for name, start in {"MAML": learned["params"], **_others(known, net)}.items():
        found[name] = {
            "known": _at_best(net, start, trials, tests, each=name == "MAML"),
            "hindsight": _at_best(net, start, tests, tests),  # other episodes of the same new symbols
        }
    draws = _draws(net, learned["params"], trials)
    leaky = episodes(symbols(digits(), (6, 8, 9))[0], queries=5)  # 28 symbols as well, but 3, 4 and 7 are met
    leaked = _learned(maml, net, leaky, steps=500, inner_lr=1.0, shown=(0,))["params"]
    honest = next(p for p in learned["points"] if p.step == 500).params
    judged = {
        name: _plain(adaptation(net, start, tests, 0.4, 1)[:, 0, :, 1].mean(1))
        for name, start in (("held out", honest), ("leaked", leaked))
    }
    options = {"meta-steps": steps, "meta-batch": 25, "inner rate": 1.0, "tasks": 600, "rates": RATES}
    seconds = round(learned["seconds"])
    return {
        "settings": options,
        "seconds": seconds,
        "starts": found,
        "draws": draws,
        "leak, 500 meta-steps": judged,
    }


def _at_best(net, start, trials, tests, each=False):
    """Accuracy on tests after 0 … 10 steps, at the rate that is best on trials for this number of steps.

    each: add "ways", the same with what moves given, not chosen; and what the choice saw, "on trials".
    """
    began = time.perf_counter()
    tried = np.stack([_tried(net, start, trials, how, RATES) for how in WAYS.values()])
    best, way = tried.argmax(1), tried.max(1).argmax(0)  # (what moves, steps): a rate's place; (steps,)
    wanted = {(i, best[i, k]) for k in range(11) for i in (range(len(WAYS)) if each else [way[k]])}
    judged = {
        (i, j): adaptation(net, start, tests, RATES[j], method=[*WAYS.values()][i])[:, 0].mean(1)
        for i, j in wanted
    }
    at = lambda ways: np.stack([judged[i, best[i, k]][:, k] for k, i in enumerate(ways)], 1)
    accuracy = at(way)  # (seeds, steps)
    _say("at its best", began, accuracy.mean(0).round(3))
    found = {
        "moves": [[*WAYS][i] for i in way],
        "rate": [RATES[best[i, k]] for k, i in enumerate(way)],
        "accuracy": _plain(accuracy),
    }
    if each:
        found["ways"] = {
            name: {
                "rate": [RATES[j] for j in best[i]],
                "on trials": _plain(tried[i].max(0)),
                "accuracy": _plain(at([i] * 11)),
            }
            for i, name in enumerate(WAYS)
        }
    return found


def _tried(net, start, tasks, how, rates, seed=1):
    """(rates, steps): accuracy on 60 episodes, the mean over seeds; what diverged counts as 0."""
    scores = adaptation(net, start, tasks, rates, method=how, episodes=60, seed=seed)
    return np.nan_to_num(scores.mean((0, 2)))


def _draws(net, start, trials, many=8):
    """For ten steps: each way at its best of three rates, on several draws of trials. Is the choice a tie?"""
    rates = [0.1, 0.2, 0.4]
    tried = {
        name: np.array([_tried(net, start, trials, how, rates, 1 + i)[:, 10] for i in range(many)])
        for name, how in WAYS.items()
    }  # (draws, rates)
    return {
        name: {"accuracy": _plain(t.max(1)), "rate": [rates[j] for j in t.argmax(1)]}
        for name, t in tried.items()
    }


def in_a_row():
    """Ten held-out symbols in a row, 5 examples of each, one pass: with and without OML's start."""
    known, new = symbols(digits(), CLASSES)
    meta, trials, tests = (episodes(some, 10, queries=n) for some, n in ((known, 5), (known, 15), (new, 15)))
    net, steps, found = mlp(meta, hidden=(100, 100)), 300, {}
    learned = _learned(oml, net, meta, steps=steps, meta_batch=10, inner_lr=0.1, shown=(0,))
    options = {"all weights": replace(maml, batches=one_by_one), "head only": oml}
    rates = [1e-6, 1e-5, 1e-4, 1e-3, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    starts = {"OML": learned["params"], **_others(known, net)}
    for name, start in starts.items():
        began = time.perf_counter()
        tried = [
            np.nan_to_num(adaptation(net, start, trials, rates, 1, method=how, episodes=20, seed=1))
            for how in options.values()
        ]
        tried = np.stack([each[..., 1].mean((0, 2)) for each in tried])  # (what moves, rates)
        i, j = np.unravel_index(tried.argmax(), tried.shape)
        R = _class_after_class([*options.values()][i], net, start, tests, rates[j])  # (seeds, after, on)
        found[name] = {
            "moves": [*options][i],
            "rate": rates[j],
            "end": _plain(R[:, -1]),  # in the order of arrival
            "learned": _plain(np.diagonal(R, axis1=1, axis2=2)),
            "so far": _plain(np.stack([R[:, k, : k + 1].mean(1) for k in range(10)], 1)),
        }
        _say(name, began, R[:, -1].mean().round(3))
    pairs = split(new, per_task=2)  # and an ordinary continual run from three of these bodies
    pair_net, replayed = mlp(pairs, hidden=(100, 100)), {}
    begin = {"random": stack([initial(pair_net, seed) for seed in range(SEEDS)])}
    for name, start in (("pre-trained", starts["pre-trained"]), ("OML", starts["OML"])):
        body = {k: p for k, p in start.items() if k not in head(start)}
        begin[name] = begin["random"] | new_head(begin["random"]) | body
    for name, start in begin.items():
        replayed[name] = _replayed(Replay(pair_net, weights=start), pairs)
        _say(f"replay from {name}", began, np.mean(replayed[name]["accuracy"], 1))
    options = {"meta-steps": steps, "meta-batch": 10, "inner rate": 0.1, "tasks": 200, "rates": rates}
    seconds = round(learned["seconds"])
    return {"settings": options, "seconds": seconds, "starts": found, "replay": replayed}


def _replayed(method, pairs):
    """One and five epochs a pair: accuracy (epochs, seeds), at the rate that is best on data set aside."""
    aside, rates, accuracy = pairs.set_aside(0.25), [], []
    for n in (1, 5):
        tried = sweep(method, aside, SEEDS, lr=list(RATES_OF_SIGNS), epochs=n, **LONG)
        rates.append(best(tried, over="lr"))
        accuracy.append(_ended(train(method, pairs, SEEDS, lr=rates[-1], epochs=n, **LONG)))
    return {"rate": rates, "accuracy": _plain(accuracy)}


def _class_after_class(method, net, params, tasks, lr, n=200):
    """R (seeds, after, on), mean over n tasks: accuracy on each class after each class, all outputs open."""
    (support, query), R = _drawn(tasks, n, [torch.Generator().manual_seed(2)], None), []
    ways, loss, method = tasks.ways, _loss(net, tasks), replace(method, second_order=False)
    for seed in range(SEEDS):
        theta = lane(copied(params), torch.full((n,), seed))
        for c in range(ways):
            part = {k: v[:, c * tasks.shots : (c + 1) * tasks.shots] for k, v in support.items()}
            theta = copied(method.adapt(loss, theta, part, lr))
            right = (apply(net, theta, query["x"]).argmax(-1) == query["y"]).float()
            R.append(right.view(n, ways, -1).mean((0, 2)))
    return torch.stack(R).view(SEEDS, ways, ways).numpy()


def _others(known, net):
    """The starts to compare with: random, and the body of an ordinary network of all known symbols."""
    stream, random = (
        split(known, per_task=len(known.classes)),
        stack([initial(net, seed) for seed in range(SEEDS)]),
    )
    body = train(
        Finetune(mlp(stream, hidden=(100, 100))), stream, SEEDS, epochs=20, every=10_000, progress=False
    )
    pre_trained = {k: random[k] if k in new_head(random) else p for k, p in body.params.items()}
    return {
        "random": random,
        "random, head at zero": random | new_head(random),
        "pre-trained": pre_trained,
        "pre-trained, head at zero": pre_trained | new_head(pre_trained),
    }


def _learned(method, net, tasks, steps, **options):
    began = time.perf_counter()
    points = [*meta_learn(method, net, tasks, SEEDS, steps=steps, **{"every": steps} | options)]
    seconds = time.perf_counter() - began
    print(f"{method.name}: {steps} meta-steps in {seconds:.0f} s", flush=True)
    return {"params": points[-1].params, "points": points, "seconds": seconds}


# Digits, pair after pair, at equal bytes
ROOMS = [2**k for k in (9, 10, 11, 12, 14, 16)]  # bytes beside the network, 512 B … 64 KB
TRIED = [2**k for k in (10, 12, 16)]  # at which a rate is chosen
RATES_OF_SIGNS = (1e-3, 3e-3, 1e-2, 3e-2)
WIDER = (3e-4, *RATES_OF_SIGNS, 1e-1)
ORDERS_OF_SIGNS = [None, *([int(c) for c in np.random.default_rng(i).permutation(10)] for i in (1, 2))]
LONG = {"every": 10_000, "progress": False}


def equal_bytes():
    """Digits, pair after pair: accuracy over the bytes kept, of 8, 4 and 2 bits, under both output rules.

    Three orders of the classes, two seeds each; each method at its own learning rate, chosen on a quarter of
    the training data of the first order, at three of the rooms; where all outputs may answer, only these.
    """
    busy, found = time.process_time(), {}
    for rule, widths, rooms in (("seen", (8, 4, 2), ROOMS), ("all", (8, 2), TRIED)):
        streams = [split(digits(), active=rule, order=order) for order in ORDERS_OF_SIGNS]
        net, found[rule] = mlp(streams[0]), {}
        kinds = {"replay": Replay, "iCaRL": ICaRL, "latents": LatentReplay}
        for bits, (name, kind) in itertools.product(widths, kinds.items()):
            found[rule][f"{bits}-bit {name}"] = _rooms(kind(net, bits=bits), streams, rooms)
            _say(f"{rule}, {bits}-bit {name}", time.perf_counter(), found[rule][f"{bits}-bit {name}"]["mean"])
        standing = {
            "finetuning": Finetune(net),
            "EWC": EWC(net),
            "Piggyback": Piggyback(net, infer_task=True),
            "nearest mean": NearestMean(net),
            "streaming LDA": StreamingLDA(net),
            "mean of pixels": NearestMean(net, cut=1, frozen=True),
            "LDA of pixels": StreamingLDA(net, cut=1, frozen=True),
        }
        for name, method in standing.items():
            found[rule][name] = _standing(method, streams)
            _say(f"{rule}, {name}", time.perf_counter(), found[rule][name]["mean"])
    about = {
        "orders": ORDERS_OF_SIGNS,
        "seeds": 2,
        "rooms": {"seen": ROOMS, "all": TRIED},
        "rates": RATES_OF_SIGNS,
        "set aside": 0.25,
    }
    return {"settings": about, "rules": found, "seconds": round(time.process_time() - busy)}


def wider_rates():
    """Rows of the league that chose a rate at the edge of its grid, once more with two rates beyond it."""
    streams = [split(digits(), order=order) for order in ORDERS_OF_SIGNS]
    rows, net = {}, mlp(streams[0])
    for name in ("8-bit replay", "4-bit replay", "2-bit replay", "8-bit iCaRL", "2-bit iCaRL"):
        bits, kind = name.split("-bit ")
        method = {"replay": Replay, "iCaRL": ICaRL}[kind](net, bits=int(bits))
        rows[name] = _rooms(method, streams, ROOMS, WIDER)["mean"]
        _say(f"wider, {name}", time.perf_counter(), rows[name])
    return {"rates": WIDER, "mean": rows}


def _rooms(method, streams, rooms, tried_rates=RATES_OF_SIGNS):
    """One memory: samples that fit each room, and accuracy (rooms, draws) at the rates that suit them."""
    b = budget(method, streams[0])
    ten, twenty = (sum(b.change(capacity=c).need.keeps.values()) for c in (10, 20))
    each, once = (twenty - ten) // 10, 2 * ten - twenty
    came = sum(len(task.train[1]) for task in streams[0])
    fits = [min((room - once) // each, came) for room in rooms]
    own = [i for i, n in enumerate(fits) if n >= 10]  # rooms with a sample of each class
    tried = [i for i in own if rooms[i] in TRIED]
    chance = sweep(method, streams[0].set_aside(0.25), 2, lr=list(tried_rates),
                   capacity=[fits[i] for i in tried], **LONG)  # fmt: skip
    chosen = dict(zip(tried, _ended(chance).mean(-1).argmax(0)))
    rates = {i: tried_rates[chosen[min(tried, key=lambda j: abs(j - i))]] for i in own}
    accuracy = {i: [] for i in own}
    for stream, lr in itertools.product(streams, sorted(set(rates.values()))):
        here = [i for i in own if rates[i] == lr]
        run = sweep(method, stream, 2, lr=lr, capacity=[fits[i] for i in here], **LONG)
        for i, scores in zip(here, _ended(run)):
            accuracy[i] += scores.tolist()
    rows = [accuracy.get(i) for i in range(len(rooms))]
    return {
        "a sample": each, "once": once, "capacity": [n if n >= 10 else None for n in fits],
        "lr": [rates.get(i) for i in range(len(rooms))],
        "accuracy": [row and _plain(row) for row in rows],
        "mean": [row and _plain(np.mean(row)) for row in rows],
    }  # fmt: skip


def _standing(method, streams):
    """A method that keeps what it keeps, whatever the room: its bytes and its accuracy (draws,)."""
    grid = {"lam": [1, 100, 1000]} if isinstance(method, EWC) else {}
    aside = sweep(method, streams[0].set_aside(0.25), 2, lr=list(RATES_OF_SIGNS), **grid, **LONG)
    lr = best(aside, over="lr")
    grid = {k: best(aside, over=k) for k in grid}
    runs = [train(replace(method, **grid), stream, 2, lr=lr, **LONG) for stream in streams]
    scores = np.concatenate([_ended(run) for run in runs])
    return {"bytes": nbytes(method.keeps(runs[0].state)), "lr": lr, **grid, **_scores(scores)}


# UCI HAR: three groups of people, so that the front knows neither whom it serves nor whom it is judged on
FRONT_PEOPLE = (1, 3, 5, 6, 7, 8, 11)
STREAM_PEOPLE = (14, 15, 16, 17, 19, 21, 22, 23, 25, 26, 27, 28, 29, 30)
TRIAL_PEOPLE = (14, 15, 16, 17)  # of the stream's: held out while the learning rate is chosen
KNOWN = (0, 3, 4, 5)  # activities that the factory's front has seen: all but the two of stairs
BUDGETS = [2**k for k in (9, 11, 13, 15, 17)]  # bytes, 512 B … 128 KB
LEARNING_RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
SHORT = {"epochs": 5, "batch_size": 32, "every": 10_000, "progress": False}


class FrozenFront(Replay):
    """Raw replay with the front at rest: it keeps whole samples, only the head learns from them."""

    def risk(self, params, state, batch):
        front, head = cut_at(self.net, -1)
        with torch.no_grad():
            z = apply(front, params, batch["x"])
        return cross_entropy(masked(apply(head, params, z), batch["active"]), batch["y"])


def over_bytes():
    """UCI HAR, activity after activity: accuracy of raw and of latent replay over the bytes they may keep.

    Beside them what needs no replay: learning nothing, and heads of one pass on two fronts.
    """
    began, busy, known = time.perf_counter(), time.process_time(), har(FRONT_PEOPLE, TRIAL_PEOPLE)
    net, front = _factory(known)
    new = stack([initial(net, seed) for seed in range(SEEDS)])
    start = front | {name: new[name] for name in head_names(new)}
    trials = split(har([p for p in STREAM_PEOPLE if p not in TRIAL_PEOPLE], TRIAL_PEOPLE))
    stream = split(har(STREAM_PEOPLE, TEST_PEOPLE))
    latents = LatentReplay(net, cut=-1, frozen=True, weights=start)
    width, channels = stream.pixels, latent_width(latents.front, start, known.train[0])
    cheap = {"learn nothing": {"bytes": 0, **_nothing(net, front, stream)}}
    for name, weights in (("factory front", start), ("random front", new)):
        for kind in (NearestMean, StreamingLDA):
            cheap[f"{_words(kind)}, {name}"] = _one_pass(kind(net, frozen=True, weights=weights), stream)
    pixels = NearestMean(mlp(stream, hidden=()), cut=1, frozen=True)
    cheap["nearest mean window"] = _one_pass(pixels, stream)
    _say("cheap", began, {name: each["mean"] for name, each in cheap.items()})
    ways = {  # method, bytes of a sample and of the scale
        "raw, whole network": (Replay(net, weights=start), width + 1, 0),
        "raw, frozen front": (FrozenFront(net, weights=start), width + 1, 0),
        "latent": (latents, channels + 1, 8 * channels),
    }
    found = {name: _league(name, stream, trials, *way) for name, way in ways.items()}
    joint = {
        lr: _ended(train(Joint(net, weights=start), trials, SEEDS, lr=lr, **SHORT)) for lr in LEARNING_RATES
    }
    lr = max(joint, key=lambda lr: joint[lr].mean())
    joint = _ended(train(Joint(net, weights=start), stream, SEEDS, lr=lr, **SHORT))
    return {
        "settings": {
            "front": {"people": FRONT_PEOPLE, "activities": [ACTIVITIES[c] for c in KNOWN], "epochs": 25,
                      "lr": 2e-3},
            "people": STREAM_PEOPLE, "test people": TEST_PEOPLE, "held out for lr": TRIAL_PEOPLE,
            "tasks": stream.names, "channels": (16, 32), "seeds": SEEDS, "batch": 32, "epochs": 5,
            "windows": {"front": _of(known.train, KNOWN)[1].numel(),
                        "stream": [len(task.train[1]) for task in stream],
                        "test": [len(task.test[1]) for task in stream]},
            "bytes": {"raw, 8 bits": width + 1, "raw, float": 4 * width, "latent, 8 bits": channels + 1,
                      "scale": 8 * channels, "weights": nbytes(lane(start, 0))},
            "torch": torch.__version__, "numpy": np.__version__,
        },
        "cheap": cheap,
        "methods": found,
        "joint": {"lr": lr, "accuracy": _plain(joint)},
        "reached": {
            f"{raw} against latent": _reached(found[raw], found["latent"]) for raw in list(ways)[:2]
        },
        "seconds": round(time.process_time() - busy),
    }  # fmt: skip


def _of(part, classes):
    """The samples (x, y) of these classes."""
    mine = torch.isin(part[1], torch.tensor(classes))
    return part[0][mine], part[1][mine]


def _factory(known):
    """(net, weights): a network of the activities that the factory knows; rows of others never move."""
    parts = _of(known.train, KNOWN), _of(known.test, KNOWN)
    at_once = Stream([Task("factory", *parts, KNOWN)], "class", len(ACTIVITIES))
    net = har_net(at_once)
    run = train(Finetune(net), at_once, SEEDS, epochs=25, lr=2e-3, every=10_000, progress=False)
    return net, run.params


def _nothing(net, params, stream):
    """Accuracy of the factory's network with its own head: in all, on known activities and on new ones."""
    right = []
    with torch.no_grad():
        for x, y in (task.test for task in stream):
            z = apply(net, params, x.expand(SEEDS, *x.shape))
            right.append((z[..., KNOWN].argmax(-1).apply_(lambda i: KNOWN[i]) == y).double())
    y, right = torch.cat([task.test[1] for task in stream]), [*right, torch.cat(right, 1)]
    knows = torch.isin(y, torch.tensor(KNOWN))
    *tasks, every = right
    mean = torch.stack([one.mean(1) for one in tasks]).mean(0)
    told = {"known": every[:, knows].mean(1), "new": every[:, ~knows].mean(1)}
    return {**_scores(mean), **{name: _plain(one) for name, one in told.items()}}


def _one_pass(method, stream):
    """A head without a backward pass: what it keeps, and how well it does."""
    run = train(method, stream, SEEDS, epochs=1, every=10_000, progress=False)
    return {"bytes": nbytes(method.keeps(run.state)), **_scores(_ended(run))}


def _scores(accuracy):
    accuracy = np.asarray(accuracy)
    return {"accuracy": _plain(accuracy), "mean": _plain(accuracy.mean()), "sd": _plain(accuracy.std(ddof=1))}


def _words(kind):
    return {NearestMean: "nearest mean", StreamingLDA: "streaming LDA"}[kind]


def _league(name, stream, trials, method, each, fixed):
    """One method over all budgets: samples that fit, bytes kept, accuracy (budgets, seeds) at the end."""
    began, busy = time.perf_counter(), time.process_time()
    fits = [(b - fixed) // each for b in BUDGETS]
    fits = [n if n >= stream.outputs else None for n in fits]  # a sample a class, or it does not fit
    some = [n for n in fits if n][1:2]  # the second of those that fit
    tried = {
        lr: _ended(sweep(method, trials, SEEDS, lr=lr, capacity=some, **SHORT)).mean()
        for lr in LEARNING_RATES
    }
    lr = max(tried, key=tried.get)
    run = sweep(method, stream, SEEDS, lr=lr, capacity=[*filter(None, fits)], **SHORT)
    accuracy = [*_ended(run)]  # (capacities, seeds)
    kept = [nbytes(method.keeps(run.state, SEEDS * i)) for i in range(len(accuracy))]
    holes = [None] * fits.count(None)  # they come first
    _say(name, began, [f"{a.mean():.3f} ± {a.std(ddof=1):.3f}" for a in accuracy])
    return {
        "budgets": BUDGETS,
        "capacity": fits,
        "bytes": [*holes, *kept],
        "accuracy": [*holes, *_plain(accuracy)],
        "mean": [*holes, *_plain([a.mean() for a in accuracy])],
        "sd": [*holes, *_plain([a.std(ddof=1) for a in accuracy])],
        "lr": lr,
        "trials": {str(lr): round(a, 4) for lr, a in tried.items()},
        "seconds": round(time.process_time() - busy),
    }


def _reached(raw, latent, at=2048):
    """The first budget at which raw replay's mean is what latents reach in `at` bytes; None: at no budget.

    Also where a line between the means, straight over the logarithm of the bytes, crosses that height.
    """
    goal, found = latent["mean"][latent["budgets"].index(at)], None
    ends = [(b, mean) for b, mean in zip(raw["budgets"], raw["mean"]) if mean is not None]
    for (before, low), (found, high) in zip([(None, None), *ends], ends):
        if high >= goal:
            between = before and round(before * (found / before) ** ((goal - low) / (high - low)))
            break
    else:
        found = between = None
    return {"latents' bytes": at, "accuracy": goal, "raw bytes": found, "ratio": found and found / at,
            "between budgets": between}  # fmt: skip


ORDERS = [[*range(10)], [3, 8, 0, 5, 9, 1, 6, 2, 7, 4], [7, 4, 1, 9, 6, 0, 2, 5, 8, 3]]


def rehearsed(active, epochs=30, rates=(1e-3, 3e-3, 1e-2)):
    """Split digits in three orders: accuracy (budgets, orders) of three methods, pictures in 2 bits a pixel.

    active: the rule of `split`. Each budget has the rate that is best on data set aside, in the second order.
    """
    streams = [split(digits(), order=order, active=active) for order in ORDERS]
    net, budgets = mlp(streams[0]), [1000, 2000, 4000, 8000]
    options = {"epochs": epochs, "batch_size": 32, "every": 10_000, "progress": False}
    ways = {"replay": (Replay, 17), "DER++": (DERpp, 57), "iCaRL": (ICaRL, 17)}  # class, bytes a sample
    found = {}
    for name, (kind, each) in ways.items():
        began, fits = time.perf_counter(), np.array([b // each for b in budgets])
        method, accuracy = kind(net, bits=2), np.empty((len(budgets), len(ORDERS)))
        tried = sweep(method, streams[1].set_aside(0.2), lr=[*rates], capacity=fits, **options)
        best = _ended(tried)[..., 0].argmax(0)  # (budgets,)
        for i in np.unique(best):
            for k, stream in enumerate(streams):
                run = sweep(method, stream, [k], lr=rates[i], capacity=fits[best == i], **options)
                accuracy[best == i, k] = _ended(run)[:, 0]
        _say(f"{name}, {active}", began, accuracy.mean(1).round(3))
        lrs = [rates[i] for i in best]
        found[name] = {"capacity": fits.tolist(), "lr": lrs, "accuracy": _plain(accuracy)}
    told = {"budgets": budgets, "orders": ORDERS, "rates": rates, "bits": 2}
    return {"settings": told | options, "methods": found}


def _ended(run):
    return metrics.average_accuracy(run.accuracy)


def _plain(array):
    return np.round(np.asarray(array, float), 4).tolist()


def _say(name, began, what):
    print(f"  {name}: {what} ({time.perf_counter() - began:.0f} s)", flush=True)


def watches_under_noise():
    """Twenty watches at several noises, each at its own clip and rate; then each watch's own."""
    watches = smartwatch_clients()
    method, aside = Finetune(wrist_net(watches.whole)), watches.set_aside(0.2)
    shared = dict(rounds=20, every=20, batch_size=32, local_epochs=1)
    rates, clips, found = [2e-3, 5e-3], [0.1, 0.3, 1.0], {}
    for noise in (None, 0.3, 1.0, 3.0, 10.0):
        began = time.perf_counter()
        hidden = {} if noise is None else dict(noise=noise)
        over = {} if noise is None else dict(clip=clips)
        tried = fleet_sweep(method, aside, seeds=2, lr=rates, **over, **hidden, **shared)
        chosen = {name: best(tried, over=name) for name in ("lr", *over)}
        run = fleet_train(method, watches, seeds=SEEDS, **chosen, **hidden, **shared)
        mine = personalise(method, watches, run, local_epochs=20, batch_size=32, lr=5e-3)
        found["no noise" if noise is None else f"{noise:g}"] = {
            **chosen,
            "epsilon": None if noise is None else round(epsilon(20, noise), 2),
            "everybody": _plain(run.accuracy[:, -1, 0]),  # the common model
            "own": _plain(mine.own.mean(1)),  # after 20 epochs on one's own
        }
        _say(f"noise {noise}", began, run.accuracy[:, -1, 0])
    return found


def watches_alone():
    """Each watch by itself, for as many epochs as in the fleet and after it, at the rate that suits it."""
    watches = smartwatch_clients()
    method, aside = Finetune(wrist_net(watches.whole)), watches.set_aside(0.2)
    shared = dict(local_epochs=40, batch_size=32)
    tried = {lr: personalise(method, aside, seeds=2, lr=lr, **shared).own.mean() for lr in (2e-3, 5e-3, 1e-2)}
    rate = max(tried, key=tried.get)
    alone = personalise(method, watches, seeds=SEEDS, lr=rate, **shared)
    told = {"everybody": _plain(alone.everybody.mean(1)), "own": _plain(alone.own.mean(1))}
    return {"lr": rate, **told}


def watches_own(noise=10.0):
    """The most noise, with the clip that is best for one's own windows: accuracy (seeds,) on these.

    Each clip has the rate that is best for the common model; chosen on data set aside.
    """
    watches = smartwatch_clients()
    method, aside = Finetune(wrist_net(watches.whole)), watches.set_aside(0.2)
    shared = dict(rounds=20, every=20, batch_size=32, local_epochs=1, noise=noise, progress=False)
    more = dict(local_epochs=20, batch_size=32, lr=2e-3)  # the rate of a watch alone
    tried = {}
    for clip in (0.03, 0.1, 0.3, 1.0):
        runs = [fleet_train(method, aside, seeds=2, clip=clip, lr=lr, **shared) for lr in (2e-3, 5e-3)]
        common = [run.accuracy[:, -1, 0].mean() for run in runs]
        at = int(np.argmax(common))
        tried[clip, (2e-3, 5e-3)[at]] = common[at], personalise(method, aside, runs[at], **more).own.mean()
    clip, lr = max(tried, key=lambda cell: tried[cell][1])
    run = fleet_train(method, watches, seeds=SEEDS, clip=clip, lr=lr, **shared)
    own = personalise(method, watches, run, **more).own.mean(1)
    told = [dict(clip=c, lr=r, everybody=_plain(a), own=_plain(b)) for (c, r), (a, b) in tried.items()]
    return {"noise": noise, "tried": told, "clip": clip, "lr": lr, "own": _plain(own)}


LESSONS = {
    "meta_learning": {"sinusoids": waves, "symbols": episodes_of_symbols, "in a row": in_a_row},
    "federated_learning": FLEET | CONTROLS,
    "edge_budget": {
        "league": equal_bytes,
        "league, wider rates": wider_rates,
        "har": over_bytes,
        "fewer": fewer_weights,
    },
    "private_fleet": {"watches": watches_under_noise, "alone": watches_alone, "own": watches_own},
    "rehearsal": {"seen": lambda: rehearsed("seen"), "all": lambda: rehearsed("all")},
    "wrist": YEAR,
}


def main(number="", *parts):
    setup()
    for lesson in (name for name in LESSONS if name.startswith(number)):
        path = ROOT / "edgecl_lite/lessons/stored" / f"{lesson}.json"
        kept = _kept(path, lesson, parts)
        for part in parts or LESSONS[lesson]:
            kept[part] = LESSONS[lesson][part]()
            disk.write(path, disk.to_json(kept).encode())
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def _kept(path, lesson, parts):
    """What was computed before. A damaged file is no reason to stop where all of it is computed anew."""
    try:
        return stored(lesson) if path.exists() else {}
    except ValueError as error:
        if parts:
            raise
        print(error)
        return {}


if __name__ == "__main__":
    main(*sys.argv[1:])
