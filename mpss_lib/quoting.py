"""Texts and names in an SQL statement, where no parameter can stand."""

from __future__ import annotations


def sql_text(value: object) -> str:
    """Give a value as a text literal: ``'it''s'``."""
    return "'" + str(value).replace("'", "''") + "'"


def sql_name(name: str) -> str:
    """Give the name of a column or a table as an identifier, whatever it holds: ``"a b"``."""
    return '"' + name.replace('"', '""') + '"'
