"""The chapters bound into one page of HTML: title, contents, lessons, glossary, solutions.

Every chapter has a kind of page of its own, which says at the foot where one is. The letters are
those that matplotlib brings along, so that the book looks the same everywhere. Lesson: every one.
"""

import json
from html import escape
from pathlib import Path

import matplotlib
from address import repository
from chapters import chapter, numbered
from source import GLOSSARY, lessons_of

import edgecl_lite

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LETTERS = Path(matplotlib.get_data_path()) / "fonts/ttf"
FACES = (  # family, file, weight, style
    ("book", "STIXGeneral", 400, "normal"),
    ("book", "STIXGeneralItalic", 400, "italic"),
    ("book", "STIXGeneralBol", 700, "normal"),
    ("book", "STIXGeneralBolIta", 700, "italic"),
    ("code", "DejaVuSansMono", 400, "normal"),
    ("code", "DejaVuSansMono-Oblique", 400, "italic"),
    ("code", "DejaVuSansMono-Bold", 700, "normal"),
    ("plain", "DejaVuSans", 400, "normal"),
    ("plain", "DejaVuSans-Bold", 700, "normal"),
)
HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<title>edgecl: continual learning on edge devices</title>
<link rel="stylesheet" href="../site/_static/pygments.css">
<link rel="stylesheet" href="../site/_static/twin.css">
<style>
@font-face { font-family: formulas; src: url("../site/_static/formulas.woff2"); }
"""
FRONT = """<section class="front" id="front"><h1>edgecl</h1>
<p class="lead">An interactive course on continual learning on edge devices</p>
<p>The book of its lessons</p>
<p class="imprint">Version {version}. Text and figures: CC BY 4.0; code: MIT.</p></section>
<section class="chapter" id="about"><h1>About this book</h1>
<p>These are the lessons of edgecl, as their notebooks store them: the text, the code that a reader
works with, what it printed, and every figure. What a lesson folds away, code that draws a figure
or asserts a claim, stays in the notebook.</p>
<p>A lesson is made to be run. <strong>Panels</strong>, which move in the notebooks and on the
course's web site, stand here at one setting, which is printed above them. Where a lesson asks for a
<strong>guess</strong>, write it down before you read on.</p>
<p>Below each <strong>exercise</strong> stands the page of its solution. All of them are at the end
of the book, with the answers that a lesson keeps covered until one has guessed.</p></section>"""


def bound(site):
    """The HTML of the book of a site, with 000 for every number of a page."""
    names = [Path(path).stem for path in lessons_of(ROOT)]
    chapters = [chapter(site, name, set(names), public) for name in names]
    body = FRONT.format(version=edgecl_lite.__version__) + contents(chapters)
    body += "".join(section(one.name, one.html) for one in chapters)
    feet = {"about": "About this book", "contents": "Contents", "solutions": "Solutions"}
    feet |= {one.name: one.title for one in chapters}
    style = "".join(map(face, FACES)) + (HERE / "book.css").read_text(encoding="utf-8")
    style += "".join(foot(*one) for one in feet.items())
    return f"{HEAD}{style}</style></head><body>{body}{solutions(chapters)}</body></html>"


def face(one):
    family, file, weight, style = one
    address = (LETTERS / f"{file}.ttf").as_uri()
    return (
        f"@font-face {{ font-family: {family}; font-weight: {weight}; font-style: {style}; "
        f'src: url("{address}"); }}\n'
    )


def foot(name, title):
    """The rule that puts the title of a chapter at the foot of its pages."""
    kind, words = f"of-{name}", json.dumps(title, ensure_ascii=False)
    rule = f"@page {kind} {{ @bottom-left {{ content: {words}; }} }}"
    return f'[id="{name}"] {{ page: {kind}; }} {rule}\n'


def section(name, inside):
    """A part of the book that begins on a page of its own."""
    return f'<section class="chapter" id="{name}">{inside}</section>'


def contents(chapters):
    """Chapters and their sections, with pages; of the glossary's words, only that it is there."""
    lines = []
    for one in chapters:
        inside = () if one.name == Path(GLOSSARY).stem else one.sections
        sections = "".join(line(*each) for each in inside)
        lines.append(f"<li>{line(one.name, one.title, 'p')}<ul>{sections}</ul></li>")
    lines.append(f"<li>{line('solutions', 'Solutions', 'p')}</li>")
    return section("contents", f"<h1>Contents</h1><ul>{''.join(lines)}</ul>")


def line(anchor, title, tag="li"):
    """A line of the contents."""
    number = numbered(anchor).removeprefix("page ")
    return f'<{tag}><a href="#{anchor}"><span>{escape(title)}</span>{number}</a></{tag}>'


def solutions(chapters):
    """The appendix: by lesson, each answer under the heading of its exercise, with the way back."""
    parts = []
    for one in chapters:
        if one.answers:
            told = f"<h2>{escape(one.title)}</h2>{''.join(map(answer, one.answers))}"
            parts.append(f'<section id="solutions.{one.name}">{told}</section>')
    return section("solutions", f"<h1>Solutions</h1>{''.join(parts)}")


def answer(one):
    """A solution, or the covered answer to a guess."""
    asks = {"solution": "Exercise", "answer": "The question"}[one.kind]
    back = f'<p class="leads"><a href="#{one.asked}">{asks}: {numbered(one.asked)}</a></p>'
    heading = f'<h3 id="{one.id}">{escape(one.heading)}</h3>'
    return f'<section class="answer">{heading}{back}{one.html}</section>'


def public(path):
    """Where the public finds what a page of the site shows, or None: a file of the repository."""
    address = repository(ROOT)
    if address is None:
        return None
    stem = path.removeprefix("_modules/").removeprefix("files/").removesuffix(".html")
    stem = {"index": "README"}.get(stem, stem)
    files = [f"{stem}{end}" for end in (".py", "/__init__.py", ".md", "")]
    found = next((file for file in files if (ROOT / file).exists()), None)
    return found and f"{address}/blob/HEAD/{found}"
