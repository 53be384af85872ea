"""Plots against hand-made data: sentences say what the data say, what was lost is never a result."""

import io
import os
import re
import subprocess
import sys
import warnings
from types import SimpleNamespace

import matplotlib
import matplotlib.style
import numpy as np
import pytest
import torch
from PIL import Image

from edgecl_lite import metrics, plots
from edgecl_lite.plots import names as names_module
from edgecl_lite.plots.lines import KNOWN

LAM = [0, 0.1, 10.0, 1e5]


def hand_made(seeds=3, grid=None, lost=False, reached=2):
    """Two tasks, four points each. Task 0 is learned to 0.9 and falls to 0.5 (+ 0.1 for each step in λ)."""
    grid = {"lam": LAM} if grid is None else grid
    values = len(LAM) if grid else 1
    a = np.array([0.5, 0.7, 0.8, 0.85, 0.9, 0.8, 0.7, 0.6, 0.5])
    b = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.7, 0.8, 0.9, 1.0])
    curve = np.stack([a, b], -1) + np.zeros((values, seeds, 1, 1))
    curve[..., 5:, 0] += 0.1 * np.arange(values)[:, None, None]
    curve[..., 0] += 0.04 * (np.arange(seeds) - (seeds - 1) / 2)[:, None]
    if lost:
        curve[-1, 0, 3:] = np.nan
    accuracy = curve[..., [4, 8], :].copy()
    if lost:
        accuracy[-1, 0] = np.nan
    points = 9 if reached == 2 else 3
    shape = () if not grid else (values,)
    return SimpleNamespace(
        method="EWC",
        grid=grid,
        seeds=list(range(seeds)),
        scenario="domain",
        names=["0°", "30°"],
        step=np.arange(9)[:points] * 11,
        task=np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])[:points],
        curve=curve[:, :, :points].reshape(*shape, seeds, points, 2),
        accuracy=accuracy.reshape(*shape, seeds, 2, 2),
        lost={9: "λ = 1e5, seed 0: not finite at step 33; lr·λ·max F = 37 is above 2"} if lost else {},
        ended=np.isin(np.arange(points), [4, 8]),
        stopped=reached < 2,
    )


@pytest.fixture
def ax():
    return plots.figure()[1]


def drawn(ax):
    """Every number on the axes that is drawn in data coordinates."""
    lines = [
        y for line in ax.lines for y in np.ravel(line.get_ydata()) if line.get_transform() == ax.transData
    ]
    return np.array(lines, float)


def test_curves_say_what_happened(ax):
    assert plots.curves(hand_made(), ax, 0) == (
        "EWC (λ = 0, mean of 3 seeds): accuracy on 0° goes from 90 % to 50 % between just having learned it "
        "and the end; on 30°, learned last, it is 100 %."
    )
    assert "λ = 10" in plots.curves(hand_made(), ax, (2,)) and "to 70 %" in plots.curves(
        hand_made(), ax, (2,)
    )


def test_curves_have_means_bands_and_markers(ax):
    run = hand_made()
    artists = plots.Curves(ax, run.names, plots.edges_of(run))
    artists.set(run.step, plots.cell_of(run, 0))
    (_, first, band), (before, second, _) = artists.tasks
    assert np.allclose(first.get_ydata(), run.curve[0, :, :, 0].mean(0))
    edge = band.get_xy()
    assert np.isclose(edge[:, 1].min(), 0.5 - 0.04)  # one standard deviation below the mean
    assert np.isclose(np.ptp(edge[edge[:, 0] == 0, 1]), 0.08)
    assert list(second.get_xdata()) == [44, 55, 66, 77, 88]  # bold from where its training begins
    assert list(before.get_xdata()) == [0, 11, 22, 33, 44] and before.get_linestyle() == ":"
    assert len({line.get_marker() for line in (first, second)}) == 2
    assert list(first.get_xdata()[first.get_markevery()]) == [44, 88]  # the cells of R
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"0°", "30°"}


def test_one_seed_has_no_band(ax):
    run = hand_made(seeds=1, grid={})
    artists = plots.Curves(ax, run.names, plots.edges_of(run))
    artists.set(run.step, plots.cell_of(run))
    assert artists.tasks[0][2].get_extents().height < 100  # of 320 pixels: the line itself, with no width
    assert "one seed" in plots.curves(run, ax)


def test_stopped_run_is_drawn_as_far_as_it_came(ax):
    run = hand_made(grid={}, reached=1)
    assert plots.curves(run, ax) == "EWC (mean of 3 seeds): accuracy on 0° is 80 %."
    assert ax.get_xlim() == (0, 22)
    ax.figure.canvas.draw()


def test_cell_must_fit_the_grid(ax):
    with pytest.raises(ValueError, match=r"lam \(4 values\)"):
        plots.curves(hand_made(), ax)


def test_lost_lane_is_no_result(ax):
    text = plots.curves(hand_made(lost=True), ax, 3)
    assert "1 of 3 seeds lost" in text and "no result" in text
    assert np.nanmax(drawn(ax)) <= 1 and np.isnan(drawn(ax)).any()
    sweep = plots.figure()[1]
    text = plots.sweep_curve(hand_made(lost=True), sweep)
    assert "Lost in training: λ = 1e5." in text and "best at λ = 10, 85 %" in text
    (cross,) = (line for line in sweep.lines if line.get_label() == "lost")
    assert list(cross.get_xdata()) == [1e5] and cross.get_marker() == "x"
    assert "lost" in [t.get_text() for t in sweep.texts]
    assert not np.isclose(drawn(sweep), 0.9).any()  # what the surviving seeds would have shown


