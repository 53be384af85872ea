"""A student's code in a process of its own, ended where it takes too long or too much memory.

It starts in an empty folder that is its home and is thrown away. Resident memory is that of its
whole session, read in /proc: an address-space limit would count what torch only maps. Time is that
since the last thing heard, so an exercise has its own. Only where there is no /proc (macOS,
Windows) is there no limit of memory. Lesson: ewc.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..._refuse.arguments import number

EVERY = 0.1  # s between two looks at it
START = 600.0  # s in which torch must have been imported; no verdict hangs on it
HEARD = 20_000_000  # bytes of messages
QUIET = {
    "EDGECL_EXAM": "1",
    "EDGECL_DOSSIER": "off",
    "EDGECL_PROGRESS": "",
    "MPLBACKEND": "agg",
    "TQDM_DISABLE": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUTF8": "1",
}


@dataclass(frozen=True)
class Limits:
    """seconds: of one exercise; megabytes: of resident memory, 10⁶ bytes."""

    seconds: float = 60.0
    megabytes: float = 2000.0

    def __post_init__(self):
        number("seconds", self.seconds, strictly=True)
        number("megabytes", self.megabytes, strictly=True)


@dataclass(frozen=True)
class Heard:
    """What came of a process: its messages, why it was ended ("": by itself), bytes it printed."""

    messages: list
    ended: str
    printed: int


class Reader(threading.Thread):
    """Reads a pipe to its end, keeps the first bytes of it, counts them all."""

    def __init__(self, pipe, keep):
        super().__init__(daemon=True)
        self.pipe, self.keep, self.kept, self.count = pipe, keep, bytearray(), 0
        self.last = time.monotonic()
        self.start()

    def run(self):
        with suppress(ValueError, OSError):
            while data := self.pipe.read1(1 << 16):
                self.count += len(data)
                self.kept += data[: self.keep - len(self.kept)]
                self.last = time.monotonic()


def run(job, limits):
    """Do a job (see inside.py) in a process of its own; returns what was `Heard`."""
    with tempfile.TemporaryDirectory(prefix="edgecl-", ignore_cleanup_errors=True) as home:
        process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.inside"],
            cwd=home,
            env=_around(home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        heard, printed = Reader(process.stdout, HEARD), Reader(process.stderr, 0)
        with suppress(OSError):  # it is gone already
            process.stdin.write(json.dumps(job).encode())
            process.stdin.close()
        try:
            ended = _watch(process, heard, limits)
        finally:
            _end(process)
        for reader in (heard, printed):
            reader.join(5)
    return Heard(_messages(heard.kept), ended, printed.count)


def _watch(process, heard, limits):
    """Wait until a process ends or must be ended; returns why, in a phrase."""
    while process.poll() is None:
        patience = limits.seconds if heard.count else START
        if time.monotonic() - heard.last > patience:
            return f"ran longer than {patience:g} s"
        if heard.count and resident(process.pid) > limits.megabytes * 1e6:
            return f"took more than {limits.megabytes:,.0f} MB"
        time.sleep(EVERY)
    return ""


def _around(home):
    """The environment of a student's process: a home of its own, the same package."""
    paths = os.pathsep.join(filter(None, sys.path))
    homes = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), home)
    return os.environ | QUIET | homes | {"PYTHONPATH": paths}


def _end(process):
    """End a process and all that it has started in its session."""
    with suppress(OSError, AttributeError):  # no such session any more; Windows has none
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def resident(session):
    """Bytes of resident memory of all processes of a session; 0 where there is no /proc."""
    pages = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            pages += int(fields[21]) * (int(fields[3]) == session)
    return pages * os.sysconf("SC_PAGE_SIZE") if pages else 0


def _messages(raw):
    """The whole lines that a process has sent, as far as they are messages."""
    found = []
    for line in raw.decode("utf-8", "replace").splitlines():
        with suppress(ValueError):
            found.append(json.loads(line))
    return [message for message in found if isinstance(message, dict)]
