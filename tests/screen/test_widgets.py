"""Widgets without a browser: values change pictures, Stop stops, errors are seen, no run is ever lost."""

import asyncio
import dataclasses
import gc
import itertools
import os
import signal
import sys
import threading
import time
import warnings

import ipywidgets
import numpy as np
import pytest
import torch
from small import displayed

import edgecl_lite as cl
from edgecl_lite import (
    EWC,
    Finetune,
    OnlineEWC,
    Stream,
    Task,
    digits,
    maml,
    meta,
    meta_learn,
    mlp,
    rotated,
    sinusoids,
    smartwatch,
    split,
    sweep,
    train,
    wrist_net,
)
from edgecl_lite.widgets import explore, flip, guess, live, pick, watch

LIVE = sys.modules["edgecl_lite.widgets.live"]  # the module; `edgecl_lite.widgets.live` is the function
JOB, LEARN = sys.modules["edgecl_lite.widgets.job"], sys.modules["edgecl_lite.learn"]
PNG = b"\x89PNG"

try:
    from ipywidgets.widgets.widget import _instances
except ImportError:  # before ipywidgets 8
    _instances = ipywidgets.Widget.widgets


@pytest.fixture(scope="module")
def stream():
    return rotated(digits(), (0, 60, 120))


@pytest.fixture(scope="module")
def run(stream):
    return sweep(EWC(mlp(stream, (20,))), stream, seeds=2, epochs=2, lam=[0, 1.0, 100.0], progress=False)


def panel_of(stream, **options):
    return live(EWC(mlp(stream, (20,))), stream, **({"epochs": 1} | options))


async def until(condition):
    """Let the loop go on until the condition holds; the limit only guards against hanging."""
    async with asyncio.timeout(300):
        while not condition():
            await asyncio.sleep(0.001)


# ---- explore


def test_explore_follows_the_thumb(run):
    panel = explore(run, note=lambda lam: f"bound {lam:g}")
    slider, pictures = panel.slider, {}
    assert slider.continuous_update and "edgecl-lam" in slider._dom_classes
    for value in run.grid["lam"]:
        slider.value = value
        pictures[value] = bytes(panel.painter.image.value)
        mean = 100 * run.accuracy[run.grid["lam"].index(value), :, -1].mean()
        assert (
            f"average accuracy {mean:.1f}" in panel.readout.value and f"bound {value:g}" in panel.beside.value
        )
    assert len(set(pictures.values())) == 3 and all(p.startswith(PNG) for p in pictures.values())
    slider.value = 0
    assert panel.painter.image.value == pictures[0]  # the same value, the very same pixels
    assert "edgecl-curve" in panel.painter.image._dom_classes


def test_explore_draws_one_picture_a_change_and_trains_nothing(run, monkeypatch):
    panel, drawn = explore(run), []
    paint = panel.painter.paint
    monkeypatch.setattr(panel.painter, "paint", lambda: drawn.append(paint()))
    for name in "beginning", "steps", "follow":  # a picture needs none of the loop
        monkeypatch.setattr(LEARN, name, None)
    values = [value for value in run.grid["lam"] * 3 if value != panel.sliders["lam"].value]
    for value in values:
        panel.sliders["lam"].value = value
    changes = sum(a != b for a, b in itertools.pairwise([run.grid["lam"][0], *values]))
    assert len(drawn) == changes > 3  # what a picture costs is a row of `make bench`


def test_explore_says_what_was_lost(run):
    curve = run.curve.copy()
    curve[2, 1, 3:] = np.nan
    broken = dataclasses.replace(run, curve=curve, lost={5: "lane 5: lr·λ·max F is above 2"})
    panel = explore(broken)
    panel.sliders["lam"].value = 100.0
    assert "lost in training (1 of 2 seeds)" in panel.readout.value
    assert "max F is above 2" in panel.readout.value and "%" not in panel.readout.value
    assert "no result" not in panel.sentence.value  # once is enough
    assert all(np.isnan(after.get_ydata()).all() for _, after, _ in panel.curves.tasks)
    assert panel.words.get_text() == "lost in training"
    panel.sliders["lam"].value = 1.0
    assert panel.words.get_text() == "" and "lost" not in panel.readout.value


