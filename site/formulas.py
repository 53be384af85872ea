r"""Formulas as MathML, which browsers draw themselves: no script, no font, no request.

latex2mathml does the work; what it gets wrong in a picture is mended here, before or after, and
what it leaves as TeX is refused, so that no reader meets a backslash. Lesson: every one.
"""

import html
import re
from functools import cache

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

PARSER = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)


def formulas(markdown):
    """(TeX, whether displayed) of every formula in a Markdown text, as the site reads it."""
    for token in PARSER.parse(markdown):
        if token.type == "math_block":
            yield token.content, True
        for child in token.children or ():
            if child.type.startswith("math_inline"):
                yield child.content, child.type.endswith("double")


@cache
def mathml(tex, display=False):
    """The <math> of a formula, or ValueError for one that cannot be drawn."""
    try:
        drawn = convert(tex.strip(), display="block" if display else "inline")
    except Exception as error:  # the library has no error of its own
        raise ValueError(f"the formula {tex!r} cannot be drawn: {error!r}") from error
    shown = re.sub(r"<[^>]*>", "", drawn)
    if "\\" in html.unescape(shown):
        raise ValueError(f"of the formula {tex!r} this is left as TeX: {shown!r}")
    return drawn
