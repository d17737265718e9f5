import shutil
from pathlib import Path

import pytest

from mpss_lib.errors import SettingsError
from mpss_lib.schemas import TABLES
from mpss_lib.sql_files import sql_folder
from mpss_lib.warehouse.checks import read_checks
from mpss_lib.warehouse.meta import META_NAMES
from mpss_lib.warehouse.query_rows import rows_of
from mpss_lib.warehouse.relations import read_relations

RELATIONS = read_relations(base=META_NAMES)


def test_each_comes_after_those_that_it_reads():
    seen = set(META_NAMES)
    for relation in RELATIONS:
        assert relation.needs - seen <= {"quality.check_result"}, relation.full_name
        seen.add(relation.full_name)


def test_every_lake_table_has_its_raw_relation():
    raw = {relation.name for relation in RELATIONS if relation.schema == "raw"}
    assert raw == set(TABLES)


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda r: r.full_name)
def test_header(snapshot, relation):
    assert relation.one_row.startswith("One row is one ")
    assert relation.stored in ("table", "view")
    columns = {row["column_name"] for row in rows_of(snapshot, f"describe {relation.full_name}")}
    assert set(relation.grain) <= columns


def test_the_comment_of_a_relation_is_in_the_snapshot(snapshot):
    found = rows_of(
        snapshot,
        "select comment from duckdb_tables() where schema_name = 'core'"
        " and table_name = 'cohort_flow'",
    )
    assert found[0]["comment"].startswith("One row is one study that the archive named")


def test_every_check_was_run_and_its_rows_are_kept(snapshot):
    found = {
        row["check_name"]: row for row in rows_of(snapshot, "select * from quality.check_result")
    }
    own = {check.name: check.consequence for check in read_checks() if check.suite == "snapshot"}
    assert len(own) > 5
    assert own == {name: found[name]["severity"] for name in own}
    assert found["core.cohort_flow.grain"]["n_bad"] == 0


def copied(tmp_path: Path) -> Path:
    folder = tmp_path / "sql"
    shutil.copytree(sql_folder(), folder)
    return folder


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("core.x", "-- One row.\n-- grain: a\nselect a, from core.nothing\n", "core.nothing"),
        ("core.x", "-- One row.\n-- grain: a\nselect a, from result.prediction\n", "later layer"),
        ("core.x", "-- One row.\n-- grain: a\nselect a, from core.x\n", "circle"),
        ("core.x", "-- One row.\nselect 1 as a,\n", "grain"),
        ("core.x", "select 1 as a,\n-- grain: a\n", "comment"),
        ("nowhere.x", "-- One row.\n-- grain: a\nselect 1 as a,\n", "nowhere"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, name, text, told):
    folder = copied(tmp_path)
    (folder / "2_core" / f"{name}.sql").write_text(text)
    with pytest.raises(SettingsError, match=told):
        read_relations(folder, base=META_NAMES)
