"""What a series is, by rules that are data: each answer carries its rule, tag and raw value.

The rules are vendors' habits. A site adds its own in ``[intake] site_rules``; they are asked first
and decide alone. Among the shipped rules the *strong* ones must agree: where two of them
contradict each other the answer is ``unknown`` and the evidence names both. A text that says both
("STRESS/REST") says nothing. A *weak* rule is heard only where no strong one speaks. ``unknown``
never enters a cohort.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.datadict import tag_for_keyword

from mpss_lib.dicom import Header
from mpss_lib.dicom.slices import directions_of
from mpss_lib.errors import GeometryError, SettingsError, WrongArgumentError
from mpss_lib.sections import IntakeSettings

UNKNOWN = "unknown"

TEXTS = ("ImageID", "SeriesDescription", "ProtocolName")
"""Free texts that speak of one series."""

TRANSAXIAL_LIMIT_DEG = 10.0
"""Largest angle between the slice normal and the patient's z axis of a transaxial volume."""

LONG_AXIS = (0.62, -0.52, -0.59)
"""Usual direction of the left ventricle from base to apex: left, anterior, inferior (LPS)."""
SHORT_AXIS_LIMIT_DEG = 50.0
"""Largest angle between a short-axis normal and ``LONG_AXIS`` (either sense)."""


@dataclass(frozen=True)
class Rule:
    """``pattern`` found in a value of ``keyword`` means ``answer`` to ``question``."""

    question: str
    rule: str
    keyword: str
    pattern: str
    answer: str
    is_strong: bool = True


@dataclass(frozen=True)
class Answer:
    """An answer with its provenance.

    Parameters
    ----------
    answer : str
        The answer, or ``unknown``.
    rule : str
        Rule that gave it; ``contradiction`` or ``no_rule`` where it is unknown.
    keyword, value : str
        Attribute and raw value that the rule saw.
    """

    answer: str
    rule: str
    keyword: str = ""
    value: str = ""

    @property
    def tag(self) -> str:
        """Tags of the keywords as PS3.6 writes them, ``(0008,103E)``; empty without a keyword."""
        return " / ".join(_tag(keyword) for keyword in self.keyword.split(" / ") if keyword)

    def as_dict(self) -> dict[str, str]:
        """Plain values for the evidence column."""
        return {
            "answer": self.answer,
            "rule": self.rule,
            "keyword": self.keyword,
            "tag": self.tag,
            "value": self.value,
        }


def _tag(keyword: str) -> str:
    number = tag_for_keyword(keyword)
    if number is None:
        raise WrongArgumentError(
            f"{keyword!r} is no keyword of DICOM", way_out="write the keyword as PS3.6 does"
        )
    return f"({number >> 16:04X},{number & 0xFFFF:04X})"


def _word(*words: str) -> str:
    """Pattern of whole words; an underscore, a blank or a dash ends a word."""
    return rf"(?<![A-Z0-9])(?:{'|'.join(words)})(?![A-Z0-9])"


def _in_texts(question: str, name: str, pattern: str, answer: str) -> tuple[Rule, ...]:
    return tuple(
        Rule(question, f"{name}_in_{keyword}", keyword, pattern, answer) for keyword in TEXTS
    )


_STRESS_WORDS = _word(
    "STRESS", "STR", "STRS", "POST[ _-]?STRESS", "EXERCISE", "ADENOSINE", "REGADENOSON",
    "LEXISCAN", "DIPYRIDAMOLE", "PERSANTINE", "DOBUTAMINE", "EFFORT", "BELASTUNG",
)  # fmt: skip
_REST_WORDS = _word("REST", "RST", "RESTING", "REDIST[A-Z]*", "REPOS", "RUHE")
_AC_WORDS = (
    r"(?<!NON[ _-])(?<!NO[ _-])(?<!NOT[ _-])(?<!UN[ _-])"
    + _word("AC", "IRAC", "ACSC", "CTAC", "ATTN", "ATTENUATION[ _-]?CORRECTED")
)  # fmt: skip
_NAC_WORDS = _word(
    "NAC", "NC", "IRNC", "NOAC[A-Z0-9]*", "NON[ _-]?AC", "NO[ _-]AC", "UNCORRECTED", "UNCORR",
)  # fmt: skip
_ITERATIVE_WORDS = _word(
    "OSEM[A-Z0-9]*", "[23]D[ _-]?OSEM", "MLEM", "IRAC", "IRNC", "IR", "ITERATIVE", "FLASH[ _-]?3D",
    "EVOLUTION[A-Z]*", "ASTONISH", "XSPECT", "OSCG[A-Z]*", "WIDE[ _-]?BEAM",
)  # fmt: skip
_FBP_WORDS = _word("FBP", "FILTERED[ _-]?BACK[ _-]?PROJ[A-Z]*")

