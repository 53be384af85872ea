"""How far a learner is: what was solved and guessed in this copy of the course.

It reads the learner's own file (kept.py) and writes nothing; nothing leaves the machine. Whoever
deletes that file begins anew. Lesson: start_here.
"""

from dataclasses import dataclass

from . import check, kept


@dataclass(frozen=True)
class Progress:
    """solved: names; left: {subject: names of what is not solved yet}; guessed: {name: guess}."""

    solved: tuple
    left: dict
    guessed: dict
    told: str

    def __repr__(self):
        return self.told


def progress():
    """What `check` has seen right and what was guessed, as a table in words: a `Progress`.

    The file is dossier.json beside the notebook, or where EDGECL_PROGRESS says.
    """
    now, wrong = kept.read()
    solved = tuple(now["solved"])
    asked = subjects()
    left = {s: tuple(name for name in names if name not in solved) for s, names in asked.items()}
    rows = [(s.replace("_", " "), len(asked[s]), left[s]) for s in asked]
    return Progress(solved, left, dict(now["guessed"]), _told(rows, now["guessed"], wrong))


def _told(rows, guessed, wrong):
    lines = [f"{'subject':20} solved   still open"]
    for subject, many, left in rows:
        lines.append(f"{subject:20} {many - len(left)} of {many}   {', '.join(left)}".rstrip())
    total, open_ = sum(many for _, many, _ in rows), sum(len(left) for *_, left in rows)
    lines.append(f"{'all':20} {total - open_} of {total}")
    if guessed:
        each = ", ".join(f"{name} {value:g}" for name, value in sorted(guessed.items()))
        lines.append(f"Guessed: {each}")
    path = kept.place()
    where = f"From {path.name}; delete it to begin anew." if path else "Nothing is kept here."
    return "\n".join([*lines, f"{where} {wrong}".strip()])


def subjects():
    """{subject: names of its exercises}, a file of questions each."""
    check.load()
    found = {}
    for task in check.exercises.values():
        found.setdefault(task.subject, []).append(task.name)
    return found
