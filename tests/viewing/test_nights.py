"""What a night did and how long it took, held against the ones before."""

from datetime import UTC, datetime, timedelta

from mpss_lib.viewing import cohort, nights
from mpss_lib.viewing.nights import Night, Task, digest_of_run, durations, said
from mpss_lib.viewing.published import published

AT = datetime(2026, 3, 1, tzinfo=UTC)


def night(state="success", **seconds):
    tasks = [Task(name, value, {"success": 2}) for name, value in seconds.items()]
    return Night("r", state, AT, AT + timedelta(minutes=5), tasks)


def test_a_task_is_slow_against_the_median_of_sound_nights():
    before = [night(check=10.0), night(check=100.0), night(check=40.0), night("failed", check=1.0)]
    (found,) = durations(night(check=79.0), before)
    assert (found["usual"], found["is_slow"]) == (40.0, False)
    assert durations(night(check=81.0), before)[0]["is_slow"]
    assert not durations(night(check=25.0), [night(check=1.0)])[0]["is_slow"]  # 24 s are nothing
    assert durations(night(check=5.0), [])[0]["usual"] is None


def test_failed_instances_are_counted_with_what_they_stopped():
    assert Task("x", 1.0, {"failed": 1, "upstream_failed": 2, "success": 3}).failed == 3
    assert Night("r", "running", AT, None).seconds is None


def test_durations_are_words():
    words = [said(one) for one in (None, 1.26, 45, 100, 3540, 7300)]
    assert words == ["", "1.3 s", "45 s", "2 min", "59 min", "2 h 2 min"]


def test_each_study_of_a_run_counts_once_a_stage(shown):
    with published(shown.lake) as snapshot:
        counts = nights.counts_of(snapshot)[digest_of_run("night")]
        stands = nights.standing(snapshot)
    assert counts["found"] == counts["pulled"] == 6
    assert counts["measured"] == 6
    assert counts["published"] == 6
    assert (counts["rejected"], counts["held"]) == (0, 0)
    (row,) = stands["quarantine"]
    assert (row["stage"], row["n_studies"], row["way_out"]) == ("intake", 1, "mend it")
    assert stands["upstream"] == []


def test_the_cohorts_tables_are_their_questions(shown):
    with published(shown.lake) as snapshot:
        found = {one["name"]: one for one in cohort.tables(snapshot)}
    flow = found["cohort_flow"]["rows"]
    assert sum(row["n_studies"] for row in flow) == 6
    assert set(found) == {one.name for one in cohort.TABLES}