def test_sweep_sentence_band_and_place_of_zero(ax):
    run = hand_made()
    text = plots.sweep_curve(run, ax)
    assert text == "The average accuracy is best at λ = 1e5, 90 % (sd 2); it is 75 % at λ = 0."
    assert np.allclose(plots.along(run), metrics.average_accuracy(run.accuracy))
    assert ax.get_xscale() == "symlog"
    ax.figure.canvas.draw()
    labels = [t.get_text() for t in ax.get_xticklabels()]
    assert labels[:3] == ["0", "0.1", "1"] and "1e5" in labels
    assert len(ax.collections[0].get_paths()) == 1  # the band
    assert "forgetting is best at λ = 1e5" in plots.sweep_curve(
        run, plots.figure()[1], metric=metrics.forgetting
    )


def test_all_lost_and_stopped_sweeps(ax):
    run = hand_made()
    run.accuracy[:] = np.nan
    assert plots.sweep_curve(run, ax).startswith("There is no average accuracy to show.")
    with pytest.raises(ValueError, match="stopped at step 22"):
        plots.sweep_curve(hand_made(reached=1), ax)
    with pytest.raises(ValueError, match=r"\['lam'\].*'gamma'"):
        plots.sweep_curve(run, ax, over="gamma")


def test_a_narrow_or_unsorted_range(ax):
    run = hand_made(grid={"gamma": [0.9, 0.5, 1.0, 0.7]})
    assert "best at γ = 0.7, 90 %" in plots.sweep_curve(run, ax, "gamma") and ax.get_xscale() == "linear"
    assert list(ax.lines[0].get_xdata()) == [0.5, 0.7, 0.9, 1.0]


def test_matrix(ax):
    R = [[0.9, 0.1], [0.5, 1.0]]
    assert plots.matrix(R, ax, ["0°", "30°"]) == (
        "The accuracy matrix R: just after learning a task (the diagonal) accuracy averages 95 %, "
        "after the last task (the last row) 75 %, lowest on 0° with 50 %."
    )
    assert [t.get_text() for t in ax.texts] == ["90", "10", "50", "100"]
    lit = plots.figure()[1]
    assert "2 of 4 cells lit, mean 75 %" in plots.matrix([R, R], lit, lit=[[False, False], [True, True]])
    assert len(lit.patches) == 2
    assert "filled for 1 of 2" in plots.matrix([[0.9, 0.1], [np.nan] * 2], plots.figure()[1])


def test_confusion_and_misread(ax):
    y, said = [0, 0, 0, 1], [0, 1, 1, 1]
    text = plots.confusion(y, said, ("zero", "one"), ax)
    assert text == "50 % of 4 test images are answered correctly; most often zero is read as one (2 times)."
    assert [t.get_text() for t in ax.texts] == ["33", "67", "100"]
    x = np.random.default_rng(0).random((4, 1, 8, 8))
    strip = plots.figure()[1]
    assert plots.misread(x, y, said, ("zero", "one"), strip) == "2 of 2 misread images: zero read as one."
    assert [t.get_text() for t in strip.texts] == ["zero → one", "zero → one"]
    assert plots.misread(x, y, y, ("zero", "one"), plots.figure()[1]) == "No image is misread."
    silent = plots.confusion([0, 1], [0, 255], ("a", "b"), plots.figure()[1])
    assert silent == "100 % of 1 test images are answered correctly, 1 without an answer."
    none = plots.confusion([0, 1], [255, 255], ("a", "b"), plots.figure()[1])
    assert none == "None of 2 test images gets an answer."


def test_walls_and_strips(ax):
    x = torch.rand(5, 1, 8, 8)
    assert plots.wall(x, ax, titles="abcde", columns=3) == "5 images titled a, b, c, d and e."
    assert plots.wall(torch.rand(2, 1, 28, 28), plots.figure()[1]) == "2 images."
    y = torch.tensor([0, 1, 0, 1, 0])
    stream = [SimpleNamespace(name=n, train=(x, y), classes=(0, 1)) for n in ("first", "second")]
    assert plots.strip(stream, plots.figure()[1], per_task=3) == (
        "3 training images of each of 2 tasks: first and second."
    )


def test_pictures_are_small_and_in_house_style():
    with matplotlib.rc_context({"font.size": 30, "axes.grid": False, "axes.spines.top": True}):
        fig, ax = plots.figure()
        plots.curves(hand_made(), ax, 0)
        data = plots.png(fig)
    assert len(data) < 60_000 and Image.open(io.BytesIO(data)).size == (750, 320)
    assert ax.xaxis.label.get_size() == 10.5 and not ax.spines["top"].get_visible()


def test_style_is_only_set_when_asked():
    with matplotlib.rc_context():
        before = matplotlib.rcParams["font.size"]
        plots.figure()
        assert matplotlib.rcParams["font.size"] == before
        plots.style(), plots.style()
        assert matplotlib.rcParams["font.size"] == plots.house.STYLE["font.size"]


