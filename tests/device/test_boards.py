"""Boards: borders to the byte, advice that helps, refusal before the first step, the model's closed forms."""

import csv
import itertools
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torch import nn

import edgecl_lite
from edgecl_lite import (
    AGEM,
    EWC,
    Board,
    DERpp,
    DoesNotFit,
    Finetune,
    GDumb,
    ICaRL,
    Joint,
    LatentReplay,
    LwF,
    NearestMean,
    PackNet,
    Piggyback,
    Replay,
    Separate,
    StreamingLDA,
    boards,
    budget,
    cnn,
    digits,
    estimate,
    fits,
    flash_years,
    mlp,
    pages,
    split,
    train,
)
from edgecl_lite.device import rules

DIGITS = digits()
STREAM = split(DIGITS)
OWN = Board("own", "A board of my own", 10**6, 1000, 10**6, 1e8, 2, 4, 0.5)
HEADS = {"StreamingLDA": StreamingLDA, "NearestMean": NearestMean}


def every_method(net, capacity=500):
    cut, rehearse = len(net) - 1, [Replay, DERpp, AGEM, GDumb, ICaRL]
    methods = [Finetune(net), Joint(net), EWC(net), LwF(net), *(kind(net, capacity) for kind in rehearse)]
    methods += [LatentReplay(net, capacity, cut=cut, frozen=frozen) for frozen in (False, True)]
    methods += [kind(net, frozen=f) for kind in HEADS.values() for f in (False, True)]
    return methods + [Separate(net), Piggyback(net), PackNet(net)]


# ---- the table


def rows():
    path = Path(edgecl_lite.__file__).with_name("device") / "boards.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_of_the_table_is_well_formed():
    names, figures = [field.name for field in fields(Board)], "ram reserved flash cores external block page"
    assert len(rows()) == len(boards()) >= 8 and len({row["title"] for row in rows()}) == len(rows())
    for row in rows():
        assert list(row) == names and all(isinstance(value, str) for value in row.values()), row
        assert re.fullmatch(r"[a-z0-9-]+", row["name"]) and row["title"].strip()
        assert all(re.fullmatch(r"\d+", row[k]) for k in figures.split())
        board = boards()[row["name"]]
        assert 0 < board.usable <= board.ram < board.flash * 10 and 0 <= board.reserved < board.ram
        assert 1e7 <= board.hertz <= 5e9 and 1 <= board.cores <= 16 and 1 <= board.flop_per_cycle <= 64
        assert 0.001 <= board.watts <= 30 and 0.001 <= board.flash_watts <= 30
        assert 0 < board.piece <= board.usable <= board.reach and board.block <= board.ram
        assert 512 <= board.page <= board.flash and 0 <= board.erase_ms < 1e4 and 0 < board.write_us < 100
        assert set(row["verified"].split()) <= {*names} - {"name", "title", "verified", "source", "reserved"}
        assert len(row["source"]) > 15  # where it was read, or why nowhere
        assert row["verified"] or re.search("no |not |memory", row["source"])


@pytest.mark.parametrize(
    "name, facts",
    [
        (
            "nano-33-ble",
            dict(ram=256 * 2**10, flash=2**20, hertz=64e6, external=0, block=256 * 2**10)
            | dict(page=4096, erase_ms=89.7, flash_watts=0.012),
        ),
        (
            "esp32-s3",
            dict(ram=512 * 2**10, flash=32 * 2**20, hertz=240e6, external=8 * 2**20, block=416 * 2**10),
        ),
        (
            "stm32f746",
            dict(ram=320 * 2**10, flash=2**20, hertz=216e6, external=8 * 2**20, block=320 * 2**10)
            | dict(page=256 * 2**10),
        ),
        (
            "stm32h743",
            dict(ram=992 * 2**10, flash=2 * 2**20, hertz=480e6, external=0, block=512 * 2**10)
            | dict(page=128 * 2**10, erase_ms=1100),
        ),
        ("coral-micro", dict(ram=64 * 2**20, flash=128 * 2**20, hertz=800e6)),
        ("pi-zero-2w", dict(watts=1.8)),
        ("pi-4b", dict(watts=6.1)),
        ("phone", {}),
        ("orin-nano", dict(ram=8 * 2**30, hertz=1.5e9, cores=6)),
    ],
)
def test_verified_figures_are_those_that_were_read(name, facts):
    board = boards()[name]
    assert {k: getattr(board, k) for k in facts} == facts
    assert set(board.verified.split()) == {*facts}


