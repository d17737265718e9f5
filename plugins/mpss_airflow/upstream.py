"""Bodies of the tasks that look at the archive again."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta

from mpss_airflow.batch import airflow_errors
from mpss_airflow.home import open_home, open_sites

log = logging.getLogger(__name__)


def reconcile() -> dict[str, int]:
    """Compare the last days with the archive; fails where something differs.

    Returns
    -------
    dict
        ``n_archive``, ``n_lake``: studies of these days there and here.
    """
    import pendulum
    from airflow.sdk import conf
    from airflow.sdk.exceptions import AirflowFailException

    from mpss_lib.pull.reconcile_door import reconcile as compare

    lake, config = open_home()
    today = pendulum.now(conf.get("core", "default_timezone")).date()
    first = today - timedelta(days=config.upkeep.reconcile_days)
    with airflow_errors():
        answered = compare((first, today), lake, config, open_sites(config))
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
