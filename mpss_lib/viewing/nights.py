"""Nights: what each did with its studies, how long it took against the usual, what stands still."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from mpss_lib.batch import CHAIN
from mpss_lib.viewing.published import Published
from mpss_lib.warehouse.query_rows import rows_of

STAGES = (*CHAIN, "publication")
TASKS = {
    "find_studies": "find",
    "batch.fetch": "pull",
    "batch.intake": "intake",
    "batch.segmentation": "segmentation",
    "batch.quality": "quality",
    "batch.radiomics": "radiomics",
    "batch.gated": "gated",
    "batch.companions": "companions",
    "batch.calcium": "calcium",
}
"""Tasks of ``mpss_ingest`` that are stages; the others keep their names."""

SLOW, SLOW_S = 2.0, 30.0
"""A task that took this many times its usual seconds, and so many seconds, is said to be slow."""

_COUNTS = """\
with units as (
    select
        run.run_digest,
        unit.stage,
        unit.unit_key,
        unit.status,
        unit.tables,
    from meta.unit as unit
    inner join meta.run as run
        on unit.record = run.record
    where not list_has_any(unit.tables, [
        'query_window', 'clinical', 'review', 'calcium_correction'
    ])
    qualify row_number() over (
        partition by run.run_digest, unit.stage, unit.unit_key
        order by run."sequence" desc
    ) = 1
)

select
    units.run_digest,
    count(*) filter (units.stage = 'pull') as found,
    count(*) filter (
        units.stage = 'pull'
        and units.status in ('done', 'skipped')
        and (units.status = 'skipped' or list_contains(units.tables, 'instance'))
    ) as pulled,
    count(*) filter (units.status = 'rejected') as rejected,
    count(*) filter (units.status = 'quarantined') as quarantined,
    count(*) filter (units.stage = 'quality' and verdict.verdict = 'hold') as held,
    count(*) filter (
        units.stage = 'radiomics' and units.status in ('done', 'skipped')
    ) as measured,
    count(*) filter (
        units.stage = 'publication' and units.status in ('done', 'skipped')
    ) as published,
from units
left join quality.verdict as verdict
    on
        units.stage = 'quality'
        and units.unit_key = verdict.study_key
group by units.run_digest
"""

_STANDING = """\
select
    stage,
    problem,
    way_out,
    count(*) as n_studies,
    max(tries) as tries,
    list(study_key order by study_key)[:50] as study_keys,
from meta.quarantine
group by stage, problem, way_out
order by
    list_position(
        ['pull', 'intake', 'segmentation', 'quality', 'radiomics', 'gated', 'companions',
         'calcium'],
        stage
    ),
    problem
"""

_UPSTREAM = """\
select study_key, kind, detail, way_out
from meta.upstream
where not is_accepted
order by kind, study_key
"""

NOTHING: Mapping[str, int] = dict.fromkeys(
    ("found", "pulled", "rejected", "quarantined", "held", "measured", "published"), 0
)


@dataclass(frozen=True)
class Task:
    """All instances of one task in one night: seconds of their work, and their states."""

    name: str
    seconds: float
    states: Mapping[str, int]
    start: datetime | None = None
    end: datetime | None = None

    @property
    def failed(self) -> int:
        """Instances that failed, or could not begin because another did."""
        return self.states.get("failed", 0) + self.states.get("upstream_failed", 0)


@dataclass(frozen=True)
class Night:
    """One run of ``mpss_ingest`` as Airflow knows it."""

    run_id: str
    state: str
    start: datetime | None
    end: datetime | None
    tasks: Sequence[Task] = ()
    counts: Mapping[str, int] = field(default_factory=lambda: NOTHING)

    @property
    def seconds(self) -> float | None:
        """From its start to its end; None while it runs."""
        if self.start is None or self.end is None:
            return None
        return (self.end - self.start).total_seconds()


def counts_of(snapshot: Published) -> dict[str, dict[str, int]]:
    """Count what became of the studies of each run, by the digest of the run's name."""
    found = snapshot.once("nights", lambda asked: rows_of(asked, _COUNTS))
    return {row["run_digest"]: {name: row[name] for name in NOTHING} for row in found}


def digest_of_run(run_id: str) -> str:
    """Digest under which the lake keeps a run: never its name, which tells a true date."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:16]


def durations(night: Night, others: Sequence[Night]) -> list[dict[str, Any]]:
    """Hold the tasks of a night against their usual seconds.

    Parameters
    ----------
    night : Night
    others : sequence of Night
        Those before; only the ones that succeeded say what is usual.

    Returns
    -------
    list of dict
        ``stage``, ``n``, ``failed``, ``seconds``, ``usual`` (median; None where no night before
        succeeded), ``is_slow``.
    """
    sound = [
        {task.name: task.seconds for task in one.tasks} for one in others if one.state == "success"
    ]
    found = []
    for task in night.tasks:
        before = [seconds[task.name] for seconds in sound if task.name in seconds]
        usual = median(before) if before else None
        found.append(
            {
                "stage": TASKS.get(task.name, task.name),
                "task": task.name,
                "n": sum(task.states.values()),
                "failed": task.failed,
                "states": dict(task.states),
                "seconds": task.seconds,
                "usual": usual,
                "is_slow": usual is not None and task.seconds > max(SLOW * usual, usual + SLOW_S),
            }
        )
    return found


def standing(snapshot: Published) -> dict[str, list[dict[str, Any]]]:
    """Give what stands still: quarantined studies by cause, and what the archive has otherwise."""
    return {
        "quarantine": rows_of(snapshot.connection, _STANDING),
        "upstream": rows_of(snapshot.connection, _UPSTREAM),
    }


def said(seconds: float | None) -> str:
    """Say a duration: 45 s, 12 min, 3 h 5 min."""
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
