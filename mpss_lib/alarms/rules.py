"""Which facts are an alarm: one function for each rule, facts in, alarms out; no clock, no disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

from mpss_lib.alarms.alarm import Alarm
from mpss_lib.alarms.facts import Facts
from mpss_lib.alarms.nights import INGEST, Run
from mpss_lib.alarms.studies import digest_of_run
from mpss_lib.alarms.volume import fall_in_volume, shift_of, silent_nights
from mpss_lib.config import Config

SILENCE = timedelta(minutes=5)
"""A scheduler that has said nothing for so long does nothing."""

LEAST_SET_ASIDE = 2
"""One study in quarantine is no share of a night."""

Rule = Callable[[Facts, Config], Iterable[Alarm]]


def judge(facts: Facts, config: Config) -> list[Alarm]:
    """Give what is wrong now, by the rules whose facts are known."""
    found = [
        alarm
        for rule, parts in RULES.items()
        if not facts.unknown.keys() & parts
        for alarm in rule(facts, config)
    ]
    return found + list(_blind(facts))


def unknown_rules(facts: Facts) -> frozenset[str]:
    """Names of the rules that cannot be judged now: their alarms stay as they are."""
    return frozenset(
        rule.__name__.lstrip("_") for rule, parts in RULES.items() if facts.unknown.keys() & parts
    )


def _blind(facts: Facts) -> Iterator[Alarm]:
    for part, reason in facts.unknown.items():
        yield Alarm(
            rule="blind",
            subject=part,
            what=f"{BLIND[part]} cannot be looked at",
            cause=reason,
            way_out="`mpss doctor` says what is wrong with it",
        )


BLIND: Mapping[str, str] = {
    "orchestra": "Airflow's database",
    "studies": "the published snapshot",
    "disk": "the room on the disk",
    "certificates": "a certificate of archive.tls",
    "backups": "the backups",
}


def _run_red(facts: Facts, config: Config) -> Iterator[Alarm]:
    for run in facts.orchestra.last.values() if facts.orchestra else ():
        if run.state == "failed":
            failed = ", ".join(run.failed[:6]) or "no task by itself: it ran out of its time"
            yield Alarm(
                rule="run_red",
                subject=run.dag_id,
                what=f"{run.dag_id} of {_day(run.due_at, config)} is red",
                cause=f"failed: {failed}",
                way_out="open the first failed task: its message names the way out; `mpss"
                " quarantine ls` names studies that stand still; then clear the failed tasks",
                episode=run.run_id,
                page=_page(run),
            )


def _night_late(facts: Facts, config: Config) -> Iterator[Alarm]:
    """Find out whether the night that should have ended by the deadline of today has."""
    orchestra = facts.orchestra
    if orchestra is None or not orchestra.nights:
        return  # no night has ever been: nobody has unpaused the DAG
    zone = ZoneInfo(config.site.timezone)
    local = facts.now.astimezone(zone)
    if local.time() < config.alarm.deadline_time:
        return
    run = next(
        (r for r in orchestra.nights if r.due_at.astimezone(zone).date() == local.date()), None
    )
    if run is not None and run.has_ended:
        return
    if run is not None:
        cause = f"it is {run.state} since {(run.started_at or run.due_at).astimezone(zone):%H:%M}"
    elif INGEST in orchestra.paused:
        cause = f"{INGEST} is paused"
    elif facts.dead:
        cause = f"it was not begun: {', '.join(facts.dead)} ended by itself"
    else:
        cause = "it was not begun" if facts.has_services else "it was not begun: nothing runs here"
    yield Alarm(
        rule="night_late",
        subject="",
        what=f"the night of {local:%Y-%m-%d} is not done at {config.alarm.deadline}",
        cause=cause,
        way_out="`mpss doctor` says what stands still; `mpss up` starts what is dead; a paused DAG"
        " is unpaused by `mpss airflow dags unpause mpss_ingest`",
        episode=f"{local:%Y-%m-%d}",
        page=_page(run) if run else f"/dags/{INGEST}",
    )


def _no_study(facts: Facts, config: Config) -> Iterator[Alarm]:
    n_empty = silent_nights(_new_by_night(facts), config.alarm.no_study_nights)
    if n_empty:
        yield Alarm(
            rule="no_study",
            subject="",
            what="no new study for several nights",
            cause=f"the last {n_empty} nights were green, and the PACS named nothing new",
            way_out="ask whether the scanner is at work; `mpss find FIRST LAST` asks the PACS for"
            " dates again; `pull.modality` and the rights of our AE title decide what it names",
            page=f"/dags/{INGEST}",
        )


def _few_studies(facts: Facts, config: Config) -> Iterator[Alarm]:
    found = fall_in_volume(_new_by_night(facts), config.alarm.fewer_than)
    if found is not None and found.n_now:
        yield Alarm(
            rule="few_studies",
            subject="",
            what="fewer new studies than usual",
            cause=f"{found.n_now} in the last 7 nights, {found.usual:.0f} in a usual week",
            way_out="`mpss reconcile` compares PACS and lake; ask whether a scanner is away",
            page=f"/dags/{INGEST}",
        )


def _quarantine(facts: Facts, config: Config) -> Iterator[Alarm]:
    nights = _ended(facts)
    counts = facts.studies.nights.get(_digest(nights[0])) if facts.studies and nights else None
    if counts is None or counts.n_quarantined < LEAST_SET_ASIDE:
        return
    share = counts.n_quarantined / max(counts.n_worked, 1)
    if share > config.alarm.quarantine_share:
        yield Alarm(
            rule="quarantine",
            subject="",
            what="many studies of a night stand still",
            cause=f"{counts.n_quarantined} of {counts.n_worked} studies of the night of"
            f" {_day(nights[0].due_at, config)} are in quarantine",
            way_out="`mpss quarantine ls` names the reason and the way out of each;"
            " `mpss quarantine retry` tries them again",
            episode=nights[0].run_id,
            page=_page(nights[0]),
        )


def _verdict_drift(facts: Facts, config: Config) -> Iterator[Alarm]:
    if facts.studies is None:
        return
    verdicts = facts.studies.verdicts
    for verdict in ("hold", "review"):
        found = shift_of(verdicts.recent, verdicts.before, verdict, config.alarm.drift)
        if found is not None:
            yield Alarm(
                rule="verdict_drift",
                subject=verdict,
                what=f"the quality check says {verdict} of another share of studies than before",
                cause=f"{found[0]:.0%} in the last 7 days, {found[1]:.0%} in the 90 days before",
                way_out='`mpss sql "from quality.board"` shows the flags; sql/queries/'
                "drift_by_period.sql the metrics by period: a scanner, a protocol or an upgrade"
                " changed",
            )


def _disk_low(facts: Facts, config: Config) -> Iterator[Alarm]:
    for folder, free in facts.free_gb.items():
        if free < config.alarm.min_free_gb:
            yield Alarm(
                rule="disk_low",
                subject=folder,
                what="the disk is nearly full",
                cause=f"{free:.1f} GB are free in {folder}, less than {config.alarm.min_free_gb:g}",
                way_out="make room; `mpss warehouse compact` removes what no reader needs, the days"
                " of [maintenance] say how long each layer is kept",
                urgency="urgent",
            )


def _certificate(facts: Facts, config: Config) -> Iterator[Alarm]:
    for file, end in facts.certificates.items():
        days = (end - facts.now).days
        if end - facts.now < timedelta(days=config.alarm.certificate_days):
            has_ended = end <= facts.now
            yield Alarm(
                rule="certificate",
                subject=file,
                what="a TLS certificate has expired" if has_ended else "a TLS certificate expires",
                cause=f"{file}: {end:%Y-%m-%d}" + ("" if has_ended else f", in {days} days"),
                way_out="have it issued anew and put it in the place of the file; `mpss down` and"
                " `mpss up`, so that the receiver takes it",
                urgency="urgent" if has_ended else "normal",
            )


def _backup_old(facts: Facts, config: Config) -> Iterator[Alarm]:
    days, backups = config.alarm.backup_days, facts.backups
    since = facts.studies.since if facts.studies else None
    if not days or backups is None or (backups.newest is None and since is None):
        return
    oldest = facts.now - timedelta(days=days)
    if backups.newest is not None and backups.newest >= oldest:
        return
    if backups.newest is None and since is not None and since >= oldest:
        return
    told = (
        "there is none" if backups.newest is None else f"the newest is of {backups.newest:%Y-%m-%d}"
    )
    yield Alarm(
        rule="backup_old",
        subject="",
        what=f"no backup for more than {days:g} days",
        cause=f"{told}, in {backups.wanted_in}",
        way_out="`mpss backup create FOLDER`; the weekly one is a task of mpss_maintain, with"
        " maintenance.backup_target: is the DAG unpaused, the folder there?",
        page="/dags/mpss_maintain",
    )


def _receiver_away(facts: Facts, config: Config) -> Iterator[Alarm]:
    if facts.receiver:
        yield Alarm(
            rule="receiver_away",
            subject="",
            what="the receiver of C-MOVE does not answer",
            cause=facts.receiver,
            way_out="`mpss up` starts it; logs/receiver.log says why it ended",
            urgency="urgent",
        )


def _service_dead(facts: Facts, config: Config) -> Iterator[Alarm]:
    for name in facts.dead:
        if name != "receiver":  # it has a rule of its own, which asks its port
            yield Alarm(
                rule="service_dead",
                subject=name,
                what=f"{name} ended by itself",
                cause=f"its process is gone; logs/{name}.log ends with the reason",
                way_out="`mpss up` starts everything of this home again",
                urgency="urgent",
            )


def _scheduler_silent(facts: Facts, config: Config) -> Iterator[Alarm]:
    beat = facts.orchestra.scheduler_beat if facts.orchestra else None
    if not facts.has_services or "scheduler" in facts.dead or beat is None:
        return
    if facts.now - beat > SILENCE:
        yield Alarm(
            rule="scheduler_silent",
            subject="",
            what="the scheduler does nothing",
            cause=f"its process runs; its last heartbeat was {_day(beat, config)}"
            f" {beat.astimezone(ZoneInfo(config.site.timezone)):%H:%M}",
            way_out="`mpss down` and `mpss up`; logs/scheduler.log ends with what it waits for",
            urgency="urgent",
        )


def _dag_broken(facts: Facts, config: Config) -> Iterator[Alarm]:
    for file in facts.orchestra.broken if facts.orchestra else ():
        yield Alarm(
            rule="dag_broken",
            subject=file.rpartition("/")[2],
            what="a DAG file does not import: its DAG does not run",
            cause=file.rpartition("/")[2],
            way_out="`mpss airflow dags list-import-errors` shows why; install the version again",
            urgency="urgent",
        )


RULES: Mapping[Rule, frozenset[str]] = {
    _run_red: frozenset({"orchestra"}),
    _night_late: frozenset({"orchestra"}),
    _no_study: frozenset({"orchestra", "studies"}),
    _few_studies: frozenset({"orchestra", "studies"}),
    _quarantine: frozenset({"orchestra", "studies"}),
    _verdict_drift: frozenset({"studies"}),
    _disk_low: frozenset({"disk"}),
    _certificate: frozenset({"certificates"}),
    _backup_old: frozenset({"backups", "studies"}),
    _receiver_away: frozenset(),
    _service_dead: frozenset(),
    _scheduler_silent: frozenset({"orchestra"}),
    _dag_broken: frozenset({"orchestra"}),
}
"""Rules by the parts of the facts that they rest on; the name of a rule is its function's."""


def _ended(facts: Facts) -> list[Run]:
    """Nights that are over, newest first."""
    return [run for run in facts.orchestra.nights if run.has_ended] if facts.orchestra else []


def _new_by_night(facts: Facts) -> list[int]:
    """Count new studies of each green night, newest first; a red one says nothing of the PACS."""
    if facts.studies is None:
        return []
    return [
        counts.n_new if (counts := facts.studies.nights.get(_digest(run))) else 0
        for run in _ended(facts)
        if run.state == "success"
    ]


def _digest(run: Run) -> str:
    return digest_of_run(run.run_id)


def _day(moment: datetime, config: Config) -> str:
    return f"{moment.astimezone(ZoneInfo(config.site.timezone)):%Y-%m-%d}"


def _page(run: Run) -> str:
    return f"/dags/{run.dag_id}/runs/{quote(run.run_id)}"
