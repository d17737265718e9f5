"""Ports of a home: where it listens, and whom it calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mpss_lib.audit.vocabulary import KINDS
from mpss_lib.config import Config
from mpss_lib.papers.tables import markdown
from mpss_lib.runtime.services import LOOPBACK, SERVERS
from mpss_lib.secrecy import SERVERS_FOLDER
from mpss_lib.whole_files import read_json_there


@dataclass(frozen=True)
class Port:
    """Where a process listens, or whom it calls.

    Parameters
    ----------
    who : str
        Service of the home.
    protocol : str
    place : str
        Address and port, in words of the settings.
    default : str
    purpose : str
    """

    who: str
    protocol: str
    place: str
    default: str
    purpose: str


LISTENING = (
    Port("api-server", "HTTP", "127.0.0.1, `port` of `airflow/secrets.json`", "a free port",
         "Airflow's UI and REST interface, and the tasks' own way to the database"),
    Port("receiver", "DICOM, DICOM TLS", "receiver.host, receiver.port", "none",
         "objects that the PACS sends by C-MOVE; only where receiver.port is set"),
    Port("pacs", "DICOM", "127.0.0.1, `port` of `hospital.json`", "a free port",
         "the invented PACS; in a demo home only"),
    Port("postgres", "PostgreSQL", "127.0.0.1, `cluster` of `airflow/secrets.json`", "a free port",
         "Airflow's database; on a cluster only, with a password"),
    Port("redis", "Redis", "127.0.0.1, `cluster` of `airflow/secrets.json`", "a free port",
         "tasks that wait for a worker; on a cluster only, with a password"),
)  # fmt: skip
"""Everything that listens in a home that runs; nothing else does."""

CALLED = (
    Port("tasks, command line", "DICOM, DICOM TLS", "archive.host, archive.port, archive.others",
         "127.0.0.1:11112", "lists and objects of the PACS"),
    Port("tasks, command line", "HTTPS", "archive.web_url", "none", "the same over DICOMweb"),
    Port("tasks, command line", "SQL", "site.registry_url", "none", "the clinical registry"),
    Port("tasks, command line", "PostgreSQL", "site.results_url", "none", "the results database"),
    Port("whoever writes the audit log", "syslog over TLS", "audit.syslog_host, audit.syslog_port",
         "none", "audit messages"),
    Port("watch", "SMTP, SMTPS", "alarm.smtp_url", "none", "alarms by mail"),
    Port("watch", "HTTPS", "alarm.webhooks", "none", "alarms by webhook"),
)  # fmt: skip
"""Everybody whom a home calls; by default only the PACS."""


def listeners(config: Config, ports: Mapping[str, Any]) -> dict[tuple[str, int], str]:
    """Addresses and ports at which a home of these settings listens, and whose they are.

    Parameters
    ----------
    config : Config
    ports : mapping
        ``port`` of the home's ``airflow/secrets.json``; of a cluster its ``cluster`` too.
    """
    found = {(LOOPBACK, int(ports["port"])): "api-server"}
    for name in SERVERS if SERVERS_FOLDER in ports else ():
        found[LOOPBACK, int(ports[SERVERS_FOLDER][f"{name}_port"])] = name
    if config.receiver.port and config.archive.retrieve != "c-get":
        found[config.receiver.host, config.receiver.port] = "receiver"
    return found


def called(config: Config) -> dict[str, str]:
    """Whom a home of these settings calls: setting, and host with port; no password."""
    to, audit, alarm = config.archive, config.audit, config.alarm
    found = {"archive": f"{to.host}:{to.port}"}
    found |= {f"archive {name}": f"{one.host}:{one.port}" for name, one in to.others.items()}
    urls = {
        "archive.web_url": to.web_url,
        "site.registry_url": config.site.registry_url,
        "site.results_url": config.site.results_url,
        "alarm.smtp_url": alarm.smtp_url,
        **{f"alarm.webhooks {n}": url for n, url in enumerate(alarm.webhooks, 1)},
    }
    for name, url in urls.items():
        place = urlsplit(url)
        if place.hostname:
            found[name] = place.hostname + (f":{place.port}" if place.port else "")
    if audit.syslog_host:
        found["audit"] = f"{audit.syslog_host}:{audit.syslog_port}"
    return found


def sheet(config: Config, root: Path) -> dict[str, str]:
    """Give what the PACS and network teams of a site must know of a home; no password."""
    to, receiver = config.archive, config.receiver
    kept = read_json_there(root / "airflow" / "secrets.json") or {}
    ports = listeners(config, kept) if kept else {}
    told = {
        "our AE title (calling)": to.calling_aet,
        "archive": to.address,
        **{f"archive {name}": one.address for name, one in to.others.items()},
        "retrieve by": to.retrieve,
        "associations at the same time": str(to.max_associations),
        "studies fetched in a minute": f"{to.max_studies_per_minute:g}"
        if to.max_studies_per_minute
        else "no limit",
        "hours of bulk loads": to.window or "any",
        "hours of the nightly pull": to.night_window or "any",
        "time-outs: connect, negotiate, no byte": f"{to.connection_timeout_s:g},"
        f" {to.acse_timeout_s:g}, {to.dimse_timeout_s:g} s",
        "TLS": "on" if to.tls else "off: DICOM is plain text",
        "move destination": f"{receiver.aet or to.calling_aet} at {receiver.host}:{receiver.port}"
        if receiver.port
        else "none: no receiver",
    }
    told |= {f"listens: {who}": f"{host}:{port}" for (host, port), who in ports.items()}
    return told | {f"calls: {who}": place for who, place in called(config).items()}


def listening_table() -> str:
    """Where a home listens."""
    return _table(LISTENING)


def calling_table() -> str:
    """Whom a home calls."""
    return _table(CALLED)


def _table(ports: tuple[Port, ...]) -> str:
    columns = ("process", "protocol", "address and port", "default", "for")
    return markdown(
        columns, ((one.who, one.protocol, one.place, one.default, one.purpose) for one in ports)
    )


def logged() -> str:
    """Kinds of events of the audit log."""
    rows = (
        (name, f"{kind.event.value} {kind.event.meaning}", kind.action, kind.means)
        for name, kind in KINDS.items()
    )
    return markdown(("EventTypeCode", "EventID (DCM)", "action", "is written when"), rows)
