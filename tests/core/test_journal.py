"""A training that is cut, at any moment and at any byte, goes on to the same end, bit for bit."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import edgecl_lite as cl
from edgecl_lite import journal as journals
from edgecl_lite.learn import checked, follow
from edgecl_lite.machine import records

ROOT = Path(__file__).resolve().parents[2]
TURNED, PAIRS = cl.rotated(cl.digits(), (0, 60)), cl.split(cl.digits(), per_task=5)
TASKS = cl.split(cl.digits(), per_task=5, scenario="task")
BRIEF = dict(steps=12, every=5, progress=False)
SMALL = dict(hidden=(12,))


def methods():
    """{name: (method, stream)}: every method of the module once."""
    turned, pairs, tasks = (cl.mlp(stream, **SMALL) for stream in (TURNED, PAIRS, TASKS))
    return {
        "Finetune": (cl.Finetune(turned), TURNED),
        "Joint": (cl.Joint(turned), TURNED),
        "EWC": (cl.EWC(turned, samples=20), TURNED),
        "EWC, sampled": (cl.EWC(turned, samples=20, labels="sample"), TURNED),
        "LwF": (cl.LwF(pairs), PAIRS),
        "Replay": (cl.Replay(pairs, 40), PAIRS),
        "Replay, reservoir": (cl.Replay(pairs, 40, policy="reservoir", bits=4), PAIRS),
        "DERpp": (cl.DERpp(pairs, 40), PAIRS),
        "AGEM": (cl.AGEM(pairs, 40), PAIRS),
        "GDumb": (cl.GDumb(pairs, 40), PAIRS),
        "ICaRL": (cl.ICaRL(pairs, 40), PAIRS),
        "LatentReplay": (cl.LatentReplay(pairs, 40), PAIRS),
        "Separate": (cl.Separate(tasks), TASKS),
        "Piggyback": (cl.Piggyback(tasks), TASKS),
        "PackNet": (cl.PackNet(tasks), TASKS),
        "NearestMean": (cl.NearestMean(pairs), PAIRS),
        "StreamingLDA": (cl.StreamingLDA(pairs), PAIRS),
    }


def same(a, b):
    """Whether two Runs agree in every bit of what was learned and seen."""
    trees = all(
        getattr(a, tree).keys() == getattr(b, tree).keys()
        and all(
            np.array_equal(v.numpy(), getattr(b, tree)[k].numpy(), equal_nan=v.is_floating_point())
            for k, v in getattr(a, tree).items()
        )
        for tree in ("params", "state", "carried")
    )
    seen = all(np.array_equal(getattr(a, k), getattr(b, k)) for k in ("step", "task", "ended", "predicted"))
    facts = (a.lost, a.notes, a.settings, a.digests) == (b.lost, b.notes, b.settings, b.digests)
    return trees and seen and facts and np.array_equal(a.curve, b.curve, equal_nan=True)


def cut(path, method, stream, after, seeds=1, grid=None, **options):
    """The journal of a training that ends after so many steps, each of them kept."""
    plan = checked(method, stream, seeds, grid, **options)
    book = journals.Journal(path, plan)
    for step, _ in enumerate(follow(plan, journal=book)):
        book.due = 0.0
        if step == after:
            return path


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("name", methods())
def test_a_cut_training_goes_on_to_the_same_end(name, fresh, tmp_path):
    method, stream = methods()[name]
    options = {**BRIEF, "seeds": 2, "fresh": fresh}
    whole = cl.train(method, stream, **options)
    for after in (0, 1, 6, 12, 13, 24):  # begun, within a task, at its end, within the next, done
        steps = dict(steps=12, every=5, fresh=fresh)
        path = cut(tmp_path / f"{after}.journal", method, stream, after, 2, **steps)
        assert same(cl.train(method, stream, resume=path, **options), whole), after


def test_a_cut_sweep_goes_on_to_the_same_end(tmp_path):
    method, grid = methods()["EWC"][0], {"lam": [0.0, 10.0, 100.0]}
    whole = cl.sweep(method, TURNED, seeds=2, **grid, **BRIEF)
    path = cut(tmp_path / "sweep", method, TURNED, 15, 2, grid, steps=12, every=5)
    assert same(cl.sweep(method, TURNED, seeds=2, resume=path, **grid, **BRIEF), whole)


def test_several_epochs_go_on_in_the_middle_of_their_shuffling(tmp_path):
    method = methods()["Replay"][0]
    options = dict(epochs=2, batch_size=100)
    whole = cl.train(method, PAIRS, progress=False, **options)
    for after in (3, 7, 8, 9, 13, 14, 20):
        path = cut(tmp_path / str(after), method, PAIRS, after, **options)
        assert same(cl.train(method, PAIRS, progress=False, resume=path, **options), whole), after


def test_lost_lanes_are_told_as_if_nothing_had_been_cut(tmp_path):
    method, stream = methods()["Finetune"]
    options = dict(steps=12, every=5, lr=1e30, optimizer="sgd", seeds=2)
    with pytest.raises(cl.Diverged) as whole:
        cl.train(method, stream, progress=False, **options)
    plan = {k: v for k, v in options.items() if k != "seeds"}
    path = cut(tmp_path / "lost", method, stream, 3, 2, **plan)
    with pytest.raises(cl.Diverged, match="non-finite at step") as again:
        cl.train(method, stream, progress=False, resume=path, **options)
    assert str(again.value) == str(whole.value) and same(again.value.run, whole.value.run)


class Clipped(torch.optim.SGD):
    """An optimiser of one's own: it has no moments, one number, and a name."""

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["count"] = self.state[p].get("count", 0) + 1
                p.grad /= self.state[p]["count"]
        super().step()


