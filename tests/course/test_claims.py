"""`make claims` itself: seeds are shifted once, every assert is tried, what is stored is told apart."""

import ast

import claims
import nbformat
import pytest

SOURCES = {
    "setup": """
import torch
from edgecl_lite import Finetune, digits, live, mlp, rotated, stored, train

stream = rotated(digits(), (0, 60))
method, options = Finetune(mlp(stream, (4,))), dict(steps=1, progress=False)
""",
    "training": """
count = train(method, stream, seeds=2, **options)
listed = train(method, stream, seeds=[3, 5], **options)
unsaid = train(method, stream, **options)
panel = live(method, stream, seeds=2, steps=1).run_blocking()
mine = torch.rand(3, generator=torch.Generator().manual_seed(0))
""",
    "claims": """
assert count.seeds == [0, 1], "in vain"
assert [run.seeds for run in (count, listed, unsaid, panel)] == [[7, 8], [10, 12], [7], [7, 8]]
assert torch.equal(count.params["1.weight"], panel.params["1.weight"])
assert torch.equal(mine, torch.rand(3, generator=torch.Generator().manual_seed(0)))
after = "reached"
""",
    "loaded": "kept = stored('ewc')\nassert kept == 1 or True\nassert after == 'reached'",
    "called": "torch.testing.assert_close(torch.zeros(1), torch.ones(1))",
    "wrong": "1 / 0",
}


def lesson(*names):
    cells = [nbformat.v4.new_code_cell(SOURCES[name], id=name) for name in names]
    return nbformat.v4.new_notebook(cells=cells)


def test_a_shifted_lesson_tries_every_claim():
    found = claims.try_claims(lesson(*SOURCES), by=7)
    assert len(found.tried) == 6
    first, second, *rest = sorted(found.fell)
    assert first[0] == "called" and "not close" in first[1]
    assert second == ("claims", "count.seeds == [0, 1], 'in vain'") and not rest
    assert found.stored == [("loaded", "kept == 1 or True")]
    assert found.errors == [("wrong", "ZeroDivisionError: division by zero")]


def test_threads_stay_as_asked_for():
    source = "import torch, edgecl_lite as cl\ncl.setup()\nassert torch.get_num_threads() == 2"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="threads")])
    assert claims.try_claims(notebook, by=0, threads=2).fell == []
    assert claims.try_claims(notebook, by=0).fell == [("threads", "torch.get_num_threads() == 2")]


def test_own_dice_are_shifted_and_comparisons_kept():
    cell = nbformat.v4.new_code_cell(
        "initial(net, seed)\ng.manual_seed(0)\ndefault_rng()\nfrom x import initial"
    )
    trial, tried, _ = claims.shifted(nbformat.v4.new_notebook(cells=[cell]), 100)
    assert trial.cells[0].source.splitlines() == [
        *("initial(net, seed + 100)", "g.manual_seed(0 + 100)", "default_rng()", "from x import initial")
    ]
    assert tried == [] and cell.source.startswith("initial(net, seed)\n"), "the lesson itself stays as it is"


@pytest.mark.parametrize(
    "source, rests",
    [
        ("kept = stored('a')\nassert kept", True),
        ("kept = cl.stored('a')\nbest = {}\nbest['x'] = kept['x']\nassert best", True),
        ("for row in stored('a'):\n    top = row[0]\nassert top", True),
        ("def top():\n    return stored('a')[0]\nassert top() > 1", True),
        ("a, (b, *c) = stored('a')\nassert c", True),
        ("kept = stored('a')\nkept = 3\nassert kept", False),
        ("def other(x):\n    x = stored('a')\nx = 3\nassert x", False),
        ("x = stored('a')\ndef free(x):\n    return x\nassert free(3)", False),
        ("stored = packed(mask, 1)\nassert stored.numel() == 3", False),
    ],
)
def test_what_rests_on_stored_results(source, rests):
    assert bool(claims.resting_on_stored([("cell", ast.parse(source))])) is rests


@pytest.mark.parametrize("errors, code", [([], 0), ([("wrong", "ValueError: no")], 1)])
def test_only_other_errors_end_it_with_an_exit_code(errors, code, monkeypatch, capsys):
    asked = []
    found = claims.Claims([("cell", "a > b")], [("cell", "a > b")], [], errors)
    monkeypatch.setattr(claims, "try_claims", lambda notebook, by, _: asked.append(by) or found)
    monkeypatch.setenv("EDGECL_SEEDS", "+300")
    monkeypatch.setattr(claims.sys, "argv", ["claims.py", "00"])
    with pytest.raises(SystemExit) as ended:
        claims.main()
    said = capsys.readouterr().out
    assert ended.value.code == code and asked == [300]
    assert "00_start_here, seeds +300: 1 claims, 1 fell" in said and "fell: cell: a > b" in said
    monkeypatch.delenv("EDGECL_SEEDS")
    with pytest.raises(SystemExit):
        claims.main()
    assert asked == [300, 100, 200, 1000]
