"""An object as the gate saw it, the reasons it can be refused for, and the choice among several."""

from __future__ import annotations

from dataclasses import dataclass, field

from mpss_lib.dicom import Header
from mpss_lib.dicom.rules import Answer
from mpss_lib.volume import Triple

NOT_BEST = "not_best"

REASONS = {
    "unreadable": "the file cannot be parsed",
    "sop_class": "not Nuclear Medicine Image Storage, whatever Modality says",
    "not_reconstructed": "ImageType says no reconstructed tomogram (planar, projections ...)",
    "not_primary": "ImageType says SECONDARY: made from the examination, not of it",
    "not_emission": "ImageType says transmission, a map or a picture",
    "single_slice": "one slice in the object: slices in objects of their own are not stacked",
    "pixel_data": "pixel data missing, of the wrong length or not decodable",
    "unreadable_value": "a value that decides is present and cannot be read",
    "geometry": "spacing or frame order missing or contradictory",
    "rest": "the patient was at rest",
    "stress_unknown": "nothing says whether at stress or at rest",
    "not_attenuation_corrected": "not attenuation corrected",
    "attenuation_unknown": "nothing says whether attenuation corrected",
    "not_iterative": "filtered back-projection",
    "reconstruction_unknown": "nothing says how it was reconstructed",
    "orientation_unknown": "no orientation, or one that contradicts the view",
    "orientation_oblique": "neither transaxial nor short axis",
    "orientation_not_wanted": "an orientation that the settings leave out",
    "gated": "gated, and the settings refuse gated tomograms",
    "voxel_size": "voxels are not of the size that the settings ask for",
    "not_finite": "counts, or a number of the header, that are NaN or infinite",
    "negative": "negative counts",
    "empty": "no counts at all",
    NOT_BEST: "another object of the study was chosen",
    "duplicate": "the same voxels at the same place as another object",
}
"""Every reason that a ``volume`` row can carry, in words."""

REVIEW = "review"
"""Answer of an evidence entry that sends the study to a physician: quality reads it."""


@dataclass(frozen=True)
class Candidate:
    """One stored object as the gate saw it.

    Parameters
    ----------
    header : Header
    answers : mapping of question to Answer
    reasons : tuple of str
        Every rule that refused it; empty where it is eligible.
    spacing_mm : (dz, dy, dx) float or None
    shape : (nz, ny, nx) int
        Of one time slot; zeros where it is no volume.
    digest : str
        Of voxels and affine; empty where there is no volume.
    extent_mm : (slices, shorter, longer) float
        Size of all planes that are not blank: a volume that was cut out, or blanked (outside a
        box, every other slice, with any value), is smaller than the whole one.
    """

    header: Header
    answers: dict[str, Answer]
    reasons: tuple[str, ...]
    spacing_mm: Triple | None = None
    shape: tuple[int, int, int] = (0, 0, 0)
    digest: str = ""
    extent_mm: Triple = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Choice:
    """Which candidate was chosen, why, and why not the others.

    ``looks`` are what a physician must look at because of the other objects of the study.
    """

    index: int | None
    rule: str
    others: dict[int, tuple[str, ...]] = field(default_factory=dict)
    looks: tuple[Answer, ...] = ()


def look(rule: str, keyword: str = "", value: str = "") -> Answer:
    """Evidence entry that sends the study to a physician."""
    return Answer(REVIEW, rule, keyword, value)
