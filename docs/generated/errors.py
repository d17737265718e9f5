"""Errors: classes, and what becomes of the work."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import mpss_lib
from mpss_lib.errors import MpssError
from mpss_lib.papers.tables import markdown


def errors() -> str:
    """Give each class of error, what it is a kind of, where it stands and what it means."""
    rows = [
        (
            f"`{one.__name__}`",
            f"`{one.__bases__[0].__name__}`",
            f"`{one.__module__}`",
            (inspect.getdoc(one) or "").partition("\n\n")[0],
        )
        for one in classes()
    ]
    return markdown(("error", "is a", "of", "meaning"), rows)


def classes() -> list[type[MpssError]]:
    """Name the errors that the package raises on purpose, the more general first."""
    for module in pkgutil.walk_packages(mpss_lib.__path__, "mpss_lib."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return [one for one in _below(MpssError) if not one.__name__.startswith("_")]


def _below(base: type[MpssError]) -> Iterator[type[MpssError]]:
    yield base
    for one in sorted(base.__subclasses__(), key=lambda kind: kind.__name__):
        yield from _below(one)
