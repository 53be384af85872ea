"""The meter and its bars: every number is that of `budget`, `fits` and `estimate`, every control is seen."""

import html
import re
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from small import displayed
from torch import nn

import edgecl_lite
from edgecl_lite import (
    AGEM,
    EWC,
    DERpp,
    Finetune,
    LatentReplay,
    Replay,
    StreamingLDA,
    boards,
    budget,
    cnn,
    digits,
    estimate,
    fits,
    mlp,
    plots,
    split,
)
from edgecl_lite.device.budget import Budget
from edgecl_lite.device.rules import FLASH, RAM, RULES
from edgecl_lite.plots.house import number
from edgecl_lite.widgets import meter

STREAM = split(digits())
NET = mlp(STREAM, (100,))
METHODS = {
    "plain": Finetune(NET),
    "EWC": EWC(NET),
    "replay": Replay(NET, capacity=200),
    "latents": LatentReplay(NET, capacity=50, bits=4),
    "LDA": StreamingLDA(NET),
    "conv": Replay(cnn(STREAM, channels=(2, 4)), capacity=200),
}
NANO = boards()["nano-33-ble"]
PARTS = ["weights", "gradients", "optimiser", "activations", "the method's own", "too much"]


@pytest.fixture(scope="module")
def panel():
    return meter(METHODS, STREAM)


@pytest.fixture(autouse=True)
def at_start(request):
    """Each test that shares the panel finds its controls where they were at first."""
    if "panel" in request.fixturenames:
        start = dict(method="plain", board="nano-33-ble", optimizer="adam", weight_bytes=4)
        start |= dict(engine="eager", recompute=False)
        start |= dict(bits=8, batch_size=32, micro_batch=128, capacity=200)
        for name, value in start.items():
            request.getfixturevalue("panel").controls[name].value = value


def put(panel, **values):
    for name, value in values.items():
        panel.controls[name].value = value
    return panel


def text(widget):
    return html.unescape(re.sub(r"<[^>]*>", "", widget.value))


def bars_of(axes):
    """Of each row from the top: (place, width) in per cent of what is seen, and the words above."""
    axes.figure.canvas.draw()
    rows = []
    for words in sorted(axes.texts, key=lambda words: words.get_position()[1]):
        middle = words.get_position()[1] + 0.32
        patches = [p for p in axes.patches if abs(p.get_y() + p.get_height() / 2 - middle) < 1e-6]
        rows.append(([(p.get_x(), p.get_width()) for p in patches if p.get_visible()], words.get_text()))
    return rows


# ---- the bars


def drawn(budgets, board):
    fig, axes = plots.figure(1, 2)
    sentence = plots.memory(budgets, board, axes)
    return *(bars_of(ax) for ax in axes), sentence, axes


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("name", ["nano-33-ble", "stm32h743"])
def test_bars_add_up_to_the_budget(method, name):
    b, has = budget(method, STREAM), boards()[name]
    ram, flash, sentence, _ = drawn(b, name)
    for [(bars, words)], need, there in ((ram, b.ram, has.usable), (flash, b.flash, has.flash)):
        assert need <= there
        ends = np.cumsum([width for _, width in bars])
        assert np.allclose([left for left, _ in bars], [0, *ends[:-1]])  # one beside the other, from 0
        assert np.isclose(ends[-1], 100 * need / there) and "too much" not in words
        assert words in sentence and words.startswith(f"{type(method).__name__}: ")
    assert has.title in sentence and sentence.count(".") == len(re.findall(r"\d\.\d", sentence)) + 1


