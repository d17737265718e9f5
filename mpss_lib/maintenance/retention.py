"""How long each layer of a home is kept: ``[maintenance]`` of the settings.

0 days means for ever. What is removed can be made again (from the PACS, from the lake) or has
served its purpose; the physicians' decisions and everything published are never removed by age.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from mpss_lib.config import STAGES, Address, Config
from mpss_lib.locks import alone
from mpss_lib.maintenance.copies import expire
from mpss_lib.maintenance.service_logs import pack
from mpss_lib.runtime.home import Home
from mpss_lib.schemas import TABLES
from mpss_lib.tables import Lake
from mpss_lib.warehouse.manifest import APPEND_ONLY, Ledger
from mpss_lib.warehouse.pointers import read_pointers
from mpss_lib.warehouse.published import ledger_of

log = logging.getLogger(__name__)

DAY_S = 86400.0


def apply(home: Home, *, now: float | None = None) -> dict[str, int]:
    """Remove what has been kept long enough.

    Parameters
    ----------
    home : Home
        Days: section ``maintenance`` of its settings.
    now : float, optional
        Seconds since 1970; the clock by default.

    Returns
    -------
    dict
        Removed: ``dicom`` (studies), ``versions``, ``quarantine``, ``logs``, ``snapshots`` (files),
        ``vaults`` and ``homes`` (backups). ``packed``: logs of services.

    Raises
    ------
    WritersAtWorkError
        A stage is writing: nothing was removed.
    """
    now = time.time() if now is None else now
    lake, config, days = home.lake, home.config, home.config.maintenance
    counts = {"logs": _remove_old(_logs(home), days.logs_days, now)}
    with alone(lake.root, "the retention"):  # a purge overwrites lines of logs
        counts["packed"] = pack(home.root / "logs", days.pack_logs_mb, now)
        ledger = ledger_of(lake)
        counts["dicom"] = _remove_dicom(lake, config, ledger, now)
        unpublished = _unpublished(lake, config, ledger)
        counts["versions"] = _remove_old(unpublished, days.versions_days, now)
        entries = (lake.root / "quarantine").glob("*/*.json")
        counts["quarantine"] = _remove_old(entries, days.quarantine_days, now)
        counts["snapshots"] = _remove_old(_snapshots(lake), days.snapshots_days, now)
        counts |= expire(home, datetime.fromtimestamp(now, UTC))
    log.info("retention: removed %s", counts)
    return counts


def _remove_old(paths: Iterator[Path], days: float, now: float) -> int:
    if not days:
        return 0
    old = [path for path in paths if now - path.stat().st_mtime > days * DAY_S]
    for path in old:
        path.unlink()
    return len(old)


def _logs(home: Home) -> Iterator[Path]:
    """Task logs and packed logs of the services; a service's own log is open and stays.

    The home's own folder too where Airflow names another one: it held the logs before.
    """
    folders = {(home.root / "airflow" / "logs").resolve()}
    if home.airflow:
        folders.add(home.airflow.places().logs.resolve())
    for folder in sorted(folders):
        yield from (path for path in sorted(folder.rglob("*.log*")) if path.is_file())
    yield from sorted((home.root / "logs").glob("*.gz"))


def _snapshots(lake: Lake) -> Iterator[Path]:
    """Databases beside the published one, for instance of an operator's trial."""
    for path in sorted(lake.root.glob("*.duckdb*")):
        if path.is_file() and path != lake.snapshot:
            yield path


def _remove_dicom(lake: Lake, config: Config, ledger: Ledger, now: float) -> int:
    """Remove the objects of studies whose features are there; pull fetches them again if asked."""
    days = config.maintenance.dicom_days
    if not days:
        return 0
    done = {
        file["unit_key"]
        for file in ledger.files
        if file["table_name"] == "feature_binned" and file["is_current"]
    }
    removed = 0
    for folder in sorted((lake.root / "dicom").glob("*")):
        newest = max((p.stat().st_mtime for p in folder.rglob("*")), default=now)
        if folder.name in done and now - newest > days * DAY_S:
            shutil.rmtree(folder)
            removed += 1
    return removed


def _unpublished(lake: Lake, config: Config, ledger: Ledger) -> Iterator[Path]:
    """Files of versions that are neither published nor of the present settings.

    A frozen cohort and what was computed for it stay: a published number names them.
    """
    pointers = read_pointers(lake)
    kept = {(stage, config.address(stage)) for stage in STAGES}
    kept |= set(pointers.items())
    for file in ledger.files:
        table = TABLES[file["table_name"]]
        address = Address(file["engine"], file["config"])
        is_kept = (file["stage"], address) in kept or table.name in APPEND_ONLY
        path = lake.root / file["path"]
        if table.unit == "study" and not is_kept and path.is_file():
            yield path
