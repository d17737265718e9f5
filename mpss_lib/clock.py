"""Time that never goes back where an order hangs on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


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
