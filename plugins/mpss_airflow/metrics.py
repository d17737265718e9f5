"""What a run tells a monitor, by Airflow's own switch (``[metrics] otel_on``): counts, times, ages.

Off by default, and then nothing is sent. `mpss up` switches it on where the environment names a
collector (``OTEL_EXPORTER_OTLP_ENDPOINT``). Airflow puts ``airflow.`` before each name. No label
names a study.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpss_lib.runtime.home import Home

OUTCOMES = ("done", "skipped", "rejected", "quarantined")

METRICS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "mpss.studies": ("counter", ("stage", "outcome")),
    "mpss.stage.duration": ("timer", ("stage",)),
    "mpss.quarantine": ("gauge", ("stage",)),
    "mpss.waiting": ("gauge", ()),
    "mpss.snapshot.studies": ("gauge", ()),
    "mpss.snapshot.included": ("gauge", ()),
    "mpss.snapshot.published": ("gauge", ()),
}
"""Name -> kind and labels: studies of each batch by stage and outcome; milliseconds of a batch;
studies in quarantine; studies that wait for a physician; studies of the snapshot, those in the
cohort, and when it was published (seconds since 1970)."""

STAGES = (
    *("pull", "intake", "segmentation", "quality", "radiomics", "gated", "companions", "calcium"),
    "publication",
)


def of_stage(stage: str, counts: Mapping[str, int], seconds: float) -> None:
    """Tell what a stage did with a batch, and how long it took."""
    from airflow.sdk.observability import stats

    for outcome in OUTCOMES:
        if counts[outcome]:
            tags = {"stage": stage, "outcome": outcome}
            stats.incr("mpss.studies", counts[outcome], tags=tags)
    stats.timing("mpss.stage.duration", 1000.0 * seconds, tags={"stage": stage})


def of_snapshot(home: Home, counts: Mapping[str, int]) -> None:
    """Tell how the home is once a snapshot was published."""
    from airflow.sdk.observability import stats

    from mpss_lib.snapshot_file import asking

    with asking(home.lake.snapshot) as snapshot:
        [(waiting,)] = snapshot.execute("select count(*) from quality.awaiting_review").fetchall()
    held = Counter(str(row["stage"]) for row in home.lake.quarantined())
    for stage in STAGES:
        stats.gauge("mpss.quarantine", held[stage], tags={"stage": stage})
    stats.gauge("mpss.waiting", int(waiting))
    stats.gauge("mpss.snapshot.studies", counts["studies"])
    stats.gauge("mpss.snapshot.included", counts["included"])
    stats.gauge("mpss.snapshot.published", time.time())
