"""The checks recognise what they say they recognise, and never raise whatever a learner hands in."""

import linecache
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from edgecl_lite import checks
from edgecl_lite.lessons.check import EXAM, Wrong, check, exercise, judge, same
from edgecl_lite.plots.marks import ROOM

checks.load()
GIVEN = dict(checks.exercises)  # those of the lessons


class Rude:
    """An answer that misbehaves however it is looked at."""

    def __getattr__(self, name):
        raise SystemExit(f"no {name} for you")

    def __eq__(self, other):
        raise RuntimeError("incomparable")

    def __repr__(self):
        raise ValueError("unprintable")

    __hash__ = None


def raises(*args, **options):
    raise KeyboardInterrupt


GARBAGE = [
    0,
    -1.5,
    float("nan"),
    "",
    "λ",
    b"x",
    [],
    {},
    (),
    set(),
    [1, [2, 3]],
    {"a": 1},
    True,
    object,
    object(),
    Rude(),
]
GARBAGE += [
    int,
    len,
    print,
    raises,
    lambda: 1,
    lambda *a, **k: Rude(),
    lambda *a, **k: a,
    lambda *a, **k: 1 / 0,
    iter(()),
]
GARBAGE += [
    np.zeros(3),
    np.full((2, 2), np.nan),
    np.array(["a"]),
    torch.zeros(2, requires_grad=True),
    torch.nn.Linear(2, 2),
]
EMPTY = [None, ..., (None, None)]


def unwritten(*args, **options):
    raise NotImplementedError


@pytest.fixture
def area():
    """An exercise of this test alone: the mean of squares of two numbers."""
    task = exercise(
        "test: mean square",
        right=lambda x: (x**2).mean(),
        probe=lambda answer: answer(np.array([1.0, 3.0])),
        wrong=[
            Wrong(
                "square of the mean", lambda x: x.mean() ** 2, "Which comes first, the square or the mean?"
            ),
            Wrong("forgot the mean", lambda x: (x**2).sum(), "How many samples are there?"),
        ],
        praise="Jensen would agree.",
    )
    yield task
    del checks.exercises[task.name]


@pytest.mark.parametrize("name", GIVEN)
def test_right_answer_is_right(name):
    assert judge(name, GIVEN[name].right).status == "right"


@pytest.mark.parametrize(
    "name, wrong",
    [(n, w) for n, e in GIVEN.items() for w in e.wrong],
    ids=lambda v: str(getattr(v, "name", v)),
)
def test_misconception_is_recognised(name, wrong):
    verdict = judge(name, wrong.answer)
    assert (verdict.status, verdict.misconception) == ("misconception", wrong.name)
    assert wrong.hint and wrong.hint in verdict.text


@pytest.mark.parametrize("name", GIVEN)
def test_a_name_says_one_thing_and_says_it_in_words(name):
    """In a table of marks a teacher sees the name alone, in its map the beginning."""
    hints = {}
    for wrong in GIVEN[name].wrong:
        assert re.search("[a-zε√δ]{2}", wrong.name), f"{wrong.name!r} is letters alone"
        assert hints.setdefault(wrong.name, wrong.hint) == wrong.hint, f"two mistakes are {wrong.name!r}"
    assert len({known[: ROOM - 1] for known in hints}) == len(hints)


@pytest.mark.parametrize("name", GIVEN)
def test_empty_and_garbage(name):
    for empty in EMPTY:
        assert judge(name, empty).status == "not attempted"
    if GIVEN[name].probe:
        assert judge(name, unwritten).status == "not attempted"
    for answer in GARBAGE:
        assert judge(name, answer).status in checks.COLOURS


def test_four_verdicts(area, capsys):
    assert check(area.name, lambda x: (x @ x) / len(x)).text == "Right. Jensen would agree."
    verdict = check(area.name, lambda x: np.mean(x) ** 2)
    assert verdict.misconception == "square of the mean" and "Which comes first" in verdict.text
    assert check(area.name, lambda x: 7.0).text == "Not right yet: expected 5; got 7."
    assert check(area.name).status == "not attempted"
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["Right.", "Not", "Not", "Not"]


@pytest.mark.parametrize("empty", [*EMPTY, lambda x: None, lambda x: ..., lambda x: (None, None), unwritten])
def test_not_attempted(area, empty):
    verdict = judge(area.name, empty)
    assert verdict.status == "not attempted" and verdict.text.startswith("Not attempted yet")


