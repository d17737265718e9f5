"""Masks that somebody gave: structure sets and segmentations of a study instead of our own.

An object is used whole or not at all. What speaks against it is named by a reason; the row of
``contour_object`` keeps it, and so does the study's own row where its contours were asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from mpss_lib.dicom import read_dataset
from mpss_lib.dicom.faults import object_fault
from mpss_lib.dicom.region_names import region_of
from mpss_lib.dicom.segments import SEG_STORAGE, Segment, place, read_segments
from mpss_lib.dicom.structures import RTSTRUCT_STORAGE, read_structures
from mpss_lib.dicom.values import text_of
from mpss_lib.errors import (
    DicomFileError,
    FrameOfReferenceError,
    GeometryError,
    StudyFaultError,
)
from mpss_lib.segmentation.contour_surfaces import cavity_of
from mpss_lib.segmentation.rasterise import fill, stack_contours
from mpss_lib.volume import BoolArray, FloatArray, Mask, Volume

KINDS: Mapping[str, str] = {RTSTRUCT_STORAGE: "RTSTRUCT", SEG_STORAGE: "SEG"}
POLAR = tuple(f"S{number:02d}" for number in range(1, 18))
LEAST_INSIDE = 0.5
"""Share of a region that must lie within the epicardium."""
DRAWN_TOLERANCE = 0.2
"""Relative difference between the volume that was drawn and that of the voxels (wall, cavity)."""

REASONS = {
    "unreadable": "the object cannot be parsed or holds no closed contours",
    "other_frame_of_reference": "drawn in another frame of reference than the chosen volume's",
    "geometry": "contours or frames do not fit the volume's grid",
    "outside_volume": "part of what was drawn lies outside the volume",
    "rejected_by_author": "its ApprovalStatus is REJECTED",
    "no_known_region": "no region has a name that is known: see pull.contour_names",
    "region_twice": "two regions have names of the same region",
    "incomplete": "neither MYO nor both ENDO and EPI",
    "regions_outside_wall": "regions that do not belong together: less than half inside EPI",
    "not_the_newest": "another object of the study was used",
    "automatic_masks_asked_for": "segmentation.masks_from is automatic",
}
"""Every reason that a ``contour_object`` row can carry, in words."""


@dataclass(frozen=True)
class ContourFile:
    """An object of a study that may give masks; ``origin`` is ``archive`` or ``import``."""

    object_key: str
    path: Path
    origin: str


@dataclass(frozen=True)
class Offer:
    """What an object offers.

    Parameters
    ----------
    file : ContourFile
    kind : str
        ``RTSTRUCT`` or ``SEG``; "" where it cannot be read.
    masks : mapping of our name to Mask
        Of every region with a known name; at least MYO, ENDO and EPI where it is usable.
    regions : tuple of str
        The names that it gives itself.
    n_unknown : int
        Regions whose name nobody knows.
    reasons : tuple of str
        Why it cannot be used; empty where it can.
    problem : str
        The same in a sentence.
    rank : tuple
        The highest of the usable ones is used.
    """

    file: ContourFile
    kind: str = ""
    masks: Mapping[str, Mask] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    n_unknown: int = 0
    reasons: tuple[str, ...] = ()
    problem: str = ""
    rank: tuple[bool, bool, str, int, str] = (False, False, "", 0, "")


class _UnusableError(StudyFaultError):
    """An object cannot be used; carries the reason and the sentence."""

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(problem, way_out="correct the contours at the station that drew them")
        self.reason = reason


@dataclass
class _Seen:
    """What was understood of an object before it proved unusable, or not."""

    kind: str = ""
    masks: dict[str, Mask] = field(default_factory=dict)
    given: tuple[str, ...] = ()
    n_unknown: int = 0
    approval: str = ""
    made_at: str = ""


def examine(
    file: ContourFile,
    volume: Volume,
    chosen_uid: str,
    aliases: Mapping[str, Sequence[str]] | None = None,
) -> Offer:
    """Read an object and say what masks it gives on the volume's grid.

    Parameters
    ----------
    file : ContourFile
    volume : Volume
        The chosen one.
    chosen_uid : str
        SOP Instance UID of the object that holds it.
    aliases : mapping of our name to the site's names, optional

    Returns
    -------
    Offer
        Its masks, or the reason why it is not used.
    """
    seen = _Seen()
    reason, problem = "", ""
    try:
        dataset = read_dataset(file.path)
        with object_fault("the contours cannot be laid on the volume"):
            _read(dataset, volume, chosen_uid, aliases or {}, seen)
            seen.given = tuple(sorted(seen.masks))
            _complete(seen.masks)
    except _UnusableError as error:
        reason, problem = error.reason, error.problem
    except FrameOfReferenceError as error:
        reason, problem = "other_frame_of_reference", error.problem
    except GeometryError as error:
        reason, problem = "geometry", error.problem
    except DicomFileError as error:
        reason, problem = "unreadable", error.problem
    is_import, is_approved = file.origin == "import", seen.approval == "APPROVED"
    return Offer(
        file=file,
        kind=seen.kind,
        masks=seen.masks,
        regions=seen.given or tuple(sorted(seen.masks)),
        n_unknown=seen.n_unknown,
        reasons=(reason,) if reason else (),
        problem=problem,
        rank=(is_import, is_approved, seen.made_at, len(seen.given), file.object_key),
    )


def choose(offers: Sequence[Offer]) -> Offer | None:
    """Choose one of the usable offers, None where there is none.

    An imported file before one of the archive, approved ones first, then the newest, then the one
    with most regions, then the highest key.
    """
    usable = [offer for offer in offers if not offer.reasons]
    return max(usable, key=lambda offer: offer.rank, default=None)


# --------------------------------------------------------------------------- reading


def _read(
    dataset: Dataset,
    volume: Volume,
    chosen_uid: str,
    aliases: Mapping[str, Sequence[str]],
    seen: _Seen,
) -> None:
    drawn = _drawn(dataset, seen)
    for one in drawn:
        name = region_of(one.text, aliases)
        seen.n_unknown += not name
        if not name or one.is_empty:
            continue
        if name in seen.masks:
            raise _UnusableError("region_twice", f"two regions have names of {name}")
        check_frame(one.frame_of_reference, one.images, volume, chosen_uid)
        seen.masks[name] = one.draw(volume, name)
    if not seen.masks:
        raise _UnusableError(
            "no_known_region",
            f"none of {len(drawn)} regions has a known name and contours"
            f" ({seen.n_unknown} unknown names)",
        )


@dataclass(frozen=True)
class _Drawn:
    """A region of an object of either kind; ``draw`` makes its mask on the volume's grid."""

    text: str
    is_empty: bool
    frame_of_reference: str
    images: frozenset[str]
    draw: Callable[[Volume, str], Mask]


