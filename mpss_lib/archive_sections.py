"""Sections of the settings that say where the hospital's archive is and how objects come."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import time
from typing import Literal

from pydantic import Field, field_validator, model_validator

from mpss_lib.secrecy import without_passwords
from mpss_lib.sections import Section


def hours_of(window: str) -> tuple[time, time] | None:
    """First and last hour of a window such as ``19:00-06:00``; None where there is none.

    Raises
    ------
    ValueError
        It cannot be read.
    """
    if not window:
        return None
    first, sign, last = window.partition("-")
    try:
        hours = time.fromisoformat(first.strip()), time.fromisoformat(last.strip())
    except ValueError:
        hours = None
    if not sign or hours is None or hours[0] == hours[1]:
        raise ValueError(f"{window!r} is no span of hours such as 19:00-06:00")
    return hours


_OWN = frozenset({"host", "port", "called_aet", "web_url", "folder", "tls_name", "others"})
"""What an archive does not lend to the others: who it is."""


class ArchiveSettings(Section):
    """The hospital's archive (PACS) and how it is talked to: in no hash."""

    retrieve: Literal["auto", "c-get", "c-move", "dicomweb", "folder"] = "auto"
    web_url: str = Field(default="", repr=False)  # of DICOMweb; may hold a password
    folder: str = ""  # of objects to load instead: an export disk, a medium
    host: str = "127.0.0.1"
    port: int = Field(default=11112, ge=1, le=65535)
    called_aet: str = Field(default="ARCHIVE", min_length=1, max_length=16)
    calling_aet: str = Field(default="MPSS", min_length=1, max_length=16)
    tls: bool = False  # to the archive, and from it to the receiver
    tls_certificate: str = ""  # PEM files: ours, its key (mode 0600), who may sign the archive's
    tls_key: str = ""
    tls_issuers: str = ""
    tls_name: str = ""  # in the archive's certificate; empty: host
    uids_per_request: int = Field(default=20, ge=1, le=500)
    find_limit: int = Field(default=0, ge=0)  # most answers that C-FIND gives; 0: no limit
    connection_timeout_s: float = Field(default=10.0, gt=0)
    acse_timeout_s: float = Field(default=15.0, gt=0)
    dimse_timeout_s: float = Field(default=120.0, gt=0)  # without a byte
    patience_h: float = Field(default=2.0, ge=0, le=168)  # a task waits for an archive that is away
    window: str = ""  # hours in which studies are fetched, "19:00-06:00"; empty: always
    night_window: str = ""  # the same for the nightly pull
    max_studies_per_minute: float = Field(default=0.0, ge=0)  # fetched; 0: no limit
    max_associations: int = Field(default=2, ge=1, le=50)  # of all processes of the home
    others: Mapping[str, ArchiveSettings] = Field(default_factory=dict)  # further archives

    @model_validator(mode="before")
    @classmethod
    def _lends_to_others(cls, values: object) -> object:
        """Let other archives have what they do not say as the first one says it."""
        if not isinstance(values, dict) or not isinstance(values.get("others"), dict):
            return values
        lent = {name: value for name, value in values.items() if name not in _OWN}
        others = {
            name: lent | one if isinstance(one, dict) else one
            for name, one in values["others"].items()
        }
        return values | {"others": others}

    @field_validator("others")
    @classmethod
    def _are_others(cls, value: Mapping[str, ArchiveSettings]) -> Mapping[str, ArchiveSettings]:
        for name, one in value.items():
            if not re.fullmatch("[a-z][a-z0-9_]{0,30}", name) or name == "archive":
                raise ValueError(f"{name!r} is no name such as cardiology")
            if one.others or one.retrieve == "folder":
                raise ValueError(f"{name} has others of its own, or is a folder")
        return value

    @property
    def everywhere(self) -> str:
        """Where objects come from, of all archives, for people."""
        return ", ".join(one.address for one in self.every)

    @property
    def every(self) -> tuple[ArchiveSettings, ...]:
        """Every archive, in the order in which a study is looked for."""
        return (self, *self.others.values())

    @property
    def address(self) -> str:
        """Where its objects come from, for people: no password in it."""
        if self.retrieve == "folder":
            return self.folder
        if self.retrieve == "dicomweb":
            return without_passwords(self.web_url)
        return f"{self.called_aet}@{self.host}:{self.port}"

    @field_validator("window", "night_window")
    @classmethod
    def _is_window(cls, value: str) -> str:
        hours_of(value)
        return value

    @model_validator(mode="after")
    def _names_its_address(self) -> ArchiveSettings:
        if self.web_url and not self.web_url.startswith(("http://", "https://")):
            raise ValueError("web_url is no address such as https://pacs.example/dicom-web")
        if self.retrieve == "dicomweb" and not self.web_url:
            raise ValueError("retrieve is dicomweb, and web_url is not set")
        if self.retrieve == "folder" and (not self.folder or self.others):
            raise ValueError("retrieve is folder, and folder is not set, or there are others")
        if len({one.address for one in self.every}) < len(self.every):
            raise ValueError("two archives have one address and AE title")
        return self


class ReceiverSettings(Section):
    """The service that takes what the archive sends by C-MOVE: in no hash."""

    port: int = Field(default=0, ge=0, le=65535)  # 0: no receiver
    host: str = "127.0.0.1"  # the address to listen at
    aet: str = Field(default="", max_length=16)  # the move destination; empty: archive.calling_aet
    callers: tuple[str, ...] = ()  # AE titles that may send; empty: archive.called_aet
    addresses: tuple[str, ...] = ()  # addresses or networks that may; empty: those of archive.host
    max_associations: int = Field(default=10, ge=1, le=100)
    min_free_gb: float = Field(default=2.0, ge=0)  # less room on its disk: 0xA700

    @property
    def min_free_bytes(self) -> int:
        """The same in bytes."""
        return int(self.min_free_gb * 2**30)

    @field_validator("addresses")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ipaddress.ip_network(text, strict=False)  # its error names the text
        return value
