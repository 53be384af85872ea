"""Lessons in Notebook 7 instead of JupyterLab:  EDGECL_NOTEBOOK=PYTHON pytest tests/tools/classic.py

PYTHON is that of an environment with the package `notebook`, which the course itself does not install, and
with all that the lessons need. Two lessons are run from top to bottom, then sliders are moved by keyboard.
No part of `make test`.
"""

import os
import shutil

import pytest
from labserver import LabServer, open_and_run, picture_hash, wait_changed
from lessons import NOTEBOOKS
from screen.test_browser import aria, move, nudge, panels, until, words


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Notebook 7 over a copy of the lessons."""
    root = tmp_path_factory.mktemp("classic")
    shutil.copytree(NOTEBOOKS, root / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    server = LabServer(root, "notebook", os.environ["EDGECL_NOTEBOOK"])
    yield server
    server.stop()


def test_start_here(page, lab):
    open_and_run(page, lab, "notebooks/00_start_here.ipynb")
    (panel, *_) = panels(page, "edgecl-guess-panel")
    nudge(page, panel.get_by_role("slider").first)
    (panel, *_) = panels(page, "edgecl-live")
    picture = panel.locator("img.edgecl-curve")
    before = picture_hash(picture)
    panel.get_by_role("button", name="Train").first.press("Enter")
    wait_changed(page, picture, before)
    until(page, panel, "edgecl-status", "Finished")


def test_ewc(page, lab):
    open_and_run(page, lab, "notebooks/03_ewc.ipynb")
    (panel, *_) = panels(page, "edgecl-explore")
    handle, said = panel.get_by_role("slider").first, words(panel, "edgecl-readout")
    move(page, handle, panel.locator("img.edgecl-curve"))
    until(page, panel, "edgecl-readout", said)
    assert aria(handle, "min") < aria(handle, "max")
