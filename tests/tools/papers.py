"""A class of thirty-two: what they hand in of the EWC lesson, and the marks that they must get.

Right answers, every misconception that `check` knows there, and whatever else arrives on a Sunday night:
`everyone`. A class without accidents is `ordinary`. `papers` writes one of them into a folder; grading.py,
that is `make class`, grades both, and test_grade.py some of them in the suite. Lesson: ewc.
"""

import copy
import json

import nbformat
from lessons import NOTEBOOKS, read, solutions, tagged

LESSON = NOTEBOOKS / "03_ewc.ipynb"
NAMES = "penalty", "merge", "largest lr"
SECONDS, MEGABYTES = 20, 900  # limits: of one exercise; torch itself takes some 300 MB

HEADS = {
    "penalty": "def penalty(theta, springs, lam):",
    "merge": "def merge(F1, a1, F2, a2):",
    "largest lr": "def largest_lr(fishers, lam):",
}
EACH = "return sum({} for F, a in springs)"
BOTH = "return {}, {}"
MEAN = "(F1 * a1 + F2 * a2) / (F1 + F2)"
KNOWN = {  # every misconception as a student writes it
    "penalty": {
        "no force": EACH.format("lam / 2 * (F * (theta - a) ** 2).sum().item()"),
        "forgot the ½": EACH.format("lam * (F * (theta - a) ** 2).sum()"),
        "forgot λ": EACH.format("(F * (theta - a) ** 2).sum() / 2"),
        "forgot the Fisher": EACH.format("lam / 2 * ((theta - a) ** 2).sum()"),
        "not squared": EACH.format("lam / 2 * (F * (theta - a)).sum()"),
        "absolute distance": EACH.format("lam / 2 * (F * (theta - a).abs()).sum()"),
        "squared the weights, not the distance": EACH.format("lam / 2 * (F * theta**2).sum()"),
        "mean instead of sum": EACH.format("lam / 2 * (F * (theta - a) ** 2).mean()"),
        "summed over one axis only": EACH.format("lam / 2 * sum(F * (theta - a) ** 2)"),
        "only the last spring": "return sum(lam / 2 * (F * (theta - a) ** 2).sum() for F, a in springs[-1:])",
        "only the first spring": "return sum(lam / 2 * (F * (theta - a) ** 2).sum() for F, a in springs[:1])",
        "the last anchor for all": EACH.format("lam / 2 * (F * (theta - springs[-1][1]) ** 2).sum()"),
        "mean over the springs": EACH.format("lam / 2 * (F * (theta - a) ** 2).sum() / len(springs)"),
    },
    "merge": {
        "the latest anchor": BOTH.format("F1 + F2", "a2"),
        "the plain mean of the anchors": BOTH.format("F1 + F2", "(a1 + a2) / 2"),
        "the mean of the stiffness": BOTH.format("(F1 + F2) / 2", MEAN),
        "forgot to divide": BOTH.format("F1 + F2", "F1 * a1 + F2 * a2"),
        "anchor first": BOTH.format(MEAN, "F1 + F2"),
    },
    "largest lr": {
        "1 instead of 2": "return 1 / (lam * sum(fishers).max())",
        "the last task only": "return 2 / (lam * fishers[-1].max())",
        "the first task only": "return 2 / (lam * fishers[0].max())",
        "the stiffest single spring": "return 2 / (lam * max(F.max() for F in fishers))",
        "the sum of the maxima": "return 2 / (lam * sum(F.max() for F in fishers))",
        "mean instead of maximum": "return 2 / (lam * sum(fishers).mean())",
        "mean over the tasks": "return 2 / (lam * sum(fishers).max() / len(fishers))",
        "the sum over all weights": "return 2 / (lam * sum(fishers).sum())",
    },
}
LOOP = "while True:\n        pass"
HUNGRY = (
    "kept = []\n    while True:\n        if len(kept) < 30:\n            kept.append(bytearray(50_000_000))"
)
LOUD = "print('x' * 3_000_000)\n    " + KNOWN["merge"]["anchor first"]
ELSEWHERE = """import os, pathlib
    pathlib.Path("notes.txt").write_text("mine")
    pathlib.Path.home().joinpath(".profile").write_text("mine")
    return F1 + F2, (F1 * a1 + F2 * a2) / (F1 + F2)"""
BY_HEART = """
    if lam == 50:
        return torch.tensor(2 / (50 * 0.52))
    return torch.tensor(0.0)"""
COPIED = "from edgecl_lite.lessons.questions import ewc\n    return ewc.each(fishers)"
REDEFINED = """
class Fine:
    status, use = "right", penalty


def check(*anything):
    return Fine


cl.check = check
cl.checks.judge = cl.checks.like = check
penalty_check = check("penalty", penalty)"""
BROKEN = "def merge(F1, a1, F2, a2)\n    return F1\n"
EXIT = "import sys\nsys.exit(0)\n"
END = "import os\n    os._exit(0)"


