"""The ledger: a rehearsal of all its rows on the bundled digits; the rows and the page that are stored."""

import inspect
import json
import math
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).resolve().parent / "ledger"
sys.path.insert(0, str(HERE))

import fedavg  # noqa: E402
import ledger  # noqa: E402
import page  # noqa: E402

import edgecl_lite as cl  # noqa: E402
from edgecl_lite.data import images as data  # noqa: E402
from edgecl_lite.machine import disk  # noqa: E402

SMALL = ["--rehearse", "--seeds", "2"]
MNIST = os.environ.get("EDGECL_DATA")


def command(*options, **how):
    """The ledger as `make ledger` starts it."""
    line = [sys.executable, str(HERE / "ledger.py"), *map(str, options)]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    return subprocess.Popen(line, **pipes, **how)


def rows_in(folder):
    """{file below rows/: its row without what a clock said}."""
    files = (folder / "rows").rglob("*.json")
    found = {path.relative_to(folder).as_posix(): ledger.parse(path) for path in files}
    return {name: {k: v for k, v in row.items() if k != "seconds"} for name, row in found.items()}


def bytes_in(folder):
    return {path.name: path.read_bytes() for path in (folder / "rows").rglob("*.json")}


def refused(*options):
    """What the ledger says when it stops with an error."""
    with pytest.raises(SystemExit) as stop:
        ledger.main([*map(str, options)])
    assert isinstance(stop.value.code, str)  # printed on stderr, exit status 1
    return stop.value.code


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    """A folder with every row of the ledger, tiny."""
    folder = tmp_path_factory.mktemp("rehearsal")
    ledger.main([*SMALL, "--workers", "1", "--folder", str(folder)])
    return folder


@pytest.fixture
def copy(rehearsal, tmp_path):
    return Path(shutil.copytree(rehearsal, tmp_path / "copy"))


