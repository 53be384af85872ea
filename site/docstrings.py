"""Docstrings as reStructuredText: ours are plain text, with `names`, equations set in, and lists.

A sign that would be markup is escaped; what is set in by spaces stays as it stands; a name of the
module in backticks becomes a link to where it is documented. Lesson: every one.
"""

import re
from itertools import groupby

NAME = re.compile(r"`([^`]+)`")
MARKUP = re.compile(r"([\\*_|<>])")


def reworded(text, public):
    """The lines of reStructuredText for a plain docstring; public: names that have an entry."""
    lines = []
    for set_in, run in groupby(text.strip("\n").splitlines(), key=_set_in):
        block = list(run)
        spoken = _spoken("\n".join(block), public).splitlines()
        lines += ["", "::", "", *block, ""] if set_in else spoken
    return lines


def _set_in(line):
    """Whether a line is an equation or a row of a table: it stays as it stands."""
    return line.startswith("  ")


def _spoken(block, public):
    """A paragraph: names as code, or as links; any other markup as the sign that it is."""
    parts = NAME.split(block)  # odd ones stood in backticks
    for i, part in enumerate(parts):
        parts[i] = _name(" ".join(part.split()), public) if i % 2 else MARKUP.sub(r"\\\1", part)
    return "".join(parts)


def _name(name, public):
    """A name of the module as a link to its entry, anything else as code."""
    bare = name.partition("(")[0]
    return f":py:obj:`{name} <edgecl_lite.{bare}>`\\ " if bare in public else f"``{name}``\\ "
