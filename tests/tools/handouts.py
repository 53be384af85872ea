"""Hand-outs of every lesson for a class:  python tests/tools/handouts.py [FOLDER]   (default: build/handouts)

students.zip   the lessons without solutions, claims and outputs; the exercises are in, and beside them what
               they need to run by themselves (beside.py)
teachers.zip   the lessons as they are, and under each solution, folded, what `check` recognises and says
nbgrader.zip   an nbgrader course: source/LESSON/LESSON.ipynb with the solutions between markers, and
               release/LESSON/LESSON.ipynb, what nbgrader's generate_assignment makes of it

Each exercise is one cell to fill in and, in the nbgrader form, one locked cell of a point below it, which
asks `check`. What stands after BEGIN SOLUTION is replaced by `...`, so that an exercise that nobody has
touched is "not attempted". Cells that no exercise needs are tagged so that nbgrader leaves them out, which
is a matter of seconds instead of a whole lesson. Lesson: ewc.
"""

import argparse
import ast
import copy
import re
import sys
from pathlib import Path

import nbformat
from beside import PLACE, beside, linked, wheel, write
from lessons import NOTEBOOKS, ROOT, lessons, read, solutions, tagged

from edgecl_lite.lessons import check
from edgecl_lite.lessons.grade import cells as reading

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = "...  # your code here"
SKIP = "skip-execution"  # nbclient, and so nbgrader, does not run a cell with this tag; JupyterLab does
CONFIG = f'''import os

os.environ["EDGECL_EXAM"] = "1"  # while it is graded, `check` gives no hint and no model answer
os.environ["EDGECL_DOSSIER"] = "off"
c = get_config()  # noqa: F821
c.ClearSolutions.code_stub = {{"python": "{STUB}"}}
c.ExecutePreprocessor.timeout = 120
'''
POINTS = 1  # for each exercise


def has(cell, kind):
    tags = cell.metadata.get("tags", [])
    return any(tag == kind or tag.startswith(f"{kind}:") for tag in tags)


def students(notebook, place=PLACE):
    """The lesson with its exercises, without solutions, claims and outputs; place: the wheel's folder."""
    notebook = linked(notebook, place)
    notebook.cells = [c for c in notebook.cells if not has(c, "solution") and not has(c, "claims")]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def teachers(notebook):
    """The lesson as it is, with what `check` recognises under each solution, folded."""
    notebook = linked(notebook)
    for name, cell in tagged(notebook, "solution").items():
        known = nbformat.v4.new_markdown_cell(recognised(name), id=f"recognised-{slug(name)}")
        notebook.cells.insert(notebook.cells.index(cell) + 1, known)
    return notebook


def recognised(name):
    """The misconceptions of an exercise as Markdown, each hint once."""
    hints = {}
    for wrong in check.exercises[name].wrong:
        hints.setdefault(wrong.hint, dict.fromkeys([]))[wrong.name] = None
    lines = [f"- **{', '.join(names)}**: {hint}" for hint, names in hints.items()]
    head = f"What <code>check</code> recognises in “{name}”, and the hint that each gets"
    return "\n".join([f"<details><summary>{head}</summary>", "", *lines, "</details>"])


def source(notebook):
    """The lesson as nbgrader's source: what students get, with solutions between markers and locked tests."""
    answers, cells = solutions(notebook), []
    for cell in students(notebook, "/PATH/TO").cells:  # nbgrader lays it into a folder of its own
        cells.append(cell)
        for name in [name for name in answers if has(cell, f"exercise:{name}")]:
            code = cell.source
            cell.source = marked(code, answers[name])
            mark(cell, name, solution=True)
            cells.append(question(name, code))
    made = linked(notebook)
    made.cells = cells
    skipped(made)
    return made


