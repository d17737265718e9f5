"""What tasks read and write, told to Airflow's collector of lineage.

Airflow drops it unless a reader is there: with the extra ``lineage`` and a transport
(``[openlineage]``) every task's OpenLineage events name tables of the lake, as ``mpss://lake`` and
the table. No event names a study: lineage is of tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

LAKE = "mpss://lake"
SNAPSHOT = "warehouse.duckdb"


def of_stage(stage: str) -> None:
    """Tell the tables that a stage reads and writes."""
    from mpss_lib.config import READS
    from mpss_lib.schemas import tables_of

    before = [table.name for name in READS[stage] for table in tables_of(name)]
    _tell(before, [table.name for table in tables_of(stage)])


def of_snapshot() -> None:
    """Tell that the snapshot was made of the lake's tables."""
    from mpss_lib.schemas import TABLES

    _tell(TABLES, [SNAPSHOT])


def _tell(reads: Iterable[str], writes: Iterable[str]) -> None:
    from airflow.sdk.lineage import get_hook_lineage_collector

    collector: Any = get_hook_lineage_collector()
    context = _Lake()
    for name in reads:
        collector.add_input_asset(context, uri=f"{LAKE}/{name}")
    for name in writes:
        collector.add_output_asset(context, uri=f"{LAKE}/{name}")


class _Lake:
    """Stands where the collector wants the hook that touched an asset."""


def dataset_of(asset: Any, context: object) -> Any:
    """Give the OpenLineage dataset of one of our assets: namespace ``mpss://lake``, the table.

    Named in ``mpss_lib.provider`` for the scheme ``mpss``.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset

    namespace, _, name = str(asset.uri).rpartition("/")
    return Dataset(namespace=namespace, name=name)
