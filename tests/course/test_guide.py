"""The teacher's guide has a page for each lesson, whole, fresh, and with links that lead somewhere."""

import re
import sys

import guide
import pytest
from guide import END, GUIDE, START, asked, exercises_of, filled, page_of, question, table
from lessons import ROOT, lessons, read, said

sys.path.append(str(ROOT / "site"))
import lecture  # noqa: E402

HEADINGS = [
    "Before the class",
    "45 minutes",
    "90 minutes",
    "Collect before you show",
    "Where students go wrong",
    "On the board",
    "To discuss",
    "Two exam questions",
    "Further reading",
]
LESSONS = pytest.mark.parametrize("lesson", lessons(), ids=lambda path: path.stem)
PAGES = pytest.mark.parametrize("page", sorted(GUIDE.glob("*.md")), ids=lambda path: path.stem)


@LESSONS
def test_page_has_every_heading_in_order(lesson):
    text = page_of(lesson).read_text("utf-8")
    assert text.startswith(f"# Teaching: {guide.name_of(lesson)}\n")
    assert re.findall(r"^## (.+)$", text, re.M) == HEADINGS
    for start in ("**In one sentence", "**Goals", "**What must be known"):
        assert start in text.partition("\n## ")[0]


@LESSONS
def test_generated_part_is_fresh(lesson):
    text = page_of(lesson).read_text("utf-8")
    assert text.count(START) == text.count(END) == 1
    assert filled(text, table(lesson, asked())) == text, "run `make guide`"


@LESSONS
def test_every_misconception_has_something_to_ask_back(lesson):
    questions = asked()
    names = [(exercise.name, wrong.name) for exercise in exercises_of(lesson) for wrong in exercise.wrong]
    assert not [pair for pair in names if not question(questions, *pair)]


def test_every_question_is_asked_somewhere():
    known = {e.name: {w.name for w in e.wrong} for lesson in lessons() for e in exercises_of(lesson)}
    for (exercise, name), back in asked().items():
        names = known[exercise] | {guide.family(wrong) for wrong in known[exercise]}
        assert name in names, f"{exercise!r} knows no {name!r}"
        assert back.strip().endswith("?"), f"{exercise!r}, {name!r}: expected a question; got {back!r}"


@LESSONS
@pytest.mark.parametrize("minutes", [45, 90])
def test_plans_leave_no_minute_out(lesson, minutes):
    text = page_of(lesson).read_text("utf-8").partition(f"\n## {minutes} minutes")[2]
    times = re.findall(r"^\| (\d+)–(\d+) \|", text.partition("\n## ")[0], re.M)
    begins, ends = zip(*times)
    assert begins == ("0", *ends[:-1]) and ends[-1] == str(minutes)


@LESSONS
def test_plans_name_sections_of_the_lesson(lesson):
    """*Italics* in the last column of a plan are headings, or the beginning of one: *Why …*."""
    text = page_of(lesson).read_text("utf-8")
    plans = text.partition("\n## 45 minutes")[2].partition("\n## Collect")[0]
    lasts = [line.rstrip(" |").rpartition("|")[2] for line in plans.splitlines() if line.startswith("|")]
    named = [name for last in lasts for name in re.findall(r"\*([^*]+)\*", last)]
    markdown = "\n\n".join(cell.source for cell in read(lesson).cells if cell.cell_type == "markdown")
    headings = re.findall(r"^#+ (.+)$", markdown, re.M)
    known = lambda name: any(lecture.named(name, heading) for heading in headings)
    assert named and not [name for name in named if not known(name)]


@LESSONS
def test_what_the_lesson_answers_is_quoted_from_its_outputs(lesson):
    """Under *Collect before you show* code spans with a number are quotations; each answer is among them."""
    text = page_of(lesson).read_text("utf-8").partition("## Collect before you show")[2]
    quoted = re.findall(r"`([^`]*\d[^`]*)`", text.partition("\n## ")[0])
    stored = " ".join("\n".join(said(cell) for cell in read(lesson).cells).split())
    wrong = [words for words in quoted if words not in stored]
    assert not wrong, f"{page_of(lesson).name} quotes what the lesson does not say: {wrong}"
    answers = re.findall(r"the answer is \d+(?:\.\d+)?", stored)
    missing = [words for words in answers if not any(q.startswith(words) for q in quoted)]
    assert answers and not missing, f"{page_of(lesson).name} does not quote {missing}"


@PAGES
def test_links_resolve(page):
    text = page.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match("[a-z]+:", link)]
    assert links
    broken = [link for link in links if not (page.parent / link.partition("#")[0]).exists()]
    assert not broken
    terms = {heading for cell in glossary() for heading in re.findall(r"^### (.+)$", cell, re.M)}
    anchors = {link.partition("#")[2] for link in links if "glossary.ipynb#" in link}
    assert anchors <= {term.replace(" ", "-") for term in terms}


def test_course_plans_name_exercises_of_the_lessons_beside_them():
    text = (GUIDE / "README.md").read_text("utf-8")
    assert filled(text, guide.index()) == text, "run `make guide`"
    of = {page_of(lesson).name: {e.name for e in exercises_of(lesson)} for lesson in lessons()}
    plans = text.partition("\n## One week")[2].partition("\n## Hand-outs")[0]
    for row in plans.splitlines():
        here = set().union(*(of[page] for page in re.findall(r"\]\((\w+\.md)\)", row)))
        assert set(re.findall(r"`([^`]+)`", row)) <= here or not row.startswith("|"), row
    semester = set(re.findall(r"`([^`]+)`", plans.partition("\n## One semester")[2]))
    assert semester == set().union(*of.values())


def glossary():
    """The Markdown of the glossary's cells."""
    path = lessons()[0].with_name("glossary.ipynb")
    return [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]


def test_misconceptions_with_one_hint_share_a_row():
    exercise = next(e for lesson in lessons() for e in exercises_of(lesson) if e.name == "scenario")
    questions = {("scenario", "the pump"): "Which answers are there in spring?"}
    pump = [row for row in guide.rows(exercise, questions) if row[0].startswith("the pump")]
    assert [(names, back) for names, _, back in pump] == [("the pump", "Which answers are there in spring?")]
    assert question(questions, "scenario", "the belt: class-incremental") == ""


def test_marks_are_filled_whatever_stood_there():
    part = f"{START}\n| a \\1 | b |\n{END}"
    assert filled(f"before\n{START}\nold\n{END}\nafter", part) == f"before\n{part}\nafter"
