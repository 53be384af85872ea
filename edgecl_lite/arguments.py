"""Checks of arguments, so that all errors read alike: what was expected, what came, what to do.

Each takes the argument's name and its value, and hands the value back in its plain Python type.
"""

import math
from numbers import Integral, Real


def whole(name, value, least=1):
    """A whole number >= least, as int. TypeError for other types (bool too), ValueError for other values."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a whole number >= {least}, got {value!r}")
    if not math.isfinite(value) or value != int(value) or value < least:
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
    return int(value)


def number(name, value, least=0.0, most=math.inf, strictly=False):
    """A finite number in [least, most], or above least if strictly, as float. Errors as in `whole`."""
    span = f"a finite number {'>' if strictly else '>='} {least:g}" + (
        f" and <= {most:g}" if most < math.inf else ""
    )
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be {span}, got {value!r}")
    if not math.isfinite(value) or not least <= value <= most or (strictly and value == least):
        raise ValueError(f"{name} must be {span}, got {value!r}")
    return float(value)


def choice(name, value, known):
    """One of the known words. Raises ValueError that lists them."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
    return value


def seeds_list(seeds):
    """`3` -> [0, 1, 2]; a list of different whole numbers >= 0 stays itself."""
    if isinstance(seeds, (Integral, Real, str)) or not hasattr(seeds, "__iter__"):
        return list(range(whole("seeds", seeds)))
    seeds = [whole("each of seeds", seed, least=0) for seed in seeds]
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be a count or a list of different whole numbers, got {seeds!r}")
    return seeds
