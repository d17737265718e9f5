"""Who may write in a home: many writers side by side, or one that must be alone.

Every writer of the lake holds ``work.lock`` of the lake shared while it works. A purge, a
backup's restore and the retention hold it alone: they take files away that a writer may have read
a moment ago. The lock ends with its process, however that ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mpss_lib.errors import WritersAtWorkError

_ALONE: set[Path] = set()
"""Lakes that this process holds alone: its own writers must not wait for themselves."""


@contextmanager
def working(lake_root: Path) -> Iterator[None]:
    """Work beside other writers; waits while somebody must be alone.

    Parameters
    ----------
    lake_root : Path
        The lake's folder; made if absent.
    """
    with _lock_file(lake_root) as handle:
        if handle is not None:
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(lake_root: Path, what: str) -> Iterator[None]:
    """Work with no other writer; never waits for one.

    Parameters
    ----------
    lake_root : Path
        The lake's folder; made if absent.
    what : str
        What wants to be alone, for the message.

    Raises
    ------
    WritersAtWorkError
        Somebody is writing.
    """
    root = lake_root.resolve()
    with _lock_file(root) as handle:
        if handle is None:
            yield
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WritersAtWorkError(
                f"{what} must be alone, and a stage, a publish or another such work is writing in"
                f" {root.name}",
                way_out="wait until it has ended (Airflow's grid, other shells), then run it again",
            ) from error
        _ALONE.add(root)
        try:
            yield
        finally:
            _ALONE.discard(root)


@contextmanager
def _lock_file(lake_root: Path) -> Iterator[TextIO | None]:
    """Open the lake's lock file; None where this process holds the lake alone already."""
    root = lake_root.resolve()
    if root in _ALONE:
        yield None
        return
    root.mkdir(parents=True, exist_ok=True)
    with (root / "work.lock").open("a") as handle:
        yield handle
