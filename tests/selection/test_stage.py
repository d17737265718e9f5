from __future__ import annotations

import duckdb
import pytest
from oracles.statistics_lake import COHORT, catalogue_rows, fill, study_key

from mpss_lib.config import AS_PUBLISHED, CORRECTED, SITE, Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.sections import BINS, SelectionSettings
from mpss_lib.selection import stage
from mpss_lib.selection.blind import connect
from mpss_lib.tables import Lake

CONFIG = Config()


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    fill(lake, CONFIG, n=20)
    return lake


def test_ledger_choice_and_grey_levels_are_written(lake):
    answer = stage.run(COHORT, lake, CONFIG)
    address = CONFIG.address("selection")
    for profile in (AS_PUBLISHED, CORRECTED):
        steps, counts, chosen, levels, pairs = (
            [row for row in lake.rows(table, address, COHORT) if row["profile"] == profile]
            for table in stage.TABLES
        )
        check(profile, answer, steps, counts, chosen, levels)
        check_varieties(pairs, steps)
    tables = {file.table for file in answer["units"][0].files}
    assert tables == set(stage.TABLES)


def test_what_the_site_sets_is_a_profile_of_its_own(lake):
    """The frozen ones choose what they always choose, the site's by its own limit."""
    before = stage.run(COHORT, lake, CONFIG)["selected"]
    set_so = Config(selection=SelectionSettings(correlation=0.5))
    found = stage.run(COHORT, lake, set_so)
    assert found["selected"] == {**before, SITE: found["selected"][SITE]}
    assert found["selected"][SITE] < before[AS_PUBLISHED]
    rows = lake.rows("selected_feature", set_so.address("selection"), COHORT)
    assert {row["profile"] for row in rows} == {AS_PUBLISHED, CORRECTED, SITE}


def check_varieties(pairs, steps):
    """The same feature in both varieties is what S3 says of it in the ledger."""
    named = {(row["averaged"], row["merged"]): row["rho"] for row in pairs}
    told = [row for row in steps if row["step"] == "S3_variety"]
    assert told
    for row in told:
        assert abs(named[row["partner"], row["feature"]]) == pytest.approx(row["statistic"])
    assert len(pairs) == len({(row["averaged"], row["merged"]) for row in pairs}) == len(told) ** 2
    assert all(-1.0 - 1e-12 <= row["rho"] <= 1.0 + 1e-12 for row in pairs)


def check(profile, answer, steps, counts, chosen, levels):
    assert sorted(row["feature"] for row in steps) == sorted(
        str(row["sera_name"]) for row in catalogue_rows()
    )
    assert [row["n_before"] - row["n_removed"] for row in counts] == [
        row["n_after"] for row in counts
    ]
    assert [row["n_paper"] for row in counts] == [215, 166, 166, 162, 162, 121, 118, 113, 56]
    assert counts[-1]["n_after"] == answer["selected"][profile] == len(chosen)
    assert {row["bins"] for row in chosen} == {answer["bins"][profile]}
    assert counts[0]["n_patients"] == 20
    assert len(levels) == 8


def test_the_same_input_is_skipped_and_forced_gives_the_same_bytes(lake):
    first = stage.run(COHORT, lake, CONFIG)["units"][0]
    again = stage.run(COHORT, lake, CONFIG)["units"][0]
    forced = stage.run(COHORT, lake, CONFIG, force=True)["units"][0]
    assert again.status == "skipped"
    assert forced.status == "done"
    assert first.files == again.files == forced.files


def test_unknown_cohort_is_named(lake):
    with pytest.raises(WrongArgumentError, match="not frozen"):
        stage.run("nobody", lake, CONFIG)


def test_the_connection_sees_its_files_and_nothing_else(lake, tmp_path):
    own = lake.current_path("feature_once", CONFIG.address("radiomics"), study_key(0))
    outcome = lake.current_path("cohort_outcome", CONFIG.address("warehouse"), COHORT)
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    with connect({"feature_once": [own]}) as connection:
        assert connection.execute("select count(*) from feature_once").fetchone() == (7,)
        for attempt in (
            f"from read_parquet('{outcome}')",
            f"from '{outcome}'",
            f"attach '{tmp_path / 'other.duckdb'}' as other (read_only)",
            f"copy feature_once to '{tmp_path / 'out.parquet'}'",
            "set enable_external_access = true",
            "set lock_configuration = false",
            f"set allowed_paths = ['{outcome}']",
            "reset enable_external_access",
            "install httpfs",
            "load httpfs",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(attempt)


def measured_rows(least: float) -> list[dict]:
    """A table of a cohort: every other feature has the ICC ``least``, the others are stable."""
    names = [row["sera_name"] for row in catalogue_rows()]
    spread = [f"{one}{end}" for one in ("icc1", "icc3") for end in ("", "_low", "_high")]
    return [
        {
            "cohort_hash": COHORT,
            "family": family,
            "segment": segment,
            "bins": bins,
            "feature": name,
            "n_studies": 20,
            "n_perturbations": 20,
            **dict.fromkeys(spread, 0.0 if family == "wall" else least if k % 2 else 0.9),
            **dict.fromkeys(("mean", "sd_between", "sd_within"), 1.0),
        }
        for family in ("all", "wall")
        for segment in ("MYO", "LAD3")
        for bins in BINS
        for k, name in enumerate(names)
    ]


def test_a_measured_cohort_is_chosen_from_anew_by_what_is_stable(tmp_path):
    lake = Lake(tmp_path / "lake")
    fill(lake, CONFIG, n=20)
    before = stage.run(COHORT, lake, CONFIG)
    address = CONFIG.address("selection")
    plain = {p: n for p, n in before["selected"].items() if p == "as_published"}
    assert {row["rule"] for row in lake.rows("grey_level", address, COHORT)} == {
        "published",
        "ranks",
    }
    lake.write("feature_stability", CONFIG.address("stability"), COHORT, "d", measured_rows(0.74))
    after = stage.run(COHORT, lake, CONFIG)
    assert after["units"][0].status == "done"
    assert after["selected"]["as_published"] == plain["as_published"]
    ledger = lake.rows("selection_step", address, COHORT)
    gone = {row["feature"] for row in ledger if row["step"] == "S2b_unstable"}
    assert {row["profile"] for row in ledger if row["step"] == "S2b_unstable"} == {"corrected"}
    odd = {row["sera_name"] for k, row in enumerate(catalogue_rows()) if k % 2}
    assert gone
    assert gone <= odd
    chosen = {row["feature"] for row in lake.rows("selected_feature", address, COHORT)
              if row["profile"] == "corrected"}  # fmt: skip
    assert not chosen & odd
    levels = lake.rows("grey_level", address, COHORT)
    assert {(row["profile"], row["rule"]) for row in levels} == {
        ("as_published", "published"),
        ("corrected", "stable"),
    }
    assert [bool(row["why"]) for row in levels] == [row["is_chosen"] for row in levels]
