"""A lesson as slides, from its own cells: what is to be seen on a slide, what is said in its notes.

Tags decide what the kinds of the cells leave open: `slide:2` puts the second paragraph of a cell of text on
its slide, `slide:code` a cell's code; what a cell tagged `slide:answer` stores waits for a key; `slide:said`
leaves all of a text to the notes, `slide:none` leaves a cell out. Of the text of an exercise all is seen, or
what is tagged and its end from "Your turn" on. The notes are the other paragraphs, the solutions, and the
teacher's guide, by its sections. Lesson: every one.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import seen

ROOM, MOST = 15, 20  # lines that a slide holds, and in smaller type
OUT = {"claims", "slide:none"}
FOLDED = {"setup", "references", "navigation", "dossier", "References"}  # ids and headings that nobody shows


@dataclass(frozen=True)
class Slide:
    """section, title: headings; body: HTML; notes: Markdown, a piece each; lines: about how many it fills."""

    section: str
    title: str
    body: str
    notes: tuple
    lines: float
    cell: str
    level: int = 0  # of the heading that it begins with
    asks: bool = False  # it is an exercise, which stays with its question in smaller type

    @property
    def place(self):
        return self.section, self.title


def slides(notebook, stem, guide):
    """The slides of a lesson in their order; guide: its `lecture.Guide`. ValueError names a cell."""
    found, pending, section, title = [], [], "", ""
    cells = [cell for cell in notebook.cells if not (OUT & tags(cell) or cell.id in FOLDED)]
    for cell, after in pairwise([*cells, None]):
        if tagged(cell, "solution"):
            found[-1] = noted(found[-1], unfolded(cell.source))
            title = section  # what follows is no part of the exercise
            continue
        try:
            for level, heading, part, notes in of_cell(cell, after, stem, guide):
                section = heading if level == 2 else section
                title = part.name or heading or title
                pending += [*notes, *part.said]
                if part.body or level == 1:
                    lines = part.lines if level != 1 else ROOM  # nothing joins the lesson's title
                    asks = bool(tagged(cell, "exercise"))
                    found.append(
                        Slide(section, title, part.body, tuple(pending), lines, cell.id, level, asks)
                    )
                    pending = []
        except ValueError as error:
            raise ValueError(f"cell `{cell.id}`: {error}") from error
    headings = {
        heading for cell in cells if cell.cell_type != "code" for _, heading, _ in seen.parts(cell.source)
    }
    first, *others = noted(found[0], guide.opening(headings), before=True), *found[1:]
    return carried(joined([first, *others[:-1], noted(others[-1], *pending, guide.discussion())]))


def of_cell(cell, after, stem, guide):
    """(level, heading, Seen, notes) of each part of a cell; level 0: it brings no heading."""
    if cell.cell_type == "code":
        name = tagged(cell, "exercise")
        asks = "slide:code" in tags(cell), "slide:answer" in tags(cell)
        if part := seen.code(cell, stem, name, *asks):
            yield 0, "", part, [guide.exercise(name)] if name else []
        return
    parts = [part for part in seen.parts(cell.source) if part[1] not in FOLDED]
    wanted = picked(
        [text for *_, blocks in parts for kind, text in blocks if kind == "paragraph"], tags(cell)
    )
    for part in parts:
        level, heading, blocks = part
        asks = part is parts[-1] and after is not None and tagged(after, "exercise")
        if "slide:said" in tags(cell):
            one = seen.Seen("", tuple(text for _, text in blocks))
        else:
            one = seen.text(blocks, bool(heading), shown(blocks, wanted, level == 1, asks))
        yield level, heading, one, [guide.section(heading)]


def shown(blocks, wanted, first, asks):
    """The blocks of a part that are seen whatever they are.

    wanted: by their tags; first: it is the lesson's beginning; asks: it is what an exercise asks for.
    """
    texts = [text for _, text in blocks]
    if asks and set(wanted) & set(texts):
        turn = tuple(f"**{word}" for word in seen.TURN)
        begins = next((k for k, text in enumerate(texts) if text.startswith(turn)), len(texts) - 1)
        return [*wanted, *texts[begins:]]
    return texts if first or asks else wanted


def picked(paragraphs, names):
    """The paragraphs that the tags `slide:1`, `slide:2`, … name. ValueError for a number too large."""
    numbers = [int(number) for name in names if (number := name.removeprefix("slide:")).isdigit()]
    if wrong := [number for number in numbers if not 0 < number <= len(paragraphs)]:
        raise ValueError(f"expected slide:1 to slide:{len(paragraphs)}, its paragraphs; got slide:{wrong[0]}")
    return [paragraphs[number - 1] for number in numbers]


def noted(slide, *notes, before=False):
    """The slide with more notes, after those that it has, or before them."""
    return replace(slide, notes=(*notes, *slide.notes) if before else (*slide.notes, *notes))


def carried(found):
    """The slides; one without notes has those of the slide before it, in the same place."""
    done = found[:1]
    for slide in found[1:]:
        bare = slide.place == done[-1].place and not any(slide.notes)
        done.append(replace(slide, notes=done[-1].notes) if bare else slide)
    return done


def joined(found):
    """The slides, with neighbours of one title on one slide where they have room there."""
    done = found[:1]
    for slide in found[1:]:
        last = done[-1]
        lines = last.lines + slide.lines
        waits = seen.WAITS in last.body  # what follows would tell the answer
        if last.place == slide.place and not waits and lines <= (MOST if slide.asks else ROOM):
            both = last.body + slide.body, last.notes + slide.notes, lines
            done[-1] = Slide(last.section, last.title, *both, last.cell, last.level)
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
