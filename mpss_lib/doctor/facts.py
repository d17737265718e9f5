"""Facts that a support engineer asks for first; none names a patient."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from mpss_lib.alarms import Facts
from mpss_lib.batch import code_version
from mpss_lib.doctor.finding import Subject
from mpss_lib.pull.archive.habits import known_habits
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.services import Services
from mpss_lib.tables import Lake

PACKAGES = ("apache-airflow", "duckdb", "pydicom", "pynetdicom", "numpy", "numba", "pyarrow")


def facts_of(subject: Subject, facts: Facts) -> dict[str, Any]:
    """Versions, places, disk, services, archive, last night, quarantine, backup."""
    config, root = subject.config, subject.root
    zone = ZoneInfo(config.site.timezone)
    services = Services(root)
    airflow = AirflowHome.load(root)
    night = facts.orchestra.nights[0] if facts.orchestra and facts.orchestra.nights else None
    backup = facts.backups.newest if facts.backups else None
    rows = Lake(root / "lake").quarantined()
    return {
        "home": str(root),
        "versions": {"mpss": code_version(), "python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "time": f"{facts.now.astimezone(zone):%Y-%m-%d %H:%M %Z}",
        "disk_free_gb": {name: round(free, 1) for name, free in facts.free_gb.items()},
        "disk_total_gb": round(shutil.disk_usage(root).total / 2**30, 1),
        "services": {name: services.is_alive(name) for name in services.recorded()},
        "ui": airflow.address if airflow else None,
        "receiver_port": config.receiver.port or None,
        "archive": _archive(subject),
        "certificates": {name: f"{end:%Y-%m-%d}" for name, end in facts.certificates.items()},
        "last_night": None
        if night is None
        else {"due": f"{night.due_at.astimezone(zone):%Y-%m-%d}", "state": night.state},
        "quarantine": {
            f"{stage}: {error}": n
            for (stage, error), n in Counter((r["stage"], r["error"]) for r in rows).items()
        },
        "backup": None if backup is None else f"{backup:%Y-%m-%d %H:%M} UTC",
        "unknown": dict(facts.unknown),
    }


def _archive(subject: Subject) -> Mapping[str, Any]:
    archive = subject.config.archive
    told: dict[str, Any] = {
        "address": f"{archive.host}:{archive.port}",
        "called_aet": archive.called_aet,
        "calling_aet": archive.calling_aet,
        "tls": archive.tls,
        "retrieve": archive.retrieve,
    }
    if subject.home is not None:
        told["habits"] = asdict(known_habits(subject.home.sites))
    return told
