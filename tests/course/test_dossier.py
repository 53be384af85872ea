"""The dossier: what is chosen and measured stays, nothing is lost, and no test ever writes a learner's."""

import dataclasses
import multiprocessing
import os
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from lessons import ROOT, lessons, read, run, said

import edgecl_lite as cl
from edgecl_lite import dossier
from edgecl_lite.lessons import kept
from edgecl_lite.machine import disk

FACTS = dossier.Facts([0.8, 0.9], kept=6500, ram=100_000, flash=200_000, flops=1.28e6)


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Where this test's dossier stands."""
    path = tmp_path / "dossier.json"
    monkeypatch.setenv("EDGECL_DOSSIER", str(path))
    return path


def outside(command, cwd, **env):
    """A Python of its own that no test started, as far as it can tell."""
    gone = "PYTEST_CURRENT_TEST", "EDGECL_DOSSIER"
    around = {k: v for k, v in os.environ.items() if k not in gone}
    around |= {"PYTHONPATH": str(ROOT), **env}
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=cwd, env=around, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- what is kept


def test_what_is_kept_comes_back(file):
    assert "no job is chosen yet" in dossier.choose() and not file.exists()
    assert "ESP32" in dossier.choose("esp32-s3") and dossier.chosen()[1] is None
    dossier.choose(job="door")  # the board stays
    assert dossier.chosen() == (cl.boards()["esp32-s3"], "door")
    dossier.add("replay", "100 pictures", FACTS)
    dossier.add("ewc", "λ = 10", dataclasses.replace(FACTS, ram=None, flash=None, flops=None))
    dossier.add("replay", "20 pictures", FACTS)  # in place of the older one
    table = dossier.table()
    assert table["lesson"].tolist() == ["replay", "ewc"] and table["chosen"][0] == "20 pictures"
    assert table["fits"].tolist() == ["yes", ""] and np.isnan(table["mJ a sample"][1])
    assert disk.flaw(file.read_bytes()) == "" and [*file.parent.iterdir()] == [file]


def test_a_line_is_worked_out_anew_for_every_board(file):
    dossier.add("replay", "100 pictures", FACTS)
    for name, board in cl.boards().items():
        dossier.choose(name)
        by_hand = cl.estimate(FACTS.flops, board).energy_mj
        assert dossier.table()["mJ a sample"][0] == pytest.approx(by_hand, abs=1e-4)
        assert f"{by_hand:.3g} mJ" in dossier.add("replay", "100 pictures", FACTS)
        assert dossier.table()["fits"][0] == "yes"
    whole = cl.boards()["nano-33-ble"]
    assert dossier.table(dataclasses.replace(whole, reserved=whole.ram - FACTS.ram))["fits"][0] == "yes"
    small = dataclasses.replace(whole, reserved=whole.ram - FACTS.ram + 1)  # one byte too few
    assert dossier.table(small)["fits"][0] == "no"
    more = dataclasses.replace(small, external=1)
    assert dossier.table(more)["fits"][0] == "outside" and dossier.missed(FACTS, more, "signs")[1:] == []
    assert "only with RAM outside" in dossier.told("replay", "x", FACTS, more)


def test_the_band_is_one_standard_deviation_over_seeds():
    assert dossier.accuracy(FACTS) == "85.0 ± 7.1 %" and FACTS.sd == pytest.approx(np.std([0.8, 0.9], ddof=1))
    assert dossier.accuracy(dataclasses.replace(FACTS, accuracy=[0.5])) == "50.0 %"


def test_demands_are_held_at_their_edge():
    job = dossier.Job("a job", accuracy=0.85, kept=6500, joules=0.001 * 500, samples=500)
    assert cl.estimate(FACTS.flops, "nano-33-ble").energy_mj == pytest.approx(1.0)
    assert dossier.missed(FACTS, job=job) == []
    harder = dict(accuracy=0.86, kept=6499, joules=0.49)
    for name, value in harder.items():
        (told,) = dossier.missed(FACTS, job=dataclasses.replace(job, **{name: value}))
        assert {"accuracy": "right", "kept": "kept", "joules": "J a day"}[name] in told
    assert dossier.missed(dataclasses.replace(FACTS, ram=10**6), job=job) == ["does not fit the board"]
    assert dossier.missed(dataclasses.replace(FACTS, flash=10**7), job=job) == ["does not fit the board"]
    nothing = dossier.missed(dossier.Facts([1.0], 0), job=job)
    assert nothing == ["RAM and flash not counted", "energy not counted"]  # unknown is not met
    assert len(dossier.missed(dataclasses.replace(FACTS, sent=10**6), job=job)) == 1  # radio counts


# ---- facts


@pytest.fixture(scope="module")
def stream():
    return cl.split(cl.digits())