def test_what_a_board_says_of_itself():
    assert OWN.usable == 999_000 and OWN.peak == 1e8 * 2 * 4
    nano = boards()["nano-33-ble"]
    assert (
        nano.usable == 192 * 2**10 and nano.peak == 64e6 and fits(budget(Finetune(mlp(STREAM)), STREAM), nano)
    )


@pytest.mark.parametrize("name", ["nano", "", None, 5, "Nano-33-BLE"])
def test_an_unknown_board_lists_the_known(name):
    b = budget(Finetune(mlp(STREAM)), STREAM)
    ask = [
        lambda: fits(b, name),
        lambda: estimate(1, name),
        lambda: flash_years(1, name),
        lambda: pages(1, name),
    ]
    if name is not None:
        ask.append(lambda: fits(budget(Finetune(mlp(STREAM)), STREAM), name).or_refuse())
    for question in ask:
        with pytest.raises(ValueError, match=", ".join(boards())) as error:
            question()
        assert repr(name) in str(error.value)


# ---- the border, to the byte


def test_a_byte_more_and_a_byte_less():
    for method in every_method(mlp(STREAM)):
        b = budget(method, STREAM)
        for reserved in (0, 777):
            exact = replace(OWN, ram=b.ram + reserved, reserved=reserved, flash=b.flash)
            verdict = fits(b, exact)
            assert verdict and not verdict.short and verdict.changes == ()
            less = fits(b, replace(exact, ram=exact.ram - 1))
            assert not less and less.short == {"RAM": 1}
            assert f"needs {b.ram:,} B of RAM, there are {b.ram - 1:,} B" in str(less)
            if b.flash:
                less = fits(b, replace(exact, flash=exact.flash - 1))
                assert not less and less.short == {"flash": 1}
                assert less.largest[1] == max(n for _, n, where in b.lines if where == "flash")
            both = fits(b, replace(exact, ram=exact.ram - 5, flash=exact.flash - 3))
            assert both.short == ({"RAM": 5, "flash": 3} if b.flash else {"RAM": 5})


def test_a_verdict_says_what_is_needed_what_there_is_and_the_largest_part():
    b = budget(Replay(mlp(STREAM), 500), STREAM)
    no = fits(b, replace(OWN, ram=101_000))
    assert not no and bool(fits(b, OWN)) and no.board.usable == 100_000
    text = str(no)
    assert text.startswith("Replay does not fit A board of my own: it needs ")
    assert f"needs {b.ram / 1024:.0f} KB of RAM, there are 97.7 KB." in text
    what, n = no.largest
    assert (what, n) in [line[:2] for line in b.lines] and n == max(
        m for _, m, where in b.lines if where == "RAM"
    )
    assert f"The largest part: {what}, {n / 1024:.1f} KB." in text
    assert len(no.changes) == 2 and f"What would help: {'; or '.join(no.changes)}." in text
    yes = str(fits(b, OWN))
    assert yes.startswith("Replay fits A board of my own: ") and f"{b.ram / 1024:.0f} KB of 976 KB RAM" in yes
    tiny = fits(b, replace(OWN, ram=1001, flash=1))
    assert tiny.changes == () and str(tiny).endswith("What would help: only a larger board.")


# ---- where it fits


def banks(b, usable, block=0, external=0):
    """The verdict on a board of so many bytes in all, in its largest piece, and outside the chip."""
    return fits(b, replace(OWN, ram=usable + 90, reserved=90, block=block, external=external))


