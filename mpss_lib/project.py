"""What belongs to the platform and is no module: the folders ``dags/`` and ``sql/``, the book."""

from __future__ import annotations

from pathlib import Path

from mpss_lib.errors import PlatformFaultError, WrongArgumentError

_PACKAGE = Path(__file__).resolve().parent
BOOKS = (_PACKAGE / "installed" / "book", _PACKAGE.parent / "build" / "book")
"""Where the built book lies: what an installed wheel brought, or what ``make book`` made."""


def project_folder() -> Path:
    """Folder that holds ``dags/`` and ``sql/``: the checkout, or what an installed wheel brought.

    Raises
    ------
    PlatformFaultError
        Where neither is there.
    """
    for folder in (_PACKAGE / "installed", _PACKAGE.parent):
        if (folder / "dags").is_dir() and (folder / "sql").is_dir():
            return folder
    raise PlatformFaultError(
        f"no folders dags/ and sql/ in or beside {_PACKAGE}",
        way_out="install the package again, or run from a whole checkout",
    )


def book_source(path: str) -> Path:
    """Find a page of the book as it was written, of those that an installed wheel brings too.

    Parameters
    ----------
    path : str
        Below ``docs/``.

    Raises
    ------
    PlatformFaultError
        If it is not there.
    """
    for folder in (_PACKAGE / "installed" / "docs", _PACKAGE.parent / "docs"):
        if (folder / path).is_file():
            return folder / path
    raise PlatformFaultError(
        f"the page {path} of the book is not in or beside {_PACKAGE}",
        way_out="install the package again, or run from a whole checkout",
    )


def book_file(path: str) -> Path:
    """Find a file of the built book.

    Parameters
    ----------
    path : str
        Below the book; empty, or a folder, stands for its ``index.html``.

    Raises
    ------
    WrongArgumentError
        If the book is not there, or has no such file.
    """
    folder = next((one for one in BOOKS if (one / "index.html").is_file()), None)
    if folder is None:
        raise WrongArgumentError(
            "the book is not built here", way_out="make book, or install the wheel"
        )
    found = (folder / path).resolve()
    found = found / "index.html" if found.is_dir() else found
    if not found.is_relative_to(folder.resolve()) or not found.is_file():
        raise WrongArgumentError(
            f"the book has no page {path!r}", way_out="begin with its index.html, or search there"
        )
    return found
