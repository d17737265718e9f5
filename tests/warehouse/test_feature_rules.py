"""The check of all feature columns at once, against the definition one value at a time."""

import math

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mpss_lib.warehouse.expectations.features import SCALES, Dictionary, broken_rows

NAMES = ("a", "b", "c", "d")
DICTIONARY = Dictionary(
    names=NAMES,
    low=np.array([0.0, -1.0, -np.inf, 1.0]),
    high=np.array([1.0, np.inf, 2.0, 1.0]),
    scales=("log2(bins)", "1", "bins^2", "bins"),
    identities=(),
)
VALUES = st.one_of(
    st.floats(-20, 300), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0, 2.0, 4.0])
)
ROWS = st.lists(
    st.tuples(
        st.tuples(VALUES, VALUES, VALUES, VALUES),
        st.sampled_from([4, 8, 512]),
        st.sets(st.sampled_from(NAMES)),
    ),
    min_size=1,
    max_size=8,
)


def frame_of(found):
    frame = pd.DataFrame([values for values, *_ in found], columns=list(NAMES))
    frame["bins"] = [bins for _, bins, _ in found]
    frame["undefined_features"] = [sorted(flagged) for *_, flagged in found]
    frame["study_key"] = [f"s{k}" for k in range(len(found))]
    frame["segment"] = "MYO"
    return frame


def is_out_of_range(name, value, bins):
    """By the definition, with the tolerance that two orders of summation may need."""
    k = NAMES.index(name)
    low, high = DICTIONARY.low[k], DICTIONARY.high[k]
    if math.isfinite(high):
        high = high * SCALES[DICTIONARY.scales[k]](np.array([float(bins)]))[0]
    if not math.isfinite(value):
        return False
    return value < low - 1e-9 * max(abs(low), 1) or value > high + 1e-9 * max(abs(high), 1)


def keys(found):
    return {row["study_key"] for row in found}


@given(found=ROWS)
def test_rows_are_those_that_the_definition_finds(found):
    broken = broken_rows(frame_of(found), DICTIONARY)
    expected_flags, expected_range = set(), set()
    for k, (values, bins, flagged) in enumerate(found):
        for name, value in zip(NAMES, values, strict=True):
            if math.isinf(value) or math.isnan(value) != (name in flagged):
                expected_flags.add(f"s{k}")
            if is_out_of_range(name, value, bins):
                expected_range.add(f"s{k}")
    assert keys(broken["finite_or_flagged"]) == expected_flags
    assert keys(broken["in_range"]) == expected_range
    assert broken["identical"] == []


@given(found=ROWS)
def test_the_order_of_rows_changes_nothing(found):
    frame = frame_of(found)
    straight, back = broken_rows(frame, DICTIONARY), broken_rows(frame[::-1], DICTIONARY)
    assert {k: keys(v) for k, v in straight.items()} == {k: keys(v) for k, v in back.items()}


def test_identities_hold_up_to_rounding_and_where_both_are_undefined():
    tied = Dictionary(
        NAMES,
        np.full(4, -np.inf),
        np.full(4, np.inf),
        ("1",) * 4,
        ((0, 2.0, 1, -1), (2, 1.0, 1, 3)),  # a = 2 b, c = b - d
    )
    nan = math.nan
    rows = [
        (2.0, 1.0, 0.5, 0.5),  # holds
        (2.0 + 1e-12, 1.0, 0.5, 0.5),  # holds up to rounding
        (nan, nan, nan, 0.0),  # undefined on both sides
        (2.1, 1.0, 0.5, 0.5),  # a is not 2 b
        (2.0, 1.0, 0.6, 0.5),  # c is not b - d
        (nan, 1.0, 0.5, 0.5),  # one side is undefined
    ]
    found = [
        (values, 4, {n for n, v in zip(NAMES, values, strict=True) if v != v}) for values in rows
    ]
    broken = broken_rows(frame_of(found), tied)
    assert keys(broken["identical"]) == {"s3", "s4", "s5"}
    assert broken["identical"][0]["value"] == "a = 2.1"


def test_a_finding_names_three_features_and_counts_the_others():
    found = [((-1.0, -2.0, 500.0, 9.0), 4, set())]
    (row,) = broken_rows(frame_of(found), DICTIONARY)["in_range"]
    assert row["value"] == "a = -1, b = -2, c = 500, and 1 more"


def test_the_ranges_hold_for_the_catalogue_of_the_engine():
    """Every bounded code is a feature, and every scale is known."""
    from mpss_lib.radiomics.catalogue import FEATURES
    from mpss_lib.sql_files import sql_folder

    text = (sql_folder() / "2_core" / "core.feature_range.sql").read_text()
    listed = [line.strip().strip("(),").split(", ") for line in text.splitlines() if "('" in line]
    codes = [fields[0].strip("'") for fields in listed]
    assert len(codes) == len(set(codes)) > 150
    assert set(codes) <= {feature.ibsi_code for feature in FEATURES}
    assert {fields[3].strip("'") for fields in listed} == set(SCALES)
