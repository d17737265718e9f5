"""The sentence that a report begins with: what was found, how large, how sure, of how many asked.

It is about one question, fixed before: whether radiomics add to clinical terms in the corrected
profile. The test says whether there is something; the paired difference of the out-of-sample
predictions says how large it is. Neither stands for the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mpss_lib.config import CORRECTED
from mpss_lib.evaluation.added_value.sample_size import least_difference
from mpss_lib.evaluation.report_tables import number_text
from mpss_lib.evaluation.significance import LEVEL, deals_of, floor_text, p_phrase, p_text

Row = Mapping[str, Any]

QUESTIONS: Mapping[str, tuple[str, str]] = {
    "radiomics alone predict": ("radiomics", "permutation_mean_r"),
    "clinical terms alone predict": ("clinical", "permutation_mean_r"),
    "both together predict": ("combined", "permutation_mean_r"),
    "radiomics add to clinical terms": ("combined", "conditional_mean_r"),
}
"""What is asked in each segment: configuration and test."""

HEADLINE = "radiomics add to clinical terms"


@dataclass(frozen=True)
class Headline:
    """What the page says first.

    Parameters
    ----------
    sentence : str
    limits : str
        What the p-values cannot say, "" where there is nothing to add.
    segment : str
        Segment with the smallest p-value, "" where nothing was tested.
    p_value, p_adjusted : float or None
    questions : int
        Answers that the p-value is judged together with (Westfall and Young's step-down).
    found : tuple of str
        Segments in which the adjusted p-value is at most .05.
    """

    sentence: str
    limits: str = ""
    segment: str = ""
    p_value: float | None = None
    p_adjusted: float | None = None
    questions: int = 0
    found: tuple[str, ...] = ()


def headline(tests: Sequence[Row], added: Sequence[Row]) -> Headline:
    """Make the sentence.

    Parameters
    ----------
    tests : rows of ``combined_test``
    added : rows of ``added_value``
    """
    asked = _asked(tests)
    mine = {key[1]: row for key, row in asked.items() if key[0] == HEADLINE}
    if not mine:
        return Headline(
            "Whether radiomics add to clinical terms was not tested: no permutation was made"
            " (evaluation.permutations)."
        )
    adjusted = {segment: row["p_adjusted"] for segment, row in mine.items()}
    size = {row["segment"]: row for row in added if _is_difference(row)}
    first = min(mine, key=lambda s: (mine[s]["p_value"], -_value(size.get(s)), s))
    found = tuple(s for s, p in adjusted.items() if p is not None and p <= LEVEL)
    pair = {
        row["configuration"]: row["value"]
        for row in added
        if _is_measure(row) and not row["compared_with"] and row["segment"] == first
    }
    text = _sentence(first, found, len(mine), size.get(first), pair)
    sure = _sure(mine[first], len(asked))
    return Headline(
        f"{text}; {sure}.",
        _limits(mine, found, size.get(first)),
        first,
        mine[first]["p_value"],
        adjusted[first],
        len(asked),
        found,
    )


def _sure(row: Row, questions: int) -> str:
    """Tell the p-value alone, and together with all that was asked."""
    alone = p_phrase(row["p_value"])
    if row["p_adjusted"] is None:
        return f"{alone}, not adjusted for the {questions} questions asked of these patients"
    return (
        f"{alone}, or {p_text(row['p_adjusted'])} when adjusted (Westfall and Young) for the"
        f" {questions} questions asked of these patients"
    )


def _asked(tests: Sequence[Row]) -> dict[tuple[str, ...], Row]:
    """Answers of the corrected profile by question and segment."""
    by = {
        (row["configuration"], row["test"], row["segment"]): row
        for row in tests
        if row["profile"] == CORRECTED and row["p_value"] is not None
    }
    segments = dict.fromkeys(key[2] for key in by)
    return {
        (question, segment): by[*asked, segment]
        for question, asked in QUESTIONS.items()
        for segment in segments
        if (*asked, segment) in by
    }


def _is_measure(row: Row) -> bool:
    return bool(row["profile"] == CORRECTED and row["measure"] == "spearman")


def _is_difference(row: Row) -> bool:
    pair = (row["configuration"], row["compared_with"])
    return _is_measure(row) and pair == ("combined", "clinical")


def _value(row: Row | None) -> float:
    return -2.0 if row is None or row["value"] is None else float(row["value"])


def _sentence(
    first: str, found: Sequence[str], n: int, size: Row | None, pair: Mapping[str, float | None]
) -> str:
    """Say what was found and how large, without the full stop."""
    if found:
        where = "each" if len(found) == n else f"{len(found)}"
        names = "" if len(found) == n else f" ({', '.join(found)})"
        start = (
            f"Radiomics carry something beyond the clinical terms in {where} of {n} segments{names}"
        )
        place = f"most clearly in {first}"
    else:
        start = f"It is not shown in any of {n} segments that radiomics add to clinical terms"
        place = f"the smallest p-value is that of {first}"
    gain = "" if size is None else _gain(size, pair)
    verdict = ""
    if gain and found and size is not None and size["low"] <= 0.0:
        verdict = ", which is no measurable gain in prediction"
    return f"{start}; {place}{gain}{verdict}"


def _gain(size: Row, pair: Mapping[str, float | None]) -> str:
    """Tell the paired difference; "" where one of the two is not known."""
    before, after = pair.get("clinical"), pair.get("combined")
    if before is None or after is None or size["value"] is None:
        return ""
    signed = partial(number_text, is_signed=True)
    return (
        ", where the rank correlation of the out-of-sample predictions with the score goes from"
        f" {number_text(before)} with clinical terms to {number_text(after)} with both, a"
        f" difference of {signed(size['value'])} (95 % interval {signed(size['low'])} to"
        f" {signed(size['high'])})"
    )


def _limits(mine: Mapping[str, Row], found: Sequence[str], size: Row | None) -> str:
    """Say what belongs beside the sentence."""
    texts = []
    if floor := floor_text(list(mine.values())):
        texts.append(f"{floor[0].upper()}{floor[1:]}.")
    if not found and size is not None and size["std_error"]:
        texts.append(
            f"A true difference of {least_difference(size['std_error']):.2f} in rank correlation"
            f" would have been found here with a power of 80 %; a smaller one is not excluded."
        )
    deals = [n for row in mine.values() if (n := deals_of(row)) is not None]
    if deals and 1.0 / (min(deals) + 1) > LEVEL:
        texts.append(
            f"{min(deals)} deals cannot give a p-value of .05: evaluation.permutations has to be"
            " raised."
        )
    return " ".join(texts)
