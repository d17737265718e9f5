"""Bodies of the tasks that look at the archive again."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from mpss_airflow.batch import (
    airflow_errors,
    current_run,
    do_chain,
    progress_of,
    without_keys,
)
from mpss_airflow.home import connected_home
from mpss_lib.clock import today

log = logging.getLogger(__name__)


def recheck() -> dict[str, Any]:
    """Fetch studies again that are due, and do the later stages of what changed.

    Fails where a correction waits for an answer, or a study could not be fetched.

    Returns
    -------
    dict
        Counts of each stage.
    """
    from airflow.sdk.exceptions import AirflowFailException

    from mpss_lib.pull.upstream.recheck import due
    from mpss_lib.upstream import CORRECTED, noted

    home = connected_home()
    keys = due(home.lake, home.config, home.sites, today(home.config.site.timezone))
    counts = do_chain({"pull": keys}, fetches_again=True)
    waiting = [one for one in noted(home.lake) if one.kind == CORRECTED]
    n_still = sum(found["quarantined"] for found in counts.values())
    if waiting or n_still:
        raise AirflowFailException(
            f"corrections of {len(waiting)} studies wait, {n_still} studies stand still | way out:"
            " `mpss accept` each study that is right; `mpss quarantine ls` says why"
        )
    return counts


def reconcile() -> dict[str, int]:
    """Compare the last days with the archive; fails where something differs.

    Returns
    -------
    dict
        ``n_archive``, ``n_lake``: studies of these days there and here.
    """
    from airflow.sdk.exceptions import AirflowFailException

    from mpss_lib.pull.upstream.reconcile_door import reconcile as compare

    home = connected_home()
    last = today(home.config.site.timezone)
    first = last - timedelta(days=home.config.maintenance.reconcile_days)
    with airflow_errors():
        answered = compare((first, last), home.lake, home.config, home.sites)
    for one in answered.open:
        log.warning("%s %s (%s)", one.study_key, one.kind, one.detail)
    counts = Counter(one.kind for one in answered.open)
    if counts or answered.doubts:
        told = ", ".join(f"{kind} {n}" for kind, n in sorted(counts.items())) or "nothing"
        told += "".join(f"; its list may lack studies: {doubt}" for doubt in answered.doubts)
        raise AirflowFailException(
            f"the PACS has otherwise than the lake: {told} | way out: `mpss reconcile` names each"
            " study with its own; `mpss accept` where it may stay so"
        )
    return {
        "n_archive": sum(month.n_archive for month in answered.months),
        "n_lake": sum(month.n_lake for month in answered.months),
    }


def mend(params: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a person asked for: try quarantined studies again, accept what the archive has.

    Parameters
    ----------
    params : mapping
        ``retry`` : bool; ``accept`` : list of study keys.

    Returns
    -------
    dict
        Counts of each stage that had something to do.
    """
    from mpss_airflow.maintenance import retry_quarantined
    from mpss_lib.pull.upstream.again import accept, fetch_again

    done: dict[str, Any] = {}
    home = connected_home()
    with airflow_errors():
        stays, corrected = accept([str(key) for key in params.get("accept") or []], home.lake)
        log.info("accepted as they are: %s", stays)
        if corrected:
            found = fetch_again(
                *(corrected, home.lake, home.config, home.sites),
                accepts=True,
                run_name=current_run(),
                progress=progress_of(len(corrected)),
            )
            done["pull"] = without_keys(found.as_dict())
            done |= do_chain({"intake": list(found.keys)})
    if params.get("retry"):
        done |= {f"retry {stage}": counts for stage, counts in retry_quarantined().items()}
    return done
