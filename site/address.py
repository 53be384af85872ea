"""Where the course lives on the web, once its address is set; what links to it until then: nothing.

One place says it, `[project.urls] Repository` of pyproject.toml, which `make publish` writes. The
links to Colab and Binder stand in the lessons themselves. Lesson: every one.
"""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDER = "https://github.com/edgecl/edgecl"


def repository(root=ROOT):
    """The public address of the repository, or None while nobody has set it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project.get("urls", {}).get("Repository", PLACEHOLDER).rstrip("/")
    return None if address == PLACEHOLDER else address


def download(stem, root=ROOT):
    """A sentence of Markdown with a link to the lesson's notebook; "" while there is no address."""
    address = repository(root)
    if address is None:
        return ""
    return f"To keep and to run: [the notebook]({address}/raw/HEAD/notebooks/{stem}.ipynb)."
