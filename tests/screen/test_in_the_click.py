"""Where nothing is seen that comes between two messages, as on Colab, a panel trains in the click itself.

Colab is simulated here by its module's name; what its own page does with the messages is not tried.
"""

import asyncio
import sys
import types

import numpy as np
import pytest
from test_widgets import Kernel

import edgecl_lite as cl


@pytest.fixture
def colab(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))


@pytest.fixture(scope="module")
def stream():
    return cl.rotated(cl.digits(), (0, 60))


def live(stream):
    return cl.live(cl.EWC(cl.mlp(stream, (20,))), stream, seeds=2, epochs=2, lam=[0, 100.0])


def watch(stream):
    method = cl.Finetune(cl.mlp(stream, (20,)))
    return cl.watch(lambda: cl.learn(method, stream, epochs=2, every=9), stream.names, 1000)


def fleet(stream):
    clients = cl.clients(cl.digits(), 4)
    return cl.live(cl.Finetune(cl.mlp(clients.whole)), clients, rounds=3, local_epochs=[1, 2])


def in_a_cell(function):
    """Call it while a loop runs, as in a kernel; returns what it returns, before the loop goes on."""

    async def main():
        return function()

    return asyncio.run(main())


@pytest.mark.parametrize("make", [live, watch, fleet], ids=lambda make: make.__name__)
def test_the_click_trains_to_the_end(make, stream, colab):
    def click():
        panel = make(stream)
        shown, told, stop = [], [], []
        panel.painter.image.observe(lambda change: shown.append(change.new), "value")
        panel.status.observe(lambda change: told.append(change.new), "value")
        panel.stop_button.observe(lambda change: stop.append(change.new), "disabled")
        panel.train_button.click()
        return panel, shown, told, stop, panel.job.state

    panel, shown, told, stop, state = in_a_cell(click)
    assert state == "done" and "Finished" in panel.status.value and not panel.train_button.disabled
    assert len(set(shown)) > 1 and "interrupt the kernel" in told[0]
    assert panel.stop_button.disabled and False not in stop  # nobody would hear it


def test_beside_the_kernel_elsewhere(stream):
    def click():
        panel = live(stream)
        panel.train_button.click()
        panel.close()
        return panel.job.state, panel.points

    assert in_a_cell(click) == ("idle", [])  # it would have begun when the loop goes on


def test_what_was_learned_is_the_same(stream, colab):
    panel = in_a_cell(lambda: live(stream))
    panel.sliders["lam"].value = 100.0
    for _ in range(2):  # and a second click trains again
        panel.train_button.click()
    method = cl.EWC(cl.mlp(stream, (20,)), lam=100.0)
    options = dict(seeds=2, epochs=2, every=panel.options["every"], progress=False)
    assert len(panel.runs) == 2
    for run in panel.runs:
        assert np.array_equal(run.curve[0], cl.train(method, stream, **options).curve)
    panel.time.value = 0  # time travel is at once, too
    assert "At step 0" in panel.details.value


def test_an_interrupt_keeps_what_there_is(stream, colab, monkeypatch):
    panel = in_a_cell(lambda: live(stream))
    add = type(panel)._add

    def interrupted(self, point):
        add(self, point)
        if len(self.points) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(type(panel), "_add", interrupted)
    panel.train_button.click()
    assert panel.job.state == "stopped" and panel.run.stopped and "Stopped" in panel.status.value
    assert not panel.train_button.disabled


class Click:
    """A click on a widget's button, sent to a kernel by hand, and what the kernel answers to it."""

    def __init__(self, kernel, button):
        self.kernel, session = kernel, kernel.client.session
        data = {"method": "custom", "content": {"event": "click"}}
        self.message = session.msg(
            "comm_msg", {"comm_id": kernel.run(f"print({button}.model_id)"), "data": data}
        )
        kernel.client.shell_channel.send(self.message)

    def answers(self):
        """The ids of the widgets that change, as they do, until the kernel is idle again."""
        while True:
            reply = self.kernel.client.get_iopub_msg(timeout=300)
            if reply["parent_header"].get("msg_id") != self.message["header"]["msg_id"]:
                continue
            if reply["content"].get("execution_state") == "idle":
                return
            if reply["msg_type"] == "comm_msg":
                yield reply["content"]["comm_id"]


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    kernel.run(
        "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"
        "import edgecl_lite as cl\nstream = cl.rotated(cl.digits(), (0, 60))\n"
        "make = lambda epochs: cl.live(cl.EWC(cl.mlp(stream, (20,))), stream, epochs=epochs)"
    )
    yield kernel
    kernel.manager.shutdown_kernel(now=True)
    kernel.client.stop_channels()


def test_in_a_kernel_pictures_are_answers_to_the_click(kernel):
    kernel.run("panel = make(20)")
    image = kernel.run("print(panel.painter.image.model_id)")
    changed = list(Click(kernel, "panel.train_button").answers())
    assert changed.count(image) > 3 and kernel.run("print(panel.job.state)") == "done"


def test_in_a_kernel_an_interrupt_stops_it(kernel):
    kernel.run("panel = make(5000)")
    image = kernel.run("print(panel.painter.image.model_id)")
    answers = Click(kernel, "panel.train_button").answers()
    while next(answers) != image:
        pass
    kernel.manager.interrupt_kernel()
    assert len(list(answers)) > 0
    assert (
        kernel.run("print(panel.job.state, panel.run.stopped, len(panel.points) > 0)") == "stopped True True"
    )
