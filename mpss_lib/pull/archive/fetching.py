"""Before and after a study is fetched: what the archive announces of it, and whose it is."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mpss_lib.config import Config
from mpss_lib.errors import IncompleteStudyError, StudyWithdrawnError, TwoPatientsError
from mpss_lib.pull.archive.answers import StudyAnswer
from mpss_lib.pull.archive.asked import AskedArchive
from mpss_lib.pull.archive.contents import Contents
from mpss_lib.pull.archive.counts import check_counts
from mpss_lib.pull.manifest import Manifest, announced_by
from mpss_lib.pull.objects import StudyJob
from mpss_lib.pull.person import Named, check_rows, distinct, settle
from mpss_lib.pull.retrieve.delivery import Delivery
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.pull.window import identity_of, named_before, patient_key_of

log = logging.getLogger(__name__)


def announcement(
    archive: AskedArchive,
    study_uid: str,
    config: Config,
    row: StudyAnswer | None = None,
    listed: Contents | None = None,
) -> tuple[StudyAnswer, Manifest]:
    """Ask for the objects of a study; compare what is counted with what is listed.

    Parameters
    ----------
    row : StudyAnswer, optional
        What the archive has just answered for the study; it is asked for again otherwise.
    listed : Contents, optional
        What it has just listed of it, for the first try.

    Raises
    ------
    TwoPatientsError, UnreadableValueError
        If the archive's rows name two persons, or one that cannot be read.
    IncompleteStudyError
        If its counts and its lists differ.
    """
    is_counted = config.pull.counts == "agree"
    at_first = [listed]

    def ask() -> tuple[StudyAnswer, Manifest]:
        manifest = announced_by(
            archive,
            study_uid,
            config.pull.modality,
            contours=config.pull.contours,
            is_counted=is_counted,
            listed=at_first.pop() if at_first else None,
        )
        announced = row or archive.find_study(study_uid)
        if announced is None:
            raise IncompleteStudyError(
                "the archive lists series of this study, and no study",
                way_out="look at this study in the archive; then `mpss quarantine retry`",
            )
        check_rows(announced)
        if is_counted:
            check_counts(
                announced,
                manifest.series,
                manifest.objects,
                ask_again=lambda: archive.find_study(study_uid),
                list_objects=lambda series_uid: archive.find_objects(study_uid, series_uid),
            )
        return announced, manifest

    return archive.persistently("the list of objects", ask, config.pull.fetch_attempts)


def deliver(
    archive: AskedArchive, study_uid: str, job: StudyJob, folder: Path, *, is_there: bool
) -> Mapping[str, Delivery]:
    """Fetch what is announced; nothing where it does not come whole and the lake has it all."""
    manifest = job.manifest
    try:
        return archive.fetch(
            study_uid,
            manifest.wanted,
            manifest.whole_series,
            folder,
            job.config.pull.fetch_attempts,
            manifest.contours,
        )
    except IncompleteStudyError as error:
        if not is_there:
            raise
        log.warning("%s: %s", job.identity.study_key, error.problem)
        return {}


class StudyFetch:
    """Whose study is fetched: as it was known, as the archive says now, as its objects say.

    Raises
    ------
    StudyWithdrawnError
        If the archive names somebody who withdrew.
    """

    def __init__(
        self, announced: StudyAnswer, before: Identity, vault: Vault, config: Config
    ) -> None:
        self.announced, self._before = announced, before
        self._vault, self._config = vault, config
        self.identity = named_before(identity_of(announced, vault, config), before)
        if vault.withdrawn([self.identity.patient_key]):
            raise StudyWithdrawnError

    @property
    def is_of_another(self) -> bool:
        """Whether the archive names somebody else than when it was asked last."""
        return self.identity.patient_key != self._before.patient_key

    def settled(self, named: Sequence[Named]) -> Identity:
        """Decide whose it is by the objects, and remember it before anything is stored."""
        follows = self._config.pull.other_patient_id == "follow"
        person = settle(self.announced, named, follows_archive=follows)
        identity = self.identity
        if person[0] and not identity.patient_id:
            answer = replace(self.announced, patient_id=person[0], issuer=person[1])
            identity = identity_of(answer, self._vault, self._config)
        self._check_persons(named, identity)
        if identity != self._before:
            self._vault.remember_studies([identity])
        return identity

    def _check_persons(self, named: Iterable[Named], identity: Identity) -> None:
        """Refuse what was of somebody who withdrew, under whatever number it is now."""
        persons = distinct(one.person for one in named)
        keys = {
            patient_key_of(person, self.announced, self._vault, self._config) for person in persons
        }
        gone = self._vault.withdrawn([*keys, identity.patient_key])
        if (gone & keys) - {self.identity.patient_key}:
            raise TwoPatientsError(
                "the objects name a patient who withdrew, the archive another one",
                way_out="where the archive merged the two, purge this study (`mpss purge`); where"
                " it corrected a mistake, have the objects sent again under the right patient",
            )
        if identity.patient_key in gone:
            raise StudyWithdrawnError
