"""Names as they come from outside, made fit for a picture: one line, no two alike, no formulas.

A name may be empty, endless, Chinese, hold `$`, or come twice. A sentence (`spoken`) takes it
nearly as it is; a picture (`written`) has less room and only those letters that an installed font
has: else it says the number. Texts are made with `parse_math=False`, so that `$` is a dollar.
"""

from collections import Counter
from functools import cache

from matplotlib.font_manager import findfont, fontManager, get_font

OURS = "DejaVu Sans"  # comes with matplotlib
BOXES = "Last Resort"  # a font that has a box for every letter


def short(text, most):
    """At most so many letters, the middle left out; of less than five the end."""
    head, tail = (most // 2, (most - 1) // 2) if most > 4 else (max(1, most - 1), 0)
    return text if len(text) <= most else f"{text[:head]}…{text[len(text) - tail :]}"


def apart(names):
    """No two alike: those that come several times carry their place."""
    names = list(names)
    often = Counter(names)
    return [f"{name} ({i})" if often[name] > 1 else name for i, name in enumerate(names, 1)]


def line(text, most=60):
    """The text as one line of at most so many letters."""
    return short(" ".join("".join(c if c.isprintable() else " " for c in str(text)).split()), most)


def spoken(names, most=60):
    """Names for a sentence, no two alike; one without a letter is its number."""
    return apart(line(name, most) or f"no. {i}" for i, name in enumerate(names, 1))


def written(names, most=20):
    """(labels, look): names for a picture, and what the texts that show them are made with."""
    labels = apart(drawable(short(name, most) for name in spoken(names)))
    return labels, look(*labels)


def drawable(texts):
    """The texts; one that no installed font can write is its number."""
    return [text if _font(frozenset(text)) else f"no. {i}" for i, text in enumerate(texts, 1)]


def look(*texts):
    """What a text of a picture is made with: `$` is a dollar and every letter has a font."""
    fonts = {_font(frozenset(text)) for text in texts} - {OURS, None}
    return dict(parse_math=False, fontfamily=[OURS, *sorted(fonts)])


@cache
def _font(letters):
    """A font family that has these letters, alone or together with ours; None where none has."""
    lacking = _lacking(findfont(OURS), letters)
    if not lacking:
        return OURS
    upright = {font.name: font.fname for font in fontManager.ttflist if font.style == "normal"}
    for name, path in sorted(upright.items()):
        if BOXES not in name and not _lacking(path, lacking):
            return name
    return None


def _lacking(path, letters):
    try:
        font = get_font(path)
    except (OSError, RuntimeError):  # a broken font is none
        return letters
    return {c for c in letters if not font.get_char_index(ord(c))}