def test_each_part_is_its_lines():
    b = budget(METHODS["EWC"], STREAM, batch_size=16)
    ram, flash, sentence, axes = drawn(b, NANO)
    lines = {what: n for what, n, where in b.lines if where == RAM}
    want = [next(n for what, n in lines.items() if what.startswith(part)) for part in PARTS[:4]]
    want.append(lines["force of the springs"])
    assert np.allclose([width for _, width in ram[0][0]], 100 * np.array(want) / NANO.usable)
    kept = {what: n for what, n, where in b.lines if where == FLASH}
    want = [kept.pop("weights"), sum(kept.values())]
    assert np.allclose([width for _, width in flash[0][0]], 100 * np.array(want) / NANO.flash)
    assert "the method's own 29.3 KB" in sentence and "the method's own 58.7 KB" in sentence
    assert [t.get_text() for t in axes[0].figure.legends[0].get_texts()] == PARTS


def test_no_part_is_known_by_its_colour_alone():
    _, _, _, axes = drawn(budget(METHODS["EWC"], STREAM), NANO)
    faces = [patch.get_facecolor() for patch in axes[0].patches]
    hatches = [patch.get_hatch() for patch in axes[0].patches]
    assert len(set(faces)) == len(set(hatches)) == len(PARTS)


def test_what_is_too_much_is_hatched_and_said():
    b = budget(METHODS["replay"], STREAM, batch_size=64)
    verdict = fits(b, NANO)
    assert not verdict and list(verdict.short) == ["RAM"]
    ram, flash, sentence, _ = drawn(b, NANO)
    [(*bars, over)], words = [ram[0][0]], ram[0][1]
    assert over == pytest.approx((100, 100 * verdict.short["RAM"] / NANO.usable))
    assert np.isclose(sum(width for _, width in bars), 100 * b.ram / NANO.usable)
    assert f"{verdict.short['RAM'] / 1024:.1f} KB too much" in words and words in sentence
    assert "too much" not in flash[0][1]


def test_ram_outside_the_chip_is_said_and_not_crossed_out():
    b = budget(METHODS["replay"], STREAM, batch_size=64)
    there = replace(NANO, external=2**20)
    assert fits(b, there).place == "outside"
    [(bars, words)], _, sentence, _ = drawn(b, there)
    assert np.isclose(sum(width for _, width in bars), 100 * b.ram / NANO.usable), "the line is the chip's"
    assert all(left != 100 for left, _ in bars) and "too much" not in words and words in sentence
    assert words.endswith(f"{(b.ram - NANO.usable) / 1024:.1f} KB of it outside the chip")
    few = budget(METHODS["plain"], STREAM)
    assert drawn(few, replace(NANO, block=few.ram - 1))[0][0][1].endswith(" RAM in banks")
    assert drawn(few, replace(NANO, block=few.ram))[0][0][1].endswith(" RAM")


def test_bars_are_cut_off_where_the_picture_ends():
    ram, _, sentence, axes = drawn(budget(METHODS["replay"], STREAM, batch_size=1024), NANO)
    bars = ram[0][0]
    assert (
        max(left + width for left, width in bars) == pytest.approx(axes[0].get_xlim()[1])
        and bars[-1][0] == 100
    )
    assert all(width > 0 for _, width in bars) and "too much" in sentence


def test_several_budgets_have_a_bar_each():
    budgets = {name: budget(METHODS[name], STREAM, batch_size=64) for name in ("LDA", "EWC", "replay")}
    ram, flash, sentence, _ = drawn(budgets, NANO)
    for rows, where in ((ram, "RAM"), (flash, "flash")):
        assert [words.partition(":")[0] for _, words in rows] == list(budgets)
        for (bars, words), b in zip(rows, budgets.values(), strict=True):
            need, there = (b.ram, NANO.usable) if where == "RAM" else (b.flash, NANO.flash)
            assert np.isclose(sum(w for left, w in bars if left != 100), 100 * need / there)
            assert words in sentence and (where in fits(b, NANO).short) == ("too much" in words)


def test_a_board_without_memory_is_drawn():
    _, _, sentence, _ = drawn(budget(METHODS["plain"], STREAM), replace(NANO, reserved=NANO.ram, flash=0))
    assert sentence.count("too much") == 2 and "of 0 B RAM" in sentence


