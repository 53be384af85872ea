"""A year on the screen: pictures against hand-made lives, the panel against `lived` and `days`."""

import asyncio
import dataclasses
import html
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small import displayed

import edgecl_lite as cl
from edgecl_lite import Every, Finetune, Guard, NearestMean, Replay, Separate, Strategy, plots
from edgecl_lite.device.update import answers
from edgecl_lite.device.worn import Lives

DAYS = 20
EVENTS = {"new wearer": 0, "other arm": (6, 12), "new exercise": 12, "ageing": 0}


@pytest.fixture(scope="module")
def year():
    return cl.year(DAYS, windows=4, events=EVENTS)


@pytest.fixture(scope="module")
def methods(year):
    net = cl.wrist_net(cl.smartwatch_wearers((1,)))
    return {"finetuning": Finetune(net), "replay": Replay(net, capacity=14), "means": NearestMean(net)}


def made(days=10, lives=2, **changes):
    """A life by hand: 0.5 at first, 0.1 apart; a session each 3rd day, one of them undone and one cut."""
    flat = np.full((lives, days), 0.5) + 0.1 * np.arange(lives)[:, None]
    none = np.zeros((lives, days), bool)
    learned = none.copy()
    learned[:, 2::3] = True
    rolled_back, cut = none.copy(), none.copy()
    rolled_back[0, 2], cut[0, 5] = True, True
    joules, pages = np.full((lives, days), 0.25), (learned & ~rolled_back & ~cut).cumsum(1) * 3
    own = dict(accuracy=flat, past=np.full_like(flat, np.nan), learned=learned, rolled_back=rolled_back)
    own |= dict(cut=cut, joules=joules, pages=pages, battery=np.full_like(flat, np.inf))
    own |= dict(events=[[[] for _ in range(days)] for _ in range(lives)])
    own |= changes
    strategy = SimpleNamespace(method=[], when=own.pop("when", Every(3)))
    own["costs"] = SimpleNamespace(ram=2048, budget=SimpleNamespace(answering=1024))
    own["score"] = lambda: np.nan_to_num(own["accuracy"]).mean(1)
    return SimpleNamespace(**own, strategy=strategy, year=SimpleNamespace(days=days, events={"ageing": (0,)}))


def axes_of():
    return plots.figure(1, 3, height=4.0, height_ratios=(3, 1, 1))[1]


def curves_of(life, nothing=None, battery=np.inf):
    curves = plots.YearCurves(axes_of(), life.year, "replay", battery)
    curves.set(life, nothing)
    return curves


# ---- pictures


def test_a_line_is_the_mean_and_a_band_one_standard_deviation():
    life = made()
    curves = curves_of(life)
    for band, values in zip(curves.own, (life.accuracy, life.joules.cumsum(1), life.pages), strict=True):
        assert np.allclose(band.line.get_ydata(), values.mean(0))
    edge = curves.own[0].band.get_xy()
    sd = life.accuracy.std(0, ddof=1)[0]
    assert np.allclose((edge[:, 1].min(), edge[:, 1].max()), (0.55 - sd, 0.55 + sd))


def test_a_dead_day_counts_as_zero_as_in_the_score():
    accuracy = np.full((1, 10), 0.8)
    accuracy[:, 6:] = np.nan
    life = made(lives=1, accuracy=accuracy)
    drawn = curves_of(life).own[0].line.get_ydata()
    assert np.mean(drawn) == pytest.approx(life.score()[0]) == pytest.approx(0.48)


def test_every_session_has_one_mark():
    life = made(lives=1)
    kept, back, cut = plots.outcomes(life)
    assert ((kept.astype(int) + back + cut) == life.learned).all()
    at = [list(artist.get_xdata()) for artist in curves_of(life).sessions]
    assert at == [[8], [2], [5]]
    markers = {artist.get_marker() for artist in curves_of(life).sessions}
    assert len(markers) == 3  # not by colour alone


def test_joules_or_a_battery():
    life = made(battery=np.tile(np.linspace(1, 0.1, 10), (2, 1)))
    assert np.allclose(curves_of(life, battery=1.0).own[1].line.get_ydata(), life.battery[0])
    assert np.allclose(curves_of(life).own[1].line.get_ydata(), life.joules.cumsum(1)[0])
    words = [text.get_text() for text in curves_of(life, battery=1.0).axes[1].texts]
    assert words == ["battery left, J"]


