"""What persons say of lesions: kept beside the algorithm's answer, and what of it counts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from calcium_lake import ON, STUDY, put
from ct_objects import chest as boxes
from ct_objects import files, series
from oracles import agatston
from typer.testing import CliRunner

from mpss_lib import cli
from mpss_lib.batch import write_record
from mpss_lib.calcium import calcium_score, stage
from mpss_lib.calcium.correction import (
    LABELS,
    Correction,
    correct,
    corrected_scan,
    records_of,
)
from mpss_lib.calcium.region import region_at
from mpss_lib.config import ENGINES
from mpss_lib.errors import WrongArgumentError
from mpss_lib.records import Unit
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.warehouse import stage as warehouse
from mpss_lib.warehouse.query_rows import rows_of

CUBE = (5, 46, 44, 3, 500.0)
SECOND = (2, 60, 50, 4, 300.0)
BESIDE_THE_LUNGS = (8, 84, 44, 3, 450.0)
"""Outside the lungs' hull: no lesion of the list."""
AT = (-48 + 45.0, -48 + 85.0, 9.0)


@pytest.fixture
def scored(lake):
    hu = boxes([CUBE, SECOND, BESIDE_THE_LUNGS])
    put(lake, scan=("calcium_ct", files(series(hu))), own=("attenuation_ct", files(series(hu))))
    return score(lake)


def score(lake):
    done = stage.run(STUDY, lake, ON, force=True)
    write_record("calcium", [Unit.of(STUDY, done.written, is_new=True)], lake, ON, "night")
    return lake


def say(lake, action, **more):
    said = {"reason": "seen on the CT", "corrector": "anna"} | more
    return correct(lake, ON, STUDY, Correction(action, **said))


def places(lake, **more):
    return {one.key: one.place for one in corrected_scan(lake, ON, STUDY, **more).lesions}


def shown(lake, sql):
    warehouse.run(lake, ON)
    with open_snapshot(lake.snapshot) as connection:
        return rows_of(connection, sql)


def test_both_answers_are_kept_and_the_corrected_one_counts(scored):
    before = corrected_scan(scored, ON, STUDY)
    assert [one.waits for one in before.lesions] == [True, True]
    say(scored, "relabel", lesion="L1", place="lad")
    say(scored, "remove", lesion="l2")
    say(scored, "add", place="RCA", at_mm=AT)
    now = corrected_scan(scored, ON, STUDY)
    *listed, added = now.lesions
    assert [(one.algorithm_place, one.place) for one in listed] == [
        ("mediastinum", "LAD"),
        ("mediastinum", "removed"),
    ]
    regions = agatston.regions(
        boxes([BESIDE_THE_LUNGS]).tolist(), 1.0, 3.0, 3.0, (130.0, 200.0, 300.0, 400.0)
    )
    assert added.figures["score"] == pytest.approx(sum(units for _, _, units in regions)) == 36.0
    assert (added.place, added.algorithm_place, added.figures["first_slice"]) == ("RCA", "", 8)
    assert now.total == pytest.approx(listed[0].figures["score"] + 36.0)
    assert not any(one.waits for one in now.lesions)
    assert scored.rows("calcium_lesion", ON.address("calcium"), STUDY)[0]["place"] == "mediastinum"
    sources = scored.rows("calcium_source", ON.address("calcium"), STUDY)
    assert {row["total"] for row in sources} == {before.total}
    assert places(scored, source_key="own") == dict.fromkeys(("L1", "L2"), "mediastinum")


