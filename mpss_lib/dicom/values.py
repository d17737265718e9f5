"""Values of a DICOM dataset, in three states: read, absent, present and unreadable.

Absent is empty, ``""``, ``None`` or 0: the caller says what it needs. What is present and cannot
be read raises ``UnreadableValueError``; it never passes for absent, whose default would be taken
silently. One thing is mended: a decimal comma is read as a point, and said.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, time
from functools import cache, lru_cache
from math import inf
from typing import NamedTuple

import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import DSfloat

from mpss_lib.errors import UnreadableValueError, WrongArgumentError

_TEXT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT"}
    | {"PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)
_NUMBER_VRS = frozenset({"DS", "IS"})
_WORD_VRS = _TEXT_VRS - _NUMBER_VRS
_PADDED_VRS = frozenset({"LO", "SH"})
"""Texts of which each value may be padded."""
_PLAIN_VRS = frozenset({"AS", "CS", "DA", "DT", "TM", "UI"}) | _PADDED_VRS
"""Texts of one or several values that are read without pydicom."""
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+(?P<mark>[.,]?)[0-9]*|(?P<first>[.,])[0-9]+)(?:[eE][+-]?[0-9]+)?"
)
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_LONG = frozenset({"SeriesNumber"})
"""Whole numbers that stations write longer than PS3.5 allows (moments, say): only compared."""
NOT_FINITE = "is not finite"
"""End of what is said of a number that is NaN or infinite."""
_SHOWN = 48
"""Characters of an unreadable number that a message shows."""
_SHORT, _REMEMBERED = 128, 2048
"""Bytes of a text of numbers, and number of them, that are remembered with what they say."""


class _Quiet(threading.local):
    """Keeps pydicom's remarks to itself in the outermost of its blocks; those in it are free."""

    def __init__(self) -> None:
        self._depth = 0
        self._kept = warnings.catch_warnings()

    def __enter__(self) -> None:
        if not self._depth:
            self._kept = warnings.catch_warnings()
            self._kept.__enter__()
            warnings.filterwarnings("ignore", module="pydicom")
        self._depth += 1

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._kept.__exit__(None, None, None)


_QUIET = _Quiet()


def quiet() -> AbstractContextManager[None]:
    """Keep pydicom's remarks on odd values to itself: the odd value is handled here."""
    return _QUIET


@dataclass(frozen=True)
class Numbers:
    """Values of an attribute as numbers, empty where it is absent; whether a comma was mended."""

    values: tuple[float, ...] = ()
    has_comma: bool = False


def read_numbers(
    dataset: Dataset, keyword: str, *, count: int = 0, may_be_empty: bool = False
) -> Numbers:
    """All values of an attribute as finite numbers.

    Parameters
    ----------
    dataset : Dataset
    keyword : str
    count : int
        How many there must be; 0 for any number.
    may_be_empty : bool
        Whether a zero-length value says nothing, as in an attribute of Type 2 (PS3.5 7.4.3).

    Raises
    ------
    UnreadableValueError
        If the attribute is present and empty, no number, not finite, or of another count.
    """
    content = _number_text(dataset, keyword)
    if isinstance(content, bytes) and len(content) <= _SHORT:
        return _short_numbers(content, keyword, count, may_be_empty)
    parts = _split(content) if isinstance(content, bytes) else content
    return Numbers() if parts is None else _numbers(parts, keyword, count, may_be_empty)


@lru_cache(_REMEMBERED)
def _short_numbers(content: bytes, keyword: str, count: int, may_be_empty: bool) -> Numbers:
    return _numbers(_split(content), keyword, count, may_be_empty)


def _split(content: bytes) -> list[str]:
    return [part.strip(" \0\t\r\n") for part in content.decode("latin-1").split("\\")]


def _numbers(parts: Sequence[str], keyword: str, count: int, may_be_empty: bool) -> Numbers:
    if may_be_empty and not any(parts):
        return Numbers()
    if not any(parts):
        raise UnreadableValueError(keyword, "it is empty")
    if not all(map(_NUMBER.fullmatch, parts)):
        is_finite = not any(map(_NOT_FINITE.fullmatch, parts))
        what = "is no number" if is_finite else NOT_FINITE
        raise UnreadableValueError(keyword, f"'{_shown(parts)}' {what}")
    values = tuple([float(part.replace(",", ".")) for part in parts])
    if inf in values or -inf in values:
        raise UnreadableValueError(keyword, f"'{_shown(parts)}' {NOT_FINITE}")
    if count and len(values) != count:
        raise UnreadableValueError(
            keyword, f"'{_shown(parts)}' has {len(values)} values where {count} are wanted"
        )
    return Numbers(values, any("," in part for part in parts))


