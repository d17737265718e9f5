"""What a series is, by rules that are data: each answer carries its rule, tag and raw value.

The rules are vendors' habits. A site adds its own in ``[pull] site_rules``; they are asked first
and decide alone. Among the shipped rules the *strong* ones must agree: where two of them
contradict each other the answer is ``unknown`` and the evidence names both. A free text that says
both ("STRESS/REST") says nothing, but two codes that do are a contradiction. A *weak* rule is
heard only where no strong one speaks. ``unknown`` never enters a cohort.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydicom.datadict import tag_for_keyword

from mpss_lib.dicom.header import Header
from mpss_lib.dicom.words import NOT_CORRECTED, OFF, WORDS_OF, plain
from mpss_lib.errors import SettingsError, WrongArgumentError
from mpss_lib.sections import PullSettings

UNKNOWN = "unknown"
CONTRADICTION = "contradiction"
NO_RULE = "no_rule"
QUESTIONS = ("stress", "attenuation", "reconstruction", "view")

TEXTS = ("ImageID", "SeriesDescription", "ProtocolName")
"""Free texts that speak of one series."""
FREE_TEXTS = (*TEXTS, "StudyDescription")


@dataclass(frozen=True)
class Rule:
    """``pattern`` found in a value of ``keyword`` means ``answer`` to ``question``.

    ``is_plain``: the pattern is of whole words of the text as ``words.plain`` gives it, negations
    resolved; else it is a regular expression for the value as it stands.
    """

    question: str
    rule: str
    keyword: str
    pattern: str
    answer: str
    is_strong: bool = True
    is_plain: bool = False

    def matches(self, value: str) -> bool:
        """Whether the rule speaks on this value."""
        return self._found(plain(value) if self.is_plain else value) is not None

    @cached_property
    def _found(self) -> Callable[[str], re.Match[str] | None]:
        if self.is_plain:
            return re.compile(f"(?<= )(?:{self.pattern})(?= )").search
        return re.compile(self.pattern, flags=re.IGNORECASE).search


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


def _said(
    question: str, name: str, keyword: str, answer: str, more: str = "", *, is_strong: bool = True
) -> Rule:
    """Rule by the words of a question; ``more`` words are joined by bars."""
    words = "|".join(filter(None, (WORDS_OF.get((question, answer), ""), more)))
    return Rule(question, name, keyword, words, answer, is_strong, is_plain=True)


def _in_image_type(question: str, *answers: str) -> tuple[Rule, ...]:
    """Rules for a vendor's further values of ImageType."""
    return tuple(
        _said(question, f"image_type_{one.lower()}", "ImageType", one, is_strong=False)
        for one in answers
    )


def _in_texts(question: str, name: str, answer: str) -> tuple[Rule, ...]:
    return tuple(_said(question, f"{name}_in_{keyword}", keyword, answer) for keyword in TEXTS)


_STATE, _METHOD = "AcquisitionContextSequence", "AttenuationCorrectionMethod"
_VIEW, _FUNCTION = "ViewCodeSequence", "ProcessingFunction"
_NO = (
    "(?<=^ )(?:NO|NOT|NON|N(?! ;)|0|WITHOUT|OHNE|NICHT|SANS|PAS|SIN|SENZA|KEINE?|AUCUNE?"
    f"|NINGUNA?|NESSUNA?|{OFF})"
)
_NOTHING = (
    f"{NOT_CORRECTED}|{OFF}|MAYBEAC|UNKNOWN|UNDEFINED|UNSPECIFIED|N ; A|NA|UNBEKANNT|INCONNUE?"
)
_SHORT_AXIS = "SA|SAX|SHORT ?AX(IS)?|KURZE ACHSE|PETIT AXE|EJE CORTO|ASSE CORTO"
_LONG_AXIS = "HLA|VLA|[HV] ?LONG ?AX(IS)?|GRAND AXE|EJE LARGO|ASSE LUNGO|LANGE ACHSE"

