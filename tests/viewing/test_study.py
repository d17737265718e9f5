"""What the page of a study says, and the slices that its viewer gets."""

import base64

import numpy as np
import pytest
from shown_home import gated

from mpss_lib.dicom import read_volume
from mpss_lib.errors import StudyRejectedError, WrongArgumentError
from mpss_lib.gated.stage import MEASURED, NO_GATES, STATE_OF, UNUSABLE
from mpss_lib.masks import read_masks
from mpss_lib.pages import render
from mpss_lib.quality.review import record_review
from mpss_lib.viewing import images, study
from mpss_lib.viewing.ejection import STATES, draw_curve
from mpss_lib.viewing.published import published
from mpss_lib.viewing.slices import LAYERS, _ways
from mpss_lib.viewing.words import REJECT_REASONS, metric_words, reason_text


def test_the_page_holds_limits_series_and_history(shown):
    key = shown.keys[0]
    record_review(shown.lake, shown.config, key, "unsure", "motion", "dr_a")
    with published(shown.lake) as snapshot:
        told = study.study_page(snapshot, shown.lake, key, "dr_a", shown.config.review)
    by_name = {row["metric"]: row for row in told["metrics"]}
    assert by_name["prominence"]["flag"] == "review"
    assert by_name["prominence"]["says"] == "Brightness of the wall over its surroundings"
    assert by_name["prominence"]["strip"]["n"] == 6
    assert [row["decision"] for row in told["history"]] == ["unsure"]
    reasons = {row["reason"] for row in told["series"]}
    assert {"chosen", "not_attenuation_corrected"} <= reasons
    assert told["predictions"][0]["segment"] == "MYO"
    assert {row["table_name"] for row in told["lineage"]} >= {"volume", "quality_verdict"}


def test_an_unknown_study_is_named_with_the_way_out(shown):
    with published(shown.lake) as snapshot, pytest.raises(WrongArgumentError, match="worklist"):
        study.study_page(snapshot, shown.lake, "S999", "dr_a", shown.config.review)
    with published(shown.lake) as snapshot, pytest.raises(StudyRejectedError):
        images.slices(snapshot, "S999", shown.lake, shown.config)


def test_a_value_is_placed_among_the_sites():
    site = {"n": 90, "quantiles": [1.0, 2.0, 4.0, 5.0, 6.0, 8.0, 9.0]}
    found = study.strip(5.0, site, [None, 2.0, 8.0, None])
    assert found["value"] == pytest.approx(50.0)
    assert found["limits"][1] + found["limits"][2] == pytest.approx(100.0, abs=0.02)
    assert found["quantiles"] == sorted(found["quantiles"])
    far = study.strip(50.0, site)
    assert far["value"] > far["quantiles"][-1]
    assert study.strip(None, site) is None
    assert study.strip(1.0, None) is None


def test_slices_are_the_volume_and_its_masks(shown):
    key = shown.keys[0]
    with published(shown.lake) as snapshot:
        files = images._files(snapshot, key, shown.lake)
        told = images.slices(snapshot, key, shown.lake, shown.config).as_json()
    volume, (masks, _) = read_volume(files[0]), read_masks(files[1])
    shape = tuple(told["shape"])
    counts = np.frombuffer(base64.b64decode(told["counts"]), "<u2").reshape(shape)
    layers = np.frombuffer(base64.b64decode(told["masks"]), np.uint8).reshape(shape)
    part = tuple(slice(at, at + n) for at, n in zip(told["first"], shape, strict=True))
    np.testing.assert_allclose(
        counts * (told["top"] / 65535.0), volume.array[part], atol=told["top"] / 65535.0
    )
    assert told["ways"] == ["FH", "AP", "RL"]  # the phantom's axes are the patient's
    for k, name in enumerate(LAYERS):
        np.testing.assert_array_equal((layers >> k) & 1, masks[name].array[part])
        assert masks[name].array.sum() == masks[name].array[part].sum()


def test_gates_are_shown_beside_their_sum(shown):
    key = shown.keys[0]
    with published(shown.lake) as snapshot:
        path, *_ = images._files(snapshot, key, shown.lake)
        assert images.slices(snapshot, key, shown.lake, shown.config).as_json()["n_gates"] == 0
        whole = read_volume(path)
        slots = gated(path)
        told = images.slices(snapshot, key, shown.lake, shown.config).as_json()
    shape = tuple(told["shape"])
    part = tuple(slice(at, at + n) for at, n in zip(told["first"], shape, strict=True))
    counts = np.frombuffer(base64.b64decode(told["counts"]), "<u2").reshape(shape)
    gates = np.frombuffer(base64.b64decode(told["gates"]), np.uint8).reshape(4, *shape)
    most = slots[:, *part].max()
    np.testing.assert_allclose(gates * (most / 255.0), slots[:, *part], atol=most / 250.0)
    np.testing.assert_allclose(counts * (told["top"] / 65535.0), whole.array[part], atol=3.0)


