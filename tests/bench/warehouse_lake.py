"""A lake of thousands of studies, made fast: its batch files are written by the compaction.

Nothing is synced to the disk while it is made, and of the rows of one study those of all others are
made by putting in their keys.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fabricated_lake import Builder, clinical_row, row

from mpss_lib import whole_files
from mpss_lib.batch import write_record
from mpss_lib.config import CONFIGURATIONS, Config
from mpss_lib.contract import CLASS_LIMITS
from mpss_lib.radiomics.catalogue import BINNED_NAMES, ONCE_NAMES
from mpss_lib.records import Unit
from mpss_lib.schemas import TABLES
from mpss_lib.sections import BINS, SEGMENTS
from mpss_lib.shelves import file_name, shelf_of
from mpss_lib.tables import Lake, Written, digest_of
from mpss_lib.warehouse.compaction import write_batch
from mpss_lib.warehouse.joining import PATH, Source

MARK = "@"
GROUP = 500
NIGHT = 25
_STAGES = {
    "pull": ("study", "instance"),
    "intake": ("volume",),
    "segmentation": ("segmentation",),
    "quality": ("quality_metric", "quality_verdict"),
    "radiomics": ("feature_once", "feature_binned"),
    "publication": ("prediction",),
}
_N_ROWS = {"instance": 3, "volume": 2, "quality_metric": 20, "prediction": 21} | {
    "feature_once": 7,
    "feature_binned": 56,
}


class BigLake:
    """Studies with every table of the chain.

    Parameters
    ----------
    lake, config
    once, binned : tuple of str
        Feature columns; all 487 by default.
    group, night : int
        Studies in a batch file, and in a manifest record.
    """

    def __init__(
        self,
        lake: Lake,
        config: Config,
        once: tuple[str, ...] = ONCE_NAMES,
        binned: tuple[str, ...] = BINNED_NAMES,
        group: int = GROUP,
        night: int = NIGHT,
    ) -> None:
        self.lake = lake
        self.config = config
        self.group, self.night = group, night
        self.keys: list[str] = []
        self.n_first = 0
        self._folders: dict[str, str] = {}
        self.builder = Builder(lake, config, once=once, binned=binned)

    def fill(self, n: int) -> None:
        """Write everything of ``n`` studies; nothing is published."""
        self.n_first = n
        self.keys = sorted(_key(f"study {i}") for i in range(n))
        self.builder.catalogue()
        with unsynced():
            for start in range(0, n, self.group):
                self._write_group(self.keys[start : start + self.group], start)
            for start in range(0, n, self.night):
                self._record(self.keys[start : start + self.night])
            rows = [clinical_row(f"R{key[1:]}", key, f"P{key[1:]}") for key in self.keys]
            self.builder.registry(rows)
            self.builder.flush()

    def take_up(self, n: int) -> int:
        """Go on with the lake that an earlier run filled with ``n`` studies; gives its size."""
        self.n_first = n
        self.keys = sorted(_key(f"study {i}") for i in range(n))
        folder = self.lake.root / "landing" / "feature_once"
        n_late = len(list(folder.rglob("study=*.parquet")))
        self.keys += [self.late_key(n + i) for i in range(n_late)]
        self.builder.catalogue()
        return len(self.keys)

    def add_study(self, number: int) -> None:
        """One study more, as the night writes it: landing files and manifest records."""
        key = self.late_key(number)
        self.keys.append(key)
        build = self.builder
        for stage, tables in _STAGES.items():
            files = [build.write(name, key, self._rows(name, [key], number)) for name in tables]
            files += [build.catalogue_file] * (stage == "radiomics")
            build.record(stage, key, "done", files)
        build.flush()

    @staticmethod
    def late_key(number: int) -> str:
        """Key of a study that ``add_study`` adds."""
        return _key(f"late {number}")

    def members(self) -> Iterator[str]:
        """Landing files of the first studies, below the lake."""
        for tables in _STAGES.values():
            for table in tables:
                yield from (self._member(table, key) for key in self.keys[: self.n_first])

    def add_again(self, key: str) -> None:
        """A second file in the features' tables of a study, recorded."""
        self.builder.radiomics(key, 1, salt="again")
        self.builder.flush()

    def feature_files(self, kind: str) -> list[Path]:
        """Feature files that are there, of the newest batches only where ``kind`` is batch."""
        found = []
        for table in ("feature_once", "feature_binned"):
            paths = sorted((self.lake.root / kind / table).rglob("*.parquet"), key=_number)
            if kind == "batch" and self.n_first > self.group:
                paths = [p for p in paths if _number(p) > -(-self.n_first // self.group)]
            found += paths
        return found

    def read_landing(self, once: Path, binned: Path) -> int:
        """Rows of one study from its two landing files, 487 columns."""
        with duckdb.connect() as connection:
            sql = (
                "select * from read_parquet(?) as binned join read_parquet(?) as once"
                " using (study_key, segment)"
                " order by segment, bins"
            )
            columns = connection.execute(sql, [str(binned), str(once)]).fetchnumpy()
        return len(columns["bins"])

    def wide_parts(self, n: int) -> Iterator[pa.Table]:
        """The rows of ``feature.radiomics`` for the peers: keys, then 487 columns."""
        for start in range(0, n, self.group):
            keys = self.keys[start : start + self.group]
            once = _features("feature_once", keys, ONCE_NAMES, start).drop_columns(
                ["n_voxels", "undefined_features"]
            )
            binned = _features("feature_binned", keys, BINNED_NAMES, start)
            binned = binned.drop_columns(["undefined_features"])
            joined = once.join(binned, keys=["study_key", "segment"])
            yield joined.select(["study_key", "segment", "bins", *ONCE_NAMES, *BINNED_NAMES])

    def _write_group(self, keys: list[str], seed: int) -> None:
        for tables in _STAGES.values():
            for table in tables:
                members = [self._member(table, key) for key in keys]
                data = self._rows(table, keys, seed)
                if table == "prediction":
                    paths = np.repeat(members, _N_ROWS[table])
                    data = data.append_column(PATH, pa.array(paths))
                raw = self.lake.root / f"{table}.parquet"
                pq.write_table(data, raw, compression="none", store_schema=False)
                write_batch(self.lake, table, [Source(raw.name)], members)
                raw.unlink()

    def _rows(self, table: str, keys: list[str], seed: int) -> pa.Table:
        if TABLES[table].has_features:
            builder = self.builder
            names = builder.once if table == "feature_once" else builder.binned
            return _features(table, keys, names, seed)
        return _repeated(table, keys)

    def _member(self, table: str, key: str) -> str:
        """Path of a landing file, as ``Lake.landing_path`` gives it, without asking for each."""
        if table not in self._folders:
            address = self.config.address(TABLES[table].stage)
            self._folders[table] = self.lake.relative(self.lake.landing_folder(table, address))
        name = file_name(TABLES[table].unit, key, _digest(table, key))
        return f"{self._folders[table]}/{shelf_of(key)}/{name}"

    def _written(self, table: str, key: str) -> Written:
        digest, n_rows = _digest(table, key), _N_ROWS.get(table, 1)
        content = hashlib.sha256(key.encode()).hexdigest()
        return Written(table, self._member(table, key), digest, n_rows, content)

    def _record(self, keys: list[str]) -> None:
        for stage, tables in _STAGES.items():
            units = [
                Unit.of(key, [self._written(table, key) for table in tables], is_new=True)
                for key in keys
            ]
            write_record(stage, units, self.lake, self.config, f"night {keys[0]}")


def _repeated(table: str, keys: list[str]) -> pa.Table:
    """Rows of every study: those of one, with the digits of each key in the place of the mark."""
    schema = TABLES[table].schema
    one = [_row(table, i) for i in range(_N_ROWS.get(table, 1))]
    data = pa.Table.from_pylist(one, schema=schema)
    data = data.take(pa.array(np.tile(np.arange(len(one)), len(keys))))
    for name in schema.names:
        values = [row[name] for row in one]
        if any(isinstance(value, str) and MARK in value for value in values):
            texts = [value.replace(MARK, key[1:]) for key in keys for value in values]
            data = data.set_column(schema.get_field_index(name), schema.field(name), [texts])
    return data


def _row(table: str, i: int) -> dict:
    """A row that breaks no expectation."""
    values = {"study_key": f"S{MARK}"}
    series = {"series_key": f"S{MARK}{i}", "object_key": f"S{MARK}o{i}"}
    chosen = {"is_chosen": True, "stress": "stress", "attenuation": "AC"}
    chosen |= {"nz": 40, "ny": 64, "nx": 64, "dz_mm": 4.8, "dy_mm": 4.8, "dx_mm": 4.8}
    value = float(i)
    special = {
        "study": {"patient_key": f"P{MARK}", "accession_key": f"accS{MARK}"}
        | {"acquired_period": "2020-Q1", "study_date_shifted": dt.date(2019, 3, 1)}
        | {"modalities": ["NM"]},
        "instance": series
        | {"is_stored": True, "n_objects": 1, "path": f"dicom/S{MARK}/{i}.dcm", "n_bytes": 1000}
        | {"content_sha256": "0" * 64},
        "volume": series | (chosen if i == 0 else {"reasons": ["not_best"]}),
        "segmentation": {"mask_path": f"masks/S{MARK}.npz", "is_sure": True}
        | {"myocardium_ml": 100.0, "cavity_ml": 60.0},
        "quality_metric": {"metric": f"metric {i}", "flag": "ok"},
        "quality_verdict": {"verdict": "pass"},
        "prediction": {"segment": SEGMENTS[i % 7], "configuration": CONFIGURATIONS[i // 7]}
        | {"cohort_hash": "c0ffee", "profile": "as_published", "value": value, "n_models": 50}
        | {"value_low": value - 1.0, "value_high": value + 1.0}
        | {"berman_class": sum(value > limit for limit in (0.0, *CLASS_LIMITS))},
    }
    return row(table, **(values | special.get(table, {})))


def _features(table: str, keys: list[str], names: tuple[str, ...], seed: int) -> pa.Table:
    rng = np.random.default_rng([seed, len(table)])
    each = 7 if table == "feature_once" else 56
    n = each * len(keys)
    columns = {
        "study_key": pa.array(np.repeat(keys, each)),
        "segment": pa.array(np.tile(np.repeat(SEGMENTS, each // 7), len(keys))),
    }
    if table == "feature_once":
        columns["n_voxels"] = pa.array(np.full(n, 1800))
    else:
        columns["bins"] = pa.array(np.tile(BINS, 7 * len(keys)))
    columns["undefined_features"] = pa.array([[]] * n, pa.list_(pa.string()))
    return pa.table(columns | {name: pa.array(rng.normal(size=n)) for name in names})


@contextmanager
def unsynced() -> Iterator[None]:
    """Make files without waiting for the disk: a lake that is made for a bench may be lost."""
    kept = whole_files.sync
    whole_files.sync = lambda path: None
    try:
        yield
    finally:
        whole_files.sync = kept


def _digest(table: str, key: str) -> str:
    return digest_of([table, key])


def _key(text: str) -> str:
    return f"S{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _number(path: Path) -> int:
    name = path.stem.removeprefix("seq=")
    return int(name) if name.isdigit() else 0
