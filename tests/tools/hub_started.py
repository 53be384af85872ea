"""A JupyterHub on this machine with settings that are given, and a student whom it lets in: for hub.py.

Beside the settings stands what a trial needs: free ports, no memory of its own, names that come in without a
password, servers that are plain processes of whoever runs this, a token that may do all that. Lesson: ewc.
"""

import asyncio
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from students import LESSON, Seat, asked, family
from tornado.httpclient import HTTPError

STUDENT = "student"
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


def ports(many):
    """Numbers of ports that are free."""
    sockets = [socket.socket() for _ in range(many)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


def configured(folder, settings):
    """Write a hub's configuration into a folder; returns (its address, the token)."""
    port, own, proxy = ports(3)
    token, command = secrets.token_hex(16), shutil.which("configurable-http-proxy", path=paths())
    if command is None:
        raise FileNotFoundError("expected configurable-http-proxy; found none: `make hub` installs it")
    given = dict(port=port, hub=own, proxy=proxy, token=token, command=command, folder=folder)
    (Path(folder) / "jupyterhub_config.py").write_text(settings + TRIAL.format(**given))
    return f"http://127.0.0.1:{port}/hub", token


@contextmanager
def hub(settings):
    """A JupyterHub with these settings: a `Seat` of the hub itself. It ends with the block."""
    with TemporaryDirectory(prefix="edgecl-hub-") as folder:
        address, token = configured(folder, settings)
        shutil.copytree(LESSON.parent, Path(folder) / STUDENT / "edgecl")
        start, env = [sys.executable, "-m", "jupyterhub"], os.environ | {"PATH": paths()}
        with open(Path(folder) / "log", "wb") as log:
            kept = dict(stdout=log, stderr=log, start_new_session=True)
            process = subprocess.Popen(start, cwd=folder, env=env, **kept)
        try:
            yield Seat(address, token, process.pid)
        except BaseException:
            print((Path(folder) / "log").read_text()[-4000:], file=sys.stderr)
            raise
        finally:
            whole = family(process.pid)
            process.terminate()  # it ends its proxy, its services and all servers
            for one in psutil.wait_procs(whole, timeout=60)[1]:
                one.kill()


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
