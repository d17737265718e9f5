from __future__ import annotations

import json

import numpy as np
import pytest
from model_files.conftest import CONFIG, EXTRA, N
from oracles.statistics_lake import COHORT, study_key

from mpss_lib.config import AS_PUBLISHED, CONFIGURATIONS, CORRECTED, ELASTIC_NET, SITE, Sites
from mpss_lib.errors import WrongArgumentError
from mpss_lib.model_files import content
from mpss_lib.model_files.as_sql import TRAINING, prediction_sql
from mpss_lib.model_files.content import ModelFileError
from mpss_lib.model_files.distribution import SMALLEST_CELL, counts, moments
from mpss_lib.model_files.export import export_model
from mpss_lib.publication import stage as publication
from mpss_lib.sections import SEGMENTS, SiteSettings

PROFILES = (AS_PUBLISHED, CORRECTED, ELASTIC_NET)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_round_trip_is_exact(origin, tmp_path, profile, configuration):
    model = export_model("LAD3", configuration, profile, origin.lake, origin.config)
    content.write(model, tmp_path / "model.json")
    assert content.read(tmp_path / "model.json") == model
    loose = json.dumps(json.loads((tmp_path / "model.json").read_text()))  # laid out anew
    (tmp_path / "loose.json").write_text(loose)
    assert content.read(tmp_path / "loose.json") == model


def _changes(data):
    yield "formulas", lambda d: d["formulas"][0].update(intercept=1.5)
    yield "bins", lambda d: d.update(bins=7)
    yield "unit", lambda d: d["terms"][0].update(unit="cm")
    yield "engine", lambda d: d["makers"]["engines"].update(radiomics="9")
    yield "seal", lambda d: d.update(sha256="0" * 64)
    yield "no seal", lambda d: d.pop("sha256")
    yield "more", lambda d: d.update(patients=["a"])


def test_a_changed_file_is_refused(origin, tmp_path):
    model = export_model("MYO", "combined", ELASTIC_NET, origin.lake, origin.config)
    text = content.as_text(model)
    for name, change in _changes(json.loads(text)):
        data = json.loads(text)
        change(data)
        path = tmp_path / "changed.json"
        path.write_text(json.dumps(data))
        with pytest.raises(ModelFileError, match="sha256"):
            content.read(path)
        assert name


