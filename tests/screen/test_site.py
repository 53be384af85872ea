"""The web site, built once and looked at in a real browser: lessons, search, dark, narrow, barriers.

It is built into a folder of its own and served on 127.0.0.1; a request to another host fails a test.
"""

import importlib.resources
import re
import subprocess
import sys
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest
from check import REQUESTS
from filelock import FileLock
from reference import TRAINING, public

import edgecl_lite

ROOT = Path(__file__).resolve().parents[2]
BUILD = [sys.executable, str(ROOT / "site/build.py")]
LESSONS = "notebooks/00_start_here", "notebooks/03_ewc", "notebooks/12_edge_budget"
PAGES = "index", *LESSONS, "notebooks/glossary", "api/verbs", "api/methods", "docs/speed"
PHONE, DESK = 390, 1200
LOOKS = (PHONE, "dark"), (DESK, "light")  # both widths and both papers, each once
# axe's own words for what bars people; lesser notes are not judged
BARS = "serious", "critical"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(built):
    """Where the site is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=built))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser, address, request):
    """visit(page, width, …) opens a page of the site; errors and foreign requests fail the test."""
    outside, errors, contexts, asked = [], [], [], []

    def opened(name, width=DESK, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda r: r.url.startswith((address, "data:")) or outside.append(r.url))
        page.on("request", lambda r: asked.append((page, r.url)))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: said.type == "error" and errors.append(said.text))
        page.goto(f"{address}/{name}.html")
        return page

    yield opened
    shots = ROOT / "tests/shots"
    shots.mkdir(exist_ok=True)
    name = re.sub(r"[^a-zA-Z0-9_.-]+", "_", request.node.name)
    for i, context in enumerate(contexts):
        context.pages[0].screenshot(path=shots / f"site-{name}-{i}.png")
        context.close()
    assert not outside, f"requests left the machine: {outside}"
    assert not errors, f"errors on the page: {errors}"
    most = max(Counter(page for page, _ in asked).values(), default=0)
    assert most <= REQUESTS, f"a page asks for {most} files"


def stored(name):
    """(pictures, sentences) that a lesson stores."""
    cells = nbformat.read(ROOT / f"{name}.ipynb", 4).cells
    outputs = [o for cell in cells if cell.cell_type == "code" for o in cell.outputs if "data" in o]
    pictures = [o.metadata["image/png"]["alt"] for o in outputs if "image/png" in o.data]
    captions = [o for o in outputs if "edgecl-caption" in o.data.get("text/html", "")]
    return pictures, [o.data["text/plain"] for o in captions]


# ---- the build


def test_it_says_what_it_built_and_every_lesson_is_there(built):
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert (built / f"notebooks/{path.stem}.html").exists()


def test_a_second_build_at_once_is_refused(tmp_path):
    with FileLock(tmp_path / "site.lock"):
        done = subprocess.run([*BUILD, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1 and "Another `make site` or `make book` is at work" in done.stderr
    assert not (tmp_path / "site").exists()


def test_every_public_name_has_an_entry_and_every_module_a_page(built):
    entries = "".join(path.read_text() for path in (built / "api").glob("*.html"))

    names = [name for room in public().values() for name, _ in room] + [*TRAINING, "Finetune"]
    lacking = [name for name in names if not re.search(rf'id="edgecl_lite\.([\w.]+\.)?{name}"', entries)]
    assert not [name for name in lacking if callable(getattr(edgecl_lite, name))]
    for path in (ROOT / "edgecl_lite").rglob("*.py"):
        page = path.relative_to(ROOT).as_posix().removesuffix(".py").removesuffix("/__init__")
        assert (built / f"_modules/{page}.html").exists(), page


# ---- in a browser


@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_every_figure_and_sentence_is_there(visit, name, script):
    page = visit(name, java_script_enabled=script)
    pictures, sentences = stored(name)
    shown = {image.get_attribute("alt"): image for image in page.locator(".cell_output img").all()}
    assert [alt for alt in shown if alt in pictures] == pictures
    for image in shown.values():
        image.scroll_into_view_if_needed()
        assert image.bounding_box()["width"] > 50
    assert page.locator("p.edgecl-caption").all_inner_texts() == sentences
    drawn = page.locator("math:not(details *)")
    assert all(drawn.nth(i).is_visible() for i in range(drawn.count()))


@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways_on_a_phone(visit, name):
    page = visit(name, PHONE)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE


def test_search_finds_a_word(visit):
    page = visit("search")
    page.goto(f"{page.url}?q=consolidation")
    page.locator("#search-results li a").first.wait_for()
    found = page.locator("#search-results li a").all_inner_texts()
    assert any("Elastic weight consolidation" in title for title in found)


def test_dark_is_dark_and_light_is_light(visit):
    def paper(scheme):
        page = visit(LESSONS[1], color_scheme=scheme)
        rgb = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", rgb)[:3])) / 3

    assert paper("dark") < 60 and paper("light") > 200


def test_previous_and_next_follow_the_lessons(visit):
    page = visit(LESSONS[1])
    page.locator("a.next-page").click()
    assert page.url.endswith("04_fisher.html")
    page.locator("a.prev-page").click()
    assert page.url.endswith("03_ewc.html")


def test_a_word_leads_to_its_place_in_the_glossary(visit):
    page = visit(LESSONS[1])
    page.locator("article a", has_text="seeds").first.click()
    assert "glossary.html#" in page.url
    place = page.locator(f"[id='{page.url.partition('#')[2]}']")
    assert place.inner_text().startswith("seed")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]}-{look[1]}")
def test_axe_finds_no_serious_barrier(visit, name, look):
    axe = importlib.resources.files("axe_playwright_python") / "axe.min.js"
    page = visit(name, look[0], color_scheme=look[1])
    page.evaluate(axe.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    assert not [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in BARS]
