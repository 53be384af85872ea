"""How much one must read to understand a method: the closure of its calls, as the source has it.

The roots are the loop (`steps`) and the verbs of the method's class and its bases. From there every name of
the package that is loaded is followed: functions, through `self.` and `super()` classes, through `method.`
the method, and through `plan.`, `dice.` and others (`HOLDS`) what such a name always holds. `_refuse/`, which
only raises, is counted apart. python tests/tools/reading.py writes docs/reading.md; --long names each piece.
"""

import ast
import io
import re
import sys
import token
import tokenize
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE, PAGE = ROOT / "edgecl_lite", ROOT / "docs/reading.md"
VERBS = "start", "begin_task", "draw", "loss", "after_step", "end_task", "predict"
PATHS = {  # what one wants to understand: its class, or the functions with which one begins
    "EWC": ["methods/ewc.py EWC"],
    "replay": ["methods/replay.py Replay"],
    "iCaRL": ["methods/icarl.py ICaRL"],
    "Piggyback": ["methods/piggyback.py Piggyback"],
    "MAML": ["meta/outer.py meta_learn", "meta/inner.py maml"],
    "FedAvg": ["fleet/rounds.py rounds", "fleet/local.py Local", "fleet/local.py Round", "unlike.py Unlike"],
}
LOOP = "learn.py steps"
HOLDS = {  # what a name holds wherever it stands
    "plan": "plan.py Plan", "self.plan": "plan.py Plan", "dice": "machine/dice.py Dice",
    "rng": "machine/dice.py Dice",
    "stream": "streams.py Stream", "self.stream": "streams.py Stream", "plan.stream": "streams.py Stream",
    "self.axes": "lanes.py Lanes", "plan.axes": "lanes.py Lanes", "self.memory": "methods/memory.py Memory",
    "self.codec": "methods/codecs.py Pixels", "job": "fleet/local.py Round",
    "options.server": "fleet/server.py FedAvg", "self.base": "plan.py Plan",
    "self.fleet": "fleet/members.py Arrivals", "self.of(who)": "method.py Finetune",
}  # fmt: skip
IN_FLEET = {"plan": "fleet/plan.py FleetPlan", "plan.stream": "fleet/members.py Arrivals"}


@dataclass(frozen=True)
class Piece:
    """A function, a method or an assignment: where it stands, and of which class."""

    file: str
    name: str
    node: ast.AST
    owner: str = ""


class Package:
    """All that the package defines, and what each of its files calls it."""

    def __init__(self, folder=PACKAGE):
        self.text = {p.relative_to(folder).as_posix(): p.read_text("utf-8") for p in folder.rglob("*.py")}
        self.pieces, self.classes, self.names = {}, {}, {}
        for file, text in self.text.items():
            self.names[file] = {}
            for node in ast.parse(text).body:
                self._define(file, node)
        for file, text in self.text.items():
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom) and node.level:
                    self._import(file, node)

    def _define(self, file, node):
        if isinstance(node, ast.ClassDef):
            members = {n.name: Piece(file, n.name, n, node.name) for n in node.body if hasattr(n, "name")}
            self.classes[file, node.name] = ([ast.unparse(base) for base in node.bases], members)
            self.names[file][node.name] = ("class", file, node.name)
        elif isinstance(node, ast.FunctionDef):
            self.pieces[file, node.name] = Piece(file, node.name, node)
            self.names[file][node.name] = ("piece", file, node.name)
        elif isinstance(node, ast.Assign):
            for target in ast.walk(node):
                if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store):
                    self.pieces[file, target.id] = Piece(file, target.id, node)
                    self.names[file][target.id] = ("piece", file, target.id)

    def _import(self, file, node):
        folder = Path(file).parent
        for _ in range(node.level - 1):
            folder = folder.parent
        base = (folder / (node.module or "").replace(".", "/")).as_posix().removeprefix("./")
        for alias in node.names:
            called = alias.asname or alias.name
            for place in (f"{base}.py", f"{base}/__init__.py"):
                if alias.name in self.names.get(place, {}):
                    self.names[file][called] = self.names[place][alias.name]
            module = f"{base}/{alias.name}.py".removeprefix("./")
            if module in self.text:
                self.names[file][called] = ("module", module, "")

    def bases(self, file, name):
        """The class and its bases in the package, in the order in which attributes are looked up."""
        found, (bases, _) = [(file, name)], self.classes[file, name]
        for base in bases:
            kind, *place = self.names[file].get(base, ("", "", ""))
            if kind == "class":
                found += self.bases(*place)
        return found

    def member(self, order, name):
        """The member of that name of the first class in `order` that has one, or None."""
        return next((self.classes[c][1][name] for c in order if name in self.classes[c][1]), None)


