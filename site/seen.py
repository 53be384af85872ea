"""What of a cell is to be seen on a slide, as HTML, and what is only said: Markdown for its notes.

    text:  formulas, lists, tables, pictures, with the line that leads to them; other paragraphs are said
    code:  figures, panels, exercises, printed results; code itself where a tag asks for it

Lesson: every one.
"""

import re
from dataclasses import dataclass, replace
from html import escape
from itertools import accumulate, groupby, pairwise

from cells import UNSAID, size_of
from formulas import mathml
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat.v4 import new_output
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from twins import twin

SEEN = "math_block", "bullet_list", "ordered_list", "table", "blockquote", "fence"
LEAD = 160  # characters of a paragraph that goes with what stands below it
TURN = "Your turn", "Exercise"  # begins what an exercise asks for, and is no title
CAPTION = 240  # characters of a figure's sentences that are seen; what is longer is said
WIDE, LOW, LINE = 1190, 360, 38  # pixels: a figure's width, its least height, a line of text: see slides.js
ACROSS = 84  # characters of a line of text
AWAY = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]+\)")  # a link into the course: words, on a slide
WAITS = "fragment"  # reveal.js's word for it
BOLD = re.compile(r"^\*\*([^*]+)(?:[.:]\*\*|\*\*[.:])\s*")
SENTENCE = re.compile(r"(?<=[.]) (?=[A-Z])")
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
    return [part for whole in found if whole[0] or whole[2] for part in titled(*whole)]


def titled(level, heading, blocks):
    """A part; that of the lesson's title in two, for only its first words stand beside it."""
    yield level, heading, blocks if level != 1 else blocks[:1]
    if level == 1 and blocks[1:]:
        yield 0, "", blocks[1:]


def text(blocks, named, picked):
    """What is `Seen` of the blocks of a part.

    named: it has a heading, so that a bold beginning is no title of its own; picked: its blocks that are seen
    whatever they are.
    """
    seen, said, name = [], [], ""
    for (kind, block), after in pairwise([*blocks, ("", "")]):
        if kind in SEEN or block in picked or leads(block, after[0]):
            if not (seen or named) and (bold := BOLD.match(block)) and bold[1] not in TURN:
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
    block = AWAY.sub(r"\1", block)
    rows = block.splitlines() if kind != "paragraph" else [" ".join(block.splitlines())]
    return 0.6 + sum(-(-len(row) // ACROSS) for row in rows)


def code(cell, stem, asked, always, answer):
    """What is `Seen` of a cell of code, by what it stores. None where there is nothing to see.

    asked: it is an exercise; always: its code is seen; answer: what it stores waits for a key.
    """
    outputs = [] if asked else [of_output(output, stem, cell.id) for output in printed(cell.outputs)]
    if answer or cell.metadata.get("jupyter", {}).get("outputs_hidden"):
        outputs = [waiting(one) for one in outputs]
    if asked or always:
        outputs = [painted(cell.source.strip()), *outputs]
    body, said = "".join(one.body for one in outputs), [words for one in outputs for words in one.said]
    return Seen(body, tuple(said), lines=sum(one.lines for one in outputs)) if body else None


def printed(outputs):
    """The outputs, with streams that follow each other as one."""
    for kind, some in groupby(outputs, key=lambda output: output.output_type):
        if kind == "stream":
            yield new_output("stream", text="".join(output.text for output in some))
        else:
            yield from some


def waiting(answer):
    """An answer that waits for a key."""
    if not answer.body or WAITS in answer.body:
        return answer
    return replace(answer, body=f'<div class="{WAITS}">{answer.body}</div>')


def painted(source):
    return Seen(highlight(source, PythonLexer(), PAINT), lines=1 + 0.85 * len(source.splitlines()))


def of_output(output, stem, cell_id):
    """What is `Seen` of a stored output. ValueError for an error that is stored."""
    if output.output_type == "error":
        raise ValueError(f"it stores an error ({output.ename}: {output.evalue}): mend it, then try again")
    data = output.get("data", {})
    words = (output.get("text") or data.get("text/plain", "")).strip("\n")
    if "image/png" in data:
        return pictured(data["image/png"], output.metadata.get("image/png", {}).get("alt", ""))
    if "text/html" in data:  # a caption
        return captioned(words)
    if page := output.output_type == "execute_result" and twin(stem, cell_id, None):
        return panel(page)
    told = f"<pre>{escape(words.replace(*UNSAID))}</pre>" if words.strip() else ""
    one = Seen(told, lines=1 + 0.8 * len(words.splitlines()))
    return waiting(one) if UNSAID[0] in words else one


def panel(page):
    """A panel that moves here; what a guess says of the answer waits for a key, even when it is committed."""
    if "twin-kernel" in page:
        return Seen("")
    if "twin-guess" in page:
        return Seen(page.replace("<p data-said", f'<p class="{WAITS}" data-said'), lines=4)
    return Seen(page, lines=12.4)


def pictured(base64, alt):
    """A figure; it takes the room that the text leaves it, but no less than it needs to be read."""
    wide, high = size_of(base64)
    img = f'<img class="figure" src="data:image/png;base64,{base64}" alt="{escape(alt)}">'
    return Seen(img, lines=min(LOW, WIDE * high / wide) / LINE)


def captioned(words):
    """A figure's sentences: those that it has room for are seen; where these are not all, all are said."""
    *_, shown = [
        "",
        *(text for text in accumulate(SENTENCE.split(words), "{} {}".format) if len(text) <= CAPTION),
    ]
    body = f'<p class="edgecl-caption">{escape(shown)}</p>' if shown else ""
    return Seen(body, () if shown == words else (words,), lines=1.6 if body else 0)
