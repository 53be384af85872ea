"""Twins: a page without a kernel shows in each state what the panel shows in Jupyter.

The oracle is the panel itself: its own widgets are moved, and words, artists and pixels compared with what
was written down, and with what a browser draws of it.
"""

import functools
import http.server
import io
import itertools
import json
import re
import sys
import threading
from dataclasses import replace
from html import unescape
from types import SimpleNamespace

import numpy as np
import panel_states
import pytest
from lessons import ROOT, lessons, read
from PIL import Image

from edgecl_lite import EWC, Finetune, OnlineEWC, Replay, digits, maml, meta, mlp, rotated, sinusoids, sweep
from edgecl_lite.widgets import cells, explore, flip, guess, live, meter, pick, watch
from edgecl_lite.widgets.states import packed, states

sys.path.append(str(ROOT / "site"))
import drawing  # noqa: E402
import twins  # noqa: E402

STEM = "99_made_up"
HALF = 0.501  # of a thousandth of the axes, to which places are rounded
WIDGETS = {  # what a reader moves, in the order of the states
    "explore": lambda p: [p.sliders["lam"], p.sliders["gamma"]],
    "flip": lambda p: list(p.controls.values()),
    "meter": lambda p: [p.controls[name] for name in ("method", "board", "batch_size")],
}


@pytest.fixture(scope="module")
def stream():
    return rotated(digits(), (0, 60, 120))


def leaf(fig, lam, form):
    ax = fig.subplots()
    ax.plot([0, 1], [lam, 1 if form == "up" else -1])
    return f"λ = {lam} <goes> {form}."


def meta_training():
    waves = sinusoids(shots=5, queries=5)
    return meta.follow(maml, mlp(waves, (8,)), waves, seeds=2, steps=40, every=10, shown=(0, 1))


def lossy(run):
    """The run with one seed of one value lost half-way."""
    curve = run.curve.copy()
    curve[2, 1, 1, 4:] = np.nan
    return replace(run, curve=curve, lost={11: "lane 11: lr·λ·max F is above 2"})


@pytest.fixture(scope="module")
def made(stream):
    """{kind: a small panel}."""
    net = mlp(stream, (20,))
    method = OnlineEWC(net, gamma=0.9)
    run = sweep(method, stream, seeds=2, epochs=2, lam=[0, 1.0, 100.0], gamma=[0.5, 1.0], progress=False)
    surprise = guess("twin", "How <many>?", 0, 5, "%", 0.5)
    surprise.reveal(3.2)
    return {
        "explore": explore(lossy(run), note=lambda lam: f"bound {lam:g}"),
        "flip": flip(leaf, lam=[0, 0.5, 1], form=["up", "down"], width=5, height=3),
        "live": live(EWC(net), stream, seeds=2, epochs=1, lam=[0, 10.0]),
        "meter": meter({"plain": Finetune(net), "replay": Replay(net)}, stream),
        "guess": surprise,
        "watch": watch(meta_training, ["before", "after"], 40, label="error", top=6),
    }


@pytest.fixture(scope="module")
def stored(made, tmp_path_factory):
    """{kind: its states}, written as those of a lesson, in which each panel's cell is called by its kind."""
    folder, before = tmp_path_factory.mktemp("states"), dict(cells.made)
    cells.made.update({f"code of {kind}": (kind, [lambda p=panel: p]) for kind, panel in made.items()})
    panel_states.write({kind: f"code of {kind}" for kind in made}, STEM, folder)
    cells.made.clear()
    cells.made.update(before)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twins, "STATES", folder)
        yield twins.states(STEM)
        twins.states.cache_clear()


def told(widget):
    return unescape(re.sub(r"<[^>]*>", "", widget.value))


def moved(widgets):
    """(state, nothing) after nothing: the widgets go through all places, the last one fastest."""
    ranges = [range(len(widget.options)) for widget in widgets]
    for state, places in enumerate(itertools.product(*ranges)):
        for widget, place in zip(widgets, places):
            widget.index = place
        yield state