class Closure:
    """All pieces that are reached from some roots; of: the bases of the class in question."""

    def __init__(self, package, roots, of):
        self.package, self.of, self.found = package, of, {}
        for piece in roots:
            self.follow(piece)

    def follow(self, piece):
        key = piece and (piece.file, piece.owner, piece.name)
        if piece is None or key in self.found:
            return
        self.found[key] = piece
        if piece.file.startswith("_refuse/"):
            return
        local = {a.arg for n in ast.walk(piece.node) if isinstance(n, ast.arguments) for a in n.args}
        body = piece.node.body if isinstance(piece.node, ast.FunctionDef) else [piece.node]
        for node in (n for part in body for n in ast.walk(part)):
            if isinstance(node, ast.Attribute):
                self.attribute(piece, node)
            elif isinstance(node, ast.Name) and node.id not in local:
                self.name(piece, node.id)
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("rng", "dice", "task['rng']"):
                self.follow(self.package.classes["machine/dice.py", "Dice"][1]["__call__"])

    def name(self, piece, name):
        kind, file, what = self.package.names[piece.file].get(name, ("", "", ""))
        if kind == "piece":
            self.follow(self.package.pieces[file, what])
        elif kind == "class" and (file, what) not in self.of:
            order = self.package.bases(file, what)
            for member in ("__init__", "__call__", "forward", "backward", "__post_init__"):
                self.follow(self.package.member(order, member))

    def attribute(self, piece, node):
        package, on = self.package, ast.unparse(node.value)
        own = package.bases(piece.file, piece.owner) if piece.owner else []
        if own and own[0] in self.of:
            if on.startswith("super("):
                return self.follow(package.member(self.of[self.of.index(own[0]) + 1 :], node.attr))
            own = self.of
        if on in ("self", "cls"):
            return self.follow(package.member(own, node.attr))
        if on == "method":
            return self.follow(package.member(self.of, node.attr))
        kind, file, _ = package.names[piece.file].get(on, ("", "", ""))
        if kind == "module":
            return self.follow(package.pieces.get((file, node.attr)))
        held = IN_FLEET.get(on) if piece.file.startswith("fleet/") and on in IN_FLEET else HOLDS.get(on)
        if held and tuple(held.split()) in package.classes:
            order = package.bases(*held.split())
            return self.follow(package.member(order, node.attr))
        return None


def counted(package, pieces):
    """(files, lines, tokens) of pieces: names, operators, numbers and strings, on the lines they stand on."""
    lines, tokens = set(), 0
    for file in {piece.file for piece in pieces}:
        own = [piece.node for piece in pieces if piece.file == file]
        inside = {n for node in own for n in range(node.lineno, node.end_lineno + 1)}
        for node in (d for part in own for d in ast.walk(part)):
            body = getattr(node, "body", None)
            first = body[0] if isinstance(body, list) and body else None
            if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
                inside -= set(range(first.lineno, first.end_lineno + 1))
        kinds = {token.NAME, token.OP, token.NUMBER, token.STRING}
        for each in tokenize.generate_tokens(io.StringIO(package.text[file]).readline):
            if each.start[0] in inside and (each.type in kinds or each.type == FSTRING):
                tokens += 1
                lines |= {(file, n) for n in range(each.start[0], each.end[0] + 1) if n in inside}
    return len({piece.file for piece in pieces}), len(lines), tokens


FSTRING = getattr(token, "FSTRING_START", token.STRING)


def path_of(package, roots):
    """(pieces to read, pieces that only refuse) of a reading path."""
    begin, of = [], []
    for root in roots:
        file, name = root.split()
        if root in ("fleet/local.py Round", "unlike.py Unlike"):  # no method: all that it does
            begin += package.classes[file, name][1].values()
        elif (file, name) in package.classes:
            of = package.bases(file, name)
            begin += [package.member(of, verb) for verb in VERBS]
            loop_file, loop = LOOP.split()
            begin.append(package.pieces[loop_file, loop])
        else:
            begin.append(package.pieces[file, name])
    found = [*Closure(package, begin, of).found.values()]
    refusing = [piece for piece in found if piece.file.startswith("_refuse/")]
    return [piece for piece in found if piece not in refusing], refusing


def table(package=None):
    """{path: {"files", "lines", "tokens", "refusing"}}."""
    package, rows = package or Package(), {}
    for name, roots in PATHS.items():
        pieces, refusing = path_of(package, roots)
        files, lines, tokens = counted(package, pieces)
        _, more, _ = counted(package, refusing)
        rows[name] = {"files": files, "lines": lines, "tokens": tokens, "refusing": more}
    return rows


def page(rows):
    """The table as a page."""
    head = "| to understand | files | lines | tokens | lines that only refuse |\n"
    head += "| --- | --: | --: | --: | --: |"
    lines = [f"| {name} | {' | '.join(f'{n:,}' for n in row.values())} |" for name, row in rows.items()]
    told = " ".join(__doc__.partition("\n\n")[2].split()).partition(" python tests")[0]
    anchor = "Counted alike, FACIL's EWC takes 4 files, 213 lines and 2,568 tokens."
    return "\n".join(["# What there is to read", "", told, "", head, *lines, "", anchor, ""])


def recorded():
    """The rows of docs/reading.md."""
    rows = re.findall(r"^\| ([\w ]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", PAGE.read_text("utf-8"), re.M)
    return {name: [int(n.replace(",", "")) for n in numbers] for name, *numbers in rows}


if __name__ == "__main__":
    package = Package()
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(table(package)), encoding="utf-8")
    print(PAGE.read_text("utf-8"))
    for name, roots in PATHS.items() if "--long" in sys.argv else ():
        pieces, _ = path_of(package, roots)
        print(name)
        for file in dict.fromkeys(piece.file for piece in pieces):
            own = [piece for piece in pieces if piece.file == file]
            names = [f"{p.owner}.{p.name}".strip(".") for p in own]
            print("   ", file, counted(package, own)[1:], *names)
