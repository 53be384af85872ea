"""What is read from disk is what was written: saved Runs, stored results, the tables inside the package.

A bit that changed is named and nothing of that file is used; a save that was cut leaves the old file whole.
"""

import csv
import dataclasses
import hashlib
import importlib
import itertools
import json
import math
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import edgecl_lite as cl
from edgecl_lite import EWC, Joint, Run, mlp, rotated, sweep, train
from edgecl_lite.lessons import results
from edgecl_lite.lessons.results import stored
from edgecl_lite.machine import disk

STREAM = rotated(cl.digits(), degrees=(0, 60))
NET = mlp(STREAM, (4,))
HINT = "damaged or was not written by Run.save"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run():
    return sweep(EWC(NET), STREAM, seeds=2, lam=[1, 10], steps=2, progress=False)


def small(params=None, state=None, **changes):
    """A Run made by hand, of one task and one point."""
    one, numbers = np.zeros(1, int), np.full((1, 1, 1), 0.5)
    arrays = one, one, one == 0, numbers, np.zeros((1, 1, 1, 3), np.uint8)
    made = Run("Own", "domain", ["a"], {}, [0], *arrays, params or {"w": torch.ones(1, 2)}, state or {})
    return dataclasses.replace(made, **changes)


def same(a, b):
    """Whether two dicts of tensors are equal in order, type, shape and every bit."""

    def bits(tree):
        return [
            (k, v.dtype, v.shape, v.contiguous().view(-1).view(torch.uint8).tolist()) for k, v in tree.items()
        ]

    return bits(a) == bits(b)


def parts(path):
    """(bytes, end of the header) of a safetensors file."""
    raw = path.read_bytes()
    return raw, 8 + int.from_bytes(raw[:8], "little")


def flipped(raw, bit):
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


# ---- what was saved comes back


def test_a_loaded_run_is_the_saved_one(run, tmp_path):
    back = Run.load(run.save(tmp_path / "run"))
    assert same(back.params, run.params) and same(back.state, run.state)
    for name in ("method", "grid", "seeds", "names", "settings", "notes", "lost", "seconds"):
        assert getattr(back, name) == getattr(run, name)
    assert all(
        np.array_equal(getattr(back, k), getattr(run, k), True) for k in ("curve", "predicted", "step")
    )


