from __future__ import annotations

import sqlite3
from datetime import date

import pytest
from pacs_objects import make_capture, make_nm, sop_uid, study_uid
from pydicom import dcmread
from pynetdicom import AE

from mpss_lib.batch import run_stage
from mpss_lib.config import Config
from mpss_lib.errors import SettingsError, StudyFaultError, WrongArgumentError
from mpss_lib.pull import stage
from mpss_lib.pull.vault import Vault
from mpss_lib.sections import PullSettings

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))

pytestmark = pytest.mark.pacs


def test_find_returns_the_keys_of_the_window(archive, sites, lake, config):
    archive.add(make_nm(1), make_nm(2, study_date="20260303"), make_nm(3, study_date="20260304"))
    archive.add(make_nm(4, Modality="CT"))

    keys = stage.find(WINDOW, lake, config, sites)

    vault = Vault(sites.vault)
    assert keys == sorted(vault.study_key(study_uid(n)) for n in (1, 2))
    identity = vault.identity(keys[0])
    assert identity.patient_name.startswith("Invented^Person")
    row = lake.rows("study", config.address("pull"), keys[0])[0]
    assert row["modalities"] == ["NM"]
    assert row["acquired_period"] == "2026Q1"
    assert (row["n_series_announced"], row["n_objects_announced"]) == (1, 1)
    record = lake.records("pull")[0]
    assert [unit["key"] for unit in record["units"]][:2] == keys


def test_run_brings_a_study_to_the_lake_and_then_skips(archive, sites, lake, config):
    archive.add(
        make_nm(1), make_nm(1, series=2), make_capture(1), make_nm(1, series=5, Modality="CT")
    )
    [key] = stage.find(WINDOW, lake, config, sites)

    first = stage.run(key, lake, config, sites)
    second = stage.run(key, lake, config, sites)

    assert (first.status, second.status) == ("done", "skipped")
    assert first.written == second.written
    rows = lake.rows("instance", config.address("pull"), key)
    assert sorted((row["modality"], row["is_stored"], row["reason"]) for row in rows) == [
        ("CT", False, "modality"),
        ("NM", False, "sop_class"),
        ("NM", True, ""),
        ("NM", True, ""),
    ]
    stored = next(row for row in rows if row["is_stored"])
    dataset = dcmread(lake.root / stored["path"])
    assert dataset.SOPInstanceUID == stored["object_key"]
    assert dataset.pixel_array.shape == (3, 4, 5)
    assert Vault(sites.vault).sop_uid(stored["object_key"]) in {
        sop_uid(1),
        sop_uid(1, 2),
    }
    assert list(sites.staging.iterdir()) == []


@pytest.mark.parametrize(("pictures", "reasons"), [("leave", ["", "static"]), ("store", ["", ""])])
def test_a_site_says_whether_pictures_of_nm_class_are_stored(
    archive, sites, lake, pictures, reasons
):
    config = Config(pull=PullSettings(pictures=pictures))
    static = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]
    archive.add(make_nm(1), make_nm(1, series=2, ImageType=static))
    [key] = stage.find(WINDOW, lake, config, sites)
    stage.run(key, lake, config, sites)
    rows = lake.rows("instance", config.address("pull"), key)
    assert sorted(row["reason"] for row in rows) == reasons
    assert sum(row["is_stored"] for row in rows) == reasons.count("")


def test_a_batch_uses_one_association(archive, sites, lake, config, monkeypatch):
    archive.add(*(make_nm(n) for n in range(1, 6)))
    keys = stage.find(WINDOW, lake, config, sites)
    opened, associate = [], AE.associate
    monkeypatch.setattr(
        AE, "associate", lambda *a, **more: opened.append(1) or associate(*a, **more)
    )
    result = run_stage("pull", keys, lake, config, sites)
    assert (result.given, result.done) == (5, 5)
    assert len(opened) == 1