def test_show_sends_alternative_text(monkeypatch, capsys):
    fig, ax = plots.figure()
    sentence = plots.matrix(np.eye(2), ax)
    plots.show(fig, sentence)  # no kernel: the sentence is all there is
    assert capsys.readouterr().out == sentence + "\n"
    sent = []
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=True))
    monkeypatch.setattr("IPython.display.display", lambda data, **options: sent.append((data, options)))
    plots.show(fig, sentence)
    (data, options), (caption, _) = sent
    assert sentence in caption["text/html"] and "image/png" not in caption
    assert options["metadata"] == {"image/png": {"alt": sentence}} and data["text/plain"] == sentence
    assert data["image/png"].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "value, text",
    [
        (0, "0"),
        (0.1, "0.1"),
        (63.0957, "63.1"),
        (-0.0, "0"),
        (1000, "1000"),
        (1e4, "1e4"),
        (51200, "51200"),
        (1e6, "1e6"),
    ]
    + [(np.float64(2.5e-7), "2.5e-7"), (-3, "-3"), ("exact", "exact"), (True, "True"), (float("inf"), "inf")],
)
def test_number(value, text):
    assert plots.number(value) == text


def test_no_pyplot():
    code = "import edgecl_lite.plots, edgecl_lite.widgets, sys; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_tie_is_told_whatever_the_last_digit_says():
    for last in ([0.941, 0.9422, 0.9405, 0.959], [0.9405, 0.941, 0.9422, 0.959]):
        R = np.vstack([np.eye(4)[:3], last])
        text = plots.matrix(R, plots.figure()[1], ["a", "b", "c", "d"])
        assert text.endswith("lowest on a, b and c with 94 % (a tie within half a point).")
    clear = plots.matrix([[1, 0], [0.9351, 0.9405]], plots.figure()[1], ["a", "b"])
    assert clear.endswith("lowest on a with 94 %.")  # printed alike, yet more than half a point apart


def test_a_tie_along_a_sweep_is_told_and_ringed(ax):
    run = hand_made()
    run.accuracy[2] = run.accuracy[3] - 0.003
    text = plots.sweep_curve(run, ax)
    tie = "(a tie within half a point)"
    want = f"The average accuracy is best at λ = 10 and λ = 1e5, 90 % (sd 2) {tie}; it is 75 % at λ = 0."
    assert text == want
    assert [10.0, 1e5] in [list(line.get_xdata()) for line in ax.lines]
    assert "λ = 1e5: 90 %, a tie" in [t.get_text() for t in ax.texts]
    losses = plots.sweep_curve(run, plots.figure()[1], metric=metrics.forgetting)
    assert "forgetting is best at λ = 10 and λ = 1e5" in losses and tie in losses


def test_answers_that_are_confused_equally_often_are_all_named(ax):
    said = plots.confusion([0, 0, 1, 1, 2], [1, 0, 2, 1, 2], "abc", ax)
    assert said.endswith("most often a is read as b and b as c (once each).")
    said = plots.confusion([0, 0, 1, 1, 1, 1], [1, 1, 2, 2, 0, 1], ["{}", "{0}", "c"], plots.figure()[1])
    assert said.endswith("most often {} is read as {0} and {0} as c (2 times each).")


# ---- streams outside the usual


def green(channels=3, height=8, width=8):
    x = torch.zeros(4, channels, height, width)
    x[:, 1 % channels] = 1
    return x, torch.tensor([0, 1, 0, 1])


def test_colour_is_drawn_in_colour():
    x, y = green()
    task = SimpleNamespace(name="green", train=(x, y), classes=(0, 1))
    pictures = (
        lambda ax: plots.wall(x, ax),
        lambda ax: plots.strip([task], ax),
        lambda ax: plots.misread(x, y, 1 - y, "ab", ax),
    )
    for draw in pictures:
        ax = plots.figure()[1]
        draw(ax)
        sheet = ax.images[0].get_array()
        assert sheet.shape[-1] == 3 and {tuple(c) for c in sheet.reshape(-1, 3)} == {(0, 1, 0), (1, 1, 1)}


@pytest.mark.parametrize("channels, ink", [(1, 1), (2, 0.5), (4, 0.25), (13, 1 / 13)])
def test_other_numbers_of_channels_are_drawn_as_their_mean_and_told(ax, channels, ink):
    x, y = green(channels)
    text = plots.wall(x, ax)
    assert np.isclose(ax.images[0].get_array().max(), ink)
    told = f"4 images; the mean of their {channels} channels is drawn."
    assert text == (told if channels > 1 else "4 images.")
    assert ("mean of" in plots.misread(x, y, 1 - y, "ab", plots.figure()[1])) == (channels > 1)


# ---- windows of sensors


def windows(n=4, channels=6, readings=32):
    """Samples whose every reading says where it is: window, channel, time."""
    parts = [torch.arange(size) / size for size in (n, channels, readings)]
    x = sum(part.view([-1 if i == axis else 1 for i in range(3)]) for axis, part in enumerate(parts)) / 3
    return x.view(n, channels, 1, readings), torch.arange(n) % 2


def lines_of(ax, channels):
    """[(n, readings, 2)] of each channel's lines; there is no image, and lines have colours of their own."""
    assert not ax.images and len(lines := ax.collections[:channels]) == channels
    looks = [(*line.get_colors()[0], str(line.get_linestyle())) for line in lines]
    assert len(set(looks)) == channels
    assert all(line.get_linewidth()[0] <= 1 for line in lines)
    return np.array([line.get_segments() for line in lines])


