"""No database is read as a file by a process that has it open."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpss_lib.purge import file_texts


@pytest.fixture(autouse=True)
def no_lock_is_dropped(monkeypatch):
    """Look, each time a database is read as a file, that this process does not have it open.

    Closing any descriptor of a file drops all locks of the process on it (POSIX, fcntl): those of
    SQLite too, and another process could then remove the log of a database that is in use.
    """
    read, n_held = file_texts._sqlite, []

    def watched(path, overlap):
        held = [str(one.resolve()) for one in Path("/proc/self/fd").iterdir()]
        n_held.append(sum(one.startswith(str(path.resolve())) for one in held))
        return read(path, overlap)

    monkeypatch.setattr(file_texts, "_sqlite", watched)
    yield
    assert not any(n_held)
