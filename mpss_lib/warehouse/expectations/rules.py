"""What a suite is made of: rules over frames, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Consequence = Literal["stop", "quarantine", "warn"]


@dataclass(frozen=True)
class Rule:
    """One expectation, as data.

    Parameters
    ----------
    name : str
        Unique among the rules of its table.
    says : str
        What must be so, for people.
    consequence : str
        ``stop``, ``quarantine`` or ``warn``.
    kind : str
        Class of ``great_expectations.expectations``, or of ``engine``.
    arguments : mapping
        Of that class.
    """

    name: str
    says: str
    consequence: Consequence
    kind: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Frame:
    """Rows that rules are about.

    Parameters
    ----------
    table : str
        Lake table that is at fault when a rule is broken.
    sql : str
        Select over the ``raw`` views of the current files.
    keys : tuple of str
        Columns that name a row in a finding.
    rules : tuple of Rule
    reads : tuple of str
        Lake tables that ``sql`` reads beside ``table``.
    """

    table: str
    sql: str
    keys: tuple[str, ...]
    rules: tuple[Rule, ...]
    reads: tuple[str, ...] = ()


@dataclass
class Finding:
    """What became of one rule.

    Parameters
    ----------
    rule : Rule
    table : str
    n_rows, n_unexpected : int
        Rows looked at; rows that break it (for a rule about the whole table: 1).
    rows : list of dict
        The rows that break it: their keys, and ``value``.
    is_met : bool
    """

    rule: Rule
    table: str
    n_rows: int = 0
    n_unexpected: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    is_met: bool = True

    @property
    def name(self) -> str:
        """Table and rule: unique in the suite."""
        return f"{self.table}.{self.rule.name}"

    def add(self, other: Finding) -> None:
        """Take in what another part of the same table gave."""
        self.n_rows += other.n_rows
        self.n_unexpected += other.n_unexpected
        self.rows += other.rows
        self.is_met = self.is_met and other.is_met


# ---------------------------------------------------------------- the rules that suites are made of


def in_set(
    name: str,
    column: str,
    values: tuple[Any, ...],
    says: str,
    c: Consequence = "quarantine",
    mostly: float = 1.0,
) -> Rule:
    """Values of a column, or at least a share ``mostly``, are among these (null passes)."""
    arguments = {"column": column, "value_set": list(values), "mostly": mostly}
    return Rule(name, says, c, "ExpectColumnValuesToBeInSet", arguments)


def between(
    name: str,
    column: str,
    low: float | None,
    high: float | None,
    says: str,
    c: Consequence = "quarantine",
) -> Rule:
    """Values of a column lie between these, ends included (null passes)."""
    arguments = {"column": column, "min_value": low, "max_value": high}
    return Rule(name, says, c, "ExpectColumnValuesToBeBetween", arguments)


def matches(name: str, column: str, pattern: str, says: str, c: Consequence = "quarantine") -> Rule:
    """Texts of a column match a regular expression (null passes)."""
    arguments = {"column": column, "regex": pattern}
    return Rule(name, says, c, "ExpectColumnValuesToMatchRegex", arguments)


def not_null(
    name: str, column: str, says: str, c: Consequence = "quarantine", mostly: float = 1.0
) -> Rule:
    """No value, or at most a share of ``1 - mostly``, of a column is null."""
    arguments = {"column": column, "mostly": mostly}
    return Rule(name, says, c, "ExpectColumnValuesToNotBeNull", arguments)


def holds(name: str, column: str, says: str, c: Consequence = "quarantine") -> Rule:
    """Every row has a condition that the frame's SQL worked out (null passes)."""
    return in_set(name, column, (True,), says, c)


def grain(columns: tuple[str, ...]) -> Rule:
    """No two rows share a key."""
    says = f"{', '.join(columns)} name a row once"
    if len(columns) == 1:
        one = {"column": columns[0]}
        return Rule(f"{columns[0]}_once", says, "stop", "ExpectColumnValuesToBeUnique", one)
    several = {"column_list": list(columns), "ignore_row_if": "never"}
    return Rule("key_once", says, "stop", "ExpectCompoundColumnsToBeUnique", several)
