"""smartwatch.py against the recordings as published (seglearn, if it is installed), and against itself.

The original becomes bytes here anew, in other words than in the tool that made the bundled file.
"""

import fnmatch
import importlib
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from watch_readings import BUNDLED, original, tables

from edgecl_lite import smartwatch, smartwatch_arms, smartwatch_wearers, smartwatch_windows, split

module = importlib.import_module("edgecl_lite.data.smartwatch")
ROOT = Path(__file__).resolve().parents[2]
SPAN = 3, 2, 3, 6, 8, 4  # g, g, g, rad/s, rad/s, rad/s
SHORT = "PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"


@pytest.fixture(scope="module")
def published():
    path = original()
    if not (path and path.exists()):
        pytest.skip("seglearn is not installed, so the bundled readings were NOT compared with the original")
    return np.load(path, allow_pickle=True).item()


@pytest.fixture(scope="module")
def windows():
    return smartwatch_windows()


def bundled():
    """Readings int8 (n, 6) of each recording, summed up in whole numbers of any size."""
    with np.load(BUNDLED) as file:
        steps, ends = file["steps"].astype(int), file["length"].astype(int).cumsum()
    return [(own.cumsum(0) + 128) % 256 - 128 for own in np.split(steps, ends[:-1])]


# ---- the original ------------------------------------------------------------------------------------------


def test_readings_equal_the_original(published):
    ours, cut_off = bundled(), []
    assert len(ours) == len(published["X"]) == 140
    for own, x in zip(ours, published["X"]):
        n = len(x) // 4
        slow = (x[0 : 4 * n : 4] + x[1 : 4 * n : 4] + x[2 : 4 * n : 4] + x[3 : 4 * n : 4]) / 4
        scaled = slow * 127 / SPAN
        beyond = abs(scaled) > 127
        cut_off.append(beyond)
        assert (own[beyond] == 127 * np.sign(scaled[beyond])).all()
        assert np.abs(own - scaled)[~beyond].max() <= 0.5 + 1e-9
    assert np.concatenate(cut_off).mean(0).max() <= 0.004
    with np.load(BUNDLED) as file:
        for ours, theirs in (("exercise", "y"), ("wearer", "subject"), ("right", "side")):
            assert file[ours].tolist() == published[theirs].tolist()
    assert published["X_labels"] == ["ax", "ay", "az", "wx", "wy", "wz"]


def test_exercises_are_named_in_the_originals_order(published):
    initials = ["".join(word[0] for word in name.split()).upper() for name in module.EXERCISES]
    assert published["y_labels"] == list(SHORT)
    assert [a[0] for a in initials] == [b[0] for b in ("P", "A", "F", "I", "E", "T", "U")]


def test_the_tool_makes_the_bundled_file(published):
    with np.load(BUNDLED) as file:
        made = tables(original())
        assert set(made) == set(file.files)
        for name, array in made.items():
            assert array.dtype == file[name].dtype
            np.testing.assert_array_equal(array, file[name])


# ---- windows -----------------------------------------------------------------------------------------------


def test_windows_by_hand(windows):
    """Every window again, by loops; the last 30 % of each recording is to test on."""
    kept = [], []
    for own in bundled():
        cut = len(own) * 7 // 10
        for part, (first, last) in enumerate(((0, cut), (cut, len(own)))):
            starts = [i for i in range(first, last, 16) if i + 32 <= last]
            kept[part].extend(own[i : i + 32].T for i in starts)
    for (x, *about), want in zip(windows, kept):
        assert x.dtype == torch.float32 and {part.dtype for part in about} == {torch.int64}
        assert torch.equal((x[:, :, 0] * 254 - 127).round().int(), torch.from_numpy(np.stack(want)).int())
        assert all(len(part) == len(x) for part in about)
    assert [len(want) for want in kept] == [2458, 943]


def test_every_recording_is_in_both_parts_and_no_reading_is():
    """Each reading is given a number of its own, and the windows are cut out of these."""
    with np.load(BUNDLED) as file:
        lengths = file["length"]
    for n in lengths.tolist():
        cut, numbers = module.LEARNED * n // 10, np.arange(n)
        cuts = [
            np.lib.stride_tricks.sliding_window_view(part, module.WINDOW)[:: module.HOP]
            for part in (numbers[:cut], numbers[cut:])
        ]
        train, test = (set(part.ravel().tolist()) for part in cuts)
        assert not train & test and max(train) < min(test) and len(cuts[0]) >= 9 and len(cuts[1]) >= 3


def test_no_window_is_in_both_parts(windows):
    (train, *_), (test, *_) = windows
    halves = [
        {half.numpy().tobytes() for x in part for half in x[:, 0].split(16, 1)} for part in (train, test)
    ]
    assert not halves[0] & halves[1]


# ---- what is made of them ----------------------------------------------------------------------------------


def test_smartwatch(windows):
    data = smartwatch()
    assert (data.name, data.classes, len(data.classes)) == ("smartwatch", module.EXERCISES, 7)
    for (x, y), (every, exercise, *_), n in zip((data.train, data.test), windows, (2458, 943)):
        assert x.shape == (n, 6, 1, 32) and torch.equal(x, every) and torch.equal(y, exercise)
    assert (data.train[0].min(), data.train[0].max()) == (0, 1)
    assert data.train[1].bincount().tolist() == [260, 407, 412, 378, 381, 306, 314]
    smartwatch().train[0].zero_()
    assert smartwatch().train[0].max() == 1


