"""The teacher's guide of a lesson as notes to its slides: what is said where, found by its sections.

    Guide.read(text).section("Two valleys") → the minutes of both plans, and what goes on the board

A page of docs/teaching/ keeps to fixed headings (tests/course/test_guide.py), so it can be taken
apart here: nothing is written twice. Lesson: every one.
"""

import re
from dataclasses import dataclass

PLANS = "45 minutes", "90 minutes"
PREDICT = "Predict first"  # the section where a class writes down its guesses
ROW = re.compile(r"^\| *(.+?) *\|$", re.MULTILINE)
SECTION = re.compile(r"\*([^*]+)\*")
BEFORE = re.compile(r"before \*([^*]+)\*")
SKETCH = re.compile(r"^\*\*(.+?)\*\*(.*?)(?=^\*\*|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Guide:
    """A page of the guide: {heading: Markdown}; "" is what stands before the first."""

    parts: dict

    @classmethod
    def read(cls, text):
        before, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
        before = before.partition("\n")[2]
        return cls({"": before} | {h.strip(): t.strip() for h, _, t in (p.partition("\n") for p in parts)})

    def rows(self, heading):
        """Cells of the rows of the tables under a heading, without their heads."""
        lines = [re.split(r" *(?<!\\)\| *", line) for line in ROW.findall(self.parts.get(heading, ""))]
        return [line for line in lines if not set("".join(line)) <= set("-: ")][1:]

    def opening(self, headings):
        """What to know before the class, and what goes on the board beside any of these headings."""
        boards = [
            f"**On the board: {name}.** {said}" for name, said in self.sketches() if name not in headings
        ]
        opening = [self.parts.get(heading, "").strip() for heading in ("", "Before the class")]
        return "\n\n".join(piece for piece in [*opening, *boards] if piece)

    def section(self, heading):
        """Notes on the section of this heading: the plans' rows that name it, guesses, its board sketch."""
        lines = [
            f"**{plan}, {row[0]}:** {row[1]}"
            for plan in PLANS
            for row in self.rows(plan)
            if any(named(name, heading) for name in SECTION.findall(row[2]))
        ]
        guesses = [said for place, said in self.guesses() if named(place, heading)]
        boards = [f"**On the board.** {said}" for name, said in self.sketches() if name == heading]
        return "\n\n".join([*lines, *guesses, *boards])

    def sketches(self):
        """[(name, Markdown)] of the board sketches."""
        found = SKETCH.findall(self.parts.get("On the board", ""))
        return [(name.strip(" ."), said.strip()) for name, said in found]

    def guesses(self):
        """[(section, notes)]: what to collect before it is shown, and before which section."""
        rows, found = self.rows("Collect before you show"), []
        for asked, unit, answer, said in rows:
            place = BEFORE.search(asked)
            notes = f"**Collect:** {asked} ({unit}) {answer}. *Expect:* {said}"
            found.append((place[1] if place else PREDICT, notes))
        return found

    def exercise(self, name):
        """Notes on an exercise: its misconceptions, each with what to ask back."""
        found, mine = [], False
        for first, wrong, _, back in self.rows("Where students go wrong"):
            mine = first == f"`{name}`" if first else mine
            found += [f"- **{wrong}**: {back}"] if mine else []
        return "**Where students go wrong, and what to ask back**\n\n" + "\n".join(found) if found else ""

    def discussion(self):
        return self.parts.get("To discuss", "")


def named(name, heading):
    """Whether a plan's *name* is this heading, or the beginning of it: *Why …*."""
    plain = heading.replace("`", "")
    return name == plain or name.endswith("…") and plain.startswith(name[:-1].strip())
