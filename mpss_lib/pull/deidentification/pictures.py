"""Objects of NM class that are pictures to look at: text may be burned in, no stage reads them."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from mpss_lib.dicom.said import NO_PATIENT
from mpss_lib.dicom.values import plain_texts
from mpss_lib.pull.deidentification.names import UNREADABLE, fold

BURNED_IN = "burned_in"
SECONDARY = "secondary"
SCREEN = "screen"
STATIC = "static"
COLOUR = "colour"
"""Reasons for which an object of NM class is left at the archive."""

_SCREEN = re.compile(
    r"(?<![A-Z0-9])(SAVED?[ _-]?SCREENS?|SCREEN[ _-]?(SAVE[DRS]?|SHOTS?|CAPTURES?|DUMPS?|GRABS?)"
    r"|SNAPSHOTS?|BILDSCHIRM[A-Z]*|CAPTURES? D.?ECRAN|ECRAN|SCHERMATA|PANTALLA|PANTALLAZO)(?![A-Z])"
)
_TEXTS = ("ImageType", "SeriesDescription", "ImageID", "ProtocolName")


def burned_in(received: Dataset) -> str:
    """Tell what an object says of text in its pixels: YES, NO, "" where it is not established."""
    said = {text.upper() for text in _texts(received, "BurnedInAnnotation")}
    if "YES" in said:
        return "YES"
    return "NO" if said == {"NO"} else ""


def is_phantom(received: Dataset) -> bool:
    """Whether an object says that it shows no patient."""
    told = [text for keyword in NO_PATIENT for text in _texts(received, keyword)]
    return any(text.upper() == "YES" for text in told)


def why_picture(received: Dataset) -> str:
    """Reason for which an NM object is a picture and no volume, "" where it may be a volume.

    Parameters
    ----------
    received : Dataset
        As received: descriptions are not cleaned yet.
    """
    kinds = [fold(text) for text in _texts(received, "ImageType")]
    if any(_SCREEN.search(fold(text)) for keyword in _TEXTS for text in _texts(received, keyword)):
        return SCREEN
    if "SECONDARY" in kinds:
        return SECONDARY
    colours = _texts(received, "PhotometricInterpretation")
    if any(text.upper().startswith(("RGB", "YBR", "HSV", "ARGB", "CMYK")) for text in colours):
        return COLOUR
    is_planar = any(kind in ("STATIC", "WHOLE BODY") for kind in kinds)
    return STATIC if is_planar and not any("TOMO" in kind for kind in kinds) else ""


def _texts(dataset: Dataset, keyword: str) -> list[str]:
    """Values as texts; one that cannot be read says nothing here, intake names it."""
    plain = plain_texts(dataset, keyword)
    if plain is not None:
        return [text.strip(" \0") for text in plain.values if text]
    try:
        value = dataset.get(keyword)
    except UNREADABLE:
        return []
    many = value if isinstance(value, MultiValue | list) else [value]
    return [str(one).strip(" \0") for one in many if one]
