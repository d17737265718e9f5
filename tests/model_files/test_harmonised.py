"""Models that harmonise leave with what is needed to apply them, by scanner."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from model_files.conftest import Site, make_origin
from oracles.statistics_lake import COHORT, VENDORS, study_key

from mpss_lib.config import CONFIGURATIONS, SITE, Config, Sites
from mpss_lib.evaluation.inputs import load
from mpss_lib.model_files import content
from mpss_lib.model_files.as_sql import TRAINING, prediction_sql
from mpss_lib.model_files.content import ModelFileError
from mpss_lib.model_files.export import export_model
from mpss_lib.model_files.validation import AS_THEY_ARE, validate
from mpss_lib.publication import stage as publication
from mpss_lib.sections import SEGMENTS, EvaluationSettings, SiteSettings
from mpss_lib.tables import Lake

CONFIG = Config(
    evaluation=EvaluationSettings(
        n_outer=4, n_inner=3, permutations=0, harmonise="combat", min_scanner=5,
        final_coef="train+dev", winner="dev_r2", outcome_transform="log1p",
    )
)  # fmt: skip
N, EXTRA = 45, 6
KNOWN = tuple(f"{vendor} M{k}" for k, vendor in enumerate(VENDORS))


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Site:
    lake = Lake(tmp_path_factory.mktemp("harmonised"))
    return make_origin(lake, CONFIG, N, EXTRA, vendors=True)


@pytest.fixture(scope="module")
def predicted(origin, tmp_path_factory):
    """What publication gives to studies of known scanners that no model was made with."""
    folder = tmp_path_factory.mktemp("sites")
    sites, address = Sites(folder / "v", folder, SiteSettings()), CONFIG.address("publication")
    found = {}
    for k in range(N, N + EXTRA):
        publication.run(study_key(k), origin.lake, CONFIG, sites)
        for row in origin.lake.rows("prediction", address, study_key(k)):
            found[row["segment"], row["configuration"], row["study_key"]] = row["value"]
    return found


def exported(origin, segment, configuration, tmp_path):
    """The model as it is read from its file."""
    model = export_model(segment, configuration, SITE, origin.lake, origin.config)
    content.write(model, tmp_path / "model.json")
    return content.read(tmp_path / "model.json")


def test_the_query_gives_what_publication_gives(origin, predicted, tmp_path):
    n_compared = 0
    for segment in SEGMENTS:
        for configuration in CONFIGURATIONS:
            if (segment, configuration, study_key(N)) not in predicted:
                continue
            model = exported(origin, segment, configuration, tmp_path)
            for key, value, reason in origin.ask(prediction_sql(model)):
                if reason != TRAINING:
                    assert value == pytest.approx(predicted[segment, configuration, key], rel=1e-9)
                    n_compared += value is not None
    assert n_compared > 10 * EXTRA


@pytest.fixture
def model(origin, tmp_path):
    return exported(origin, "MYO", "radiomics", tmp_path)


def answers(model, origin, tmp_path, *changes):
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(origin.lake.snapshot.read_bytes())
    with duckdb.connect(str(copy)) as connection:
        for change in changes:
            connection.execute(change)
        return {row[0]: row[1:] for row in connection.execute(prediction_sql(model)).fetchall()}


def test_the_scanner_decides_and_a_stranger_is_taken_as_it_is(model, origin, tmp_path):
    key = study_key(N)
    assert tuple(one.scanner for one in model.scanners) == KNOWN
    assert {"age", "sex", "race", "bmi"} <= set(model.covariates)
    own, _ = answers(model, origin, tmp_path)[key]
    named = f"update core.study set manufacturer = {{}} where study_key = '{key}'"
    other, _ = answers(model, origin, tmp_path, named.format("' Nobody'"))[key]
    unnamed, _ = answers(model, origin, tmp_path, named.format("null"))[key]
    assert own != pytest.approx(other, rel=1e-6)
    assert unnamed == other
    plain = model.model_copy(update={"scanners": (), "covariates": ()})
    assert answers(plain, origin, tmp_path)[key] == (other, "")


def test_a_covariate_is_missed_only_where_values_are_harmonised(model, origin, tmp_path):
    """Radiomics alone are predicted without clinical terms, but not harmonised without them."""
    key = study_key(N)
    lost = f"update core.clinical set age = null where study_key = '{key}'"
    odd = f"update core.clinical set race = 'martian' where study_key = '{key}'"
    moved = f"update core.study set manufacturer = 'Nobody' where study_key = '{key}'"
    assert answers(model, origin, tmp_path, lost)[key] == (None, "missing:age")
    assert answers(model, origin, tmp_path, odd)[key] == (None, "unknown_category:race")
    assert answers(model, origin, tmp_path, lost, moved)[key][0] is not None


def test_another_home_is_told_whose_values_were_harmonised(model, elsewhere, tmp_path):
    found = validate(model, elsewhere.lake, CONFIG)
    assert found.scanners == {KNOWN[0]: 37, KNOWN[1]: 37, KNOWN[2]: 36}
    kept = tuple(one for one in model.scanners if one.scanner != KNOWN[1])
    some = validate(model.model_copy(update={"scanners": kept}), elsewhere.lake, CONFIG)
    assert some.scanners == {KNOWN[0]: 37, KNOWN[2]: 36, AS_THEY_ARE: 37}
    assert some.as_json()["scanners"] == some.scanners
    assert some.predicted_mean != found.predicted_mean


def test_the_cohort_is_told_by_harmonised_forms(model, origin):
    """Mean linear form again, patient by patient with the file's own formulas."""
    inputs = load(COHORT, origin.lake, CONFIG)
    features = inputs.selected[SITE].columns_of("MYO")
    forms = {one.scanner: one.formulas for one in model.scanners}
    linear = []
    for k, scanner in enumerate(inputs.scanners):
        values = [
            float(str(inputs.clinical[c.term][k]) == c.level)
            if c.level
            else float((features | inputs.clinical)[c.term][k])
            for c in model.columns
        ]
        told = [f.intercept + np.dot(f.coefficients, values) for f in forms[scanner.name]]
        linear.append(np.mean(told))
    assert model.cohort.linear_mean == pytest.approx(np.mean(linear))
    assert model.cohort.linear_sd == pytest.approx(np.std(linear, ddof=1))


def test_a_scanner_with_too_few_formulas_is_refused(model, tmp_path):
    first, *others = model.scanners
    short = first.model_copy(update={"formulas": first.formulas[:-1]})
    content.write(model.model_copy(update={"scanners": (short, *others)}), tmp_path / "m.json")
    with pytest.raises(ModelFileError, match="a scanner has not"):
        content.read(tmp_path / "m.json")
