"""The source of the web site: formulas, links, folded cells, docstrings, and what stops the build."""

import json
import shutil
from pathlib import Path

import address
import cells
import check
import docstrings
import formulas
import links
import nbformat
import pytest
import source

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def texts(path):
    """{cell id: Markdown} of a lesson."""
    return {c.id: c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown"}


# ---- formulas


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_formula_is_drawn(path):
    """`mathml` itself refuses what is left as TeX, and the forms that came out wrong in a picture."""
    for text in texts(path).values():
        for tex, display in formulas.formulas(text):
            assert formulas.mathml(tex, display).startswith("<math")


DRAWN = {  # as TeX means it, where latex2mathml alone draws something else
    r"\lVert x \rVert_F": '<mo stretchy="false">‖</mo>',
    r"\Bigl\lVert x \Bigr\rVert": ">‖</mo><mi>x</mi>",
    r"\arg\min_i": '<munder><mo movablelimits="true">arg\u2009min</mo><mi>i</mi></munder>',
    r"\max_{t<T} R": "<munder><mo>max</mo>",
    "x'": '<msup><mi>x</mi><mo class="prime">′</mo></msup>',
    r"\log p": '<mo lspace="0.17em" rspace="0.17em">log</mo><mi>p</mi>',
    r"\log(p)": '<mo lspace="0.17em" rspace="0">log</mo>',
}


@pytest.mark.parametrize("tex", DRAWN)
def test_a_formula_is_drawn_as_tex_means_it(tex):
    assert DRAWN[tex] in formulas.mathml(tex, display=True)


@pytest.mark.parametrize("tex", [r"\underbrace{a + b}_{c}", r"\nonsense x", "x_1_2", r"\frac{"])
def test_a_formula_that_comes_out_wrong_is_refused(tex):
    with pytest.raises(ValueError, match="formula|brace"):
        formulas.mathml(tex)


def test_formulas_are_found_as_markdown_means_them():
    text = "$a$ and `$b$`, $$c$$\n\n```\n$d$\n```\n\n$$\ne\n$$\n\n| t |\n| - |\n| $f$ |\n"
    assert [tex.strip() for tex, _ in formulas.formulas(text)] == ["a", "c", "e", "f"]


# ---- links


@pytest.fixture
def course(tmp_path):
    """A small course in a folder of its own."""
    for name in ("notebooks", "edgecl_lite", "docs", "site"):
        (tmp_path / name).mkdir()
    for name in ("edgecl_lite/learn.py", "edgecl_lite/__init__.py", "LICENSE", "docs/speed.md", "README.md"):
        (tmp_path / name).write_text("text")
    (tmp_path / "notebooks/03_ewc.ipynb").write_text("{}")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("link", "page", "files"),
    [
        ("03_ewc.ipynb", "03_ewc.ipynb", set()),
        ("03_ewc.ipynb#Two-valleys", "03_ewc.ipynb#Two-valleys", set()),
        ("../README.md", "../index.md", set()),
        ("../docs/speed.md", "../docs/speed.md", set()),
        ("../edgecl_lite/learn.py", "built:../_modules/edgecl_lite/learn.html", set()),
        ("../edgecl_lite/__init__.py", "built:../_modules/edgecl_lite.html", set()),
        ("../LICENSE", "../files/LICENSE.md", {"LICENSE"}),
        ("https://example.org/a.py", "https://example.org/a.py", set()),
        ("#here", "#here", set()),
    ],
)
def test_a_link_leads_to_its_page_of_the_site(course, link, page, files):
    found = links.rewritten(f"See [`a`]({link}).", "notebooks/x.ipynb", course)
    assert found == (f"See [`a`]({page}).", files)


def test_code_is_no_link(course):
    text = "```python\nF[0](gone.py)\n```\n"
    assert links.rewritten(text, "notebooks/x.ipynb", course) == (text, set())


def test_a_link_to_nowhere_is_told(course):
    with pytest.raises(links.Broken, match="a link to gone.py, which is not there"):
        links.rewritten("[a](gone.py)", "notebooks/x.ipynb", course)