def test_an_unknown_board_is_refused():
    with pytest.raises(ValueError, match="nano-33-ble.*got 'none'"):
        plots.memory(budget(METHODS["plain"], STREAM), "none", plots.figure(1, 2)[1])


# ---- the meter


def shown(panel):
    """The budget that the controls ask for, made anew, without the panel."""
    values = {name: control.value for name, control in panel.controls.items()}
    method, board = METHODS[values.pop("method")], panel.boards[values.pop("board")]
    if "capacity" not in method.hyper:
        del values["capacity"], values["bits"]
    return budget(method, STREAM, **values), board


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    "others", [{}, dict(board="esp32-s3", batch_size=128, optimizer="sgd", weight_bytes=1)]
)
def test_numbers_are_those_of_budget_fits_and_estimate(panel, name, others):
    put(panel, method=name, capacity=640, bits=6, **others)
    b, board = shown(panel)
    assert b.lines == panel.verdict.budget.lines and panel.verdict.board == board
    words = str(fits(b, board))
    assert words == str(panel.verdict)
    kind = type(METHODS[name]).__name__
    assert text(panel.readout) == name + words.removeprefix(kind)  # the label that was chosen
    assert text(panel.sentence) == plots.MemoryBars(plots.figure(1, 2)[1]).set({"": fits(b, board)})
    told = text(panel.work)
    assert told.startswith("A model's estimate, no measurement: ")
    for flops in (sum(b.step.values()), b.need.sample, b.need.task):
        e = estimate(flops, board)
        cost = f"{number(e.seconds)} s and {number(e.energy_mj)} mJ for each"
        assert (cost in told and f"({flops:,} FLOPs)" in told) if flops else f"({flops} FLOPs)" not in told
    amounts = (b.ram, board.usable), (b.flash, board.flash)
    for ax, (need, there) in zip(panel.painter.fig.axes, amounts, strict=True):
        seen = [p for p in ax.patches if p.get_visible() and p.get_x() < 100]
        right = max(p.get_x() + p.get_width() for p in seen)
        assert np.isclose(right, min(100 * need / there, ax.get_xlim()[1]))


@pytest.mark.parametrize(
    "name",
    [
        *("method", "board", "optimizer", "weight_bytes", "bits"),
        *("engine", "recompute", "batch_size", "micro_batch", "capacity"),
    ],
)
def test_every_control_changes_the_picture_and_back(panel, name):
    method = "conv" if name == "recompute" else "replay"  # which has something to compute again
    put(panel, method=method, batch_size=128 if name == "micro_batch" else 32)
    control = panel.controls[name]
    first, before = control.value, (panel.painter.image.value, text(panel.sentence))
    seen = {before}
    for value in (option for option in control._options_values if option != first):
        control.value = value
        seen.add((panel.painter.image.value, text(panel.sentence)))
    tops = 4 if name == "capacity" else 0  # above what the stream brings a memory grows no more
    assert len({picture for picture, _ in seen}) >= len(control._options_values) - tops
    assert f"edgecl-{name}" in control._dom_classes
    control.value = first
    assert (panel.painter.image.value, text(panel.sentence)) == before  # the very same pixels


def test_choices_are_all_there(panel):
    options = {name: list(control._options_values) for name, control in panel.controls.items()}
    assert options["method"] == list(METHODS) and options["board"] == list(boards())
    assert options["optimizer"] == ["sgd", "momentum", "adam"] and options["weight_bytes"] == [4, 1]
    assert options["bits"] == [8, 7, 6, 4] and options["batch_size"] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert options["micro_batch"] == [1, 2, 4, 8, 16, 128] and options["batch_size"][-1] == 128
    assert panel.controls["micro_batch"].label == "whole"
    assert 200 in options["capacity"] and panel.controls["capacity"].value == 200


