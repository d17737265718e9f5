"""Stage calcium: the reports and CTs that lie beside a study in, calcium by source out.

A study without any is done like any other: it has no row. What a source says and does not count
(a preliminary report beside a final one, a CT of which a person has to look at a lesion) has its
row and the reason. Only a fault of our own sets a study aside; nothing waits for this stage.

Scores: Agatston et al., J Am Coll Cardiol 1990;15:827; how sources are joined is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from mpss_lib.batch import lake_only
from mpss_lib.calcium.heart import HeartSurface
from mpss_lib.calcium.scoring import CalciumScore, Kind, calcium_score
from mpss_lib.calcium.source_rows import (
    ATTENUATION_CT,
    CALCIUM_CT,
    REPORT,
    SUPERSEDED,
    Row,
    lesion_rows,
    report_row,
    scan_row,
    unusable_row,
)
from mpss_lib.calcium.structured_report import ReportedCalcium, newest, read_report
from mpss_lib.config import Config
from mpss_lib.dicom import CtVolume, read_ct, read_dataset
from mpss_lib.dicom.header import read_header
from mpss_lib.errors import CalciumReportError, CtSeriesError, StudyFaultError, WrongArgumentError
from mpss_lib.masks import read_masks
from mpss_lib.study_inputs import lake_file
from mpss_lib.tables import Lake, Outcome, digest_of

STAGE = "calcium"
KINDS: dict[str, Kind] = {CALCIUM_CT: "calcium", ATTENUATION_CT: "attenuation"}
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Surface:
    """The ventricle of the SPECT, and the frame of reference that it lies in."""

    heart: HeartSurface | None
    mask_path: str


@dataclass(frozen=True)
class Inputs:
    """What the stage reads of a study: rows of ``companion`` with objects, surface, patient."""

    stored: list[Row]
    surface: Surface
    patient_key: str

    @property
    def digest(self) -> str:
        """Names the inputs: what was made from them is found by it."""
        told = [f"{row['source_key']} {row['content_sha256']} {row['days']}" for row in self.stored]
        return digest_of(["calcium", self.patient_key, self.surface.mask_path, *told])


def inputs_of(lake: Lake, config: Config, study_key: str) -> Inputs:
    """Find what lies beside a study, and the ventricle's surface."""
    stored = [
        row
        for row in lake.rows("companion", config.address("companions"), study_key)
        if row["is_stored"]
    ]
    surface = _surface_of(lake, config, study_key) if stored else Surface(None, "")
    patient = lake.rows("study", config.address("pull"), study_key)
    return Inputs(stored, surface, str(patient[0]["patient_key"]) if patient else "")


@dataclass(frozen=True)
class ScoredScan:
    """A CT, its slices as they lie on the lake, and its calcium."""

    slices: list[Dataset]
    ct: CtVolume
    score: CalciumScore
    has_surface: bool


def score_scan(row: Row, lake: Lake, config: Config, heart: HeartSurface | None) -> ScoredScan:
    """Score the CT of a row of ``companion``.

    Parameters
    ----------
    row : dict
    lake, config
    heart : HeartSurface or None
        Of the SPECT; used where the CT names its frame of reference.

    Returns
    -------
    ScoredScan

    Raises
    ------
    CtSeriesError, StudyFaultError, WrongArgumentError
        As ``read_ct`` and ``calcium_score``.
    """
    slices = [read_dataset(lake_file(lake, path, "companions")) for path in row["paths"]]
    ct = read_ct(slices)
    if heart is not None and heart.frame_of_reference != ct.volume.frame_of_reference:
        heart = None
    score = calcium_score(
        ct.volume,
        kind=KINDS[row["kind"]],
        kvp=ct.kvp,
        thickness_mm=ct.thickness_mm,
        heart=heart,
        mg_per_ml_hu=config.calcium.mg_per_ml_hu or None,
        ask_below=config.calcium.ask_below,
    )
    return ScoredScan(slices, ct, score, heart is not None)


