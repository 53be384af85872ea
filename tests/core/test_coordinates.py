"""Lanes have coordinates: `Lanes` says which is which, `run.at` gives the part of a Run at some of them."""

import itertools

import numpy as np
import pytest
import torch

import edgecl_lite as cl
from edgecl_lite.lanes import Lanes

STREAM = cl.rotated(cl.digits(), (0, 60))
NET = cl.mlp(STREAM, hidden=(8,))
GRID = {"lam": [0.0, 10.0, 1e9], "gamma": [0.5, 1.0]}
AXES = Lanes(GRID, [3, 5, 8])


@pytest.fixture(scope="module")
def run():
    options = dict(seeds=[3, 5, 8], steps=20, every=10, optimizer="sgd", lr=0.1, progress=False)
    with pytest.warns(UserWarning, match="lanes are lost"):  # λ = 1e9 is too stiff for plain SGD
        return cl.sweep(cl.OnlineEWC(NET, samples=20), STREAM, **GRID, **options)


def test_lanes_are_the_cells_in_order_with_the_seeds_innermost():
    cells = [
        dict(lam=lam, gamma=gamma, seed=seed)
        for lam, gamma, seed in itertools.product(GRID["lam"], GRID["gamma"], [3, 5, 8])
    ]
    assert AXES.cells == cells and len(AXES) == 18 and AXES.shape == (3, 2, 3)
    for name, values in AXES.axes.items():
        assert [values[i] for i in AXES.of(name).tolist()] == [cell[name] for cell in cells]


@pytest.mark.parametrize(
    "at",
    [{}, {"lam": 10.0}, {"lam": 10}, {"seed": 5}, {"seed": [8, 3]}, {"lam": [0.0, 1e9], "gamma": 1.0},
     {"lam": 0.0, "gamma": 0.5, "seed": 8}],
)  # fmt: skip
def test_where_finds_the_lanes_that_fit(at):
    fits = lambda cell, k, v: cell[k] in v if isinstance(v, list) else cell[k] == v
    want = [i for i, cell in enumerate(AXES.cells) if all(fits(cell, k, v) for k, v in at.items())]
    assert sorted(AXES.where(**at).tolist()) == want


def test_fold_and_flat_undo_each_other():
    table = np.arange(18 * 4).reshape(18, 4)
    folded = AXES.fold(table)
    assert folded.shape == (3, 2, 3, 4) and np.array_equal(AXES.flat(folded), table)
    for lane, cell in enumerate(AXES.cells):
        place = tuple(AXES.axes[name].index(value) for name, value in cell.items())
        assert np.array_equal(folded[place], table[lane])


def test_a_part_of_a_run_is_a_run(run):
    part = run.at(lam=10.0)
    assert part.grid == {"gamma": [0.5, 1.0]} and part.seeds == [3, 5, 8] and part.settings["lam"] == 10.0
    assert np.array_equal(part.curve, run.curve[1]) and np.array_equal(part.predicted, run.predicted[1])
    assert np.array_equal(part.accuracy, run.accuracy[1]) and len(part.table()) == 6
    lanes = AXES.where(lam=10.0)
    assert all(torch.equal(part.params[k], v[lanes]) for k, v in run.params.items())
    assert all(torch.equal(part.state[k], v[lanes]) for k, v in run.state.items())


def test_a_list_keeps_the_axis_in_its_own_order(run):
    part = run.at(lam=[10.0, 0.0], gamma=1.0, seed=[8, 3])
    assert part.grid == {"lam": [10.0, 0.0]} and part.seeds == [8, 3]
    assert np.array_equal(part.curve, run.curve[[1, 0]][:, 1][:, [2, 0]])
    for lane, cell in enumerate(part.axes.cells):
        (whole,) = AXES.where(gamma=1.0, **cell)
        assert all(torch.equal(part.params[k][lane], v[whole]) for k, v in run.params.items())


def test_one_seed_stays_an_axis(run):
    part = run.at(lam=0.0, gamma=0.5, seed=5)
    assert part.grid == {} and part.seeds == [5] and part.lanes == 1
    assert np.array_equal(part.curve, run.curve[0, 0, [1]])
    assert all(torch.equal(part.params[k], v[[1]]) for k, v in run.params.items())


def test_lost_lanes_are_told_where_they_are(run):
    assert not run.at(lam=10.0).lost
    lost = run.at(lam=1e9, gamma=1.0).lost
    assert lost and all("lam=1e+09" in text and "gamma=1" in text for text in lost.values())
    assert all(f"seed={[3, 5, 8][lane]}" in text for lane, text in lost.items())


def test_a_part_is_saved_and_goes_on(run, tmp_path):
    part = run.at(lam=10.0, gamma=0.5)
    back = cl.Run.load(part.save(tmp_path / "part"))
    assert np.array_equal(back.predicted, part.predicted) and back.grid == {} and back.seeds == part.seeds
    options = dict(seeds=[3, 5, 8], steps=20, every=10, optimizer="sgd", lr=0.1, progress=False)
    again = cl.train(cl.OnlineEWC(NET, lam=10.0, gamma=0.5, samples=20), STREAM, resume=back, **options)
    assert all(torch.equal(again.params[k], v) for k, v in part.params.items())


@pytest.mark.parametrize(
    "at, words",
    [({"lamda": 1}, r"the axes are lam \(3 values\), gamma \(2 values\), seed \(3 values\); got 'lamda'"),
     ({"lam": 3.0}, r"lam has the values \[0.0, 10.0, 1000000000.0\], got 3.0"),
     ({"seed": 0}, r"seed has the values \[3, 5, 8\], got 0"),
     ({"lam": []}, "lam needs at least one value, got none")],
)  # fmt: skip
def test_what_is_not_there_is_refused(run, at, words):
    with pytest.raises(ValueError, match=words):
        run.at(**at)
