"""A stored lesson as a page of the site: its cells folded, its panels replaced, its links mended.

Nothing is executed: what the notebook stores is shown. A cell that stores an error, a formula that
cannot be drawn and a link to nowhere stop the build, by the name of the cell. Lesson: every one.
"""

import html
import re
import struct
from binascii import a2b_base64

import nbformat
from address import download
from formulas import formulas, mathml
from links import Broken, rewritten
from nbformat.v4 import new_output
from twins import twin

PANEL = re.compile(r"open this notebook in Jupyter to use (it|them)\.$")
# what a folded cell is called: by the first of its tags that stands here
FOLDED = {"claims": "What this section claims, as code", "figure": "How this picture is drawn"}
OPENS = "Open this lesson in ["  # the line of links that `make publish` writes below a title
# of the output of `guess` in a run by itself
UNSAID = "No guess was committed, which is fine: the answer is", "The answer is"
CODE, ANSWER = "Code that is folded in the lesson", "Show the answer"


def page_of_lesson(path, root, out):
    """(notebook, files) of the lesson at `path` as the site shows it; files: see `rewritten`.

    out: the folder of files that are copied into the site as they are; panels put pictures there.
    """
    here = path.relative_to(root).as_posix()
    try:
        notebook = nbformat.read(path, 4)
    except Exception as error:  # no JSON, no notebook: reported by a dozen classes
        raise Broken(f"{here} cannot be read as a notebook: {error}") from error
    notebook.cells = [cell for cell in notebook.cells if cell.id != "navigation"]  # the site's own
    files = set()
    for cell in notebook.cells:
        try:
            files |= written(cell, here, root) if cell.cell_type == "markdown" else set()
            if cell.cell_type == "code":
                coded(cell, path.stem, out)
        except ValueError as error:
            raise Broken(f"{here}, cell `{cell.id}`: {error}") from error
    if path.stem != "glossary":
        title = notebook.cells[0]
        apart = " " if OPENS in title.source else "\n\n"
        title.source += f"{apart}{download(path.stem, root)}".rstrip()
    return notebook, files


def written(cell, here, root):
    """Mend the links of a cell of text; the files that they need."""
    for tex, display in formulas(cell.source):
        mathml(tex, display)
    cell.source, files = rewritten(cell.source, here, root)
    return files


def coded(cell, stem, out):
    """Fold a cell of code as the lesson folds it, and put a page's panel where it has a panel."""
    failed = [output for output in cell.outputs if output.output_type == "error"]
    if failed:
        what = f"{failed[0].ename}: {failed[0].evalue}"
        raise ValueError(f"it stores an error ({what}); mend the cell, then `make notebooks`")
    tags, jupyter = cell.metadata.setdefault("tags", []), cell.metadata.get("jupyter", {})
    prompt = None
    if jupyter.get("outputs_hidden"):
        prompt = ANSWER
        tags.append("hide-output")
    if jupyter.get("source_hidden"):
        prompt = next((FOLDED[tag] for tag in tags if tag in FOLDED), CODE)
        tags.append("hide-input")
    if prompt:
        cell.metadata["mystnb"] = {"code_prompt_show": prompt, "code_prompt_hide": prompt}
    name = f"{stem}/{cell.id}"
    cell.outputs = [shown(one, name, k, out) for k, one in enumerate(cell.outputs)]


def shown(output, name, k, out):
    """Output k of the cell `name`, lesson/cell: of a picture or a panel, what a page has of it."""
    data = output.get("data", {})
    said = data.get("text/plain", "")
    if PANEL.search(said):
        page = twin(*name.split("/"), out) or f'<p class="panel-elsewhere">{html.escape(said)}</p>'
    elif "image/png" in data:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        page = picture(data["image/png"], alt, name, k, out)
    else:
        return told(output)
    return new_output("display_data", data={"text/html": page})


def told(output):
    """What was printed, without what is said to a reader who could have guessed and did not."""
    if output.output_type == "stream":
        return new_output("stream", name=output.name, text=output.text.replace(*UNSAID))
    return output


def size_of(base64):
    """(width, height) in pixels of a PNG, which says so in its first bytes."""
    return struct.unpack(">II", a2b_base64(base64)[16:24])


def picture(base64, alt, name, k, out):
    """The <img> of a stored picture, which becomes a file: loaded when it is nearly in sight."""
    file = out / f"_figures/{name}-{k}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(a2b_base64(base64))
    width, height = size_of(base64)
    size = f'width="{width}" height="{height}" loading="lazy"'
    return f'<img src="../_figures/{name}-{k}.png" alt="{html.escape(alt)}" {size}>'
