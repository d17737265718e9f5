import numpy as np
import pytest
from nm_objects import small_object, small_volume

from mpss_lib.dicom import read_volume, to_bytes
from mpss_lib.errors import LakeCorruptError, StudyRejectedError
from mpss_lib.radiomics import extract_many, stage
from mpss_lib.radiomics.catalogue import BINNED_NAMES, FEATURES, ONCE_NAMES
from mpss_lib.sections import BINS, SEGMENTS
from mpss_lib.volume import Mask


def rows_of(lake, config, table, key):
    return lake.rows(table, config.address("radiomics"), key)


def test_writes_every_segment_and_bin_number(put_study, lake, config):
    key = put_study()
    outcome = stage.run(key, lake, config)
    assert outcome.status == "done"
    assert {written.table for written in outcome.written} == {
        "feature_once",
        "feature_binned",
        "feature_catalogue",
    }
    once = rows_of(lake, config, "feature_once", key)
    binned = rows_of(lake, config, "feature_binned", key)
    assert [row["segment"] for row in once] == list(SEGMENTS)
    assert [(row["segment"], row["bins"]) for row in binned] == [
        (segment, bins) for segment in SEGMENTS for bins in BINS
    ]
    assert list(once[0])[4:] == list(ONCE_NAMES)
    assert list(binned[0])[4:] == list(BINNED_NAMES)
    assert all(row["undefined_features"] == [] for row in [*once, *binned])


def test_values_are_those_of_the_door(put_study, lake, config, volume, masks):
    key = put_study()
    stage.run(key, lake, config)
    wanted = extract_many(
        volume.array, {name: mask.array for name, mask in masks.items()}, volume.spacing_mm
    )
    for row in rows_of(lake, config, "feature_binned", key):
        values = wanted[row["segment"], row["bins"]]
        assert [row[name] for name in BINNED_NAMES] == [values[name] for name in BINNED_NAMES]
    for row in rows_of(lake, config, "feature_once", key):
        values = wanted[row["segment"], 64]
        assert [row[name] for name in ONCE_NAMES] == [values[name] for name in ONCE_NAMES]


def test_second_run_is_skipped_and_a_forced_one_writes_the_same_bytes(put_study, lake, config):
    key = put_study()
    first = stage.run(key, lake, config)
    again = stage.run(key, lake, config)
    assert again.status == "skipped"
    forced = stage.run(key, lake, config, force=True)
    assert forced.status == "done"
    for outcome in (again, forced):
        assert {w.table: w.content_sha256 for w in outcome.written} == {
            w.table: w.content_sha256 for w in first.written
        }


def test_empty_segment_gives_rows_that_name_every_feature(put_study, lake, config, masks, caplog):
    empty = Mask(np.zeros_like(masks["LAD3"].array), masks["LAD3"].affine)
    key = put_study(masks | {"LAD3": empty})
    stage.run(key, lake, config)
    assert f"{key}, segment LAD3: undefined features: the mask holds no voxel" in caplog.text
    assert "LCX3" not in caplog.text
    once = {row["segment"]: row for row in rows_of(lake, config, "feature_once", key)}
    assert once["LAD3"]["n_voxels"] == 0
    assert once["LAD3"]["undefined_features"] == list(ONCE_NAMES)
    assert np.isnan([once["LAD3"][name] for name in ONCE_NAMES]).all()
    assert once["LCX3"]["undefined_features"] == []
    binned = rows_of(lake, config, "feature_binned", key)
    lad = [row for row in binned if row["segment"] == "LAD3"]
    assert len(lad) == len(BINS)
    assert all(row["undefined_features"] == list(BINNED_NAMES) for row in lad)


def test_catalogue_has_every_feature_once(put_study, lake, config):
    key = put_study()
    stage.run(key, lake, config)
    rows = rows_of(lake, config, "feature_catalogue", "all")
    assert [row["sera_name"] for row in rows] == [feature.sera_name for feature in FEATURES]
    assert sum(row["depends_on_bins"] for row in rows) == 431


def test_study_without_chosen_volume_is_rejected(put_study, lake, config):
    key = put_study(is_chosen=False)
    with pytest.raises(StudyRejectedError) as caught:
        stage.run(key, lake, config)
    assert caught.value.reasons == ("no_volume_chosen",)


def test_study_that_segmentation_refused_is_rejected(put_study, lake, config):
    key = put_study()
    lake.current_path("segmentation", config.address("segmentation"), key).unlink()
    with pytest.raises(StudyRejectedError) as caught:
        stage.run(key, lake, config)
    assert caught.value.reasons == ("not_segmented",)


def test_mask_file_without_a_segment_is_a_fault(put_study, lake, config, masks):
    key = put_study({name: mask for name, mask in masks.items() if name != "RCA17"})
    with pytest.raises(LakeCorruptError, match="RCA17"):
        stage.run(key, lake, config)


def test_settings_make_a_new_address(config):
    from mpss_lib.config import Config

    changed = Config(radiomics={"bins": (8, 16)})
    assert changed.address("radiomics") != config.address("radiomics")


def test_reads_the_object_that_intake_chose(put_study, lake, config, monkeypatch):
    written = small_volume((9, 12, 11))
    path = lake.dicom_folder("study0001") / "object.dcm"
    inside = np.zeros(written.array.shape, bool)
    inside[2:7, 3:9, 2:8] = True
    masks = {name: Mask(inside, written.affine) for name in SEGMENTS}
    monkeypatch.undo()
    key = put_study(masks)
    path.write_bytes(to_bytes(small_object(written)))
    stage.run(key, lake, config)
    wanted = read_volume(path).array[inside]
    rows = rows_of(lake, config, "feature_once", key)
    assert [row["n_voxels"] for row in rows] == [inside.sum()] * 7
    assert rows[0]["stat_mean"] == pytest.approx(wanted.mean())


@pytest.mark.parametrize("words", [(), ("--force",)], ids=["after a loss", "forced"])
def test_features_come_again_from_the_image_byte_for_byte(
    words, put_study, lake, config, monkeypatch, mpss
):
    """The way back from the de-identified DICOM and the masks: `mpss run radiomics --force`."""
    key = put_study()
    first = stage.run(key, lake, config)
    before = {file.path: (lake.root / file.path).read_bytes() for file in first.written}
    if not words:
        for path in before:
            (lake.root / path).unlink()
    monkeypatch.setenv("MPSS_HOME", str(lake.root.parent))
    status, out, _ = mpss("run", "radiomics", key, *words)
    assert status == 0
    assert f"{key} done" in out
    assert {path: (lake.root / path).read_bytes() for path in before} == before
