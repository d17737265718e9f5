"""Cases of relations and checks as text: the rows given, the rows expected.

::

    given raw.volume
    study_key | is_chosen | reasons
    's1'      | true      | []
    expected
    study_key | is_chosen
    's1'      | true

A cell is an SQL expression. Columns that are not listed are null; those of an expected row that are
not listed are not looked at. Column types are those of the published snapshot.
"""

from pathlib import Path

import pytest

from mpss_lib.warehouse.query_rows import rows_of

CASES = Path(__file__).parent / "sql" / "cases"


def blocks_of(path):
    """Split a case into (title, columns, rows of cells)."""
    found = []
    for line in path.read_text().splitlines():
        if line.startswith(("given ", "expected")):
            found.append((line.removeprefix("given ").strip(), []))
        elif line.strip() and not line.startswith("#"):
            found[-1][1].append([cell.strip() for cell in line.split(" | ")])
    return [(title, *(lines[:1] or [[]]), lines[1:]) for title, lines in found]


class Case:
    """One case: its given relations are made, the SQL is run, the rows are compared."""

    def __init__(self, path):
        self.name = path.stem
        *self.given, (title, self.columns, self.rows) = blocks_of(path)
        assert title == "expected", path.name

    def build(self, connection, types):
        for name, columns, rows in self.given:
            known = dict(types[name])
            known |= {column: "double" for column in columns if column not in known}
            if "*" in known:  # a relation over features: only the columns that are given
                known = {column: known[column] for column in columns}
            listed = ", ".join(f'"{column}" {kind}' for column, kind in known.items())
            connection.execute(f"create table {name} ({listed})")
            insert(connection, name, columns, rows)

    def expected(self, connection, types):
        known = {name: types[name] for name in self.columns}
        listed = ", ".join(f'"{name}" {kind}' for name, kind in known.items())
        connection.execute(f"create temp table expected ({listed})")
        insert(connection, "expected", self.columns, self.rows)
        return rows_of(connection, "from expected")


def insert(connection, name, columns, rows):
    listed = ", ".join(f'"{column}"' for column in columns)
    for cells in rows:
        assert len(cells) == len(columns), f"{name}: {cells}"
        connection.execute(f"insert into {name} ({listed}) values ({', '.join(cells)})")


def same_rows(found, expected):
    """Compare rows whatever their order, numbers to 12 digits."""
    assert len(found) == len(expected), found
    in_order = zip(sorted(found, key=_place), sorted(expected, key=_place), strict=True)
    for one, other in in_order:
        for name, value in other.items():
            if isinstance(value, float):
                assert one[name] == pytest.approx(value, rel=1e-12, nan_ok=True), (name, one)
            else:
                assert one[name] == value, (name, one)


def _place(row):
    return [
        (value is None, "" if isinstance(value, float) else str(value)) for value in row.values()
    ]
