"""Every relation and every check, alone: rows given, rows expected."""

import datetime as dt
from dataclasses import replace

import duckdb
import pyarrow as pa
import pytest
from relation_cases import CASES, Case, same_rows

from mpss_lib.config import Address, Config
from mpss_lib.quoting import sql_name
from mpss_lib.schemas import REAL, TABLES
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.checks import duckdb_type, grain_checks, read_checks
from mpss_lib.warehouse.meta import BASE, META_NAMES, arrow_table
from mpss_lib.warehouse.query_rows import rows_of
from mpss_lib.warehouse.relations import SCHEMAS, read_relations

RELATIONS = {relation.full_name: relation for relation in read_relations(base=META_NAMES)}
DERIVED = sorted(name for name, relation in RELATIONS.items() if relation.layer != "1_raw")
CHECKS = {check.name: check for check in (*grain_checks(BASE), *read_checks())}


@pytest.fixture(scope="module")
def types(tmp_path_factory):
    """Columns and types of every relation, from a snapshot of an empty lake."""
    lake = Lake(tmp_path_factory.mktemp("empty") / "lake")
    stage.run(lake, Config())
    found = {}
    with open_snapshot(lake.snapshot) as connection:
        for name in (*RELATIONS, *META_NAMES, "quality.check_result"):
            described = rows_of(connection, f"describe {name}")
            kinds = {row["column_name"]: row["column_type"] for row in described}
            if any(column.startswith("no_feature_") for column in kinds):
                kinds = {n: kind for n, kind in kinds.items() if not n.startswith("no_feature_")}
                kinds["*"] = "features"
            found[name] = kinds
    return found


@pytest.fixture
def alone():
    with duckdb.connect() as connection:
        for schema in SCHEMAS:
            connection.execute(f"create schema {schema}")
        yield connection


def test_every_relation_has_a_check_of_its_grain():
    every = (*grain_checks(RELATIONS.values()), *CHECKS.values())
    checked = {check.name.removesuffix(".grain") for check in every}
    covered = {name: relation.checked_with for name, relation in RELATIONS.items()}
    for name in (*RELATIONS, *META_NAMES):
        assert name in checked or covered[name] in checked, name


def test_every_relation_and_every_check_has_a_case():
    cases = {path.stem for path in CASES.glob("*.txt")}
    assert cases == {*DERIVED, *CHECKS}


@pytest.mark.parametrize("name", DERIVED)
def test_relation(name, types, alone):
    relation = RELATIONS[name]
    case = Case(CASES / f"{name}.txt")
    assert {given for given, *_ in case.given} == relation.needs
    case.build(alone, types)
    alone.execute(f"create table made as {relation.sql}")
    made = {row["column_name"]: row["column_type"] for row in rows_of(alone, "describe made")}
    assert set(relation.grain) <= set(case.columns), "a case names whole rows"
    wanted = case.expected(alone, made)
    assert wanted, "a case expects at least one row"
    columns = ", ".join(f'"{column}"' for column in case.columns)
    same_rows(rows_of(alone, f"select {columns} from made"), wanted)
    assert_grain_is_checked(relation, alone)


def assert_grain_is_checked(relation, connection):
    """The check of the grain finds nothing in the rows made, and every row of them doubled."""
    [check] = grain_checks([replace(relation, checked_with="")])
    connection.execute(f"create table {relation.full_name} as from made")
    assert rows_of(connection, check.sql) == rows_of(connection, check.quick) == []
    connection.execute(f"insert into {relation.full_name} from made")
    n_made = len(rows_of(connection, "from made"))
    assert len(rows_of(connection, check.sql)) == len(rows_of(connection, check.quick)) == n_made
    key = sql_name(relation.grain[-1])
    connection.execute(f"create or replace table {relation.full_name} as from made limit 1")
    connection.execute(f"update {relation.full_name} set {key} = null")
    assert len(rows_of(connection, check.sql)) == len(rows_of(connection, check.quick)) == 1


@pytest.mark.parametrize("name", CHECKS)
def test_check(name, types, alone):
    case = Case(CASES / f"{name}.txt")
    case.build(alone, types)
    alone.execute(f"create table made as {CHECKS[name].sql}")
    made = {row["column_name"]: row["column_type"] for row in rows_of(alone, "describe made")}
    wanted = case.expected(alone, made)
    assert wanted, "a case holds a bad row, and a good one that is not found"
    columns = ", ".join(f'"{column}"' for column in case.columns)
    same_rows(rows_of(alone, f"select {columns} from made"), wanted)
    n_given = max(len(rows) for _, _, rows in case.given)
    assert n_given > len(wanted), "a case holds a good row too"


SAMPLES = {
    "varchar": ["first \u2265", ""],
    "boolean": [True, False],
    "double": [0.1, float("nan")],
    "bigint": [1, -(2**53) - 1],
    "date": [dt.date(2020, 2, 29), None],
    "varchar[]": [["a", "b"], []],
    "double[]": [[0.5, 1.5], []],
}


@pytest.mark.parametrize("table", sorted(TABLES))
def test_raw_relation(table, alone, tmp_path):
    """What a stage writes is what the view shows: two rows with a value in every column."""
    relation, spec = RELATIONS[f"raw.{table}"], TABLES[table]
    kinds = dict(spec.columns) | ({"a_feature": REAL} if spec.has_features else {})
    given = [{n: SAMPLES[duckdb_type(kind)][i] for n, kind in kinds.items()} for i in (0, 1)]
    data = pa.Table.from_pylist(given, schema=pa.schema(list(kinds.items())))
    lake = Lake(tmp_path)
    written = lake.write(table, Address("1", "c"), "key", "0" * 16, data)
    columns = "*, 'here' as lake_path" if "lake_path" in relation.grain else "*"
    path = lake.root / written.path
    source = f"(select {columns} from read_parquet('{path}', hive_partitioning = false))"
    for name in relation.needs:
        alone.register("no_rows", arrow_table(name.partition(".")[2], []))
        alone.execute(f"create table {name} as from no_rows")
    alone.execute(f"create table made as {relation.sql.replace('${' + table + '}', source)}")
    same_rows(rows_of(alone, "from made"), given)
    assert_grain_is_checked(relation, alone)