@pytest.mark.parametrize("kind", [cl.Finetune, cl.EWC, cl.Replay, cl.StreamingLDA, cl.LatentReplay])
def test_facts_of_a_run_are_its_own(stream, kind):
    method = kind(cl.mlp(stream, (20,)))
    run = cl.train(method, stream, seeds=2, epochs=2, batch_size=20, every=1000, progress=False)
    found, need = dossier.facts(run, method, stream), cl.budget(method, stream, batch_size=20)
    assert found.accuracy == pytest.approx(run.accuracy[:, -1].mean(-1).tolist())
    assert found.kept == cl.nbytes(method.keeps(run.state)) == sum(need.need.keeps.values())
    assert (found.ram, found.flash) == (need.ram, need.flash)
    samples, tasks = sum(len(task.train[1]) for task in stream), len(stream)
    steps = [2 * -(-len(task.train[1]) // 20) for task in stream]
    work = {"step": 0, "new sample": 0, "end of a task": 0} | need.work
    total = steps[0] * work.get("step of the first task", work["step"]) + sum(steps[1:]) * work["step"]
    total += samples * work["new sample"] + tasks * work["end of a task"]
    total += tasks * work.get("first answer after new samples", 0)  # LDA's Λ, once a task
    assert found.flops == pytest.approx(total / samples)
    again = dossier.facts(found.accuracy, method, stream, epochs=2, batch_size=20)
    assert again == found  # from shares alone: the same training, counted by rule


def test_facts_of_a_cell_take_its_values(stream):
    method = cl.Replay(cl.mlp(stream, (20,)))
    run = cl.sweep(method, stream, seeds=1, epochs=1, capacity=[10, 50], every=1000, progress=False)
    for size in run.grid["capacity"]:
        found = dossier.facts(run.at(capacity=size), method, stream)
        assert found.kept == 65 * size and found.flash == cl.budget(method, stream, capacity=size).flash
    with pytest.raises(ValueError, match=r"axes \['capacity'\].*run.at"):
        dossier.facts(run, method, stream)


# ---- bad input


def test_what_cannot_be_kept_is_refused(file):
    for board in ("pico", 3, cl.boards()["pi-4b"]):
        with pytest.raises(ValueError, match="board must be one of 'nano-33-ble'"):
            dossier.choose(board)
    with pytest.raises(ValueError, match="job must be one of 'watch'"):
        dossier.choose("pi-4b", "fly")
    for lesson, chosen in (("", "x"), ("replay", " "), (5, "x")):
        with pytest.raises(ValueError, match="must be a few words"):
            dossier.add(lesson, chosen, FACTS)
    with pytest.raises(TypeError, match="must be Facts.*got dict"):
        dossier.add("replay", "x", {"kept": 3})
    for wrong in (dict(accuracy=[]), dict(accuracy=[1.2]), dict(accuracy=[float("nan")]), dict(kept=-1)):
        with pytest.raises(ValueError):
            dataclasses.replace(FACTS, **wrong)
    with pytest.raises(ValueError, match="accuracy"):
        dossier.Job("a job", accuracy=80, kept=1, joules=1, samples=1)
    assert not file.exists()


@pytest.mark.parametrize("name", ["cut", "flipped", "foreign", "list", "binary", "newer", "nothing"])
def test_a_file_that_cannot_be_used_is_set_aside_whole(file, name):
    dossier.add("replay", "100 pictures", FACTS)
    raw = file.read_bytes()
    damaged = {
        "cut": raw[:-20],
        "flipped": raw.replace(b"6500", b"7500"),
        "foreign": b'{"a": 1}',
        "list": disk.sealed(f'[{{"sha256": "{disk.BLANK}"}}]'.encode()),
        "binary": bytes(range(256)),
        "newer": disk.to_json({**kept.EMPTY, "version": 2}).encode(),
        "nothing": b"",
    }[name]
    file.write_bytes(damaged)
    assert len(dossier.table()) == 0 and file.read_bytes() == damaged  # looking changes nothing
    told = dossier.add("ewc", "λ = 10", FACTS)
    assert "could not be read" in told and "dossier.json.bak" in told
    assert file.with_name("dossier.json.bak").read_bytes() == damaged
    assert dossier.table()["lesson"].tolist() == ["ewc"]
    file.write_bytes(b"again")
    assert "dossier.json.bak2" in dossier.choose("esp32-s3")  # never over an older one
    assert file.with_name("dossier.json.bak").read_bytes() == damaged


def test_a_board_that_is_gone_counts_as_none(file):
    kept.change(lambda value: value | {"board": "abacus", "job": "fly"})
    assert dossier.chosen() == (cl.boards()["nano-33-ble"], None)
    assert "Nano 33" in dossier.add("replay", "100 pictures", FACTS) and len(dossier.table()) == 1


def test_where_nothing_can_be_written_it_says_so(file, monkeypatch):
    def full(path, raw):
        raise OSError(28, f"{path} could not be written: no space left")

    monkeypatch.setattr(disk, "write", full)
    told = dossier.add("replay", "100 pictures", FACTS)
    assert "average accuracy 85.0" in told and "could not be kept in dossier.json" in told
    kept.solved("average")  # quietly
    assert not file.exists()


# ---- several at once


def writer(path, lesson, times):
    os.environ["EDGECL_DOSSIER"] = str(path)
    for n in range(times):
        dossier.add(lesson, f"try {n}", FACTS)
        kept.solved(f"{lesson} {n}")


@pytest.mark.skipif(not disk.fcntl, reason="no locks on this system: the last one to write wins")
def test_two_writers_lose_nothing(file):
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=writer, args=(file, lesson, 30)) for lesson in ("ewc", "replay")]
    for process in both:
        process.start()
    for process in both:
        process.join()
        assert process.exitcode == 0
    table = dossier.table().set_index("lesson")["chosen"]
    assert dict(table) == {"ewc": "try 29", "replay": "try 29"}
    assert dossier.solved() == sorted(f"{lesson} {n}" for lesson in ("ewc", "replay") for n in range(30))
    assert [*file.parent.iterdir()] == [file]


