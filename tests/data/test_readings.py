"""A CSV file of readings against windows cut by loops; what is wrong in it is named by its row."""

import importlib

import numpy as np
import pytest
import torch
from torch import nn

import edgecl_lite as cl

smartwatch = importlib.import_module("edgecl_lite.data.smartwatch")
SENSORS = "ax", "ay", "az", "wx", "wy", "wz"


@pytest.fixture(scope="module")
def watch(tmp_path_factory):
    """The smart watch as a CSV file: a row a reading, as whole numbers, with a time in seconds."""
    path = tmp_path_factory.mktemp("own") / "watch.csv"
    with np.load(smartwatch.__file__.replace(".py", ".npz")) as file:
        steps = np.split(file["steps"], file["length"].cumsum()[:-1])
        about = [*zip(file["exercise"].tolist(), file["wearer"].tolist())]
    rows, now = [",".join(("time", *SENSORS, "label", "wearer"))], 0.0
    for own, told in zip(steps, about, strict=True):
        now += 60.0  # a break, where the next recording may be of the same wearer and exercise
        for reading in own.cumsum(0, dtype=np.int8).tolist():
            now += 1 / 12.5
            rows.append(",".join(map(str, (f"{now:.4f}", *reading, *told))))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def made(tmp_path, *rows, header="a,b,label", name="own.csv"):
    path = tmp_path / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def plain(n=20, **words):
    """Rows a, b of n readings of each label."""
    return [f"{i},{-i / 2},{label}" for label in words.get("labels", "xy") for i in range(n)]


# ---- there and back


def test_the_smart_watch_comes_back_as_it_was(watch):
    stream, (train, test) = cl.readings(watch, 12.5, 32, 16, span=(-127, 127)), cl.smartwatch_windows()
    assert (stream.scenario, stream.outputs, stream.shape) == ("domain", 7, (6, 1, 32))
    assert stream.tasks[0].labels == tuple("0123456") and stream.channels == SENSORS
    theirs = cl.smartwatch_wearers(sorted({int(w) for w in train[2]}))
    assert stream.names == theirs.names and len(stream) == 10
    for own, their in zip(stream, theirs):
        for (x, y), (want, exercise) in ((own.train, their.train), (own.test, their.test)):
            assert torch.equal(y, exercise) and x.dtype == torch.float32
            assert torch.allclose(x, want, rtol=0, atol=1e-7)
    assert sum(len(task.test[1]) for task in stream) == len(test[1])


def test_without_a_span_the_training_windows_fill_0_to_1(watch):
    given = cl.readings(watch, 12.5, 32, 16, span=(-127, 127))
    found = cl.readings(watch, 12.5, 32, 16)
    low, high = (torch.tensor(v)[:, None, None] for v in (found.low, found.high))
    for part in ("train", "test"):
        x, (was, _) = found.all(part)[0], given.all(part)
        want = ((was * 254 - 127 - low) / (high - low)).clamp(0, 1)
        assert torch.allclose(x, want, atol=1e-5)
    x = found.all("train")[0].transpose(0, 1).flatten(1)
    assert (x.amin(1) == 0).all() and (x.amax(1) == 1).all()


def by_loops(rows, window, hop, learned):
    """[(part, first row, label, wearer)] of every window, row by row."""
    found, begin = [], 0
    for i in range(1, len(rows) + 1):
        if i == len(rows) or rows[i][1:] != rows[begin][1:]:
            cut = begin + int((i - begin) * learned + 1e-9)
            for part, (a, b) in enumerate(((begin, cut), (cut, i))):
                found += [(part, j, *rows[begin][1:]) for j in range(a, b, hop) if j + window <= b]
            begin = i
    return found


