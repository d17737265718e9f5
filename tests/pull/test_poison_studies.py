"""Studies with one object that cannot be had: what the night makes of the rest."""

from __future__ import annotations

import json
from datetime import date

import pytest
from contour_objects import make_structures
from pacs_objects import ROOT, make_capture, make_nm, sop_uid, study_uid
from peer import Peer, Script
from poison_objects import POISONS, compressed, encoded, file_bytes
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    SegmentationStorage,
)

from mpss_lib.batch import due, run_batch, run_stage
from mpss_lib.config import Config
from mpss_lib.errors import DicomFileError, IncompleteStudyError
from mpss_lib.intake import stage as intake
from mpss_lib.pull import stage
from mpss_lib.records import Unit
from mpss_lib.sections import BatchSettings, PullSettings

pytestmark = pytest.mark.pacs

WINDOW = (date(2026, 3, 2), date(2026, 3, 3))
SHAPE = (6, 32, 32)


def good(number=1, series=1, **attributes):
    return make_nm(number, series=series, shape=SHAPE, **attributes)


def poison(kind, number=1, series=2):
    dataset = make_nm(number, series=series, shape=SHAPE)
    POISONS[kind](dataset)
    return dataset


def add(archive, *datasets):
    for dataset in datasets:
        archive.add_bytes(file_bytes(dataset))


def pull(sites, lake, config):
    [key] = stage.find(WINDOW, lake, config, sites)
    return key, stage.run(key, lake, config, sites)


def left(lake, config, key):
    rows = lake.rows("instance", config.address("pull"), key)
    return {row["reason"]: row["detail"] for row in rows if not row["is_stored"]}


def chosen(lake, config, key):
    rows = lake.rows("volume", config.address("intake"), key)
    return next(row for row in rows if row["is_chosen"])


def flags(lake, config, key):
    """Of the chosen volume; that these small ones are too small for a heart is no matter here."""
    return [one for one in chosen(lake, config, key)["flags"] if one != "smaller_than_a_heart"]


@pytest.mark.parametrize("kind", ["truncated", "rle_claims_the_moon", "jpeg_cut", "nested"])
def test_the_good_volume_goes_on_for_review(kind, archive, sites, lake, config):
    add(archive, good(), poison(kind))
    key, outcome = pull(sites, lake, config)
    assert outcome.status == "done"
    assert set(left(lake, config, key)) <= {"unreadable", "too_large"}
    assert intake.run(key, lake, config).status == "done"
    assert flags(lake, config, key) == ["unreadable_rival"]
    evidence = json.loads(chosen(lake, config, key)["evidence"])
    assert evidence["look_unreadable_rival"]["value"] in ("unreadable", "too_large")


def test_an_unreadable_value_beside_a_good_volume_is_looked_at(archive, sites, lake, config):
    add(archive, good(), poison("pad_after_sequence"))
    key, _ = pull(sites, lake, config)
    assert intake.run(key, lake, config).status == "done"
    assert flags(lake, config, key) == ["unreadable_rival"]


def test_a_hospital_may_want_the_quarantine(archive, sites, lake):
    config = Config(pull=PullSettings(broken_objects="quarantine"))
    add(archive, good(), poison("truncated"))
    with pytest.raises(DicomFileError, match="1 of 2 image objects cannot be had"):
        pull(sites, lake, config)
    assert not list(lake.root.glob("dicom/*/*.dcm"))


def test_nothing_but_broken_objects_is_no_study(archive, sites, lake, config):
    add(archive, poison("truncated", series=1), poison("no_pixels"))
    with pytest.raises(DicomFileError, match="2 of 2 image objects cannot be had"):
        pull(sites, lake, config)


def test_a_study_is_never_rejected_by_the_rest(archive, sites, lake, config):
    rest = good(SeriesDescription="REST AC OSEM", ImageID="REST AC")
    add(archive, rest, poison("truncated"))
    key, _ = pull(sites, lake, config)
    with pytest.raises(DicomFileError, match="no volume can be used, and 1 image objects"):
        intake.run(key, lake, config)


def test_a_mended_object_is_fetched_and_the_flag_goes(archive, sites_of, lake, config):
    damaged = {sop_uid(1, 2)}

    def shorten(dataset):
        if dataset.SOPInstanceUID in damaged:
            dataset.PixelData = dataset.PixelData[:100]

    add(archive, good(), good(series=2, SeriesDescription="REST", ImageID="REST"))
    with Peer(archive, Script(edit_object=shorten)) as peer:
        sites = sites_of(peer.port)
        key, first = pull(sites, lake, config)
        again = stage.run(key, lake, config, sites)
        assert again.written == first.written
        intake.run(key, lake, config)
        assert flags(lake, config, key) == ["unreadable_rival"]
        damaged.clear()
        mended = stage.run(key, lake, config, sites)
        assert mended.written != first.written
        from mpss_lib.batch import write_record

        write_record("pull", [Unit.of(key, mended.written, is_new=True)], lake, config, "test")
        assert left(lake, config, key) == {}
        assert stage.run(key, lake, config, sites).status == "skipped"


