"""The list of a reader: what waits, why, for whom; a decision counts before it is published."""

from datetime import UTC, datetime, timedelta

import pytest

from mpss_lib.quality.review import record_review, unpublished_decisions
from mpss_lib.viewing.published import _OPENED, published
from mpss_lib.viewing.worklist import Filters, age, worklist
from mpss_lib.warehouse import stage as warehouse
from mpss_lib.warehouse.reader import rows


def listed(shown, account="dr_a", **filters):
    with published(shown.lake) as snapshot:
        return worklist(snapshot, shown.lake, account, Filters(**filters))


def keys(found):
    return sorted(row["study_key"] for row in found.rows)


def decide(shown, key, decision, reviewer="dr_a"):
    record_review(shown.lake, shown.config, key, decision, "", reviewer)


def test_the_list_says_what_brought_each_study_there(shown):
    found = listed(shown)
    assert keys(found) == shown.keys
    assert (found.n_waiting, found.n_elsewhere) == (5, 0)
    (why,) = found.rows[0]["broken"]
    assert (why["metric"], why["value"], why["review_low"]) == ("prominence", 0.53, 0.55)
    assert found.rows[0]["waits"] == "under 1 h"
    assert found.vendors == ["OTHER", "SYNTH"]


def test_filters_let_through_what_they_name(shown):
    assert {row["vendor"] for row in listed(shown, vendor="OTHER").rows} == {"OTHER"}
    assert keys(listed(shown, flag="prominence")) == shown.keys
    assert keys(listed(shown, flag="motion")) == []
    assert keys(listed(shown, verdict="pass")) == []


def test_a_decision_counts_before_any_snapshot_has_it(shown):
    first = shown.keys[0]
    decide(shown, first, "accept")
    assert keys(listed(shown)) == shown.keys[1:]
    assert rows(shown.lake, "select 1 as x from quality.awaiting_review where study_key = ?",
                [first]) == [{"x": 1}]  # fmt: skip


def test_unsure_waits_for_somebody_else(shown):
    first = shown.keys[0]
    decide(shown, first, "unsure")
    mine, other = listed(shown), listed(shown, "dr_b")
    assert keys(mine) == shown.keys[1:]
    assert (mine.n_waiting, mine.n_elsewhere) == (5, 1)
    assert keys(other) == shown.keys
    assert keys(listed(shown, "dr_b", reader="second")) == [first]
    decide(shown, first, "reject", "dr_b")
    assert listed(shown, "dr_b").n_waiting == 4


def test_after_a_study_come_the_others_as_a_ring(shown):
    found = listed(shown)
    order = [row["study_key"] for row in found.rows]
    assert found.after(order[3]) == [order[4], *order[:3]]
    assert found.after("elsewhere") == order


def test_an_old_snapshot_is_let_go_when_its_last_question_ends(shown):
    with published(shown.lake) as before:
        warehouse.run(shown.lake, shown.config)
        with published(shown.lake) as now:
            assert now.connection.execute("select 1 from core.study limit 1").fetchone()
        assert before.connection.execute("select 1 from core.study limit 1").fetchone()
        assert len(_OPENED[shown.lake.snapshot]) == 2
    assert len(_OPENED[shown.lake.snapshot]) == 1


def test_what_no_snapshot_has_is_known_by_its_file(shown):
    def new():
        named = rows(shown.lake, "select path from meta.manifest where table_name = 'review'")
        return unpublished_decisions(shown.lake, {row["path"] for row in named})

    assert new() == []
    decide(shown, shown.keys[1], "accept")
    decide(shown, shown.keys[1], "reject")
    assert new() == [shown.keys[1]]
    warehouse.run(shown.lake, shown.config)
    assert new() == []
    with published(shown.lake) as snapshot:  # the next snapshot is seen by a server that runs
        asked = snapshot.connection.execute("select count(*) from quality.review").fetchone()
    assert asked == (3,)


@pytest.mark.parametrize(
    ("hours", "said"), [(0.5, "under 1 h"), (5, "5 h"), (47.5, "47 h"), (50, "2 days")]
)
def test_ages_are_words(hours, said):
    assert age(datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=hours)) == said
    assert age(None) == ""
