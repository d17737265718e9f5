"""Studies that were fetched and taken come to the lake in groups, each durable before it is named.

UIDs of the objects come to the vault first (one commit for a group). Then comes each study for
itself: its objects (fsync, rename, fsync), then its rows of ``instance``, several studies side by
side: a disk makes many files durable in little more than the time of one. In the end the vault gets
what was received (one commit), and rows of ``study`` are written where they differ. A kill at any
point leaves studies that are fetched again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from concurrent.futures import Executor, wait
from pathlib import Path

from mpss_lib.batch import write_record
from mpss_lib.config import Config
from mpss_lib.pull.fetched import Fetched, Fetcher
from mpss_lib.pull.objects import STAGE
from mpss_lib.pull.received import ReceivedLedger, Settled
from mpss_lib.pull.vault import Vault
from mpss_lib.pull.window import place_of_study, write_study
from mpss_lib.records import Unit
from mpss_lib.tables import Lake, Outcome, sync, write_bytes
from mpss_lib.upstream import CORRECTED, FETCHED_AGAIN, settle

File = tuple[Path, Path]
"""Where an object goes, and its file in the staging folder."""
Rows = tuple[Path, bytes]
"""Where a study's file of rows goes, and its bytes."""


def store(
    group: Sequence[Fetched],
    fetcher: Fetcher,
    lake: Lake,
    config: Config,
    vault: Vault,
    pool: Executor,
) -> list[Outcome]:
    """Store studies that are prepared (``StudyJob.prepare``); gives their outcomes in order.

    Parameters
    ----------
    group, fetcher, lake, config, vault
    pool : Executor
        Writes files side by side.

    Raises
    ------
    PlatformFaultError
        The disk or the vault refuses; none of the group counts as stored.
    """
    jobs = [one.job for one in group]
    with vault.kept():
        vault.remember_objects({job.identity.study_key: job.sop_uids for job in jobs})
        objects = [[*job.files.items()] for job in jobs]
        files = [job.rows_file() for job in jobs]
        rows = [(path, content) for path, content, _ in files]
        _store_each(pool, list(zip(objects, rows, strict=True)))
        ReceivedLedger(vault).remember(
            [
                Settled(
                    one.study_key, one.job.taken(), fetcher.answer_of(one.fetch.announced, one.job)
                )
                for one in group
            ]
        )
        for one in group:
            _write_row(one, vault, lake, config)
    settle(lake, [one.study_key for one in group], (CORRECTED, *FETCHED_AGAIN))
    return [Outcome("done", (written,)) for _, _, written in files]


def store_object(file: File) -> None:
    """Move a de-identified object to its place on the lake, whole or not at all.

    One that is in its place already, because its group is stored again, stays. To a lake on another
    disk it is copied.
    """
    path, made = file
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(made, os.O_RDONLY)
    except FileNotFoundError:
        sync(path)
    else:
        try:
            os.fchmod(handle, 0o644)
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            made.rename(path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            write_bytes(path, made.read_bytes())
    sync(path.parent)


def _store_each(pool: Executor, studies: Sequence[tuple[Sequence[File], Rows]]) -> None:
    """Bring studies to the lake; an error is raised when nobody writes any more."""
    if len(studies) == 1:
        _store_one(*studies[0])
        return
    futures = [pool.submit(_store_one, *one) for one in studies]
    wait(futures)
    for future in futures:
        future.result()


def _store_one(objects: Sequence[File], rows: Rows) -> None:
    """Bring the objects of a study to the lake, then the rows that name them."""
    for one in objects:
        store_object(one)
    write_bytes(*rows)


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
