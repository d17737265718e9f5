"""How long a task waits for an archive that is away, and in which steps."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
from mpss_airflow import patience

from mpss_lib.errors import ArchiveClosedError, ArchiveDownError

HOUR = 3600.0


@pytest.mark.parametrize("hours", [0, 0.01, 0.5, 2, 168])
def test_pauses_grow_and_are_the_patience_together(hours):
    found = list(patience.pauses(hours * HOUR))
    assert sum(found) == pytest.approx(hours * HOUR)
    assert all(before <= after for before, after in pairwise(found[:-1]))
    assert all(0 < pause <= 900 for pause in found)


def context_of(n_waits):
    names = {"dag_id": "mpss_ingest", "run_id": "r", "task_id": "fetch", "map_index": 3}
    return {"task_reschedule_count": n_waits, "ti": SimpleNamespace(**names, try_number=1)}


@pytest.fixture
def gives(monkeypatch, tmp_path):
    """What a task that was put back so often raises, with a patience of two hours."""
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    error = ArchiveDownError("nobody answers", way_out="look")

    def make(n_waits):
        context = context_of(n_waits)
        monkeypatch.setattr("airflow.sdk.get_current_context", lambda: context)
        return patience.wait_or_give_up(error)

    return make


def test_a_task_is_put_back_until_its_patience_is_over(gives):
    from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

    n_pauses = len(list(patience.pauses(2 * HOUR)))
    for n_waits in (0, n_pauses - 1):
        raised = gives(n_waits)
        assert isinstance(raised, AirflowRescheduleException)
        assert raised.reschedule_date < datetime.now(UTC) + timedelta(minutes=16)
    raised = gives(n_pauses)
    assert isinstance(raised, AirflowFailException)
    assert "nobody answers" in str(raised)
    assert "waited for 120 minutes" in str(raised)


def test_a_task_waits_for_a_closed_archive_however_long_and_its_patience_stays(gives, monkeypatch):
    from airflow.sdk.exceptions import AirflowRescheduleException

    n_pauses = len(list(patience.pauses(2 * HOUR)))
    opens = datetime.now(UTC) + timedelta(hours=9)
    for n_waits in range(30):
        monkeypatch.setattr("airflow.sdk.get_current_context", lambda n=n_waits: context_of(n))
        until = opens if n_waits % 2 else None
        raised = patience.wait_for_opening(ArchiveClosedError("x", way_out="y", until=until))
        assert isinstance(raised, AirflowRescheduleException)
        soon = raised.reschedule_date < datetime.now(UTC) + timedelta(minutes=2)
        assert soon if until is None else raised.reschedule_date == opens
    assert isinstance(gives(30 + n_pauses - 1), AirflowRescheduleException)
    assert not isinstance(gives(30 + n_pauses), AirflowRescheduleException)
