"""The twin of a panel: what it shows in Jupyter, in a page without a kernel, from the states stored of it.

    twin("03_ewc", "explore-lam", out) -> HTML, or None where that cell has no states

A twin is plain HTML that shows one state without any script; twin.js moves it. Its states are in
edgecl_lite/lessons/states/, made by `make notebooks`; pictures are written as single files.
"""

import io
import json
from base64 import b64encode
from functools import cache
from html import escape
from pathlib import Path

import drawing
from PIL import Image

STATES = Path(__file__).resolve().parents[1] / "edgecl_lite/lessons/states"
LEGIBLE = 640  # pixels: a picture is not drawn narrower, its box scrolls instead
RECORDED = "live", "watch"  # panels that went through a training
SCRIPTS = [Path(__file__).with_name(name) for name in ("twin.css", "twin.js")]


@cache
def states(stem):
    """{cell id: states} of a lesson, {} where none are stored."""
    path = STATES / f"{stem}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def twin(stem, cell_id, out, up="../"):
    """The HTML of the twin of a cell's panel; None where there is none.

    out: folder of the site, in which the pictures come into _twins/<stem>/; up: from the page to it.
    None: the pictures stand in the HTML itself, and a training begins at its first moment.
    """
    told = states(stem).get(cell_id)
    if told is None:
        return None
    if told["kind"] == "kernel":
        return f'<p class="twin-kernel">{escape(told["said"])}</p>'
    files, size = pictures(stem, cell_id) if told["pictures"] else ([], None)
    if out is None:
        told = begun(told) if told["kind"] in RECORDED else told
        where = [f"data:image/webp;base64,{b64encode(file).decode()}" for file in files]
    else:
        (folder := Path(out) / "_twins" / stem).mkdir(parents=True, exist_ok=True)
        where = [f"{up}_twins/{stem}/{cell_id}.{i}.webp" for i in range(len(files))]
        for address, file in zip(where, files):
            (folder / address.rpartition("/")[2]).write_bytes(file)
    return written(told, f"twin-{stem}-{cell_id}", where, size)


def begun(told):
    """A recorded training at its first moment: to be told as a story, not from its end."""
    return told | {"controls": [one | {"at": 0} for one in told["controls"]]}


def written(told, name, files, size):
    """The HTML of states as they begin; name: its id; files: addresses of its pictures, of this size."""
    state, asked = start(told["controls"]), escape(told["still"].get("question", ""))
    controls = [control(one, f"{name}-{k}") for k, one in enumerate(told["controls"])]
    if asked:
        controls.append(f"<button>{escape(told['still']['button'])}</button>")
    shown = picture(told, state, name) + (image(told, state, files, size) if size else "")
    data = json.dumps(told | {"files": files}, ensure_ascii=False, separators=(",", ":"))
    data = data.replace("</", "<\\/")  # else it would end the script
    question = f"<p>{asked}</p><noscript>To commit a guess here takes JavaScript.</noscript>" if asked else ""
    return (
        f'<div class="twin twin-{told["kind"]}" id="{name}">{question}'
        f"<form hidden>{''.join(controls)}</form>{shown}{words(told, state)}"
        f'<script type="application/json">{data}</script></div>'
    )


def start(controls):
    """The state in which a panel begins."""
    state = 0
    for one in controls:
        state = state * len(one["words"]) + one["at"]
    return state


def now(each, state):
    """What is so in this state, of {"of": what there is, "at": which of it in each state}."""
    return each["of"][each["at"][state]]


def text(each, state):
    """The words of this state, of texts that are numbers of phrases."""
    return "".join(each["phrases"][i] for i in now(each, state))


def control(one, name):
    """A slider, or a row of buttons."""
    label = escape(one["label"])
    if not one["buttons"]:
        word = escape(one["words"][one["at"]])
        most = len(one["words"]) - 1
        return (
            f'<div class="twin-control"><label for="{name}">{label}</label> <input type="range" id="{name}" '
            f'min="0" max="{most}" value="{one["at"]}" aria-valuetext="{word}"> '
            f'<span class="twin-value" aria-hidden="true">{word}</span></div>'
        )
    buttons = (
        f'<label><input type="radio" name="{name}" value="{i}"{" checked" * (i == one["at"])}>'
        f"<span>{escape(word)}</span></label>"
        for i, word in enumerate(one["words"])
    )
    return f'<fieldset class="twin-control"><legend>{label}</legend>{"".join(buttons)}</fieldset>'


def words(told, state):
    """The sentences; the first is what follows the thumb. A guess says nothing before it is made."""
    asked = told["kind"] == "guess"
    return "".join(
        f"<p data-said{' role=status' * (k == 0)}>{'' if asked else escape(text(each, state))}</p>"
        for k, each in enumerate(told["said"])
    )


def picture(told, state, name):
    """What is drawn by numbers, if anything is."""
    drawn, still = told["drawn"], told["still"]
    labels = [text(each, state) for each in told["labels"]]
    if "bars" in still:
        widths = [now(drawn[f"bar {k}"], state) for k in range(len(labels))]
        return drawing.bars(still["bars"], widths, labels)
    if "curves" not in drawn:
        return ""
    lines, legend = drawing.curves(still["curves"], now(drawn["curves"], state), name, labels)
    where, plots = now(drawn["thumb"], state) if "thumb" in drawn else None, ""
    if "sweep" in drawn:
        here = drawn["sweep"]["at"][state]
        inside = "".join(drawing.sweep(one, k == here) for k, one in enumerate(drawn["sweep"]["of"]))
        frame = drawn["sweep"]["of"][here]["frame"]
        inside += drawing.thumb(where, True)
        plots = drawing.picture("hill", f"{frame['y']['label']} along {frame['x']['label']}", inside)
    elif where:
        lines += drawing.thumb(where, False)
    plots += drawing.picture("curves", "forgetting curves", lines)
    return f'<div class="twin-plots">{plots}</div>{legend}'


def image(told, state, files, size):
    """The picture of a state, in a box of its own that scrolls where the page is narrow."""
    setting = ", ".join(f"{one['label']} = {one['words'][one['at']]}" for one in told["controls"])
    src = files[told["pictures"][state]]
    box = '<div class="twin-scroll" tabindex="0" role="group" aria-label="picture, may scroll sideways">'
    wide, high = size
    legible = f'width="{wide}" height="{high}" style="min-width:{min(wide, LEGIBLE)}px"'
    return f'{box}<img src="{src}" alt="{escape(setting)}" {legible}></div>'


def pictures(stem, cell_id):
    """(WebP of each frame of a panel's animation, their size in pixels)."""
    with Image.open(STATES / f"{stem}.{cell_id}.webp") as frames:
        return [frame(frames, i) for i in range(getattr(frames, "n_frames", 1))], frames.size


def frame(frames, i):
    """Frame i by itself, lossless."""
    file = io.BytesIO()
    frames.seek(i)
    frames.convert("RGB").save(file, "WEBP", lossless=True, method=4)
    return file.getvalue()
