"""Two sites: one that made models, and one that has other patients and no model."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pytest
from oracles.statistics_lake import (
    COHORT,
    VENDORS,
    catalogue_rows,
    fill,
    outcome_row,
    study_key,
)
from quick_evaluation import quick_evaluation

from mpss_lib.batch import write_record
from mpss_lib.config import Config
from mpss_lib.evaluation import stage as evaluation
from mpss_lib.schemas import FEATURE_TABLES, TABLES
from mpss_lib.sections import EvaluationSettings
from mpss_lib.selection.stage import run as select_run
from mpss_lib.tables import Lake

CONFIG = Config(evaluation=EvaluationSettings(n_outer=4, n_inner=2, permutations=0))
N, EXTRA = 60, 6
_SQL_TYPES = {"string": "varchar", "double": "double", "bool": "boolean"}


@dataclass
class Site:
    lake: Lake
    config: Config

    def ask(self, sql: str):
        with duckdb.connect(str(self.lake.snapshot), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def publish(lake: Lake, cohort, n: int, in_cohort) -> None:
    """A snapshot with the relations that a model is applied to, as tables."""
    radiomics = CONFIG.address("radiomics")
    columns = [name for name in TABLES["cohort_outcome"].columns if name != "cohort_hash"]
    rows = [outcome_row(cohort, k) for k in range(n)]
    with duckdb.connect(str(lake.snapshot)) as connection:
        for schema in ("core", "raw", "meta", "feature"):
            connection.execute(f"create schema {schema}")
        kinds = TABLES["cohort_outcome"].columns
        told = ", ".join(f"{name} {_SQL_TYPES[str(kinds[name])]}" for name in columns)
        connection.execute(f"create table core.clinical ({told})")
        marks = ", ".join("?" for _ in columns)
        connection.executemany(
            f"insert into core.clinical values ({marks})",
            [[row[name] for name in columns] for row in rows],
        )
        keys = ", ".join(f"'{study_key(k)}'" for k in in_cohort)
        connection.execute(
            f"create table core.cohort as from core.clinical where study_key in ({keys})"
        )
        connection.execute(
            "create table core.predictable as select study_key, true as is_predictable"
            " from core.clinical"
        )
        connection.execute(
            "create table core.study (study_key text, manufacturer text, scanner_model text)"
        )
        connection.executemany(
            "insert into core.study values (?, ?, ?)",
            [[study_key(k), VENDORS[k % 3], f"M{k % 3}"] for k in range(n)],
        )
        connection.execute("create table raw.cohort_member (cohort_hash text, study_key text)")
        connection.executemany(
            "insert into raw.cohort_member values (?, ?)",
            [["an older cohort", study_key(k)] for k in range(n)],
        )
        connection.execute(
            "create table meta.pointer as select 'radiomics' as stage,"
            f" '{radiomics.engine}' as engine, '{radiomics.config}' as config"
        )
        connection.execute(
            "create table core.feature_dictionary (feature text, unit text, ibsi_code text)"
        )
        connection.executemany(
            "insert into core.feature_dictionary values (?, ?, ?)",
            [[r["sera_name"], r["unit"], r["ibsi_code"]] for r in catalogue_rows()],
        )
        globs = [str(lake.root / f"landing/{table}/**/*.parquet") for table in FEATURE_TABLES]
        connection.execute(
            "create table feature.radiomics as select once.*,"
            " binned.* exclude (study_key, segment, undefined_features)"
            f" from read_parquet('{globs[0]}') as once"
            f" join read_parquet('{globs[1]}') as binned using (study_key, segment)"
        )


def make_origin(lake, config, n, extra, *, vendors=False) -> Site:
    """A site with models, and its published cohort."""
    cohort = fill(lake, config, n=n, extra=extra, vendors=vendors)
    select_run(COHORT, lake, config)
    with quick_evaluation():
        answer = evaluation.run(COHORT, lake, config)
    write_record("evaluation", answer["units"], lake, config, "test")
    publish(lake, cohort, n + extra, range(n))
    with duckdb.connect(str(lake.snapshot)) as connection:
        connection.executemany(
            "insert into raw.cohort_member values (?, ?)",
            [[COHORT, study_key(k)] for k in range(n)],
        )
    return Site(lake, config)


@pytest.fixture(scope="session")
def origin(tmp_path_factory) -> Site:
    return make_origin(Lake(tmp_path_factory.mktemp("origin")), CONFIG, N, EXTRA)


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory) -> Site:
    lake = Lake(tmp_path_factory.mktemp("elsewhere"))
    cohort = fill(lake, CONFIG, n=120, extra=0, seed=9)
    publish(lake, cohort, 120, range(110))
    return Site(lake, CONFIG)