def _drawn(dataset: Dataset, seen: _Seen) -> list[_Drawn]:
    """List the regions of an object, of whichever kind it is."""
    seen.kind = KINDS.get(text_of(dataset, "SOPClassUID"), "")
    if seen.kind == "SEG":
        seen.made_at = text_of(dataset, "ContentDate") + text_of(dataset, "ContentTime")
        found = read_segments(dataset)
        return [
            _Drawn(
                one.label, not one.frames, found.frame_of_reference, found.images,
                partial(_from_frames, one),
            )
            for one in found.segments
        ]  # fmt: skip
    seen.made_at = text_of(dataset, "StructureSetDate") + text_of(dataset, "StructureSetTime")
    structures = read_structures(dataset)
    seen.approval = structures.approval
    if structures.approval == "REJECTED":
        raise _UnusableError("rejected_by_author", "its ApprovalStatus is REJECTED")
    return [
        _Drawn(
            one.name, not one.contours, one.frame_of_reference, structures.images,
            partial(_from_contours, one.contours),
        )
        for one in structures.regions
    ]  # fmt: skip


def _from_frames(segment: Segment, volume: Volume, _: str) -> Mask:
    return place(segment, volume)


def _from_contours(contours: Sequence[FloatArray], volume: Volume, name: str) -> Mask:
    stack = stack_contours(contours, volume)
    mask = fill(stack, volume)
    if name in ("MYO", "ENDO", "EPI"):
        _check_drawn(name, stack.volume_ml, mask)
    return mask


