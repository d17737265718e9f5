"""Base of the settings sections, the rules of a site, and the section that belongs to no stage."""

from __future__ import annotations

import re
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
