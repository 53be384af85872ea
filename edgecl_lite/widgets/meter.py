"""`meter`: a memory bar that fills while you choose a board, a method, a batch and an engine.

The networks are measured once, when the panel is made; a change only counts anew. What the bars and
the words say comes from `budget`, `fits` and `estimate` alone. Lesson: edge_budget.
"""

from ipywidgets import ToggleButtons

from .. import plots
from .._refuse.arguments import several
from ..device.advice import fits
from ..device.boards import board as named
from ..device.boards import boards
from ..device.budget import OPTIMIZER, budget
from ..device.energy import estimate
from .painter import Painter, Panel, say, value_slider
from .states import Finite, choice, words_of

WEIGHTS = [("fp32", 4), ("int8", 1)]  # pairs, for ipywidgets 7 warns of a dict
ENGINES = [("PyTorch", "eager"), ("lean", "lean")]
RECOMPUTE = [("no", False), ("yes", True)]
WHOLE = 128  # the largest batch of the slider, so that nothing is cut
SLIDERS = "batch_size", "micro_batch", "capacity"
KEPT = "method", "board", "batch_size"  # on a page without a kernel: all would be too many


class Meter(Panel):
    """What methods {label: method} need of a board to learn a stream, and whether they fit.

    on: the board at first, its name or a `Board` of your own; constants: for `estimate`, such as
    efficiency. Capacity and bits hold for all methods that keep samples; they begin at the first
    one's capacity and at 8. `controls` {name: widget}; `verdict`: what `fits` says of their values.
    """

    fallback = "A memory meter over methods and boards: open this notebook in Jupyter to use it."

    def __init__(self, methods, stream, on="nano-33-ble", **constants):
        if not isinstance(methods, dict):
            want = "a dict {label: method}, such as {'EWC': EWC(net)}"
            raise TypeError(f"methods must be {want}, got {type(methods).__name__}")
        on, self.constants = named(on), constants
        self.boards = boards() | {on.name: on}
        self.budgets = {label: budget(method, stream) for label, method in methods.items()}
        self.controls = self._controls(on.name)
        fig, axes = plots.figure(1, 2, width=7.6, height=2.7)
        self.memory, self.painter = plots.MemoryBars(axes), Painter(fig, "edgecl-memory")
        self.painter.use(self.memory.moving)
        self.readout, self.sentence, self.work = words = [say("") for _ in range(3)]
        for each in words:  # three lines for each, so that nothing below ever moves
            each.layout.min_height = "4.5em"
        method, board, *others = self.controls.values()
        below = self.readout, self.painter.image, self.sentence, self.work
        rows = method, board, others[:3], others[3:5], others[5:7], others[7:]
        super().__init__("edgecl-meter", *rows, *below)
        self._changed()

    def _controls(self, board):
        """{name: widget} of all that can be chosen."""
        capacities = [b.hyper["capacity"] for b in self.budgets.values() if "capacity" in b.hyper]
        capacity = capacities[0] if capacities else 10
        some = sorted({10 * 2**k for k in range(11)} | {capacity})
        controls = {
            "method": ToggleButtons(options=several("methods", self.budgets), description="method"),
            "board": ToggleButtons(options=list(self.boards), value=board, description="board"),
            "optimizer": ToggleButtons(options=list(OPTIMIZER), description="optimiser"),
            "weight_bytes": ToggleButtons(options=WEIGHTS, description="weights"),
            "bits": ToggleButtons(options=[8, 7, 6, 4], description="kept bits"),
            "engine": ToggleButtons(options=ENGINES, description="engine"),
            "recompute": ToggleButtons(options=RECOMPUTE, description="recompute"),
            "batch_size": value_slider("batch_size", [2**k for k in range(8)]),
            "micro_batch": value_slider("micro_batch", [1, 2, 4, 8, 16, WHOLE]),
            "capacity": value_slider("capacity", some),
        }
        controls["micro_batch"].options = [*controls["micro_batch"].options[:-1], ("whole", WHOLE)]
        controls["optimizer"].value = "adam"
        for name, value in (("batch_size", 32), ("micro_batch", WHOLE), ("capacity", capacity)):
            controls[name].value = value
        for name, control in controls.items():
            control.layout.width = "370px" if name in SLIDERS else "auto"
            control.style.button_width = "auto"
            control.add_class(f"edgecl-{name}").observe(self._changed, "value")
        return controls

    def finite(self):
        fixed = [c for name, c in self.controls.items() if name not in KEPT]
        rest = plots.listed(f"{c.description} {c.label}" for c in fixed)
        rest = f"Fixed here, and to be chosen in Jupyter: {rest}."
        said = [lambda w=w: words_of(w) for w in (self.readout, self.sentence, self.work)]
        controls = tuple(choice(self.controls[name]) for name in KEPT)
        bars = self.memory.bars.values()
        numbers = {
            f"bar {k}": lambda bar=bar: plots.bar_widths(bar) for k, (bar, _) in enumerate(bars)
        }
        still = {"bars": plots.bars_frame(self.memory)}
        labels = tuple(text.get_text for _, text in bars)
        words = (*said, lambda: rest)
        return Finite("meter", controls, words, numbers, still=still, labels=labels)

    def _changed(self, _=None):
        try:
            self._show(**{name: control.value for name, control in self.controls.items()})
        except Exception as error:  # in a callback nobody would see it
            failed = f"No verdict: {type(error).__name__}: {error}"
            say(failed, self.readout, "edgecl-readout", "alert")
            raise

    def _show(self, method, board, bits, capacity, micro_batch, engine, recompute, **chosen):
        base, board, told = self.budgets[method], self.boards[board], []
        kept = dict(bits=bits, capacity=capacity) if "capacity" in base.hyper else {}
        kept |= {} if base.method.indivisible else {"micro_batch": micro_batch}
        net = base.parts[0]
        engine = {"engine": engine} if len(net.engines) > 1 else {}
        if net.under(**engine, recompute=True) != net.under(**engine):
            kept["recompute"] = recompute
        kept |= engine
        for name in ("bits", "capacity", "micro_batch", "engine", "recompute"):
            # what the method or its net lacks leaves its place empty
            self.controls[name].layout.visibility = "visible" if name in kept else "hidden"
        b = base.change(**chosen, **kept)
        for what, flops in b.work.items():
            e = estimate(flops, board, **self.constants)
            cost = f"{plots.number(e.seconds)} s and {plots.number(e.energy_mj)} mJ"
            told += [f"{cost} for each {what} ({flops:,} FLOPs)"]
        self.verdict = fits(b, board)
        kind = type(base.method).__name__  # the label says which of two of a kind
        words = f"{plots.line(method)} {str(self.verdict).removeprefix(kind).strip()}"
        say(words, self.readout, "edgecl-readout", "status")
        say(self.memory.set({"": self.verdict}), self.sentence)
        say(f"A model's estimate, no measurement: {'; '.join(told)}.", self.work, "edgecl-work")
        self.painter.paint()


meter = Meter
