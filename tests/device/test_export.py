"""Leaving Python: what ONNX Runtime and ExecuTorch compute from the files is what PyTorch computes.

`python tests/device/test_export.py` records the sizes that a lesson shows (`make export` runs it last).
"""

import copy
import functools
import json
import logging
import subprocess
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from lessons import ROOT
from torch import nn

from edgecl_lite import Dataset, Finetune, apply, cnn, digits, export, mlp, setup, split, train
from edgecl_lite.data.har import har_net
from edgecl_lite.device.export import to_onnx, to_onnx_int8, to_training
from edgecl_lite.lanes import lane
from edgecl_lite.lessons.results import stored
from edgecl_lite.machine import disk
from edgecl_lite.models import initial

PINS = ROOT / "tests" / "export.requirements.txt"
EPOCHS, STEPS, BATCH, SGD = 10, 30, 4, dict(lr=0.05, momentum=0.9)


# ---- the nets


def waves(n=1500):
    """Made-up signals in the shape of HAR's windows: six frequencies, nine phases, noise."""
    g, classes = torch.Generator().manual_seed(0), 6
    y, time = torch.arange(n) % classes, torch.arange(128) / 128
    angle = 2 * torch.pi * ((2 * y + 2).view(-1, 1, 1, 1) * time + torch.rand(n, 9, 1, 1, generator=g))
    x = (0.5 + 0.3 * angle.sin() + 0.05 * torch.randn(n, 9, 1, 128, generator=g)).clamp(0, 1)
    return Dataset("waves", (x[300:], y[300:]), (x[:300], y[:300]), tuple(map(str, range(classes))))


NETS = {"mlp": (mlp, digits), "cnn": (cnn, digits), "har_net": (har_net, waves)}
SAME = {
    "mlp": 0.99,
    "cnn": 0.99,
    "har_net": 0.98,
}  # at least so many answers as before in 8 bits; waves are hard


@functools.cache
def trained(name):
    """net, params (one lane), stream (all classes in one task), test images with their labels."""
    make, data = NETS[name]
    stream = split(data(), per_task=len(data().classes))
    net = make(stream)
    run = train(Finetune(net), stream, epochs=EPOCHS, every=10_000, progress=False)
    return net, lane(run.params, 0), stream, stream.tasks[0].test


def params_of(net, seed=0):
    """A random start as one lane."""
    return {name: p[None] for name, p in initial(net, seed).items()}


# ---- what stands in the files


def from_onnx(path, x):
    """Logits that ONNX Runtime computes."""
    import onnxruntime

    (logits,) = onnxruntime.InferenceSession(path).run(["logits"], {"x": x.numpy()})
    return torch.from_numpy(logits)


def from_training(path, x, y, steps=STEPS):
    """Losses before each SGD step that ExecuTorch takes from the file, and its weights after the last."""
    from executorch.extension.training import _load_for_executorch_for_training, get_sgd_optimizer

    with warnings.catch_warnings(action="ignore"):  # "experimental", once a call
        program, losses, optimizer = _load_for_executorch_for_training(str(path)), [], None
        for _ in range(steps):
            losses.append(program.forward_backward("forward", (x, y))[0].item())
            weights = program.named_parameters()  # known after the first pass
            moved = {name: weights[name] for name in program.named_gradients()}
            optimizer = optimizer or get_sgd_optimizer(moved, **SGD)
            optimizer.step(program.named_gradients())
    return losses, {name.removeprefix("0."): p.clone() for name, p in moved.items()}  # they end with program