RULES: tuple[Rule, ...] = (
    # CID 3101; both codings are met, and items without ValueType.
    Rule("stress", "state_code_stress", "AcquisitionContextSequence",
         r"^(F-05019|432655005)$", "stress"),
    Rule("stress", "state_code_rest", "AcquisitionContextSequence",
         r"^(F-01604|128975004)$", "rest"),
    *_in_texts("stress", "word_stress", _STRESS_WORDS, "stress"),
    *_in_texts("stress", "word_rest", _REST_WORDS, "rest"),
    # GE names data sets SGATE_G_1, RTOMO_1, SIRAC: first letter stress or rest.
    Rule("stress", "ge_prefix_s", "ImageID", r"^S_?(GATE|TOMO|IRAC|IRNC)", "stress", False),
    Rule("stress", "ge_prefix_r", "ImageID", r"^R_?(GATE|TOMO|IRAC|IRNC)", "rest", False),
    Rule("stress", "study_stress", "StudyDescription", _STRESS_WORDS, "stress", False),
    Rule("stress", "study_rest", "StudyDescription", _REST_WORDS, "rest", False),
    Rule("attenuation", "corrected_image_attn", "CorrectedImage", r"^ATTN$", "AC"),
    Rule("attenuation", "method_none", "AttenuationCorrectionMethod",
         r"^(NONE|NO|OFF|NOT .*)$", "NAC"),
    Rule("attenuation", "method_stated", "AttenuationCorrectionMethod",
         r"^(?!(NONE|NO|OFF|NOT .*)$).+", "AC"),
    *_in_texts("attenuation", "word_nac", _NAC_WORDS, "NAC"),
    *_in_texts("attenuation", "word_ac", _AC_WORDS, "AC"),
    # The attribute lists all corrections applied; some stations list only a few.
    Rule("attenuation", "corrected_image_without_attn", "CorrectedImage",
         r"^(SCAT|UNIF|COR|NRGY|LIN|MOTN|DECY)$", "NAC", False),
    Rule("reconstruction", "method_iterative", "ReconstructionMethod",
         _ITERATIVE_WORDS, "iterative"),
    Rule("reconstruction", "method_fbp", "ReconstructionMethod", _FBP_WORDS, "FBP"),
    Rule("reconstruction", "processing_iterative", "ProcessingFunction",
         _ITERATIVE_WORDS, "iterative"),
    Rule("reconstruction", "processing_fbp", "ProcessingFunction", _FBP_WORDS, "FBP"),
    *_in_texts("reconstruction", "word_iterative", _ITERATIVE_WORDS, "iterative"),
    *_in_texts("reconstruction", "word_fbp", _FBP_WORDS, "FBP"),
    # A ramp filter belongs to back-projection; a Butterworth alone may be a post-filter of OSEM.
    Rule("reconstruction", "processing_ramp", "ProcessingFunction", _word("RAMP"), "FBP"),
    Rule("reconstruction", "processing_filter", "ProcessingFunction",
         _word("BUTTERWORTH", "BUT", "HANNING", "METZ", "WIENER", "WNR"), "FBP", False),
    Rule("view", "view_code_short_axis", "ViewCodeSequence", r"^(103340004|G-A186)$", "short_axis"),
    Rule("view", "view_code_transverse", "ViewCodeSequence", r"^(62824007|G-A117)$", "transaxial"),
    Rule("view", "view_code_long_axis", "ViewCodeSequence",
         r"^(131186000|131185001|G-A18[578])$", "oblique"),
    Rule("view", "word_short_axis", "ImageID", _word("SA", "SAX", "SHORT[ _-]?AX(IS)?"),
         "short_axis", False),
    Rule("view", "word_long_axis", "ImageID",
         _word("HLA", "VLA", "[HV][ _-]?LONG[ _-]?AX(IS)?"), "oblique", False),
    Rule("view", "description_short_axis", "SeriesDescription",
         _word("SA", "SAX", "SHORT[ _-]?AX(IS)?"), "short_axis", False),
    Rule("view", "description_long_axis", "SeriesDescription",
         _word("HLA", "VLA", "[HV][ _-]?LONG[ _-]?AX(IS)?"), "oblique", False),
)  # fmt: skip
"""Shipped rules. Unverified for Siemens and Philips reconstructions: no real sample at hand."""


