"""Studies that wait for a physician: which, since when, and what brought each of them there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from mpss_lib.clock import now_after
from mpss_lib.quality.consensus import Standing, assigned_to, standing_of
from mpss_lib.quality.review import answers_about
from mpss_lib.sections import ReviewSettings
from mpss_lib.tables import Lake
from mpss_lib.viewing.published import Published
from mpss_lib.warehouse.query_rows import rows_of

MOST = 100
"""Studies of one list: the others follow as these are answered, or by the filters."""
MINE = "mine"

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
    """What of the list is asked for; an empty text lets everything through.

    ``reader``: ``mine`` (dealt to this account), ``second`` or ``third`` (asked after others).
    """

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
            and (self.reader in ("", row["asks"]) or (self.reader == MINE and row["is_mine"]))
        )


@dataclass(frozen=True)
class Worklist:
    """The list of one reader.

    Parameters
    ----------
    rows : list of dict
        Studies for this reader: those dealt to the account first, then those that need a look, the
        longest waiting before others. At most ``MOST``.
    n_listed : int
        Studies that the filters admit, ``rows`` and those after them.
    n_waiting : int
        All studies that wait, filters aside.
    n_elsewhere : int
        Of these, those that this reader has answered: they wait for another one.
    vendors, flags : list of str
        To filter by.
    """

    rows: list[dict[str, Any]]
    n_listed: int
    n_waiting: int
    n_elsewhere: int
    vendors: list[str]
    flags: list[str]

    def after(self, study_key: str) -> list[str]:
        """Keys that come after a study, the list being a ring; all of them for one not in it."""
        keys = [row["study_key"] for row in self.rows]
        at = keys.index(study_key) if study_key in keys else -1
        return [key for key in keys[at + 1 :] + keys[: max(at, 0)] if key != study_key]


def worklist(
    snapshot: Published, lake: Lake, reader: str, filters: Filters, rule: ReviewSettings
) -> Worklist:
    """List what waits for a reader; decisions that no snapshot shows yet count already.

    Parameters
    ----------
    snapshot : Published
    lake : Lake
    reader : str
        Name of the account: what it has answered waits for somebody else.
    filters : Filters
    rule : ReviewSettings
    """
    found = snapshot.once("waiting", _waiting)
    answers = answers_about(lake, [row["study_key"] for row in found])
    standings = {key: standing_of(told, rule) for key, told in answers.items()}
    nobody = standing_of([], rule)
    pairs = [(row, standings.get(row["study_key"], nobody)) for row in found]
    waiting = [(row, standing) for row, standing in pairs if not standing.is_decided]
    open_to = [pair for pair in waiting if not _has_answered(reader, *pair, answers, rule)]
    listed = [
        row
        for row in (_row(row, standing, reader, rule) for row, standing in open_to)
        if filters.admit(row)
    ]
    listed.sort(key=lambda row: not row["is_mine"])
    shown = listed[:MOST]
    return Worklist(
        rows=[row | {"waits": age(row["waits_since"])} for row in shown],
        n_listed=len(listed),
        n_waiting=len(waiting),
        n_elsewhere=len(waiting) - len(open_to),
        vendors=sorted({row["vendor"] for row, _ in waiting}),
        flags=sorted({flag for row, _ in waiting for flag in row["flags"]}),
    )


def _waiting(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    rows = rows_of(connection, _WAITING)
    return [row | {"vendor": row["manufacturer"] or "unknown"} for row in rows]


def _has_answered(
    reader: str,
    row: Mapping[str, Any],
    standing: Standing,
    answers: Mapping[str, Sequence[Mapping[str, Any]]],
    rule: ReviewSettings,
) -> bool:
    """Whether a study that waits has this account's answer: of one reader, the last one."""
    if not standing.readers:
        return False
    last = answers[row["study_key"]][-1]["reviewer"]
    return reader in ((last,) if rule.readers == 1 else standing.readers)


def _row(
    row: Mapping[str, Any], standing: Standing, reader: str, rule: ReviewSettings
) -> dict[str, Any]:
    """Say of a study who has read it and who is asked next; never what was answered."""
    assigned = assigned_to(row["study_key"], standing, rule)
    asks = "third" if standing.is_split else "second" if standing.readers else ""
    return {
        **row,
        "asks": asks,
        "readers": list(standing.readers),
        "n_asked": len(standing.readers) + standing.n_needed,
        "assigned": assigned,
        "is_mine": reader in assigned,
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
