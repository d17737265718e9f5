"""Each clinical limit is defined once: in ``mpss_lib.contract``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpss_lib.contract import CLASS_LIMITS, HIGHEST_SCORE, RANGES, SCORES
from mpss_lib.pull.clinical.row import check_row
from mpss_lib.sections import PullSettings, WarehouseSettings
from mpss_lib.warehouse.expectations import suites

ROOT = Path(__file__).resolve().parents[1]
WORD = re.compile(
    r"(^|_)(age|bmi|lvef|cac|calcium|agatston|berman)(_tolerance|_limits?)?$", re.IGNORECASE
)
SQL = re.compile(
    rf"\b({'|'.join(RANGES)})\b\"?\s*(not\s+)?(between\s+-?\d|(<|>|<=|>=|!=)\s*-?(?!0\b)\d)"
    rf"|\d\s*(<|>|<=|>=)\s*\b({'|'.join(RANGES)})\b",
    re.IGNORECASE,
)


def number(node: ast.AST) -> float | None:
    """A literal number; None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        found = number(node.operand)
        return None if found is None else -found
    is_number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    return float(node.value) if is_number else None


def numbers(nodes: list[ast.expr]) -> list[float]:
    return [found for node in nodes if (found := number(node)) is not None]


def column(node: ast.AST) -> str:
    """Name of the clinical column that an expression is; "" for anything else."""
    if isinstance(node, ast.Subscript):
        return column(node.slice)
    name = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
    name = name or getattr(node, "id", None) or getattr(node, "attr", None)
    return name if isinstance(name, str) and name in RANGES else ""


def defines(node: ast.AST) -> bool:
    """Whether a piece of Python gives a clinical column a limit in figures."""
    match node:
        case ast.Call(args=args) | ast.Tuple(elts=args) | ast.List(elts=args):
            if tuple(numbers(args))[-2:] in (CLASS_LIMITS[-2:], CLASS_LIMITS[:2]):
                return True
            inner = [n for a in args for n in (a.elts if isinstance(a, ast.Tuple) else [a])]
            return any(map(column, args)) and len(numbers(inner)) > 1
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return any(
                key and column(key) and isinstance(value, ast.Tuple) and numbers(value.elts)
                for key, value in pairs
            )
        case ast.Compare(left=left, comparators=rest):
            return any(map(column, [left, *rest])) and any(numbers([left, *rest]))
        case ast.Assign(targets=targets, value=value):
            named = [t.id for t in targets if isinstance(t, ast.Name)]
            return number(value) is not None and any(map(WORD.search, named))
    return False


def definitions(name: str, text: str) -> Iterator[str]:
    """Places of a file that define a clinical limit."""
    if name.endswith(".sql"):
        plain = re.sub(r"--[^\n]*", "", text)
        yield from (f"{name}: {found.group()}" for found in SQL.finditer(plain))
        return
    for node in ast.walk(ast.parse(text)):
        if defines(node):
            yield f"{name}:{node.lineno}: {ast.unparse(node)[:80]}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (f"{name}:{node.lineno}: {f.group()}" for f in SQL.finditer(node.value))


def test_no_file_but_the_contract_defines_a_clinical_limit():
    files = [
        *ROOT.glob("mpss_lib/**/*.py"),
        *ROOT.glob("plugins/**/*.py"),
        *ROOT.glob("sql/**/*.sql"),
    ]
    assert len(files) > 200
    found = [
        place
        for path in files
        if path != ROOT / "mpss_lib" / "contract.py"
        for place in definitions(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", 'between("lvef_range", "lvef", 1, 100, "LVEF is 1 to 100 %")'),
        ("a.py", 'limits = {"age": (0, 120)}'),
        ("a.py", 'one = ("bmi", (8.0, 100.0))'),
        ("a.py", 'check(row["lvef"] > 5)'),
        ("a.py", "is_old = person.age >= 90"),
        ("a.py", "OLDEST_AGE = 90.0"),
        ("a.py", "MOST_CALCIUM = 20000.0"),
        ("a.py", "limits = (10.0, 100.0, 400.0)"),
        ("a.py", "high, very_high = 100, 400"),
        ("a.py", 'sql = "select 1 where lvef not between 1 and 100"'),
        ("a.sql", "select 1 where record.age > 120"),
        ("a.sql", "select 1 where 100 < bmi"),
    ],
)
def test_a_second_definition_is_found(name, text):
    assert list(definitions(name, text))


@pytest.mark.parametrize(
    "text", ['row = {"lvef": 650.0, "age": 219}', "days = cac_max_days", 'low = RANGES["age"][0]']
)
def test_a_value_is_no_limit(text):
    assert list(definitions("a.py", text)) == []


@pytest.mark.parametrize("name", sorted(set(RANGES) - {"height_m", "weight_kg"}))
def test_import_and_expectations_have_one_limit(name):
    """What the import accepts at its limits is what the lake is expected to hold."""
    [rule] = [
        rule
        for frame in suites.frames_of("clinical", WarehouseSettings())
        for rule in frame.rules
        if rule.name == f"{name}_range"
    ]
    for place, limit in zip(("min_value", "max_value"), RANGES[name], strict=True):
        row = check_row({name: str(limit)}, PullSettings())
        assert row.values[name] == rule.arguments[place]
        beyond = limit + (1 if place == "max_value" else -1)
        assert check_row({name: str(beyond)}, PullSettings()).values[name] is None
    assert name not in SCORES or rule.arguments["max_value"] == HIGHEST_SCORE
