"""The lake of a home: snapshot, what stands still, what waits, what is out of date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from mpss_lib.doctor.finding import Finding, Subject, mpss
from mpss_lib.errors import MovedHomeError, PlatformFaultError
from mpss_lib.pull.vault import Vault
from mpss_lib.purge.journal import unfinished
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.cluster.shared_lake import faults_of, mount_of
from mpss_lib.snapshot_file import asking
from mpss_lib.tables import Lake
from mpss_lib.upstream import noted
from mpss_lib.warehouse.meta import META_NAMES
from mpss_lib.warehouse.relations import read_relations
from mpss_lib.warehouse.stage import shown_otherwise

UNPUBLISHED = timedelta(days=1)
CLOCK = timedelta(minutes=5)
_SHOWN = "select schema_name || '.' || relation_name from meta.relation"
_TIMES = "select published_at from meta.snapshot"


def snapshot(subject: Subject) -> Iterator[Finding]:
    """Look whether the snapshot can be read, is of this version, and shows what was written."""
    lake, rebuild = Lake(subject.root / "lake"), mpss(subject, "warehouse", "rebuild")
    last = _last_record(lake)
    if last is None:
        return  # an empty lake
    now = datetime.now(UTC)
    if last > now + CLOCK:
        yield Finding(
            "clock",
            f"the newest record is of {last:%Y-%m-%d %H:%M} UTC, the clock says {now:%H:%M}",
            "timedatectl set-ntp true",
            advice="no order hangs on the clock, the times that are told do",
        )
    if not lake.snapshot.is_file():
        yield Finding("snapshot", "nothing is published yet", rebuild, is_safe=True)
        return
    try:
        with asking(lake.snapshot) as found:
            names = {str(row[0]) for row in found.execute(_SHOWN).fetchall()}
            published = found.execute(_TIMES).fetchall()[0][0].replace(tzinfo=UTC)
    except MovedHomeError:
        what = "the home was copied or moved: the snapshot names the files of the other place"
        yield Finding("snapshot", what, rebuild, is_safe=True)
        return
    except PlatformFaultError as error:
        yield Finding("snapshot", error.problem, rebuild, is_safe=True)
        return
    wanted = {one.full_name for one in read_relations(base=META_NAMES)}
    if missing := sorted(wanted - names):
        told = ", ".join(missing[:4])
        what = f"the snapshot is of another version: {len(missing)} relations lack ({told})"
        yield Finding("snapshot", what, rebuild, level="warning", is_safe=True)
    elif last - published > UNPUBLISHED:
        what = (
            f"what was written until {last:%Y-%m-%d} is not in the snapshot of {published:%Y-%m-%d}"
        )
        yield Finding("snapshot", what, rebuild, level="warning", is_safe=True)


def _last_record(lake: Lake) -> datetime | None:
    """Time of the newest record, by the names of the records: no file is read."""
    names = (path.stem for path in (lake.root / "manifest").glob("*/*.json"))
    times = []
    for name in names:
        text = name.partition("-")[2].rpartition("-")[0]
        try:
            times.append(datetime.strptime(text, "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC))
        except ValueError:  # a record of a version before, with another name
            continue
    return max(times, default=None)


def quarantine(subject: Subject) -> Iterator[Finding]:
    """Name the studies that stand still, by stage and error."""
    rows = Lake(subject.root / "lake").quarantined()
    counts = Counter((row["stage"], row["error"]) for row in rows)
    for (stage, error), n in counts.most_common(12):
        [first, *_] = [r for r in rows if (r["stage"], r["error"]) == (stage, error)]
        yield Finding(
            "quarantine",
            f"{n} studies stand still at {stage} ({error})",
            mpss(subject, "quarantine", "retry"),
            level="warning",
            advice=str(first["way_out"]),
        )


def differences(subject: Subject) -> Iterator[Finding]:
    """Name what the archive has otherwise, and nobody has answered."""
    found = [one for one in noted(Lake(subject.root / "lake")) if not one.is_accepted]
    counts = Counter(one.kind for one in found)
    for kind, n in sorted(counts.items()):
        keys = [one.study_key for one in found if one.kind == kind]
        can_accept = kind in ("deleted", "extra", "corrected")
        command = mpss(subject, *(("accept", *keys[:50]) if can_accept else ("reconcile",)))
        yield Finding(
            "upstream",
            f"{n} studies that the PACS has otherwise: {kind}",
            command,
            level="warning",
            advice=next(one.way_out for one in found if one.kind == kind),
        )


def shared(subject: Subject) -> Iterator[Finding]:
    """Look whether the lake of a cluster lies where several hosts may share it."""
    airflow = AirflowHome.load(subject.root)
    if airflow is None or airflow.shape is None:
        return
    mount = mount_of(subject.root / "lake")
    for fault in faults_of(mount):
        yield Finding(
            "lake",
            f"the lake lies on {mount.kind}: {fault}",
            level="warning",
            advice="docs/how-to/cluster.md says what several hosts need; `mpss cluster lock-trial`"
            " tries it. One host alone may go on",
        )


def purges(subject: Subject) -> Iterator[Finding]:
    """Name purges that were interrupted."""
    if subject.home is None or not subject.home.sites.vault.exists():
        return
    for row in unfinished(Vault(subject.home.sites.vault)):
        yield Finding(
            "purge",
            f"a purge begun {row['begun_at'][:16]} stands at {row['phase']!r}",
            advice="run the same `mpss purge` again: it goes on from there",
        )


def out_of_date(subject: Subject) -> Iterator[Finding]:
    """Name stages whose published version is not that of the settings."""
    if subject.home is None or not subject.home.lake.snapshot.is_file():
        return
    stages = shown_otherwise(subject.home.lake, subject.home.config)
    if stages:
        yield Finding(
            "settings",
            f"published by other settings than those in force: {', '.join(stages)}",
            mpss(subject, "recompute", "--activate"),
            level="warning",
            advice="`mpss recompute --dry-run` says what it would take",
        )