def test_nothing_is_drawn_beyond_its_axes_on_any_day():
    life, nothing = made(days=40), made(days=40, learned=np.zeros((2, 40), bool))
    curves = plots.YearCurves(axes_of(), life.year, "replay")
    grown = 0
    for n in range(1, 41):
        parts = ({k: v[:, :n] for k, v in vars(w).items() if hasattr(v, "dtype")} for w in (life, nothing))
        grown += curves.set(*(SimpleNamespace(**part) for part in parts))
        for ax, band in zip(curves.axes, curves.own, strict=True):
            low, high = ax.get_ylim()
            assert low <= np.min(band.line.get_ydata()) and np.max(band.line.get_ydata()) <= high
    assert 1 <= grown <= 6  # each time all is drawn anew


@pytest.mark.parametrize("days", [DAYS, 365])
def test_names_of_events_stand_apart_and_inside_the_picture(days):
    many = {"new wearer": (0, 2, 4, 15), "other arm": (4, 8, 19), "ageing": (0,)}
    life = made(days=days)
    life.year.events = many
    curves = curves_of(life)
    curves.axes[0].figure.canvas.draw()
    boxes = [text.get_window_extent() for text in curves.axes[0].texts]
    assert len(boxes) == (6 if days == DAYS else 4)  # where all happens at once, four are named
    assert days != DAYS or "first arm again" in curves.axes[0].texts[3].get_text()
    inside = curves.axes[0].get_window_extent()
    assert all(box.y1 <= inside.y1 + 2 for box in boxes)
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[:i])


def test_one_axes_shows_the_accuracy_alone():
    ax = plots.figure()[1]
    sentence = plots.year(made(), ax, label="EWC")
    assert len(ax.figure.axes) == 1 and sentence.startswith(
        "EWC over 10 days (mean of 2 lives): 55.0 ± 7.1 %"
    )


def test_the_sentence_says_what_the_arrays_say():
    life, nothing = made(), made(accuracy=np.full((2, 10), 0.4))
    sentence = plots.year_sentence(life, nothing, "replay")
    assert "learning nothing 40.0 ± 0.0 %" in sentence and "it took 2.5 J and 6 pages" in sentence
    assert "sessions: 4 kept, 1 rolled back and 1 cut by the power in all lives together" in sentence
    assert "battery" not in sentence


def test_an_empty_battery_is_told():
    accuracy = np.full((2, 10), 0.5)
    accuracy[1, 7:] = np.nan
    events = [[[] for _ in range(10)] for _ in range(2)]
    events[0][3] = ["the battery has 1 J, a session takes 2 J: it is not begun"]
    sentence = plots.year_sentence(made(accuracy=accuracy, events=events))
    assert "The battery was empty in 1 of 2 lives, first on day 7" in sentence
    assert "1 sessions were due that the battery could not pay" in sentence


def test_what_says_that_a_session_is_not_begun_is_what_a_device_says(year, methods):
    life = cl.lived(Strategy(methods["finetuning"], when="always"), year, 1, battery_j=2e-3)
    assert "could not pay" in plots.year_sentence(life)


def test_the_league_is_in_order_and_told():
    lives = {"learn nothing": made(accuracy=np.full((2, 10), 0.6), when="never"), "replay": made()}
    lives |= {"EWC": np.array([0.7, 0.8])}
    ax = plots.figure()[1]
    sentence = plots.league(lives, ax)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["EWC", "learn nothing", "replay"]
    assert "EWC 75.0 ± 7.1 % (above learning nothing in 2 of 2 lives)" in sentence
    assert "replay 55.0 ± 7.1 % (above learning nothing in 0 of 2 lives)" in sentence
    assert np.allclose([bar.get_width() for bar in ax.patches], (0.75, 0.6, 0.55))
    points = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
    assert any(np.allclose(own, (0.7, 0.8)) for own in points)