TENSORS = {
    "empty": lambda: torch.zeros(2, 0, 3),
    "no lanes": lambda: torch.zeros(0, 3),
    "no axis": lambda: torch.tensor(3.5),
    "bfloat16": lambda: torch.randn(2, 3).bfloat16(),
    "half": lambda: torch.randn(2, 3).half(),
    "double": lambda: torch.randn(2, 3).double(),
    "float8": lambda: torch.randn(2, 3).to(torch.float8_e4m3fn),
    "bool": lambda: torch.rand(2, 3) > 0.5,
    "bytes": lambda: torch.arange(256).view(2, 128).byte(),
    "int64": lambda: torch.tensor([[2**62, -(2**63)]]),
    "nan and inf": lambda: (
        torch.tensor([[0x7FC00001, -0x7FFFFF, 0x7F800000, -(2**31)]]).int().view(torch.float32)
    ),
    "transposed": lambda: torch.randn(3, 2).T,
    "strided": lambda: torch.randn(4, 6)[::2, 1::2],
    "channels last": lambda: torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "equal lanes": lambda: torch.randn(3).expand(2, 3),
    "other count of equal lanes": lambda: torch.randn(3).expand(7, 3),
    "equal inside": lambda: torch.randn(2, 1).expand(2, 5),
    "one value for all": lambda: torch.tensor(2.0).expand(2, 3),
    "wants a gradient": lambda: torch.randn(2, 3, requires_grad=True),
    "part of a graph": lambda: torch.randn(2, 3, requires_grad=True) * 2,
    "parameter": lambda: torch.nn.Parameter(torch.randn(2, 3)),
    "turned sign": lambda: torch.complex(torch.randn(2, 3), torch.randn(2, 3)).conj().imag,
    "inference": lambda: torch.inference_mode()(lambda: torch.randn(2, 3))(),
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_comes_back_bit_for_bit(name, tmp_path):
    value = TENSORS[name]()
    back = Run.load(small(state={"now": value}).save(tmp_path / "run")).state
    assert same(back, {"now": value.detach().resolve_neg()})
    assert not back["now"].requires_grad


def test_tensors_of_one_storage_come_back_as_tensors_of_their_own(tmp_path):
    whole = torch.randn(2, 6)
    state = {
        "whole": whole,
        "same": whole,
        "left": whole[:, :3],
        "right": whole[:, 2:],
        "flat": whole.view(12),
    }
    back = Run.load(small({"w": whole}, state).save(tmp_path / "run"))
    assert same(back.state, state)
    back.state["whole"].zero_()
    assert same(
        {k: v for k, v in back.state.items() if k != "whole"},
        {k: v for k, v in state.items() if k != "whole"},
    )
    assert same(back.params, {"w": whole})


def test_arrays_of_one_storage_or_turned_round_come_back(tmp_path):
    curve = np.random.default_rng(0).random((1, 3, 3)).transpose(0, 2, 1)
    step = np.arange(3)[::-1]
    made = small(curve=curve, step=step, task=step, ended=step == 0, names=["a", "b", "c"])
    back = Run.load(made.save(tmp_path / "run"))
    assert np.array_equal(back.curve, curve) and back.step.tolist() == back.task.tolist() == [2, 1, 0]


@pytest.mark.parametrize("setting", ["dtype", "device", "gradients"])
def test_settings_of_torch_change_nothing(setting, run, tmp_path):
    with (
        torch.device("meta" if setting == "device" else "cpu"),
        torch.set_grad_enabled(setting != "gradients"),
    ):
        torch.set_default_dtype(torch.float64 if setting == "dtype" else torch.float32)
        try:
            made = dataclasses.replace(run, state={**run.state, "empty": TENSORS["empty"]().cpu()})
        except NotImplementedError:  # what is made on meta cannot leave it
            made = run
        try:
            back = Run.load(made.save(tmp_path / "run"))
        finally:
            torch.set_default_dtype(torch.float32)
    assert same(back.params, run.params) and np.array_equal(back.curve, run.curve, True)


def test_long_notes_and_odd_words_come_back(tmp_path):
    notes = ["n" * 3_000_000, 'a "quote", a \\ and "sha256": "' + "0" * 64 + '"', "✓ \ud800 \0 \n", "日本"]
    made = small(notes=notes, names=["$5_{"], lost={0: "gone", 7: "too"}, seconds=math.inf)
    back = Run.load(made.save(tmp_path / "run"))
    assert (back.notes, back.names, back.lost, back.seconds) == (notes, ["$5_{"], made.lost, math.inf)


def test_names_with_slashes_and_dots_come_back(tmp_path):
    tree = {"a/b/c": torch.ones(1), "sha256": torch.zeros(1), "z.weight": torch.ones(2), "": torch.ones(3)}
    back = Run.load(small(tree, tree).save(tmp_path / "run"))
    assert same(back.params, tree) and same(back.state, tree)


@pytest.mark.parametrize(
    "state, words",
    [
        ({"count": 3}, r"Run.state\['count'\] must be a tensor, got int 3; .*torch.full"),
        ({"rate": 0.5}, r"Run.state\['rate'\] must be a tensor, got float 0.5"),
        ({"seen": None}, r"Run.state\['seen'\] must be a tensor, got NoneType None"),
        ({"seen": [1, 2]}, r"Run.state\['seen'\] must be a tensor, got list \[1, 2\]"),
        ({"mean": np.ones(2)}, r"Run.state\['mean'\] must be a tensor, got ndarray"),
        ({"inner": {"a": torch.ones(1)}}, r"Run.state\['inner'\] must be a tensor, got dict"),
        ({3: torch.ones(1)}, "a name must be a str, got 3"),
        (
            {"z": torch.ones(1, dtype=torch.complex64)},
            r"Run.state\['z'\] must be a dense tensor of .*complex64",
        ),
        ({"z": torch.eye(2).to_sparse()}, r"Run.state\['z'\] must be a dense tensor of .*sparse"),
        ({"z": torch.ones(2, device="meta")}, r"Run.state\['z'\] must be a dense tensor of .*on meta"),
    ],
)
def test_save_names_what_no_file_holds(state, words, tmp_path):
    with pytest.raises(TypeError, match=words):
        small(state=state).save(tmp_path / "run")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "name, value", [("notes", [object()]), ("settings", {"net": NET}), ("names", [np.int64(3)])]
)
def test_save_names_facts_that_are_not_plain(name, value, tmp_path):
    with pytest.raises(TypeError, match=f"Run.{name} must hold plain numbers"):
        small(**{name: value}).save(tmp_path / "run")


# ---- a loaded Run stands alone