def site_rules(settings: IntakeSettings) -> tuple[Rule, ...]:
    """Rules of the site in the form of the shipped ones.

    Raises
    ------
    SettingsError
        If a rule names no attribute of DICOM: it would never match, and nobody would notice.
    """
    for number, rule in enumerate(settings.site_rules, start=1):
        if tag_for_keyword(rule.keyword) is None:
            raise SettingsError(
                f"intake.site_rules: rule {number} names {rule.keyword!r}, no keyword of DICOM",
                way_out="write the keyword as PS3.6 does, such as SeriesDescription",
            )
    return tuple(
        Rule(rule.question, f"site_{number}", rule.keyword, rule.pattern, rule.answer)
        for number, rule in enumerate(settings.site_rules, start=1)
    )


def answer(question: str, header: Header, own: Sequence[Rule] = ()) -> Answer:
    """Answer one question about a header.

    Parameters
    ----------
    question : str
        ``stress``, ``attenuation``, ``reconstruction`` or ``view``.
    header : Header
    own : sequence of Rule
        Rules of the site: the first that matches decides alone.
    """
    for rule in own:
        found = _match(rule, header)
        if rule.question == question and found is not None:
            return found
    for is_strong in (True, False):
        heard = [
            found
            for rule in RULES
            if rule.question == question and rule.is_strong == is_strong
            if (found := _match(rule, header)) is not None
        ]
        if heard:
            return _agree(heard)
    return Answer(UNKNOWN, "no_rule")


def _match(rule: Rule, header: Header) -> Answer | None:
    for value in header.texts.get(rule.keyword, ()):
        if re.search(rule.pattern, value, flags=re.IGNORECASE):
            return Answer(rule.answer, rule.rule, rule.keyword, value)
    return None


def _agree(heard: Sequence[Answer]) -> Answer:
    said: dict[str, set[str]] = {}
    for one in heard:
        said.setdefault(one.keyword, set()).add(one.answer)
    clear = [one for one in heard if len(said[one.keyword]) == 1]
    speaking = clear or heard
    first = speaking[0]
    against = [other for other in speaking if other.answer != first.answer]
    if not against:
        return first
    return Answer(
        UNKNOWN,
        "contradiction",
        f"{first.keyword} / {against[0].keyword}",
        f"{first.rule}: {first.value} / {against[0].rule}: {against[0].value}",
    )


def orientation(header: Header) -> Answer:
    """Orientation class; geometry is the arbiter where the object states one.

    ``transaxial``, ``short_axis``, ``oblique``, or ``unknown``: no orientation, or an orientation
    that contradicts the view (reoriented volumes often keep the identity matrix of their source).
    """
    if header.orientation is None:
        return Answer(UNKNOWN, "no_orientation", "ImageOrientationPatient")
    stated = " ".join(f"{value:g}" for value in header.orientation)
    try:
        row, column = directions_of(header.orientation)
    except GeometryError:
        return Answer(UNKNOWN, "no_unit_vectors", "ImageOrientationPatient", stated)
    normal = np.cross(row, column)
    view = answer("view", header)
    seen = _geometry_class(normal)
    expected = {"transaxial": "transaxial", "short_axis": "short_axis"}.get(view.answer)
    if view.rule == "contradiction" or (view.answer != UNKNOWN and not _fits(view.answer, seen)):
        return Answer(
            UNKNOWN,
            "contradiction",
            f"ImageOrientationPatient / {view.keyword}",
            f"{seen}: {stated} / {view.rule}: {view.value}",
        )
    if seen == "transaxial":
        return Answer("transaxial", "normal_along_z", "ImageOrientationPatient", stated)
    if expected == "short_axis":
        return Answer("short_axis", view.rule, view.keyword, view.value)
    return Answer("oblique", "normal_off_z", "ImageOrientationPatient", stated)


def _geometry_class(normal: np.ndarray) -> str:
    if abs(float(normal[2])) >= np.cos(np.radians(TRANSAXIAL_LIMIT_DEG)):
        return "transaxial"
    axis = np.asarray(LONG_AXIS) / np.linalg.norm(LONG_AXIS)
    if abs(float(normal @ axis)) >= np.cos(np.radians(SHORT_AXIS_LIMIT_DEG)):
        return "near_long_axis"
    return "other"


def _fits(view: str, seen: str) -> bool:
    """Whether a view and a geometry can be true together."""
    return {
        "transaxial": seen == "transaxial",
        "short_axis": seen == "near_long_axis",
        "oblique": seen != "transaxial",
    }[view]
