"""Removal of what nobody reads any more: rubbish of killed writers, superseded files."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from mpss_lib.config import Config
from mpss_lib.schemas import TABLES
from mpss_lib.tables import Lake
from mpss_lib.warehouse.compaction import retire
from mpss_lib.warehouse.layout import layout_path, left_over
from mpss_lib.warehouse.manifest import APPEND_ONLY, Ledger, every_current
from mpss_lib.warehouse.published import ledger_of, published_files
from mpss_lib.warehouse.publisher import one_publisher

log = logging.getLogger(__name__)

RUBBISH_AGE_S = 3600.0
"""A temporary file older than this belongs to a writer that was killed."""

DAY_S = 86400.0

EVERY_VERSION = frozenset({"instance"})
"""Tables whose superseded files stay: they name each version of a study's objects."""


def remove_orphans(lake: Lake, config: Config, *, now: float | None = None) -> dict[str, int]:
    """Remove temporary files older than an hour and superseded files past their retention.

    A file is superseded when a later record of the same engine and config names another file for
    its unit, a batch file when the snapshot no longer reads it. Both go after
    ``warehouse.retention_days``, so that a reader which holds an older snapshot open still finds
    them. A file that the published snapshot names stays, however long nothing has been published.
    Files of append-only tables, of other versions and files that no record names stay, and those
    that name an earlier version of a study's objects (``EVERY_VERSION``).

    Parameters
    ----------
    lake, config
    now : float, optional
        Seconds since 1970; the clock by default.

    Returns
    -------
    dict
        ``temporary``, ``superseded``, ``batches``: files removed; ``old_names`` of files that lie
        on shelves since the layout changed (``layout``); ``bytes``: of all.
    """
    now = time.time() if now is None else now
    counts = dict.fromkeys(("temporary", "superseded", "batches", "old_names", "bytes"), 0)
    if not lake.root.is_dir():
        return counts
    with one_publisher(lake):
        oldest = datetime.fromtimestamp(now - config.warehouse.retention_days * DAY_S, UTC)
        ledger = ledger_of(lake)
        retired, unknown = retire(lake, every_current(ledger), oldest)
        replaced = [lake.root / path for path in _superseded(ledger, oldest)]
        shown = {lake.root / path for path in published_files(lake)}
        rubbish = [p for p in (*_temporary(lake), *unknown) if _age_s(p, now) > RUBBISH_AGE_S]
        found = {
            "temporary": rubbish,
            "superseded": [p for p in replaced if p.is_file() and p not in shown],
            "batches": [p for p in retired if p not in shown],
            "old_names": [p for p in _old_names(lake, oldest) if p not in shown],
        }
        for name, paths in found.items():
            counts[name] = len(paths)
            counts["bytes"] += sum(_remove(path) for path in paths)
    log.info("warehouse: removed %s", counts)
    return counts


def _temporary(lake: Lake) -> Iterator[Path]:
    return lake.root.rglob(".tmp-*")


def _old_names(lake: Lake, oldest: datetime) -> list[Path]:
    """Names that landing files had before the layout changed, where that was before ``oldest``."""
    changed = layout_path(lake)
    if not changed.exists() or changed.stat().st_mtime > oldest.timestamp():
        return []
    return list(left_over(lake))


def _age_s(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:  # its writer has just finished
        return 0.0


def _superseded(ledger: Ledger, oldest: datetime) -> list[str]:
    """Paths that another file replaced before ``oldest`` and that nothing names since."""
    written_at = {run["record"]: run["written_at"] for run in ledger.runs}
    replaced: dict[str, datetime] = {}
    newest: dict[tuple[str, ...], str] = {}
    for file in ledger.files:
        table = file["table_name"]
        if table in APPEND_ONLY or table in EVERY_VERSION or TABLES[table].unit == "engine":
            continue
        key = (file["table_name"], file["engine"], file["config"], file["unit_key"])
        before, path = newest.get(key), file["path"]
        if before is not None and before != path:
            replaced[before] = written_at[file["record"]]
        replaced.pop(path, None)
        newest[key] = path
    limit = oldest.astimezone(UTC).replace(tzinfo=None)
    return sorted(path for path, when in replaced.items() if when < limit)


def _remove(path: Path) -> int:
    try:
        size = path.stat().st_size
        if path.is_dir():  # where a killed publisher spilled
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:  # a temporary file whose writer has just finished
        return 0
    return size
