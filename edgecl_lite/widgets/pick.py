"""`pick`: choose a board and a job for it; the lessons to come measure what learning there takes.

A thin wrapper around `dossier.choose`, which says the same in a line of code. Lesson: start_here.
"""

import ipywidgets as W

from ..device.boards import boards, size
from ..lessons import dossier
from .painter import Panel, say


class Pick(Panel):
    """Two menus and a button: nothing is kept before Keep is pressed, so Run All changes nothing.

    It begins at what is chosen already. `board`, `job`: the menus; `answer`: what is kept.
    """

    fallback = "Menus for a board and a job: open this notebook in Jupyter to use them."

    def __init__(self):
        on, job = dossier.chosen()
        has = boards()
        self.board = _menu("board", {board.title: name for name, board in has.items()}, on.name)
        self.job = _menu("job", {j.title: name for name, j in dossier.JOBS.items()}, job)
        self.button = W.Button(description="Keep", icon="check", tooltip="Keep this choice")
        self.button.add_class("edgecl-keep").on_click(lambda _: self.keep())
        self.demands, self.answer = say(""), say(dossier.choose(), css="edgecl-answer")
        for menu in (self.board, self.job):
            menu.observe(self._describe, "value")
        super().__init__(
            "edgecl-pick", self.board, self.job, self.demands, self.button, self.answer
        )
        self._describe()

    def keep(self):
        """Keep what the menus say."""
        kept = dossier.choose(self.board.value, self.job.value)
        say(f"Chosen: {kept}", self.answer, "edgecl-answer", "status")

    def _describe(self, _=None):
        on, job = boards()[self.board.value], dossier.JOBS[self.job.value]
        has = f"{size(on.usable)} of RAM for learning, {on.hertz / 1e6:.0f} MHz"
        power = f"{1000 * on.watts:g} mW while it computes"
        say(f"{on.title}: {has}, {power}. Wanted of {job}.", self.demands, "edgecl-demands")


def _menu(what, names, value):
    """A menu over {words: name}; at the first one where there is no value yet."""
    menu = W.Dropdown(options=names, description=what, layout=dict(width="420px"))
    menu.value = value if value in names.values() else menu.value
    menu.tooltip = f"{what}: choose with the arrow keys"
    return menu.add_class(f"edgecl-{what}")


pick = Pick
