"""Every lesson in a real browser, by keyboard alone: Run All, then each slider, button and panel is used.

A lesson's panels are found by their CSS classes, so that a new lesson is tested by being there.
"""

import re

import pytest
from labserver import open_and_run, picture_hash, wait_changed, wait_still, wait_until
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


def aria(handle, what):
    return float(handle.get_attribute(f"aria-value{what}"))


def nudge(page, handle):
    value = aria(handle, "now")
    press(page, handle, "ArrowRight")
    wait_until(page, lambda: aria(handle, "now") != value, "another value")


def move(page, handle, picture):
    """A key changes a slider's value and the picture; the opposite key brings the old picture back."""
    before, value = picture_hash(picture), handle.get_attribute("aria-valuetext")
    at_least = aria(handle, "now") <= aria(handle, "min")
    there, back = ("ArrowRight", "ArrowLeft") if at_least else ("ArrowLeft", "ArrowRight")
    press(page, handle, there)
    wait_changed(page, picture, before)
    assert handle.get_attribute("aria-valuetext") != value
    press(page, handle, back)
    wait_until(page, lambda: picture_hash(picture) == before, "the same value must give the very same pixels")


def words(panel, css):
    return panel.locator(f".{css}").first.inner_text()


def until(page, panel, css, word):
    """Wait until the text of the panel's element says `word`."""
    wait_until(page, lambda: word in words(panel, css), lambda: f"{word!r}: {words(panel, css)!r}")


def wait_reworded(page, panel, css, old):
    """Wait until the text of the panel's element is another than `old`."""
    wait_until(page, lambda: words(panel, css) != old, f"another text than {old!r}")


def press_meter(page, panel, button):
    """A button of the memory meter changes its picture or its words."""
    looks = lambda: (picture_hash(panel.locator("img.edgecl-memory")), words(panel, "edgecl-readout"))
    before = looks()
    press(page, button, "Enter")
    wait_until(page, lambda: looks() != before, "the meter answers")


def train_and_stop(page, panel, begin="Train"):
    """Train draws, Stop stops and stays so, Train again finishes."""
    curve = panel.locator("img.edgecl-curve")
    train, stop = (panel.get_by_role("button", name=re.compile(rf"\b{name}$")) for name in (begin, "Stop"))
    before = picture_hash(curve)
    press(page, train, "Enter")
    wait_changed(page, curve, wait_changed(page, curve, before))  # at least two pictures while it trains
    press(page, stop, "Enter")
    until(page, panel, "edgecl-status", "Stopped")
    wait_still(page, curve)
    assert "Stopped" in words(panel, "edgecl-status"), "stopped means stopped"
    press(page, train, "Enter")
    until(page, panel, "edgecl-status", "Finished")
    wait_still(page, curve)


def test_every_control_by_keyboard(lesson):
    page, used = lesson, 0
    for panel in panels(page, "edgecl-guess-panel"):
        used += 1
        handle = panel.get_by_role("slider").first
        nudge(page, handle)
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
            until(page, panel, "edgecl-readout", text)
            if aria(handle, "now") < aria(handle, "max"):
                press(page, handle, "End")
                wait_reworded(page, panel, "edgecl-readout", text)
            assert "nan" not in words(panel, "edgecl-readout").lower()

    for panel in panels(page, "edgecl-live"):
        used += 1
        for handle in panel.locator(".widget-hbox [role=slider]").all():
            text = words(panel, "edgecl-status")
            press(page, handle, "ArrowRight" if aria(handle, "now") < aria(handle, "max") else "ArrowLeft")
            wait_reworded(page, panel, "edgecl-status", text)
        train_and_stop(page, panel)
        move(page, panel.locator(".edgecl-time [role=slider]"), panel.locator("img.edgecl-moment"))

    for panel in panels(page, "edgecl-life"):
        used += 1
        for group in panel.locator(".widget-toggle-buttons").all():
            text, buttons = words(panel, "edgecl-status"), group.get_by_role("button").all()
            first = group.locator(".mod-active").inner_text()
            for button in buttons:
                if button.inner_text() != first:
                    press(page, button, "Enter")
                    wait_reworded(page, panel, "edgecl-status", text)
            back = [button for button in buttons if button.inner_text() == first]
            press(page, back[0], "Enter")  # among the others are some that no board has room for
            until(page, panel, "edgecl-status", text)
        for handle in panel.locator(".widget-hbox [role=slider]:visible").all():
            text = words(panel, "edgecl-status")
            there, back = ("ArrowRight", "ArrowLeft")
            if aria(handle, "now") >= aria(handle, "max"):
                there, back = back, there
            press(page, handle, there)
            wait_reworded(page, panel, "edgecl-status", text)
            press(page, handle, back)
            until(page, panel, "edgecl-status", text)
        train_and_stop(page, panel, "Play")
        days, details = panel.locator(".edgecl-time [role=slider]"), words(panel, "edgecl-details")
        move(page, days, panel.locator("img.edgecl-day"))
        until(page, panel, "edgecl-details", details)

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
                press_meter(page, panel, button)
                until(page, panel, "edgecl-readout", "fit")

    for panel in panels(page, "edgecl-watch"):
        used += 1
        train_and_stop(page, panel)

    for panel in panels(page, "edgecl-pick-panel"):
        for group in panel.locator(".widget-toggle-buttons").all():
            for button in group.get_by_role("button").all()[1:]:
                used += 1
                text = words(panel, "edgecl-demands")
                press(page, button, "Enter")
                wait_reworded(page, panel, "edgecl-demands", text)
        press(page, panel.get_by_role("button", name="Keep"), "Enter")
        until(page, panel, "edgecl-answer", "Chosen")
    assert used, "a lesson without a control is no interactive lesson"