RULES: tuple[Rule, ...] = (
    # CID 3101; both codings are met, and items without ValueType.
    Rule("stress", "state_code_stress", _STATE, r"^(F-05019|432655005)$", "stress"),
    Rule("stress", "state_code_rest", _STATE,
         r"^(F-01604|128975004|10909[234])$", "rest"),
    _said("stress", "state_meaning_stress", _STATE, "stress"),
    _said("stress", "state_meaning_rest", _STATE, "rest"),
    *_in_texts("stress", "word_stress", "stress"),
    *_in_texts("stress", "word_rest", "rest"),
    # GE names data sets SGATE_G_1, RTOMO_1, SIRAC: first letter stress or rest.
    Rule("stress", "ge_prefix_s", "ImageID", r"^S_?(GATE|TOMO|IRAC|IRNC)", "stress", False),
    Rule("stress", "ge_prefix_r", "ImageID", r"^R_?(GATE|TOMO|IRAC|IRNC)", "rest", False),
    _said("stress", "study_stress", "StudyDescription", "stress", is_strong=False),
    _said("stress", "study_rest", "StudyDescription", "rest", is_strong=False),
    *_in_image_type("stress", "stress", "rest"),
    Rule("attenuation", "corrected_image_attn", "CorrectedImage", r"^ATTN$", "AC"),
    _said("attenuation", "corrected_image_nac", "CorrectedImage", "NAC"),
    Rule("attenuation", "attenuation_corrected_yes", "AttenuationCorrected", r"^YES$", "AC"),
    Rule("attenuation", "attenuation_corrected_no", "AttenuationCorrected", r"^NO$", "NAC"),
    _said("attenuation", "method_none", _METHOD, "NAC", _NO),
    Rule("attenuation", "method_stated", _METHOD,
         rf"(?<=^ )(?!(?:.* )?(?:{_NOTHING})(?: |$))(?!{_NO} )(?=.*[A-Z]).*", "AC", is_plain=True),
    *_in_texts("attenuation", "word_nac", "NAC"),
    *_in_texts("attenuation", "word_ac", "AC"),
    # The attribute lists all corrections applied; some stations list only a few.
    Rule("attenuation", "corrected_image_without_attn", "CorrectedImage",
         r"^(SCAT|UNIF|COR|NRGY|LIN|MOTN|DECY)$", "NAC", False),
    *_in_image_type("attenuation", "AC", "NAC"),
    _said("reconstruction", "method_iterative", "ReconstructionMethod", "iterative"),
    _said("reconstruction", "method_fbp", "ReconstructionMethod", "FBP"),
    _said("reconstruction", "processing_iterative", _FUNCTION, "iterative"),
    _said("reconstruction", "processing_fbp", _FUNCTION, "FBP"),
    *_in_texts("reconstruction", "word_iterative", "iterative"),
    *_in_texts("reconstruction", "word_fbp", "FBP"),
    *_in_image_type("reconstruction", "iterative", "FBP"),
    # A ramp filter belongs to back-projection; a Butterworth alone may be a post-filter of OSEM.
    Rule("reconstruction", "processing_ramp", _FUNCTION, "RAMP", "FBP", is_plain=True),
    Rule("reconstruction", "processing_filter", _FUNCTION,
         "BUTTERWORTH|BUT|HANNING|METZ|WIENER|WNR", "FBP", False, is_plain=True),
    Rule("view", "view_code_short_axis", _VIEW, r"^(103340004|G-A186)$", "short_axis"),
    Rule("view", "view_code_transverse", _VIEW,
         r"^(62824007|24422004|G-A117)$", "transaxial"),
    Rule("view", "view_code_long_axis", _VIEW,
         r"^(131186000|131185001|G-A18[578])$", "oblique"),
    Rule("view", "view_meaning_short_axis", _VIEW, _SHORT_AXIS, "short_axis", is_plain=True),
    Rule("view", "view_meaning_transverse", _VIEW,
         "TRANSVERSE|TRANSVERSAL|TRANSAXIAL|AXIAL", "transaxial", is_plain=True),
    Rule("view", "view_meaning_long_axis", _VIEW,
         f"{_LONG_AXIS}|(HORIZONTAL|VERTICAL) LONG ?AX(IS)?|SAGITTAL|CORONAL|OBLIQUE [A-Z]+",
         "oblique", is_plain=True),
    *(Rule("view", f"{name}_{axis}", keyword, words, view, False, is_plain=True)
      for name, keyword in (("word", "ImageID"), ("description", "SeriesDescription"))
      for axis, words, view in (("short_axis", _SHORT_AXIS, "short_axis"),
                                ("long_axis", _LONG_AXIS, "oblique"))),
)  # fmt: skip
"""Shipped rules. Unverified for Siemens and Philips reconstructions: no real sample at hand."""

_RULES_OF = {
    (question, is_strong): tuple(
        rule for rule in RULES if rule.question == question and rule.is_strong == is_strong
    )
    for question in QUESTIONS
    for is_strong in (True, False)
}

