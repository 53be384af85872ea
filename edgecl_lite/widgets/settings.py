"""What can be chosen in the panel of a year (life.py), and the `Course` that it makes.

    method, when, guard, board: buttons        capacity, label share, any list of values: sliders

Whatever is given as a list becomes a slider, as in `live`. Lesson: wrist.
"""

from dataclasses import fields, replace
from functools import partial

from ipywidgets import HBox, Label, ToggleButtons

from .. import plots
from .._refuse.arguments import number, or_none, several
from ..device.advice import fits
from ..device.boards import board as board_of
from ..device.boards import boards
from ..device.course import Course
from ..device.strategy import Guard, Strategy
from ..device.when import Every, Never, OnDrift, OnLabels
from ..device.year import Year
from ..machine.settled import settled
from .painter import chosen, value_slider

WHEN = {
    "every week": Every(7),
    "every day": "always",
    "when confidence drifts": OnDrift(),
    "when 56 labels wait": OnLabels(56),
    "never": "never",
}
GUARDS = {"none": None, "56 windows held back": Guard()}
WORN = 2**26  # bytes of RAM, less than which a board has that is worn
SHARES, CAPACITIES = (1.0, 0.5, 0.25, 0.1, 0.0), (20, 60, 200, 600)
CHECKS = {"labelled": partial(number, most=1), "cuts": partial(number, most=1), "harvest_j": number}
CHECKS["battery_j"] = or_none(partial(number, strictly=True))
POWER = {"battery_j": None, "harvest_j": 0.0, "cuts": 0.0}
OWN = {field.name for field in fields(Strategy)} - {"method", "when", "guard"}
NONE = "none"  # in a slider in the place of None, which ipywidgets takes for no choice at all
JOULES = lambda value: "no limit" if value == NONE else plots.number(value)
SAID = {  # of a slider: its name, and how its values read
    "labelled": ("label share", plots.percent),
    "battery_j": ("battery, J", JOULES),
    "harvest_j": ("gathered a day, J", plots.number),
    "cuts": ("power cuts", plots.percent),
}


