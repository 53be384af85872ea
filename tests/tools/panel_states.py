"""Write down what the panels of a lesson show in each of their states, for pages without a kernel.

    write(sources("03_ewc"), "03_ewc")    in the kernel that ran the lesson

Called by refresh_notebooks.py after a lesson's last cell. Numbers and sentences: STATES/<lesson>.json;
pictures: one animation a panel, STATES/<lesson>.<cell>.webp, a frame for each that differs. site/twins.py
reads them.
"""

import hashlib
import io
import json
from pathlib import Path

from PIL import Image

from edgecl_lite.widgets.states import panels, states

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS, STATES = ROOT / "notebooks", ROOT / "edgecl_lite/lessons/states"
BYTES = 100_000  # of a lesson's numbers and sentences


def sources(stem):
    """{cell id: source} of a lesson's code cells."""
    notebook = json.loads((NOTEBOOKS / f"{stem}.ipynb").read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return {cell["id"]: "".join(cell["source"]) for cell in code}


def write(sources, stem, folder=STATES):
    """Write the states of all panels that these cells have made.

    ValueError, which names the cell, where a panel has too many pictures, or a lesson too many states.
    """
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    found = {}
    for name, panel in panels(sources).items():
        try:
            told, pictures = states(panel)
        except ValueError as error:
            raise ValueError(f"{stem}, cell {name}: {error}") from error
        if told:
            found[name] = told | {"source": digest(sources[name])}
        if pictures:
            (folder / f"{stem}.{name}.webp").write_bytes(animation(pictures))
    text = as_json(found)
    if len(text.encode()) > BYTES:
        sizes = {name: len(as_json(told).encode()) for name, told in found.items()}
        largest = max(sizes, key=sizes.get)
        raise ValueError(
            f"{stem}: the states of its panels take {len(text.encode()):,} bytes, at most {BYTES:,}; "
            f"cell {largest} takes {sizes[largest]:,}: give its controls fewer values, or its run fewer "
            "points (every=)"
        )
    (folder / f"{stem}.json").write_text(text, encoding="utf-8")


def digest(source):
    """By which a cell is known that was changed after its states were written."""
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def as_json(found):
    """JSON with a line for each panel, so that a change is seen where it is."""
    lines = (
        f"{json.dumps(name)}: {json.dumps(told, ensure_ascii=False, separators=(',', ':'))}"
        for name, told in found.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def animation(pictures):
    """The pictures (bytes of PNG) as one lossless animated WebP."""
    first, *others = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in pictures]
    file = io.BytesIO()
    how = dict(lossless=True, quality=90, method=4, duration=1000, minimize_size=True)
    first.save(file, "WEBP", save_all=True, append_images=others, **how)
    return file.getvalue()
