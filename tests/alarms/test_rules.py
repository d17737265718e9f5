"""Facts in, alarms out: each fault is found, and a sound home has none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mpss_lib.alarms.facts import Backups, Facts
from mpss_lib.alarms.nights import Orchestra, Run
from mpss_lib.alarms.rules import BLIND, RULES, judge, unknown_rules
from mpss_lib.alarms.studies import NightCounts, Studies, Verdicts, digest_of_run
from mpss_lib.config import Config

NOW = datetime(2026, 3, 20, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def night(k, state="success", **more):
    """The night that ended k days ago."""
    due = datetime(2026, 3, 20, tzinfo=UTC) - k * DAY
    ended = None if state == "running" else due + timedelta(hours=1)
    return Run("mpss_ingest", f"scheduled__{due:%Y%m%d}", state, True, due, due, ended, **more)


def sound(new=(3,) * 60):
    """Sixty green nights with so many new studies, newest first."""
    nights = tuple(night(k) for k in range(len(new)))
    counts = {
        digest_of_run(r.run_id): NightCounts(n, n, 0) for r, n in zip(nights, new, strict=True)
    }
    verdicts = Verdicts(
        {"pass": 18, "review": 2, "hold": 1}, {"pass": 180, "review": 20, "hold": 10}
    )
    return Facts(
        now=NOW,
        orchestra=Orchestra(
            nights, {"mpss_ingest": nights[0]}, frozenset(), frozenset({"mpss_ingest"}), NOW, ()
        ),
        studies=Studies(counts, verdicts, NOW - 200 * DAY),
        free_gb={"/home": 500.0},
        certificates={"us.pem": NOW + 300 * DAY},
        backups=Backups(NOW - 3 * DAY, "/backup"),
        has_services=True,
    )


def with_orchestra(facts, **more):
    return replace(facts, orchestra=replace(facts.orchestra, **more))


def with_nights(facts, *newest):
    nights = (*newest, *facts.orchestra.nights[len(newest) :])
    last = next(run for run in nights if run.has_ended)
    return with_orchestra(facts, nights=nights, last={"mpss_ingest": last})


def set_aside(facts, n, of):
    digest = digest_of_run(facts.orchestra.nights[0].run_id)
    counts = {**facts.studies.nights, digest: NightCounts(of - n, of, n)}
    return replace(facts, studies=replace(facts.studies, nights=counts))


def verdicts(facts, **recent):
    told = Verdicts(recent, facts.studies.verdicts.before)
    return replace(facts, studies=replace(facts.studies, verdicts=told))


FAULTS = {
    "red": (lambda f: with_nights(f, night(0, "failed", failed=("check",))), "run_red:mpss_ingest"),
    "late, at work": (lambda f: with_nights(f, night(0, "running")), "night_late"),
    "late, not begun": (
        lambda f: with_orchestra(f, nights=f.orchestra.nights[1:]),
        "night_late",
    ),
    "late, paused": (
        lambda f: with_orchestra(
            f, nights=f.orchestra.nights[1:], paused=frozenset({"mpss_ingest"})
        ),
        "night_late",
    ),
    "no study": (lambda f: sound((0,) * 5 + (3,) * 55), "no_study"),
    "few studies": (lambda f: sound((0, 0, 1, 0, 1, 0, 0) + (3,) * 53), "few_studies"),
    "quarantine": (lambda f: set_aside(f, 3, 12), "quarantine"),
    "holds": (lambda f: verdicts(f, **{"pass": 15, "hold": 15}), "verdict_drift:hold"),
    "reviews": (lambda f: verdicts(f, **{"pass": 10, "review": 20}), "verdict_drift:review"),
    "no more reviews": (
        lambda f: replace(
            f,
            studies=replace(
                f.studies,
                verdicts=Verdicts({"pass": 60}, {"pass": 120, "review": 60}),
            ),
        ),
        "verdict_drift:review",
    ),
    "disk": (lambda f: replace(f, free_gb={"/home": 9.0, "/b": 99.0}), "disk_low:/home"),
    "certificate ends": (
        lambda f: replace(f, certificates={"us.pem": NOW + 20 * DAY}),
        "certificate:us.pem",
    ),
    "certificate ended": (
        lambda f: replace(f, certificates={"us.pem": NOW - DAY, "ca.pem": NOW + 400 * DAY}),
        "certificate:us.pem",
    ),
    "old backup": (lambda f: replace(f, backups=Backups(NOW - 9 * DAY, "/b")), "backup_old"),
    "no backup": (lambda f: replace(f, backups=Backups(None, "/b")), "backup_old"),
    "receiver": (lambda f: replace(f, receiver="port 104: refused"), "receiver_away"),
    "dead": (lambda f: replace(f, dead=("triggerer",)), "service_dead:triggerer"),
    "silent": (
        lambda f: with_orchestra(f, scheduler_beat=NOW - timedelta(minutes=6)),
        "scheduler_silent",
    ),
    "broken": (
        lambda f: with_orchestra(f, broken=("/x/dags/mpss_ingest.py",)),
        "dag_broken:mpss_ingest.py",
    ),
    "blind": (lambda f: replace(f, studies=None, unknown={"studies": "damaged"}), "blind:studies"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_alarm_with_its_way_out(name):
    plant, key = FAULTS[name]
    [alarm] = judge(plant(sound()), Config())
    assert alarm.key == key
    assert alarm.cause
    assert "`" in alarm.way_out or "put it" in alarm.way_out


def test_every_rule_has_a_fault_here():
    found = {key.partition(":")[0] for _, key in FAULTS.values()}
    assert found == {rule.__name__.lstrip("_") for rule in RULES} | {"blind"}
    assert set(BLIND) >= set().union(*RULES.values())


def test_a_sound_home_has_no_alarm():
    assert judge(sound(), Config()) == []


def test_what_is_young_or_never_began_has_no_alarm():
    new = Facts(now=NOW, orchestra=Orchestra((), {}, frozenset(), frozenset(), None, ()))
    assert judge(new, Config()) == []
    young = replace(sound((3,) * 8), backups=Backups(None, "/b"))
    young = replace(young, studies=replace(young.studies, since=NOW - 7 * DAY))
    assert judge(young, Config()) == []


def test_before_the_deadline_a_night_may_be_at_work():
    early = replace(with_nights(sound(), night(0, "running")), now=NOW.replace(hour=6))
    assert judge(early, Config()) == []


def test_one_study_set_aside_is_no_share():
    assert judge(set_aside(sound(), 1, 2), Config()) == []


def test_rules_without_their_facts_are_named():
    blind = replace(sound(), unknown={"orchestra": "away"})
    assert unknown_rules(blind) == {
        *("run_red", "night_late", "no_study", "few_studies", "quarantine"),
        *("scheduler_silent", "dag_broken"),
    }
    assert [alarm.key for alarm in judge(blind, Config())] == ["blind:orchestra"]


def test_quiet_years_are_quiet():
    """Weekends, holidays of two days, Poisson counts, verdicts by chance: 60 times 30 nights."""
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rate = rng.choice([1.0, 4.0, 12.0])
        mean = [0.0 if k % 7 in (5, 6) else rate for k in range(95)]
        new = rng.poisson(mean).tolist()
        new[10] = new[11] = 0
        new = [max(n, 1) if k % 7 == 0 else n for k, n in enumerate(new)]
        for start in range(30):
            facts = sound(tuple(new[start : start + 60]))
            n_recent = max(sum(new[start : start + 7]), 1)
            recent = rng.multinomial(n_recent, [0.85, 0.1, 0.05])
            before = rng.multinomial(12 * n_recent, [0.85, 0.1, 0.05])
            names = ("pass", "review", "hold")
            told = Verdicts(
                dict(zip(names, recent.tolist(), strict=True)),
                dict(zip(names, before.tolist(), strict=True)),
            )
            facts = replace(facts, studies=replace(facts.studies, verdicts=told))
            found += judge(facts, Config())
    assert [(a.rule, a.cause) for a in found] == []
