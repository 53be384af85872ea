"""What a training is foretold to take, against the bytes of tensors that live while it runs, counted here."""

import weakref
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from edgecl_lite import (
    AGEM,
    EWC,
    Dataset,
    DERpp,
    Finetune,
    GDumb,
    ICaRL,
    Joint,
    LatentReplay,
    LwF,
    NearestMean,
    OnlineEWC,
    PackNet,
    Piggyback,
    Replay,
    Run,
    Separate,
    StreamingLDA,
    apply,
    cnn,
    digits,
    learn,
    mlp,
    rotated,
    split,
    sweep,
    train,
)
from edgecl_lite.learn import follow
from edgecl_lite.machine import foretell as module
from edgecl_lite.machine.foretell import check_room, foretell, foretold, total_memory
from edgecl_lite.machine.pieces import Made
from edgecl_lite.plan import Plan


class Count(TorchDispatchMode):
    """The most bytes of storages made inside that lived at once."""

    now = peak = 0

    def __init__(self):
        super().__init__()
        self.alive = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        given = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if torch.is_tensor(t)}
        for t in tree_leaves(out):
            if torch.is_tensor(t) and (place := t.untyped_storage()._cdata) not in given | self.alive:
                self.alive.add(place)
                self.now += (size := t.untyped_storage().nbytes())
                self.peak = max(self.peak, self.now)
                weakref.finalize(t.untyped_storage(), self.gone, place, size)
        return out

    def gone(self, place, size):
        self.alive.remove(place)
        self.now -= size


def counted(method, stream, seeds=1, grid=None, **options):
    """Most bytes that a training has alive, those that NumPy puts together at its end among them."""
    at_the_end = []

    def gather(*args, **facts):
        at_the_end.append(seen.now)
        return Run.gather(*args, **facts)

    with Count() as seen, patch("edgecl_lite.train.Run", SimpleNamespace(gather=gather)):
        go = sweep if grid else train
        run = go(method, stream, seeds, progress=False, **options, **(grid or {}))
    return max(seen.peak, at_the_end[0] + run.predicted.nbytes)


def plan(method, stream, seeds=1, grid=None, **options):
    return Plan(method, stream, seeds, grid, **options)


def made(shape, train=96, test=64, classes=4):
    def part(n):
        return torch.rand(n, *shape, generator=torch.Generator().manual_seed(n)), torch.arange(n) % classes

    return Dataset("made", part(train), part(test), tuple("abcdefghij"[:classes]))


IMAGES, COLOUR = split(made((1, 28, 28))), split(made((3, 16, 16), train=48, test=24))
WIDE, CNN = mlp(IMAGES, (400,)), cnn(COLOUR)


class Tied(Finetune):
    """A method of one's own: remembers each task's weights, and a table that has nothing to do with them."""

    def start(self, params, stream, hyper):
        lanes, old = len(next(iter(params.values()))), {f"old.{k}": p.clone() for k, p in params.items()}
        return {**hyper, **old, "table": torch.zeros(lanes, 500_000)}

    def loss(self, params, state, batch):
        pull = sum((p - state[f"old.{k}"]).tanh().abs().flatten(1).sum(1) for k, p in params.items())
        return super().loss(params, state, batch) + pull

    def end_task(self, params, state, task):
        table = state["table"] + task["x"].mean()
        return {**state, **{f"old.{k}": p.clone() for k, p in params.items()}, "table": table}


METHODS = {
    "Finetune": Finetune,
    "Joint": Joint,
    "EWC": EWC,
    "online EWC": lambda net: OnlineEWC(net, gamma=0.9),
    "LwF": LwF,
    "Replay": lambda net: Replay(net, 40),
    "DERpp": lambda net: DERpp(net, 40),
    "AGEM": lambda net: AGEM(net, 40),
    "GDumb": lambda net: GDumb(net, 40),
    "ICaRL": lambda net: ICaRL(net, 40),
    "LatentReplay": lambda net: LatentReplay(net, 40, cut=-1),
    "NearestMean": NearestMean,
    "StreamingLDA": StreamingLDA,
    "Separate": Separate,
    "Piggyback": Piggyback,
    "PackNet": PackNet,
    "of one's own": Tied,
}


def assert_foretold(method, stream, seeds=1, grid=None, **options):
    options = {"steps": 3} | options
    real = counted(method, stream, seeds, grid, **options)
    found = foretell(plan(method, stream, seeds, grid, **options), follow)
    assert real > 4e6 and found == pytest.approx(real, rel=0.25)


