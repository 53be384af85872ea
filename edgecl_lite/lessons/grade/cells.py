"""Which cells of a notebook run for its exercises: those, `setup`, and what they need before them.

An exercise is a cell tagged `exercise:NAME` or, where a program has lost the tags, the last one
that calls `check("NAME", …)`. Nothing is taken from outputs. Lesson: ewc.
"""

import ast
import json
import re
from dataclasses import dataclass

from .names import imported, names_of, needed, tree_of


@dataclass(frozen=True)
class Cell:
    """A code cell: its source, its tags, its id or, in an old file, its number."""

    source: str
    tags: tuple = ()
    id: str = ""


@dataclass(frozen=True)
class Asked:
    """An exercise of a notebook: its name, numbers of the cells to run, what it hands to check."""

    name: str
    run: tuple
    answer: str


def read(raw):
    """The code cells in the bytes of a notebook file. ValueError, in a phrase, if it is none."""
    try:
        cells = json.loads(raw)["cells"]
        return [_cell(at, one) for at, one in enumerate(cells) if one["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("no notebook") from None


def _cell(at, one):
    tags = one.get("metadata", {}).get("tags", [])
    source = plain("".join(one["source"]))
    return Cell(source, tuple(map(str, tags)), str(one.get("id", at)))


def plain(source):
    """A cell without what only IPython reads (`%pip …`, `!ls`, `name?`): that is not run."""
    if tree_of(source):
        return source
    source = re.sub(r"\A\s*%%.*", "", source)
    return re.sub(r"^(\s*)([%!?].*|[\w.]+\?+\s*)$", r"\1pass", source, flags=re.M)


def asked(cells):
    """The exercises of a notebook, an `Asked` each, in their order."""
    names, found = [names_of(cell.source) for cell in cells], exercises(cells)
    modules = set().union(*(imported(cell.source) for cell in cells))
    names = [(given, changed - modules, used) for given, changed, used in names]  # `cl.live(…)`
    first = {at for at, cell in enumerate(cells) if "setup" in (*cell.tags, cell.id)}
    needs = {name: first | set(needed(names, {at})) for name, at in found.items()}
    return [Asked(n, tuple(sorted(needs[n])), handed(cells, at, n)) for n, at in found.items()]


def exercises(cells):
    """{name: number of its cell}; of two cells with one name the later one counts, as it runs."""
    tagged, called = {}, {}
    for at, cell in enumerate(cells):
        called |= dict.fromkeys(_calls(cell.source), at)
        for tag in cell.tags:
            kind, _, name = tag.partition(":")
            if kind == "exercise" and name:
                tagged[name] = at
    return dict(sorted((called | tagged).items(), key=lambda pair: pair[1]))


def handed(cells, at, name):
    """The expression that is handed to check(name, …); without one the last name that is given."""
    for cell in (cells[at], *cells[::-1]):
        if name in (calls := _calls(cell.source)):
            return calls[name]
    tree = tree_of(cells[at].source)
    given = [_target(line) for line in tree.body] if tree else []
    return next(filter(None, given[::-1]), "...")


def _target(line):
    """The name that a line defines or gives a value to, or None."""
    targets = getattr(line, "targets", [None])
    return getattr(line, "name", None) or getattr(targets[0], "id", None)


def _calls(source):
    """{name: expression} of all `check("name", expression)` in a cell."""
    found = {}
    for node in ast.walk(tree_of(source) or ast.Module([], [])):
        match node:
            case ast.Call(
                ast.Name("check") | ast.Attribute(attr="check"), [ast.Constant(name), answer]
            ):
                found[name] = ast.unparse(answer)
    return found
