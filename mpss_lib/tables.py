"""The lake: writes, typed reads, addresses, manifest and quarantine.

A file is named by what made it (``design`` rule 2)::

    landing/<name>/engine=<E>/config=<C>/<shelf>/<unit>=<key>.<input digest>.parquet

It is never overwritten. The newest manifest record of a unit names its current file. ``shelves``
says how it is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from mpss_lib.columns import Row, check_columns, conform
from mpss_lib.config import Address
from mpss_lib.errors import LakeCorruptError, WrongArgumentError
from mpss_lib.parquet import read_footer, read_whole, table_bytes
from mpss_lib.schemas import TABLES, tables_of
from mpss_lib.shelves import Shelved, file_name, newest, on_shelf, shelf_of, shelves_of
from mpss_lib.whole_files import read_json, read_json_there, write_bytes, write_json


@dataclass(frozen=True)
class Written:
    """One lake file that a stage call answers for, whether it was written now or was there."""

    table: str
    path: str
    input_digest: str
    n_rows: int
    content_sha256: str


@dataclass(frozen=True)
class Outcome:
    """What a study-level stage did with one study.

    Parameters
    ----------
    status : str
        ``done``, ``skipped`` (identical output was there) or ``rejected``.
    written : tuple of Written
        The current files of the study in this stage's tables.
    reasons : tuple of str
        Why it was rejected.
    """

    status: str
    written: tuple[Written, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lake:
    """The folder that holds every de-identified thing."""

    root: Path

    @property
    def snapshot(self) -> Path:
        """The published DuckDB file."""
        return self.root / "warehouse.duckdb"

    def dicom_folder(self, study_key: str) -> Path:
        """Folder of the study's de-identified objects."""
        return self.root / "dicom" / study_key

    def mask_path(self, address: Address, study_key: str, digest: str) -> Path:
        """File of the study's masks."""
        return self.root / "masks" / address.folder / f"{study_key}.{digest}.npz"

    def landing_path(self, table: str, address: Address, key: str, digest: str) -> Path:
        """File of one unit in one table."""
        name = file_name(TABLES[table].unit, key, digest)
        return self.landing_folder(table, address) / shelf_of(key) / name

    def landing_folder(self, table: str, address: Address) -> Path:
        """Folder of the shelves of one table, engine and config."""
        return self.root / "landing" / table / address.folder

    def relative(self, path: Path) -> str:
        """Path below the lake, with slashes."""
        return path.relative_to(self.root).as_posix()

    # ------------------------------------------------------------------ write

    def write(
        self, table: str, address: Address, key: str, digest: str, rows: Sequence[Row] | pa.Table
    ) -> Written:
        """Write the rows of one unit, whole or not at all; as ``prepared``, or the disk refuses."""
        path, content, written = self.prepared(table, address, key, digest, rows)
        write_bytes(path, content)
        return written

    def prepared(
        self, table: str, address: Address, key: str, digest: str, rows: Sequence[Row] | pa.Table
    ) -> tuple[Path, bytes, Written]:
        """Make the file of the rows of one unit: where it goes, its bytes, and what it is.

        Parameters
        ----------
        table : str
            Name of a lake table.
        address : Address
            Engine and config hash of the stage.
        key : str
            Key of the unit (study key, cohort hash, ...).
        digest : str
            Digest of the input bytes.
        rows : sequence of mappings, or pyarrow.Table
            All columns of the schema; feature columns too where the table has them.

        Raises
        ------
        LakeCorruptError
            If a column is missing or of another type, or the grain is broken.
        """
        data = conform(TABLES[table], rows)
        path = self.landing_path(table, address, key, digest)
        content = table_bytes(data, TABLES[table])
        sha256 = hashlib.sha256(content).hexdigest()
        written = Written(table, self.relative(path), digest, data.num_rows, sha256)
        return path, content, written

    def written(self, table: str, path: Path, digest: str, n_rows: int | None = None) -> Written:
        """Describe a file that is there."""
        if n_rows is None:
            n_rows = read_footer(path).num_rows
        return Written(table, self.relative(path), digest, n_rows, sha256_of(path))

    def existing(
        self, stage: str, address: Address, key: str, digest: str, *, tables: Sequence[str] = ()
    ) -> tuple[Written, ...]:
        """Files of a unit if *all* tables of the stage (or ``tables``) have one for this input.

        A file that cannot be read is not there: it is written anew.
        """
        names = tables or [table.name for table in tables_of(stage)]
        paths = {name: self.landing_path(name, address, key, digest) for name in names}
        if not all(path.exists() for path in paths.values()):
            return ()
        try:
            return tuple(self.written(name, path, digest) for name, path in paths.items())
        except LakeCorruptError:
            return ()

    # ------------------------------------------------------------------- read

    def current_path(self, table: str, address: Address, key: str) -> Path | None:
        """Newest file of a unit at this address, by the manifest; None where there is none.

        A unit with one file needs no manifest record: a stage called by hand is read as well.
        """
        return self.current_paths(table, address, (key,)).get(key)

    def current_paths(
        self, table: str, address: Address, keys: Collection[str] | None = None
    ) -> dict[str, Path]:
        """Map unit key to its newest file at this address; all units where ``keys`` is None.

        They are in the order of ``keys``, else sorted: digests of inputs are made of them.
        """
        folder = self.landing_folder(table, address)
        wanted = None if keys is None else frozenset(keys)
        found: dict[str, Path] = {}
        several: dict[str, Shelved] = {}
        for shelf in shelves_of(folder, wanted):
            for key, one in on_shelf(shelf, wanted).items():
                if len(one.files) == 1:
                    found[key] = one.folder / one.files[0]
                elif one.files:
                    several[key] = one
        found |= self._newest(table, address, several)
        return {
            key: found[key] for key in (sorted(found) if keys is None else keys) if key in found
        }

    def _newest(
        self, table: str, address: Address, several: Mapping[str, Shelved]
    ) -> dict[str, Path]:
        """Choose the file of each unit that has several: by its marks, else by all the records."""
        stage = TABLES[table].stage
        found: dict[str, Path] = {}
        for key, one in several.items():
            for path, record in one.named():
                if self.record_path(stage, record).exists():
                    found[key] = path
                    break
        unmarked = several.keys() - found.keys()
        named = self._named(stage, address) if unmarked else {}
        for key in unmarked:
            name = named.get((table, key))
            found[key] = self.root / name if name else newest(several[key].paths)
        return found

    def landing_files(
        self, table: str, address: Address | None = None, key: str | None = None
    ) -> list[Path]:
        """Every file of a table, sorted: at one address or all, of one unit or all."""
        if address is None:
            folders = sorted((self.root / "landing" / table).glob("engine=*/config=*"))
        else:
            folders = [self.landing_folder(table, address)]
        keys = None if key is None else (key,)
        shelves = [shelf for folder in folders for shelf in shelves_of(folder, keys)]
        return [
            path for shelf in shelves for u in on_shelf(shelf, keys).values() for path in u.paths
        ]

    def read(self, table: str, address: Address, key: str) -> pa.Table | None:
        """Rows of a unit's current file, None where there is none."""
        path = self.current_path(table, address, key)
        return None if path is None else read_parquet(path, table)

    def rows(self, table: str, address: Address, key: str) -> list[dict[str, Any]]:
        """Rows of a unit's current file as dicts, empty where there is none."""
        data = self.read(table, address, key)
        return [] if data is None else data.to_pylist()

    # --------------------------------------------------------------- manifest

    def record_path(self, stage: str, name: str) -> Path:
        """File of one manifest record."""
        return self.root / "manifest" / stage / f"{name}.json"

    def record(self, stage: str, name: str, record: Mapping[str, Any]) -> Path:
        """Add one manifest record: an append-only file of its own."""
        path = self.record_path(stage, name)
        write_json(path, record)
        return path

    def records(self, stage: str) -> list[dict[str, Any]]:
        """Manifest records of a stage, oldest first."""
        found = [read_json(path) for path in (self.root / "manifest" / stage).glob("*.json")]
        return sorted(found, key=place_of)

    def _named(self, stage: str, address: Address) -> dict[tuple[str, str], str]:
        """Map (table, unit key) to the file that the newest record of an address names."""
        return {
            (file["table"], unit["key"]): file["path"]
            for record in self.records(stage)
            if (record["engine"], record["config"]) == (address.engine, address.config)
            for unit in record["units"]
            for file in unit["files"]
        }

    # ------------------------------------------------------------- quarantine

    def quarantine_path(self, stage: str, key: str) -> Path:
        """File that says why a study stands still."""
        return self.root / "quarantine" / stage / f"{key}.json"

    def quarantine(self, stage: str, key: str, *, error: str, problem: str, way_out: str) -> None:
        """Set a study aside at a stage; counts the tries."""
        path = self.quarantine_path(stage, key)
        before = read_json_there(path)
        tries = before["tries"] if before else 0
        row = {"stage": stage, "study_key": key, "error": error, "problem": problem}
        write_json(path, row | {"way_out": way_out, "tries": tries + 1})

    def release(self, stage: str, key: str) -> None:
        """Take a study out of quarantine (it passed)."""
        self.quarantine_path(stage, key).unlink(missing_ok=True)

    def quarantined(self) -> list[dict[str, Any]]:
        """Every study that stands still, by stage and key."""
        paths = sorted((self.root / "quarantine").glob("*/*.json"))
        return [row for path in paths if (row := read_json_there(path)) is not None]


def place_of(record: Mapping[str, Any]) -> tuple[int, str, str]:
    """Place of a manifest record among all; records of before have no ``order`` and come first."""
    return (int(record.get("order", 0)), record["written_at"], record["record"])


def read_parquet(path: Path, table: str) -> pa.Table:
    """Read a lake file and check its schema; ``later`` columns that it lacks are null."""
    data = read_whole(path)
    spec = TABLES[table]
    check_columns(spec, data.schema, path.name)
    for name in sorted(spec.later - set(data.schema.names)):
        data = data.append_column(name, pa.nulls(data.num_rows, spec.columns[name]))
    return data.select(list(spec.columns)) if spec.later else data


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_of(parts: Iterable[str | bytes]) -> str:
    """Digest of the inputs of a stage call: 16 hex digits of SHA-256 over length-marked parts."""
    total = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        total.update(len(content).to_bytes(8, "little") + content)
    return total.hexdigest()[:16]


def check_key(key: str) -> str:
    """Refuse a key that could leave its folder."""
    if not key or not all(c.isalnum() or c in "-_" for c in key):
        raise WrongArgumentError(
            f"{key!r} is no key of a study, cohort or window",
            way_out="give a key as the tables show it: letters, digits, - and _",
        )
    return key
