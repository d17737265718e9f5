"""Lesions of a CT as a DICOM Segmentation (PS3.3 A.51): one binary segment for each."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from mpss_lib.calcium.lesion import Lesion
from mpss_lib.calcium.placing import CORONARY
from mpss_lib.calcium.report_tree import SITES, Coded
from mpss_lib.calcium.report_words import TOTAL
from mpss_lib.dicom import CtVolume
from mpss_lib.dicom.exported import SCHEME, code, name_dimensions, new_uid, set_moment, sign
from mpss_lib.dicom.values import numbers_of
from mpss_lib.volume import IntArray

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription

RESEARCH_USE = "MPSS calcium - FOR RESEARCH USE ONLY, PRELIMINARY"
ALGORITHM = "MPSS calcium"
FAMILY: Coded = ("123104", "DCM", "Morphological Operations")
ABNORMAL: Coded = ("49755003", "SCT", "Morphologically Abnormal Structure")
CALCIFICATION: Coded = ("237897009", "SCT", "Vascular Calcification")
PLACES: Mapping[str, Coded] = MappingProxyType(
    {
        **{name: concept for name, concept in SITES.items() if name != TOTAL},
        "left": ("50018008", "SCT", "Left Coronary Artery"),
        "marked": SITES[TOTAL],
        "mediastinum": ("72410000", "SCT", "Mediastinum"),
        "aorta": ("15825003", "SCT", "Aorta"),
        "mitral ring": ("65197004", "SCT", "Mitral Annulus"),
        "metal": ("METAL", SCHEME, "Metal"),
        "beam": ("BEAM", SCHEME, "Beam beside metal"),
        "elsewhere": ("ELSEWHERE", SCHEME, "Elsewhere in the thorax"),
    }
)
"""``Lesion.place`` as a finding site: SNOMED CT as in PS3.16 CID 3015 and 4042; metal, its beams
and what lies elsewhere have no concept there."""
SCHEME_NAME = "MPSS calcium"
_TYPE_2 = (
    *("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName"),
)


def label_of(number: int, lesion: Lesion) -> str:
    """Name of a segment, and of what is measured in it."""
    told = lesion.place if lesion.place in CORONARY else f"{lesion.place}, not counted"
    return f"Lesion {number} ({told})"


def tracking_uid(seed: str, number: int) -> str:
    """UID by which the segment of a lesion and its figures find each other."""
    return new_uid(seed, f"lesion {number}")


def in_order(slices: Sequence[Dataset], ct: CtVolume) -> list[Dataset]:
    """Slices in the order of the volume, with the empty attributes that an exported object has.

    Parameters
    ----------
    slices : sequence of Dataset
    ct : CtVolume
        Of these slices.

    Returns
    -------
    list of Dataset
        Copies of the headers, which share the values; the first is slice 0 of the volume.
    """
    step = ct.volume.affine[:3, 0]
    copies = []
    for one in sorted(slices, key=lambda a: float(step @ numbers_of(a, "ImagePositionPatient"))):
        copy = Dataset()
        copy.update({tag: one.get_item(tag) for tag in one.keys()})  # noqa: SIM118 - keeps them raw
        copy.file_meta = one.file_meta
        for keyword in _TYPE_2:
            if keyword not in copy:
                setattr(copy, keyword, "")
        copies.append(copy)
    return copies


def numbered(shape: tuple[int, ...], lesions: Sequence[Lesion]) -> IntArray:
    """Give each voxel the number of its lesion, from 1; 0 where it is of none.

    Parameters
    ----------
    shape : tuple of int
        (z, y, x) of the CT.
    lesions : sequence of Lesion

    Returns
    -------
    (z, y, x) int64 array
        Without a unit.
    """
    whose: IntArray = np.zeros(shape, dtype=np.int64)
    for number, one in enumerate(lesions, start=1):
        whose[tuple(one.voxels.T)] = number
    return whose


def make_segmentation(
    slices: Sequence[Dataset], lesions: Sequence[Lesion], *, version: str, seed: str
) -> Dataset:
    """Make the object.

    Parameters
    ----------
    slices : sequence of Dataset
        As ``in_order`` gives them.
    lesions : sequence of Lesion
        At least one.
    version : str
        Of the algorithm.
    seed : str
        Names the inputs: the new UIDs follow from it.

    Returns
    -------
    Dataset
    """
    from highdicom import UID
    from highdicom.seg import Segmentation, SegmentationTypeValues

    first = slices[0]
    shape = (len(slices), int(first.Rows), int(first.Columns))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the free texts of old stations, not on our values
        made = Segmentation(
            source_images=list(slices),
            pixel_array=numbered(shape, lesions).astype(np.uint16),
            segmentation_type=SegmentationTypeValues.BINARY,
            segment_descriptions=_descriptions(lesions, version, seed),
            series_instance_uid=UID(new_uid(seed, "segmentation series")),
            series_number=9001,
            sop_instance_uid=UID(new_uid(seed, "segmentation")),
            instance_number=1,
            manufacturer="MPSS platform",
            manufacturer_model_name=ALGORITHM,
            software_versions=version,
            device_serial_number="NONE",
            content_description=RESEARCH_USE,
            content_label="MPSS_CALCIUM",
            series_description=RESEARCH_USE,
            omit_empty_frames=True,
            transfer_syntax_uid=ExplicitVRLittleEndian,
        )
    name_dimensions(made, new_uid(seed, "dimensions"))
    set_moment(made, first)
    sign(made, first, SCHEME_NAME)
    return made


def _descriptions(lesions: Sequence[Lesion], version: str, seed: str) -> list[SegmentDescription]:
    from highdicom import UID, AlgorithmIdentificationSequence
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription

    how = AlgorithmIdentificationSequence(name=ALGORITHM, version=version, family=code(*FAMILY))
    return [
        SegmentDescription(
            segment_number=number,
            segment_label=label_of(number, one),
            segmented_property_category=code(*ABNORMAL),
            segmented_property_type=code(*CALCIFICATION),
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=how,
            tracking_uid=UID(tracking_uid(seed, number)),
            tracking_id=label_of(number, one),
            anatomic_regions=[code(*PLACES[one.place])],
        )
        for number, one in enumerate(lesions, start=1)
    ]
