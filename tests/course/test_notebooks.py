"""Every lesson: how it is stored, whether its prose is true, and whether its solutions are right.

That the stored outputs are still what the cells give is nbval's part (`make test` runs it over notebooks/).
"""

import re
import sys

import nbformat
import pytest
import refresh_notebooks
from lessons import (
    NOTEBOOKS,
    ROOT,
    STRICT,
    Cost,
    checks,
    concerned,
    folded,
    lessons,
    lines_of_code,
    read,
    run,
    said,
    solutions,
    solved,
    tagged,
    title,
)
from nbconvert import HTMLExporter

# What every lesson has, in any wording that the pattern admits (lower case, in headings and bold text).
BONES = {
    "what you will be able to do": r"(will )?be able to|you will learn",
    "what you need to know": r"you need|need to know|before you",
    "measured time and memory": r"time|takes",
    "the story of a device": r"story|device",
    "predict first": r"predict|guess",
    "see it": r"\bsee\b|watch",
    "build it": r"build|write it",
    "explore it": r"explore|slider",
    "when it fails": r"fail",
    "what it costs on the device": r"cost|bytes",
    "exercises": r"exercise",
    "summary": r"summary|what you take away",
    "references": r"references",
}
START = {
    "the map of lessons": r"map|lessons",
    "how to use a lesson": r"how to|use a lesson",
    "an environment check": r"check|environment|machine",
    "a taste": r"taste|two minutes|forget",
}

every_lesson = pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)


def prose(notebook):
    """The Markdown text without code, formulas, links, HTML tags and the references section."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"^#+ *references.*?(?=^#|\Z)", "", text, flags=re.S | re.M | re.I)
    for gone in (
        r"```.*?```",
        r"`[^`\n]*`",
        r"\$\$.*?\$\$",
        r"\$[^$\n]+\$",
        r"!?\[[^\]]*\]\([^)]*\)",
        r"<[^>]+>",
        r"https?://\S+",
        r"arXiv:\S+",
    ):
        text = re.sub(gone, " ", text, flags=re.S)
    return text


def numbers(text):
    """[(as written, value, value of half a unit in the last place)] of decimals and percentages in a text."""
    found = []
    for match in re.finditer(r"(?<![\w.])(\d[\d,]*(?:\.\d+)?)\s?(%)?(?![\w]|\.\d)", text):
        digits, percent = match.group(1).replace(",", ""), match.group(2)
        if "." in digits or percent:
            places = len(digits.partition(".")[2])
            scale = 0.01 if percent else 1.0
            found.append((match.group(0).strip(), float(digits) * scale, 0.5 * 10**-places * scale))
    return found


def known_numbers(notebook):
    """Every number that stands in a code cell or in an output, as floats; a percentage also as a fraction."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    text = "\n".join([cell.source for cell in code] + [said(cell) for cell in code])
    text = re.sub(r"(\d)(?= ± [\d.]+ %)", r"\1 %", text)  # 87.8 ± 0.4 %: both are percentages
    values = set()
    for match in re.finditer(r"(\d[\d,_]*(?:\.\d+)?(?:[eE][-+]?\d+)?)\s?(%?)", text):
        digits = re.sub(r"[,_]", "", match.group(1))
        values |= {float(digits), float(digits) / 100} if match.group(2) else {float(digits)}
    return values


def test_lessons_are_numbered_one_after_the_other():
    stems = [path.stem for path in lessons()]
    assert len(stems) >= 14
    for number, path in enumerate(lessons()):
        assert path.stem.startswith(f"{number:02d}_"), stems
        assert title(read(path)).startswith(f"{number:02d} · ") or number == 0


def test_source_names_lessons_that_there_are():
    known = {path.stem.partition("_")[2] for path in lessons()}
    for path in sorted((ROOT / "edgecl_lite").rglob("*.py")):
        for names in re.findall(r"Lessons?: ([a-z_]+(?:, [a-z_]+)*)", path.read_text("utf-8")):
            assert set(names.split(", ")) <= known, f"{path.name}: {names}"


@every_lesson
def test_stored_form(path):
    notebook = read(path)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata, "metadata.widgets: store outputs with `make notebooks`"
    assert path.stat().st_size <= 300_000, f"{path.stat().st_size / 1000:.0f} KB, at most 300"
    ids = [cell.id for cell in notebook.cells]
    assert len(ids) == len(set(ids))
    bad = [i for i in ids if re.fullmatch(r"[0-9a-f-]{8,}", i) or not re.search(r"[a-z]{2}", i)]
    assert not bad, f"cell ids should say what the cell is for, as 'fisher-by-hand' does, not {bad}"


