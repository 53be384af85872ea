r"""Formulas as MathML, which browsers draw themselves: no script, no font, no request.

latex2mathml does the work; what it gets wrong in a picture is mended here, before or after, and
what it leaves as TeX is refused, so that no reader meets a backslash. Lesson: every one.
"""

from functools import cache
from itertools import pairwise
from xml.etree import ElementTree

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

MATHML = "{http://www.w3.org/1998/Math/MathML}"
NORMS = "‖", r"\lVert", r"\rVert"
LIMITS = "max", "min", "arg min", "arg max", "∑"
UNDER = {"msub": "munder", "msubsup": "munderover"}
ElementTree.register_namespace("", MATHML[1:-1])
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
    known = tex.strip().replace(r"\arg\min", r"\argmin").replace(r"\arg\max", r"\argmax")
    try:
        drawn = convert(known, display="block" if display else "inline")
    except Exception as error:  # the library has no error of its own
        raise ValueError(f"the formula {tex!r} cannot be drawn: {error!r}") from error
    math = ElementTree.fromstring(drawn)
    for node in math.iter():
        _mend(node, display)
        _apart(node)
    said = "".join(math.itertext())
    if "\\" in said:
        raise ValueError(f"of the formula {tex!r} this is left as TeX: {said}")
    if "⏟" in said or "⏞" in said:
        raise ValueError(f"browsers draw the brace in {tex!r} too short: write it without")
    return ElementTree.tostring(math, encoding="unicode")


def _mend(node, display):
    """What latex2mathml draws otherwise than TeX: primes, norms, what stands under max and min."""
    kind, text = node.tag.removeprefix(MATHML), (node.text or "").replace("\u2009", " ")
    if text in NORMS:
        node.text = "‖"
        if "minsize" not in node.attrib:
            node.set("stretchy", "false")  # else only the left one grows
    if text == "′":
        node.tag = f"{MATHML}mo"
        node.set("class", "prime")
    if display and kind in UNDER and (node[0].text or "").replace("\u2009", " ") in LIMITS:
        node.tag = f"{MATHML}{UNDER[kind]}"


def _apart(row):
    """A little room around log, sin and other named functions, as TeX leaves it."""
    for name, then in pairwise([*row, row]):
        if name.tag == f"{MATHML}mi" and len(name.text or "") > 1:
            name.tag = f"{MATHML}mo"
            name.set("lspace", "0.17em")
            name.set("rspace", "0" if then.text == "(" else "0.17em")
