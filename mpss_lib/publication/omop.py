"""OMOP's tables as Parquet files: CDM 5.4 and its imaging extension (MI-CDM).

Park et al., J Imaging Inform Med 2024;37:899: ``image_occurrence`` has a row for each series,
``image_feature`` one for each value measured in it, whose number stands in ``measurement``. Beside
them go what they point at: the procedures and the concepts of this site. ``person`` and OMOP's
own vocabularies are the receiver's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mpss_lib.errors import PlatformFaultError
from mpss_lib.quoting import sql_text
from mpss_lib.secrecy import PRIVATE_FILE
from mpss_lib.snapshot_file import asking
from mpss_lib.tables import Lake
from mpss_lib.whole_files import replacing

if TYPE_CHECKING:
    import duckdb

TABLES = ("concept", "procedure_occurrence", "image_occurrence", "measurement", "image_feature")
"""Relations of schema ``omop``, in the order in which their keys let them be loaded."""
LARGEST = 2**31 - 1
"""Of OMOP's integer."""
_LARGEST = "select coalesce(max(image_feature_id), 0) from core.image_value"


def export_omop(lake: Lake, folder: Path) -> dict[str, int]:
    """Write the tables of schema ``omop`` of the newest snapshot, a Parquet file each.

    Whole numbers are OMOP's 32-bit integers. Every file is whole or as it was; all are of one
    snapshot unless the export ended in the middle.

    Parameters
    ----------
    lake : Lake
    folder : Path
        Made where it is not there; files of the same names are replaced.

    Returns
    -------
    dict of str to int
        Rows by table.

    Raises
    ------
    PlatformFaultError
        Nothing is published, the folder cannot be written, or there are more values than OMOP's
        integers can number.
    """
    with asking(lake.snapshot) as snapshot:
        ((largest,),) = snapshot.execute(_LARGEST).fetchall()
        if largest > LARGEST:
            raise PlatformFaultError(
                f"the values need numbers up to {largest}, OMOP's integer ends at {LARGEST}",
                way_out="fewer grey levels (radiomics.bins), or ask the relations of schema omop,"
                " whose numbers have 64 bits",
            )
        return {table: _write(snapshot, table, folder / f"{table}.parquet") for table in TABLES}


def _write(snapshot: duckdb.DuckDBPyConnection, table: str, path: Path) -> int:
    described = snapshot.execute(f"describe omop.{table}").fetchall()
    columns = ", ".join(
        f'cast("{name}" as integer) as "{name}"' if kind == "BIGINT" else f'"{name}"'
        for name, kind, *_ in described
    )
    with replacing(path, mode=PRIVATE_FILE) as temporary:
        ((n_rows,),) = snapshot.execute(
            f"copy (select {columns} from omop.{table})"  # noqa: S608
            f" to {sql_text(str(temporary))} (format parquet, compression zstd, use_tmp_file false)"
        ).fetchall()
    return int(n_rows)
