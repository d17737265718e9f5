"""Models meet features of the version that they were made with, or nobody is predicted."""

from __future__ import annotations

import shutil

import duckdb
import pytest
from oracles.statistics_lake import COHORT, fill, study_key
from quick_evaluation import quick_evaluation

from mpss_lib import config as settings_module
from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.batch import run_stage, write_record
from mpss_lib.config import Config, Sites
from mpss_lib.evaluation import stage as evaluation
from mpss_lib.publication import stage
from mpss_lib.selection.stage import run as select_run
from mpss_lib.tables import Lake
from mpss_lib.versions import OtherVersionError

EVALUATION = {"n_outer": 6, "n_inner": 2, "permutations": 0}
CONFIG = Config.model_validate({"evaluation": EVALUATION})
THIN = Config.model_validate({"evaluation": EVALUATION, "segmentation": {"wall_mm": 9.6}})
N = 24


def evaluate(lake: Lake, config: Config) -> None:
    select_run(COHORT, lake, config)
    with quick_evaluation():
        answer = evaluation.run(COHORT, lake, config)
    write_record("evaluation", answer["units"], lake, config, "test")


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Models of a wall of 10.4 mm; features of 10.4 mm and, in other files, of 9.6 mm."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    fill(lake, CONFIG, n=N)
    evaluate(lake, CONFIG)
    fill(lake, THIN, n=N, seed=2)
    return lake


@pytest.fixture
def own(lake, tmp_path):
    """A copy for the tests that change it."""
    shutil.copytree(lake.root, tmp_path / "lake")
    return Lake(tmp_path / "lake")


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sites")
    return Sites(folder / "vault.sqlite", folder, ArchiveSettings())


def files_of(lake, config):
    return lake.current_paths("prediction", config.address("publication"))


def test_features_of_another_wall_are_not_put_through_the_models(lake, sites):
    """Was: 9.6 mm features through 10.4 mm models, every radiomic prediction another number."""
    before = stage.run(study_key(0), lake, CONFIG, sites)
    with pytest.raises(OtherVersionError, match=r"registered models.*mpss recompute"):
        stage.run(study_key(0), lake, THIN, sites)
    assert files_of(lake, THIN) == {}
    assert stage.run(study_key(0), lake, CONFIG, sites).written == before.written


def test_a_batch_stops_at_once_and_records_nothing(lake, sites):
    keys = [study_key(k) for k in range(3)]
    n_records = len(lake.records("publication"))
    with pytest.raises(OtherVersionError):
        run_stage("publication", keys, lake, THIN, sites)
    assert len(lake.records("publication")) == n_records


@pytest.mark.parametrize(
    "change",
    [
        {"segmentation": {"wall_mode": "thick"}},
        {"intake": {"voxel_mm": 5.0}},
        {"pull": {"modality": "PT"}},
        {"radiomics": {"ivh_bins": 500}},
        {"selection": {"correlation": 0.9}},
        {"evaluation": EVALUATION | {"n_outer": 7}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_upstream_of_the_models_counts(lake, sites, change):
    other = Config.model_validate({"evaluation": EVALUATION} | change)
    with pytest.raises(OtherVersionError, match="registered models"):
        stage.run(study_key(0), lake, other, sites)


@pytest.mark.parametrize("name", ["pull", "intake", "segmentation", "radiomics", "evaluation"])
def test_an_engine_that_was_raised_counts_too(lake, sites, name, monkeypatch):
    monkeypatch.setitem(settings_module.ENGINES, name, "99")
    with pytest.raises(OtherVersionError, match="registered models"):
        stage.run(study_key(0), lake, CONFIG, sites)


def test_what_the_models_do_not_read_does_not_matter(lake, sites):
    other = Config.model_validate(
        {"evaluation": EVALUATION, "quality": {"limits_version": "site-2"}, "cohort": {}}
    )
    assert stage.run(study_key(1), lake, other, sites).status in {"done", "skipped"}


def test_a_cohort_of_another_version_is_not_taken_for_no_cohort(lake, sites, monkeypatch):
    """Its studies would be predicted by models that had been fitted to them."""
    monkeypatch.setitem(settings_module.ENGINES, "warehouse", "99")
    with pytest.raises(OtherVersionError, match=f"the cohort {COHORT} of the models"):
        stage.run(study_key(0), lake, CONFIG, sites)


def show_no_clinical_row(lake: Lake) -> None:
    """Publish that nobody has clinical values."""
    with duckdb.connect(str(lake.snapshot)) as connection:
        columns = ", ".join(f"{name} text" for name in stage.CLINICAL)
        connection.execute("create schema core")
        connection.execute(f"create table core.clinical (study_key text, {columns})")


def test_of_two_versions_each_meets_its_own_models(own, sites):
    show_no_clinical_row(own)
    evaluate(own, THIN)
    outsider, values = study_key(N), []
    for config in (THIN, CONFIG):
        stage.run(outsider, own, config, sites)
        rows = own.rows("prediction", config.address("publication"), outsider)
        values.append([row["value"] for row in rows if row["configuration"] == "radiomics"])
    assert None not in values[0] + values[1]
    assert values[0] != values[1]


def test_clinical_rows_of_another_version_are_not_read(own, sites):
    show_no_clinical_row(own)
    with duckdb.connect(str(own.snapshot)) as connection:
        connection.execute("create schema meta")
        pull = CONFIG.address("pull")
        connection.execute(
            f"create table meta.pointer as select 'pull' as stage, '{pull.engine}' as engine,"
            f" '{pull.config}' as config"
        )
    outsider = study_key(N)
    assert stage.run(outsider, own, CONFIG, sites).status == "done"
    stage._snapshot_clinical.cache_clear()
    with duckdb.connect(str(own.snapshot)) as connection:
        connection.execute("update meta.pointer set engine = '0'")
    with pytest.raises(OtherVersionError, match="clinical rows of the snapshot"):
        stage.run(outsider, own, CONFIG, sites)


def test_a_part_of_a_cohort_is_not_selected_from(own):
    """Nights after a change of settings give features to a few members of the cohort only."""
    own.current_path("feature_once", THIN.address("radiomics"), study_key(3)).unlink()
    with pytest.raises(OtherVersionError, match=rf"{N - 1} of {N} members"):
        select_run(COHORT, own, THIN)
