"""The gate for one object, and the choice of one among those that pass.

Every refusal is listed, not only the first. An object that is no reconstructed tomogram of the
NM storage class is no volume at all: the further questions do not arise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from mpss_lib.dicom import NM_STORAGE, Header, read_dataset, read_header, read_volume
from mpss_lib.dicom.faults import object_fault
from mpss_lib.dicom.values import NOT_FINITE
from mpss_lib.errors import DicomFileError, GeometryError, UnreadableValueError
from mpss_lib.intake.header import UNKNOWN, Answer, answer, orientation, site_rules
from mpss_lib.sections import IntakeSettings
from mpss_lib.volume import Triple, Volume

NOT_BEST = "not_best"

REASONS = {
    "unreadable": "the file cannot be parsed",
    "sop_class": "not Nuclear Medicine Image Storage, whatever Modality says",
    "not_reconstructed": "ImageType says no reconstructed tomogram (planar, projections ...)",
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

_REFUSALS = {
    "stress": {"rest": "rest", UNKNOWN: "stress_unknown"},
    "attenuation": {"NAC": "not_attenuation_corrected", UNKNOWN: "attenuation_unknown"},
    "reconstruction": {"FBP": "not_iterative", UNKNOWN: "reconstruction_unknown"},
}


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
    """

    header: Header
    answers: dict[str, Answer]
    reasons: tuple[str, ...]
    spacing_mm: Triple | None = None
    shape: tuple[int, int, int] = (0, 0, 0)
    digest: str = ""


@dataclass(frozen=True)
class Choice:
    """Which candidate was chosen, why, and why not the others."""

    index: int | None
    rule: str
    others: dict[int, tuple[str, ...]] = field(default_factory=dict)


def inspect(path: Path, settings: IntakeSettings) -> Candidate:
    """Put one object through the gate.

    Parameters
    ----------
    path : Path
        DICOM file.
    settings : IntakeSettings

    Returns
    -------
    Candidate
        Also for an unreadable file: then with the reason and the message as evidence.
    """
    try:
        dataset = read_dataset(path)
        with object_fault("the object cannot be judged"):
            return _inspect(dataset, settings)
    except DicomFileError as error:
        return Candidate(Header(), {"object": _fault(error)}, ("unreadable",))


def _inspect(dataset: Dataset, settings: IntakeSettings) -> Candidate:
    own = site_rules(settings)
    header = read_header(dataset, keywords=tuple(rule.keyword for rule in own))
    answers = {question: answer(question, header, own) for question in _REFUSALS}
    answers["orientation"] = orientation(header)
    if header.sop_class != NM_STORAGE:
        answers["object"] = Answer("refused", "sop_class", "SOPClassUID", header.sop_class)
        return Candidate(header, answers, ("sop_class",))
    if not header.image_kind.startswith("RECON"):
        kind = "\\".join(header.texts.get("ImageType", ()))
        answers["object"] = Answer("refused", "not_reconstructed", "ImageType", kind)
        return Candidate(header, answers, ("not_reconstructed",))
    try:
        if header.unreadable:
            raise UnreadableValueError(*next(iter(header.unreadable.items())))
        volume = read_volume(dataset)
    except (DicomFileError, GeometryError) as error:
        answers["object"] = _fault(error)
        return Candidate(header, answers, (_reason(error), *_refusals(header, answers, settings)))
    reasons = (
        *_refusals(header, answers, settings),
        *_check_voxels(volume, answers, settings),
        *_check_counts(volume, answers),
    )
    nz, ny, nx = volume.array.shape
    return Candidate(header, answers, reasons, volume.spacing_mm, (nz, ny, nx), _digest(volume))


def _refusals(
    header: Header, answers: dict[str, Answer], settings: IntakeSettings
) -> tuple[str, ...]:
    reasons = [
        refusal
        for question, refusals in _REFUSALS.items()
        if (refusal := refusals.get(answers[question].answer)) is not None
    ]
    seen = answers["orientation"].answer
    if seen in (UNKNOWN, "oblique"):
        reasons.append(f"orientation_{seen}")
    elif seen not in settings.orientations:
        reasons.append("orientation_not_wanted")
    is_gated = header.n_time_slots > 1
    answers["gated"] = Answer(
        "gated" if is_gated else "ungated", "time_slots", "TimeSlotVector", str(header.n_time_slots)
    )
    if is_gated and settings.gated == "refuse":
        reasons.append("gated")
    return tuple(reasons)


