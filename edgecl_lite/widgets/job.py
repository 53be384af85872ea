"""A long computation beside a living kernel: an asyncio task over a generator, worked off in slices of 20 ms.

Between two slices the kernel sees to its other business, so that Stop and other cells work meanwhile; a
thread would starve it. Callbacks of buttons may come from another thread with a loop of its own (the
"subshell" of ipykernel 7): they only hand a call to the loop on which the job was made, and Stop only sets a
flag.
"""

import asyncio
import time

SLICE = 0.02  # seconds of work between two looks at the kernel's other business
FRAME = 1 / 14  # seconds from picture to picture
SHARE = 0.08  # at most this share of the time goes into pictures


class Job:
    """work() -> a generator, which yields None where there is nothing new to show; show() draws, done(error)
    ends it.

    state: "idle", "training", "stopped", "done" or "failed"; task: the asyncio task, None without a loop;
    drawing: seconds spent in `show`, and how often.
    """

    def __init__(self, work, show, done):
        self.work, self.show, self.done = work, show, done
        self.state, self.task, self.stopping, self.drawing = "idle", None, False, (0.0, 0)
        try:
            self.loop = asyncio.get_running_loop()  # that of the cell, in the kernel's main thread
        except RuntimeError:
            self.loop = None

    def call(self, function):
        """Run a function where the job lives, from whatever thread; at once where there is no loop."""
        if self.loop and self.loop.is_running():
            self.loop.call_soon_threadsafe(function)
        else:
            function()

    def start(self):
        """Begin beside the living kernel, in a `call`; nothing happens while it is running."""
        if self.state != "training":
            self.state, self.task = "training", self.loop.create_task(self._run())

    def stop(self):
        """Stop at the next step and keep what there is."""
        self.stopping = True

    async def _run(self):
        for _ in self._slices():
            await asyncio.sleep(0)

    def run_blocking(self):
        """Run to the end in this call, for tests and scripts."""
        if self.state == "training":
            raise RuntimeError("this panel is training already: wait until it is done, or press Stop")
        for _ in self._slices():
            pass

    def _slices(self):
        """Do the work; yields after every slice. An interrupt of the kernel stops it as the button would."""
        self.state, self.stopping, self.drawing, error = "training", False, (0.0, 0), None
        looked, due, news = 0.0, 0.0, False
        try:
            for seen in self.work():
                now = time.perf_counter()
                news = news or seen is not None
                if news and now > due:
                    self.show()
                    news = False
                    cost = time.perf_counter() - now
                    due = now + max(FRAME, cost / SHARE)
                    self.drawing = self.drawing[0] + cost, self.drawing[1] + 1
                if self.stopping:
                    break
                if now > looked + SLICE:
                    yield
                    looked = time.perf_counter()
            self.state = "stopped" if self.stopping else "done"
        except (KeyboardInterrupt, GeneratorExit):
            self.state = "stopped"
        except Exception as problem:
            self.state, error = "failed", problem
            raise
        finally:
            self.done(error)
