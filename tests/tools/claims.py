"""Does a lesson claim what only its own seeds show?  [EDGECL_SEEDS=+100] python tests/tools/claims.py [NAME]

Runs every lesson with its seeds shifted, by 100, 200 and 1000 or by the one shift of EDGECL_SEEDS, and prints
which assert falls: lesson, cell, text. An assert that falls stops nothing, so each one is tried. Shifted are
`seeds=` of every training (count or list) and the dice of the cells' own (`manual_seed`, `default_rng`,
`initial`). What rests on stored results cannot be shifted here and is listed as such. It is a report: only a
cell that fails with another error than an AssertionError ends it with an exit code other than 0.
NAME picks lessons by the beginning of their file name, as in refresh_notebooks.py. --threads 2: on so many
threads of torch, where sums have other last digits; with EDGECL_SEEDS=+0 it is the lesson as it stands.
"""

import argparse
import ast
import copy
import json
import os
import sys
from dataclasses import dataclass

import nbformat
from lessons import chosen, read, run, said

SHIFTS = 100, 200, 1000
DICE = {"manual_seed": 0, "default_rng": 0, "initial": 1}  # calls, and which argument is their seed

# Runs in the kernel before the lesson. `train` hands its list of seeds on to `learn` and `Run`, each of which
# asks `seeds_list` again: a list that is shifted already stays as it is.
PATCH = """
def _claims_shift(by):
    import sys
    import edgecl_lite
    from edgecl_lite._refuse import arguments

    class Shifted(list):
        pass

    def seeds_list(seeds, asked=arguments.seeds_list):
        found = asked(seeds)
        return seeds if isinstance(seeds, Shifted) else Shifted(seed + by for seed in found)

    old = arguments.seeds_list
    for name, module in list(sys.modules.items()):
        if name.startswith("edgecl_lite") and getattr(module, "seeds_list", None) is old:
            module.seeds_list = seeds_list

_claims_shift({by})
_claims_fell = set()
if {threads}:
    import torch
    torch.set_num_threads({threads})
    torch.set_num_threads = lambda n: None  # the lesson asks for one
"""
REPORT = "import json; print(json.dumps(sorted(_claims_fell)))"


@dataclass(frozen=True)
class Claims:
    """What became of one lesson's asserts under one shift; a claim is (cell id, text of the assert)."""

    tried: list
    fell: list
    stored: list  # those that rest on stored results, wholly or in part
    errors: list  # (cell id, "Name: what it says") of cells that failed otherwise


class Shift(ast.NodeTransformer):
    """Shifts a cell's own dice, and lets each assert be noted instead of ending the cell."""

    def __init__(self, by, cell):
        self.by, self.cell, self.claims = by, cell, []

    def visit_Call(self, node):
        self.generic_visit(node)
        place = DICE.get(getattr(node.func, "attr", getattr(node.func, "id", None)))
        if place is not None and len(node.args) > place:
            node.args[place] = ast.BinOp(node.args[place], ast.Add(), ast.Constant(self.by))
        return node

    def visit_Assert(self, node):
        claim = self.cell, text(node)
        self.claims.append(claim)
        noted = ast.parse(f"try:\n    pass\nexcept AssertionError:\n    _claims_fell.add({claim!r})").body[0]
        noted.body = [self.generic_visit(node)]
        return noted


def statements(nodes):
    """Every statement in the order of the source, but none inside a function, whose names are its own."""
    for node in nodes:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from statements(n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt))


def made_from(node):
    """(what a statement gives a name to, what it computes that from), two lists of nodes."""
    match node:
        case ast.Assign():
            return node.targets, [node.value]
        case ast.AugAssign():
            return [node.target], [node.target, node.value]
        case ast.For():
            return [node.target], [node.iter]
        case ast.FunctionDef():
            return [ast.Name(node.name)], [node]
    return [], []


