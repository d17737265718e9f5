"""A sum of doubles states its order: else its last digit hangs on which thread comes first."""

import re
from pathlib import Path

import pytest

SQL = Path(__file__).parents[2] / "sql"
CALL = re.compile(r"\b(f?sum|avg|mean|stddev\w*|var_\w+|covar_\w+|corr|regr_\w+|product)\(")
OF_WHOLE_NUMBERS = frozenset(
    {
        ("core.cohort_flow_summary.sql", "coalesce(counted.n_studies, 0)"),
        ("core.cohort_flow_summary.sql", "coalesce(counted.n_leaving, 0)"),
        *(
            ("quality.reader_agreement.sql", f"(decision_{reader} = '{decision}')::int")
            for reader in "ab"
            for decision in ("accept", "reject", "unsure")
        ),
    }
)
"""Their sum is exact in any order, as that of counts is (``n_...``)."""
COUNT = re.compile(r"(\w+\.)?n_\w+")


def argument(sql: str, start: int) -> str:
    """What stands in the parenthesis that opens just before ``start``."""
    depth, end = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(sql[end], 0)
        end += 1
    return " ".join(sql[start : end - 1].split())


def sums(path: Path) -> list[tuple[str, str]]:
    sql = re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
    found = [(argument(sql, m.end()), sql[m.end() :]) for m in CALL.finditer(sql)]
    return [(one, rest[len(one) :]) for one, rest in found]


@pytest.mark.parametrize("path", sorted(SQL.glob("[0-9]_*/*.sql")), ids=lambda path: path.stem)
def test_a_sum_of_doubles_states_its_order(path):
    for one, rest in sums(path):
        is_whole = COUNT.fullmatch(one) or (path.name, one) in OF_WHOLE_NUMBERS
        is_ordered = " order by " in one or re.search(r"over \([^()]*\border by ", rest[:400])
        assert is_whole or is_ordered, f"{path.name}: {one}"


def test_every_exception_is_there():
    there = {(path.name, one) for path in SQL.glob("[0-9]_*/*.sql") for one, _ in sums(path)}
    assert there >= OF_WHOLE_NUMBERS


def test_a_sum_without_an_order_is_found(tmp_path):
    path = tmp_path / "result.new.sql"
    path.write_text("select sum(a * (b + 1)) as x, avg(c order by c) as y, -- sum(d)\n from t")
    assert [one for one, _ in sums(path)] == ["a * (b + 1)", "c order by c"]
