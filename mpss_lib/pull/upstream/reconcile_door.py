"""Ask the archive for a window again, compare its answer with vault and lake, keep what differs.

The door is ``reconcile``; the comparison itself is ``mpss_lib.pull.upstream.reconcile``.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from mpss_lib.audit.doors import recording
from mpss_lib.batch import TOMBSTONE
from mpss_lib.config import Config, Sites
from mpss_lib.errors import IncompleteStudyError, PlatformFaultError, WrongArgumentError
from mpss_lib.locks import working
from mpss_lib.pull.archive.answers import StudyAnswer
from mpss_lib.pull.archive.asked import AskedArchive
from mpss_lib.pull.archive.habits import Habits, known_habits, remember_habits
from mpss_lib.pull.archive.listing import MOST_DAYS
from mpss_lib.pull.archive.session import archive_of
from mpss_lib.pull.person import distinct
from mpss_lib.pull.upstream.gone import SUSPECT_FROM, study_of
from mpss_lib.pull.upstream.reconcile import Kept, Reconciliation, Told, compare, unlisted
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.pull.window import identity_of, named_before
from mpss_lib.shelves import key_of, newest
from mpss_lib.tables import Lake
from mpss_lib.upstream import BY_COMPARISON, note, settle, write_summary

log = logging.getLogger(__name__)

STAGE = "pull"


def reconcile(
    window: tuple[date, date],
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    session: AskedArchive | None = None,
) -> Reconciliation:
    """Compare what the archive has of a window with what vault and lake know of it.

    Nothing is fetched and no row is changed; what is known of the archive's habits is looked at
    anew. Each difference is kept under ``upstream/`` of the lake, by study key; one that is no more
    is dropped.

    Parameters
    ----------
    window : (date, date)
        True study dates, both included.
    session : AskedArchive, optional
        An association to use; one is opened otherwise.

    Raises
    ------
    ArchiveDownError, ArchiveRefusedError, ArchiveBusyError, PlatformFaultError
        A list that is not complete is compared with nothing; nor is an archive believed that
        has none of the studies of the window, where there are ten or more.
    """
    if window[1] < window[0]:
        raise WrongArgumentError(
            f"the window ends ({window[1]}) before it begins ({window[0]})",
            way_out="give the first month, then the last one",
        )
    audit = recording("reconcile", sites.vault.parent, config, peer=sites.archive.everywhere)
    with archive_of(sites, lake, session) as archive, audit as told_of:
        vault = Vault(sites.vault)
        answer = archive.find_studies(
            *window, config.pull.modality, _habits_to_check(sites, window)
        )
        told_of.details["n_studies"] = str(len(answer.studies))
        kept = known(lake, config, vault)
        told = _told(answer.studies, kept, vault, config)
        open_keys = unlisted(window, told, kept)
        asked = dict(_ask(open_keys, kept, archive, vault, config))
    _check_is_same_archive(told, asked)
    remember_habits(sites, answer.seen)
    strangers = _strangers(lake, kept)
    answered = compare(window, told, kept, asked, config.pull.modality, strangers)
    answered = replace(answered, doubts=answer.problems)
    with working(lake.root):
        return _keep(answered, {*told, *open_keys, *strangers}, window, lake)


def _habits_to_check(sites: Sites, window: tuple[date, date]) -> Habits:
    """Forget of the archive's habits what a night relies on: an upgrade may have changed it.

    Ranges of days are believed where the window is too long to be asked for day by day.
    """
    known = replace(known_habits(sites), modality_key="", is_probed=False)
    is_short = (window[1] - window[0]).days < MOST_DAYS
    return replace(known, day_ranges=None) if is_short else known


def _told(
    studies: tuple[StudyAnswer, ...], kept: Mapping[str, Kept], vault: Vault, config: Config
) -> dict[str, Told]:
    """Order the archive's answers by study key; nothing is told of what was withdrawn."""
    answers = [_told_of(study, kept, vault, config) for study in studies]
    found = {one.identity.study_key: one for one in answers}
    texts = [
        t for one in found.values() for t in (one.identity.study_key, one.identity.patient_key)
    ]
    marks = vault.withdrawn(texts)
    return {key: one for key, one in found.items() if not marks & {key, one.identity.patient_key}}


def _told_of(study: StudyAnswer, kept: Mapping[str, Kept], vault: Vault, config: Config) -> Told:
    identity = identity_of(study, vault, config)
    before = kept.get(identity.study_key)
    return Told(
        named_before(identity, before.identity if before else None),
        study.modalities,
        study.n_series,
        study.n_objects,
        unreadable=study.unreadable,
        n_persons=len(distinct(study.persons)),
    )


# ------------------------------------------------------------------ what is known