def _check_voxels(
    volume: Volume, answers: dict[str, Answer], settings: IntakeSettings
) -> tuple[str, ...]:
    spacing = volume.spacing_mm
    is_right = all(
        abs(size - settings.voxel_mm) <= settings.voxel_tolerance_mm + 1e-9 for size in spacing
    )
    answers["voxel"] = Answer(
        "wanted" if is_right else "other",
        f"voxel_{settings.voxel_mm:g}_mm",
        "SpacingBetweenSlices / PixelSpacing",
        " x ".join(f"{size:.4g}" for size in spacing),
    )
    return () if is_right else ("voxel_size",)


def _check_counts(volume: Volume, answers: dict[str, Answer]) -> tuple[str, ...]:
    reasons = []
    if not np.isfinite(volume.array).all():
        reasons.append("not_finite")
    elif float(volume.array.min()) < 0:
        reasons.append("negative")
    elif float(volume.array.max()) == 0:
        reasons.append("empty")
    origin = ", ".join(volume.notes) or "stored values"
    answers["counts"] = Answer(reasons[0] if reasons else "sound", "counts", "PixelData", origin)
    return tuple(reasons)


def _digest(volume: Volume) -> str:
    total = hashlib.sha256(np.ascontiguousarray(volume.array).tobytes())
    total.update(np.ascontiguousarray(np.round(volume.affine, 6) + 0.0).tobytes())
    return total.hexdigest()


def _reason(error: DicomFileError | GeometryError) -> str:
    if isinstance(error, UnreadableValueError):
        return "not_finite" if error.what.endswith(NOT_FINITE) else "unreadable_value"
    return "geometry" if isinstance(error, GeometryError) else "pixel_data"


def _fault(error: DicomFileError | GeometryError) -> Answer:
    return Answer("refused", type(error).__name__, "", str(error))  # with the way out


def choose(candidates: Sequence[Candidate], keys: Sequence[str]) -> Choice:
    """Choose one of the eligible candidates.

    Duplicates (same voxels, same place) count once: the lowest series number stays, so that a
    second delivery changes nothing. Then transaxial before short axis, ungated before gated, the
    highest series number (a reprocessing gets a higher one), the lowest object key.

    Parameters
    ----------
    candidates : sequence of Candidate
    keys : sequence of str
        Object keys, the last tie-break.

    Returns
    -------
    Choice
        ``rule`` says what decided; ``others`` has the reasons of eligible ones left behind.
    """
    eligible = [i for i, candidate in enumerate(candidates) if not candidate.reasons]
    if not eligible:
        return Choice(None, "none_eligible")
    first: dict[str, int] = {}
    for i in sorted(eligible, key=lambda i: (candidates[i].header.series_number, keys[i])):
        first.setdefault(candidates[i].digest, i)
    unique = sorted(first.values(), key=lambda i: _rank(candidates[i], keys[i]))
    best = unique[0]
    others: dict[int, tuple[str, ...]] = {
        i: (NOT_BEST,) if i in unique else ("duplicate", NOT_BEST) for i in eligible if i != best
    }
    if len(eligible) == 1:
        return Choice(best, "only_eligible", others)
    if len(unique) == 1:
        return Choice(best, "first_of_duplicates", others)
    rivals = zip(_rank(candidates[best], ""), _rank(candidates[unique[1]], ""), strict=True)
    names = ("transaxial_first", "ungated_first", "latest_series", "lowest_key")
    decided = next((i for i, (ours, theirs) in enumerate(rivals) if ours != theirs), 3)
    return Choice(best, names[decided], others)


def _rank(candidate: Candidate, key: str) -> tuple[bool, bool, int, str]:
    return (
        candidate.answers["orientation"].answer != "transaxial",
        candidate.header.n_time_slots > 1,
        -candidate.header.series_number,
        key,
    )
