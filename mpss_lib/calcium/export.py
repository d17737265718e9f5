"""The calcium of a study's CT as DICOM objects, for viewers and archives: a report and a SEG.

What the algorithm found, and not the outcome: preliminary, unverified, for research. Scored again
from the CT that lies on the lake, and given out only where the lake's row says the same. Everything
is pseudonymous, as the lake is; equal inputs, equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydicom.uid import Comprehensive3DSRStorage

from mpss_lib.calcium.lesion_segmentation import in_order, make_segmentation
from mpss_lib.calcium.placing import LEFT
from mpss_lib.calcium.report_document import Content, make_report
from mpss_lib.calcium.report_words import ARTERIES, TOTAL
from mpss_lib.calcium.source_rows import CALCIUM_CT
from mpss_lib.calcium.stage import STAGE, Inputs, ScoredScan, inputs_of, score_scan
from mpss_lib.config import ENGINES, Config
from mpss_lib.dicom import to_bytes
from mpss_lib.dicom.segments import SEG_STORAGE
from mpss_lib.errors import GeometryError, StudyRejectedError
from mpss_lib.tables import Lake, check_key, digest_of

REPORT_FILE, SEGMENTATION_FILE = "calcium-sr.dcm", "calcium-seg.dcm"
SOP_CLASSES: Mapping[str, str] = MappingProxyType(
    {REPORT_FILE: Comprehensive3DSRStorage, SEGMENTATION_FILE: SEG_STORAGE}
)
"""What is written: file name -> SOP class."""
NO_CT, NOT_SCORED, OUTDATED, UNUSABLE = (
    "no_calcium_ct",
    "calcium_not_scored",
    "calcium_outdated",
    "calcium_ct_unusable",
)
_RUN = "`mpss run calcium` with its key, then again"


@dataclass(frozen=True)
class ExportedCalcium:
    """DICOM part 10 files, Explicit VR Little Endian.

    Parameters
    ----------
    files : mapping of file name to bytes
        The report; the segmentation too, unless there is no lesion.
    n_lesions : int
    n_waiting : int
        Lesions that a person should look at.
    score : float
        Agatston units.
    """

    files: Mapping[str, bytes]
    n_lesions: int
    n_waiting: int
    score: float


def export_calcium(study_key: str, lake: Lake, config: Config) -> ExportedCalcium:
    """Write the calcium of a study's calcium CT as a DICOM SR and SEG.

    Parameters
    ----------
    study_key : str
    lake, config
        The CT must have been scored with these settings.

    Returns
    -------
    ExportedCalcium

    Raises
    ------
    StudyRejectedError
        ``no_calcium_ct``, ``calcium_not_scored``, ``calcium_outdated`` or ``calcium_ct_unusable``
        (and why).
    GeometryError
        If the CT states no frame of reference.
    """
    found = inputs_of(lake, config, check_key(study_key))
    scans = [row for row in found.stored if row["kind"] == CALCIUM_CT]
    if not scans:
        raise StudyRejectedError(
            f"study {study_key} has no calcium CT on the lake",
            way_out="ask for it with companions.calcium_ct, then `mpss run companions`; reports and"
            " CTs for attenuation correction are not exported",
            reasons=(NO_CT,),
        )
    row = _row_of(study_key, scans[0], found, lake, config)
    scan = score_scan(scans[0], lake, config, found.surface.heart)
    if abs(scan.score.score - row["total"]) > 1e-6 or len(scan.score.lesions) != row["n_lesions"]:
        raise _outdated(study_key, "the CT has another score now")
    if not scan.ct.volume.frame_of_reference:
        raise GeometryError(
            "the CT states no FrameOfReferenceUID",
            way_out="lesions of it cannot be exported: nobody could lay them over an image",
        )
    version = f"{ENGINES[STAGE]}/{config.address(STAGE).config}"
    return objects_of(
        scan,
        row,
        is_calibrated=config.calcium.mg_per_ml_hu > 0.0,
        version=version,
        seed=digest_of([STAGE, scans[0]["content_sha256"], found.surface.mask_path, version]),
    )


def objects_of(
    scan: ScoredScan, row: Mapping[str, Any], *, is_calibrated: bool, version: str, seed: str
) -> ExportedCalcium:
    """Make the files of a CT that was scored.

    Parameters
    ----------
    scan : ScoredScan
    row : mapping
        Its row of ``calcium_source``.
    is_calibrated : bool
        Whether its lesions have a mass.
    version : str
        Of the algorithm.
    seed : str
        Names the inputs: the new UIDs follow from it.

    Returns
    -------
    ExportedCalcium
    """
    lesions = scan.score.lesions
    content = Content(_scores(row), lesions, is_calibrated, version, seed)
    slices = in_order(scan.slices, scan.ct)
    made = make_segmentation(slices, lesions, version=version, seed=seed) if lesions else None
    files = {REPORT_FILE: to_bytes(make_report(slices, made, content))}
    if made is not None:
        files[SEGMENTATION_FILE] = to_bytes(made)
    return ExportedCalcium(files, len(lesions), int(row["n_waiting"]), float(row["total"]))


def _row_of(
    study_key: str, scan: Mapping[str, Any], found: Inputs, lake: Lake, config: Config
) -> dict[str, Any]:
    """Row of ``calcium_source`` that was made of this CT as it lies on the lake."""
    address = config.address(STAGE)
    there = lake.current_path("calcium_source", address, study_key)
    if there is None:
        raise StudyRejectedError(
            f"the calcium CT of study {study_key} was not scored with these settings",
            way_out=_RUN,
            reasons=(NOT_SCORED,),
        )
    if there != lake.landing_path("calcium_source", address, study_key, found.digest):
        raise _outdated(study_key, "the CT, a report or the masks beside it are others now")
    rows = lake.rows("calcium_source", address, study_key)
    (row,) = (one for one in rows if one["source_key"] == scan["source_key"])
    if row["state"] != "scored":
        raise StudyRejectedError(
            f"the calcium CT of study {study_key} could not be scored: {row['reason']}",
            way_out="look at the series in the archive; nothing is to be exported of it",
            reasons=(UNUSABLE, str(row["reason"])),
        )
    return row


def _outdated(study_key: str, why: str) -> StudyRejectedError:
    return StudyRejectedError(
        f"the calcium of study {study_key} is outdated: {why}", way_out=_RUN, reasons=(OUTDATED,)
    )


def _scores(row: Mapping[str, Any]) -> dict[str, float]:
    """Figures of a row of ``calcium_source``: those that it has."""
    told = {name: row[name.lower()] for name in ARTERIES} | {TOTAL: row["total"]}
    if row["left_open"]:
        told[LEFT] = row["left_open"]
    return {name: float(value) for name, value in told.items() if value is not None}
