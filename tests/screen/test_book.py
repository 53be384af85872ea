"""The printed book, made once: outline, page numbers, pictures, formulas, solutions, edges, failures.

It is read as a PDF and as the page of HTML that was printed. Lesson: every one.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from unicodedata import normalize

import binding
import nbformat
import pytest
from book import WIDER, Failed, put
from bs4 import BeautifulSoup
from filelock import FileLock
from pypdf import PdfReader
from source import GLOSSARY, lessons_of

ROOT = Path(__file__).resolve().parents[2]
TEX = re.compile(r"\$|\\[a-zA-Z]+")
FENCED = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def run(folder, **env):
    """`make book` of the site in a folder."""
    command = [sys.executable, str(ROOT / "site/book.py"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | env)


@pytest.fixture(scope="module")
def folder(built, browser):
    """Where the book was printed; browser: without one, its tests are left out."""
    done = run(built.parent)
    assert done.returncode == 0, done.stderr + done.stdout
    return built.parent / "book"


@pytest.fixture(scope="module")
def pdf(folder):
    return PdfReader(folder / "edgecl.pdf")


@pytest.fixture(scope="module")
def html(folder):
    return BeautifulSoup((folder / "edgecl.html").read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def outline(pdf):
    """[(rank, title, page)] of the bookmarks, which Chromium makes from the headings."""

    def told(entries, rank):
        for one in entries:
            if isinstance(one, list):
                yield from told(one, rank + 1)
            else:
                yield rank, one.title, pdf.get_destination_page_number(one) + 1

    return [*told(pdf.outline, 1)]


def headings(path):
    """(title, [titles of its sections]) of a lesson, from its notebook."""
    cells = nbformat.read(ROOT / path, 4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    plain = re.sub(r"^```.*?^```|[*`]", "", text, flags=re.DOTALL | re.MULTILINE)
    rank = "###" if path == GLOSSARY else "##"  # the site sets its words as sections
    return re.findall("^# (.+)", plain, re.M)[0], re.findall(f"^{rank} (.+)", plain, re.M)


def solutions():
    """The code of every solution of the course."""
    for path in lessons_of(ROOT):
        for cell in nbformat.read(ROOT / path, 4).cells:
            if any(tag.startswith("solution:") for tag in cell.metadata.get("tags", [])):
                yield FENCED.search(cell.source)[1].strip()


def tags(node):
    """Every node of a PDF's structure."""
    node = node.get_object()
    if isinstance(node, list):
        for one in node:
            yield from tags(one)
    elif isinstance(node, dict):
        yield node
        yield from tags(node["/K"]) if "/K" in node else ()


# ---- what is in it


def test_its_outline_is_the_lessons_and_their_sections_in_order(outline):
    wanted = [(1, name) for name in ("edgecl", "About this book", "Contents")]
    for path in lessons_of(ROOT):
        title, sections = headings(path)
        wanted += [(1, title), *((2, one) for one in sections)]
    told = [(rank, title) for rank, title, _ in outline if rank < 3]
    assert told[: len(wanted)] == wanted
    assert told[len(wanted)] == (1, "Solutions")


def test_the_numbers_in_the_contents_are_those_of_the_pages(outline, html, pdf):
    pages = [(" ".join(title.split()), page) for rank, title, page in outline if rank < 3]
    words = {one.get_text() for one in html.select("#glossary h2")}
    lines = [[one.get_text() for one in line.find_all("span")] for line in html.select("#contents a")]

    chapters = [(page, title) for rank, title, page in outline if rank == 1]
    listed = [one for one in pages[3:] if one[0] not in words]
    assert [(title, int(number)) for title, number in lines] == listed[: len(lines)]
    for page in {page for _, page in listed[::25]}:  # and that number stands at the foot
        assert (
            pdf.pages[page - 1]
            .extract_text()
            .startswith(f"{page}{max(one for one in chapters if one[0] <= page)[1]}")
        )


def test_every_other_number_is_that_of_the_page_it_leads_to(html, pdf):
    places = pdf.named_destinations
    for number in html.select("p.leads span[data-page-of]"):
        place = places[f"/{number['data-page-of']}"]
        assert int(number.get_text()) == pdf.get_destination_page_number(place) + 1


