"""A page of the site as a chapter of the book: nothing folded, panels at rest, links mended.

What a lesson folds stays out, but for answers: a solution, and the answer to a guess, move to the
appendix, with a link there and back. Panels show one state, in words and picture, as they do where
no script runs. Lesson: every one.
"""

import json
import posixpath
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

HEADINGS = "h1", "h2", "h3", "h4"
PAGES = "notebooks"  # the folder of the site in which lessons and glossary lie
ARTICLE = re.compile(r"<article.*</article>", re.DOTALL)
# nine tenths of a page go before it is parsed, which takes its time: folded code, and the spans of
# names, marks and operators, which have no colour of their own on paper
FOLDED = re.compile(r'<details class="admonition hide above-input">.*?</details>', re.DOTALL)
PLAIN = re.compile(r'<span class="[npow]">([^<]*)</span>')
ENDED = re.compile(r'<math[^>]*"inline"[^>]*>(?:(?!</math>).)*</math>[.,;:?!)]+', re.DOTALL)
NOISE = ".edgecl-verdict, .cell_output noscript, form"  # verdicts on what nobody wrote yet
SAID = {"solution": "Solution", "answer": "Answer"}


@dataclass(frozen=True)
class Answer:
    """What moves to the appendix: its place there, and in the lesson, and the heading above it."""

    id: str
    asked: str
    heading: str
    kind: str
    html: str


@dataclass(frozen=True)
class Chapter:
    """name: of its page, without .html; sections: (id, title) of each heading h2."""

    name: str
    title: str
    sections: tuple
    html: str
    answers: tuple


def chapter(site, name, names, public):
    """The chapter of a page of the site; names: of all chapters.

    public(path of the site) -> where the public finds what that page shows, or None.
    """
    soup = read(site / PAGES / f"{name}.html")
    body = soup.section
    for panel in body.select(".twin"):
        rest(soup, panel)
    for noise in body.select(NOISE):
        noise.decompose()
    anchored(body, name)
    for picture in body.find_all("img"):
        picture["src"] = f"../site/{inside(picture['src'])}"
        del picture["loading"]  # a print waits for what it shows
    for link in body.find_all("a"):
        lead(link, name, names, public)
    folded = enumerate(body.find_all("details"))
    answers = tuple(moved(one, f"{name}.{k}") for k, one in folded)
    for box in body.select(".cell_output, .cell"):
        if not box.get_text(strip=True) and not box.find(["img", "svg"]):
            box.decompose()
    sections = tuple((one.parent["id"], title(one)) for one in body.select("section > h2"))
    return Chapter(name, title(body.h1), sections, str(body), answers)


def read(page):
    """The article of a page of the site, without what it folds."""
    text = ARTICLE.search(page.read_text(encoding="utf-8"))[0]
    text = ENDED.sub(r'<span class="whole">\g<0></span>', PLAIN.sub(r"\1", FOLDED.sub("", text)))
    return BeautifulSoup(text, "html.parser")


def title(heading):
    return " ".join(heading.get_text().split())


def inside(href):
    """The path inside the site of what a page of PAGES links to."""
    return posixpath.normpath(posixpath.join(PAGES, href))


def anchored(body, name):
    """Make the anchors of a page unique in the book, by the name of its chapter."""
    for again in body.select("section > span[id]:empty"):
        again.find_next(HEADINGS).insert(0, again)  # else a heading does not keep to the next one
    for tag in body.find_all(id=True):
        if not tag.find_parent("svg"):  # markers of curves, which are called by their own names
            tag["id"] = f"{name}.{tag['id']}"


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
    """The answer that something folded holds, out of its lesson; the code gets a link to it."""
    kind = "answer" if "below-input" in folded.get("class", ()) else "solution"
    folded.summary.decompose()
    place, heading = f"asked.{key}", title(folded.find_previous(HEADINGS))
    answer = Answer(f"told.{key}", place, heading, kind, folded.decode_contents())
    link = f'<a href="#{answer.id}">{SAID[kind]}: {numbered(answer.id)}</a>'
    link = BeautifulSoup(f'<p class="leads" id="{place}">{link}</p>', "html.parser")
    folded.find_previous(class_="cell_input").append(link)  # so that no page comes between them
    folded.decompose()
    return answer


def numbered(anchor):
    """Words for the page on which an anchor stands; its number is filled in once it is known."""
    return f'page <span data-page-of="{anchor}">000</span>'


def rest(soup, panel):
    """A panel as it stands on paper: settings, picture and words; or a guess to write down."""
    told = json.loads(panel.find("script", type="application/json").extract().string)
    controls, line = told["controls"], soup.new_tag("p", attrs={"class": "setting"})
    if told["kind"] == "guess":
        one = controls[0]
        line.string = f"{one['label'].capitalize()}, {one['words'][0]} to {one['words'][-1]}: "
        line.append(soup.new_tag("span", attrs={"class": "blank"}))
        panel.append(line)
        return
    settings = ", ".join(f"{one['label']} = {one['words'][one['at']]}" for one in controls)
    said = " ".join(one.get_text() for one in panel.select("p[data-said]"))
    line.string = f"Panel: {settings}" if settings else "Panel"
    panel.insert(0, line)
    for picture in panel.find_all("img"):
        picture["alt"] = ". ".join(filter(None, (settings, said)))
        del picture["style"]
    for picture in panel.select("svg[role=img]"):
        picture["aria-label"] += f". {said}"