def _shown(parts: Sequence[str]) -> str:
    return "\\".join(parts)[:_SHOWN].encode("unicode_escape").decode()


def numbers_of(dataset: Dataset, keyword: str, *, count: int = 0) -> tuple[float, ...]:
    """All values of an attribute as numbers, empty where absent; see ``read_numbers``."""
    return read_numbers(dataset, keyword, count=count).values


def number_of(dataset: Dataset, keyword: str) -> float | None:
    """Read the one value of an attribute as a number, None where absent; see ``read_numbers``."""
    values = numbers_of(dataset, keyword, count=1)
    return values[0] if values else None


def whole_of(dataset: Dataset, keyword: str, *, may_be_empty: bool = False) -> int:
    """Read the one value as a whole number, 0 where absent; see ``read_numbers``."""
    return int(*whole_numbers_of(dataset, keyword, count=1, may_be_empty=may_be_empty))


def whole_numbers_of(
    dataset: Dataset, keyword: str, *, count: int = 0, may_be_empty: bool = False
) -> tuple[int, ...]:
    """All values of an attribute as whole numbers, empty where absent; see ``read_numbers``."""
    values = read_numbers(dataset, keyword, count=count, may_be_empty=may_be_empty).values
    power = 53 if keyword in _LONG else 31
    if any(value != int(value) or abs(value) >= 2**power for value in values):
        shown = "\\".join(f"{value:g}" for value in values)[:_SHOWN]
        raise UnreadableValueError(keyword, f"'{shown}' is no whole number below 2^{power}")
    return tuple(int(value) for value in values)


def texts_of(dataset: Dataset, keyword: str, *, keeps_places: bool = False) -> tuple[str, ...]:
    """All values of an attribute as stripped texts; empty where absent.

    Parameters
    ----------
    dataset : Dataset
    keyword : str
    keeps_places : bool
        Whether an empty value stays, so that value 3 is the third; else it is left out.

    Raises
    ------
    UnreadableValueError
        If it is present and no text. The bytes, which may name somebody, are not shown.
    """
    plain = plain_texts(dataset, keyword)
    found = _decoded_texts(dataset, keyword) if plain is None else plain.values
    texts = [text.strip(" \0") for text in found]
    return tuple(texts) if keeps_places and any(texts) else tuple([text for text in texts if text])


class PlainTexts(NamedTuple):
    """A text as received: its VR and its values, one empty value where it is empty."""

    vr: str
    values: list[str]


def plain_texts(dataset: Dataset, keyword: str) -> PlainTexts | None:
    """Read a text of ASCII characters as pydicom would, at a tenth of the time.

    Returns
    -------
    PlainTexts or None
        None where it is absent, no such text, or was read by pydicom before: pydicom is asked then.
    """
    element = dataset.get_item(_tag(keyword), keep_deferred=True)
    if not isinstance(element, RawDataElement) or element.VR not in _PLAIN_VRS:
        return None
    vr, content = element.VR, element.value
    if content is None or not content.isascii() or b"\x1b" in content:
        return None
    values = content.decode("ascii").rstrip(" \0").split("\\")
    if vr in _PADDED_VRS:
        values = [one.rstrip(" \0") for one in values]
    elif vr == "UI":
        values = [one.strip() for one in values]
    return PlainTexts(vr, values)


def _decoded_texts(dataset: Dataset, keyword: str) -> list[str]:
    """Values of an attribute as texts, as pydicom reads them; empty where absent."""
    tag = _tag(keyword)
    if tag not in dataset:
        return []
    try:
        with quiet():
            value = dataset[tag].value
    except Exception as error:  # pydicom raises many kinds on broken bytes
        raise UnreadableValueError(keyword, f"no text ({type(error).__name__})") from error
    if isinstance(value, bytes):  # written as UN or OB
        if any(byte < 0x20 or byte == 0x7F for byte in value.rstrip(b"\0")):
            raise UnreadableValueError(keyword, f"{len(value)} bytes that are no text")
        value = value.decode("latin-1").split("\\")
    if isinstance(value, pydicom.Sequence):
        raise UnreadableValueError(keyword, "a sequence where a text is wanted")
    if value is None:
        return []
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    if _vr(keyword) in _WORD_VRS and any(isinstance(one, int | float) for one in values):
        raise UnreadableValueError(keyword, "a binary number where a text is wanted")
    return [str(one) for one in values]


