"""The feature matrix: one way from feature rows of the lake to values by (study, segment, bins).

A study has one file of ``feature_once`` (what does not depend on the grey levels) and one of
``feature_binned``. Selection reads them through its locked connection, the other stages from disk;
the rows are laid out here for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mpss_lib.columns import check_columns
from mpss_lib.config import Config
from mpss_lib.parquet import named_damage
from mpss_lib.schemas import FEATURE_TABLES, TABLES
from mpss_lib.sections import SEGMENTS
from mpss_lib.tables import Lake

FilesByStudy = dict[str, Path]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FeatureMatrix:
    """Feature values of some studies.

    Parameters
    ----------
    values : (study, segment, bins, feature) float64
        NaN where a value is undefined, or is not there.
    is_there : (study, segment, bins) bool
        Whether there is a row at all, in either table.
    """

    values: npt.NDArray[np.float64]
    is_there: npt.NDArray[np.bool_]


def feature_files(lake: Lake, config: Config, studies: Sequence[str]) -> dict[str, FilesByStudy]:
    """Give the current file of each study that has one, by feature table."""
    address = config.address("radiomics")
    return {table: lake.current_paths(table, address, studies) for table in FEATURE_TABLES}


def read_features(
    paths: Mapping[str, Sequence[Path]],
    studies: Sequence[str],
    bins: Sequence[int],
    features: Sequence[str],
) -> FeatureMatrix:
    """Read files of the lake, of each no more than the columns that are wanted.

    Parameters
    ----------
    paths : mapping of feature table to its files
    studies, bins, features
        What the matrix has along its axes; the segments are ``SEGMENTS``.

    Raises
    ------
    LakeCorruptError
        A file cannot be read, or has other columns than its table.
    """
    wanted = frozenset(features)
    rows = {
        table: pa.concat_tables(
            [_read(path, table, wanted) for path in listed], promote_options="default"
        )
        for table, listed in paths.items()
        if listed
    }
    return lay_out(rows, studies, bins, features)


def lay_out(
    rows: Mapping[str, pa.Table],
    studies: Sequence[str],
    bins: Sequence[int],
    features: Sequence[str],
) -> FeatureMatrix:
    """Lay rows of the feature tables out along the axes; rows beyond them are left out.

    Parameters
    ----------
    rows : mapping of feature table to its rows
    studies, bins, features
        As for ``read_features``.
    """
    shape = (len(studies), len(SEGMENTS), len(bins))
    values = np.full((*shape, len(features)), np.nan)
    is_there = np.zeros(shape, np.bool_)
    for found in rows.values():
        study, segment = _places(found, "study_key", studies), _places(found, "segment", SEGMENTS)
        use = (study >= 0) & (segment >= 0)
        names = set(found.column_names)
        has_bins = "bins" in names
        if has_bins:
            level = _places(found, "bins", bins)
            use &= level >= 0
        at = (study[use], segment[use], level[use] if has_bins else slice(None))
        is_there[at] = True
        for k, name in enumerate(features):
            if name in names:
                column = found[name].to_numpy()[use]
                values[(*at, k)] = column if has_bins else column[:, None]
    return FeatureMatrix(values, is_there)


def _read(path: Path, table: str, features: frozenset[str]) -> pa.Table:
    """Keys and the wanted features of one file."""
    spec = TABLES[table]
    with named_damage(path.name), pq.ParquetFile(path) as file:
        check_columns(spec, file.schema_arrow, path.name)
        names = [n for n in file.schema_arrow.names if n in spec.grain or n in features]
        return file.read(columns=names, use_threads=False)


def _places(rows: pa.Table, column: str, along: Sequence[str] | Sequence[int]) -> Places:
    """Place of each row along an axis, -1 where it has none."""
    found = pc.index_in(rows[column], value_set=pa.array(along, rows.schema.field(column).type))
    places: Places = found.fill_null(-1).to_numpy().astype(np.int64)
    return places
