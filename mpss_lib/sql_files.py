"""The folder ``sql/`` and the header lines of its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mpss_lib import contract
from mpss_lib.errors import SettingsError

_HEADER = re.compile(r"^-- (grain|stored|checked|severity): *(.+?) *$", re.MULTILINE)


def sql_folder() -> Path:
    """Folder ``sql/``: inside the installed package, else beside it in a checkout.

    Raises
    ------
    SettingsError
        Where neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "sql", package.parent / "sql"):
        if (folder / "1_raw").is_dir():
            return folder
    raise SettingsError(
        f"no folder sql/ in or beside {package}",
        way_out="install the package again, or run from a whole checkout",
    )


LIMITS: Mapping[str, object] = {
    "no_calcium": contract.NO_CALCIUM,
    "class_limits": list(contract.CLASS_LIMITS),
    "cac_tolerance": contract.CAC_TOLERANCE,
}
"""What ``${name}`` in an SQL file stands for, beside the files of a lake table."""


def with_limits(text: str) -> str:
    """Put the limits of the contract in their places."""
    for name, limit in LIMITS.items():
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