def known(lake: Lake, config: Config, vault: Vault) -> dict[str, Kept]:
    """Every study of the vault, and what the lake accounts for of it.

    Where the archive's counts are known to be wrong (``pull.counts`` is ``ignore``) they are
    compared with what it counted before, not with what was fetched.
    """
    announced = _current(lake, config, "study")
    fetched = _current(lake, config, "instance")
    quarantined = {row["study_key"] for row in lake.quarantined() if row["stage"] == STAGE}
    return {
        identity.study_key: _kept(
            identity,
            announced.get(identity.study_key),
            fetched.get(identity.study_key),
            stands_still=identity.study_key in quarantined,
            is_counted=config.pull.counts == "agree",
        )
        for identity in vault.everybody()
    }


def _kept(
    identity: Identity,
    announced: Path | None,
    fetched: Path | None,
    *,
    stands_still: bool,
    is_counted: bool,
) -> Kept:
    n_series, n_objects = _announced_counts(announced)
    if fetched is not None and is_counted:
        n_series, n_objects = _fetched_counts(fetched, n_objects)
    return Kept(identity, fetched is not None, stands_still, n_series, n_objects)


def _announced_counts(path: Path | None) -> tuple[int | None, int | None]:
    if path is None:
        return None, None
    columns = ["n_series_announced", "n_objects_announced"]
    row = pq.read_table(path, columns=columns, partitioning=None).to_pylist()[0]
    return row[columns[0]], row[columns[1]]


def _fetched_counts(path: Path, n_announced: int | None) -> tuple[int, int | None]:
    """Count series and objects that the lake holds or knows to be left at the archive."""
    rows = pq.read_table(path, columns=["series_key", "n_objects"], partitioning=None).to_pydict()
    numbers = rows["n_objects"]
    n_objects = n_announced if None in numbers else sum(numbers)
    return len(set(rows["series_key"])), n_objects


def _current(lake: Lake, config: Config, table: str) -> dict[str, Path]:
    """Find the current file of each study: of these settings, or else of any others."""
    chosen = lake.current_paths(table, config.address(STAGE))
    others: dict[str, list[Path]] = {}
    for path in lake.landing_files(table):
        if (key := key_of(path)) not in chosen:
            others.setdefault(key, []).append(path)
    return chosen | {key: newest(paths) for key, paths in others.items()}


def _strangers(lake: Lake, kept: Mapping[str, Kept]) -> list[str]:
    """Keys of studies on the lake that the vault does not know, withdrawn ones apart."""
    keys = {key_of(path) for path in lake.landing_files("study")}
    return sorted(key for key in keys if key not in kept and not key.startswith(TOMBSTONE))


# ------------------------------------------------------------------ what is asked for by its UID


def _ask(
    keys: list[str], kept: Mapping[str, Kept], archive: AskedArchive, vault: Vault, config: Config
) -> Iterator[tuple[str, Told | None]]:
    """Ask for each study by its UID; one for which the archive breaks off has no answer."""
    for key in keys:
        uid = kept[key].identity.study_uid
        try:
            study = archive.persistently(
                "the question for one study",
                partial(study_of, archive, uid),
                config.pull.fetch_attempts,
            )
        except IncompleteStudyError as error:
            log.warning("%s: %s", key, error.problem)
            continue
        yield key, None if study is None else _told_of(study, kept, vault, config)


def _check_is_same_archive(told: Mapping[str, Told], asked: Mapping[str, Told | None]) -> None:
    if not told and len(asked) >= SUSPECT_FROM and not any(asked.values()):
        raise PlatformFaultError(
            f"the archive has none of the {len(asked)} studies that the lake knows of this window",
            way_out="check archive.host, archive.called_aet and what our AE title may see;"
            " nothing was called deleted",
        )


# ------------------------------------------------------------------ what is kept


def _keep(
    answered: Reconciliation, scope: set[str], window: tuple[date, date], lake: Lake
) -> Reconciliation:
    """Keep what differs, drop what no longer does."""
    found = tuple((month, note(lake, difference)) for month, difference in answered.found)
    still = {(difference.kind, difference.study_key) for _, difference in found}
    for kind in BY_COMPARISON:
        settle(lake, (key for key in scope if (kind, key) not in still), (kind,))
    kept = replace(answered, found=found)
    counts = Counter(one.kind for one in kept.open)
    summary = {
        "asked_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "n_days": (window[1] - window[0]).days + 1,
        "n_archive": sum(month.n_archive for month in kept.months),
        "n_lake": sum(month.n_lake for month in kept.months),
        "n_doubts": len(kept.doubts),
        "differences": dict(sorted(counts.items())),
    }
    write_summary(lake, summary)
    log.info("reconcile: %s", summary)
    return kept
