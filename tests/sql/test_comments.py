"""The DuckDB file says itself what each relation and column is."""

from mpss_lib.gated.quality import FLAGS
from mpss_lib.quality.verdict import LIMITS
from mpss_lib.segmentation.ventricle import SURE
from mpss_lib.warehouse import comments
from mpss_lib.warehouse.comments import UNSAID, comment_columns, read_words, words_of
from mpss_lib.warehouse.query_rows import rows_of

OURS = "not internal and database_name = current_database()"


def test_no_relation_is_without_a_comment(snapshot):
    for kind in ("table", "view"):
        found = rows_of(
            snapshot,
            f"select schema_name || '.' || {kind}_name as name from duckdb_{kind}s()"
            f" where {OURS} and coalesce(comment, '') = ''",
        )
        assert found == []


def test_no_column_is_without_a_comment(snapshot):
    """But the features of the two lake tables: the relation that joins them says what they are."""
    features = {
        row["feature"] for row in rows_of(snapshot, "select feature from core.feature_dictionary")
    }
    found = rows_of(
        snapshot,
        "select schema_name || '.' || table_name as relation, column_name from duckdb_columns()"
        f" where {OURS} and coalesce(comment, '') = ''",
    )
    left = [row for row in found if row["relation"] not in UNSAID]
    assert left == []
    assert {row["column_name"] for row in found} <= features


def test_a_feature_is_said_by_its_dictionary(snapshot):
    [row] = rows_of(
        snapshot,
        "select comment from duckdb_columns() where schema_name = 'feature'"
        " and table_name = 'radiomics' and column_name = 'stat_mean'",
    )
    assert "IBSI" in row["comment"]


def test_the_two_intervals_of_a_prediction_are_told_apart():
    spread = words_of("result.prediction_latest", "value_low")
    interval = words_of("result.prediction_latest", "corrected_low")
    assert "no confidence interval" in spread
    assert "90 % interval" in interval


def test_what_is_said_is_of_a_column_that_is_there(snapshot):
    found = rows_of(
        snapshot,
        "select schema_name || '.' || table_name as relation, column_name from duckdb_columns()"
        f" where {OURS}",
    )
    columns = {(row["relation"], row["column_name"]) for row in found}
    names = {column for _, column in columns} | {"no_feature_binned_yet", "no_feature_once_yet"}
    assert set(read_words()["common"]) <= names
    for relation, told in read_words().items():
        assert relation == "common" or {(relation, column) for column in told} <= columns


def test_a_column_that_nobody_has_said_is_named(snapshot, monkeypatch):
    monkeypatch.setattr(comments, "read_words", lambda: {"common": {}})
    assert "core.study.study_key" in comment_columns(snapshot)


def test_every_metric_and_doubt_is_in_the_dictionary(snapshot):
    found = rows_of(snapshot, "select kind, name, meaning from meta.dictionary")
    assert all(row["meaning"] for row in found)
    names = {row["name"] for row in found if row["kind"] in ("metric", "self_check")}
    assert {*LIMITS, *SURE} <= names
    assert set(FLAGS) <= {row["name"] for row in found if row["kind"] == "flag"}
