"""The gate for one object: every rule that refuses it, and what a physician must look at.

Every refusal is listed, not only the first. An object that is no reconstructed tomogram of the
NM storage class is no volume at all: the further questions do not arise.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from mpss_lib.dicom import NM_STORAGE, Header, read_dataset, read_header, read_volume
from mpss_lib.dicom.faults import object_fault
from mpss_lib.dicom.image_type import why_no_volume
from mpss_lib.dicom.pixels import DECIMAL_COMMA, SCALE_STATED_TWICE
from mpss_lib.dicom.rules import UNKNOWN, Answer, shown_value
from mpss_lib.dicom.said import Said, read_said
from mpss_lib.dicom.values import NOT_FINITE
from mpss_lib.errors import DicomFileError, GeometryError, UnreadableValueError
from mpss_lib.intake.candidate import Candidate, look
from mpss_lib.intake.orientation import orientation
from mpss_lib.sections import IntakeSettings
from mpss_lib.volume import Triple, Volume

KNOWN = "known"
"""Answer of an evidence entry that the settings call a habit of the site: nobody has to look."""

_REFUSALS = {
    "stress": {"rest": "rest", UNKNOWN: "stress_unknown"},
    "attenuation": {"NAC": "not_attenuation_corrected", UNKNOWN: "attenuation_unknown"},
    "reconstruction": {"FBP": "not_iterative", UNKNOWN: "reconstruction_unknown"},
}


def inspect(path: Path, settings: IntakeSettings, said: Said | None = None) -> Candidate:
    """Put one object through the gate.

    Parameters
    ----------
    path : Path
        DICOM file.
    settings : IntakeSettings
    said : Said, optional
        What the object said of itself as received; read from the file by default.

    Returns
    -------
    Candidate
        Also for an unreadable file: then with the reason and the message as evidence.
    """
    try:
        dataset = read_dataset(path)
        with object_fault("an object cannot be read"):
            header = read_header(dataset)
            said = read_said(dataset, header=header) if said is None else said
    except DicomFileError as error:
        return Candidate(Header(), {"object": _fault(error)}, ("unreadable",))
    answers = {
        question: replace(one, value=shown_value(one, header))
        for question, one in said.answers.items()
    }
    answers["orientation"] = orientation(header, answers.pop("view"))
    if header.sop_class != NM_STORAGE:
        answers["object"] = Answer("refused", "sop_class", "SOPClassUID", header.sop_class)
        return Candidate(header, answers, ("sop_class",))
    kinds = header.texts.get("ImageType", ())
    why_not = said.why_no_volume or why_no_volume(kinds)
    if why_not:
        answers["object"] = Answer("refused", why_not, "ImageType", "\\".join(kinds))
        return Candidate(header, answers, (why_not,))
    answers |= {
        f"look_{one.rule}": Answer(KNOWN, one.rule, one.keyword)
        if one.rule in settings.known_differences
        else look(one.rule, one.keyword)
        for one in said.differences
    }
    return _weigh(dataset, header, said, answers, settings)


def _weigh(
    dataset: Dataset,
    header: Header,
    said: Said,
    answers: dict[str, Answer],
    settings: IntakeSettings,
) -> Candidate:
    """Put a reconstructed tomogram through the gate."""
    try:
        _check_readable(header, said)
        volume = read_volume(dataset)
    except (DicomFileError, GeometryError) as error:
        answers["object"] = _fault(error)
        return Candidate(header, answers, (_reason(error), *_refusals(header, answers, settings)))
    answers |= {f"look_{one.rule}": one for one in _looks(volume)}
    reasons = (
        *_refusals(header, answers, settings),
        *_check_voxels(volume, answers, settings),
        *_check_counts(volume, answers),
    )
    nz, ny, nx = volume.array.shape
    return Candidate(
        header,
        answers,
        (*reasons, *(("single_slice",) if nz == 1 else ())),
        volume.spacing_mm,
        (nz, ny, nx),
        _digest(volume),
        _extent(volume),
    )


def _check_readable(header: Header, said: Said) -> None:
    for keyword, what in header.unreadable.items():
        raise UnreadableValueError(keyword, what)
    for keyword in said.unreadable:
        raise UnreadableValueError(keyword, "as received")


def _looks(volume: Volume) -> list[Answer]:
    """Give notes of the reader that a physician must see."""
    return [
        look(f"{DECIMAL_COMMA}_in_{keyword}", keyword) if keyword else look(name)
        for name, _, keyword in (note.partition(":") for note in volume.notes)
        if name in (DECIMAL_COMMA, SCALE_STATED_TWICE)
    ]


def _extent(volume: Volume) -> Triple:
    """How much of the volume holds an image: (slices, shorter, longer) mm.

    A plane without two different values was cut out or blanked, whatever it was filled with.
    """
    sizes = []
    for axis, step in enumerate(volume.spacing_mm):
        others = tuple(other for other in range(3) if other != axis)
        filled = volume.array.max(axis=others) > volume.array.min(axis=others)
        sizes.append(float(filled.sum() * step))
    return (sizes[0], min(sizes[1:]), max(sizes[1:]))


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