def run(study_key: str, lake: Lake, config: Config, *, force: bool = False) -> Outcome:
    """Read the reports and score the CTs that lie beside a study.

    Reads ``companion`` and its objects, ``study``, ``volume``, ``segmentation`` and its mask file;
    writes ``calcium_source`` (a row for each report and CT on the lake) and ``calcium_lesion`` (a
    row for each lesion of a CT that is coronary, may be, or lies beside an artery).

    Parameters
    ----------
    study_key : str
    lake : Lake
    config : Config
    force : bool
        Work again although the same output is there.

    Returns
    -------
    Outcome
        ``done`` or ``skipped``, and the files.

    Raises
    ------
    LakeCorruptError
        An object that a table names is not on the lake any more.
    """
    found = inputs_of(lake, config, study_key)
    stored, digest = found.stored, found.digest
    address = config.address(STAGE)
    there = lake.existing(STAGE, address, study_key, digest)
    if there and not force:
        return Outcome("skipped", there)
    work = _StudyWork(lake, config, found.patient_key, found.surface.heart)
    sources = [*work.reports(_of(stored, REPORT)), *work.scans(_scans(stored))]
    written = (
        lake.write("calcium_source", address, study_key, digest, sources),
        lake.write("calcium_lesion", address, study_key, digest, work.lesions),
    )
    return Outcome("done", written)


opened = lake_only(run)


def _of(stored: Sequence[Row], kind: str) -> list[Row]:
    return [row for row in stored if row["kind"] == kind]


def _scans(stored: Sequence[Row]) -> list[Row]:
    return [row for row in stored if row["kind"] in KINDS]


def _surface_of(lake: Lake, config: Config, study_key: str) -> Surface:
    """Take the ventricle's surface from the masks; none where nothing was segmented."""
    rows = lake.rows("segmentation", config.address("segmentation"), study_key)
    volumes = lake.rows("volume", config.address("intake"), study_key)
    chosen = [row for row in volumes if row["is_chosen"]]
    if not rows or not chosen:
        return Surface(None, "")
    mask_path = str(rows[0]["mask_path"])
    _, extras = read_masks(lake_file(lake, mask_path, "segmentation"))
    path = lake_file(lake, str(chosen[0]["path"]), "pull")
    frame = read_header(read_dataset(path)).frame_of_reference
    has_surface = "ray_start_mm" in extras and bool(frame)
    return Surface(HeartSurface.of(extras, frame) if has_surface else None, mask_path)


class _StudyWork:
    """The sources of one study."""

    def __init__(
        self, lake: Lake, config: Config, patient_key: str, heart: HeartSurface | None
    ) -> None:
        self._lake, self._config, self._patient_key = lake, config, patient_key
        self._heart = heart
        self.lesions: list[Row] = []

    def reports(self, stored: Sequence[Row]) -> list[Row]:
        """Read reports; the newest final one counts, the others stand beside it."""
        rows: list[Row] = []
        read: list[tuple[Row, ReportedCalcium]] = []
        for one in stored:
            try:
                (path,) = self._paths(one)
                found = read_report(read_dataset(path), patient_id=self._patient_key)
            except CalciumReportError as error:
                rows.append(unusable_row(one, error.reason))
                continue
            except StudyFaultError:
                rows.append(unusable_row(one, UNREADABLE))
                continue
            if found is None:
                rows.append(unusable_row(one, "no_calcium"))
            else:
                read.append((one, found))
        best, _ = newest(found for _, found in read)
        for one, found in read:
            reason = "" if found is best else SUPERSEDED
            rows.append(report_row(one, found, reason))
        return rows

    def scans(self, stored: Sequence[Row]) -> list[Row]:
        """Score CTs, a calcium scan and one for attenuation correction never in one figure."""
        rows = []
        for one in stored:
            try:
                made = score_scan(one, self._lake, self._config, self._heart)
            except CtSeriesError as error:
                rows.append(unusable_row(one, error.reason))
            except (StudyFaultError, WrongArgumentError):
                rows.append(unusable_row(one, UNREADABLE))
            else:
                rows.append(scan_row(one, made.ct, made.score, has_surface=made.has_surface))
                self.lesions += lesion_rows(one, made.score)
        return rows

    def _paths(self, row: Row) -> list[Path]:
        return [lake_file(self._lake, path, "companions") for path in row["paths"]]
