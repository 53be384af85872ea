"""A long computation beside a living kernel: an asyncio task over a generator, in slices of 20 ms.

Between two slices the kernel sees to its other business, so that Stop and other cells work
meanwhile; a thread would starve it. Callbacks of buttons may come from another thread with a loop
of its own (the "subshell" of ipykernel 7): they only hand a call to the loop on which the job was
made, and Stop only sets a flag. So does an interrupt of the kernel, which ipykernel ignores while
no cell runs. Colab shows nothing that comes between two messages: there the click itself works.
"""

import asyncio
import contextlib
import signal
import sys
import time

SLICE = 0.02  # seconds of work between two looks at the kernel's other business
FRAME = 1 / 14  # seconds from picture to picture
SHARE = 0.08  # at most this share of the time goes into pictures, unless a panel says otherwise


def beside():
    """The loop to work on beside the kernel; None where there is none, or nothing would be seen."""
    if "google.colab" in sys.modules:  # github.com/googlecolab/colabtools/issues/3373
        return None
    try:
        return asyncio.get_running_loop()  # that of the cell, in the kernel's main thread
    except RuntimeError:
        return None


class Job:
    """work() is a generator, worked off; show() draws, done(error) ends it.

    work() yields None where there is nothing new to show. state: "idle", "training", "stopped",
    "done" or "failed"; task: the asyncio task, None without a loop; drawing: seconds spent in
    `show`, and how often. share: of the time, at most, that may be spent so.
    """

    def __init__(self, work, show, done, share=SHARE):
        self.work, self.show, self.done, self.share = work, show, done, share
        self.state, self.task, self.stopping, self.drawing = "idle", None, False, (0.0, 0)
        self.slices, self.working, self.over, self.loop = None, False, False, beside()

    def call(self, function):
        """Run a function where the job lives, from whatever thread; at once where no loop is."""
        if self.loop and self.loop.is_running():
            self.loop.call_soon_threadsafe(function)
        else:
            function()

    def start(self):
        """Begin, in a `call`; without a loop go on to the end. Nothing happens while it runs."""
        if self.state == "training" or self.over:
            return
        if self.loop is None:
            self.run_blocking()
        else:
            self.state, self.slices = "training", self._slices()
            self.task = self.loop.create_task(self._run())
            self.task.add_done_callback(_seen)

    def stop(self):
        """Stop at the next step and keep what there is."""
        self.stopping = True

    def interrupt(self):
        """Stop as `stop` does; at the second time in the middle of a step."""
        if self.stopping and self.working:
            raise KeyboardInterrupt
        self.stopping = True

    def end(self):
        """Stop for ever, in this call where that is possible, and keep what there is."""
        self.over = self.stopping = True
        if self.slices and not self.working:
            self.slices.close()
        if self.state == "training" and not self.working:  # it had not begun
            self.state = "stopped"

    async def _run(self):
        interrupts.jobs.append(self)
        try:
            while self._work_on():
                await asyncio.sleep(0)
        finally:
            self.slices.close()
            interrupts.jobs.remove(self)
            interrupts.unlisten()

    def _work_on(self):
        """A slice of work; whether there is more."""
        interrupts.listen()
        self.working = True
        try:
            return next(self.slices, self) is None
        finally:
            self.working = False

    def run_blocking(self):
        """Run to the end in this call, for tests and scripts."""
        if self.state == "training":
            way = "wait until it is done, or press Stop"
            raise RuntimeError(f"this panel is training already: {way}")
        if self.over:
            raise RuntimeError("this panel has ended, as its cell ran again: use the new one")
        for _ in self._slices():
            pass

    def _slices(self):
        """Do the work; yields after every slice. An interrupt of the kernel stops it, too."""
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
                    due = now + max(FRAME, cost / self.share)
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


def _seen(task):
    """The panel shows an error and whoever awaits the task gets it: asyncio need not log it too."""
    if not task.cancelled():
        task.exception()


class Interrupts:
    """What an interrupt (SIGINT) does while jobs are working: stop them, and what it did before.

    ipykernel has a handler of its own for every message and ignores interrupts in between, so each
    slice of work looks anew. before: what to put back at the end; beside: what else is to be told.
    """

    def __init__(self):
        self.jobs, self.before, self.beside, self.first = [], signal.SIG_DFL, None, True

    def listen(self):
        now, first, self.first = signal.getsignal(signal.SIGINT), self.first, False
        if now == self.tell:
            return
        with contextlib.suppress(ValueError):  # only the main thread may
            signal.signal(signal.SIGINT, self.tell)
            self.beside = now
            if first or not callable(now):  # else it is one that ipykernel itself takes away
                self.before = now or signal.SIG_DFL

    def unlisten(self):
        if self.jobs:
            return
        self.first, self.beside = True, None
        with contextlib.suppress(ValueError):
            if signal.getsignal(signal.SIGINT) == self.tell:
                signal.signal(signal.SIGINT, self.before)

    def tell(self, number, frame):
        for job in self.jobs:
            job.interrupt()
        if callable(self.beside) and self.beside is not signal.default_int_handler:
            self.beside(number, frame)


interrupts = Interrupts()
