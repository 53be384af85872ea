"""Our clients and rules on Flower: the same model, no socket, no file elsewhere; and without Flower."""

import importlib
import json
import os
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import torch

import edgecl_lite as cl
from edgecl_lite._refuse import engine
from edgecl_lite.lessons import engine as told

try:
    FLOWER = version("flwr")
except PackageNotFoundError:
    FLOWER = None
WHY = f"Flower {engine.PINNED} is not installed: `make fleet` runs this in an environment of its own"
needs_flower = pytest.mark.skipif(FLOWER != engine.PINNED, reason=WHY)
STORED = cl.stored("fleet")
SHORT = dict(rounds=2, local_epochs=1, optimizer="sgd", lr=0.1)
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def four():
    return cl.clients(cl.digits(), 4, alpha=0.5).split(5)


def lesson(four):
    """The two trainings of the lesson, as in tests/tools/fleet.py."""
    net = cl.mlp(four)
    return {"Finetune": cl.Finetune(net), "Replay": cl.Replay(net, capacity=50)}


def apart(a, b):
    return max((a[k] - b[k]).abs().max().item() for k in b)


# ---- without Flower


@pytest.mark.parametrize("found, words", [(None, "which is not installed"), ("1.41.0", "but 1.41.0 is")])
def test_the_sentence_where_flower_is_missing_or_another(monkeypatch, found, words):
    def look(name):
        if found is None:
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr(engine, "version", look)
    for name in ("edgecl_lite.fleet.flower", "edgecl_lite.fleet.in_kernel"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    before = dict(os.environ)
    for name in ("flower", "run_in_kernel"):
        with pytest.raises(ImportError, match=rf"Flower 1\.42\.0, {words}.*pip install flwr==1\.42\.0"):
            getattr(cl, name)
    assert dict(os.environ) == before


def test_the_package_imports_without_flower():
    code = "import sys, edgecl_lite; print([m for m in sys.modules if m.split('.')[0] == 'flwr'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


def test_one_version_everywhere():
    extra = [line for line in (ROOT / "pyproject.toml").read_text().splitlines() if "flwr" in line]
    assert f'"flwr=={engine.PINNED}"' in extra[0]
    pins = (ROOT / "tests/fleet.requirements.txt").read_text()
    assert f"flwr=={engine.PINNED} " in pins and STORED["versions"]["flwr"] == engine.PINNED
    ours = (ROOT / "requirements.txt").read_text() + (ROOT / "tests/requirements.txt").read_text()
    for line in pins.splitlines()[1:]:
        pin = line.split()[0]
        assert pin.startswith("flwr==") or pin in ours


@pytest.mark.parametrize("name", ["Finetune", "Replay"])
def test_the_record_is_shown_where_flower_is_missing(four, monkeypatch, capsys, name):
    monkeypatch.setattr(told, "check_flower", missing)
    found = cl.flower_rounds(lesson(four)[name], four, **STORED["options"])
    assert found in STORED["runs"] and found["name"].startswith(name)
    assert capsys.readouterr().out == told.told(found) + "\n"
    accuracy = cl.fleet_train(lesson(four)[name], four, progress=False, **STORED["options"]).accuracy
    assert abs(accuracy[0, -1] - found["accuracy"][-1]).max() < 0.02  # another processor, a sample or two


def missing():
    raise ImportError("no Flower")


def test_what_is_not_recorded_is_refused_with_what_is(four, monkeypatch, capsys):
    monkeypatch.setattr(told, "check_flower", missing)
    with pytest.raises(ImportError, match="no Flower. Recorded is only: Finetune, 4 clients, .*; Replay"):
        cl.flower_rounds(lesson(four)["Finetune"], four, **SHORT)
    assert capsys.readouterr().out == ""


def test_the_form_of_the_record():
    assert len(json.dumps(STORED)) < 8000
    for run in STORED["runs"]:
        assert 0 <= run["apart"] <= 1e-6 and len(run["training"]) == 64
        assert all(0 <= a <= 1 for right in run["accuracy"] for a in right)
        down, up = run["bytes"]
        assert down == up and 0 < down - run["bytes of ours"] < 1000
    assert STORED["costs"]["Flower over fleet_train"] <= 2
    machines = STORED.get("deployment")  # `make fleet` writes all parts, or those that it is asked for
    if machines is None:
        pytest.skip("no rounds between real processes are recorded: make fleet, on a quiet machine")
    assert machines["apart"] <= 1e-6 and machines["MB"] <= 2000
    assert machines["connections elsewhere"] == []


def test_a_fraction_is_refused(four):
    with pytest.raises(ValueError, match="fraction=1 here, got fraction=0.5"):
        cl.flower_rounds(lesson(four)["Finetune"], four, fraction=0.5)


# ---- on Flower


@needs_flower
def test_the_private_names_are_there():
    """Another version may have none of these: then in_kernel.py must be read again."""
    identity = importlib.import_module("flwr.supercore.task_identity").TaskIdentity
    assert {"run_id", "node_id", "task_id"} <= set(dir(type(identity)))
    serde = importlib.import_module("flwr.common.serde")
    assert callable(serde.message_to_proto) and callable(serde.message_from_proto)


@needs_flower
@pytest.mark.parametrize("name", ["Finetune", "Replay", "EWC"])
def test_flower_gives_our_model(four, name):
    method = (lesson(four) | {"EWC": cl.EWC(cl.mlp(four), lam=10.0)})[name]
    theta, sent = cl.run_in_kernel(method, four, seed=3, **SHORT)
    ours = cl.fleet_train(method, four, [3], progress=False, **SHORT)
    assert apart(theta, ours.params) <= 1e-6
    assert len(sent) == 4 * 2 * 2


RULES = {
    "median": dict(server="median"),
    "momentum": dict(server="fedavgm"),
    "adam": dict(server="fedadam"),
    "proximal": dict(mu=0.5, stragglers=0.5),
    "private": dict(clip=0.5, noise=0.1),
    "dropped": dict(dropped=0.4),
}


@needs_flower
@pytest.mark.parametrize("rule", RULES)
def test_flower_with_our_rules(four, rule):
    """As near as the rule lets two sums of floats be: FedAdam divides by what may be almost nothing."""
    method, options = lesson(four)["Replay"], SHORT | RULES[rule]
    theta, _ = cl.run_in_kernel(method, four, **options)
    ours = cl.fleet_train(method, four, progress=False, **options).params
    assert apart(theta, ours) <= (1e-5 if rule == "adam" else 1e-6)


@needs_flower
def test_what_a_client_carries_matters(four):
    """Without the memory in its Context, a client that replays would be one that does not."""
    a, b = (cl.run_in_kernel(method, four, **SHORT)[0] for method in lesson(four).values())
    assert apart(a, b) > 1e-3


@needs_flower
def test_tasks_that_arrive_apart():
    tasks = cl.clients(cl.digits(), 3, alpha=None).split(5, arrival="apart")
    method = cl.Replay(cl.mlp(tasks), capacity=20)
    ours = cl.fleet_train(method, tasks, progress=False, **SHORT).params
    assert apart(cl.run_in_kernel(method, tasks, **SHORT)[0], ours) <= 1e-6


@needs_flower
def test_live_and_recorded_are_one_text(four, capsys, monkeypatch):
    method = lesson(four)["Replay"]
    live = cl.flower_rounds(method, four, **STORED["options"])
    text = capsys.readouterr().out
    monkeypatch.setattr(told, "check_flower", missing)
    stored = cl.flower_rounds(method, four, **STORED["options"])
    assert live.keys() == stored.keys() and live["bytes"] == stored["bytes"]
    assert abs(torch.tensor(live["accuracy"]) - torch.tensor(stored["accuracy"])).max() < 0.02
    if live["accuracy"] == stored["accuracy"]:  # on another processor a sample may fall otherwise
        assert capsys.readouterr().out == text


GUARDED = """
import os, socket, sys
home, elsewhere, written = os.environ["FLWR_HOME"], [], []

def watch(event, args):
    if event in ("socket.connect", "socket.bind", "socket.sendto"):
        elsewhere.append((event, args[1]))
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        elsewhere.append((event, args[0]))
    if event == "open" and isinstance(args[0], str) and (args[2] or 0) & (os.O_WRONLY | os.O_RDWR):
        written.append(os.path.realpath(args[0]))
    if event in ("os.mkdir", "os.rename", "subprocess.Popen"):
        written.append(os.path.realpath(str(args[0])))

sys.dont_write_bytecode = True
sys.addaudithook(watch)
import edgecl_lite as cl
four = cl.clients(cl.digits(), 4, alpha=0.5).split(5)
cl.run_in_kernel(cl.Replay(cl.mlp(four), capacity=50), four, rounds=1, local_epochs=1)
allowed = os.path.realpath(home), "/dev/"
print([e for e in elsewhere if "127.0.0.1" not in str(e)], [w for w in written if not w.startswith(allowed)])
"""


@needs_flower
def test_no_socket_and_no_file_elsewhere(tmp_path):
    """Every connection, look-up, process and file of a run, as Python reports them; torch's cache aside."""
    home = str(tmp_path / "flower")
    env = os.environ | {"FLWR_HOME": home, "HOME": str(tmp_path), "TORCHINDUCTOR_CACHE_DIR": home}
    done = subprocess.run([sys.executable, "-c", GUARDED], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == "[] []", done.stderr
    assert {p.name for p in tmp_path.iterdir()} <= {"flower"}


@needs_flower
def test_a_home_of_its_own_goes_at_the_end():
    code = "import os, edgecl_lite as cl; cl.flower; print(os.environ['FLWR_HOME'])"
    env = {k: v for k, v in os.environ.items() if k != "FLWR_HOME"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert "edgecl-flower-" in done.stdout and not Path(done.stdout.strip()).exists()


@needs_flower
def test_a_port_in_use_is_one_sentence(monkeypatch):
    deployed = pytest.importorskip("deployed")
    with socket.socket() as one:
        one.bind((deployed.HOST, 0))
        monkeypatch.setattr(deployed, "PORTS", one.getsockname()[1])
        with pytest.raises(
            SystemExit, match=r"^Port \d+ on 127.0.0.1 is in use: .*make fleet takes others\.$"
        ):
            deployed.free_ports(3)
