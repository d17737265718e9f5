"""Section of the settings that says whom to tell of what is wrong, and when."""

from __future__ import annotations

import re
from datetime import time
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from mpss_lib.sections import Section

_TIME = r"([01]\d|2[0-3]):[0-5]\d"
MAIL_SCHEMES = ("smtp", "smtp+starttls", "smtps")
WEBHOOK_SCHEMES = ("https", "http", "slack+https", "slack+http", "teams+https", "teams+http")


class AlarmSettings(Section):
    """Alarms: where they go, and what is one; in no hash."""

    name: str = ""  # of this installation in messages; empty: the folder of the home
    mail_to: tuple[str, ...] = ()
    mail_from: str = ""
    smtp_url: str = Field(default="", repr=False)  # smtp+starttls://user:password@host:587
    webhooks: tuple[str, ...] = Field(default=(), repr=False)  # their paths are secrets
    link: str = ""  # address of the UI as people reach it; empty: the one on this machine
    deadline: str = Field(default="07:00", pattern=f"^{_TIME}$")  # the night is done by then
    quiet: str = Field(default="", pattern=f"^({_TIME}-{_TIME})?$")  # only what is urgent goes out
    every_s: float = Field(default=30.0, ge=5, le=3600)  # between two looks of the watch
    no_study_nights: int = Field(default=5, ge=0)  # in a row, at least; 0: no alarm
    fewer_than: float = Field(default=0.3, ge=0, lt=1)  # of the usual week; 0: no alarm
    quarantine_share: float = Field(default=0.1, ge=0, le=1)  # of a night's studies; 1: no alarm
    drift: float = Field(default=0.1, gt=0, le=1)  # change of a share of verdicts; 1: no alarm
    min_free_gb: float = Field(default=10.0, ge=0)
    certificate_days: int = Field(default=30, ge=0)
    backup_days: float = Field(default=8.0, ge=0)  # 0: no alarm

    @field_validator("webhooks")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            found = urlsplit(text)
            if found.scheme not in WEBHOOK_SCHEMES or not found.hostname:
                raise ValueError("a webhook is no address such as https://host.example/path")
        return value

    @field_validator("mail_to")
    @classmethod
    def _are_people(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+", text):
                raise ValueError(f"{text!r} is no address such as it@hospital.example")
        return value

    @model_validator(mode="after")
    def _can_send_mail(self) -> AlarmSettings:
        if not self.mail_to:
            return self
        found = urlsplit(self.smtp_url)
        if found.scheme not in MAIL_SCHEMES or not found.hostname:
            raise ValueError(
                "mail_to needs smtp_url, such as smtp+starttls://user:password@mail.example:587"
            )
        if "@" not in self.mail_from:
            raise ValueError("mail_to needs mail_from, the address that the mail comes from")
        return self

    @property
    def deadline_time(self) -> time:
        """The deadline as a time of day of the site."""
        return time.fromisoformat(self.deadline)

    def is_quiet(self, now: time) -> bool:
        """Whether a time of day of the site lies in the quiet hours."""
        if not self.quiet:
            return False
        begin, end = (time.fromisoformat(text) for text in self.quiet.split("-"))
        return begin <= now < end if begin <= end else now >= begin or now < end
