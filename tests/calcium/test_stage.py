"""The stage on a lake: reports read, CTs scored, and what of it counts."""

from __future__ import annotations

import calcium_reports as reports
import numpy as np
import pytest
from calcium_lake import ON, STUDY, put, sources_of
from calcium_reports import SCORES, TOTAL
from ct_objects import chest, files, series
from oracles import agatston

from mpss_lib.calcium import source_rows, stage
from mpss_lib.calcium_sections import CalciumSettings

CUBE = (5, 46, 44, 3, 500.0)


def report(**changes: object) -> tuple[str, list[bytes]]:
    made = reports.changed(reports.deep_groups(), **changes)
    return "report", [reports.as_bytes(made)]


def test_a_report_is_read_by_artery(lake):
    put(lake, one=report())
    first = stage.run(STUDY, lake, ON)
    assert (first.status, stage.run(STUDY, lake, ON).status) == ("done", "skipped")
    (row,) = sources_of(lake).values()
    assert {name: row[name.lower()] for name in SCORES} == SCORES
    assert (row["total"], row["method"], row["status"]) == (TOTAL, "agatston", "final")
    assert (row["state"], row["is_counted"], row["reason"], row["days"]) == ("read", True, "", -3)
    assert stage.run(STUDY, lake, ON, force=True).written == first.written


def test_the_newest_final_report_counts_and_the_others_stay(lake):
    put(
        lake,
        old=report(SOPInstanceUID="1.2.3.1"),
        new=report(SOPInstanceUID="1.2.3.2", ContentDate="20261201"),
        draft=report(
            SOPInstanceUID="1.2.3.3", ContentDate="20261210", PreliminaryFlag="PRELIMINARY"
        ),
    )
    stage.run(STUDY, lake, ON)
    rows = sources_of(lake)
    assert {name: row["is_counted"] for name, row in rows.items()} == {
        "old": False,
        "new": True,
        "draft": False,
    }
    assert {row["reason"] for row in rows.values()} == {"", source_rows.SUPERSEDED}
    assert all(row["total"] == TOTAL for row in rows.values())


def test_a_ct_has_the_score_of_the_independent_scorer_and_waits_without_a_surface(lake):
    hu = chest([CUBE])
    put(lake, scan=("calcium_ct", files(series(hu))), own=("attenuation_ct", files(series(hu))))
    stage.run(STUDY, lake, ON)
    rows = sources_of(lake)
    regions = agatston.regions(
        hu[:, 20:76, 34:62].tolist(), 1.0, 3.0, 3.0, (130.0, 200.0, 300.0, 400.0)
    )
    assert rows["scan"]["total"] == pytest.approx(sum(units for _, _, units in regions)) == 36.0
    assert (rows["scan"]["state"], rows["scan"]["reason"]) == ("scored", source_rows.WAITS)
    assert not rows["scan"]["is_counted"]
    assert (rows["scan"]["lad"], rows["scan"]["n_lesions"], rows["scan"]["n_waiting"]) == (
        None,
        1,
        1,
    )
    assert (rows["own"]["reason"], rows["own"]["total"]) == (source_rows.NOT_A_CALCIUM_SCAN, 36.0)
    lesions = lake.rows("calcium_lesion", ON.address("calcium"), STUDY)
    assert [(one["source_key"], one["first_slice"], one["peak_hu"]) for one in lesions] == [
        ("scan", 5, 500.0),
        ("own", 5, 500.0),
    ]
    assert lesions[0]["area_mm2"] == 9.0
    assert all(one["reason"] and one["waits"] for one in lesions)


def test_below_which_probability_a_person_is_asked_is_a_setting(lake):
    """Without a surface every place has a probability of a half."""
    put(lake, scan=("calcium_ct", files(series(chest([CUBE])))))
    for below, waits in ((0.4, False), (0.75, True)):
        config = ON.model_copy(update={"calcium": CalciumSettings(ask_below=below)})
        stage.run(STUDY, lake, config)
        (row,) = lake.rows("calcium_source", config.address("calcium"), STUDY)
        assert (row["is_counted"], row["n_waiting"]) == (not waits, int(waits))
        assert row["reason"] == (source_rows.WAITS if waits else "")


def test_a_ct_without_calcium_counts_as_nought(lake):
    put(lake, scan=("calcium_ct", files(series(chest()))))
    stage.run(STUDY, lake, ON)
    (row,) = sources_of(lake).values()
    assert (row["is_counted"], row["reason"]) == (True, "")
    assert [row[name] for name in ("total", "lm", "lad", "lcx", "rca")] == [0.0] * 5


def test_what_cannot_be_used_is_named(lake):
    gap = [one for number, one in enumerate(series(chest())) if number != 6]
    wrong = reports.changed(reports.totals_that_differ(), SOPInstanceUID="1.2.3.9")
    put(lake, gap=("calcium_ct", files(gap)), wrong=("report", [reports.as_bytes(wrong)]))
    stage.run(STUDY, lake, ON)
    rows = sources_of(lake)
    assert {name: (row["state"], row["reason"]) for name, row in rows.items()} == {
        "gap": ("unusable", "missing_slices"),
        "wrong": ("unusable", "scores_differ"),
    }
    assert all(row["total"] is None and not row["is_counted"] for row in rows.values())


def test_a_study_with_nothing_beside_it_is_done(lake):
    put(lake)
    assert stage.run(STUDY, lake, ON).status == "done"
    assert sources_of(lake) == {}
    assert np.all([written.n_rows == 0 for written in stage.run(STUDY, lake, ON).written])
