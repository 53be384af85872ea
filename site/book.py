"""`make book`: the whole course as one PDF, build/book/edgecl.pdf, from the finished web site.

    build/site/notebooks/*.html → one page, build/book/edgecl.html → printed by Chromium

Printed a first time to learn on which page everything stands, then with these numbers. Nothing is
fetched, and nothing is left that looks finished where something failed. Lesson: every one.
"""

import re
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from playwright.sync_api import Error, sync_playwright
from pypdf import PdfReader

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]
sys.path.append(str(ROOT / "tests"))

from labserver import CHROMIUM_ARGS, HANGS, find_chromium  # noqa: E402

OLDEST = 131  # the first Chromium that prints what @page puts into a margin
PRINTS = 5  # a longer number may move a line, and that a page: once or twice, then it stands
PAPER = {"prefer_css_page_size": True, "print_background": True}
NUMBER = re.compile(r'(<span data-page-of="([^"]+)">)[^<]*')
WIDER = """() => {
  const edge = document.body.getBoundingClientRect().right + 1;
  return [...document.querySelectorAll("section *")]
    .filter(one => one.getBoundingClientRect().right > edge)
    .map(one => one.closest("body > section").id + ": " + one.outerHTML.slice(0, 90));
}"""


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
                shutil.rmtree(old, ignore_errors=True)  # no old book survives one that fails
            unfinished.mkdir()
            told = printed(build / "site", unfinished)
            unfinished.rename(book)
    except Timeout:
        return f"Another `make site` or `make book` is at work in {build}: wait, then try again."
    except Failed as error:
        return f"The book was not made; what there is of it lies in {unfinished}.\n{error}"
    print(f"{book / 'edgecl.pdf'}: {told}.")
    return None


def printed(site, folder):
    """Print the course of a site into a folder; says how long the book is."""
    if not (site / "index.html").exists():
        raise Failed(f"It is made of the web site, and {site} holds none: run `make site` first.")
    begun, page, pdf = time.perf_counter(), folder / "edgecl.html", folder / "edgecl.pdf"
    numbers, sure = {}, {}
    with chromium() as browser:
        from binding import bound  # it takes long to import

        html = bound(site)
        for k in range(PRINTS):
            page.write_text(filled(html, numbers), encoding="utf-8")
            put(browser, page, pdf, tagged=k > 0)  # the first one only tells the numbers
            sure, numbers, count = numbers, *pages_of(pdf)
            if numbers == sure:
                break
    if numbers != sure:
        raise Failed(f"After {PRINTS} prints its page numbers still change: please report it.")
    size, seconds = pdf.stat().st_size / 1e6, time.perf_counter() - begun
    return f"{count} pages, {size:.1f} MB, {seconds:.0f} s"


def filled(html, numbers):
    """The text with the number of the page of each anchor, as far as it is known."""
    return NUMBER.sub(lambda found: f"{found[1]}{numbers.get(found[2], '000')}", html)


@contextmanager
def chromium():
    """A Chromium that can print a book."""
    how = "install one (`playwright install chromium`), or set CHROME to its path"
    with sync_playwright() as playwright:
        try:
            path = find_chromium()  # without one, Playwright looks for its own
            browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        except Error as error:
            raise Failed(f"A Chromium prints it, and none starts: {how}.\n{error}") from error
        if int(browser.version.partition(".")[0]) < OLDEST:
            raise Failed(f"Chromium {OLDEST} or newer prints it, not {browser.version}: {how}.")
        yield browser
        browser.close()


def put(browser, page, pdf, tagged):
    """Print a page of HTML as a PDF, if it reads only files and keeps within its paper."""
    asked, tab = [], browser.new_page(color_scheme="light")
    tab.on("request", lambda request: asked.append(request.url))
    tab.route(re.compile("^(?!file:)"), lambda route: route.abort())
    tab.set_default_timeout(1000 * HANGS)
    tab.emulate_media(media="print")
    tab.goto(page.as_uri())
    outside = [url for url in asked if not url.startswith(("file:", "data:"))]
    if outside:
        raise Failed(f"It would fetch {outside[0]}, but all of it has to lie in the site.")
    wider = tab.evaluate(WIDER)
    if wider:
        raise Failed("\n".join(["This is wider than the paper; see site/book.css:", *wider[:10]]))
    tab.pdf(path=pdf, tagged=tagged, outline=tagged, **PAPER)
    tab.close()


def pages_of(pdf):
    """({anchor: its page}, number of pages) of a print; pages count from 1, as at their feet."""
    reader = PdfReader(pdf)
    before = reader.get_destination_page_number
    places = reader.named_destinations.items()
    return {name[1:]: before(at) + 1 for name, at in places}, len(reader.pages)  # "/name"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
