"""The guide's settings in a real JupyterHub:  python tests/tools/hub.py   (`make hub` has it installed)

Starts a hub with the settings of docs/teaching/README.md, which must load, and students as plain processes;
looks whether the settings reached them, and how long the lesson takes them, all at once; the same without a
hub, in the same run. What the hub adds goes into the guide. A setting without effect ends it with an error;
but that spawner keeps no limits of memory and cores, which only have to load. Lesson: ewc.
"""

import asyncio
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from served import CORES
from served_words import END, PAGE, filled
from students import LESSON, Seat, asked, classroom, family, memory, run_all, sat_down
from tornado.httpclient import HTTPError

START = "<!-- measured by make hub -->"
STUDENTS = "ada", "ben"
TRIAL = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.ConfigurableHTTPProxy.command = [{command!r}]
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.cookie_secret_file = "{folder}/cookie"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/{{username}}"
c.JupyterHub.services.append({{"name": "trial", "api_token": "{token}"}})
c.Spawner.args.append("--allow-root")
scopes = ["admin:users", "admin:servers", "admin:server_state", "access:servers"]
c.JupyterHub.load_roles.append({{"name": "trial", "scopes": scopes, "services": ["trial"]}})
"""
SOONER = {"cull_idle_timeout=3600": "cull_idle_timeout=5", "cull_interval=300": "cull_interval=5"}
SOONER |= {"--timeout=3600": "--timeout=60"}  # for a trial of just that: nobody waits an hour for it


def settings():
    """What the guide says for jupyterhub_config.py."""
    section = PAGE.read_text("utf-8").partition("\n## A class on one server")[2]
    return re.search(r"```python\n(.*?)```", section, re.S).group(1)


def ports(many):
    """Numbers of ports that are free."""
    sockets = [socket.socket() for _ in range(many)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


@contextmanager
def hub(settings):
    """A JupyterHub with these settings: a `Seat` of the hub itself, and its process ends with the block."""
    with TemporaryDirectory(prefix="edgecl-hub-") as folder:
        port, own, proxy = ports(3)
        token, command = secrets.token_hex(16), shutil.which("configurable-http-proxy", path=paths())
        given = dict(port=port, hub=own, proxy=proxy, token=token, command=command, folder=folder)
        config = Path(folder) / "jupyterhub_config.py"
        config.write_text(settings + TRIAL.format(**given))
        for name in STUDENTS:
            shutil.copytree(LESSON.parent, Path(folder) / name / "edgecl")
        start = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
        with open(Path(folder) / "log", "wb") as log:
            env = os.environ | {"PATH": paths()}
            process = subprocess.Popen(
                start, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield Seat(f"http://127.0.0.1:{port}/hub", token, process.pid)
        except BaseException:
            print((Path(folder) / "log").read_text()[-4000:], file=sys.stderr)
            raise
        finally:
            process.terminate()  # it ends its proxy, its services and all servers
            process.wait(60)


def paths():
    """PATH with what stands beside this Python in front."""
    own = Path(sys.executable).parent
    return os.pathsep.join((str(own), str(own.parent / "node_modules/.bin"), os.environ["PATH"]))


async def until(seat, path, ready):
    """Ask until `ready` says yes to the answer; TimeoutError after five minutes."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        try:
            answer = json.loads(await asked(seat, path))
            if ready(answer):
                return answer
        except (OSError, HTTPError):
            pass  # not there yet
        await asyncio.sleep(0.5)
    raise TimeoutError(f"expected {path} to be ready within five minutes; it was not")


async def let_in(own, name):
    """Let a student in and start the server; the student's `Seat`."""
    await asked(own, f"api/users/{name}", {})
    await asked(own, f"api/users/{name}/server", {})
    user = await until(own, f"api/users/{name}", lambda user: user["servers"].get("", {}).get("ready"))
    address = own.address.removesuffix("/hub") + f"/user/{name}"
    return Seat(address, own.token, user["servers"][""]["state"]["pid"])


async def both(seats):
    """(bytes with kernels started, seconds of Run All) of students at once, and their lines."""
    lines = await asyncio.gather(*map(sat_down, seats))
    await asyncio.sleep(2)
    idle = memory([seat.pid for seat in seats])[0]
    return idle, max(await asyncio.gather(*map(run_all, lines))), lines


def unheeded(server):
    """What a student's server and its kernel lack of the settings: words, none where all is there."""
    given, kernel = psutil.Process(server), family(server)[-1].environ()
    wanted = {"OMP_NUM_THREADS": "1", "MEM_LIMIT": "1073741824", "CPU_LIMIT": "1.0"}
    wanted |= {"JUPYTERHUB_DEFAULT_URL": "/lab/tree/edgecl/00_start_here.ipynb"}
    found = given.environ() | kernel
    lacks = [f"{name}: {found.get(name)}" for name, value in wanted.items() if found.get(name) != value]
    return lacks + [] if any("cull_idle_timeout" in word for word in given.cmdline()) else [*lacks, "culling"]


async def tried(own):
    """Two students in a hub: (bytes of the hub itself, bytes with kernels started, seconds of Run All)."""
    await until(own, "api/", bool)
    await asyncio.sleep(5)  # its culler starts
    alone = memory([own.pid])[0]
    seats = [await let_in(own, name) for name in STUDENTS]
    idle, seconds, _ = await both(seats)
    if lacks := unheeded(seats[0].pid):
        raise RuntimeError(f"expected the guide's settings to reach a student; these do not: {lacks}")
    return alone, idle, seconds


async def forgotten(own):
    """Whether an idle kernel ends although its page is open, and then its server: TimeoutError if not."""
    await until(own, "api/", bool)
    seat = await let_in(own, STUDENTS[0])
    line = await sat_down(seat)
    await until(seat, "api/kernels", lambda kernels: not kernels)
    line.close()
    await until(own, f"api/users/{STUDENTS[0]}", lambda user: not user["servers"])


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all that was started ends
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    text = settings()
    with classroom(len(STUDENTS), 1) as seats:
        idle, seconds, _ = asyncio.run(both(seats))
    with hub(text) as own:
        alone, idle_there, seconds_there = asyncio.run(tried(own))
    for slow, quick in SOONER.items():
        text = text.replace(slow, quick)
    with hub(text) as own:
        asyncio.run(forgotten(own))
    more = (idle_there - idle) / len(STUDENTS) / 1e6
    told = (
        f"Tried with JupyterHub `{version('jupyterhub')}`: hub, proxy and culler take {alone / 1e6:.0f} MB "
        f"together, a student {more:.0f} MB more than without a hub, and Run All "
        f"{seconds_there / seconds:.2f} times as long."
    )
    page = filled(PAGE.read_text("utf-8"), "\n".join([START, told, END]), START)
    PAGE.write_text(page, encoding="utf-8")
    print(told)


if __name__ == "__main__":
    main()