def check_frame(frame: str, images: frozenset[str], volume: Volume, chosen_uid: str) -> None:
    """Refuse what was drawn in another frame of reference.

    Where the contours or the volume state none, the contours must name the chosen object.

    Parameters
    ----------
    frame : str
        FrameOfReferenceUID of the contours, empty where they state none (PS3.3 C.7.4.1).
    images : frozenset of str
        SOP Instance UIDs that the contours name.
    volume : Volume
    chosen_uid : str
        SOP Instance UID of the object that holds the volume.

    Raises
    ------
    FrameOfReferenceError
        The UIDs are on the lake's objects; the message does not quote them.
    """
    way_out = "draw the contours on the series that intake chose, or register them to it first"
    if frame and volume.frame_of_reference:
        if frame != volume.frame_of_reference:
            raise FrameOfReferenceError(
                "FrameOfReferenceUID of the contours is not that of the chosen volume",
                way_out=way_out,
            )
    elif chosen_uid not in images:
        raise FrameOfReferenceError(
            f"{'the volume' if frame else 'the contours'} state no FrameOfReferenceUID, and the"
            " contours do not name the chosen object",
            way_out=way_out,
        )


def _check_drawn(name: str, drawn_ml: float, mask: Mask) -> None:
    """Compare the drawn volume with that of the voxels: a cut or a gap shows there."""
    found_ml = mask.volume_ml
    if not math.isclose(found_ml, drawn_ml, rel_tol=DRAWN_TOLERANCE, abs_tol=2.0):
        raise _UnusableError(
            "outside_volume",
            f"{name} was drawn with {drawn_ml:.1f} mL, {found_ml:.1f} mL lie on the volume's grid",
        )


# ------------------------------------------------------------------------ completeness


def _complete(masks: dict[str, Mask]) -> None:
    """Add what follows from what was given: MYO, ENDO and EPI from two (or MYO alone) of them."""
    arrays = {name: masks[name].array for name in ("MYO", "ENDO", "EPI") if name in masks}
    if any(not array.any() for array in arrays.values()):
        raise _UnusableError("outside_volume", "the wall or the cavity holds no voxel")
    if "MYO" not in arrays and len(arrays) < 2:
        raise _UnusableError("incomplete", f"given: {', '.join(sorted(masks))}")
    if "ENDO" not in arrays:
        myo = arrays["MYO"]
        arrays["ENDO"] = arrays["EPI"] & ~myo if "EPI" in arrays else cavity_of(myo)
    if "EPI" not in arrays:
        arrays["EPI"] = arrays["ENDO"] | arrays["MYO"]
    if "MYO" not in arrays:
        arrays["MYO"] = arrays["EPI"] & ~arrays["ENDO"]
    affine = next(iter(masks.values())).affine
    masks |= {name: Mask(array, affine) for name, array in arrays.items() if name not in masks}
    _check_together(masks)


def _check_together(masks: Mapping[str, Mask]) -> None:
    epi = masks["EPI"].array
    for name, mask in masks.items():
        size = int(mask.array.sum())
        if size and _share(mask.array, epi) < LEAST_INSIDE:
            raise _UnusableError(
                "regions_outside_wall", f"{name}: {_share(mask.array, epi):.0%} inside EPI"
            )
    if _share(masks["ENDO"].array, masks["MYO"].array) > LEAST_INSIDE:
        raise _UnusableError("regions_outside_wall", "ENDO and MYO cover each other")
    if not (masks["MYO"].array.any() and masks["ENDO"].array.any()):
        raise _UnusableError("regions_outside_wall", "EPI minus ENDO leaves no wall or no cavity")


def _share(part: BoolArray, whole: BoolArray) -> float:
    return float(np.count_nonzero(part & whole)) / max(float(np.count_nonzero(part)), 1.0)
