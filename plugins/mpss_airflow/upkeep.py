"""Bodies of the maintenance tasks."""

from __future__ import annotations

import logging
from typing import Any

from mpss_airflow.batch import airflow_errors, stage_result
from mpss_airflow.home import open_home, open_sites

log = logging.getLogger(__name__)


def self_test() -> int:
    """Compare the radiomics engine with the published reference values; answers how many match."""
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
    from mpss_lib.batch import CHAIN, TooManyFaultsError, standing_still

    lake, config = open_home()
    counts: dict[str, Any] = {}
    waiting: list[str] = []
    for stage in CHAIN:
        waiting += standing_still(stage, lake, config)
        if not waiting:
            continue
        with airflow_errors():
            try:
                result = stage_result(stage, waiting)
            except TooManyFaultsError as error:
                log.warning("%s", error)
                result = error.result
        waiting = list(result.keys)
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


def backup() -> str:
    """Copy the vault consistently beside the home; answers the file's name."""
    from mpss_lib.pull.backup import backup as run

    _, config = open_home()
    with airflow_errors():
        return str(run(open_sites(config).vault).name)
