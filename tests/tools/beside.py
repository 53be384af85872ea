"""What lets a hand-out stand by itself: the wheel, how to install it (README.md), links that lead on.

The wheel is that of this version in dist/, which `make wheel` writes. While the course has no public address,
the line with which a notebook installs its module names that file. The README's text is handout.md, beside
this file. Lesson: every one.
"""

import copy
import re
import tomllib
import zipfile
from pathlib import Path

from lessons import ROOT
from public_address import UNSET, version

README = Path(__file__).with_name("handout.md")
PLACE = "."  # a kernel's folder is its notebook's


def wheel_name():
    return f"edgecl_lite-{version(ROOT)}-py3-none-any.whl"


def wheel(folder=ROOT / "dist"):
    """The path of this version's wheel; FileNotFoundError where it was not built."""
    path = folder / wheel_name()
    if path.is_file():
        return path
    there = ", ".join(sorted(one.name for one in folder.glob("*.whl"))) or "no wheel"
    raise FileNotFoundError(f"no wheel: expected {path.name} in {folder}, found {there}. Run: make wheel")


def readme():
    """What a student reads first; what the first lesson costs is as measured, docs/lessons.md."""
    costs = (ROOT / "docs/lessons.md").read_text(encoding="utf-8")
    seconds, megabytes = re.search(r"/00_start_here\.ipynb\) \| (\d+ s) \| (\d+ MB) \|", costs).groups()
    text = README.read_text(encoding="utf-8").replace("WHEEL", wheel_name())
    return text.replace("SECONDS", seconds).replace("MEGABYTES", megabytes)


def beside(path):
    """{zip: {path in it: text or bytes}} of what each zip holds beside its notebooks; path: the wheel's."""
    own = {path.name: path.read_bytes(), "README.md": readme()}
    packs = {
        pack: {f"{pack}/{name}": what for name, what in own.items()} for pack in ("students", "teachers")
    }
    return packs | {"nbgrader": {f"nbgrader/{path.name}": own[path.name]}}


def installing(source, place=PLACE):
    """A cell whose line to install the module names the wheel, as long as there is no public address.

    place: the folder that the line gives for it.
    """
    return source.replace(UNSET, f'"%pip install {place}/{wheel_name()}"')


def address():
    """Where the repository stands, by pyproject.toml; None until `make publish` was told."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository")


def linked(notebook, place=PLACE):
    """A copy whose links to files of the repository lead to its address: a hand-out lies elsewhere.

    Without an address they are words, and the module comes from the wheel in the folder `place`.
    """
    notebook, at = copy.deepcopy(notebook), address()
    to = rf"[\1]({at}/blob/HEAD/\2)" if at else r"\1"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\[([^\]]+)\]\(\.\./([^)]+)\)", to, cell.source)
        cell.source = installing(cell.source, place)
    return notebook


def write(packs, folder):
    """The zip files, the same bytes from the same lessons and wheel; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, files in packs.items():
        with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as pack:
            for path, words in files.items():
                pack.writestr(zipfile.ZipInfo(path), words, zipfile.ZIP_DEFLATED)
    return [folder / f"{name}.zip" for name in packs]