def test_the_league_of_lives_tells_what_they_cost():
    ax = plots.figure()[1]
    plots.league({"replay": made(), "as it came": made(when="never")}, ax)
    told = {text.get_text() for text in ax.texts}
    assert {"55.0 ± 7.1 %", "2.5", "6", "2.0 KB", "1.0 KB", "J", "pages", "RAM"} <= told
    ax.figure.canvas.draw()
    right = ax.figure.get_window_extent().x1
    assert all(text.get_window_extent().x1 <= right + 1 for text in ax.texts)


@pytest.mark.parametrize(
    ("lives", "why"),
    [
        ({}, "at least one"),
        ({"a": np.ones(2), "b": np.ones(3)}, "same lives"),
        ({"a": np.ones((2, 2))}, "same"),
    ],
    ids=["none", "unlike", "not (lives,)"],
)
def test_a_league_of_unlike_lives_is_refused(lives, why):
    with pytest.raises(ValueError, match=why):
        plots.league(lives, plots.figure()[1])


def test_answered_marks_what_is_wrong():
    ax = plots.figure()[1]
    x = np.full((3, 6, 1, 32), 0.5)
    sentence = plots.answered(x, [0, 1, 1], [0, 0, 255], ("abduction", "upright row"), ax)
    assert sentence == "1 of 3 windows were answered right: upright row read as abduction and no answer."
    titles = [text.get_text() for text in ax.texts]
    assert titles == ["✓ abduction", "✗ upright row → abduction", "✗ upright row → no answer"]
    assert [patch.get_linewidth() > 1 for patch in ax.patches] == [False, True, True]


def cut(found, interrupted):
    return SimpleNamespace(found=np.array(found), interrupted=np.array(interrupted))


def test_cuts_are_strips_of_what_is_found():
    ax = plots.figure()[1]
    ways = {"two slots": cut([-1, -1, 0, 1], [0, 0, 1, 1]), "one slot": cut([-1, -2, -1, 0], [0, 0, 1, 2])}
    sentence = plots.cuts(ways, ax)
    assert (
        "two slots: of 4 moments at which the power may go, there is afterwards the new save in 25.0 %"
        in sentence
    )
    assert "what was there before in 75.0 %" in sentence and sentence.count("in 25.0 %") == 5
    strips = [(p.get_y() + 0.3, p.get_x(), p.get_width(), p.get_hatch()) for p in ax.patches]
    assert [round(sum(w for y, _, w, _ in strips if y == pytest.approx(at))) for at in (0, 1)] == [100, 100]
    assert [round(x) for y, x, _, _ in strips if y == pytest.approx(0)] == [0, 75]
    assert len({hatch for y, _, _, hatch in strips if y == pytest.approx(1)}) > 1  # not by colour alone


def test_cuts_of_slots_agree_with_what_survived():
    saved = [bytes([i] * 300) for i in range(3)]
    every = {many: cl.power_cuts(saved, cl.Slots(cl.Flash(4, page_bytes=256), many)) for many in (1, 2)}
    for own in every.values():
        sentence = plots.cuts({"": own}, plots.figure()[1])
        bad = 100 * (~own.survived).mean()
        assert (f"nothing in {bad:.1f} %" in sentence) == bool(bad)
    with pytest.raises(ValueError, match="at least one way"):
        plots.cuts({}, plots.figure()[1])


# ---- the panel


def text(widget):
    return html.unescape(re.sub(r"<[^>]*>", "", widget.value))


def panel_of(methods, year, **options):
    return cl.life(methods, year, on="esp32-s3", **options)


def put(panel, **values):
    for name, value in values.items():
        panel.settings.controls[name].value = value
    return panel


def test_a_played_year_is_that_of_lived(methods, year):
    panel = put(panel_of(methods, year, lives=2), method="replay", when="every week")
    assert "press Play" in text(panel.status) and panel.time.disabled
    life = panel.run_blocking()
    want = cl.lived(Strategy(methods["replay"], when=Every(7)), year, 2, board="esp32-s3")
    for name in ("accuracy", "joules", "pages", "learned"):
        assert np.array_equal(getattr(life, name), getattr(want, name))
    assert all((life.params[k] == want.params[k]).all() for k in want.params)
    still = cl.lived(Strategy(methods["finetuning"], when="never"), year, 2)
    assert np.array_equal(panel.nothing.accuracy, still.accuracy)
    assert "Finished at day 20 of 20" in text(panel.status) and not panel.time.disabled
    assert text(panel.sentence).startswith(plots.year_sentence(life, panel.nothing, "replay, every week"))
    assert text(panel.sentence).endswith(" ".join(life.notes)) and "again and again" in text(panel.sentence)