def test_every_picture_is_tagged_with_its_text(pdf, html):
    root = pdf.trailer["/Root"]
    figures = [str(one["/Alt"]) for one in tags(root["/StructTreeRoot"]) if one.get("/S") == "/Figure"]
    shown = [one.get("alt") or one["aria-label"] for one in html.select("img, svg[role=img]")]
    assert all(shown) and sorted(figures) == sorted(shown)
    assert root["/Lang"] == "en" and root["/MarkInfo"]["/Marked"]
    assert "continual learning" in pdf.metadata.title


def test_formulas_are_drawn_and_none_is_left_as_tex(html, outline, pdf):
    assert len(html.find_all("math")) > 300
    for text in html.body.find_all(string=True):
        if not text.find_parent(["pre", "code", "style"]):
            assert not TEX.search(text), text
    page = next(page for _, title, page in outline if title == "Two valleys")
    text = normalize("NFKC", "".join(pdf.pages[k].extract_text() for k in (page - 1, page)))
    assert "L(θ) = LB(θ) + λ 2 ∑ i Fi (θi − θi *) 2" in text


def test_solutions_stand_in_the_appendix_alone(html, outline, pdf):
    appendix, lessons = html.select_one("#solutions"), html.select("body > section")[:-1]
    told, before = appendix.get_text(), "".join(one.get_text() for one in lessons)
    for code in solutions():
        assert code in told and code not in before
    assert not html.find_all("details") and "The answer is" in told and "No guess" not in told
    there, back = ({one.a["href"] for one in part.select("p.leads")} for part in (html, appendix))
    assert there - back == {f"#{one['id']}" for one in appendix.select("h3[id]")}
    assert back == {f"#{one['id']}" for one in html.select("p.leads[id]")}
    first = next(page for _, title, page in outline if title == "Solutions")
    assert "def average(R):" in pdf.pages[first - 1].extract_text()


def test_what_a_lesson_folds_stays_out(html):
    text = html.get_text()
    for path in lessons_of(ROOT)[:4]:
        for cell in nbformat.read(ROOT / path, 4).cells:
            if cell.metadata.get("jupyter", {}).get("source_hidden"):
                assert cell.source not in text


@pytest.mark.parametrize(
    ("page", "file"),
    [
        ("index.html", "README.md"),
        ("docs/lessons.html", "docs/lessons.md"),
        ("_modules/edgecl_lite/metrics.html", "edgecl_lite/metrics.py"),
        ("_modules/edgecl_lite/methods.html", "edgecl_lite/methods/__init__.py"),
        ("files/LICENSE.html", "LICENSE"),
    ],
)
def test_a_link_out_of_the_book_leads_to_the_repository_once_it_has_an_address(monkeypatch, page, file):
    monkeypatch.setattr(binding, "repository", lambda root: None)
    assert binding.public(page) is None
    monkeypatch.setattr(binding, "repository", lambda root: "https://host.invalid/owner/name")
    assert binding.public(page) == f"https://host.invalid/owner/name/blob/HEAD/{file}"


# ---- how it is printed


def test_nothing_is_wider_than_its_paper(folder, browser):
    page = browser.new_page()
    page.emulate_media(media="print")
    page.goto((folder / "edgecl.html").as_uri())
    assert page.evaluate(WIDER) == []
    page.close()


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("<div style='width: 300mm'>x</div>", "wider than the paper.*\nodd: <div"),
        ("<img src='http://host.invalid/x.png' alt='x'>", "would fetch http://host.invalid/x.png"),
    ],
)
def test_what_does_not_belong_into_a_book_stops_it(browser, tmp_path, inside, told):
    page = tmp_path / "page.html"
    page.write_text(f"<body style='width: 100mm'><section id='odd'>{inside}</section>")
    with pytest.raises(Failed, match=told):
        put(browser, page, tmp_path / "odd.pdf", tagged=False)
    assert not (tmp_path / "odd.pdf").exists()


def test_where_it_fails_it_says_what_to_do_and_leaves_no_old_book(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book/edgecl.pdf").write_text("old")
    done = run(tmp_path)
    assert done.returncode == 1 and "run `make site` first" in done.stderr
    assert not (tmp_path / "book").exists()

    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("")
    done = run(tmp_path, CHROME=sys.executable)
    assert done.returncode == 1 and "playwright install chromium" in done.stderr
    assert not (tmp_path / "book").exists()


def test_one_at_a_time(tmp_path):
    with FileLock(tmp_path / "site.lock"):
        done = run(tmp_path)
    assert done.returncode == 1 and "Another `make site` or `make book` is at work" in done.stderr
