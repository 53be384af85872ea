"""The reference of the module, written from its docstrings: the verbs first, then a page a room.

What `import edgecl_lite as cl` offers is documented, each name once, in the order of the lessons;
Sphinx's autodoc does the rest. Lesson: every one, where it names a function.
"""

import inspect
import re
from importlib import import_module
from pathlib import Path

from docstrings import reworded

import edgecl_lite

VERBS = "start, begin_task, draw, loss, after_step, end_task, predict"
OPENING = """\
A method is its difference from plain finetuning, said in six verbs: what it carries, what may move,
what it rehearses, minimises and remembers, and how it answers."""
TRAINING = "learn", "Point", "train", "sweep", "Run", "best"
ROOMS = {  # in the order of reading
    "core": "The core",
    "metrics": "Metrics",
    "methods": "Methods",
    "data": "Data",
    "device": "The device",
    "meta": "Meta-learning",
    "fleet": "The fleet",
    "plots": "Plots",
    "widgets": "Panels",
    "lessons": "What belongs to lessons",
}
FILE = re.compile(r"(?<![`\w])([\w\\]+)\.py")
OF_FLOWER = "flower", "run_in_kernel"  # need Flower, in an environment of its own


def pages():
    """{path in the site's source: reStructuredText} of the reference."""
    rooms = public()
    written = {"api/verbs.rst": _verbs()}
    for room, title in ROOMS.items():
        home = "edgecl_lite" if room == "core" else f"edgecl_lite.{room}"
        said = _read_first(import_module(home))
        body = "\n".join(_documented(name, value) for name, value in rooms[room])
        if room == "metrics":
            said, body = "", _directive("automodule", home, members="")
        if room == "plots":
            named = vars(import_module(home)).items()
            body = "\n".join(_documented(f"plots.{k}", v) for k, v in named if _told(v))
        written[f"api/{room}.rst"] = f"{_title(title)}\n{said}\n\n{body}"
    return written


def public():
    """{room: [(name, value)]} of the module's names, but for those on the page of the verbs."""
    later = [name for name in edgecl_lite.LATER if name not in OF_FLOWER]
    rooms = {room: [] for room in ROOMS}
    for name in [*vars(edgecl_lite), *later]:
        value = getattr(edgecl_lite, name)
        home = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", "")
        own_file = inspect.ismodule(value) and home == f"edgecl_lite.{name}"
        if own_file or name.startswith("_") or name in (*TRAINING, "Finetune"):
            continue
        if home.startswith("edgecl_lite."):
            room = home.split(".")[1]
            rooms[room if room in ROOMS else "core"].append((name, value))
    return rooms


def _verbs():
    """The first page: the six verbs of a method, then what trains one."""
    verbs = _directive("autoclass", "edgecl_lite.Finetune", members=VERBS, member_order="bysource")
    each = "\n".join(_documented(name, getattr(edgecl_lite, name)) for name in TRAINING)
    return f"{_title('The six verbs')}\n{OPENING}\n\n{verbs}\n{_title('Training', '-')}\n{each}"


def _documented(name, value):
    """The directive of one public name."""
    if inspect.ismodule(value):
        return f"{_title(name, '-')}\n{_directive('automodule', value.__name__, members='')}"
    if inspect.isclass(value):
        return _directive("autoclass", f"edgecl_lite.{name}", members="")
    if inspect.isfunction(value):
        return _directive("autofunction", f"edgecl_lite.{name}")
    return _directive("autodata", f"edgecl_lite.{name}", no_value="")


def _read_first(module):
    """What the first lines of a room say, with the files that they name as links to their pages."""
    folder = Path(module.__file__).parent
    away = "../_modules/" + "/".join(module.__name__.split("."))

    def link(found):
        name = found[1].replace("\\", "")
        there = (folder / f"{name}.py").exists()
        return f"`{name}.py <{away}/{name}.html>`__" if there else found[0]

    return FILE.sub(link, "\n".join(reworded(module.__doc__, ())))


def _told(value):
    """Whether a value is a function or a class of our own, with words to say."""
    return callable(value) and value.__doc__ and value.__module__.startswith("edgecl_lite.")


def _directive(kind, name, **options):
    told = [f"   :{option.replace('_', '-')}: {value}" for option, value in options.items()]
    return "\n".join([f".. {kind}:: {name}", *told, ""])


def _title(title, line="="):
    return f"{title}\n{line * len(title)}\n"
