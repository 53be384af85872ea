"""What a finished site must keep to, read from its pages as a browser would: links, hosts, sizes.

    every link inside leads to a page and an anchor · nothing is fetched from another host ·
    every picture has a text · at most 200 requests a page, 25 MB in all

Lesson: every one.
"""

import posixpath
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import nbformat

WARNED = re.compile(r"^\S+?site-source/(?P<page>[^:]+)(:(?P<line>\d+))?", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CELL = 10_000  # myst-nb counts the lines of a lesson as this times its cell, plus the line
REQUESTS, BYTES = 200, 25_000_000
FETCHED = {"script": "src", "img": "src", "source": "srcset", "iframe": "src", "video": "src"}
LINKED = "stylesheet", "icon", "preload", "modulepreload", "manifest"


@dataclass
class Page(HTMLParser):
    """What one page holds: anchors, links, what it fetches, pictures that nobody described."""

    anchors: set = field(default_factory=set)
    links: set = field(default_factory=set)
    fetched: set = field(default_factory=set)
    silent: list = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    def handle_starttag(self, tag, attrs):
        has = dict(attrs)
        self.anchors |= {has[key] for key in ("id", "name") if has.get(key)}
        if tag == "a" and has.get("href"):
            self.links.add(has["href"])
        if tag == "link" and set((has.get("rel") or "").split()) & set(LINKED):
            self.fetched.add(has["href"])
        if tag in FETCHED and has.get(FETCHED[tag]):
            self.fetched.add(has[FETCHED[tag]])
        if tag == "img" and has.get("alt") in (None, "", has.get("src")):
            self.silent.append(has.get("src"))


def problems(site):
    """Sentences on what is wrong with the site in the folder `site`; none if it is as it should."""
    pages = {path.relative_to(site).as_posix(): read(path) for path in sorted(site.rglob("*.html"))}
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    found = []
    for name, page in pages.items():
        found += [f"{name}: a picture without a text: {source}" for source in page.silent]
        found += [f"{name} links to {link}, {why}" for link, why in dead(name, page, pages, files)]
        outside = [source for source in page.fetched if urlsplit(source).netloc]
        found += [f"{name} fetches {source} from another host" for source in outside]
        if len(page.fetched) > REQUESTS:
            found.append(f"{name} fetches {len(page.fetched)} files, allowed: {REQUESTS}")
    size = sum((site / name).stat().st_size for name in files)
    if size > BYTES:
        found.append(f"the site has {size:,} bytes, allowed: {BYTES:,}")
    return found


def read(path):
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def dead(name, page, pages, files):
    """(link, why) of the links and files of a page that are not there."""
    for link in sorted(page.links | page.fetched):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        path = unquote(parts.path)
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
        if target not in files:
            yield link, "which is not there"
        elif parts.fragment and unquote(parts.fragment) not in pages[target].anchors:
            yield link, "which has no such anchor"


def told(warnings, source):
    """Sphinx's warnings, each with its place in the words of the course: a lesson and its cell.

    source: the folder that Sphinx read.
    """

    def place(found):
        page, line = found["page"], int(found["line"] or 0)
        if page.endswith(".ipynb") and line >= CELL:
            cell = nbformat.read(source / page, 4).cells[line // CELL - 1]
            page, line = f"{page}, cell `{cell.id}`", line % CELL
        return f"{page}, line {line}" if line else page

    return WARNED.sub(place, COLOUR.sub("", warnings))
