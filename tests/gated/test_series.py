"""Which series holds the gates: by what intake said of each object."""

from __future__ import annotations

import pytest

from mpss_lib.gated.series import HARMLESS, UNUSABLE, find_gated
from mpss_lib.intake.candidate import REASONS


def row(key: str, slots: int = 1, *reasons: str, **more: object) -> dict[str, object]:
    told = {"stress": "stress", "attenuation": "AC", "reconstruction": "iterative"}
    return {
        "object_key": key,
        "n_time_slots": slots,
        "reasons": list(reasons),
        "is_chosen": not reasons,
        "orientation": "transaxial",
        **told,
        **more,
    }


CHOSEN = row("sum")


def key_of(*rows: dict[str, object], order: dict[str, int] | None = None) -> str | None:
    found = find_gated([CHOSEN, *rows], order or {})
    return None if found.row is None else str(found.row["object_key"])


def test_every_reason_is_one_of_intake() -> None:
    assert set(REASONS) >= HARMLESS | UNUSABLE
    assert not HARMLESS & UNUSABLE


def test_a_study_without_gates_has_none_and_no_reason() -> None:
    assert find_gated([CHOSEN], {}).row is None
    assert find_gated([CHOSEN, row("nac", 1, "not_attenuation_corrected")], {}).reasons == ()


@pytest.mark.parametrize("reason", sorted(HARMLESS))
def test_what_only_radiomics_minds_does_not_matter(reason: str) -> None:
    assert key_of(row("gates", 8, reason)) == "gates"


def test_the_chosen_object_may_hold_the_gates() -> None:
    chosen = row("gated", 8)
    assert find_gated([chosen, row("other", 16, "not_best")], {}).row is chosen


@pytest.mark.parametrize(
    ("reason", "more"),
    [
        ("rest", {"stress": "rest"}),
        ("stress_unknown", {"stress": "unknown"}),
        ("not_reconstructed", {}),
        ("not_emission", {}),
        ("sop_class", {}),
    ],
)
def test_another_acquisition_or_thing_is_no_gated_series(reason: str, more: dict) -> None:
    found = find_gated([CHOSEN, row("other", 8, reason, **more)], {})
    assert (found.row, found.reasons) == (None, ())


@pytest.mark.parametrize("reason", sorted(UNUSABLE))
def test_a_broken_gated_series_is_told(reason: str) -> None:
    found = find_gated([CHOSEN, row("gates", 8, "not_best", reason)], {})
    assert (found.row, found.reasons) == (None, (reason,))


def test_the_one_like_the_chosen_then_more_gates_then_the_later() -> None:
    plain = row("a", 16, "not_attenuation_corrected", attenuation="NAC")
    alike, more = row("b", 8, "not_best"), row("c", 16, "not_best")
    assert key_of(plain, alike) == "b"
    assert key_of(alike, more) == "c"
    assert key_of(row("d", 8, "not_best"), alike, order={"d": 2, "b": 5}) == "b"
    assert key_of(row("d", 8, "not_best"), alike, order={"d": 6, "b": 5}) == "d"
