"""Names of the heart's regions as people and programs write them, and our name of each.

A structure set or a segmentation names its regions in words. Case, spaces and punctuation do not
count. A site adds its own words in ``[pull] contour_names``; those win over the shipped ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mpss_lib.errors import SettingsError

CONTOURS: tuple[str, ...] = (
    *("MYO", "ENDO", "EPI", "LAD3", "LCX3", "RCA3", "LAD17", "LCX17", "RCA17"),
    *(f"S{number:02d}" for number in range(1, 18)),
)
"""Every region that can be drawn: the 22 contours, the myocardium, the groups of segments."""

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "MYO": "MYOCARDIUM, LV MYOCARDIUM, MYOCARD, LV WALL, LEFT VENTRICULAR MYOCARDIUM,"
        " LV MYO, LEFT VENTRICLE MYOCARDIUM",
        "ENDO": "ENDOCARDIUM, ENDOCARD, LV ENDO, ENDOCARDIAL, LV ENDOCARDIUM, LV CAVITY, CAVITY,"
        " LV BLOOD POOL",
        "EPI": "EPICARDIUM, EPICARD, LV EPI, EPICARDIAL, LV EPICARDIUM",
        "LAD3": "LAD, LAD REGION, LAD TERRITORY, LEFT ANTERIOR DESCENDING",
        "LCX3": "LCX, CX, LCX REGION, LCX TERRITORY, CIRCUMFLEX, LEFT CIRCUMFLEX",
        "RCA3": "RCA, RCA REGION, RCA TERRITORY, RIGHT CORONARY ARTERY",
        "LAD17": "LAD 17 SEGMENTS",
        "LCX17": "LCX 17 SEGMENTS",
        "RCA17": "RCA 17 SEGMENTS",
    }
)
_AHA = (
    "BASAL ANTERIOR", "BASAL ANTEROSEPTAL", "BASAL INFEROSEPTAL", "BASAL INFERIOR",
    "BASAL INFEROLATERAL", "BASAL ANTEROLATERAL", "MID ANTERIOR", "MID ANTEROSEPTAL",
    "MID INFEROSEPTAL", "MID INFERIOR", "MID INFEROLATERAL", "MID ANTEROLATERAL",
    "APICAL ANTERIOR", "APICAL SEPTAL", "APICAL INFERIOR", "APICAL LATERAL", "APEX",
)  # fmt: skip
"""Segments 1 to 17 in words (Cerqueira et al. 2002)."""


def plain(text: str) -> str:
    """Reduce a name to what counts: letters and digits in capitals."""
    return re.sub(r"[^0-9A-Z]", "", text.upper())


def _shipped() -> dict[str, str]:
    table = {plain(name): name for name in CONTOURS}
    for name, words in _WORDS.items():
        table |= {plain(word): name for word in words.split(",")}
    for number, words in enumerate(_AHA, start=1):
        name = f"S{number:02d}"
        numbered = (f"{prefix}{number}" for prefix in ("S", "SEG", "SEGMENT", "AHA", "LV17"))
        table |= {plain(word): name for word in (words, f"{number} {words}", *numbered)}
        table |= {f"{prefix}{number:02d}": name for prefix in ("SEG", "SEGMENT", "AHA")}
    return table


_SHIPPED = _shipped()


def region_of(text: str, aliases: Mapping[str, Sequence[str]] | None = None) -> str:
    """Our name of a region, "" where nobody knows it.

    Parameters
    ----------
    text : str
        ROIName or SegmentLabel.
    aliases : mapping of our name to the site's names, optional
        Wins over the shipped names.
    """
    name = plain(text)
    for ours, theirs in (aliases or {}).items():
        if name in {plain(one) for one in theirs}:
            return ours
    return _SHIPPED.get(name, "")


def check_aliases(aliases: Mapping[str, Sequence[str]]) -> None:
    """Refuse names of a site for a region that we do not have: nobody would notice.

    Raises
    ------
    SettingsError
    """
    unknown = sorted(set(aliases) - set(CONTOURS))
    if unknown:
        raise SettingsError(
            f"pull.contour_names: {unknown[0]!r} is no region",
            way_out=f"use {', '.join(CONTOURS)}; the site's names stand behind it",
        )
