"""Feature rows as every stage sees them: laid out by study, segment, grey level and feature."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from oracles.statistics_lake import catalogue_rows, fill, study_key

from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.feature_values import feature_files, lay_out, read_features
from mpss_lib.sections import SEGMENTS
from mpss_lib.tables import Lake

CONFIG = Config()
STUDIES = [study_key(k) for k in (2, 0, 1)]
BINS = (16, 64)
FEATURES = [row["sera_name"] for row in catalogue_rows()][::-3]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    fill(lake, CONFIG, n=3)
    return lake


def files(lake, studies=STUDIES):
    return {t: list(found.values()) for t, found in feature_files(lake, CONFIG, studies).items()}


def test_every_value_stands_in_its_place(lake):
    """Against the rows themselves, one by one."""
    found = read_features(files(lake), STUDIES, BINS, FEATURES)
    wanted = np.full((3, 7, 2, len(FEATURES)), np.nan)
    address = CONFIG.address("radiomics")
    for s, key in enumerate(STUDIES):
        for table in ("feature_once", "feature_binned"):
            for row in lake.rows(table, address, key):
                for g, bins in enumerate(BINS):
                    if row.get("bins", bins) != bins:
                        continue
                    for k, name in enumerate(FEATURES):
                        if name in row:
                            wanted[s, SEGMENTS.index(row["segment"]), g, k] = row[name]
    np.testing.assert_array_equal(found.values, wanted)
    assert np.isfinite(found.values).all()
    assert found.is_there.all()


def test_what_is_not_there_is_nan_and_what_is_not_asked_for_is_left_out(lake):
    paths = files(lake, STUDIES[:1])
    found = read_features(paths, [study_key(9), *STUDIES[:1]], (64, 5), ["unknown", *FEATURES])
    assert not found.is_there[0].any()
    assert np.isnan(found.values[0]).all()
    assert np.isnan(found.values[..., 0]).all()
    depends = [row["depends_on_bins"] for row in catalogue_rows()][::-3]
    np.testing.assert_array_equal(np.isnan(found.values[1, 0, 1, 1:]), depends)
    other = read_features(files(lake), STUDIES[:1], (64, 5), ["unknown", *FEATURES])
    np.testing.assert_array_equal(other.values[0], found.values[1])


def test_a_row_without_a_value_is_there(lake):
    rows = pa.table({"study_key": ["a"], "segment": ["LAD3"], "x": pa.array([None], pa.float64())})
    found = lay_out({"feature_once": rows}, ["a"], BINS, ["x"])
    assert found.is_there.sum() == len(BINS)
    assert found.is_there[0, SEGMENTS.index("LAD3")].all()
    assert np.isnan(found.values).all()


def test_nothing_is_a_matrix_too():
    found = read_features({"feature_once": [], "feature_binned": []}, ["a"], BINS, ["x"])
    assert np.isnan(found.values).all()
    assert not found.is_there.any()


@pytest.mark.parametrize("table", ["feature_once", "feature_binned"])
def test_a_file_that_is_cut_short_is_named(lake, tmp_path, table):
    paths = files(lake)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(paths[table][1].read_bytes()[:-9])
    with pytest.raises(LakeCorruptError, match=r"cut\.parquet cannot be read"):
        read_features(paths | {table: [cut]}, STUDIES, BINS, FEATURES)