def test_gates_of_another_series_are_brought_to_the_chosen_volume(shown):
    """Its grid lies two slices off: the same places of the patient are shown."""
    with published(shown.lake) as snapshot:
        volume_at, _, gates_at = images._files(snapshot, shown.beating, shown.lake)
        told = images.slices(snapshot, shown.beating, shown.lake, shown.config).as_json()
    assert (told["n_gates"], told["gates_are_own"], gates_at.name) == (4, False, "gates.dcm")
    shape = tuple(told["shape"])
    part = tuple(slice(at, at + n) for at, n in zip(told["first"], shape, strict=True))
    gates = np.frombuffer(base64.b64decode(told["gates"]), np.uint8).reshape(4, *shape)
    own = np.round(0.4 * read_volume(volume_at).array)
    inside = np.arange(part[0].start, part[0].stop) >= 2  # what the other grid covers
    expected = own[part] / own[part][inside].max() * 255.0
    np.testing.assert_allclose(gates[0][inside], expected[inside], atol=1.0)


def test_the_gates_say_their_ejection_fraction_beside_the_registrys(shown):
    with published(shown.lake) as snapshot:
        told = study.study_page(snapshot, shown.lake, shown.beating, "dr_a", shown.config.review)
        other = study.study_page(snapshot, shown.lake, shown.keys[-1], "dr_a", shown.config.review)
    assert other["ejection"] is None
    found = told["ejection"]
    assert (found["lvef"], found["lvef_registry"], found["lvef_from"]) == (55.8, 60.0, "registry")
    assert found["lvef_difference"] == pytest.approx(-4.2)
    assert [name for name, _ in found["flag_words"]] == ["count_drop", "ventricle_doubtful"]
    drawn = found["drawn"]
    assert [ml for _, _, ml in drawn["gates"]] == [93.0, 80.0, 58.0, 43.0, 55.0, 79.0, 87.0, 92.0]
    lowest = max(drawn["gates"], key=lambda gate: gate[1])  # y grows downwards
    assert lowest[2] == 43.0
    assert drawn["systole"][0] == pytest.approx(lowest[0], abs=15.0)
    assert drawn["low_ml"] <= 43.0 < 93.0 <= drawn["high_ml"]


def test_a_curve_with_missing_gates_is_drawn_and_one_of_three_is_not():
    volumes = [90.0, float("nan"), 50.0, 45.0, 60.0, 80.0]
    assert len(draw_curve(volumes, [1.0, 0.0, 1.0, 1.0, 1.0, 1.0])["gates"]) == 5
    assert draw_curve([90.0, 50.0, 80.0], [1.0] * 3) is None
    assert draw_curve([], []) is None


def test_every_state_of_the_gates_has_words():
    assert set(STATES) == {MEASURED, NO_GATES, UNUSABLE, *STATE_OF.values()}


def test_the_ends_of_an_axis_follow_its_direction():
    turned = np.diag([4.8, 4.8, 4.8, 1.0])[:, [2, 1, 0, 3]]
    assert _ways(turned) == ("FH", "AP", "RL")
    flipped = turned @ np.diag([-1.0, 1.0, -1.0, 1.0])
    assert _ways(flipped) == ("HF", "AP", "LR")


def test_every_limited_metric_has_words_and_a_unit_where_it_has_one(shown):
    from mpss_lib.quality.verdict import LIMITS
    from mpss_lib.segmentation.ventricle import SURE

    with published(shown.lake) as snapshot:
        words = metric_words(snapshot)
    assert {*LIMITS, *SURE} <= set(words)
    assert words["deficit"] == {"title": "Total perfusion deficit", "unit": "%"}
    assert words["noise_wall"] == {"title": "Noise in the wall", "unit": ""}


def test_a_reason_keeps_its_code_first():
    assert reason_text("motion", "") == "motion"
    assert reason_text("other", " two\n hearts ") == "other: two hearts"
    assert reason_text("", "free") == "free"
    assert len(REJECT_REASONS) == 9  # one key each


def test_the_terms_of_a_prediction_are_told_with_their_sum_and_shares():
    known = {"level": "", "human_name": None, "unit": None, "outcome_transform": "log1p"}
    known |= {"n_models": 50, "n_with_term": 50}
    rows = [
        known | {"term": "age", "value": 60.0, "coefficient": 0.05, "contribution": 3.0,
                 "share": 0.75},
        known | {"term": "sex", "level": "M", "value": 1.0, "coefficient": 1.0,
                 "contribution": 1.0, "share": 0.25},
        known | {"term": "(intercept)", "value": None, "coefficient": -1.5, "contribution": -1.5,
                 "share": None},
    ]  # fmt: skip
    told = {"segment": "MYO", "configuration": "clinical", "groups": [("elastic_net", rows)]}
    text = " ".join(render("pages/terms.html", **told).split())
    assert "contributions add up to 2.5 on log(1 + score)" in text
    assert "sex = M" in text
    assert "75 %" in text
    assert "no terms" in " ".join(render("pages/terms.html", **told | {"groups": []}).split())