def test_the_snapshot_shows_both_side_by_side_and_ends_the_waiting(scored):
    ask = "select ct_total, ct_algorithm_total, ct_reason, ct_rca, ct_lad from core.calcium"
    (before,) = shown(scored, ask)
    assert (before["ct_reason"], before["ct_rca"]) == ("waits_for_person", None)
    say(scored, "relabel", lesion="L1", place="LAD")
    (partly,) = shown(scored, ask)
    assert partly["ct_reason"] == "waits_for_person"
    say(scored, "relabel", lesion="L2", place="not-coronary")
    say(scored, "add", place="RCA", at_mm=AT)
    (now,) = shown(scored, ask)
    scan = corrected_scan(scored, ON, STUDY)
    assert now == {
        "ct_total": scan.total,
        "ct_algorithm_total": before["ct_total"],
        "ct_reason": "",
        "ct_rca": 36.0,
        "ct_lad": scan.lesion("L1").figures["score"],
    }
    rows = shown(
        scored,
        "select lesion_key, algorithm_place, place, waits, is_outdated from core.calcium_lesion"
        " where source_key = 'scan' order by score desc, lesion_key",
    )
    assert rows == [
        {
            "lesion_key": one.key,
            "algorithm_place": one.algorithm_place,
            "place": one.place,
            "waits": one.waits,
            "is_outdated": one.is_outdated,
        }
        for one in sorted(scan.lesions, key=lambda one: (-one.figures["score"], one.key))
    ]
    (counted,) = shown(
        scored,
        "select is_counted, reason, total from core.calcium_source where source_key = 'scan'",
    )
    assert counted == {"is_counted": True, "reason": "", "total": scan.total}
    (kept,) = shown(
        scored, "select total, is_counted from raw.calcium_source where source_key = 'scan'"
    )
    assert kept == {"total": before["ct_total"], "is_counted": False}


def test_confirming_answers_for_what_has_no_answer_and_undo_takes_it_back(scored):
    say(scored, "relabel", lesion="L2", place="LCX")
    assert say(scored, "confirm").n_rows == 1
    assert places(scored) == {"L1": "mediastinum", "L2": "LCX"}
    assert not any(one.waits for one in corrected_scan(scored, ON, STUDY).lesions)
    with pytest.raises(WrongArgumentError, match="no lesion of this CT is without an answer"):
        say(scored, "confirm")
    say(scored, "undo", lesion="L2")
    assert [one.waits for one in corrected_scan(scored, ON, STUDY).lesions] == [False, True]
    assert say(scored, "undo").n_rows == 1
    with pytest.raises(WrongArgumentError, match="no answer that could be taken back"):
        say(scored, "undo")
    assert [row["action"] for row in records_of(scored, STUDY)] == [
        *("relabel", "confirm", "undo", "undo")
    ]


def test_an_added_lesion_is_relabelled_and_taken_back(scored):
    say(scored, "add", place="RCA", at_mm=AT)
    with pytest.raises(WrongArgumentError, match="that is lesion A"):
        say(scored, "add", place="LAD", at_mm=AT)
    (key,) = (key for key in places(scored) if key.startswith("A"))
    say(scored, "relabel", lesion=key, place="LCX")
    assert places(scored)[key] == "LCX"
    say(scored, "undo", lesion=key)
    assert key not in places(scored)


@pytest.mark.parametrize("change", ["ct", "engine", "place"])
def test_a_correction_of_another_input_is_shown_as_outdated_and_does_nothing(
    scored, monkeypatch, change
):
    say(scored, "relabel", lesion="L1", place="LAD")
    say(scored, "add", place="RCA", at_mm=AT)
    if change == "ct":
        hu = boxes([CUBE, SECOND, BESIDE_THE_LUNGS])
        hu[0, 0, 0] += 1.0
        put(scored, scan=("calcium_ct", files(series(hu))))
    elif change == "engine":
        monkeypatch.setattr(
            "mpss_lib.calcium.source_rows.ENGINES", dict(ENGINES) | {"calcium": "next"}
        )
    else:
        place = "mpss_lib.calcium.placing.SOMEWHERE"
        monkeypatch.setattr(place, "marked")
    score(scored)
    scan = corrected_scan(scored, ON, STUDY)
    first, second, *added = scan.lesions
    assert (first.is_outdated, first.answer, first.waits) == (True, None, True)
    assert not second.is_outdated
    assert len(added) == (1 if change == "place" else 0)
    rows = shown(scored, "select lesion_key, state from core.calcium_correction order by 1 desc")
    assert [row["state"] for row in rows] == ["outdated", "counts" if added else "outdated"]
    (now,) = shown(scored, "select ct_reason, ct_outdated from core.calcium")
    assert now == {"ct_reason": "waits_for_person", "ct_outdated": 1 if added else 2}
    say(scored, "confirm")
    assert not corrected_scan(scored, ON, STUDY).lesions[0].is_outdated


