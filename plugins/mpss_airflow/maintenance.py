"""Bodies of the maintenance tasks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mpss_airflow.batch import airflow_errors, current_run, stage_result
from mpss_airflow.home import open_home, open_sites

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mpss_lib.runtime.orchestrator import Airflow

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
    from mpss_lib.batch import CHAIN, standing_still

    lake, config = open_home()
    return _through_chain({stage: standing_still(stage, lake, config) for stage in CHAIN})


def take_undated() -> dict[str, Any]:
    """Take the studies without a StudyDate through the chain: they lie in no night's window."""
    from mpss_lib.pull.stage import find_undated

    lake, config = open_home()
    with airflow_errors():
        keys = find_undated(lake, config, open_sites(config), run_name=current_run())
    return _through_chain({"pull": keys})


def _through_chain(waiting: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Do the chain for studies, each from its stage on; returns the counts by stage."""
    from mpss_lib.batch import CHAIN, TooManyFaultsError

    counts: dict[str, Any] = {}
    going_on: list[str] = []
    for stage in CHAIN:
        going_on += waiting.get(stage, ())
        if not going_on:
            continue
        with airflow_errors():
            try:
                result = stage_result(stage, going_on)
            except TooManyFaultsError as error:
                log.warning("%s", error)
                result = error.result
        going_on = list(result.keys)
        counts[stage] = {n: value for n, value in result.as_dict().items() if n != "keys"}
    return counts


def remove_orphans() -> dict[str, Any]:
    """Join batches into large ones; remove what killed writers and old versions left behind."""
    from mpss_lib.warehouse.maintenance import remove_orphans as run
    from mpss_lib.warehouse.stage import merge

    lake, config = open_home()
    with airflow_errors():
        counts: dict[str, Any] = merge(lake, config) | run(lake, config)
    log.info("removed: %s", counts)
    return counts


def retention() -> dict[str, Any]:
    """Remove what has been kept long enough; rows of Airflow's database by its own command."""
    from mpss_lib.config import home
    from mpss_lib.maintenance.retention import apply
    from mpss_lib.runtime.orchestrator import clean_metadata

    lake, config = open_home()
    airflow = _own_airflow()
    with airflow_errors():
        logs = airflow.places().logs if airflow else None
        counts: dict[str, Any] = dict(apply(home(), lake, config, logs=logs))
        days = config.maintenance.airflow_days
        if airflow and days:
            counts["airflow_rows"] = clean_metadata(airflow, days)
    log.info("retention: %s", counts)
    return counts


def backup() -> str:
    """Copy the vault beside the home and, where a target is set, the whole home to it.

    Answers the name of the larger copy.
    """
    from pathlib import Path

    from mpss_lib.config import home
    from mpss_lib.maintenance.backup import Source, create
    from mpss_lib.pull.vault_copy import copy_vault

    lake, config = open_home()
    sites = open_sites(config)
    with airflow_errors():
        copied = copy_vault(sites.vault)
        if config.maintenance.backup_target:
            source = Source(home(), lake, config, sites, _own_airflow())
            copied = create(source, Path(config.maintenance.backup_target))
    return str(copied.name)


def _own_airflow() -> Airflow | None:
    """Airflow of a home on one machine; a worker of a cluster has no way to the database."""
    from mpss_lib.config import home, load
    from mpss_lib.runtime.airflow_home import AirflowHome
    from mpss_lib.runtime.orchestrator import Airflow

    root = home()
    if not (root / "airflow" / "secrets.json").exists():
        log.warning(
            "Airflow's database is not reached from a task here: run `airflow db clean` and"
            " `mpss backup create` beside the scheduler"
        )
        return None
    return Airflow(AirflowHome.load(root).environment(load(root)))
