"""Replay against oracles: memories kept by hand in lists, chi-square over many seeds, losses written out."""

import copy
import inspect
import math

import numpy as np
import pytest
import torch
from torch.func import functional_call

from edgecl_lite import (
    AGEM,
    DERpp,
    Finetune,
    GDumb,
    ICaRL,
    Joint,
    LatentReplay,
    Replay,
    Run,
    cnn,
    digits,
    learn,
    mlp,
    nbytes,
    reservoir,
    rotated,
    split,
    sweep,
    train,
)
from edgecl_lite.lanes import copied, lane
from edgecl_lite.methods import memory
from edgecl_lite.methods.codecs import Pixels, levels
from edgecl_lite.models import apply
from edgecl_lite.streams import Stream, Task

DIGITS = digits()
STREAM = split(DIGITS)
TOLD = split(DIGITS, scenario="task")
NET = mlp(STREAM, hidden=(20,))
FAST = dict(epochs=1, progress=False, every=10**6)
KINDS = [Replay, DERpp, AGEM, GDumb, LatentReplay, ICaRL]
BELOW_ONE = 1 - 2**-24  # the largest that torch.rand gives


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def numbered(*tasks, scenario="class"):
    """A stream of one-pixel images that are their own numbers 0, 1, …; each of tasks: {class: samples}."""
    parts, first = [], 0
    for t, sizes in enumerate(tasks):
        y = torch.cat([torch.full((n,), c) for c, n in sizes.items()])
        x = (torch.arange(first, first + len(y)) / 255).view(-1, 1, 1, 1)
        first += len(y)
        parts.append(Task(f"task {t}", (x, y), (x, y), tuple(sizes)))
    assert first <= 256
    return Stream(parts, scenario, 1 + max(c for sizes in tasks for c in sizes))


def pixel_net(stream):
    return mlp(stream, hidden=(3,))


def spied(kind, seen):
    """kind, whose `loss` also writes (params, state, batch) down."""

    class Spied(kind):
        def loss(self, params, state, batch):
            seen.append((copied(params), state, batch))
            return super().loss(params, state, batch)

    return Spied


# ---- every item of a stream has the same chance