@pytest.mark.parametrize("channels, readings", [(9, 128), (6, 32), (1, 4), (3, 1)])
def test_a_window_of_sensors_is_drawn_as_lines_at_one_scale(ax, channels, readings):
    x, _ = windows(4, channels, readings)
    note = f"; each window has a line for each of its {channels} channels" if channels > 1 else ""
    assert plots.wall(x, ax, columns=2) == f"4 windows{note}."
    lines, times = lines_of(ax, channels), max(2, readings)  # a single reading is a level
    assert lines.shape == (channels, 4, times, 2)
    for i, frame in enumerate(ax.patches):
        (left, top), high, wide = frame.get_xy(), frame.get_height(), frame.get_width()
        across = np.linspace(0, 1, times)
        assert np.allclose((lines[:, i, :, 0] - left) / wide, across)  # time from edge to edge
        assert np.allclose((top + high - lines[:, i, :, 1]) / high, x[i, :, 0])  # 0 is below, 1 is above
    assert wide == 2 * high and ax.get_ylim()[0] > ax.get_ylim()[1]
    low, high = sorted(ax.get_ylim())
    assert low <= lines[..., 1].min() and lines[..., 1].max() <= high
    assert 0 <= ax.get_xlim()[1] - lines[..., 0].max() < 1


def test_every_plot_of_samples_draws_windows_as_lines():
    x, y = windows(12)
    task = SimpleNamespace(name="watch", train=(x, y), classes=(0, 1))
    told = "; each window has a line for each of its 6 channels."
    pictures = {
        "2 training windows of each of 1 tasks: watch": lambda ax: plots.strip([task], ax, per_task=2),
        "8 of 12 misread windows: a read as b and b read as a": lambda ax: plots.misread(
            x, y, 1 - y, "ab", ax
        ),
        "12 windows, of 0 and 1": lambda ax: plots.shelves(x, y, ax, classes=2, width=4),
    }
    for (said, draw), count in zip(pictures.items(), (2, 8, 8)):
        fig, ax = plots.figure()
        assert draw(ax) == said + told
        lines = lines_of(ax, 6)
        assert lines.shape == (6, count, 32, 2)
        plots.png(fig)  # what is drawn later leaves the axes as they are
        assert lines[..., 1].min() >= ax.get_ylim()[1] and lines[..., 1].max() <= ax.get_ylim()[0]
    assert plots.misread(x, y, y, "ab", plots.figure()[1]) == "No window is misread."
    assert plots.wall(x[:0], plots.figure()[1]).startswith("0 windows")
    words = plots.confusion(y, 1 - y, "ab", plots.figure()[1], "window")
    assert words.startswith("0 % of 12 test windows are answered correctly")


def test_a_shelf_holds_its_own_windows(ax):
    x, y = windows(6)
    plots.shelves(x, y, ax, classes=2, width=2)
    lines = lines_of(ax, 6)
    for at, (row, shelf) in enumerate([(0, 0), (2, 0), (1, 1), (3, 1)]):
        down = lines[:, at, :, 1] - shelf * 18 - 0.5
        assert np.allclose(1 - down / 16, x[row, :, 0])


def test_what_is_no_image_is_refused(ax):
    with pytest.raises(ValueError, match=r"\(n, channels, height, width\), got shape \(4, 8, 8\)"):
        plots.wall(torch.zeros(4, 8, 8), ax)


def many(names, seeds=2):
    """A run of as many tasks as there are names, three points each: learned to 0.9, then forgotten."""
    n, points = len(names), 3 * len(names) + 1
    t, on = np.arange(points)[:, None], np.arange(n)
    curve = np.where(t > 3 * on, 0.9 * 0.99 ** np.maximum(0, t - 3 * on - 3), 0.1)
    ended = np.arange(points) % 3 == 0
    ended[0] = False
    task = np.maximum(0, np.arange(points) - 1) // 3
    shared = dict(method="EWC", grid={}, scenario="domain", names=names, step=10 * np.arange(points))
    return SimpleNamespace(**shared, task=task, ended=ended, curve=np.stack([curve] * seeds), lost={})