def now(stored, kind, what, state):
    return twins.now(stored[kind]["drawn"][what], state)


def close(places, exact, most=HALF):
    """Whole thousandths, None for NaN, against exact places 0 … 1."""
    found = np.array([np.nan if place is None else place for place in places], float)
    np.testing.assert_allclose(found, 1000 * np.asarray(exact, float), atol=most)


def inside(ax, points):
    """Places of points (n, 2) in the axes, 0 … 1, by way of pixels: (2, n) without what is NaN."""
    within = ax.transAxes.inverted().transform(ax.transData.transform(np.reshape(points, (-1, 2))))
    return within[np.isfinite(within).all(1)].T


def same_curves(curves, still, numbers):
    """What a page draws of forgetting curves is what the artists show."""
    ax = curves.moving[0].axes
    for on, (before, after, band) in enumerate(curves.tasks):
        drawn = drawing.lines(still["x"], still["curves"][on], numbers["mean"][on], numbers["sd"][on])
        marked = after.get_xydata()[after.get_markevery()] if len(after.get_xydata()) else []
        shown = band.get_xy()[:-1], before.get_xydata(), after.get_xydata(), marked
        for places, points, most in zip(drawn, shown, (2 * HALF, HALF, HALF, HALF)):
            close(np.reshape(places, (-1, 2)).T, inside(ax, points), most)
        look = still["curves"][on]
        assert (look["name"], look["marker"]) == (after.get_label(), after.get_marker())
        assert look["colour"].lower() == after.get_color().lower()


# ---- what is written down is what the panel shows


def test_explore(made, stored):
    panel, lost = made["explore"], []
    for state in moved(WIDGETS["explore"](panel)):
        words = [told(widget) for widget in (panel.readout, panel.sentence, panel.beside)]
        assert [twins.text(each, state) for each in stored["explore"]["said"]] == words
        numbers, sweep = now(stored, "explore", "curves", state), now(stored, "explore", "sweep", state)
        same_curves(panel.curves, stored["explore"]["still"]["curves"], numbers)
        lost.append(twins.text(stored["explore"]["labels"][0], state))
        assert lost[-1] == panel.words.get_text()
        line, band = panel.left.lines[0].get_xydata(), panel.left.collections[0].get_paths()[0].vertices
        kept = [i for i, y in enumerate(sweep["mean"]) if y is not None]
        drawn = {side: np.array(sweep[side], float)[kept] for side in ("x", "low", "mean", "high")}
        close([drawn["x"], drawn["mean"]], inside(panel.left, line))
        edges = inside(panel.left, band)[1]
        close([drawn["low"].min(), drawn["high"].max()], [edges.min(), edges.max()])
        x, y = now(stored, "explore", "thumb", state)
        at = panel.thumb.get_xdata()[0], np.mean(panel.left.get_ylim())
        close([x], inside(panel.left, at)[0])
        assert (y is None) == (lost[-1] != "")
        if y is not None:
            close([[x], [y]], inside(panel.left, panel.dot.get_xydata()))
        best = [t.get_text() for t in panel.left.texts if hasattr(t, "xyann")]
        assert [sweep["told"]] == best
        ticks = sweep["frame"]["y"]["ticks"]
        seen = {t.get_text() for t in panel.left.get_yticklabels()}
        assert len(ticks) > 2 and {word for _, word in ticks} <= seen
    assert lost.count("lost in training") == 1 and lost.count("") == 5


def test_flip(made, stored):
    panel, (files, size) = made["flip"], twins.pictures(STEM, "flip")
    assert size == (500, 300) and len(files) == 6
    for state in moved(WIDGETS["flip"](panel)):
        assert twins.text(stored["flip"]["said"][0], state) == told(panel.sentence)
        same_pixels(files[stored["flip"]["pictures"][state]], panel.image.value)
    assert len(set(stored["flip"]["pictures"])) == 6


