"""A page of the site as a chapter of the book: nothing folded, panels at rest, links inside the book.

What a lesson folds stays out, but for answers: a solution, and the answer to a guess, move to the
appendix, with a link there and back. Panels show one state, in words and picture, as they do where
no script runs. Lesson: every one.
"""

import json
import posixpath
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

HEADINGS = "h1", "h2", "h3", "h4"
PAGES = "notebooks"  # the folder of the site in which lessons and glossary lie
NOISE = ".edgecl-verdict, .cell_output script, noscript, form"  # verdicts on what nobody wrote yet
SAID = {"solution": "Solution", "answer": "Answer"}


@dataclass(frozen=True)
class Answer:
    """What moves to the appendix: where it stands there, where it is asked, under which heading."""

    id: str
    asked: str
    heading: str
    kind: str
    html: str


@dataclass(frozen=True)
class Chapter:
    """name: of its page, without .html; sections: (id, title) of its headings of the second rank."""

    name: str
    title: str
    sections: tuple
    html: str
    answers: tuple


def chapter(site, name, names, public):
    """The chapter of a page of the site; names: of all chapters.

    public(path of the site) -> where the public finds what that page shows, or None.
    """
    soup = BeautifulSoup((site / PAGES / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    body = soup.find("article").section
    for panel in body.select(".twin"):
        rest(soup, panel)
    for noise in body.select(NOISE):
        noise.decompose()
    for tag in body.find_all(id=True):
        if not tag.find_parent("svg"):  # markers of curves, which are called by their own names
            tag["id"] = f"{name}.{tag['id']}"
    for picture in body.find_all("img"):
        picture["src"] = f"../site/{inside(picture['src'])}"
        del picture["loading"]  # a print waits for what it shows
    for link in body.find_all("a"):
        lead(link, name, names, public)
    folded = enumerate(body.select("details"))
    answers = tuple(one for one in (moved(one, f"{name}.{k}") for k, one in folded) if one)
    for cell in body.select("div.cell"):
        if not cell.get_text(strip=True) and not cell.find(["img", "svg"]):
            cell.decompose()
    sections = tuple((one.parent["id"], title(one)) for one in body.select("section > h2"))
    return Chapter(name, title(body.h1), sections, str(body), answers)


def title(heading):
    return " ".join(heading.get_text().split())


def inside(href):
    """The path inside the site of what a page of PAGES links to."""
    return posixpath.normpath(posixpath.join(PAGES, href))


def lead(link, name, names, public):
    """Lead a link on: into the book, to the public address of what it shows, or nowhere."""
    parts = urlsplit(link["href"])
    if parts.scheme:
        return
    path = inside(parts.path) if parts.path else f"{PAGES}/{name}.html"
    stem = path.removeprefix(f"{PAGES}/").removesuffix(".html")
    if stem in names:
        link["href"] = "#" + ".".join(filter(None, (stem, unquote(parts.fragment))))
    elif public(path):
        link["href"] = public(path)
    else:
        link.name, link.attrs = "span", {}


def moved(folded, key):
    """The answer that something folded holds, taken out of the lesson; None if it is only code."""
    kind = "answer" if "below-input" in folded.get("class", ()) else "solution"
    if "above-input" in folded.get("class", ()):
        folded.decompose()
        return None
    heading, asked = folded.find_previous(HEADINGS), f"asked.{key}"
    folded.summary.decompose()
    answer = Answer(f"told.{key}", asked, title(heading), kind, folded.decode_contents())
    link = f'<p class="told" id="{asked}"><a href="#{answer.id}">{SAID[kind]}: {page(answer.id)}</a></p>'
    folded.replace_with(BeautifulSoup(link, "html.parser"))
    return answer


def page(anchor):
    """Words with the number of the page on which an anchor stands; it is filled in once it is known."""
    return f'page <span data-page-of="{anchor}">000</span>'


def rest(soup, panel):
    """A panel as it stands on paper: at which settings, its picture, what it says; a guess to write down."""
    data = panel.find("script", type="application/json").extract()
    told = json.loads(data.string)
    settings = ", ".join(f"{one['label']} = {one['words'][one['at']]}" for one in told["controls"])
    said = " ".join(one.get_text() for one in panel.select("p[data-said]"))
    line = soup.new_tag("p", attrs={"class": "setting"})
    if told["kind"] == "guess":
        one = told["controls"][0]
        line.string = f"{one['label'].capitalize()}, from {one['words'][0]} to {one['words'][-1]}: "
        line.append(soup.new_tag("span", attrs={"class": "blank"}))
        panel.append(line)
        return
    if settings:
        line.string = f"Panel: {settings}"
        panel.insert(0, line)
    for picture in panel.select("img"):
        picture["alt"] = f"{settings}. {said}".strip(". ")
        del picture["style"]
    for picture in panel.select("svg[role=img]"):
        picture["aria-label"] = f"{picture['aria-label']}. {said}"
