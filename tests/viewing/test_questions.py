"""Questions read the snapshot and nothing else, and end in time."""

import duckdb
import pytest

from mpss_lib.viewing import questions
from mpss_lib.viewing.questions import ask, download, worked_queries
from mpss_lib.warehouse.query_rows import QueryError


def test_an_answer_has_names_rows_and_says_where_it_was_cut(shown):
    found = ask(shown.lake, "select study_key from core.study order by 1", most=2)
    assert found.names == ["study_key"]
    assert (len(found.rows), found.is_cut) == (2, True)
    assert not ask(shown.lake, "select 1 as x").is_cut


@pytest.mark.parametrize("name", sorted(worked_queries()))
def test_every_worked_query_runs_behind_the_lock(shown, name):
    ask(shown.lake, worked_queries()[name])


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('{root}/vault.sqlite.key')",
        "select * from read_blob('{root}/vault.sqlite')",
        "select * from read_parquet('{landing}/**/*.parquet')",
        "select * from parquet_metadata('{landing}/**/*.parquet')",
        "from glob('{root}/*')",
        "from '{landing}/study/x.parquet'",
        'from "{landing}/study/x.parquet"',
        "with a as (from read_csv('{root}/mpss.toml')) select * from a",
        "select (select content from read_text('{root}/mpss.toml'))",
        "from query('select * from read_text(''{root}/mpss.toml'')')",
        "from sniff_csv('{root}/mpss.toml')",
        "from sqlite_scan('{root}/vault.sqlite', 'identity')",
        "attach '{root}/x.duckdb' as x",
        "copy (select 1) to '{root}/x.csv'",
        "export database '{root}/x'",
        "create table x as select 1",
        "insert into core.study select * from core.study",
        "set enable_external_access = true",
        "pragma database_list",
        "call pragma_version()",
        "install httpfs",
        "load httpfs",
        "select 1; select 2",
        "",
        "-- nothing",
    ],
)
def test_what_is_no_question_to_the_snapshot_is_refused(shown, sql):
    text = sql.format(root=shown.root, landing=shown.lake.root / "landing")
    before = sorted(shown.root.iterdir())
    for way in (ask, lambda lake, one: download(lake, one, "csv")):
        with pytest.raises(QueryError):
            way(shown.lake, text)
    assert sorted(shown.root.iterdir()) == before


def test_the_lock_itself_holds_where_the_question_was_not_looked_at(shown, monkeypatch):
    monkeypatch.setattr(questions, "_check", lambda *_: None)
    for sql in ("from read_text('{0}/mpss.toml')", "attach '{0}/x.duckdb' as x",
                "set lock_configuration = false", "copy (select 1) to '{0}/x.csv'"):  # fmt: skip
        with pytest.raises(QueryError):
            ask(shown.lake, sql.format(shown.root))


def test_a_question_ends_when_its_time_is_over(shown):
    endless = "select count(*) from range(10000000000) a, range(10000000000) b"
    with pytest.raises(QueryError, match="longer than"):
        ask(shown.lake, endless, seconds=0.2)


def test_no_more_questions_than_slots_are_worked_on(shown, monkeypatch):
    monkeypatch.setattr(questions, "SECONDS", 0.1)
    for _ in range(questions.AT_ONCE):
        questions._SLOTS.acquire()
    try:
        with pytest.raises(QueryError, match="other questions"):
            ask(shown.lake, "select 1")
    finally:
        questions._SLOTS.release(questions.AT_ONCE)
    ask(shown.lake, "select 1")


def test_a_file_ends_at_its_most_rows(shown, monkeypatch):
    monkeypatch.setattr(questions, "MAX_ROWS", 9)
    for form in ("csv", "parquet"):
        assert download(shown.lake, "from range(9)", form)
        with pytest.raises(QueryError, match="more than 9 rows"):
            download(shown.lake, "from range(10)", form)


def test_a_fault_is_said_in_duckdbs_words(shown):
    with pytest.raises(QueryError, match="nowhere"):
        ask(shown.lake, "select * from nowhere.at_all")
    with pytest.raises(QueryError, match="characters"):
        ask(shown.lake, "select 1 -- " + "x" * 20_000)


def test_files_have_every_row(shown, tmp_path):
    sql = "select study_key, 1.5 as x from core.study order by 1"
    text = download(shown.lake, sql, "csv").decode().splitlines()
    assert text[0] == "study_key,x"
    path = tmp_path / "a.parquet"
    path.write_bytes(download(shown.lake, sql, "parquet"))
    rows = duckdb.sql(f"from '{path}'").fetchall()
    assert [f"{key},{x}" for key, x in rows] == text[1:]
