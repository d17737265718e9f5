"""Everything in the snapshot comes again from the lake's files; nothing mixes two versions."""

import os
import shutil

import pytest
from fabricated_lake import Builder, row

from mpss_lib import config as settings_module
from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.schemas import TABLES
from mpss_lib.sections import BINS
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.manifest import APPEND_ONLY
from mpss_lib.warehouse.reader import rows

ACCEPT = {"cohort": {"accept": "pass"}}
OF_THE_FILES = [
    "core.study",
    "core.volume",
    "core.series_flow",
    "core.clinical",
    "core.cohort",
    "core.table_one",
    "core.feature_dictionary",
    "feature.radiomics",
    "feature.radiomics_long",
    "quality.metric",
    "quality.verdict",
    "quality.review",
    "raw.prediction",
]


def answers(lake: Lake, names: list[str] | None = None) -> dict[str, list]:
    """Every row of every relation, but the number and time of the snapshot and which files it read:
    a rebuilt one reads landing files where the other read batches."""
    with open_snapshot(lake.snapshot) as connection:
        if names is None:
            named = connection.execute(
                "select schema_name || '.' || relation_name from meta.relation"
            ).fetchall()
            own = ("meta.snapshot", "meta.lake_file", "meta.study_rows")
            names = [name for (name,) in named if name not in own]
        return {
            name: [
                tuple(map(repr, found))
                for found in connection.execute(f"select * from {name} order by all").fetchall()
            ]
            for name in names
        }


def test_the_snapshot_comes_again_from_the_parquet(filled):
    eager = Config.model_validate(ACCEPT | {"warehouse": {"threads": 1, "compact_from": 3}})
    filled.predict("s01", 50.0)
    filled.flush("week 2")
    stage.run(filled.lake, eager)
    stage.merge(filled.lake, eager)
    stage.run(filled.lake, eager)
    before = answers(filled.lake)
    assert len(before["feature.radiomics"]) == 11 * 56
    root = filled.lake.root
    for derived in (root / "batch", root / "manifest" / "compaction"):
        shutil.rmtree(derived)
    for derived in (filled.lake.snapshot, root / "warehouse.lock", root / "active.json"):
        derived.unlink()
    stage.rebuild(filled.lake, filled.config)
    after = answers(filled.lake)
    assert after.keys() == before.keys()
    for name, found in before.items():
        assert after[name] == found, name


def test_a_lost_manifest_stops_the_night_and_a_rebuild_makes_it_from_the_files(filled):
    stage.run(filled.lake, filled.config)
    before = answers(filled.lake, OF_THE_FILES)
    for folder in ("manifest", "quarantine", "batch"):
        shutil.rmtree(filled.lake.root / folder, ignore_errors=True)
    with pytest.raises(LakeCorruptError, match=r"lost records of .*pull.*mpss warehouse rebuild"):
        stage.run(filled.lake, filled.config)
    filled.lake.snapshot.unlink()
    (filled.lake.root / "active.json").unlink()
    stage.rebuild(filled.lake, filled.config)
    after = answers(filled.lake, OF_THE_FILES)
    for name, found in before.items():
        assert after[name] == found, name
    flow = rows(filled.lake, "select reason from core.cohort_flow where study_key = 's04'")
    assert flow == [{"reason": "intake_rejected"}]
    stage.run(filled.lake, filled.config)
    assert answers(filled.lake, OF_THE_FILES) == after


def test_the_newest_of_two_files_is_current_after_a_lost_manifest(filled):
    filled.radiomics("s01", 101, salt="other")
    filled.flush()
    stage.run(filled.lake, filled.config)
    value = "select sum(hash(ih_entropy)) as total from feature.radiomics where study_key = 's01'"
    before = rows(filled.lake, value)
    shutil.rmtree(filled.lake.root / "manifest")
    stage.rebuild(filled.lake, filled.config)
    assert rows(filled.lake, value) == before


def test_the_shown_of_two_files_is_current_after_a_lost_manifest_whatever_their_times(filled):
    """The clock was set back between the two: the newer file has the earlier time."""
    filled.radiomics("s01", 101, salt="other")
    filled.flush()
    stage.run(filled.lake, filled.config)
    value = "select sum(hash(ih_entropy)) as total from feature.radiomics where study_key = 's01'"
    before = rows(filled.lake, value)
    for table in ("feature_once", "feature_binned"):
        address = filled.config.address("radiomics")
        os.utime(filled.lake.current_path(table, address, "s01"), ns=(1, 1))
    shutil.rmtree(filled.lake.root / "manifest")
    stage.rebuild(filled.lake, filled.config)
    assert rows(filled.lake, value) == before


