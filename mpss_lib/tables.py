"""The lake: whole-or-nothing writes, typed reads, addresses, manifest and quarantine.

A file is named by what made it (``design`` rule 2)::

    landing/<name>/engine=<E>/config=<C>/<unit>=<key>.<input digest>.parquet

It is never overwritten. The newest manifest record of a unit names its current file.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from mpss_lib.columns import check_columns
from mpss_lib.config import Address
from mpss_lib.errors import LakeCorruptError, PlatformFaultError, WrongArgumentError
from mpss_lib.parquet import read_footer, read_whole, write_table
from mpss_lib.schemas import TABLES, LakeTable, tables_of

Row = Mapping[str, Any]


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
        return self._landing_folder(table, address) / f"{TABLES[table].unit}={key}.{digest}.parquet"

    def _landing_folder(self, table: str, address: Address) -> Path:
        return self.root / "landing" / table / address.folder

    def relative(self, path: Path) -> str:
        """Path below the lake, with slashes."""
        return path.relative_to(self.root).as_posix()

    # ------------------------------------------------------------------ write

    def write(
        self, table: str, address: Address, key: str, digest: str, rows: Sequence[Row] | pa.Table
    ) -> Written:
        """Write the rows of one unit, whole or not at all.

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
        PlatformFaultError
            If the disk refuses.
        """
        data = conform(table, rows)
        path = self.landing_path(table, address, key, digest)
        with replacing(path) as temporary:
            write_table(data, TABLES[table], temporary)
        return self.written(table, path, digest, data.num_rows)

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
        unit = TABLES[table].unit
        found = sorted(self._landing_folder(table, address).glob(f"{unit}={key}.*.parquet"))
        if len(found) <= 1:
            return found[0] if found else None
        return self._newest(table, address, key, found)

    def current_paths(
        self, table: str, address: Address, keys: Sequence[str] | None = None
    ) -> dict[str, Path]:
        """Map unit key to its newest file at this address; all units where ``keys`` is None."""
        unit = TABLES[table].unit
        found: dict[str, list[Path]] = {}
        for path in sorted(self._landing_folder(table, address).glob(f"{unit}=*.parquet")):
            found.setdefault(path.name.split("=", 1)[1].split(".", 1)[0], []).append(path)
        wanted = found if keys is None else {key: found[key] for key in keys if key in found}
        return {
            key: paths[0] if len(paths) == 1 else self._newest(table, address, key, paths)
            for key, paths in wanted.items()
        }

    def _newest(self, table: str, address: Address, key: str, paths: list[Path]) -> Path:
        named = self.current_files(TABLES[table].stage, address).get((table, key))
        if named is not None:
            return self.root / str(named["path"])
        return max(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def read(self, table: str, address: Address, key: str) -> pa.Table | None:
        """Rows of a unit's current file, None where there is none."""
        path = self.current_path(table, address, key)
        return None if path is None else read_parquet(path, table)

    def rows(self, table: str, address: Address, key: str) -> list[dict[str, Any]]:
        """Rows of a unit's current file as dicts, empty where there is none."""
        data = self.read(table, address, key)
        return [] if data is None else data.to_pylist()

    # --------------------------------------------------------------- manifest

    def record(self, stage: str, name: str, record: Mapping[str, Any]) -> Path:
        """Add one manifest record: an append-only file of its own."""
        path = self.root / "manifest" / stage / f"{name}.json"
        write_json(path, record)
        return path

    def records(self, stage: str) -> list[dict[str, Any]]:
        """Manifest records of a stage, oldest first."""
        found = [read_json(path) for path in (self.root / "manifest" / stage).glob("*.json")]
        return sorted(found, key=place_of)

    def current_files(
        self, stage: str, address: Address | None = None
    ) -> dict[tuple[str, str], dict[str, Any]]:
        """Map (table, unit key) to the file that the newest record names.

        Parameters
        ----------
        stage : str
        address : Address, optional
            Only records of this engine and config; all by default.
        """
        current: dict[tuple[str, str], dict[str, Any]] = {}
        for record in self.records(stage):
            if address is not None and (record["engine"], record["config"]) != (
                address.engine,
                address.config,
            ):
                continue
            for unit in record["units"]:
                for file in unit["files"]:
                    current[(file["table"], unit["key"])] = file
        return current

    # ------------------------------------------------------------- quarantine

    def quarantine_path(self, stage: str, key: str) -> Path:
        """File that says why a study stands still."""
        return self.root / "quarantine" / stage / f"{key}.json"

    def quarantine(self, stage: str, key: str, *, error: str, problem: str, way_out: str) -> None:
        """Set a study aside at a stage; counts the tries."""
        path = self.quarantine_path(stage, key)
        tries = read_json(path)["tries"] if path.exists() else 0
        row = {"stage": stage, "study_key": key, "error": error, "problem": problem}
        write_json(path, row | {"way_out": way_out, "tries": tries + 1})

    def release(self, stage: str, key: str) -> None:
        """Take a study out of quarantine (it passed)."""
        self.quarantine_path(stage, key).unlink(missing_ok=True)

    def quarantined(self) -> list[dict[str, Any]]:
        """Every study that stands still, by stage and key."""
        return [read_json(path) for path in sorted((self.root / "quarantine").glob("*/*.json"))]


