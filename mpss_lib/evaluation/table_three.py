"""The pattern of Table 3 as numbers: how many segments hold what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpss_lib.config import AS_PUBLISHED
from mpss_lib.evaluation import paper
from mpss_lib.sections import SEGMENTS

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Pattern:
    """Numbers of segments, of seven.

    Parameters
    ----------
    radiomics, clinical, combined : int
        Fisher's X above its limit.
    gains : int
        X of the combined configuration above that of the clinical one.
    """

    radiomics: int
    clinical: int
    combined: int
    gains: int

    def told(self) -> str:
        """Say it."""
        n = len(SEGMENTS)
        return (
            f"radiomics significant in {self.radiomics} of {n}, clinical in {self.clinical},"
            f" combined in {self.combined}; combined above clinical in {self.gains} of {n}"
        )


def pattern_of(x: Mapping[str, Mapping[str, float]], limit: float) -> Pattern:
    """Count; ``x`` maps configuration and segment to Fisher's X."""
    above = {
        configuration: sum(value > limit for value in by_segment.values())
        for configuration, by_segment in x.items()
    }
    gains = sum(x["combined"][name] > x["clinical"][name] for name in SEGMENTS)
    return Pattern(above["radiomics"], above["clinical"], above["combined"], gains)


def pattern_here(tests: Sequence[Row], profile: str) -> Pattern | None:
    """Pattern of the rows of ``combined_test``; None where a segment has none."""
    x: dict[str, dict[str, float]] = {}
    limits = set()
    for row in tests:
        if row["test"] == "fisher" and row["profile"] == profile and row["statistic"] is not None:
            x.setdefault(row["configuration"], {})[row["segment"]] = row["statistic"]
            limits.add(row["threshold"])
    is_whole = len(x) == 3 and all(len(found) == len(SEGMENTS) for found in x.values())
    return pattern_of(x, min(limits)) if is_whole and None not in limits else None


def pattern_text(tests: Sequence[Row]) -> str:
    """Tell the published profile's pattern beside the paper's; "" where it is not whole."""
    here = pattern_here(tests, AS_PUBLISHED)
    return f"here {here.told()}. The paper: {PAPER.told()}." if here else ""


PAPER = pattern_of(paper.FISHER, paper.FISHER_LIMIT)
"""As the paper printed it."""