def test_a_changed_record_is_read_again(filled):
    """A publish takes what it knows of a record from the snapshot only while the file is as was."""
    stage.run(filled.lake, filled.config)
    count = "select count(distinct unit_key) as n from meta.manifest where stage = 'radiomics'"
    before = rows(filled.lake, count)[0]["n"]
    (path,) = (filled.lake.root / "manifest" / "radiomics").glob("*.json")
    record = path.read_text()
    path.write_text(record.replace('"key": "s01"', '"key": "s99"'))
    stage.run(filled.lake, filled.config)
    found = rows(filled.lake, "select distinct unit_key from meta.manifest order by all")
    assert "s99" in {r["unit_key"] for r in found}
    assert rows(filled.lake, count)[0]["n"] == before
    path.unlink()
    second = filled.lake.root / "manifest" / "radiomics" / "later.json"
    second.write_text(record)
    stage.run(filled.lake, filled.config)
    found = rows(filled.lake, "select distinct unit_key from meta.manifest order by all")
    assert "s99" not in {r["unit_key"] for r in found}


# ------------------------------------------------------------------ two versions

OTHER = ACCEPT | {
    "pull": {"max_shift_days": 30},
    "intake": {"voxel_mm": 5.0},
    "segmentation": {"wall_mm": 12.0},
    "quality": {"limits_version": "site-2"},
    "radiomics": {"ivh_bins": 500},
    "selection": {"correlation": 0.9},
    "evaluation": {"n_outer": 10},
    "warehouse": {"threads": 1},
}
"""A changed setting for every stage that has one; the others change with those or by ENGINE."""

VERSIONED = [name for name, table in TABLES.items() if table.unit != "engine"]


def key_column(table: str) -> str:
    return TABLES[table].grain[0]


def fill(build: Builder, keys: tuple[str, ...]) -> None:
    build.catalogue()
    for table in VERSIONED:
        for key in keys:
            found = row(table, **{key_column(table): key})
            found |= {"segment": "MYO"} if "segment" in found else {}
            found |= {"bins": BINS[0]} if "bins" in found else {}
            found |= {"is_accepted": False} if table == "clinical" else {}
            if TABLES[table].has_features:
                names = build.once if table == "feature_once" else build.binned
                found |= dict.fromkeys(names, 1.0)
                data = one_row(table, found)
            else:
                data = [found]
            files = [build.write(table, key, data)]
            build.record(TABLES[table].stage, key, "done", files)
    build.flush()


def one_row(table: str, found: dict):
    from fabricated_lake import as_arrow

    return as_arrow(table, [found])


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory):
    """Keys of each table: with the first settings in force, then with the second activated."""
    lake = Lake(tmp_path_factory.mktemp("versions") / "lake")
    first = Config.model_validate(ACCEPT | {"warehouse": {"threads": 1}})
    shown = []
    fill(Builder(lake, first), ("a1", "a2"))
    stage.run(lake, first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(settings_module.ENGINES, "warehouse", "2")
        second = Config.model_validate(OTHER)
        fill(Builder(lake, second), ("b1",))
        stage.run(lake, second)
        shown.append(keys_of(lake))
        stage.activate("all", lake, second)
        stage.run(lake, second)
        shown.append(keys_of(lake))
    return shown


def keys_of(lake: Lake) -> dict[str, set[str]]:
    return {
        table: {
            found["key"]
            for found in rows(lake, f"select {key_column(table)} as key from raw.{table}")
        }
        for table in VERSIONED
    }


@pytest.mark.parametrize("table", sorted(set(VERSIONED) - APPEND_ONLY))
def test_a_view_never_mixes_two_versions(two_versions, table):
    before, after = two_versions
    assert before[table] == {"a1", "a2"}
    assert after[table] == {"b1"}


@pytest.mark.parametrize("table", sorted(APPEND_ONLY))
def test_what_was_decided_or_published_stays_whatever_the_version(two_versions, table):
    assert two_versions[0][table] == two_versions[1][table] == {"a1", "a2", "b1"}
