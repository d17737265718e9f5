"""Objects of companions from the staging folder to their de-identified files there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset

from mpss_lib.calcium import read_report
from mpss_lib.calcium.report_tree import write_tree
from mpss_lib.companions.search import Listed
from mpss_lib.config import Config
from mpss_lib.dicom.faults import UNREADABLE, object_fault
from mpss_lib.dicom.values import quiet
from mpss_lib.dicom.writing import file_bytes
from mpss_lib.errors import (
    CalciumReportError,
    MpssError,
    StudyFaultError,
    UndecodedError,
)
from mpss_lib.pull.archive.answers import ObjectAnswer
from mpss_lib.pull.deidentification.deidentifier import IMPLEMENTATION, Deidentifier, Subject
from mpss_lib.pull.deidentification.pictures import BURNED_IN, burned_in
from mpss_lib.pull.texts import normal_text, whole_text
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.pull.verify import read_received

OTHER_PATIENT, NO_CALCIUM = "other_patient", "no_calcium"
"""Reasons for which an object is left; those of reports stand in ``calcium``."""


class LeftError(MpssError):
    """An object, and what it is a part of, is left at the archive; ``reason`` says why."""

    def __init__(self, reason: str, problem: str = "") -> None:
        super().__init__(problem, way_out="look at the object in the archive")
        self.reason = reason


@dataclass(frozen=True)
class MadeReport:
    """A de-identified report, and how its figures were read."""

    content: bytes
    notes: tuple[str, ...]


class CompanionTaker:
    """Reads, verifies and de-identifies the companions of one study.

    Parameters
    ----------
    identity : Identity
        Whose study it is: every object must name this patient.
    config : Config
    vault : Vault
    """

    def __init__(self, identity: Identity, config: Config, vault: Vault) -> None:
        self._identity, self._config, self._vault = identity, config, vault
        self._max_bytes = int(config.pull.max_object_mb * 2**20)

    def slice_bytes(self, path: Path, one: ObjectAnswer, of: Listed) -> bytes:
        """Make the de-identified bytes of a CT slice.

        Raises
        ------
        LeftError
            It cannot be read, names another patient, or has text in its pixels.
        """
        received = self.read(path, one, of)
        if burned_in(received) == "YES":
            raise LeftError(BURNED_IN)
        with pydicom.config.disable_value_validation(), quiet(), _fault_leaves():
            return self._deidentifier(of).file_bytes(received)

    def report(self, path: Path, one: ObjectAnswer, of: Listed) -> MadeReport:
        """Make the de-identified bytes of a report: its header, and a tree of its figures alone.

        Raises
        ------
        LeftError
            It cannot be read, is another patient's, says nothing of calcium, or no score of it
            can be believed.
        """
        received = self.read(path, one, of)
        with pydicom.config.disable_value_validation(), quiet(), _fault_leaves():
            found = read_report(received, patient_id=whole_text(received, "PatientID"))
            if found is None:
                raise LeftError(NO_CALCIUM)
            kept = pydicom.dcmread(BytesIO(self._deidentifier(of).file_bytes(received)))
            write_tree(
                kept,
                found.scores,
                found.volumes_mm3,
                found.masses_mg,
                is_agatston=found.method == "agatston",
            )
            return MadeReport(file_bytes(kept, IMPLEMENTATION), found.notes)

    def read(self, path: Path, one: ObjectAnswer, of: Listed) -> FileDataset:
        """Read an object as received, and check whose it is."""
        with pydicom.config.disable_value_validation(), quiet(), _fault_leaves():
            content = path.read_bytes()
            received = read_received(content, one, of.study.study_uid, self._max_bytes)
            if whole_text(received, "PatientID") != normal_text(self._identity.patient_id):
                raise LeftError(OTHER_PATIENT)
            return received

    def _deidentifier(self, of: Listed) -> Deidentifier:
        identity, vault, config = self._identity, self._vault, self._config
        address = config.address("companions")
        subject = Subject(
            patient_key=identity.patient_key,
            shift_days=vault.shift_days(identity.patient_key, config.pull.max_shift_days),
            study_date=of.study.study_date,
            study_time=of.study.study_time,
            birth_date=identity.birth_date,
            method=f"MPSS allow-list {address.engine}/{address.config} key {vault.key_id}",
            names=(identity.patient_name, of.study.patient_name),
            identifiers=(
                *(identity.patient_id, identity.accession_number),
                of.study.accession_number,
            ),
        )
        return Deidentifier(subject, vault.uid, config.pull.extra_words)


@contextmanager
def _fault_leaves() -> Iterator[None]:
    """Turn the faults of an object into the reason why it is left."""
    try:
        with object_fault("a companion cannot be read or de-identified"):
            yield
    except (CalciumReportError, UndecodedError) as error:
        raise LeftError(error.reason, error.problem) from error
    except StudyFaultError as error:
        raise LeftError(UNREADABLE, error.problem) from error