def skipped(notebook):
    """Tag the code cells that no exercise needs (in place)."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    plain = [reading.Cell(c.source, tuple(c.metadata.get("tags", [])), c.id) for c in code]
    run = {at for asked in reading.asked(plain) for at in asked.run}
    for at, cell in enumerate(code):
        if at not in run and "nbgrader" not in cell.metadata:
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), SKIP]


def mark(cell, name, solution):
    """nbgrader's metadata: a cell to fill in, or the locked one that is worth points."""
    kind = "exercise" if solution else "check"
    own = {"grade": not solution, "solution": solution, "locked": not solution, "task": False}
    own |= {"grade_id": f"{kind}-{slug(name)}", "schema_version": 3}
    cell.metadata["nbgrader"] = own if solution else {**own, "points": POINTS}


def question(name, code):
    """The locked cell of an exercise."""
    handed = reading.handed([reading.Cell(code)], 0, name)
    asked = f'assert cl.check("{name}", {handed}).status == "right"'
    cell = nbformat.v4.new_code_cell(asked, id=f"check-{slug(name)}")
    mark(cell, name, solution=False)
    return cell


def slug(name):
    return re.sub(r"\W+", "-", name).strip("-")


def marked(given, answer):
    """The cell to fill in with its answer between markers; without what lies there it is as it was.

    A function keeps its first lines and its call of check; a value keeps the line that asks for it.
    """
    lines = given.splitlines()
    holes = [at for at, line in enumerate(lines) if line.strip() == "return ..."]
    if holes:
        (at,), (own,) = holes, _functions(given)
        body, after = _body(answer, own.name), lines[at + 1 :]
    else:
        at = next(n for n, line in enumerate(lines) if "check(" in line)
        while not lines[at - 1].strip():
            at -= 1
        body = [line for line in answer.splitlines() if line not in lines[at:] or not line.strip()]
        after = lines[at:]
    body = "\n".join(body).strip("\n").splitlines()
    indent = re.match(r"\s*", body[0])[0]
    return "\n".join([*lines[:at], indent + BEGIN, *body, indent + END, *after])


def _functions(code):
    return [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]


def _body(answer, name):
    """The lines of a function without its head and its docstring; comments in it stay."""
    (own,) = [node for node in _functions(answer) if node.name == name]
    first = own.body[0]
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    start = first.end_lineno if told else first.lineno - 1
    return answer.splitlines()[start : own.end_lineno]


def release(notebook):
    """What nbgrader makes of the source: every solution is a stub."""
    notebook = copy.deepcopy(notebook)
    pattern = rf"^( *){BEGIN}\n.*?^ *{END}$"
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = re.sub(pattern, rf"\1{STUB}", cell.source, flags=re.M | re.S)
    return notebook


def handouts():
    """{zip: {path in it: text}} of all lessons."""
    check.load()
    glossary = linked(read(NOTEBOOKS / "glossary.ipynb"))
    packs = {"students": {}, "teachers": {}, "nbgrader": {"nbgrader/nbgrader_config.py": CONFIG}}
    for pack in ("students", "teachers"):
        packs[pack][f"{pack}/glossary.ipynb"] = text(glossary)
    for path in lessons():
        lesson, stem = read(path), path.stem
        full = source(lesson)
        packs["students"][f"students/{path.name}"] = text(students(lesson))
        packs["teachers"][f"teachers/{path.name}"] = text(teachers(lesson))
        packs["nbgrader"][f"nbgrader/source/{stem}/{path.name}"] = text(full)
        packs["nbgrader"][f"nbgrader/release/{stem}/{path.name}"] = text(release(full))
    return packs


def text(notebook):
    """The notebook as a file; ValidationError where it is none."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "handouts")
    folder = parser.parse_args().folder
    try:
        more = beside(wheel())
    except FileNotFoundError as problem:
        sys.exit(str(problem))
    packs = {pack: files | more[pack] for pack, files in handouts().items()}
    for path in write(packs, folder):
        print(f"{path}: {path.stat().st_size / 1000:,.0f} KB")


if __name__ == "__main__":
    main()