def test_an_optimiser_of_ones_own_gets_back_what_it_kept(tmp_path):
    method, stream = methods()["Finetune"]
    options = dict(optimizer=Clipped, fresh=False, lr=0.1)
    whole = cl.train(method, stream, **BRIEF, **options)
    path = cut(tmp_path / "own", method, stream, 15, steps=12, every=5, **options)
    assert same(cl.train(method, stream, resume=path, **BRIEF, **options), whole)


class Decaying(torch.optim.SGD):
    """A rate of its own for each tensor, a hundredth less after every step."""

    def __init__(self, tensors, lr):
        super().__init__([{"params": [p], "lr": lr / (1 + i)} for i, p in enumerate(tensors)], lr=lr)

    def step(self):
        super().step()
        for group in self.param_groups:
            group["lr"] *= 0.99


@pytest.mark.parametrize("after", [7, 15])
@pytest.mark.parametrize("fresh", [True, False])
def test_a_rate_that_decays_goes_on_decaying(after, fresh, tmp_path):
    method, stream = methods()["Finetune"]
    options = dict(optimizer=Decaying, fresh=fresh, lr=0.1)
    whole = cl.train(method, stream, **BRIEF, **options)
    path = cut(tmp_path / "rate", method, stream, after, steps=12, every=5, **options)
    assert same(cl.train(method, stream, resume=path, **BRIEF, **options), whole)


# ---- a Run


@pytest.mark.parametrize("name", ["EWC", "Replay", "PackNet"])
def test_a_stopped_run_goes_on_to_the_same_end(name, tmp_path):
    method, stream = methods()[name]
    whole = cl.train(method, stream, seeds=2, **BRIEF)
    plan, points = checked(method, stream, 2, steps=12, every=5), []
    for point in filter(None, follow(plan)):
        points.append(point)
        if point.step == 17:
            break
    run = cl.Run.gather(points, plan, stopped=True)
    for source in (run, run.save(tmp_path / "run"), cl.Run.load(tmp_path / "run")):
        assert same(cl.train(method, stream, seeds=2, resume=source, **BRIEF), whole)


