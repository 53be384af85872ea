"""A sweep over what is no hyper-parameter, choosing on data set aside, and the best value."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import edgecl_lite as cl

STREAM = cl.split(cl.digits(), per_task=5)
NET = cl.mlp(STREAM, hidden=(10,))
BRIEF = dict(seeds=2, steps=8, every=4, progress=False)


def same(a, b):
    trees = all(
        torch.equal(v, getattr(b, tree)[k])
        for tree in ("params", "state")
        for k, v in getattr(a, tree).items()
    )
    return trees and np.array_equal(a.curve, b.curve) and np.array_equal(a.predicted, b.predicted)


def test_rates_and_optimisers_are_axes_in_front():
    method, lam = cl.EWC(NET, samples=10), [0.0, 50.0]
    run = cl.sweep(method, STREAM, lr=[1e-3, 1e-1], optimizer=["sgd", "adam"], lam=lam, **BRIEF)
    assert list(run.grid) == ["lr", "optimizer", "lam"] and run.curve.shape[:4] == (2, 2, 2, 2)
    for lr in (1e-3, 1e-1):
        for optimizer in ("sgd", "adam"):
            alone = cl.sweep(method, STREAM, lr=lr, optimizer=optimizer, lam=lam, **BRIEF)
            part = run.at(lr=lr, optimizer=optimizer)
            assert same(part, alone) and part.grid == alone.grid and part.settings["lr"] == lr


def test_any_argument_of_a_method_may_be_swept():
    run = cl.sweep(cl.EWC(NET, samples=10), STREAM, labels=["exact", "empirical"], **BRIEF)
    for labels in ("exact", "empirical"):
        alone = cl.train(cl.EWC(NET, samples=10, labels=labels), STREAM, **BRIEF)
        assert same(run.at(labels=labels), alone)


def test_tables_of_other_sizes_are_left_out_with_a_note():
    run = cl.sweep(cl.Replay(NET), STREAM, bits=[8, 4], capacity=[20, 40], **BRIEF)
    assert list(run.grid) == ["bits", "capacity"] and "memory.x" not in run.state
    assert any("memory.x" in note for note in run.notes)
    alone = cl.sweep(cl.Replay(NET, bits=4), STREAM, capacity=[20, 40], **BRIEF)
    part = run.at(bits=4)
    assert np.array_equal(part.curve, alone.curve) and torch.equal(
        part.params["1.weight"], alone.params["1.weight"]
    )
    assert torch.equal(part.state["memory.y"], alone.state["memory.y"])


def test_lost_lanes_of_a_part_are_told_in_their_place():
    with pytest.warns(UserWarning, match="2 of 2 lanes are lost"):
        run = cl.sweep(cl.Finetune(NET), STREAM, lr=[0.1, 1e30], optimizer="sgd", **BRIEF)
    assert sorted(run.lost) == [2, 3] and not run.at(lr=0.1).lost and len(run.at(lr=1e30).lost) == 2


def test_parts_keep_their_own_journals_and_go_on(tmp_path):
    options = dict(lr=[1e-3, 1e-2], **BRIEF)
    method, path = cl.Finetune(NET), tmp_path / "rates"
    whole = cl.sweep(method, STREAM, journal=path, **options)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rates.0", "rates.1"]
    (tmp_path / "rates.1").unlink()  # the power was cut before it began
    assert same(cl.sweep(method, STREAM, resume=path, **options), whole)


def test_what_a_sweep_in_turn_cannot_go_on_from_is_refused(tmp_path):
    options = dict(lr=[1e-3, 1e-2], **BRIEF)
    run = cl.sweep(cl.Finetune(NET), STREAM, **options)
    with pytest.raises(TypeError, match="must be the path that journal= had, got Run"):
        cl.sweep(cl.Finetune(NET), STREAM, resume=run, **options)
    with pytest.raises(FileNotFoundError, match="there is no journal at .*nowhere.0 … .*nowhere.1"):
        cl.sweep(cl.Finetune(NET), STREAM, resume=tmp_path / "nowhere", **options)


def test_nothing_to_sweep_is_refused():
    with pytest.raises(ValueError, match="lr must|lr needs|at least one"):
        cl.sweep(cl.Finetune(NET), STREAM, lr=[], **BRIEF)
    with pytest.raises(ValueError, match="needs a list of values"):
        cl.sweep(cl.Finetune(NET), STREAM, lr=0.1, **BRIEF)
    with pytest.raises((TypeError, ValueError), match="bits must be a list"):
        cl.sweep(cl.Replay(NET), STREAM, bits=4, **BRIEF)
    with pytest.raises(ValueError, match="labels must be one of"):
        cl.sweep(cl.EWC(NET), STREAM, labels=["exact", "guess"], **BRIEF)


# ---- data set aside


def test_what_is_set_aside_is_a_part_of_the_training_data():
    aside = STREAM.set_aside(0.25)
    assert aside.names == STREAM.names and aside.scenario == STREAM.scenario
    for task, whole in zip(aside, STREAM, strict=True):
        rows = lambda part: sorted(map(bytes, part[0].flatten(1).numpy()))
        assert sorted(rows(task.train) + rows(task.test)) == rows(whole.train)
        for c in whole.classes:
            n, k = ((part[1] == c).sum().item() for part in (whole.train, task.test))
            assert abs(k - n / 4) <= 0.5
    again = STREAM.set_aside(0.25)
    assert all(torch.equal(a.test[0], b.test[0]) for a, b in zip(aside, again, strict=True))


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, "half"])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises((TypeError, ValueError), match="share must be"):
        STREAM.set_aside(share)


def test_a_class_of_one_sample_has_none_to_set_aside():
    task = STREAM.tasks[0]
    keep = (task.train[1] != 0) | ((task.train[1] == 0).cumsum(0) == 1)
    small = replace(task, train=tuple(part[keep] for part in task.train))
    with pytest.raises(ValueError, match="one sample of class 0: none to set aside"):
        cl.Stream([small], "class", 10).set_aside(0.2)


# ---- the best


def of(curves, grid, **facts):
    """A Run of one task whose final accuracies, (*grid, seeds), are given."""
    base = cl.train(cl.Finetune(NET), cl.Stream(STREAM.tasks[:1], "class", 10), steps=1, progress=False)
    final = np.asarray(curves, float)[..., None, None]
    curve = np.concatenate([np.zeros_like(final), final], -2)
    seeds = list(range(final.shape[-3]))
    return replace(base, grid=grid, seeds=seeds, curve=curve, **facts)


def test_the_best_is_that_of_the_mean_over_seeds():
    assert cl.best(of([[0.5, 0.9], [0.8, 0.8], [0.2, 1.0]], {"lr": [1, 2, 3]}), over="lr") == 2
    assert cl.best(of([[0.5], [0.5]], {"lr": [1, 2]}), over="lr") == 1
    two = of([[[0.1], [0.2]], [[0.9], [0.3]]], {"lr": [1, 2], "lam": [10, 20]})
    assert cl.best(two, over="lr") == 2 and cl.best(two, over="lam") == 10
    lost = of([[np.nan, 0.9], [0.3, 0.3]], {"lr": [1, 2]})
    assert cl.best(lost, over="lr") == 2


def test_without_a_best_there_is_a_sentence():
    run = of([[0.5], [0.6]], {"lr": [1, 2]})
    with pytest.raises(ValueError, match=r"over: expected an axis of the sweep, one of \['lr'\]; got 'lam'"):
        cl.best(run, over="lam")
    with pytest.raises(ValueError, match="one stopped at step"):
        cl.best(replace(run, stopped=True), over="lr")
    with pytest.raises(ValueError, match="all lanes are lost. so it goes"):
        cl.best(of([[np.nan]], {"lr": [1]}, lost={0: "so it goes"}), over="lr")
