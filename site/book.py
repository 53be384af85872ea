"""`make book`: the whole course as one PDF, build/book/edgecl.pdf, from the finished web site.

    build/site/notebooks/*.html → one page, build/book/edgecl.html → printed by Chromium

Printed until every page number stands where it is true: the first print only tells the pages.
Nothing is fetched, and nothing is left that looks finished where something failed. Lesson: every one.
"""

import re
import shutil
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE)]
sys.path.append(str(ROOT / "tests"))  # which Chromium there is: tests/labserver.py

PRINTS = 4  # a page number may move a line, once; more would be a fault of ours
MARGIN_BOXES = 131  # the first Chromium that prints what @page puts into the margin
PAGE_OF = re.compile(r'(<span data-page-of="([^"]+)">)[^<]*')
TELLS = """() => [...document.querySelectorAll("section.chapter *")].filter(one =>
  one.getBoundingClientRect().right > document.body.getBoundingClientRect().right + 1)
  .map(one => one.closest("section.chapter").id + ": " + one.outerHTML.slice(0, 200))"""


class Failed(Exception):
    """What stops the book: its text says what to do."""


def main(folder=None):
    """Print the book of the site in a folder, build/ by default: None, or what went wrong."""
    build = Path(folder or ROOT / "build").resolve()
    build.mkdir(parents=True, exist_ok=True)
    book, unfinished = build / "book", build / "book-unfinished"
    try:
        with FileLock(build / "site.lock", timeout=0):
            for old in (book, unfinished):
                shutil.rmtree(old, ignore_errors=True)  # no old book survives a failure
            unfinished.mkdir()
            told = printed(build / "site", unfinished)
            unfinished.rename(book)
    except Timeout:
        return f"Another `make site` or `make book` is at work in {build}: wait for its end."
    except Failed as error:
        return f"The book was not made. {error}"
    print(f"{book / 'edgecl.pdf'}: {told}.")
    return None


def printed(site, folder):
    """Print the course of a site into a folder; says how long the book is."""
    from binding import bound

    if not (site / "index.html").exists():
        raise Failed(f"It is made from the web site, and {site} holds none: run `make site` first.")
    begun, numbers = time.perf_counter(), {}
    html, page, pdf = bound(site), folder / "edgecl.html", folder / "edgecl.pdf"
    with chromium() as browser:
        for _ in range(PRINTS):
            page.write_text(numbered(html, numbers), encoding="utf-8")
            print_page(browser, page, pdf)
            before, (numbers, count) = numbers, pages_of(pdf)
            if numbers == before:
                break
        else:
            raise Failed(f"Its page numbers still change after {PRINTS} prints.")
    seconds, size = time.perf_counter() - begun, pdf.stat().st_size / 1e6
    return f"{count} pages, {size:.1f} MB, {seconds:.0f} s"


def numbered(html, numbers):
    """The text with the number of the page on which each anchor stands, as far as it is known."""
    return PAGE_OF.sub(lambda found: f"{found[1]}{numbers.get(found[2], '000')}", html)


def chromium():
    """A context in which there is a browser."""
    from contextlib import contextmanager

    from labserver import CHROMIUM_ARGS, find_chromium
    from playwright.sync_api import Error, sync_playwright

    @contextmanager
    def opened():
        with sync_playwright() as playwright:
            try:
                browser = playwright.chromium.launch(
                    executable_path=find_chromium(), args=CHROMIUM_ARGS
                )
            except Error as error:
                raise Failed(
                    "It is printed by a Chromium, and none was found: `playwright install chromium`, "
                    f"or set CHROME to its path.\n{error}"
                ) from error
            yield browser
            browser.close()

    return opened()


def print_page(browser, page, pdf):
    """Print a page of HTML; only files are read."""
    asked = []
    tab = browser.new_page(viewport={"width": 620, "height": 900}, color_scheme="light")
    tab.route(re.compile(r"^(?!file:|data:)"), lambda route: (asked.append(route.request.url), route.abort()))
    tab.emulate_media(media="print")
    tab.goto(page.as_uri())
    tab.evaluate("document.fonts.ready")
    wide = tab.evaluate(TELLS)
    tab.pdf(path=pdf, tagged=True, outline=True, prefer_css_page_size=True, print_background=True)
    tab.close()
    print(wide[:20])


def pages_of(pdf):
    """({anchor: page}, number of pages) of a print; a page counts from 1, as at its foot."""
    from pypdf import PdfReader

    reader = PdfReader(pdf)
    places = reader.named_destinations.items()
    numbers = {name: 1 + reader.get_destination_page_number(place) for name, place in places}
    return numbers, len(reader.pages)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
