"""The house in one picture: the layers of the contract that import-linter checks."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

from mpss_lib.papers.tables import markdown

PROJECT = Path(__file__).resolve().parents[2]


def house() -> str:
    """Give the layers from the top down, and what each package or module of them is for."""
    rows = [
        (number, f"`{name}`", _first_line(name))
        for number, layer in enumerate(layers(), 1)
        for name in layer
    ]
    return markdown(("layer", "package or module", "is for"), rows)


def layers() -> list[list[str]]:
    """Read the names in each layer; one imports only what stands below it."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [c for c in settings["tool"]["importlinter"]["contracts"] if "layers" in c]
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def _first_line(name: str) -> str:
    package = PROJECT / "mpss_lib" / name
    path = package / "__init__.py" if package.is_dir() else package.with_suffix(".py")
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(said.partition("\n\n")[0].split())
