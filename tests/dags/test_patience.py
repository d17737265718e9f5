"""How long a task waits for an archive that is away, and in which steps."""

from itertools import pairwise

import pytest
from mpss_airflow import patience

from mpss_lib.errors import ArchiveDownError

HOUR = 3600.0


@pytest.mark.parametrize("hours", [0, 0.01, 0.5, 2, 168])
def test_pauses_grow_and_are_the_patience_together(hours):
    found = list(patience.pauses(hours * HOUR))
    assert sum(found) == pytest.approx(hours * HOUR)
    assert all(before <= after for before, after in pairwise(found[:-1]))
    assert all(0 < pause <= 900 for pause in found)


@pytest.fixture
def gives(monkeypatch, tmp_path):
    """What a task that was put back so often raises, with a patience of two hours."""
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    error = ArchiveDownError("nobody answers", way_out="look")

    def make(n_waits):
        context = {"task_reschedule_count": n_waits}
        monkeypatch.setattr("airflow.sdk.get_current_context", lambda: context)
        return patience.wait_or_give_up(error)

    return make


def test_a_task_is_put_back_until_its_patience_is_over(gives):
    from datetime import UTC, datetime, timedelta

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
