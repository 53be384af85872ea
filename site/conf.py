"""What Sphinx is told: lessons as they are stored, formulas as MathML, nothing from elsewhere.

build.py runs it over build/site-source/; by itself it builds nothing. Lesson: every one.
"""

import inspect
import sys
import tomllib
from dataclasses import is_dataclass
from itertools import product
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from address import repository  # noqa: E402
from docstrings import reworded  # noqa: E402
from docutils.nodes import SkipNode  # noqa: E402
from formulas import mathml  # noqa: E402
from reference import TRAINING, public  # noqa: E402
from sphinx.pycode import ModuleAnalyzer  # noqa: E402

import edgecl_lite  # noqa: E402

_project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project, author = "edgecl", "the edgecl authors"
html_title = "edgecl"
copyright = "text and figures: CC BY 4.0; code: MIT"  # noqa: A001
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
html_theme = "furo"
html_static_path = ["site.css", "formulas.woff2", "formulas.txt", "twin.css", "twin.js"]
html_css_files = ["site.css"]
html_favicon = "icon.svg"
html_copy_source = False  # a lesson as the site changed it helps nobody
html_show_sphinx = False
smartquotes = False  # "adam" is typed as it stands
html_permalinks = False
html_math_renderer = "mathml"
html_theme_options = {
    "navigation_with_keys": True,
    "top_of_page_buttons": [],
    "source_repository": repository() or "",
}
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"

nb_execution_mode = "off"
nb_ipywidgets_js = {}  # panels are pages' own: see twins.py
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_heading_slug_func = "links.anchor"
myst_url_schemes = {
    **dict.fromkeys(("http", "https", "mailto")),
    "built": {"url": "{{path}}"},  # a page that Sphinx writes without a source: see links.py
}
suppress_warnings = ["myst.header"]  # the glossary's words are set below the level of a section
autodoc_inherit_docstrings = False
autodoc_typehints = "none"
autodoc_class_signature = "mixed"

# what may be wider than its page is within reach of a keyboard, and a heading says its rank
REACH = {
    '<div class="highlight"><pre>': '<div class="highlight"><pre tabindex="0">',
    '<div class="math-wrapper ': '<div tabindex="0" class="math-wrapper ',
    '<div class="table-wrapper ': '<div tabindex="0" class="table-wrapper ',
    ' role="heading">': ' role="heading" aria-level="2">',
}


def tell(app, what, name, obj, options, lines):
    """Our docstrings are plain text; Sphinx wants reStructuredText."""
    known = {name for room in public().values() for name, _ in room} | {*TRAINING, "Finetune"}
    lines[:] = reworded("\n".join(lines), known)


def signed(app, what, name, obj, options, signature, returns):
    """A method is made by its dataclass, not by the `__new__` that checks its arguments."""
    if is_dataclass(obj) and what == "class":
        _, *given = inspect.signature(obj.__init__).parameters.values()
        signature = str(inspect.Signature([p.replace(annotation=p.empty) for p in given]))
    return signature, returns


def sources(app, env):
    """A source page for every module, not only for those with an entry in the reference."""
    known = env._viewcode_modules  # as doctree_read of sphinx.ext.viewcode fills it
    for file in Path(edgecl_lite.__file__).parent.rglob("*.py"):
        name = ".".join(file.relative_to(HERE.parent).with_suffix("").parts)
        name = name.removesuffix(".__init__")
        if not known.get(name):
            seen = ModuleAnalyzer.for_file(file, name)
            seen.find_tags()
            known[name] = seen.code, seen.tags, {}, name


def draw(display):
    """How a formula gets into a page: see formulas.py."""

    def visit(self, node):
        self.body.append(mathml(node.astext(), display))
        raise SkipNode

    return visit, None


def finish(app, page, template, context, doctree):
    """What scrolls can be reached by keyboard; a panel's script comes where there is a panel."""
    for part, (old, new) in product(("body", "furo_navigation_tree"), REACH.items()):
        context[part] = context.get(part, "").replace(old, new)
    if 'class="twin ' in context["body"]:
        app.add_css_file("twin.css")
        app.add_js_file("twin.js", loading_method="defer")


def setup(app):
    app.connect("autodoc-process-docstring", tell)
    app.connect("autodoc-process-signature", signed)
    app.connect("env-updated", sources)
    app.connect("html-page-context", finish, priority=900)  # after the theme
    app.add_html_math_renderer("mathml", draw(False), draw(True))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
