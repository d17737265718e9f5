"""Time that never goes back where an order hangs on it, and the day of a site."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def now_after(last: datetime | None) -> datetime:
    """Time by the clock, or a microsecond after ``last`` where the clock was set back.

    Parameters
    ----------
    last : datetime or None
        Time of what must come before, with time zone; None where there is nothing yet.

    Returns
    -------
    datetime
        UTC.
    """
    now = datetime.now(UTC)
    return now if last is None else max(now, last.astimezone(UTC) + timedelta(microseconds=1))


def today(zone: str) -> date:
    """Day that it is now in a time zone (``site.timezone``)."""
    return datetime.now(ZoneInfo(zone)).date()
