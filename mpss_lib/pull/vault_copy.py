"""Copies of the vault: without it nobody can say whose study a key is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from mpss_lib.clock import now_after
from mpss_lib.errors import PlatformFaultError
from mpss_lib.tables import replacing, write_bytes

KEPT = 8
_TIME = "%Y%m%dT%H%M%S%f"


def copy_vault(vault: Path) -> Path:
    """Copy the vault and its key to ``backup/`` beside it, mode 0600; keep the newest eight.

    The copy is made by SQLite itself, so that a night may write meanwhile.

    Parameters
    ----------
    vault : Path
        The vault file; its key lies beside it.

    Returns
    -------
    Path
        The copy of the vault; the key's copy has the suffix ``.key``.

    Raises
    ------
    PlatformFaultError
        If there is no vault, or the disk refuses.
    """
    if not vault.exists():
        raise PlatformFaultError(
            f"there is no vault {vault.name} to copy", way_out="pull a study first"
        )
    folder = vault.parent / "backup"
    folder.mkdir(mode=0o700, exist_ok=True)
    copy = folder / f"{vault.stem}-{_now_after(folder, vault):{_TIME}}{vault.suffix}"
    with replacing(copy) as temporary:
        temporary.chmod(0o600)
        with closing(sqlite3.connect(vault)) as source, closing(sqlite3.connect(temporary)) as to:
            source.backup(to)
    key_copy = _key_of(copy)
    write_bytes(key_copy, _key_of(vault).read_bytes())
    key_copy.chmod(0o600)
    for old in sorted(folder.glob(f"{vault.stem}-*{vault.suffix}"))[:-KEPT]:
        _key_of(old).unlink(missing_ok=True)
        old.unlink()
    return copy


def _now_after(folder: Path, vault: Path) -> datetime:
    """Time for the name of the next copy: after every one there, whatever the clock says."""
    stems = (path.stem for path in folder.glob(f"{vault.stem}-*{vault.suffix}"))
    last = max((stem.removeprefix(f"{vault.stem}-") for stem in stems), default=None)
    return now_after(datetime.strptime(last, _TIME).replace(tzinfo=UTC) if last else None)


def _key_of(vault: Path) -> Path:
    return vault.with_name(vault.name + ".key")
