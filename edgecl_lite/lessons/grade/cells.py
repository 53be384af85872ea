"""Which cells of a notebook run for its exercises: those, `setup`, and what they need before them.

A cell needs every cell above it that gives or changes a name that it looks up, until that name is
given anew; names are found by reading, never by running. An exercise is a cell tagged
`exercise:NAME` or, where a program has lost the tags, the last one that calls `check("NAME", …)`.
Nothing is taken from outputs. Lesson: ewc.
"""

import ast
import json
import re
import symtable
from dataclasses import dataclass

NONE = frozenset(), frozenset(), frozenset()


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
    if _tree(source):
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
    tree = _tree(cells[at].source)
    given = [_target(line) for line in tree.body] if tree else []
    return next(filter(None, given[::-1]), "...")


def _target(line):
    """The name that a line defines or gives a value to, or None."""
    targets = getattr(line, "targets", [None])
    return getattr(line, "name", None) or getattr(targets[0], "id", None)


def _calls(source):
    """{name: expression} of all `check("name", expression)` in a cell."""
    found = {}
    for node in ast.walk(_tree(source) or ast.Module([], [])):
        match node:
            case ast.Call(
                ast.Name("check") | ast.Attribute(attr="check"), [ast.Constant(name), answer]
            ):
                found[name] = ast.unparse(answer)
    return found


def _tree(source):
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def names_of(source):
    """(names that a cell gives a value to, that it only changes, that it looks up): sets.

    Three empty sets where the cell is no Python.
    """
    tree = _tree(source)
    if tree is None:
        return NONE
    try:
        outer = symtable.symtable(source, "cell", "exec")
    except SyntaxError:  # such as `return` outside of a function
        return NONE
    given = {s.get_name() for s in outer.get_symbols() if s.is_assigned() or s.is_imported()}
    used = {s.get_name() for s in outer.get_symbols() if s.is_referenced()}
    tables = outer.get_children()
    while tables:
        table = tables.pop()
        used |= {s.get_name() for s in table.get_symbols() if s.is_global()}
        tables += table.get_children()
    made = {getattr(line, "name", None) for line in tree.body}  # a def is there when it is called
    return given, _changed(tree), used - made


def imported(source):
    """Names that a cell imports: a call such as `cl.live(…)` does not change what they are."""
    nodes = ast.walk(_tree(source) or ast.Module([], []))
    lines = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    return {(a.asname or a.name).partition(".")[0] for line in lines for a in line.names}


def _changed(tree):
    """Names of what a cell changes and does not make: `kept[0] = …`, `kept.append(…)`."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Name(), ctx=ast.Store()):
                found.add(node.value.id)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name()))):
                found.add(node.value.func.value.id)
    return found


def needed(names, wanted):
    """Numbers of the cells that run where some are wanted: these and what they need before them.

    names: of each cell, as `names_of` gives them.
    """
    found, open_names = set(wanted), set()
    for at in reversed(range(len(names))):  # what is given anew is not needed from before
        given, changed, used = names[at]
        if at in found or (given | changed) & open_names:
            found.add(at)
            open_names = open_names - given | used
    return sorted(found)
