"""The stage on a lake: masks and row, skipped when identical, refusals by their reason."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from imaging_objects import HABITS, STUDY, dice, phantom, put_study

from mpss_lib.config import Config
from mpss_lib.errors import IncompleteStudyError, LakeCorruptError, StudyRejectedError
from mpss_lib.masks import read_masks
from mpss_lib.sections import SegmentationSettings
from mpss_lib.segmentation import segment, stage
from mpss_lib.tables import sha256_of
from mpss_lib.volume import Volume


@pytest.fixture
def study(lake, config):
    return put_study(lake, config, (phantom(21).volume, "AC"))


def row_of(lake, config):
    (row,) = lake.rows("segmentation", config.address("segmentation"), STUDY)
    return row


def test_row_and_masks(study, config):
    outcome = stage.run(STUDY, study, config)
    assert outcome.status == "done"
    assert [written.table for written in outcome.written] == ["segmentation"]
    row = row_of(study, config)
    assert row["is_sure"]
    assert row["flags"] == []
    assert (row["wall_mode"], row["wall_mm"]) == ("anatomical", 10.4)
    masks, extras = read_masks(study.root / row["mask_path"])
    assert {"MYO", "ENDO", "EPI", "LAD3", "S17", "LAD17", "RCA17"} <= set(masks)
    assert len(masks) == 26
    assert json.loads(row["voxels"])["LAD17"] == masks["LAD17"].array.sum()
    assert json.loads(row["check"])["prominence"] > 0.5
    np.testing.assert_allclose(extras["axis"], [row["axis_x"], row["axis_y"], row["axis_z"]])
    assert masks["MYO"].volume_ml == pytest.approx(row["myocardium_ml"])
    assert dice(masks["MYO"].array, phantom(21).truth["MYO"].array) > 0.88


def test_again_is_skipped_and_forced_gives_the_same_bytes(study, config):
    first = stage.run(STUDY, study, config)
    masks_at = study.root / row_of(study, config)["mask_path"]
    before = sha256_of(masks_at)
    again = stage.run(STUDY, study, config)
    forced = stage.run(STUDY, study, config, force=True)
    assert (first.status, again.status, forced.status) == ("done", "skipped", "done")
    assert first.written == again.written == forced.written
    assert sha256_of(masks_at) == before


def test_lost_mask_file_is_made_again(study, config):
    stage.run(STUDY, study, config)
    masks_at = study.root / row_of(study, config)["mask_path"]
    masks_at.unlink()
    assert stage.run(STUDY, study, config).status == "done"
    assert masks_at.exists()


def test_another_wall_is_another_address(study, config):
    stage.run(STUDY, study, config)
    thick = Config(segmentation=SegmentationSettings(wall_mode="thick", wall_mm=18.8))
    assert stage.run(STUDY, study, thick).status == "done"
    assert row_of(study, thick)["myocardium_ml"] > row_of(study, config)["myocardium_ml"]


@pytest.mark.parametrize(
    "habits",
    [
        replace(HABITS, head_first=True),
        replace(HABITS, reversed_storage=True),
        replace(HABITS, head_first=True, reversed_storage=True, rescale=True),
    ],
)
def test_marked_wall_survives_every_way_of_storing(lake, config, habits):
    marked = (
        ("defect", 0.85), ("defect_theta_deg", 150.0), ("defect_f", 0.5),
        ("defect_half_deg", 30.0), ("defect_half_f", 0.16),
    )  # fmt: skip
    from mpss_lib.dicom import read_volume

    for orientation in ("transaxial", "short_axis"):
        made = phantom(24, anatomy=marked, orientation=orientation)
        study = f"study{orientation.replace('_', '')}"
        put_study(lake, config, (made.volume, "AC"), habits=habits, study=study)
        stage.run(study, lake, config)
        (row,) = lake.rows("segmentation", config.address("segmentation"), study)
        masks, _ = read_masks(lake.root / row["mask_path"])
        array = read_volume(lake.dicom_folder(study) / "object0.dcm").array
        means = {n: array[masks[f"S{n:02d}"].array].mean() for n in range(1, 17)}
        assert min(means, key=means.__getitem__) == 8


def test_study_that_intake_never_saw_is_not_rejected(lake, config):
    with pytest.raises(IncompleteStudyError, match="not looked at by intake"):
        stage.run(STUDY, lake, config)


def test_study_without_a_ventricle(lake, config):
    put_study(lake, config, (Volume(np.zeros((40, 64, 64)), phantom(21).volume.affine), "AC"))
    with pytest.raises(StudyRejectedError) as refused:
        stage.run(STUDY, lake, config)
    assert refused.value.reasons == ("left_ventricle_not_found",)


def test_lost_object_stops_the_batch(study, config):
    (study.dicom_folder(STUDY) / "object0.dcm").unlink()
    with pytest.raises(LakeCorruptError, match="pull"):
        stage.run(STUDY, study, config)


def test_stage_gives_what_the_door_gives(study, config):
    from mpss_lib.dicom import read_volume

    stage.run(STUDY, study, config)
    masks, _ = read_masks(study.root / row_of(study, config)["mask_path"])
    volume = read_volume(study.dicom_folder(STUDY) / "object0.dcm")
    found = segment(volume, config.segmentation)
    for name, mask in (dict(found.masks) | dict(found.seven)).items():
        assert np.array_equal(masks[name].array, mask.array)