# ---- never by a test, never by a tool


CELLS = """
import edgecl_lite as cl
print(cl.dossier.choose("esp32-s3", "watch"))
cl.dossier.add("replay", "100 pictures", cl.dossier.Facts([0.5], 10))
"""
RIGHT = 'cl.check("average", lambda R: R[-1].mean())'


def lesson_of(*sources):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def test_a_kernel_of_our_tools_writes_nothing(tmp_path):
    notebook = lesson_of(CELLS, RIGHT)
    run(notebook, cwd=tmp_path)
    assert "Right" in said(notebook.cells[1]) and not [*tmp_path.iterdir()]


def test_a_kernel_of_nbval_writes_and_reads_nothing(tmp_path):
    """Also without our conftest.py, and beside a learner's dossier of another board."""
    notebook = lesson_of("import edgecl_lite as cl\ncl.dossier.table()", CELLS, RIGHT)
    nbformat.write(notebook, tmp_path / "it.ipynb")
    mine = disk.to_json({**kept.EMPTY, "board": "pi-4b"}).encode()
    (tmp_path / "dossier.json").write_bytes(mine)
    code = "import pytest, sys; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '--nbval-lax',"
    code += " '--nbval-current-env', 'it.ipynb']))"
    assert "3 passed" in outside(code, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} - {"__pycache__"} == {"it.ipynb", "dossier.json"}
    assert (tmp_path / "dossier.json").read_bytes() == mine


def test_a_learner_s_kernel_writes_beside_the_notebook(tmp_path):
    notebook = lesson_of(CELLS, RIGHT)
    gone = pytest.MonkeyPatch()
    gone.delenv("PYTEST_CURRENT_TEST")
    try:
        run(notebook, cwd=tmp_path, EDGECL_DOSSIER="")
    finally:
        gone.undo()
    value = disk.read_json(tmp_path / "dossier.json", "")
    assert value["board"] == "esp32-s3" and [*value["lines"]] == ["replay"]
    assert value["solved"] == ["average"]


def test_a_check_in_a_script_writes_nothing(tmp_path):
    assert "Right" in outside(f"import edgecl_lite as cl; {RIGHT}", tmp_path)
    assert not [*tmp_path.iterdir()]


def test_what_a_learner_keeps_is_no_part_of_the_repository():
    assert "dossier.json*" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


# ---- the lessons

FROM, TO = 1, 15  # numbers of the lessons that add a line


@pytest.mark.parametrize("path", lessons()[FROM : TO + 1], ids=lambda path: path.stem)
def test_a_lesson_adds_one_line_at_its_end(path):
    name, cells = path.stem.partition("_")[2], read(path).cells
    adding = [cell for cell in cells if cell.cell_type == "code" and "dossier.add(" in cell.source]
    assert len(adding) == 1
    for cell in adding:
        assert cell.source.count("dossier.add(") == 1 and cell.id == "dossier"
        assert f'dossier.add("{name}", ' in cell.source
        after = cells[cells.index(cell) + 1 :]
        assert {c.id for c in after} <= {"references", "navigation"}  # below it there is nothing to do
        line = said(cell)
        assert line.startswith(f"Your dossier, {name.replace('_', ' ')} (") and " B kept" in line
        band, fits = r"\d ± \d+\.\d %", r"(fits|does not fit) Arduino Nano 33 BLE Sense\)"
        assert re.search(band, line) and re.search(fits, line) and re.search(r"[\d.e-]+ mJ for each", line)


def test_start_here_lets_a_learner_pick():
    start = "\n".join(cell.source for cell in read(lessons()[0]).cells if cell.cell_type == "code")
    assert "cl.pick()" in start and "\ncl.dossier.choose()" in start
    assert 'choose("' not in start.replace('# The same in a line of code: cl.dossier.choose("', "")
