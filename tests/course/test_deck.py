"""Lessons as slides: what is seen, what is said, what the tags decide, and what a deck must keep to.

The lessons' own decks are held to the teacher's guide and to their solutions; the rules are tried on made-up
lessons. tests/screen/test_slides.py goes through the decks in a browser.
"""

import html
import re
import sys

import nbformat
import pytest
from lessons import ROOT, lessons, read, solutions, tagged

sys.path.append(str(ROOT / "site"))
import deck  # noqa: E402
import seen  # noqa: E402
import slides  # noqa: E402
from cells import size_of  # noqa: E402
from lecture import Guide  # noqa: E402

LESSONS = pytest.mark.parametrize("lesson", lessons(), ids=lambda path: path.stem)


def guide_of(lesson):
    return Guide.read((ROOT / f"docs/teaching/{lesson.stem}.md").read_text("utf-8"))


def plain(markdown):
    """The words of a Markdown text, as a reader sees them."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", seen.html(markdown))).split())


def notes_of(lesson):
    """All notes of a deck, as words."""
    made = deck.slides(read(lesson), lesson.stem, guide_of(lesson))
    return plain("\n\n".join(note for slide in made for note in slide.notes))


# ---- what is said


@LESSONS
def test_notes_hold_the_guide(lesson):
    guide, said = guide_of(lesson), notes_of(lesson)
    rows = [row[1] for plan in ("45 minutes", "90 minutes") for row in guide.rows(plan) if "*" in row[2]]
    rows += [row[3] for row in guide.rows("Where students go wrong")]
    rows += [row[0] for row in guide.rows("Collect before you show")]
    rows += [words for _, words in guide.sketches()] + [guide.discussion()]
    assert len(rows) > 15 and not [row for row in rows if plain(row) not in said]


@LESSONS
def test_nothing_is_said_twice(lesson):
    for slide in deck.slides(read(lesson), lesson.stem, guide_of(lesson)):
        notes = [note for note in slide.notes if note]
        assert len(notes) == len(set(notes)), slide.cell


def test_a_guess_is_collected_before_the_section_that_it_names():
    table = "## Collect before you show\n\n| q | u | a | e |\n| - | - | - | - |\n"
    rows = "| How many? | % | 7 | few |\n| How high? (before *Two*) | % | 8 | low |\n"
    guide = Guide.read(f"# Made up\n\n{table}{rows}")
    assert "How many" in guide.section("Predict first") and "How high" not in guide.section("Predict first")
    assert "How high" in guide.section("Two") and guide.section("") == guide.section("One") == ""


@LESSONS
def test_what_a_class_predicts_waits_for_a_key(lesson):
    """What the guide quotes as an answer, under *Collect before you show*, stands on no slide openly."""
    answers = re.findall(r"`([^`]*\d[^`]*)`", guide_of(lesson).parts["Collect before you show"])
    assert answers
    for slide in deck.slides(read(lesson), lesson.stem, guide_of(lesson)):
        waits = r'<div class="fragment">.*?</div>|<script.*?</script>'  # a panel's states are in its script
        openly = re.sub(waits, "", slide.body, flags=re.DOTALL)
        words = " ".join(html.unescape(openly).split())
        assert not [answer for answer in answers if answer in words], (slide.cell, slide.title)


@LESSONS
def test_solutions_are_said_and_not_seen(lesson):
    made, answers = deck.slides(read(lesson), lesson.stem, guide_of(lesson)), solutions(read(lesson))
    for name, cell in tagged(read(lesson), "exercise").items():
        code = seen.painted(cell.source.strip()).body
        (slide,) = (slide for slide in made if code in slide.body)
        assert any(answers[name] in note for note in slide.notes), name
        assert not any(seen.painted(answers[name]).body in other.body for other in made)


# ---- what decides, on made-up lessons


def lesson_of(*cells):
    """A lesson of Markdown and code cells, named a, b, c … after its title."""
    made = [nbformat.v4.new_markdown_cell("# 99 · Made up\n\n**In short.**", id="title")]
    for name, (kind, source, tags, outputs) in zip("abcdef", cells):
        new = nbformat.v4.new_markdown_cell if kind == "text" else nbformat.v4.new_code_cell
        cell = new(source, id=name, metadata={"tags": tags})
        if kind == "code":
            cell.outputs = outputs
        made.append(cell)
    return nbformat.v4.new_notebook(cells=made)


def text(source, *tags):
    return "text", source, list(tags), None


def code(source, *tags, says=""):
    stream = [nbformat.v4.new_output("stream", text=says)] if says else []
    return "code", source, list(tags), stream


def made(*cells):
    return deck.slides(lesson_of(*cells), "99_made_up", Guide({"": "Know this."}))


def test_first_slide_opens_the_lesson():
    first, *_ = made(text("## One\n\n- a\n"))
    assert (
        (first.title, first.level) == ("99 · Made up", 1)
        and "In short" in first.body
        and "Know this." in first.notes
    )


def test_paragraphs_are_said_and_what_shows_something_is_seen():
    source = "## One\n\nA long walk.\n\nIt is:\n\n$$ a = b $$\n\n- x\n- y\n\nAnd more."
    _, slide = made(text(source))
    assert slide.title == "One" and "It is" in slide.body and "<math" in slide.body and "<li>x" in slide.body
    assert not {"A long walk.", "And more."} - set(slide.notes) and "walk" not in slide.body


def test_tags_pick_paragraphs_by_number():
    source = "## One\n\nA long walk.\n\nTo here:\n\n- x\n\nAnd more."
    _, slide = made(text(source, "slide:3"))
    assert "And more" in slide.body and "walk" not in slide.body


@pytest.mark.parametrize("tag", ["slide:0", "slide:3"])
def test_a_paragraph_that_is_not_there_is_refused_by_cell(tag):
    with pytest.raises(ValueError, match=f"cell `a`: expected slide:1 to slide:2, its paragraphs; got {tag}"):
        made(text("## One\n\nA.\n\nB.", tag))


def test_a_cell_can_be_left_out_and_its_code_asked_for():
    _, slide = made(text("## One"), code("one()", says="1"), code("two()", "slide:none", says="2"))
    assert "1</pre>" in slide.body and "2</pre>" not in slide.body and "one" not in slide.body
    _, slide = made(text("## One"), code("one()", "slide:code", says="1"))
    assert "one" in slide.body


def test_a_text_can_be_left_to_the_notes():
    _, slide = made(text("## One\n\nBoth:\n\n- a\n- b", "slide:said"), code("one()", says="1"))
    assert "<li>" not in slide.body and "1</pre>" in slide.body and "- a\n- b" in slide.notes


def test_a_tag_shortens_what_an_exercise_asks():
    ask = text("## One\n\nFirst.\n\nThen.\n\n**Your turn.** Write it.", "slide:2")
    _, slide = made(ask, code("def f(): ...", "exercise:f"))
    assert "First" not in slide.body and "Then" in slide.body and "Write it" in slide.body


def test_after_its_solution_an_exercise_is_over():
    solution = "text", "<details><summary>Solution</summary>\n\nx\n</details>", ["solution:f"], None
    ask = text("## One\n\n### Do it\n\nNow.")
    _, turn, slide = made(ask, code("f = ...", "exercise:f"), solution, code("one()", says="1"))
    assert (turn.title, slide.title) == ("Do it", "One") and any("x" in note for note in turn.notes)


@pytest.mark.parametrize(
    "bold, title", [("**Bias.** So it is:", "Bias"), ("**Bias** is this:", "99 · Made up")]
)
def test_a_bold_beginning_is_a_title_if_it_is_a_sentence(bold, title):
    _, slide = made(text(f"{bold}\n\n- a"))
    assert slide.title == title and ("Bias" in slide.body) == (title != "Bias")


def test_what_stores_an_answer_can_wait_and_nothing_follows_it_on_its_slide():
    slides_ = made(text("## One\n\n- a"), code("one()", "slide:answer", says="1"), code("two()", says="2"))
    assert [("fragment" in s.body, "2</pre>" in s.body) for s in slides_[1:]] == [
        (True, False),
        (False, True),
    ]


def test_a_slide_without_notes_has_those_before_it():
    cells = text("## One\n\nWhy.\n\nSo.\n\n- a"), code("one()", "slide:answer", says="1"), code("b", says="2")
    *_, last = made(*cells, text("## Two"))
    assert "Why." in last.notes


def test_streams_of_a_cell_share_a_box_and_keep_their_columns():
    two = [nbformat.v4.new_output("stream", text=part) for part in ("   a  b\n", "1  2  3\n")]
    _, slide = made(text("## One"), ("code", "show()", [], two))
    assert slide.body == "<pre>   a  b\n1  2  3</pre>"


def test_of_a_long_caption_the_sentences_that_fit_are_shown_and_all_are_said():
    long = "It falls. " + "And then it goes on and on. " * 10
    assert seen.captioned("It falls.").body.count("It falls.") == 1 and not seen.captioned("It falls.").said
    one = seen.captioned(long.strip())
    words = plain(one.body)
    assert one.said == (long.strip(),) and long.startswith(words) and words.endswith("on and on.")
    assert seen.CAPTION - len("And then it goes on and on. ") < len(words) <= seen.CAPTION
    assert seen.captioned("And then it goes on and on, " * 10 + "on.").body == ""


def test_claims_are_not_shown():
    _, slide = made(text("## One\n\n- x"), code("assert 1", "claims", says="hm"))
    assert "hm" not in slide.body


def test_a_stored_error_is_refused_by_cell():
    failed = [nbformat.v4.new_output("error", ename="ZeroDivisionError", evalue="by zero", traceback=[])]
    with pytest.raises(ValueError, match=r"cell `b`: it stores an error \(ZeroDivisionError: by zero\)"):
        made(text("## One"), ("code", "1 / 0", [], failed))


def test_neighbours_share_a_slide_while_there_is_room():
    one, rest = code("a", says="1\n2"), [code("b", says="\n".join("34567890123456"))] * 2
    assert len(made(text("## One\n\n- x"), one)) == 2
    assert len(made(text("## One\n\n- x"), one, *rest)) == 4


def test_an_exercise_shows_its_text_and_code_and_no_output():
    ask = text("## One\n\nFirst.\n\n### Do\n\nWrite it.\n\nWith care.")
    _, slide = made(ask, code("def f(): ...", "exercise:f", says="checked"))
    assert slide.title == "Do" and "Write it" in slide.body and "With care" in slide.body
    assert "checked" not in slide.body and "First" not in slide.body and "First." in slide.notes


# ---- what a finished deck must keep to


def deck_of(body):
    return f"<!doctype html><title>x</title>{body}"


@pytest.mark.parametrize(
    "body, said",
    [
        ('<img alt="" src="data:,">', "a picture without a text"),
        ('<script src="https://elsewhere.org/x.js"></script>', "it fetches https://elsewhere.org/x.js"),
        ('<img alt="x" src="x.png">', "it fetches x.png"),
        ("x" * slides.BYTES, "allowed: 5,000,000"),
    ],
)
def test_what_is_wrong_is_told(body, said):
    assert slides.problems(deck_of('<img alt="x" src="data:,">')) == []
    (told,) = slides.problems(deck_of(body))
    assert said in told


def test_a_run_is_kept_until_the_lesson_changes(tmp_path):
    path = tmp_path / "99_made_up.ipynb"
    draw = "from edgecl_lite.plots import figure, show\n\nshow(figure(width=3, height=2)[0], 'Nothing.')"
    nbformat.write(lesson_of(text("## One"), code(draw)), path)
    first = slides.executed(path, tmp_path / "run")
    assert size(first) == (600, 400) and "twice" not in [cell.id for cell in first.cells]
    before = (tmp_path / "run" / path.name).stat().st_mtime_ns
    nbformat.write(lesson_of(text("## Two"), code(draw)), path)
    again = slides.executed(path, tmp_path / "run")
    assert again.cells[1].source == "## Two" and size(again) == (600, 400)
    assert (tmp_path / "run" / path.name).stat().st_mtime_ns == before
    nbformat.write(lesson_of(text("## Two"), code(draw.replace("3", "2"))), path)
    assert size(slides.executed(path, tmp_path / "run")) == (400, 400)


def size(notebook):
    """(width, height) of the picture that the lesson's third cell stores."""
    return size_of(notebook.cells[2].outputs[0].data["image/png"])
