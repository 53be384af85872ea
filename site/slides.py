"""`make slides`: a deck a lesson in build/slides/, one file of HTML each that works without a network.

    notebooks/ → run once at twice the resolution → build/slides/run/ → slides, notes → a file, checked

reveal.js shows them (its keys: ? for help, s for the speaker's view); the panels are those of the site.
slides.py [--stored] [NAME ...]: NAME begins a lesson's file name; --stored takes the figures as the
lessons store them and runs nothing. Lesson: every one.
"""

import argparse
import hashlib
import re
import sys
from base64 import b64encode
from html import escape
from importlib.resources import files
from itertools import groupby
from pathlib import Path

import nbformat

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT), str(ROOT / "tests/tools")]

import deck  # noqa: E402
from check import Page  # noqa: E402
from lecture import Guide  # noqa: E402
from lessons import chosen, read, run, title  # noqa: E402
from seen import PAINT, html  # noqa: E402

BYTES = 5_000_000  # of a deck
TWICE = "from edgecl_lite.plots import house\n\nhouse.STYLE['figure.dpi'] *= 2"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--stored", action="store_true")
    parser.add_argument("--to", default=ROOT / "build/slides", type=Path)
    said = parser.parse_args()
    said.to.mkdir(parents=True, exist_ok=True)
    for path in chosen(said.names):
        try:
            text = written(read(path) if said.stored else executed(path, said.to / "run"), path.stem)
        except ValueError as error:
            sys.exit(f"notebooks/{path.name}, {error}")
        if wrong := problems(text):
            sys.exit(f"notebooks/{path.name}: its slides are not written, for " + "; ".join(wrong))
        (said.to / f"{path.stem}.html").write_text(text, encoding="utf-8")
        print(f"{said.to / path.stem}.html: {len(text.encode()) / 1e6:.1f} MB", flush=True)


def executed(path, folder):
    """The lesson, run with figures at twice the resolution; the last run, where nothing has changed."""
    notebook, modules = read(path), sorted((ROOT / "edgecl_lite").rglob("*.py"))
    sources = [cell.source.encode() for cell in notebook.cells if cell.cell_type == "code"]
    mark = hashlib.sha256(b"\n".join([*sources, *(module.read_bytes() for module in modules)])).hexdigest()
    stored = folder / path.name
    if stored.exists() and (known := read(stored)).metadata.get("edgecl") == mark:
        return kept(known, notebook)
    print(f"notebooks/{path.name} runs …", flush=True)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(TWICE, id="twice"))
    run(notebook)
    notebook.metadata["edgecl"] = mark
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, stored)
    return kept(notebook, read(path))


def kept(ran, notebook):
    """The lesson as it is now with the outputs of a run."""
    outputs = {cell.id: cell.outputs for cell in ran.cells if cell.cell_type == "code"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = outputs[cell.id]
    return notebook


def written(notebook, stem):
    """The deck of a lesson as a page of HTML."""
    guide = Guide.read((ROOT / f"docs/teaching/{stem}.md").read_text(encoding="utf-8"))
    stacks = groupby(deck.slides(notebook, stem, guide), key=lambda slide: slide.place)
    slots = {
        "title": escape(title(notebook)),
        "style": style(),
        "slides": "\n".join(f"<section>{''.join(map(section, stack))}</section>" for _, stack in stacks),
        "script": script(),
    }
    page = (HERE / "slides.html").read_text(encoding="utf-8")
    return re.sub(r"\{(\w+)\}", lambda slot: slots[slot[1]], page)


def section(slide):
    """The HTML of a slide."""
    first = slide.level == 1
    head = f"<h1>{words(slide.title)}</h1>" if first else f"<h2>{words(slide.title)}</h2>"
    if slide.section not in ("", slide.title):
        head = f'<p class="kicker">{words(slide.section)}</p>{head}'
    notes = html("\n\n".join(note for note in slide.notes if note))
    body = f'<div class="body">{slide.body}</div><aside class="notes">{notes}</aside>'
    return f'<section{" class=title" * first} data-cell="{slide.cell}">{head}{body}</section>'


def words(heading):
    """A heading's Markdown as HTML within a line."""
    return html(heading).strip().removeprefix("<p>").removesuffix("</p>")


def style():
    """All style sheets, with the font of the formulas in them."""
    font = b64encode((HERE / "formulas.woff2").read_bytes()).decode()
    own = (HERE / "slides.css").read_text(encoding="utf-8")
    sheets = [reveal("dist/reveal.css"), PAINT.get_style_defs(".highlight")]
    sheets += [(HERE / "twin.css").read_text(encoding="utf-8")]
    return "\n".join([*sheets, own.replace("{formulas}", f"data:font/woff2;base64,{font}")])


def script():
    """All scripts; "</script" within one would end it."""
    own = [(HERE / name).read_text(encoding="utf-8") for name in ("twin.js", "slides.js")]
    scripts = [reveal("dist/reveal.js"), reveal("plugin/notes/notes.js"), *map("{{{}}}".format, own)]
    return "\n".join(scripts).replace("</script", "<\\/script")


def reveal(name):
    """A file of reveal.js, which sphinx-revealjs brings along; nothing is fetched."""
    return (files("sphinx_revealjs") / "_static/revealjs" / name).read_text(encoding="utf-8")


def problems(text):
    """What is wrong with a deck, in phrases."""
    page, size = Page(), len(text.encode())
    page.feed(text)
    found = [f"it fetches {one}" for one in page.fetched if not one.startswith("data:")]
    found += [f"a picture without a text: {one[:40]}" for one in page.silent]
    return found + ([f"it has {size:,} bytes, allowed: {BYTES:,}"] if size > BYTES else [])


if __name__ == "__main__":
    main()
