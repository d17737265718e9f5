"""What the published snapshot says of nights and verdicts: counts only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mpss_lib.snapshot_file import asking
from mpss_lib.tables import Lake

RECENT = timedelta(days=7)
BEFORE = timedelta(days=90)

_OWN_UNITS = """
    coalesce(len(unit.tables) > 0 and list_has_all(
        ['query_window', 'study', 'clinical', 'review', 'calcium_correction',
         'feature_catalogue'], unit.tables), false)
"""
"""A window, a study that was only named, a registry import, a decision: no pass of a study."""

_NIGHTS = f"""
    select
        run.run_digest,
        count(distinct unit.unit_key) filter (unit.stage = 'pull' and unit.status = 'done')
            as n_new,
        count(distinct unit.unit_key) filter (unit.status != 'skipped') as n_worked,
        count(distinct unit.unit_key) filter (unit.status = 'quarantined') as n_quarantined,
    from meta.unit as unit
    inner join meta.run as run on unit.record = run.record
    where
        unit.stage in (
            'pull', 'intake', 'segmentation', 'quality', 'radiomics', 'gated', 'companions',
            'calcium'
        )
        and not {_OWN_UNITS}
        and run.run_digest in (select unnest(?))
    group by run.run_digest
"""  # noqa: S608 -- constants

_VERDICTS = """
    with judged as (
        select unit.unit_key as study_key, max(run.written_at) as judged_at,
        from meta.unit as unit
        inner join meta.run as run on unit.record = run.record
        where unit.stage = 'quality' and unit.status = 'done'
            and list_contains(unit.tables, 'quality_verdict')
        group by unit.unit_key
    )
    select
        judged.judged_at >= ? as is_recent,
        verdict.verdict,
        count(*) as n,
    from judged
    inner join quality.verdict as verdict on judged.study_key = verdict.study_key
    where judged.judged_at >= ?
    group by all
"""

_OLDEST = "select min(written_at) from meta.run"


@dataclass(frozen=True)
class NightCounts:
    """Studies of one run: new, worked on at any stage, and set aside."""

    n_new: int = 0
    n_worked: int = 0
    n_quarantined: int = 0


@dataclass(frozen=True)
class Verdicts:
    """Verdicts of the last days and of the time before: number by verdict."""

    recent: Mapping[str, int]
    before: Mapping[str, int]


@dataclass(frozen=True)
class Studies:
    """What the snapshot says.

    Parameters
    ----------
    nights : mapping of digest of a run's name to NightCounts
        A run that is not in it had no study.
    verdicts : Verdicts
    since : datetime or None
        Time of the first record, UTC; None in an empty lake.
    """

    nights: Mapping[str, NightCounts]
    verdicts: Verdicts
    since: datetime | None


def digest_of_run(run_id: str) -> str:
    """Digest that the manifest keeps of a run's name."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:16]


def read_studies(lake: Lake, run_ids: Iterable[str], now: datetime) -> Studies:
    """Ask the published snapshot; an unpublished lake has nothing to say.

    Parameters
    ----------
    lake : Lake
    run_ids : iterable of str
        Names of the nights.
    now : datetime
        UTC.

    Raises
    ------
    PlatformFaultError
        The snapshot cannot be read.
    """
    if not lake.snapshot.is_file():
        return Studies({}, Verdicts({}, {}), None)
    digests = [digest_of_run(run_id) for run_id in run_ids]
    plain = now.replace(tzinfo=None)
    with asking(lake.snapshot) as snapshot:
        nights = snapshot.execute(_NIGHTS, [digests]).fetchall()
        verdicts = snapshot.execute(_VERDICTS, [plain - RECENT, plain - RECENT - BEFORE]).fetchall()
        oldest = snapshot.execute(_OLDEST).fetchall()
    counted: dict[bool, dict[str, int]] = {True: {}, False: {}}
    for is_recent, verdict, n in verdicts:
        counted[bool(is_recent)][str(verdict)] = int(n)
    first = oldest[0][0]
    return Studies(
        {str(row[0]): NightCounts(*map(int, row[1:])) for row in nights},
        Verdicts(counted[True], counted[False]),
        None if first is None else first.replace(tzinfo=now.tzinfo),
    )