def same_pixels(webp, png):
    with Image.open(io.BytesIO(webp)) as page, Image.open(io.BytesIO(png)) as jupyter:
        assert np.array_equal(page.convert("RGB"), jupyter.convert("RGB"))


def test_live_is_its_recorded_training(made, stored):
    panel, one, (files, _) = made["live"], stored["live"], twins.pictures(STEM, "live")
    assert panel.sliders["lam"].value == 0 and "λ = 0" in twins.text(one["said"][2], 0)
    assert len(one["controls"][0]["words"]) <= 16
    for state, word in enumerate(one["controls"][0]["words"]):
        moment = list(panel.run.step).index(int(word.removeprefix("step ")))
        panel.time.value = moment
        assert twins.text(one["said"][0], state) == told(panel.details)
        assert twins.text(one["said"][1], state) == told(panel.sentence)
        same_curves(panel.curves, one["still"]["curves"], now(stored, "live", "curves", state))
        close([now(stored, "live", "thumb", state)[0]], [panel.run.step[moment] / panel.run.step[-1]])
        same_pixels(files[one["pictures"][state]], panel.moment.painter.image.value)
    assert twins.start(one["controls"]) == len(one["controls"][0]["words"]) - 1  # as after a training


def test_meter(made, stored):
    panel, one = made["meter"], stored["meter"]
    for state in moved(WIDGETS["meter"](panel)):
        words = [told(widget) for widget in (panel.readout, panel.sentence, panel.work)]
        assert [twins.text(each, state) for each in one["said"]][:3] == words
        for k, (parts, label) in enumerate(panel.memory.bars.values()):
            assert twins.text(one["labels"][k], state) == label.get_text()
            close(now(stored, "meter", f"bar {k}", state), [part.get_width() / 150 for part in parts])
    fixed = twins.text(one["said"][3], 0)
    for name in set(panel.controls) - {"method", "board", "batch_size"}:
        control = panel.controls[name]
        assert f"{control.description} {control.label}" in fixed


def test_watch_is_its_recorded_training(made, stored):
    panel, one = made["watch"], stored["watch"]
    assert one["controls"] == [] and twins.text(one["said"][0], 0) == told(panel.sentence) != ""
    steps, still = np.array([point.step for point in panel.points]), one["still"]["curves"]
    some = [int(np.argmin(abs(steps - x * steps[-1] / 1000))) for x in still["x"]]
    score = np.stack([point.score for point in panel.points], 1)  # (lanes, points, curves)
    mean = (score.mean(0)[some].T + 0.02 * panel.curves.top) / (1.04 * panel.curves.top)
    close(now(stored, "watch", "curves", 0)["mean"], mean)


def test_guess_is_told_as_it_is_revealed(made, stored):
    panel, one = made["guess"], stored["guess"]
    assert panel.value is None  # reading it off has committed nothing
    assert one["controls"][0]["words"] == [f"{half / 2:g} %" for half in range(11)]
    for state in range(11):
        panel.slider.value = state / 2
        panel.commit()
        assert twins.text(one["said"][0], state) == told(panel.answer)


def test_panels_are_left_where_they_were(stream):
    panel = flip(leaf, lam=[0, 0.5, 1], form=["up", "down"])
    panel.controls["lam"].index = 1
    before = panel.image.value, panel.sentence.value
    assert twins.start(states(panel)[0]["controls"]) == 2
    assert (panel.image.value, panel.sentence.value) == before


@pytest.mark.parametrize("values", [["a", "b", "a"], [b"1", b"1"], [{"x": None}, {"x": None}, {"x": 1}], []])
def test_packed_is_each_value_once(values):
    of, at = packed(values).values()
    assert [of[i] for i in at] == values and len(of) == len({str(value) for value in values})


# ---- what has no twin, and what is too much for a page


