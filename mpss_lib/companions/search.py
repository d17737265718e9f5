"""Which studies of the patient lie near enough to a study, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mpss_lib.config import Config
from mpss_lib.dicom.values import parse_date
from mpss_lib.pull.archive.answers import ObjectAnswer, SeriesAnswer, StudyAnswer
from mpss_lib.pull.archive.asked import AskedArchive
from mpss_lib.pull.vault import Identity, Vault

CT, SR = "CT", "SR"


@dataclass(frozen=True)
class Listed:
    """A series of the patient.

    Parameters
    ----------
    study : StudyAnswer
        What the archive says of its study.
    series : SeriesAnswer
    objects : tuple of ObjectAnswer
    days : int or None
        From the study that was asked for to this one; None where either has no date.
    is_own : bool
        Whether it is of that study itself.
    """

    study: StudyAnswer
    series: SeriesAnswer
    objects: tuple[ObjectAnswer, ...]
    days: int | None
    is_own: bool

    def announced(self, vault: Vault) -> Iterator[str]:
        """Give what the archive announces of it, by pseudonyms."""
        yield from (vault.uid(self.series.series_uid), self.series.modality, str(self.days))
        for one in self.objects:
            yield f"{vault.uid(one.sop_uid)} {one.sop_class}"


def list_beside(archive: AskedArchive, identity: Identity, config: Config) -> list[Listed]:
    """List the series of CT and SR that may be companions of a study, the nearest first.

    A patient without a PatientID has none. Studies of another issuer are another patient's.

    Raises
    ------
    IncompleteStudyError, ArchiveBusyError, ArchiveDownError, ArchiveRefusedError
        A list that is not complete is never a result.
    """
    wanted = config.companions
    found = []
    for study in archive.find_patient(identity.patient_id):
        is_own = study.study_uid == identity.study_uid
        days = _days_between(identity.study_date, study.study_date)
        is_near = is_own or (days is not None and abs(days) <= config.cohort.cac_max_days)
        if not is_near or not _is_of(study, identity, config):
            continue
        modalities = {SR} if wanted.calcium_reports else set()
        modalities |= {CT} if wanted.calcium_ct or (wanted.attenuation_ct and is_own) else set()
        for series in archive.find_series(study.study_uid):
            if series.modality in modalities:
                objects = tuple(archive.find_objects(study.study_uid, series.series_uid))
                found.append(Listed(study, series, objects, days, is_own))
    return sorted(found, key=_nearest)


def _nearest(one: Listed) -> tuple[bool, int, str]:
    return one.days is None, abs(one.days or 0), one.series.series_uid


def _days_between(study: str, other: str) -> int | None:
    first, second = parse_date(study), parse_date(other)
    return None if first is None or second is None else (second - first).days


def _is_of(study: StudyAnswer, identity: Identity, config: Config) -> bool:
    issuers = {"" if one == config.pull.own_issuer else one for _, one in study.persons}
    persons = {patient_id for patient_id, _ in study.persons}
    return persons == {identity.patient_id} and issuers <= {"", identity.issuer}
