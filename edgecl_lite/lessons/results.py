"""Results of trainings that take longer than a lesson may: stored as JSON, loaded by name."""

from pathlib import Path

from ..machine import disk

AGAIN = {
    "ewc": "make ledger ARGS=--table",
    "export": "make export",
    "epsilon": "make epsilon",
    "fleet": "make fleet",
}


def stored(name):
    """What `make stored` (or another command, `AGAIN`) computed for a lesson, a dict.

    Errors: FileNotFoundError for other names, ValueError where a bit of the file has changed.
    """
    folder = Path(__file__).parent / "stored"
    if name not in (known := sorted(path.stem for path in folder.glob("*.json"))):
        raise FileNotFoundError(f"results are stored for {', '.join(known)}, got {name!r}")
    path, again = folder / f"{name}.json", AGAIN.get(name, "make stored")
    return disk.read_json(path, f"`git checkout {path}` brings it back, `{again}` makes it anew.")