def every_picture(names):
    """Each kind of picture over these names, drawn with warnings as errors: its axes and its sentence."""
    n, run = len(names), many(names)
    y, x = np.arange(4 * n) % n, torch.rand(4, 1, 8, 8)
    said, labels = (y + 1) % n, torch.tensor([0, 1, 0, 1])
    stream = [SimpleNamespace(name=name, train=(x, labels), classes=(0, 1)) for name in names]
    pictures = dict(
        curves=lambda ax: plots.curves(run, ax),
        matrix=lambda ax: plots.matrix(run.curve[:, run.ended], ax, names),
        confusion=lambda ax: plots.confusion(y, said, names, ax),
        strip=lambda ax: plots.strip(stream, ax),
        misread=lambda ax: plots.misread(x.repeat(n, 1, 1, 1), y, said, names, ax, most=12),
        bars=lambda ax: plots.bars({k: [i] for i, k in enumerate(plots.spoken(names))}, ax, "", False),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind, draw in pictures.items():
            fig, ax = plots.figure(width=6, height=2.9)
            sentence = draw(ax)
            assert plots.png(fig)
            yield kind, ax, sentence


def overlap(texts):
    boxes = sorted((t.get_window_extent() for t in texts if t.get_text()), key=lambda box: (box.x0, box.y0))
    return any(a.shrunk(0.8, 0.8).overlaps(b.shrunk(0.8, 0.8)) for a, b in zip(boxes, boxes[1:]))


@pytest.mark.parametrize("n", [11, 17, 100])
def test_many_tasks_are_readable(n):
    names = [f"task {i}" for i in range(1, n + 1)]
    for kind, ax, sentence in every_picture(names):
        assert len(sentence) < 600 and names[0] in sentence
        assert kind not in ("curves", "strip", "bars") or names[-1] in sentence
        assert ax.bbox.width > 90 and ax.bbox.height > 90
        assert not overlap(ax.texts if kind == "curves" else ax.get_yticklabels())
        assert not overlap(ax.get_xticklabels())
        if kind == "curves":
            legend = ax.get_legend()
            shown = [text.get_text() for text in legend.get_texts()]
            assert len(shown) == 5 and shown[0] == names[0] and shown[-1] == names[-1]
            assert f"(5 of {n})" in legend.get_title().get_text()
            assert ax.figure.bbox.containsx(legend.get_window_extent().x1)
        if kind == "matrix":
            assert bool(ax.texts) == (n <= 16) and ("white 0" in ax.get_xlabel()) == (n > 16)


ODD = ["$5_{ to 6$", "costs $5", "_hidden", "same", "same", "long " * 40, "", " ", "a\nb", "<b>bold</b>"]
ODD += ["任务一", "مهمة", "\U0001f600", "\\alpha $x$ \\", "\x07bell\ud800", "{}", "%s {0}", "^_^", 7, None]


@pytest.mark.parametrize("start", range(0, len(ODD), 5))
def test_odd_names_are_written_as_they_are(start):
    names = ODD[start : start + 5]
    for kind, ax, sentence in every_picture(names):
        assert "\n" not in sentence and "\x07" not in sentence and len(sentence) < 700
        texts = ax.get_legend().get_texts() if kind == "curves" else ax.get_yticklabels()
        shown = [text.get_text() for text in texts]
        if kind != "misread":
            assert len(set(shown)) == len(names) and all(shown)
            assert not any(text.get_parse_math() for text in texts)
            for name in {"$5_{ to 6$", "costs $5", "_hidden", "{}", "^_^", "7", "None"} & set(names):
                assert name in shown and (kind in ("matrix", "confusion") or name in sentence)
            assert names.count("same") != 2 or shown[3:] == ["same (4)", "same (5)"]


def test_letters_that_no_font_has_become_numbers(monkeypatch):
    labels, style = plots.names.written(["任务一", "b"])
    if style["fontfamily"] == ["DejaVu Sans"]:  # no such font here
        assert labels == ["no. 1", "b"]
    else:
        assert labels == ["任务一", "b"]
    assert plots.spoken(["任务一", "b"]) == ["任务一", "b"]  # a page has fonts of its own


def test_an_installed_font_that_has_the_letters_is_used(monkeypatch):
    has = {"a font": {"任", "务"}}
    fonts = [SimpleNamespace(name=name, fname=name, style="normal") for name in has]
    monkeypatch.setattr(names_module, "fontManager", SimpleNamespace(ttflist=fonts))
    lacking = lambda path, letters: {c for c in letters if c not in has.get(path, "ab")}
    monkeypatch.setattr(names_module, "_lacking", lacking)
    names_module._font.cache_clear()
    labels, style = names_module.written(["任务a", "b"])
    assert labels == ["任务a", "b"] and style["fontfamily"] == ["DejaVu Sans", "a font"]
    names_module._font.cache_clear()


# ---- lines, bars and words over seeds


def seeds_of(*means, sd=0.02):
    """Values (points, 3) with these means and this standard deviation."""
    return np.array(means)[:, None] + sd * np.array([-1, 0, 1])


def test_lines_draw_mean_and_band_and_say_both_ends(ax):
    curves = {"replay": ([10, 100], seeds_of(0.5, 0.9)), "EWC": ([10, 100], seeds_of(0.2, 0.21, sd=0))}
    text = plots.lines(ax, curves, "pictures kept", "accuracy", log="x")
    assert text == (
        "accuracy against pictures kept, mean and band of 3 seeds: "
        "replay from 50 % at 10 to 90 % at 100; EWC from 20 % at 10 to 21 % at 100."
    )
    assert np.allclose(ax.lines[0].get_ydata(), [0.5, 0.9]) and np.allclose(
        ax.lines[1].get_ydata(), [0.2, 0.21]
    )
    band = ax.collections[0].get_paths()[0].vertices
    assert np.allclose(sorted({round(y, 6) for x, y in band if x == 10}), [0.48, 0.52])  # ± 1 sd, n - 1
    ax.figure.canvas.draw()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["10", "100"] and ax.get_xscale() == "log"
    assert all(t.get_text().endswith(" %") for t in ax.get_yticklabels())


def test_lines_of_one_seed_and_one_point(ax):
    text = plots.lines(ax, {"a": ([3], [[0.5]])}, "x", "error", share=False)
    assert text == "error against x, one seed: a 0.5 at 3."
    assert not ax.collections and list(ax.lines[0].get_ydata()) == [0.5]
    whisker = plots.figure()[1]
    plots.lines(whisker, {"a": ([3], seeds_of(0.5))}, "x", "y")
    assert np.allclose(whisker.collections[-1].get_segments()[0][:, 1], [0.48, 0.52])
    mixed = {"a": ([1, 2], [[0.1], [0.2]]), "b": ([1, 2], seeds_of(0.1, 0.2))}
    assert "mean and band of several seeds" in plots.lines(plots.figure()[1], mixed, "x", "y")


def test_a_lost_seed_is_a_gap_and_a_cross(ax):
    values = seeds_of(0.5, 0.6, 0.7)
    values[1, 0] = np.nan
    gone = np.full((3, 3), np.inf)
    text = plots.lines(ax, {"a": ([1, 2, 3], values), "b": ([1, 2, 3], gone)}, "λ", "accuracy")
    assert "a from 50 % at 1 to 70 % at 3, lost at 2; b lost everywhere." in text
    assert np.isnan(ax.lines[0].get_ydata()[1])  # no mean of the survivors
    cross = [line for line in ax.lines if line.get_marker() == "x"]
    assert [list(line.get_xdata()) for line in cross] == [[2], [1, 2, 3]]


@pytest.mark.parametrize(
    "curves, log, match",
    [
        ({}, "", "at least one line"),
        ({"a": 3}, "", "pair of arrays of numbers, .* for 'a', got 3"),
        ({"a": [[0.1]] * 3}, "", "pair of arrays of numbers"),
        ({"a": (["x", "y"], [[0.1], [0.2]])}, "", "pair of arrays of numbers"),
        ({"a": ([1, 2], [0.1, 0.2])}, "", r"'a', got x \(2,\) and values \(2,\).*values\[:, None\]"),
        ({"a": ([1, 2], [[0.1, 0.2]] * 3)}, "", r"\(seeds, points\): give values.T"),
        ({"a": ([1, 2, 3], [[0.1, 0.2]] * 2)}, "", r"x \(3,\) and values \(2, 2\)"),
        ({"a": ([1, np.nan], [[0.1], [0.2]])}, "", "every x of 'a' must be a number"),
        ({"a": ([0, 1], [[0.1], [0.2]])}, "x", "every x of 'a' must be above 0, got 0: leave it out"),
        ({"a": ([1, 2], [[0.1], [-1]])}, "xy", "every y of 'a' must be above 0, got -1"),
    ],
)
def test_lines_that_make_no_sense_are_refused(ax, curves, log, match):
    with pytest.raises(ValueError, match=match):
        plots.lines(ax, curves, "x", "y", log=log)


def test_a_method_has_one_colour_and_marker_in_every_picture():
    looks = {}
    for others in ({}, {"a": 0, "b": 0, "c": 0}, {"ICaRL": 0, "GDumb": 0}):
        ax = plots.figure()[1]
        curves = dict.fromkeys([*others, "EWC, best λ", "Replay, 200 pictures"], ([1, 2], seeds_of(0, 1)))
        plots.lines(ax, curves, "x", "y")
        for line in ax.lines:
            looks.setdefault(line.get_label(), set()).add((line.get_color(), line.get_marker()))
    assert len(looks["EWC, best λ"]) == len(looks["Replay, 200 pictures"]) == 1
    assert plots.look_of("first-order MAML") != plots.look_of("MAML") == plots.look_of("MAML, one step")
    assert plots.look_of("8-bit replay") == plots.look_of("Replay") and plots.look_of("γ = 0.5") is None
    assert plots.look_of("latent replay") == plots.look_of("8-bit latents") != plots.look_of("replay")
    other_names = "pictures", "nearest mean drawing"  # of replay, of the mean of pixels
    assert len(set(KNOWN.values())) == len(KNOWN) - len(other_names)


def test_numbers_along_an_axis_have_room():
    ax = plots.figure(2, width=5)[1][0]
    x = [10, 20, 50, 100, 200, 1500]
    plots.lines(ax, {"a": (x, seeds_of(*np.linspace(0, 1, 6)))}, "capacity", "accuracy", log="x")
    ax.figure.canvas.draw()
    assert not overlap(ax.get_xticklabels()) and list(ax.get_xticks())[-1] == 1500


def test_no_two_lines_look_alike(ax):
    names = ["8-bit replay", "4-bit replay", "fp32 replay", *"abcdefghij"]
    plots.lines(ax, dict.fromkeys(names, ([1, 2], seeds_of(0, 1))), "x", "y")
    assert len({(line.get_color(), line.get_marker(), str(line._dash_pattern)) for line in ax.lines}) == 13
    assert len({line.get_color() for line in ax.lines[:3]}) == 1  # all three are replay


def test_bars_draw_mean_and_whiskers_and_write_the_mean(ax):
    text = plots.bars({"EWC": [0.2, 0.24], "replay": [0.9, 0.94]}, ax, "average accuracy")
    assert text == "EWC: 22 % and replay: 92 %."
    assert np.allclose([bar.get_width() for bar in ax.patches], [22, 92])
    whisker = ax.containers[-1].errorbar.lines[2][0].get_segments()
    assert np.allclose(np.ptp(whisker[0][:, 0]), 200 * np.std([0.2, 0.24], ddof=1))
    assert [t.get_text() for t in ax.texts] == ["22 %", "92 %"] and ax.get_xlabel() == "average accuracy"
    fig = ax.figure
    fig.canvas.draw()
    assert all(fig.bbox.containsx(t.get_window_extent().x1) for t in ax.texts)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]