@every_lesson
def test_stored_outputs(path):
    code = [cell for cell in read(path).cells if cell.cell_type == "code" and cell.source.strip()]
    counts = [cell.execution_count for cell in code]
    assert counts == list(range(1, len(code) + 1)), (
        "not run once from top to bottom: `make notebooks` stores outputs"
    )
    for cell in code:
        for output in cell.outputs:
            where = f"cell {cell.id}"
            if output.output_type == "error":
                assert "raises-exception" in cell.metadata.get("tags", []), f"{where} stores an error"
                continue
            assert output.get("name") != "stderr", f"{where} stores text on stderr: {output.text[:200]}"
            data = output.get("data", {})
            assert "application/vnd.jupyter.widget-view+json" not in data, (
                f"{where} stores a widget: `make notebooks`"
            )
            if "image/png" in data:
                alt = output.metadata.get("image/png", {}).get("alt", "")
                assert alt.strip(), f"{where}: a figure without alt text; show it with edgecl_lite.plots.show"


@every_lesson
def test_bones(path):
    notebook = read(path)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# "), (
        "a lesson opens with its title and a one-sentence promise"
    )
    marked = "\n".join(re.findall(r"^#+ .*|\*\*.+?\*\*|<summary>.*?</summary>", text, re.M)).lower()
    bones = START if path.stem.startswith("00") else BONES
    missing = [name for name, pattern in bones.items() if not re.search(pattern, marked)]
    assert not missing, f"no heading or bold word for: {missing}"


@every_lesson
def test_links(path):
    notebook = read(path)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    targets = [t for t in re.findall(r"\]\(([^)\s]+)", text) if not re.match(r"[a-z]+:|#", t)]
    broken = [t for t in targets if not (path.parent / t.partition("#")[0]).exists()]
    assert not broken, f"links to nowhere: {broken}"
    course = lessons()
    here = course.index(path)
    for neighbour in course[max(here - 1, 0) : here] + course[here + 1 : here + 2]:
        assert neighbour.name in targets, f"no link to its neighbour {neighbour.name}"


def test_a_converter_that_reads_alternative_texts_finds_them_all():
    """nbconvert's classic template reads `metadata["image/png"]["alt"]`; its lab template none (7.17)."""
    lesson = read(NOTEBOOKS / "08_parameter_isolation.ipynb")
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(lesson)
    assert page.count("<img") > 5 and "No description has been provided" not in page


@every_lesson
def test_numbers_in_prose(path):
    """Each decimal and percentage in the prose is, rounded, a number of the lesson's own code or outputs."""
    notebook = read(path)
    known = known_numbers(notebook)
    unknown = [
        written
        for written, value, half in numbers(prose(notebook))
        if not any(abs(value - other) <= half * 1.001 + 1e-12 for other in known)
    ]
    assert not unknown, (
        f"numbers in the prose that no cell shows: {unknown}; print and assert them in a cell, "
        "or put them into a code span if they are no result"
    )


@every_lesson
def test_claims_are_folded_and_claim_something(path):
    for cell in read(path).cells:
        if "claims" in cell.metadata.get("tags", []):
            assert cell.metadata.get("jupyter", {}).get("source_hidden"), f"cell {cell.id} is not folded"
            assert re.search(r"^ *assert ", cell.source, re.M), f"cell {cell.id} claims nothing"


@every_lesson
def test_a_lesson_imports_the_module_by_one_short_name(path):
    cells = [
        cell for cell in read(path).cells if cell.cell_type == "code" and cell.id != "check-this-machine"
    ]
    code = "\n".join(cell.source for cell in cells)
    found = re.findall(r"^ *(?:from|import) edgecl_lite.*", code, re.M)
    assert found and set(found) == {"import edgecl_lite as cl"}, found


@every_lesson
def test_a_lesson_is_short_enough_to_finish(path):
    """At most 45 cells that are not folded, 600 lines of code, 25 lines in a cell that is read."""
    cells = read(path).cells
    shown = sum(not folded(cell) for cell in cells)
    lines = sum(map(lines_of_code, cells))
    long = {cell.id: n for cell in cells if not folded(cell) and (n := lines_of_code(cell)) > 25}
    assert shown <= 45 and lines <= 600 and not long, f"{shown} cells, {lines} lines, long cells {long}"


@every_lesson
def test_claims_stand_in_cells_of_their_own(path):
    """An assert between the lines that teach is plumbing to who reads them."""
    for cell in read(path).cells:
        if cell.cell_type == "code" and "claims" not in cell.metadata.get("tags", []):
            assert not re.search(r"^ *assert ", cell.source, re.M), f"cell {cell.id}"


@every_lesson
def test_no_lesson_is_called_by_its_number(path):
    """Numbers move when a lesson comes in between; titles with a link do not."""
    said = re.findall(r"(?i)\blessons? \d+", "\n".join(c.source for c in read(path).cells))
    assert not said, f"link to a lesson by its title, not {said}"