class Settings:
    """The controls {name: widget} and what they ask for.

    methods {label: method or `Strategy`}; options: of `Strategy`, `days`, `Year.labelled` and the
    methods' capacity. TypeError or ValueError where one of the choices makes no sense.
    """

    def __init__(self, methods, year, lives, when, guards, on, options):
        if not isinstance(year, Year):
            raise TypeError(f"year must be a Year, as year() makes one, got {type(year).__name__}")
        methods = methods if isinstance(methods, dict) else {type(methods).__name__: methods}
        methods = {k: strategy_of(methods[k]) for k in several("methods", methods)}
        self.year, self.lives, self.methods = year, lives, methods
        when = WHEN if when is None else when if isinstance(when, dict) else {str(when): when}
        guards = GUARDS if guards is None else guards
        on = board_of(on)
        small = {k: b for k, b in boards().items() if b.ram < WORN}
        self.boards = {on.name: on, **small, on.name: on}
        self.when = dict(zip(several("when", when), when.values()))
        self.guards = dict(zip(several("guards", guards), guards.values()))
        own, capacities = year.labelled, [c for c in map(capacity, methods.values()) if c]
        values = {"labelled": sorted({own, *SHARES}, reverse=True)}
        if capacities:
            values["capacity"] = sorted({*CAPACITIES, *capacities})
        several_ = {k: v for k, v in options.items() if isinstance(v, list | tuple)}
        self.fixed = {k: v for k, v in (POWER | options).items() if k not in several_}
        self.values = {k: v for k, v in (values | several_).items() if k not in self.fixed}
        self.controls = self._controls(own, capacities)
        self.first = self.chosen()
        self._try()

    def _controls(self, labelled, capacities):
        """{name: widget}. Buttons, no menus: JupyterLab takes the arrow keys away from a menu."""
        lists = {"method": self.methods, "when": self.when, "guard": self.guards}
        lists["board"] = self.boards
        found = {k: ToggleButtons(options=list(v)) for k, v in lists.items()}
        for control in found.values():
            control.style.button_width = control.layout.width = "auto"
        for name, values in self.values.items():
            values = [NONE if value is None else value for value in several(name, values)]
            slider = found[name] = value_slider(name, values, continuous=False)
            if name in SAID:
                slider.description, say = SAID[name]
                slider.options = [(say(value), value) for value in values]
            slider.style.description_width, slider.layout.width = "110px", "370px"
        for name, value in (("labelled", labelled), ("capacity", next(iter(capacities), None))):
            if name in found and value in self.values[name]:
                found[name].value = value
        for name, control in found.items():
            control.add_class(f"edgecl-{name}")
        return found

    def shown(self):
        """The controls as widgets, those that are buttons with their names before them."""
        rows = []
        for name, control in self.controls.items():
            word = Label(name, layout=dict(width="56px"))
            rows.append(control if name in self.values else HBox([word, control]))
        return HBox(rows, layout=dict(flex_flow="row wrap"))

    def _try(self):
        """Refuse what nobody can choose, before anything is drawn."""
        known = OWN | CHECKS.keys() | {"capacity"}
        for name in (self.fixed.keys() | self.values.keys()) - known:
            raise TypeError(f"options of life are {', '.join(sorted(known))}, got {name!r}")
        each = {"when": self.when, "guard": self.guards, **self.values}
        each |= {name: [value] for name, value in self.fixed.items()}
        for name, value in [(k, v) for k, values in each.items() for v in values]:
            if name in CHECKS:
                CHECKS[name](name, value)
            for method in self.methods:
                self.strategy(method=method, **{name: value})
        self.course()

    # ---- what is chosen

    def chosen(self):
        """{name: value} of all controls."""
        values = {name: control.value for name, control in self.controls.items()}
        values |= {k: None for k in self.values if values[k] == NONE}
        return self.fixed | values

    def strategy(self, **changes):
        """The `Strategy` that the controls ask for."""
        values = self.chosen() | changes
        base = self.methods[values["method"]]
        own = {name: values[name] for name in OWN & values.keys()}
        own |= {"when": self.when[values["when"]], "guard": self.guards[values["guard"]]}
        method = base.method
        if capacity(base) is not None and "capacity" in values:
            method = replace(method, capacity=values["capacity"])
        return replace(base, method=method, **own)

    @settled
    def course(self, strategy=None):
        """The `Course` that the controls ask for, or of another strategy under their conditions."""
        values = self.chosen()
        year = replace(self.year, labelled=float(values.get("labelled", self.year.labelled)))
        power = (values[name] for name in POWER)
        board = self.boards[values["board"]]
        return Course(strategy or self.strategy(), year, self.lives, board, *power)

    def conditions(self):
        """What a device that learns nothing hangs on: it sees no label and is never cut."""
        values = self.chosen()
        return tuple(values[name] for name in ("board", "battery_j", "harvest_j"))

    def still(self):
        """The `Course` of a device that learns nothing: the first method, as it came."""
        first = next(iter(self.methods.values()))
        return self.course(replace(first, when="never", guard=None, pseudo=None))

    def label(self):
        """The method, when it learns, and what else was changed, in words."""
        values = self.chosen()
        told = [plots.line(values[name]) for name in ("method", "when")]
        for name, control in list(self.controls.items())[2:]:
            if values[name] != self.first[name] and (name != "capacity" or self.keeps()):
                told.append(chosen(control) if name in self.values else f"{name} {control.value}")
        return ", ".join(told)

    def keeps(self):
        """Whether the chosen method has a memory of samples."""
        return capacity(self.methods[self.controls["method"].value]) is not None


def strategy_of(method):
    """A `Strategy`, or of a method the usual one."""
    return method if isinstance(method, Strategy) else Strategy(method)


def capacity(strategy):
    """How many samples a strategy's method keeps; None where it keeps none."""
    return strategy.method.hyper.get("capacity")


def or_too_small(course):
    """The course itself. Raises MemoryError where its board is too small to learn on."""
    costs = course.costs
    if not isinstance(course.trigger, Never):
        fits(costs.budget, costs.board).or_refuse()
        if costs.notes:  # with the windows that wait or are held back
            name = type(course.strategy.method).__name__
            told = " ".join(costs.notes)
            raise MemoryError(f"{name} does not fit {costs.board.title}. {told}")
    return course