def test_what_a_method_lacks_is_hidden_in_its_place(panel):
    keep = {"replay", "latents", "conv"}
    for name in METHODS:
        put(panel, method=name)
        for control in (panel.controls["capacity"], panel.controls["bits"]):
            assert control.layout.visibility == ("visible" if name in keep else "hidden")
    put(panel, method="replay", capacity=80, bits=6)
    put(panel, method="plain")
    put(panel, method="latents")  # and it keeps its value
    assert panel.verdict.budget.hyper["capacity"] == 80 and panel.verdict.budget.bits == 6


def test_a_verdict_that_says_no_helps(panel):
    put(panel, method="replay", batch_size=128)
    assert not panel.verdict and 'role="status"' in panel.readout.value
    assert "does not fit Arduino Nano" in text(panel.readout) and "What would help: " in text(panel.readout)
    assert len(panel.verdict.changes) == 2 and all(
        change in text(panel.readout) for change in panel.verdict.changes
    )
    put(panel, optimizer="sgd", batch_size=1)
    assert panel.verdict and " fits Arduino Nano" in text(panel.readout)


def test_micro_batches_help_and_a_gem_has_none():
    panel = meter({"replay": Replay(cnn(STREAM)), "A-GEM": AGEM(cnn(STREAM))}, STREAM)
    assert not panel.verdict and "micro-batches of 4" in text(panel.readout)
    whole = panel.verdict.budget
    put(panel, micro_batch=4)
    assert panel.verdict and "fits Arduino Nano" in text(panel.readout)
    assert panel.verdict.budget.step == whole.step and panel.verdict.budget.batch_size == 32
    put(panel, method="A-GEM")
    assert panel.controls["micro_batch"].layout.visibility == "hidden"
    assert panel.verdict.budget.lines == budget(AGEM(cnn(STREAM)), STREAM).lines
    put(panel, method="replay")
    assert panel.controls["micro_batch"].layout.visibility == "visible" and panel.verdict


def test_an_engine_that_nobody_knows_of_is_not_offered():
    gelu = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.GELU(), nn.Linear(20, 10))
    panel = meter({"plain": Finetune(NET), "gelu": Finetune(gelu)}, STREAM)
    put(panel, engine="lean")
    assert panel.verdict.budget.lines == budget(Finetune(NET), STREAM, engine="lean").lines
    put(panel, method="gelu")
    assert panel.controls["engine"].layout.visibility == "hidden"
    assert panel.verdict.budget.lines == budget(Finetune(gelu), STREAM).lines


def test_recomputation_is_offered_where_there_is_something_to_compute_again(panel):
    for method, seen in (("replay", "hidden"), ("conv", "visible"), ("plain", "hidden")):
        put(panel, method=method, recompute=True)
        assert panel.controls["recompute"].layout.visibility == seen
        assert panel.verdict.budget.recompute == (seen == "visible")


def test_a_board_and_constants_of_ones_own():
    mine = replace(NANO, name="mine", title="My board", ram=10**6, reserved=0)
    panel = meter({"plain": Finetune(NET)}, STREAM, on=mine, efficiency=0.5)
    assert panel.controls["board"].value == "mine" and "fits My board" in text(panel.readout)
    e = estimate(sum(panel.verdict.budget.step.values()), mine, efficiency=0.5)
    assert f"{number(e.seconds)} s and {number(e.energy_mj)} mJ for each step" in text(panel.work)
    put(panel, board="nano-33-ble")
    assert "Arduino" in text(panel.readout)
    edited = meter(
        {"plain": Finetune(NET)}, STREAM, on=replace(NANO, ram=10**6)
    )  # takes the place of its name
    assert edited.verdict.board.ram == 10**6 and list(edited.boards) == list(boards())


def test_a_change_measures_nothing_and_lays_nothing_out(panel, monkeypatch):
    """What keeps a change quick, without a clock: no network is run, no figure is drawn anew."""

    def never(*_, **__):
        raise AssertionError("this takes far too long for a slider")

    monkeypatch.setattr(panel.painter.fig.canvas, "draw", never)
    monkeypatch.setattr(sys.modules["edgecl_lite.device.budget"], "measure", never)
    monkeypatch.setattr(plots, "figure", never)
    for name in METHODS:
        put(panel, method=name, batch_size=64, optimizer="sgd", bits=4)
        put(panel, engine="lean", recompute=True, micro_batch=8)
        put(panel, batch_size=32, optimizer="adam", bits=8)


