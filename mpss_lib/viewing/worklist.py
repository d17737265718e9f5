"""Studies that wait for a physician: which, since when, and what brought each of them there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mpss_lib.clock import now_after
from mpss_lib.quality.review import latest_decisions
from mpss_lib.tables import Lake
from mpss_lib.viewing.published import Published
from mpss_lib.warehouse.query_rows import rows_of

MOST = 500
"""Studies of one list; the filters lead to the others."""
SECOND_READER = "unsure"

_WAITING = """\
with waiting as (
    select * from quality.board where is_awaiting_review
),

since as (
    select
        unit_key as study_key,
        max(last_named_at) as waits_since,
    from meta.lineage
    where table_name = 'quality_verdict' and unit_key in (select study_key from waiting)
    group by unit_key
),

broken as (
    select
        study_key,
        list(
            {'metric': metric, 'flag': flag, 'value': value, 'review_low': review_low,
            'review_high': review_high, 'hold_low': hold_low, 'hold_high': hold_high}
            order by metric
        ) as broken,
    from quality.metric
    where flag in ('review', 'hold') and study_key in (select study_key from waiting)
    group by study_key
)

select
    waiting.study_key,
    waiting.verdict,
    waiting.flags,
    waiting.segmentation_flags,
    waiting.manufacturer,
    waiting.scanner_model,
    waiting.acquired_period,
    waiting.last_decision,
    waiting.last_reason,
    waiting.last_reviewer,
    since.waits_since,
    coalesce(broken.broken, []) as broken,
from waiting
left join since
    on waiting.study_key = since.study_key
left join broken
    on waiting.study_key = broken.study_key
order by
    list_position(['review', 'pass'], waiting.verdict),
    since.waits_since,
    waiting.study_key
"""


@dataclass(frozen=True)
class Filters:
    """What of the list is asked for; an empty text lets everything through."""

    verdict: str = ""
    vendor: str = ""
    flag: str = ""
    reader: str = ""

    def admit(self, row: Mapping[str, Any]) -> bool:
        """Whether a study of the list passes."""
        return (
            self.verdict in ("", row["verdict"])
            and self.vendor in ("", row["vendor"])
            and self.flag in ("", *row["flags"], *row["segmentation_flags"])
            and (self.reader != "second" or row["is_for_second"])
        )


@dataclass(frozen=True)
class Worklist:
    """The list of one reader.

    Parameters
    ----------
    rows : list of dict
        Studies for this reader, those that need a look first, the longest waiting before others.
    n_waiting : int
        All studies that wait, filters aside.
    n_elsewhere : int
        Of these, those that this reader was unsure about: they wait for another one.
    vendors, flags : list of str
        To filter by.
    """

    rows: list[dict[str, Any]]
    n_waiting: int
    n_elsewhere: int
    vendors: list[str]
    flags: list[str]

    def after(self, study_key: str) -> list[str]:
        """Keys that come after a study, the list being a ring; all of them for one not in it."""
        keys = [row["study_key"] for row in self.rows]
        at = keys.index(study_key) if study_key in keys else -1
        return [key for key in keys[at + 1 :] + keys[: max(at, 0)] if key != study_key]


def worklist(snapshot: Published, lake: Lake, reader: str, filters: Filters) -> Worklist:
    """List what waits for a reader; decisions that no snapshot shows yet count already.

    Parameters
    ----------
    snapshot : Published
    lake : Lake
    reader : str
        Name of the account: what it was unsure about waits for somebody else.
    filters : Filters
    """
    found = snapshot.once("waiting", lambda connection: rows_of(connection, _WAITING))
    keys = [row["study_key"] for row in found]
    decided = latest_decisions(lake, keys)
    waiting = [
        _row(row, decided.get(row["study_key"])) for row in found if not _is_done(row, decided)
    ]
    mine = [row for row in waiting if not (row["is_for_second"] and row["last_reviewer"] == reader)]
    return Worklist(
        rows=[row for row in mine if filters.admit(row)][:MOST],
        n_waiting=len(waiting),
        n_elsewhere=len(waiting) - len(mine),
        vendors=sorted({row["vendor"] for row in waiting}),
        flags=sorted({flag for row in waiting for flag in row["flags"]}),
    )


def _is_done(row: Mapping[str, Any], decided: Mapping[str, Mapping[str, Any]]) -> bool:
    last = decided.get(row["study_key"])
    return last is not None and last["decision"] != SECOND_READER


def _row(row: Mapping[str, Any], last: Mapping[str, Any] | None) -> dict[str, Any]:
    told = dict(row)
    if last is not None:
        told |= {f"last_{name}": last[name] for name in ("decision", "reason", "reviewer")}
    return told | {
        "vendor": row["manufacturer"] or "unknown",
        "is_for_second": told["last_decision"] == SECOND_READER,
        "waits": age(row["waits_since"]),
    }


def age(since: datetime | None) -> str:
    """Say in words how long something waits; times of the snapshot are UTC."""
    if since is None:
        return ""
    passed: timedelta = now_after(None).replace(tzinfo=None) - since
    hours = int(passed.total_seconds() // 3600)
    if hours < 1:
        return "under 1 h"
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
