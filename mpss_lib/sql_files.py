"""The folder ``sql/`` and the header lines of its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mpss_lib import contract
from mpss_lib.errors import SettingsError
from mpss_lib.project import project_folder

_HEADER = re.compile(r"^-- (grain|stored|checked|by|suite|consequence): *(.+?) *$", re.MULTILINE)


def sql_folder() -> Path:
    """Folder ``sql/`` of the platform."""
    return project_folder() / "sql"


LIMITS: Mapping[str, object] = {
    "no_calcium": contract.NO_CALCIUM,
    "class_limits": list(contract.CLASS_LIMITS),
    "cac_tolerance": contract.CAC_TOLERANCE,
}
"""What ``${name}`` in an SQL file stands for, beside the files of a lake table."""


def with_limits(text: str, **more: object) -> str:
    """Put the limits of the contract, and what else is given, in their places."""
    for name, limit in {**LIMITS, **more}.items():
        text = text.replace(f"${{{name}}}", str(limit))
    return text


def header_of(text: str) -> dict[str, str]:
    """Read the ``-- key: value`` lines of an SQL file."""
    return dict(_HEADER.findall(text))


def first_line_of(path: Path, text: str) -> str:
    """Read the first line of an SQL file, a comment that says what one row is."""
    first = text.partition("\n")[0]
    if not first.startswith("-- "):
        raise SettingsError(
            f"{path.name} does not open with a comment",
            way_out="let the first line say what one row is",
        )
    return first.removeprefix("-- ").strip()
