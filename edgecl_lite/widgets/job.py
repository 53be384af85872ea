"""A long computation beside a living kernel: an asyncio task over a generator, worked off in slices of 20 ms.

Between two slices the kernel sees to its other business, so that Stop and other cells work meanwhile; a
thread would starve it. Callbacks of buttons may come from another thread with a loop of its own (the
"subshell" of ipykernel 7), so they only hand a call to the loop on which the job was made, and Stop only sets
a flag.
"""

import asyncio
import time
from contextlib import closing

SLICE = 0.02  # seconds of work between two looks at the kernel's other business
FRAME = 1 / 14  # seconds from picture to picture
SHARE = 0.1  # at most this share of the time goes into pictures


class Job:
    """make() -> a generator of points (None: nothing to draw); show(points) draws; done(points, error) ends
    it.

    state: "idle", "training", "stopped", "done" or "failed"; task: the asyncio task, None without a loop.
    """

    def __init__(self, make, show, done):
        self.make, self.show, self.done = make, show, done
        self.state, self.task, self.stopping, self.points, self.begun = "idle", None, False, [], 0.0
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
        """Begin where the job lives; nothing happens while it is running."""
        if self.state != "training":
            if self.loop and self.loop.is_running():
                self.state, self.task = "training", self.loop.create_task(self._run())
            else:
                self.run_blocking()

    def stop(self):
        """Stop at the next step and keep what there is."""
        self.stopping = True

    def run_blocking(self):
        """Run to the end in this call, for tests and scripts; an interrupt stops it as the button would."""
        if self.state == "training":
            raise RuntimeError("this panel is training already: wait until it is done, or press Stop")
        with closing(self._slices()) as slices:
            try:
                for _ in slices:
                    pass
            except KeyboardInterrupt:
                pass

    async def _run(self):
        with closing(self._slices()) as slices:
            for _ in slices:
                await asyncio.sleep(0)

    def _slices(self):
        """Do the work; yields after every slice."""
        self.state, self.stopping, self.points, error, cost = "training", False, [], None, 0.0
        self.begun = looked = drawn = time.perf_counter()
        try:
            yield
            with closing(self.make()) as points:
                for point in points:
                    now = time.perf_counter()
                    if point is not None:
                        self.points.append(point)
                    if self.points and now - drawn > max(FRAME, cost / SHARE):
                        self.show(self.points)
                        drawn, cost = now, time.perf_counter() - now
                    if self.stopping:
                        break
                    if now - looked > SLICE:
                        yield
                        looked = time.perf_counter()
            self.state = "stopped" if self.stopping else "done"
        except Exception as problem:
            self.state, error = "failed", problem
            raise
        finally:
            if self.state == "training":  # an interrupt, or the task was cancelled
                self.state = "stopped"
            self.done(self.points, error)
