"""What an object says of itself, read from it as received and kept as codes.

Pull reads it before descriptions are cleaned and numbers go; intake decides by it. An answer
carries its rule and keyword and never the text that it was found in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from pydicom.dataset import Dataset

from mpss_lib.dicom.agreement import Announced, Difference, differences
from mpss_lib.dicom.header import Header, read_header
from mpss_lib.dicom.image_type import why_no_volume
from mpss_lib.dicom.rules import (
    NO_RULE,
    QUESTIONS,
    UNKNOWN,
    Answer,
    Rule,
    answer,
    doubts,
    is_code_unknown,
)
from mpss_lib.dicom.values import whole_of
from mpss_lib.errors import LakeCorruptError, UnreadableValueError

_REMEMBERED = 256
"""Sets of texts whose answers are remembered."""
NO_PATIENT = ("QualityControlImage", "SyntheticData")
"""Attributes that say YES where an image shows a phantom, or was made and not acquired."""


@dataclass(frozen=True)
class Said:
    """Answers to the questions of intake, and what is to be looked at.

    Parameters
    ----------
    answers : mapping of question to Answer
        Without the values.
    why_no_volume : str
        Reason by ImageType, "" where the object is a reconstructed emission tomogram.
    differences : tuple of Difference
        Facts that stand twice and differ.
    unreadable : tuple of str
        Keywords of values that are present and cannot be read.
    is_phantom : bool
        Whether it says that it shows no patient: it is of a phantom (QualityControlImage, PS3.3
        C.7.6.1) or was made and not acquired (SyntheticData, C.12.1).
    """

    answers: dict[str, Answer] = field(
        default_factory=lambda: dict.fromkeys(QUESTIONS, Answer(UNKNOWN, NO_RULE))
    )
    why_no_volume: str = ""
    differences: tuple[Difference, ...] = ()
    unreadable: tuple[str, ...] = ()
    is_phantom: bool = False

    def as_json(self) -> str:
        """Text for the lake, the same for the same object."""
        content: dict[str, object] = {
            "answers": {
                question: {"answer": one.answer, "rule": one.rule, "keyword": one.keyword}
                for question, one in self.answers.items()
            },
            "why_no_volume": self.why_no_volume,
            "differences": [[one.rule, one.keyword] for one in self.differences],
            "unreadable": list(self.unreadable),
        }
        if self.is_phantom:
            content["is_phantom"] = True
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Said:
        """Read what ``as_json`` wrote.

        Raises
        ------
        LakeCorruptError
            If it is something else.
        """
        try:
            content = json.loads(text)
            return cls(
                {question: Answer(**one) for question, one in content["answers"].items()},
                content["why_no_volume"],
                tuple(Difference(rule, keyword) for rule, keyword in content["differences"]),
                tuple(content["unreadable"]),
                bool(content.get("is_phantom", False)),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LakeCorruptError(
                "column said of table instance does not hold what an object said of itself",
                way_out="pull the study again",
            ) from error


def read_said(
    dataset: Dataset,
    own: Sequence[Rule] = (),
    announced: Announced | None = None,
    header: Header | None = None,
) -> Said:
    """Read what an object says of itself.

    Parameters
    ----------
    dataset : Dataset
        As received.
    own : sequence of Rule
        Rules of the site.
    announced : Announced, optional
        What C-FIND said of it.
    header : Header, optional
        Its header record, read with the keywords of ``own``.

    Raises
    ------
    DicomFileError
        If a sequence that is compared cannot be parsed.
    """
    if header is None:
        header = read_header(dataset, keywords=tuple(rule.keyword for rule in own))
    answers, doubtful = _answered(tuple(header.texts.items()), tuple(own))
    found = [*differences(dataset, header, announced), *doubtful]
    return Said(
        dict(answers),
        why_no_volume(header.texts.get("ImageType", ())),
        tuple(dict.fromkeys(found)),
        tuple(sorted(header.unreadable)),
        says_phantom(header),
    )


@lru_cache(_REMEMBERED)
def _answered(
    texts: tuple[tuple[str, tuple[str, ...]], ...], own: tuple[Rule, ...]
) -> tuple[Mapping[str, Answer], tuple[Difference, ...]]:
    """Answer the questions by texts, without the values; and say what is doubtful in them.

    The rules look at nothing else of a header, and the series of a camera have the same texts.
    """
    header = Header(texts=dict(texts))
    answers = {question: answer(question, header, own) for question in QUESTIONS}
    found = [
        Difference(doubt.rule, doubt.keyword)
        for question, given in answers.items()
        for doubt in doubts(question, header, given)
    ]
    if is_code_unknown("view", header):
        found.append(Difference("view_code_unknown", "ViewCodeSequence"))
    return {question: replace(one, value="") for question, one in answers.items()}, tuple(found)


def says_phantom(header: Header) -> bool:
    """Whether an object says that it shows no patient."""
    told = [text for keyword in NO_PATIENT for text in header.texts.get(keyword, ())]
    return any(text.upper() == "YES" for text in told)


def series_number(dataset: Dataset) -> int:
    """SeriesNumber as received, 0 where there is none (one that cannot be read refuses later)."""
    try:
        return whole_of(dataset, "SeriesNumber", may_be_empty=True)
    except UnreadableValueError:
        return 0


def series_places(numbers: Mapping[str, int]) -> dict[str, int]:
    """Place of each object's SeriesNumber among those of the study, counted from 1.

    A long number may be an identifier of the patient and is not stored; its place is, so that a
    reprocessing is still the latest.

    Parameters
    ----------
    numbers : mapping of object to SeriesNumber
        As received; 0 where there is none, and in the answer too.
    """
    places = {number: n for n, number in enumerate(sorted({*numbers.values()} - {0}), start=1)}
    return {key: places.get(number, 0) for key, number in numbers.items()}
