"""Alarms as findings: what is wrong now by their rules, and what nobody was told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mpss_lib.alarms import Facts, judge
from mpss_lib.alarms.delivery import channels
from mpss_lib.alarms.store import read_ledger
from mpss_lib.doctor.finding import Finding, Subject, mpss, quoted

ELSEWHERE = frozenset({"service_dead", "receiver_away", "dag_broken", "quarantine", "blind"})
"""Rules whose facts another check of the doctor names with its own command."""


def wrong_now(subject: Subject, facts: Facts) -> Iterator[Finding]:
    """Judge the facts by the rules of the alarms."""
    for alarm in judge(facts, subject.config):
        if alarm.rule not in ELSEWHERE:
            yield Finding(
                alarm.rule,
                f"{alarm.what}: {alarm.cause}",
                _command(subject, alarm.rule, alarm.subject),
                level="warning" if alarm.urgency == "normal" else "fault",
                advice=alarm.way_out,
            )


def _command(subject: Subject, rule: str, about: str) -> str:
    if rule == "backup_old":
        target = subject.config.maintenance.backup_target
        folder = Path(target) if target else subject.root.with_name(f"{subject.root.name}-backup")
        return (
            f"mkdir -p -m 700 {quoted(folder)} && {mpss(subject, 'backup', 'create', str(folder))}"
        )
    commands = {
        "run_red": ("airflow", "tasks", "clear", "--only-failed", "--yes", about),
        "night_late": ("up",),
        "scheduler_silent": ("up",),
        "disk_low": ("warehouse", "compact"),
        "few_studies": ("reconcile",),
        "no_study": ("reconcile",),
        "verdict_drift": ("sql", "from quality.board"),
    }
    return mpss(subject, *commands[rule]) if rule in commands else ""


def undelivered(subject: Subject) -> Iterator[Finding]:
    """Name channels that do not take messages; and that there is none."""
    waiting = [one for one in read_ledger(subject.root).waiting if one.tries]
    for channel in sorted({one.channel for one in waiting}):
        kept = [one for one in waiting if one.channel == channel]
        yield Finding(
            "alarms",
            f"{len(kept)} messages were not taken by {channel}: {kept[-1].problem}",
            mpss(subject, "alarm", "check"),
            advice="correct [alarm] in mpss.toml; `mpss alarm test` tries it",
        )
    if not channels(subject.config.alarm):
        yield Finding(
            "alarms",
            "nobody is told of an alarm",
            level="warning",
            advice="write alarm.mail_to or alarm.webhooks in mpss.toml, then `mpss alarm test`",
        )
