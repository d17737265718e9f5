"""What a publish makes of the studies that are touched is what a rebuild makes of all."""

import os
from dataclasses import replace

import pytest
from sound_lake import FIRST, check, feature_rows, make_sound

from mpss_lib.errors import LakeCorruptError
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.upstream import Difference, note
from mpss_lib.warehouse import planning, snapshot, stage, standing, touched
from mpss_lib.warehouse.meta import META_NAMES
from mpss_lib.warehouse.relations import read_relations

UNLIKE = {"meta.snapshot"}  # its number and time


@pytest.fixture
def shown(filled):
    filled.lake.quarantine("quality", "s18", error="X", problem="broken", way_out="mend it")
    filled.flush()
    stage.run(filled.lake, filled.config)
    return filled


@pytest.fixture
def made(monkeypatch):
    """Studies that each publish has made anew; one that made all tells nothing."""
    told = []

    def found(*args):
        told.append(touched.find_touched(*args))
        return told[-1]

    monkeypatch.setattr(snapshot, "find_touched", found)
    return told


def content(build) -> dict:
    """Every row of every relation of the snapshot."""
    with open_snapshot(build.lake.snapshot) as connection:
        names = [
            f"{schema}.{name}"
            for schema, name in connection.execute(
                "select schema_name, relation_name from meta.relation"
            ).fetchall()
        ]
        return {
            name: list(map(repr, connection.execute(f"from {name} order by all").fetchall()))
            for name in sorted({*names, "quality.check_result"} - UNLIKE)
        }


def earlier_of_a_patient(build):
    build.through("a01", "p01", day=1, seed=21)


def of_another_patient(build):
    build.pull(
        "s16", "p03", is_fetched=False, n_series=4
    )  # it belonged to p16, and its registry record does still


def with_a_record_that_had_none(build):
    build.through("s99", "p99", seed=9)


def of_no_relation(build):
    build.through("z01", "z99", seed=5)


def stands_still(build):
    build.set_aside("quality", "s01")


def released(build):
    build.lake.release("quality", "s18")


def gone_from_the_archive(build):
    note(build.lake, Difference("s01", "deleted", "d", "w"))


def decided(build):
    build.review("s08", "accept", "2026-02-01T10:00:00Z")
    build.radiomics("s08", 8)


def predicted(build):
    build.predict("s16", 5.0)
    build.predict("s01", 9.0)


STEPS = {
    earlier_of_a_patient: {"a01", "s01", "s02"},
    with_a_record_that_had_none: {"s99"},
    of_no_relation: {"z01"},
    decided: {"s08"},
    predicted: {"s01", "s02", "s16"},
    stands_still: {"s01", "s02"},
    released: set(),
    of_another_patient: {"s03", "s16"},
    gone_from_the_archive: {"s01", "s02"},
}


@pytest.mark.parametrize("step", STEPS)
def test_it_is_what_a_rebuild_makes(shown, made, step):
    step(shown)
    shown.flush("night")
    stage.run(shown.lake, shown.config)
    [one] = made
    assert STEPS[step] <= set(one.studies)
    assert len(one.studies) < 12
    found = content(shown)
    stage.rebuild(shown.lake, shown.config)
    assert content(shown) == found
    assert len(made) == 1


def test_views_stay_unless_a_column_of_the_lake_is_another(shown, made, monkeypatch):
    relations = read_relations(base=META_NAMES)
    views = touched.kept_views(relations)
    created = set()

    def create(connection, relation, sources):
        snapshot_of = connection.execute("select current_database()").fetchone() != ("memory",)
        created.update({relation.full_name} if snapshot_of else ())
        return create_relation(connection, relation, sources)

    create_relation = snapshot.create_relation
    monkeypatch.setattr(snapshot, "create_relation", create)
    for has_another in (False, True):
        if has_another:
            monkeypatch.setattr(standing, "raw_columns", lambda connection: frozenset())
        created.clear()
        shown.predict("s16", 5.0 + has_another)
        shown.flush("night")
        stage.run(shown.lake, shown.config)
        assert len(views) > 50
        assert created >= {one.full_name for one in relations if one.schema == "raw"} - {
            *touched.kept_tables(relations)
        }
        assert views & created == (views if has_another else set())
    found = content(shown)
    stage.rebuild(shown.lake, shown.config)
    assert content(shown) == found
    assert len(made) == 2


