"""A private JupyterLab for the browser tests, and the few moves that every browser test makes.

`LabServer(root)` starts JupyterLab on a free port of 127.0.0.1 with settings, workspaces, IPython folder of
its own: nobody's own JupyterLab is read or changed, and nothing is looked up outside the machine.

    def test_slider(page, lab):                             # fixtures `lab` and `page`: tests/conftest.py
        open_and_run(page, lab, "notebooks/03_ewc.ipynb")   # outputs cleared, Run All, no error
        picture = page.locator("img.edgecl-explore").first
        before = picture_hash(picture)                      # of the pixels as painted
        page.get_by_role("slider").first.press("ArrowRight")
        wait_changed(page, picture, before)
"""

import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HANGS = 900  # seconds; no test fails by being slow, this only ends one that hangs
CHROMIUM_ARGS = [
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",  # this and the rest keep Chromium itself from calling home
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

APPS = {"lab": "LabApp", "notebook": "JupyterNotebookApp"}  # command: whose settings
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/notebook-extension:tracker": {
        "windowingMode": "none"
    },  # cells out of sight stay in the page
}


def find_chromium():
    """Path of a Chromium or Chrome on this machine, or None; the environment variable CHROME names one."""
    names = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"
    mac = (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
    )
    candidates = [os.environ.get("CHROME"), *map(shutil.which, names), *mac]
    return next((path for path in candidates if path and Path(path).exists()), None)


class LabServer:
    """JupyterLab serving the folder `root`; stop() ends it and its kernels and removes its private files.

    application: "notebook" for Notebook 7, where python is that of an environment that has it. threads: how
    many the kernels' libraries may take.
    """

    def __init__(self, root, application="lab", python=sys.executable, threads=1):
        self.root, self.application = Path(root), application
        self.token = secrets.token_hex(12)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{s.getsockname()[1]}"
        self.private = Path(tempfile.mkdtemp(prefix="edgecl-lab-"))
        for plugin, values in SETTINGS.items():
            extension, name = plugin.split(":")
            file = self.private / "settings" / extension / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        folders = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "IPYTHONDIR": "ipython",
            "MPLCONFIGDIR": "matplotlib",
        }
        env = os.environ | {key: str(self.private / name) for key, name in folders.items()}
        env |= {"JUPYTER_PLATFORM_DIRS": "1", "OMP_NUM_THREADS": str(threads)}
        env.pop("TQDM_DISABLE", None)  # a learner sees progress bars
        own = APPS[application]
        command = [
            *(python, "-m", "jupyter", application, "--no-browser", "--allow-root"),
            "--expose-app-in-browser",
            *("--ip=127.0.0.1", f"--port={self.address.rpartition(':')[2]}", "--ServerApp.port_retries=0"),
            *(f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={root}"),
            *("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
            "--LabApp.extension_manager=readonly",
            f"--{own}.user_settings_dir={self.private / 'settings'}",
            f"--{own}.workspaces_dir={self.private / 'workspaces'}",
        ]
        with open(self.private / "server.log", "wb") as log:
            self.process = subprocess.Popen(
                command,
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            self._wait(300)
        except BaseException:  # Ctrl-C, too: it has a session of its own, which nobody else would end
            self.stop()
            raise

    def _wait(self, seconds):
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.api("status")
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    log = (self.private / "server.log").read_text()
                    raise RuntimeError(f"JupyterLab did not start within {seconds} s:\n{log}") from None
                time.sleep(0.1)

    def api(self, path):
        """GET a path of the server's REST API, as parsed JSON."""
        request = urllib.request.Request(
            f"{self.address}/api/{path}", headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def url(self, notebook):
        """Address that opens `notebook` (a path below root) in a fresh workspace."""
        where = "lab/tree" if self.application == "lab" else "notebooks"
        return f"{self.address}/{where}/{notebook}?token={self.token}&reset"

    def end_kernels(self):
        """Shut down all kernels, so that one lesson does not slow the next."""
        for kernel in self.api("sessions"):
            headers = {"Authorization": f"token {self.token}"}
            url = f"{self.address}/api/sessions/{kernel['id']}"
            urllib.request.urlopen(
                urllib.request.Request(url, method="DELETE", headers=headers), timeout=60
            ).close()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.private, ignore_errors=True)


NOTEBOOK = "const panel = window.jupyterapp?.shell?.currentWidget, notebook = panel?.content;"
IDLE = f"""() => {{ {NOTEBOOK} const kernel = panel?.sessionContext?.session?.kernel;
    return kernel?.status === 'idle' && kernel?.connectionStatus === 'connected'; }}"""
RUN_ALL = """() => { const {commands} = window.jupyterapp; window.edgeclRun = 'running';
    commands.execute('notebook:clear-all-cell-outputs').then(() => commands.execute('notebook:run-all-cells'))
            .then(() => window.edgeclRun = 'done', error => window.edgeclRun = String(error)); }"""
REPORT = f"""() => {{ {NOTEBOOK}
    return notebook.widgets.filter(cell => cell.model.type === 'code').map(cell => ({{
    id: cell.model.id, tags: cell.model.getMetadata('tags') ?? [],
    ran: cell.model.executionCount !== null || !cell.model.sharedModel.getSource().trim(),
    outputs: cell.model.outputs.toJSON() }})); }}"""


def cells(page):
    """The open notebook's code cells as dicts id, tags, ran, outputs (nbformat), read from the model."""
    return page.evaluate(REPORT)


def open_and_run(page, lab, path, seconds=HANGS):
    """Open the notebook `path` (below lab.root), clear its stored outputs, Run All and wait for the end.

    Fails on a cell that did not run, an error output, text on stderr, a dialog. seconds: for all cells.
    """
    page.goto(lab.url(path))
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.wait_for_function(IDLE)
    page.evaluate(RUN_ALL)
    page.wait_for_function("() => window.edgeclRun !== 'running'", timeout=seconds * 1000)
    assert page.evaluate("window.edgeclRun") == "done", page.evaluate("window.edgeclRun")
    page.wait_for_function(IDLE, timeout=seconds * 1000)
    for cell in cells(page):
        bad = [
            output
            for output in cell["outputs"]
            if output.get("name") == "stderr"
            or (output["output_type"] == "error" and "raises-exception" not in cell["tags"])
        ]
        assert not bad, f"{path}, cell {cell['id']}: {bad}"
        assert cell["ran"], f"{path}, cell {cell['id']} did not run"
    assert page.locator(".jp-Dialog").count() == 0, page.locator(".jp-Dialog").inner_text()


def picture_hash(locator):
    """Hash of the element's pixels as painted (a screenshot of it, not its src)."""
    return hashlib.sha1(locator.screenshot(animations="disabled")).hexdigest()


def wait_until(page, condition, what):
    """Wait until condition() holds, however slow the machine; `what` says what never came."""
    deadline = time.monotonic() + HANGS
    while not condition():
        assert time.monotonic() < deadline, f"not within {HANGS} s: {what() if callable(what) else what}"
        page.wait_for_timeout(50)


def wait_changed(page, locator, old):
    """Wait until the element's pixels differ from the hash `old`; returns the new hash."""
    seen = [old]
    wait_until(page, lambda: seen.append(picture_hash(locator)) or seen[-1] != old, "the picture changes")
    return seen[-1]


def wait_still(page, locator):
    """Wait until two looks at the element, 0.4 s apart, are alike: a slower machine only looks later."""
    seen = [None]

    def rests():
        page.wait_for_timeout(400)
        seen.append(picture_hash(locator))
        return seen[-1] == seen[-2]

    wait_until(page, rests, "the picture rests")
