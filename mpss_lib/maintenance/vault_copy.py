"""The weekly copy of the vault: without it nobody can say whose study a key is."""

from __future__ import annotations

from pathlib import Path

from mpss_lib.clock import now_after
from mpss_lib.errors import PlatformFaultError
from mpss_lib.maintenance.copies import TIME, time_of, vault_copies
from mpss_lib.maintenance.database import copy_sqlite
from mpss_lib.pull.vault import key_of
from mpss_lib.secrecy import PRIVATE_FILE, PRIVATE_FOLDER
from mpss_lib.whole_files import write_bytes

KEPT = 8


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
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    before = vault_copies(vault)
    now = now_after(time_of(before[-1]) if before else None)
    copy = folder / f"{vault.stem}-{now:{TIME}}{vault.suffix}"
    copy_sqlite(vault, copy)
    write_bytes(key_of(copy), key_of(vault).read_bytes(), mode=PRIVATE_FILE)
    for old in vault_copies(vault)[:-KEPT]:
        key_of(old).unlink(missing_ok=True)
        old.unlink()
    return copy
