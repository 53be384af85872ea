"""Results of trainings that take longer than a lesson may: stored as JSON in this folder, loaded by name."""

from pathlib import Path

from ..machine import disk


def stored(name):
    """What `make stored` (02: `make ledger`) computed for a lesson, a dict.

    Errors: FileNotFoundError for other names, ValueError where a bit of the file has changed.
    """
    folder = Path(__file__).parent / "stored"
    if name not in (known := sorted(path.stem for path in folder.glob("*.json"))):
        raise FileNotFoundError(f"results are stored for {', '.join(known)}, got {name!r}")
    again = {"02_ewc": "make ledger ARGS=--table", "06_export": "make export"}.get(
        name, "make stored"
    )
    path = folder / f"{name}.json"
    return disk.read_json(path, f"`git checkout {path}` brings it back, `{again}` makes it anew.")