def test_a_study_that_grew_gets_a_new_version(archive, sites, lake, config):
    archive.add(make_nm(1))
    [key] = stage.find(WINDOW, lake, config, sites)
    before = stage.run(key, lake, config, sites).written[0]
    archive.add(make_nm(1, series=2))

    stage.find(WINDOW, lake, config, sites)
    after = stage.run(key, lake, config, sites)

    assert after.status == "done"
    assert after.written[0].path != before.path
    assert (lake.root / before.path).exists()
    assert len(list(lake.dicom_folder(key).glob("*.dcm"))) == 2
    windows = _windows(lake, config)
    assert (windows[-1]["n_grown"], windows[-1]["n_new"]) == (1, 0)


def _windows(lake, config):
    paths = lake.current_paths("query_window", config.address("pull"))
    return [row for key in paths for row in lake.rows("query_window", config.address("pull"), key)]


def test_forced_run_fetches_again_and_writes_the_same(archive, sites, lake, config):
    archive.add(make_nm(1))
    [key] = stage.find(WINDOW, lake, config, sites)
    first = stage.run(key, lake, config, sites)
    forced = stage.run(key, lake, config, sites, force=True)
    assert forced.status == "done"
    assert forced.written == first.written


def test_an_empty_window_is_no_fault(sites, lake, config):
    assert stage.find(WINDOW, lake, config, sites) == []
    assert _windows(lake, config)[0]["n_returned"] == 0


def test_a_lost_object_file_is_fetched_again(archive, sites, lake, config):
    archive.add(make_nm(1))
    [key] = stage.find(WINDOW, lake, config, sites)
    stage.run(key, lake, config, sites)
    for path in lake.dicom_folder(key).glob("*.dcm"):
        path.unlink()
    assert stage.run(key, lake, config, sites).status == "done"


def test_wrong_windows_and_places_are_refused(sites, lake, config, sites_of):
    with pytest.raises(WrongArgumentError, match="before it begins"):
        stage.find((WINDOW[1], WINDOW[0]), lake, config, sites)
    with pytest.raises(StudyFaultError, match="does not know"):
        stage.run("S0123456789abcdef", lake, config, sites)
    from dataclasses import replace

    with pytest.raises(SettingsError, match="inside the lake"):
        stage.find(WINDOW, lake, config, replace(sites, vault=lake.root / "vault.sqlite"))


def test_other_settings_write_beside_what_is_there(archive, sites, lake, config):
    archive.add(make_nm(1))
    [key] = stage.find(WINDOW, lake, config, sites)
    stage.run(key, lake, config, sites)
    [before] = lake.dicom_folder(key).glob("*.dcm")
    content = before.read_bytes()

    other = Config(pull=PullSettings(max_shift_days=30))
    stage.find(WINDOW, lake, other, sites)
    assert stage.run(key, lake, other, sites).status == "done"

    assert before.read_bytes() == content
    assert len(list(lake.dicom_folder(key).glob("*.dcm"))) == 2
    paths = {
        lake.rows("instance", settings.address("pull"), key)[0]["path"]
        for settings in (config, other)
    }
    assert len(paths) == 2


def test_a_patient_that_the_archive_corrected_is_another_version(archive, sites, lake, config):
    archive.add(make_nm(1, PatientID="WRONG"))
    [key] = stage.find(WINDOW, lake, config, sites)
    wrong = stage.run(key, lake, config, sites)
    with sqlite3.connect(archive.folder / "index.sqlite") as db:
        db.execute("update study set PatientID = 'RIGHT'")
    db.close()

    assert stage.find(WINDOW, lake, config, sites) == [key]
    right = stage.run(key, lake, config, sites)

    assert right.status == "done"
    assert right.written[0].path != wrong.written[0].path
    vault = Vault(sites.vault)
    path = lake.root / lake.rows("instance", config.address("pull"), key)[0]["path"]
    assert dcmread(path).PatientID == vault.patient_key("RIGHT")
