"""Rows of a query window and of the studies that it returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from mpss_lib.config import Config
from mpss_lib.pull.answers import StudyAnswer
from mpss_lib.pull.moments import parse_date
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.tables import Lake, Row, Written, digest_of

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


def write_study(
    identity: Identity, study: StudyAnswer, lake: Lake, config: Config, vault: Vault
) -> FoundStudy:
    """Write the study's row if what the archive announces is new."""
    day = parse_date(identity.study_date)
    shift = vault.shift_days(identity.patient_key, config.pull.max_shift_days)
    row = {
        "study_key": identity.study_key,
        "patient_key": identity.patient_key,
        "accession_key": identity.accession_key,
        "study_date_shifted": None if day is None else day + timedelta(days=shift),
        "acquired_period": period_of(day, config.pull.acquired_period),
        "modalities": list(study.modalities),
        "n_series_announced": study.n_series,
        "n_objects_announced": study.n_objects,
    }
    address, key = config.address(STAGE), identity.study_key
    digest = digest_of(f"{name}={row[name]}" for name in sorted(row))
    before = lake.current_path("study", address, key)
    there = lake.existing(STAGE, address, key, digest, tables=("study",))
    if there:
        return FoundStudy(key, "known", digest, there[0])
    written = lake.write("study", address, key, digest, [row])
    return FoundStudy(key, "new" if before is None else "grown", digest, written)


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


def write_window(row: Row, found: Sequence[FoundStudy], lake: Lake, config: Config) -> Written:
    """Write the window's row if it returned something new."""
    address, key = config.address(STAGE), str(row["window_key"])
    digest = digest_of(part for one in found for part in (one.key, one.digest))
    there = lake.existing(STAGE, address, key, digest, tables=("query_window",))
    return there[0] if there else lake.write("query_window", address, key, digest, [row])