def test_explore_has_a_slider_for_each_axis(stream):
    method = OnlineEWC(mlp(stream, (20,)), gamma=0.9)
    run = sweep(method, stream, epochs=1, lam=[0, 10.0], gamma=[0.5, 1.0], progress=False)
    panel = explore(run)
    before = panel.painter.image.value
    panel.sliders["lam"].value = 10.0
    one = panel.painter.image.value
    panel.sliders["gamma"].value = 1.0
    assert len({before, one, panel.painter.image.value}) == 3
    assert "λ = 10, γ = 1:" in panel.readout.value
    assert np.allclose(panel.values[:, 0], run.accuracy[:, 1, 0, -1].mean(-1))


def test_explore_refuses_what_it_cannot_show(run):
    with pytest.raises(ValueError, match="gamma"):
        explore(run, over="gamma")


# ---- live


def test_live_trains_and_travels(stream):
    panel = panel_of(stream, seeds=2, lam=[0, 100.0])
    assert "press Train" in panel.status.value and panel.time.disabled and not panel.train_button.disabled
    empty, picture = panel.painter.image.value, panel.moment.painter.image.layout
    assert picture.visibility == "hidden" and panel.later.layout.visibility == "visible"
    run = panel.run_blocking()
    assert picture.visibility == "visible" and panel.later.layout.visibility == "hidden"
    assert run is panel.run and run.accuracy.shape == (1, 2, 3, 3) and np.isfinite(run.accuracy).all()
    assert "Finished at step" in panel.status.value
    assert panel.painter.image.value != empty and len(run.step) > 10
    assert not panel.time.disabled and panel.time.value == len(run.step) - 1
    end, answers, words = panel.painter.image.value, panel.moment.painter.image.value, panel.details.value
    panel.time.value = 2
    assert panel.painter.image.value != end and panel.moment.painter.image.value != answers
    assert f"At step {run.step[2]}, learning 0°" in panel.details.value and "Seed 0:" in panel.details.value
    panel.time.value = len(run.step) - 1
    assert panel.painter.image.value == end and panel.details.value == words


def test_live_keeps_every_run_and_trains_with_the_slider(stream):
    panel = panel_of(stream, lam=[0, 1e3])
    first = panel.run_blocking()
    panel.sliders["lam"].value = 1e3
    assert panel.run is first and "press Train" in panel.status.value and "λ = 1000" in panel.status.value
    second = panel.run_blocking()
    assert panel.runs == [first, second] and second.grid == {"lam": [1e3]}
    assert not np.array_equal(first.curve, second.curve)


def test_live_equals_training(stream):
    method, options = EWC(mlp(stream, (20,)), lam=10.0), dict(seeds=2, epochs=1, every=7)
    a, b = live(method, stream, **options).run_blocking(), train(method, stream, progress=False, **options)
    assert np.array_equal(a.curve, b.curve) and np.array_equal(a.predicted, b.predicted)
    assert list(a.step[:3]) == [0, 7, 14] and all((a.params[k] == b.params[k]).all() for k in a.params)


def test_live_says_when_a_training_is_lost(stream):
    panel = panel_of(stream, lam=[1e9], optimizer="sgd", lr=0.1)
    with pytest.raises(FloatingPointError):
        panel.run_blocking()
    assert "became non-finite at step" in panel.status.value and panel.run.lost
    assert "1 of 1 seed lost" in panel.sentence.value and "no result" in panel.sentence.value
    assert "became non-finite" in panel.sentence.value


def test_stop_keeps_what_there_is(stream):
    async def main():
        panel = panel_of(stream, epochs=5000)
        panel.train_button.click()
        await until(lambda: "about" in panel.status.value)
        assert panel.job.state == "training" and " s left" in panel.status.value
        assert panel.train_button.disabled and not panel.stop_button.disabled
        panel.stop_button.click()
        await panel.job.task
        return panel

    panel = asyncio.run(main())
    assert panel.job.state == "stopped" and "Stopped at step" in panel.status.value
    assert panel.run.stopped and np.isnan(panel.run.accuracy[-1]).all() and not panel.train_button.disabled
    panel.time.value = 0  # and time travel works as far as it came
    assert "At step 0" in panel.details.value


