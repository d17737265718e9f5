"""The lake's current files, open for the suites: by name, in memory.

Of the published snapshot is taken what it knows of files that have not changed (which are read, how
many rows each has, the keys in them); a whole check takes nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mpss_lib.config import Address, Config
from mpss_lib.schemas import FEATURE_TABLES, REAL, TABLES, TEXT
from mpss_lib.sections import BINS
from mpss_lib.tables import Lake, digest_of
from mpss_lib.warehouse.compaction import Reading, prefer_batches, read_batches
from mpss_lib.warehouse.expectations.narrowing import Few, sources_of_few
from mpss_lib.warehouse.joining import PATH
from mpss_lib.warehouse.manifest import APPEND_ONLY, Ledger, current_paths
from mpss_lib.warehouse.meta import COUNTED, META_NAMES, arrow_table, cohort_rule
from mpss_lib.warehouse.newest import PREDICTION, newest_only
from mpss_lib.warehouse.pointers import of_every_stage, read_pointers
from mpss_lib.warehouse.published import ledger_of
from mpss_lib.warehouse.relations import Relation, read_relations
from mpss_lib.warehouse.snapshot import create_relation
from mpss_lib.warehouse.sources import feature_names, source_of
from mpss_lib.warehouse.standing import standing
from mpss_lib.warehouse.study_rows import count_shown

if TYPE_CHECKING:
    import pandas as pd

_STUDY = re.compile(r"study=([^.]+)\.")

RULE = "meta.cohort_rule"
"""What the settings say of the cohort: the one table of the publisher that is made here too."""

CHUNK_ROWS = 8192
"""Rows of a feature table that are judged together: 30 MB."""


class Named(NamedTuple):
    """What a manifest record says of a unit's file."""

    unit_key: str
    path: str
    content_sha256: str
    n_rows: int


@dataclass(frozen=True)
class FileState:
    """What can be said of one file without reading its rows.

    ``is_as_recorded`` is about the file of one study, ``is_whole_as_recorded`` about any other
    (a batch file, the registry's).
    """

    path: str
    is_there: bool
    is_readable: bool | None = None
    unknown: str = ""
    missing: str = ""
    is_as_recorded: bool | None = None
    is_whole_as_recorded: bool | None = None
    study_key: str = ""


