"""An archive that is away, busy or closed is waited for without a worker slot.

The task is put back (``up_for_reschedule``): it holds neither a worker nor a slot of the PACS pool,
and no try is used up. Pauses grow from one minute to a quarter of an hour; when the task has waited
for ``archive.patience_h`` in all, it fails. What a batch had done before is skipped then.

Where somebody has stopped the traffic, or it is not the hour for it, a task waits as long as that
lasts; such waits use up no patience (they are counted in ``traffic/waits`` of the home: Airflow
keeps one number for all).
"""

from __future__ import annotations

import hashlib
import logging
import time
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpss_airflow.home import open_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpss_lib.errors import ArchiveClosedError, MpssError

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 60.0, 900.0
LOOK_S = 60.0
"""How soon a task looks again whether the archive may be asked."""
KEPT_S = 30 * 86400.0


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
    n_waits = _n_put_back(context) - int(_closed_waits(context).read_text() or 0)
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


def wait_for_opening(error: ArchiveClosedError) -> Exception:
    """Give what the task raises where nobody may talk with the archive now: it is put back."""
    from airflow.sdk import get_current_context
    from airflow.sdk.exceptions import AirflowRescheduleException

    waits = _closed_waits(get_current_context())
    waits.write_text(str(int(waits.read_text() or 0) + 1))
    again = datetime.now(UTC) + timedelta(seconds=LOOK_S)
    if error.until is not None:
        again = max(again, error.until.astimezone(UTC))
    log.warning("%s; the task is tried again at %s", error, again.isoformat(timespec="seconds"))
    return AirflowRescheduleException(again)


def _n_put_back(context: Any) -> int:
    return int(context.get("task_reschedule_count") or 0)


def _closed_waits(context: Any) -> Path:
    """File that counts how often this try was put back because the archive was closed."""
    ti = context["ti"]
    folder = open_home().root / "traffic" / "waits"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in folder.iterdir():
        if time.time() - old.stat().st_mtime > KEPT_S:
            old.unlink(missing_ok=True)
    parts = (ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.try_number)
    path = folder / hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
    path.touch(mode=0o600)
    return path