def test_night_after_night_it_is_what_a_rebuild_makes(shown, made):
    for step in STEPS:
        step(shown)
        shown.flush(step.__name__)
        stage.run(shown.lake, shown.config)
    assert len(made) == len(STEPS)
    found = content(shown)
    stage.rebuild(shown.lake, shown.config)
    assert content(shown) == found


def test_of_studies_in_batches_it_is_what_a_rebuild_makes(filled, made):
    """Most tables are joined: what is touched with a new study is read from a batch."""
    settings = filled.config.warehouse.model_copy(update={"compact_from": 3})
    stage.run(filled.lake, filled.config.model_copy(update={"warehouse": settings}))
    for step in (earlier_of_a_patient, with_a_record_that_had_none, predicted):
        step(filled)
        filled.flush(step.__name__)
        stage.run(filled.lake, filled.config)
    assert len(made) == 3
    found = content(filled)
    stage.rebuild(filled.lake, filled.config)
    assert content(filled) == found


def test_what_is_held_back_and_released_is_what_a_rebuild_makes(lake, made):
    build = make_sound(lake)
    check(build)
    stage.run(lake, build.config)
    held = []
    for turn in ("faulty", "mended"):
        once, binned = feature_rows(FIRST, 1)
        binned[10]["cm_corr"] = 2.0 if turn == "faulty" else 0.5
        build.features(FIRST, once, binned, salt=turn)
        check(build)
        stage.run(lake, build.config)
        found = content(build)
        held.append([FIRST in row for row in found["quality.held_back"]])
        stage.rebuild(lake, build.config)
        assert content(build) == found
    assert held == [[True], []]
    assert len(made) == 2


@pytest.mark.parametrize("change", ["registry", "rule", "sql", "file", "many"])
def test_what_touches_every_study_makes_all_anew(shown, made, change, clinical, monkeypatch):
    config = shown.config
    if change == "registry":
        rows = [clinical("r09", "s09", "p09")]
        files = [shown.write("clinical", "registry", rows, salt="new")]
        shown.record("pull", "registry", "done", files)
        shown.flush()
    elif change == "rule":
        cohort = config.cohort.model_copy(update={"accept": "reviewed"})
        config = config.model_copy(update={"cohort": cohort})
    elif change == "sql":
        monkeypatch.setattr(planning, "digest_of_relations", lambda relations: "another")
    elif change == "file":
        os.utime(shown.lake.current_path("study", config.address("pull"), "s01"))
    else:
        monkeypatch.setattr(planning, "MOST_TOUCHED", 0)
        of_no_relation(shown)
        shown.flush()
    stage.run(shown.lake, config)
    assert made == []


def test_a_touched_row_that_breaks_a_check_stops_the_publish(shown, made, monkeypatch):
    """As a defect of the exchange would: the rows of a study come twice."""
    restrict = snapshot.restricted

    def twice(relation, of):
        made_of = restrict(relation, of)
        if relation.full_name != "core.cohort_flow":
            return made_of
        return replace(made_of, sql=f"select made.* from ({made_of.sql}) as made, range(2)")

    monkeypatch.setattr(snapshot, "restricted", twice)
    before = shown.lake.snapshot.read_bytes()
    of_no_relation(shown)
    shown.flush()
    with pytest.raises(LakeCorruptError):
        stage.run(shown.lake, shown.config)
    assert shown.lake.snapshot.read_bytes() == before
    assert len(made) == 1
