from pathlib import Path

import pytest

from mpss_lib.sql_files import first_line_of, sql_folder
from mpss_lib.warehouse.query_rows import rows_of

QUERIES = sorted((sql_folder() / "queries").glob("*.sql"))


def ask(snapshot, name: str) -> list[dict]:
    return rows_of(snapshot, (sql_folder() / "queries" / f"{name}.sql").read_text())


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_each_query_asks_a_question_and_runs(snapshot, path: Path):
    text = path.read_text()
    assert first_line_of(path, text).endswith(("?", "every study.", "quarter."))
    assert rows_of(snapshot, text), "the fabricated lake has an answer to it"


def test_there_are_at_least_a_dozen():
    assert len(QUERIES) >= 12


def test_cohort_flow(snapshot):
    found = ask(snapshot, "cohort_flow")
    assert [row["reason"] for row in found[:3]] == [
        "pull_quarantined",
        "pull_missing",
        "intake_rejected",
    ]
    assert found[-1] | {"description": ""} == {
        "stage": "warehouse",
        "reason": "included",
        "n_studies": 3,
        "n_left": 3,
        "description": "",
    }


def test_the_flow_quotes_the_problem_of_a_quarantined_study(snapshot):
    found = rows_of(snapshot, "select detail from core.cohort_flow where study_key = 's05'")
    assert found == [{"detail": "broken"}]


def test_series_left(snapshot):
    found = {row["reason"]: row["n_objects"] for row in ask(snapshot, "series_left")}
    assert found == {
        "chosen": 16,
        "not_corrected": 17,
        "modality": 18,
        "voxel_size": 1,
        "intake_missing": 2,
    }


def test_awaiting_review(snapshot):
    assert [row["study_key"] for row in ask(snapshot, "awaiting_review")] == ["s08"]


def test_standing_still(snapshot):
    assert [(row["stage"], row["study_key"]) for row in ask(snapshot, "standing_still")] == [
        ("pull", "s03"),
        ("pull", "w1"),
        ("segmentation", "s05"),
    ]


def test_drift_by_period(snapshot):
    (found,) = ask(snapshot, "drift_by_period")
    assert (found["acquired_period"], found["n_studies"]) == ("2020-Q1", 11)


def test_rank_correlation(snapshot):
    from scipy.stats import spearmanr

    found = {row["segment"]: row for row in ask(snapshot, "rank_correlation")}
    assert len(found) == 7
    values = rows_of(
        snapshot,
        "select ih_entropy, cac_total from feature.radiomics join core.cohort using (study_key)"
        " where segment = 'MYO' and bins = 64",
    )
    expected = spearmanr([v["ih_entropy"] for v in values], [v["cac_total"] for v in values])
    assert found["MYO"]["spearman_rho"] == pytest.approx(expected.statistic)
    assert found["MYO"]["n_studies"] == 3


def test_fisher_table(snapshot):
    found = {row["segment"]: row["is_significant"] for row in ask(snapshot, "fisher_table")}
    assert found == {"MYO": True, "LAD3": False}


def test_selected_by_family(snapshot):
    found = {row["family"]: row["features"] for row in ask(snapshot, "selected_by_family")}
    assert found == {"once": "morph_volume", "binned": "ih_entropy"}


def test_table_one(snapshot):
    found = {(row["characteristic"], row["level"]): row for row in ask(snapshot, "table_one")}
    assert found[("cac_total", "")]["n"] == 3
    assert found[("cac_total", "")]["mean"] == pytest.approx(45.7)
    assert found[("sex", "F")]["percent"] == 100.0
    assert found[("cac_class", "101-400")]["n"] == 1


def test_lineage_of_a_value(snapshot):
    found = ask(snapshot, "lineage_of_a_value")
    assert [row["study_key"] for row in found] == ["s01", "s16", "s19"]
    assert all(len(row["content_sha256"]) == 64 for row in found)


def test_selection_ledger(snapshot):
    found = ask(snapshot, "selection_ledger")
    assert [(row["step"], row["n_after"], row["n_paper"]) for row in found] == [
        ("S1_undefined", 3, 166),
        ("S6_correlated", 2, 56),
    ]


def test_data_quality(snapshot):
    (found,) = ask(snapshot, "data_quality")
    assert (found["expectation"], found["consequence"], found["n_units"]) == (
        "clinical.lvef_complete",
        "warn",
        3,
    )


def test_registry_refusals(snapshot):
    found = [
        (row["kind"], row["rule"], row["n_rows"]) for row in ask(snapshot, "registry_refusals")
    ]
    assert found == [
        ("not_linked", "several_records", 2),
        ("not_linked", "no_study", 1),
        ("refused", "age_negative", 1),
    ]


def test_registry_flags(snapshot):
    assert ask(snapshot, "registry_flags") == [{"flag": "cac_lad_missing", "n_studies": 1}]