class Current:
    """What the manifest names now, at the published version of each stage.

    Parameters
    ----------
    lake, config
    is_whole : bool
        Look for every landing file, also where a batch file repeats it.
    """

    def __init__(self, lake: Lake, config: Config, *, is_whole: bool = False) -> None:
        self.lake, self.config, self.is_whole = lake, config, is_whole
        self._told: dict[str, tuple[Named, ...]] = {}
        self._missing: dict[str, frozenset[str]] = {}
        self._standing = None if is_whole else standing(lake, config)
        self.pointers: Mapping[str, Address] = of_every_stage(config, read_pointers(lake))

    @property
    def is_of_snapshot(self) -> bool:
        """Whether new records only add to what the published snapshot reads."""
        return self._standing is not None

    @cached_property
    def ledger(self) -> Ledger:
        """The whole manifest: read only where what is new is not enough to answer."""
        return ledger_of(self.lake)

    @cached_property
    def landing(self) -> Mapping[str, tuple[str, ...]]:
        """Every current landing file of each table, in a batch or not."""
        every = dict(current_paths(self.lake, self.ledger, self.pointers))
        every[PREDICTION] = tuple(p for p in every[PREDICTION] if p in self._newest)
        return every

    @cached_property
    def _newest(self) -> frozenset[str]:
        return frozenset(file.path for file in self._files(PREDICTION))

    @cached_property
    def _all_readings(self) -> dict[str, Reading]:
        batches = read_batches(self.lake)
        found = prefer_batches(current_paths(self.lake, self.ledger, self.pointers), batches)
        members = {batch.path: batch.members for batch in batches if batch.table == PREDICTION}
        found[PREDICTION] = newest_only(found[PREDICTION], self._newest, members)
        return found

    def reading(self, table: str) -> Reading:
        """Files that give the current rows of a table; of predictions the newest of each study."""
        told = self._standing
        if told is None:
            return self._all_readings[table]
        return told.newest_predictions if table == PREDICTION else told.readings[table]

    def _files(self, table: str) -> tuple[Named, ...]:
        """Give what the manifest says of a table's current files; it is asked once."""
        if table not in self._told:
            stage = TABLES[table].stage
            rows = self.ledger.current_of(table, stage, self.pointers[stage])
            columns = rows.select(list(Named._fields)).to_pydict().values()
            self._told[table] = tuple(map(Named, *columns))
        return self._told[table]

    def content_of(self, table: str, units: Collection[str]) -> dict[str, str]:
        """Map unit keys of a table to the SHA-256 of their current files.

        Of a table of studies those that are named, of any other table every one.
        """
        if self._standing is not None:
            wanted = units if TABLES[table].unit == "study" else None
            return self._standing.content_of(self.lake, table, wanted)
        return {file.unit_key: file.content_sha256 for file in self._files(table)}

    @property
    def new_studies(self) -> frozenset[str]:
        """Studies that records which the published snapshot does not know name."""
        files = self._standing.new.files if self._standing is not None else ()
        return frozenset(
            file["unit_key"] for file in files if TABLES[file["table_name"]].unit == "study"
        )

    @cached_property
    def bins(self) -> tuple[int, ...]:
        """Grey levels with which the published features were made."""
        import json

        address = self.pointers["radiomics"]
        ledger = self.ledger if self._standing is None else self._standing.new
        for row in ledger.tables["settings"].to_pylist():
            made_by = (row["stage"], row["engine"], row["config"])
            if made_by == ("radiomics", address.engine, address.config) and row["field"] == "bins":
                return tuple(json.loads(row["value"]))
        return BINS

    def digest(self, tables: Iterable[str], *more: str) -> str:
        """Digest of all that a check of these tables depends on.

        A file never changes, so those are the files that are read, with their size and time: one
        which was altered in its place is looked at again.
        """
        parts = list(more)
        for table in tables:
            reading = self.reading(table)
            without = (f"{one.path} {sorted(one.without)}" for one in reading.batches)
            read = (f"{path} {self.state_of(path)}" for path in reading.paths)
            parts.append("\n".join([table, *without, *sorted(self._gone(table)), *read]))
        return digest_of(parts)

    def state_of(self, path: str) -> str:
        """Size and time of change of a file below the lake; ``gone`` where it is not there."""
        try:
            state = (self.lake.root / path).stat()
        except FileNotFoundError:
            return "gone"
        return f"{state.st_size} {state.st_mtime_ns}"

    def _gone(self, table: str) -> frozenset[str]:
        """Files of a table that are named and not there; each shelf is listed once.

        What a batch repeats is looked for by a whole check only: nothing reads it.
        """
        if table not in self._missing:
            wanted = set(self.reading(table).paths)
            if not self.is_whole:
                there = {path for path in wanted if (self.lake.root / path).is_file()}
                self._missing[table] = frozenset(wanted - there)
                return self._missing[table]
            wanted.update(self.landing[table])
            for folder in {path.rpartition("/")[0] for path in wanted}:
                with suppress(FileNotFoundError):
                    names = os.listdir(f"{self.lake.root}/{folder}")  # noqa: PTH208 (of every file)
                    wanted.difference_update([f"{folder}/{name}" for name in names])
            self._missing[table] = frozenset(wanted)
        return self._missing[table]

    # ----------------------------------------------------------------- files

    def n_files(self, table: str) -> int:
        """Files of a table that are read."""
        return len(self.reading(table).paths)

    def files(self, table: str, but: Collection[str] = ()) -> list[FileState]:
        """State of each file of a table that is read, but of some, and of those that are gone.

        Of a landing file that a batch repeats no more is asked than that it is there.
        """
        counted, reading = self._counted(table), self.reading(table)
        expected, later = self.columns(table), TABLES[table].later
        batches = {source.path for source in reading.batches}
        more: dict[str, pa.DataType] = {}
        if table in APPEND_ONLY:  # a batch tells the landing file of each row; old files may lack
            later, more = later.union(expected).difference(TABLES[table].grain), {PATH: TEXT}
        gone = self._gone(table)
        found = [FileState(path, is_there=False) for path in gone]
        for path in set(reading.paths) - gone - set(but):
            columns = {**expected, **(more if path in batches else {})}
            whole = f"{self.lake.root}/{path}"
            found.append(_state(whole, path, columns, counted.get(path), later))
        return sorted(found, key=lambda file: (file.path in batches, file.path))

    def _counted(self, table: str) -> Mapping[str, int]:
        """Rows of the files that are read, by their records."""
        if self._standing is not None:
            return self._standing.n_rows
        reading = self.reading(table)
        batches = {one.path: one.n_rows for one in reading.batches if one.n_rows is not None}
        return self.ledger.rows_of(reading.alone) | batches

    def columns(self, table: str) -> dict[str, pa.DataType]:
        """Columns that a file of this table must have: the schema's, and its features."""
        spec = TABLES[table]
        features = self.features.get(table, []) if spec.has_features else []
        return {**spec.columns, **dict.fromkeys(features, REAL)}

    @cached_property
    def features(self) -> dict[str, list[str]]:
        """Feature columns of each feature table, by the catalogue; empty where there is none."""
        paths = self.reading("feature_catalogue").paths
        there = [path for path in paths if (self.lake.root / path).is_file()]
        return feature_names(self.lake, there)

    # ------------------------------------------------------------------ rows

    @contextmanager
    def open(
        self,
        needed: Iterable[str],
        leave_out: Iterable[str] = (),
        few: Few | None = None,
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection in memory with views of some relations and of what they read.

        Parameters
        ----------
        needed : iterable of str
            Qualified names; of what a check has written there is no view: lost, it is made anew.
        leave_out : iterable of str
            Tables at fault: they have no view, nor has what reads them.
        few : Few, optional
            Show the rows of these studies and records only; schema ``every`` has the features of
            all.
        """
        needed = set(needed)
        gone = {f"raw.{name}" for name in leave_out}
        wanted = self.reached(needed)
        counted = {name: self.reading(name) for name in COUNTED if f"raw.{name}" in needed}
        if not gone.isdisjoint(f"raw.{name}" for name in counted):
            gone.add("meta.study_rows")
        sound = {name: reading for name, reading in counted.items() if f"raw.{name}" not in gone}
        settings = {"threads": self.config.warehouse.threads}
        with duckdb.connect(config=settings) as connection:
            for schema in ("meta", "raw", "core", "quality", "every"):
                connection.execute(f"create schema {schema}")
            studies = few.studies if few is not None else None
            count_shown(connection, self.lake, sound, is_fresh=self.is_whole, studies=studies)
            if RULE in wanted:
                rule = arrow_table("cohort_rule", [cohort_rule(self.config)])
                connection.register("arrow_rule", rule)
                connection.execute(f"create table {RULE} as from arrow_rule")
            sources = self._sources(wanted - gone)
            for name in FEATURE_TABLES:
                if name in sources:
                    connection.execute(f"create view every.{name} as from {sources[name]}")
            if few is not None:
                readings = {name: self.reading(name) for name in sources}
                sources |= sources_of_few(
                    few, self.lake, readings, self.features, connection, sound
                )
            for relation in self._relations:
                if relation.full_name in gone or relation.needs & gone:
                    gone.add(relation.full_name)
                elif relation.full_name in wanted:
                    create_relation(connection, _as_view(relation), sources)
            yield connection

    def _sources(self, wanted: Collection[str]) -> dict[str, str]:
        return {
            name: source_of(self.lake, TABLES[name], self.reading(name), self.features)
            for name in TABLES
            if f"raw.{name}" in wanted
        }

    @cached_property
    def _relations(self) -> tuple[Relation, ...]:
        return read_relations(base=META_NAMES)

    def reached(self, needed: Iterable[str]) -> set[str]:
        """Qualified names of relations and of all that they read."""
        found = set(needed)
        for relation in reversed(self._relations):
            if relation.full_name in found:
                found |= relation.needs
        return found

    def chunks(self, table: str, paths: Iterable[str]) -> Iterator[pd.DataFrame]:
        """Read feature files, some thousands of rows at a time.

        Parameters
        ----------
        table, paths : str, iterable of str below the lake's root

        Yields
        ------
        pandas.DataFrame, columns of the table and the file of each row
        """
        columns = list(self.columns(table))
        waiting: list[pa.RecordBatch] = []
        for path in paths:
            with pq.ParquetFile(self.lake.root / path) as file:
                for part in file.iter_batches(batch_size=CHUNK_ROWS, columns=columns):
                    named = pa.array([path] * part.num_rows, TEXT)
                    waiting.append(part.select(columns).append_column(PATH, named))
                    if sum(batch.num_rows for batch in waiting) >= CHUNK_ROWS:
                        yield _as_frame(waiting)
                        waiting = []
        if waiting:
            yield _as_frame(waiting)


def relations_of(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Qualified names of the relations that are there."""
    found = connection.execute("select schema_name || '.' || view_name from duckdb_views()")
    return {name for (name,) in found.fetchall()}


def _as_view(relation: Relation) -> Relation:
    return replace(relation, stored="view")


def _as_frame(parts: Sequence[pa.RecordBatch]) -> pd.DataFrame:
    frame: pd.DataFrame = pa.Table.from_batches(parts).to_pandas()
    return frame


def _state(
    path: str,
    name: str,
    expected: Mapping[str, pa.DataType],
    n_rows: int | None,
    later: frozenset[str],
) -> FileState:
    try:
        with pq.ParquetFile(path) as file:
            schema, found = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError):
        return FileState(name, is_there=True, is_readable=False)
    kinds = dict(zip(schema.names, schema.types, strict=True))
    is_right = n_rows is None or n_rows == found
    study = told[1] if (told := _STUDY.match(name.rpartition("/")[2])) else ""
    wrong = [
        f"{c} ({kinds.get(c, 'absent')})"
        for c, kind in expected.items()
        if kinds.get(c) != kind and (c in kinds or c not in later)
    ]
    return FileState(
        path=name,
        is_there=True,
        is_readable=True,
        unknown=", ".join([column for column in kinds if column not in expected][:5]),
        missing=", ".join(wrong[:5]),
        is_as_recorded=is_right if study else None,
        is_whole_as_recorded=None if study else is_right,
        study_key=study,
    )
