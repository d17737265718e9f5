import datetime as dt

import pytest
from fabricated_lake import row

from mpss_lib.config import Config
from mpss_lib.tables import read_parquet
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.cohort import EmptyCohortError, SnapshotOutdatedError
from mpss_lib.warehouse.reader import rows as rows_of_lake


def test_the_frozen_cohort_is_addressed_by_its_content(filled):
    stage.run(filled.lake, filled.config)
    first = stage.freeze_cohort(filled.lake, filled.config)
    assert stage.freeze_cohort(filled.lake, filled.config) == first
    address = filled.config.address("warehouse")
    members = filled.lake.rows("cohort_member", address, first)
    outcomes = filled.lake.rows("cohort_outcome", address, first)
    assert [row["study_key"] for row in members] == ["s01", "s16", "s19"]
    assert [row["cac_total"] for row in outcomes] == [120.0, 10.0, 7.0]
    assert not set(members[0]) & {"cac_total", "age", "sex"}
    statuses = [r["units"][0]["status"] for r in filled.lake.records("warehouse")]
    assert statuses == ["done", "skipped"]
    path = filled.lake.current_path("cohort_outcome", address, first)
    assert read_parquet(path, "cohort_outcome").num_rows == 3


def test_another_outcome_gives_another_hash(filled, clinical):
    stage.run(filled.lake, filled.config)
    first = stage.freeze_cohort(filled.lake, filled.config)
    rows = [clinical("r01", "s01", "p01", cac_total=121.0), clinical("r19", "s19", "p19")]
    file = filled.write("clinical", "registry", rows, salt="later")
    filled.record("pull", "registry", "done", [file])
    filled.flush()
    stage.run(filled.lake, filled.config)
    assert stage.freeze_cohort(filled.lake, filled.config) != first


def test_the_frozen_cohort_is_listed_after_the_next_publish(filled):
    from mpss_lib.warehouse.reader import query

    stage.run(filled.lake, filled.config)
    key = stage.freeze_cohort(filled.lake, filled.config)
    stage.run(filled.lake, filled.config)
    told = query("select cohort_hash, is_latest, n_studies from core.cohort_frozen", "csv")
    assert told == f"cohort_hash,is_latest,n_studies\n{key},True,3\n"


def test_an_empty_cohort_says_why(build):
    build.catalogue()
    build.through("s01", "p01")
    build.flush()
    stage.run(build.lake, build.config)
    with pytest.raises(EmptyCohortError, match="clinical_missing 1"):
        stage.freeze_cohort(build.lake, build.config)


def test_a_snapshot_by_other_rules_is_not_frozen(filled):
    stage.run(filled.lake, filled.config)
    strict = Config.model_validate({"warehouse": {"threads": 1}})
    with pytest.raises(SnapshotOutdatedError, match="'accept': 'pass'"):
        stage.freeze_cohort(filled.lake, strict)


