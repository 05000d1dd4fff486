"""Sphinx configuration of the documentation; `make docs` builds it into docs/_build/html."""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent / "extensions")]

import dbviz  # noqa: E402

project = "dbviz"
author = "The dbviz authors"
copyright = "The dbviz authors; Apache-2.0"
version = release = dbviz.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    # written here
    "api_pages",
    "command_pages",
    "docstrings",
    "mathml",
    "results",
]
exclude_patterns = ["_build", "extensions", "images/README.md"]

# Pages are Markdown; notebooks are shown with the outputs that are committed with them.
myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # these would be loaded from another server
nb_merge_streams = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = False

# Docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Args and Raises", "notes")]
python_maximum_signature_line_length = 80
default_role = "py:obj"  # `name` in a docstring is a link where the name is documented, else plain code
nitpick_ignore_regex = [
    ("py:obj", r".*"),
    ("py:class", r"(?!dbviz\.).*"),  # types of other libraries have no pages here
    ("py:class", r"dbviz(\.\w+){3,}"),  # in signatures: types that a package does not export
    ("py:data", r"(?!dbviz\.).*"),
]

html_theme = "furo"
html_title = f"dbviz {release}"
html_static_path = ["static"]
html_css_files = ["dbviz.css"]
html_copy_source = False
html_show_sourcelink = False
html_math_renderer = "mathml"  # without scripts
html_theme_options = {"navigation_with_keys": True}


def _copy_notebooks() -> None:
    """The notebooks are pages too: Sphinx reads only what is below its own folder."""
    target = Path(__file__).parent / "notebooks"
    target.mkdir(exist_ok=True)
    for stale in target.glob("*.ipynb"):
        if not (ROOT / "notebooks" / stale.name).exists():
            stale.unlink()
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        copy = target / notebook.name
        if not copy.exists() or copy.read_bytes() != notebook.read_bytes():
            shutil.copyfile(notebook, copy)


_copy_notebooks()
