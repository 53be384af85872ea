"""Where the course lives on the web, once its address is set; what links to it until then: nothing.

One place says it, `[project.urls] Repository` of pyproject.toml; as long as a placeholder stands
there, no page of the site offers Binder, Colab or a download. Lesson: every one.
"""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDER = "https://github.com/edgecl/edgecl"
GITHUB = "https://github.com/"


def repository(root=ROOT):
    """The public address of the repository, or None while nobody has set it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project["urls"]["Repository"].rstrip("/")
    return None if address == PLACEHOLDER else address


def run_it(stem, root=ROOT):
    """The line of Markdown that runs a lesson: Binder, Colab, a file; None without an address."""
    address = repository(root)
    if address is None:
        return None
    slug, file = address.removeprefix(GITHUB), f"notebooks/{stem}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{slug}/HEAD?urlpath=lab/tree/{file}"
    colab = f"https://colab.research.google.com/github/{slug}/blob/HEAD/{file}"
    raw = f"{address}/raw/HEAD/{file}"
    return f"Run it yourself: [Binder]({binder}) · [Colab]({colab}) · [the notebook]({raw})"
