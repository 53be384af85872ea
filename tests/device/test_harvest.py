"""Harvests against a capacitor followed piece by piece; wear against a flash on which it is all written."""

import math

import numpy as np
import pytest
import torch

import edgecl_lite as cl
from edgecl_lite.device import harvest as module
from edgecl_lite.device.wear import Wear

STREAM = cl.smartwatch_wearers([1, 2])
NET = cl.wrist_net(STREAM)
BUDGET = cl.budget(cl.Finetune(NET), STREAM, 32, "sgd")
NANO = cl.boards()["nano-33-ble"]


def followed(harvest, piece, save, when, charges=50):
    """(pieces, saves, seconds) of a capacitor that is drained and filled, piece by piece."""
    pieces = saves = 0
    seconds, there = 0.0, 0.0
    for _ in range(charges):
        seconds += (harvest.joules - there) / harvest.watts
        there = harvest.joules
        while there >= piece + save - 1e-12:
            there -= piece
            pieces += 1
            if when == "each":
                there -= save
                saves += 1
        if when == "each":
            there = 0.0  # a piece was begun that died
        else:
            there -= save
            saves += 1
    return pieces, saves, seconds + (harvest.joules - there) / harvest.watts - harvest.joules / harvest.watts


@pytest.mark.parametrize("when", ["each", "last"])
@pytest.mark.parametrize(("joules", "save"), [(0.010, 0.0), (0.010, 0.0013), (0.003, 0.0002), (0.1, 0.05)])
def test_a_pace_is_that_of_a_capacitor_followed_piece_by_piece(joules, save, when):
    harvest, piece = cl.Harvest(joules, 1e-4), 0.0012
    found = cl.pace(harvest, piece, save, pieces=4, when=when)
    pieces, saves, seconds = followed(harvest, piece, save, when)
    hours = seconds / 3600
    assert found.a_charge == pieces / 50
    assert found.saves_an_hour == pytest.approx(saves / hours, rel=1e-6)
    assert found.steps_an_hour == pytest.approx(pieces / 4 / hours, rel=1e-6)
    gathered = harvest.watts * seconds
    assert found.saving == pytest.approx(saves * save / gathered, rel=1e-6, abs=1e-12)
    assert found.lost == pytest.approx(1 - (pieces * piece + saves * save) / gathered, abs=1e-6)


def test_nothing_is_lost_in_a_capacitor_without_end():
    """As a charge grows, the steps of an hour come to what the watts allow."""
    paces = [cl.pace(cl.Harvest(j, 1e-4), 0.004, 0.006, when="last") for j in (0.01, 0.1, 1, 1000)]
    rates = [each.steps_an_hour for each in paces]
    assert (
        rates == sorted(rates) and rates[0] == pytest.approx(36) and rates[-1] == pytest.approx(90, rel=1e-3)
    )


def test_the_joules_of_a_capacitor():
    assert cl.Harvest.of(1e-3, 1e-4, on_v=3, off_v=2).joules == pytest.approx(0.0025)
    for call in (dict(farads=0, watts=1), dict(farads=1, watts=0), dict(farads=1, watts=1, on_v=1)):
        with pytest.raises(ValueError, match="must be a finite number >"):
            cl.Harvest.of(**call)


def test_a_charge_that_holds_exactly_so_many_pieces_holds_them():
    for n in range(1, 60):
        assert cl.pace(cl.Harvest(n * 0.1, 1.0), 0.1).a_charge == n


def test_sleeping_takes_its_share():
    awake, asleep = (cl.pace(cl.Harvest(0.01, 1e-4), 0.001, asleep=w) for w in (0, 2e-5))
    assert asleep.steps_an_hour == pytest.approx(0.8 * awake.steps_an_hour)
    assert (awake.lost, asleep.lost) == (pytest.approx(0), pytest.approx(0.2))
    with pytest.raises(
        cl.NeverEnds, match="takes 100 µJ a second asleep, and 100 µJ come in: it never wakes"
    ):
        cl.pace(cl.Harvest(0.01, 1e-4), 0.001, asleep=1e-4)


@pytest.mark.parametrize("when", ["each", "last"])
@pytest.mark.parametrize("farads", [1e-5, 1e-4, 4.7e-4, 1e-3, 4.7e-3, 1e-2])
@pytest.mark.parametrize("memory", module.MEMORIES)
def test_what_is_said_to_help_helps_and_nothing_larger_does(memory, farads, when):
    harvest = cl.Harvest.of(farads, 1e-4)
    try:
        cl.intermittent(BUDGET, harvest, memory=memory, when=when)
        return
    except cl.NeverEnds as error:
        said = str(error).partition("What would help: ")[2]
    if said.startswith("a charge of"):
        for other in module.MEMORIES:
            with pytest.raises(cl.NeverEnds):
                cl.intermittent(BUDGET.change(micro_batch=1), harvest, memory=other, when=when)
        return
    for way in said.split("; or "):
        size, _, other = way.removeprefix("micro_batch=").partition(", memory=")
        options = dict(memory=other.strip("'") or memory, when=when)
        assert cl.intermittent(BUDGET.change(micro_batch=int(size)), harvest, **options).a_charge >= 1
        if int(size) < 31:
            with pytest.raises(cl.NeverEnds, match="it never ends"):
                cl.intermittent(BUDGET.change(micro_batch=int(size) + 1), harvest, **options)


