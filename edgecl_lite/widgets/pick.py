"""`pick`: choose a board and a job for it; the lessons to come measure what learning there takes.

A thin wrapper around `dossier.choose`, which says the same in a line of code. Lesson: start_here.
"""

import ipywidgets as W

from ..device.boards import boards, size
from ..lessons import dossier
from .painter import Panel, say


class Pick(Panel):
    """A row of boards, a row of jobs: nothing is kept before Keep is pressed, nor by Run All.

    It begins at what is chosen already. `board`, `job`: the rows; `answer`: what is kept.
    """

    fallback = "Boards and jobs to pick from: open this notebook in Jupyter to use them."

    def __init__(self):
        on, job = dossier.chosen()
        self.board = _row("board", boards(), on.name)
        self.job = _row("job", dossier.JOBS, job)
        self.button = W.Button(description="Keep", icon="check", tooltip="Keep this choice")
        self.button.add_class("edgecl-keep").on_click(lambda _: self.keep())
        self.demands, self.answer = say(""), say(dossier.choose(), css="edgecl-answer")
        for row in (self.board, self.job):
            row.observe(self._describe, "value")
        super().__init__(
            "edgecl-pick-panel", self.board, self.job, self.demands, self.button, self.answer
        )
        self._describe()

    def keep(self):
        """Keep what is picked."""
        kept = dossier.choose(self.board.value, self.job.value)
        say(f"Chosen: {kept}", self.answer, "edgecl-answer", "status")

    def _describe(self, _=None):
        on, job = boards()[self.board.value], dossier.JOBS[self.job.value]
        has = f"{size(on.usable)} of RAM for learning, {on.hertz / 1e6:.0f} MHz"
        power = f"{1000 * on.watts:g} mW while it computes"
        say(f"{on.title}: {has}, {power}. Wanted of {job}.", self.demands, "edgecl-demands")


def _row(what, names, value):
    """Buttons of which one is pressed; the first one where there is no value yet."""
    row = W.ToggleButtons(options=list(names), description=what)
    row.value = value if value in names else row.value
    row.style.button_width = row.layout.width = "auto"
    return row.add_class(f"edgecl-{what}")


pick = Pick
