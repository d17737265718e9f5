"""The stage on a lake: values and rows of a study, the table of a cohort."""

from __future__ import annotations

import numpy as np
import pytest
from imaging_objects import STUDY, phantom, put_study
from numpy.testing import assert_allclose

from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError, StudyRejectedError, WrongArgumentError
from mpss_lib.radiomics.isotropic import ISOTROPIC_NAMES
from mpss_lib.sections import BINS, SEGMENTS
from mpss_lib.segmentation import stage as segmentation
from mpss_lib.stability import reliability, stage
from mpss_lib.stability.values_file import read_values, values_path, write_values
from mpss_lib.stable_features import middle_by_level, ranking
from mpss_lib.tables import Lake, sha256_of

FEW = Config.model_validate(
    {"stability": {"shifts": 2, "rotations": 2, "count_pairs": 1}, "radiomics": {"bins": [64, 8]}}
)
N_FEW, SHAPE = 10, (7, 2, 166)
COHORT = "c0"


@pytest.fixture(scope="module")
def segmented(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    put_study(lake, FEW, (phantom(21).volume, "AC"))
    segmentation.run(STUDY, lake, FEW)
    return lake


def rows_of(lake):
    return lake.rows("perturbation", FEW.address("stability"), STUDY)


def test_a_study_has_a_row_for_each_perturbation_and_its_values_beside_it(segmented):
    outcome = stage.run(STUDY, segmented, FEW, force=True)
    assert outcome.status == "done"
    rows = rows_of(segmented)
    assert [row["position"] for row in rows] == list(range(1, N_FEW + 1))
    assert [row["thinning"] for row in rows if row["family"] == "counts"] == ["pixels"] * 2
    values = read_values(segmented.root / rows[0]["values_path"], (N_FEW, *SHAPE))
    assert np.isfinite(values).mean() > 0.95
    assert all(row["n_voxels"] > 300 for row in rows)


def test_again_is_skipped_and_forced_gives_the_same_bytes(segmented):
    first = stage.run(STUDY, segmented, FEW)
    path = segmented.root / rows_of(segmented)[0]["values_path"]
    before = sha256_of(path)
    assert stage.run(STUDY, segmented, FEW).status == "skipped"
    forced = stage.run(STUDY, segmented, FEW, force=True)
    assert forced.status == "done"
    assert forced.written == first.written
    assert sha256_of(path) == before


def test_a_stop_before_the_rows_are_written_loses_nothing_that_is_believed(segmented):
    """Values without rows, and rows without values: both are made again."""
    stage.run(STUDY, segmented, FEW)
    row = segmented.current_path("perturbation", FEW.address("stability"), STUDY)
    path = segmented.root / rows_of(segmented)[0]["values_path"]
    for lost in (row, path):
        lost.unlink()
        assert stage.run(STUDY, segmented, FEW).status == "done"
        assert row.is_file()
        assert path.is_file()


def test_a_study_whose_objects_were_removed_is_rejected(lake, config):
    put_study(lake, FEW, (phantom(21).volume, "AC"))
    with pytest.raises(StudyRejectedError) as caught:
        stage.run(STUDY, lake, FEW)
    assert caught.value.reasons == ("not_segmented",)
    segmentation.run(STUDY, lake, FEW)
    (lake.dicom_folder(STUDY) / "object0.dcm").unlink()
    with pytest.raises(StudyRejectedError) as caught:
        stage.run(STUDY, lake, FEW)
    assert caught.value.reasons == ("objects_removed",)


def put_values(lake, n: int) -> np.ndarray:
    """A frozen cohort of ``n`` studies with invented values; gives them as single precision."""
    address = FEW.address("stability")
    rng = np.random.default_rng(8)
    values = rng.normal(10.0, 2.0, (n, 1, *SHAPE)) + rng.normal(0.0, 1.0, (n, N_FEW, *SHAPE))
    values[:, :, 0, 0, 5] = 3.0
    values = values.astype(np.float32)
    keys = [f"S{k:03d}" for k in range(n)]
    for key, mine in zip(keys, values, strict=True):
        path = values_path(lake, address, key, "d")
        write_values(path, mine)
        row = {"study_key": key, "perturbation": "shift1", "family": "shift", "position": 1}
        row |= {"thinning": "", "n_voxels": 9, "values_path": lake.relative(path)}
        lake.write("perturbation", address, key, "d", [row])
    members = [{"cohort_hash": COHORT, "study_key": k, "patient_key": f"P{k}"} for k in keys]
    lake.write("cohort_member", FEW.address("warehouse"), COHORT, "d", members)
    return values.astype(np.float64)


def test_a_cohorts_rows_are_the_correlations_of_its_studies(lake):
    values = put_values(lake, 12)
    answer = stage.summarise(COHORT, lake, FEW)
    assert (answer["n_studies"], answer["is_measured"]) == (12, True)
    assert (lake.root / answer["picture"]).read_bytes().startswith(b"\x89PNG")
    rows = lake.rows("feature_stability", FEW.address("stability"), COHORT)
    assert len(rows) == 6 * np.prod(SHAPE)
    by_key = {(r["family"], r["segment"], r["bins"], r["feature"]): r for r in rows}
    places = {"all": slice(None), "shift": slice(0, 2), "base": slice(8, 10)}
    for family, place in places.items():
        wanted = reliability(values[:, place])
        for s, b, f in ((0, 0, 0), (3, 1, 70), (6, 1, 165)):
            row = by_key[family, SEGMENTS[s], (8, 64)[b], ISOTROPIC_NAMES[f]]
            assert row["n_perturbations"] == wanted.n_raters
            for name in ("icc1", "icc1_low", "icc3_high", "sd_within"):
                assert row[name] == pytest.approx(getattr(wanted, name)[s, b, f])
    constant = by_key["all", "MYO", 8, ISOTROPIC_NAMES[5]]
    assert (constant["icc1"], constant["n_studies"]) == (None, 12)
    assert_allclose(
        middle_by_level(rows)[64][ISOTROPIC_NAMES[7]],
        np.median([by_key["all", s, 64, ISOTROPIC_NAMES[7]]["icc3"] for s in SEGMENTS]),
    )
    order = ranking(rows, 64, "wall")
    assert [icc for _, icc in order] == sorted((icc for _, icc in order), reverse=True)


def test_a_cohort_is_summed_up_once_and_again_for_another_study(lake):
    put_values(lake, 10)
    units = [stage.summarise(COHORT, lake, FEW)["units"][0] for _ in range(2)]
    assert [unit.status for unit in units] == ["done", "skipped"]
    assert units[0].files == units[1].files
    put_values(lake, 11)
    assert stage.summarise(COHORT, lake, FEW)["units"][0].status == "done"


def test_too_few_studies_say_nothing(lake, caplog):
    put_values(lake, 9)
    assert stage.summarise(COHORT, lake, FEW) == {
        "cohort": COHORT, "n_studies": 9, "is_measured": False, "units": [],
    }  # fmt: skip
    assert "9 studies" in caplog.text
    with pytest.raises(WrongArgumentError, match="not frozen"):
        stage.summarise("nobody", lake, FEW)


@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_values_that_cannot_be_read_are_named(lake, damage):
    put_values(lake, 10)
    path = values_path(lake, FEW.address("stability"), "S003", "d")
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        write_values(path, np.zeros((2, 3), np.float32))
    with pytest.raises(LakeCorruptError, match="S003"):
        stage.summarise(COHORT, lake, FEW)


def test_default_grey_levels_are_measured_from_the_coarsest_on():
    assert stage.ruler_of(Config()).shape == (7, 8, 166)
    assert stage.ruler_of(FEW).bins == (8, 64)
    assert stage.ruler_of(Config()).bins == BINS