def test_what_is_no_model_file_is_refused_with_its_name(tmp_path):
    path = tmp_path / "other.json"
    for text, said in (
        ("{", "no JSON"), ("[1]", "format"), ('{"format": "mpss-model"}', "schema version None"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(ModelFileError, match=f"other.json.*{said}"):
            content.read(path)
    sealed = {"format": "mpss-model", "schema_version": 1, "segment": "MYO"}
    path.write_text(json.dumps(sealed | {"sha256": content.seal_of(sealed)}))
    with pytest.raises(ModelFileError, match="Field required"):
        content.read(path)
    with pytest.raises(WrongArgumentError, match=r"absent\.json"):
        content.read(tmp_path / "absent.json")


def test_a_model_that_is_not_there_is_named(origin):
    with pytest.raises(WrongArgumentError, match="profile 'best'"):
        export_model("MYO", "combined", "best", origin.lake, origin.config)
    with pytest.raises(WrongArgumentError, match="'LAD'"):
        export_model("LAD", "combined", ELASTIC_NET, origin.lake, origin.config)


def test_no_patient_is_in_the_file(origin):
    model = export_model("MYO", "combined", AS_PUBLISHED, origin.lake, origin.config)
    text = content.as_text(model)
    assert not any(study_key(k) in text for k in range(N + EXTRA))
    outcomes = {row["cac_total"] for row in origin.lake.rows(
        "cohort_outcome", origin.config.address("warehouse"), COHORT)}  # fmt: skip
    assert not any(f"{score!r}" in text for score in outcomes if score > 1000)


@pytest.fixture(scope="module")
def published(origin, tmp_path_factory):
    """What publication gives for the studies that no model was made with."""
    folder = tmp_path_factory.mktemp("sites")
    sites, address = Sites(folder / "v", folder, SiteSettings()), CONFIG.address("publication")
    found = {}
    for k in range(N, N + EXTRA):
        publication.run(study_key(k), origin.lake, origin.config, sites)
        for row in origin.lake.rows("prediction", address, study_key(k)):
            found[row["segment"], row["configuration"], row["study_key"]] = row
    return found


@pytest.mark.parametrize(("profile", "column"), [(SITE, "value"), (ELASTIC_NET, "corrected_value")])
def test_the_query_gives_what_publication_gives(origin, published, profile, column):
    n_compared = 0
    for segment in SEGMENTS:
        for configuration in CONFIGURATIONS:
            model = export_model(segment, configuration, profile, origin.lake, origin.config)
            for key, value, reason in origin.ask(prediction_sql(model)):
                if reason == TRAINING:
                    assert value is None
                    continue
                expected = published[segment, configuration, key][column]
                assert value == pytest.approx(expected, rel=1e-12, abs=1e-9)
                n_compared += value is not None
    assert n_compared == len(SEGMENTS) * 3 * EXTRA


def test_the_query_says_why_there_is_no_prediction(origin, tmp_path):
    import duckdb

    model = export_model("MYO", "combined", ELASTIC_NET, origin.lake, origin.config)
    used = {model.columns[k].term for k in model.used}
    number = next(t.name for t in model.terms if t.kind == "number" and t.source == "clinical")
    feature = next(t.name for t in model.terms if t.source == "feature")
    category = next(t.name for t in model.terms if t.kind == "category")
    assert {number, feature, category} <= used
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(origin.lake.snapshot.read_bytes())
    keys = [study_key(N + k) for k in range(5)]
    with duckdb.connect(str(copy)) as connection:
        for change in (
            f"update core.clinical set {number} = null where study_key = '{keys[0]}'",
            f"update core.clinical set {category} = 'martian' where study_key = '{keys[1]}'",
            f"update feature.radiomics set {feature} = 'nan' where study_key = '{keys[2]}'",
            f"delete from core.clinical where study_key = '{keys[3]}'",
            f"delete from feature.radiomics where study_key = '{keys[4]}'",
        ):
            connection.execute(change)
        found = {row[0]: row[1:] for row in connection.execute(prediction_sql(model)).fetchall()}
    assert [found[key] for key in keys] == [
        (None, f"missing:{number}"),
        (None, f"unknown_category:{category}"),
        (None, f"undefined_feature:{feature}"),
        (None, "no_clinical_row"),
        (None, "no_features"),
    ]


def test_small_cells_are_withheld_and_cannot_be_worked_out():
    values = ["a"] * 50 + ["b"] * 4 + ["c"] * 30 + ["d"] * 12
    told = counts(values, ("a", "b", "c", "d", "e"))
    assert told == {"a": 50, "b": None, "c": 30, "d": None, "e": 0}
    two_small = counts(["a"] * 50 + ["b"] * 4 + ["c"] * 3 + ["d"] * 20)
    assert two_small == {"a": 50, "b": None, "c": None, "d": None}  # 4 + 3 would tell too much
    assert counts(["a"] * 50 + ["b"] * 10) == {"a": 50, "b": 10}
    assert counts(["a"] * 50 + ["b"] * 9) == {"a": None, "b": None}


def test_quantiles_keep_away_from_the_ends():
    values = np.random.default_rng(0).normal(size=60)
    told = moments(values)
    assert list(told.quantiles) == ["0.25", "0.5", "0.75"]
    assert told.mean == values.mean()
    assert told.sd == pytest.approx(np.std(values, ddof=1))
    assert moments(values[: SMALLEST_CELL - 1]) == type(told)(None, None, {})


def test_the_file_says_what_made_it(origin):
    model = export_model("RCA17", "radiomics", ELASTIC_NET, origin.lake, origin.config)
    assert model.makers.engines["radiomics"] == CONFIG.address("radiomics").engine
    assert model.makers.settings["segmentation.wall_mm"] == "10.4"
    assert model.outcome.column == "cac_rca"
    assert model.cohort.n == N
    assert {figure.name for figure in model.calibration} >= {"spearman", "calibration_slope"}
