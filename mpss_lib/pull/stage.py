"""Pull: ask the archive for a window, fetch what is missing, verify, de-identify, store.

Doors: ``find`` (a window -> study keys), ``run`` (a study -> its objects on the lake) and
``import_registry`` (clinical rows and calcium scores). Identities go to the vault, keys travel.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import date
from pathlib import Path

from mpss_lib.batch import write_record
from mpss_lib.config import Config, Sites
from mpss_lib.errors import SettingsError, StudyWithdrawnError, WrongArgumentError
from mpss_lib.locks import working
from mpss_lib.pull.answers import WindowAnswer
from mpss_lib.pull.archive import ArchiveSession
from mpss_lib.pull.objects import StudyJob, announced_by
from mpss_lib.pull.registry import import_registry
from mpss_lib.pull.vault import Vault
from mpss_lib.pull.window import identity_of, write_study, write_window, write_withdrawn
from mpss_lib.tables import Lake, Outcome, Written

__all__ = ["clean_staging", "find", "import_registry", "run"]

log = logging.getLogger(__name__)

STAGE = "pull"


def find(
    window: tuple[date, date],
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    run_name: str = "by hand",
    session: ArchiveSession | None = None,
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
    session : ArchiveSession, optional
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
    _check_places(lake, sites)
    vault = Vault(sites.vault)
    with _session(session, sites) as archive:
        answer = archive.find_studies(date_from, date_to, config.pull.modality)
    with working(lake.root):
        return _record_window(window, answer, vault, lake, config, run_name)


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
    identities = {identity_of(study, vault, config): study for study in answer.studies}
    named = sorted(identities, key=lambda identity: identity.study_key)
    marks = vault.withdrawn(text for one in named for text in (one.study_key, one.patient_key))
    ordered = [one for one in named if not marks & {one.study_key, one.patient_key}]
    gone = sorted(vault.tombstone(one.study_key) for one in named if one not in ordered)
    window_key = vault.window_key(date_from.isoformat(), date_to.isoformat())
    vault.remember_studies(ordered)
    vault.remember_window(window_key, date_from.isoformat(), date_to.isoformat())
    found = [
        write_study(identity, identities[identity], lake, config, vault) for identity in ordered
    ]
    graves = [write_withdrawn(mark, lake, config) for mark in gone]
    row = {
        "window_key": window_key,
        "n_days": (date_to - date_from).days + 1,
        "n_returned": len(found) + len(graves),
        "n_new": sum(study.state == "new" for study in found),
        "n_grown": sum(study.state == "grown" for study in found),
        "n_requests": answer.n_requests,
        "n_unusable": answer.n_unusable,
    }
    written = write_window(row, [*found, *graves], lake, config)
    units = [_unit(one.key, one.state != "known", one.written) for one in [*found, *graves]]
    units.append(_unit(window_key, True, written))
    write_record(STAGE, units, lake, config, run_name)
    if answer.n_unusable:
        lake.quarantine(
            STAGE,
            window_key,
            error="DicomFileError",
            problem=f"{answer.n_unusable} answers of the archive carry no valid Study Instance UID",
            way_out="ask the PACS team to correct these studies, then ask for the window again;"
            " the others were taken",
        )
    else:
        lake.release(STAGE, window_key)
    counts = ("n_days", "n_returned", "n_new", "n_grown", "n_requests")
    log.info("find: %s, withdrawn %d", {name: row[name] for name in counts}, len(graves))
    return [one.key for one in found]


def _unit(key: str, is_new: bool, written: Written) -> dict[str, object]:
    return {
        "key": key,
        "status": "done" if is_new else "skipped",
        "reasons": [],
        "files": [asdict(written)],
    }


def run(
    study_key: str,
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    force: bool = False,
    session: ArchiveSession | None = None,
) -> Outcome:
    """Bring one study to the lake: manifest, fetch, verify, de-identify, store.

    Parameters
    ----------
    study_key : str
        As ``find`` returned it.
    force : bool
        Fetch and compare again even if everything announced is there.
    session : ArchiveSession, optional
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
    _check_places(lake, sites)
    vault = Vault(sites.vault)
    if vault.withdrawn([study_key]):
        raise StudyWithdrawnError
    identity = vault.identity(study_key)
    with _session(session, sites) as archive:
        attempts = config.pull.fetch_attempts
        manifest = archive.persistently(
            "the list of objects",
            lambda: announced_by(
                archive, identity.study_uid, config.pull.modality, contours=config.pull.contours
            ),
            attempts,
        )
        job = StudyJob(identity, manifest, lake, config, vault)
        there = () if force else job.existing()
        if there:
            return Outcome("skipped", there)
        sites.staging.mkdir(parents=True, exist_ok=True, mode=0o700)
        clean_staging(sites)
        with tempfile.TemporaryDirectory(dir=sites.staging, prefix=f"{study_key}.") as folder:
            delivered = archive.fetch(
                identity.study_uid,
                manifest.wanted,
                manifest.whole_series,
                Path(folder),
                attempts,
                manifest.contours,
            )
            return job.store(delivered)


def clean_staging(sites: Sites, older_than_s: float = 6 * 3600.0) -> int:
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
    old = [
        folder
        for folder in sites.staging.glob("S*.*")
        if folder.is_dir() and folder.stat().st_mtime < limit
    ]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)  # another run may be removing it as well
    return len(old)


def _session(
    session: ArchiveSession | None, sites: Sites
) -> AbstractContextManager[ArchiveSession]:
    """Use the caller's association, or one of our own that ends with the block."""
    return ArchiveSession(sites.archive) if session is None else nullcontext(session)


def _check_places(lake: Lake, sites: Sites) -> None:
    """Refuse a vault or a staging folder inside the lake: researchers read the lake."""
    root = lake.root.resolve()
    for name, path in (("vault", sites.vault), ("staging", sites.staging)):
        if path.resolve().is_relative_to(root):
            raise SettingsError(
                f"the {name} ({path.name}) lies inside the lake",
                way_out="put it beside the lake: it holds identifiers",
            )
