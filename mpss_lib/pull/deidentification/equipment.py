"""Names and versions of equipment: a version is not a date, a model has no serial number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from itertools import permutations

from mpss_lib.pull.deidentification.free_text import TextCleaner
from mpss_lib.pull.deidentification.words import EQUIPMENT, MODEL_NUMBERS

_VERSION = re.compile(
    r"[Vv]?[A-Z]{0,2}[0-9]{1,2}[A-Z]?(\.[0-9]{1,4}){0,2}[A-Z]?|[Vv]?[0-9]\.[0-9]{3}\.[0-9]{3}"
)
"""VB10A, 4.0117, 1.003.009: one or two letters, at most three groups of digits."""


_MODELS = EQUIPMENT | MODEL_NUMBERS


def clean_maker(texts: Sequence[str], cleaner: TextCleaner) -> list[str]:
    """Keep the words of makers."""
    return cleaner.clean_all(texts, EQUIPMENT)


def clean_model(texts: Sequence[str], cleaner: TextCleaner) -> list[str]:
    """Keep words and the numbers of known models; a serial number or a site's name goes."""
    return cleaner.clean_all(texts, _MODELS)


def clean_version(texts: Sequence[str], cleaner: TextCleaner) -> list[str]:
    """Keep words and what can only be a version; beside other numbers nothing can only be one."""
    values = [[chunk for chunk in re.split(r"[\s_,;]+", text) if chunk] for text in texts]
    chunks = [chunk for value in values for chunk in value]
    if len(chunks) == 1 and re.fullmatch("[0-9]{1,2}", chunks[0]):
        return ["".join(value) for value in values]
    beside = zip(["", *chunks], chunks, [*chunks[1:], ""], strict=False)
    kept = iter([_kept_chunk(*three, cleaner) for three in beside])
    return [" ".join(part for _ in value if (part := next(kept))) for value in values]


def _kept_chunk(before: str, chunk: str, after: str, cleaner: TextCleaner) -> str:
    if not _has_digit(chunk):
        return cleaner.clean(chunk, EQUIPMENT)
    numbers = [one for one in (before, chunk, after) if _has_digit(one)]
    return chunk if all(_is_version(one) for one in numbers) else ""


def _has_digit(chunk: str) -> bool:
    return any(sign.isnumeric() for sign in chunk)


def _is_version(chunk: str) -> bool:
    """Whether a chunk has the form of a version and cannot be a date; a bare number has not."""
    return bool(_VERSION.fullmatch(chunk)) and not chunk.isdigit() and not _may_be_date(chunk)


def _may_be_date(chunk: str) -> bool:
    """Whether the groups of digits can be a day, month and year, or two of them, or a clock."""
    groups = re.findall("[0-9]+", chunk)
    if len(groups) == 2:
        return bool(re.fullmatch(r"[0-9]{2}\.([0-9]{2}|(19|20)[0-9]{2})", chunk))
    return len(groups) == 3 and any(_is_date(*order) for order in permutations(groups))


def _is_date(day: str, month: str, year: str) -> bool:
    if max(len(day), len(month)) > 2 or len(year) not in (2, 4):
        return False
    try:
        date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day))
    except ValueError:
        return False
    return True
