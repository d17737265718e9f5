"""Who is withdrawn: the keys, the identities behind them, and every trace to look for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from mpss_lib.config import Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.pull.clinical.registry import day_of_patient
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.purge import traces
from mpss_lib.purge.traces import Trace
from mpss_lib.tables import Lake

REGISTRY_TABLE = "clinical"
ASKED = ("StudyInstanceUID", "PatientID", "IssuerOfPatientID", "AccessionNumber")
"""Original identifiers by which a request may name a study or a patient."""


@dataclass(frozen=True)
class Subject:
    """What a request means.

    Parameters
    ----------
    request : str
        Key of the study (``S...``) or of the patient (``P...``).
    studies : tuple of Identity
        What the vault knows of them; empty where an earlier purge has come that far.
    tombstones : tuple of str
        Marks that keep studies, registry rows and, for a patient, later studies out.
    traces : tuple of Trace
        What may stand nowhere outside the vault.
    vault_traces : tuple of Trace
        What may not stand in the vault either: nobody who stays shares it.
    tombstone_of : mapping of str to str
        Study key to the tombstone that takes its place.
    replaced : mapping of str to str
        Study and patient keys to what takes their place in a list of members.
    """

    request: str
    studies: tuple[Identity, ...]
    tombstones: tuple[str, ...]
    traces: tuple[Trace, ...]
    vault_traces: tuple[Trace, ...]
    tombstone_of: Mapping[str, str]
    replaced: Mapping[str, str]

    @property
    def is_patient(self) -> bool:
        """Whether a patient was named, with all studies, rather than one study."""
        return self.request.startswith("P")

    @property
    def plain(self) -> list[dict[str, str | bool]]:
        """Strong traces as Airflow's part takes them."""
        return [{"kind": t.kind, "text": t.text} for t in self.traces if t.is_strong]

    @property
    def study_keys(self) -> tuple[str, ...]:
        """Keys of the studies that go."""
        return tuple(self.tombstone_of)


def key_of(asked: Mapping[str, str], vault: Vault, config: Config) -> str:
    """Key of the study or patient that original identifiers name.

    Parameters
    ----------
    asked : mapping
        DICOM keyword (``ASKED``) to value.

    Raises
    ------
    WrongArgumentError
        An unknown keyword, nothing that names anybody, or an accession number of no or of
        several studies.
    """
    given = {name: text.strip() for name, text in asked.items() if text.strip()}
    if unknown := sorted(set(given) - set(ASKED)):
        raise WrongArgumentError(
            f"{unknown[0]} names nobody", way_out=f"give {', '.join(ASKED[:2])} or {ASKED[3]}"
        )
    if uid := given.get("StudyInstanceUID"):
        return vault.study_key(uid)
    if patient := given.get("PatientID"):
        issuer = given.get("IssuerOfPatientID", "")
        return vault.patient_key(patient, "" if issuer == config.pull.own_issuer else issuer)
    if accession := given.get("AccessionNumber"):
        wanted = vault.accession_key(accession)
        found = [one.study_key for one in vault.everybody() if one.accession_key == wanted]
        if len(found) == 1:
            return found[0]
        raise WrongArgumentError(
            f"{len(found)} studies have this accession number",
            way_out="name the study by its StudyInstanceUID or the patient by PatientID",
        )
    raise WrongArgumentError(
        "nobody was named", way_out="give a key, or StudyInstanceUID, PatientID or AccessionNumber"
    )


def subject_of(request: str, lake: Lake, vault: Vault) -> Subject:
    """Find what a key means and what its traces are.

    Parameters
    ----------
    request : str
        Key of a study or of a patient, as the tables show it.
    """
    known = vault.everybody()
    mine = [one for one in known if request in (one.study_key, one.patient_key)]
    others = [one for one in known if one not in mine]
    keys = [one.study_key for one in mine] or ([request] if request.startswith("S") else [])
    rows = _registry_rows(lake, request, mine, others)
    shared = _shared(others)
    pseudonyms = {request, *_pseudonyms(mine, rows)} | _objects(lake, vault, keys)
    pseudonym_traces = {
        Trace(traces.UID if text.startswith("2.25.") else traces.KEY, text)
        for text in pseudonyms
        if text and text not in shared
    }
    identifiers = _identifiers(mine, vault)
    words = {w.lower() for one in others for w in one.patient_name.replace("^", " ").split()}
    kept = {t for t in identifiers if t.kind != traces.WORD or t.text.lower() not in words}
    tombstones = _tombstones(request, mine, rows, vault, others)
    tombstone_of = {key: vault.tombstone(key) for key in keys}
    patients = {one.patient_key: vault.tombstone(one.patient_key) for one in mine}
    return Subject(
        request,
        tuple(mine),
        tuple(sorted(tombstones)),
        _ordered(pseudonym_traces | kept),
        _ordered({t for t in pseudonym_traces | kept if t.text not in shared and t.is_strong}),
        tombstone_of,
        tombstone_of | {key: mark for key, mark in patients.items() if key not in shared},
    )


