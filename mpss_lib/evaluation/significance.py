"""How p-values are told: at the floor of their deals or not, and over how many questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

LEVEL = 0.05


def deals_of(row: Row) -> int | None:
    """Tell the number of deals behind a permutation p-value, from its Monte Carlo error.

    The error is sqrt(p (1 - p) / (deals + 1)). None where the test deals nothing, or p is 1.
    """
    p, error = row["p_value"], row["p_error"]
    if p is None or not error or p >= 1.0:
        return None
    return round(float(p * (1.0 - p) / error**2)) - 1


def is_at_floor(row: Row) -> bool:
    """Whether no deal reached what was observed: a smaller p-value could not have come out."""
    deals = deals_of(row)
    return deals is not None and round(row["p_value"] * (deals + 1)) <= 1


def floor_text(rows: Sequence[Row]) -> str:
    """Tell the floor of the rows that are at it; "" where none is."""
    floors = sorted({deals_of(row) or 0 for row in rows if is_at_floor(row)})
    return "; ".join(
        f"at the floor: {deals} deals can give no less than {p_text(1.0 / (deals + 1))}"
        for deals in floors
    )


def p_text(p: float) -> str:
    """Write a p-value as journals do: no leading zero, .000 never."""
    if p < 0.001:
        return "< .001"
    digits = 3 if p < 0.1 else 2
    text = f"{p:.{digits}f}"
    return text.removeprefix("0") if p < 1.0 else text


def p_phrase(p: float) -> str:
    """Write ``p = .012`` or ``p < .001``."""
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