def test_every_word_of_the_glossary_leads_to_its_lesson():
    text = "\n".join(cell.source for cell in read(NOTEBOOKS / "glossary.ipynb").cells)
    words = re.findall(r"^### (.+)\n\n(.+)$", text, re.M)
    assert len(words) > 40 and len({word for word, _ in words}) == len(words)
    for word, told in words:
        files = re.findall(r"\]\((\d\d_\w+\.ipynb)\)", told)
        assert files and all((NOTEBOOKS / name).exists() for name in files), word


@every_lesson
def test_links_to_the_glossary_meet_a_word(path):
    heads = re.findall(
        r"^### (.+)$", "\n".join(c.source for c in read(NOTEBOOKS / "glossary.ipynb").cells), re.M
    )
    known = {word.replace(" ", "-") for word in heads}
    links = re.findall(r"glossary\.ipynb#([^)]+)\)", "\n".join(cell.source for cell in read(path).cells))
    assert links and set(links) <= known, sorted(set(links) - known)


@every_lesson
def test_exercises_have_solutions(path):
    notebook = read(path)
    asked, answers = tagged(notebook, "exercise"), solutions(notebook)
    assert asked.keys() == answers.keys(), f"exercises {sorted(asked)}, solutions {sorted(answers)}"
    checked = {name for cell in notebook.cells for name in checks(cell)}
    for name, source in answers.items():
        assert source, f"solution:{name} has no ```python block"
        assert "<details" in tagged(notebook, "solution")[name].source, f"solution:{name} is not folded"
        assert name in checked, f"""no cell calls check("{name}", …)"""


@every_lesson
def test_solutions_are_right(path):
    """The solutions filled in, and all that hangs on them or they need: the checks say Right, nothing warns.

    The whole lesson runs as it is stored (nbval), and in a browser.
    """
    notebook = concerned(solved(read(path)))
    run(notebook, **STRICT)
    answered = solutions(notebook)
    for cell in notebook.cells:
        expected = [name for name in checks(cell) if name in answered]
        right = re.findall(r"^Right\b", said(cell), re.M)
        assert len(right) >= len(expected), f"cell {cell.id} checks {expected} and says: {said(cell)}"


def test_what_a_solution_concerns():
    sources = {
        "start": "import numpy as np\nkept = []",
        "other": "curve = [x for x in range(3)]",
        "grows": "kept.append(np.ones(2))",
        "ask": "def mine(x):\n    return x + kept[0]",
        "use": "told = mine(1)",
        "check": "check('mine', mine)",
        "after": "print(told)",
    }
    cells = [nbformat.v4.new_code_cell(source, id=name) for name, source in sources.items()]
    cells[3].metadata["tags"] = ["exercise:mine"]
    found = concerned(nbformat.v4.new_notebook(cells=cells)).cells
    assert [cell.id for cell in found] == ["start", "grows", "ask", "use", "check"]
    again = nbformat.v4.new_code_cell("kept = [3]", id="again")
    cells.insert(3, again)  # what is given anew is not needed from before
    found = concerned(nbformat.v4.new_notebook(cells=cells)).cells
    assert [cell.id for cell in found] == ["again", "ask", "use", "check"]


def test_limits_are_judged_by_measuring_only(capsys, monkeypatch):
    """`make measure` prints each figure beside its limit and fails beyond it; here, nothing does."""
    path = lessons()[0]
    for cost, code in ((Cost(46.0, 499.0), 1), (Cost(45.0, 500.0), 0), (Cost(1.0, 501.0), 1)):
        monkeypatch.setattr(refresh_notebooks, "run", lambda notebook, cost=cost: cost)
        monkeypatch.setattr(sys, "argv", ["refresh_notebooks.py", "--measure", "00"])
        with pytest.raises(SystemExit) as ended:
            refresh_notebooks.main()
        assert bool(ended.value.code) == code
        assert (
            f"{cost.seconds} s (at most 45), {cost.peak_mb:.0f} MB (at most 500)" in capsys.readouterr().out
        )
    assert [line.partition(":")[0] for line in str(ended.value.code).splitlines()[1:]] == [path.name]


def test_what_counts_as_a_number():
    """The helpers themselves: what is looked up, and how a rounded number finds its source."""
    assert [w for w, *_ in numbers("from 0.9 to 87 % in 3 steps of 1,400; 1.2.3, v2.0, section 7.")] == [
        "0.9",
        "87 %",
    ]
    told = nbformat.v4.new_output("stream", text="87.8 ± 0.4 %, 1.50 ± 0.71")
    cell = nbformat.v4.new_code_cell("", outputs=[told])
    assert known_numbers(nbformat.v4.new_notebook(cells=[cell])) == {87.8, 0.878, 0.4, 0.004, 1.5, 0.71}
    (_, value, half), *_ = numbers("97 %")
    assert abs(value - 0.9678) <= half
    assert abs(value - 0.96) > half
