"""A table of sensor readings out of a CSV file: every cell as it should be, or its row is named.

Rows are numbered as an editor shows them, the header is row 1. Plumbing; no lesson derives it.
"""

import os
import warnings
from pathlib import Path

import numpy as np

NUMBERS = "iuf"  # kinds of numpy's types


def table(path, roles, channels=None):
    """(path, {column: array (n,)}, roles and channels that are there) of the file.

    Channels and time are float64, label and wearer text. roles: {"label": column, "wearer": …,
    "time": …}, of which only the label must be there, and those named otherwise than their role.
    Raises FileNotFoundError, TypeError where the path is none, ValueError that names the row for
    whatever else is wrong.
    """
    path = _file(path)
    head = _parsed(path, nrows=1, dtype=str).fillna("").values[0]
    names = [str(name).strip() for name in head]
    roles = _roles(path, names, roles)
    channels = _channels(path, names, roles, channels)
    words = [roles[role] for role in ("label", "wearer") if role in roles]
    kinds = dict.fromkeys(words, str)
    found = _parsed(path, names=names, skiprows=1, dtype=kinds)
    found = found.iloc[: _last(found)]
    if not len(found):
        raise ValueError(f"{path} has a header and no reading below it")
    numbers = [*channels, *([roles["time"]] if "time" in roles else [])]
    columns = {name: _numbers(path, name, found[name]) for name in numbers}
    columns |= {name: _words(path, name, found[name]) for name in words}
    return path, columns, roles, channels


def _file(path):
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be the path of a CSV file, got {type(path).__name__}")
    path = Path(os.path.expanduser(path))
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"path must be a CSV file; {path} {what}")
    return path


def _parsed(path, **options):
    """The file by pandas, which is loaded only here. ValueError where its rows are no table."""
    import pandas

    options |= dict(skip_blank_lines=False, keep_default_na=False, index_col=False, header=None)
    options |= dict(low_memory=False, encoding="utf-8-sig")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            return pandas.read_csv(path, **options)
    except pandas.errors.ParserWarning:
        raise ValueError(f"{path}: rows have more cells than the header, row 1, names") from None
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError) as error:
        said = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise ValueError(f"{path} is no table of comma-separated UTF-8 text: {said}") from None


def _roles(path, names, roles):
    """{role: column} of those that are there."""
    if "" in names:
        raise ValueError(f"{path}: every column must have a name; its columns are {names}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{path}: columns must have different names, got {twice} more than once")
    for role, name in roles.items():
        if name not in names and (role == "label" or name != role):
            where = f"{role}={name!r}" if name != role else f"a column {name!r}"
            raise ValueError(f"{path} must have {where}; its columns are {names}")
    return {role: name for role, name in roles.items() if name in names}


def _channels(path, names, roles, channels):
    """The columns that are sensors: those named, or all that have no other role."""
    rest = [name for name in names if name not in roles.values()]
    channels = rest if channels is None else list(channels)
    if strange := [name for name in channels if name not in rest]:
        raise ValueError(f"channels must be some of {rest}, got also {strange}")
    if not channels or len(set(channels)) < len(channels):
        raise ValueError(f"{path} needs columns of readings, each once, beside {roles}")
    return channels


def _last(found):
    """How many rows there are before the blank lines at the end."""
    n = len(found)
    while n and not any(str(cell).strip() for cell in found.iloc[n - 1]):
        n -= 1
    return n


def _numbers(path, name, column):
    """A column of finite numbers, float64 (n,)."""
    import pandas

    kind = getattr(column.dtype, "kind", "O")
    values = column if kind in NUMBERS else pandas.to_numeric(column.astype(str), errors="coerce")
    values = values.to_numpy(np.float64)
    if len(wrong := (~np.isfinite(values)).nonzero()[0]):
        came = str(column.iloc[wrong[0]])
        many = f" (and {len(wrong) - 1:,} more)" if len(wrong) > 1 else ""
        where = f"{path}, row {wrong[0] + 2}, column {name!r}{many}"
        if not came.strip():
            raise ValueError(f"{where}: the cell is empty; fill it in or take the row out")
        hint = "a number with a point is wanted, or name the sensors' columns: channels=[…]"
        raise ValueError(f"{where}: got {came!r}; {hint}")
    return values


def _words(path, name, column):
    """A column of words, (n,) of str, without blanks around them."""
    words = column.astype(str).str.strip().to_numpy(object)
    empty = (words == "") | column.isna().to_numpy()
    if empty.any():
        row = empty.argmax() + 2
        raise ValueError(f"{path}, row {row}, column {name!r}: the cell is empty; say what it is")
    return words


def check_time(path, seconds, rate):
    """Raises ValueError where steps of time are mostly not those of the rate."""
    step = np.median(np.diff(seconds)) if len(seconds) > 1 else 1 / rate
    if not 0.9 < step * rate < 1.1:
        says = f"rate={rate:g} says {1 / rate:g} s"
        hint = "time is in seconds, rate in readings a second"
        raise ValueError(f"{path}: readings are mostly {step:g} apart, {says}; {hint}")


def check_counts(held, recordings, enough):
    """Raises ValueError where a class has no window to train on, or none to test on.

    recordings: of each window of the two parts, its recording; enough: readings of a recording.
    """
    for person, y in sorted({*zip(held.who.tolist(), held.y.tolist(), strict=True)}):
        own = ((held.who == person) & (held.y == y)).nonzero()[0]
        train, test = (int(np.isin(recording, own).sum()) for recording in recordings)
        if train and test:
            continue
        whose = f" of wearer {held.people[person]!r}" if held.people else ""
        has = f"{train:,} windows to train on and {test:,} to test on"
        where = f"{held.path}, row {held.bounds[own[0]] + 2} on: class {held.classes[y]!r}{whose}"
        ways = "record longer, take a smaller window, or leave these rows out"
        raise ValueError(f"{where} has {has}. {enough} readings on end give both: {ways}")


def span_of(channels, span):
    """(low, high), each (channels,), of the sensors' range as given; None where it is not."""
    if span is None:
        return None
    try:
        pairs = np.broadcast_to(np.asarray(span, float), (len(channels), 2))
    except (TypeError, ValueError):
        pairs = np.array([[np.nan, np.nan]])
    low, high = pairs.T
    if not (np.isfinite(pairs).all() and (low < high).all()):
        want = f"(low, high) with low < high, or one such pair for each of {channels}"
        raise ValueError(f"span must be {want}, got {span!r}")
    return low, high


def check_moving(path, channels, low, high):
    """Raises ValueError where a channel does not move, so that it has no range."""
    if still := [name for name, a, b in zip(channels, low, high, strict=True) if not a < b]:
        hint = "leave it out by channels=[…], or give its range: span=(low, high)"
        raise ValueError(f"{path}: column {still[0]!r} never changes while it is learned; {hint}")
