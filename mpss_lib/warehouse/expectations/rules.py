"""What a suite is made of: rules over frames, and what was found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from mpss_lib.quoting import sql_name, sql_text
from mpss_lib.schemas import TABLES, TEXT
from mpss_lib.warehouse.joining import PATH
from mpss_lib.warehouse.manifest import APPEND_ONLY
from mpss_lib.warehouse.meta import COUNTED

Consequence = Literal["stop", "quarantine", "warn"]
CONSEQUENCES: tuple[Consequence, ...] = get_args(Consequence)

VERSION = "3"
"""Raised by hand when the same rules may find something else: every suite reads every file."""

NOT_NULL = "ExpectColumnValuesToNotBeNull"
_WORD = re.compile(r"\w+")
_UNIQUE = ("ExpectColumnValuesToBeUnique", "ExpectCompoundColumnsToBeUnique")


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

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that the rule is about."""
        if "column" in self.arguments:
            return (self.arguments["column"],)
        return tuple(self.arguments.get("column_list", ()))

    @property
    def is_share(self) -> bool:
        """Whether some of the rows may break the rule: it is about all of them together."""
        return bool(self.arguments.get("mostly", 1.0) < 1.0)

    @property
    def is_about_missing(self) -> bool:
        """Whether a row without a value breaks the rule, and does not just pass it."""
        return self.kind == NOT_NULL


@dataclass(frozen=True)
class Frame:
    """Rows of one lake table, and the rules about its columns.

    Parameters
    ----------
    table : str
    rules : tuple of Rule
    where : str
        SQL condition of the rows that the rules are about; "" for all of them.
    """

    table: str
    rules: tuple[Rule, ...]
    where: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that name a row in a finding: its grain but for the hash of a cohort."""
        return tuple(name for name in TABLES[self.table].grain if not name.endswith("_hash"))

    @property
    def across_rows(self) -> tuple[Rule, ...]:
        """Rules that compare rows: one may be broken by a row that has not changed."""
        return tuple(rule for rule in self.rules if rule.kind in _UNIQUE)

    @property
    def of_a_row(self) -> tuple[Rule, ...]:
        """Rules that look at one row at a time."""
        return tuple(rule for rule in self.rules if rule.kind not in _UNIQUE)

    def alike(self, rule: Rule) -> str:
        """Select of the rows that may break a rule across rows: their columns have one hash."""
        wanted = dict.fromkeys((*self.keys, *rule.columns))
        columns, twice = self._twice(rule)
        rows = f"from raw.{self.table} where {self.where or 'true'}"
        return f"select {', '.join(map(sql_name, wanted))} {rows} and hash({columns}) in ({twice})"

    def _twice(self, rule: Rule) -> tuple[str, str]:
        """Columns, and a select of their hashes that may stand twice.

        Of a table whose keys are counted once a file those are the studies with more rows than
        keys, or with two files.
        """
        if self.table in COUNTED and set(TABLES[self.table].grain) <= set(rule.columns):
            return "study_key", (
                "select hash(study_key) from meta.study_rows"  # noqa: S608
                f" where table_name = {sql_text(self.table)} and is_shown"
                " group by landing_path, study_key"
                " having count(*) > 1 or sum(n_rows) != sum(n_keys)"
            )
        columns = ", ".join(map(sql_name, rule.columns))
        rows = f"from raw.{self.table} where {self.where or 'true'}"
        return columns, f"select hash({columns}) as key {rows} group by key having count(*) > 1"

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that are read to judge its rows one by one."""
        known = [name for name in TABLES[self.table].columns if name in _WORD.findall(self.where)]
        asked = (name for rule in self.of_a_row for name in rule.columns)
        return tuple(dict.fromkeys((*self.keys, *asked, *known)))

    def select(self, rows: str, more: Sequence[str] = ()) -> str:
        """Select of what the rules about one row ask of some rows; an empty text is not there.

        Parameters
        ----------
        rows : str
            Name of a relation with the columns.
        more : sequence of str
            Further columns.
        """
        known = {r.arguments.get("column") for r in self.of_a_row if r.kind == NOT_NULL}
        types = TABLES[self.table].columns
        columns = dict.fromkeys((*more, *self.keys, *(c for r in self.of_a_row for c in r.columns)))
        named = {c: sql_name(c) for c in columns}
        listed = ", ".join(
            f"nullif({name}, '') as {name}" if c in known and types[c] == TEXT else name
            for c, name in named.items()
        )
        return f"select {listed} from {rows} where {self.where or 'true'}"  # noqa: S608


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
    n_units: int | None = None

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
    return Rule(name, says, c, NOT_NULL, arguments)


def grain(table: str) -> Rule:
    """No two rows share the key that the table declares."""
    columns = TABLES[table].grain
    if table in APPEND_ONLY:
        columns = (PATH, *columns)
    says = f"no two rows have the same {', '.join(columns)}"
    if len(columns) == 1:
        one = {"column": columns[0]}
        return Rule(f"{columns[0]}_once", says, "stop", _UNIQUE[0], one)
    several = {"column_list": list(columns), "ignore_row_if": "never"}
    return Rule("key_once", says, "stop", _UNIQUE[1], several)
