"""Codes, units and UIDs: kept where a public registry has them.

The registries are those that pydicom carries: the codes of DICOM (PS3.16), of SNOMED CT and of
UCUM that DICOM uses, and the UIDs of PS3.6 Annex A. A SNOMED CT code that DICOM does not use has to
have its form and check digit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import cast

from pydicom._uid_dict import UID_dictionary
from pydicom.dataset import Dataset

from mpss_lib.pull.deidentification.names import Named, fold

_ANNOTATION = re.compile(r"\{[^{}]*\}")
_UNIT = re.compile(
    r"(?:[fpnumcdhkMGT]?(?:m|g|s|L|l|Bq|Ci|eV|Hz|mol|J|W|Gy|Sv|V|A|K|T|Pa)|mm\[Hg\]|min|h|d|wk|mo|a"
    r"|deg|rad|Cel|%|1)(?:-?[1-6])?"
)
_SNOMED = re.compile(r"[1-9][0-9]{2,14}[01]0[0-9]")
_OLD_SNOMED = ("SRT", "SNM3", "99SDM")


def kept_code(scheme: str, code: str, named: Named) -> str:
    """Code as it may stay, "" where it goes; annotations of units go (UCUM section 2.4).

    Parameters
    ----------
    scheme : str
        CodingSchemeDesignator; private ones and all that is not here go.
    code : str
    named : Named
        A code that is an identifier of the patient goes.
    """
    judge: dict[str, Callable[[str], str]] = {
        "DCM": lambda text: text if text in known_codes("DCM") else "",
        "SCT": _snomed,
        "UCUM": lambda text: _unit(text, named),
    } | dict.fromkeys(_OLD_SNOMED, lambda text: text if text in known_codes("SRT") else "")
    if scheme not in judge or (fold(code),) in named.identifiers:
        return ""
    return judge[scheme](code)


@cache
def known_codes(scheme: str) -> frozenset[str]:
    """Codes of a scheme that DICOM names; SRT are those of SNOMED RT."""
    from pydicom.sr._concepts_dict import concepts  # 28,000 lines: not before it is needed
    from pydicom.sr._snomed_dict import mapping

    if scheme in mapping:
        return frozenset(mapping[scheme]) | _named_in(concepts.get(scheme, {}))
    return _named_in(concepts[scheme])


def _named_in(scheme: object) -> frozenset[str]:
    named = cast("Mapping[str, Mapping[str, object]]", scheme)
    return frozenset(code for meanings in named.values() for code in meanings)


def _snomed(code: str) -> str:
    if code in known_codes("SCT"):
        return code
    return code if _SNOMED.fullmatch(code) and is_verhoeff(code) else ""


def _unit(code: str, named: Named) -> str:
    if code in known_codes("UCUM"):
        return code
    bare = _ANNOTATION.sub("", code)
    if any(named.hides_in(word) for word in re.findall("[A-Z]+", fold(bare))):
        return ""
    terms = [term for term in re.split(r"[./]", bare) if term]
    if not terms:
        return "1" if bare != code and not bare else ""
    return bare if all(_UNIT.fullmatch(term) for term in terms) else ""


_PRODUCT = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
"""Multiplication in the dihedral group D5."""
_STEP = "1576283094"


def is_verhoeff(digits: str) -> bool:
    """Whether the last digit of a SNOMED CT identifier checks the others (Verhoeff 1969)."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(place % 8):
            value = int(_STEP[value])
        check = int(_PRODUCT[check][value])
    return check == 0


def class_uid(uid: str, new_uid: Callable[[str], str]) -> str:
    """Keep a UID that DICOM registered, replace any other, also one below DICOM's root."""
    return uid if uid in UID_dictionary else new_uid(uid)


def code_item(code: str, scheme: str, meaning: str) -> Dataset:
    """Make an item of a code sequence."""
    item = Dataset()
    item.CodeValue = code
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item