def test_the_mildest_place_that_holds_it_to_the_byte():
    b = budget(Replay(mlp(STREAM), 500), STREAM)
    n = b.ram
    assert banks(b, n).place == banks(b, n, n).place == banks(b, 2 * n, n, 10 * n).place == "one piece"
    assert banks(b, n, n - 1).place == banks(b, 2 * n, n - 1, 10 * n).place == "banks"
    assert banks(b, n - 1, 0, 1).place == banks(b, n - 1, n // 2, 10 * n).place == "outside"
    no = banks(b, n - 7, n // 2, 6)
    assert no.place == "" and no.short == {"RAM": 1} and not no
    assert all((banks(b, n - 1, 0, 1), banks(b, n, n - 1)))
    # what system and radio take does not shrink a piece that can stand beside them
    beside = replace(OWN, ram=3 * n, block=n, reserved=n)
    assert beside.piece == n and replace(beside, reserved=5 * n // 2).piece == n - n // 2


def test_a_verdict_says_where_in_plain_words():
    b = budget(Replay(mlp(STREAM), 500), STREAM)
    one, cut, out = (str(v) for v in (banks(b, b.ram), banks(b, b.ram, 70_000), banks(b, 70_000, 0, 10**7)))
    assert one.startswith("Replay fits A board of my own: ") and "bank" not in one and "outside" not in one
    assert "only cut by hand over banks of RAM, the largest of 68.4 KB: " in cut
    assert "only with RAM outside the chip, which is slower (inside are 68.4 KB): " in out
    assert f"{b.ram / 1024:.0f} KB of 9.6 MB RAM" in out


def test_the_boards_of_the_table_differ_in_where():
    b = budget(Replay(cnn(STREAM)), STREAM)
    known = {name: fits(b, name).place for name in boards()}
    assert known["nano-33-ble"] == "" and known["stm32h743"] == "banks"
    assert known["esp32-s3"] == known["stm32f746"] == "outside" and known["phone"] == "one piece"


def test_pages_are_whole():
    assert [pages(n, "nano-33-ble") for n in (0, 1, 4096, 4097, 30_040)] == [0, 1, 1, 2, 8]
    assert pages(30_040, "stm32f746") == 1 and pages(2.5, replace(OWN, page=1)) == 3
    with pytest.raises(ValueError, match="n must be a finite number >= 0, got -1"):
        pages(-1, OWN)


# ---- what would help

NUMBER = {
    "micro_batch": r"micro-batches of (\d+) instead of (\d+) \(the same gradient, added up\)",
    "batch_size": r"a batch of (\d+) instead of (\d+)",
    "bits": r"(\d) bits a value instead of (\d)",
    "capacity": r"a capacity of (\d+) instead of (\d+)",
    "weight_bytes": r"weights of (\d) byte instead of (\d) \(by an engine that trains so\)",
}
PLAIN = {
    "computing activations again in the backward pass instead of keeping them": dict(recompute=True),
    "an engine that keeps only what the backward pass needs": dict(engine="lean"),
}
HEAD, NETWORK = (
    r"a front that comes trained and stands still, (\w+) behind it \(.* of RAM\)",
    (r"a network of at most about ([\d,]+) weights instead of ([\d,]+)(, plain SGD and a batch of 1)?"),
)


def taken(b, advice, nets=None):
    """The budget where the advice was taken word by word; of nets the largest that it allows."""
    if found := re.fullmatch(HEAD, advice):
        method = HEADS[found[1]](b.method.net, cut=getattr(b.method, "cut", -1), frozen=True)
        return budget(method, b.stream, b.batch_size, b.optimizer, b.weight_bytes)
    if found := re.fullmatch(NETWORK, advice):
        most, was = (int(n.replace(",", "")) for n in found.groups()[:2])
        assert was == b.net.weights and most < was
        largest = max((other for other in nets if other.net.weights <= most), key=lambda o: o.net.weights)
        assert largest.net.weights > 0.3 * most, "the nets to choose from are too coarse"
        anew = largest.change(batch_size=b.batch_size, optimizer=b.optimizer, weight_bytes=b.weight_bytes)
        return anew.change(optimizer="sgd", batch_size=1) if found[3] else anew
    changes = {}
    for part in advice.split(" and "):
        if part == f"plain SGD instead of {b.optimizer}" and b.optimizer != "sgd":
            changes["optimizer"] = "sgd"
            continue
        if part in PLAIN:
            assert all(getattr(b, k) != v for k, v in PLAIN[part].items())
            changes |= PLAIN[part]
            continue
        (name, found), *more = [(k, m) for k, r in NUMBER.items() if (m := re.fullmatch(r, part))]
        now = {**vars(b), **b.hyper, "micro_batch": b.piece}
        old = now[name]
        assert not more and name not in changes and int(found[2]) == old > int(found[1]), part
        changes[name] = int(found[1])
    return b.change(**changes)


def nets_for(which, make, widths=(1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 120)):
    """Budgets of one method over larger and larger nets."""
    return [budget(every_method(make(k))[which], STREAM) for k in widths]


SHARES = list(itertools.product((0.98, 0.6, 0.25, 0.06), (2, 0.7, 0.2)))
SIZE = {"one": 160, "two": 60, "cnn": 40}
MAKE = {
    "one": lambda k: mlp(STREAM, hidden=(k,)),
    "two": lambda k: mlp(STREAM, hidden=(k, 2 * k)),
    "cnn": lambda k: cnn(STREAM, channels=(k,)),
}


CASES = [*itertools.product(["one"], range(17)), *itertools.product(["two"], range(0, 17, 3))]
CASES += itertools.product(["cnn"], (0, 3, 9, 11))


@pytest.mark.parametrize("shape, which", CASES)
def test_every_change_that_a_verdict_recommends_makes_it_fit(shape, which):
    largest, nets, kinds = budget(every_method(MAKE[shape](SIZE[shape]))[which], STREAM), [], set()
    for b in (largest, largest.change(optimizer="sgd", weight_bytes=1, batch_size=6)):
        for ram, flash in SHARES:
            board = replace(OWN, ram=int(b.ram * ram), reserved=0, flash=int(b.flash * flash))
            verdict = fits(b, board)
            assert (
                not verdict
                and len(verdict.changes) <= 2
                and len(set(verdict.changes)) == len(verdict.changes)
            )
            for advice in verdict.changes:
                if "network" in advice:
                    nets = nets or nets_for(which, MAKE[shape])
                other = taken(b, advice, nets)
                assert fits(other, board), (advice, fits(other, board).short)
                kinds.add(advice.split()[1])
    assert kinds


@pytest.mark.parametrize("which", range(17))
def test_advice_for_the_boards_of_the_table_makes_it_fit(which):
    b = budget(every_method(MAKE["one"](2000), capacity=20_000)[which], STREAM)
    nets, refused = [], 0
    for board in boards().values():
        verdict = fits(b, board)
        refused += not verdict
        for advice in verdict.changes:
            if "network" in advice:
                nets = nets or nets_for(which, MAKE["one"], (1, 2, 5, 12, 25, 50, 100, 200, 400, 800, 1600))
                nets = [n.change(**{k: b.hyper[k] for k in b.hyper.keys() & {"capacity"}}) for n in nets]
            assert fits(taken(b, advice, nets), board), advice
    assert refused or b.ram < 200_000


@pytest.mark.parametrize("shape", [lambda k: (k,), lambda k: (k, k)], ids=["one", "two"])
def test_a_smaller_front_really_fits(shape):
    """The hardest case: what is kept goes with the width, the weights with its square, a picture stays."""
    nets = [budget(NearestMean(mlp(STREAM, hidden=shape(k)), frozen=True), STREAM) for k in range(1, 41)]
    found = 0
    for share in (0.7, 0.5, 0.4, 0.3, 0.25):
        board = replace(OWN, ram=int(share * nets[-1].ram), reserved=0)
        for advice in fits(nets[-1], board).changes:
            found += "network" in advice
            assert fits(taken(nets[-1], advice, nets), board), (share, advice)
    assert found > 1


def test_no_larger_network_is_ever_advised():
    """Where a batch of 1 is all that is needed, a network with it could even grow: that is no advice."""

    class Whole(nn.Module):  # cannot be cut, so that no other head comes before the network
        def __init__(self):
            super().__init__()
            self.net = cnn(STREAM)

        def forward(self, x):
            return self.net(x)

    b = budget(Finetune(Whole()), STREAM, optimizer="sgd")
    verdict = fits(b, replace(OWN, ram=b.need.activations, reserved=0))
    assert verdict.changes and not any("network" in advice for advice in verdict.changes)


def test_the_advice_is_the_mildest():
    """One more sample in the batch, or in the memory, and it would no longer fit."""
    net = mlp(STREAM)
    for method in (Finetune(net), Replay(net, 500), LatentReplay(net, 500), AGEM(net, 500)):
        b, seen = budget(method, STREAM), set()
        for ram, flash in itertools.product((2, 0.98, 0.75, 0.5), (2, 0.95, 0.7)):
            board = replace(OWN, ram=int(b.ram * ram), reserved=0, flash=int(b.flash * flash))
            for advice in fits(b, board).changes:
                if " and " in advice or "network" in advice:
                    continue
                for name in ("micro_batch", "batch_size", "capacity"):
                    if found := re.fullmatch(NUMBER[name], advice):
                        seen.add(name)
                        more = b.change(**{name: int(found[1]) + 1})
                        assert not fits(more, board) or int(found[1]) + 1 == int(found[2]), advice
        assert ("batch_size" if type(method) is AGEM else "micro_batch") in seen
        assert "capacity" in seen or type(method) is not Replay


def test_micro_batches_come_before_all_that_changes_what_is_learned():
    """And a smaller batch, which does, is only offered to a method that cannot be cut."""
    net = cnn(STREAM)
    for method in (Replay(net), AGEM(net)):
        first, *others = fits(budget(method, STREAM), "nano-33-ble").changes
        way = "batch_size" if type(method) is AGEM else "micro_batch"
        assert re.fullmatch(NUMBER[way], first)
        assert not any("a batch of" in advice for advice in others)
    already = budget(Replay(net), STREAM, micro_batch=8)
    assert fits(already, "nano-33-ble").changes[0].startswith("micro-batches of 4 instead of 8 ")
    tiny = replace(OWN, ram=budget(Replay(net), STREAM, micro_batch=1).ram - 1, reserved=0)
    for advice in fits(already.change(micro_batch=1), tiny).changes:
        assert "micro" not in advice and fits(taken(already.change(micro_batch=1), advice), tiny)


def test_two_changes_at_once_where_one_is_not_enough():
    b = budget(Replay(mlp(STREAM), 500), STREAM)
    board = replace(OWN, ram=int(0.7 * b.ram), reserved=0, flash=int(0.7 * b.flash))
    first = fits(b, board).changes[0]
    assert " and " in first and fits(taken(b, first), board)
    for alone in first.split(" and "):
        assert not fits(taken(b, alone), board)
    assert len({str(fits(b, board)) for _ in range(3)}) == 1


def test_the_advice_never_makes_anything_larger():
    b = budget(Replay(mlp(STREAM), 500, bits=2), STREAM)  # fewer bits already than the advice would take
    for ram, flash in SHARES:
        for advice in fits(
            b, replace(OWN, ram=int(b.ram * ram), reserved=0, flash=int(b.flash * flash))
        ).changes:
            assert "bits" not in advice


def test_a_rule_of_ones_own_may_leave_nothing_that_shrinks(monkeypatch):
    class Mine(Finetune):
        pass

    only = rules.Need((0, 0), 0, 5000, 1, 1, keeps={"samples": 7000})
    monkeypatch.setitem(rules.RULES, Mine, lambda c: only)
    b = budget(Mine(mlp(STREAM)), STREAM)
    for ram, flash in ((4999, 7000), (5000, 6999), (1, 1), (40_000, 6999)):
        verdict = fits(b, replace(OWN, ram=ram, reserved=0, flash=flash))
        assert not verdict and str(verdict)
    assert fits(b, replace(OWN, ram=5000, reserved=0, flash=7000))


# ---- training on a board


def small(b, ram=0.5):
    return replace(OWN, ram=int(b.ram * ram), reserved=0)


class Untouchable(EWC):
    """Nothing of a training may begin."""

    def start(self, *_):
        raise AssertionError("the training began")

    loss = begin_task = start


def test_a_training_is_refused_before_its_first_step(monkeypatch):
    net = mlp(STREAM)
    method, b = Untouchable(net), budget(EWC(net), STREAM, batch_size=16, optimizer="sgd")
    monkeypatch.setitem(rules.RULES, Untouchable, rules.RULES[EWC])
    before, weights = torch.get_rng_state(), {k: p.clone() for k, p in net.named_parameters()}
    monkeypatch.setattr(torch, "rand", None)
    with pytest.raises(DoesNotFit) as error:
        fits(budget(method, STREAM, batch_size=16, optimizer="sgd"), small(b)).or_refuse()
    verdict = error.value.verdict
    assert str(error.value) == str(verdict) and not verdict and isinstance(error.value, MemoryError)
    assert verdict.budget.lines == b.lines and verdict.board == small(b)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(weights[k], p) and p.grad is None for k, p in net.named_parameters())


def test_what_fits_is_handed_back():
    verdict = fits(budget(Finetune(mlp(STREAM)), STREAM), "nano-33-ble")
    assert verdict and verdict.or_refuse() is verdict


def momentum(tensors, lr):
    return torch.optim.SGD(tensors, lr=lr, momentum=0.9)


def adamw(tensors, lr):
    return torch.optim.AdamW(tensors, lr=lr)


@pytest.mark.parametrize(
    "optimizer, name",
    [("sgd", "sgd"), ("adam", "adam"), (torch.optim.SGD, "sgd"), (torch.optim.Adam, "adam"),
     (momentum, "momentum"), (adamw, "adam"), (lambda tensors, lr: torch.optim.SGD(tensors, lr=lr), "sgd")],
)  # fmt: skip
def test_a_callable_counts_as_what_it_keeps(optimizer, name):
    method = Finetune(mlp(STREAM))
    exact = replace(OWN, ram=budget(method, STREAM, optimizer=name).ram, reserved=0)
    need = budget(method, STREAM, optimizer=optimizer)
    assert need.optimizer == name and fits(need, exact)
    assert not fits(need, replace(exact, ram=exact.ram - 1))


def test_an_optimiser_that_keeps_something_else_is_refused():
    def rms(tensors, lr):
        return torch.optim.RMSprop(tensors, lr=lr)

    with pytest.raises(
        ValueError, match="as much as sgd, momentum, adam, got one that keeps 4 bytes a weight and 4"
    ):
        budget(Finetune(mlp(STREAM)), STREAM, optimizer=rms)


def test_batch_size_and_hyper_parameters_reach_the_board():
    net = mlp(STREAM)
    exact = replace(
        OWN,
        ram=budget(Replay(net), STREAM, batch_size=4).ram,
        reserved=0,
        flash=budget(Replay(net, 90), STREAM).flash,
    )
    assert fits(budget(Replay(net, 90), STREAM, batch_size=4), exact)
    for capacity, n in ((90, 5), (100, 4)):
        with pytest.raises(DoesNotFit):
            fits(budget(Replay(net, capacity), STREAM, batch_size=n), exact).or_refuse()


# ---- time and energy, a model


def test_an_estimate_has_a_closed_form():
    board = replace(OWN, erase_ms=20, write_us=40, flash_watts=0.25)
    e = estimate(3e9, board, sent=1000, written=5000, erased=2)
    seconds = 3e9 / (0.2 * 8e8)
    halted = 2 * 20e-3 + 1250 * 40e-6  # 5,000 bytes are 1,250 words
    assert e.seconds == pytest.approx(seconds + halted) and e.halted == pytest.approx(halted)
    assert e.computing_mj == pytest.approx(1000 * 0.5 * seconds), "nothing is computed while it halts"
    assert e.radio_mj == pytest.approx(1000 * 8 * 100e-9 * 1000)  # bits · joules a bit, in millijoules
    assert e.flash_mj == pytest.approx(1000 * 0.25 * halted)
    assert e.energy_mj == pytest.approx(e.computing_mj + e.radio_mj + e.flash_mj)
    other = estimate(3e9, OWN, 1000, efficiency=0.4, radio_nj_per_bit=50)
    assert other.seconds == pytest.approx(seconds / 2) and other.halted == 0
    assert other.computing_mj == pytest.approx(e.computing_mj / 2)
    assert other.radio_mj == pytest.approx(e.radio_mj / 2)
    assert estimate(0, "nano-33-ble").energy_mj == 0
    nano = estimate(64e6, "nano-33-ble", efficiency=1)
    assert (nano.seconds, nano.energy_mj) == pytest.approx((1, 10))  # a second at 10 mW


def test_a_network_of_eight_pages_stops_the_nano_for_a_second():
    """8 pages of at most 89.7 ms, 7,510 words of 41 µs, 4 mA at 3 V."""
    e = estimate(0, "nano-33-ble", written=30_040, erased=pages(30_040, "nano-33-ble"))
    assert e.seconds == e.halted == pytest.approx(8 * 0.0897 + 7510 * 41e-6)
    assert e.energy_mj == e.flash_mj == pytest.approx(1000 * 0.004 * 3 * e.halted)
    assert 1.0 < e.seconds < 1.1 and 12 < e.energy_mj < 12.5


def test_flash_years_has_a_closed_form():
    board = replace(OWN, flash=2**20)
    assert flash_years(2**20, board) == pytest.approx(10_000 / 365)
    assert flash_years(1, board, cycles=500) == pytest.approx(256 * 500 / 365)
    assert flash_years(4097, board, a_day=10) == pytest.approx(256 * 10_000 / 20 / 365)
    assert flash_years(30_040, "nano-33-ble", a_day=0.5) == pytest.approx(256 * 10_000 / 4 / 365)
    assert flash_years(1, replace(board, flash=2**20 + 4095)) == flash_years(1, board)  # whole pages
    assert flash_years(2**20, "nano-33-ble", cycles=365) == pytest.approx(1)


@pytest.mark.parametrize("name", ["flops", "sent", "written", "erased", "efficiency", "radio_nj_per_bit"])
@pytest.mark.parametrize("value", [-1, -1e-9, float("nan"), float("inf"), "much", None])
def test_negative_amounts_are_refused(name, value):
    error = ValueError if isinstance(value, int | float) else TypeError
    with pytest.raises(error, match=f"{name} must be a finite number"):
        estimate(**{"flops": 1, "on": OWN, name: value})


def test_amounts_that_make_no_sense_are_refused():
    for value in (-3, float("nan"), float("inf")):
        for options in (dict(session=value), dict(session=1, a_day=value), dict(session=1, cycles=value)):
            with pytest.raises(ValueError, match="must be a finite number"):
                flash_years(on=OWN, **options)
    for options in (dict(session=0), dict(session=1, a_day=0)):
        with pytest.raises(ValueError, match="(session|a_day) must be a finite number > 0, got 0"):
            flash_years(on=OWN, **options)
    with pytest.raises(ValueError, match="efficiency must be a finite number > 0 and <= 1, got"):
        estimate(1, OWN, efficiency=0)
    with pytest.raises(ValueError, match="efficiency must be a finite number > 0 and <= 1, got"):
        estimate(1, OWN, efficiency=1.01)


def test_a_verdict_names_both_memories_that_are_short():
    b = budget(Replay(mlp(STREAM)), STREAM)
    verdict = fits(b, replace(OWN, ram=b.ram - 5, reserved=0, flash=1000))
    assert f"it needs {b.ram:,} B of RAM, there are {b.ram - 5:,} B, and " in str(verdict)
    assert "of flash, there are 1000 B" in str(verdict)
    assert verdict.largest == ("weights", 30_040), "flash is by far the tighter one"


def test_fits_wants_a_budget_and_a_board():
    with pytest.raises(TypeError, match="fits needs a Budget, as of budget.*, got Replay"):
        fits(Replay(mlp(STREAM)), "nano-33-ble")
    with pytest.raises(ValueError, match="board must be one of nano-33-ble, .*got .'nano'"):
        fits(budget(Replay(mlp(STREAM)), STREAM), ["nano"])
    with pytest.raises(ValueError, match="reserved must leave some of the 100 bytes, got 101"):
        replace(OWN, ram=100, reserved=101)
    with pytest.raises(ValueError, match="block must be a piece of the 1,000,000 bytes, got 1,000,001"):
        replace(OWN, block=1_000_001)
    for name in ("external", "block", "page", "erase_ms", "write_us", "flash_watts"):
        with pytest.raises(ValueError, match=f"{name} must be a finite number >"):
            replace(OWN, **{name: -1})


def test_train_says_how_to_ask_a_board():
    with pytest.raises(TypeError, match=r"unknown option 'board'; ask before: fits\(budget\(method, stream"):
        train(Replay(mlp(STREAM)), STREAM, board="nano-33-ble")
