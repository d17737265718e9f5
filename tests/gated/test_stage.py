"""The stage on a lake: a row of every study, figures of those that have gates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from imaging_objects import HABITS, STUDY, SUBJECT

from mpss_lib.batch import run_batch, run_stage
from mpss_lib.config import Config, sites_of
from mpss_lib.demo.beating import make_gated
from mpss_lib.demo.nm_modules import SeriesText
from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.dicom import to_bytes
from mpss_lib.errors import StudyRejectedError
from mpss_lib.gated import stage
from mpss_lib.schemas import TABLES
from mpss_lib.tables import Lake
from mpss_lib.volume import Volume
from mpss_lib.whole_files import write_bytes

ON = Config.model_validate({"gated": {"measure": True}})
GATES = {"gates": (8.0, 8.0), "voxel_mm": (6.4, 6.4), "is_short_axis": (0.0, 0.0)}
CLEAR = {**GATES, "edv_ml": (120.0, 120.0), "ejection": (60.0, 60.0), "noise": (0.05, 0.05)}
SERIES = SeriesText("2.25.31", "2.25.41", 1, "STRESS GATED AC")


@pytest.fixture(scope="module")
def heart():
    return make_gated(77, CLEAR)


def put(lake: Lake, gates: list[Volume], *reasons: str, change=None) -> Lake:
    """A study whose summed series was chosen, with a gated one beside it."""
    slots = np.stack([one.array for one in gates])
    scaled = replace(HABITS, rescale=True)
    dataset = nm_dataset(gates[0], SUBJECT, SERIES, scaled, gated=slots)
    if change is not None:
        change(dataset)
    path = lake.dicom_folder(STUDY) / "gates.dcm"
    write_bytes(path, to_bytes(dataset))
    blank = dict.fromkeys(TABLES["volume"].columns)
    told = {"study_key": STUDY, "stress": "stress", "attenuation": "AC", "flags": []}
    told |= {"reconstruction": "iterative", "orientation": "transaxial", "path": "none"}
    rows = [
        blank | told | {"object_key": "sum", "is_chosen": True, "reasons": [], "n_time_slots": 1}
    ]
    if gates:
        rows.append(
            blank
            | told
            | {"object_key": "gates", "is_chosen": False, "n_time_slots": len(gates)}
            | {"reasons": list(reasons or ("not_best",)), "path": lake.relative(path)}
        )
    lake.write("volume", ON.address("intake"), STUDY, "d0", rows)
    return lake


def row_of(lake: Lake) -> dict[str, object]:
    (row,) = lake.rows("ejection", ON.address("gated"), STUDY)
    return row


def segments_of(lake: Lake) -> list[dict[str, object]]:
    return lake.rows("ejection_segment", ON.address("gated"), STUDY)


def test_a_gated_study_is_measured_and_skipped_when_identical(lake, heart):
    put(lake, heart.gates)
    first = stage.run(STUDY, lake, ON)
    assert (first.status, stage.run(STUDY, lake, ON).status) == ("done", "skipped")
    row = row_of(lake)
    assert (row["state"], row["object_key"], row["problem"]) == ("measured", "gates", "")
    assert row["lvef"] == pytest.approx(heart.percent, abs=6.0)
    assert row["edv_ml"] == pytest.approx(heart.edv_ml, rel=0.15)
    assert row["stroke_ml"] == pytest.approx(row["edv_ml"] - row["esv_ml"])
    assert row["lvef"] == pytest.approx(100.0 * row["stroke_ml"] / row["edv_ml"])
    assert (row["n_gates"], row["n_gates_used"], len(row["curve_ml"])) == (8, 8, 8)
    assert row["is_sure"] == (row["flags"] == [])
    assert [one["segment"] for one in segments_of(lake)] == list(stage.SEGMENTS)
    assert all(one["thickening"] > 0.0 for one in segments_of(lake))
    assert stage.run(STUDY, lake, ON, force=True).written == first.written


def test_a_study_without_gates_is_told_and_goes_on(lake):
    put(lake, make_still(1))
    outcome = stage.run(STUDY, lake, ON)
    assert outcome.status == "done"
    row = row_of(lake)
    assert (row["state"], row["object_key"], row["reasons"]) == ("no_gates", "", [])
    assert (row["lvef"], row["is_sure"], row["curve_ml"]) == (None, False, [])
    assert segments_of(lake) == []
    sites = sites_of(ON, lake.root)
    assert run_stage("gated", [STUDY], lake, ON, sites).keys == (STUDY,)


def make_still(n_gates: int, changes: tuple[int, ...] = ()) -> list[Volume]:
    """A small volume of one value in every gate, nothing in those that are named."""
    affine = np.diag([6.4, 6.4, 6.4, 1.0])[[2, 1, 0, 3]]
    return [Volume(np.full((6, 8, 8), float(k not in changes)), affine) for k in range(n_gates)]


def test_too_few_gates_are_a_state_of_their_own(lake):
    put(lake, make_still(8, (0, 1, 2, 3, 4)))
    stage.run(STUDY, lake, ON)
    row = row_of(lake)
    assert (row["state"], row["n_gates"], row["n_gates_used"]) == ("too_few_gates", 8, 3)
    assert (row["flags"], segments_of(lake)) == ([], [])


def test_nothing_like_a_ventricle_is_a_state_too(lake):
    put(lake, make_still(8))
    stage.run(STUDY, lake, ON)
    row = row_of(lake)
    assert (row["state"], row["lvef"], row["n_gates_used"]) == ("no_ventricle", None, 8)


def test_a_missing_gate_is_left_out_and_flagged(lake, heart):
    gates = [replace(one, array=one.array * (k != 5)) for k, one in enumerate(heart.gates)]
    put(lake, gates)
    stage.run(STUDY, lake, ON)
    row = row_of(lake)
    assert "gates_missing" in row["flags"]
    assert (row["state"], row["n_gates"], row["n_gates_used"]) == ("measured", 8, 7)
    assert [k for k, ml in enumerate(row["curve_ml"]) if np.isnan(ml)] == [5]
    assert row["lvef"] == pytest.approx(heart.percent, abs=8.0)


def test_irregular_beats_are_flagged(lake, heart):
    shares = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.5)  # short beats leave the last gates early
    put(lake, [replace(g, array=s * g.array) for g, s in zip(heart.gates, shares, strict=True)])
    stage.run(STUDY, lake, ON)
    row = row_of(lake)
    assert "count_drop" in row["flags"]
    assert not row["is_sure"]


def test_gates_that_cannot_be_read_are_unusable_and_nothing_is_quarantined(lake):
    def cut(dataset):
        dataset.PixelData = dataset.PixelData[:-200]

    put(lake, make_still(8), change=cut)
    done = run_batch("gated", lambda key: stage.run(key, lake, ON), [STUDY], lake, ON)
    assert (done.done, done.quarantined) == (1, 0)
    row = row_of(lake)
    assert (row["state"], row["object_key"]) == ("unusable", "gates")
    assert (row["reasons"], bool(row["problem"])) == (["unreadable"], True)
    put(lake, make_still(8), "not_best", "geometry")
    stage.run(STUDY, lake, ON)
    assert lake.rows("ejection", ON.address("gated"), STUDY)[0]["state"] == "unusable"


def test_what_intake_refused_is_refused(lake):
    told = dict.fromkeys(TABLES["volume"].columns) | {"study_key": STUDY, "object_key": "one"}
    told |= {"is_chosen": False, "reasons": ["rest"], "flags": [], "n_time_slots": 8}
    lake.write("volume", ON.address("intake"), STUDY, "d0", [told])
    with pytest.raises(StudyRejectedError):
        stage.run(STUDY, lake, ON)


def test_nothing_is_done_and_nothing_written_where_nobody_asks(lake):
    config = Config()
    done = run_stage("gated", [STUDY], lake, config, sites_of(config, lake.root))
    assert (done.given, done.skipped, done.keys) == (1, 1, (STUDY,))
    assert not (lake.root / "manifest").exists()
    assert config.address("gated") == ON.address("gated")
