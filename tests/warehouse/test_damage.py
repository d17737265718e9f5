"""A part is never taken for the whole: files that are gone, cut short or have other rows."""

import json
import logging
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fabricated_lake import BINNED, ONCE, Builder, settings

from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.schemas import TABLES
from mpss_lib.tables import read_parquet, sha256_of
from mpss_lib.warehouse import joining, stage
from mpss_lib.warehouse.reader import rows

STUDY = "s01"
TABLES_OF_A_STUDY = (
    "study",
    "instance",
    "volume",
    "segmentation",
    "quality_metric",
    "quality_verdict",
    "feature_once",
    "feature_binned",
    "prediction",
)


@pytest.fixture
def eager() -> Config:
    return Config.model_validate(
        {"cohort": {"accept": "pass"}, "warehouse": {"threads": 1, "compact_from": 3}}
    )


def landing(build: Builder, table: str, key: str = STUDY):
    return build.lake.current_path(table, build.config.address(TABLES[table].stage), key)


def take_rows(path) -> None:
    """Leave all rows but the last, or double the only one."""
    data = pq.read_table(path, partitioning=None)
    n = data.num_rows
    pq.write_table(data.slice(0, n - 1) if n > 1 else pa.concat_tables([data, data]), path)


def cut(path, share: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def spoil_footer(path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-60] + b"\xff" * 40 + content[-20:])


