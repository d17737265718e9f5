"""Bodies of the maintenance tasks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mpss_airflow.batch import airflow_errors, current_run, do_chain
from mpss_airflow.home import connected_home, open_home

if TYPE_CHECKING:
    from mpss_lib.runtime.home import Home

log = logging.getLogger(__name__)


def self_test() -> int:
    """Compare the radiomics engine with the published reference values; returns how many match."""
    from airflow.sdk.exceptions import AirflowFailException

    from mpss_lib.radiomics.verify import verify

    results = verify()
    missed = [result.family for result in results if not result.is_sound]
    if missed:
        raise AirflowFailException(
            f"reference values missed in: {', '.join(missed)} | way out: `mpss verify` lists them;"
            " do not publish features of this installation"
        )
    return sum(result.n_matched for result in results)


def retry_quarantined() -> dict[str, Any]:
    """Try the stages again at which studies stand still, and those after them.

    What is still broken stays in quarantine and does not fail the task; the others go on.
    """
    from mpss_lib.steps import in_quarantine

    home = open_home()
    return do_chain(in_quarantine(home.lake, home.config))


def take_undated() -> dict[str, Any]:
    """Take the studies without a StudyDate through the chain: they lie in no night's window."""
    from mpss_lib.pull.stage import find_undated

    home = connected_home()
    with airflow_errors():
        keys = find_undated(home.lake, home.config, home.sites, run_name=current_run())
    return do_chain({"pull": keys})


def remove_orphans() -> dict[str, Any]:
    """Join batches into large ones; remove what killed writers and old versions left behind."""
    from mpss_lib.warehouse.maintenance import remove_orphans as run
    from mpss_lib.warehouse.stage import merge

    home = open_home()
    with airflow_errors():
        counts: dict[str, Any] = merge(home.lake, home.config) | run(home.lake, home.config)
    log.info("removed: %s", counts)
    return counts


def retention() -> dict[str, Any]:
    """Remove what has been kept long enough; rows of Airflow's database by its own command."""
    from mpss_lib.maintenance.retention import apply
    from mpss_lib.runtime.orchestrator import clean_metadata

    home = open_home()
    with airflow_errors():
        counts: dict[str, Any] = dict(apply(home))
        days = home.config.maintenance.airflow_days
        if days and _reaches_airflow(home):
            counts["airflow_rows"] = clean_metadata(home.airflow, days)
    log.info("retention: %s", counts)
    return counts


def backup() -> str:
    """Copy the vault beside the home and, where a target is set, the whole home to it.

    Returns
    -------
    str
        Name of the larger copy.
    """
    from pathlib import Path

    from mpss_lib.audit.doors import recording
    from mpss_lib.maintenance.backup import create
    from mpss_lib.maintenance.vault_copy import copy_vault

    home = open_home()
    with airflow_errors():
        with recording("backup", home.root, home.config, things=["the vault"]):
            copied = copy_vault(home.sites.vault)
        if home.config.maintenance.backup_target:
            _reaches_airflow(home)
            copied = create(home, Path(home.config.maintenance.backup_target))
    return str(copied.name)


def _reaches_airflow(home: Home) -> bool:
    """Whether the home is on one machine; a worker of a cluster has no way to the database."""
    if home.airflow is None:
        log.warning(
            "Airflow's database is not reached from a task here: run `airflow db clean` and"
            " `mpss backup create` beside the scheduler"
        )
    return home.airflow is not None
