"""Docstrings as reStructuredText: ours are plain text, with `names`, equations set in, and lists.

A sign that would be markup is escaped; what is set in by spaces stays as it stands; a name of the
module in backticks becomes a link to where it is documented. Lesson: every one.
"""

import re

NAME = re.compile(r"`([^`\n]+)`")
MARKUP = re.compile(r"([\\*_|<>])")


def reworded(text, public):
    """The lines of reStructuredText for a plain docstring; public: names that have an entry."""
    blocks = re.split(r"\n\s*\n", text.strip("\n"))
    lines = []
    for block in filter(str.strip, blocks):
        lines += _verbatim(block) if _set_in(block) else _spoken(block, public).splitlines()
        lines.append("")
    return lines


def _set_in(block):
    return all(line.startswith("  ") for line in block.splitlines())


def _verbatim(block):
    """An equation or a drawing: every line as it stands."""
    return ["::", "", *(f"  {line}" for line in block.splitlines())]


def _spoken(block, public):
    """A paragraph: names as code, or as links; any other markup as the sign that it is."""
    parts = NAME.split(block)  # odd ones stood in backticks
    for i, part in enumerate(parts):
        parts[i] = _name(part, public) if i % 2 else MARKUP.sub(r"\\\1", part)
    return "".join(parts)


def _name(name, public):
    """A name of the module as a link to its entry, anything else as code."""
    bare = name.partition("(")[0]
    return f":py:obj:`{name} <edgecl_lite.{bare}>`\\ " if bare in public else f"``{name}``\\ "
