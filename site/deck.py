"""A lesson as slides, from its own cells: what is to be seen on a slide, what is said in its notes.

Tags decide what the kinds of the cells leave open: `slide:2` puts the second paragraph of a cell of text on
its slide, `slide:code` a cell's code, however long, and `slide:none` leaves a cell out. The notes are the
paragraphs, the solutions, and the teacher's guide, by its sections. Lesson: every one.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import seen

ROOM = 15  # lines that a slide holds
OUT = {"claims", "slide:none"}
FOLDED = {"setup", "references", "navigation", "dossier"}  # ids of cells that nobody shows


@dataclass(frozen=True)
class Slide:
    """section, title: headings; body: HTML; notes: Markdown, a piece each; lines: about how many it fills."""

    section: str
    title: str
    body: str
    notes: tuple
    lines: float
    cell: str


def slides(notebook, stem, guide):
    """The slides of a lesson in their order; guide: its `lecture.Guide`. ValueError names a cell."""
    found, pending, section, title = [], [], "", ""
    cells = [cell for cell in notebook.cells if not (OUT & tags(cell) or cell.id in FOLDED)]
    for cell, after in pairwise([*cells, None]):
        try:
            for level, heading, part, notes in of_cell(cell, after, stem, guide):
                section = heading if level == 2 else section
                title = part.name or heading or title
                pending += [*notes, *part.said]
                if part.body or level == 1:
                    lines = part.lines or ROOM
                    found.append(Slide(section, title, part.body, tuple(pending), lines, cell.id))
                    pending = []
        except ValueError as error:
            raise ValueError(f"cell `{cell.id}`: {error}") from error
    last = replace(found[-1], notes=(*found[-1].notes, *pending, guide.discussion()))
    return joined([*found[:-1], last])


def of_cell(cell, after, stem, guide):
    """(level, heading, Seen, notes) of each part of a cell; level 0: it brings no heading."""
    if cell.cell_type == "code":
        name = tagged(cell, "exercise")
        part = seen.code(cell, stem, name, "slide:code" in tags(cell))
        if part or name:
            yield 0, "", part, [guide.exercise(name)] if name else []
        return
    if name := tagged(cell, "solution"):
        yield 0, "", seen.Seen("", (unfolded(cell.source),)), []
        return
    picked = {int(number) for tag in tags(cell) if (number := tag.removeprefix("slide:")).isdigit()}
    whole = after is not None and bool(tagged(after, "exercise"))
    for level, heading, blocks in seen.parts(cell.source):
        yield level, heading, seen.text(blocks, picked, whole, bool(heading)), [guide.section(heading)]


def joined(found):
    """The slides, with neighbours of one title on one slide where they have room there."""
    done = found[:1]
    for slide in found[1:]:
        last = done[-1]
        if (last.section, last.title) == (slide.section, slide.title) and last.lines + slide.lines <= ROOM:
            both = last.body + slide.body, last.notes + slide.notes, last.lines + slide.lines
            done[-1] = Slide(last.section, last.title, *both, last.cell)
        else:
            done.append(slide)
    return done


def unfolded(source):
    """A solution without the fold around it."""
    return source.replace("<details><summary>Solution</summary>", "**Solution**").replace("</details>", "")


def tags(cell):
    return set(cell.metadata.get("tags", []))


def tagged(cell, kind):
    """NAME of a tag `kind:NAME` of a cell, or ""."""
    return next((tag.partition(":")[2] for tag in tags(cell) if tag.startswith(f"{kind}:")), "")