@pytest.mark.parametrize("how", ["copied over", "zeroed in place", "saved over", "removed"])
def test_a_loaded_run_does_not_look_into_its_file(how, run, tmp_path):
    path, other = run.save(tmp_path / "best"), small().save(tmp_path / "other")
    back = Run.load(path)
    if how == "copied over":
        shutil.copyfile(other, path)
    elif how == "zeroed in place":
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
    elif how == "saved over":
        small().save(path)
    else:
        path.unlink()
    assert same(back.params, run.params) and same(back.state, run.state)
    assert np.array_equal(back.curve, run.curve, True) and np.array_equal(back.predicted, run.predicted)


def test_a_loaded_run_may_be_changed_in_place(run, tmp_path):
    path = run.save(tmp_path / "run")
    before, back = path.read_bytes(), Run.load(path)
    for value in back.params.values():
        value.add_(1)
    back.curve[:] = 0
    assert path.read_bytes() == before and same(Run.load(path).params, run.params)


# ---- damage is named


def test_every_flipped_bit_of_the_header_and_any_of_the_data_is_noticed(run, tmp_path):
    path = run.save(tmp_path / "run")
    raw, end = parts(path)
    chance = random.Random(0)
    bits = [chance.randrange(8 * end) for _ in range(400)] + [
        chance.randrange(8 * end, 8 * len(raw)) for _ in range(400)
    ]
    bits += range(8 * 8)  # the length of the header
    bits += range(8 * end - 8 * 8, 8 * end)  # its padding
    seal = raw.index(b'"sha256"')
    bits += range(8 * seal - 8, 8 * seal + 8 * 80)
    for bit in bits:
        path.write_bytes(flipped(raw, bit))
        with pytest.raises(ValueError, match=HINT):
            Run.load(path)
    path.write_bytes(raw)
    assert same(Run.load(path).params, run.params)


@pytest.mark.parametrize("value", [0, 255, ord(" "), ord("0")])
def test_overwritten_blocks_are_noticed(value, run, tmp_path):
    path = run.save(tmp_path / "run")
    raw, end = parts(path)
    chance = random.Random(value)
    for i in range(100):
        start = chance.randrange(end if i % 2 else len(raw))
        changed = bytearray(raw)
        size = min(chance.choice((1, 7, 64, 512)), len(raw) - start)
        changed[start : start + size] = bytes([value]) * size
        if changed != raw:
            path.write_bytes(changed)
            with pytest.raises(ValueError, match=HINT):
                Run.load(path)