def test_a_snapshot_with_other_features_is_not_frozen(filled):
    stage.run(filled.lake, filled.config)
    thick = Config.model_validate({"cohort": {"accept": "pass"}, "segmentation": {"wall_mm": 12.0}})
    with pytest.raises(SnapshotOutdatedError, match="activate"):
        stage.freeze_cohort(filled.lake, thick)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("registry", {"s01": (60.0, "registry"), "s16": (60.0, "registry"), "s19": (None, "")}),
        ("gated", {"s01": (48.5, "gated"), "s16": (None, ""), "s19": (71.0, "gated")}),
        (
            "registry_else_gated",
            {"s01": (60.0, "registry"), "s16": (60.0, "registry"), "s19": (71.0, "gated")},
        ),
        (
            "gated_else_registry",
            {"s01": (48.5, "gated"), "s16": (60.0, "registry"), "s19": (71.0, "gated")},
        ),
    ],
)
def test_the_ejection_fraction_of_the_cohort_is_of_the_source_that_is_asked_for(
    filled, clinical, source, wanted
):
    """A flagged one of the gates (s16) does not count; both stand beside it."""
    lvefs = {"01": 60.0, "16": 60.0, "19": None}
    rows = [clinical(f"r{n}", f"s{n}", f"p{n}", lvef=lvef) for n, lvef in lvefs.items()]
    rows[1] |= {"accession_key": "", "study_date_shifted": dt.date(2019, 3, 4)}
    file = filled.write("clinical", "registry", rows, salt="lvef")
    filled.record("pull", "registry", "done", [file])
    for key, told in {"s01": (48.5,), "s16": (20.0, "poor_fit"), "s19": (71.0,)}.items():
        filled.ejection(key, *told)
    filled.flush()
    config = filled.config.model_copy(
        update={"cohort": filled.config.cohort.model_copy(update={"lvef_source": source})}
    )
    stage.run(filled.lake, config)
    found = stage.freeze_cohort(filled.lake, config)
    outcomes = filled.lake.rows("cohort_outcome", config.address("warehouse"), found)
    assert {row["study_key"]: row["lvef"] for row in outcomes} == {
        k: v for k, (v, _) in wanted.items()
    }
    told = rows_of_lake(
        filled.lake, "select study_key, lvef_from, lvef_registry, lvef_gated from core.lvef"
    )
    known = {row["study_key"]: row for row in told}
    assert {key: known[key]["lvef_from"] for key in wanted} == {
        k: v for k, (_, v) in wanted.items()
    }
    assert (known["s16"]["lvef_registry"], known["s16"]["lvef_gated"]) == (60.0, 20.0)
    (all_of_them, sure) = rows_of_lake(
        filled.lake, "from quality.lvef_agreement order by of_studies"
    )
    assert (all_of_them["n_studies"], sure["n_studies"], sure["bias"]) == (2, 1, -11.5)


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        (("report",), {"s01": ("report", 12.0, 9.0)}),
        (("ct", "registry"), {"s01": ("ct", 11.0, None), "s16": ("registry", 7.0, 4.0)}),
    ],
)
def test_the_calcium_of_the_cohort_is_of_the_first_source_that_has_it(
    filled, clinical, order, wanted
):
    """A CT that waits for a person (s16) does not count; all stand beside each other."""
    rows = [clinical(f"r{n}", f"s{n}", f"p{n}", cac_total=7.0, cac_lad=4.0) for n in ("01", "16")]
    rows[1] |= {"accession_key": "", "study_date_shifted": dt.date(2019, 3, 4)}
    file = filled.write("clinical", "registry", rows, salt="cac")
    filled.record("pull", "registry", "done", [file])
    one = {"study_key": "s01", "is_counted": True, "days": 2}
    sources = [
        row("calcium_source", **one, source_key="a", kind="report", total=12.0, lad=9.0),
        row("calcium_source", **one, source_key="b", kind="calcium_ct", state="scored", total=11.0)
        | {"lad": None},
    ]
    filled.record("calcium", "s01", "done", [filled.write("calcium_source", "s01", sources)])
    filled.calcium("s16", "calcium_ct", reason="waits_for_person", total=90.0)
    filled.flush()
    cohort = filled.config.cohort.model_copy(update={"cac_source": order})
    config = filled.config.model_copy(update={"cohort": cohort})
    stage.run(filled.lake, config)
    found = stage.freeze_cohort(filled.lake, config)
    outcomes = filled.lake.rows("cohort_outcome", config.address("warehouse"), found)
    assert {one["study_key"]: (one["cac_total"], one["cac_lad"]) for one in outcomes} == {
        key: figures for key, (_, *figures) in wanted.items() for figures in [tuple(figures)]
    }
    told = {one["study_key"]: one for one in rows_of_lake(filled.lake, "from core.calcium")}
    assert {key: told[key]["cac_from"] for key in wanted} == {
        key: source for key, (source, *_) in wanted.items()
    }
    assert (told["s16"]["ct_total"], told["s16"]["ct_reason"]) == (90.0, "waits_for_person")
    assert (told["s01"]["registry_total"], told["s01"]["report_difference"]) == (7.0, 5.0)
