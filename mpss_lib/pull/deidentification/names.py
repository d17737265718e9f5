"""Whose names and identifiers an object carries, so that no text keeps them.

A word of the allow-list may be somebody's name: a patient Heart, a Dr. Long. The names are those
of every person name (VR PN) at any depth and of the vault's identity, all components of all
groups, with diacritics folded.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from pydicom import Sequence
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from mpss_lib.pull.deidentification.words import PLACEHOLDERS

SHORTEST_PART = 4
"""Letters from which on a name is also looked for inside of longer words."""

UNREADABLE = (
    *(ValueError, TypeError, AttributeError, KeyError, OverflowError),
    *(NotImplementedError, struct.error, EOFError, OSError, BytesLengthException),
)
"""What pydicom raises where one value is not of its kind."""

_IDENTIFIERS = (
    "PatientID",
    "AccessionNumber",
    "OtherPatientIDs",
    "AdmissionID",
    "DeviceSerialNumber",
)
_NUMBERS = frozenset(int(Tag(keyword)) for keyword in _IDENTIFIERS)
_OF_NOBODY = frozenset(
    (
        *("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UT"),
        *("AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"),
    )
)
"""VRs of values that are no person's name and hold none; an element of them is not read."""
_WORD = re.compile(r"[^\W_]+")
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


def fold(text: str) -> str:
    """Write a text in capitals without diacritics."""
    if text.isascii():
        return text.upper()
    parts = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS))
    return "".join(sign for sign in parts if not unicodedata.combining(sign)).upper()


@dataclass(frozen=True)
class Named:
    """Names (folded words) and identifiers (their words in order) of whom an object speaks."""

    words: frozenset[str] = frozenset()
    identifiers: frozenset[tuple[str, ...]] = frozenset()

    def hides_in(self, word: str) -> bool:
        """Whether a folded word is a name, or holds a longer one."""
        if word in self.words:
            return True
        return any(part in word for part in self._parts)

    def has_number(self, number: str) -> bool:
        """Whether a number of three digits or more is an identifier, whatever zeros are before."""
        digits = number.strip().lstrip("+0")
        return len(digits) > 2 and digits in self._numbers

    @cached_property
    def _parts(self) -> tuple[str, ...]:
        """Names and identifiers that are looked for inside of longer words."""
        parts = (*self.words, *("".join(one) for one in self.identifiers))
        return tuple(part for part in parts if len(part) >= SHORTEST_PART)

    @cached_property
    def _numbers(self) -> frozenset[str]:
        return frozenset(one[0].lstrip("0") for one in self.identifiers if len(one) == 1)

    def places_in(self, words: list[str]) -> set[int]:
        """Places of folded words that together are a name or an identifier."""
        found = {at for at, word in enumerate(words) if self.hides_in(word)}
        for at in range(len(words) - 1):
            if words[at] + words[at + 1] in self.words:
                found |= {at, at + 1}
        for one in self.identifiers:
            for at in range(len(words) - len(one) + 1):
                if tuple(words[at : at + len(one)]) == one:
                    found |= set(range(at, at + len(one)))
        return found


def named_by(names: Iterable[str], identifiers: Iterable[str]) -> Named:
    """Take apart person names and identifiers.

    What stands where nobody is named (NONE, UNKNOWN, TEST) is no name; single letters are not
    looked for.
    """
    found: set[str] = set()
    for name in names:
        words = _words(name)
        if {word for word in words if not word.isdigit()} - PLACEHOLDERS:
            found |= {word for word in words if len(word) > 1 and not word.isdigit()}
    numbers = [_WORD.findall(fold(text)) for text in identifiers if len(text.strip()) > 1]
    in_order = {tuple(words) for words in numbers if words}
    return Named(frozenset(found), frozenset(in_order | {("".join(one),) for one in in_order}))


def _words(text: str) -> list[str]:
    """Folded words of a name, an umlaut in both spellings; "O'Rest" gives O, REST and OREST."""
    found: list[str] = []
    for spelt in (text, text.lower().translate(_UMLAUTS)):
        whole = re.sub(r"(?<=\w)['’`´-](?=\w)", "", spelt)
        found += [fold(word) for one in (spelt, whole) for word in _WORD.findall(one)]
    return list(dict.fromkeys(found))


def named_in(received: Dataset, *, names: Iterable[str] = (), ids: Iterable[str] = ()) -> Named:
    """Collect whom an object names, together with what the vault knows.

    Parameters
    ----------
    received : Dataset
        As received; values that cannot be read name nobody that could be looked for.
    names, ids : iterable of str
        Of the vault's identity.
    """
    told = list(_told(received))
    persons = [text for is_person, text in told if is_person]
    numbers = [text for is_person, text in told if not is_person]
    return named_by([*names, *persons], [*ids, *numbers])


def _told(dataset: Dataset) -> Iterator[tuple[bool, str]]:
    """Give every person name (True) and identifier (False) at any depth, private ones included."""
    for tag, raw in list(dataset.items()):  # iterating a Dataset would decode every value
        if raw.VR in _OF_NOBODY and isinstance(raw, RawDataElement) and tag not in _NUMBERS:
            continue
        try:
            element = dataset[tag]
            value = element.value
        except UNREADABLE:
            continue  # no name that anybody could read
        many = value if isinstance(value, MultiValue | list) else [value]
        if element.VR == "PN":
            yield from ((True, str(one)) for one in many)
        elif element.keyword in _IDENTIFIERS:
            yield from ((False, str(one)) for one in many)
        elif isinstance(value, Sequence):
            for item in value:
                yield from _told(item)
                if "Identification" in element.keyword:
                    yield True, str(item.get("CodeMeaning", ""))