def test_tasks_that_came_later_are_learned_and_nothing_twice():
    stream = cl.rotated(cl.digits(), (0, 60, 120))
    first = replace(stream, tasks=stream.tasks[:2])
    method = cl.EWC(cl.mlp(stream, **SMALL), samples=20)
    half, whole = (cl.train(method, s, seeds=2, **BRIEF) for s in (first, stream))
    grown = cl.train(method, stream, seeds=2, resume=half, **BRIEF)
    assert all(torch.equal(grown.params[k], p) for k, p in whole.params.items())
    assert np.array_equal(grown.accuracy[:, 2], whole.accuracy[:, 2])
    assert np.array_equal(grown.accuracy[:, :2, :2], half.accuracy)
    assert np.isnan(grown.accuracy[:, :2, 2]).all()  # nobody looked at that task then


def test_what_goes_on_with_later_tasks_is_kept_in_a_journal_too(tmp_path):
    stream = cl.rotated(cl.digits(), (0, 60, 120))
    method = cl.EWC(cl.mlp(stream, **SMALL), samples=20)
    each = {**BRIEF, "every": 1}  # the first record holds points of both
    half = cl.train(method, replace(stream, tasks=stream.tasks[:2]), **each)
    path = tmp_path / "grown"
    grown = cl.train(method, stream, resume=half, journal=path, **each)
    assert same(cl.train(method, stream, resume=path, **each), grown)


def test_a_run_at_its_end_is_kept_in_a_journal_too(tmp_path):
    method, stream = methods()["EWC"]
    run = cl.train(method, stream, **BRIEF)
    path = tmp_path / "ended"
    again = cl.train(method, stream, resume=run, journal=path, **BRIEF)
    assert same(again, run)
    assert same(cl.train(method, stream, resume=path, **BRIEF), run)


def test_a_run_of_an_older_version_goes_on_with_a_note():
    method, stream = methods()["EWC"]
    run = replace(cl.train(method, stream, **BRIEF), carried={}, digests=[])
    assert "older version" in cl.train(method, stream, resume=run, **BRIEF).notes[-1]


# ---- what is refused


@pytest.fixture
def path(tmp_path):
    method, stream = methods()["EWC"]
    return cut(tmp_path / "night.journal", method, stream, 15, steps=12, every=5)


OTHERS = {
    "lam": (lambda m, s: (replace_lam(m, 3.0), s, {}), "its lam is 10.0, here it is 3.0"),
    "method": (lambda m, s: (cl.Finetune(m.net), s, {}), "its method is 'EWC', here it is 'Finetune'"),
    "labels": (lambda m, s: (cl.EWC(m.net, samples=20, labels="sample"), s, {}), "labels is 'exact'"),
    "net": (lambda m, s: (cl.EWC(cl.mlp(s), samples=20), s, {}), "its net is"),
    "weights": (lambda m, s: (cl.EWC(m.net, samples=20, weights=m.net), s, {}), "weights is 'drawn'"),
    "seeds": (lambda m, s: (m, s, {"seeds": [1]}), r"its seeds is \[0\], here it is \[1\]"),
    "lr": (lambda m, s: (m, s, {"lr": 1.0}), "its lr is 0.001"),
    "optimizer": (lambda m, s: (m, s, {"optimizer": torch.optim.SGD}), "'adam', here it is 'SGD'"),
    "data": (lambda m, s: (m, cl.rotated(cl.digits(), (0, 61)), {}), "other data in task 1"),
    "fewer tasks": (lambda m, s: (m, replace(s, tasks=s.tasks[:1]), {}), "only 1 tasks"),
}


def replace_lam(method, lam):
    return cl.EWC(method.net, lam=lam, samples=20)


@pytest.mark.parametrize("name", OTHERS)
def test_a_journal_of_another_training_is_refused_by_the_first_difference(name, path):
    change, words = OTHERS[name]
    method, stream, options = change(*methods()["EWC"])
    with pytest.raises(ValueError, match=f"night.journal is of another training: .*{words}"):
        cl.train(method, stream, resume=path, **{**BRIEF, **options})