CODED = {"stress": _STATE, "view": _VIEW}
"""Questions that a code answers, and where it stands."""
_NO_CONTRADICTION = frozenset({"processing_filter"})
"""Weak rules that may be true beside a strong one that says the other."""


def site_rules(settings: PullSettings) -> tuple[Rule, ...]:
    """Rules of the site in the form of the shipped ones.

    Raises
    ------
    SettingsError
        If a rule names no attribute of DICOM: it would never match, and nobody would notice.
    """
    for number, rule in enumerate(settings.site_rules, start=1):
        if tag_for_keyword(rule.keyword) is None:
            raise SettingsError(
                f"pull.site_rules: rule {number} names {rule.keyword!r}, no keyword of DICOM",
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
    coded = CODED.get(question, "")
    for is_strong in (True, False):
        heard = _heard(question, header, is_strong)
        if question == "stress" and is_strong and _is_unread(coded, header, heard):
            return Answer(UNKNOWN, "code_unknown", coded)
        if heard:
            return _agree(heard)
    return Answer(UNKNOWN, NO_RULE)


def doubts(question: str, header: Header, found: Answer) -> list[Answer]:
    """List what in the header speaks against an answer that was given all the same.

    A text of the series that says both, a weak rule that says the other, a view code that
    nobody knows: each is a reason for a person to look.
    """
    if found.answer == UNKNOWN or found.rule.startswith("site_"):
        return []
    strong, weak = (_heard(question, header, is_strong) for is_strong in (True, False))
    said = _by_keyword(strong)
    torn = [key for key in ("ImageID", "SeriesDescription") if len(said.get(key, ())) > 1]
    doubtful = [Answer(found.answer, f"{question}_text_says_both", keyword) for keyword in torn]
    both = {keyword for keyword, answers in _by_keyword(weak).items() if len(answers) > 1}
    doubtful += [
        Answer(found.answer, f"{question}_said_twice", f"{found.keyword} / {other.keyword}")
        for other in weak
        if other.answer != found.answer
        and other.keyword not in both
        and (other.keyword in FREE_TEXTS or other.keyword not in said)
        and other.rule not in _NO_CONTRADICTION
    ]
    return list(dict.fromkeys(doubtful))


def is_code_unknown(question: str, header: Header) -> bool:
    """Whether the code that answers a question is there and no rule knows it."""
    coded = CODED[question]
    return _is_unread(coded, header, _heard(question, header, True))


def shown_value(found: Answer, header: Header) -> str:
    """Value of the header (cleaned, maybe) that an answer rests on, for the evidence."""
    rules = {rule.rule: rule for rule in RULES if rule.question}
    shown = []
    for keyword in filter(None, found.keyword.split(" / ")):
        values = header.texts.get(keyword, ())
        rule = rules.get(found.rule)
        matching = [value for value in values if rule is not None and rule.matches(value)]
        shown += [(matching or values or ("",))[0]]
    return " / ".join(shown)


def _heard(question: str, header: Header, is_strong: bool) -> list[Answer]:
    return [
        found
        for rule in _RULES_OF[question, is_strong]
        if (found := _match(rule, header)) is not None
    ]


def _is_unread(keyword: str, header: Header, heard: Sequence[Answer]) -> bool:
    return keyword in header.texts and all(one.keyword != keyword for one in heard)


def _match(rule: Rule, header: Header) -> Answer | None:
    for value in header.texts.get(rule.keyword, ()):
        if rule.matches(value):
            return Answer(rule.answer, rule.rule, rule.keyword, value)
    return None


def _by_keyword(heard: Sequence[Answer]) -> dict[str, set[str]]:
    said: dict[str, set[str]] = {}
    for one in heard:
        said.setdefault(one.keyword, set()).add(one.answer)
    return said


def _agree(heard: Sequence[Answer]) -> Answer:
    said = _by_keyword(heard)
    clear = [one for one in heard if len(said[one.keyword]) == 1 or one.keyword not in FREE_TEXTS]
    speaking = clear or heard
    first = speaking[0]
    against = [other for other in speaking if other.answer != first.answer]
    if not against:
        return first
    return Answer(
        UNKNOWN,
        CONTRADICTION,
        f"{first.keyword} / {against[0].keyword}",
        f"{first.rule}: {first.value} / {against[0].rule}: {against[0].value}",
    )