def test_six_exercises_in_pairs():
    pairs = split(smartwatch(exercises=6))
    assert pairs.names[0] == "pendulum & abduction" and len(pairs) == 3
    assert (pairs.scenario, pairs.outputs, pairs.shape) == ("class", 6, (6, 1, 32))
    x, y = smartwatch().train
    assert torch.equal(pairs.tasks[1].train[0], x[(y == 2) | (y == 3)])


def test_wearers_and_arms(windows):
    everyone, arms = smartwatch_wearers(), smartwatch_arms()
    assert everyone.names == [f"wearer {w}" for w in range(1, 11)]
    assert arms.names == ["left arm", "right arm"]
    for stream, key in ((everyone, 2), (arms, 3)):
        assert (stream.scenario, stream.outputs) == ("domain", 7)
        for t, task in enumerate(stream, start=3 - key):
            for (x, y), part in zip((task.train, task.test), windows):
                keep = part[key] == t
                assert torch.equal(x, part[0][keep]) and torch.equal(y, part[1][keep])
                assert set(y.tolist()) == set(range(7))
    few = smartwatch_wearers([9, 2])
    assert few.names == ["wearer 9", "wearer 2"]
    assert torch.equal(few.tasks[0].test[0], everyone.tasks[8].test[0])


def test_twenty_watches_hold_everything_once(windows):
    names, train, test = module.smartwatch_by_client()
    assert names[:3] == ("wearer 1, left", "wearer 1, right", "wearer 2, left") and len(names) == 20
    for own, part in zip((train, test), windows):
        assert sum(len(y) for _, y in own) == len(part[1])
        for client, (x, y) in enumerate(own):
            keep = (part[2] == 1 + client // 2) & (part[3] == client % 2)
            assert torch.equal(x, part[0][keep]) and torch.equal(y, part[1][keep])
            assert y.bincount().min() >= 3
    _, six, _ = module.smartwatch_by_client(exercises=6)
    assert {int(y.max()) for _, y in six} == {5}


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: smartwatch(0), ValueError, "exercises must be a whole number >= 1, got 0"),
        (lambda: smartwatch(8), ValueError, "exercises must be a whole number >= 1 and <= 7, got 8"),
        (lambda: smartwatch("PEN"), TypeError, "exercises must be a whole number >= 1, got 'PEN'"),
        (lambda: module.smartwatch_by_client(8), ValueError, "exercises must be .* <= 7, got 8"),
        (lambda: smartwatch_wearers(3), ValueError, r"wearers must be a list .* got 3: \[3\]"),
        (lambda: smartwatch_wearers([]), ValueError, "wearers must be a list of at least one value"),
        (lambda: smartwatch_wearers([11]), ValueError, "each of wearers must be .* <= 10, got 11"),
        (lambda: smartwatch_wearers([0]), ValueError, "each of wearers must be a whole number >= 1, got 0"),
        (lambda: smartwatch_wearers([2, 2]), ValueError, r"wearers must be different .* got \[2, 2\]"),
    ],
)
def test_arguments_are_checked_before_the_file_is_touched(call, error, says, monkeypatch):
    monkeypatch.setattr(module, "smartwatch_windows", lambda: pytest.fail("read the data first"))
    with pytest.raises(error, match=says):
        call()


def test_a_whole_number_may_come_as_any_type():
    assert len(smartwatch(np.int64(3)).classes) == len(smartwatch(3.0).classes) == 3


# ---- the file ----------------------------------------------------------------------------------------------


def test_the_file_is_checked(monkeypatch):
    monkeypatch.setitem(module.SHA256, "smartwatch.npz", "0" * 64)
    says = r"smartwatch\.npz is damaged .* expected sha256 0{64}, found 3d06d58b.* Install the package again"
    with pytest.raises(ValueError, match=says):
        smartwatch()


def test_the_file_is_small_and_needs_no_pickle():
    assert BUNDLED.stat().st_size <= 310_000
    with np.load(BUNDLED, allow_pickle=False) as file:
        assert {file[name].dtype.kind for name in file.files} <= {"i", "u"}


def test_the_notice_stands_beside_the_data():
    text = " ".join(BUNDLED.with_suffix(".txt").read_text(encoding="utf-8").split())
    for needed in (
        "Copyright (c) 2018, David M. Burns All rights reserved.",
        "Redistributions in binary form must reproduce the above copyright notice",
        "Neither the name of project-template nor the names of its contributors",
        "IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE",
        "Physiological Measurement 39(7)",
        "arxiv.org/abs/1802.01489",
        "Changed here",
    ):
        assert needed in text, needed


def test_what_is_no_python_travels_in_the_wheel():
    package = ROOT / "edgecl_lite"
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["edgecl_lite"]
    rooms = [
        path
        for room in package.iterdir()
        if room.is_dir() and room.name[0] != "."
        for path in room.rglob("*")
    ]
    files = {path.relative_to(package).as_posix() for path in rooms if path.suffix not in ("", ".py", ".pyc")}
    files = {name for name in files if not name.startswith("lessons/states/")}  # the site's
    left = {name for name in files if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)}
    assert {"data/smartwatch.npz", "data/smartwatch.txt", "data/digits.npz"} <= files
    assert not left, "package-data of pyproject.toml leaves these behind"
