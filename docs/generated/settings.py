"""Settings: a table for each section."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mpss_lib.config import Config
from mpss_lib.doctor.shown_settings import meanings
from mpss_lib.papers.tables import markdown

COLUMNS = ("key", "default", "values", "meaning")


def settings() -> str:
    """Give each section's keys with default, values and meaning."""
    said = meanings()
    parts = []
    for name, told in Config.model_fields.items():
        section = told.annotation
        keys = section.model_fields
        rows = [
            (f"`{key}`{_mark(section, key)}", _default(one), _values(one), said[name][key])
            for key, one in keys.items()
        ]
        parts.append(f"## `[{name}]`\n\n{markdown(COLUMNS, rows)}\n")
    return "\n".join(parts)


def _mark(section: Any, key: str) -> str:
    return " *" if key in section.unhashed else ""


def _default(one: FieldInfo) -> str:
    value = one.get_default(call_default_factory=True)
    if value in ("", (), {}) or isinstance(value, BaseModel):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else _plain(value)}`"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _values(one: FieldInfo) -> str:
    """Name the values that are admitted: those of a list, or type and limits."""
    kind = one.annotation
    if get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is Literal:
        return "list of " + ", ".join(f"`{value}`" for value in get_args(get_args(kind)[0]))
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    limits = [
        f"{sign} {getattr(rule, word)}"
        for rule in one.metadata
        for word, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
        if getattr(rule, word, None) is not None
    ]
    return " ".join([_kind(kind), *limits[:1], *(f"and {limit}" for limit in limits[1:])])


def _kind(kind: Any) -> str:
    names = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`"}
    return names.get(kind) or ("list" if get_origin(kind) is tuple else "table")