def test_it_travels_to_what_the_device_answered_before_it_learned(methods, year):
    panel = put(panel_of(methods, year), when="every day")
    panel.run_blocking()
    strategy = Strategy(methods["finetuning"], when="always")
    before, lives, method = None, Lives(year, [0]), strategy.method
    for day, (y, said) in zip(cl.days(strategy, year, 1), panel.last.answers, strict=True):
        worn = lives.worn(day.day)[0]
        assert np.array_equal(y, worn.y[0])
        if before:
            logits = answers(method, before.params, before.state, worn.x)
            assert np.array_equal(said, logits[0].argmax(-1))
        before = day
    end = panel.painter.image.value, panel.strip.painter.image.value, text(panel.details)
    panel.time.value = 6
    assert "Day 6:" in text(panel.details) and "it moves to the right arm" in text(panel.details)
    assert "a session on 4 windows was kept" in text(panel.details)
    assert panel.painter.image.value != end[0] and panel.strip.painter.image.value != end[1]
    panel.time.value = DAYS - 1
    now = panel.painter.image.value, panel.strip.painter.image.value, text(panel.details)
    assert now == end  # the same day, the very same pixels


def test_stop_keeps_what_was_lived(methods, year):
    long = dataclasses.replace(year, days=300, events={})

    async def main():
        panel = panel_of(methods, long)
        panel.train_button.click()
        async with asyncio.timeout(300):
            while len(panel.points) < 5:
                await asyncio.sleep(0.001)
        panel.stop_button.click()
        await panel.job.task
        return panel

    panel = asyncio.run(main())
    days = panel.played.accuracy.shape[1]
    assert 5 <= days < 300 and panel.job.state == "stopped" and f"Stopped at day {days}" in text(panel.status)
    assert panel.time.max == days - 1 and "over" in text(panel.sentence)
    panel.time.value = 0
    assert "Day 0:" in text(panel.details)


def test_a_board_too_small_is_said_and_nothing_is_lost(methods, year):
    panel = panel_of(methods, year)
    life = panel.run_blocking()
    seen = panel.painter.image.value
    put(panel, method="replay", board="nano-33-ble")
    with pytest.raises(cl.DoesNotFit):
        panel.run_blocking()
    assert text(panel.status).startswith("Replay does not fit Arduino Nano") and "What would help" in text(
        panel.status
    )
    assert 'role="alert"' in panel.status.value and panel.played is life and not panel.time.disabled
    assert panel.painter.image.value == seen and panel.lives == {"finetuning, every week": life}


def test_a_year_that_stops_before_its_first_day_leaves_the_last_one(methods, year, monkeypatch):
    panel = panel_of(methods, year)
    life = panel.run_blocking()
    seen = panel.curves.own[0].line.get_ydata(), text(panel.sentence), text(panel.details)

    def broken(course):
        raise ValueError("expected this, got that")
        yield

    monkeypatch.setattr(sys.modules["edgecl_lite.widgets.life"], "played", broken)
    put(panel, method="replay")
    with pytest.raises(ValueError, match="got that"):
        panel.run_blocking()
    assert panel.played is life and "ValueError: expected this" in text(panel.status)
    assert np.array_equal(panel.curves.own[0].line.get_ydata(), seen[0])
    assert (text(panel.sentence), text(panel.details)) == seen[1:]
    assert panel.curves.axes[0].get_legend().get_texts()[0].get_text() == "finetuning, every week"
    panel.time.value = 3
    assert "Day 3:" in text(panel.details)


def test_what_never_learns_fits_where_it_can_answer(methods, year):
    panel = put(cl.life(methods, year, on="nano-33-ble"), method="replay", when="never")
    assert not panel.run_blocking().learned.any()


def test_windows_that_wait_need_room_too(methods, year):
    panel = panel_of(methods, year, gathers=10**5)
    with pytest.raises(MemoryError, match="does not fit ESP32.*It needs .* of RAM"):
        panel.run_blocking()