def in_pytorch(net, params, x, y, steps=STEPS):
    """The same in PyTorch."""
    net, losses = copy.deepcopy(net), []
    net.load_state_dict({name: p[0] for name, p in params.items()})
    moved = {name: p for name, p in net.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(moved.values(), **SGD)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, moved


@functools.cache
def answering(name, write):
    """Bytes of the file that `write` makes of a trained net, and its test answers beside PyTorch's."""
    net, params, stream, (x, y) = trained(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.onnx")
        nbytes = write(net, params, stream, path)
        assert nbytes == path.stat().st_size
        got, want = from_onnx(path, x), apply(net, params, x[None])[0]
    return {
        "bytes": nbytes,
        "largest difference of a logit": (got - want).abs().max().item(),
        "same answers": (got.argmax(1) == want.argmax(1)).float().mean().item(),
        "accuracy": (got.argmax(1) == y).float().mean().item(),
    }


@functools.cache
def learning(name):
    """Bytes of the training program of a net with a random start, and its losses over 30 SGD steps."""
    net, _, stream, _ = trained(name)
    x, y = (part[:BATCH] for part in stream.tasks[0].train)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.pte")
        nbytes = to_training(net, params_of(net), stream, path, BATCH)
        assert nbytes == path.stat().st_size
        losses, _ = from_training(path, x, y)
    theirs, _ = in_pytorch(net, params_of(net), x, y)
    apart = max(abs(ours - other) for ours, other in zip(losses, theirs, strict=True))
    return {"bytes": nbytes, "loss": losses, "largest difference of a loss": apart}


def record():
    """What `stored("export")` gives. Sizes depend on the net alone, not on what it has learned."""
    packages = "torch", "onnx", "onnxscript", "onnxruntime", "executorch"
    settings = {"epochs": EPOCHS, "batch size": BATCH, "steps": STEPS, **SGD}
    nets = {}
    for name in NETS:
        net, params, stream, (_, y) = trained(name)
        count = sum(p.numel() for p in params.values())
        nets[name] = {
            "input": stream.shape,
            "parameters": count,
            "weights, fp32": 4 * count,
            "tested on": f"{len(y)} {'digits' if NETS[name][1] is digits else 'made-up signals'}",
            "ONNX fp32": answering(name, to_onnx),
            "ONNX int8": answering(name, to_onnx_int8),
            "ExecuTorch training": learning(name),
        }
    short = json.loads(json.dumps(nets), parse_float=lambda text: float(f"{float(text):.4g}"))
    return {"settings": settings, "versions": {p: version(p) for p in packages}, "nets": short}


# ---- the tests


@pytest.fixture(scope="session")
def onnx():
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: make export")


@pytest.fixture(scope="session")
def executorch():
    pytest.importorskip("executorch", reason="executorch is not installed: make export")


@pytest.fixture(scope="session")
def digit_net():
    return trained("mlp")[:3]


@pytest.mark.parametrize("name", NETS)
def test_onnx_computes_what_pytorch_computes(name, onnx, tmp_path):
    net, params, stream, (x, _) = trained(name)
    to_onnx(net, params, stream, tmp_path / "net.onnx")
    want = apply(net, params, x[None])[0]
    for part in (slice(None), slice(0, 1)):  # any number of samples
        torch.testing.assert_close(
            from_onnx(tmp_path / "net.onnx", x[part]), want[part], atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize("name", NETS)
def test_int8_answers_alike(name, onnx):
    fp32, int8 = answering(name, to_onnx), answering(name, to_onnx_int8)
    assert int8["same answers"] >= SAME[name]
    assert abs(int8["accuracy"] - fp32["accuracy"]) <= 0.02
    assert int8["bytes"] < 0.75 * fp32["bytes"]


def test_int8_has_a_scale_per_channel(onnx, tmp_path):
    import onnx as tools

    net, params, stream, _ = trained("cnn")
    to_onnx_int8(net, params, stream, tmp_path / "net.onnx")
    inside = {each.name: each for each in tools.load(tmp_path / "net.onnx").graph.initializer}
    for name in ("0.weight", "3.weight", "7.weight"):
        want = params[name][0]
        codes, scale = (
            torch.tensor(tools.numpy_helper.to_array(inside[f"{name}_{kind}"]))
            for kind in ("quantized", "scale")
        )
        assert codes.dtype == torch.int8 and scale.shape == want.shape[:1]
        back = codes * scale.view(-1, *[1] * (want.dim() - 1))
        assert ((back - want).abs() <= scale.view(-1, *[1] * (want.dim() - 1)) / 2 + 1e-7).all()


def test_int8_looks_at_the_whole_stream(onnx, tmp_path):
    """A range seen on dark images alone would cut off the bright ones of the last task."""
    net, params, stream, (x, _) = trained("mlp")
    pairs = split(digits())
    dark = [(part[0] * 0.05, part[1]) for part in (pairs.tasks[0].train, pairs.tasks[0].test)]
    mixed = type(pairs)((type(pairs.tasks[0])("dark", *dark, (0, 1)), *pairs.tasks[1:]), "class", 10)
    to_onnx_int8(net, params, mixed, tmp_path / "net.onnx")
    want = apply(net, params, x[None])[0]
    assert (from_onnx(tmp_path / "net.onnx", x).argmax(1) == want.argmax(1)).float().mean() >= 0.98


@pytest.mark.parametrize("name", NETS)
def test_thirty_steps_from_the_file(name, executorch):
    """The oracle is PyTorch's SGD: ExecuTorch's own max-pooling made gradients a thousand times too large."""
    found = learning(name)
    assert found["largest difference of a loss"] < 1e-4
    assert found["loss"][-1] < 0.1 * found["loss"][0]


def test_weights_after_thirty_steps(executorch, tmp_path):
    net, _, stream, (x, y) = trained("cnn")
    x, y, params = x[:3], y[:3], params_of(net, seed=1)
    to_training(net, params, stream, tmp_path / "net.pte", batch_size=3)
    (_, got), (_, want) = from_training(tmp_path / "net.pte", x, y), in_pytorch(net, params, x, y)
    torch.testing.assert_close(got, {name: p.detach() for name, p in want.items()}, atol=1e-5, rtol=1e-4)


def test_every_layer_that_is_let_through(executorch, tmp_path):
    """Also a kernel, a stride and groups of its own, overlapping pools, and a layer in a layer."""
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 8, (1, 3), padding=1), nn.GroupNorm(2, 8), nn.Tanh()),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=4),
        nn.MaxPool2d(3, stride=1),
        nn.Flatten(),
        nn.Linear(48, 16),
        nn.LayerNorm(16),
        nn.GELU(),
        nn.Linear(16, 16, bias=False),
        nn.ReLU(),
        nn.Linear(16, 10),
    )
    assert {type(part).__name__ for part in net.modules()} == {"Sequential", *export.LEARN}
    stream = split(digits())
    x, y = (part[:4] for part in stream.tasks[0].train)
    to_training(net, params_of(net), stream, tmp_path / "net.pte")
    got, weights = from_training(tmp_path / "net.pte", x, y)
    want, theirs = in_pytorch(net, params_of(net), x, y)
    assert got == pytest.approx(want, abs=1e-4)
    torch.testing.assert_close(weights, {k: p.detach() for k, p in theirs.items()}, atol=1e-4, rtol=1e-3)