def test_what_only_a_kernel_can_do_says_so(monkeypatch, tmp_path):
    panel = SimpleNamespace(finite=lambda: "It trains, which a <page> cannot.")
    assert states(panel) == ({"kind": "kernel", "said": "It trains, which a <page> cannot."}, [])
    assert states(pick()) == (None, [])
    monkeypatch.setattr(twins, "states", {STEM: {"life": states(panel)[0]}}.get)
    assert "a &lt;page&gt; cannot" in twins.twin(STEM, "life", tmp_path)
    assert twins.twin(STEM, "another", tmp_path) is None


def test_too_many_pictures_are_refused(monkeypatch, tmp_path):
    panel = flip(leaf, lam=list(range(31)), form=["up", "down"])
    monkeypatch.setitem(cells.made, "source", ("one", [lambda: panel]))
    told = (
        r"99_made_up, cell leaves: 62 pictures \(lam|λ: 31 × form: 2\), at most 60: give its controls fewer"
    )
    with pytest.raises(ValueError, match=told):
        panel_states.write({"leaves": "source"}, STEM, tmp_path)
    assert not list(tmp_path.iterdir())


def test_too_many_numbers_are_refused(made, monkeypatch, tmp_path):
    monkeypatch.setattr(panel_states, "BYTES", 2_000)
    for kind in ("explore", "guess"):
        monkeypatch.setitem(cells.made, kind, ("one", [lambda kind=kind: made[kind]]))
    told = r"99_made_up: .* bytes, at most 2,000; cell large takes [\d,]+: give its controls fewer values"
    with pytest.raises(ValueError, match=told):
        panel_states.write({"small": "guess", "large": "explore"}, STEM, tmp_path)


# ---- what is stored of the lessons

KINDS = "explore", "flip", "live", "meter", "guess"


