"""Which cells another one needs, found by reading their names, never by running them.

A cell needs every cell above it that gives or changes a name that it looks up before it has given
it itself, until that name is given anew. What it cannot tell, it takes as needed. Lesson: ewc.
"""

import ast
import symtable


def tree_of(source):
    """The syntax tree of a cell; None where it is no Python."""
    try:
        compile(source, "cell", "exec", dont_inherit=True)
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def names_of(source):
    """(names that a cell gives a value to, that it only changes, that it needs): sets.

    Three empty sets where the cell is no Python.
    """
    tree = tree_of(source)
    if tree is None:
        return set(), set(), set()
    return _scopes(tree)[0], _changed(tree), _needs(tree.body, set())


def _needs(body, given):
    """Names that lines look up before they give them; what they give is added to `given`."""
    found = set()
    for line in body:
        match line:
            case ast.For():
                found |= _scopes(line.iter)[1] - given
                given |= _scopes(line.target)[0]
                found |= _needs([*line.body, *line.orelse], given)
            case ast.With():
                for item in line.items:
                    found |= _scopes(item.context_expr)[1] - given
                    given |= _scopes(item.optional_vars)[0]
                found |= _needs(line.body, given)
            case ast.If():  # what only one way gives may be missing afterwards
                found |= _scopes(line.test)[1] - given
                found |= _needs(line.body, set(given)) | _needs(line.orelse, set(given))
            case ast.Try() | ast.While():
                found |= _scopes(line)[1] - given
            case _:
                gives, uses = _scopes(line)
                found |= uses - given
                given |= gives
    return found


def _scopes(node):
    """(names that it gives a value to, names that it looks up, in its functions too)."""
    if node is None:
        return set(), set()
    outer = symtable.symtable(ast.unparse(node), "cell", "exec")
    given = {s.get_name() for s in outer.get_symbols() if s.is_assigned() or s.is_imported()}
    used = {s.get_name() for s in outer.get_symbols() if s.is_referenced()}
    tables = outer.get_children()
    while tables:
        table = tables.pop()
        used |= {s.get_name() for s in table.get_symbols() if s.is_global()}
        tables += table.get_children()
    if isinstance(node, ast.Name | ast.Tuple | ast.List) and isinstance(node.ctx, ast.Store):
        given = used  # a target stands alone: `for a, b in …`
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        used.add(node.target.id)  # `total += 1` reads it, too
    return given, used


def imported(source):
    """Names that a cell imports: a call such as `cl.live(…)` does not change what they are."""
    nodes = ast.walk(tree_of(source) or ast.Module([], []))
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
