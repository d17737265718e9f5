"""The first sentence commits: what was found, how large, how sure, of how many questions."""

from __future__ import annotations

from math import sqrt

import pytest

from mpss_lib.evaluation.headline import headline
from mpss_lib.evaluation.significance import deals_of, floor_text, is_at_floor, p_text
from mpss_lib.sections import SEGMENTS


def made_test(segment, p, deals=999, test="conditional_mean_r", configuration="combined"):
    error = sqrt(p * (1 - p) / (deals + 1))
    return {"profile": "corrected", "segment": segment, "configuration": configuration,
            "test": test, "p_value": p, "p_error": error,
            "p_adjusted": min(1.0, 28 * p)}  # fmt: skip


def measured(segment, value, low=None, high=None, configuration="combined", compared_with=""):
    return {"profile": "corrected", "segment": segment, "configuration": configuration,
            "compared_with": compared_with, "measure": "spearman", "value": value, "low": low,
            "high": high, "std_error": None if low is None else (high - low) / 3.92}  # fmt: skip


def sizes(segment, clinical, combined, low, high):
    return [
        measured(segment, clinical, configuration="clinical"),
        measured(segment, combined),
        measured(segment, combined - clinical, low, high, compared_with="clinical"),
    ]


def cohort(p, deals=999):
    """Seven segments, four questions; the conditional test has p in MYO and .5 elsewhere."""
    rows = [made_test(s, p if s == "MYO" else 0.5, deals) for s in SEGMENTS]
    return rows + [
        made_test(s, 0.5, deals, "permutation_mean_r", configuration)
        for s in SEGMENTS
        for configuration in ("radiomics", "clinical", "combined")
    ]


def test_a_finding_says_how_large_how_sure_and_of_how_many():
    found = headline(cohort(0.001), sizes("MYO", 0.41, 0.47, 0.02, 0.10))
    assert found.sentence == (
        "Radiomics carry something beyond the clinical terms in 1 of 7 segments (MYO); most clearly"
        " in MYO, where the rank correlation of the out-of-sample predictions with the score goes"
        " from 0.41 with clinical terms to 0.47 with both, a difference of +0.06 (95 % interval"
        " +0.02 to +0.10); p = .001, or .028 when adjusted (Westfall and Young) for the 28"
        " questions asked of these patients."
    )
    assert (found.segment, found.found, found.questions) == ("MYO", ("MYO",), 28)
    assert found.p_adjusted == pytest.approx(0.028)
    assert found.limits == "At the floor: 999 deals can give no less than .001."


def test_a_finding_without_a_gain_says_so():
    found = headline(cohort(0.001), sizes("MYO", 0.41, 0.42, -0.02, 0.04))
    assert "which is no measurable gain in prediction" in found.sentence


def test_what_is_not_found_says_what_could_have_been():
    found = headline(cohort(0.03), sizes("MYO", 0.41, 0.44, -0.02, 0.08))
    assert found.sentence.startswith("It is not shown in any of 7 segments")
    assert "p = .030, or .84 when adjusted (Westfall and Young) for the 28" in found.sentence
    assert found.found == ()
    assert "A true difference of 0.07 in rank correlation" in found.limits


def test_deals_that_cannot_answer_are_named():
    """20 deals: the least p-value is .048; 18 cannot give .05 at all."""
    found = headline(cohort(1 / 21, deals=20), [])
    assert found.limits == "At the floor: 20 deals can give no less than .048."
    assert found.found == ()
    assert "18 deals cannot give a p-value of .05" in headline(cohort(1 / 19, deals=18), []).limits
    assert headline([], []).sentence.startswith("Whether radiomics add to clinical terms was not")
    unadjusted = [row | {"p_adjusted": None} for row in cohort(0.001)]
    assert "p = .001, not adjusted for the 28" in headline(unadjusted, []).sentence


@pytest.mark.parametrize("deals", [5, 20, 199, 9999])
def test_the_floor_is_known_from_the_row(deals):
    for count in (1, 2, deals // 2):
        row = made_test("MYO", count / (deals + 1), deals)
        assert deals_of(row) == deals
        assert is_at_floor(row) is (count == 1)
    assert deals_of(made_test("MYO", 1.0, deals)) is None
    assert not is_at_floor({"p_value": 0.001, "p_error": 0.0})  # by a formula: no deals, no floor
    assert not is_at_floor({"p_value": None, "p_error": None})


def test_p_values_as_text():
    assert [p_text(p) for p in (0.0001, 0.0476, 0.2, 1.0, 0.999)] == [
        "< .001", ".048", ".20", "1.00", "1.00",
    ]  # fmt: skip
    assert floor_text([made_test("MYO", 0.5)]) == ""
