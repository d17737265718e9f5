"""HTML pages: templates of ``mpss_lib/templates``, filled with values that are escaped.

A page is one file that fetches nothing. A template marks what is markup already (a figure as SVG)
with ``safe``; any other value stays text, whatever it holds.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def render(template: str, /, **values: object) -> str:
    """Fill a template; a value that the template names and nobody gives is an error."""
    return _templates().get_template(template).render(values)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
