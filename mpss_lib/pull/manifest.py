"""What the archive announces of a study: its series, its objects, and which of them are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.uid import (
    NuclearMedicineImageStorage,
    RTStructureSetStorage,
    SegmentationStorage,
)

from mpss_lib.errors import IncompleteStudyError, StudyGoneError
from mpss_lib.pull.archive.answers import ObjectAnswer, SeriesAnswer
from mpss_lib.pull.archive.asked import AskedArchive
from mpss_lib.pull.archive.contents import Contents
from mpss_lib.pull.taking import NOT_NM_OBJECT

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


def modalities_asked(modality: str, *, contours: bool) -> frozenset[str]:
    """Modalities of the series whose objects are listed; of those without one the objects tell."""
    return frozenset({modality, "", *(CONTOUR_MODALITIES if contours else ())})


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
    def is_whole(self) -> bool:
        """Whether everything that the study holds is wanted."""
        return not self.left_series and len(self.wanted) == len(self.objects)

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
    listed: Contents | None = None,
) -> Manifest:
    """Ask the archive for the series of a study and the objects of those of the modality.

    With ``contours``, the objects of its RTSTRUCT and SEG series too; an archive that does not
    send those classes is not asked for them. Its counts are believed where ``is_counted``. What it
    has just ``listed`` is not asked for.

    Raises
    ------
    StudyGoneError
        If it lists no series.
    IncompleteStudyError
        If a list has other than the number of objects that was announced.
    """
    series = list(listed.series) if listed else archive.find_series(study_uid)
    if not series:
        raise StudyGoneError(
            "the archive lists no series of this study",
            way_out="look at this study in the archive; then `mpss quarantine retry`",
        )
    asked = modalities_asked(modality, contours=contours)
    objects: list[ObjectAnswer] = []
    for one in series:
        if one.modality not in asked:
            continue
        uid = one.series_uid
        mine = listed.objects[uid] if listed else archive.find_objects(study_uid, uid)
        if is_counted and one.n_objects is not None and one.n_objects != len(mine):
            raise IncompleteStudyError(
                f"a series announces {one.n_objects} objects, its list has {len(mine)}",
                way_out="the archive cuts the list short or is still receiving: `mpss quarantine"
                " retry` later; if it lasts, ask the PACS team for its limit of answers, or set"
                " pull.counts to `ignore` where its counts are known to be wrong",
            )
        objects += mine
    left = tuple(one for one in series if one.modality not in asked)
    modalities = {one.series_uid: one.modality for one in series}
    not_offered = {
        uid for name, uid in CONTOUR_MODALITIES.items()
        if name in modalities.values() and name in asked and not archive.offers(uid)
    }  # fmt: skip
    return Manifest(left, tuple(objects), modalities, frozenset(not_offered), tuple(series))