class Clock:
    """A clock that the test turns, in place of the module `time`: machines of any speed, loaded or not."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


def clocked(monkeypatch, step, picture, news=lambda i: True):
    """(job, clock, steps done, moments of its pictures); a step and a picture take so many seconds."""
    clock, steps, pictures = Clock(), [], []
    monkeypatch.setattr(JOB, "time", clock)

    def work():
        for i in itertools.count():
            clock.now += step
            steps.append(clock.now)
            yield i if news(i) else None

    def show():
        pictures.append(clock.now)
        clock.now += picture

    return JOB.Job(work, show, lambda error: None), clock, steps, pictures


SPEEDS = pytest.mark.parametrize("step", [1e-4, 1e-3, 0.05, 2.0])  # seconds a step: from quick to hopeless


@SPEEDS
def test_stop_is_honoured_at_the_next_step_and_the_kernel_breathes(step, monkeypatch):
    async def main():
        job, clock, steps, _ = clocked(monkeypatch, step, picture=0.005)
        job.loop, looks = asyncio.get_running_loop(), []
        job.start()
        for _ in range(50):  # what the kernel does beside the training
            await asyncio.sleep(0)
            looks.append(clock.now)
        before = len(steps)
        job.stop()
        await asyncio.wait_for(job.task, 300)  # only guards against hanging
        return job, looks, len(steps) - before

    job, looks, after = asyncio.run(main())
    assert job.state == "stopped" and after <= 1  # the step that was due, and none behind it
    slice_ = JOB.SLICE + 2 * step + 0.005  # at most a slice, the step that fills it, and a picture
    assert 0 < np.diff(looks).max() <= slice_ * 1.001


@SPEEDS
@pytest.mark.parametrize("picture", [0.001, 0.005, 0.5])
def test_pictures_come_as_often_as_their_share_allows(step, picture, monkeypatch):
    job, clock, steps, pictures = clocked(monkeypatch, step, picture)
    slices = job._slices()
    while clock.now < 100 + 200 * max(step, picture, JOB.FRAME):
        next(slices)
    slices.close()
    spent = clock.now - 100
    every = max(JOB.FRAME, picture / JOB.SHARE) + step  # the first step after a picture is due again
    assert spent / every - 1 <= len(pictures) <= spent / max(JOB.FRAME, picture / JOB.SHARE) + 1
    assert job.drawing == pytest.approx((len(pictures) * picture, len(pictures)))
    assert np.diff(pictures).min() >= max(JOB.FRAME, picture / JOB.SHARE) * 0.999


def test_no_picture_without_news(monkeypatch):
    job, clock, steps, pictures = clocked(monkeypatch, 0.01, 0.005, news=lambda i: i % 100 == 0)
    slices = job._slices()
    while len(steps) < 1000:
        next(slices)
    slices.close()
    assert len(pictures) == len([i for i in range(len(steps)) if i % 100 == 0])


def test_second_click_does_nothing_and_callbacks_from_other_threads_come_home(stream):
    async def main():
        panel = panel_of(stream)
        for _ in range(2):
            thread = threading.Thread(target=panel.train_button.click)
            thread.start()
            thread.join()
        await until(lambda: panel.job.state not in ("idle", "training"))
        return panel

    panel = asyncio.run(main())
    assert panel.job.state == "done" and len(panel.runs) == 1


def test_error_is_shown_and_raised_and_the_old_run_kept(stream, monkeypatch):
    panel, real = panel_of(stream), LIVE.follow
    first = panel.run_blocking()
    picture = panel.painter.image.value

    def broken(*args, **options):
        points = real(*args, **options)
        if keep:
            yield next(points)
            yield next(points)
        raise ValueError("expected <this>, got that")

    monkeypatch.setattr(LIVE, "follow", broken)
    keep = False
    with pytest.raises(ValueError, match="got that"):
        panel.run_blocking()
    assert (
        "ValueError: expected &lt;this&gt;, got that" in panel.status.value
        and 'role="alert"' in panel.status.value
    )
    assert panel.run is first and panel.painter.image.value == picture
    assert not panel.train_button.disabled and not panel.time.disabled
    keep = True

    async def main():
        panel.job.loop = asyncio.get_running_loop()
        panel.train_button.click()
        await until(lambda: panel.job.task)
        with pytest.raises(ValueError, match="got that"):
            await panel.job.task

    asyncio.run(main())
    assert panel.job.state == "failed" and panel.runs[0] is first and panel.runs[1] is panel.run
    monkeypatch.setattr(LIVE, "follow", real)
    panel.job.loop = None
    assert panel.run_blocking() is panel.runs[-1] and "Finished" in panel.status.value


def test_interrupt_keeps_the_run(stream, monkeypatch):
    panel, real = panel_of(stream), LIVE.follow

    def interrupted(*args, **options):
        for i, point in enumerate(real(*args, **options)):
            yield point
            if i == 20:
                raise KeyboardInterrupt

    monkeypatch.setattr(LIVE, "follow", interrupted)
    assert (
        panel.run_blocking() is not None and panel.job.state == "stopped" and "Stopped" in panel.status.value
    )


def test_live_refuses_a_single_value(stream):
    with pytest.raises(ValueError, match="lam must be a list.*3"):
        panel_of(stream, lam=3)


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_moment_names_answers_by_what_they_mean(scenario):
    pairs = split(digits(), 2, scenario)
    panel = panel_of(pairs)
    assert panel.moment.names == [str(d) for d in range(10)]
    assert (
        panel.moment.meaning[1][pairs.tasks[1].classes[0]] == 2
    )  # the first output of the second task says "2"
    panel.run_blocking()
    shares = np.asarray(panel.moment.axes[0].images[0].get_array())
    assert shares.shape == (10, 10) and np.allclose(shares.sum(1), 1)
    assert ("no image" in panel.details.value.lower()) or "misread" in panel.details.value


def test_time_travel_shows_windows_of_sensors_as_lines():
    stream = split(smartwatch(exercises=4))
    panel = live(Finetune(wrist_net(stream, [4])), stream, steps=2, every=1)
    panel.run_blocking()
    for moment in (0, panel.time.max):
        panel.time.value = moment
        matrix, samples = panel.moment.axes
        assert len(matrix.images) == 1 and not samples.images
        assert len(samples.collections) == 6 and set(samples.collections) <= set(panel.moment.painter.moving)
        assert "test windows are answered correctly" in panel.details.value
        assert "misread windows" in panel.details.value and " image" not in panel.details.value


# ---- flip and guess


def test_flip_draws_once_and_keeps():
    calls = []

    def draw(fig, lam, form):
        calls.append((lam, form))
        fig.subplots().plot([0, lam])
        return f"λ is {lam} <{form}>"

    panel = flip(draw, lam=[1, 2, 3], form=["exact", "sample"])
    first = panel.image.value
    panel.controls["lam"].value = 3
    assert panel.image.value != first and "λ is 3 &lt;exact&gt;" in panel.sentence.value
    panel.controls["form"].value = "sample"
    panel.controls["form"].value = "exact"
    panel.controls["lam"].value = 1
    assert panel.image.value == first and calls == [(1, "exact"), (3, "exact"), (3, "sample")]
    assert (
        "λ is 1 &lt;exact&gt;" in panel.sentence.value
        and "edgecl-form" in panel.controls["form"]._dom_classes
    )
    with pytest.raises(ValueError, match="lam"):
        flip(draw, lam=[])


def test_guess_is_committed_revealed_and_kept(capsys):
    panel = guess("test 1", "How much is left?", 0, 100)
    panel.slider.value = 60
    panel.button.click()
    assert panel.value == 60 and "60 %. Now read on." in panel.answer.value
    panel.reveal(19.3)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "A surprise: you guessed 60 %, 40.7 points too high; the answer is 19.3 %."
    )
    again = guess("test 1", "How much is left?", 0, 100)
    assert again.value == 60 == again.slider.value
    assert guess("test 2", "And here?", 0.0, 1.0, unit="", step=0.1).value is None
    again.slider.value = 20
    again.commit()
    again.reveal(19.3)
    assert "Spot on: you guessed 20 %; the answer is 19.3 %." in capsys.readouterr().out
    with pytest.raises(ValueError, match="low"):
        guess("test 3", "?", 1, 1)


def test_run_all_spoils_no_guess(capsys):
    panel = guess("test 5", "How much is left?", 0, 100)
    panel.reveal(19.3)
    assert "commit a guess to see it here" in panel.answer.value and "19" not in panel.answer.value
    assert capsys.readouterr().out == "No guess was committed, which is fine: the answer is 19.3 %.\n"
    panel.slider.value = 21
    panel.button.click()  # the answer is there already: how far off is said at once
    assert "Spot on: you guessed 21 %; the answer is 19.3 %." in panel.answer.value
    panel.reveal(-0.0)
    assert "-0" not in capsys.readouterr().out


def test_pick_keeps_only_what_it_is_told_to(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGECL_DOSSIER", str(tmp_path / "dossier.json"))
    panel = pick()
    assert panel.board.value == "nano-33-ble" and "no job is chosen yet" in panel.answer.value
    panel.board.value, panel.job.value = "esp32-s3", "machine"
    board, job = cl.boards()["esp32-s3"], cl.dossier.JOBS["machine"]
    assert board.title in panel.demands.value and str(job) in panel.demands.value
    assert not (tmp_path / "dossier.json").exists()  # Run All keeps nothing
    panel.button.click()
    assert cl.dossier.chosen() == (board, "machine") and board.title in panel.answer.value
    again = pick()  # begins where it was left
    assert (again.board.value, again.job.value) == ("esp32-s3", "machine")


def test_every_panel_leaves_a_stable_sentence(stream, run):
    panels = panel_of(stream), explore(run), flip(lambda fig: ""), guess("test 4", "?", 0, 1), pick()
    for panel in panels:
        stored = displayed(panel)
        assert stored["text/plain"] == panel.fallback == repr(panel)
        assert "open this notebook" in panel.fallback
        assert "application/vnd.jupyter.widget-view+json" in stored


def test_flip_shows_an_error_and_raises_it():
    def draw(fig, lam):
        fig.subplots()
        return f"{1 / (lam - 1)}"

    panel = flip(draw, lam=[0, 1, 2])
    with pytest.raises(ZeroDivisionError):
        panel.controls["lam"].value = 1
    assert "No picture: ZeroDivisionError: division by zero" in panel.sentence.value
    panel.controls["lam"].value = 2
    assert "1.0" in panel.sentence.value


# ---- watch


def meta_training(kind=meta.follow, steps=40):
    tasks = sinusoids(shots=5, queries=5)
    return kind(maml, mlp(tasks, (8,)), tasks, seeds=2, steps=steps, every=10, shown=(0, 1))


def test_watch_follows_any_generator_of_points():
    panel = watch(meta_training, ["before", "after"], 40, label="error", top=6)
    assert "press Train" in panel.status.value
    empty = panel.painter.image.value
    points, alone = panel.run_blocking(), list(meta_training(meta_learn))
    assert [p.step for p in points] == [0, 10, 20, 30, 40] and panel.painter.image.value != empty
    assert np.array_equal(points[-1].score, alone[-1].score)
    assert points[-1].params and points[0].params is None
    want = f"before from {points[0].score[:, 0].mean():.2f} to {points[-1].score[:, 0].mean():.2f}"
    assert want in panel.sentence.value and "mean of 2 lanes" in panel.sentence.value
    assert "Finished at step 40 of 40" in panel.status.value and not panel.train_button.disabled


def test_watch_stops_and_says_what_failed():
    async def main():
        panel = watch(lambda: meta_training(steps=10**6), ["before", "after"], 10**6)
        panel.train_button.click()
        await until(lambda: len(panel.points) > 1)
        panel.stop_button.click()
        await panel.job.task
        return panel

    panel = asyncio.run(main())
    assert "Stopped at step" in panel.status.value and len(panel.points) > 1

    def broken():
        yield from ()
        raise ValueError("expected this, got that")

    panel = watch(broken, ["before"], 10)
    with pytest.raises(ValueError, match="got that"):
        panel.run_blocking()
    assert "The training failed: ValueError: expected this" in panel.status.value


# ---- streams outside the usual, odd arguments


def named(names, outputs=2, channels=1):
    """A small stream of tasks of these names."""
    g = torch.Generator().manual_seed(0)
    x, y = torch.rand(20, channels, 8, 8, generator=g), torch.arange(20) % 2
    return Stream([Task(name, (x, y), (x, y), (0, 1), ("$a$", "_b")) for name in names], "domain", outputs)


@pytest.mark.parametrize("names", [[f"task {i}" for i in range(100)], ["$5_{ to 6$", "_x", "任务", "x", "x"]])
def test_live_takes_any_names_and_any_number_of_tasks(names):
    tasks = named(names, channels=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        panel = live(EWC(mlp(tasks, (4,))), tasks, steps=2, every=1)
        panel.run_blocking()
        panel.time.value = 1
    assert all(bytes(p.image.value).startswith(PNG) for p in (panel.painter, panel.moment.painter))
    for words in (panel.sentence, panel.details, panel.status):
        assert 0 < len(words.value) < 1500
    assert panel.moment.axes[1].images[0].get_array().shape[-1] == 3  # in colour
    if len(names) == 5:
        assert "x (4)" in panel.sentence.value and "$5_{ to 6$" in panel.sentence.value


@pytest.mark.parametrize(
    "values", [[1], [None], np.arange(3), torch.arange(3), [0.3, 0.1 + 0.2], ["a", ""], [1, "a"], [[1], [2]]]
)
def test_flip_shows_each_value_as_it_is(values):
    seen = []
    panel = flip(lambda fig, k: seen.append(k), k=values)
    for i in range(len(values)):
        panel.controls["k"].index = i
    assert seen == (values.tolist() if hasattr(values, "tolist") else values)
    labels = panel.controls["k"]._options_labels
    assert len(set(labels)) == len(set(map(str, seen)))


@pytest.mark.parametrize("values", ["abc", 3, None, [], [float("nan"), 1], range(10_000)])
def test_flip_refuses_what_nobody_can_choose(values):
    with pytest.raises(ValueError, match=r"flip\(…, k=\) m.*got"):
        flip(lambda fig, k: "", k=values)


@pytest.mark.parametrize(
    "low, high, step", [("0", 1, 1), (float("nan"), 1, 1), (0, float("inf"), 1), (0, 1, 0), (0, 1, "a")]
)
def test_guess_refuses_what_is_no_range(low, high, step):
    with pytest.raises(
        (TypeError, ValueError), match=r"guess\('odd'\): (low|high|step) must be a finite number"
    ):
        guess("odd", "?", low, high, step=step)


def test_guess_takes_halves_and_numpys_numbers_and_no_nan():
    panel = guess("test 6", None, np.float32(0.5), 9)
    assert panel.slider.min == 0.5 and panel.slider.value == 4.75
    panel.commit()
    panel.reveal(torch.tensor(5.0))
    for truth in (float("nan"), None, "x"):
        with pytest.raises(ValueError, match="must get a finite number, got"):
            panel.reveal(truth)


def test_explore_says_what_it_needs(run, stream):
    for wrong in (None, train(EWC(mlp(stream, (20,))), stream, steps=1, progress=False)):
        with pytest.raises(ValueError, match="expected a Run of sweep.*got"):
            explore(wrong)
    for over in (None, ["lam"], 3):
        with pytest.raises(ValueError, match=r"one of \['lam'\]; got"):
            explore(run, over=over)
    for metric in (lambda R: 0.5, lambda R: R, lambda R: np.full(len(R), np.nan)):
        with pytest.raises(ValueError, match="metric: expected one finite number for each of the 6 matrices"):
            explore(run, metric=metric)
    with pytest.raises(TypeError, match="note must be a function, got 'x'"):
        explore(run, note="x")


def test_one_value_and_twice_the_same(stream):
    for values in ([7.0], [0.0], [1, 1.0]):
        panel = explore(sweep(EWC(mlp(stream, (4,))), stream, steps=2, lam=values, progress=False))
        assert "average accuracy" in panel.readout.value


WRONG = [dict(epochs=0), dict(epochs="3"), dict(seeds=None), dict(lr=-1), dict(every=0), dict(steps=1.5)]
WRONG += [dict(batch_size=0), dict(optimizer="adagrad"), dict(start=1)]


@pytest.mark.parametrize("options", WRONG, ids=str)
def test_live_refuses_as_training_does(stream, options):
    method = EWC(mlp(stream, (4,)))
    with pytest.raises((TypeError, ValueError)) as alone:
        sweep(method, stream, progress=False, **({"lam": [1.0]} | options))
    with pytest.raises(alone.type) as shown:
        live(method, stream, **options)
    assert str(shown.value) == str(alone.value)


# ---- panels that end


def test_a_closed_panel_stops_and_leaves_nothing(stream, run):
    before = len(_instances)

    async def main():
        panel = panel_of(stream, epochs=200, lam=[0, 1.0])
        panel.train_button.click()
        while not panel.points:
            await asyncio.sleep(0.01)
        panel.close()
        assert panel.job.state == "stopped" and panel.run.stopped  # at once, and what was learned is kept
        await panel.job.task
        panel.train_button.click()
        await asyncio.sleep(0.01)
        return panel

    panel = asyncio.run(main())
    assert panel.job.state == "stopped" and len(panel.runs) == 1
    with pytest.raises(RuntimeError, match="has ended"):
        panel.run_blocking()
    others = explore(run), flip(lambda fig, k: "", k=[1, "a"]), guess("test 7", "?", 0, 1)
    for other in (*others, ipywidgets.HBox([explore(run)]).children[0]):
        other.close(), other.close()
    around = ipywidgets.HBox, ipywidgets.Layout
    assert all(isinstance(w, around) for w in list(_instances.values())[before:])


def test_a_closed_panel_that_had_not_begun_never_does(stream):
    async def main():
        panel = panel_of(stream)
        panel.train_button.click()
        panel.close()
        await asyncio.sleep(0.05)
        return panel

    assert asyncio.run(main()).job.state in ("idle", "stopped")


def test_a_refusal_is_shown_and_not_logged_too(caplog):
    def broken():
        yield from ()
        raise ValueError("expected this, got that")

    async def main():
        panel = watch(broken, ["before"], 10)
        panel.train_button.click()
        while panel.job.state in ("idle", "training"):
            await asyncio.sleep(0.01)
        panel.job.task = None
        gc.collect()
        await asyncio.sleep(0.01)
        return panel

    panel = asyncio.run(main())
    assert "got that" in panel.status.value and not caplog.records


def test_an_interrupt_stops_every_training_and_then_all_is_as_before(stream):
    heard = []

    async def main():
        mine = lambda number, frame: heard.append(number)
        signal.signal(signal.SIGINT, mine)
        panels = [panel_of(stream, epochs=200) for _ in range(2)]
        for panel in panels:
            panel.train_button.click()
        while not all(panel.points for panel in panels):
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.gather(*(panel.job.task for panel in panels))
        assert signal.getsignal(signal.SIGINT) is mine
        return panels

    old = signal.getsignal(signal.SIGINT)
    try:
        panels = asyncio.run(main())
    finally:
        signal.signal(signal.SIGINT, old)
    assert all(p.job.state == "stopped" and p.run.stopped for p in panels) and heard == [signal.SIGINT]


def test_live_keeps_a_bounded_number_of_runs(stream, monkeypatch):
    panel = panel_of(stream, steps=2)
    first = panel.run_blocking()
    monkeypatch.setattr(LIVE, "KEEP", 2.5 * LIVE._bytes(first))
    runs = [first] + [panel.run_blocking() for _ in range(3)]
    assert panel.runs == runs[-2:] and panel.run is runs[-1]
    monkeypatch.setattr(LIVE, "KEEP", 1)
    assert panel.run_blocking() is panel.run and panel.runs == [panel.run]


class Kernel:
    """A kernel as a front end sees it."""

    def __init__(self):
        from jupyter_client.manager import start_new_kernel

        self.manager, self.client = start_new_kernel(kernel_name="python3", startup_timeout=120)

    def run(self, code, cell=None):
        """What the cell prints."""
        content = dict(code=code, silent=False, store_history=True, user_expressions={}, allow_stdin=False)
        message = self.client.session.msg(
            "execute_request", content, metadata={"cellId": cell} if cell else {}
        )
        self.client.shell_channel.send(message)
        said = ""
        while True:
            reply = self.client.get_iopub_msg(timeout=120)
            if reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            assert reply["msg_type"] != "error", reply["content"]
            said += reply["content"].get("text", "")
            if reply["content"].get("execution_state") == "idle":
                return said.strip()

    def wait_for(self, value, code):
        for _ in range(1200):
            if self.run(f"print({code})") == value:
                return
            time.sleep(0.05)
        raise AssertionError(f"{code} is {self.run(f'print({code})')}, not {value}")


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    kernel.run(
        "import gc, weakref, ipywidgets\n"
        "try:\n    from ipywidgets.widgets.widget import _instances\n"
        "except ImportError:\n    _instances = ipywidgets.Widget.widgets\n"
        "from edgecl_lite import EWC, digits, explore, flip, guess, live, mlp, rotated, sweep\n"
        "stream = rotated(digits(), (0, 60)); method = EWC(mlp(stream, (20,)))\n"
        "run = sweep(method, stream, steps=2, lam=[0, 1.0], progress=False)\n"
        "made = []"
    )
    yield kernel
    kernel.manager.shutdown_kernel(now=True)
    kernel.client.stop_channels()


PANELS = """
panels = live(method, stream, epochs=500, lam=[0, 1]), explore(run), flip(lambda fig, k: "", k=[1, 2])
made.append(weakref.ref(panels[0]))
panels[0]
"""


@pytest.mark.parametrize("cell", ["one", None])  # None: a front end that names no cells
def test_a_cell_run_again_ends_its_panels(kernel, cell):
    kernel.run("other = guess('another cell', '?', 0, 1)", "other")
    kernel.run("made.clear()")
    kernel.run(PANELS, cell)
    count = kernel.run("print(len(_instances))")
    for _ in range(4):
        kernel.run("panels[0].train_button.click(); old = panels[0]")
        kernel.wait_for("True", "len(old.points) > 0")
        kernel.run(PANELS, cell)
        assert kernel.run("print(old.job.state, old.run.stopped, old is panels[0], other.comm is None)") == (
            "stopped True False False"
        )
    assert kernel.run("print(len(_instances))") == count
    assert int(kernel.run("del old; gc.collect(); print(sum(ref() is not None for ref in made))")) <= 3
    kernel.run("pass", cell) if cell else None  # edited: it makes no panel any more
    assert kernel.run("print(panels[1].comm is None)") == str(cell is not None)


@pytest.mark.parametrize("how", ["signal", "message"])
def test_an_interrupt_of_an_idle_kernel_stops_the_training(kernel, how):
    kernel.run("panel = live(method, stream, epochs=500)", "interrupted")
    for _ in range(3):
        kernel.run("panel.job.start()")
        kernel.wait_for("True", "len(panel.points) > 1")
        if how == "signal":
            kernel.manager.interrupt_kernel()
        else:
            kernel.client.control_channel.send(kernel.client.session.msg("interrupt_request"))
            kernel.client.get_control_msg(timeout=60)
        kernel.wait_for("stopped", "panel.job.state")
    kernel.manager.interrupt_kernel()  # nothing is training: nothing happens
    assert kernel.run("print(len(panel.runs), panel.run.stopped)") == "3 True"


# ---- a fleet


def test_live_of_a_fleet_trains_with_its_sliders():
    clients = cl.clients(cl.digits(), 4)
    options = dict(seeds=2, rounds=3, local_epochs=[1, 2], fraction=[0.5, 1.0])
    panel = cl.live(cl.Finetune(cl.mlp(clients.whole)), clients, **options)
    assert [*panel.sliders] == ["local_epochs", "fraction"]
    panel.sliders["local_epochs"].value = 2
    run = panel.run_blocking()
    assert run.settings["local_epochs"] == 2 and run.settings["fraction"] == 0.5
    assert run.step.tolist() == [0, 1, 2, 3] and run.clients.shape == (2, 4, 1, 1)
    want = cl.fleet_train(panel.method, clients, seeds=2, rounds=3, local_epochs=2, fraction=0.5)
    assert (run.accuracy == want.accuracy).all()
    panel.time.value = 1
    assert "At round 1, learning all clients: accuracy on all clients" in panel.details.value


def test_live_of_a_fleet_in_tasks():
    tasks = cl.clients(cl.digits(), 3).split(5)
    panel = cl.live(cl.Finetune(cl.mlp(tasks)), tasks, rounds=2, local_epochs=1)
    assert panel.run_blocking().accuracy.shape == (1, 2, 2)
    with pytest.raises(ValueError, match="fraction must be"):
        cl.live(cl.Finetune(cl.mlp(tasks)), tasks, fraction=[0.5, 2])