def test_windows_by_hand(tmp_path):
    """Every reading is a number of its own, so that each window says where it is from."""
    dice, rows = np.random.default_rng(0), []
    for _ in range(30):
        n, label, wearer = int(dice.integers(4, 60)), dice.choice(["run", "rest"]), dice.choice([3, 12])
        rows += [(len(rows) + i, label, str(wearer)) for i in range(n)]
    path = made(tmp_path, *(",".join(map(str, row)) for row in rows), header="a,label,wearer")
    stream = cl.readings(path, 10, 5, 2, test=0.4, span=(0, len(rows)))
    wanted = by_loops(rows, 5, 2, 0.6)
    assert stream.names == ["wearer 3", "wearer 12"]
    classes = list(dict.fromkeys(row[1] for row in rows))
    for part, which in enumerate(("train", "test")):
        for task, wearer in zip(stream, ("3", "12")):
            x, y = getattr(task, which)
            want = [(i, classes.index(c)) for p, i, c, w in wanted if (p, w) == (part, wearer)]
            begins = (x[:, 0, 0] * len(rows)).round().long()
            assert (begins - begins[:, :1] == torch.arange(5)).all()
            assert [*zip(begins[:, 0].tolist(), y.tolist())] == want


def test_a_window_spans_no_gap_and_time_may_begin_anew(tmp_path):
    times = [0.1 * i for i in range(20)] + [5 + 0.1 * i for i in range(20)] + [0.1 * i for i in range(20)]
    rows = [f"{t:.3f},{i},x" for i, t in enumerate(times)]
    stream = cl.readings(made(tmp_path, *rows, header="time,a,label"), 10, 4, 4, span=(0, 60))
    begins = (stream.tasks[0].train[0][:, 0, 0, 0] * 60).round().tolist()
    assert begins == [0, 4, 8, 20, 24, 28, 40, 44, 48]  # 14 of each 20 are to train on
    assert (stream.tasks[0].test[0][:, 0, 0, 0] * 60).round().tolist() == [14, 34, 54]


def test_classes_in_pairs_or_one_task(tmp_path):
    path = made(tmp_path, *plain(labels=["10", "9", "2", "1"]), name="lab.csv")
    one, pairs = cl.readings(path, 10, 4, 2), cl.readings(path, 10, 4, 2, per_task=2)
    assert one.names == ["lab"] and (one.scenario, one.outputs) == ("domain", 4)
    assert one.tasks[0].labels == ("1", "2", "9", "10")
    assert pairs.names == ["1 & 2", "9 & 10"] and pairs.scenario == "class"
    assert isinstance(pairs.set_aside(0.3), cl.Readings)
    words = cl.readings(made(tmp_path, *plain(labels=["walk", "sit"])), 10, 4, 2)
    assert words.tasks[0].labels == ("walk", "sit")


def test_both_ways_of_importing_it():
    from edgecl_lite.data.readings import readings

    assert cl.readings is readings and "CSV" in cl.readings.__doc__


# ---- it is a stream like any other


def test_a_net_of_your_own_learns_it(watch):
    stream = cl.readings(watch, rate=12.5, window=32, hop=16)
    net = nn.Sequential(
        nn.Conv2d(6, 8, (1, 5), padding=(0, 2)),
        nn.ReLU(),
        nn.MaxPool2d((1, 32)),
        nn.Flatten(),
        nn.Linear(8, stream.outputs),
    )
    for own in (net, cl.wrist_net(stream)):
        run = cl.train(cl.Replay(own, 40), stream, steps=3, progress=False)
        assert run.accuracy.shape == (1, 10, 10)


def test_a_few_of_the_channels_in_another_order(watch):
    every = cl.readings(watch, 12.5, 32, 16)
    some = cl.readings(watch, 12.5, 32, 16, channels=["wz", "ax"])
    assert some.shape == (2, 1, 32) and some.channels == ("wz", "ax")
    assert torch.equal(some.all("test")[0], every.all("test")[0][:, [5, 0]])


# ---- what is told


