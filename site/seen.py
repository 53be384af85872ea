"""What of a cell is to be seen on a slide, as HTML, and what is only said: Markdown for its notes.

    text:  formulas, lists, tables, pictures, with the short line that leads to them; paragraphs are said
    code:  figures with their captions, panels, exercises, printed results, short code that lies open

Lesson: every one.
"""

import re
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from formulas import mathml
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from twins import twin

SEEN = "math_block", "bullet_list", "ordered_list", "table", "blockquote", "fence"
LEAD = 160  # characters of a paragraph that goes with what stands below it
OPEN = 14  # lines of code that a slide shows without being asked
ACROSS = 84  # characters of a line of text
AWAY = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]+\)")  # a link into the course: words, on a slide
BOLD = re.compile(r"^\*\*(.+?)[.:]?\*\*\s*")
PAINT = HtmlFormatter(style="a11y-high-contrast-light", nobackground=True)


@dataclass(frozen=True)
class Seen:
    """What is seen, as HTML; said, as Markdown; name: its title where it brings one; about how many lines."""

    body: str
    said: tuple = ()
    name: str = ""
    lines: float = 0


def drawn(tex, how):
    return mathml(tex, how["display_mode"])


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table").use(dollarmath_plugin, renderer=drawn)


def html(markdown):
    return MARKDOWN.render(AWAY.sub(r"\1", markdown))


def parts(source):
    """[(level, heading, blocks)] of a cell of text; level 0: no heading. A block is (kind, Markdown)."""
    lines, found = source.splitlines(), [(0, "", [])]
    for token in MARKDOWN.parse(source):
        if token.level or not token.map:
            continue
        kind, text = token.type.removesuffix("_open"), "\n".join(lines[slice(*token.map)])
        if kind == "heading":
            found.append((int(token.tag[1]), text.lstrip("# ").strip(), []))
        else:
            found[-1][2].append((kind, text))
    return [part for part in found if part[0] or part[2]]


def text(blocks, picked=(), whole=False, named=False):
    """What is `Seen` of the blocks of a part.

    picked: numbers of paragraphs that are seen too, from 1; whole: all of them; named: it has a heading, so
    that a bold beginning is no title of its own.
    """
    seen, said, name, count = [], [], "", 0
    for (kind, block), after in pairwise([*blocks, ("", "")]):
        count += kind == "paragraph"
        if kind in SEEN or whole or count in picked or leads(block, after[0]):
            if not (seen or named) and (bold := BOLD.match(block)):
                name, block = bold[1], block[bold.end() :]
            seen.append((kind, block))
        else:
            said.append(block)
    body = "".join(html(block) for _, block in seen)
    return Seen(body, tuple(said), name, sum(high(*block) for block in seen))


def leads(block, after):
    """Whether a paragraph belongs to what stands below it, or shows a picture."""
    brief = block.rstrip().endswith((":", ",")) or len(block) < LEAD
    return "![" in block or after in SEEN and brief


def high(kind, block):
    """About how many lines a block takes on a slide."""
    if kind == "math_block":
        return 3 + 1.5 * block.count(r"\\")
    if kind == "table":
        return 1.4 * len(block.splitlines())
    rows = block.splitlines() if kind != "paragraph" else [" ".join(block.splitlines())]
    return 0.6 + sum(-(-len(row) // ACROSS) for row in rows)


def code(cell, stem, asked, always):
    """What is `Seen` of a cell of code, by what it stores.

    asked: it is an exercise; always: its code is seen, however long. None where there is nothing to see.
    """
    lies_open = not cell.metadata.get("jupyter", {}).get("source_hidden")
    rows = cell.source.strip().splitlines()
    shown = asked or always or lies_open and len(rows) <= OPEN
    outputs = [] if asked else [one for output in cell.outputs if (one := of_output(output, stem, cell.id))]
    if answer := cell.metadata.get("jupyter", {}).get("outputs_hidden"):
        outputs = [Seen(f'<div class="fragment">{one.body}</div>', lines=one.lines) for one in outputs]
    first = [painted(cell.source.strip())] if shown and not answer else []
    body = "".join([*first, *(one.body for one in outputs)])
    lines = sum(one.lines for one in outputs) + (0.85 * len(rows) if first else 0)
    return Seen(body, lines=lines) if body else None


def painted(source):
    return highlight(source, PythonLexer(), PAINT)


def of_output(output, stem, cell_id):
    """What is `Seen` of a stored output; None for nothing. Raises ValueError for an error that is stored."""
    if output.output_type == "error":
        raise ValueError(f"it stores an error ({output.ename}: {output.evalue})")
    data = output.get("data", {})
    said = output.get("text") or data.get("text/plain", "")
    if "image/png" in data:
        alt = escape(output.metadata.get("image/png", {}).get("alt", ""))
        return Seen(
            f'<img class="figure" src="data:image/png;base64,{data["image/png"]}" alt="{alt}">', lines=12
        )
    if "text/html" in data:
        return Seen(data["text/html"], lines=2)
    if page := output.output_type == "execute_result" and twin(stem, cell_id, None):
        return Seen(page, lines=12)
    rows = said.strip().splitlines()
    return Seen(f"<pre>{escape(said.strip())}</pre>", lines=0.8 * len(rows)) if rows else None
