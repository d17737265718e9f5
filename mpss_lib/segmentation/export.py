"""The seven analysed masks of a study as a DICOM Segmentation, for viewers and archives.

highdicom wants a multi-frame source to state the place of each frame by functional groups, which
an NM object does not have (its geometry is that of slice 1). A copy in memory gets them; the
object that is written refers to the real one, frame by frame. Everything in it is pseudonymous,
as the lake is, and it holds no time of day but the study's shifted date: equal inputs, equal
bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

from mpss_lib.config import ENGINES, Config
from mpss_lib.dicom import read_dataset, read_volume, to_bytes
from mpss_lib.dicom.exported import SCHEME, code, name_dimensions, new_uid, set_moment, sign
from mpss_lib.dicom.nm_volume import frame_order
from mpss_lib.dicom.segments import SEG_STORAGE
from mpss_lib.dicom.values import decimal
from mpss_lib.errors import GeometryError
from mpss_lib.masks import read_masks
from mpss_lib.sections import SEGMENTS
from mpss_lib.study_inputs import chosen_volume, lake_file, segmentation_row
from mpss_lib.tables import Lake, check_key, digest_of, sha256_of
from mpss_lib.volume import FloatArray, Mask, Volume, check_same_grid

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription

_NOT_COPIED = (Tag("PixelData"), Tag("NumberOfFrames"))
SOP_CLASS = SEG_STORAGE
RESEARCH_USE = "MPSS masks - FOR RESEARCH USE ONLY"
ANATOMICAL_STRUCTURE = ("91723000", "SCT", "Anatomical Structure")
LV_MYOCARDIUM = ("49848007", "SCT", "Left Ventricle Myocardium")
MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "MYO": "Left ventricular myocardium",
        "LAD3": "LAD territory of three, with gaps",
        "LCX3": "LCX territory of three, with gaps",
        "RCA3": "RCA territory of three, with gaps",
        "LAD17": "LAD territory of 17 segments",
        "LCX17": "LCX territory of 17 segments",
        "RCA17": "RCA territory of 17 segments",
    }
)
"""Only the myocardium has a SNOMED CT concept; a perfusion territory by convention has none."""


def export_masks(study_key: str, lake: Lake, config: Config) -> bytes:
    """Write the seven masks of a study as a DICOM SEG file.

    Parameters
    ----------
    study_key : str
    lake, config
        The study must have been segmented with these settings.

    Returns
    -------
    bytes
        A DICOM part 10 file, Explicit VR Little Endian.

    Raises
    ------
    StudyRejectedError
        ``no_volume_chosen`` or ``not_segmented``.
    GeometryError
        If the masks do not lie on the volume's grid, or the object states no frame of reference.
    """
    chosen = chosen_volume(lake, config, check_key(study_key))
    row = segmentation_row(lake, config, study_key)
    source = lake_file(lake, str(chosen["path"]), "pull")
    masks_at = lake_file(lake, str(row["mask_path"]), "segmentation")
    masks, _ = read_masks(masks_at)
    address = config.address("segmentation")
    return segmentation_bytes(
        source,
        {name: masks[name] for name in SEGMENTS},
        algorithm=f"MPSS {row['masks_from']}",
        version=f"{ENGINES['segmentation']}/{address.config}",
        by_hand=row["masks_from"] == "contours",
        seed=digest_of([sha256_of(source), sha256_of(masks_at)]),
        gated=config.intake.gated,
    )


def segmentation_bytes(
    source: Path,
    masks: Mapping[str, Mask],
    *,
    algorithm: str,
    version: str,
    by_hand: bool,
    seed: str,
    gated: str,
) -> bytes:
    """Make the file.

    Parameters
    ----------
    source : Path
        NM object that the masks were drawn on.
    masks : mapping of name to Mask
    algorithm, version : str
        What made the masks.
    by_hand : bool
        Whether a person drew them: SEMIAUTOMATIC then, AUTOMATIC otherwise.
    seed : str
        Names the inputs: the new UIDs follow from it.
    gated : str
        As in ``[intake] gated``.

    Returns
    -------
    bytes
        A DICOM file (PS3.3 A.51).
    """
    dataset = read_dataset(source)
    volume = read_volume(dataset, gated="refuse" if gated == "refuse" else "sum")
    for mask in masks.values():
        check_same_grid(volume, mask)
    placed = _with_places(dataset, volume)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the free texts of old stations, not on our values
        made = _segmentation(placed, masks, algorithm, version, seed, by_hand=by_hand)
    _refer(made, [int(number) + 1 for number in frame_order(dataset)[0]])
    name_dimensions(made, new_uid(seed, "dimensions"))
    sign(made, dataset, "MPSS perfusion territories")
    set_moment(made, dataset)
    return to_bytes(made)


def _segmentation(
    placed: Dataset,
    masks: Mapping[str, Mask],
    algorithm: str,
    version: str,
    seed: str,
    *,
    by_hand: bool,
) -> Segmentation:
    from highdicom import UID
    from highdicom.seg import Segmentation, SegmentationTypeValues

    pixels = np.stack([mask.array for mask in masks.values()], axis=-1).astype(np.uint8)
    return Segmentation(
        source_images=[placed],
        pixel_array=pixels,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=_descriptions(masks, algorithm, version, seed, by_hand=by_hand),
        series_instance_uid=UID(new_uid(seed, "series")),
        series_number=9000,
        sop_instance_uid=UID(new_uid(seed, "instance")),
        instance_number=1,
        manufacturer="MPSS platform",
        manufacturer_model_name="MPSS segmentation",
        software_versions=version,
        device_serial_number="NONE",
        content_description=RESEARCH_USE,
        content_label="MPSS_MASKS",
        series_description=RESEARCH_USE,
        omit_empty_frames=False,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )


def _descriptions(
    masks: Mapping[str, Mask], algorithm: str, version: str, seed: str, *, by_hand: bool
) -> list[SegmentDescription]:
    from highdicom import UID, AlgorithmIdentificationSequence
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription

    values = SegmentAlgorithmTypeValues
    how = AlgorithmIdentificationSequence(
        name=algorithm, version=version, family=code("123111", "DCM", "Deformable Models")
    )
    return [
        SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=code(*ANATOMICAL_STRUCTURE),
            segmented_property_type=code(*_type_of(name)),
            algorithm_type=values.SEMIAUTOMATIC if by_hand else values.AUTOMATIC,
            algorithm_identification=how,
            tracking_uid=UID(new_uid(seed, name)),
            tracking_id=name,
            anatomic_regions=[code(*LV_MYOCARDIUM)],
        )
        for number, name in enumerate(masks, start=1)
    ]


def _type_of(name: str) -> tuple[str, str, str]:
    return LV_MYOCARDIUM if name == "MYO" else (name, SCHEME, MEANINGS[name])


def _with_places(dataset: Dataset, volume: Volume) -> Dataset:
    """Copy the header with one frame for each slice, in the volume's order, placed one by one."""
    if not volume.frame_of_reference:
        raise GeometryError(
            "the chosen object states no FrameOfReferenceUID",
            way_out="masks of it cannot be exported: nobody could lay them over an image",
        )
    placed = Dataset()
    placed.update(
        {
            tag: dataset.get_item(tag)
            for tag in dataset.keys()  # noqa: SIM118 - iterating would decode every value
            if tag not in _NOT_COPIED  # an element that is copied is the same one, not another
        }
    )
    placed.file_meta = dataset.file_meta
    for keyword in ("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "PatientSex"):
        if keyword not in placed:
            setattr(placed, keyword, "")
    placed.NumberOfFrames = volume.array.shape[0]
    affine, spacing = volume.affine, volume.spacing_mm
    measures, turned = Dataset(), Dataset()
    measures.PixelSpacing = [decimal(spacing[1]), decimal(spacing[2])]
    measures.SliceThickness = decimal(spacing[0])
    measures.SpacingBetweenSlices = decimal(spacing[0])
    cosines = (*(affine[:3, 2] / spacing[2]), *(affine[:3, 1] / spacing[1]))
    turned.ImageOrientationPatient = [decimal(value) for value in cosines]
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([turned])
    placed.SharedFunctionalGroupsSequence = Sequence([shared])
    placed.PerFrameFunctionalGroupsSequence = Sequence(
        [_place(affine[:3, 3] + z * affine[:3, 0]) for z in range(volume.array.shape[0])]
    )
    return placed


def _place(position_mm: FloatArray) -> Dataset:
    at, group = Dataset(), Dataset()
    at.ImagePositionPatient = [decimal(value) for value in position_mm]
    group.PlanePositionSequence = Sequence([at])
    return group


def _refer(made: Dataset, numbers: list[int]) -> None:
    """Name the real frames in place of those of the copy."""
    for group in made.PerFrameFunctionalGroupsSequence:
        for derivation in group.DerivationImageSequence:
            for source in derivation.SourceImageSequence:
                source.ReferencedFrameNumber = numbers[int(source.ReferencedFrameNumber) - 1]