def test_what_the_archive_cannot_send_is_left_by_the_name_of_its_syntax(
    archive, sites, lake, config
):
    frames = [b"\xff\xd8\xff\xc0" + bytes(60)] * SHAPE[0]
    lossy = encoded(good(series=2), frames, JPEGBaseline8Bit)
    add(archive, good(), lossy)
    key, outcome = pull(sites, lake, config)
    assert outcome.status == "done"
    found = left(lake, config, key)
    assert list(found) == ["lossy_compression"]
    assert "JPEG Baseline (Process 1)" in found["lossy_compression"]


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_a_compressed_study_is_the_same_as_its_twin(syntax, archive, sites, lake, config):
    add(archive, compressed(good(), syntax))
    key, _ = pull(sites, lake, config)
    [path] = lake.dicom_folder(key).glob("*.dcm")
    from pydicom import dcmread

    from mpss_lib.pull.vault import Vault

    kept = dcmread(path)
    assert kept.PixelData == good().PixelData
    assert kept.SOPInstanceUID == Vault(sites.vault).uid(sop_uid(1))
    assert intake.run(key, lake, config).status == "done"
    assert flags(lake, config, key) == []


def _drawn(**attributes):
    import numpy as np

    square = np.array([[0.0, 0, 60], [20, 0, 60], [20, 20, 60], [0, 20, 60]])
    return make_structures(
        {"ENDO": [square]}, frame=f"{ROOT}.4.1", study=study_uid(1), **attributes
    )


def _broken_seg():
    seg = good(series=7, Modality="SEG", SOPClassUID=SegmentationStorage)
    seg.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    POISONS["jpegls_garbage"](seg)
    return seg


@pytest.mark.parametrize("kind", ["withheld", "undecodable", "twice", "broken"])
def test_contours_never_hold_images(kind, archive, sites_of, lake, config):
    drawn = _drawn()
    script = Script()
    if kind == "withheld":
        script.withheld = (str(drawn.SOPInstanceUID),)
    if kind == "broken":
        drawn.ROIContourSequence[0].ContourSequence[0].ContourData = None
        del drawn.StudyDate
        script.edit_object = _cut_uid
    if kind == "undecodable":
        drawn = _broken_seg()
    add(archive, good(), drawn)
    with Peer(archive, script) as peer:
        key, outcome = pull(sites_of(peer.port), lake, config)
    assert outcome.status == "done"
    assert len(left(lake, config, key)) == (0 if kind == "twice" else 1)
    assert intake.run(key, lake, config).status == "done"
    assert flags(lake, config, key) == []


def _cut_uid(dataset):
    if dataset.Modality == "RTSTRUCT":
        dataset.SeriesInstanceUID = "1.2.3"


def test_a_capture_without_a_stated_class_is_left_unread(archive, sites_of, lake, config):
    capture = make_capture(1, series=2, shape=SHAPE)
    POISONS["frames_without_end"](capture)
    add(archive, good(), capture)

    def hide(answer):
        if "SOPClassUID" in answer:
            del answer.SOPClassUID

    with Peer(archive, Script(edit_answer=hide)) as peer:
        key, outcome = pull(sites_of(peer.port), lake, config)
    assert outcome.status == "done"
    assert left(lake, config, key) == {"sop_class": ""}
    intake.run(key, lake, config)
    assert flags(lake, config, key) == []


def test_a_poisoned_study_does_not_stop_the_batch(archive, sites, lake, config):
    for number in range(1, 11):
        objects = [poison("pad_after_sequence", number, 1)] if number == 4 else [good(number)]
        add(archive, *objects)
    keys = stage.find(WINDOW, lake, config, sites)
    result = run_stage("pull", keys, lake, config, sites)
    assert (result.given, result.done) == (10, 10)
    result = run_stage("intake", keys, lake, config, sites)
    assert (result.done, result.rejected, result.quarantined) == (9, 1, 0)


def test_a_parsers_oserror_is_no_fault_of_the_disk(lake, config):
    def fail(_):
        raise OSError("No tag to read at file position A")

    result = run_batch("intake", fail, ["S1"], lake, Config(batch=BatchSettings(fault_share=1)))
    assert result.quarantined == 1
    [row] = lake.quarantined()
    assert row["problem"].startswith("unexpected OSError at test_poison_studies.py:")


# ------------------------------------------------------------- what was never pulled


def test_a_stage_without_keys_takes_what_was_pulled(archive, sites, lake, config):
    add(archive, good(1), poison("truncated", 2, 1))
    keys = stage.find(WINDOW, lake, config, sites)
    result = run_stage("pull", keys, lake, config, sites)
    assert (result.done, result.quarantined) == (1, 1)
    assert due("pull", lake, config) == sorted(keys)
    assert due("intake", lake, config) == list(result.keys)
    assert due("segmentation", lake, config) == []
    run_stage("intake", due("intake", lake, config), lake, config, sites)
    assert [row["stage"] for row in lake.quarantined()] == ["pull"]
    assert (
        due("segmentation", lake, config) == due("publication", lake, config) == list(result.keys)
    )


@pytest.mark.parametrize("name", ["segmentation", "quality", "radiomics"])
def test_what_was_never_pulled_is_not_rejected(name, archive, sites, lake, config):
    from importlib import import_module

    add(archive, good())
    [key] = stage.find(WINDOW, lake, config, sites)
    door = import_module(f"mpss_lib.{name}.stage")
    with pytest.raises(IncompleteStudyError, match="was not looked at by intake"):
        door.run(key, lake, config)
