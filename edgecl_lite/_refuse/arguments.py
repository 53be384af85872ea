"""Checks of arguments, so that all errors read alike: what was expected, what came, what to do.

Each takes the argument's name and its value, and hands the value back in its plain Python type.
Plumbing; no lesson derives it.
"""

import math
from numbers import Real

SEEDS = 2**31  # there are: torch's generators look at 32 bits, one of which says what is drawn
LARGEST = 3.4e38  # of float32, in which all tensors are


def whole(name, value, least=1, most=LARGEST):
    """A whole number >= least, as int. TypeError for other types (bool too), else ValueError."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a whole number >= {least}, got {value!r}")
    if not least <= value <= most or value != int(value):
        top = f" and <= {most:,}" if most < value < math.inf else ""
        raise ValueError(f"{name} must be a whole number >= {least}{top}, got {value!r}")
    return int(value)


def number(name, value, least=0.0, most=LARGEST, strictly=False):
    """A finite number in [least, most] (strictly: above least), as float. Errors as in `whole`."""
    top = f" and <= {most:g}" if most < LARGEST else ""
    span = f"a finite number {'>' if strictly else '>='} {least:g}{top}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be {span}, got {value!r}")
    if not least <= value <= most or (strictly and value == least):
        raise ValueError(f"{name} must be {span}, got {value!r}")
    return float(value)


def several(name, values, least=1):
    """The values as a list (of an array: as plain numbers). ValueError where there are too few."""
    values = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        want = "a list" + " of at least one value" * least
        raise ValueError(f"{name} must be {want}, got {values!r}: [{values!r}]")
    if len(values := list(values)) < least:
        raise ValueError(f"{name} must be a list of at least one value, got {values!r}")
    return values


def choice(name, value, known):
    """One of the known words. Raises ValueError that lists them."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
    return value


def or_none(check):
    """The check that lets None through as it is."""
    return lambda name, value: value if value is None else check(name, value)


def seeds_list(seeds):
    """`3` -> [0, 1, 2]; a list of different whole numbers in 0 … 2³¹ − 1 stays itself."""
    if not hasattr(seeds, "__iter__") or isinstance(seeds, str):
        return list(range(whole("seeds", seeds)))
    seeds = [whole("each of seeds", seed, least=0) for seed in several("seeds", seeds)]
    if len(set(seeds)) < len(seeds) or max(seeds) >= SEEDS:
        want = "a count or a list of different whole numbers < 2³¹"
        raise ValueError(f"seeds must be {want}, got {seeds!r}")
    return seeds