def test_what_learned_nothing_is_lived_once_for_each_board(methods, year):
    panel = panel_of(methods, year)
    panel.run_blocking()
    first = panel.nothing
    put(panel, method="means", labelled=0.5).run_blocking()
    assert panel.nothing is first
    assert list(panel.lives) == ["finetuning, every week", "means, every week, label share = 50 %"]
    put(panel, board="stm32h743").run_blocking()
    assert panel.nothing is not first and np.array_equal(panel.nothing.accuracy, first.accuracy)


def test_an_empty_battery_is_said_under_the_panel(methods, year):
    panel = panel_of(methods, year, battery_j=[1e-3, None])
    panel.run_blocking()
    assert "The battery was empty" in text(panel.sentence)
    assert np.isnan(panel.played.accuracy[0, -1]) and "no answer" in text(panel.details)


def test_every_control_changes_the_course(methods, year):
    panel = panel_of(methods, year, cuts=[0.0, 0.5], lr=[1e-3, 1e-2])
    put(panel, method="replay", when="every day", guard="56 windows held back", board="stm32h743")
    put(panel, labelled=0.25, capacity=60, cuts=0.5, lr=1e-2)
    course = panel.settings.course()
    strategy = course.strategy
    assert strategy.method.hyper["capacity"] == 60 and strategy.when == "always" and strategy.lr == 1e-2
    assert strategy.guard == Guard() and course.year.labelled == 0.25 and course.cuts == 0.5
    assert course.costs.board.name == "stm32h743"
    for name in ("replay", "every day", "guard 56", "stm32h743", "label share = 25 %", "capacity = 60"):
        assert name in text(panel.status)


def test_a_slider_goes_to_none_and_back(methods, year):
    panel = panel_of(methods, year, battery_j=[None, 0.5], micro_batch=[None, 4])
    slider, ready = panel.settings.controls["battery_j"], text(panel.status)
    for index, joules in ((1, 0.5), (0, np.inf), (1, 0.5)):
        slider.index = index  # as the browser moves it
        assert panel.settings.course().capacity == joules and (text(panel.status) == ready) == (index == 0)
    assert panel.settings.course().strategy.micro_batch is None
    assert slider.options[0][0] == "no limit"


def test_a_method_without_a_memory_has_no_capacity(methods, year):
    panel = panel_of(methods, year)
    layout = panel.settings.controls["capacity"].layout
    assert layout.visibility == "hidden"
    put(panel, method="replay")
    assert layout.visibility == "visible"


def test_a_strategy_keeps_its_own_choices(methods, year):
    panel = panel_of(
        {"slow": Strategy(methods["finetuning"], lr=1e-5, epochs=7)}, year, when={"daily": "always"}
    )
    strategy = panel.settings.course().strategy
    assert (strategy.lr, strategy.epochs, strategy.when) == (1e-5, 7, "always")


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        (dict(when={"soon": "soon"}), ValueError, "when must be"),
        (dict(guards={"yes": True}), TypeError, "guard must be"),
        (dict(lr=[-1.0]), ValueError, "lr"),
        (dict(speed=3), TypeError, "options of life are"),
        (dict(labelled=[2.0]), ValueError, "labelled"),
        (dict(cuts=[3.0]), ValueError, "cuts"),
        (dict(lives=0), ValueError, "seeds"),
        (dict(capacity=[-1]), ValueError, "capacity"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_it_refuses_what_makes_no_sense(methods, year, options, error, why):
    with pytest.raises(error, match=why):
        panel_of(methods, year, **options)


def test_it_refuses_methods_that_have_to_be_told_the_task(methods, year):
    with pytest.raises(TypeError, match="Separate cannot live here"):
        panel_of({"separate": Separate(methods["finetuning"].net)}, year)
    with pytest.raises(TypeError, match="year must be a Year"):
        cl.life(methods, 365)


def test_a_closed_panel_frees_its_pictures(methods, year):
    panel = panel_of(methods, year)
    panel.run_blocking()
    panel.close()
    assert panel.painter.image.value == b"" and panel.played is not None


def test_the_panel_leaves_a_stable_sentence(methods, year):
    panel = panel_of(methods, year)
    assert displayed(panel)["text/plain"] == panel.fallback == repr(panel)
    assert "edgecl-life" in panel._dom_classes and torch.is_tensor(panel.year.train.x)
