"""Free text: what may stay of a description, by words and by groups of digits.

Deny by default. A word stays if the allow-list has it and it is nobody's name here; a number
stays if it stands alone among words that stay. Two groups of digits side by side, in any order and
with any separator, are a date, a time of day, a telephone number or an identifier until their form
says otherwise (``8i4s``, ``4.8 mm``), even where each of them could stay alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from mpss_lib.pull.deidentification.names import Named, fold
from mpss_lib.pull.deidentification.words import (
    BETWEEN,
    BORN,
    COUNTED,
    COUNTS,
    DEGREES,
    DOTTED_TITLES,
    ISOTOPE_NUMBERS,
    ISOTOPES,
    MONTHS,
    NEGATIONS,
    TECHNICAL,
    TITLES,
    UNITS,
    WORDS,
)

_WORD = re.compile(r"([^\W_]+)")
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_WITHOUT = re.compile(r"(?i)(?<![^\W_])w\s?/\s?o(?![^\W_])")
_ADDRESS = re.compile(r"(?i)\S*(@|://|(?<![^\W_])www\.)\S*")
_GONE = " øø "
"""A word that no list has: what stood beside an address stands beside something that goes."""
_BETWEEN_VALUES = "\x1f"
_SHORT, _REMEMBERED = 256, 2048
"""Characters of the values of an attribute, and number of them, that are remembered."""
_PLAIN = " _-/.,+:%"
"""Signs that may stand between words; any other becomes a blank."""
_MARKS = re.compile(r"[+#*'’‘´`°№º]\s*$")
"""Before a number: a telephone prefix, a birth, a year, an ordinal."""


@dataclass(frozen=True)
class _Run:
    """Numbers side by side: places of its numbers, of all its words, and whether it is a date."""

    numbers: tuple[int, ...]
    places: range
    has_month: bool


class TextCleaner:
    """Cleans the texts of one object.

    Parameters
    ----------
    named : Named
        Whose names and identifiers go.
    extra_words : iterable of str
        A site's own words that may stay.
    """

    def __init__(self, named: Named, extra_words: Iterable[str] = ()) -> None:
        self._named = named
        self._extra_words = frozenset(word.upper() for word in extra_words)

    def clean(self, text: str, words: frozenset[str] = WORDS) -> str:
        """Keep what may stay of one text; see ``clean_all``."""
        return self.clean_all([text], words)[0]

    def clean_all(self, texts: Sequence[str], words: frozenset[str] = WORDS) -> list[str]:
        """Keep what may stay of the values of an attribute, with plain separators between.

        They are looked at as one text: a date may lie across them.

        Parameters
        ----------
        texts : sequence of str
        words : frozenset of str
            Words that may stay in this attribute, in capitals, beside the site's own.

        Returns
        -------
        list of str
            As many as were given; "" where nothing stays.
        """
        if sum(map(len, texts)) <= _SHORT:
            plan = _unnamed(tuple(texts), words, self._extra_words)
            is_name_in = any(self._named.hides_in(piece) for piece in plan.pieces)
            if not is_name_in and not self._named.places_in(plan.folded):
                return list(plan.values)
        return self._cleaned(texts, words)

    def _cleaned(self, texts: Sequence[str], words: frozenset[str]) -> list[str]:
        one = _Text.of(texts, words | self._extra_words if self._extra_words else words)
        one.drop(at for at, word in enumerate(one.words) if not self._is_allowed(word, one.known))
        if one.drop_names(self._named.places_in(one.folded)) or one.drop_titled():
            return [""] * len(texts)
        one.drop_numbers()
        one.keep_axes()
        return one.values()

    def _is_allowed(self, word: str, known: frozenset[str]) -> bool:
        upper = word.upper()
        if not word.isascii():
            return False
        if upper in known or upper.isdigit() or TECHNICAL.fullmatch(upper):
            return True
        pieces = _PIECES.findall(word)  # StressAC, OSEM8
        numbers = [piece for piece in pieces if piece.isdigit()]
        letters = [piece.upper() for piece in pieces if not piece.isdigit()]
        if "".join(pieces) != word or len(pieces) < 2 or not set(letters) <= known:
            return False
        if any(self._named.hides_in(piece) for piece in letters):
            return False
        return not numbers or (
            len(numbers) == 1 and len(numbers[0]) < 3 and not MONTHS & set(letters)
        )


class _Text:
    """Words of a text, the gaps around them, and which words are kept so far."""

    def __init__(self, words: list[str], gaps: list[str], known: frozenset[str]) -> None:
        self.words, self.gaps, self.known = words, gaps, known
        self.folded = [fold(word) for word in words]
        self.is_kept = [True] * len(words)

    @classmethod
    def of(cls, texts: Sequence[str], known: frozenset[str]) -> _Text:
        """Take the values of an attribute apart, as one text."""
        whole = _BETWEEN_VALUES.join(text.replace(_BETWEEN_VALUES, " ") for text in texts)
        spelt = _WITHOUT.sub("without", unicodedata.normalize("NFC", whole))
        parts = _WORD.split(_ADDRESS.sub(_GONE, spelt))
        return cls(parts[1::2], parts[0::2], known)

    def drop(self, places: Iterable[int]) -> None:
        for at in places:
            self.is_kept[at] = False

    # ----------------------------------------------------------------- names

    def drop_names(self, places: Iterable[int]) -> bool:
        """Drop names; whether a negation was one of them: the rest would say the opposite."""
        lost = {at for at in places if self.is_kept[at]}
        self.drop(lost)
        return any(self.folded[at] in NEGATIONS for at in lost)

    def drop_titled(self) -> bool:
        """Drop the name behind each title, also where no attribute names that person."""
        return any(self.drop_names(self._behind(at)) for at in range(len(self.words)))

    def _behind(self, at: int) -> Iterator[int]:
        is_dotted = self.gaps[at + 1].startswith((".", ":"))
        if self.folded[at] not in (TITLES | DOTTED_TITLES if is_dotted else TITLES):
            return
        for place in range(at + 1, len(self.words)):
            yield place
            is_initial = len(self.words[place]) == 1 or self.folded[place] in TITLES | DEGREES
            if not is_initial and self.gaps[place + 1] not in ("-", "'", "’"):
                return

    def keep_axes(self) -> None:
        """Keep the H of "H Long Ax", where it speaks of an axis."""
        for at, word in enumerate(self.words[:-1]):
            if word in "HVhv" and self.is_kept[at + 1] and self.folded[at + 1].startswith("LONG"):
                self.is_kept[at] = True

    # --------------------------------------------------------------- numbers

    def drop_numbers(self) -> None:
        self._drop_joined()
        for run in self._runs():
            if run.has_month or (len(run.numbers) > 1 and not self._is_decimal(run)):
                self.drop(run.places)
                self._drop_attached(run)
            elif len(run.numbers) == 1:
                self._judge_single(run.numbers[0])
        plain = [at for at, word in enumerate(self.words) if word.isdigit()]
        if len(plain) > 2:  # day, month and year with words between
            self.drop(at for at in plain if not self._is_count(at))

    def _is_count(self, at: int) -> bool:
        """Whether a number stands beside the word for what it counts, or is of an isotope."""
        beside = {self.folded[place] for place in self._beside(at)}
        around = (self.gaps[at], self.gaps[at + 1])
        is_decimal = self.is_kept[at] and bool({".", ","} & set(around))  # judged as one number
        return bool(COUNTS & beside) or is_decimal or self._is_isotope(at)

    def _beside(self, at: int) -> list[int]:
        return [place for place in (at - 1, at + 1) if 0 <= place < len(self.words)]

    def _runs(self) -> list[_Run]:
        runs, at = [], 0
        while at < len(self.words):
            if not self._is_number(at):
                at += 1
                continue
            numbers, end = [at], at + 1
            while end < len(self.words) and (self._is_number(end) or self._is_between(end)):
                numbers += [end] if self._is_number(end) else []
                end += 1
            around = [*range(numbers[0], end), *self._between_before(at)]
            months = [place for place in around if self._is_month(place)]
            counted = [at - 1] if at and self.folded[at - 1] in COUNTED else []
            places = range(min([at, *months, *counted]), max([numbers[-1], *months]) + 1)
            runs.append(_Run(tuple(numbers), places, bool(months)))
            at = end
        return runs

    def _is_number(self, at: int) -> bool:
        """Whether a word has digits that no form or word of the list explains."""
        upper = self.words[at].upper()
        has_digits = any(sign.isdigit() or sign.isnumeric() for sign in upper)
        is_explained = upper in self.known or bool(TECHNICAL.fullmatch(upper))
        return has_digits and (upper.isdigit() or not is_explained)

    def _is_between(self, at: int) -> bool:
        return self.folded[at] in BETWEEN or (len(self.words[at]) == 1 and not self.is_kept[at])

    def _between_before(self, at: int) -> Iterator[int]:
        while at > 0 and self._is_between(at - 1):
            at -= 1
            yield at

    def _is_month(self, at: int) -> bool:
        """Whether a word names a month; a Roman one has to be joined to a number."""
        word = self.folded[at]
        if word not in MONTHS:
            return False
        if not set(word) <= set("IVX"):
            return True
        before, after = self.gaps[at], self.gaps[at + 1]
        is_joined = [
            bool(re.search(r"[./-]", gap)) and 0 <= place < len(self.words)
            and self._is_number(place)
            for gap, place in ((before, at - 1), (after, at + 1))
        ]  # fmt: skip
        return any(is_joined)

    def _is_decimal(self, run: _Run) -> bool:
        """Whether two groups of digits are one number before its unit: 4.8 mm."""
        first, last = run.numbers[0], run.numbers[-1]
        if len(run.numbers) != 2 or last != first + 1 or last + 1 >= len(self.words):
            return False
        whole, part = self.words[first], self.words[last]
        return (
            self.gaps[last] in (".", ",")
            and bool(re.fullmatch(r"0|[1-9][0-9]{0,2}", whole))
            and bool(re.fullmatch(r"[0-9]{1,2}", part))
            and self.folded[last + 1] in UNITS
        )

    def _drop_joined(self) -> None:
        """Drop two words whose digits a sign joins: the 23:50 of OSEM23:50AC."""
        for at, (word, after) in enumerate(pairwise(self.words)):
            is_joined = bool(re.fullmatch(r"[.,:/'’-]", self.gaps[at + 1]))
            if is_joined and not word.isdigit() and word[-1].isdigit() and after[0].isdigit():
                self.drop([at, at + 1])

    def _drop_attached(self, run: _Run) -> None:
        """Drop what hangs on a dropped run: the 50mm of 15.06.50mm, the OSEM3 of OSEM3 Mai 50."""
        places = run.places
        before = [places.start, *self._between_before(places.start)][-1 if run.has_month else 0]
        for at, gap, end in (
            (places.stop, places.stop, 0),
            (before - 1, before, -1),
        ):
            is_word = 0 <= at < len(self.words)
            is_near = run.has_month or not self.gaps[gap].isspace()
            if is_word and is_near and self.words[at][end].isdigit():
                self.drop([at])

    def _judge_single(self, at: int) -> None:
        number = self.folded[at]
        beside = self._beside(at)
        if at > 0 and self.folded[at - 1] in COUNTED and self.is_kept[at - 1]:
            self.drop([at - 1, at])
        elif self._is_odd_decimal(at):
            self.drop([at, at + 1])
        elif not self.words[at].isdigit():
            is_marked = self.words[at][0].isdigit() and bool(_MARKS.search(self.gaps[at]))
            self.drop([at] if is_marked or self._hangs_on_dropped(at) else [])
        elif (
            (len(number) > 2 and number not in self.known and not self._is_isotope(at))
            or not beside
            or _MARKS.search(self.gaps[at])
            or (at > 0 and self.folded[at - 1] in BORN and "." in self.gaps[at])
            or (at > 0 and self.words[at - 1][-1].isdigit() and not self.gaps[at].isspace())
            or not all(self._bears(one, number) for one in beside)
        ):
            self.drop([at])

    def _hangs_on_dropped(self, at: int) -> bool:
        """Whether the number in a word such as AC3 stands beside a word that goes: AC3. mei."""
        word = self.words[at]
        sides = ((at - 1, word[0]), (at + 1, word[-1]))
        return any(
            sign.isdigit() and not self.is_kept[place] and len(self.words[place]) > 1
            for place, sign in sides
            if 0 <= place < len(self.words)
        )

    def _is_isotope(self, at: int) -> bool:
        beside = {self.folded[place] for place in self._beside(at)}
        return self.words[at] in ISOTOPE_NUMBERS and bool(ISOTOPES & beside)

    def _bears(self, at: int, number: str) -> bool:
        """Whether a number may stand beside a word: one that goes takes its number along."""
        return self.is_kept[at] or (len(self.words[at]) == 1 and len(number) == 1)

    def _is_odd_decimal(self, at: int) -> bool:
        """Whether a number runs into one with a unit that is not its fraction: 15.06min, 3/10mm."""
        if at + 1 >= len(self.words):
            return False
        if not (self.words[at][-1].isdigit() and self.words[at + 1][0].isdigit()):
            return False
        unit = self.folded[at + 1].lstrip("0123456789")
        gap = self.gaps[at + 1]
        return gap in ("/", ":", "-", ".", ",") and not (
            gap in (".", ",") and unit in UNITS and not re.match("0[0-9]", self.words[at])
        )

    # ------------------------------------------------------------------ text

    def values(self) -> list[str]:
        """Give what is kept, value by value."""
        places: list[list[int]] = [[] for _ in range("".join(self.gaps).count(_BETWEEN_VALUES) + 1)]
        value = 0
        for at, is_kept in enumerate(self.is_kept):
            value += self.gaps[at].count(_BETWEEN_VALUES)
            places[value] += [at] if is_kept else []
        return [self._joined(kept) if kept else "" for kept in places]

    def _joined(self, kept: list[int]) -> str:
        text = self.words[kept[0]]
        for before, at in pairwise(kept):
            text += self._gap(before, at) + self.words[at]
        return text + ("%" if self.gaps[kept[-1] + 1].startswith("%") else "")

    def _gap(self, before: int, after: int) -> str:
        first, last = _plain(self.gaps[before + 1]), _plain(self.gaps[after])
        if after == before + 1 or (first == last and first in "_-/"):
            return first
        return " "


@dataclass(frozen=True)
class _Unnamed:
    """What stays of values where nobody's name is in them, and in what a name is looked for.

    Parameters
    ----------
    folded : list of str
        Their words.
    pieces : frozenset of str
        Parts of their words, as ``TextCleaner._is_allowed`` asks for them.
    values : tuple of str
    """

    folded: list[str]
    pieces: frozenset[str]
    values: tuple[str, ...]


@lru_cache(_REMEMBERED)
def _unnamed(texts: tuple[str, ...], words: frozenset[str], extra: frozenset[str]) -> _Unnamed:
    """Clean values as those of somebody without a name: it depends on nothing else.

    The studies of an archive say the same again and again; whose names go is looked for each time.
    """
    cleaner = TextCleaner(Named(), extra)
    found = _Text.of(texts, words)
    pieces = {piece.upper() for word in found.words for piece in _PIECES.findall(word)}
    return _Unnamed(found.folded, frozenset(pieces), tuple(cleaner._cleaned(texts, words)))


def _plain(gap: str) -> str:
    """Write a gap in plain signs, repetitions once."""
    signs = "".join(sign if sign in _PLAIN else " " for sign in gap)
    return re.sub(r"\s+", " ", re.sub(r"([_\-/.,+:])[\s_\-/.,+:]*\1", r"\1", signs)) or " "
