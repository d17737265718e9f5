"""What a person starts on the page of nights: quarantine again, and answers to the archive."""

import pytest
from airflow.sdk.exceptions import AirflowFailException
from mpss_airflow.upstream import mend

from mpss_lib.tables import Lake
from mpss_lib.upstream import CORRECTED, DELETED, Difference, note, noted

pytestmark = pytest.mark.airflow


@pytest.fixture
def lake(tmp_path, monkeypatch):
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    monkeypatch.setattr("mpss_airflow.home._connection", lambda name: None)
    monkeypatch.setattr("mpss_airflow.upstream.current_run", lambda: "a run")
    return Lake(tmp_path / "lake")


def test_a_study_that_the_archive_lost_stays(lake):
    note(lake, Difference("S1", DELETED, "", "accept it"))
    assert mend({"accept": ["S1"]}) == {}
    assert [one.is_accepted for one in noted(lake)] == [True]


def test_nothing_is_settled_where_one_key_has_nothing_to_accept(lake):
    note(lake, Difference("S1", DELETED, "", "accept it"))
    with pytest.raises(AirflowFailException, match="S2"):
        mend({"accept": ["S1", "S2"]})
    assert [one.is_accepted for one in noted(lake)] == [False]


def test_a_correction_is_fetched_and_the_later_stages_follow(lake, monkeypatch):
    asked = []

    class Found:
        keys = ("S1",)

        def as_dict(self):
            return {"given": 1, "keys": ["S1"]}

    def fetch(keys, *_, accepts, **__):
        asked.append((list(keys), accepts))
        return Found()

    note(lake, Difference("S1", CORRECTED, "", "accept it"))
    monkeypatch.setattr("mpss_lib.pull.upstream.again.fetch_again", fetch)
    monkeypatch.setattr(
        "mpss_airflow.upstream.do_chain", lambda waiting: {stage: {} for stage in waiting}
    )
    assert mend({"accept": ["S1"]}) == {"pull": {"given": 1}, "intake": {}}
    assert asked == [(["S1"], True)]


def test_quarantine_again_does_nothing_where_nothing_stands(lake):
    assert mend({"retry": True}) == {}
