"""Parts of the settings: base of the sections, rules of a site, and what belongs to no stage."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Section(BaseModel):
    """Base of the settings sections. Fields named in ``unhashed`` do not change any number."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
    unhashed: ClassVar[frozenset[str]] = frozenset()


class SeriesRule(Section):
    """A habit of a site: regular expression ``pattern`` found in ``keyword`` means ``answer``."""

    question: Literal["stress", "attenuation", "reconstruction"]
    keyword: str = Field(min_length=1)
    pattern: str = Field(min_length=1)
    answer: Literal["stress", "rest", "AC", "NAC", "iterative", "FBP"]

    @field_validator("pattern")
    @classmethod
    def _is_expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _answers_its_question(self) -> SeriesRule:
        allowed = {
            "stress": ("stress", "rest"),
            "attenuation": ("AC", "NAC"),
            "reconstruction": ("iterative", "FBP"),
        }[self.question]
        if self.answer not in allowed:
            raise ValueError(f"{self.question} is answered by {' or '.join(allowed)}")
        return self


UNITS: Mapping[str, Mapping[str, float]] = {
    "height_m": {"m": 1.0, "cm": 0.01, "in": 0.0254},
    "weight_kg": {"kg": 1.0, "g": 0.001, "lb": 0.45359237},
    "lvef": {"percent": 1.0, "fraction": 100.0},
}
"""Units that a registry may use for a column, and the factor to ours (the first of each)."""


class RegistryFormat(Section):
    """How a registry writes: a CSV file, and dates and numbers that come as text."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"  # a byte order mark is read over
    decimal: Literal[".", ","] = "."
    date: str = ""  # as strptime reads it, "%d.%m.%Y"; empty: ISO 8601
    units: Mapping[str, str] = Field(default_factory=dict)  # our column -> the registry's unit

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError as error:
            raise ValueError(f"{value!r} is no encoding such as utf-8 or cp1252") from error
        return value

    @field_validator("date")
    @classmethod
    def _names_a_day(cls, value: str) -> str:
        if value and not ("%Y" in value and "%m" in value and "%d" in value):
            raise ValueError(f"{value!r} must hold %Y, %m and %d, as in %d.%m.%Y")
        return value

    @field_validator("units")
    @classmethod
    def _are_units(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, unit in value.items():
            if unit not in UNITS.get(name, {}):
                known = {column: list(units) for column, units in UNITS.items()}
                raise ValueError(f"{name} in {unit!r}: known are {known}")
        return value

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> RegistryFormat:
        if self.delimiter == self.decimal:
            raise ValueError(f"delimiter and decimal are both {self.decimal!r}")
        return self


class UpkeepSettings(Section):
    """How long each layer is kept, in days (0: for ever), and where backups go."""

    dicom_days: float = Field(default=0.0, ge=0)  # objects of studies that have their features
    versions_days: float = Field(default=0.0, ge=0)  # outputs of versions that nobody publishes
    quarantine_days: float = Field(default=0.0, ge=0)
    logs_days: float = Field(default=180.0, ge=0)
    airflow_days: float = Field(default=180.0, ge=0)  # rows of Airflow's database
    snapshots_days: float = Field(default=7.0, ge=0)  # databases beside the published one
    backups_days: float = Field(default=56.0, ge=0)
    backup_target: str = ""  # folder of weekly backups of the whole home; "": the vault only
