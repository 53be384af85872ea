"""Says no where Flower is missing or of another version, or would draw by a chance of its own."""

from importlib.metadata import PackageNotFoundError, version

PINNED = "1.42.0"


def check_flower():
    """ImportError with the line that installs it."""
    try:
        found = version("flwr")
    except PackageNotFoundError:
        found = None
    if found == PINNED:
        return
    here = "which is not installed" if found is None else f"but {found} is installed"
    how = f"pip install flwr=={PINNED} (in an environment of its own: it moves other pins)"
    raise ImportError(f"this runs on Flower {PINNED}, {here}: {how}")


def check_called(plan):
    """The plan of a fleet, where every client is called in every round; else ValueError."""
    if plan.called == plan.members:
        return plan
    got = f"fraction={plan.options.fraction}"
    raise ValueError(
        f"Flower draws whom it calls by a chance of its own: fraction=1 here, got {got}"
    )
