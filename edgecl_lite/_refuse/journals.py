"""What is refused of a journal: its path, and the training that is to go on from it."""

import os
from pathlib import Path


def new_path(path, resume=None):
    """The path of a journal to write. Raises where there is one that `resume` does not take up."""
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        want = "the path of a file, such as 'runs/night.journal'"
        raise TypeError(f"journal must be {want}, got {path!r}")
    path = Path(os.path.expanduser(path))
    if path.is_dir():
        way = f"add the name of a file, such as {path}/night.journal"
        raise IsADirectoryError(f"{path} is a folder; {way}")
    same = isinstance(resume, str | os.PathLike) and Path(os.path.expanduser(resume)) == path
    if path.exists() and not same:
        way = f"resume={str(path)!r} goes on with it; or take it away, or take another path"
        raise FileExistsError(f"there is a journal at {path}: {way}")
    return path


def check_parts(source, many):
    """Raises where what a sweep in turn goes on from is no path, or none of its parts is there."""
    if source is None:
        return
    if not isinstance(source, str | os.PathLike):
        kind = type(source).__name__
        raise TypeError(f"resume of a sweep in turn must be the path that journal= had, got {kind}")
    if not any(os.path.exists(f"{os.path.expanduser(source)}.{i}") for i in range(many)):
        raise FileNotFoundError(f"there is no journal at {source}.0 … {source}.{many - 1}")


def check_same(kept, plan, where):
    """Raises ValueError where what is kept is of another training than this plan's."""
    for name, here in plan.settings.items():
        there = kept.settings.get(name, here)
        if there != here:
            unlike = f"its {name} is {there!r}, here it is {here!r}"
            raise ValueError(f"{where} is of another training: {unlike}")
    own = [task.digest for task in plan.stream]
    for t, there in enumerate(kept.digests):
        if own[t : t + 1] != [there]:
            here = f"other data in task {t}" if t < len(own) else f"only {len(own)} tasks"
            unlike = f"here is {here}; give the whole stream"
            raise ValueError(f"{where} is of another training: {unlike}")


def check_state(kept, begun, where):
    """Raises ValueError where what a method kept has not the sizes that it begins with here."""
    want, got = ({k: tuple(v.shape) for k, v in state.items()} for state in (begun, kept.state))
    if unlike := [k for k in want | got if want.get(k) != got.get(k)]:
        sizes = f"{got.get(unlike[0])}, here {want.get(unlike[0])}"
        grown = "it was begun with a shorter stream; this method needs the whole one from its start"
        unlike = f"its state {unlike[0]!r} is {sizes}: {grown}"
        raise ValueError(f"{where} is of another training: {unlike}")
