"""A task that is killed after its record does its work again: what the snapshot then says."""

from dataclasses import replace

import duckdb
from left_by_runs import differences, log_differences, log_of, relations

from mpss_lib.batch import write_record
from mpss_lib.records import Record
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.reader import rows
from mpss_lib.whole_files import read_json


def second_try(lake, config, run_name):
    """Record again what the last task of the intake did, as a task that finds it done."""
    path = max((lake.root / "manifest" / "intake").iterdir())
    units = Record.read(read_json(path)).units
    found_done = {"done": "skipped"}
    again = [replace(unit, status=found_done.get(unit.status, unit.status)) for unit in units]
    assert again != list(units)
    write_record("intake", again, lake, config, run_name)


def test_a_record_more_changes_the_log_only(filled):
    """One row more in ``meta.run``, some in the two beside it; their meaning is the same."""
    lake, config = filled.lake, filled.config
    stage.run(lake, config)
    runs = {"night": "ingest"}
    before, counts = log_of(lake, runs), relations(lake)
    [n_records] = rows(lake, "select count(*) as n from meta.run")
    second_try(lake, config, "night")
    stage.run(lake, config)
    after = log_of(lake, runs)
    assert rows(lake, "select count(*) as n from meta.run") == [{"n": n_records["n"] + 1}]
    assert relations(lake) == counts
    assert log_differences(after, before, {"ingest": 1}) == []
    assert log_differences(after, before, {}) == [
        "record: 1 more of ingest, 0 tries beside the first"
    ]


def test_a_value_that_is_another_is_told_where_the_number_of_rows_is_the_same(filled):
    """An engine of the landing files is changed in the snapshot's own table."""
    lake, config = filled.lake, filled.config
    stage.run(lake, config)
    before = relations(lake)
    with duckdb.connect(lake.snapshot) as connection:
        [(n, one)] = connection.execute("select count(*), min(engine) from meta.pointer").fetchall()
        connection.execute("update meta.pointer set engine = 'x' where engine = ?", [one])
    after = relations(lake)
    assert after["meta.pointer"][0] == before["meta.pointer"][0] == str(n)
    told = differences(*(_outcome(rows) for rows in (after, before)), {})
    assert any(text.startswith("rows: meta.pointer ") for text in told)


def _outcome(rows):
    log = {"units": [], "current": [], "named": [], "records": []}
    return {"files": {}, "results": {}, "twice": [], "rows": rows, "log": log}
