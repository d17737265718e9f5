"""Airflow's part: which runs are at work, and that it speaks JSON whatever its libraries print."""

from __future__ import annotations

import os
import warnings

import pytest

from mpss_lib.errors import PlatformFaultError
from mpss_lib.runtime.orchestrator import Airflow

pytestmark = pytest.mark.airflow


@pytest.fixture
def run(airflow_database):
    """A run with task instances in given states; gone after the test."""
    from airflow.utils.session import create_session
    from sqlalchemy import text

    def make(run_state, *states):
        with create_session() as session:
            session.execute(
                text(
                    "insert into dag_run (dag_id, run_id, run_type, state, run_after, queued_at)"
                    " values ('mpss_review', 'r1', 'manual', :state, '2026-11-22', '2026-11-22')"
                ),
                {"state": run_state},
            )
            known = session.execute(text("pragma table_info(task_instance)")).all()
            needed = dict.fromkeys((row[1] for row in known if row[3] and row[4] is None), 0)
            for index, state in enumerate(states):
                values = needed | {
                    "id": f"{index:032x}",
                    "dag_id": "mpss_review",
                    "run_id": "r1",
                    "task_id": "review.decide",
                    "map_index": index,
                    "state": state,
                    "pool": "default_pool",
                }
                places = ", ".join(f":{name}" for name in values)
                session.execute(
                    text(f"insert into task_instance ({', '.join(values)}) values ({places})"),
                    values,
                )

    yield make
    with create_session() as session:
        session.execute(text("delete from task_instance where run_id = 'r1'"))
        session.execute(text("delete from dag_run where run_id = 'r1'"))


@pytest.mark.parametrize(
    ("run_state", "states", "is_working"),
    [
        ("running", ["awaiting_input", None, "success"], False),
        ("running", ["awaiting_input", "running"], True),
        ("running", ["awaiting_input", "up_for_retry"], True),
        ("running", [None], True),
        ("queued", [], True),
        ("success", ["success"], False),
    ],
)
def test_only_a_run_that_waits_for_a_person_may_stay_open(run_state, states, is_working, run):
    from mpss_airflow.purge import working

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(run_state, *states)
        assert working() == {"runs": ["mpss_review"] if is_working else []}


def test_the_part_answers_as_a_program(airflow_database):
    places = Airflow(dict(os.environ)).places()
    assert places.sqlite is not None
    assert places.sqlite.name == "airflow.db"
    assert str(places.home) == os.environ["AIRFLOW_HOME"]


def test_a_database_that_does_not_answer_is_named():
    broken = dict(os.environ) | {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere/at/all/airflow.db"
    }
    with pytest.raises(PlatformFaultError, match="Airflow cannot answer"):
        Airflow(broken).working()
