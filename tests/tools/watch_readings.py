"""Make the smart watch's readings that the package holds:  python tests/tools/watch_readings.py [FOLDER]

Reads `data/watch_dataset.npy` of the PyPI package seglearn, which only the tests need: as installed, or in
FOLDER, where its wheel is unpacked (pip download --no-deps seglearn==1.2.5; python -m zipfile -e IT FOLDER).
Writes edgecl_lite/data/smartwatch.npz and prints its line of checksums.txt. The notice of whoever recorded it
stays beside it, in smartwatch.txt. Of four readings the mean, as a byte of the span; of these the steps.
"""

import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

BUNDLED = Path(__file__).resolve().parents[2] / "edgecl_lite" / "data" / "smartwatch.npz"
SPAN = np.array([3, 2, 3, 6, 8, 4.0])  # g, g, g, rad/s, rad/s, rad/s; at most 0.4 % of a channel lie beyond
SLOWER = 4  # 50 Hz become 12.5 Hz


def original(folder=None):
    """Path of the recordings as published, or None where seglearn is not installed."""
    spec = None if folder else find_spec("seglearn")
    folder = Path(folder) / "seglearn" if folder else spec and Path(spec.origin).parent
    return folder and folder / "data" / "watch_dataset.npy"


def tables(path):
    """{name: array} of the bundled file: steps (readings, 6) int8, then of each recording what it is."""
    file = np.load(path, allow_pickle=True).item()  # pickle: here and once, never in the package
    steps = []
    for x in file["X"]:
        slow = x[: len(x) // SLOWER * SLOWER].reshape(-1, SLOWER, 6).mean(1)
        readings = np.clip(slow / SPAN * 127, -127, 127).round().astype(np.int8)
        steps.append(
            np.diff(readings, axis=0, prepend=np.int8([[0] * 6]))
        )  # may wrap round, as their sum does
    about = dict(exercise=file["y"], wearer=file["subject"], right=file["side"])
    lengths = np.array([len(own) for own in steps], np.uint16)
    return dict(steps=np.concatenate(steps), length=lengths) | {k: np.uint8(v) for k, v in about.items()}


if __name__ == "__main__":
    path = original(*sys.argv[1:2])
    if path is None or not path.exists():
        sys.exit(f"seglearn/data/watch_dataset.npy is not at hand; the first lines say how to get it: {path}")
    np.savez_compressed(BUNDLED, **tables(path))
    print(
        BUNDLED.name, hashlib.sha256(BUNDLED.read_bytes()).hexdigest(), f"({BUNDLED.stat().st_size:,} bytes)"
    )
