"""Links of the course as links of its site: a lesson stays a lesson, a file becomes a page.

    README.md → the landing page · edgecl_lite/x.py → its source · LICENSE → a page of its text

A link is followed from where it stands in the repository; one that leads nowhere stops the build.
Lesson: every one.
"""

import posixpath
import re

LINK = re.compile(r"\]\(([^)\s]+)\)")
SHOWN = re.compile(r'(?:src|srcset)="([^"]+)"')  # by HTML within Markdown
FENCED = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)
HOME = {"README.md": "index.md"}
PICTURES = ".png", ".gif", ".webp", ".svg", ".jpg"


class Broken(ValueError):
    """What stops the build: its text names the page, the cell and what to do."""


def rewritten(text, here, root):
    """Markdown of the file `here` (a path inside root, as a string) with its links mended.

    Returns (text, files): files are the paths inside root that the site must show as well. Raises
    `Broken` for a link to nowhere; who calls says where it stands.
    """
    files = set()

    def mended(found):
        target = found[1]
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        path, hash_, anchor = target.partition("#")
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
        if not (root / wanted).exists():
            raise Broken(f"a link to {target}, which is not there")
        page, how = page_of(wanted)
        if page.startswith("files/") or page.endswith(PICTURES):
            files.add(wanted)
        away = posixpath.relpath(page, posixpath.dirname(here) or ".")
        return f"]({how}{away}{hash_}{anchor})"

    parts = FENCED.split(text)  # odd ones are code
    parts[::2] = [LINK.sub(mended, part) for part in parts[::2]]
    for found in SHOWN.finditer("".join(parts[::2])):
        mended(found)
    return "".join(parts), files


def page_of(wanted):
    """(path in the site's source, prefix) of what shows the file `wanted` of the repository."""
    if wanted in HOME:
        return HOME[wanted], ""
    if wanted.endswith((".ipynb", ".md", *PICTURES)):
        return wanted, ""
    if wanted.startswith("edgecl_lite/") and wanted.endswith(".py"):
        module = wanted.removesuffix(".py").removesuffix("/__init__")
        return f"_modules/{module}.html", "built:"  # a page that Sphinx writes: see conf.py
    return f"files/{wanted}.md", ""


def anchor(text):
    """The anchor of a heading, as JupyterLab gives it."""
    return text.replace(" ", "-")
