"""Pull: ask the archive for a window, fetch what is missing, verify, de-identify, store.

Doors: ``find`` (a window -> study keys), ``run`` (a study -> its objects on the lake) and
``import_registry`` (clinical rows and calcium scores). Identities go to the vault, keys travel.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from mpss_lib.audit.doors import recording
from mpss_lib.batch import Work, audited, write_record
from mpss_lib.config import Config, Sites
from mpss_lib.errors import (
    WrongArgumentError,
)
from mpss_lib.locks import working
from mpss_lib.pull.archive.answers import StudyAnswer, WindowAnswer
from mpss_lib.pull.archive.asked import AskedArchive
from mpss_lib.pull.archive.habits import known_habits, remember_habits
from mpss_lib.pull.archive.session import archive_of
from mpss_lib.pull.clinical.registry import import_registry
from mpss_lib.pull.conveyor import Conveyor
from mpss_lib.pull.fetched import Fetcher
from mpss_lib.pull.receiver.arrivals import arrivals_of
from mpss_lib.pull.vault import Vault
from mpss_lib.pull.window import (
    Recorded,
    record_studies,
    write_window,
)
from mpss_lib.records import Unit
from mpss_lib.tables import Lake, Outcome
from mpss_lib.upstream import NAMED_AGAIN, settle

__all__ = [
    "clean_staging",
    "find",
    "find_named",
    "find_undated",
    "import_registry",
    "opened",
    "run",
]

log = logging.getLogger(__name__)

STAGE = "pull"
LEFT_S = 6 * 3600.0
"""Age from which on what a killed run left in the staging folder or the ledger is removed."""


def find(
    window: tuple[date, date],
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    run_name: str = "by hand",
    session: AskedArchive | None = None,
) -> list[str]:
    """Ask the archive which studies a window holds.

    Parameters
    ----------
    window : (date, date)
        True study dates, both included.
    lake, config, sites
        Identities go to the vault of ``sites``; rows of ``study`` and ``query_window`` and a
        manifest record to the lake.
    run_name : str
        Name of the run that asks; only its digest is stored.
    session : AskedArchive, optional
        An association to use; one is opened otherwise.

    Returns
    -------
    list of str
        Study keys, sorted.

    Raises
    ------
    ArchiveDownError, ArchiveRefusedError, ArchiveBusyError, PlatformFaultError
        A list that is not complete is never a result.
    """
    date_from, date_to = window
    if date_to < date_from:
        raise WrongArgumentError(
            f"the window ends ({date_to}) before it begins ({date_from})",
            way_out="give the first and the last study date, both included",
        )
    with archive_of(sites, lake, session) as archive, _asking(config, sites) as told:
        known = known_habits(sites)
        answer = archive.find_studies(date_from, date_to, config.pull.modality, known)
        told(len(answer.studies))
    remember_habits(sites, answer.seen)
    with working(lake.root):
        return _record_window(window, answer, Vault(sites.vault), lake, config, run_name)


def find_named(
    name: str,
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    run_name: str = "by hand",
    session: AskedArchive | None = None,
) -> list[str]:
    """Ask the archive for studies by name, whatever their date.

    Parameters
    ----------
    name : str
        A StudyInstanceUID, an accession number, or the key of a study that was found before.

    Returns
    -------
    list of str
        Study keys, sorted: several where an accession number has several studies.

    Raises
    ------
    WrongArgumentError
        If the archive has no such study, or none with a series of the modality.
    """
    with archive_of(sites, lake, session) as archive, _asking(config, sites) as told:
        known = Vault(sites.vault).known([name])
        studies = archive.find_named(known[name].study_uid if name in known else name)
        kept = archive.of_modality(studies, config.pull.modality)
        told(len(kept))
    if not kept:
        has = f"with no series of modality {config.pull.modality}" if studies else "not"
        raise WrongArgumentError(
            f"the archive has this study {has}",
            way_out="give the StudyInstanceUID or the accession number as the archive shows it",
        )
    with working(lake.root):
        return _record_studies(kept, Vault(sites.vault), lake, config, run_name)


def find_undated(
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    run_name: str = "by hand",
    session: AskedArchive | None = None,
) -> list[str]:
    """Ask the archive for the studies without a StudyDate that can be read: no window has them.

    Returns
    -------
    list of str
        Study keys, sorted.
    """
    with archive_of(sites, lake, session) as archive, _asking(config, sites) as told:
        answer = archive.find_undated(config.pull.modality, known_habits(sites))
        told(len(answer.studies))
    remember_habits(sites, answer.seen)
    for doubt in answer.doubts:
        log.warning("find: the list may lack studies: %s", doubt)
    with working(lake.root):
        return _record_studies(answer.studies, Vault(sites.vault), lake, config, run_name)


@contextmanager
def _asking(config: Config, sites: Sites) -> Iterator[Callable[[int], None]]:
    """Write to the audit log that an archive is asked; the block tells how many studies it had."""
    root, peer = sites.vault.parent, sites.archive.everywhere
    with recording("find", root, config, peer=peer) as told:
        yield lambda n: told.details.update(n_studies=str(n))


def _record_studies(
    studies: Iterable[StudyAnswer], vault: Vault, lake: Lake, config: Config, run_name: str
) -> list[str]:
    recorded = record_studies(studies, lake, config, vault)
    if units := _units(recorded):
        write_record(STAGE, units, lake, config, run_name)
    settle(lake, [one.key for one in recorded.found], NAMED_AGAIN)
    return recorded.keys


def _record_window(
    window: tuple[date, date],
    answer: WindowAnswer,
    vault: Vault,
    lake: Lake,
    config: Config,
    run_name: str,
) -> list[str]:
    """Write what the archive named; of a withdrawn study only its tombstone."""
    date_from, date_to = window
    window_key = vault.window_key(date_from.isoformat(), date_to.isoformat())
    recorded = record_studies(answer.studies, lake, config, vault)
    vault.remember_window(window_key, date_from.isoformat(), date_to.isoformat())
    row = {
        "window_key": window_key,
        "n_days": (date_to - date_from).days + 1,
        "n_returned": len(recorded.keys) + len(recorded.tombstones),
        "n_new": sum(study.state == "new" for study in recorded.found),
        "n_grown": sum(one.state == "grown" for one in recorded.found) + len(recorded.waiting),
        "n_requests": answer.n_requests,
        "n_unusable": answer.n_unusable,
    }
    written = write_window(row, recorded, lake, config)
    units = [*_units(recorded), Unit.of(window_key, [written], is_new=True)]
    write_record(STAGE, units, lake, config, run_name)
    _judge_list(window_key, answer, lake)
    settle(lake, [one.key for one in recorded.found], NAMED_AGAIN)
    counts = ("n_days", "n_returned", "n_new", "n_grown", "n_requests")
    withdrawn, waiting = len(recorded.tombstones), len(recorded.waiting)
    log.info(
        "find: %s, withdrawn %d, whose person is to be settled %d",
        {name: row[name] for name in counts},
        withdrawn,
        waiting,
    )
    return recorded.keys


def _judge_list(window_key: str, answer: WindowAnswer, lake: Lake) -> None:
    """Set a window aside whose list may lack studies; the others were taken."""
    if not answer.problems:
        lake.release(STAGE, window_key)
        return
    log.warning("find: the list may lack studies: %s", "; ".join(answer.problems))
    lake.quarantine(
        STAGE,
        window_key,
        error="DicomFileError" if answer.n_unusable else "IncompleteStudyError",
        problem="; ".join(answer.problems),
        way_out="ask the PACS team to correct this, then ask for the window again;"
        " the others were taken",
    )


def _units(recorded: Recorded) -> list[Unit]:
    found = [*recorded.found, *recorded.tombstones]
    return [Unit.of(one.key, [one.written], is_new=one.state != "known") for one in found]


def run(
    study_key: str,
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    force: bool = False,
    accepts: bool = False,
    session: AskedArchive | None = None,
) -> Outcome:
    """Bring one study to the lake: manifest, fetch, verify, de-identify, store.

    Parameters
    ----------
    study_key : str
        As ``find`` returned it.
    lake : Lake
    config : Config
    sites : Sites
        Archives, registry and vault of this home.
    force : bool
        Fetch and compare again even if everything announced is there.
    accepts : bool
        Fetch again and take the corrections that wait (``mpss accept``).
    session : AskedArchive, optional
        An association that a batch uses for all its studies; one is opened otherwise.

    Returns
    -------
    Outcome
        ``skipped`` if the announced objects are all there already (no C-GET is sent).

    Raises
    ------
    DicomFileError, IncompleteStudyError, SameUidOtherBytesError
        The study is broken; the others can go on.
    ArchiveDownError, ArchiveRefusedError, ArchiveBusyError, PlatformFaultError
        The archive or this machine is.
    """
    if session is None:
        return _run_alone(study_key, lake, config, sites, force=force, accepts=accepts)
    with (
        archive_of(sites, lake, session) as archive,
        _conveyor(archive, lake, config, sites, force=force, accepts=accepts) as conveyor,
    ):
        return conveyor(study_key)


def _run_alone(
    study_key: str, lake: Lake, config: Config, sites: Sites, *, force: bool, accepts: bool
) -> Outcome:
    """Do as ``run``, over an association of its own; the audit log says so."""
    with archive_of(sites, lake) as own, audited(STAGE, [study_key], config, sites):
        return run(study_key, lake, config, sites, force=force, accepts=accepts, session=own)


@contextmanager
def opened(
    lake: Lake,
    config: Config,
    sites: Sites,
    force: bool = False,
    keys: Sequence[str] = (),
) -> Iterator[Work]:
    """Open one association for all studies of a batch; they are fetched ahead, in this order."""
    with (
        archive_of(sites, lake) as archive,
        _conveyor(archive, lake, config, sites, force=force, keys=keys) as conveyor,
    ):
        yield conveyor


@contextmanager
def _conveyor(
    archive: AskedArchive,
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    force: bool = False,
    accepts: bool = False,
    keys: Sequence[str] = (),
) -> Iterator[Conveyor]:
    """Open the way of studies to the lake."""
    _make_room(sites)
    with Vault(sites.vault).kept() as vault:
        fetcher = Fetcher(archive, lake, config, sites, vault, force=force, accepts=accepts)
        with Conveyor(fetcher, lake, config, vault, keys) as conveyor:
            yield conveyor


def _make_room(sites: Sites) -> None:
    """Make the staging folder; what killed runs left there, and at the receiver, goes."""
    sites.staging.mkdir(parents=True, exist_ok=True, mode=0o700)
    clean_staging(sites)
    arrivals_of(sites).sweep(LEFT_S)


def clean_staging(sites: Sites, older_than_s: float = LEFT_S) -> int:
    """Remove what killed runs have left in the staging folder: it holds identifiers.

    Parameters
    ----------
    sites : Sites
    older_than_s : float
        Folders that were made more recently may belong to a run that is at work.

    Returns
    -------
    int
        Number of folders removed.
    """
    limit = time.time() - older_than_s
    old = [folder for folder in sites.staging.glob("S*.*") if _is_older(folder, limit)]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)  # another run may be removing it as well
    return len(old)


def _is_older(folder: Path, limit: float) -> bool:
    try:
        return folder.stat().st_mtime < limit
    except FileNotFoundError:  # the run that made it has just ended with it
        return False
