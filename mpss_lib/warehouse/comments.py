"""What every relation and column of the snapshot is, as comments of the DuckDB file itself.

``sql/columns.toml`` says it: once for all relations that have a column, or for one relation. A
feature's comment is made of the feature catalogue. Any client of DuckDB shows them
(``select comment from duckdb_columns()``).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from itertools import chain

import duckdb

from mpss_lib.quoting import sql_name, sql_text
from mpss_lib.sql_files import sql_folder

COMMON = "common"
FILE = "columns.toml"
SHOWN_IN = "feature.radiomics"
"""Features are said there; the two lake tables below it have the same columns."""

UNSAID = ("raw.feature_once", "raw.feature_binned")

_COLUMNS = """
    select schema_name || '.' || table_name, column_name, any_value(comment),
    from duckdb_columns()
    where not internal and database_name = current_database()
    group by all
"""
_FEATURES = """
    select sera_name, human_name, aggregation, ibsi_code, unit,
    from raw.feature_catalogue
"""


@cache
def read_words() -> Mapping[str, Mapping[str, str]]:
    """Read what columns are called: relation (or ``common``) to column to words."""
    found: dict[str, dict[str, str]] = tomllib.loads(
        (sql_folder() / FILE).read_text(encoding="utf-8")
    )
    return found


def words_of(relation: str, column: str) -> str:
    """Say what a column of a relation is; "" where nobody has said it.

    A lake table (schema ``raw``) says what the relation of the same name says.
    """
    words = read_words()
    own = f".{relation.removeprefix('raw.')}"
    same = (key for key in words if key.endswith(own) and relation.startswith("raw."))
    for place in chain((relation,), same, (COMMON,)):
        if column in words.get(place, {}):
            return words[place][column]
    return ""


def comment_columns(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Give every column its comment.

    Returns
    -------
    list of str
        Columns that nobody has said: a publish goes on without, a test finds them.
    """
    features = {
        str(name): f"{human} ({aggregation}); IBSI {code}; unit {unit or '1'}"
        for name, human, aggregation, code, unit in connection.execute(_FEATURES).fetchall()
    }
    told, unsaid = [], []
    for relation, column, known in connection.execute(_COLUMNS).fetchall():
        words = words_of(relation, column)
        if not words and column in features:
            words = features[column] if relation == SHOWN_IN else ""
        elif not words:
            unsaid.append(f"{relation}.{column}")
        if words and words != known:
            told.append(f"comment on column {relation}.{sql_name(column)} is {sql_text(words)}")
    if told:
        connection.execute("; ".join(told))
    return unsaid