def cells_with_panels(path):
    """{cell id: which panel} of a lesson, by what its source ends with and by what stands in for it."""
    found = {}
    for cell in read(path).cells:
        said = [output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", [])]
        if any("open this notebook in Jupyter" in text for text in said):
            found[cell.id] = re.findall(r"cl\.(\w+)\(", cell.source)
    return found


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_every_panel_of_a_lesson_has_its_states(path):
    wanted = {name: called for name, called in cells_with_panels(path).items() if "pick" not in called}
    stored = panel_states.STATES / f"{path.stem}.json"
    again = f"python tests/tools/refresh_notebooks.py --states {path.stem[:2]}"
    assert stored.exists(), again
    found = json.loads(stored.read_text("utf-8"))
    assert found.keys() == wanted.keys(), again
    assert stored.stat().st_size <= panel_states.BYTES
    sources = panel_states.sources(path.stem)
    for name, one in found.items():
        assert one["source"] == panel_states.digest(sources[name]), f"{name} was changed: {again}"
        assert one["kind"] in wanted[name] or one["kind"] == "kernel", name
        if one["kind"] == "kernel":
            continue
        many = np.prod([len(control["words"]) for control in one["controls"]])
        assert all(len(each["at"]) == many for each in [*one["said"], *one["drawn"].values()])
        pictures = panel_states.STATES / f"{path.stem}.{name}.webp"
        assert pictures.exists() == bool(one["pictures"])
        if one["pictures"]:
            with Image.open(pictures) as frames:
                assert len(one["pictures"]) == many <= 60
                assert getattr(frames, "n_frames", 1) == max(one["pictures"]) + 1


def test_nothing_is_stored_that_no_lesson_has():
    stems = {path.stem for path in lessons()}
    known = {f"{path.stem}.{name}" for path in lessons() for name in cells_with_panels(path)}
    for file in panel_states.STATES.iterdir():
        assert file.stem in (stems if file.suffix == ".json" else known), file.name


# ---- in a browser

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>twins</title>
<link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="../twin.css"><body style="margin:12px;font-family:sans-serif">{}
<script src="../twin.js"></script></body></html>"""


@pytest.fixture(scope="module")
def address(stored, tmp_path_factory):
    """Of a server on 127.0.0.1 with one page, /notebooks/, of all made-up twins."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "notebooks").mkdir()
    page = PAGE.format("".join(twins.twin(STEM, kind, folder) for kind in stored))
    (folder / "notebooks/index.html").write_text(page, encoding="utf-8")
    for script in twins.SCRIPTS:
        (folder / script.name).write_bytes(script.read_bytes())
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/notebooks/"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def opened(browser, address):
    """A function that opens the page in a context of its own; at the end: no error, no other host."""
    contexts, errors, asked = [], [], []

    def open(**options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda said: said.type in ("error", "warning") and errors.append(said.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.on("response", lambda answer: answer.ok or errors.append(answer.url))
        page.goto(address)
        return page

    yield open
    for context in contexts:
        context.close()
    assert not errors
    assert all(url.startswith((address.removesuffix("notebooks/"), "data:")) for url in asked)


SHOWN = """twin => {
    const all = (what, look) => [...twin.querySelectorAll(what)].map(look);
    return [
        all('[data-said]', p => p.textContent),
        all('.curve path, .sweep path', p => p.getAttribute('d')),
        all('.sweep', g => g.style.display),
        all('.thumb', g => g.getAttribute('transform')),
        all('.thumb circle', c => Number(c.getAttribute('cy'))),
        all('.twin-bar i', i => i.style.width),
        all('[data-label]', p => p.textContent),
        all('img', i => [i.getAttribute('src'), i.alt]),
        all('.twin-value', s => s.textContent),
        all('input[type=range]', i => i.getAttribute('aria-valuetext')),
    ];
}"""
PARSED = f"html => ({SHOWN})(new DOMParser().parseFromString(html, 'text/html').querySelector('.twin'))"


def shown(twin):
    """All that a twin shows, as numbers and words."""
    return twin.evaluate(SHOWN)


def files(kind, one):
    """Addresses of as many pictures as a twin has."""
    return [f"../_twins/{STEM}/{kind}.{i}.webp" for i in range(1 + max(one["pictures"] or [0]))]


def expected(twin, kind, one, places):
    """The same of a twin that begins in another state, as Python writes it: no script has touched it."""
    controls = [control | {"at": place} for control, place in zip(one["controls"], places)]
    html = twins.written(one | {"controls": controls}, "x", files(kind, one), one["pictures"] and (1, 1))
    return twin.page.evaluate(PARSED, html)


def starts(one):
    return [control["at"] for control in one["controls"]]


@pytest.mark.parametrize("kind", ["explore", "flip", "live"])
def test_keyboard_goes_through_all_states(kind, opened, stored):
    page, one = opened(), stored[kind]
    twin = page.locator(f"#twin-{STEM}-{kind}")
    assert shown(twin) == expected(twin, kind, one, starts(one))
    controls = twin.locator(".twin-control").all()
    for places in itertools.product(*(range(len(control["words"])) for control in one["controls"])):
        for control, place, told in zip(controls, places, one["controls"]):
            if told["buttons"]:
                control.get_by_label(told["words"][place], exact=True).press("Space")
                continue
            slider = control.get_by_role("slider", name=told["label"])
            while (at := int(slider.input_value())) != place:
                slider.press("ArrowRight" if at < place else "ArrowLeft")
            assert slider.get_attribute("aria-valuetext") == told["words"][place]
        assert shown(twin) == expected(twin, kind, one, places)
    if one["pictures"]:
        image = twin.locator("img").element_handle()
        page.wait_for_function("image => image.complete && image.naturalWidth > 1", arg=image)


def test_meter_by_its_buttons(opened, stored):
    page, one = opened(), stored["meter"]
    twin, places = page.locator(f"#twin-{STEM}-meter"), starts(one)
    assert shown(twin) == expected(twin, "meter", one, places)
    for k, name in enumerate(["method", "board"]):
        group = twin.get_by_role("group", name=name, exact=True)
        for place, label in enumerate(one["controls"][k]["words"]):
            places[k] = place
            group.get_by_label(label, exact=True).press("Space")
            assert shown(twin) == expected(twin, "meter", one, places)
    twin.get_by_role("slider").press("End")
    places[2] = len(one["controls"][2]["words"]) - 1
    assert shown(twin) == expected(twin, "meter", one, places)


def test_a_guess_is_committed_and_compared_in_the_page(opened, stored):
    page = opened()
    twin = page.locator(f"#twin-{STEM}-guess")
    answer = twin.get_by_role("status")
    assert answer.inner_text() == "" and "How <many>?" in twin.inner_text()
    twin.get_by_role("slider").press("End")
    assert answer.inner_text() == ""
    twin.get_by_role("button", name="Commit").press("Enter")
    assert answer.inner_text() == twins.text(stored["guess"]["said"][0], 10)
    assert "you guessed 5 %" in answer.inner_text() and "the answer is 3.2 %" in answer.inner_text()
    assert page.url.endswith("/notebooks/")  # nothing was sent


def test_without_javascript_there_is_a_picture_and_a_sentence(opened, stored):
    page = opened(java_script_enabled=False)
    for kind, one in stored.items():
        twin = page.locator(f"#twin-{STEM}-{kind}")
        assert not twin.locator("form").is_visible()
        if kind == "guess":
            continue
        state = twins.start(one["controls"])
        for k, each in enumerate(one["said"]):
            assert twin.locator("[data-said]").nth(k).text_content() == twins.text(each, state)
        assert twin.locator(".twin-plots svg, img, .twin-bar").first.is_visible()


def test_a_phone(opened, stored):
    page = opened(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for kind in ("explore", "live", "flip"):
        twin = page.locator(f"#twin-{STEM}-{kind}")
        slider = twin.get_by_role("slider").first
        before, box = shown(twin), slider.bounding_box()
        assert box["height"] >= 24 and box["width"] >= 150
        end = 0.95 if int(slider.input_value()) == 0 else 0.05
        slider.scroll_into_view_if_needed()
        slider.tap(position={"x": end * box["width"], "y": box["height"] / 2})
        after = shown(twin)
        assert after[0] != before[0] and after[1:] != before[1:]
    image = page.locator(f"#twin-{STEM}-live img")
    assert image.bounding_box()["width"] >= twins.LEGIBLE  # it scrolls in its own box, and stays legible


def test_the_script_is_small():
    script = next(path for path in twins.SCRIPTS if path.suffix == ".js")
    assert script.stat().st_size <= 5_000


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_every_stored_slider_moves(path, browser):
    """Twins without their pictures, from end to end: words and drawings as Python writes them."""
    stored = json.loads((panel_states.STATES / f"{path.stem}.json").read_text("utf-8"))
    some = {kind: one for kind, one in stored.items() if one["kind"] != "kernel"}
    script = next(file for file in twins.SCRIPTS if file.suffix == ".js").read_text("utf-8")
    made = [
        twins.written(one, kind, files(kind, one), one["pictures"] and (1, 1)) for kind, one in some.items()
    ]
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_content(f"{''.join(made)}<script>{script}</script>")
    for kind, one in some.items():
        twin, places = page.locator(f"#{kind}"), starts(one)
        for k, control in enumerate(one["controls"]):
            for key, place in (("End", len(control["words"]) - 1), ("Home", 0)):
                places[k], here = place, twin.locator(".twin-control").nth(k)
                if control["buttons"]:
                    here.get_by_label(control["words"][place], exact=True).press("Space")
                else:
                    here.get_by_role("slider").press(key)
                if one["kind"] == "guess":
                    twin.get_by_role("button", name="Commit").press("Enter")
                    assert twin.get_by_role("status").inner_text() == twins.text(one["said"][0], place)
                else:
                    assert shown(twin) == expected(twin, kind, one, places)
    page.close()
    assert not errors
