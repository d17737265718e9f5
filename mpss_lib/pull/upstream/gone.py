"""A study that the archive no longer has: proved, told, and kept as it is on the lake."""

from __future__ import annotations

import logging
from dataclasses import replace

from mpss_lib.config import Config
from mpss_lib.errors import IncompleteStudyError, PlatformFaultError, StudyGoneError
from mpss_lib.pull.archive.answers import StudyAnswer
from mpss_lib.pull.archive.asked import AskedArchive
from mpss_lib.pull.upstream.reconcile import difference
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.tables import Lake, Outcome
from mpss_lib.upstream import DELETED, note, noted

log = logging.getLogger(__name__)

STAGE = "pull"

SUSPECT_FROM = 10
"""So many studies, all of them gone at once, speak of another archive, not of deletions."""


def study_of(archive: AskedArchive, study_uid: str) -> StudyAnswer | None:
    """Ask the archive for one study by its UID, of any date and modality; None: it has none.

    "None" needs two whole lists that say so: that of studies and that of the study's series.
    """
    study = archive.find_study(study_uid)
    if study is None or not study.modalities:
        series = archive.find_series(study_uid)
        if study is None and series:
            raise IncompleteStudyError(
                "the archive names no such study and lists its series",
                way_out="look at this study in the archive, then reconcile again",
            )
        if study is not None:
            study = replace(study, modalities=tuple(sorted({one.modality for one in series})))
    return study


def check_has_others(identity: Identity, archive: AskedArchive, lake: Lake, vault: Vault) -> None:
    """Ask for the newest other studies, until one is there, before a study is called gone.

    Raises
    ------
    PlatformFaultError
        The archive has none of them: it is another one, or shows us nothing.
    """
    gone = {one.study_key for one in noted(lake) if one.kind == DELETED}
    others = [one for one in vault.everybody() if one.study_key not in {*gone, identity.study_key}]
    others.sort(key=lambda one: (one.study_date, one.study_key), reverse=True)
    asked = others[: SUSPECT_FROM - 1]
    if len(asked) == SUSPECT_FROM - 1 and all(
        study_of(archive, one.study_uid) is None for one in asked
    ):
        raise PlatformFaultError(
            f"the archive has neither this study nor the {len(asked)} newest others of the lake",
            way_out="check archive.host, archive.called_aet and what our AE title may see;"
            " nothing was called deleted",
        )


def keep_gone(
    error: StudyGoneError,
    identity: Identity,
    archive: AskedArchive,
    lake: Lake,
    config: Config,
    vault: Vault,
) -> Outcome:
    """Tell that a study is gone; what the lake holds of it stays.

    Whether it stays in the cohort too is ``cohort.gone``, where ``core.cohort_flow`` names it.

    Returns
    -------
    Outcome
        ``skipped``, with the study's current file.

    Raises
    ------
    StudyGoneError
        The archive still has the study, or the lake holds nothing of it.
    PlatformFaultError
        It has none of the others either.
    """
    key = identity.study_key
    if study_of(archive, identity.study_uid) is not None:
        raise error
    check_has_others(identity, archive, lake, vault)
    current = lake.current_path("instance", config.address(STAGE), key)
    note(lake, difference(key, DELETED, "" if current else "it was never fetched"))
    if current is None:
        raise StudyGoneError(
            "the archive no longer has this study, and with these settings the lake holds nothing"
            " of it",
            way_out="ask the PACS team whether it was deleted or merged",
        ) from error
    stays = "leaves" if config.cohort.gone == "leave" else "stays in"
    log.warning("%s: the archive no longer has it; it %s the cohort (cohort.gone)", key, stays)
    digest = current.name.split(".")[1]
    return Outcome("skipped", (lake.written("instance", current, digest),))
