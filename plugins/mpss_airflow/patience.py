"""An archive that is away or busy is waited for without a worker slot.

The task is put back (``up_for_reschedule``): it holds neither a worker nor a slot of the PACS pool,
and no try is used up. Pauses grow from one minute to a quarter of an hour; when the task has waited
for ``archive.patience_h`` in all, it fails. What a batch had done before is skipped then.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from mpss_airflow.home import open_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpss_lib.errors import MpssError

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 60.0, 900.0


def pauses(patience_s: float) -> Iterator[float]:
    """Seconds to wait before each further try; together they are the patience."""
    left = patience_s
    for n in count():
        pause = min(FIRST_PAUSE_S * 2.0**n, LONGEST_PAUSE_S, left)
        if pause <= 0:
            return
        left -= pause
        yield pause


def wait_or_give_up(error: MpssError) -> Exception:
    """Give what the task raises where the archive is away or busy: put back, or failed.

    Parameters
    ----------
    error : MpssError
        What the archive did.
    """
    from airflow.sdk import get_current_context
    from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

    patience_s = 3600.0 * open_home().config.archive.patience_h
    context: Any = get_current_context()
    n_waits = int(context.get("task_reschedule_count") or 0)
    pause = next(islice(pauses(patience_s), n_waits, None), None)
    if pause is None:
        return AirflowFailException(
            f"{error} (waited for {patience_s / 60:.0f} minutes: archive.patience_h)"
        )
    waited = sum(islice(pauses(patience_s), n_waits))
    log.warning(
        "%s; the task is tried again in %.0f s (waited for %.0f of %.0f minutes)",
        *(error, pause, waited / 60, patience_s / 60),
    )
    return AirflowRescheduleException(datetime.now(UTC) + timedelta(seconds=pause))