def test_bars_of_one_seed_of_lost_ones_and_of_other_units(ax):
    assert plots.bars({"a": [1200], "b": [51.25]}, ax, "kB", share=False) == "a: 1200 kB and b: 51.2 kB."
    assert ax.containers[0].errorbar is None  # one value has no deviation
    text = plots.bars({"a": [0.5, np.nan], "b": [0.5, 0.5]}, plots.figure()[1], "accuracy")
    assert text == "a: lost and b: 50 %."


def test_bars_of_shares_have_as_many_digits_as_one_another(ax):
    text = plots.bars({"a": [0.865], "b": [0.86], "c": [0.0961], "d": [1], "e": [0]}, ax, "accuracy")
    assert text == "a: 86.5 %, b: 86.0 %, c: 9.6 %, d: 100.0 % and e: 0.0 %."
    assert [t.get_text() for t in ax.texts] == ["86.5 %", "86.0 %", "9.6 %", "100.0 %", "0.0 %"]
    whole = plots.bars({"a": [0.8601], "b": [0.5], "c": [-0.0]}, plots.figure()[1], "accuracy")
    assert whole == "a: 86 %, b: 50 % and c: 0 %."


@pytest.mark.parametrize(
    "values, match",
    [({}, "at least one bar"), ({"EWC": 0.5}, r"'EWC' must be \(seeds,\).*got shape \(\)")]
    + [({"EWC": [[0.5]]}, r"got shape \(1, 1\)"), ({"EWC": []}, r"got shape \(0,\)")],
)
def test_bars_that_make_no_sense_are_refused(ax, values, match):
    with pytest.raises(ValueError, match=match):
        plots.bars(values, ax, "accuracy")