def named(target):
    """(name, whether all of it is given anew) for each name in the target of an assignment."""
    match target:
        case ast.Name():
            yield target.id, True
        case ast.Tuple() | ast.List():
            for part in target.elts:
                yield from named(part)
        case ast.Subscript() | ast.Attribute() | ast.Starred():
            yield from ((name, False) for name, _ in named(target.value))


def rests(nodes, known):
    """Whether any of the nodes calls `stored("…")` or names something known to come from there."""
    parts = [part for node in nodes for part in ast.walk(node)]
    calls = [getattr(p.func, "attr", getattr(p.func, "id", "")) for p in parts if isinstance(p, ast.Call)]
    own = {part.arg for part in parts if isinstance(part, ast.arg)}
    own |= {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    return "stored" in calls or bool({p.id for p in parts if isinstance(p, ast.Name)} & known - own)


def resting_on_stored(trees):
    """The asserts of a lesson that name something computed from `stored("…")`; trees: [(cell id, tree)]."""
    known, found = set(), []
    for cell, tree in trees:
        for node in statements(tree.body):
            made, source = made_from(node)
            stored = rests(source, known)
            for name, anew in (one for target in made for one in named(target)):
                known = known | {name} if stored else known - {name} if anew else known
            if isinstance(node, ast.Assert) and rests([node.test], known):
                found.append((cell, text(node)))
    return found


def text(claim):
    """An assert as one line, without the word."""
    return ast.unparse(claim).removeprefix("assert ")


def shifted(notebook, by):
    """(a copy whose cells draw other numbers, all its claims, those that rest on stored results)."""
    notebook, claims, trees = copy.deepcopy(notebook), [], []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            trees.append((cell.id, ast.parse(cell.source)))
            shift = Shift(by, cell.id)
            cell.source = ast.unparse(ast.fix_missing_locations(shift.visit(tree)))
            claims += shift.claims
    return notebook, claims, resting_on_stored(trees)


def try_claims(notebook, by, threads=0):
    """Run the lesson with its seeds shifted, on some threads or on those that it asks for: its `Claims`."""
    trial, claims, stored = shifted(notebook, by)
    patch = PATCH.replace("{by}", str(by)).replace("{threads}", str(threads))
    report = nbformat.v4.new_code_cell(REPORT, id="claims-report")
    trial.cells = [nbformat.v4.new_code_cell(patch, id="claims-shift"), *trial.cells, report]
    run(trial, allow_errors=True)
    fell, errors = [tuple(claim) for claim in json.loads(said(report))], []
    for cell in trial.cells:
        if "raises-exception" in cell.metadata.get("tags", []):
            continue
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                what = f"{output.ename}: {output.evalue}"
                (fell if output.ename == "AssertionError" else errors).append((cell.id, what))
    return Claims(claims, fell, stored, errors)


def report(path, by, claims):
    print(
        f"{path.stem}, seeds +{by}: {len(claims.tried)} claims, {len(claims.fell)} fell, "
        f"{len(claims.stored)} rest on stored results (not shifted)",
        flush=True,
    )
    for kind, found in (("fell", claims.fell), ("ERROR", claims.errors)):
        for cell, what in found:
            print(f"    {kind}: {cell}: {what}", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="beginning of a lesson's file name")
    parser.add_argument("--threads", type=int, default=0, help="of torch; default: as the lesson says")
    told = parser.parse_args()
    paths = chosen(told.names)
    asked = os.environ.get("EDGECL_SEEDS")
    shifts = SHIFTS if asked is None else (int(asked),)
    results = {}
    for path in paths:
        notebook = read(path)
        for by in shifts:
            results[path, by] = try_claims(notebook, by, told.threads)
            report(path, by, results[path, by])
        for cell, what in results[path, shifts[0]].stored:
            print(f"    not shifted: {cell}: {what}", flush=True)
    falling = sum(bool(claims.fell) for claims in results.values())
    print(f"\n{len(results)} lesson runs, {falling} with a claim that falls")
    sys.exit(1 if any(claims.errors for claims in results.values()) else 0)


if __name__ == "__main__":
    main()
