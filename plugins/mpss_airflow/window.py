"""The dates that a run asks the PACS for."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any


def window_of(
    run_type: str,
    params: dict[str, Any],
    interval_start: datetime | None,
    run_after: datetime,
    lookback_days: int,
) -> tuple[date, date]:
    """First and last StudyDate that a run asks for, both included.

    Parameters
    ----------
    run_type : str
        Airflow's run type: ``scheduled``, ``backfill``, ``manual``, ...
    params : dict
        ``from`` and ``to`` (ISO dates) override everything; one alone means that one date.
    interval_start : datetime or None
        Start of the data interval, in the site's zone; a manual run may have none.
    run_after : datetime
        When the run became due, in the site's zone.
    lookback_days : int
        Earlier dates that a scheduled run asks for again: late studies and missed nights.

    Returns
    -------
    (date, date)

    Raises
    ------
    WrongArgumentError
        If ``from`` lies after ``to`` or is no date.
    """
    from mpss_lib.errors import WrongArgumentError

    first, last = params.get("from") or params.get("to"), params.get("to") or params.get("from")
    if first:
        try:
            start, end = date.fromisoformat(str(first)), date.fromisoformat(str(last))
        except ValueError as error:
            raise WrongArgumentError(
                f"from={first!r}, to={last!r}: not ISO dates", way_out="write 2026-01-31"
            ) from error
        if start > end:
            raise WrongArgumentError(
                f"from {start} lies after to {end}", way_out="swap the two params"
            )
        return start, end
    night = interval_start.date() if interval_start else run_after.date() - timedelta(days=1)
    if run_type == "scheduled":
        return night - timedelta(days=lookback_days), night
    return night, night
