"""One study from the announcement to its objects on the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mpss_lib.config import Config
from mpss_lib.dicom.faults import FAULTS, NOT_DELIVERED
from mpss_lib.dicom.said import series_places
from mpss_lib.errors import (
    DicomFileError,
    IncompleteStudyError,
    SameUidOtherBytesError,
)
from mpss_lib.pull.archive.answers import ObjectAnswer, SeriesAnswer
from mpss_lib.pull.archive.modalities import told_modality
from mpss_lib.pull.deidentification.coded import class_uid
from mpss_lib.pull.deidentification.deidentifier import Subject
from mpss_lib.pull.manifest import NOT_MODALITY, Manifest, class_in
from mpss_lib.pull.received import Received
from mpss_lib.pull.retrieve.delivery import Delivery
from mpss_lib.pull.taking import (
    TWIN,
    Left,
    Piece,
    Taken,
    TakenStudy,
    TakingOrder,
    not_delivered,
)
from mpss_lib.pull.upstream.corrections import Corrections
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.tables import Lake, Written, digest_of, read_parquet

STAGE = "pull"


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
        self._accepts = accepts
        self.has_faults = False
        self._rows: list[dict[str, object]] = []
        self._files: dict[Path, Path] = {}

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

    def of(self, identity: Identity) -> StudyJob:
        """Make the job of the same objects as somebody else's."""
        parts = (self.manifest, self.lake, self.config, self.vault)
        return StudyJob(identity, *parts, accepts=self._accepts)

    def existing(self) -> tuple[Written, ...]:
        """Find the lake file of this announcement if every object that it names is there."""
        return whole_on_lake(self.lake, self.config, self.identity.study_key, self.digest)

    def lacks(self, delivered: Mapping[str, Delivery]) -> bool:
        """Whether an object that the lake holds and the archive announces did not come."""
        held = self._current_rows()
        came = {uid for uid, one in delivered.items() if not one.problem}
        return any(
            one.sop_uid not in came and self.vault.uid(one.sop_uid) in held
            for one in self.manifest.wanted
        )

    def order(self, delivered: Mapping[str, Delivery]) -> TakingOrder:
        """Give what came and is to be taken.

        Raises
        ------
        SameUidOtherBytesError
            An image came twice, with other bytes.
        """
        self._check_twins(delivered)
        pieces = []
        for one in self.manifest.wanted:
            came = delivered[one.sop_uid]
            if not came.problem and not came.has_twin:
                modality = self.manifest.modalities[one.series_uid]
                pieces.append(Piece(came.path, one, class_in(modality), modality))
        taken = {one.path for one in pieces}
        there = [one.path for one in delivered.values() if not one.problem]
        others = tuple(path for path in there if path not in taken)
        return TakingOrder(self.identity.study_uid, self._subject(), tuple(pieces), others)

    def prepare(self, delivered: Mapping[str, Delivery], taken: TakenStudy) -> None:
        """Judge what was taken and make the study's rows; nothing is written yet.

        Raises
        ------
        DicomFileError, IncompleteStudyError, SameUidOtherBytesError
            The study cannot be stored.
        """
        found = {
            one.sop_uid: taken.found.get(one.sop_uid) or _not_come(one, delivered[one.sop_uid])
            for one in self.manifest.wanted
        }
        self._check_volumes(found)
        rows = [self._left_series_row(series) for series in self.manifest.left_series]
        rows += [
            self._object_row(one, found.get(one.sop_uid) or Left(self.manifest.why_left(one)))
            for one in self.manifest.objects
        ]
        places = series_places({self.vault.uid(u): n for u, n in taken.numbers.items()})
        rows = [row | {"series_order": places.get(str(row["object_key"]), 0)} for row in rows]
        self._rows = sorted(rows, key=lambda row: (str(row["series_key"]), str(row["object_key"])))
        self.corrections.check()

    @property
    def files(self) -> Mapping[Path, Path]:
        """De-identified objects that are to be stored: place on the lake, file in staging."""
        return self._files

    @property
    def sop_uids(self) -> Mapping[str, str]:
        """Object key to original SOP Instance UID of everything that was announced."""
        return {self.vault.uid(one.sop_uid): one.sop_uid for one in self.manifest.objects}

    def rows_to_write(self) -> tuple[str, list[dict[str, object]]]:
        """Give the study's rows with the digest that names their file."""
        self.digest = digest_of(self._announced())
        digest = self._digest_with_faults(self._rows)
        self.has_faults = digest != self.digest
        return digest, self._rows

    def taken(self) -> tuple[Received, ...]:
        """Give what is to be remembered of the received objects, when the rows are written."""
        paths = {str(row["object_key"]): str(row["path"]) for row in self._rows}
        return self.corrections.taken(paths)

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

    def _subject(self) -> Subject:
        identity = self.identity
        return Subject(
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
        key = str(row["object_key"])
        if not self.corrections.judge(key, found.received, found.made, found.said):
            return row  # the study waits as a whole: ``Corrections.check``
        path = self._place(key, found)
        return row | {
            "is_stored": True,
            "path": self.lake.relative(path),
            "n_bytes": found.n_bytes,
            "content_sha256": found.sha256,
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

    def _place(self, object_key: str, found: Taken) -> Path:
        """Choose the file of a de-identified object; nothing that is there is overwritten."""
        folder = self.lake.dicom_folder(self.identity.study_key)
        path = folder / f"{object_key}.dcm"
        if path.exists() and path.read_bytes() != found.content:
            path = folder / f"{object_key}.{digest_of([found.content])}.dcm"
        if not path.exists():
            self._files[path] = found.made
        return path


def whole_on_lake(lake: Lake, config: Config, study_key: str, digest: str) -> tuple[Written, ...]:
    """Find the rows of a study by their input digest if every object that they name is there."""
    address = config.address(STAGE)
    there = lake.existing(STAGE, address, study_key, digest, tables=("instance",))
    if not there:
        return ()
    path = lake.landing_path("instance", address, study_key, digest)
    for row in read_parquet(path, "instance").to_pylist():
        stored = lake.root / str(row["path"])
        if row["is_stored"] and not (stored.is_file() and stored.stat().st_size == row["n_bytes"]):
            return ()
    return there


def _not_come(one: ObjectAnswer, delivery: Delivery) -> Left:
    if delivery.problem:
        return not_delivered(one, delivery.problem, delivery.syntax)
    return Left(TWIN, "it came twice, with other bytes", one.sop_class)
