"""Figures of calcium in a content tree: numeric items first, texts where there are none.

An item's figure (score, volume, mass) and artery come from its own concept, its modifiers, the
texts beside it and what it lies in, the nearest first. Items of single lesions, of earlier
examinations and of valves and aorta are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mpss_lib.calcium.content_tree import Node, code_of
from mpss_lib.calcium.report_words import (
    LESION,
    MASS,
    METHODS,
    NOT_CORONARY,
    OTHER_FIGURE,
    PRIOR,
    SCORE,
    TOTAL,
    VOLUME,
    Code,
    capitals,
    figure_of,
    is_calcium,
    is_title,
    places_in,
    site_in,
    site_of,
    speaks_of_calcium,
)
from mpss_lib.contract import HIGHEST_SCORE
from mpss_lib.dicom.values import items, read_numbers, texts_of
from mpss_lib.errors import CalciumReportError, UnreadableValueError

SHORT_TEXT = 40
"""Characters of a text that names the artery of the item beside it."""
NEAR = 48
"""Characters between a name and its number in a text."""
TRACKING = ("DCM", "112039")
"""Tracking Identifier: what the items beside it are measured of."""
_OTHER_NUMBER = re.compile(
    r"PER[CZ]ENTIL|VOLUM|MASS|THRESHOLD|SCHWELLE|ALTER|(?<![A-Z])AGE(?![A-Z])"
)
_NUMBER = re.compile(r"(?<![\w.,-])[+-]?\d[\d.,]*")
_UNITS: dict[str, tuple[str, float]] = {
    "MM3": (VOLUME, 1.0), "ML": (VOLUME, 1e3), "CM3": (VOLUME, 1e3), "CC": (VOLUME, 1e3),
    "UL": (VOLUME, 1.0), "MG": (MASS, 1.0), "G": (MASS, 1e3), "%": (OTHER_FIGURE, 1.0),
    "HU": (OTHER_FIGURE, 1.0), "MG/ML": (OTHER_FIGURE, 1.0), "MM": (OTHER_FIGURE, 1.0),
    "MM2": (OTHER_FIGURE, 1.0), "A": (OTHER_FIGURE, 1.0),
}  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """One figure of the report.

    Parameters
    ----------
    kind : str
        ``score``, ``volume`` (mm3) or ``mass`` (mg).
    site : str
        Artery or ``total``.
    value : float
    is_segment : bool
        Of one segment of the artery only.
    is_agatston : bool
        Whether it is named so.
    """

    kind: str
    site: str
    value: float
    is_segment: bool
    is_agatston: bool


@dataclass(frozen=True)
class _Context:
    """What the items above say of those below."""

    is_calcium: bool = False
    is_agatston: bool = False
    kind: str = ""
    site: str = ""
    is_segment: bool = False


def refuse(problem: str, reason: str) -> CalciumReportError:
    """Name a report whose figures cannot be believed."""
    return CalciumReportError(
        problem,
        way_out="look at the report; have it corrected and sent again, or enter the score"
        " in the registry",
        reason=reason,
    )


def figures_of(root: Node) -> list[Figure]:
    """All figures of calcium of a report; none where it does not speak of calcium.

    Raises
    ------
    CalciumReportError
        ``score_missing``, ``not_a_score``, ``no_concept``.
    """
    found: list[Figure] = []
    _visit(root, _Context(), found)
    if not any(one.kind == SCORE for one in found):
        for node in root.walk():
            if node.value_type == "TEXT":
                found += _in_text(node)
    if not found and any(is_title(node.concept) for node in root.walk()):
        raise refuse("a calcium scoring analysis holds no score", "score_missing")
    return found


def _is_of_a_lesion(node: Node) -> bool:
    """Whether an item is one lesion, by its concept or by how its group is tracked (TID 1501)."""
    if node.value_type == "TEXT":
        return False
    names = [node.concept.meaning] + [
        _text(child)
        for child in node.children
        if (child.concept.scheme, child.concept.value) == TRACKING
    ]
    return any(LESION.search(capitals(name)) for name in names)


def _visit(node: Node, above: _Context, found: list[Figure]) -> None:
    if _is_of_a_lesion(node):
        return
    here = _enter(node, above)
    if here.site in (PRIOR, NOT_CORONARY):
        return
    if node.value_type == "NUM":
        figure = _numeric(node, here)
        if figure is not None:
            found.append(figure)
        return
    named = [_named_by(child) for child in node.children]
    beside = {site for site, _ in named if site}
    if len(beside) == 1 and node.value_type != "CODE":
        site, segment = next(one for one in named if one[0])
        here = replace(here, site=site, is_segment=segment)
    if here.site in (PRIOR, NOT_CORONARY):
        return
    current = here
    for child, (site, segment) in zip(node.children, named, strict=True):
        if site:
            current = replace(here, site=site, is_segment=segment)
        elif child.value_type != "TEXT" or child.children:
            _visit(child, current, found)
        else:
            _add_lone_number(child, current, found)


def _enter(node: Node, above: _Context) -> _Context:
    """Context of an item: its own concept and modifiers, else that above."""
    codes = [node.concept, *_modifiers(node)]
    site, segment = next((one for one in map(site_of, codes) if one[0]), ("", False))
    if not site:
        site, segment = above.site, above.is_segment
    elif site == TOTAL and above.site in (PRIOR, NOT_CORONARY):
        site = above.site
    kinds = [figure_of(node.concept)]
    kinds += [figure_of(code) for code in codes[1:] if (code.scheme, code.value) in METHODS]
    kind = next((one for one in reversed(kinds) if one), above.kind)
    return _Context(
        is_calcium=above.is_calcium or any(map(is_calcium, codes)),
        is_agatston=above.is_agatston or any(_is_agatston(code) for code in codes),
        kind=kind if kinds[0] != OTHER_FIGURE else OTHER_FIGURE,
        site=site,
        is_segment=segment,
    )


def _is_agatston(code: Code) -> bool:
    return (code.scheme, code.value) == ("DCM", "112055") or "AGATSTON" in capitals(code.meaning)


def _modifiers(node: Node) -> list[Code]:
    """Codes of the children that say what a numeric item is of."""
    if node.value_type != "NUM":
        return []
    codes = [
        code_of(c.dataset, "ConceptCodeSequence") for c in node.children if c.value_type == "CODE"
    ]
    texts = [
        Code(meaning=text)
        for child in node.children
        if child.value_type == "TEXT" and len(text := _text(child)) <= SHORT_TEXT
    ]
    return codes + texts


def _named_by(node: Node) -> tuple[str, bool]:
    """Artery that a code or a short text names for the items beside it."""
    if node.value_type == "CODE":
        return site_of(code_of(node.dataset, "ConceptCodeSequence"))
    text = _text(node) if node.value_type == "TEXT" else ""
    if text and len(text) <= SHORT_TEXT and not re.search(r"\d", text):
        return site_in(text), False
    return "", False


def _text(node: Node) -> str:
    return " ".join(texts_of(node.dataset, "TextValue"))


def _numeric(node: Node, here: _Context) -> Figure | None:
    """Figure of a numeric item; None where it is none of calcium."""
    if not here.is_calcium:
        return None
    if not node.concept.is_named:
        raise refuse("a numeric item of a calcium analysis has no concept", "no_concept")
    measured = items(node.dataset, "MeasuredValueSequence")
    unit = code_of(measured[0], "MeasurementUnitsCodeSequence") if measured else Code()
    kind, factor = _UNITS.get(capitals(unit.value), (here.kind, 1.0))
    if here.kind == OTHER_FIGURE or kind == OTHER_FIGURE:
        return None
    if not kind:  # an artery alone, without a unit of volume or mass
        kind = SCORE if site_of(node.concept)[0] else ""
    if not kind:
        return None
    try:
        numbers = (
            read_numbers(measured[0], "NumericValue", count=0, may_be_empty=True).values
            if measured
            else ()
        )
    except UnreadableValueError as error:
        raise refuse("a calcium figure is no number", "not_a_score") from error
    if not numbers:
        raise refuse("a calcium figure has no value", "score_missing")
    return _figure(kind, here, factor * numbers[0])


def _figure(kind: str, here: _Context, value: float) -> Figure:
    if not 0.0 <= value <= (HIGHEST_SCORE if kind == SCORE else 10.0 * HIGHEST_SCORE):
        raise refuse(f"a calcium {kind} is {value:g}", "not_a_score")
    return Figure(kind, here.site or TOTAL, value, here.is_segment, here.is_agatston)


def _add_lone_number(node: Node, above: _Context, found: list[Figure]) -> None:
    """Add a text that is nothing but the number of its concept."""
    here = _enter(node, above)
    words = capitals(_text(node))
    match = _NUMBER.match(words)
    if not (here.is_calcium and here.kind == SCORE and match):
        return
    if here.site in (PRIOR, NOT_CORONARY) or re.search(r"[A-Z]{3,}", words.replace("AGATSTON", "")):
        return
    found.append(_figure(SCORE, here, number_in(match.group())))


def _in_text(node: Node) -> list[Figure]:
    """Scores that a free text names: each number after an artery, or after the score's name."""
    text = _text(node)
    if len(text) <= 3 or not (speaks_of_calcium(text) or is_calcium(node.concept)):
        return []
    words = capitals(text)
    is_agatston = "AGATSTON" in words or _is_agatston(node.concept)
    found = []
    for match in _NUMBER.finditer(words):
        site = _site_before(words, match.start())
        unit = re.match(r"\s*(MM3|ML|MG|HU|%|MM2|MM|MSV|KV|MGY)(?![A-Z])", words[match.end() :])
        if site in ("", PRIOR, NOT_CORONARY) or unit:
            continue
        here = _Context(True, is_agatston, SCORE, site)
        found.append(_figure(SCORE, here, number_in(match.group())))
    return found


