from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from mpss_airflow.batch import plan_batches
from mpss_airflow.night import total_counts
from mpss_airflow.window import window_of

from mpss_lib.errors import WrongArgumentError

ZONE = ZoneInfo("Europe/Zurich")
NIGHT = datetime(2026, 3, 4, tzinfo=ZONE)
DUE = datetime(2026, 3, 5, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("run_type", "params", "start", "window"),
    [
        ("scheduled", {}, NIGHT, (date(2026, 2, 25), date(2026, 3, 4))),
        ("backfill", {}, NIGHT, (date(2026, 3, 4), date(2026, 3, 4))),
        ("manual", {}, None, (date(2026, 3, 4), date(2026, 3, 4))),
        (
            "manual",
            {"from": "2020-01-01", "to": "2020-12-31"},
            None,
            (date(2020, 1, 1), date(2020, 12, 31)),
        ),
        (
            "scheduled",
            {"from": "2020-01-01", "to": None},
            NIGHT,
            (date(2020, 1, 1), date(2020, 1, 1)),
        ),
    ],
)
def test_each_kind_of_run_asks_for_its_window(run_type, params, start, window):
    assert window_of(run_type, params, start, DUE, 7) == window


@pytest.mark.parametrize(
    "params", [{"from": "2020-02-01", "to": "2020-01-01"}, {"from": "1.2.20", "to": "2020-01-01"}]
)
def test_a_bad_window_is_refused(params):
    with pytest.raises(WrongArgumentError):
        window_of("manual", params, NIGHT, DUE, 7)


@pytest.mark.parametrize(
    ("n", "slots", "sizes"),
    [
        (0, 4, []),
        (1, 4, [1]),
        (60, 4, [25, 25, 10]),
        (570, 4, [48] * 11 + [42]),
        (570, 32, [25] * 22 + [20]),
        (2_000, 4, [100] * 20),
        (30_000, 4, [150] * 200),
    ],
)
def test_batches_follow_studies_and_slots(n, slots, sizes):
    assert [len(b) for b in plan_batches([f"S{i}" for i in range(n)], 25, slots)] == sizes


def test_counts_of_all_batches_are_summed():
    answer = {"given": 3, "done": 1, "skipped": 1, "rejected": 0, "quarantined": 1}
    totals = total_counts({"fetch": [answer, None, answer], "intake": None})
    assert totals["fetch_given"] == 6
    assert totals["fetch_quarantined"] == 2
    assert totals["intake_given"] == 0