# ---- cells


def lesson(course, *cells_):
    notebook = nbformat.v4.new_notebook(cells=list(cells_))
    nbformat.write(notebook, course / "notebooks/03_ewc.ipynb")
    return lambda: cells.page_of_lesson(course / "notebooks/03_ewc.ipynb", course, course / "extra")


def code(id_, source_="1", outputs=(), **metadata):
    return nbformat.v4.new_code_cell(source_, id=id_, outputs=list(outputs), metadata=metadata)


def text(id_, source_):
    return nbformat.v4.new_markdown_cell(source_, id=id_)


FAILED = nbformat.v4.new_output("error", ename="NameError", evalue="name 'x' is not defined", traceback=[])
BAD = {
    "an error": (code("broken", outputs=[FAILED]), "cell `broken`: it stores an error .NameError: name 'x'"),
    "a formula": (text("broken", r"$x_1_2$"), r"cell `broken`: .*the formula"),
    "a command": (text("broken", r"$\nonsense$"), r"cell `broken`: .*the formula"),
    "a link": (text("broken", "[a](gone.py)"), "cell `broken`: .*gone.py"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_lesson_that_cannot_be_shown_names_its_cell(course, what):
    cell, message = BAD[what]
    with pytest.raises(links.Broken, match=f"notebooks/03_ewc.ipynb, {message}"):
        lesson(course, text("title", "# One"), cell)()


def test_a_file_that_is_no_notebook_is_named(course):
    (course / "notebooks/03_ewc.ipynb").write_text("{")
    with pytest.raises(links.Broken, match=r"notebooks/03_ewc.ipynb cannot be read"):
        cells.page_of_lesson(course / "notebooks/03_ewc.ipynb", course, course)


def test_what_the_lesson_folds_the_site_folds(course):
    folded = code("a", jupyter={"source_hidden": True}, tags=["claims"])
    answer = code("b", jupyter={"outputs_hidden": True})
    notebook, _ = lesson(course, folded, answer, code("c"), text("navigation", "Next"))()
    first, second, third = notebook.cells
    assert "hide-input" in first.metadata.tags and "claims" in first.metadata.mystnb.code_prompt_show
    assert "hide-output" in second.metadata.tags and "mystnb" not in third.metadata
    assert second.metadata.mystnb.code_prompt_show == "Show the answer"


def test_a_panel_is_a_twin_or_says_where_it_moves(course, monkeypatch):
    sentence = "A slider over a finished sweep: open this notebook in Jupyter to use it."
    panel = nbformat.v4.new_output("execute_result", data={"text/plain": sentence}, execution_count=1)
    table = nbformat.v4.new_output("execute_result", data={"text/plain": "1"}, execution_count=1)
    build = lesson(course, code("a", outputs=[panel, table]))
    for html in (None, "<div>twin</div>"):
        monkeypatch.setattr(cells, "twin", lambda stem, cell, out, html=html: html and f"{html}{stem}{cell}")
        shown, kept = build()[0].cells[0].outputs
        assert kept == table
        wanted = "<div>twin</div>03_ewca" if html else sentence
        assert wanted in shown.data["text/html"]


# ---- the address


@pytest.mark.parametrize("urls", ["", f'[project.urls]\nRepository = "{address.PLACEHOLDER}"\n'])
def test_without_an_address_nothing_leads_there(course, urls):
    (course / "pyproject.toml").write_text(f'[project]\nname = "x"\n{urls}')
    assert address.repository(course) is None
    line = lesson(course, text("title", "# One"))()[0].cells[0].source
    assert line == "# One"


def test_with_an_address_every_lesson_can_be_fetched(course):
    urls = '[project.urls]\nRepository = "https://github.com/teacher/course"\n'
    (course / "pyproject.toml").write_text(f'[project]\nname = "x"\n{urls}')
    line = lesson(course, text("title", "# One"))()[0].cells[0].source
    assert "(https://github.com/teacher/course/raw/HEAD/notebooks/03_ewc.ipynb)" in line


# ---- docstrings, and what a finished site must keep to


@pytest.mark.parametrize(
    ("plain", "marked"),
    [
        ("Σ F_ (a*b) |x|", r"Σ F\_ (a\*b) \|x\|"),
        ("See `fisher`.", "See :py:obj:`fisher <edgecl_lite.fisher>`\\ ."),
        ("`lam` and so on", "``lam``\\  and so on"),
        ("Of\n\n    x = y*z", "Of\n\n::\n\n    x = y*z"),
        ("`f(a,\nb=1)` is", "``f(a, b=1)``\\  is"),
    ],
)
def test_a_docstring_is_plain_text(plain, marked):
    assert "\n".join(docstrings.reworded(plain, {"fisher"})).strip() == marked


GOOD = '<h1 id="top">A</h1><a href="b.html#end">b</a><img src="p.png" alt="a curve">'
FAULTS = {
    "links to c.html": '<a href="c.html">c</a>',
    "no such anchor": '<a href="b.html#nowhere">c</a>',
    "links to p2.png": '<img src="p2.png" alt="x">',
    "from another host": '<script src="https://example.org/a.js"></script>',
    "a picture without a text: p.png": '<img src="p.png">',
    "a picture without a text: p.png?": '<img src="p.png?" alt="p.png?">',
    "allowed: 200": "".join(f'<img src="p.png?{i}" alt="x">' for i in range(201)),
}


@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_a_fault_of_a_page_is_found(tmp_path, fault):
    (tmp_path / "a.html").write_text(GOOD + FAULTS.get(fault, ""))
    (tmp_path / "b.html").write_text('<p id="end">')
    (tmp_path / "p.png").write_bytes(b"p")
    found = " ".join(check.problems(tmp_path))
    assert fault in found if fault else not found


def test_a_site_too_large_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "BYTES", 3)
    (tmp_path / "a.html").write_text("four")
    assert "4 bytes, allowed: 3" in " ".join(check.problems(tmp_path))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("notebooks/03_ewc.ipynb:20004:", "notebooks/03_ewc.ipynb, cell `second`, line 4:"),
        ("docs/speed.md:7:", "docs/speed.md, line 7:"),
        ("docs/speed.md:", "docs/speed.md:"),
    ],
)
def test_a_warning_names_the_lesson_and_its_cell(course, place, words):
    lesson(course, text("first", "# One"), text("second", "Two"))
    said = f"\x1b[91m/any/folder/site-source/{place} WARNING: x\x1b[39m\n"
    assert check.told(said, course) == f"{words} WARNING: x\n"


