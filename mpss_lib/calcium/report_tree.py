"""A content tree of calcium figures: public codes and numbers, and no text of anybody.

What ``read_report`` reads of it is what was put in. Codes of DICOM PS3.16 CID 6140 and 3015.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from mpss_lib.calcium.report_words import ARTERIES, TOTAL
from mpss_lib.dicom.values import decimal

Coded = tuple[str, str, str]

TITLE: Coded = ("122603", "DCM", "Calcium Scoring Analysis")
AGATSTON: Coded = ("112055", "DCM", "Agatston scoring method")
METHOD: Coded = ("370129005", "SCT", "Measurement Method")
SITE: Coded = ("363698007", "SCT", "Finding Site")
SITES: Mapping[str, Coded] = {
    "LM": ("3227004", "SCT", "Left main coronary artery"),
    "LAD": ("59438005", "SCT", "Anterior descending branch of left coronary artery"),
    "LCX": ("57396003", "SCT", "Circumflex branch of left coronary artery"),
    "RCA": ("13647002", "SCT", "Right coronary artery"),
    TOTAL: ("41801008", "SCT", "Coronary artery"),
}


@dataclass(frozen=True)
class Kind:
    """What a number is of: its concept and its unit."""

    concept: Coded
    unit: Coded


SCORE = Kind(("112058", "DCM", "Calcium score"), ("1", "UCUM", "no units"))
VOLUME = Kind(("122660", "DCM", "Calcium Volume"), ("mm3", "UCUM", "cubic millimeter"))
MASS = Kind(("122661", "DCM", "Calcium Mass"), ("mg", "UCUM", "milligram"))


def write_tree(
    dataset: Dataset,
    scores: Mapping[str, float],
    volumes_mm3: Mapping[str, float],
    masses_mg: Mapping[str, float],
    *,
    is_agatston: bool,
) -> None:
    """Make a dataset the root of a tree of these figures; the tree that it had goes.

    Parameters
    ----------
    dataset : Dataset
    scores, volumes_mm3, masses_mg : mapping of name to float
        By ``total``, ``LM``, ``LAD``, ``LCX``, ``RCA``.
    is_agatston : bool
        Whether the method is known to be that of Agatston.
    """
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = Items([_code(("18748-4", "LN", "Imaging Report"))])
    figures = [
        *_numbers(SCORE, scores, is_agatston=is_agatston),
        *_numbers(VOLUME, volumes_mm3, is_agatston=False),
        *_numbers(MASS, masses_mg, is_agatston=False),
    ]
    box = _item("CONTAINER", TITLE, "CONTAINS", ContinuityOfContent="SEPARATE")
    box.ContentSequence = Items(figures)
    dataset.ContentSequence = Items([box])


def _numbers(kind: Kind, values: Mapping[str, float], *, is_agatston: bool) -> Iterator[Dataset]:
    for name in (*ARTERIES, TOTAL):
        if name not in values:
            continue
        measured = Dataset()
        measured.NumericValue = decimal(values[name])
        measured.MeasurementUnitsCodeSequence = Items([_code(kind.unit)])
        made = _item("NUM", kind.concept, "CONTAINS", MeasuredValueSequence=Items([measured]))
        modifiers = [_modifier(SITE, SITES[name])]
        modifiers += [_modifier(METHOD, AGATSTON)] if is_agatston else []
        made.ContentSequence = Items(modifiers)
        yield made


def _modifier(concept: Coded, value: Coded) -> Dataset:
    return _item("CODE", concept, "HAS CONCEPT MOD", ConceptCodeSequence=Items([_code(value)]))


def _item(kind: str, concept: Coded, relation: str, **more: Any) -> Dataset:
    made = Dataset()
    made.RelationshipType, made.ValueType = relation, kind
    made.ConceptNameCodeSequence = Items([_code(concept)])
    for keyword, value in more.items():
        setattr(made, keyword, value)
    return made


def _code(concept: Coded) -> Dataset:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = concept
    return made