def test_a_cut_at_any_byte_is_a_shorter_training_or_refused(path, tmp_path):
    method, stream = methods()["EWC"]
    whole, raw, chance = cl.train(method, stream, **BRIEF), path.read_bytes(), random.Random(0)
    ends = [i for i in range(len(raw)) if raw.startswith(records.MARK, i)]  # where a record begins
    short, refused = tmp_path / "short", 0
    for at in [0, 1, *ends[1:4], ends[2] - 1, ends[2] + 1, len(raw) - 1, *chance.sample(range(len(raw)), 6)]:
        short.write_bytes(raw[:at])
        if at < ends[2]:
            refused += 1
            with pytest.raises(ValueError, match="short (is damaged|holds no whole moment)"):
                cl.train(method, stream, resume=short, **BRIEF)
        else:
            assert same(cl.train(method, stream, resume=short, **BRIEF), whole), at
    assert refused >= 4


def test_a_flipped_bit_is_noticed(path, tmp_path):
    method, stream = methods()["EWC"]
    raw, bad, chance = bytearray(path.read_bytes()), tmp_path / "bad", random.Random(1)
    last = bytes(raw).rindex(records.MARK)
    for at in [0, 9, 40, *chance.sample(range(last), 20)]:
        raw[at] ^= 1 << chance.randrange(8)
        bad.write_bytes(raw)
        with pytest.raises(ValueError, match="bad is damaged at byte"):
            journals.read(bad)
        raw = bytearray(path.read_bytes())


def test_paths_are_told(path, tmp_path):
    method, stream = methods()["EWC"]
    train = lambda **options: cl.train(method, stream, **BRIEF, **options)
    with pytest.raises(FileExistsError, match="there is a journal at .*night.journal: resume="):
        train(journal=path)
    with pytest.raises(IsADirectoryError, match="is a folder; add the name of a file"):
        train(journal=tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no journal at .*none"):
        train(resume=tmp_path / "none")
    with pytest.raises(TypeError, match="journal must be the path of a file.*got 3"):
        train(journal=3)
    with pytest.raises(TypeError, match="resume must be a Run or the path of a journal, got int"):
        train(resume=3)
    with pytest.raises(OSError, match="could not be written"):
        train(journal=path / "below a file")
    new = tmp_path / "made" / "anew"
    assert same(train(journal=new), train(resume=new)) and same(train(journal=path, resume=path), train())
    assert journals.read(path).step == 24 and not [*tmp_path.rglob("*.part")]


# ---- the power cut

PROGRAM = """
import sys, edgecl_lite as cl
sys.path.insert(0, sys.argv[1])
from test_journal import BRIEF, methods
method, stream = methods()[sys.argv[2]]
print("begun", flush=True)
cl.train(method, stream, seeds=2, journal=sys.argv[3], journal_every=0.0,
         **{**BRIEF, "steps": int(sys.argv[4])})
"""


def killed(name, path, steps, delay):
    """Train in a process of its own, killed so many seconds after the journal is there."""
    program = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), name, str(path), str(steps)]
    child = subprocess.Popen(program, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        while child.poll() is None and not path.exists():
            time.sleep(0.01)
        time.sleep(delay)
    finally:
        with_signal = getattr(signal, "SIGKILL", signal.SIGTERM)
        if child.poll() is None:
            os.kill(child.pid, with_signal)
        child.wait()
        child.stdout.close()


@pytest.mark.parametrize("name, delay", [("EWC", 0.0), ("Replay", 0.1)])
def test_a_killed_process_goes_on_to_the_same_end(name, delay, tmp_path):
    method, stream = methods()[name]
    options = {**BRIEF, "seeds": 2, "steps": 60}
    killed(name, tmp_path / "journal", 60, delay)
    again = cl.train(method, stream, resume=tmp_path / "journal", **options)
    assert same(again, cl.train(method, stream, **options))