def test_the_landing_page_has_the_map_and_the_picture_of_the_readme(course):
    picture = '<picture>\n<source srcset="docs/p.png">\n<img src="docs/p.gif" alt="a">\n</picture>'
    rows = "| [03 · EWC](notebooks/03_ewc.ipynb) | Why? | [Colab](https://example.org) |"
    (course / "README.md").write_text(f"[![Badge](https://example.org/b.svg)](x)\n\n{picture}\n\n{rows}\n")
    shutil.copy(ROOT / "site/index.md", course / "site")
    page = source.landing(course, ["notebooks/03_ewc.ipynb"], [])
    assert picture in page and "| [03 · EWC](notebooks/03_ewc.ipynb) | Why? |\n" in page
    assert "1 lessons" in page and "example.org" not in page


def test_pictures_of_html_come_along(course):
    (course / "docs/p.gif").write_bytes(b"p")
    html = '<img src="docs/p.gif" alt="a">'
    assert links.rewritten(html, "README.md", course) == (html, {"docs/p.gif"})


def test_the_map_of_the_readme_is_the_map_of_the_site(course):
    with pytest.raises(links.Broken, match=r"README.md: its map .* differ in .*03_ewc"):
        source.lessons_of(course)
    assert source.lessons_of(ROOT)[0] == "notebooks/00_start_here.ipynb"
    assert json.loads((ROOT / source.lessons_of(ROOT)[-1]).read_text())["cells"]
