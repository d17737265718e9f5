"""The settings in force as a person may see them: what holds a password is three stars."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from mpss_lib.config import Config
from mpss_lib.secrecy import MASK, has_password, without_passwords


def shown(config: Config) -> dict[str, dict[str, tuple[Any, bool]]]:
    """Map section and name to (value, whether it is the default).

    Parameters
    ----------
    config : Config
    """
    found: dict[str, dict[str, tuple[Any, bool]]] = {}
    for name in type(config).model_fields:
        section = getattr(config, name)
        default = type(section)()
        values, plain = section.model_dump(mode="json"), default.model_dump(mode="json")
        found[name] = {
            field: (_masked(field, value), value == plain[field]) for field, value in values.items()
        }
    return found


def meanings() -> Mapping[str, Mapping[str, str]]:
    """Read what each setting says: section, key, and a line in plain words."""
    return tomllib.loads((files("mpss_lib") / "settings.toml").read_text(encoding="utf-8"))


def _masked(field: str, value: Any) -> Any:
    if has_password(value, field):
        return MASK
    return without_passwords(value) if isinstance(value, str) else value
