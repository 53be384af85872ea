"""A chain of records in one file, each with its length and sha256: a cut is seen for what it is.

With it digests of tensors, and values as JSON has them.
Plumbing of `journal.py`; no lesson derives it.
"""

import functools
import hashlib
import json

import torch
from safetensors.torch import load, save

from ..lanes import thick, thin

MARK = b"edgecl:)"
HEAD = len(MARK) + 8 + 32  # before each record: the mark, its length, its sha256


def framed(tensors, facts):
    """A record: mark, length, digest, and tensors as safetensors with the facts in their header."""
    thinned = {name: thin(value) for name, value in tensors.items()}
    facts["equal"] = {name: lanes for name, (_, lanes) in thinned.items()}  # in their order, too
    whole = {k: v.detach().cpu().contiguous().clone() for k, (v, _) in thinned.items()}
    raw = save(whole, {"facts": json.dumps(facts)})
    return MARK + len(raw).to_bytes(8, "little") + hashlib.sha256(raw).digest() + raw


def records(path, raw):
    """(facts, tensors) of every whole record. ValueError where one before the last is damaged."""
    at = 0
    while at + HEAD <= len(raw):
        size = int.from_bytes(raw[at + len(MARK) : at + len(MARK) + 8], "little")
        begin, end = at + HEAD, at + HEAD + size
        body = raw[begin:end]
        sound = hashlib.sha256(body).digest() == raw[begin - 32 : begin]
        if raw[at : at + len(MARK)] != MARK or not sound:
            if at and end >= len(raw):
                return  # the last one, cut short
            raise ValueError(f"{path} is damaged at byte {at:,} of {len(raw):,}, and was not used")
        header = json.loads(body[8 : 8 + int.from_bytes(body[:8], "little")])
        facts, tensors = json.loads(header["__metadata__"]["facts"]), load(body)
        yield facts, {k: thick(tensors[k].clone(), lanes) for k, lanes in facts["equal"].items()}
        at = end


def digest(tensors, also=""):
    """sha256 of tensors, their shapes, and what else counts."""
    tensors = [t.detach().cpu().contiguous() for t in tensors]
    found = hashlib.sha256(repr((also, [tuple(t.shape) for t in tensors])).encode())
    for tensor in tensors:
        found.update(tensor.numpy())
    return found.hexdigest()


def plain(value):
    """A value as JSON gives it back; of a function the name, for no address outlives a process."""
    if torch.is_tensor(value):
        return digest([value])
    if isinstance(value, functools.partial):
        return [plain(value.func), plain(value.args), plain(value.keywords)]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return getattr(value, "__qualname__", str(value))
