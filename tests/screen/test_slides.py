"""The slides: a deck of each lesson, built from stored outputs, gone through in a real browser.

Without a network, from the file. What stands on a slide and what in its notes: tests/course/test_deck.py.
"""

import html
import json
import re
import subprocess
import sys

import pytest
from lessons import ROOT, lessons, read
from playwright.sync_api import expect
from pypdf import PdfReader

sys.path.append(str(ROOT / "site"))
import deck  # noqa: E402

BUILD = [sys.executable, str(ROOT / "site/slides.py"), "--stored"]
LESSONS = pytest.mark.parametrize("lesson", lessons(), ids=lambda path: path.stem)
SMALLEST = 15  # pixels of type on the canvas of 1280 × 720
LOOK = """() => {
    const slide = Reveal.getCurrentSlide(), body = slide.querySelector(".body");
    const words = [...body.querySelectorAll("p, li, td, pre")].filter((one) => one.innerText?.trim());
    const zoom = Number(body.style.zoom || 1);
    return {
        cell: slide.dataset.cell, high: slide.scrollHeight, wide: slide.scrollWidth,
        empty: !body.innerText.trim() && !body.querySelector("img, svg"),
        smallest: Math.min(...words.map((one) => zoom * parseFloat(getComputedStyle(one).fontSize)), 99),
    };
}"""


FITS = "[...document.querySelectorAll('.pdf-page section')].every((one) => one.scrollHeight <= 720)"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of all decks."""
    folder = tmp_path_factory.mktemp("slides")
    done = subprocess.run([*BUILD, "--to", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return folder


@pytest.fixture
def shown(browser, built):
    """shown(stem) opens a deck from its file; errors and requests fail the test."""
    outside, errors, contexts = [], [], []

    def opened(stem):
        context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda r: r.url.startswith(("file:", "data:", "about:")) or outside.append(r.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: said.type == "error" and errors.append(said.text))
        page.goto((built / f"{stem}.html").as_uri())
        page.wait_for_function("Reveal.isReady()")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not outside and not errors


def by_a_key(page, answer):
    """An answer that is not seen before the space bar is pressed."""
    expect(answer).to_be_hidden()
    page.keyboard.press("Space")
    expect(answer).to_be_visible()


def to(page, cell):
    """Go to the slide that begins with a cell."""
    page.evaluate(
        f"Reveal.slide(...Object.values(Reveal.getIndices(document.querySelector('[data-cell={cell}]'))))"
    )


@LESSONS
def test_each_slide_holds_what_is_on_it_in_type_that_can_be_read(lesson, shown):
    page = shown(lesson.stem)
    page.evaluate("Reveal.configure({fragments: false})")
    for _ in range(page.evaluate("Reveal.getTotalSlides()")):
        look = page.evaluate(LOOK)
        assert look["high"] <= 720 and look["wide"] <= 1280 and not look["empty"], look
        assert look["smallest"] >= SMALLEST, look
        page.evaluate("Reveal.next()")
    assert page.evaluate("Reveal.isLastSlide()")


@LESSONS
def test_all_figures_and_panels_are_there(lesson, built):
    page = (built / f"{lesson.stem}.html").read_text("utf-8")
    asked = [
        cell for cell in read(lesson).cells if cell.cell_type == "code" and not deck.OUT & deck.tags(cell)
    ]
    alts = [
        o.metadata["image/png"]["alt"] for c in asked for o in c.outputs if "image/png" in o.get("data", {})
    ]
    assert alts and all(f'alt="{html.escape(alt)}"' in page for alt in alts)
    states = json.loads((ROOT / f"edgecl_lite/lessons/states/{lesson.stem}.json").read_text("utf-8"))
    panels = {name for name, told in states.items() if told["kind"] != "kernel"} & {cell.id for cell in asked}
    assert panels == set(re.findall(rf'class="twin [^"]+" id="twin-{lesson.stem}-([^"]+)"', page))


def test_a_slider_moves_by_key_and_a_presenter_goes_on_from_it(shown):
    page = shown("03_ewc")
    page.evaluate(
        "Reveal.slide(...Object.values(Reveal.getIndices(document.querySelector('#twin-03_ewc-slide-valleys').closest('section'))))"
    )
    panel = page.locator("#twin-03_ewc-slide-valleys")
    before, picture = page.evaluate("Reveal.getIndices()"), panel.locator("img").get_attribute("src")
    panel.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    assert panel.locator("img").get_attribute("src") != picture
    assert page.evaluate("Reveal.getIndices()") == before
    page.keyboard.press("PageDown")
    assert page.evaluate("Reveal.getIndices()") != before


@pytest.mark.parametrize("key", ["Space", "PageDown", "Escape"])
def test_keys_that_leave_a_slider(key, shown):
    page = shown("03_ewc")
    to(page, "slide-valleys")
    before = page.evaluate("Reveal.getIndices()")
    page.locator("#twin-03_ewc-slide-valleys input[type=range]").focus()
    page.keyboard.press(key)
    assert (page.evaluate("Reveal.getIndices()") != before) == (key != "Escape")
    assert not page.evaluate("Reveal.isOverview()")
    assert page.evaluate("document.activeElement === document.body")


def test_tab_reaches_no_panel_of_another_slide(shown):
    page = shown("03_ewc")
    to(page, "see-the-hill")
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('.twin') === null")


def test_an_answer_waits_for_a_key(shown):
    page = shown("03_ewc")
    to(page, "reveal-best")
    answer = page.locator("[data-cell=reveal-best] .fragment")
    assert "The answer is" in answer.text_content()
    by_a_key(page, answer)


def test_a_committed_guess_is_answered_by_a_key(shown):
    page = shown("03_ewc")
    to(page, "predict")
    answer = page.locator("#twin-03_ewc-guess-best [data-said]")
    page.get_by_role("button", name="Commit").click()
    assert "the answer is 77 %" in answer.text_content()
    by_a_key(page, answer)


def test_a_recorded_training_begins_at_its_beginning(shown):
    page = shown("00_start_here")
    to(page, "see-live-forgetting")
    panel = page.locator("#twin-00_start_here-see-live-forgetting")
    assert panel.locator(".twin-value").inner_text() == "step 0" and "At step 0" in panel.inner_text()


def test_on_paper_each_slide_has_its_page(browser, built, tmp_path):
    page = browser.new_page()
    page.goto((built / "03_ewc.html").as_uri() + "?print-pdf")
    page.locator(".pdf-page").first.wait_for()
    page.wait_for_function(f"Reveal.isReady() && {FITS}")
    pages, waiting = page.locator(".pdf-page").count(), page.locator("section > .body > .fragment").count()
    page.pdf(path=tmp_path / "deck.pdf", prefer_css_page_size=True, print_background=True)
    assert len(PdfReader(tmp_path / "deck.pdf").pages) == pages > 25 and waiting > 1
    page.close()


def test_the_speakers_view_shows_the_notes(shown):
    page = shown("03_ewc")
    with page.context.expect_page() as opened:
        page.keyboard.press("s")
    view = opened.value
    notes = view.locator(".speaker-controls-notes .value")
    notes.get_by_text("In one sentence").wait_for()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    notes.get_by_text("The plumber is announced").first.wait_for()
