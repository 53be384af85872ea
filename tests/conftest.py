"""What all tests share: a quiet environment, the browser fixtures, the order of a run, the closing words.

Fixtures: `lab` (a private JupyterLab over a copy of notebooks/), `browser` (Chromium), `page` (a new context;
fails the test on any request that leaves the machine and on any JavaScript error, and keeps a screenshot in
tests/shots/), `built` (the web site).
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "site"))  # what builds the web site has tests, too
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers on two cores; kernels inherit it


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """JupyterLab over a folder that holds a copy of notebooks/; `lab.root` is that folder."""
    from labserver import LabServer

    root = tmp_path_factory.mktemp("lab")
    ignore = shutil.ignore_patterns(".ipynb_checkpoints")
    shutil.copytree(HERE.parent / "notebooks", root / "notebooks", ignore=ignore)
    server = LabServer(root)
    yield server
    server.stop()


@pytest.fixture(
    scope="module"
)  # not session: Playwright keeps an event loop running, in which asyncio.run() would fail
def browser():
    from labserver import CHROMIUM_ARGS, find_chromium

    path = find_chromium()
    if path is None:
        why = "no Chromium found: install it (Debian: apt install chromium) or set CHROME to its path"
        if os.environ.get("EDGECL_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{why}; EDGECL_REQUIRE_BROWSER=1 allows no skipped browser test")
        pytest.skip(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def built(tmp_path_factory, worker_id):
    """The folder of a site built whole, once for all workers: the book is printed from it, too."""
    from filelock import FileLock

    shared = tmp_path_factory.getbasetemp()
    build = (shared if worker_id == "master" else shared.parent) / "build"
    with FileLock(f"{build}.lock"):
        if not (build / "site").exists():
            command = [sys.executable, str(HERE.parent / "site/build.py"), str(build)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr + done.stdout
    return build / "site"


@pytest.fixture
def page(browser, lab, request):
    from labserver import HANGS

    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(1000 * HANGS)
    inside = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "about:")
    outside, errors = [], []
    page.on("request", lambda r: None if r.url.startswith(inside) else outside.append(r.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    shots = HERE / "shots"
    shots.mkdir(exist_ok=True)
    page.screenshot(path=shots / f"{re.sub(r'[^a-zA-Z0-9_.-]+', '_', request.node.name)}.png")
    context.close()
    lab.end_kernels()
    assert not outside, f"requests left the machine: {outside}"
    assert not errors, f"JavaScript errors: {errors}"


ALONE = "test_solutions_are_right"  # runs a whole lesson in a kernel of its own


def pytest_collection_modifyitems(items):
    """The long ones first, so that no worker starts one when the other is already done."""

    def rank(item):
        if {"page", "visit", "built"} & set(getattr(item, "fixturenames", ())):
            return 0
        return 1 if ALONE in item.nodeid else 2 if item.path.suffix == ".ipynb" else 3

    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Deal out whole files (their tests share a kernel, a server or fixtures), but lessons one by one."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduler(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return nodeid if ALONE in nodeid else super()._split_scope(nodeid)

    return Scheduler(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """nbval's kernels, and only they, inherit TQDM_DISABLE: progress bars would differ from run to run."""
    with pytest.MonkeyPatch.context() as patch:
        if item.path.suffix == ".ipynb":
            patch.setenv("TQDM_DISABLE", "1")
        return (yield)


def pytest_terminal_summary(terminalreporter):
    """Say how long the module is, and plainly which tests were left out and why."""
    stats = terminalreporter.stats
    ran = [report for key in ("passed", "failed") for report in stats.get(key, []) if report.when == "call"]
    told = [dict(report.user_properties) for report in ran]
    sizes = [line for properties in told for line in properties.get("sizes", [])]
    if sizes:
        terminalreporter.section("the module, in lines of code (no verdict)")
    for line in sizes:
        terminalreporter.line(line)
    skipped = [report for report in stats.get("skipped", []) if isinstance(report.longrepr, tuple)]
    if skipped:
        terminalreporter.section("LEFT OUT", yellow=True)
        for reason in sorted({report.longrepr[2].removeprefix("Skipped: ") for report in skipped}):
            names = sorted(r.nodeid for r in skipped if r.longrepr[2].removeprefix("Skipped: ") == reason)
            terminalreporter.line(f"{len(names)} test(s), {reason}")
            for name in names:
                terminalreporter.line(f"    {name}")
