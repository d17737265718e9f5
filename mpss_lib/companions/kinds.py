"""What a CT series is, by one of its slices as it was received: a calcium scan, or another CT.

Words are read before descriptions are cleaned: nothing of them leaves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydicom.dataset import Dataset

from mpss_lib.calcium.report_words import capitals, speaks_of_calcium
from mpss_lib.dicom.values import texts_of
from mpss_lib.errors import UnreadableValueError
from mpss_lib.pull.archive.answers import is_uid

CALCIUM_CT, ATTENUATION_CT, REPORT = "calcium_ct", "attenuation_ct", "report"
LOCALIZER, CONTRAST, NOT_CALCIUM = "localizer", "contrast", "not_calcium"
"""Reasons for which a CT series is left."""

_SHORT = re.compile(r"(?<![A-Z])CA[ :=-]?SC(?:ORES?|ORING)?(?![A-Z])")
_SAID = ("SeriesDescription", "ProtocolName", "StudyDescription")


def kind_of(received: Dataset, words: Sequence[str], *, is_own: bool) -> tuple[str, str]:
    """Tell what a CT series is, or why it is left.

    Parameters
    ----------
    received : Dataset
        A slice as received.
    words : sequence of str
        Of the site, that name a calcium scan.
    is_own : bool
        Whether it is of the study itself: what is no calcium scan there corrected the SPECT.

    Returns
    -------
    (kind, reason) : (str, str)
        One of them is empty.
    """
    if {"LOCALIZER", "SECONDARY"} & {text.upper() for text in _texts(received, "ImageType")}:
        return "", LOCALIZER
    if any(text.upper() != "NONE" for text in _texts(received, "ContrastBolusAgent")):
        return "", CONTRAST
    if any(_names_calcium(text, words) for name in _SAID for text in _texts(received, name)):
        return CALCIUM_CT, ""
    return (ATTENUATION_CT, "") if is_own else ("", NOT_CALCIUM)


def _names_calcium(text: str, words: Sequence[str]) -> bool:
    plain = capitals(text)
    is_of_site = any(f" {capitals(word)} " in f" {plain} " for word in words if word.strip())
    return is_of_site or speaks_of_calcium(text) or bool(_SHORT.search(plain))


def _texts(dataset: Dataset, keyword: str) -> list[str]:
    """Values as texts; what cannot be read says nothing here."""
    try:
        return [text for text in texts_of(dataset, keyword) if text and not is_uid(text)]
    except UnreadableValueError:
        return []
