"""The memory against oracles: lists kept by hand, chi-square over many seeds; and the codecs."""

import math

import pytest
import torch
from small import DIGITS, FAST, numbered, pixel_net, same

from edgecl_lite import AGEM, DERpp, GDumb, ICaRL, LatentReplay, Replay, mlp, reservoir, split, train
from edgecl_lite.methods import memory
from edgecl_lite.methods.codecs import Pixels, levels

KINDS = [Replay, DERpp, AGEM, GDumb, LatentReplay, ICaRL]
BELOW_ONE = 1 - 2**-24  # the largest that torch.rand gives

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