def test_what_lies_beyond_is_cut_off_and_told(tmp_path):
    rows = plain(labels="x")  # rises all the time: what is tested on was never seen
    stream = cl.readings(made(tmp_path, *rows), 10, 4, 2)
    assert (stream.low, stream.high) == ((0, -6.5), (13, 0))
    x = stream.tasks[0].test[0]
    assert (x[:, 0] == 1).all() and (x[:, 1] == 0).all()
    assert "Windows of 4 readings are 0.4 s long, every 0.2 s." in stream.notes
    assert "0 … 1 stand for a 0 … 13, b -6.5 … 0, of the windows to train on." in stream.notes
    assert f"{x.numel()} of {x.numel()} values to test on lie beyond and are cut off." in stream.notes
    given = cl.readings(made(tmp_path, *rows), 10, 4, 2, span=[(0, 20), (-10, 0)])
    assert given.low == (0, -10) and not any("beyond" in note for note in given.notes)


def test_short_recordings_and_lacking_classes_are_told(tmp_path):
    rows = [f"{i},x,1" for i in range(20)] + ["5,y,1", "6,y,1"] + [f"{i},y,2" for i in range(20)]
    rows += [f"{i},x,2" for i in range(20)]
    with pytest.raises(ValueError, match="row 22 on: class 'y' of wearer '1' has 0 windows to train on"):
        cl.readings(made(tmp_path, *rows, header="a,label,wearer"), 10, 4, 2)
    rows[20:22] = ["5,x,1", "6,y,2"]
    stream = cl.readings(made(tmp_path, *rows, header="a,label,wearer"), 10, 4, 2)
    assert "Wearer 1 has no reading of y." in stream.notes
    rows[20:22] = ["5,x,2", "6,y,2"]
    stream = cl.readings(made(tmp_path, *rows, header="a,label,wearer"), 10, 4, 2)
    told = "1 of 4 recordings gave no window to train on, the first begins in row 22: 14 readings"
    assert any(note.startswith(told) for note in stream.notes)


@pytest.mark.parametrize("test", [0.1, 0.3, 0.5, 0.8])
def test_as_many_readings_as_are_called_enough_are(test, tmp_path):
    for window in (3, 7, 10):
        with pytest.raises(ValueError, match="readings on end give both") as said:
            cl.readings(made(tmp_path, *plain(2)), 10, window, 1, test=test)
        enough = int(str(said.value).partition(" readings on end")[0].rpartition(" ")[2])
        assert len(cl.readings(made(tmp_path, *plain(enough)), 10, window, 1, test=test)) == 1


# ---- what is wrong is named


