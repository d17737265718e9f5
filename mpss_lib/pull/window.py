"""Rows of a query window and of the studies that it returned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from mpss_lib.columns import Row
from mpss_lib.config import Config
from mpss_lib.dicom.values import parse_date
from mpss_lib.errors import StudyFaultError
from mpss_lib.pull.archive.answers import StudyAnswer
from mpss_lib.pull.archive.modalities import told_modality
from mpss_lib.pull.person import Person, check_rows
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.tables import Lake, Written, digest_of

STAGE = "pull"


@dataclass(frozen=True)
class FoundStudy:
    """A study of the window and its row on the lake."""

    key: str
    state: str  # new | grown | known
    digest: str
    written: Written


def identity_of(study: StudyAnswer, vault: Vault, config: Config) -> Identity:
    """Make the pseudonyms of a study as the archive announces it."""
    issuer = "" if study.issuer == config.pull.own_issuer else study.issuer
    return Identity(
        study_key=vault.study_key(study.study_uid),
        study_uid=study.study_uid,
        patient_key=vault.patient_key(study.patient_id, issuer, study_uid=study.study_uid),
        accession_key=vault.accession_key(study.accession_number),
        patient_id=study.patient_id,
        issuer=issuer,
        patient_name=study.patient_name,
        birth_date=study.birth_date,
        accession_number=study.accession_number,
        study_date=study.study_date,
        study_time=study.study_time,
    )


def study_row(
    identity: Identity, study: StudyAnswer, config: Config, vault: Vault
) -> dict[str, object]:
    """Make the study's row: pseudonyms, the shifted date, what the archive announces."""
    day = parse_date(identity.study_date)
    shift = vault.shift_days(identity.patient_key, config.pull.max_shift_days)
    own = config.pull.modality
    return {
        "study_key": identity.study_key,
        "patient_key": identity.patient_key,
        "accession_key": identity.accession_key,
        "study_date_shifted": None if day is None else day + timedelta(days=shift),
        "acquired_period": period_of(day, config.pull.acquired_period),
        "modalities": sorted({told_modality(one, own) for one in study.modalities}),
        "n_series_announced": study.n_series,
        "n_objects_announced": study.n_objects,
    }


def place_of_study(
    identity: Identity, study: StudyAnswer, lake: Lake, config: Config, vault: Vault
) -> tuple[Path, str, dict[str, object]]:
    """Make the study's row: the file that holds it, the digest that names it, and the row."""
    row = study_row(identity, study, config, vault)
    digest = digest_of(f"{name}={row[name]}" for name in sorted(row))
    path = lake.landing_path("study", config.address(STAGE), identity.study_key, digest)
    return path, digest, row


def write_study(
    identity: Identity, study: StudyAnswer, lake: Lake, config: Config, vault: Vault
) -> FoundStudy:
    """Write the study's row if what the archive announces is new."""
    _, digest, row = place_of_study(identity, study, lake, config, vault)
    address, key = config.address(STAGE), identity.study_key
    before = lake.current_path("study", address, key)
    there = lake.existing(STAGE, address, key, digest, tables=("study",))
    if there:
        return FoundStudy(key, "known", digest, there[0])
    written = lake.write("study", address, key, digest, [row])
    return FoundStudy(key, "new" if before is None else "grown", digest, written)


@dataclass(frozen=True)
class Recorded:
    """What became of a list of studies.

    Parameters
    ----------
    found : tuple of FoundStudy
        Studies with a row on the lake, by key.
    waiting : mapping of study key to digest
        Studies of which nothing was changed: the archive names somebody else for them than when
        their objects were stored (their fetch settles it), or two persons (in quarantine).
    tombstones : tuple of FoundStudy
        Tombstones of withdrawn studies.
    """

    found: tuple[FoundStudy, ...]
    waiting: Mapping[str, str]
    tombstones: tuple[FoundStudy, ...]

    @property
    def keys(self) -> list[str]:
        """Keys of the studies to fetch, sorted."""
        return sorted([*(one.key for one in self.found), *self.waiting])


