"""One study from the announcement to its objects on the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pydicom
from pydicom.dataset import FileDataset
from pydicom.uid import (
    NuclearMedicineImageStorage,
    RTStructureSetStorage,
    SegmentationStorage,
)

from mpss_lib.config import Config
from mpss_lib.dicom.agreement import Announced
from mpss_lib.dicom.faults import FAULTS, NOT_DELIVERED
from mpss_lib.dicom.region_names import check_aliases
from mpss_lib.dicom.rules import site_rules
from mpss_lib.dicom.said import read_said, series_number, series_places
from mpss_lib.errors import (
    DicomFileError,
    IncompleteStudyError,
    SameUidOtherBytesError,
    StudyGoneError,
)
from mpss_lib.pull.archive.answers import ObjectAnswer, SeriesAnswer
from mpss_lib.pull.archive.asked import AskedArchive
from mpss_lib.pull.archive.modalities import told_modality
from mpss_lib.pull.deidentification.coded import class_uid
from mpss_lib.pull.deidentification.deidentifier import Deidentifier, Subject
from mpss_lib.pull.retrieve.delivery import Delivery
from mpss_lib.pull.taking import (
    NOT_NM_OBJECT,
    TWIN,
    Left,
    Taken,
    Taker,
    not_delivered,
)
from mpss_lib.pull.upstream.corrections import Corrections
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.tables import Lake, Outcome, Written, digest_of, read_parquet, sha256_of, write_bytes

STAGE = "pull"

NOT_MODALITY = "modality"
NOT_OFFERED = "not_offered"
"""Reasons for which a series or an object is left at the archive; more of them in ``taking``."""


CONTOUR_MODALITIES: Mapping[str, str] = MappingProxyType(
    {"RTSTRUCT": RTStructureSetStorage, "SEG": SegmentationStorage}
)
"""Modality of a series of contours -> the one SOP class that is taken from it."""


def class_in(modality: str) -> str:
    """SOP class that is taken from a series of a modality."""
    return CONTOUR_MODALITIES.get(modality, NuclearMedicineImageStorage)


@dataclass(frozen=True)
class Manifest:
    """What the archive announces of a study."""

    left_series: tuple[SeriesAnswer, ...]
    objects: tuple[ObjectAnswer, ...]
    modalities: dict[str, str]
    not_offered: frozenset[str] = frozenset()
    series: tuple[SeriesAnswer, ...] = ()

    @property
    def wanted(self) -> list[ObjectAnswer]:
        """Objects that are or may be NM Image Storage or contours that the archive sends."""
        return [one for one in self.objects if self.why_left(one) == ""]

    def why_left(self, one: ObjectAnswer) -> str:
        """Reason for which an object stays at the archive, "" where it is wanted."""
        expected = class_in(self.modalities[one.series_uid])
        if one.sop_class not in ("", expected):
            return NOT_NM_OBJECT
        return NOT_OFFERED if expected in self.not_offered else ""

    @property
    def contours(self) -> frozenset[str]:
        """SOP Instance UIDs of contours: they never hold images up."""
        return frozenset(
            one.sop_uid
            for one in self.objects
            if self.modalities[one.series_uid] in CONTOUR_MODALITIES
        )

    @property
    def whole_series(self) -> frozenset[str]:
        """Series of which every object is wanted."""
        wanted = {one.sop_uid for one in self.wanted}
        partly = {one.series_uid for one in self.objects if one.sop_uid not in wanted}
        return frozenset(one.series_uid for one in self.wanted) - partly


def announced_by(
    archive: AskedArchive,
    study_uid: str,
    modality: str,
    *,
    contours: bool = False,
    is_counted: bool = True,
) -> Manifest:
    """Ask the archive for the series of a study and the objects of those of the modality.

    With ``contours``, the objects of its RTSTRUCT and SEG series too; an archive that does not
    send those classes is not asked for them. Its counts are believed where ``is_counted``.

    Raises
    ------
    StudyGoneError
        If it lists no series.
    IncompleteStudyError
        If a list has other than the number of objects that was announced.
    """
    series = archive.find_series(study_uid)
    if not series:
        raise StudyGoneError(
            "the archive lists no series of this study",
            way_out="look at this study in the archive; then `mpss quarantine retry`",
        )
    asked = {modality, "", *(CONTOUR_MODALITIES if contours else ())}  # "": the objects tell
    objects: list[ObjectAnswer] = []
    for one in series:
        if one.modality not in asked:
            continue
        listed = archive.find_objects(study_uid, one.series_uid)
        if is_counted and one.n_objects is not None and one.n_objects != len(listed):
            raise IncompleteStudyError(
                f"a series announces {one.n_objects} objects, its list has {len(listed)}",
                way_out="the archive cuts the list short or is still receiving: `mpss quarantine"
                " retry` later; if it lasts, ask the PACS team for its limit of answers, or set"
                " pull.counts to `ignore` where its counts are known to be wrong",
            )
        objects += listed
    left = tuple(one for one in series if one.modality not in asked)
    modalities = {one.series_uid: one.modality for one in series}
    not_offered = {
        uid for name, uid in CONTOUR_MODALITIES.items()
        if name in modalities.values() and name in asked and not archive.offers(uid)
    }  # fmt: skip
    return Manifest(left, tuple(objects), modalities, frozenset(not_offered), tuple(series))


class StudyJob:
    """One study on its way from staging to the lake."""

    def __init__(
        self,
        identity: Identity,
        manifest: Manifest,
        lake: Lake,
        config: Config,
        vault: Vault,
        *,
        accepts: bool = False,
    ) -> None:
        self.identity, self.manifest = identity, manifest
        self.lake, self.config, self.vault = lake, config, vault
        self.address = config.address(STAGE)
        self.corrections = Corrections(
            identity.study_key,
            lake,
            vault,
            self._current_rows,
            takes_all=config.pull.corrections == "accept",
            takes_seen=accepts,
        )
        self.digest = digest_of(self._announced())
        self._numbers: dict[str, int] = {}

    def _current_rows(self) -> dict[str, dict[str, object]]:
        rows = self.lake.rows("instance", self.address, self.identity.study_key)
        return {row["object_key"]: row for row in rows if row["is_stored"]}

    def _announced(self) -> list[str]:
        """Everything that was announced, by pseudonyms: a study that grew has another digest."""
        uid = self.vault.uid
        parts = [self.identity.patient_key, self.identity.study_date, self.identity.study_time]
        for series in self.manifest.left_series:
            parts += [uid(series.series_uid), series.modality, str(series.n_objects)]
        for one in self.manifest.objects:
            parts += [uid(one.series_uid), uid(one.sop_uid), one.sop_class]
            parts += filter(None, [self.corrections.version(uid(one.sop_uid))])
        return parts

    def existing(self) -> tuple[Written, ...]:
        """Find the lake file of this announcement if every object that it names is there."""
        key = self.identity.study_key
        there = self.lake.existing(STAGE, self.address, key, self.digest, tables=("instance",))
        if not there:
            return ()
        path = self.lake.landing_path("instance", self.address, key, self.digest)
        for row in read_parquet(path, "instance").to_pylist():
            stored = self.lake.root / str(row["path"])
            if row["is_stored"] and not (
                stored.is_file() and stored.stat().st_size == row["n_bytes"]
            ):
                return ()
        return there

    def lacks(self, delivered: Mapping[str, Delivery]) -> bool:
        """Whether an object that the lake holds and the archive announces did not come."""
        held = self._current_rows()
        came = {uid for uid, one in delivered.items() if not one.problem}
        return any(
            one.sop_uid not in came and self.vault.uid(one.sop_uid) in held
            for one in self.manifest.wanted
        )

    def store(self, delivered: Mapping[str, Delivery]) -> Outcome:
        """Verify and de-identify all objects, then write the study's rows."""
        with pydicom.config.disable_value_validation():
            return self._store(delivered)

    def _store(self, delivered: Mapping[str, Delivery]) -> Outcome:
        self._check_twins(delivered)
        self._delivered = delivered
        taker = self._taker()
        found = {
            one.sop_uid: self._take(one, delivered[one.sop_uid], taker)
            for one in self.manifest.wanted
        }
        self._check_volumes(found)
        rows = [self._left_series_row(series) for series in self.manifest.left_series]
        rows += [
            self._object_row(one, found.get(one.sop_uid) or Left(self.manifest.why_left(one)))
            for one in self.manifest.objects
        ]
        self.vault.remember_objects(
            self.identity.study_key,
            {self.vault.uid(one.sop_uid): one.sop_uid for one in self.manifest.objects},
        )
        places = series_places({self.vault.uid(u): n for u, n in self._numbers.items()})
        rows = [row | {"series_order": places.get(str(row["object_key"]), 0)} for row in rows]
        rows.sort(key=lambda row: (row["series_key"], row["object_key"]))
        self.corrections.check()
        self.digest = digest_of(self._announced())
        key = self.identity.study_key
        digest = self._digest_with_faults(rows)
        written = self.lake.write("instance", self.address, key, digest, rows)
        self.corrections.close({str(row["object_key"]): str(row["path"]) for row in rows})
        return Outcome("done", (written,))

    def _digest_with_faults(self, rows: Sequence[Mapping[str, object]]) -> str:
        """Digest of the announcement; another one where objects failed, so they are asked again."""
        faults = [
            f"{row['object_key']} {row['reason']} {row['detail']}"
            for row in rows
            if row["reason"] in FAULTS
        ]
        return digest_of([self.digest, *faults]) if faults else self.digest

    def _check_twins(self, delivered: Mapping[str, Delivery]) -> None:
        twins = sum(
            one.has_twin for uid, one in delivered.items() if uid not in self.manifest.contours
        )
        if twins:
            raise SameUidOtherBytesError(
                f"{twins} objects came twice under the same SOP Instance UID with other bytes",
                way_out="ask the PACS team which one is right and to remove the other; then"
                " `mpss quarantine retry`",
            )

    def _take(self, one: ObjectAnswer, delivery: Delivery, taker: Taker) -> Taken | Left:
        if delivery.problem:
            return not_delivered(one, delivery.problem, delivery.syntax)
        if delivery.has_twin:
            return Left(TWIN, "it came twice, with other bytes", one.sop_class)
        modality = self.manifest.modalities[one.series_uid]
        return taker.take(delivery.path, one, class_in(modality), modality)

    def _check_volumes(self, found: Mapping[str, Taken | Left]) -> None:
        """Whether the study may go on with the objects that are sound.

        Contours never hold images up. An NM object that cannot be had may have been the right
        volume: the others go on where the settings let them (quality asks for a review), and
        never where none is left.

        Raises
        ------
        DicomFileError, IncompleteStudyError
            The first fault, with the number of all.
        """
        contours = self.manifest.contours
        images = [one for uid, one in found.items() if uid not in contours]
        faults = [one for one in images if isinstance(one, Left) and one.reason in FAULTS]
        is_one_left = any(isinstance(one, Taken) for one in images)
        if not faults or (is_one_left and self.config.pull.broken_objects == "review"):
            return
        first = faults[0]
        kind = IncompleteStudyError if first.reason == NOT_DELIVERED else DicomFileError
        raise kind(
            f"{len(faults)} of {len(images)} image objects cannot be had; first: {first.detail}",
            way_out=first.way_out,
        )

    def _taker(self) -> Taker:
        max_bytes = int(self.config.pull.max_object_mb * 2**20)
        leaves_pictures = self.config.pull.pictures == "leave"
        return Taker(
            self.identity.study_uid,
            self._deidentifier(),
            max_bytes,
            self._said,
            leaves_pictures=leaves_pictures,
        )

    def _said(self, received: FileDataset, modality: str) -> str:
        self._numbers[str(received.SOPInstanceUID)] = series_number(received)
        announced = Announced(modality, self.identity.study_date)
        return read_said(received, site_rules(self.config.pull), announced).as_json()

    def _deidentifier(self) -> Deidentifier:
        check_aliases(self.config.pull.contour_names)
        identity = self.identity
        subject = Subject(
            patient_key=identity.patient_key,
            shift_days=self.vault.shift_days(identity.patient_key, self.config.pull.max_shift_days),
            study_date=identity.study_date,
            study_time=identity.study_time,
            birth_date=identity.birth_date,
            method=f"MPSS allow-list {self.address.engine}/{self.address.config}"
            f" key {self.vault.key_id}",
            names=(identity.patient_name,),
            identifiers=(identity.patient_id, identity.accession_number),
        )
        return Deidentifier(
            subject,
            self.vault.uid,
            self.config.pull.extra_words,
            self.config.pull.contour_names,
        )

    def _left_series_row(self, series: SeriesAnswer) -> dict[str, object]:
        return self._row(series.series_uid, "") | {
            "modality": told_modality(series.modality, self.config.pull.modality),
            "n_objects": series.n_objects,
            "reason": NOT_MODALITY,
        }

    def _object_row(self, one: ObjectAnswer, found: Taken | Left) -> dict[str, object]:
        sop_class = found.sop_class or one.sop_class
        row = self._row(one.series_uid, self.vault.uid(one.sop_uid)) | {
            "modality": told_modality(
                self.manifest.modalities[one.series_uid], self.config.pull.modality
            ),
            "sop_class": class_uid(sop_class, self.vault.uid) if sop_class else "",
        }
        if isinstance(found, Left):
            return row | {"reason": found.reason, "detail": found.detail}
        key, received = str(row["object_key"]), self._delivered[one.sop_uid].path
        if not self.corrections.judge(key, received, found.content, found.said):
            return row  # the study waits as a whole: ``Corrections.check``
        path = self._keep(key, found.content)
        return row | {
            "is_stored": True,
            "path": self.lake.relative(path),
            "n_bytes": path.stat().st_size,
            "content_sha256": sha256_of(path),
            "said": found.said,
        }

    def _row(self, series_uid: str, object_key: str) -> dict[str, object]:
        return {
            "study_key": self.identity.study_key,
            "series_key": self.vault.uid(series_uid),
            "object_key": object_key,
            "modality": "",
            "sop_class": "",
            "n_objects": 1,
            "is_stored": False,
            "reason": "",
            "detail": "",
            "path": "",
            "n_bytes": 0,
            "content_sha256": "",
            "series_order": 0,
            "said": "",
        }

    def _keep(self, object_key: str, content: bytes) -> Path:
        """Write a de-identified object; nothing that is there is overwritten."""
        folder = self.lake.dicom_folder(self.identity.study_key)
        path = folder / f"{object_key}.dcm"
        if path.exists() and path.read_bytes() != content:
            path = folder / f"{object_key}.{digest_of([content])}.dcm"
        if not path.exists():
            write_bytes(path, content)
        return path