def test_ideas_draw_every_box_and_say_what_leads_where(ax):
    boxes = {"EWC": (0.2, 0.5), "Catastrophic\nforgetting": (0.8, 0.5)}
    text = plots.ideas(boxes, [("Catastrophic\nforgetting", "EWC", "hold the\nweights")], ax)
    assert (
        text
        == "Ideas and what leads from one to the next: Catastrophic forgetting to EWC (hold the weights)."
    )
    assert [t.get_text() for t in ax.texts][:2] == [*boxes]
    ax.figure.canvas.draw()
    frames = [t.get_bbox_patch().get_window_extent() for t in ax.texts[:2]]
    assert not frames[0].overlaps(frames[1])
    with pytest.raises(ValueError, match="an arrow names 'replay'; the boxes are EWC, Cat"):
        plots.ideas(boxes, [("EWC", "replay", "")], plots.figure()[1])


def test_told():
    assert plots.told([0.874, 0.878, 0.882]) == "87.8 ± 0.4 %"
    assert plots.told([0.5]) == "50.0 %"
    assert plots.told([1.0, 2.0], digits=2, share=False) == "1.50 ± 0.71"
    assert plots.told([0.5, np.nan]) == "lost (1 of 2 seeds)"
    for shape in ((), (0,), (2, 3)):
        with pytest.raises(ValueError, match=rf"must be \(seeds,\).*got shape {re.escape(str(shape))}"):
            plots.told(np.zeros(shape))


def test_a_memory_on_shelves(ax):
    x, y = torch.ones(5, 1, 8, 8), torch.tensor([0, 2, 2, 0, 2])
    assert plots.shelves(x, y, ax, classes=3, width=4) == "5 pictures, of 0 and 2."
    sheet = np.asarray(ax.images[0].get_array())
    assert sheet.shape == (30, 40) and [sheet[10 * c : 10 * c + 10].sum() / 64 for c in range(3)] == [2, 0, 3]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0", "1", "2"]
    colour = plots.figure()[1]
    assert plots.shelves(torch.zeros(1, 3, 8, 8), [1], colour, 2, 1) == "1 picture, of 1."
    assert colour.images[0].get_array().shape == (20, 10, 3)
    assert plots.shelves(x[:0], y[:0], plots.figure()[1]) == "0 pictures, of nothing."
    with pytest.raises(ValueError, match=r"one y for each image, got 5 images and y \(4,\)"):
        plots.shelves(x, y[:4], ax)


def test_bare_axes():
    fig, axes = plots.figure(2, 2)
    plots.bare(axes[0, 0], axes[1], frame=True)
    assert not axes[0, 0].get_xticks().size and axes[0, 1].get_xticks().size
    assert axes[1, 1].spines["left"].get_visible()
    plots.bare(axes)
    assert not any(spine.get_visible() for ax in axes.flat for spine in ax.spines.values())


def test_a_legend_stands_outside_and_names_everything_once():
    fig, axes = plots.figure(2)
    for ax in axes:
        plots.lines(ax, dict.fromkeys(["_a", "costs $5", "b"], ([1, 2], seeds_of(0, 1))), "x", "y")
    own = plots.legend(axes[0], "right", title="on")
    whole = plots.legend(fig, "below")
    fig.canvas.draw()
    assert [t.get_text().strip() for t in whole.get_texts()] == ["_a", "costs $5", "b"]
    assert own.get_window_extent().x0 >= axes[0].get_window_extent().x1 - 1
    assert whole.get_window_extent().y1 <= min(ax.get_window_extent().y0 for ax in axes)
    assert own.get_title().get_text() == "on"
    past = 1 if matplotlib.__version_info__ >= (3, 11) else 10  # older ones set text some per cent wider
    words = "MAML, rate 0.4", "pre-trained, head at zero, rate 0.005", "random, rate 1.5"
    starts = [
        "OML",
        "random",
        "random, head at zero",
        "pre-trained",
        "pre-trained, head at zero",
        "mean drawing",
    ]
    for names, columns in (
        (starts, 3),
        (words, 2),
        (words[::2], 2),
        ([words[1]] * 5, 2),
        ([words[1] * 2] * 2, 1),
    ):
        fig, ax = plots.figure(width=6)
        for i, name in enumerate(names):
            ax.plot([1], label=name + str(i))
        wide = plots.legend(fig, "above")
        fig.canvas.draw()
        box = wide.get_window_extent()
        assert fig.bbox.x0 - past <= box.x0 and box.x1 <= fig.bbox.x1 + past
        assert wide._ncols == columns
    with pytest.raises(ValueError, match=r"one of \['right', 'above', 'below'\], got 'left'"):
        plots.legend(fig, "left")
    with pytest.raises(ValueError, match="nothing here has a label"):
        plots.legend(plots.figure()[1])


