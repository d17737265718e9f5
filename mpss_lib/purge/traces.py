"""What is looked for: the traces of a person, and how they are recognised in bytes.

A trace is found where it stands by itself: not inside a longer number, word or UID, so that
``1.2.3.4`` is not found in ``1.2.3.45`` and a birth date not among the digits of another UID. Small
and capital letters are the same. A weak trace (a short number, a single word of a name) may stand
somewhere by chance: it is told, nothing is removed because of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from mpss_lib.pull.texts import normal_text

SHORTEST = 6
"""Characters that an identifier needs to be strong."""

SHORTEST_WORD = 4
"""Letters that a word of a name needs to be looked for."""

KEY, UID, NAME, PATIENT_ID, ACCESSION, BIRTH, WORD = (
    "key",
    "UID",
    "name",
    "patient id",
    "accession number",
    "birth date",
    "word of a name",
)

_EDGES = {
    KEY: (rb"(?<![0-9a-z])", rb"(?![0-9a-z])"),
    UID: (rb"(?<![0-9.])", rb"(?![0-9])"),
    BIRTH: (rb"(?<![0-9])", rb"(?![0-9])"),
}
_WORD_EDGE = (rb"(?<![0-9a-z\x80-\xff])", rb"(?![0-9a-z\x80-\xff])")


@dataclass(frozen=True)
class Trace:
    """One text that must be nowhere; ``kind`` is told, the text never."""

    kind: str
    text: str
    is_strong: bool = True


def traces_of_name(name: str) -> set[Trace]:
    """Traces of a DICOM person name: as it stands, as people write it, and its single words."""
    groups = [group for group in name.split("=") if group.strip("^ ")]
    found: set[Trace] = set()
    for group in groups:
        parts = [part.strip() for part in group.split("^") if part.strip()]
        found.add(_identifier(NAME, group.strip()))
        for order in (parts, parts[::-1], [*parts[1:2], *parts[:1]], parts[:2]):
            for joint in (" ", ", ", "_"):
                if len(order) > 1:
                    found.add(_identifier(NAME, joint.join(order)))
        words = re.findall(r"[^\W\d_]+", group)
        found |= {Trace(WORD, w, is_strong=False) for w in words if len(w) >= SHORTEST_WORD}
    return found


def traces_of_birth(text: str) -> set[Trace]:
    """Traces of a birth date (DICOM: YYYYMMDD), in the ways in which dates are written."""
    digits = text.strip()
    if not re.fullmatch(r"\d{8}", digits):
        return {_identifier(BIRTH, digits)} if digits else set()
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return {Trace(BIRTH, digits)}
    y, m, d = day.year, day.month, day.day
    texts = {
        digits,
        *(f"{y}{sign}{m:02d}{sign}{d:02d}" for sign in "-/."),
        *(f"{d:02d}{sign}{m:02d}{sign}{y}" for sign in "-/."),
        *(f"{m:02d}{sign}{d:02d}{sign}{y}" for sign in "-/."),
        *(f"{d}{sign}{m}{sign}{y}" for sign in "/."),
        f"{d} {day:%B} {y}",
        f"{day:%B} {d}, {y}",
    }
    return {Trace(BIRTH, one) for one in texts}


def traces_of_identifier(kind: str, text: str) -> set[Trace]:
    """Trace of a patient id or an accession number; none where there is none."""
    text = normal_text(text)
    return {_identifier(kind, text)} if text else set()


def _identifier(kind: str, text: str) -> Trace:
    return Trace(kind, text, is_strong=len(text) >= SHORTEST)


def identities(traces: Iterable[Trace]) -> list[Trace]:
    """Leave the pseudonymous keys out: names, ids, UIDs and birth dates stay."""
    return [one for one in traces if one.kind != KEY]


class Matcher:
    """Finds traces in bytes.

    Parameters
    ----------
    traces : iterable of Trace
    """

    def __init__(self, traces: Iterable[Trace]) -> None:
        self.traces: Sequence[Trace] = sorted(
            {trace for trace in traces if trace.text}, key=lambda t: (t.kind, t.text)
        )
        self._strong = [p for t in self.traces if t.is_strong for p in _patterns(t)]
        self._weak = [p for t in self.traces if not t.is_strong for p in _patterns(t)]

    def kinds(self, content: bytes) -> set[str]:
        """Kinds of the strong traces in these bytes."""
        lowered = content.lower()
        return {kind for kind, plain, edged in self._strong if _stands(lowered, plain, edged)}

    def weak_kinds(self, content: bytes) -> set[str]:
        """Kinds of the weak traces in these bytes."""
        lowered = content.lower()
        return {kind for kind, plain, edged in self._weak if _stands(lowered, plain, edged)}

    def has(self, text: str) -> bool:
        """Whether a strong trace stands in the text."""
        lowered = text.encode("utf-8", "replace").lower()
        return any(_stands(lowered, plain, edged) for _, plain, edged in self._strong)

    @property
    def longest(self) -> int:
        """Bytes of the longest pattern: what two chunks of a file must share."""
        return max((len(plain) for _, plain, _ in (*self._strong, *self._weak)), default=0)


_Pattern = tuple[str, bytes, re.Pattern[bytes]]


def _patterns(trace: Trace) -> list[_Pattern]:
    found = []
    spellings = {trace.text.lower().encode("utf-8")}
    if not trace.text.isascii():
        spellings.add(trace.text.lower().encode("latin-1", "ignore"))
        spellings.add(trace.text.encode("utf-8").lower())
        spellings.add(trace.text.encode("latin-1", "ignore").lower())
    # As JSON and Python write it: backslashes doubled, other alphabets and controls as escapes.
    written = (json.dumps(trace.text), json.dumps(trace.text, ensure_ascii=False), repr(trace.text))
    spellings |= {text[1:-1].lower().encode("utf-8") for text in written}
    before, after = _EDGES.get(trace.kind, _WORD_EDGE)
    for plain in sorted(spellings):
        if plain:
            edged = re.compile(before + re.escape(plain) + after)
            found.append((trace.kind, plain, edged))
    return found


def _stands(lowered: bytes, plain: bytes, edged: re.Pattern[bytes]) -> bool:
    return plain in lowered and edged.search(lowered) is not None