def place_of(record: Mapping[str, Any]) -> tuple[int, str, str]:
    """Place of a manifest record among all; records of before have no ``order`` and come first."""
    return (int(record.get("order", 0)), record["written_at"], record["record"])


def conform(table: str, rows: Sequence[Row] | pa.Table) -> pa.Table:
    """Bring rows to the table's schema and check its grain.

    Raises
    ------
    LakeCorruptError
        Names the table and the column, or the key that stands twice.
    """
    spec = TABLES[table]
    if isinstance(rows, pa.Table):
        data = rows
    else:
        _check_row_keys(spec, rows)
        data = pa.Table.from_pylist([dict(row) for row in rows], schema=spec.schema)
    check_columns(spec, data.schema)
    keys = data.select(list(spec.grain)).to_pylist()
    seen = {tuple(row.values()) for row in keys}
    if len(seen) != len(keys):
        raise LakeCorruptError(
            f"{table}: {len(keys) - len(seen)} rows repeat the grain {spec.grain}",
            way_out="correct the stage that writes it: one row for each key",
        )
    return data


def read_parquet(path: Path, table: str) -> pa.Table:
    """Read a lake file and check its schema; ``later`` columns that it lacks are null."""
    data = read_whole(path)
    spec = TABLES[table]
    check_columns(spec, data.schema, path.name)
    for name in sorted(spec.later - set(data.schema.names)):
        data = data.append_column(name, pa.nulls(data.num_rows, spec.columns[name]))
    return data.select(list(spec.columns)) if spec.later else data


def _check_row_keys(spec: LakeTable, rows: Sequence[Row]) -> None:
    for row in rows:
        if set(row) != set(spec.columns):
            missing, unknown = set(spec.columns) - set(row), set(row) - set(spec.columns)
            raise LakeCorruptError(
                f"{spec.name}: a row lacks {sorted(missing)} and has unknown {sorted(unknown)}",
                way_out="write every column of mpss_lib.schemas, and no other",
            )


# ------------------------------------------------------------------ whole or nothing


@contextmanager
def replacing(path: Path, *, prefix: str = ".tmp-", mode: int = 0o644) -> Iterator[Path]:
    """Give a temporary path; on leaving without an error, fsync it and move it to ``path``.

    A kill at any point leaves either nothing or the whole file, and a ``.tmp-`` file that
    maintenance removes. That one has no suffix: who lists the JSON or Parquet files of a folder
    never meets a file that is not whole. Its name begins with ``prefix`` (``.tmp-`` and perhaps
    more); it has its ``mode`` from the first byte on.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _refused(path, error) from error
    temporary = Path(name)
    temporary.chmod(mode)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file, whole or not at all."""
    with replacing(path, mode=mode) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: object, *, mode: int = 0o644) -> None:
    """Write JSON with sorted keys, whole or not at all."""
    write_bytes(path, json_bytes(content), mode=mode)


def json_bytes(content: object) -> bytes:
    """JSON as this package writes it: sorted keys, one value a line."""
    return (json.dumps(content, sort_keys=True, indent=1) + "\n").encode()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that this package wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise LakeCorruptError(f"{path.name} holds no JSON object", way_out="remove the file")
    return content


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


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(path: Path, error: OSError) -> PlatformFaultError:
    return PlatformFaultError(
        f"cannot write {path.name}: {error.strerror or error}",
        way_out="free disk space or correct the rights of the home, then run again",
    )
