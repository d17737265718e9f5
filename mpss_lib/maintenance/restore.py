"""A home brought back from a backup, in an empty place."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from mpss_lib.errors import LakeCorruptError, WrongArgumentError
from mpss_lib.maintenance.backup import POSTGRES_COPY, read_manifest, verify
from mpss_lib.maintenance.copies import (
    MANIFEST,
    TOMBSTONES,
    VAULT_NAME,
    read_tombstones,
    remember_target,
    whole_copies,
)
from mpss_lib.maintenance.database import load_postgres
from mpss_lib.pull.vault import Vault
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.orchestrator import Airflow
from mpss_lib.secrecy import OPEN_HOME, PRIVATE_FOLDER, seal
from mpss_lib.tables import Lake
from mpss_lib.warehouse.layout import bring_up_to_date
from mpss_lib.whole_files import write_bytes

MARKER = "restoring"
"""File of a home that a restore has not brought to its end."""


@dataclass(frozen=True)
class Restored:
    """What came back, and the tombstones that are to be applied to it."""

    root: Path
    n_files: int
    tombstones: tuple[str, ...]
    has_postgres: bool


def restore(backup: Path, root: Path, *, more_tombstones: Path | None = None) -> Restored:
    """Bring a backup back into an empty folder; every file is checked first.

    The snapshot is not in it, and tombstones newer than the backup are not applied yet: call
    ``mpss_lib.purge.reapply`` next.

    Parameters
    ----------
    backup : Path
        Folder of one backup.
    root : Path
        The new home: absent, empty, or what an interrupted restore left.
    more_tombstones : Path, optional
        A ``tombstones.json`` beside the one of the backup's folder, for instance of another target.

    Raises
    ------
    WrongArgumentError
        The place is taken, or the folder is no whole backup.
    LakeCorruptError
        A file of the backup is gone or has other bytes.
    """
    manifest = read_manifest(backup)
    if root.is_dir() and any(root.iterdir()) and not (root / MARKER).exists():
        raise WrongArgumentError(
            f"{root.name} is not empty", way_out="restore into a new folder, then set MPSS_HOME"
        )
    if wrong := verify(backup):
        raise LakeCorruptError(
            f"{len(wrong)} files of the backup are not sound, first: {wrong[0]}",
            way_out="take another backup (`mpss backup ls TARGET`, `mpss backup verify`)",
        )
    marks = read_tombstones(backup.parent / TOMBSTONES)
    marks += read_tombstones(more_tombstones) if more_tombstones else []
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_bytes(root / MARKER, b"")
    for name in manifest["files"]:
        to = root / name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(backup / name, to)
    airflow = AirflowHome.load(root)
    # The account of a cluster's PostgreSQL passes through the home.
    root.chmod(OPEN_HOME if airflow is not None and airflow.shape else PRIVATE_FOLDER)
    seal(root)
    vault = Vault(root / VAULT_NAME)
    vault.add_tombstones(marks)
    bring_up_to_date(Lake(root / "lake"))
    remember_target(root, backup.parent)
    (root / MARKER).unlink()
    return Restored(
        root, len(manifest["files"]), tuple(vault.tombstones()), POSTGRES_COPY in manifest["files"]
    )


def restore_database(root: Path, airflow: Airflow) -> None:
    """Load Airflow's PostgreSQL database from the dump that came back with a home."""
    load_postgres(airflow.places().database_url, root / POSTGRES_COPY)


def newest(target: Path) -> Path:
    """Newest whole backup of a folder, or the folder itself where it is one.

    Raises
    ------
    WrongArgumentError
        There is none.
    """
    if (target / MANIFEST).is_file():
        return target
    found = whole_copies(target)
    if not found:
        raise WrongArgumentError(
            f"{target} holds no backup", way_out="`mpss backup create TARGET` makes one"
        )
    return found[-1]
