"""The layout of a lake before shelves (version 1), made out of one of today's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mpss_lib.tables import Lake
from mpss_lib.warehouse.joining import PATH


def make_old(lake: Lake) -> None:
    """Put all landing files of one table, engine and config into one folder, as version 1 did.

    Records name the files there. There are no marks, no layout file and no snapshot: the caller
    publishes one, whose views name the files where they lie now.
    """
    for shelf in sorted((lake.root / "landing").glob("*/engine=*/config=*/*")):
        for path in shelf.glob("*.parquet"):
            path.rename(shelf.parent / path.name)
        shutil.rmtree(shelf)
    for path in (lake.root / "manifest").glob("*/*.json"):
        record = json.loads(path.read_text())
        for unit in record.get("units", ()):
            for file in unit["files"]:
                file["path"] = _flat(file["path"])
        if "members" in record:
            record["members"] = [_flat(member) for member in record["members"]]
            record["n_bytes"] = _rows_name_flat(lake.root / record["path"])
        path.write_text(json.dumps(record, sort_keys=True, indent=1) + "\n")
    for name in ("layout.json", "warehouse.duckdb"):
        (lake.root / name).unlink(missing_ok=True)


def _flat(path: str) -> str:
    place = Path(path)
    return (place.parent.parent / place.name).as_posix()


def _rows_name_flat(batch: Path) -> int:
    """Let the rows of a batch of predictions or reviews name the files where they lay; its size."""
    data = pq.read_table(batch, partitioning=None)
    if PATH in data.column_names:
        paths = [_flat(path) for path in data[PATH].to_pylist()]
        place = data.schema.get_field_index(PATH)
        pq.write_table(data.set_column(place, PATH, pa.array(paths)), batch, store_schema=False)
    return batch.stat().st_size
