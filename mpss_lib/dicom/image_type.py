"""ImageType of an NM object, every value of it, against the list of PS3.3 C.8.4.9.1.1."""

from __future__ import annotations

import re
from collections.abc import Sequence

PIXELS = ("ORIGINAL", "DERIVED")
EXAMINATION = ("PRIMARY", "SECONDARY")
KINDS = (
    *("STATIC", "DYNAMIC", "GATED", "WHOLE BODY", "TOMO", "GATED TOMO"),
    *("RECON TOMO", "RECON GATED TOMO"),
)
RADIATION = ("EMISSION", "TRANSMISSION")

_OTHER_THINGS = re.compile(
    r"\b(TRANSMISSION|ATTENUATION ?MAP|AC ?MAP|MU ?MAP|U ?MAP|CT ?MAP|MIP|SCREEN|CAPTURE"
    r"|(?<!NO )(?<!WITHOUT )SCATTER(?! ?(?:CORR|SUBTR|REMOV))"
    r"|SECONDARY|RESULTS?|DASHBOARD|POLAR ?MAP|BULLS? ?EYE|SUBTRACTION|DIFFERENCE|LOCALIZER"
    r"|SCOUT)\b"
)
"""Words in a vendor's further values that name something else than the patient's emission."""


_OTHER_THINGS_IN_TEXT = re.compile(
    r"\b(TRANSMISSION|ATTENUATION ?MAP|AC ?MAP|MU ?MAP|U ?MAP|CT ?MAP|POLAR ?MAP|BULLS? ?EYE|MIP"
    r"|(?<!SCATTER )SUBTRACT[A-Z]*(?! SCATTER)|DIFFERENCE|DIFFERENZ|DIFF|SCREEN ?SAVE|SAVE ?SCREEN"
    r"|CAPTURE|DASHBOARD|LOCALI[SZ]ER|SCOUT|MASK|SINOGRAM|REVERSIBILIT[A-Z]*|SOUSTRACTION"
    r"|SUBSTRAKTION|SUBTRAKTION|SOTTRAZIONE|SUSTRACCI.N|CARTE D.{0,2}ATT.NUATION"
    r"|SCHW.{1,2}CHUNGS ?KARTE|MAPA DE ATENUACI.N|MAPPA D.{1,4}ATTENUAZIONE"
    r"|MINUS (?:REST|STRESS|RUHE|BELASTUNG|REPOS|EFFORT|REPOSO|ESFUERZO|RIPOSO|SFORZO))S?\b"
)
"""The same in a free text, without words that also tell how a volume was made."""


def names_another_thing(text: str) -> bool:
    """Whether a free text names a map, a difference or a picture in place of a volume."""
    return _OTHER_THINGS_IN_TEXT.search(_plain(text)) is not None


def why_no_volume(values: Sequence[str]) -> str:
    """Reason for which an object is no reconstructed emission tomogram, "" where it is one.

    Parameters
    ----------
    values : sequence of str
        ImageType as it stands; case, underscores and blanks around do not matter.

    Returns
    -------
    str
        ``not_reconstructed`` (value 3), ``not_primary`` (value 2), ``not_emission`` (value 4 or a
        vendor's value that names a map or a picture), or "".
    """
    plain = [_plain(value) for value in values]
    if _at(plain, 2) not in KINDS[-2:]:
        return "not_reconstructed"
    if _at(plain, 1) == "SECONDARY":
        return "not_primary"
    if _at(plain, 3) == "TRANSMISSION" or any(_OTHER_THINGS.search(one) for one in plain[3:]):
        return "not_emission"
    return ""


def is_outside_the_list(values: Sequence[str]) -> bool:
    """Whether one of the first four values is none that the standard lists (or is absent)."""
    listed = (PIXELS, EXAMINATION, KINDS, RADIATION)
    plain = [_plain(value) for value in values]
    return any(_at(plain, n) not in known for n, known in enumerate(listed))


def is_gated(values: Sequence[str]) -> bool:
    """Whether value 3 says that the volume is gated."""
    return _at([_plain(value) for value in values], 2) == "RECON GATED TOMO"


def _plain(value: str) -> str:
    return " ".join(re.split(r"[\s_\-]+", value.strip().upper()))


def _at(values: Sequence[str], number: int) -> str:
    return values[number] if len(values) > number else ""