def test_an_easel_shows_the_newest_picture_only(monkeypatch, capsys):
    easel = plots.Easel("the memory")
    easel.paint(plots.figure()[0], "two pictures")
    assert capsys.readouterr().out == "two pictures\n"  # no kernel
    shown, again = [], []
    handle = SimpleNamespace(update=lambda data, **options: again.append((data, options)))
    display = lambda data, **options: shown.append((data, options)) or handle
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=True))
    monkeypatch.setattr("IPython.display.display", display)
    for n in (1, 2, 3):
        easel.paint(plots.figure()[0], f"{n} pictures")
    assert len(shown) == 1 and shown[0][1]["display_id"] is True
    assert [options["metadata"]["image/png"]["alt"] for _, options in again] == ["2 pictures", "3 pictures"]
    assert {data["text/plain"] for data, _ in shown + again} == {"the memory"}


def test_functions_named_like_their_files_are_the_functions():
    from edgecl_lite.plots.bars import bars
    from edgecl_lite.plots.curves import curves
    from edgecl_lite.plots.lines import lines
    from edgecl_lite.plots.memory import memory

    assert (plots.bars, plots.curves, plots.lines, plots.memory) == (bars, curves, lines, memory)


# ---- the reader's own settings

SETTINGS = {
    "LaTeX": {"text.usetex": True},
    "dark": matplotlib.style.library["dark_background"],
    "grid": matplotlib.style.library["ggplot"],
    "dpi": {"figure.dpi": 300, "savefig.dpi": 300, "savefig.transparent": True},
    "layout": {"figure.autolayout": True, "figure.subplot.left": 0.4, "figure.figsize": (1, 1)},
    "minus": {"axes.unicode_minus": False, "axes.formatter.use_mathtext": True},
    "fonts": {"font.family": ["NoSuchFont"], "font.sans-serif": ["Nope"], "text.hinting": "none"},
    "lines": {"lines.marker": "x", "hatch.linewidth": 9, "path.sketch": (1, 100, 2), "errorbar.capsize": 9},
    "images": {"image.interpolation": "nearest", "image.cmap": "jet", "image.origin": "lower"},
    "ticks": {"xtick.top": True, "xtick.labeltop": True, "xtick.direction": "in", "axes.xmargin": 0.5},
    "interactive": {"interactive": True, "toolbar": "None"},
}


def samples():
    pictures = []
    for draw in (
        lambda ax: plots.curves(hand_made(), ax, 0),
        lambda ax: plots.sweep_curve(hand_made(lost=True), ax),
        lambda ax: plots.matrix([[0.9, 0.1], [0.5, 1]], ax, ["0°", "-30°"]),
        lambda ax: plots.bars({"a": [-4, -2], "b": [1, 3]}, ax, "kB", share=False),
        lambda ax: plots.wall(np.linspace(0, 1, 256).reshape(4, 1, 8, 8), ax, "abcd"),
    ):
        fig, ax = plots.figure(width=4)
        draw(ax)
        pictures.append(plots.png(fig))
    return pictures


@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_of_the_readers_changes_a_picture(name):
    plain = samples()
    with matplotlib.rc_context(SETTINGS[name]):
        before = dict.copy(matplotlib.rcParams)
        assert samples() == plain
        assert dict.copy(matplotlib.rcParams) == before  # and they are theirs again


def test_style_is_whole():
    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "black", "interactive": True}):
        plots.style()
        assert not matplotlib.rcParams["text.usetex"] and matplotlib.rcParams["axes.facecolor"] == "white"
        assert matplotlib.rcParams["interactive"]  # this is no look


@pytest.mark.parametrize("settings", [dict(PYTHONIOENCODING="ascii"), dict(LC_ALL="C", PYTHONUTF8="0")])
def test_a_terminal_without_a_degree_sign_does_not_stop_a_script(settings):
    code = "from edgecl_lite import plots; plots.show(plots.figure()[0], 'on 30\\xb0 \\u2192')"
    env = os.environ | {"PYTHONCOERCECLOCALE": "0", "MPLBACKEND": "qtagg"} | settings
    said = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True).stdout
    assert said.startswith(b"on 30? ")


# ---- a table of rows and columns


def test_a_table_writes_its_shares_and_tells_the_means_of_its_columns(ax):
    values = np.array([[1.0, 0.2], [0.5, np.nan], [0.0, 0.4]])
    said = plots.table(values, ax, ["a", "b", "c"], ["first", "second"], "own windows of", "watch")
    assert said == "3 rows, in the mean: first 50 % and second 30 %."
    assert [t.get_text() for t in ax.texts] == ["100", "20", "50", "·", "0", "40"]
    assert ax.get_xlabel() == "own windows of" and ax.get_ylabel() == "watch"


def test_a_large_table_has_no_numbers(ax):
    names = [str(i) for i in range(20)]
    assert plots.table(np.full((20, 20), 0.25), ax, names, names) == "20 × 20 cells, 25 % in the mean."
    assert not ax.texts


@pytest.mark.parametrize("values", [np.zeros((2, 3)), np.zeros(2), np.zeros((0, 2))])
def test_a_table_needs_a_name_for_each_row_and_column(ax, values):
    with pytest.raises(ValueError, match="one for each pair of names"):
        plots.table(values, ax, ["a", "b"], ["c", "d"])
