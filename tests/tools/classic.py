"""Lessons in Notebook 7 instead of JupyterLab:  EDGECL_NOTEBOOK=PYTHON pytest tests/tools/classic.py

PYTHON is that of an environment with the package `notebook`, which the course itself does not install, and
with all that the lessons need. Two lessons are run from top to bottom, then sliders are dragged: Notebook 7
keeps the arrow keys for itself (it hears keys before the page does, JupyterLab after it).
No part of `make test`.
"""

import os
import shutil
from pathlib import Path

import pytest
from labserver import HANGS, LabServer, open_and_run, picture_hash, wait_changed, wait_still, wait_until
from lessons import NOTEBOOKS
from screen.test_browser import aria, panels, until, words

OWN = "reading 'schema'"  # an error of Notebook 7.6.5 itself, as it opens any notebook


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Notebook 7 over a copy of the lessons."""
    root = tmp_path_factory.mktemp("classic")
    shutil.copytree(NOTEBOOKS, root / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    server = LabServer(root, "notebook", os.environ["EDGECL_NOTEBOOK"])
    yield server
    server.stop()


@pytest.fixture
def page(browser, lab, request):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(1000 * HANGS)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    shots = Path(__file__).parents[1] / "shots"
    shots.mkdir(exist_ok=True)
    page.screenshot(path=shots / f"{request.node.name}_classic.png")
    page.close()
    lab.end_kernels()
    assert not [error for error in errors if OWN not in error]


def slide(page, panel):
    """Drag the thumb to the right, once nothing moves any more."""
    wait_still(page, panel)
    handle = panel.get_by_role("slider").first
    handle.scroll_into_view_if_needed()
    value, box = aria(handle, "now"), handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y, steps=9)
    page.mouse.up()
    wait_until(page, lambda: aria(handle, "now") > value, "a greater value")


def test_start_here(page, lab):
    open_and_run(page, lab, "notebooks/00_start_here.ipynb")
    panel = next(panels(page, "edgecl-guess-panel"))
    slide(page, panel)
    panel = next(panels(page, "edgecl-live"))
    picture = panel.locator("img.edgecl-curve")
    before = picture_hash(picture)
    panel.get_by_role("button", name="Train").first.click()
    wait_changed(page, picture, before)
    until(page, panel, "edgecl-status", "Finished")


def test_ewc(page, lab):
    open_and_run(page, lab, "notebooks/03_ewc.ipynb")
    panel = next(panels(page, "edgecl-explore"))
    picture, said = panel.locator("img.edgecl-curve"), words(panel, "edgecl-readout")
    before = picture_hash(picture)
    slide(page, panel)
    wait_changed(page, picture, before)
    assert words(panel, "edgecl-readout") != said