def record_studies(
    studies: Iterable[StudyAnswer], lake: Lake, config: Config, vault: Vault
) -> Recorded:
    """Bring what the archive named to the vault and the lake; of a withdrawn study its tombstone.

    A study whose objects lie on the lake keeps its person until its fetch has settled who it is.
    """
    answers = {vault.study_key(study.study_uid): study for study in studies}
    before = vault.known(answers)
    persons = {
        key: {patient_key_of(person, study, vault, config) for person in study.persons}
        for key, study in answers.items()
    }
    marks = vault.withdrawn(text for key in answers for text in (key, *persons[key]))
    gone = {key for key in answers if marks & {key, *persons[key]}}
    remembered: list[Identity] = []
    waiting: dict[str, str] = {}
    for key in sorted(set(answers) - gone):
        identity = named_before(identity_of(answers[key], vault, config), before.get(key))
        if _has_to_wait(answers[key], identity, before.get(key), lake, config):
            waiting[key] = digest_of([identity.patient_key, *sorted(persons[key])])
        if key not in waiting or key not in before:
            remembered.append(identity)
    vault.remember_studies(remembered)
    found = [
        write_study(identity, answers[identity.study_key], lake, config, vault)
        for identity in remembered
        if identity.study_key not in waiting
    ]
    tombstones = [write_withdrawn(vault.tombstone(key), lake, config) for key in sorted(gone)]
    tombstones.sort(key=lambda one: one.key)
    return Recorded(tuple(found), waiting, tuple(tombstones))


def patient_key_of(person: Person, study: StudyAnswer, vault: Vault, config: Config) -> str:
    """Make the pseudonym of somebody whom a study names."""
    patient_id, issuer = person
    issuer = "" if issuer == config.pull.own_issuer else issuer
    return vault.patient_key(patient_id, issuer, study_uid=study.study_uid)


def named_before(identity: Identity, before: Identity | None) -> Identity:
    """Keep the person whom the objects named where the archive's answers name nobody."""
    if identity.patient_id or before is None:
        return identity
    return replace(
        identity,
        patient_key=before.patient_key,
        patient_id=before.patient_id,
        issuer=before.issuer,
    )


def _has_to_wait(
    study: StudyAnswer, identity: Identity, before: Identity | None, lake: Lake, config: Config
) -> bool:
    """Whether the study's row must stay as it is; quarantines one whose rows name two persons."""
    try:
        check_rows(study)
    except StudyFaultError as error:
        lake.quarantine(
            STAGE,
            identity.study_key,
            error=type(error).__name__,
            problem=error.problem,
            way_out=error.way_out,
        )
        return True
    if before is None or before.patient_key == identity.patient_key:
        return False
    path = lake.current_path("instance", config.address(STAGE), identity.study_key)
    return path is not None


def write_withdrawn(mark: str, lake: Lake, config: Config) -> FoundStudy:
    """Write the row of a withdrawn study: that there is one, under its tombstone, nothing else."""
    row: dict[str, object] = {
        "study_key": mark,
        "patient_key": mark,
        "accession_key": "",
        "study_date_shifted": None,
        "acquired_period": "",
        "modalities": [],
        "n_series_announced": None,
        "n_objects_announced": None,
    }
    address, digest = config.address(STAGE), digest_of(["withdrawn", mark])
    there = lake.existing(STAGE, address, mark, digest, tables=("study",))
    written = there[0] if there else lake.write("study", address, mark, digest, [row])
    return FoundStudy(mark, "known", digest, written)


def period_of(day: date | None, kind: str) -> str:
    """Name the true period of a date, as coarse as the settings allow."""
    if day is None or kind == "none":
        return ""
    return f"{day.year}" if kind == "year" else f"{day.year}Q{(day.month + 2) // 3}"


def write_window(row: Row, recorded: Recorded, lake: Lake, config: Config) -> Written:
    """Write the window's row if it returned something new."""
    address, key = config.address(STAGE), str(row["window_key"])
    parts = [part for one in recorded.found for part in (one.key, one.digest)]
    parts += [part for pair in sorted(recorded.waiting.items()) for part in pair]
    parts += [part for one in recorded.tombstones for part in (one.key, one.digest)]
    digest = digest_of(parts)
    there = lake.existing(STAGE, address, key, digest, tables=("query_window",))
    return there[0] if there else lake.write("query_window", address, key, digest, [row])
