import io
import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from fabricated_lake import Builder, fabricate, settings
from rich.console import Console

import mpss_lib
from mpss_lib.errors import MovedHomeError, PlatformFaultError, WrongArgumentError
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.query_rows import QueryError
from mpss_lib.warehouse.reader import print_query, query, rows


@pytest.fixture(scope="module")
def published_home(tmp_path_factory):
    root = tmp_path_factory.mktemp("published")
    build = Builder(Lake(root / "lake"), settings())
    fabricate(build)
    stage.run(build.lake, build.config)
    return build


@pytest.fixture
def published(published_home, monkeypatch):
    """A published lake that tests only read."""
    monkeypatch.setenv("MPSS_HOME", str(published_home.lake.root.parent))
    return published_home


def test_formats(published, tmp_path):
    sql = "select study_key, 1.5 as x, null as nothing, ['a'] as words from core.cohort limit 1"
    assert query(sql, "csv") == 'study_key,x,nothing,words\ns01,1.5,,"[""a""]"\n'
    assert json.loads(query(sql, "json")) == [
        {"study_key": "s01", "x": 1.5, "nothing": None, "words": ["a"]}
    ]
    assert query("select 1.0::double as x", "table") == "x\n-\n1\n(1 row)\n"
    path = tmp_path / "x.parquet"
    path.write_bytes(query("select study_key from core.cohort", "parquet"))
    assert pq.read_table(path).num_rows == 3


def test_print_query(published, tmp_path):
    told = io.StringIO()
    console = Console(file=told, width=20)
    sql = "select '[bold]' || repeat('x', 40) as wide"
    print_query(published.lake, sql, "csv", None, console)
    assert told.getvalue() == "wide\n[bold]" + "x" * 40 + "\n"
    with pytest.raises(WrongArgumentError, match="--output"):
        print_query(published.lake, sql, "parquet", None, console)
    print_query(published.lake, sql, "parquet", tmp_path / "a.parquet", console)
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 1


def test_rows_takes_values(published):
    sql = "select study_key, cac_total from core.cohort where cac_total > ? order by study_key"
    assert rows(published.lake, sql, [100]) == [{"study_key": "s01", "cac_total": 120.0}]


def test_not_a_number_becomes_null_in_json(published):
    assert json.loads(query("select 'nan'::double as x", "json")) == [{"x": None}]


def test_a_wrong_query_quotes_duckdb(published):
    with pytest.raises(QueryError, match="no_such_column"):
        query("select no_such_column from core.cohort")
    with pytest.raises(QueryError, match="read-only"):
        query("drop table core.cohort_flow")
    with pytest.raises(WrongArgumentError, match="yaml"):
        query("select 1", "yaml")


def test_no_snapshot_says_what_to_do(home):
    with pytest.raises(PlatformFaultError, match="mpss warehouse rebuild"):
        mpss_lib.open_warehouse()


def test_a_file_that_is_no_database_is_named(lake):
    lake.root.mkdir()
    lake.snapshot.write_bytes(b"not a database" * 1000)
    with pytest.raises(PlatformFaultError, match=r"warehouse\.duckdb cannot be opened"):
        mpss_lib.open_warehouse()


def test_a_moved_home_is_rebuilt(filled, tmp_path_factory, monkeypatch):
    stage.run(filled.lake, filled.config)
    root = tmp_path_factory.mktemp("moved") / "home"
    filled.lake.root.parent.rename(root)
    monkeypatch.setenv("MPSS_HOME", str(root))
    moved = Lake(root / "lake")
    count = "select count(*) as n from feature.radiomics"
    with pytest.raises(MovedHomeError, match="mpss warehouse rebuild"):
        rows(moved, count)
    stage.rebuild(moved, filled.config)
    assert rows(moved, count) == [{"n": 11 * 56}]


def test_feature_matrix(published):
    frame = mpss_lib.feature_matrix(segment="MYO", bins=64)
    assert frame.shape == (11, 10)
    assert frame.index[0] == "s01"
    assert np.isnan(frame["binned_000"]).all()
    two = mpss_lib.feature_matrix(segment="MYO", bins=64, selection=["once_003", "binned_005"])
    assert list(two.columns) == ["once_003", "binned_005"]
    assert two["once_003"].equals(frame["once_003"])


def test_feature_matrix_of_a_selection(filled):
    stage.run(filled.lake, filled.config)
    cohort = stage.freeze_cohort(filled.lake, filled.config)
    rows = [
        {"cohort_hash": cohort, "profile": profile, "feature": name, "bins": 64, "position": i}
        for profile, names in (
            ("as_published", ["binned_004", "stat_mean"]),
            ("corrected", ["stat_mean"]),
        )
        for i, name in enumerate(names, start=1)
    ]
    file = filled.write("selected_feature", cohort, rows)
    filled.record("selection", cohort, "done", [file])
    filled.flush()
    stage.run(filled.lake, filled.config)
    frame = mpss_lib.feature_matrix(segment="LAD3", selection="latest")
    assert list(frame.columns) == ["binned_004", "stat_mean"]
    assert list(frame.index) == ["s01", "s16", "s19"]
    assert frame.equals(mpss_lib.feature_matrix(segment="LAD3", selection=cohort))
    other = mpss_lib.feature_matrix(segment="LAD3", selection="latest", profile="corrected")
    assert list(other.columns) == ["stat_mean"]
    with pytest.raises(WrongArgumentError, match="unknown profile 'better'"):
        mpss_lib.feature_matrix(segment="LAD3", selection="latest", profile="better")


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"segment": "LV", "bins": 64}, "LV"),
        ({"segment": "MYO"}, "bins"),
        ({"segment": "MYO", "bins": 63}, "63"),
        ({"segment": "MYO", "bins": 64, "selection": ["nope"]}, "nope"),
        ({"segment": "MYO", "selection": "0000"}, "0000"),
    ],
)
def test_feature_matrix_refuses(published, wanted, named):
    with pytest.raises(WrongArgumentError, match=named):
        mpss_lib.feature_matrix(**wanted)


def test_importing_the_package_imports_nothing_heavy():
    heavy = "{'duckdb', 'pandas', 'numpy', 'pyarrow'}"
    code = f"import sys, mpss_lib; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
