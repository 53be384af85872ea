"""Leaving Python: one trained network as a file that a device runs, or goes on training.

    to_onnx        fp32, as it is in PyTorch (ONNX, opset 20)
    to_onnx_int8   r = s (q - z): weights, with a scale s per channel, and activations in 8 bits
    to_training    forward and backward of one fixed batch, and SGD (ExecuTorch, experimental)

Jacob et al. 2018; Krishnamoorthi 2018 (scales per channel). The tools are extras, imported only
when asked for: `make export` installs them. Lesson: edge_budget.
"""

import copy
import logging
import warnings
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn

from .._refuse.arguments import whole
from .._refuse.nets import check_fit, check_net

# normalisation stays fp32: smaller so, and closer
IN_INT8 = ["Conv", "Gemm", "Relu", "MaxPool", "Reshape"]
LEARN = ["Linear", "Conv2d", "GroupNorm", "LayerNorm"]
LEARN += ["ReLU", "Tanh", "GELU", "MaxPool2d", "Flatten"]
POOLED = torch.ops.aten.max_pool2d_with_indices_backward.default


def to_onnx(net, params, stream, path):
    """Write the net with these params as fp32 ONNX.

        "x" (n, *stream.shape) -> "logits" (n, outputs)        for any n

    params: one lane of a Run's, {name: (1, …)}, as `lane(run.params, 0)` gives it. What answers is
    the plain net, without a method's masks or exemplars. Nothing about this machine goes into the
    file. Returns the file's bytes. Raises TypeError or ValueError where net, params and stream do
    not fit, ModuleNotFoundError without the extras.
    """
    return Path(path).write_bytes(_onnx(net, params, stream).SerializeToString())


def to_onnx_int8(net, params, stream, path, samples=500):
    """`to_onnx` in 8 bits: quantise-dequantise pairs (ONNX Runtime), weights scaled per channel.

    The range of every activation is fixed: that of `samples` training samples, evenly spaced over
    the whole stream.
    """
    samples, model = whole("samples", samples), _onnx(net, params, stream)
    from onnxruntime.quantization import quantize_static

    x = torch.cat([task.train[0] for task in stream])
    rest = iter([{"x": x[torch.linspace(0, len(x) - 1, min(samples, len(x))).long()].numpy()}])
    reader = SimpleNamespace(get_next=lambda: next(rest, None))
    with _quietly():
        quantize_static(model, path, reader, per_channel=True, op_types_to_quantize=IN_INT8)
    return Path(path).stat().st_size


def to_training(net, params, stream, path, batch_size=4):
    """Write forward and backward as an ExecuTorch program, which trains without Python.

    Experimental. In the program `forward_backward("forward", (x, y))` of x (batch_size,
    *stream.shape) and y (batch_size,) gives the mean cross-entropy over all outputs and the answers
    (batch_size,), and leaves the gradients of all weights that require one in `net` (a frozen front
    gets none); the runtime has SGD, no Adam. Only layers whose gradients a test compares with
    PyTorch's are let through: `LEARN`. Else as `to_onnx`.
    """
    batch_size, net = whole("batch_size", batch_size), _loaded(net, params, stream, "executorch")
    leaves = [part for part in net.modules() if not [*part.children()]]
    if other := [part for part in leaves if type(part).__name__ not in LEARN]:
        hint = f"got {other}; signals take Conv2d with a kernel (1, width)"
        raise TypeError(f"to learn on a device, layers must be of {', '.join(LEARN)}, {hint}")
    batch = torch.zeros(batch_size, *stream.shape), torch.zeros(batch_size, dtype=torch.int64)
    with _quietly():
        from executorch.exir import to_edge
        from torch.export.experimental import _export_forward_backward

        program = _export_forward_backward(torch.export.export(_Learner(net), batch))
        program = program.run_decompositions({POOLED: _pooled_backward})
        return Path(path).write_bytes(to_edge(program).to_executorch().buffer)


class _Learner(nn.Sequential):
    def forward(self, x, y):
        logits = super().forward(x)
        return nn.functional.cross_entropy(logits, y), logits.detach().argmax(1)


def _pooled_backward(grad, x, kernel, stride, padding, dilation, ceil_mode, index):
    """As ATen's. ExecuTorch's, up to 1.5.1, adds to whatever memory held (its issue 21686)."""
    pooled = torch.zeros_like(x).flatten(2)
    return pooled.scatter_add(2, index.flatten(2), grad.flatten(2)).view(x.shape)


def _onnx(net, params, stream):
    net = _loaded(net, params, stream, "onnx", "onnxscript", "onnxruntime")
    x, any_n = torch.zeros(2, *stream.shape), [{0: torch.export.Dim("n")}]
    names = dict(input_names=["x"], output_names=["logits"], dynamic_shapes=any_n)
    options = dict(dynamo=True, verbose=False, opset_version=20)
    with _quietly():
        from onnxscript.ir.passes.common import ClearMetadataAndDocStringPass

        program = torch.onnx.export(net, (x,), **names, **options)
        # the exporter notes source lines, with their paths
        ClearMetadataAndDocStringPass()(program.model)
        return program.model_proto


def _loaded(net, params, stream, *tools):
    """A copy of the net that holds params, once all that can be wrong beforehand is ruled out."""
    if missing := [name for name in tools if find_spec(name) is None]:
        needs = ", ".join(missing)
        raise ModuleNotFoundError(f"leaving Python needs {needs}: `make export` installs it")
    check_net(net, given=True)
    check_fit(net, stream)
    want = {name: (1, *p.shape) for name, p in net.named_parameters()}
    got = type(params)
    if isinstance(params, dict):
        got = {name: tuple(p.shape) for name, p in params.items()}
    if got != want or not all(p.isfinite().all() for p in params.values()):
        such = "one lane, finite, such as lane(run.params, 0)"
        raise ValueError(f"params must be {such}: {want}, got {got}")
    net = copy.deepcopy(net).cpu().eval()
    net.load_state_dict({name: p[0] for name, p in params.items()}, strict=False)
    return net


def _quietly():
    """A `with` without the tools' warnings, which speak to their authors."""
    quiet = ExitStack()
    quiet.enter_context(warnings.catch_warnings(action="ignore"))
    quiet.callback(logging.disable, logging.root.manager.disable)
    logging.disable(logging.WARNING)
    return quiet