def test_a_method_that_cannot_be_cut_is_told_of_a_larger_charge_only():
    agem = cl.budget(cl.AGEM(NET, 60), STREAM, 32, "sgd")
    with pytest.raises(cl.NeverEnds, match=r"What would help: a charge of [\d.]+ mJ, and RAM that is kept$"):
        cl.intermittent(agem, cl.Harvest(1e-3, 1e-4))


def test_a_step_in_pieces_takes_the_energy_of_the_step():
    """Without saves, in a charge without end, pieces of any size give the same steps an hour."""
    harvest = cl.Harvest(1e4, 1e-3)
    budgets = [BUDGET.change(micro_batch=m) for m in (None, 16, 10, 1)]
    rates = [cl.intermittent(each, harvest, memory="ram").steps_an_hour for each in budgets]
    step_j = cl.estimate(sum(BUDGET.step.values()), NANO).energy_mj / 1e3
    assert rates == pytest.approx([3600 * (1e-3 - module.ASLEEP_WATTS) / step_j] * 4, rel=1e-5)


def test_what_must_survive_is_what_the_budget_counts():
    weights = sum(p.numel() for p in NET.parameters())
    assert module.survives(BUDGET) == 4 * weights
    assert module.survives(BUDGET.change(micro_batch=8)) == 8 * weights
    adam = cl.budget(cl.Finetune(NET), STREAM)
    tensors = len([*NET.parameters()])
    assert module.survives(adam) == 12 * weights + 4 * tensors
    n = 4 * weights
    spent = cl.estimate(0, NANO, written=n, erased=math.ceil(n / 4096)).flash_mj / 1e3
    assert module.saving_j(n, NANO, "flash") == pytest.approx(spent)
    assert module.saving_j(n, NANO, "ram") == 0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: cl.Harvest(0, 1), "joules must be a finite number > 0, got 0"),
        (lambda: cl.pace(cl.Harvest(1, 1), 0), "piece_j must be a finite number > 0"),
        (lambda: cl.pace(cl.Harvest(1, 1), 1, when="now"), "when must be one of 'each', 'last', got 'now'"),
        (lambda: cl.intermittent(BUDGET, cl.Harvest(1, 1), memory="tape"), "one of 'flash', 'fram', 'ram'"),
        (
            lambda: cl.intermittent(cl.budget(cl.NearestMean(NET), STREAM), cl.Harvest(1, 1)),
            "NearestMean learns without steps",
        ),
        (lambda: cl.row_wear(10, 5000, 1, NANO), "row_bytes must be .* <= 4,096, got 5000"),
        (lambda: cl.row_wear(10, 50, 1, NANO, sessions=0), "sessions must be a finite number > 0"),
        (lambda: cl.slot_wear(10, -1, NANO), "a_day must be a finite number >= 0"),
    ],
)
def test_what_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


# ---- wear


def test_slots_wear_as_they_do_on_a_flash():
    n, saves = 10_000, 7
    slots = cl.Slots(cl.Flash(6, board=NANO))
    for i in range(saves):
        slots.save(bytes([i]) * n)
    wear, flash = cl.slot_wear(n + 16, saves, NANO), slots.flash
    assert (wear.pages, wear.erased) == (6, flash.erases.sum())
    assert wear.a_day.seconds == pytest.approx(flash.spent.seconds, rel=1e-9)
    assert wear.years == pytest.approx(6 * 10_000 / (3 * 7) / 365)
    assert flash.erases.max() - flash.erases.min() <= 1


@pytest.mark.parametrize("gathered", [None, 8])
def test_rows_wear_as_they_do_on_a_flash(gathered):
    """600 rows of 193 bytes, written at random: one by one, or eight at a time."""
    rows, size, writes = 600, 193, 4000
    each = 4096 // size
    flash, dice = cl.Flash(-(-rows // each), board=NANO), np.random.default_rng(0)
    for chunk in np.split(dice.integers(rows, size=writes), writes // (gathered or 1)):
        for page in {int(row) // each for row in chunk}:
            flash.erase(page)
            flash.write(page * 4096, bytes(4096))
    wear = cl.row_wear(rows, size, writes, NANO, sessions=gathered and writes // gathered)
    assert wear.pages == flash.pages
    assert wear.erased == pytest.approx(flash.erases.sum(), rel=0.02)  # 4 % of pages are not quite full
    assert wear.a_day.seconds == pytest.approx(flash.spent.seconds, rel=0.02)
    if gathered is None:
        assert wear.erased == writes


@pytest.mark.parametrize(("came", "capacity"), [(1400, 200), (50, 200), (200, 200), (300, 1), (0, 5)])
def test_a_reservoir_writes_as_often_as_algorithm_r_does(came, capacity):
    runs = 400
    dice = torch.Generator().manual_seed(0)
    t = torch.arange(came).expand(runs, came)
    row = cl.reservoir(t, torch.tensor(capacity), torch.rand(runs, came, generator=dice))
    writes = (row < capacity).sum(1).double()
    error = 4 * writes.std() / runs**0.5 + 1e-9
    assert abs(writes.mean() - cl.reservoir_writes(came, capacity)) <= error


def test_what_is_never_erased_lasts():
    assert Wear(NANO, 4, 0.0, 0.0).years == math.inf
