"""A physician's answer: by one click, in the snapshot at once, while others are open."""

import pytest
from fabricated_lake import Builder, fabricate, settings
from mpss_airflow.review import pending_studies, publish_answer, record_answer

from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse
from mpss_lib.warehouse.reader import rows

pytestmark = pytest.mark.airflow


@pytest.fixture
def lake(tmp_path, monkeypatch):
    """A published home in which at least two studies wait for a physician."""
    lake = Lake(tmp_path / "lake")
    build = Builder(lake, settings())
    fabricate(build)
    build.through("s30", "p30")
    build.quality("s30", "review", ("edge",))
    build.flush("another night")
    warehouse.run(lake, settings())
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    monkeypatch.setattr("mpss_airflow.cohort.current_run", lambda: "a run")  # no task is at work
    return lake


def answered(choice, reason):
    """What Airflow hands on after one click: an empty field of the form is None."""
    return {
        "chosen_options": [choice],
        "params_input": {"reason": reason},
        "responded_by_user": {"id": "7", "name": "dr_who"},
    }


def sequence(lake):
    return rows(lake, "select max(sequence) as n from meta.snapshot")[0]["n"]


def test_no_field_of_the_form_must_be_filled_in(dagbag):
    decide = dagbag.dags["mpss_review"].get_task("review.decide")
    assert {name: decide.params.get_param(name).schema["type"] for name in decide.params} == {
        "reason": ["null", "string"]
    }
    decide.params.validate()


@pytest.mark.parametrize("reason", [None, "", "motion"])
def test_an_answer_is_published_while_others_wait(lake, reason):
    first, second = pending_studies()[:2]
    assert record_answer(first, answered("Accept", reason)) == "Accept"
    assert publish_answer(first) == first["study_key"]
    found = rows(
        lake,
        "select decision, reason, reviewer from quality.review where study_key = ?"
        " order by decided_at desc",
        [first["study_key"]],
    )
    assert found[0] == {"decision": "accept", "reason": reason or "", "reviewer": "dr_who"}
    waiting = [study["study_key"] for study in pending_studies()]
    assert first["study_key"] not in waiting
    assert second["study_key"] in waiting


def test_what_the_snapshot_has_is_not_published_again(lake):
    first, second = pending_studies()[:2]
    for study in (first, second):
        record_answer(study, answered("Unsure", None))
    assert publish_answer(first) == first["study_key"]
    before = sequence(lake)
    assert publish_answer(second) is None
    record_answer(second, answered("Later", None))
    assert publish_answer(second) is None
    assert sequence(lake) == before