DAMAGES = {
    "gone": lambda path: path.unlink(),
    "cut": cut,
    "almost whole": lambda path: cut(path, 0.99),
    "empty": lambda path: path.write_bytes(b""),
    "footer": spoil_footer,
    "rows": take_rows,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("table", TABLES_OF_A_STUDY)
def test_a_damaged_file_is_named_and_the_snapshot_stays(filled, table, damage):
    stage.run(filled.lake, filled.config)
    before = sha256_of(filled.lake.snapshot)
    path = landing(filled, table)
    DAMAGES[damage](path)
    with pytest.raises(LakeCorruptError) as told:
        stage.run(filled.lake, filled.config)
    assert path.name in str(told.value)
    assert told.value.way_out
    assert sha256_of(filled.lake.snapshot) == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_before_it_goes_into_a_batch(filled, eager, damage):
    path = landing(filled, "feature_binned")
    DAMAGES[damage](path)
    with pytest.raises(LakeCorruptError) as told:
        stage.run(filled.lake, eager)
    assert path.name in str(told.value)
    path.unlink(missing_ok=True)
    filled.radiomics(STUDY, 1)  # its stage again: the same rows
    filled.flush()
    stage.run(filled.lake, eager)
    shown = rows(filled.lake, "select count(*) as n from feature.radiomics")
    assert shown == [{"n": 11 * 56}]


@pytest.mark.parametrize("damage", ["cut", "almost whole", "empty"])
def test_a_batch_that_lost_bytes_is_told_and_its_members_are_read(filled, eager, damage, caplog):
    stage.run(filled.lake, eager)
    before = rows(filled.lake, "select sum(hash(ih_entropy)) as total from feature.radiomics")
    (path,) = (filled.lake.root / "batch" / "feature_binned").rglob("seq=*.parquet")
    DAMAGES[damage](path)
    with caplog.at_level(logging.WARNING):
        stage.run(filled.lake, filled.config)
    assert filled.lake.relative(path) in caplog.text
    after = rows(filled.lake, "select sum(hash(ih_entropy)) as total from feature.radiomics")
    assert after == before


def test_a_batch_of_before_that_cannot_be_read_is_named(filled, eager):
    """Records of before do not tell the bytes of their batch."""
    stage.run(filled.lake, eager)
    for record in (filled.lake.root / "manifest" / "compaction").glob("*.json"):
        content = json.loads(record.read_text())
        del content["n_bytes"]
        record.write_text(json.dumps(content))
    (path,) = (filled.lake.root / "batch" / "feature_binned").rglob("seq=*.parquet")
    cut(path)
    with pytest.raises(LakeCorruptError, match=r"seq=1\.parquet"):
        stage.run(filled.lake, filled.config)
    path.unlink()
    stage.run(filled.lake, filled.config)


def test_a_file_that_was_found_again_with_fewer_rows_is_named(filled):
    """The stage skips what is there: its new record tells the rows as they are now."""
    stage.run(filled.lake, filled.config)
    path = landing(filled, "quality_metric", "s10")
    whole = path.read_bytes()
    data = read_parquet(path, "quality_metric")
    pq.write_table(data.slice(0, 0), path, store_schema=False)
    found = filled.lake.existing(
        "quality",
        filled.config.address("quality"),
        "s10",
        path.name.split(".")[1],
        tables=("quality_metric",),
    )
    (told,) = found
    filled.record("quality", "s10", "skipped", [told])
    filled.flush()
    with pytest.raises(LakeCorruptError, match=r"s10.*has 0 rows and had 1"):
        stage.run(filled.lake, filled.config)
    path.write_bytes(whole)
    filled.record("quality", "s10", "done", [filled.lake.written("quality_metric", path, "")])
    filled.flush()
    stage.run(filled.lake, filled.config)


@pytest.mark.parametrize("damage", ["cut", "empty", "footer"])
def test_a_stage_does_a_file_again_that_cannot_be_read(filled, damage):
    path = landing(filled, "volume")
    digest = path.name.split(".")[1]
    found = ("intake", filled.config.address("intake"), STUDY, digest)
    assert filled.lake.existing(*found)
    DAMAGES[damage](path)
    assert filled.lake.existing(*found) == ()


def test_a_stage_that_reads_a_file_cut_short_names_it(filled):
    path = landing(filled, "volume")
    cut(path)
    with pytest.raises(LakeCorruptError, match=rf"{path.name} cannot be read"):
        filled.lake.read("volume", filled.config.address("intake"), STUDY)


def test_a_file_that_the_system_refuses_is_no_damage(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_parquet(tmp_path / "study=x.y.parquet", "volume")


def test_a_column_that_stands_twice_is_unexpected(filled):
    path = landing(filled, "volume")
    data = pq.read_table(path, partitioning=None)
    twice = pa.Table.from_arrays(
        [*data.columns, data["study_key"]], [*data.column_names, "study_key"]
    )
    pq.write_table(twice, path, store_schema=False)
    with pytest.raises(LakeCorruptError, match=r"unexpected columns \['study_key'\]"):
        stage.run(filled.lake, filled.config)


# ------------------------------------------------------------------------ joining


@pytest.mark.parametrize("rows_at_once", [1, 150, 500, 10**9])
def test_the_joined_bytes_do_not_hang_on_how_many_rows_are_held(
    build, monkeypatch, rows_at_once, tmp_path
):
    build.once, build.binned = ONCE[:4], BINNED[:6]
    build.catalogue()
    for i in range(9):
        build.radiomics(f"k{i}", i)
    wanted = tmp_path / "wanted.parquet"
    found = tmp_path / "found.parquet"
    sources = [
        joining.Source(build.lake.relative(p), n_rows=56)
        for p in sorted((build.lake.root / "landing" / "feature_binned").rglob("*.parquet"))
    ]
    assert joining.join(build.lake, "feature_binned", sources, wanted) == 9 * 56
    monkeypatch.setattr(joining, "ROWS_AT_ONCE", rows_at_once)
    assert joining.join(build.lake, "feature_binned", sources, found) == 9 * 56
    assert sha256_of(found) == sha256_of(wanted)
    assert pq.read_metadata(found).num_row_groups == 8


def test_each_feature_file_is_read_once_whatever_the_number_of_grey_levels(build, monkeypatch):
    """Once its footer, once its rows, by DuckDB: 500 files of 431 columns took 75 s of CPU."""
    build.catalogue()
    for i in range(5):
        build.radiomics(f"k{i}", i)
    footers, statements = [], []
    read_footer, connect = joining.read_footer, joining.duckdb.connect

    def noted(path, *arguments, **named):
        footers.append(path)
        return read_footer(path, *arguments, **named)

    class Connection:
        def __init__(self, **named):
            self.real = connect(**named)

        def sql(self, text):
            statements.append(text)
            return self.real.sql(text)

        def close(self):
            self.real.close()

    monkeypatch.setattr(joining, "read_footer", noted)
    monkeypatch.setattr(joining, "read_whole", None)
    monkeypatch.setattr(joining.duckdb, "connect", Connection)
    paths = sorted((build.lake.root / "landing" / "feature_binned").rglob("*.parquet"))
    sources = [joining.Source(build.lake.relative(p)) for p in paths]
    joining.join(build.lake, "feature_binned", sources, build.lake.root / "joined.parquet")
    assert footers == paths
    [text] = statements
    assert all(text.count(path.name) == 1 for path in paths)


def test_a_feature_file_with_damaged_rows_is_named_when_batches_are_made(build):
    build.catalogue()
    for i in range(3):
        build.radiomics(f"k{i}", i)
    paths = sorted((build.lake.root / "landing" / "feature_binned").rglob("*.parquet"))
    content = bytearray(paths[1].read_bytes())
    content[4:4000] = bytes(3996)  # its footer is sound
    paths[1].write_bytes(content)
    sources = [joining.Source(build.lake.relative(p)) for p in paths]
    with pytest.raises(LakeCorruptError, match=paths[1].name):
        joining.join(build.lake, "feature_binned", sources, build.lake.root / "joined.parquet")


def test_columns_that_came_later_are_null_in_a_batch(build, config, monkeypatch):
    """Old files of such a table stand beside new ones at one address, in either order."""
    from dataclasses import replace

    spec = replace(TABLES["segmentation"], later=frozenset({"is_sure"}))
    monkeypatch.setattr(joining, "TABLES", {**TABLES, "segmentation": spec})
    for key in ("a", "b", "c"):
        build.segmentation(key)
    paths = sorted((build.lake.root / "landing" / "segmentation").rglob("*.parquet"))
    for old in (paths[0], paths[2]):
        data = pq.read_table(old, partitioning=None)
        pq.write_table(data.drop_columns(["is_sure"]), old, store_schema=False)
    sources = [joining.Source(build.lake.relative(p)) for p in paths]
    joined = build.lake.root / "joined.parquet"
    joining.join(build.lake, "segmentation", sources, joined)
    assert pq.read_table(joined)["is_sure"].to_pylist() == [None, True, None]


def test_nothing_is_published_of_a_lake_whose_folder_of_a_table_is_gone(filled):
    stage.run(filled.lake, filled.config)
    shutil.rmtree(filled.lake.root / "landing" / "quality_verdict")
    with pytest.raises(LakeCorruptError, match=r"are gone, first: landing/quality_v"):
        stage.run(filled.lake, settings())
