"""Sending one message by one channel; what went wrong is told without address or password."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from mpss_lib.alarm_section import AlarmSettings
from mpss_lib.alarms.messages import body_for, mail_of
from mpss_lib.errors import TryAgainError

MAIL = "mail"
TIMEOUT_S = 15.0
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class DeliveryError(TryAgainError):
    """A channel did not take a message: it is kept and tried again."""


def channels(settings: AlarmSettings) -> dict[str, str]:
    """Map the name of each channel to its address; the name tells no secret."""
    found = {MAIL: settings.smtp_url} if settings.mail_to else {}
    for address in settings.webhooks:
        mark = hashlib.sha256(address.encode()).hexdigest()[:6]
        found[f"webhook {urlsplit(address).hostname} {mark}"] = address
    return found


def send(channel: str, message: Mapping[str, Any], settings: AlarmSettings) -> None:
    """Send a message by a channel.

    Raises
    ------
    DeliveryError
        It was not taken.
    """
    if channel == MAIL:
        _mail(message, settings)
    else:
        _post(channels(settings)[channel], message)


def _mail(message: Mapping[str, Any], settings: AlarmSettings) -> None:
    url = urlsplit(settings.smtp_url)
    host, port = url.hostname or "", url.port or _PORTS[url.scheme]
    mail = mail_of(message, settings.mail_from, settings.mail_to)
    try:
        server: smtplib.SMTP = (
            smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
            if url.scheme == "smtps"
            else smtplib.SMTP(host, port, timeout=TIMEOUT_S)
        )
        with server:
            if url.scheme == "smtp+starttls":
                server.starttls(context=ssl.create_default_context())
            if url.username:
                server.login(unquote(url.username), unquote(url.password or ""))
            refused = server.send_message(mail)
    except (OSError, smtplib.SMTPException) as error:
        raise _failed(f"the mail server {host}:{port}", error) from error
    if refused:
        raise DeliveryError(
            f"the mail server {host}:{port} refused {len(refused)} of {len(settings.mail_to)}"
            " addresses",
            way_out="correct alarm.mail_to",
        )


def _post(address: str, message: Mapping[str, Any]) -> None:
    url = urlsplit(address)
    plain = url._replace(scheme=url.scheme.rpartition("+")[2]).geturl()
    try:
        answer = httpx.post(plain, json=body_for(address, message), timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        raise _failed(f"the webhook at {url.hostname}", error) from None  # quotes the address
    if not answer.is_success:
        raise DeliveryError(
            f"the webhook at {url.hostname} answered {answer.status_code}",
            way_out="correct alarm.webhooks; `mpss alarm test` tries it",
        )


def _failed(who: str, error: Exception) -> DeliveryError:
    code = getattr(error, "smtp_code", None)
    why = f"{type(error).__name__} {code}" if code else type(error).__name__
    return DeliveryError(
        f"{who} did not take a message: {why}",
        way_out="correct [alarm] in mpss.toml; `mpss alarm test` tries it",
    )