def test_frozen_front_gets_no_gradient(executorch, tmp_path):
    net, params, stream, (x, y) = trained("cnn")
    net = copy.deepcopy(net)
    net[:-1].requires_grad_(False)
    to_training(net, params, stream, tmp_path / "net.pte")
    _, moved = from_training(tmp_path / "net.pte", x[:4], y[:4], steps=1)
    assert moved.keys() == {"7.weight", "7.bias"}


def test_odd_images(onnx, executorch, tmp_path):
    """7×7 → 4×4 → 2×2: pooling that rounds up, in both formats."""
    data = digits()
    parts = [(x[..., 1:, 1:].contiguous(), y) for x, y in (data.train, data.test)]
    stream = split(Dataset("cut", *parts, data.classes), per_task=10)
    net, (x, y) = cnn(stream), (part[:4] for part in parts[1])
    params = params_of(net)
    to_onnx(net, params, stream, tmp_path / "net.onnx")
    to_training(net, params, stream, tmp_path / "net.pte")
    torch.testing.assert_close(
        from_onnx(tmp_path / "net.onnx", x), apply(net, params, x[None])[0], atol=1e-5, rtol=1e-5
    )
    got, want = (
        f(*a, x, y)[0] for f, a in ((from_training, [tmp_path / "net.pte"]), (in_pytorch, [net, params]))
    )
    assert got == pytest.approx(want, abs=1e-4)


def test_files_say_nothing_about_this_machine(onnx, digit_net, tmp_path):
    to_onnx(*digit_net, tmp_path / "fp32.onnx")
    to_onnx_int8(*digit_net, tmp_path / "int8.onnx")
    for path in tmp_path.iterdir():
        text = path.read_bytes()
        for word in (str(ROOT), sys.prefix, "site-packages", "stack_trace"):
            assert word.encode() not in text, f"{path.name} holds {word}"


def test_training_program_says_nothing_about_this_machine(executorch, digit_net, tmp_path):
    to_training(*digit_net, tmp_path / "net.pte")
    text = (tmp_path / "net.pte").read_bytes()
    assert not [word for word in (str(ROOT), sys.prefix, "site-packages") if word.encode() in text]


