"""Set the course's public address everywhere it stands: make publish REPO=owner/name

Everything is computed before anything is written, so that a refusal leaves no half of it. The same call
again changes nothing; another address, or a new version, replaces what stood there. `PLACES` are the files,
each with a function of its text and the address. What to do before and after: docs/publish.md.
"""

import json
import os
import re
import sys
from pathlib import Path

from public_address import UNSET as NOWHERE
from public_address import Refused, parsed, version

ROOT = Path(__file__).resolve().parents[2]
START = "notebooks/00_start_here.ipynb"
UNSET = f"line = {NOWHERE}"  # in a notebook, as long as there is no address
OPENS = "Open this lesson in [Colab]("


# ---- how a text is changed; each raises Refused where it does not find the one place


def replaced(pattern, new, text):
    """`text` with the one place that matches replaced; new: a function of the match."""
    text, found = re.subn(pattern, new, text, flags=re.M)
    if found != 1:
        raise Refused(f"expected one place like {pattern!r}, found {found}: put it back as git has it")
    return text


def below(head, key, value, text):
    """The line `key value` below the one that begins with `head`; an earlier one goes."""
    text = re.sub(rf"^{re.escape(key)}.*\n", "", text, flags=re.M)
    return replaced(rf"^{re.escape(head)}.*$", lambda at: f"{at[0]}\n{key}{value}", text)


def between(mark, inner, text):
    """`inner` between the comments `address: mark` and `/address`."""
    start, end = f"<!-- address: {mark} -->\n", "<!-- /address -->"
    return replaced(rf"^{start}(?:(?!<!--).*\n)*{end}$", lambda _: f"{start}{inner}\n{end}", text)


# ---- what stands where: functions of (text, address)


def project(text, to):
    """The one place from which the site and the tests read it."""
    return below("[project.urls]", "Repository = ", f'"{to.repository}"', text)


def citation(text, to):
    """Repository, site, and the version that is cited."""
    text = below("license: ", "url: ", f'"{to.site}"', text)
    text = below("license: ", "repository-code: ", f'"{to.repository}"', text)
    return replaced("^version: .*$", lambda _: f"version: {to.version}", text)


def readme(text, to):
    """The badges, the line that clones, and a column of the map that opens each lesson in Colab."""
    tests = f"{to.repository}/actions/workflows/test.yml"
    colab = "https://colab.research.google.com/assets/colab-badge.svg"
    badges = [
        f"[![Binder](https://mybinder.org/badge_logo.svg)]({to.binder(START)})",
        f"[![Open in Colab]({colab})]({to.colab(START)})",
        f"[![Tests]({tests}/badge.svg)]({tests})",
        f"· [**Read it on the web**]({to.site})",
    ]
    text = between("badges", "\n".join(badges), text)
    text = between("clone", f"    git clone {to.repository} && cd {to.name}", text)
    head = r"^(\| lesson \| [^|]* \|).*\n\| --- \| --- \|.*$"
    text = replaced(head, lambda at: f"{at[1]} in the browser |\n| --- | --- | --- |", text)
    row = r"^(\| \[[^|]*\]\((notebooks/\w+\.ipynb)\) \| [^|]* \|).*$"
    return re.sub(row, lambda at: f"{at[1]} [Colab]({to.colab(at[2])}) |", text, flags=re.M)


def changelog(text, to):
    """A link for each version that has a heading of its own."""
    text = re.sub(r"^\[[\w.]+\]: .*\n", "", text, flags=re.M).rstrip("\n")
    named = re.findall(r"^## \[(\d[\w.]*)\]", text, re.M)
    links = [f"[{number}]: {to.repository}/releases/tag/v{number}" for number in named]
    return "\n".join([text, "", *links]).rstrip("\n") + "\n"


def forms(text, to):
    """Where the page that offers the forms sends people first."""
    text = re.sub(r"^contact_links:\n(?: .*\n)*", "", text, flags=re.M)
    return f"""{text}contact_links:
  - name: What does this word mean?
    url: {to.site}
    about: "The course on the web: the glossary, and a search over all lessons."
"""


def installs(source, to):
    """The line of a notebook's first cell that installs the package where it is missing."""
    line = rf"""{re.escape(UNSET)}|line = '%pip install -q "edgecl_lite @ [^"]*"'"""
    return replaced(line, lambda _: f"""line = '%pip install -q "{to.package}"'""", source)


def notebook(text, to, path):
    """The line that installs the package, and a paragraph of links below the title."""
    book = json.loads(text)
    cells = {kind: [c for c in book["cells"] if c["cell_type"] == kind] for kind in ("markdown", "code")}
    title, setup = cells["markdown"][0], cells["code"][0]
    words = "".join(title["source"]).partition(f"\n\n{OPENS}")[0]
    links = f"{OPENS}{to.colab(path)}) or on [Binder]({to.binder(path)})."
    title["source"] = f"{words}\n\n{links}".splitlines(keepends=True)
    setup["source"] = installs("".join(setup["source"]), to).splitlines(keepends=True)
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


PLACES = {
    "pyproject.toml": project,
    "CITATION.cff": citation,
    "README.md": readme,
    "CHANGELOG.md": changelog,
    ".github/ISSUE_TEMPLATE/config.yml": forms,
}


# ---- all of it


def changes(root, repo):
    """{path below root: its new text} of what is not yet as it should be; writes nothing."""
    to, new = parsed(repo, version(root)), {}
    books = sorted((root / "notebooks").glob("[0-9]*.ipynb"))
    lessons = {f"notebooks/{book.name}": notebook for book in books}
    for path, change in (PLACES | lessons).items():
        try:
            text = (root / path).read_text(encoding="utf-8")
            found = change(text, to, path) if path in lessons else change(text, to)
        except (OSError, Refused) as why:
            raise Refused(f"{path}: {why}; nothing was written") from None
        if found != text:
            new[path] = found
    return new


def write(root, new):
    """All of it: first beside the files, then in their place."""
    beside = {root / path: (root / path).with_suffix(".publish") for path in new}
    try:
        for path, text in new.items():
            beside[root / path].write_text(text, encoding="utf-8")
        for path, written in beside.items():
            os.replace(written, path)
    finally:
        for written in beside.values():
            written.unlink(missing_ok=True)


def main(repo):
    """Set it, and say what changed and what comes next."""
    new = changes(ROOT, repo)
    write(ROOT, new)
    print("\n".join(new) if new else "Nothing to change: that address stands everywhere already.")
    print(f"\nThe address is {repo}. Next: git diff, make test, commit; then see docs/publish.md.")


if __name__ == "__main__":
    try:
        main(os.environ.get("REPO", ""))
    except Refused as why:
        sys.exit(str(why))