def test_an_error_is_shown_and_raised(panel, monkeypatch):
    put(panel, method="replay")

    def broken(c):
        raise ValueError("expected <this>, got that")

    monkeypatch.setitem(RULES, Finetune, broken)
    with pytest.raises(ValueError, match="got that"):
        put(panel, method="plain")
    assert 'role="alert"' in panel.readout.value and "edgecl-readout" in panel.readout.value
    assert text(panel.readout) == "No verdict: ValueError: expected <this>, got that"
    monkeypatch.undo()
    put(panel, batch_size=16)
    assert "fits" in text(panel.readout) and 'role="status"' in panel.readout.value


def test_the_page_never_jumps(panel):
    picture = panel.painter.image.layout
    assert picture.width == "760px" and picture.height == "270px" and picture.flex == "0 0 auto"
    assert all(words.layout.min_height for words in (panel.readout, panel.sentence, panel.work))


def test_classes_fallback_and_name(panel):
    assert "edgecl-meter" in panel._dom_classes and "edgecl-memory" in panel.painter.image._dom_classes
    assert 'class="edgecl-readout"' in panel.readout.value and 'class="edgecl-work"' in panel.work.value
    assert displayed(panel)["text/plain"] == panel.fallback == repr(panel)
    assert "open this notebook" in panel.fallback
    assert edgecl_lite.meter is meter and isinstance(panel.verdict.budget, Budget)


def test_what_it_refuses():
    with pytest.raises(ValueError, match="methods must be a list of at least one"):
        meter({}, STREAM)
    with pytest.raises(ValueError, match="board must be one of nano-33-ble"):
        meter({"plain": Finetune(NET)}, STREAM, on="none")
    with pytest.raises(ValueError, match="efficiency"):
        meter({"plain": Finetune(NET)}, STREAM, efficiency=2)
    for methods in ([Finetune(NET)], Finetune(NET), None):
        with pytest.raises(TypeError, match="methods must be a dict {label: method}.*got"):
            meter(methods, STREAM)
    with pytest.raises(TypeError, match="must have a rule"):
        meter({"mine": type("Mine", (Finetune,), {})(NET)}, STREAM)


def test_methods_of_a_memory_but_no_bits_of_their_own_are_metered():
    panel = meter({"DER++": DERpp(NET, capacity=30)}, STREAM)
    assert panel.controls["capacity"].value == 30 and panel.verdict.budget.hyper["capacity"] == 30


def test_two_of_a_kind_are_told_apart():
    other = mlp(STREAM, (10,))
    panel = meter({"conv net with replay": Replay(NET), "<b> $x$ replay": Replay(other)}, STREAM)
    assert text(panel.readout).startswith(("conv net with replay fits", "conv net with replay does not fit"))
    put(panel, method="<b> $x$ replay")
    assert text(panel.readout).startswith("<b> $x$ replay ")


def test_bars_too_small_to_see_are_told_in_the_picture():
    much = replace(NANO, ram=512 * 2**20, reserved=0, flash=512 * 2**20)
    ram, flash, sentence, axes = drawn(budget(METHODS["plain"], STREAM), much)
    for [(_, words)] in (ram, flash):
        assert words.endswith(", too little to see") and words in sentence
    _, _, sentence, _ = drawn(budget(METHODS["plain"], STREAM), NANO)
    assert "too little" not in sentence


def test_labels_of_memory_bars_are_written_as_they_are():
    b = budget(METHODS["plain"], STREAM)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ram, _, sentence, axes = drawn({"$5_{ to 6$": b, "_x": b, "任务": b}, NANO)
    assert [words.partition(":")[0] for _, words in ram][:2] == ["$5_{ to 6$", "_x"]
    assert "任务: " in sentence and plots.png(axes[0].figure)
