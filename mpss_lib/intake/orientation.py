"""Orientation of a volume: what geometry shows and what the view says must agree."""

from __future__ import annotations

import numpy as np

from mpss_lib.dicom import Header
from mpss_lib.dicom.rules import CONTRADICTION, UNKNOWN, Answer, answer
from mpss_lib.dicom.slices import directions_of, how_slices_lie
from mpss_lib.errors import GeometryError


def orientation(header: Header, view: Answer | None = None) -> Answer:
    """Orientation class; geometry is the arbiter where the object states one.

    ``transaxial``, ``short_axis``, ``oblique``, or ``unknown``: no orientation, or an orientation
    that contradicts the view (reoriented volumes often keep the identity matrix of their source).

    Parameters
    ----------
    header : Header
    view : Answer, optional
        Answer to the question ``view``; that of the header's own texts by default.
    """
    if header.orientation is None:
        return Answer(UNKNOWN, "no_orientation", "ImageOrientationPatient")
    stated = " ".join(f"{value:g}" for value in header.orientation)
    try:
        row, column = directions_of(header.orientation)
    except GeometryError:
        return Answer(UNKNOWN, "no_unit_vectors", "ImageOrientationPatient", stated)
    normal = np.cross(row, column)
    view = answer("view", header) if view is None else view
    seen = how_slices_lie(normal)
    expected = {"transaxial": "transaxial", "short_axis": "short_axis"}.get(view.answer)
    if view.rule == CONTRADICTION or (view.answer != UNKNOWN and not _fits(view.answer, seen)):
        return Answer(
            UNKNOWN,
            CONTRADICTION,
            " / ".join(("ImageOrientationPatient", *view.keyword.split(" / ")[:1])),
            f"{seen}: {stated} / {view.rule}: {view.value}",
        )
    if seen == "transaxial":
        return Answer("transaxial", "normal_along_z", "ImageOrientationPatient", stated)
    if expected == "short_axis":
        return Answer("short_axis", view.rule, view.keyword, view.value)
    return Answer("oblique", "normal_off_z", "ImageOrientationPatient", stated)


def _fits(view: str, seen: str) -> bool:
    """Whether a view and a geometry can be true together."""
    return {
        "transaxial": seen == "transaxial",
        "short_axis": seen == "near_long_axis",
        "oblique": seen != "transaxial",
    }[view]