def test_never_raises(area):
    for answer in GARBAGE:
        verdict = judge(area.name, answer)
        assert verdict.text.startswith("Not right yet"), verdict
        assert " at 0x" not in verdict.text


def test_error_is_quoted_with_its_line(area):
    def answer(x):
        return x.nonsense

    text = judge(area.name, answer).text
    assert "AttributeError" in text and "`return x.nonsense`" in text


@pytest.mark.parametrize("file", ["/tmp/ipykernel_12/345.py", "/tmp/ipython-input-345.py"])  # Jupyter, Colab
def test_error_in_a_cell_is_quoted_with_its_line(area, file, monkeypatch):
    source = "class Answer:\n    def __call__(self, x):\n        return x.nonsense\n"
    monkeypatch.setitem(linecache.cache, file, (len(source), None, source.splitlines(True), file))
    exec(compile(source, file, "exec"), names := {})
    assert "`return x.nonsense`" in judge(area.name, names["Answer"]()).text


def test_unknown_name_lists_the_known(area):
    for name in ("nonsense", None, 3, [], Rude()):
        assert judge(name, 1).status == "wrong"
    assert area.name in judge("nonsense", 1).text


def test_names_differ(area):
    with pytest.raises(ValueError, match="mean square"):
        exercise(area.name, 1)


def test_same():
    assert same(torch.tensor([1.0, 2.0]), [1, 2]) and same(np.float32(0.1), 0.1) and same("a", "a")
    assert same({"w": np.ones(2)}, {"w": torch.ones(2)}) and same((1, np.ones(3)), (1, [1, 1, 1]))
    assert not same([1, 2], [[1], [2]]) and not same(1, "1") and not same(np.nan, 1.0) and not same("a", 0)
    assert not same(1.1e-6, 1e-6) and not same({"a": 1}, {"b": 1}) and not same((1, [2]), (1, [2, 3]))
    assert same([-np.inf, 1.0], [-np.inf, 1.0]) and not same([-np.inf, 1.0], [2.0, 1.0])


def test_code_is_set_as_code(area, monkeypatch, capsys):
    verdict = judge(area.name, lambda x: None)
    verdict.show()
    assert "is there a `return`?" in capsys.readouterr().out
    sent = []
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=True))
    monkeypatch.setattr("IPython.display.display", lambda data, **options: sent.append(data))
    verdict.show()
    checks.Verdict("wrong", "the line `x < <b>`").show()
    assert "is there a <code>return</code>?" in sent[0]["text/html"] and "`return`" in sent[0]["text/plain"]
    assert "<code>x &lt; &lt;b&gt;</code>" in sent[1]["text/html"]


def test_shown_once_in_a_notebook(area):
    assert judge(area.name)._ipython_display_() is None
    assert repr(judge(area.name)) == judge(area.name).text


def test_a_right_answer_is_used_and_else_the_model_answer(monkeypatch):
    mine = lambda new, old, k: old + (new - old) / k
    assert check("weights", mine).use is mine
    for answer in (..., lambda new, old, k: (new + old) / 2, Rude(), raises):
        assert check("weights", answer).use is checks.exercises["weights"].right
    with pytest.raises(LookupError, match="no answer to use: .*no exercise named 'nothing'"):
        check("nothing", mine).use  # noqa: B018
    with pytest.raises(LookupError, match="no answer to use"):
        check(Rude(), mine).use  # noqa: B018


@pytest.mark.parametrize("exam, given_away", [("1", False), ("yes", False), ("0", True), ("", True)])
def test_in_an_exam_no_model_answer_is_given_away(monkeypatch, exam, given_away):
    monkeypatch.setenv("EDGECL_EXAM", exam)
    mine = lambda new, old, k: old + (new - old) / k
    assert check("weights", mine).use is mine
    verdict = check("weights", ...)
    if given_away:
        assert verdict.use is checks.exercises["weights"].right
    else:
        with pytest.raises(RuntimeError, match="this is an exam: .*'weights' is not right yet.*Go back"):
            verdict.use  # noqa: B018


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_in_an_exam_what_is_right_gets_no_more_words(monkeypatch, name):
    task = GIVEN[name]
    assert judge(name, task.right).text == f"Right. {task.praise}".strip()
    monkeypatch.setenv("EDGECL_EXAM", "1")
    assert judge(name, task.right).text == "Right."
    for wrong in task.wrong:
        assert judge(name, wrong.answer).text == f"Not right yet. {EXAM}"
