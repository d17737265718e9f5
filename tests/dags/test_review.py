"""A physician's answer: by one click, in the snapshot at once, while others are open."""

from datetime import UTC, datetime, timedelta

import pytest
from fabricated_lake import Builder, fabricate, settings
from mpss_airflow.review import (
    announce,
    decide,
    forms_to_close,
    pending_studies,
    publish_answers,
    record_answer,
)
from pages_server import tell_dags

from mpss_lib.quality.review import reviews_of
from mpss_lib.tables import Lake
from mpss_lib.viewing.words import REJECT_REASONS
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


def answered(choice, reason, responded_at=None):
    """What Airflow hands on after one click: an empty field of the form is None."""
    return {
        "chosen_options": [choice],
        "params_input": {"reason": reason},
        "responded_at": responded_at or datetime.now(UTC).isoformat(),
        "responded_by_user": {"id": "7", "name": "dr_who"},
    }


def sequence(lake):
    return rows(lake, "select max(sequence) as n from meta.snapshot")[0]["n"]


def test_no_field_of_the_form_must_be_filled_in(dagbag):
    decide = dagbag.dags["mpss_review"].get_task("review.decide")
    kinds = {name: decide.params.get_param(name).schema["type"] for name in decide.params}
    assert kinds == {name: ["null", "string"] for name in ("artefact", "reason")}
    decide.params.validate()
    assert decide.params.get_param("artefact").schema["enum"] == [None, *REJECT_REASONS]


def test_an_answer_wakes_the_one_that_publishes(dagbag):
    record = dagbag.dags["mpss_review"].get_task("review.record_review")
    (told,) = dagbag.dags["mpss_answers"].timetable.asset_condition.objects
    assert [(one.name, one.uri) for one in record.outlets] == [(told.name, told.uri)]


@pytest.mark.parametrize("reason", [None, "", "motion"])
def test_an_answer_is_published_while_others_wait(lake, reason):
    first, second = pending_studies()[:2]
    assert record_answer(first, answered("Accept", reason)) == "Accept"
    assert publish_answers() == [first["study_key"]]
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
    assert publish_answers() == sorted(study["study_key"] for study in (first, second))
    before = sequence(lake)
    assert publish_answers() == []
    record_answer(second, answered("Later", None))
    assert publish_answers() == []
    assert sequence(lake) == before


def decisions(lake, study):
    return [(row["decision"], row["reason"]) for row in reviews_of(lake, study["study_key"])]


def test_page_and_form_of_one_answer_are_one_decision(lake):
    (study,) = pending_studies()[:1]
    decide(study["study_key"], "accept", "", "dr_who")
    form = answered("Accept", None)  # the page answers the form at once
    decide(study["study_key"], "reject", "motion", "dr_who")  # then it is corrected
    record_answer(study, form)  # the form's task comes last
    assert decisions(lake, study) == [("accept", ""), ("reject", "motion")]
    decide(study["study_key"], "reject", "motion", "dr_who")
    assert len(decisions(lake, study)) == 2
    decide(study["study_key"], "reject", "motion", "dr_other")
    assert len(decisions(lake, study)) == 3


def test_the_same_answer_of_a_later_day_is_another_decision(lake):
    (study,) = pending_studies()[:1]
    decide(study["study_key"], "accept", "", "dr_who")
    decide(study["study_key"], "reject", "", "dr_who")
    later = datetime.now(UTC) + timedelta(days=1)
    record_answer(study, answered("Accept", None, later.isoformat()))
    assert [kind for kind, _ in decisions(lake, study)] == ["accept", "reject", "accept"]


def test_the_form_shows_the_picture_and_names_nobody(lake):
    study = pending_studies()[0]
    assert f"](/mpss/studies/{study['study_key']}/montage.png)" in study["body"]
    fields = {"artefact": "motion", "reason": "one frame"}
    record_answer(study, answered("Reject", None) | {"params_input": fields})
    assert decisions(lake, study) == [("reject", "motion: one frame")]


def test_each_of_two_readers_has_a_form_and_blind_ones_the_page_alone(lake, tmp_path):
    settings = tmp_path / "mpss.toml"
    settings.write_text("[review]\nreaders = 2\n")
    assert pending_studies() == []
    settings.write_text("[review]\nreaders = 2\nblind = false\nassigned = ['dr_a', 'dr_who']\n")
    first = pending_studies()[0]
    key = first["study_key"]

    def asked():
        return [one["subject"] for one in pending_studies() if one["study_key"] == key]

    assert [text.partition(", ")[2] for text in asked()] == ["reader 1 of 2", "reader 2 of 2"]
    assert all(name in first["body"] for name in ("dr_a", "dr_who"))
    record_answer(first, answered("Accept", None))
    assert forms_to_close(key, "dr_who") == "one"
    assert asked() == [first["subject"].partition(",")[0]]
    decide(key, "accept", "", "dr_a")
    assert asked() == []
    assert forms_to_close(key, "dr_a") == "all"
    decide(key, "accept", "", "dr_who")  # said again: nothing is new
    assert len(decisions(lake, first)) == 2
    decide(key, "reject", "", "dr_who")
    assert forms_to_close(key, "dr_who") == "none"
    settings.write_text("[review]\nreaders = 2\n")
    assert publish_answers() == [key]
    (told,) = rows(
        lake, "select decision, n_readers from quality.decision where study_key = ?", [key]
    )
    assert told == {"decision": "undecided", "n_readers": 2}


def test_an_answer_of_a_page_queues_one_run_however_many_there_are(airflow_database):
    from airflow.models.asset import AssetDagRunQueue, AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    tell_dags(["mpss_answers"])
    with create_session() as session:
        before = session.scalar(select(func.count()).select_from(AssetEvent))
    assert [announce() for _ in range(3)] == [True] * 3
    with create_session() as session:
        assert session.scalar(select(func.count()).select_from(AssetEvent)) == before + 3
        queued = session.scalars(
            select(AssetDagRunQueue).where(AssetDagRunQueue.target_dag_id == "mpss_answers")
        ).all()
        assert len(queued) == 1
        session.delete(queued[0])