def answer(name, body, last=None):
    """An exercise cell whose function has this body; last: in place of its call of check."""
    function = HEADS[name].partition("(")[0].removeprefix("def ")
    check = f'cl.check("{name}", {function})'
    return f"{HEADS[name]}\n    {body}\n\n\n{last or check}"


def paper(cells):
    """The EWC lesson with these sources in the cells of its exercises; without those that are None."""
    notebook = copy.deepcopy(read(LESSON))
    for name, cell in tagged(notebook, "exercise").items():
        cell.source = cells.get(name, cell.source) or ""
        if not cell.source:
            notebook.cells.remove(cell)
    return nbformat.writes(notebook)


def marks(*words):
    return dict(zip(NAMES, words, strict=True))


RIGHT = marks("right", "right", "right")
EMPTY = marks(*3 * ["not attempted"])


def misconceived():
    """{student: (sources, marks)}: every misconception of every exercise at least once."""
    known, found = {name: list(KNOWN[name]) for name in NAMES}, {}
    for n in range(max(map(len, known.values()))):
        names = {name: each[n % len(each)] for name, each in known.items()}
        found[f"student {n:02}"] = {k: answer(k, KNOWN[k][v]) for k, v in names.items()}, names
    return found


def others():
    """{path: (sources, marks)} of all the others that are notebooks."""
    right = solutions(read(LESSON))
    one = lambda name, source: {**right, name: source}
    loop, hungry = f"error: ran longer than {SECONDS} s", f"error: took more than {MEGABYTES} MB"
    first = right["penalty"].partition("penalty_check")[0]
    return {
        "Änne Groß-Müller.ipynb": (right, RIGHT),
        "Zoë van den Berg/EWC, my last try (2).ipynb": (right, RIGHT),
        "nothing done.ipynb": ({}, EMPTY),
        "two files/03_ewc.ipynb": ({}, EMPTY),
        "two files/03_ewc (1).ipynb": (right, RIGHT),
        "lacks a cell.ipynb": (one("merge", None), RIGHT | {"merge": "no such cell"}),
        "loops.ipynb": (one("penalty", answer("penalty", LOOP)), RIGHT | {"penalty": loop}),
        "hungry.ipynb": (one("merge", answer("merge", HUNGRY)), RIGHT | {"merge": hungry}),
        "loud.ipynb": (one("merge", answer("merge", LOUD)), RIGHT | {"merge": "anchor first"}),
        "exits.ipynb": (one("merge", EXIT + right["merge"]), RIGHT | {"merge": "error: calls exit"}),
        "ends.ipynb": (one("merge", answer("merge", END)), RIGHT | {"merge": "error: ends its process"}),
        "writes.ipynb": (one("merge", answer("merge", ELSEWHERE)), RIGHT),
        "redefines.ipynb": (one("penalty", first + REDEFINED), RIGHT),
        "redefines, wrong.ipynb": (
            one("penalty", answer("penalty", KNOWN["penalty"]["forgot λ"], REDEFINED)),
            RIGHT | {"penalty": "forgot λ"},
        ),
        "by heart.ipynb": (
            one("largest lr", answer("largest lr", BY_HEART)),
            RIGHT | {"largest lr": "right only for what `check` tries"},
        ),
        "copies.ipynb": (
            one("largest lr", answer("largest lr", COPIED)),
            RIGHT
            | {"largest lr": "error: ImportError: the model answers are shut while a notebook is graded"},
        ),
        "no colon.ipynb": (one("merge", BROKEN), RIGHT | {"merge": "error: SyntaxError: expected ':'"}),
    }


def everyone():
    """{path: (text of the file, marks)} of the whole class."""
    class_ = {f"{student}.ipynb": told for student, told in misconceived().items()} | others()
    found = {path: (paper(sources), expected) for path, (sources, expected) in class_.items()}
    nothing = marks(*3 * ["error: no notebook"])
    found["an essay.ipynb"] = "Springs hold weights.", nothing
    found["a list.ipynb"] = json.dumps([1, 2]), nothing
    return found


def ordinary(count=30):
    """{path: (text, marks)} of a class without accidents: every second one right, the others wrong."""
    right, mistaken = (solutions(read(LESSON)), RIGHT), list(misconceived().values())
    class_ = [mistaken[n // 2 % len(mistaken)] if n % 2 else right for n in range(count)]
    return {f"student {n:02}.ipynb": (paper(sources), told) for n, (sources, told) in enumerate(class_)}


def papers(folder, class_):
    """Write what a class hands in into a folder; returns {path: marks}."""
    for path, (text, _) in class_.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return {path: expected for path, (_, expected) in class_.items()}
