"""What was given as x or y as a tensor, and the code that makes one. No lesson derives it."""

import numpy as np
import torch


def read(given):
    """(the tensor or None, what came, code that gives something of which torch makes a tensor)."""
    if isinstance(given, torch.Tensor):
        return _read_tensor(given)
    came = type(given).__name__
    if given is None:
        return None, came, None
    if isinstance(given, list | tuple) and len(given):
        came += f" of {type(given[0]).__name__}" * (not isinstance(given[0], int | float))
    elif hasattr(given, "dtype"):
        came += f" of {given.dtype}"
    for code, way in _ways(given):
        try:
            return torch.tensor(way(given)), came, code
        except (TypeError, ValueError, RuntimeError):
            continue
    return None, came, None


def _read_tensor(given):
    """`read`, of a tensor."""
    came = str(given.dtype)
    if given.is_meta:  # so are tensors made under a default device of meta
        advice = "which has no values; make it with device='cpu'"
        return None, f"{came} on the device meta, {advice}", None
    if given.layout != torch.strided:
        return given.to_dense().cpu(), f"a sparse tensor of {came}", "{}.to_dense().cpu()"
    if given.device.type != "cpu":
        place = f"{came} on {given.device}; train(…, device=…) moves what it needs"
        return given.cpu(), place, "{}.cpu()"
    return given, came, "{}"


def _ways(given):
    """[(code, the same as a function)]: what may give something of which torch makes a tensor."""
    first = given[0] if isinstance(given, list | tuple) and len(given) else None
    if hasattr(first, "__array_interface__"):
        return [("numpy.stack({})", np.stack)]
    if isinstance(first, torch.Tensor):
        return [("torch.stack({}).detach()", lambda each: torch.stack(each).detach().numpy())]
    if hasattr(given, "to_numpy"):
        return [("{}.to_numpy(copy=True)", lambda each: each.to_numpy(copy=True))]
    floats = lambda each: np.array(each).astype(float)
    return [("{}", np.asarray), ("numpy.array({}).astype(float)", floats)]


def words(values):
    """Whether all are str."""
    values = values.tolist() if hasattr(values, "tolist") else values
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)
