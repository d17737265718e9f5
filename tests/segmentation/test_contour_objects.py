"""Given masks instead of ours: used, listed, compared, or refused with a reason."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from contour_objects import contours_of, half_way, make_segmentation, make_structures
from imaging_objects import HABITS, STUDY, dice, phantom, put_study

from mpss_lib.config import Config
from mpss_lib.dicom import read_dataset, read_volume
from mpss_lib.errors import FrameOfReferenceError, StudyRejectedError
from mpss_lib.masks import read_masks
from mpss_lib.quality import stage as quality
from mpss_lib.sections import SegmentationSettings
from mpss_lib.segmentation import segment, stage
from mpss_lib.segmentation.contour_objects import ContourFile, check_frame, examine
from mpss_lib.segmentation.contour_segmentation import segment_contours
from mpss_lib.volume import Mask, Volume

ASKED = Config(segmentation=SegmentationSettings(masks_from="contours"))
ELSE = Config(segmentation=SegmentationSettings(masks_from="contours_else_automatic"))
FRAME = "2.25.2"


def row_of(lake, config, table="segmentation"):
    (row,) = lake.rows(table, config.address("segmentation"), STUDY)
    return row


def masks_of(lake, config):
    masks, extras = read_masks(lake.root / row_of(lake, config)["mask_path"])
    return masks, extras


def truth():
    return phantom(21).truth


# --------------------------------------------------------------------- used as given


@pytest.mark.parametrize("config", [ASKED, ELSE])
def test_contours_are_the_masks(study, put_contours, draw, config):
    put_contours(draw())
    outcome = stage.run(STUDY, study, config)
    assert outcome.status == "done"
    tables = {written.table for written in outcome.written}
    assert tables == {"segmentation", "contour_object", "segmentation_agreement"}
    row = row_of(study, config)
    assert (row["masks_from"], row["contours_key"], row["wall_mode"]) == ("contours", "c0", "given")
    assert row["flags"] == []
    assert 8.0 < row["wall_mm"] < 11.0
    masks, extras = masks_of(study, config)
    assert len(masks) == 26
    for name in ("ENDO", "EPI", "MYO"):
        assert np.array_equal(masks[name].array, truth()[name].array)
    parts = [masks[f"S{n:02d}"].array for n in range(1, 18)]
    assert np.array_equal(np.sum(parts, axis=0) > 0, masks["MYO"].array)
    assert sum(int(part.sum()) for part in parts) == masks["MYO"].array.sum()
    own = segment(read_volume(study.dicom_folder(STUDY) / "object0.dcm"))
    assert float(extras["axis"] @ own.axis) > np.cos(np.radians(6.0))
    again = stage.run(STUDY, study, config)
    assert (again.status, again.written) == ("skipped", outcome.written)
    assert stage.run(STUDY, study, config, force=True).written == outcome.written


def test_agreement_is_a_row_for_each_region(study, put_contours, draw):
    put_contours(draw())
    stage.run(STUDY, study, ASKED)
    rows = study.rows("segmentation_agreement", ASKED.address("segmentation"), STUDY)
    found = {row["segment"]: row for row in rows}
    assert len(found) == 26
    own = segment(read_volume(study.dicom_folder(STUDY) / "object0.dcm"))
    for name in ("MYO", "ENDO", "EPI"):
        ours, theirs = own.masks[name].array, truth()[name].array
        assert found[name]["dice"] == pytest.approx(dice(ours, theirs))
        assert found[name]["volume_ratio"] == pytest.approx(theirs.sum() / ours.sum())
        assert found[name]["given_ml"] == pytest.approx(truth()[name].volume_ml)
        assert found[name]["distance_mm"] < 5.0
    assert min(row["dice"] for row in rows) > 0.5


def test_automatic_masks_are_compared_with_contours_that_are_there(
    study, put_contours, draw, config
):
    put_contours(draw())
    stage.run(STUDY, study, config)
    assert row_of(study, config)["masks_from"] == "automatic"
    rows = study.rows("segmentation_agreement", config.address("segmentation"), STUDY)
    assert {row["segment"]: row["dice"] for row in rows}["MYO"] > 0.85
    told = row_of(study, config, "contour_object")
    assert (told["is_usable"], told["is_used"]) == (True, False)
    assert told["reasons"] == ["automatic_masks_asked_for"]


def test_study_without_contours_costs_no_file(study, config):
    outcome = stage.run(STUDY, study, config)
    assert [written.table for written in outcome.written] == ["segmentation"]
    assert row_of(study, config)["contours_key"] == ""


def test_contours_that_no_counts_stand_behind_are_unsure():
    """A volume of noise: the masks are kept, the self-check holds the study."""
    rng = np.random.default_rng(3)
    noise = Volume(rng.random((40, 64, 64)), phantom(21).volume.affine, "counts", FRAME)
    offer = {name: truth()[name] for name in ("MYO", "ENDO", "EPI")}
    found = segment_contours(noise, offer, orientation="transaxial")
    assert np.array_equal(found.masks["MYO"].array, offer["MYO"].array)
    assert found.flags == ("misfit_mm",)


def test_contours_where_nothing_was_found_are_compared_with_nothing(
    study, put_contours, draw, monkeypatch
):
    def nothing(*_, **__):
        raise StudyRejectedError("nothing", way_out="-", reasons=("left_ventricle_not_found",))

    monkeypatch.setattr(stage, "segment", nothing)
    put_contours(draw())
    stage.run(STUDY, study, ASKED)
    assert row_of(study, ASKED)["masks_from"] == "contours"
    rows = study.rows("segmentation_agreement", ASKED.address("segmentation"), STUDY)
    assert {(row["dice"], row["automatic_ml"]) for row in rows} == {(None, None)}


def test_quality_measures_given_masks(study, put_contours, draw):
    put_contours(draw())
    stage.run(STUDY, study, ASKED)
    quality.run(STUDY, study, ASKED)
    (verdict,) = study.rows("quality_verdict", ASKED.address("quality"), STUDY)
    assert (verdict["verdict"], verdict["flags"]) == ("pass", [])


def test_all_22_contours_are_kept_to_the_voxel(study, put_contours, draw, chosen):
    own = segment(chosen)
    names = ("ENDO", "EPI", "LAD3", "LCX3", "RCA3", *(f"S{n:02d}" for n in range(1, 18)))
    put_contours(draw(own.masks, names))
    stage.run(STUDY, study, ASKED)
    masks, _ = masks_of(study, ASKED)
    for name, mask in (dict(own.masks) | dict(own.seven)).items():
        assert np.array_equal(masks[name].array, mask.array), name
    rows = study.rows("segmentation_agreement", ASKED.address("segmentation"), STUDY)
    assert {row["dice"] for row in rows} == {1.0}


@pytest.mark.parametrize("outline", [half_way])
def test_outlines_half_way_between_pixels(study, put_contours, chosen, outline):
    own = segment(chosen)
    names = ("ENDO", "EPI", *(f"S{n:02d}" for n in range(1, 18)))
    regions = {name: contours_of(own.masks[name], outline) for name in names}
    put_contours(make_structures(regions, frame=FRAME))
    stage.run(STUDY, study, ASKED)
    masks, _ = masks_of(study, ASKED)
    assert min(dice(masks[name].array, own.masks[name].array) for name in names) >= 0.97


@pytest.mark.parametrize(
    "given", [("MYO",), ("MYO", "ENDO"), ("MYO", "EPI"), ("MYO", "ENDO", "EPI")]
)
def test_what_was_not_given_follows_from_what_was(study, put_contours, draw, given):
    put_contours(draw(names=given))
    stage.run(STUDY, study, ASKED)
    masks, _ = masks_of(study, ASKED)
    assert np.array_equal(masks["MYO"].array, truth()["MYO"].array)
    for name in ("ENDO", "EPI"):
        assert dice(masks[name].array, truth()[name].array) > 0.99
    assert row_of(study, ASKED, "contour_object")["regions"] == sorted(given)


@pytest.mark.parametrize(
    "habits",
    [
        replace(HABITS, head_first=True),
        replace(HABITS, reversed_storage=True),
        replace(HABITS, head_first=True, reversed_storage=True, rescale=True),
    ],
)
@pytest.mark.parametrize("orientation", ["transaxial", "short_axis"])
def test_contours_meet_the_volume_however_it_is_stored(lake, config, habits, orientation):
    """Contours stand in the patient: the same ones fit every way of storing."""
    made = phantom(24, orientation=orientation)
    put_study(lake, config, (made.volume, "AC"), habits=habits)
    path = lake.dicom_folder(STUDY) / "object0.dcm"
    volume = read_volume(path)
    regions = {name: contours_of(made.truth[name]) for name in ("ENDO", "EPI")}
    contours = lake.dicom_folder(STUDY) / "contours" / "c0.dcm"
    contours.parent.mkdir()
    make_structures(regions, frame=FRAME).save_as(contours)
    offer = examine(ContourFile("c0", contours, "import"), volume, "")
    assert offer.reasons == ()
    for name in ("ENDO", "EPI", "MYO"):
        wanted = truth_on(volume, made.truth[name])
        assert np.array_equal(offer.masks[name].array, wanted)


def truth_on(volume, mask: Mask) -> np.ndarray:
    index = volume.to_index(
        Volume(np.zeros(mask.array.shape), mask.affine).to_patient(
            np.argwhere(mask.array).astype(float)
        )
    )
    array = np.zeros(volume.array.shape, bool)
    array[tuple(np.rint(index).astype(int).T)] = True
    return array


# ----------------------------------------------------------------------- segmentations


@pytest.mark.parametrize("fractional", [False, True])
@pytest.mark.parametrize("habits", [HABITS, replace(HABITS, head_first=True)])
def test_segmentations_are_exact(lake, config, chosen_of, fractional, habits):
    volume, source, put = chosen_of(habits)
    own = segment(volume)
    names = ("ENDO", "EPI", "S01", "LAD3")
    given = {name: own.masks[name] for name in names}
    put(make_segmentation(given, source, volume, fractional=fractional))
    stage.run(STUDY, lake, ASKED)
    row = row_of(lake, ASKED, "contour_object")
    assert (row["kind"], row["origin"], row["is_used"]) == ("SEG", "import", True)
    masks, _ = masks_of(lake, ASKED)
    for name in ("ENDO", "EPI"):
        assert np.array_equal(masks[name].array, own.masks[name].array)


@pytest.fixture
def chosen_of(lake, config):
    """Chosen volume, its dataset, and a way to import contours beside it."""

    def make(habits):
        put_study(lake, config, (phantom(21).volume, "AC"), habits=habits)
        folder = lake.dicom_folder(STUDY)
        source = read_dataset(folder / "object0.dcm")

        def put(dataset, name="c0"):
            (folder / "contours").mkdir(exist_ok=True)
            dataset.save_as(folder / "contours" / f"{name}.dcm")

        return read_volume(source), source, put

    return make


# ------------------------------------------------------------------------------ refused


def test_contours_that_are_absent(study):
    outcome = stage.run(STUDY, study, ASKED)
    assert (outcome.status, outcome.reasons) == ("rejected", ("contours_absent",))
    assert stage.run(STUDY, study, ELSE).status == "done"
    assert row_of(study, ELSE)["masks_from"] == "automatic"


def shifted(mask, mm):
    affine = mask.affine.copy()
    affine[:3, 3] += mm
    return Mask(mask.array, affine)


def cases():
    own = truth()
    body = Mask(np.roll(own["EPI"].array, 20, axis=2), own["EPI"].affine)
    far = {name: shifted(own[name], (0.0, 0.0, 150.0)) for name in own}
    part = {name: shifted(own[name], (0.0, 0.0, 95.0)) for name in own}
    return {
        "other_frame_of_reference": {"frame": "2.25.999"},
        "incomplete": {"names": ("EPI",)},
        "no_known_region": {"masks": {"Heart": own["EPI"]}, "names": ("Heart",)},
        "region_twice": {
            "masks": own | {"ENDO#2": own["ENDO"]}, "names": ("ENDO", "ENDO#2", "EPI"),
        },
        "rejected_by_author": {"ApprovalStatus": "REJECTED"},
        "outside_volume": {"masks": part},
        "regions_outside_wall": {"masks": own | {"LAD3": body}, "names": ("ENDO", "EPI", "LAD3")},
        "outside_volume ": {"masks": far},
    }  # fmt: skip


@pytest.mark.parametrize("reason", cases())
def test_contours_that_cannot_be_used(study, put_contours, draw, reason):
    put_contours(draw(**cases()[reason]))
    outcome = stage.run(STUDY, study, ASKED)
    assert (outcome.status, outcome.reasons) == (
        "rejected",
        ("contours_unusable", reason.strip()),
    )
    told = row_of(study, ASKED, "contour_object")
    assert (told["reasons"], told["is_usable"], told["is_used"]) == ([reason.strip()], False, False)
    assert told["problem"]
    assert stage.run(STUDY, study, ELSE).status == "done"
    assert row_of(study, ELSE)["masks_from"] == "automatic"


def test_points_and_open_lines_are_no_contours(study, put_contours, draw):
    put_contours(draw(kinds={"ENDO": "OPEN_PLANAR", "EPI": "POINT"}))
    assert stage.run(STUDY, study, ASKED).reasons == ("contours_unusable", "no_known_region")


def test_an_object_that_cannot_be_read(study, put_contours, draw):
    made = draw()
    made.ROIContourSequence[0].ContourSequence[0].ContourData = ["1", "2"]
    put_contours(made)
    assert stage.run(STUDY, study, ASKED).reasons == ("contours_unusable", "unreadable")


def test_a_segmentation_on_another_grid_is_refused(lake, config, chosen_of):
    volume, source, put = chosen_of(HABITS)
    affine = volume.affine.copy()
    affine[:3, 3] += 1.3  # a third of a voxel beside it
    beside = Volume(volume.array, affine, "counts", volume.frame_of_reference)
    given = {name: Mask(truth()[name].array, affine) for name in ("ENDO", "EPI")}
    put(make_segmentation(given, source, beside))
    assert stage.run(STUDY, lake, ASKED).reasons == ("contours_unusable", "geometry")
    assert "beside the volume's grid" in row_of(lake, ASKED, "contour_object")["problem"]


def test_without_a_frame_the_contours_must_name_the_object():
    volume = Volume(np.zeros((2, 2, 2)), np.eye(4))
    check_frame("", frozenset({"2.25.40"}), volume, "2.25.40")
    with pytest.raises(FrameOfReferenceError, match="do not name"):
        check_frame("2.25.2", frozenset({"2.25.41"}), volume, "2.25.40")


def test_one_of_several_is_used(study, put_contours, draw):
    older = draw(StructureSetDate="20200101", instance="2.25.81")
    newer = draw(StructureSetDate="20200102", instance="2.25.82")
    put_contours(newer, key="c1")
    put_contours(older, key="c2")
    put_contours(draw(frame="2.25.999", instance="2.25.83"), key="c3")
    stage.run(STUDY, study, ASKED)
    assert row_of(study, ASKED)["contours_key"] == "c1"
    rows = study.rows("contour_object", ASKED.address("segmentation"), STUDY)
    assert {row["object_key"]: row["reasons"] for row in rows} == {
        "c1": [],
        "c2": ["not_the_newest"],
        "c3": ["other_frame_of_reference"],
    }


def test_other_contours_are_another_output(study, put_contours, draw):
    put_contours(draw())
    first = row_of_after(study)
    put_contours(draw(StructureSetDate="20990101", instance="2.25.82"), key="c9")
    second = row_of_after(study)
    assert (first["contours_key"], second["contours_key"]) == ("c0", "c9")


def row_of_after(lake):
    outcome = stage.run(STUDY, lake, ASKED)
    assert outcome.status == "done"
    path = next(one.path for one in outcome.written if one.table == "segmentation")
    from mpss_lib.tables import read_parquet

    (row,) = read_parquet(lake.root / path, "segmentation").to_pylist()
    return row


def test_check_values_are_those_that_make_sense(study, put_contours, draw):
    put_contours(draw())
    stage.run(STUDY, study, ASKED)
    check = json.loads(row_of(study, ASKED)["check"])
    assert {"prominence", "misfit_mm", "length_mm", "edge_voxels"} <= set(check)
    assert "rival_gap" not in check
