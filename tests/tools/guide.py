"""The teacher's guide, docs/teaching/: fills in what its pages say of the exercises, `make guide`.

Between the two marks of a page stands a table of the lesson's exercises: each misconception that `check`
knows by name, the hint that it gives, and a question to ask back, from ask_back.csv. A row of that file may
name a family ("the doorbell") for all misconceptions "the doorbell: …"; those with one hint share a row.
"""

import csv
import re

from lessons import ROOT, lessons, read, tagged, title

from edgecl_lite import checks

GUIDE = ROOT / "docs/teaching"
START, END = "<!-- from the exercises -->", "<!-- end -->"
HEAD = "| exercise | misconception | what `check` says | ask back |\n| --- | --- | --- | --- |"


def name_of(lesson):
    """A lesson's title without its number."""
    return title(read(lesson)).rpartition("· ")[2]


def page_of(lesson):
    """The path of a lesson's page."""
    return GUIDE / f"{lesson.stem}.md"


def exercises_of(lesson):
    """The `Exercise`s of a lesson, in its order."""
    checks.load()
    return [checks.exercises[name] for name in tagged(read(lesson), "exercise")]


def asked():
    """{(exercise, misconception or family): question} of ask_back.csv; ValueError on a row twice."""
    found = {}
    with open(GUIDE / "ask_back.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            pair = row["exercise"], row["misconception"]
            if pair in found:
                raise ValueError(f"ask_back.csv: expected one question for each; got two for {pair}")
            found[pair] = row["question"]
    return found


def family(name):
    """What a misconception is called before its colon."""
    return name.partition(":")[0]


def question(questions, exercise, name):
    """What to ask back, or "" where nothing is written yet."""
    whole = questions.get((exercise, name), "")
    return whole or questions.get((exercise, family(name)), "")


def rows(exercise, questions):
    """[(names, hint, question)], a row for each hint with its question."""
    found = {}
    for wrong in exercise.wrong:
        back = question(questions, exercise.name, wrong.name)
        names = found.setdefault((wrong.hint, back), [])
        name = family(wrong.name) if (exercise.name, family(wrong.name)) in questions else wrong.name
        names += [] if name in names else [name]
    return [(" / ".join(names), hint, back) for (hint, back), names in found.items()]


def table(lesson, questions):
    """The generated part of a page, marks included."""
    lines = [HEAD]
    for exercise in exercises_of(lesson):
        for number, row in enumerate(rows(exercise, questions)):
            cells = [f"`{exercise.name}`" if number == 0 else "", *row]
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join([START, *lines, END])


def index():
    """The generated part of README.md: every lesson, its page, its exercises."""
    lines = ["| lesson | page | exercises |", "| --- | --- | --- |"]
    for lesson in lessons():
        names = ", ".join(f"`{exercise.name}`" for exercise in exercises_of(lesson))
        lines.append(
            f"| [{name_of(lesson)}](../../notebooks/{lesson.name}) | [page]({lesson.stem}.md) | {names} |"
        )
    return "\n".join([START, *lines, END])


def filled(text, part):
    """The text of a page with `part` between its marks."""
    return re.sub(f"{START}.*?{END}", lambda _: part, text, flags=re.S)


def write():
    """Fill in every page and README.md; returns what is missing, a line each."""
    questions, missing = asked(), []
    parts = {page_of(lesson): table(lesson, questions) for lesson in lessons()}
    for page, part in {GUIDE / "README.md": index(), **parts}.items():
        if page.exists():
            page.write_text(filled(page.read_text("utf-8"), part), encoding="utf-8")
        else:
            missing.append(f"{page.name} is not written yet")
    for exercise in (exercise for lesson in lessons() for exercise in exercises_of(lesson)):
        empty = [names for names, _, back in rows(exercise, questions) if not back]
        missing += [f"nothing to ask back for {exercise.name!r}, {names!r}" for names in empty]
    return missing


if __name__ == "__main__":
    print(*write(), sep="\n", end="")
