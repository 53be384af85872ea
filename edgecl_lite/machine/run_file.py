"""A Run as one file: safetensors, the facts as JSON in its header, sealed; older ones are read too.

Plumbing; no lesson derives it.
"""

import json
import os
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..lanes import Lanes, thick, thin
from . import disk

ARRAYS = "step", "task", "ended", "curve", "predicted"
OWN = "clients"  # an array that only the Run of a fleet has
TREES = "params", "state", "carried"
WHOSE = "method", "scenario", "names", "grid", "seeds"
FACTS = *WHOSE, "seconds", "stopped", "notes", "settings", "digests"
ENDING = ".safetensors"
FLOATS = torch.float32, torch.float64, torch.float16, torch.bfloat16
SMALL = torch.float8_e4m3fn, torch.float8_e5m2
WHOLE = torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool
DTYPES = *FLOATS, *SMALL, *WHOLE
UNSEALED = (
    "read from a file of an older version, which carries no digest: "
    "whether it was damaged, nobody can tell"
)
DAMAGE = SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError


def write(run, path):
    """Write a Run; the path, as it came to be. Raises as `Run.save`."""
    path, tensors, equal = _file(path), {}, {}
    for tree in TREES:
        for key, value in getattr(run, tree).items():
            name, value = f"{tree}/{key}", _tensor(f"{tree}[{key!r}]", key, value)
            value, equal[name] = thin(value)
            tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
    there = ARRAYS if run.clients is None else (*ARRAYS, OWN)
    arrays = {f"array/{k}": np.array(getattr(run, k), order="C") for k in there}
    tensors |= {name: torch.from_numpy(array) for name, array in arrays.items()}
    facts = {k: getattr(run, k) for k in FACTS} | {"lost": [*run.lost.items()]}
    facts |= {"layout": 2, "equal": equal}
    raw = save(tensors, {"run": _facts(facts), "sha256": disk.BLANK})
    disk.write(path, disk.sealed(raw))
    return path


def read(path):
    """The fields of the Run in a file. Raises as `Run.load`."""
    path = _file(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"no run saved at {path}; Run.save(path) writes one")
    raw = path.read_bytes()
    try:
        return _loaded(raw, disk.flaw(raw))
    except DAMAGE as error:
        why = f"was not written by Run.save, and was not used: {error or type(error).__name__}"
        raise ValueError(f"{path} is damaged or {why}") from None


def _loaded(raw, flaw):
    """The fields of a Run from the bytes of its file; no tensor looks into the file itself."""
    told = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
    old = [*told] == ["edgecl"]  # so older versions called it: no damage turns "run" into that
    if flaw and not old:
        raise ValueError(flaw)
    facts = json.loads(told["edgecl" if flaw else "run"])
    with torch.device("cpu"):
        tensors, trees = load(raw), {tree: {} for tree in TREES}
    there = ARRAYS if f"array/{OWN}" not in tensors else (*ARRAYS, OWN)
    arrays = {k: tensors.pop(f"array/{k}").numpy() for k in there}
    if flaw:
        one, lanes = facts.pop("one"), facts.pop("lanes")
        facts["equal"] = {name: lanes if name in one else None for name in tensors}
        facts["notes"] = [*facts["notes"], UNSEALED]
    if facts.pop("layout", 1) == 1:  # there predicted was (points, lanes, on, n)
        own, seen = Lanes(facts["grid"], facts["seeds"]), arrays["predicted"].swapaxes(0, 1)
        arrays["predicted"] = own.fold(seen)
    for name, lanes in facts.pop("equal").items():  # lanes that are equal are one in the file
        tree, _, key = name.partition("/")
        trees[tree][key] = thick(tensors[name], lanes)
    return {**facts, "lost": dict(facts["lost"]), **trees, **arrays}


def _tensor(where, key, value):
    """The tensor, if a file can hold it. TypeError names it."""
    if not isinstance(key, str):
        raise TypeError(f"Run.{where}: a name must be a str, got {key!r}")
    if not isinstance(value, torch.Tensor):
        got = f"got {type(value).__name__} {value!r:.60}"
        hint = "a number becomes one by torch.full((lanes,), number)"
        raise TypeError(f"Run.{where} must be a tensor, {got}; {hint}")
    if value.layout != torch.strided or value.is_meta or value.dtype not in DTYPES:
        got = f"got {value.dtype}, {value.layout} on {value.device}"
        known = ", ".join(str(d).removeprefix("torch.") for d in DTYPES)
        raise TypeError(f"Run.{where} must be a dense tensor of {known}, {got}")
    return value


def _facts(facts):
    """JSON of the facts. TypeError names the one that is not plain."""
    for name, value in facts.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError, RecursionError) as error:
            want = f"Run.{name} must hold plain numbers, text, lists and dicts"
            raise TypeError(f"{want}: {error}") from None
    return json.dumps(facts)


def _file(path):
    """The path, ~ as the home folder, .safetensors at its end. Raises where it names no file."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError(f"path must be a str or a Path, such as 'runs/first', got {path!r}")
    text = os.path.expanduser(path)
    name = os.path.basename(text)
    if name in ("", ".", "..", ENDING) or name != name.strip() or "\0" in text:
        want = "path must end in the name of a file, without blanks around it, such as 'runs/first'"
        raise ValueError(f"{want}; got {os.fspath(path)!r}")
    file = text if name.lower().endswith(ENDING) else text + ENDING
    if os.path.isdir(text) and not os.path.isfile(file):
        raise IsADirectoryError(f"{text} is a folder; add the name of a file, such as {text}/first")
    return Path(file)
