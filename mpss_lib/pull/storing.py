"""Studies that were fetched and taken come to the lake in groups, each durable before it is named.

UIDs of the objects come to the vault first (one commit for a group). Then come the objects of all
studies to their places, then the rows of ``instance`` that name them; each step is done for all
files of the group before the next one, for a disk makes many files durable in little more than the
time of one. In the end the vault gets what was received (one commit), and rows of ``study`` are
written where they differ. A kill at any point leaves studies that are fetched again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mpss_lib.batch import write_record
from mpss_lib.config import Address, Config
from mpss_lib.pull.fetched import Fetched, Fetcher
from mpss_lib.pull.objects import STAGE
from mpss_lib.pull.received import ReceivedLedger, Settled
from mpss_lib.pull.vault import Vault
from mpss_lib.pull.window import place_of_study, write_study
from mpss_lib.records import Unit
from mpss_lib.tables import Lake, Outcome, Written
from mpss_lib.upstream import CORRECTED, FETCHED_AGAIN, settle
from mpss_lib.whole_files import sync, sync_folders, write_all, write_bytes


@dataclass(frozen=True)
class StudyRows:
    """Rows of one study, as ``Lake.prepared`` makes a file of them."""

    study_key: str
    digest: str
    rows: list[dict[str, object]]


@dataclass(frozen=True)
class GroupFiles:
    """What a group of studies brings to the lake.

    Parameters
    ----------
    lake : Lake
    address : Address
        Of the rows.
    objects : tuple of (Path, Path)
        Where each object goes, and its file in the staging folder.
    rows : tuple of StudyRows
        In the order of the group.
    """

    lake: Lake
    address: Address
    objects: tuple[tuple[Path, Path], ...]
    rows: tuple[StudyRows, ...]


def named(group: Sequence[Fetched], lake: Lake, config: Config, vault: Vault) -> GroupFiles:
    """Name the objects of studies that are prepared (``StudyJob.prepare``) in the vault.

    Raises
    ------
    PlatformFaultError
        The vault refuses.
    """
    jobs = [one.job for one in group]
    vault.remember_objects({job.identity.study_key: job.sop_uids for job in jobs})
    return GroupFiles(
        lake,
        config.address(STAGE),
        tuple(file for job in jobs for file in job.files.items()),
        tuple(StudyRows(job.identity.study_key, *job.rows_to_write()) for job in jobs),
    )


def write(files: GroupFiles) -> tuple[Written, ...]:
    """Bring a group's files to the lake; what is there already, because it is done again, stays.

    Returns
    -------
    tuple of Written
        The file of each study's rows, in the order of the group.

    Raises
    ------
    LakeCorruptError
        Rows are not those of their table; nothing was written.
    PlatformFaultError, OSError
        The disk refuses; none of the group counts as stored.
    """
    made = [
        files.lake.prepared("instance", files.address, one.study_key, one.digest, one.rows)
        for one in files.rows
    ]
    for path, object_file in files.objects:
        _make_durable(path, object_file)
    for path, object_file in files.objects:
        _move(path, object_file)
    sync_folders(path.parent for path, _ in files.objects)
    write_all([(path, content) for path, content, _ in made])
    return tuple(written for *_, written in made)


def settled(
    group: Sequence[Fetched],
    written: Sequence[Written],
    fetcher: Fetcher,
    lake: Lake,
    config: Config,
    vault: Vault,
) -> list[Outcome]:
    """Note in the vault what is on the lake now; gives the outcomes of a group in order.

    Raises
    ------
    PlatformFaultError
        The disk or the vault refuses; none of the group counts as stored.
    """
    ReceivedLedger(vault).remember(
        [
            Settled(one.study_key, one.job.taken(), fetcher.answer_of(one.fetch.announced, one.job))
            for one in group
        ]
    )
    for one in group:
        _write_row(one, vault, lake, config)
    settle(lake, [one.study_key for one in group], (CORRECTED, *FETCHED_AGAIN))
    return [Outcome("done", (one,)) for one in written]


def _make_durable(path: Path, made: Path) -> None:
    """Wait until a de-identified object is on the disk, in the staging folder or in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(made, os.O_RDONLY)
    except FileNotFoundError:
        sync(path)
        return
    try:
        os.fchmod(handle, 0o644)
        os.fsync(handle)
    finally:
        os.close(handle)


def _move(path: Path, made: Path) -> None:
    """Move an object to its place, whole or not at all; to a lake on another disk it is copied."""
    try:
        with suppress(FileNotFoundError):  # it is in its place
            made.rename(path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        write_bytes(path, made.read_bytes())


def _write_row(one: Fetched, vault: Vault, lake: Lake, config: Config) -> None:
    """Write the study's row where the fetch has shown it to be another one than ``find`` wrote."""
    key = one.study_key
    identity, announced = one.job.identity, one.fetch.announced
    before = lake.current_path("study", config.address(STAGE), key)
    if before == place_of_study(identity, announced, lake, config, vault)[0]:
        return
    row = write_study(identity, announced, lake, config, vault)
    if before is None or lake.relative(before) != row.written.path:
        unit = Unit.of(key, [row.written], is_new=True)
        write_record(STAGE, [unit], lake, config, "settled by its fetch")
