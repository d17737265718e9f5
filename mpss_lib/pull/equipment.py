"""Names and versions of equipment: a version is not a date, a model has no serial number."""

from __future__ import annotations

import re
from datetime import date
from itertools import permutations

from mpss_lib.pull.free_text import TextCleaner
from mpss_lib.pull.words import MODEL_NUMBERS

_VERSION = re.compile(
    r"[Vv]?[A-Z]{0,2}[0-9]{1,2}[A-Z]?(\.[0-9]{1,4}){0,2}[A-Z]?|[Vv]?[0-9]\.[0-9]{3}\.[0-9]{3}"
)
"""VB10A, 4.0117, 1.003.009: one or two letters, at most three groups of digits."""


def clean_model(text: str, cleaner: TextCleaner) -> str:
    """Keep words and the numbers of known models; a serial number or a site's name goes."""
    return cleaner.clean(text, model_numbers=MODEL_NUMBERS)


def clean_version(text: str, cleaner: TextCleaner) -> str:
    """Keep words and what can only be a version, each between blanks."""
    chunks = re.split(r"[\s_,;]+", text)
    kept: list[str] = []
    for before, chunk, after in zip(["", *chunks], chunks, [*chunks[1:], ""], strict=False):
        is_run = chunk.isdigit() and (before.isdigit() or after.isdigit())
        if _VERSION.fullmatch(chunk) and not _may_be_date(chunk) and not is_run:
            kept.append(chunk)
        elif cleaned := "" if is_run else cleaner.clean(chunk):
            kept.append(cleaned)
    return " ".join(kept)


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
        date(int(year) + (1900 if len(year) == 2 else 0), int(month), int(day))
    except ValueError:
        return False
    return True