@pytest.mark.parametrize(
    ("action", "more", "words"),
    [
        ("relabel", {"lesion": "L9", "place": "LAD"}, "no lesion 'L9' in this CT.*use a key"),
        ("relabel", {"lesion": "L1", "place": "aorta"}, "no artery 'aorta'.*use one of"),
        ("remove", {"lesion": "7"}, "no lesion '7'.*L1, L2"),
        ("undo", {"lesion": "L9"}, "no lesion 'L9'"),
        ("confirm", {"source_key": "none"}, "no CT 'none' with a score.*scan, own"),
        ("add", {"place": "LAD", "at_mm": (0.0, 0.0, -15.0)}, "no calcium within 3 mm"),
        ("add", {"place": "LAD", "at_mm": (900.0, 0.0, 0.0)}, "no calcium within 3 mm"),
        ("add", {"place": "LAD"}, "no position"),
        ("confirm", {"reason": "  "}, "the reason has 0 characters"),
        ("confirm", {"reason": "x" * 501}, "the reason has 501"),
        ("confirm", {"corrector": ""}, "the name has 0"),
        ("confirm", {"reason": "a\x07b"}, "control characters"),
    ],
)
def test_what_is_wrong_is_said_in_words_and_nothing_is_written(scored, action, more, words):
    with pytest.raises(WrongArgumentError, match=words):
        say(scored, action, **more)
    assert records_of(scored, STUDY) == []


def test_a_study_without_a_calcium_ct_is_named(lake):
    put(lake)
    with pytest.raises(
        WrongArgumentError, match=f"no calcium CT with a score beside study {STUDY}"
    ):
        say(lake, "confirm")
    with pytest.raises(WrongArgumentError, match="is no key"):
        correct(lake, ON, "../x", Correction("confirm", "r", "anna"))


def test_the_audit_log_has_who_and_which_study(scored):
    say(scored, "relabel", lesion="L1", place="LAD", corrector="dr-berg")
    written = [*(scored.root.parent / "audit").glob("*")]
    lines = [line for path in written for line in path.read_text().splitlines()]
    (told,) = [line for line in lines if '"calcium_correction"' in line]
    assert "dr-berg" in told
    assert STUDY in told
    assert "seen on the CT" not in told


def test_a_plaque_of_a_chest_is_scored_at_its_position_as_in_the_list(chest, surface):
    """The same region, found by position and by search."""

    told = {"kvp": chest.kvp, "thickness_mm": chest.thickness_mm}
    listed = calcium_score(chest.ct, kind="calcium", heart=surface, **told).lesions
    assert len(listed) > 3
    for one in listed:
        middle = tuple(chest.ct.to_patient(one.voxels[:1].astype(np.float64))[0])
        found = region_at(chest.ct, middle, **told)
        assert (found.score, found.centre_mm, found.place) == (one.score, one.centre_mm, "marked")


def test_labels_are_arteries_left_and_not_coronary():
    assert LABELS == ("LM", "LAD", "LCX", "RCA", "left", "not coronary")


def test_every_command_says_what_it_did_and_the_next_publish_works(scored, monkeypatch):
    home = scored.root.parent
    (home / "mpss.toml").write_text("[companions]\ncalcium_reports = true\ncalcium_ct = true\n")
    monkeypatch.setenv("MPSS_HOME", str(home))

    def call(words, *more):
        done = CliRunner().invoke(cli.app, ["calcium", *words.split(), *more])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    why = ("--reason", "seen on the CT", "--by", "anna")
    at = " ".join(map(str, AT))
    total = corrected_scan(scored, ON, STUDY).total
    for words, units, waiting in (
        (f"relabel {STUDY} L1 LAD", total, 1),
        (f"relabel {STUDY} L2 not-coronary", total - 36.0, 0),
        (f"add {STUDY} RCA --at {at}", total, 0),
        (f"undo {STUDY} L2", total + 36.0, 1),
        (f"confirm {STUDY}", total + 36.0, 0),
        (f"remove {STUDY} L2", total, 0),
        (f"undo {STUDY}", total, 2),
    ):
        told = call(words, *why)
        assert f"{units:.1f} units, {waiting} wait" in told, words
        (row,) = shown(scored, "select ct_total from core.calcium")
        assert row["ct_total"] == pytest.approx(units), words
    listed = json.loads(call(f"lesions {STUDY} --json"))
    assert {one["lesion"] for one in listed["lesions"]} == {"L1", "L2"}
    assert len(listed["records"]) == 9
    assert "as it stands" in call(f"lesions {STUDY}")
    with pytest.raises(WrongArgumentError, match="no lesion 'L7'"):
        call(f"remove {STUDY} L7", *why)
