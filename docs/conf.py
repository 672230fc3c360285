"""How Sphinx builds the site: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

import lava_desire  # noqa: E402

project = "lava_desire"
author = "the lava_desire authors"
project_copyright = f"2026, {author}"
release = version = lava_desire.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "myst_nb",
    "building.code",
    "building.commands",
    "building.links",
    "building.mathjax",
    "building.measured",
]
exclude_patterns = ["building", "static", "**.ipynb_checkpoints", "tutorials/README.md"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
highlight_language = "none"
nitpicky = True
# Types in docstrings are words for people ("array", "sequence of int"); what is ours is linked.
nitpick_ignore_regex = [
    ("py:class", r"(?!lava_desire).*"),
    ("py:(exc|obj|data|attr)", r"(?!lava_desire).*"),
]

myst_enable_extensions = ["amsmath", "attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
# Notebooks are shown as they were committed; that they run is another check.
nb_execution_mode = "off"
nb_merge_streams = True
nb_mime_priority_overrides = [("linkcheck", "image/png", 10), ("linkcheck", "image/svg+xml", 10)]

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Ports", "params_style"), ("Vars", "params_style")]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"lava_desire {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#005a8c", "color-brand-content": "#005a8c"},
    "dark_css_variables": {"color-brand-primary": "#7fc4ee", "color-brand-content": "#7fc4ee"},
}
pygments_style, pygments_dark_style = "friendly", "monokai"

linkcheck_timeout = 15
linkcheck_retries = 2