GOOD = plain()
WRONG = {
    "an empty cell": (dict(rows={3: ",1,x"}), "row 5, column 'a': the cell is empty"),
    "two of them": (dict(rows={3: ",1,x", 7: ",1,x"}), r"column 'a' \(and 1 more\): the cell is empty"),
    "a cell missing": (dict(rows={3: "1,x"}), "row 5, column 'b': got 'x'"),
    "a label missing": (dict(rows={3: "1,2"}), "row 5, column 'label': the cell is empty"),
    "a blank label": (dict(rows={3: "1,2,  "}), "row 5, column 'label': the cell is empty"),
    "a cell too many": (dict(rows={3: "1,2,x,4"}), "Expected 3 fields in line 5, saw 4"),
    "all too long": (dict(rows=dict.fromkeys(range(40), "1,2,x,4")), "more cells than the header"),
    "a blank line": (dict(rows={3: ""}), "row 5, column 'a'"),
    "text": (dict(rows={3: "one,2,x"}), "row 5, column 'a': got 'one'; a number with a point"),
    "a comma": (dict(rows={3: '"1,5",2,x'}), "row 5, column 'a': got '1,5'"),
    "nan": (dict(rows={3: "nan,2,x"}), "row 5, column 'a': got 'nan'"),
    "infinity": (dict(rows={3: "1e999,2,x"}), "row 5, column 'a': got 'inf'"),
    "truth": (
        dict(rows={i: f"True,{i},x" for i in range(40)}),
        r"row 2, column 'a' \(and 39 more\): got 'True'",
    ),
    "no label": (dict(header="a,b,c"), r"must have a column 'label'; its columns are \['a', 'b', 'c'\]"),
    "semicolons": (dict(header="a;b;label"), "must have a column 'label'"),
    "a name twice": (dict(header="a,a,label"), r"different names, got \['a'\] more than once"),
    "no name": (dict(header="a,,label"), "every column must have a name"),
    "no rows": (dict(rows=dict.fromkeys(range(40))), "a header and no reading below it"),
    "no such wearer": (dict(wearer="who"), "must have wearer='who'"),
    "no such channel": (dict(channels=["a", "z"]), r"some of \['a', 'b'\], got also \['z'\]"),
    "no channel": (dict(channels=[]), "needs columns of readings"),
    "a still channel": (dict(rows={i: f"1,{i},{'xy'[i > 19]}" for i in range(40)}), "'a' never changes"),
    "one window": (dict(rows={39: "1,2,z"}), "row 41 on: class 'z' has 0 windows to train on and 0"),
    "a window too long": (dict(window=21), "row 2 on: class 'x' has 0 windows .* 70 readings"),
    "a span that is none": (dict(span=(1, 1)), "low < high"),
    "spans too few": (dict(span=[(0, 1)] * 3), "low < high"),
    "a window of half": (dict(window=2.5), "window must be a whole number >= 1, got 2.5"),
    "no hop": (dict(hop=0), "hop must be a whole number >= 1, got 0"),
    "no rate": (dict(rate=0), "rate must be a finite number > 0, got 0"),
    "all to test on": (dict(test=1), "test must be a finite number > 0 and <= 0.9, got 1"),
    "milliseconds": (
        dict(header="time,b,label", rows={i: f"{20 * i},{i},{'xy'[i > 19]}" for i in range(40)}, rate=50),
        "readings are mostly 20 apart, rate=50 says 0.02 s; time is in seconds",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name, tmp_path):
    options, says = WRONG[name]
    options = dict(options)
    rows = dict(enumerate(GOOD)) | options.pop("rows", {})
    rows = [row for row in rows.values() if row is not None]
    path = made(tmp_path, *rows, header=options.pop("header", "a,b,label"))
    given = dict(rate=10, window=4, hop=2) | options
    with pytest.raises(ValueError, match=says) as said:
        cl.readings(path, **given)
    assert len(str(said.value)) < 600


def test_paths_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.csv does not exist"):
        cl.readings(tmp_path / "nowhere.csv", 10, 4, 2)
    with pytest.raises(FileNotFoundError, match="is a folder"):
        cl.readings(tmp_path, 10, 4, 2)
    with pytest.raises(TypeError, match="path must be the path of a CSV file, got DataFrame"):
        cl.readings(importlib.import_module("pandas").DataFrame(), 10, 4, 2)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match="no table of comma-separated UTF-8 text"):
        cl.readings(tmp_path / "empty.csv", 10, 4, 2)
    (tmp_path / "bytes.csv").write_bytes(b"a,b,label\n\xff\xfe,1,x\n")
    with pytest.raises(ValueError, match="no table of comma-separated UTF-8 text"):
        cl.readings(tmp_path / "bytes.csv", 10, 4, 2)


def test_what_spreadsheets_add_is_no_fault(tmp_path):
    """A mark of the byte order, blanks around names, blank lines at the end, Windows' line ends."""
    text = "\r\n".join(["a , b,label ", *(row.replace(",x", ", x") for row in GOOD), "", ",,", ""])
    (tmp_path / "own.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    own, plainly = cl.readings(tmp_path / "own.csv", 10, 4, 2), made(tmp_path, *GOOD, name="plain.csv")
    assert torch.equal(own.tasks[0].train[0], cl.readings(plainly, 10, 4, 2).tasks[0].train[0])
    assert own.tasks[0].labels == ("x", "y")
