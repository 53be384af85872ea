"""`make site`: the course as a web site in build/site/, from the lessons as they are stored.

    notebooks/, docs/, docstrings → build/site-source/ → Sphinx → build/site/ → checked

Whatever is wrong is told at once, by the name of the lesson and the cell, and nothing is left that
looks finished. One build at a time. Lesson: every one.
"""

import io
import shutil
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]


def main(folder=None):
    """Build the site in a folder, build/ by default: None, or a text that says what went wrong."""
    build = Path(folder or ROOT / "build").resolve()
    build.mkdir(parents=True, exist_ok=True)
    lock = FileLock(build / "site.lock", timeout=0)
    try:
        with lock:
            return built(build)
    except Timeout:
        return f"Another `make site` or `make book` is at work in {build}: wait, then try again."


def built(build):
    """Build into the folder `build`: None, or a text that says what went wrong."""
    from check import problems
    from links import Broken
    from source import write

    begun, site, unfinished = time.perf_counter(), build / "site", build / "site-unfinished"
    for old in (site, unfinished):
        shutil.rmtree(old, ignore_errors=True)  # no old page survives a build that fails
    try:
        write(ROOT, build / "site-source", build / "site-extra")
    except Broken as error:
        return f"The site was not built. {error}."
    wrong = sphinx(build, unfinished) or "\n".join(problems(unfinished))
    if wrong:
        return f"The site was not built; what there is of it lies in {unfinished}.\n{wrong}"
    unfinished.rename(site)
    files = [path for path in site.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    seconds = time.perf_counter() - begun
    print(f"{site / 'index.html'}: {len(files)} files, {size:.1f} MB, {seconds:.0f} s.")
    return None


def sphinx(build, site):
    """Run Sphinx into the folder `site`: its warnings as a text, "" if all is well."""
    from check import told
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    said, source = io.StringIO(), build / "site-source"
    own = {"html_extra_path": [str(build / "site-extra")]}
    with patch_docutils(str(HERE)), docutils_namespace():
        app = Sphinx(source, HERE, site, build / "site-doctrees", "html", own, None, said)
        app.build(force_all=True)
    return told(said.getvalue(), source)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
