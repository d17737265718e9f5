"""Contours from a file: a structure set or segmentation that never lay in the archive."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import FileDataset

from mpss_lib.audit.doors import recording
from mpss_lib.config import Config, Sites
from mpss_lib.dicom.decoding import decompress
from mpss_lib.dicom.faults import object_fault
from mpss_lib.dicom.parsing import parse
from mpss_lib.dicom.region_names import check_aliases, region_of
from mpss_lib.dicom.values import text_of
from mpss_lib.errors import DicomFileError, WrongArgumentError
from mpss_lib.pull.archive.association import CONTOUR_CLASSES
from mpss_lib.pull.deidentification.deidentifier import Deidentifier, Subject
from mpss_lib.pull.texts import whole_text
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.tables import Lake, check_key, digest_of
from mpss_lib.whole_files import write_bytes


@dataclass(frozen=True)
class NamedRegion:
    """A region of a file as it is named there, and our name of it ("" where nobody knows it)."""

    text: str
    region: str


@dataclass(frozen=True)
class Imported:
    """Where the de-identified object lies, and the regions that have a name of ours."""

    path: Path
    regions: tuple[str, ...]


def named_regions(path: Path, config: Config) -> list[NamedRegion]:
    """List the regions of a file, to see which names a site has to add.

    Raises
    ------
    DicomFileError
        If it cannot be read or is neither RTSTRUCT nor SEG.
    """
    check_aliases(config.pull.contour_names)
    dataset = _read(path, config)
    with object_fault(f"the regions of {path.name} cannot be read", "give a DICOM file"):
        items = [
            *((item, "ROIName") for item in dataset.get("StructureSetROISequence") or []),
            *((item, "SegmentLabel") for item in dataset.get("SegmentSequence") or []),
        ]
        texts = [str(item.get(keyword, "")) for item, keyword in items]
        return [NamedRegion(text, region_of(text, config.pull.contour_names)) for text in texts]


def import_contours(
    path: Path, study_key: str, lake: Lake, config: Config, sites: Sites
) -> Imported:
    """Put a structure set or segmentation of a study on the lake, de-identified.

    It may be of the hospital (PatientID is the patient's) or of the lake (PatientID is the
    patient's key: an exported segmentation that somebody corrected).

    Parameters
    ----------
    path : Path
        RTSTRUCT or SEG file; it is not changed.
    study_key : str
    lake, config, sites
        Identities come from the vault of ``sites``.

    Raises
    ------
    DicomFileError
        If the file cannot be read or is of another class.
    WrongArgumentError
        If it belongs to another patient, or none of its regions has a known name.
    """
    audit = recording("import_contours", sites.vault.parent, config, studies=[study_key])
    with audit:
        return _import(path, check_key(study_key), lake, config, Vault(sites.vault))


def _import(path: Path, study_key: str, lake: Lake, config: Config, vault: Vault) -> Imported:
    identity = vault.identity(study_key)
    received = _read(path, config)
    is_ours = _check_patient(received, identity)
    regions = tuple(sorted({one.region for one in named_regions(path, config)} - {""}))
    if not regions:
        raise WrongArgumentError(
            f"no region of {path.name} has a known name",
            way_out="see `mpss segmentation names FILE`, then add the site's names to"
            " pull.contour_names",
        )
    subject = Subject(
        patient_key=identity.patient_key,
        shift_days=0
        if is_ours
        else vault.shift_days(identity.patient_key, config.pull.max_shift_days),
        study_date=text_of(received, "StudyDate") if is_ours else identity.study_date,
        study_time=text_of(received, "StudyTime") if is_ours else identity.study_time,
        birth_date="" if is_ours else identity.birth_date,
        method=f"MPSS allow-list import key {vault.key_id}",
        names=(identity.patient_name,),
        identifiers=(identity.patient_id, identity.accession_number),
    )
    new_uid = _same if is_ours else vault.uid
    deidentifier = Deidentifier(
        subject, new_uid, config.pull.extra_words, config.pull.contour_names
    )
    with object_fault(f"{path.name} cannot be de-identified", "give a DICOM file"):
        content = deidentifier.file_bytes(received)
    name = str(dcmread(BytesIO(content), stop_before_pixels=True).SOPInstanceUID)
    target = lake.dicom_folder(study_key) / "contours" / f"{name}.{digest_of([content])}.dcm"
    if not target.exists():
        write_bytes(target, content)
    return Imported(target, regions)


def _same(uid: str) -> str:
    """Keep a UID that is a pseudonym already."""
    return uid


def _check_patient(received: FileDataset, identity: Identity) -> bool:
    """Whether the object is pseudonymous already; refuses one of another patient."""
    patient_id = whole_text(received, "PatientID")
    if patient_id == identity.patient_key:
        return True
    if not patient_id or patient_id != identity.patient_id:
        raise WrongArgumentError(
            f"the file's PatientID is not that of study {identity.study_key}",
            way_out="give the contours of this patient, or another study key",
        )
    return False


def _read(path: Path, config: Config) -> FileDataset:
    if not path.is_file():
        raise WrongArgumentError(f"{path} is not there", way_out="give a DICOM file")
    content = path.read_bytes()
    max_bytes = int(config.pull.max_object_mb * 2**20)
    dataset = parse(content, path.name, max_bytes)
    with object_fault(f"{path.name} cannot be read", "give a DICOM file"):
        if dataset.get("SOPClassUID") not in CONTOUR_CLASSES:
            raise DicomFileError(
                f"{path.name} is neither an RT Structure Set nor a Segmentation",
                way_out="give an RTSTRUCT or SEG object",
            )
        decompress(dataset, max_bytes)
    return dataset
