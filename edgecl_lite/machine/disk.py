"""Files that are whole: written at once or not at all, and read only where every bit is as it was.

A file carries its own seal, `"sha256": "…"` somewhere in its text: the digest of all its bytes,
with 64 zeros in the seal's own place. Saved Runs (in the header), stored results and the ledger's
rows are such files. Plumbing; no lesson derives it.
"""

import hashlib
import json
import os
import re
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where nobody can remove or replace what another has open
    fcntl = None

BLANK = "0" * 64
SEAL = re.compile(rb'"sha256": ?"([0-9a-f]{64})"')


def sealed(raw):
    """The bytes with the true digest in the place of their `BLANK` seal."""
    start, end = SEAL.search(raw).span(1)
    return b"".join((raw[:start], _digest(raw, start, end).encode(), raw[end:]))


def flaw(raw):
    """What is wrong with the bytes of a sealed file, in words; "" where they are as they were."""
    seal = SEAL.search(raw)
    if not seal:
        return f"no sha256 is found in its {len(raw):,} bytes"
    expected, found = seal[1].decode(), _digest(raw, *seal.span(1))
    if found == expected:
        return ""
    return f"expected sha256 {expected}, found {found} in {len(raw):,} bytes"


def _digest(raw, start, end):
    """sha256 in hex of all bytes, but for zeros from start to end."""
    view = memoryview(raw)
    digest = hashlib.sha256(view[:start])
    digest.update(BLANK.encode())
    digest.update(view[end:])
    return digest.hexdigest()


def to_json(value, indent=None):
    """A dict as the text of a sealed file."""
    text = json.dumps({"sha256": BLANK, **value}, indent=indent, ensure_ascii=False) + "\n"
    return sealed(text.encode()).decode()


def read_json(path, advice):
    """The dict in the file that `to_json` made. ValueError where it is damaged, with advice."""
    raw = Path(path).read_bytes()
    if wrong := flaw(raw):
        raise ValueError(f"{path} is damaged or was edited, and was not used: {wrong}. {advice}")
    return {k: v for k, v in json.loads(raw).items() if k != "sha256"}


def write(path, raw):
    """The whole file or none of it: what was there before stays until all bytes are on the disk.

    Folders that do not exist are made, and what killed writes left in this one is removed. Raises
    OSError that names the path.
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    try:
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(13, "it is read-only")
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(".edgecl-*.part"):
            _clear(left)
        _replace(path, raw)
    except OSError as error:
        why = error.strerror
        if isinstance(error, FileExistsError):
            why = f"{path.parent} is no folder"
        raise type(error)(error.errno, f"{path} could not be written: {why}") from None


def _replace(path, raw):
    file, part = _begin(path.parent)
    try:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
        if not fcntl:
            file.close()
        os.replace(part, path)
    finally:
        file.close()
        part.unlink(missing_ok=True)


def _begin(folder):
    """A new temporary file, open and locked, and its path: nobody clears away what is locked."""
    part = folder / f".edgecl-{secrets.token_hex(6)}.part"
    file = part.open("xb")
    with suppress(OSError):  # some network disks have no locks
        _lock(file)
    if not part.exists():  # another process came in between
        file.close()
        return _begin(folder)
    return file, part


def _clear(part):
    """Remove a temporary file, unless the process that writes it lives and has it locked."""
    with suppress(OSError):
        if not fcntl:
            return part.unlink()
        with part.open("r+b") as file:
            _lock(file, wait=False)
            part.unlink()


@contextmanager
def alone(folder):
    """Between these lines nobody else changes what lies in a folder, of those that ask for it.

    Others wait. A lock on the folder itself leaves no file behind; where the system or the disk has
    none (Windows, some network disks), the last one to write wins.
    """
    handle = None
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        _lock(handle)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(file, wait=True):
    if fcntl:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