def evenly(kept, chance):
    """p-value of the claim that every item is kept with this chance, by chi-square. kept (seeds, n) bool.

    A seed judges one item only, so that the counts are independent whatever ties the items of one seed.
    """
    n = kept.shape[1]
    mine = kept[: len(kept) // n * n].view(-1, n, n).diagonal(dim1=1, dim2=2).double()  # (seeds / n, n)
    chi2 = ((mine.sum(0) - len(mine) * chance) ** 2 / (len(mine) * chance * (1 - chance))).sum()
    return torch.special.gammaincc(torch.tensor(n / 2.0).double(), chi2 / 2).item()


RIGHT, WRONG = 1e-3, 1e-9


def kept_by(rule, n=20, capacity=5, seeds=40_000, batch=1, later=True):
    """Which of n items a memory filled by `rule` holds, (seeds, n). later: of two in one row, which stays."""
    g, table = torch.Generator().manual_seed(0), torch.full((seeds, capacity + 1), -1)
    for start in range(0, n, batch):
        rows = [
            rule(torch.tensor(t), capacity, torch.rand(seeds, generator=g)).clamp(max=capacity)
            for t in range(start, min(start + batch, n))
        ]
        for t, row in sorted(enumerate(rows, start), reverse=not later, key=lambda pair: pair[0]):
            table[torch.arange(seeds), row] = t
    return (table[:, :-1, None] == torch.arange(n)).any(1)


def always_in(t, capacity, u):
    """Wrong: every arrival finds a row, so that recent ones are preferred."""
    return torch.where(t < capacity, t, (u * capacity).long())


def one_too_few(t, capacity, u):
    """Wrong: draws among those that came before."""
    return torch.where(t < capacity, t, (u * t).long())


def one_too_many(t, capacity, u):
    return torch.where(t < capacity, t, (u * (t + 2)).long())


def test_reservoir_keeps_every_item_with_the_same_chance():
    assert evenly(kept_by(reservoir), 5 / 20) > RIGHT
    assert evenly(kept_by(reservoir, batch=7), 5 / 20) > RIGHT


@pytest.mark.parametrize("rule", [always_in, one_too_few, one_too_many])
def test_the_same_test_finds_a_biased_reservoir(rule):
    assert evenly(kept_by(rule), 5 / 20) < WRONG


def test_the_same_test_finds_a_batch_in_which_the_earlier_stays():
    assert evenly(kept_by(reservoir, batch=10, later=False), 5 / 20) < WRONG


def flat(capacity, groups=1, seeds=None, known=True):
    """An empty memory of ids; seeds: so many lanes of one capacity."""
    capacity = torch.tensor(capacity if seeds is None else [capacity] * seeds)
    state = memory.empty(capacity, groups, {"id": (torch.uint8,)})
    return {**state, "capacity": capacity, "known": state["known"] | known}


def arrive(state, ids, group, g, **how):
    """The samples `ids` come to every lane at once, of the class `group`."""
    shape = (len(state["capacity"]), len(ids))
    group = torch.as_tensor(group).expand(shape)
    chance = torch.rand(shape, generator=g)
    return memory.store(state, {"memory.id": torch.as_tensor(ids).expand(shape)}, group, chance, **how)


def holds(state, ids):
    """Which of the ids each lane holds, (lanes, n); no id twice."""
    times = ((state["memory.id"][..., None] == torch.as_tensor(ids)) & state["filled"][..., None]).sum(1)
    assert times.max() <= 1
    return times.bool()


@pytest.mark.parametrize("batch", [1, 7, 20])
def test_memory_store_keeps_every_item_with_the_same_chance(batch):
    state, g = flat(5, seeds=30_000), torch.Generator().manual_seed(1)
    for ids in torch.arange(20).split(batch):
        state = arrive(state, ids, 0, g)
    kept = holds(state, range(20))
    assert (kept.sum(1) == 5).all() and evenly(kept, 5 / 20) > RIGHT


@pytest.mark.parametrize("rule", [always_in, one_too_few])
def test_a_biased_rule_inside_the_memory_is_found(rule, monkeypatch):
    monkeypatch.setattr(memory, "reservoir", rule)
    state, g = flat(5, seeds=30_000), torch.Generator().manual_seed(1)
    for ids in torch.arange(20).split(7):
        state = arrive(state, ids, 0, g)
    assert evenly(holds(state, range(20)), 5 / 20) < WRONG


def after_shrinking(capacity, classes, seeds=20_000, later=6, make_room=memory.make_room):
    """Ids 0, 1, … of class 1 that are kept after others moved in, with more of class 1 after each of them."""
    g, n = torch.Generator().manual_seed(2), 0
    state, known = flat(capacity, 6, seeds, known=False), torch.zeros(6, dtype=torch.bool)
    for c in classes:
        known[c] = True
        state = make_room(state, known.expand(seeds, -1), torch.rand(seeds, 1, generator=g))
        more = later if c != 1 else 20
        for ids in torch.arange(n, n + more).split(8) if more else ():
            state = arrive(state, ids, 1, g)
        n += more
        if c != 1:
            state = arrive(state, [200 + c] * 3, c, g)
    share = capacity // len(classes)
    kept = holds(state, range(n))
    assert (kept.sum(1) == min(share, n)).all() and (memory.shares(state) == share).all()
    return kept, share / n


@pytest.mark.parametrize("later", [0, 6])
@pytest.mark.parametrize(
    "capacity, classes", [(12, [1, 4]), (13, [1, 0, 4]), (18, [1, 5, 3, 0, 2]), (30, [1, 2])]
)
def test_a_share_that_shrank_is_still_even(capacity, classes, later):
    kept, chance = after_shrinking(capacity, classes, later=later)
    assert evenly(kept, chance) > RIGHT


def test_the_same_test_finds_a_memory_that_drops_its_last_rows():
    drops = lambda state, known, u: memory.make_room(state, known)  # what iCaRL's ranking wants, and no other
    for capacity, classes in ((12, [1, 4]), (13, [1, 0, 4])):
        assert evenly(*after_shrinking(capacity, classes, make_room=drops)) < WRONG


@pytest.mark.parametrize(
    "policy, scenario", [("reservoir", "class"), ("balanced", "class"), ("balanced", "domain")]
)
def test_a_whole_training_keeps_every_sample_with_the_same_chance(policy, scenario):
    sizes = [{0: 9, 1: 6}, {2: 7, 3: 8}] if scenario == "class" else [{0: 9, 1: 6}, {0: 7, 1: 8}]
    stream = numbered(*sizes, scenario=scenario)
    method = Replay(pixel_net(stream), capacity=8, policy=policy)
    run = train(method, stream, seeds=900, batch_size=8, **FAST)
    ids = (run.state["memory.x"][..., 0].long() + 1) * run.state["filled"]  # 0: none
    kept = (ids[..., None] == torch.arange(1, 31)).any(1)
    y = torch.cat([task.train[1] for task in stream])
    came = torch.full((30,), 30) if policy == "reservoir" else torch.bincount(y)[y]
    share = 8 if policy == "reservoir" else 8 // stream.outputs
    assert (kept.sum(1) == 8).all() and evenly(kept, share / came) > RIGHT


@pytest.mark.parametrize("kind", [Replay, DERpp, AGEM, GDumb, LatentReplay, ICaRL])
def test_every_sample_arrives_once_however_many_epochs(kind):
    stream = numbered({0: 9, 1: 6}, {2: 7, 3: 8})
    method = kind(pixel_net(stream), capacity=8)
    run = train(method, stream, seeds=2, epochs=3, batch_size=4, progress=False)
    assert run.state["arrived"].tolist() == [[9, 6, 7, 8]] * 2


# ---- the memory, row by row, against lists


def by_hand(capacity, known, arrivals, newest=False):
    """Oracle: a list of rows for each group; arrivals: (id, group, chance) one after the other."""
    share = capacity // max(sum(known), 1)
    rows, came = {c: [] for c, is_known in enumerate(known) if is_known}, [0] * len(known)
    for number, c, chance in arrivals:
        t = came[c]
        came[c] += 1
        if t < share:
            rows[c].append(number)
        elif share and newest:
            rows[c][t % share] = number
        elif (row := math.floor(chance * (t + 1))) < share:
            rows[c][row] = number
    return rows, came


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("batch", [1, 5, 13, 60])
def test_a_memory_equals_lists_kept_by_hand(batch, newest):
    capacity, known = [0, 3, 10, 11, 26, 60], [True, False, True, True]
    g, lanes = torch.Generator().manual_seed(batch), len(capacity)
    group = torch.tensor([0, 2, 3])[torch.randint(3, (lanes, 60), generator=g)]
    chance = torch.randint(2**20, (lanes, 60), generator=g) / 2**20  # products with t are exact
    state = flat(capacity, 4, known=torch.tensor(known))
    for part in torch.arange(60).split(batch):
        new = {"memory.id": part.expand(lanes, -1)}
        state = memory.store(state, new, group[:, part], chance[:, part], newest)
    for i in range(lanes):
        arrivals = zip(range(60), group[i].tolist(), chance[i].tolist())
        rows, came = by_hand(capacity[i], known, arrivals, newest)
        assert state["arrived"][i].tolist() == came
        for c, ids in rows.items():
            first = memory.first_rows(state)[i, c].item()
            mine = slice(first, first + len(ids))
            assert state["memory.id"][i, mine].tolist() == ids and state["filled"][i, mine].all()
        assert state["filled"][i].sum() == sum(map(len, rows.values()))


def test_ring_holds_exactly_the_newest():
    state, g = flat([0, 4, 9, 40], 2), torch.Generator().manual_seed(0)
    for ids in torch.arange(30).split(7):
        state = arrive(state, ids, ids % 2, g, newest=True)
    for i, share in enumerate((0, 2, 4, 20)):
        want = {n for n in range(30) if n >= 30 - 2 * share}
        assert set(holds(state, range(30))[i].nonzero().flatten().tolist()) == want


def test_make_room_moves_whole_samples_and_leaves_what_fits():
    """Six classes come in mixed order; what stays of each was there before, with all its columns."""
    g, capacity = torch.Generator().manual_seed(0), torch.tensor([0, 6, 7, 25, 60])
    columns = {"id": (torch.uint8,), "y": (torch.uint8,), "wide": (torch.float32, 3)}
    state = {**memory.empty(capacity, 6, columns), "capacity": capacity}
    known, before = torch.zeros(5, 6, dtype=torch.bool), torch.zeros(5, 256, dtype=torch.bool)
    for step, c in enumerate((4, 1, 5, 0, 2, 3)):
        known = known.clone()
        known[:, c] = True
        state = memory.make_room(state, known, torch.rand(5, 1, generator=g))
        assert not (holds(state, range(256)) & ~before).any()
        assert (holds(state, range(256)).sum(1) <= capacity).all()
        ids = torch.arange(20 * c, 20 * c + 12).expand(5, -1)
        wide = torch.stack([ids, ids + 0.25, ids + 0.5], -1)
        new = {"memory.id": ids, "memory.y": torch.full((5, 12), c), "memory.wide": wide}
        state = memory.store(state, new, new["memory.y"], torch.rand(5, 12, generator=g))
        before = holds(state, range(256))
        for i, share in enumerate((capacity // (step + 1)).tolist()):
            full, number = state["filled"][i], state["memory.id"][i]
            assert torch.equal(number[full] // 20, state["memory.y"][i][full])
            assert torch.equal(state["memory.wide"][i][full, 1], number[full] + 0.25)
            counts = torch.bincount(state["memory.y"][i][full], minlength=6)
            assert (counts[known[i]] == min(share, 12)).all() and (counts[~known[i]] == 0).all()
    again = memory.make_room(state, known, torch.rand(5, 1, generator=g))  # nobody new: nobody moves
    assert same(
        {k: v for k, v in again.items() if "memory" not in k},
        {k: v for k, v in state.items() if "memory" not in k},
    )
    assert torch.equal(again["memory.id"][state["filled"]], state["memory.id"][state["filled"]])


def test_no_row_is_ever_out_of_range():
    u = torch.tensor([0.0, 2**-24, 0.5, BELOW_ONE])
    t = torch.cat(
        [
            torch.arange(2000),
            2 ** torch.arange(11, 24),
            2 ** torch.arange(11, 24) - 2,
            torch.tensor([2**24 + 2]),
        ]
    )
    row = reservoir(t[:, None], 100, u)
    assert (
        (row >= 0).all() and (row <= t[:, None]).all() and torch.equal(row[:100], t[:100, None].expand(-1, 4))
    )
    for came in (0, 3, 1000, 2**24 + 1, 2**31, 2**40):
        for newest in (False, True):
            state = flat([0, 1, 7, 20], 2)
            state["arrived"] = state["arrived"] + came
            new = {"memory.id": torch.arange(1, 9).expand(4, -1)}
            group = torch.tensor([0, 1] * 4).expand(4, -1)
            after = memory.store(state, new, group, u.repeat(2).expand(4, -1), newest)
            assert (after["filled"].sum(1) <= state["capacity"]).all() and not after["filled"][:, -1].any()
    among = torch.rand(4, 500, generator=torch.Generator().manual_seed(0)) < torch.tensor(
        [[0], [0.01], [0.5], [1]]
    )
    row = memory.recall(among, u.expand(4, -1))
    assert (row[0] == 0).all() and among[1:].gather(1, row[1:]).all()


def test_recall_draws_every_row_alike():
    """(k + ½) / count for k = 0, 1, … finds each row once."""
    among = torch.tensor([[True, False, True, True, False, True], [False, False, True, False, False, False]])
    u = (torch.arange(4) + 0.5) / 4
    assert memory.recall(among, u.expand(2, -1)).tolist() == [[0, 2, 3, 5], [2, 2, 2, 2]]


# ---- what is stored is what came


def test_levels_are_those_of_the_pictures():
    grey = (torch.arange(256, dtype=torch.uint8) / 255).view(1, 1, 16, 16)
    assert levels(DIGITS.train[0], 8) == 240 and levels(grey, 8) == 255
    assert levels(DIGITS.train[0], 4) == 15
    assert levels((torch.arange(17) / 16).view(1, 1, 1, 17), 8) == 240
    assert levels((grey > 0.5).float(), 4) == 15


@pytest.mark.parametrize("bits", range(2, 9))
def test_stored_pictures_are_off_by_at_most_half_a_step(bits):
    codec, x = Pixels(bits), DIGITS.train[0][None, :50]
    state = {"levels": torch.tensor([levels(x[0], bits)])}
    codes = codec.encode({}, state, x)
    assert codes.shape == (1, 50, 8 * bits) and codes.dtype == torch.uint8
    error = (codec.decode(state, codes, x.shape[2:]) - x).abs().max().item()
    assert error == 0 if bits == 8 else error <= 0.5 / (2**bits - 1) + 1e-6


def test_eight_bits_lose_nothing_of_any_byte():
    grey = (torch.arange(256, dtype=torch.uint8) / 255).view(1, 4, 1, 8, 8)
    state, codec = {"levels": torch.tensor([levels(grey[0], 8)])}, Pixels(8)
    assert torch.equal(codec.decode(state, codec.encode({}, state, grey), grey.shape[2:]), grey)


@pytest.mark.parametrize("policy", ["balanced", "reservoir", "ring"])
@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_the_memory_shows_samples_of_the_stream_with_their_own_labels(policy, scenario):
    stream = split(DIGITS, scenario=scenario)
    method = Replay(mlp(stream, hidden=(10,)), capacity=100, policy=policy)
    run = train(method, stream, seeds=2, **FAST)
    known = {(x.numpy().tobytes(), y.item(), t) for t, task in enumerate(stream) for x, y in zip(*task.train)}
    for i in range(2):
        x, y = method.shows(run.state, stream.shape, i)
        kept = method.keeps(run.state, i)
        assert x.shape == (100, 1, 8, 8) and torch.equal(kept["memory.y"], y.to(torch.uint8))
        if "memory.on" in kept:
            on = kept["memory.on"].tolist()
        else:
            on = (y // 2).tolist()
        assert all((a.numpy().tobytes(), b.item(), t) in known for a, b, t in zip(x, y, on))
        if policy != "reservoir":
            assert (y.bincount(minlength=stream.outputs) == 100 // stream.outputs).all()
    assert not torch.equal(run.state["memory.x"][0], run.state["memory.x"][1])  # seeds differ


# ---- what is rehearsed, and with which weight


def by_loops(net, params, i, batch):
    """Cross entropy of one lane, sample by sample, over the outputs that may answer."""
    own, total = {k: p[i] for k, p in params.items() if k in net.state_dict()}, 0
    active = batch["active"][i].expand(len(batch["y"][i]), -1)  # one row may stand for all
    for x, y, may in zip(batch["x"][i], batch["y"][i], active):
        z = functional_call(net, own, (x[None],))[0].double()
        total = total + torch.log(z[may].exp().sum()) - z[y]
    return total / len(batch["y"][i])


@pytest.mark.parametrize("weighting", ["1/k", "equal"])
@pytest.mark.parametrize("stream", [STREAM, TOLD, rotated(DIGITS, (0, 30, 60))], ids=lambda s: s.scenario)
def test_the_loss_is_the_one_of_the_book(stream, weighting):
    seen, net = [], mlp(stream, hidden=(10,))
    method = spied(Replay, seen)(net, capacity=50, weighting=weighting)
    train(method, stream, seeds=2, steps=4, progress=False, batch_size=8)
    for params, state, batch in seen[3::4]:
        now = batch["task"]
        got = Replay(net, weighting=weighting).loss(params, state, batch)
        for i in range(2):
            want = by_loops(net, params, i, batch)
            if now:
                share = 1 / (now + 1) if weighting == "1/k" else 0.5
                assert batch["old"]["y"].shape == batch["y"].shape
                want = share * want + (1 - share) * by_loops(net, params, i, batch["old"])
            else:
                assert "old" not in batch
            assert abs(got[i].item() - want.item()) < 1e-4


@pytest.mark.parametrize("policy", ["balanced", "reservoir", "ring"])
@pytest.mark.parametrize("scenario", ["class", "domain", "task"])
def test_only_earlier_tasks_are_rehearsed_with_their_own_outputs(policy, scenario):
    shared = scenario == "domain"
    newest = policy == "ring" and shared  # there every task pushes out all before, in its first epoch
    sizes = [{c + (0 if shared else 2 * t): 20 for c in range(2)} for t in range(4)]
    stream, seen = numbered(*sizes, scenario=scenario), []
    method = spied(Replay, seen)(pixel_net(stream), capacity=24, policy=policy)
    train(method, stream, seeds=3, epochs=2, batch_size=9, progress=False)
    labels, rehearsed = torch.cat([task.train[1] for task in stream]), set()
    for _, state, batch in seen:
        now = batch["task"]
        assert ("old" in batch) <= (now > 0) and (("old" in batch) == (now > 0) or newest)
        for i in range(3 if "old" in batch else 0):
            old = batch["old"]
            if not state["old"][i].any():
                continue
            ids = (old["x"][i].flatten() * 255).round().long()
            on = ids // 40
            assert (on < now).all() and torch.equal(labels[ids], old["y"][i])
            may = torch.stack([stream.active(now, t) for t in on.tolist()])
            assert torch.equal(old["active"][i].expand(len(on), -1), may)
            rehearsed |= set(zip([now] * len(on), on.tolist()))
    assert rehearsed == {(now, on) for now in range(4) for on in range(now) if not newest or on == now - 1}


TASK_INCREMENTAL = dict(seeds=5, progress=False, every=10**6)


def test_rehearsal_does_not_hurt_where_the_task_is_told():
    """One mask for all samples once made replay far worse than finetuning here, 0.64 instead of 0.98."""
    net = mlp(TOLD)
    plain = train(Finetune(net), TOLD, **TASK_INCREMENTAL).accuracy[:, -1].mean(-1)
    assert plain.mean() > 0.97  # little is left to win
    for policy in ("balanced", "reservoir", "ring"):
        kept = train(Replay(net, policy=policy), TOLD, **TASK_INCREMENTAL).accuracy[:, -1].mean(-1)
        assert kept.mean() >= plain.mean() and (kept >= plain - 0.01).all()


@pytest.mark.parametrize("kind", [Replay, DERpp, AGEM])
def test_rehearsal_helps_where_every_task_has_outputs_of_its_own(kind):
    stream = rotated(DIGITS, (0, 60, 120), scenario="task")
    net, options = mlp(stream), {**TASK_INCREMENTAL, "epochs": 2, "seeds": 3}
    plain = train(Finetune(net), stream, **options).accuracy[:, -1].mean(-1)
    for policy in ("balanced", "reservoir", "ring") if kind is Replay else ("balanced",):
        assert (train(kind(net, policy=policy), stream, **options).accuracy[:, -1].mean(-1) > plain).all()


# ---- capacity 0, and lanes


SETTINGS = [
    (Replay, {}),
    (Replay, dict(policy="ring", weighting="equal")),
    (Replay, dict(policy="reservoir")),
    (DERpp, {}),
    (AGEM, {}),
    (GDumb, {}),
]


@pytest.mark.parametrize("kind, options", SETTINGS)
@pytest.mark.parametrize("stream", [STREAM, TOLD], ids=lambda s: s.scenario)
def test_capacity_zero_is_finetuning_bit_for_bit(kind, options, stream):
    plain = train(Finetune(NET), stream, seeds=2, epochs=1, progress=False)
    alone = train(kind(NET, capacity=0, **options), stream, seeds=2, epochs=1, progress=False)
    both = sweep(kind(NET, **options), stream, seeds=2, capacity=[0, 30], epochs=1, progress=False)
    assert same(alone.params, plain.params) and same(lane(both.params, [0, 1]), plain.params)
    assert (alone.curve == plain.curve).all() and (both.curve[0] == plain.curve).all()
    assert (alone.predicted == plain.predicted).all() and not same(lane(both.params, [2, 3]), plain.params)
    assert nbytes(kind(NET).keeps(both.state, 1)) == 0 < nbytes(kind(NET).keeps(both.state, 2))


def test_dark_replay_with_no_weight_is_finetuning_bit_for_bit():
    plain = train(Finetune(NET), STREAM, seeds=2, **FAST)
    alone = train(DERpp(NET, alpha=0, beta=0), STREAM, seeds=2, **FAST)
    both = sweep(DERpp(NET), STREAM, seeds=2, alpha=[0, 0.5], beta=[0, 1], **FAST)
    assert same(alone.params, plain.params) and same(lane(both.params, [0, 1]), plain.params)
    assert not any(same(lane(both.params, [i, i + 1]), plain.params) for i in (2, 4, 6))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", ["balanced", "reservoir", "ring"])
def test_lanes_of_a_sweep_equal_the_runs_alone(kind, policy):
    if policy != "balanced" and kind is not Replay:
        return
    options = {"policy": policy} if kind is Replay else {}
    capacities, seeds = [0, 13, 60], [1, 4]
    whole = sweep(kind(NET, **options), STREAM, seeds=seeds, capacity=capacities, **FAST)
    assert whole.accuracy.shape == (3, 2, 5, 5)
    for i, capacity in enumerate(capacities):
        for j, seed in enumerate(seeds):
            method, n = kind(NET, capacity=capacity, **options), 2 * i + j
            alone = train(method, STREAM, seeds=[seed], **FAST)
            for k in alone.params:
                torch.testing.assert_close(whole.params[k][n], alone.params[k][0], rtol=5e-3, atol=5e-4)
            assert np.abs(whole.curve[i, j] - alone.curve[0]).max() < 0.02
            ours, theirs = method.keeps(whole.state, n), method.keeps(alone.state)
            assert ours.keys() == theirs.keys()
            for k in theirs:
                assert ours[k].shape == theirs[k].shape
                apart = (ours[k].float() - theirs[k].float()).abs().max().item() if ours[k].numel() else 0
                assert apart <= (0 if kind in (Replay, AGEM, GDumb, DERpp) and k != "memory.logits" else 1), k


# ---- DER++


def test_stored_logits_are_those_of_the_end_of_the_task():
    stream, ends = numbered({0: 20, 2: 20}, {1: 20, 4: 20}, {3: 20, 5: 20}), []

    class Listening(DERpp):
        def end_task(self, params, state, task):
            after = super().end_task(params, state, task)
            ends.append((copied(params), after))
            return after

    train(Listening(pixel_net(stream), capacity=31), stream, seeds=3, epochs=2, batch_size=7, progress=False)
    logits = [{} for _ in range(3)]  # {id: at the end of its own task}, each seed
    for t, (params, state) in enumerate(ends):
        everything = torch.cat([task.train[0] for task in stream]).expand(3, -1, -1, -1, -1)
        now = apply(pixel_net(stream), params, everything)
        for i in range(3):
            kept = state["filled"][i]
            ids = state["memory.x"][i, kept, 0].long().tolist()
            assert len(ids) == 31 // (2 * t + 2) * (2 * t + 2)
            for number, z in zip(ids, state["memory.logits"][i, kept]):
                if number // 40 == t:
                    logits[i][number] = now[i, number]
                    torch.testing.assert_close(z, now[i, number], rtol=1e-4, atol=1e-6)
                else:
                    torch.testing.assert_close(z, logits[i][number], rtol=1e-4, atol=1e-6)
    assert ends[2][1]["filled"].any() and any(number < 40 for number in logits[0])


def test_the_two_draws_of_dark_replay_are_independent():
    seen = []
    train(spied(DERpp, seen)(NET, capacity=50), STREAM, seeds=4, **FAST)
    rows = torch.stack(
        [
            torch.stack([batch["old"]["row"], batch["dark"]["row"]])
            for _, _, batch in seen
            if "old" in batch and batch["y"].shape[1] == 32
        ]
    )  # (steps, 2, lanes, n)
    old, dark = rows[:, 0], rows[:, 1]
    n = old.numel()
    hits, want = (old == dark).sum().item(), n / 30  # 20 to 50 old ones
    assert n > 3000 and n / 50 / 1.5 < hits < 1.5 * n / 15 and hits < 2 * want
    assert abs(torch.corrcoef(torch.stack([old.flatten(), dark.flatten()]).float())[0, 1]) < 0.15


def test_the_loss_of_dark_replay_written_out():
    seen, net = [], mlp(TOLD, hidden=(10,))
    method = spied(DERpp, seen)(net, capacity=40, alpha=0.3, beta=0.7)
    train(method, TOLD, seeds=2, steps=3, progress=False, batch_size=8)
    for params, state, batch in seen[5::3]:
        got = DERpp(net).loss(params, state, batch)
        for i in range(2):
            own, dark = {k: p[i] for k, p in params.items()}, batch["dark"]
            z = functional_call(net, own, (dark["x"][i],))
            apart = ((z - state["memory.logits"][i, dark["row"][i]]) ** 2).mean()
            want = (
                by_loops(net, params, i, batch) + 0.7 * by_loops(net, params, i, batch["old"]) + 0.3 * apart
            )
            assert abs(got[i].item() - want.item()) < 1e-4 and apart > 0


# ---- A-GEM


def test_projected_gradients_never_raise_the_loss_of_the_kept():
    seen = []
    train(spied(AGEM, seen)(NET, capacity=60), TOLD, seeds=8, epochs=2, progress=False)
    conflicts = free = 0
    for params, state, batch in seen[18::7]:
        theta = {k: p.clone().requires_grad_() for k, p in params.items()}

        def gradient(loss, theta=theta):
            grads = torch.autograd.grad(loss.sum(), list(theta.values()))
            return torch.cat([g.flatten(1) for g in grads], 1).double()

        plain = Finetune(NET)
        g, r = gradient(plain.loss(theta, {}, batch)), gradient(plain.loss(theta, {}, batch["old"]))
        got = gradient(AGEM(NET).loss(theta, state, batch))
        inner, size = (g * r).sum(1), got.norm(dim=1) * r.norm(dim=1)
        assert ((got * r).sum(1) >= -1e-5 * size - 1e-9).all()
        for i in range(8):
            if inner[i] >= 0:
                free += 1
                assert torch.equal(got[i], g[i])
            else:
                conflicts += 1
                want = g[i] - inner[i] / (r[i] @ r[i]) * r[i]
                torch.testing.assert_close(got[i], want, rtol=1e-3, atol=1e-5)
    assert conflicts > 20 and free > 20


# ---- GDumb


def test_gdumb_begins_every_task_at_the_start():
    begun = []

    class Listening(GDumb):
        def begin_task(self, params, state, task):
            params, state = super().begin_task(params, state, task)
            begun.append(copied(params))
            return params, state

    points = list(learn(Listening(NET, capacity=20), STREAM, seeds=2, steps=3))
    assert len(begun) == 5 and all(same(params, points[0].params) for params in begun)
    assert not same(points[-1].params, points[0].params)


@pytest.mark.parametrize("capacity", [4, 12])
def test_gdumb_owes_nothing_to_samples_that_were_never_kept(capacity):
    stream, ever = numbered({0: 30, 1: 30}, {2: 30, 3: 30}), set()

    class Listening(GDumb):
        def after_step(self, params, state, batch):
            state = super().after_step(params, state, batch)
            ever.update(state["memory.x"][0, state["filled"][0], 0].tolist())
            return state

    net, options = pixel_net(stream), dict(epochs=2, batch_size=8)
    points = [p for p in learn(Listening(net, capacity=capacity), stream, **options) if p.ended]
    other = []
    for t, task in enumerate(stream):
        x, y = task.train
        strange = torch.tensor([i + 60 * t not in ever for i in range(len(y))])
        assert strange.any()
        x = torch.where(strange.view(-1, 1, 1, 1), 1 - x, x)
        other.append(Task(task.name, (x, y), task.test, task.classes))
    other = Stream(other, "class", 4)
    again = [p for p in learn(GDumb(net, capacity=capacity), other, **options) if p.ended]
    for a, b in zip(points, again):
        assert same(GDumb(net).keeps(a.state), GDumb(net).keeps(b.state)) and same(a.params, b.params)


# ---- latent replay


def sgd(tensors, lr):
    return torch.optim.SGD(tensors, lr=20 * lr, momentum=0.9, weight_decay=0.01)


def adamw(tensors, lr):
    return torch.optim.AdamW(tensors, lr=lr, weight_decay=0.1)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", sgd, adamw])
@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("capacity", [0, 60])
def test_the_front_stands_still_after_the_first_task(optimizer, fresh, capacity):
    method = LatentReplay(NET, capacity=capacity)
    points = list(learn(method, STREAM, seeds=2, steps=6, every=2, optimizer=optimizer, fresh=fresh))
    first = next(p for p in points if p.ended)
    for k in ("1.weight", "1.bias"):
        assert not torch.equal(first.params[k], points[0].params[k])
        assert all(torch.equal(p.params[k], first.params[k]) for p in points if p.task)
    assert not torch.equal(points[-1].params["3.weight"], first.params["3.weight"])


@pytest.mark.parametrize("optimizer", ["adam", "sgd", sgd, adamw])
@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("capacity", [0, 60])
def test_a_frozen_front_never_moves(optimizer, fresh, capacity):
    begun = lane(train(Finetune(NET), STREAM, seeds=[7], steps=3, progress=False).params, 0)
    method = LatentReplay(NET, capacity=capacity, frozen=True, weights=begun)
    points = list(learn(method, STREAM, seeds=2, steps=6, every=2, optimizer=optimizer, fresh=fresh))
    for k in ("1.weight", "1.bias"):
        assert all(torch.equal(p.params[k], begun[k].expand_as(p.params[k])) for p in points)
    for before, after in zip(points, points[1:]):
        assert not torch.equal(before.params["3.weight"], after.params["3.weight"])


def test_behind_a_frozen_front_the_head_learns_as_ever():
    """In the first task its gradient is finetuning's, the front has none; the scale is of its latents."""
    seen = []
    run = train(spied(LatentReplay, seen)(NET, frozen=True), STREAM, seeds=2, steps=3, progress=False)
    params, state, batch = seen[0]
    theta = {k: p.clone().requires_grad_() for k, p in params.items()}
    ours = LatentReplay(NET, frozen=True).loss(theta, state, batch)
    plain = Finetune(NET).loss(theta, {}, batch)
    torch.testing.assert_close(ours, plain, rtol=1e-6, atol=1e-6)
    want = dict(zip(theta, torch.autograd.grad(plain.sum(), [*theta.values()])))
    ours.sum().backward()
    for k, p in theta.items():
        assert (p.grad is None) == k.startswith("1.")
        assert p.grad is None or torch.allclose(p.grad, want[k], atol=1e-6)
    x = STREAM.tasks[0].train[0].expand(2, -1, -1, -1, -1)
    z = apply(NET[:3], params, x)
    torch.testing.assert_close(run.state["low"], z.amin(1))
    torch.testing.assert_close(run.state["step"], (z.amax(1) - z.amin(1)) / 255)


def test_a_front_that_is_not_frozen_learns_in_the_first_task():
    """There it is finetuning, bit for bit, and comes to something else than a frozen one."""
    options = dict(seeds=2, steps=5, every=5)
    methods = (
        Finetune(NET),
        LatentReplay(NET),
        LatentReplay(NET, frozen=False),
        LatentReplay(NET, frozen=True),
    )
    runs = ([p for p in learn(method, STREAM, **options) if p.ended] for method in methods)
    plain, default, ours, still = runs
    assert all(same(a.params, b.params) and same(a.state, b.state) for a, b in zip(ours, default))
    assert np.array_equal(plain[0].predicted, ours[0].predicted) and same(plain[0].params, ours[0].params)
    assert torch.equal(ours[0].params["1.weight"], ours[-1].params["1.weight"])
    assert not torch.equal(ours[0].params["1.weight"], still[0].params["1.weight"])


def test_a_frozen_front_is_told_in_the_run_and_comes_back_from_its_file(tmp_path):
    method = LatentReplay(NET, capacity=50, frozen=True)
    run = train(method, STREAM, **FAST)
    again = Run.load(run.save(tmp_path / "run"))
    assert run.settings["frozen"] is True is again.settings["frozen"] and same(run.state, again.state)
    x = STREAM.tasks[0].test[0]
    ours, theirs = (method.predict(r.params, r.state, x) for r in (run, again))
    assert torch.equal(ours, theirs) and nbytes(method.keeps(run.state)) == 50 * 21 + 8 * 20


@pytest.mark.parametrize("bits", [2, 4, 5, 8])
def test_latents_are_off_by_at_most_half_a_step(bits):
    method = LatentReplay(NET, bits=bits)
    run = train(method, STREAM, seeds=2, steps=10, progress=False)
    x = STREAM.tasks[0].train[0].expand(2, -1, -1, -1, -1)
    z = apply(NET[:3], run.params, x)  # the front has not moved since
    codec = method.memory.codec
    step, codes = run.state["step"][:, None], codec.encode(run.params, run.state, x)
    assert codes.shape[-1] == math.ceil(20 * bits / 8)
    assert ((codec.decode(run.state, codes) - z).abs() <= 0.501 * step + 1e-6).all()
    torch.testing.assert_close(run.state["low"], z.amin(1))
    torch.testing.assert_close(run.state["step"], (z.amax(1) - z.amin(1)) / (2**bits - 1))
    wild = codec.decode(run.state, codec.encode(run.params, run.state, 5 - 10 * x))
    assert (wild >= z.amin(1)[:, None] - 1e-5).all() and (wild <= z.amax(1)[:, None] + 1e-5).all()


def test_latents_are_those_of_the_kept_samples_and_reach_the_head():
    seen, stream = [], numbered({0: 30, 1: 30}, {2: 30, 3: 30})
    net = mlp(stream, hidden=(6,))
    method = spied(LatentReplay, seen)(net, capacity=20)
    run = train(method, stream, seeds=2, epochs=1, batch_size=8, progress=False)
    assert run.state["filled"].sum(1).tolist() == [20, 20]
    everything = torch.cat([task.train[0] for task in stream]).expand(2, -1, -1, -1, -1)
    labels = torch.cat([task.train[1] for task in stream])
    codes = method.memory.codec.encode(run.params, run.state, everything)
    for i in range(2):
        for row in range(20):
            fits = (codes[i] == run.state["memory.x"][i, row]).all(-1)
            assert (labels[fits] == run.state["memory.y"][i, row]).any()
    params, state, batch = seen[-1]
    got = LatentReplay(net).loss(params, state, batch)
    old = {**batch["old"], "x": batch["old"]["z"]}
    assert old["z"].shape == (2, batch["y"].shape[1], 6)
    for i in range(2):
        want = (by_loops(net, params, i, batch) + by_loops(net[3:], params, i, old)) / 2
        assert abs(got[i].item() - want.item()) < 1e-4


# ---- how small


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_what_is_kept_to_the_byte(scenario, bits):
    stream = split(DIGITS, scenario=scenario)
    net, told = mlp(stream, hidden=(12,)), scenario != "class"
    picture, latent = math.ceil(64 * bits / 8), math.ceil(12 * bits / 8)
    for kind, each, scale in (
        (Replay, picture + 1 + told, 0),
        (AGEM, picture + 1 + told, 0),
        (GDumb, picture + 1 + told, 0),
        (DERpp, picture + 1 + told + 4 * stream.outputs, 0),
        (LatentReplay, latent + 1 + told, 2 * 4 * 12),
    ):
        method = kind(net, bits=bits)
        run = sweep(method, stream, capacity=[0, 57, 200], **FAST)
        for i, capacity in enumerate([0, 57, 200]):
            kept = method.keeps(run.state, i)
            samples = capacity // stream.outputs * stream.outputs
            assert nbytes(kept) == samples * each + scale, (kind.__name__, capacity)
            assert kept.keys() <= {"memory.x", "memory.y", "memory.on", "memory.logits", "low", "step"}
            assert ("memory.on" in kept) == told


@pytest.mark.parametrize("policy", ["balanced", "reservoir", "ring"])
def test_nothing_grows_with_the_stream(policy):
    net = mlp(rotated(DIGITS, (0,)), hidden=(5,))
    method, sizes = Replay(net, capacity=50, policy=policy), set()
    for angles in ((0, 90), (0, 30, 60, 90, 120, 150)):
        for p in learn(method, rotated(DIGITS, angles), steps=40):
            if p.ended:
                sizes.add((nbytes(method.keeps(p.state)), sum(v[0].numel() for v in p.state.values())))
    assert len(sizes) == 1 and sizes.pop()[0] == 50 * (64 + 2)


# ---- the state, and files


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_keeps_its_keys_and_points_keep_theirs(kind):
    """Verbs hand back new dicts: neither a point's state nor the method may change afterwards."""
    method = kind(NET, capacity=23)
    before = copy.copy(method)
    points, copies = [], []
    for p in learn(method, STREAM, seeds=2, steps=5, every=1, batch_size=16):
        points.append(p)
        copies.append((copied(p.state), copied(p.params)))
    for p, (state, params) in zip(points, copies):
        assert same(p.state, state) and same(p.params, params)
        kinds = {k: (v.shape, v.dtype) for k, v in p.state.items()}
        assert kinds == {k: (v.shape, v.dtype) for k, v in points[0].state.items()}
        assert all(len(v) == 2 for v in p.state.values())
    assert method == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_comes_back_from_its_file(kind, tmp_path):
    method = kind(NET, capacity=2000)
    run = sweep(method, STREAM, seeds=2, capacity=[0, 2000], **FAST)
    again = Run.load(run.save(tmp_path / "run"))
    assert same(run.state, again.state) and same(run.params, again.params)
    assert again.notes == run.notes and len(again.notes) == 10
    x = STREAM.tasks[2].test[0]
    ours, theirs = (method.predict(r.params, r.state, x, 2) for r in (run, again))
    assert torch.equal(ours, theirs) and (run.predicted == again.predicted).all()
    assert nbytes(method.keeps(again.state, 2)) == nbytes(method.keeps(run.state, 2)) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_with_few_samples_keeps_them_all_and_says_so(kind):
    stream = numbered({0: 30, 1: 3}, {2: 30, 3: 30})
    net, options = pixel_net(stream), dict(seeds=2, epochs=2, progress=False, batch_size=8)
    cut = {"cut": 2} if kind is LatentReplay else {}
    run = train(kind(net, capacity=40, **cut), stream, **options)
    assert run.notes == ["With capacity 40 class 1 gave 3 samples, fewer than its share of 10: all are kept."]
    kept = kind(net, **cut).keeps(run.state)["memory.y"].tolist()
    assert [kept.count(c) for c in range(4)] == [10, 3, 10, 10]
    assert not train(kind(net, capacity=12, **cut), stream, **options).notes


def test_notes_of_the_other_policies():
    stream = numbered({0: 30, 1: 3}, {2: 30, 3: 30})
    net = pixel_net(stream)
    run = sweep(Replay(net, policy="reservoir"), stream, capacity=[20, 100], **FAST)
    assert run.notes == [
        "With capacity 100 the stream gave 93 samples, fewer than its share of 100: all are kept."
    ]
    run = train(Replay(net, 40, policy="ring"), stream, **FAST)
    assert run.notes == ["With capacity 40 class 1 gave 3 samples, fewer than its share of 10: all are kept."]
    assert train(Finetune(net), stream, **FAST).notes == []


# ---- nets, batches and streams of other shapes


@pytest.mark.parametrize("kind", KINDS)
def test_convolutions_and_odd_batches(kind):
    net = cnn(STREAM, channels=(2, 3))
    method = kind(net, 20, **({"cut": 7} if kind is LatentReplay else {}))
    for size, steps in ((1, 2), (5, 2), (500, 1)):
        run = sweep(method, STREAM, seeds=1, capacity=[0, 20], batch_size=size, steps=steps, progress=False)
        assert np.isfinite(run.curve).all() and not run.lost
        assert (run.state["filled"].sum(1) <= torch.tensor([0, 20])).all()
    assert nbytes(method.keeps(run.state, 1)) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_of_one_task_is_plain_learning(kind):
    stream = split(DIGITS, per_task=10)
    run = train(kind(NET, capacity=50), stream, seeds=2, **FAST)
    assert run.state["filled"].sum(1).tolist() == [50, 50]
    if kind not in (GDumb, ICaRL):
        assert same(run.params, train(Finetune(NET), stream, seeds=2, **FAST).params)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["seen", "all"])
def test_classes_that_come_in_another_order(kind, rule):
    stream = split(DIGITS, order=[7, 2, 9, 0, 4, 1, 8, 3, 5, 6], active=rule)
    method, seen = kind(NET, capacity=50), []
    run = train(spied(kind, seen)(NET, capacity=50), stream, seeds=2, **FAST)
    assert method.keeps(run.state)["memory.y"].bincount().tolist() == [5] * 10
    pictures = {x.numpy().tobytes(): y.item() for x, y in zip(*DIGITS.train)}
    if kind is not LatentReplay:
        x, y = method.shows(run.state, stream.shape, 1)
        assert [pictures[each.numpy().tobytes()] for each in x] == y.tolist()
    _, state, batch = next(s for s in seen if s[2]["task"] == 2 and "old" in s[2])
    assert kind is GDumb or set(batch["old"]["y"].flatten().tolist()) <= {7, 2, 9, 0}


# ---- what bad input gets


BALANCED = [Replay, DERpp, AGEM, GDumb, LatentReplay, ICaRL, lambda *a, **k: Replay(*a, policy="ring", **k)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [-1, 2.5, math.nan, math.inf, "200", None, True])
def test_a_capacity_is_a_whole_number(kind, value):
    error = ValueError if type(value) in (int, float) else TypeError
    with pytest.raises(error, match=r"capacity must be a whole number >= 0, got"):
        kind(NET, capacity=value)
    with pytest.raises(error, match=r"each of capacity must be a whole number >= 0, got"):
        sweep(kind(NET), STREAM, capacity=[20, value], **FAST)


@pytest.mark.parametrize("kind", BALANCED)
@pytest.mark.parametrize("capacity", [1, 9])
def test_a_capacity_that_leaves_a_class_without_a_sample_is_refused(kind, capacity):
    with pytest.raises(ValueError, match=rf"0, which keeps nothing, or at least 10, .* got {capacity}"):
        train(kind(NET, capacity=capacity), STREAM, **FAST)
    with pytest.raises(ValueError, match=rf"0, which keeps nothing, or at least 10, .* got {capacity}"):
        sweep(kind(NET), STREAM, capacity=[0, 100, capacity], **FAST)


def test_few_rows_are_enough_where_classes_do_not_count():
    for capacity in (1, 9):
        run = train(Replay(NET, capacity, policy="reservoir"), STREAM, **FAST)
        assert run.state["filled"].sum() == capacity
    assert train(Replay(NET, 10), STREAM, **FAST).state["filled"].sum() == 10
    assert Replay(NET, 200.0).hyper == {"capacity": 200}


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Replay(NET, policy="fifo"), "one of 'balanced', 'reservoir', 'ring', got 'fifo'"),
        (lambda: DERpp(NET, policy=None), "policy must be one of"),
        (lambda: AGEM(NET, policy="fifo"), "policy must be one of"),
        (lambda: GDumb(NET, policy="fifo"), "policy must be one of"),
        (lambda: LatentReplay(NET, policy="fifo"), "policy must be one of"),
        (lambda: Replay(NET, weighting="k"), "weighting must be one of '1/k', 'equal', got 'k'"),
        (lambda: ICaRL(NET, weighting="k"), "weighting must be one of"),
        (lambda: Replay(NET, bits=1), "bits must be one of 2, .*, got 1"),
        (lambda: Replay(NET, bits=16), "bits must be one of"),
        (lambda: DERpp(NET, alpha=-0.1), "alpha must be a finite number >= 0, got -0.1"),
        (lambda: DERpp(NET, beta=-1), "beta must be a finite number >= 0, got -1"),
        (lambda: DERpp(NET, beta=math.nan), "beta must be a finite number >= 0, got nan"),
        (lambda: sweep(DERpp(NET), STREAM, alpha=[0, -2]), "each of alpha must be .* >= 0, got -2"),
        (lambda: LatentReplay(NET, cut=4), "cut must leave a layer .* got 4"),
        (lambda: LatentReplay(NET, cut=0), "cut must leave a layer .* got 0"),
        (lambda: train(LatentReplay(cnn(STREAM)), STREAM), r"the front must give \(n, channels\), got"),
    ],
)  # fmt: skip
def test_what_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_list_for_a_single_run_and_an_unknown_option_are_refused():
    with pytest.raises(TypeError, match="capacity"):
        Replay(NET, capacity=[10, 20])
    with pytest.raises(TypeError, match="Replay can sweep capacity"):
        sweep(Replay(NET), STREAM, alpha=[1])
    assert "capacity" in inspect.signature(Replay).parameters


# ---- what it buys


@pytest.fixture(scope="module")
def final():
    """{method: mean final accuracy (seeds,)} on split digits, class-incremental, 200 samples."""
    net = mlp(STREAM)
    methods = {"replay": Replay(net), "der": DERpp(net), "finetune": Finetune(net), "joint": Joint(net),
               "plain": Replay(net, policy="reservoir", weighting="equal")}  # fmt: skip
    options = dict(seeds=5, progress=False, every=10**6)
    return {k: train(method, STREAM, **options).accuracy[:, -1].mean(1) for k, method in methods.items()}


def test_two_hundred_samples_are_worth_it(final):
    assert final["finetune"].mean() == pytest.approx(0.19, abs=0.02)
    assert final["replay"].mean() >= 0.88 and final["replay"].min() > 0.85
    assert final["der"].mean() >= 0.80
    assert final["joint"].mean() >= 0.88 and final["replay"].mean() < final["joint"].mean() + 0.02
    assert 0.6 < final["plain"].mean() < final["replay"].mean()


def test_cuda_gives_what_the_processor_gives():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here, so device='cuda' was not tried")
    for kind in KINDS:
        here, there = (train(kind(NET, 50), STREAM, seeds=2, device=d, **FAST) for d in (None, "cuda"))
        assert there.state["memory.x"].is_cuda and np.abs(here.curve - there.curve).max() < 0.05
