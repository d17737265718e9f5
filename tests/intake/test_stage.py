"""The stage on a lake: rows for every stored object, skipped when identical, faults named."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace

import pytest
from nm_objects import SERIES, small_object

from mpss_lib.batch import run_batch
from mpss_lib.config import Config, load
from mpss_lib.dicom import to_bytes
from mpss_lib.dicom.said import read_said
from mpss_lib.errors import DicomFileError, IncompleteStudyError, SettingsError
from mpss_lib.intake import stage
from mpss_lib.sections import IntakeSettings

CONFIG = Config()
STUDY = "study0001"
REST = replace(SERIES, state="rest", image_id="REST_AC", description="REST AC OSEM", number=4)

KORR = """
[[pull.site_rules]]
question = "attenuation"
keyword = "SeriesDescription"
pattern = "KORR"
answer = "AC"
"""


def rows(lake, config=CONFIG):
    return lake.rows("volume", config.address("intake"), STUDY)


def test_each_stored_object_has_a_row(pulled):
    short = small_object()
    short.PixelData = short.PixelData[:-10]
    cut = to_bytes(small_object())[:-10]
    lake = pulled(small_object(series=REST), small_object(), to_bytes(short), cut)
    outcome = stage.run(STUDY, lake, CONFIG)
    assert outcome.status == "done"
    got = {row["object_key"]: row for row in rows(lake)}
    assert [got[f"object{i}"]["is_chosen"] for i in range(4)] == [False, True, False, False]
    assert got["object0"]["reasons"] == ["rest"]
    assert got["object1"]["reasons"] == []
    assert got["object2"]["reasons"] == ["pixel_data"]
    assert got["object3"]["reasons"] == ["unreadable"]
    chosen = got["object1"]
    assert (chosen["nz"], chosen["ny"], chosen["nx"]) == (7, 10, 9)
    assert (chosen["stress"], chosen["attenuation"], chosen["reconstruction"]) == (
        "stress",
        "AC",
        "iterative",
    )
    evidence = json.loads(chosen["evidence"])
    assert evidence["choice"]["rule"] == "only_eligible"
    assert evidence["stress"] == {
        "answer": "stress",
        "keyword": "AcquisitionContextSequence",
        "rule": "state_code_stress",
        "tag": "(0040,0555)",
        "value": "432655005",
    }
    assert (lake.root / chosen["path"]).is_file()


def test_habit_of_the_site_decides_with_its_provenance(pulled):
    """A word that no shipped rule knows, taught in the settings file."""
    said = replace(SERIES, image_id="", corrected=(), description="STRESS OSEM KORR")
    lake = pulled(small_object(series=said))
    assert stage.run(STUDY, lake, CONFIG).reasons == ("attenuation_unknown",)
    taught = Config.model_validate(tomllib.loads(KORR))
    pulled(small_object(series=said), config=taught)
    assert stage.run(STUDY, lake, taught).status == "done"
    evidence = json.loads(rows(lake, taught)[0]["evidence"])
    assert evidence["attenuation"] == {
        "answer": "AC",
        "keyword": "SeriesDescription",
        "rule": "site_1",
        "tag": "(0008,103E)",
        "value": "STRESS OSEM KORR",
    }


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("attenuation", "atenuation"), "pull.site_rules.0.question"),
        (("KORR", "KORR("), "'KORR('"),
        (("AC", "stress"), "answered by AC or NAC"),
    ],
)
def test_wrong_habit_stops_the_start_and_is_named(tmp_path, change, named):
    (tmp_path / "mpss.toml").write_text(KORR.replace(f'"{change[0]}"', f'"{change[1]}"'))
    with pytest.raises(SettingsError, match=re.escape(named)):
        load(tmp_path, {})


def test_the_old_place_of_site_rules_names_the_new_one(tmp_path):
    (tmp_path / "mpss.toml").write_text(KORR.replace("pull.site_rules", "intake.site_rules"))
    with pytest.raises(SettingsError, match=re.escape("[[pull.site_rules]]")):
        load(tmp_path, {})


def test_what_was_said_before_cleaning_decides(pulled):
    """The words stand no more in the stored object; the answers do in its row."""
    said = read_said(small_object(series=replace(SERIES, description="STRESS w/o AC OSEM")))
    lake = pulled(small_object(), said=said)
    assert stage.run(STUDY, lake, CONFIG).reasons == ("attenuation_unknown",)
    assert json.loads(rows(lake)[0]["evidence"])["attenuation"]["rule"] == "contradiction"


def test_differences_reach_the_row_as_flags(pulled):
    dataset = small_object()
    dataset.SliceThickness = "9.6"
    lake = pulled(dataset)
    assert stage.run(STUDY, lake, CONFIG).status == "done"
    [row] = rows(lake)
    assert row["flags"] == ["spacing_said_twice", "smaller_than_a_heart"]
    told = json.loads(row["evidence"])["look_spacing_said_twice"]
    assert told["keyword"] == "SpacingBetweenSlices / SliceThickness"


def test_a_row_without_statements_asks_for_pull(pulled, lake):
    pulled(small_object())
    address = CONFIG.address("pull")
    found = lake.rows("instance", address, STUDY)
    lake.write("instance", address, STUDY, "d1", [row | {"said": ""} for row in found])
    with pytest.raises(IncompleteStudyError, match="without its statements"):
        stage.run(STUDY, lake, CONFIG)


def test_second_run_is_skipped_and_forced_run_gives_the_same_bytes(pulled):
    lake = pulled(small_object())
    first = stage.run(STUDY, lake, CONFIG)
    again = stage.run(STUDY, lake, CONFIG)
    forced = stage.run(STUDY, lake, CONFIG, force=True)
    assert (first.status, again.status, forced.status) == ("done", "skipped", "done")
    assert first.written == again.written == forced.written


def test_study_without_the_right_series_is_rejected_with_rows(pulled):
    lake = pulled(small_object(series=REST))
    outcome = stage.run(STUDY, lake, CONFIG)
    assert (outcome.status, outcome.reasons) == ("rejected", ("rest",))
    assert [row["is_chosen"] for row in rows(lake)] == [False]
    again = stage.run(STUDY, lake, CONFIG)
    assert (again.status, again.reasons, again.written) == ("rejected", ("rest",), outcome.written)


def test_study_with_nothing_stored_is_rejected(pulled, lake):
    address = CONFIG.address("pull")
    row = {
        "study_key": STUDY, "series_key": "ct", "object_key": "", "modality": "CT",
        "sop_class": "", "n_objects": 3, "is_stored": False, "reason": "modality",
        "detail": "",
        "path": "", "n_bytes": 0, "content_sha256": "", "said": "",
        "series_order": 0,
    }  # fmt: skip
    lake.write("instance", address, STUDY, "d0", [row])
    outcome = stage.run(STUDY, lake, CONFIG)
    assert (outcome.status, outcome.reasons) == ("rejected", ("no_stored_object",))
    assert rows(lake) == []


def test_missing_and_changed_files_are_faults_of_the_study(pulled):
    lake = pulled(small_object())
    path = lake.dicom_folder(STUDY) / "object0.dcm"
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"\1\1")
    with pytest.raises(DicomFileError, match="has changed"):
        stage.run(STUDY, lake, CONFIG)
    path.unlink()
    with pytest.raises(IncompleteStudyError, match="not on the lake"):
        stage.run(STUDY, lake, CONFIG)
    with pytest.raises(IncompleteStudyError, match="no instance rows"):
        stage.run("other", lake, CONFIG)


def test_batch_counts_it(pulled):
    lake = pulled(small_object())
    result = run_batch("intake", lambda key: stage.run(key, lake, CONFIG), [STUDY], lake, CONFIG)
    assert (result.given, result.done, result.keys) == (1, 1, (STUDY,))


def test_settings_change_the_address(pulled):
    lake = pulled(small_object())
    other = Config(intake=IntakeSettings(voxel_mm=4.0))
    assert stage.run(STUDY, lake, other).reasons == ("voxel_size",)
    assert stage.run(STUDY, lake, CONFIG).status == "done"
    assert rows(lake, other)[0]["reasons"] == ["voxel_size"]
