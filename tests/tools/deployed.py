"""A real SuperLink and two SuperNodes on 127.0.0.1, and three rounds between them; for `make fleet`.

Every process is ended by its own id: the tree is collected first, for children outlive their parent.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from safetensors.torch import load_file

APP = Path(__file__).parent / "flower_app"
HOST, PORTS = "127.0.0.1", int(os.environ.get("EDGECL_PORTS", 9292))
LIMIT_S = 600  # a guard against hanging; on a quiet machine it is a minute


def deployed():
    """(θ after three rounds, what it cost), of the app in `APP`."""
    link, *nodes = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="edgecl-fleet-") as home, Fleet(Path(home)) as fleet:
        began = time.perf_counter()
        address, machine = f"{HOST}:{link}", ["--insecure", "--host", HOST, "--port"]
        (fleet.home / "config.toml").write_text(
            f'[superlink.here]\naddress = "{address}"\ninsecure = true\n', encoding="utf-8"
        )
        fleet.start("flower-superlink", *machine, str(link), "--disable-runtime-dependency-installation")
        fleet.wait(lambda: answers(link), "the SuperLink to answer")
        up = time.perf_counter() - began
        for i, port in enumerate(nodes):
            who = f"partition-id={i} num-partitions={len(nodes)}"
            fleet.start("flower-supernode", *machine, str(port), "--superlink", address, "--node-config", who)
        begun = time.perf_counter()
        run = fleet.start("flwr", "run", str(APP), "here", "--stream")
        fleet.wait(lambda: run.poll() is not None, "three rounds to end")
        model = fleet.home / "model.safetensors"
        if not model.exists():
            raise RuntimeError(f"the rounds ended without a model:\n{fleet.logs()}")
        return load_file(model), {
            "seconds until the link answers": round(up, 1),
            "seconds for three rounds": round(time.perf_counter() - begun, 1),
            "CPU seconds": round(sum(fleet.cpu.values()), 1),
            "processes": fleet.most,
            "MB": round(fleet.peak / 1e6),
            "connections elsewhere": sorted(fleet.elsewhere),
        }


def free_ports(n):
    """The ports, none of which is in use; SystemExit with a sentence otherwise."""
    ports = [PORTS + i for i in range(n)]
    for port in ports:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what is closed may still linger
            try:
                one.bind((HOST, port))
            except OSError:
                other = "EDGECL_PORTS=9392 make fleet takes others"
                raise SystemExit(f"Port {port} on {HOST} is in use: {other}.") from None
    return ports


def answers(port):
    with socket.socket() as one:
        return one.connect_ex((HOST, port)) == 0


def its_own(process):
    """Bytes of a process, what it shares with others in equal parts (Linux); else as if it shared nothing."""
    found = process.memory_full_info()
    return getattr(found, "pss", 0) or found.rss


class Fleet:
    """Processes in one folder. most, peak: how many at once, and their bytes; cpu: seconds of each."""

    def __init__(self, home):
        self.home, self.started, self.seen, self.cpu = home, [], {}, {}
        self.most, self.peak, self.elsewhere = 0, 0, set()
        quiet = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "OMP_NUM_THREADS": "1"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it starts others by name
        own = {"FLWR_HOME": str(home), "EDGECL_FLEET_MODEL": str(home / "model.safetensors"), "PATH": path}
        self.env = os.environ | quiet | own

    def start(self, name, *args):
        """A process, whose words go into a file in the folder."""
        command = [str(Path(sys.executable).parent / name), *args]
        with (self.home / f"{len(self.started)} {name}.log").open("wb") as log:
            pipes = dict(stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
            process = subprocess.Popen(command, env=self.env, cwd=self.home, **pipes)
        self.started.append(process)
        return process

    def wait(self, done, what):
        """Look on until something is done. RuntimeError, with all logs, where that takes too long."""
        begun = time.perf_counter()
        while not done():
            self.look()
            died = [p.args[0] for p in self.started if p.poll()]
            if died or time.perf_counter() - begun > LIMIT_S:
                why = f"{Path(died[0]).name} ended" if died else f"{LIMIT_S} s went by"
                raise RuntimeError(f"waiting for {what}, {why}:\n{self.logs()}")
            time.sleep(1)

    def look(self):
        """Count processes and bytes, and note to whom else than this machine they are connected."""
        parents = [psutil.Process(p.pid) for p in self.started if p.poll() is None]
        tree = {p.pid: p for parent in parents for p in (parent, *parent.children(recursive=True))}
        self.seen |= tree
        sizes = []
        for process in tree.values():
            with contextlib.suppress(psutil.Error):
                sizes.append(its_own(process))
                self.cpu[process] = sum(process.cpu_times()[:2])  # its own, as far as it has come
                far = {c.raddr.ip for c in process.net_connections("inet") if c.raddr}
                self.elsewhere |= far - {HOST}
        self.most, self.peak = max(self.most, len(sizes)), max(self.peak, sum(sizes))

    def logs(self):
        return "\n".join(f"--- {p.name}\n{p.read_text()[-3000:]}" for p in sorted(self.home.glob("*.log")))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        """End every process that was ever seen here, by its id."""
        with contextlib.suppress(psutil.Error):
            self.look()
        alive = [p for p in self.seen.values() if p.is_running()]  # the same, not another of that id
        for end in (psutil.Process.terminate, psutil.Process.kill):
            for process in alive:
                with contextlib.suppress(psutil.Error):
                    end(process)
            alive = psutil.wait_procs(alive, timeout=5)[1]
        for process in self.started:
            process.wait()