def _site_before(words: str, at: int) -> str:
    """Artery whose name stands last before a number, with no other number between."""
    start = max((m.end() for m in _NUMBER.finditer(words[:at])), default=0)
    before = words[max(start, at - NEAR) : at]
    if re.search(
        r"PER[CZ]ENTIL|VOLUM|MASS|THRESHOLD|SCHWELLE|ALTER|(?<![A-Z])AGE(?![A-Z])", before
    ):
        return ""
    named = places_in(before)
    if named:
        return named[-1][2]
    return TOTAL if re.search(r"AGATSTON|CALCIUM SCORE|KALKSCORE|CAC(?:S| SCORE)", before) else ""


def number_in(text: str) -> float:
    """Read a number that a person wrote: a point, a comma, or one of each.

    Raises
    ------
    CalciumReportError
        ``not_a_score``: several ways to read it.
    """
    digits = text.strip(" .,:=")
    points, commas = digits.count("."), digits.count(",")
    last = max(digits.rfind("."), digits.rfind(","))
    is_grouped = last >= 0 and len(digits) - last == 4 and len(digits.lstrip("+-")) > 4
    if points > 1 or commas > 1 or (points + commas == 1 and is_grouped and "," in digits):
        raise refuse("a number of a text can be read in two ways", "not_a_score")
    whole = digits[:last].replace(".", "").replace(",", "") if last >= 0 else digits
    part = digits[last + 1 :] if last >= 0 else ""
    return float(f"{whole}.{part}" if part else whole)
