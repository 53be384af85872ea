"""The source of the site: lessons, documents, the landing page and the reference in one folder.

Everything is copied and changed there, nothing in the repository: build/site-source/ is made anew
by every build. Lesson: every one.
"""

import re
import shutil

import nbformat
from address import repository
from cells import page_of_lesson
from links import PICTURES, Broken, rewritten
from reference import pages

ROW = re.compile(r"^\| \[(.+?)\]\((notebooks/\w+\.ipynb)\) \| ([^|]+) \|", re.MULTILINE)
PICTURE = re.compile(r"^(!\[[^\]]+\]\((?!https?:)[^)]+\)$|<picture>.*?</picture>)", re.M | re.DOTALL)
TEACHING = "docs/teaching/"
DOCUMENTS = (
    *(f"{TEACHING}README.md", f"{TEACHING}[0-9]*.md", "docs/*.md"),
    *("tests/tools/ledger/README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
)
GLOSSARY = "notebooks/glossary.ipynb"
FENCE = "`" * 8
CODE = {".py": "python", ".toml": "toml", ".cff": "yaml", ".json": "json"}


def write(root, to, out):
    """Write the source of the site of the course in `root` into the folder `to`.

    out: the folder of files that go into the site as they are. Raises `Broken`, which names the
    page or the cell, for what cannot be shown.
    """
    for folder in (to, out):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    lessons, wanted = lessons_of(root), set()
    for path in lessons:
        notebook, files = page_of_lesson(root / path, root, out)
        put(to / path, nbformat.writes(notebook))
        wanted |= files
    for name, text in documents(root, lessons).items():
        try:
            text, files = rewritten(text, name, root)
        except Broken as error:
            raise Broken(f"{name}: {error}") from error
        put(to / name, text)
        wanted |= files
    for name, text in pages().items():
        put(to / name, text)
    for name in wanted:
        show(root, name, to, out)


def lessons_of(root):
    """Paths of the lessons in the order of the README's map, the glossary last."""
    mapped = [path for _, path, _ in rows(root)]
    there = {path.relative_to(root).as_posix() for path in root.glob("notebooks/*.ipynb")}
    if there != {*mapped, GLOSSARY}:
        odd = ", ".join(sorted(there ^ {*mapped, GLOSSARY}))
        raise Broken(f"README.md: its map of the lessons and notebooks/ differ in {odd}")
    return [*mapped, GLOSSARY]


def rows(root):
    """(title, path, question) of every lesson, from the README: the one map."""
    return ROW.findall((root / "README.md").read_text(encoding="utf-8"))


def documents(root, lessons):
    """{path: Markdown} of the pages that are no lessons, the landing page among them."""
    found = [path for name in DOCUMENTS for path in sorted(root.glob(name))]
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in found}
    return texts | {"index.md": landing(root, lessons, list(texts))}


def landing(root, lessons, others):
    """The landing page: site/index.md with the README's map and picture, and all pages in order."""
    picture = PICTURE.search((root / "README.md").read_text(encoding="utf-8"))
    table = [f"| [{title}]({path}) | {question} |" for title, path, question in rows(root)]
    address = repository(root)
    reference = [name.removesuffix(".rst") for name in pages()]
    teaching = [name for name in others if name.startswith(TEACHING)]
    rest = [name for name in others if name not in teaching]
    parts = {"Lessons": lessons, "For teachers": teaching, "Reference": reference, "More": rest}
    filled = {
        "{count}": str(len(table)),
        "{picture}": picture[0] if picture else "",
        "{lessons}": "\n".join(["| lesson | the question it answers |", "| --- | --- |", *table]),
        "{repository}": f"[repository]({address})" if address else "repository",
        "{contents}": "\n\n".join(_toctree(*part) for part in parts.items()),
    }
    text = (root / "site/index.md").read_text(encoding="utf-8")
    for slot, what in filled.items():
        text = text.replace(slot, what)
    return text


def _toctree(caption, paths):
    names = "\n".join(re.sub(r"\.(ipynb|md)$", "", path) for path in paths)
    return f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{names}\n```"


def show(root, name, to, out):
    """What some page links to: a picture is copied, the text of any other file is a page.

    A folder's page lists what is in it; modules have pages already.
    """
    if name.endswith(PICTURES):
        for folder in (to, out):  # Sphinx moves those of Markdown; HTML names them as they stand
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / name)
    elif not name.startswith("edgecl_lite/") or not name.endswith(".py"):
        inside = sorted(path.relative_to(root).as_posix() for path in (root / name).rglob("*.*"))
        text = "\n".join(inside) or (root / name).read_text(encoding="utf-8")
        language = next((said for end, said in CODE.items() if name.endswith(end)), "text")
        page = f"---\norphan: true\n---\n\n# {name}\n\n{FENCE}{language}\n{text}\n{FENCE}\n"
        put(to / f"files/{name}.md", page)


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
