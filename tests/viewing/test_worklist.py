"""The list of a reader: what waits, why, for whom; a decision counts before it is published."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from mpss_lib.quality.review import record_review, unpublished_decisions
from mpss_lib.sections import ReviewSettings
from mpss_lib.viewing import study
from mpss_lib.viewing import worklist as lists
from mpss_lib.viewing.published import _OPENED, published
from mpss_lib.viewing.worklist import Filters, age, worklist
from mpss_lib.warehouse import stage as warehouse
from mpss_lib.warehouse.query_rows import rows_of
from mpss_lib.warehouse.reader import rows

ONE = ReviewSettings()
TWO = ReviewSettings(readers=2, assigned=("dr_a", "dr_b", "dr_c"))


def listed(shown, account="dr_a", rule=ONE, **filters):
    with published(shown.lake) as snapshot:
        return worklist(snapshot, shown.lake, account, Filters(**filters), rule)


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


READ_BY_ALL = ("raw.review", "quality.review", "quality.decision", "quality.board",
               "quality.awaiting_review", "core.cohort_flow", "core.predictable",
               "meta.ingest_ledger")  # fmt: skip


def test_of_two_readers_the_second_learns_nothing_from_list_page_or_snapshot(shown):
    """Whatever the first one answers, all that the second one can read is the same."""
    key, seen = shown.keys[0], []
    config = shown.config.model_copy(update={"review": TWO})
    for decision in ("accept", "reject", "unsure"):
        record_review(shown.lake, config, key, decision, f"because {decision}", "dr_a")
        warehouse.run(shown.lake, config)
        with published(shown.lake) as snapshot:
            page = study.study_page(snapshot, shown.lake, key, "dr_b", TWO)
            told = [
                {column: value for column, value in row.items() if column != "lake_path"}
                for name in READ_BY_ALL
                for row in rows_of(snapshot.connection, f"from {name} where study_key = ?", [key])
            ]
        at = told[0]["decided_at"]
        told += [page["standing"], *page["history"], *listed(shown, "dr_b", TWO).rows]
        seen.append(str(told).replace(at, "then").replace(page["history"][0]["decided_at"], "then"))
        with published(shown.lake) as snapshot:
            own = study.study_page(snapshot, shown.lake, key, "dr_a", TWO)["history"]
        assert [row["reason"] for row in own] == [f"because {decision}"]
        shutil.rmtree(shown.root)  # the answer is taken back
        shutil.copytree(shown.root.parent / "kept", shown.root)
    assert "because" not in seen[0]
    assert seen[0] == seen[1] == seen[2]


def test_two_readers_and_a_third_where_they_disagree(shown):
    first, second = shown.keys[:2]
    decide(shown, first, "accept")
    decide(shown, second, "accept")
    assert keys(listed(shown, "dr_a", TWO)) == shown.keys[2:]
    (row,) = [one for one in listed(shown, "dr_b", TWO).rows if one["study_key"] == first]
    assert (row["asks"], row["readers"], row["n_asked"]) == ("second", ["dr_a"], 2)
    decide(shown, first, "reject", "dr_b")
    decide(shown, second, "accept", "dr_b")
    assert keys(listed(shown, "dr_b", TWO)) == shown.keys[2:]
    (row,) = listed(shown, "dr_c", TWO, reader="third").rows
    assert (row["study_key"], row["assigned"], row["is_mine"]) == (first, ["dr_c"], True)
    decide(shown, first, "reject", "dr_c")
    assert keys(listed(shown, "dr_d", TWO)) == shown.keys[2:]


def test_what_is_dealt_to_a_reader_comes_first(shown):
    found = listed(shown, "dr_a", TWO)
    mine = [row["is_mine"] for row in found.rows]
    assert mine == sorted(mine, reverse=True)
    assert keys(listed(shown, "dr_a", TWO, reader="mine")) == sorted(
        row["study_key"] for row in found.rows if row["is_mine"]
    )
    dealt = [name for row in found.rows for name in row["assigned"]]
    assert len(dealt) == 2 * len(shown.keys)


def test_a_long_list_is_cut_and_says_so(shown, monkeypatch):
    monkeypatch.setattr(lists, "MOST", 2)
    found = listed(shown)
    assert (len(found.rows), found.n_listed, found.n_waiting) == (2, 5, 5)


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