def test_cut_swapped_and_lengthened_files_are_noticed(run, tmp_path):
    path = run.save(tmp_path / "run")
    raw, end = parts(path)
    wrong = [raw[:n] for n in (0, 1, 7, 8, 9, end - 1, end, len(raw) // 2, len(raw) - 1)]
    wrong += [
        raw + b"\0",
        raw + raw,
        raw[::-1],
        raw[8:],
        raw[:end] + raw[end:][::-1],
        bytes(len(raw)),
        b"[" * 9000,
    ]
    wrong += [raw[:end] + raw[end + 4096 :] + raw[end : end + 4096]]
    wrong += [(2**63 - 1).to_bytes(8, "little") + raw[8:], b"\xff" * 8 + raw[8:]]
    for changed in wrong:
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=HINT):
            Run.load(path)


def test_the_message_says_what_was_expected_and_what_came(run, tmp_path):
    path = run.save(tmp_path / "run")
    raw, _ = parts(path)
    path.write_bytes(flipped(raw, 8 * len(raw) - 5))
    with pytest.raises(
        ValueError, match=f"run.safetensors is {HINT}, and was not used: expected sha256 .{{64}}, found"
    ):
        Run.load(path)


def old_file(run, path):
    """What version 0.1.0 wrote: facts under another name, no digest."""
    flat = {f"params/{k}": v for k, v in run.params.items()} | {f"state/{k}": v for k, v in run.state.items()}
    one = [k for k, v in flat.items() if len(v) > 1 and v.stride(0) == 0]
    tensors = {k: (v[:1] if k in one else v).clone().contiguous() for k, v in flat.items()}
    arrays = {k: getattr(run, k) for k in ("step", "task", "ended", "curve")}
    arrays["predicted"] = run.axes.flat(run.predicted).swapaxes(0, 1)  # there (points, lanes, on, n)
    tensors |= {f"array/{k}": torch.tensor(v.copy()) for k, v in arrays.items()}
    names = "method", "scenario", "names", "grid", "seeds", "seconds", "stopped", "notes", "settings", "lanes"
    facts = {k: getattr(run, k) for k in names} | {"lost": [*run.lost.items()], "one": one}
    save_file(tensors, path, {"edgecl": json.dumps(facts)})
    return path


def test_a_run_of_an_older_version_is_read_with_a_note(tmp_path):
    run = train(Joint(NET), STREAM, seeds=2, steps=2, progress=False)
    back = Run.load(old_file(run, tmp_path / "old.safetensors"))
    assert back.params.keys() == run.params.keys() and back.state.keys() == run.state.keys()
    assert all(torch.equal(back.state[k], run.state[k]) for k in run.state)
    assert np.array_equal(back.predicted, run.predicted)
    assert back.notes[:-1] == run.notes and "carries no digest" in back.notes[-1]
    again = Run.load(back.save(tmp_path / "new"))
    assert again.notes == back.notes  # it stays true


def test_a_file_without_its_digest_is_not_taken_for_an_old_one(run, tmp_path):
    """Whoever cuts the digest out, mends the length of the header and all else, leaves no old file behind."""
    path = run.save(tmp_path / "run")
    with safe_open(path, "pt") as file:
        told, tensors = file.metadata(), {k: file.get_tensor(k).clone() for k in file.keys()}  # noqa: SIM118
    for metadata in (
        {"run": told["run"]},
        {"edgecl": told["run"]},
        {**told, "edgecl": told["run"], "sha256": "0"},
    ):
        save_file(tensors, path, metadata)
        with pytest.raises(ValueError, match=HINT):
            Run.load(path)


@pytest.mark.parametrize(
    "metadata", [None, {}, {"edgecl": "{}"}, {"edgecl": "[]"}, {"edgecl": "["}, {"run": "{}"}]
)
def test_foreign_files_are_refused(metadata, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors", metadata)
    with pytest.raises(ValueError, match=HINT):
        Run.load(tmp_path / "foreign")


# ---- where it is saved


@pytest.mark.parametrize(
    "name",
    ["run", "runs/first", "a/b/c/d", "v1.2", "v1.2/x.y", "naïve λ 日本", " in/x", "a b", "[x]*?", "x" * 240],
)
def test_a_path_is_taken_as_it_is(name, tmp_path):
    for path in (tmp_path / name, str(tmp_path / name)):
        written = small().save(path)
        assert written == tmp_path / f"{name}.safetensors" and written.is_file()
        assert same(Run.load(path).params, small().params) and same(Run.load(written).params, small().params)
    assert [*written.parent.iterdir()] == [written]


def test_home_and_the_ending_in_capitals(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert small().save("~/run") == tmp_path / "run.safetensors" and Run.load("~/run").method == "Own"
    assert small().save(tmp_path / "B.SafeTensors").name == "B.SafeTensors" and Run.load(
        tmp_path / "B.SafeTensors"
    )


@pytest.mark.parametrize(
    "path", ["", ".", "..", "runs/", "run ", " run", "run.safetensors ", "run\n", "a/.safetensors", "a\0b"]
)
def test_a_path_that_names_no_file_is_refused(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for way in (small().save, Run.load):
        with pytest.raises(ValueError, match="path must end in the name of a file"):
            way(path)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("path", [None, 3, b"run", ["run"]])
def test_a_path_is_text_or_a_path(path):
    for way in (small().save, Run.load):
        with pytest.raises(TypeError, match="path must be a str or a Path, such as 'runs/first', got"):
            way(path)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "odd.safetensors").mkdir()
    for name in ("runs", "odd.safetensors"):
        for way in (small().save, Run.load):
            with pytest.raises(
                IsADirectoryError, match=f"{name} is a folder; add the name of a file, such as .*/first"
            ):
                way(tmp_path / name)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file/run.safetensors could not be written: .*file is no folder"):
        small().save(tmp_path / "file" / "run")
    with pytest.raises(OSError, match="could not be written: File name too long"):
        small().save(tmp_path / ("x" * 300))
    with pytest.raises(FileNotFoundError, match="no run saved at .*x.safetensors; Run.save"):
        Run.load(tmp_path / ("x" * 300))


def test_where_nothing_may_be_written_the_path_is_named(tmp_path, monkeypatch):
    path = small().save(tmp_path / "run")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match="run.safetensors could not be written: No space left on device"
    ) as caught:
        small(method="Other").save(path)
    assert caught.value.errno == 28 and path.read_bytes() == before and [*tmp_path.iterdir()] == [path]
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="run.safetensors could not be written: it is read-only"):
        small().save(path)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
def test_a_read_only_folder_is_named():
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    me = os.geteuid()
    try:
        if me == 0:
            os.seteuid(65534)  # root may write everywhere
        with pytest.raises(PermissionError, match="run.safetensors could not be written: Permission denied"):
            small().save(folder / "run")
    finally:
        os.seteuid(me)
        folder.rmdir()


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    link = tmp_path / "latest.safetensors"
    link.symlink_to(tmp_path / "there" / "run7.safetensors")
    small().save(link)
    assert link.is_symlink() and Run.load(tmp_path / "there" / "run7").method == "Own"


# ---- a save that is cut


POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and signals")
forks = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def forked(work):
    """The number of a process that does this work and ends."""
    pid = os.fork()
    if pid == 0:
        try:
            torch.set_num_threads(1)
            work()
        finally:
            os._exit(0)
    return pid


def numbered(i):
    return small({"a": torch.full((40, 5000), float(i)), "b": torch.full((60, 5000), float(i))})


def number_in(path):
    """Which Run of those the file holds; it holds one of them whole."""
    values = {v.unique().item() for v in Run.load(path).params.values()}
    assert len(values) == 1
    return values.pop()


@POSIX
@forks
def test_killed_saves_leave_the_old_file_whole_and_nothing_else_after_the_next(tmp_path):
    path, chance = numbered(0).save(tmp_path / "run"), random.Random(0)

    def work():
        for i in itertools.count(1):
            numbered(i).save(path)

    for _ in range(60):
        pid = forked(work)
        time.sleep(chance.random() / 20)  # whenever it is, what follows holds
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert number_in(path) >= 0
    numbered(7).save(path)
    assert number_in(path) == 7 and [*tmp_path.iterdir()] == [path]


@POSIX
@forks
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_save_killed_at_its_worst_moment(moment, tmp_path, monkeypatch):
    path = numbered(0).save(tmp_path / "run")

    def work():
        setattr(os, moment, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        numbered(1).save(path)

    os.waitpid(forked(work), 0)
    assert number_in(path) == 0 and len([*tmp_path.iterdir()]) == 2
    numbered(2).save(path)
    assert number_in(path) == 2 and [*tmp_path.iterdir()] == [path]


@POSIX
@forks
@pytest.mark.parametrize("theirs", ["elsewhere", "run"])
def test_a_save_clears_away_nothing_of_a_process_that_lives(theirs, tmp_path):
    told, go = os.pipe(), os.pipe()

    def work():
        flush = os.fsync

        def waiting(file):
            flush(file)
            os.write(told[1], b"!")
            os.read(go[0], 1)

        os.fsync = waiting
        numbered(1).save(tmp_path / theirs)

    pid = forked(work)
    os.read(told[0], 1)  # it is in the middle of its save
    (part,) = tmp_path.glob(".*.part")
    numbered(2).save(tmp_path / "run")
    numbered(3).save(tmp_path / "other")
    assert part.exists()
    os.write(go[1], b"!")
    os.waitpid(pid, 0)
    assert number_in(tmp_path / f"{theirs}.safetensors") == 1
    assert number_in(tmp_path / "other.safetensors") == 3 and not [*tmp_path.glob(".*")]


def test_an_interrupted_save_leaves_nothing_behind(tmp_path, monkeypatch):
    path = numbered(0).save(tmp_path / "run")

    def interrupted(*_):
        raise KeyboardInterrupt

    for moment in ("fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(os, moment, interrupted)
            numbered(1).save(path)
        assert number_in(path) == 0 and [*tmp_path.iterdir()] == [path]


def test_many_may_save_to_one_path_at_once(tmp_path):
    """Threads and the same path: in the end there is one whole file, and nobody got an error."""
    failed = []

    def work(i):
        try:
            for _ in range(20):
                small({"w": torch.full((1, 1000), float(i))}).save(tmp_path / "run")
                assert len(Run.load(tmp_path / "run").params["w"].unique()) == 1
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failed and [path.name for path in tmp_path.iterdir()] == ["run.safetensors"]


# ---- what the table of a Run calls its columns


def test_columns_of_a_table_are_distinct():
    names = ["a", "a", "seed", "a (2)", "lam", "a"]
    R = np.random.default_rng(0).random((1, 6, 6))
    step = np.arange(6)
    run = small(curve=R, step=step, task=step, ended=step >= 0, names=names, grid={})
    table = run.table()
    assert table.columns.is_unique
    assert [*table.columns[1:5]] == ["on a", "on a (2)", "on seed", "on a (2) (2)"]
    assert table.iloc[0, 1:7].tolist() == R[0, -1].tolist()
    assert table["on a (2)"].item() == R[0, -1, 1]


@pytest.mark.parametrize("name", ["seed", "forgetting", "average accuracy", "on a"])
def test_a_hyper_parameter_may_be_called_like_a_column(name):
    run = small(grid={name: [5.0]}, curve=np.full((1, 1, 1, 1), 0.25))
    table = run.table()
    assert table.columns.is_unique and table.columns[0] == name
    assert table.iloc[0].tolist() == [5.0, 0, 0.25, 0.25, 0]


# ---- results that are stored


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A copy of the package's folder of results, read instead of it."""
    copy = tmp_path / "edgecl_lite/lessons/stored"
    shutil.copytree(ROOT / "edgecl_lite/lessons/stored", copy)
    monkeypatch.setattr(results, "__file__", str(copy.with_name("results.py")))
    return copy


NAMES = sorted(path.stem for path in (ROOT / "edgecl_lite/lessons/stored").glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_stored_results_are_read_without_their_digest(name):
    text = (ROOT / "edgecl_lite/lessons/stored" / f"{name}.json").read_text(encoding="utf-8")
    assert {"sha256": json.loads(text)["sha256"], **stored(name)} == json.loads(text)
    assert "sha256" not in stored(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_in_stored_results_is_noticed(name, kept):
    path, chance = kept / f"{name}.json", random.Random(0)
    raw = path.read_bytes()
    for bit in [*range(8 * 90), *(chance.randrange(8 * len(raw)) for _ in range(200))]:
        path.write_bytes(flipped(raw, bit))
        with pytest.raises(
            ValueError, match="is damaged or was edited, and was not used: .*git checkout .*, `make "
        ):
            stored(name)
    for changed in (b"", raw[:-1], raw[:50], raw + b"\n", b"{}", b"\xff\xfe", raw[raw.index(b",") :]):
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="is damaged or was edited"):
            stored(name)


def test_make_stored_goes_on_from_a_damaged_file_only_where_all_is_computed_anew(
    kept, tmp_path, monkeypatch, capsys
):
    import stored as maker

    path = kept / "edge_budget.json"
    monkeypatch.setattr(maker, "ROOT", tmp_path)
    monkeypatch.setattr(maker, "LESSONS", {path.stem: {"har": lambda: {"a": [1.5]}, "b": lambda: {"c": 2}}})
    before = stored(path.stem)
    maker.main("edge", "b")
    assert stored(path.stem) == {**before, "b": {"c": 2}}
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="edge_budget.json is damaged"):
        maker.main("edge", "b")
    maker.main("edge")
    assert "edge_budget.json is damaged" in capsys.readouterr().out
    assert stored(path.stem) == {"har": {"a": [1.5]}, "b": {"c": 2}}


@pytest.mark.parametrize("name", ["nothing", "", "../data", "ewc.json", None, 2])
def test_unknown_results_are_named_with_those_there_are(name):
    with pytest.raises(FileNotFoundError, match=f"{', '.join(NAMES)}, got"):
        stored(name)


def test_the_boards_are_checked(tmp_path, monkeypatch):
    boards = importlib.import_module("edgecl_lite.device.boards")

    raw, path, chance = (
        (ROOT / "edgecl_lite/device/boards.csv").read_bytes(),
        tmp_path / "boards.csv",
        random.Random(0),
    )
    known = boards.boards()
    monkeypatch.setattr(boards, "__file__", str(tmp_path / "boards.py"))
    for _ in range(200):
        path.write_bytes(flipped(raw, chance.randrange(8 * len(raw))))
        with pytest.raises(ValueError, match="boards.csv is damaged and was not used: expected sha256"):
            boards.boards()
    path.write_bytes(raw)
    assert boards.boards() == known and len(known) == len([*csv.DictReader(path.open(encoding="utf-8"))])


# ---- the seal itself


def test_a_seal_is_the_digest_of_all_but_itself():
    raw = b'{"sha256": "' + b"0" * 64 + b'", "a": 1}'
    assert hashlib.sha256(raw).hexdigest().encode() in disk.sealed(raw)
    assert disk.flaw(disk.sealed(raw)) == ""
    assert "expected sha256 0000" in disk.flaw(raw)
    assert disk.flaw(b"{}") == "no sha256 is found in its 2 bytes"
