"""Every lesson in a real browser, by keyboard alone: Run All, then each slider, button and panel is used.

A lesson's panels are found by their CSS classes, so that a new lesson is tested by being there.
"""

import time

import pytest
from labserver import open_and_run, picture_hash, wait_changed
from lessons import lessons


@pytest.fixture(params=lessons(), ids=lambda path: path.stem)
def lesson(request, page, lab):
    """The page of a lesson that has just been run from top to bottom without an error."""
    open_and_run(page, lab, f"notebooks/{request.param.name}")
    return page


def panels(page, name):
    """The panels of one kind, each scrolled to and ready."""
    found = page.locator(f".{name}:visible")
    for i in range(found.count()):
        panel = found.nth(i)
        panel.scroll_into_view_if_needed()
        yield panel


def press(page, handle, key):
    handle.scroll_into_view_if_needed()
    handle.focus()
    page.keyboard.press(key)


def move(page, handle, picture):
    """A key changes a slider's value and the picture; the opposite key brings the old picture back."""
    before, value = picture_hash(picture), handle.get_attribute("aria-valuetext")
    now, least = (float(handle.get_attribute(f"aria-value{end}")) for end in ("now", "min"))
    there, back = ("ArrowRight", "ArrowLeft") if now <= least else ("ArrowLeft", "ArrowRight")
    press(page, handle, there)
    after = wait_changed(page, picture, before)
    assert handle.get_attribute("aria-valuetext") != value
    press(page, handle, back)
    wait_changed(page, picture, after)
    page.wait_for_timeout(150)
    assert picture_hash(picture) == before, "the same value must give the very same pixels"


def words(panel, css):
    return panel.locator(f".{css}").first.inner_text()


def until(page, panel, css, word, seconds=60):
    """Wait until the text of the panel's element says `word`; returns the seconds it took."""
    begun = time.monotonic()
    while word not in words(panel, css):
        assert time.monotonic() - begun < seconds, f"{word!r} never came: {words(panel, css)!r}"
        page.wait_for_timeout(20)
    return time.monotonic() - begun


def train_and_stop(page, panel):
    """Train draws, Stop stops, Train again finishes; returns the seconds that Stop took."""
    curve = panel.locator("img.edgecl-curve")
    train, stop = (panel.get_by_role("button", name=name) for name in ("Train", "Stop"))
    before = picture_hash(curve)
    press(page, train, "Enter")
    wait_changed(page, curve, wait_changed(page, curve, before))  # at least two pictures while it trains
    press(page, stop, "Enter")
    seconds = until(page, panel, "edgecl-status", "Stopped", seconds=5)
    page.wait_for_timeout(300)
    still = picture_hash(curve)
    page.wait_for_timeout(400)
    assert picture_hash(curve) == still, "stopped means stopped"
    press(page, train, "Enter")
    until(page, panel, "edgecl-status", "Finished")
    page.wait_for_timeout(300)
    return seconds


def test_every_control_by_keyboard(lesson, record_property):
    page, used = lesson, 0
    for panel in panels(page, "edgecl-guess-panel"):
        used += 1
        handle = panel.get_by_role("slider").first
        value = handle.get_attribute("aria-valuenow")
        press(page, handle, "ArrowRight")
        assert handle.get_attribute("aria-valuenow") != value
        press(page, panel.get_by_role("button", name="Commit"), "Enter")
        until(page, panel, "edgecl-answer", "guess")

    for panel in panels(page, "edgecl-flip-panel"):
        picture = panel.locator("img.edgecl-flip")
        for handle in panel.get_by_role("slider").all():
            used += 1
            move(page, handle, picture)
        for group in panel.locator(".widget-toggle-buttons").all():
            for button in group.get_by_role("button").all()[1:]:
                used += 1
                before = picture_hash(picture)
                press(page, button, "Enter")
                wait_changed(page, picture, before)

    for panel in panels(page, "edgecl-explore"):
        picture = panel.locator("img.edgecl-curve")
        for handle in panel.get_by_role("slider").all():
            used += 1
            text = words(panel, "edgecl-readout")
            move(page, handle, picture)
            press(page, handle, "End")
            page.wait_for_timeout(300)
            assert words(panel, "edgecl-readout") != text or handle.get_attribute("aria-valuenow") == "0"
            assert "nan" not in words(panel, "edgecl-readout").lower()

    for panel in panels(page, "edgecl-live"):
        used += 1
        for handle in panel.locator(".widget-hbox [role=slider]").all():
            text = words(panel, "edgecl-status")
            press(page, handle, "ArrowRight")
            page.wait_for_timeout(300)
            if words(panel, "edgecl-status") == text:  # it stood at its end
                press(page, handle, "ArrowLeft")
                page.wait_for_timeout(300)
            assert words(panel, "edgecl-status") != text
        record_property("stop_seconds", train_and_stop(page, panel))
        move(page, panel.locator(".edgecl-time [role=slider]"), panel.locator("img.edgecl-moment"))

    for panel in panels(page, "edgecl-meter"):
        picture = panel.locator("img.edgecl-memory")
        for handle in panel.get_by_role("slider").all():
            used += 1
            move(page, handle, picture)
        groups = panel.locator(".widget-toggle-buttons").all()
        for group in groups[1:] + groups[:1]:  # the methods last: some of them have no capacity and no bits
            for button in group.get_by_role("button").all()[1:]:
                if button.get_attribute("aria-pressed") == "true" or "mod-active" in button.get_attribute(
                    "class"
                ):
                    continue
                used += 1
                before = picture_hash(picture), words(panel, "edgecl-readout")
                press(page, button, "Enter")
                page.wait_for_timeout(300)
                assert (picture_hash(picture), words(panel, "edgecl-readout")) != before
                assert "fit" in words(panel, "edgecl-readout")

    for panel in panels(page, "edgecl-watch"):
        used += 1
        record_property("stop_seconds", train_and_stop(page, panel))
    assert used, "a lesson without a control is no interactive lesson"