@pytest.mark.parametrize("lanes", [1, 5])
@pytest.mark.parametrize("method", METHODS)
def test_wide_mlp(method, lanes):
    assert_foretold(METHODS[method](WIDE), IMAGES, lanes)


@pytest.mark.parametrize("method", METHODS)
def test_cnn_16_lanes(method):
    assert_foretold(METHODS[method](CNN), COLOUR, 16, steps=2)


@pytest.mark.parametrize(
    "options", [{"fresh": False}, {"optimizer": "sgd"}, {"optimizer": torch.optim.AdamW}, {"batch_size": 40}]
)
def test_options(options):
    assert_foretold(EWC(WIDE), IMAGES, 3, **options)


def test_many_points():
    """121 times the answers of two lanes to 2 · 20,000 images, put together at the end."""
    small = split(made((1, 4, 4), train=8, test=40_000))
    assert_foretold(Finetune(mlp(small, (4,))), small, 2, steps=60, every=1)


@pytest.mark.parametrize(
    "method, grid",
    [
        (EWC(WIDE), {"lam": [0.1, 1.0, 10.0, 100.0]}),
        (Replay(WIDE), {"capacity": [0, 40, 4000]}),
        (DERpp(WIDE), {"capacity": [4, 2000], "alpha": [0.1, 1.0]}),
    ],
)
def test_sweeps(method, grid):
    """The memory of every lane is as large as the largest needs."""
    assert_foretold(method, IMAGES, 2, grid)


@pytest.mark.parametrize("lanes", [2, 3, 7, 16])
def test_lanes_in_parts(lanes):
    """Steps go through few lanes at a time, where all at once take too much."""
    stream = split(made((3, 32, 32), train=64, test=8))
    method = Replay(cnn(stream), 8)
    assert len(plan(method, stream, lanes).parts) == {2: 1, 3: 1, 7: 2, 16: 4}[lanes]
    assert_foretold(method, stream, lanes, steps=1)


def test_weights_that_were_given():
    run = train(Finetune(WIDE), IMAGES, 3, steps=1)
    assert_foretold(EWC(WIDE, weights=run), IMAGES, 3)


def test_tasks_of_unequal_size():
    """The third task is the largest, and its test set larger than any."""
    few, many = split(made((1, 28, 28), 8, 8)), split(made((1, 28, 28), 300, 3000))
    stream = type(few)((*few.tasks, many.tasks[1]), "domain", 4)
    assert_foretold(ICaRL(WIDE, 40), type(few)(stream.tasks, "class", 4), 2, steps=1)


def test_rehearsing_changes_nothing():
    method, torch_state = Replay(WIDE), torch.get_rng_state()
    ahead = plan(method, IMAGES, 2)
    held, weights = dict(vars(ahead)), {k: v.clone() for k, v in WIDE.state_dict().items()}
    foretell(ahead, follow)
    assert torch.equal(torch.get_rng_state(), torch_state) and vars(ahead) == held
    assert all(torch.equal(WIDE.state_dict()[k], v) for k, v in weights.items())


# ---- what there is room for


def test_no_room_is_refused_before_the_first_step():
    sweep_of_four = plan(EWC(WIDE), IMAGES, 2, {"lam": [1.0, 10.0]})
    need = foretold(sweep_of_four, follow).process
    in_room = lambda room: check_room(plan(EWC(WIDE), IMAGES, 2, {"lam": [1.0, 10.0]}, room=room), follow)
    assert in_room(need) == []
    with pytest.raises(ValueError) as error:
        in_room(need / 2)
    for words in (
        f"this training needs about {need / 1e6:.3g} MB, room is {need / 2e6:.3g} MB: lower ",
        "the number of values of lam or the number of seeds (4 lanes at once)",
    ):
        assert words in str(error.value)


@pytest.mark.parametrize(
    "method, stream, options, words",
    [
        (Finetune(WIDE), IMAGES, {}, "lower the width of the net: "),
        (Replay(WIDE, 50_000), IMAGES, {}, "lower capacity: "),
        (Finetune(CNN), COLOUR, {"batch_size": 64}, "lower batch_size: "),
        (Finetune(WIDE), IMAGES, {"steps": 200_000, "every": 1}, "lower the points, by a larger every=…: "),
    ],
)
def test_what_weighs_most_is_named_first(method, stream, options, words):
    with pytest.raises(ValueError) as error:
        next(learn(method, stream, room=1e6, **options))
    assert words in str(error.value)


