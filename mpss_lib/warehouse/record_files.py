"""The files of the manifest's records, as the system lists them: which came, which changed.

There are thousands, and most never change. So a listing gives their names and inodes, which costs a
fifth of asking for the size and time of each: a record that was put in the place of another (as all
that the platform writes is) has another inode. Only of the newest records are size and time asked
too: these are the ones that are edited in their place, if any are. An older one that was is found
by a rebuild, which reads them all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mpss_lib.config import STAGES
from mpss_lib.schemas import TEXT, WHOLE
from mpss_lib.tables import Lake

JSON = ".json"

NEWEST = 500
"""Records of which size and time are asked at every check and publish."""


class State(NamedTuple):
    """What the system says of the file of one record.

    Parameters
    ----------
    record : str
        Its name.
    n_bytes, modified_ns, inode : int
        Size, time of change (ns since 1970), number of the inode as the folder lists it.
    """

    record: str
    n_bytes: int
    modified_ns: int
    inode: int


STATE = State._fields[1:]
"""What is told of a record's file, by its name."""

Records = Mapping[State, str]
"""State of each record -> its file."""

_NEWEST = """
select stage, record, n_bytes, modified_ns, inode
from meta.run
order by "sequence" desc
limit ?
"""

_OTHERS = """
select count(*)
from meta.run as known
anti join arrow_there as there on known.record = there.record and known.inode = there.inode
"""

_NEW = """
select there.record, there.inode, there.stage
from arrow_there as there
anti join meta.run as known on there.record = known.record
"""


def record_files(lake: Lake) -> Records:
    """Find every record, with size and time of its file."""
    return {
        _state(lake, stage, record, inode): _path(lake, stage, record)
        for record, inode, stage in zip(*_listed(lake).to_pydict().values(), strict=True)
    }


def new_files(lake: Lake, connection: duckdb.DuckDBPyConnection) -> Records | None:
    """Find the records that a snapshot does not know; None where one of its own is another.

    Parameters
    ----------
    lake : Lake
    connection : duckdb.DuckDBPyConnection
        Of the snapshot.
    """
    connection.register("arrow_there", _listed(lake))
    [(n_others,)] = connection.execute(_OTHERS).fetchall()
    new = connection.execute(_NEW).fetchall()
    connection.unregister("arrow_there")
    newest = connection.execute(_NEWEST, [NEWEST]).fetchall()
    if n_others or any(_is_other(lake, *row) for row in newest):
        return None
    return {
        _state(lake, stage, record, inode): _path(lake, stage, record)
        for record, inode, stage in new
    }


def _is_other(lake: Lake, stage: str, *known: Any) -> bool:
    """Whether a record has another size or time than a snapshot says."""
    was = State(*known)
    return _state(lake, stage, was.record, was.inode) != was


def _listed(lake: Lake) -> pa.Table:
    """Give name, inode and stage of every record: of each of thousands nothing else is asked."""
    parts = []
    for stage in STAGES:
        folder = lake.root / "manifest" / stage
        entries = list(os.scandir(folder)) if folder.is_dir() else []
        names = pa.array([entry.name for entry in entries], TEXT)
        inodes = pa.array([entry.inode() for entry in entries], pa.uint64()).cast(WHOLE, safe=False)
        listed = pa.table({"record": names, "inode": inodes})
        listed = listed.filter(pc.ends_with(names, JSON))
        record = pc.utf8_slice_codeunits(listed["record"], 0, -len(JSON))
        parts.append(
            pa.table({"record": record, "inode": listed["inode"]}).append_column(
                "stage", pa.array([stage] * listed.num_rows, TEXT)
            )
        )
    return pa.concat_tables(parts)


def _path(lake: Lake, stage: str, record: str) -> str:
    return f"{lake.root}/manifest/{stage}/{record}{JSON}"


def _state(lake: Lake, stage: str, record: str, inode: int) -> State:
    stat = os.stat(_path(lake, stage, record))  # noqa: PTH116 (a Path for each of thousands)
    return State(record, stat.st_size, stat.st_mtime_ns, inode)
