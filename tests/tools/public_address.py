"""A public address of the course on GitHub: where its repository, its site and its lessons open.

`parsed` reads owner/name and refuses what GitHub would not take. See publish.py beside this file.
"""

import re
from dataclasses import dataclass

OWNER = r"(?!.*--)[A-Za-z0-9][A-Za-z0-9-]{0,38}(?<!-)"  # as GitHub allows them
NAME = r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}(?<!\.git)(?<!\.wiki)"
UNSET = '"%pip install /PATH/OF/THE/COURSE"'  # how a notebook installs its module while there is no address
FORM = "REPO: expected owner/name, an account on GitHub and a repository, in the letters that it allows"


class Refused(ValueError):
    """What was expected, what came, what to do."""


@dataclass(frozen=True)
class Address:
    """A repository on GitHub, and the version of the package, whose tag the links name."""

    owner: str
    name: str
    version: str

    @property
    def repository(self):
        return f"https://github.com/{self.owner}/{self.name}"

    @property
    def site(self):
        """Where GitHub Pages serves it; a repository that is named like the host is the host's root."""
        host = f"{self.owner.lower()}.github.io"
        return f"https://{host}/" + ("" if self.name.lower() == host else f"{self.name}/")

    @property
    def package(self):
        """What pip installs where a notebook stands alone."""
        return f"edgecl_lite @ git+{self.repository}@v{self.version}"

    def colab(self, notebook):
        """Opens the notebook of the same version as the package that it installs there."""
        folder = f"https://colab.research.google.com/github/{self.owner}/{self.name}"
        return f"{folder}/blob/v{self.version}/{notebook}"

    def binder(self, notebook):
        """Builds the newest commit and opens the notebook in JupyterLab."""
        folder = f"https://mybinder.org/v2/gh/{self.owner}/{self.name}"
        return f"{folder}/HEAD?urlpath=lab/tree/{notebook}"


def parsed(repo, version):
    """The Address that `owner/name` says; raises Refused."""
    owner, _, name = repo.partition("/")
    if re.fullmatch(OWNER, owner) and re.fullmatch(NAME, name):
        return Address(owner, name, version)
    got = f"got {repo!r}. {hint(repo)}" if repo else "got nothing. "
    raise Refused(f"{FORM}; {got}Write, for example: make publish REPO=ada/edgecl")


def hint(repo):
    """What is wrong with it, where that can be told."""
    if "://" in repo or repo.startswith(("git@", "github.com/", "www.")):
        return "That is a whole address; only its last two parts are wanted. "
    if re.search(r"\s", repo):
        return "There is a blank in it. "
    if repo.count("/") != 1:
        return f"It has {repo.count('/')} slashes; one is wanted. "
    if repo.endswith((".git", ".wiki")):
        return f"Leave out the ending .{repo.rpartition('.')[2]}. "
    return ""


def version(root):
    """The version of the package, from its one place."""
    text = (root / "edgecl_lite/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([\w.]+)"$', text, re.M)
    if not found:
        raise Refused('expected a line __version__ = "…" in edgecl_lite/__init__.py; found none: put it back')
    return found[1]