def text_of(dataset: Dataset, keyword: str) -> str:
    """First value of an attribute as text, ``""`` where absent; see ``texts_of``."""
    values = texts_of(dataset, keyword)
    return values[0] if values else ""


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence attribute, empty where absent.

    Raises
    ------
    UnreadableValueError
        If the bytes of the sequence cannot be parsed (pydicom parses it on first use), or it is
        no sequence.
    """
    tag = _tag(keyword)
    if tag not in dataset:
        return []
    try:
        with quiet():
            value = dataset[tag].value
            found = list(value) if isinstance(value, pydicom.Sequence) else None
    except Exception as error:  # pydicom raises many kinds on broken bytes
        raise UnreadableValueError(keyword, f"no sequence ({type(error).__name__})") from error
    if found is None and value not in (None, "", b""):
        raise UnreadableValueError(keyword, "it is no sequence")
    return found or []


def first_item(dataset: Dataset, keyword: str) -> Dataset | None:
    """First item of a sequence attribute, None where absent."""
    found = items(dataset, keyword)
    return found[0] if found else None


EARLIEST_YEAR = 1850
"""No patient was born and no study made before: 00010101 stands for a date that nobody knew."""


def parse_date(text: str) -> date | None:
    """Read a date as DICOM (``19931124``) or ACR-NEMA (``1993.11.24``) has it; else None."""
    match = re.fullmatch(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})", text.strip())
    if match is None or int(match[1]) < EARLIEST_YEAR:
        return None
    try:
        return date(*map(int, match.groups()))
    except ValueError:
        return None


def parse_time(text: str) -> time | None:
    """Read a DICOM time to the second, also the old form with colons; None where it is none."""
    digits = text.strip().split(".")[0].replace(":", "")
    if not re.fullmatch(r"([0-9]{2}){1,3}", digits):
        return None
    padded = digits.ljust(6, "0")
    try:
        return time(int(padded[:2]), int(padded[2:4]), int(padded[4:]))
    except ValueError:
        return None


def decimal(value: float) -> DSfloat:
    """Decimal string of at most 16 characters; tiny rounding of cosines becomes 0."""
    number = 0.0 if abs(value) < 1e-12 else float(value)
    return DSfloat(number, auto_format=True)


@cache
def _tag(keyword: str) -> BaseTag:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise WrongArgumentError(
            f"{keyword!r} is no keyword of DICOM", way_out="write the keyword as PS3.6 does"
        )
    return Tag(tag)


@cache
def _vr(keyword: str) -> str:
    return dictionary_VR(_tag(keyword))


def _number_text(dataset: Dataset, keyword: str) -> bytes | list[str] | None:
    """Give a number attribute as it is written: its bytes, else its values; None if absent."""
    tag = _tag(keyword)
    element = dataset.get_item(tag, keep_deferred=True)
    if element is None:
        return None
    if isinstance(element, RawDataElement) and element.value is not None:
        known = _vr(keyword) if element.VR in (None, "UN") else element.VR
        if known in _TEXT_VRS:
            return element.value
        if known == "US" == _vr(keyword) and len(element.value) == 2:  # a matrix, bits
            return b"%d" % int.from_bytes(
                element.value, "little" if element.is_little_endian else "big"
            )
    try:
        with quiet():
            element = dataset[tag]
            value = element.value
    except Exception as error:  # pydicom raises many kinds on broken bytes
        raise UnreadableValueError(keyword, f"no number ({type(error).__name__})") from error
    wanted = _vr(keyword)
    if isinstance(value, pydicom.Sequence | bytes):
        raise UnreadableValueError(keyword, f"a {type(value).__name__} where a number is wanted")
    if wanted in _TEXT_VRS and element.VR not in _TEXT_VRS:  # its bytes may be a text's
        raise UnreadableValueError(keyword, f"a binary number ({element.VR}) in place of {wanted}")
    if value is None:
        return [""]
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return [str(getattr(part, "original_string", part)).strip(" \0\t\r\n") for part in values] or [
        ""
    ]
