"""One value, one text: what an answer or an object states, read as it is stored.

An identifier is one string, whatever it is made of: a backslash in it separates nothing, another
alphabet is decoded by the character set that the dataset declares (PS3.5 section 6.1.2.3), and
what cannot be decoded by it is read as UTF-8 or byte by byte, so that two identifiers never become
one. Only a value that is no text at all is unreadable; unreadable is not absent.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from pydicom.charset import decode_bytes, python_encoding
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS, PersonName

from mpss_lib.dicom.values import quiet
from mpss_lib.errors import UnreadableValueError

LONGEST = 4096
"""Characters of a text that is looked at: identifiers have 64, names 5 x 64 in three alphabets."""

_TERM = re.compile(r"ISO[ _-]?(2022)?[ _-]?IR[ _-]?([0-9]+)")
_UTF8 = frozenset({"UTF8", "UTF-8", "UTF_8"})


def normal_text(text: str) -> str:
    """Bring an identifier to the one form in which it is compared and becomes a pseudonym.

    Padding and white space around it go (PS3.5 table 6.2-1: not significant), composed and
    decomposed letters are the same. All else stays: capitals, zeros, backslashes, wildcards.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    while (shorter := text.strip().strip("\0")) != text:
        text = shorter
    return text


def whole_text(dataset: Dataset, keyword: str) -> str:
    """Read a value as one text, ``""`` where there is none.

    Parameters
    ----------
    dataset : Dataset
        An answer or an object; its elements may still be raw bytes.
    keyword : str

    Raises
    ------
    UnreadableValueError
        If the value is there and is no text: a sequence, an element that breaks off, characters
        that the sender itself could not write.
    """
    try:
        text = _text(dataset, keyword)
    except Exception as error:  # a mutated element can break any of pydicom's readers
        raise UnreadableValueError(keyword, type(error).__name__) from error
    if "\ufffd" in text:
        raise UnreadableValueError(keyword, "characters that were lost on the way")
    if len(text) > LONGEST:
        raise UnreadableValueError(keyword, f"{len(text)} characters")
    return normal_text(text)


def text_or_empty(dataset: Dataset, keyword: str) -> str:
    """Read a value that nothing is decided by: ``""`` also where it cannot be read."""
    try:
        return whole_text(dataset, keyword)
    except UnreadableValueError:
        return ""


def _text(dataset: Dataset, keyword: str) -> str:
    element = dataset.get_item(_tag(keyword))
    if element is None:
        return ""
    value = element.value
    if isinstance(element, RawDataElement) and isinstance(value, bytes):
        return _decoded(value, dataset, is_name=keyword.endswith("Name"))
    return _joined(value, keyword)


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def _joined(value: object, keyword: str) -> str:
    """Text of a value that was decoded already."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return _guessed(value)
    if isinstance(value, MultiValue | list | tuple):
        if any(isinstance(one, Dataset) for one in value):
            raise UnreadableValueError(keyword, "a sequence")
        return "\\".join(str(one) for one in value)
    if isinstance(value, str | int | float | PersonName):
        return str(value)
    raise UnreadableValueError(keyword, "no text")


def _decoded(content: bytes, dataset: Dataset, *, is_name: bool) -> str:
    if content.isascii() and b"\x1b" not in content:
        return content.decode("ascii")
    encodings = _encodings(dataset)
    if encodings is None:
        return _guessed(content)
    try:
        if b"\x1b" in content:
            with quiet():
                return decode_bytes(content, encodings, PN_DELIMS if is_name else TEXT_VR_DELIMS)
        return content.decode(encodings[0])
    except (UnicodeError, LookupError):
        return _guessed(content)


def _guessed(content: bytes) -> str:
    """UTF-8 where it is that, else each byte its own character: nothing is lost or made equal."""
    try:
        return content.decode("utf-8")
    except UnicodeError:
        return content.decode("latin-1")


def _encodings(dataset: Dataset) -> Sequence[str] | None:
    """Python encodings of the declared character set; None where it is none that is known."""
    element = dataset.get_item(0x00080005) if 0x00080005 in dataset else None
    value = None if element is None else element.value
    text = _guessed(value) if isinstance(value, bytes) else _joined(value, "SpecificCharacterSet")
    terms = [_term(part) for part in text.split("\\")]
    found = [python_encoding[term] for term in terms if term in python_encoding]
    is_known = terms not in ([""], ["ISO_IR 6"]) and len(found) == len(terms)
    return found if is_known else None


def _term(text: str) -> str:
    """Make the defined term of SpecificCharacterSet, also of a misspelt one."""
    plain = text.strip(" \0").upper()
    if plain in _UTF8:
        return "ISO_IR 192"
    match = _TERM.fullmatch(plain)
    if match is None:
        return plain
    return f"ISO 2022 IR {match[2]}" if match[1] else f"ISO_IR {match[2]}"