def test_nothing_is_changed(onnx, digit_net, tmp_path):
    net, params, stream = digit_net
    before = [p.clone() for p in (*net.parameters(), *params.values())]
    level, filters = logging.root.manager.disable, list(warnings.filters)
    to_onnx_int8(net, params, stream, tmp_path / "net.onnx")
    assert all(torch.equal(p, q) for p, q in zip(before, (*net.parameters(), *params.values()), strict=True))
    assert (logging.root.manager.disable, warnings.filters) == (level, filters)
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_export_is_quiet(onnx, tmp_path):
    code = f"""if True:
        from edgecl_lite import digits, mlp, split
        from edgecl_lite.device.export import to_onnx_int8
        from edgecl_lite.models import initial
        stream = split(digits())
        net = mlp(stream)
        params = {{name: p[None] for name, p in initial(net, 0).items()}}
        to_onnx_int8(net, params, stream, {str(tmp_path / "net.onnx")!r})
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ---- bad input


@pytest.fixture
def tools(monkeypatch):
    """As if all extras were there: what is wrong is said before any of them is imported."""
    monkeypatch.setattr(export, "find_spec", lambda name: True)


WRITERS = [to_onnx, to_onnx_int8, to_training]


@pytest.mark.parametrize("write", WRITERS)
def test_missing_extras(write, digit_net, monkeypatch, tmp_path):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="make export"):
        write(*digit_net, tmp_path / "net")


@pytest.mark.parametrize("write", WRITERS)
def test_batch_norm(write, tools, tmp_path):
    stream = split(digits())
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 10))
    with pytest.raises(TypeError, match="GroupNorm instead of BatchNorm"):
        write(net, params_of(net), stream, tmp_path / "net")


CONV1D, POOL = nn.Sequential(nn.Flatten(2), nn.Conv1d(1, 2, 3)), nn.AvgPool2d(2)


@pytest.mark.parametrize("layer, features", [(CONV1D, 124), (POOL, 16)])
def test_layers_that_cannot_learn_there(layer, features, tools, tmp_path):
    net = nn.Sequential(layer, nn.Flatten(), nn.Linear(features, 10))
    with pytest.raises(TypeError, match=r"MaxPool2d, Flatten, got \[(Conv1d|AvgPool2d)\("):
        to_training(net, params_of(net), split(digits()), tmp_path / "net")


@pytest.mark.parametrize("write", WRITERS)
def test_params_that_are_no_lane_of_this_net(write, tools, digit_net, tmp_path):
    net, params, stream = digit_net
    two = {name: p.repeat(2, *[1] * (p.dim() - 1)) for name, p in params.items()}
    bare = {name: p[0] for name, p in params.items()}
    lost = {name: p * torch.nan for name, p in params.items()}
    fewer = dict([*params.items()][:-1])
    for wrong in (two, bare, lost, fewer, params_of(cnn(stream)), [1.0], None):
        with pytest.raises(
            ValueError, match=r"params must be one lane, finite, such as lane\(run.params, 0\)"
        ):
            write(net, wrong, stream, tmp_path / "net")
    assert not [*tmp_path.iterdir()]


def test_another_stream_or_number(tools, digit_net, tmp_path):
    net, params, stream = digit_net
    with pytest.raises(ValueError, match="expected a net for inputs"):
        to_onnx(net, params, split(waves()), tmp_path / "net")
    for number in (0, 2.5):
        with pytest.raises(ValueError, match="batch_size must be a whole number"):
            to_training(net, params, stream, tmp_path / "net", batch_size=number)
        with pytest.raises(ValueError, match="samples must be a whole number"):
            to_onnx_int8(net, params, stream, tmp_path / "net", samples=number)


def test_import_needs_no_extras():
    code = "import sys, edgecl_lite.device.export; "
    code += "print(*{'onnx', 'onnxruntime', 'executorch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == ""


# ---- what is recorded


def test_pin_is_what_is_installed(executorch):
    assert f"executorch=={version('executorch')}" in PINS.read_text(encoding="utf-8")


def test_record_is_whole_and_plausible():
    kept = stored("export")
    assert kept["nets"].keys() == NETS.keys()
    for name, net in kept["nets"].items():
        weights, fp32, int8 = net["weights, fp32"], net["ONNX fp32"], net["ONNX int8"]
        assert weights == 4 * net["parameters"] == 4 * sum(p.numel() for p in trained(name)[0].parameters())
        assert weights / 4 < int8["bytes"] < 0.75 * fp32["bytes"]
        assert weights < fp32["bytes"] < net["ExecuTorch training"]["bytes"]
        assert fp32["same answers"] == 1 and int8["same answers"] >= SAME[name]
        assert len(net["ExecuTorch training"]["loss"]) == kept["settings"]["steps"]


@pytest.mark.parametrize("name", NETS)
def test_recorded_onnx_sizes_hold(name, onnx):
    for label, write in (("ONNX fp32", to_onnx), ("ONNX int8", to_onnx_int8)):
        assert answering(name, write)["bytes"] == pytest.approx(
            stored("export")["nets"][name][label]["bytes"], rel=0.01
        )


@pytest.mark.parametrize("name", NETS)
def test_recorded_training_holds(name, executorch):
    kept, found = stored("export")["nets"][name]["ExecuTorch training"], learning(name)
    assert found["bytes"] == pytest.approx(kept["bytes"], rel=0.01)
    assert found["loss"] == pytest.approx(kept["loss"], rel=0.01, abs=1e-3)


if __name__ == "__main__":
    setup()
    path = ROOT / "edgecl_lite/lessons/stored" / "export.json"
    disk.write(path, disk.to_json(record()).encode())
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.1f} kB")
