"""A class of students on this machine, each driven as a browser would: for served.py and hub.py.

A student has a single-user server and a kernel behind it. What is run goes through the server's own
websocket, cell by cell, and a slider is moved by the message that a browser sends; so the server's share of
the work is in all that is measured. Lesson: ewc.
"""

import json
import shutil
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

sys.path.append(str(Path(__file__).parents[1]))  # where labserver is, as for pytest

from labserver import HANGS, LabServer
from lessons import NOTEBOOKS, read
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

LESSON = NOTEBOOKS / "03_ewc.ipynb"
WHERE = f"edgecl/{LESSON.name}"  # the course in a student's home
TRAINS, SLIDES = "train-the-range", "explore-lam"  # cells of it: trains for seconds, makes a slider
READS = "lab", "lab/api/settings", "lab/api/workspaces/default", f"api/contents/{WHERE}"
PORTION = 2**27  # bytes that a message may have: pictures go by


@dataclass(frozen=True)
class Seat:
    """Where a student works: the address of a single-user server, a token for it, its process."""

    address: str
    token: str
    pid: int


@contextmanager
def classroom(size, threads):
    """So many `Seat`s, each a JupyterLab over a folder of its own; all end with the block."""
    with TemporaryDirectory(prefix="edgecl-class-") as top, ThreadPoolExecutor(size) as pool:
        starts = [pool.submit(started, Path(top) / str(i), threads) for i in range(size)]
        try:
            servers = [start.result() for start in starts]
            yield [Seat(server.address, server.token, server.process.pid) for server in servers]
        finally:
            there = [start.result() for start in starts if not start.cancel() and not start.exception()]
            list(pool.map(LabServer.stop, there))


def started(home, threads):
    """A JupyterLab over a folder that holds the lesson."""
    (home / WHERE).parent.mkdir(parents=True)
    shutil.copy(LESSON, home / WHERE)
    return LabServer(home, threads=threads)


def cells():
    """{id: source} of the lesson's code, as it is handed out: exercises not solved."""
    return {cell.id: cell.source for cell in read(LESSON).cells if cell.cell_type == "code"}


async def asked(seat, path, body=None):
    """What a server answers to GET, or to POST of a body: bytes. HTTPError where it refuses."""
    given = {} if body is None else {"method": "POST", "body": json.dumps(body)}
    request = HTTPRequest(
        f"{seat.address}/{path}", headers=proof(seat), request_timeout=HANGS, connect_timeout=HANGS, **given
    )
    return (await AsyncHTTPClient().fetch(request)).body


def proof(seat):
    return {"Authorization": f"token {seat.token}"}


async def sat_down(seat):
    """Open the lesson as a browser does, page and kernel; returns the line to the kernel."""
    for path in READS:
        await asked(seat, path)
    body = {"path": WHERE, "name": "", "type": "notebook", "kernel": {"name": "python3"}}
    kernel = json.loads(await asked(seat, "api/sessions", body))["kernel"]["id"]
    address = f"ws{seat.address.removeprefix('http')}/api/kernels/{kernel}/channels"
    request = HTTPRequest(address, headers=proof(seat), request_timeout=HANGS, connect_timeout=HANGS)
    return await websocket_connect(request, max_message_size=PORTION)


async def told(line, kind, content):
    """Send a kernel a message; returns what it published about it, when it is idle again."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "version": "5.3", "session": "class"}
    header |= {"username": "", "date": ""}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    await line.write_message(json.dumps(message))
    heard = []
    while True:
        text = await line.read_message()
        if text is None:
            raise ConnectionError(f"expected an answer to {kind}; the kernel's line was closed")
        if isinstance(text, bytes):  # a picture of a panel: what ends an answer is never one
            continue
        said = json.loads(text)
        if said["parent_header"].get("msg_id") == header["msg_id"]:
            heard.append(said)
            if said["msg_type"] == "status" and said["content"]["execution_state"] == "idle":
                return heard


async def ran(line, source):
    """Run a cell; returns what was published. RuntimeError, with the kernel's words, where it fails."""
    heard = await told(line, "execute_request", {"code": source, "silent": False, "store_history": True})
    for said in heard:
        if said["msg_type"] == "error":
            raise RuntimeError(f"a cell failed: {said['content']['ename']}: {said['content']['evalue']}")
    return heard


async def run_all(line):
    """Every cell of the lesson, one after the other; seconds."""
    begun = time.perf_counter()
    for source in cells().values():
        await ran(line, source)
    return time.perf_counter() - begun


async def slider(line):
    """Show the panel of λ anew; returns the name of its slider (a widget model)."""
    for said in await ran(line, cells()[SLIDES]):
        state = said["content"].get("data", {}).get("state", {}) if said["msg_type"] == "comm_open" else {}
        if state.get("_model_name") == "SelectionSliderModel":
            return said["content"]["comm_id"]
    raise LookupError(f"expected the cell {SLIDES!r} to make a slider; it made none")


async def moved(line, model, index):
    """Move a slider to its place number `index`; seconds until the kernel has answered and rests."""
    begun = time.perf_counter()
    data = {"method": "update", "state": {"index": index}, "buffer_paths": []}
    await told(line, "comm_msg", {"comm_id": model, "data": data})
    return time.perf_counter() - begun


def rollup(text):
    """{"Rss": bytes, "Pss": bytes, …} of what Linux writes into /proc/PID/smaps_rollup."""
    rows = [line.split() for line in text.splitlines()]
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) == 3 and row[2] == "kB"}


def memory(pids):
    """(proportional, resident) bytes of processes and of all that they started."""
    pss = rss = 0
    for pid in pids:
        for process in family(pid):
            try:
                found = rollup(Path(f"/proc/{process.pid}/smaps_rollup").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue
            pss, rss = pss + found.get("Pss", 0), rss + found.get("Rss", 0)
    return pss, rss


def family(pid):
    """A process and its descendants; nobody where it has ended."""
    try:
        whole = psutil.Process(pid)
        return [whole, *whole.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