@pytest.fixture(autouse=True)
def as_before():
    """`measure` is made for processes of its own: it sets how torch computes."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


# ---- what is run


def test_every_method_in_every_scenario():
    names = [row.name for row in ledger.ledger()]
    plain = [name for name in names if ", " not in name]
    assert len(plain) == len(set(plain)) == 2 * 19
    assert {name for name in plain if name.startswith("iCaRL")} == {
        "iCaRL/class/mnist",
        "iCaRL/class/fashion_mnist",
    }
    fishers = [name for name in names if ", " in name]
    assert len(set(fishers)) == 15
    assert len(fishers) == 5 * (9 + 6 + 7) + 3  # the exact one tries 0, too
    assert names[:19] == [name for name in plain if name.endswith("/mnist")]


def test_settings_are_those_of_the_paper():
    for row in ledger.ledger():
        training, method = row.settings["training"], row.settings["method"]
        assert training == {
            "optimizer": "adam",
            "lr": 1e-3,
            "batch_size": 128,
            "steps": 500 if row.fisher else 2000,
            "fresh": False,
        }
        assert row.settings["net"] == [400, 400]
        assert row.settings["stream"]["active"] == "all"
        assert method.get("capacity", 1000) == 1000
        if row.method == "EWC":
            assert method["lam"] == {"task": 1e5, "domain": 1e10, "class": 1e9}[row.scenario]
            assert (method["samples"], method["labels"], method["gamma"]) == (None, "exact", None)
        if row.method in ("ER", "DER++"):
            assert method["policy"] == ("balanced" if row.scenario == "domain" else "ring")
        assert method.get("weighting", "1/k") == "1/k"


def test_the_fishers_are_what_they_are_called():
    asked = {"exact": (None, "exact"), "exact 500": (500, "exact"), "sampled": (None, "sample")}
    asked |= {"empirical": (None, "empirical"), "batched": (None, "batched")}
    tried = [row for row in ledger.ledger() if row.fisher]
    for row in tried:
        method = row.settings["method"]
        assert (method["samples"], method["labels"], method["gamma"]) == (*asked[row.fisher], 1.0)
    for scenario, tuned in ledger.LAM.items():
        found = {row.lam for row in tried if (row.scenario, row.fisher) == (scenario, "exact")}
        assert 0 in found and min(found - {0}) < tuned < max(found)
        assert tuned in found
    # what the note on the page says
    assert inspect.signature(cl.fisher).parameters["batch"].default == 32


def test_measure_is_a_plain_training():
    row = next(row for row in ledger.ledger(ledger.REHEARSAL) if row.name == "ER/class/digits")
    measured = ledger.measure("digits", "class", row.settings, None, 3)["accuracy"]
    order = torch.randperm(10, generator=torch.Generator().manual_seed(3)).tolist()
    stream = cl.split(cl.digits(), 2, "class", active="all", order=order)
    method = cl.Replay(cl.mlp(stream, (20,)), capacity=100, policy="ring")
    run = cl.train(method, stream, [3], steps=15, batch_size=32, fresh=False, progress=False)
    assert measured == pytest.approx(100 * cl.metrics.average_accuracy(run.accuracy), abs=1e-4)


def test_strengths_share_a_training():
    row = next(row for row in ledger.ledger(ledger.REHEARSAL) if row.name == "EWC/task/digits")
    together = ledger.measure("digits", "task", row.settings, [1e1, 1e5], 0)["accuracy"]
    alone = ledger.measure("digits", "task", row.settings, None, 0)["accuracy"]
    assert together[1] == pytest.approx(alone[0], abs=0.5)
    assert together[0] != together[1]


def test_a_lost_training_is_no_number_and_stops_no_other(tmp_path, capfd):
    rows = [row for row in ledger.ledger(ledger.REHEARSAL) if row.name.startswith(("EWC/task", "None/task"))]
    wild = next(row for row in rows if row.method == "EWC")
    wild.settings["training"]["lr"] = 1e30
    ledger.run(tmp_path, rows, rows, seeds=1, workers=1)
    assert [*rows_in(tmp_path)] == ["rows/digits-task-none.json"]
    assert "EWC/task/digits, seed 0, is no row: " in capfd.readouterr().out


# ---- how it behaves


def test_rows_have_the_keys_and_say_what_they_are(rehearsal):
    found = [*map(ledger.parse, (rehearsal / "rows").rglob("*.json"))]
    assert len(found) == 19 + 15 * 2
    for row in found:
        assert tuple(row) == ledger.KEYS
        assert row["seeds"] == [0, 1]
        assert row["settings_hash"] == ledger.digest(row["scenario"], row["data"], row["settings"])
        assert ledger.spread(row["accuracy"]) == {"mean": row["mean"], "sd": row["sd"]}
        assert row["versions"].keys() == {"python", "torch", "edgecl_lite", "processor"}
        assert row["published"] is None  # of digits there is no published table
    text = (rehearsal / "README.md").read_text("utf-8")
    assert all(f"| {name} |" in text for name in [*page.METHODS, *ledger.FISHERS])


def test_unknown_row(tmp_path):
    says = refused("--only", "EWC/somewhere", "--folder", tmp_path)
    assert says.startswith("No row 'EWC/somewhere'.")
    assert "\n  EWC/task/mnist" in says
    assert "\n  online EWC, exact 500/class/mnist" in says
    done = command("--only", "EWC/somewhere", "--folder", tmp_path)
    assert (done.communicate()[0].strip(), done.returncode) == (says, 1)


def test_a_stopped_ledger_goes_on_and_ends_with_the_same_rows(rehearsal, tmp_path):
    first = command(*SMALL, "--folder", tmp_path)
    until = time.monotonic() + 1800  # only guards against hanging
    while len([*tmp_path.rglob("*.json")]) < 5 and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGINT)  # Ctrl-C reaches the workers, too
    said, _ = first.communicate(timeout=1800)
    assert first.returncode == 1
    assert "Stopped. Every finished seed is kept" in said
    assert "Traceback" not in said
    early, whole = rows_in(tmp_path), rows_in(rehearsal)
    assert 5 <= len(early)
    assert sum(len(row["seeds"]) for row in early.values()) < sum(len(r["seeds"]) for r in whole.values())
    assert all(ledger.parse(tmp_path / name) for name in early)
    second = command(*SMALL, "--folder", tmp_path)
    said, _ = second.communicate()
    assert second.returncode == 0, said
    assert rows_in(tmp_path) == whole


def test_a_cut_file_is_run_again_and_the_others_kept(rehearsal, copy, capsys):
    names = "digits-class-er.json", "task-sampled-1e2.json"
    before = bytes_in(copy)
    for name in names:
        path = next(copy.rglob(name))
        path.write_bytes(before[name][:200])
    ledger.main([*SMALL, "--workers", "1", "--folder", str(copy)])
    said, after = capsys.readouterr().out, bytes_in(copy)
    assert "4 trainings to do" in said
    for name in names:
        assert f"{name} is damaged" in said and "expected sha256" in said
    assert rows_in(copy) == rows_in(rehearsal)
    assert {name for name in before if before[name] != after[name]} <= {*names}


def test_a_flipped_bit_in_a_row_is_named_and_nothing_of_it_used(rehearsal, tmp_path):
    path, chance = next(rehearsal.rglob("digits-task-ewc.json")), random.Random(0)
    raw, copy = path.read_bytes(), tmp_path / path.name
    row = next(row for row in ledger.ledger(ledger.REHEARSAL) if row.name == "EWC/task/digits")
    for bit in [*range(8 * 90), *(chance.randrange(8 * len(raw)) for _ in range(300))]:
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        copy.write_bytes(changed)
        with pytest.raises(ValueError, match=f"{path.name} is damaged or was edited, and was not used"):
            ledger.parse(copy)
    (tmp_path / "rows").mkdir()
    shutil.copy(copy, ledger.path_of(tmp_path, row))
    assert ledger.read(tmp_path, row) == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"accuracy": None}, "accuracy must be 2 numbers in 0..100, one a seed, got None"),
        ({"accuracy": "x"}, "accuracy must be 2 numbers in 0..100, one a seed, got 'x'"),
        ({"accuracy": [50.0, None]}, r"accuracy must be 2 numbers .* got \[50.0, None\]"),
        ({"accuracy": [50.0, "x"]}, "accuracy must be 2 numbers"),
        ({"accuracy": [50.0, math.nan]}, "accuracy must be 2 numbers"),
        ({"accuracy": [50.0, 100.5]}, "accuracy must be 2 numbers"),
        ({"accuracy": [50.0]}, "accuracy must be 2 numbers"),
        ({"mean": -5}, "mean and sd must be .*, got .*-5"),
        ({"mean": None}, "mean and sd must be .*, got .*None"),
        ({"sd": "0"}, "mean and sd must be"),
        ({"seeds": [0, 0]}, r"seeds must be different whole numbers in order, got \[0, 0\]"),
        ({"seeds": [1, 0]}, "seeds must be different whole numbers"),
        ({"seeds": [0, [1]]}, "seeds must be different whole numbers"),
        ({"seeds": []}, "seeds must be different whole numbers"),
        ({"seeds": 2}, "seeds must be different whole numbers"),
        ({"seconds": None}, "seconds must be a finite number >= 0, got None"),
        ({"settings": None}, "settings_hash is not that of its settings"),
        ({"settings_hash": "0" * 16}, "settings_hash is not that of its settings, got '0000"),
        ({"other": 1}, "its keys are method, .*, other, expected method"),
    ],
)
def test_a_row_of_impossible_values_is_named(changes, words, rehearsal, tmp_path):
    good = ledger.parse(next(rehearsal.rglob("digits-task-ewc.json")))
    path = tmp_path / "row.json"
    ledger.write(path, disk.to_json({**good, **changes}))
    with pytest.raises(ValueError, match=f"row.json is no row and was not used: {words}"):
        ledger.parse(path)
    path.write_text(json.dumps({**good, **changes}), "utf-8")  # edited by hand
    with pytest.raises(ValueError, match="row.json is damaged or was edited, .*no sha256 is found"):
        ledger.parse(path)


@pytest.mark.parametrize("options", [["--table"], ["--only", "None/task"]])
def test_a_damaged_row_that_is_not_measured_again_stops_the_ledger(options, copy):
    path, before = next(copy.rglob("digits-class-er.json")), (copy / "README.md").read_bytes()
    path.write_bytes(path.read_bytes().replace(b"ring", b"rong"))
    says = refused("--rehearse", *options, "--folder", copy)
    assert "digits-class-er.json is damaged or was edited, and was not used: expected sha256" in says
    assert "git checkout" in says and "make ledger" in says
    assert (copy / "README.md").read_bytes() == before


def test_a_changed_setting_is_run_again_and_nothing_else(copy, monkeypatch, capsys):
    before = bytes_in(copy)
    monkeypatch.setitem(ledger.LAM, "task", 2e3)
    ledger.main([*SMALL, "--workers", "1", "--folder", str(copy)])
    after, changed = bytes_in(copy), {"digits-task-ewc.json", "digits-task-online-ewc.json"}
    assert "4 trainings to do" in capsys.readouterr().out
    assert {name for name in before if before[name] != after[name]} == changed
    row = ledger.parse(next(copy.rglob("digits-task-ewc.json")))
    assert row["settings"]["method"]["lam"] == 2e3
    assert row["settings_hash"] != json.loads(before["digits-task-ewc.json"])["settings_hash"]


def test_a_changed_note_is_written_without_a_run(copy, monkeypatch):
    before = bytes_in(copy)
    monkeypatch.setitem(ledger.NOTES, "ER/class", "another reason")
    ledger.main(["--rehearse", "--table", "--folder", str(copy)])
    old, new = (json.loads(some["digits-class-er.json"]) for some in (before, bytes_in(copy)))
    assert new.pop("sha256") != old.pop("sha256")
    assert new["settings"].pop("note") == "another reason"
    assert old["settings"].pop("note") != "another reason"
    assert new == old
    assert "another reason" in (copy / "README.md").read_text("utf-8")


def test_fewer_seeds_later_lose_nothing(copy):
    before = bytes_in(copy)
    ledger.main(["--rehearse", "--seeds", "1", "--folder", str(copy)])
    assert bytes_in(copy) == before


def test_a_second_ledger_says_so_and_stops(copy, monkeypatch):
    second = []

    def at_work(*_):
        second.append(command("--rehearse", "--folder", copy))
        second.append(second[0].communicate(timeout=1800)[0])

    monkeypatch.setattr(ledger, "run", at_work)
    ledger.main(["--rehearse", "--folder", str(copy)])
    assert second[0].returncode == 1
    assert second[1].startswith("Another ledger is at work on these rows")
    done = command("--rehearse", "--table", "--folder", copy)  # when the first is done, it may
    assert (done.communicate()[0], done.returncode) == ("", 0)


def test_no_data_and_no_network(tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    monkeypatch.delenv("EDGECL_DATA", raising=False)
    monkeypatch.setenv("EDGECL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "MIRRORS", (("mnist", closed),))
    says = refused("--only", "None/task/mnist", "--folder", tmp_path)
    assert says.startswith("No network: no mirror of mnist answered")
    assert "$EDGECL_DATA/mnist" in says
    assert not (tmp_path / "rows").exists()


def test_a_dask_cluster_gives_the_same_rows(rehearsal, tmp_path):
    distributed = pytest.importorskip("distributed")
    how = dict(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    only = ["EWC/task", "ER/class", "online EWC, sampled/domain"]
    with distributed.LocalCluster(**how) as cluster:
        for row in only:
            ledger.main(
                [*SMALL, "--only", row, "--folder", str(tmp_path), "--dask", cluster.scheduler_address]
            )
    found, whole = rows_in(tmp_path), rows_in(rehearsal)
    assert len(found) == 4
    assert found == {name: whole[name] for name in found}


# ---- the verdict and the page


@pytest.mark.parametrize(
    ("mean", "sd", "published", "seeds", "word"),
    [
        (83.0, 0.0, (84.3, 0.1), 5, "agrees"),
        (82.4, 0.0, (84.3, 0.1), 5, "undecided"),  # 1.9 ± 0.2
        (81.9, 0.0, (84.3, 0.1), 5, "**differs**"),  # 2.4 ± 0.2
        (67.5, 4.4, (60.1, 1.7), 5, "**differs**"),  # 7.4 ± 2 √(4.4²/5 + 1.7²) = 5.2
        (67.2, 4.4, (60.1, 1.7), 5, "undecided"),
        (60.2, 4.4, (60.1, 1.7), 5, "undecided"),  # noise is no agreement
        (60.2, 0.4, (60.1, 0.3), 20, "agrees"),
        (97.3, 0.1, (99.12, None), 4, "agrees"),  # 1.82 ± 0.1
        (97.3, None, (99.12, None), 1, "undecided"),
    ],
)
def test_verdict(mean, sd, published, seeds, word):
    row = {"mean": mean, "sd": sd, "published": published, "seeds": [*range(seeds)], "source": "none known"}
    assert page.verdict(row) == word
    assert page.verdict(row, early=True) == f"{word} so far"
    assert page.verdict({**row, "published": None}) == "none known"


def test_methods_are_compared_seed_by_seed():
    none = {"seeds": [0, 1, 2], "accuracy": [60.0, 70.0, 80.0], "published": (60.0, 3.0)}
    ewc = {"seeds": [0, 1, 2, 3], "accuracy": [61.0, 73.0, 82.0, 99.0], "published": (63.0, 4.0)}
    (told,) = page.paired({"None": none, "EWC": ewc})
    assert told == "| EWC − None | +2.0 ± 0.6 | 3 | +3.0 ± 5.0 |"  # 1, 3, 2: sd 1, by √3
    (told,) = page.paired({"None": none, "EWC": {**ewc, "published": None}})
    assert told.endswith("| – |")
    assert not [*page.paired({"None": none})]


def stored():
    return [(path, ledger.parse(path)) for path in sorted((HERE / "rows").rglob("*.json"))]


def test_every_row_is_there_with_all_its_seeds():
    seeds = {path: len(row["seeds"]) for path, row in stored()}
    for row in ledger.ledger():
        path = ledger.path_of(HERE, row)
        assert seeds.get(path, 0) >= row.seeds, f"{row.name}, {path.name}: make ledger"


def test_stored_rows_are_of_the_present_settings():
    known = {(HERE / "rows" / f"{row.stem}.json"): row for row in ledger.ledger()}
    for path, row in stored():
        assert path in known, f"{path.name} belongs to no row of the ledger: remove it"
        assert tuple(row) == ledger.KEYS
        now = known[path]
        assert (
            row["settings_hash"] == ledger.digest(row["scenario"], row["data"], row["settings"]) == now.hash
        )
        assert {k: row[k] for k in now.words} | row["settings"] == now.words | now.settings, "make ledger"
        assert row["seeds"] == sorted(set(row["seeds"]))
        assert len(row["seeds"]) == len(row["accuracy"])
        mean, n = sum(row["accuracy"]) / len(row["accuracy"]), len(row["accuracy"])
        assert row["mean"] == pytest.approx(mean, abs=1e-4)
        sd = statistics.stdev(row["accuracy"]) if n > 1 else None
        assert row["sd"] == (sd if sd is None else pytest.approx(sd, abs=1e-4))


def test_the_page_and_the_curves_of_the_lesson_are_current():
    wanted = [(row.method, row.scenario) for row in ledger.ledger()]
    for _ in range(10):  # a ledger at work writes rows, then the page
        shown = [path.read_text("utf-8") for path in (HERE / "README.md", page.LESSON)]
        rows = [row for _, row in stored()]
        if shown == [page.page(rows, wanted, fedavg.rows()), page.curves(rows)]:
            return
        time.sleep(0.5)
    pytest.fail("The page or the curves of a lesson are not of the present rows: make ledger ARGS=--table")


@pytest.mark.parametrize("split", fedavg.SPLITS)
def test_rounds_of_federated_averaging(split):
    stored = fedavg.rows()[split]
    again = fedavg.row(split, dict(zip(stored["seeds"], stored["rounds"])), stored["seconds"])
    assert {**again, "versions": None} == {**stored, "versions": None}
    assert len(stored["seeds"]) >= fedavg.SEEDS
    few = fedavg.rounds(split, 0, cl.digits(), goal=0.5)
    assert 0 < few < fedavg.rounds(split, 0, cl.digits(), goal=0.8) < 200


def test_misses_say_why_and_what_was_tried():
    best = {}  # of a Fisher's rows, the one of the best λ speaks
    for _, row in stored():
        key = row["method"], row["scenario"], row["data"]
        best[key] = max(row, best.get(key, row), key=lambda one: one["mean"])
    for key, row in best.items():
        complete = len(row["seeds"]) >= (ledger.FISHER_SEEDS if page.fisher_of(row) else ledger.SEEDS)
        if complete and row["published"] and "differs" in page.verdict(row):
            assert "tried" in row["settings"]["note"], f"{key} misses its published mean: say why"


def test_the_trial_of_a_miss_is_what_its_note_says():
    row = ledger.parse(HERE / "trial" / "rows" / "mnist-domain-none.json")
    assert (len(row["seeds"]), row["settings"]["training"]["steps"]) == (20, 500)
    note = ledger.NOTES["None/domain/mnist"]
    assert f"20 seeds, 500 steps a task (`--only {row['method']}/{row['scenario']}/{row['data']} " in note
    assert f"end at {row['mean']:.1f} ± {row['sd']:.1f}" in note
    assert f"the first five of them at {statistics.fmean(row['accuracy'][:5]):.1f}" in note
    own = ledger.parse(HERE / "rows" / "mnist-domain-none.json")
    assert (len(own["seeds"]), own["mean"] < row["mean"]) == (20, True)
    assert f"are easy ones: {statistics.fmean(own['accuracy'][:5]):.1f}." in note


def test_fishers_reach_98_at_their_best_strength():
    for fisher in ("exact", "exact 500", "sampled", "empirical"):
        name = f"online EWC, {fisher}"
        own = [row for _, row in stored() if (row["method"], row["scenario"]) == (name, "task")]
        assert max(row["mean"] for row in own) >= page.PASS


@pytest.mark.skipif(not MNIST, reason="EDGECL_DATA is not set, so no row of the ledger was run again")
@pytest.mark.parametrize(("lam", "seed", "near"), [(1e4, 0, 0.5), (1e2, 2, 5)])
def test_a_row_of_real_mnist_comes_out_again(lam, seed, near):
    """500 steps a task, alone: on the plateau of λ, and on the slope, where a decade moves it by 9 points.

    There the rounding of one lane instead of nine moves it by 3.
    """
    name = "online EWC, exact 500/task/mnist"
    row = next(row for row in ledger.ledger() if row.name == name and row.lam == lam)
    known = ledger.read(HERE, row)["accuracy"][seed]
    (again,) = ledger.measure(row.data, row.scenario, row.settings, None, seed)["accuracy"]
    assert again == pytest.approx(known, abs=near)
