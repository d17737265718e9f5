"""Base of the settings sections, and the section that belongs to no stage."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Base of the settings sections. Fields named in ``unhashed`` do not change any number."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
    unhashed: ClassVar[frozenset[str]] = frozenset()


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