@pytest.mark.parametrize(
    "room, kind", [(0, ValueError), (-1, ValueError), ("2 GB", TypeError), (True, TypeError)]
)
def test_a_room_that_is_none(room, kind):
    with pytest.raises(kind, match="room, in bytes, must be a finite number > 0, got"):
        train(Finetune(WIDE), IMAGES, room=room)


def test_a_note_above_80_percent_of_the_machine(monkeypatch):
    ahead = plan(EWC(WIDE), IMAGES, 2)
    need = foretold(ahead, follow).process
    monkeypatch.setattr(module, "total_memory", lambda device: need / 0.81)
    (note,) = check_room(ahead, follow)
    assert note.startswith(
        f"This training needs about {need / 1e6:.3g} MB, and this machine, or its container, has"
    )
    assert "lower the number of seeds (2 lanes at once)" in note
    monkeypatch.setattr(module, "total_memory", lambda device: need / 0.79)
    assert check_room(ahead, follow) == []
    monkeypatch.setattr(module, "total_memory", lambda device: None)
    assert check_room(ahead, follow) == []


def test_the_note_stands_in_the_run(monkeypatch):
    monkeypatch.setattr(module, "total_memory", lambda device: 1e6)
    run = train(EWC(WIDE), IMAGES, steps=1, progress=False)
    assert [note for note in run.notes if note.startswith("This training needs about")]


@pytest.mark.parametrize("tested", [60, 150])
def test_pieces_of_few_lanes_are_as_large_a_share_as_those_of_all(tested):
    x, y = torch.rand(tested, 3, 32, 32), torch.arange(tested) % 4
    few = made((3, 32, 32))
    stream = split(Dataset("made", few.train, (x, y), few.classes))
    assert_foretold(EWC(cnn(stream)), stream, 16, steps=1)


def test_small_trainings_are_not_rehearsed(monkeypatch):
    monkeypatch.setattr(module, "total_memory", lambda device: 2e9)
    monkeypatch.setattr(module, "foretold", None)
    stream = rotated(digits())
    assert check_room(plan(EWC(mlp(stream)), stream, 3, {"lam": [1.0] * 16}), follow) == []


@pytest.mark.parametrize("name", METHODS)
def test_the_bound_lets_none_through_that_is_large(name):
    """It is above what each method takes."""
    ahead = plan(METHODS[name](WIDE), IMAGES, 3)
    assert module._bound(ahead) > foretell(ahead, follow)


# ---- what there is


def group(root, line, limits):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(line)
    for place, limit in limits.items():
        (root / "sys/fs/cgroup" / place).parent.mkdir(parents=True, exist_ok=True)
        (root / "sys/fs/cgroup" / place).write_text(f"{limit}\n")
    return total_memory(root=root)


def test_the_container_counts_where_it_has_less(tmp_path):
    machine = total_memory(root=tmp_path / "nothing")
    assert machine > 1e8
    two, one = "0::/jobs/mine\n", "3:cpu:/x\n4:memory:/docker/abc\n0::/\n"
    cases = {
        "its own": (two, {"jobs/mine/memory.max": 7000}, 7000),
        "the one above": (two, {"jobs/mine/memory.max": "max", "jobs/memory.max": 6000}, 6000),
        "as seen from inside": (two, {"memory.max": 5000}, 5000),
        "none": (two, {"memory.max": "max"}, machine),
        "version 1": (one, {"memory/docker/abc/memory.limit_in_bytes": 4000}, 4000),
        "version 1, from inside": (one, {"memory/memory.limit_in_bytes": 3000}, 3000),
        "version 1, none": (one, {"memory/memory.limit_in_bytes": 2**63 - 4096}, machine),
    }
    for name, (line, limits, want) in cases.items():
        assert group(tmp_path / name, line, limits) == want, name


def test_a_machine_that_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(module.os, "sysconf", lambda name: (_ for _ in ()).throw(ValueError(name)))
    assert total_memory(root=tmp_path) is None


def test_weights_that_are_only_looked_at_are_not_made():
    """A product of a wide layer looks at its weights transposed: no activation, and no reason for parts."""
    params = {k: p.detach()[None] for k, p in WIDE.named_parameters()}
    x = torch.rand(1, 1, 1, 28, 28)
    with torch.no_grad(), Made() as one:
        apply(WIDE, params, x)
    assert one.largest == 4 * 400 and one.total < 3 * one.largest
    assert len(plan(Finetune(WIDE), IMAGES, 16).parts) == 1