def _ordered(found: Iterable[Trace]) -> tuple[Trace, ...]:
    return tuple(sorted(found, key=lambda trace: (trace.kind, trace.text)))


def _shared(others: Sequence[Identity]) -> set[str]:
    """Texts that somebody who stays has as well: keys, and in the vault identifiers too."""
    found: set[str] = set()
    for one in others:
        found |= {one.study_key, one.patient_key, one.accession_key, one.study_uid}
        found |= {one.patient_id.strip(), one.accession_number.strip()}
        found |= {trace.text for trace in traces.traces_of_name(one.patient_name)}
        found |= {trace.text for trace in traces.traces_of_birth(one.birth_date)}
    return found - {""}


def _pseudonyms(mine: Sequence[Identity], rows: Sequence[Mapping[str, Any]]) -> set[str]:
    found = {text for one in mine for text in (one.study_key, one.patient_key, one.accession_key)}
    return found | {str(row[name]) for row in rows for name in ("record_key", "accession_key")}


def _identifiers(mine: Sequence[Identity], vault: Vault) -> set[Trace]:
    found: set[Trace] = set()
    for one in mine:
        found |= traces.traces_of_name(one.patient_name)
        found |= traces.traces_of_birth(one.birth_date)
        found |= traces.traces_of_identifier(traces.PATIENT_ID, one.patient_id)
        found |= traces.traces_of_identifier(traces.ACCESSION, one.accession_number)
        found.add(Trace(traces.UID, one.study_uid))
    keys = [one.study_key for one in mine]
    return found | {Trace(traces.UID, uid) for _, uid in objects_of(vault, keys)}


def objects_of(vault: Vault, study_keys: Sequence[str]) -> list[tuple[str, str]]:
    """Object key and original SOP Instance UID of each object of the studies."""
    marks = ", ".join("?" * len(study_keys))
    statement = f"select object_key, sop_uid from object where study_key in ({marks})"  # noqa: S608
    with vault.opened() as db:
        return [(str(a), str(b)) for a, b in db.execute(statement, list(study_keys))]


def _objects(lake: Lake, vault: Vault, study_keys: Sequence[str]) -> set[str]:
    """Pseudonymous UIDs of the studies' series and objects."""
    found = {key for key, _ in objects_of(vault, study_keys)}
    for key in study_keys:
        for path in lake.landing_files("instance", key=key):
            for row in pq.read_table(path, partitioning=None).to_pylist():
                found |= {row["series_key"], row["object_key"]}
    return found - {""}


def _registry_rows(
    lake: Lake, request: str, mine: Sequence[Identity], others: Sequence[Identity]
) -> list[dict[str, Any]]:
    """Registry rows of the request: by accession, by patient, by the patient's day."""
    accessions = {one.accession_key for one in mine} - {""}
    accessions -= {one.accession_key for one in others}
    patients = {request} if request.startswith("P") else set()
    days = {
        day_of_patient(row["patient_key"], row["study_date_shifted"])
        for one in mine
        for path in lake.landing_files("study", key=one.study_key)
        for row in pq.read_table(path, partitioning=None).to_pylist()
        if row["study_date_shifted"] is not None
    }
    found: dict[str, dict[str, Any]] = {}
    for path in lake.landing_files(REGISTRY_TABLE):
        for row in pq.read_table(path, partitioning=None).to_pylist():
            day = row["study_date_shifted"]
            by_day = (
                not row["accession_key"]
                and day is not None
                and day_of_patient(row["patient_key"], day) in days
            )
            if row["accession_key"] in accessions or row["patient_key"] in patients or by_day:
                found[row["record_key"]] = row
    return list(found.values())


def _tombstones(
    request: str,
    mine: Sequence[Identity],
    rows: Sequence[Mapping[str, Any]],
    vault: Vault,
    others: Sequence[Identity],
) -> set[str]:
    """Mark everything that would bring the person back: studies, rows, later studies."""
    kept = {one.accession_key for one in others} | {one.patient_key for one in others}
    texts = {request} | {one.study_key for one in mine}
    texts |= {one.accession_key for one in mine} - kept
    for row in rows:
        texts |= {row["accession_key"]} - kept
        if row["study_date_shifted"] is not None:
            texts.add(day_of_patient(row["patient_key"], row["study_date_shifted"]))
        if request.startswith("P"):
            texts |= {row["patient_key"]} - kept
    return {vault.tombstone(text) for text in texts if text}
