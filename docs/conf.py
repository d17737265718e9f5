"""Sphinx builds the book: ``make book``. Warnings are errors; nothing is fetched from a network."""

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "plugins")]
_AIRFLOW = tempfile.TemporaryDirectory(prefix="mpss-book-")
os.environ["AIRFLOW_HOME"] = _AIRFLOW.name  # DAGs are read there, and nothing else happens
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"

project = "MPSS platform"
author = "The authors of the MPSS platform"
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["generated", "_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_typehints = "none"
html_theme = "pydata_sphinx_theme"
html_title = "MPSS platform"
html_static_path = ["_static"]
html_show_sourcelink = False
ALONE = ("index", "measured/index", "search", "genindex")  # pages without others beside them
html_sidebars = {name: [] for name in ALONE}
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_css_files = ["book.css"]
html_copy_source = False


def _fill(app, docname, source):
    """Put the parts that are made from the code into their places."""
    from generated.catalogue import PARTS

    from mpss_lib.papers.tables import filled

    source[0] = filled(source[0], PARTS)


def setup(app):
    """Tell Sphinx about the places."""
    app.connect("source-read", _fill)
