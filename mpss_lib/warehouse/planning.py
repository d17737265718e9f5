"""What a publish reads, found before the new file is opened: from new records, or from all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mpss_lib.batch import chain_of
from mpss_lib.config import Address, Config
from mpss_lib.records import raise_order
from mpss_lib.schemas import TABLES
from mpss_lib.tables import Lake
from mpss_lib.warehouse.carrying import COUNTS, LEDGER, is_ours, new_rows, what_to_carry
from mpss_lib.warehouse.checks import Columns
from mpss_lib.warehouse.compaction import (
    Reading,
    compact,
    has_enough_alone,
    prefer_batches,
    read_batches,
)
from mpss_lib.warehouse.manifest import check_rows_kept, check_there, current_paths, read_ledger
from mpss_lib.warehouse.meta import META_NAMES, meta_rows
from mpss_lib.warehouse.pointers import moved, of_every_stage, read_pointers, with_new
from mpss_lib.warehouse.published import Published, published
from mpss_lib.warehouse.recovery import check_manifest
from mpss_lib.warehouse.relations import Relation, digest_of_relations, read_relations
from mpss_lib.warehouse.sources import Features, check_files, feature_names, source_of
from mpss_lib.warehouse.standing import Standing, standing
from mpss_lib.warehouse.study_rows import Counted
from mpss_lib.warehouse.touched import (
    MOST_TOUCHED,
    RECORDS,
    kept_tables,
    kept_views,
    narrowed,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """All that a publish reads, found before the new file is opened.

    Of the ledger's tables ``ledger`` gives every row, and ``new`` those that come after the ones
    that are carried. ``kept`` are the tables that hold rows of one study each and are carried too;
    what hangs together with the studies ``seeds`` is made anew in them. ``views`` stay as they are,
    if the lake's tables still have the columns ``raw_columns``.
    """

    lake: Lake
    relations: tuple[Relation, ...]
    sources: Mapping[str, str]
    meta: Mapping[str, pa.Table]
    ledger: Callable[[], Mapping[str, pa.Table]]
    new: Mapping[str, pa.Table]
    n_files: int
    readings: Mapping[str, Reading]
    counted: Counted
    pointers: Mapping[str, Address]
    carried: frozenset[str]
    features: Features
    kept: frozenset[str] = frozenset()
    seeds: frozenset[str] = frozenset()
    views: frozenset[str] = frozenset()
    raw_columns: Columns = frozenset()

    def sources_of(self, studies: Collection[str], batches_of: Collection[str]) -> dict[str, str]:
        """Give the texts that stand for lake tables where only some studies' rows are needed.

        Parameters
        ----------
        studies : collection of str
        batches_of : collection of str
            Tables of which a batch may hold rows of theirs.
        """
        few = narrowed(self.readings, studies, batches_of)
        return {**self.sources, **_texts(self.lake, few, self.features)}


def plan_of(lake: Lake, config: Config, *, is_fresh: bool, activate: str) -> Plan:
    """Find what a publish reads; see ``snapshot.publish``."""
    found = None if is_fresh or activate else standing(lake, config)
    if found is None or not is_ours(found.made_by) or has_enough_alone(found.readings, config):
        return _plan_of_all(lake, config, is_fresh=is_fresh, activate=activate)
    return _plan_of_new(lake, config, found)


def _plan_of_new(lake: Lake, config: Config, found: Standing) -> Plan:
    """Plan what new records change in the published snapshot."""
    relations = read_relations(base=META_NAMES)
    raise_order(lake, found.highest_order)
    _warn_of_others(config, found.pointers)
    meta = meta_rows(lake, config, found.new, found.pointers)
    is_same = _has_same_rules(found, meta, relations)

    def ledger() -> Mapping[str, pa.Table]:
        return meta_rows(lake, config, read_ledger(lake), found.pointers)

    return _planned(
        lake,
        found.readings,
        found.n_rows,
        found.lake_files,
        meta=meta,
        ledger=ledger,
        new={name: meta[name] for name in LEDGER},
        pointers=read_pointers(lake),
        carried=frozenset({COUNTS, *LEDGER}),
        kept=kept_tables(relations) if is_same else frozenset(),
        seeds=_seeds(found, meta),
        views=kept_views(relations) if is_same else frozenset(),
        raw_columns=found.raw_columns,
    )


def _has_same_rules(
    found: Standing, meta: Mapping[str, pa.Table], relations: Sequence[Relation]
) -> bool:
    """Whether the rows of a study are made as in the published snapshot, of the same registry.

    Where very many studies came the answer is no: then it is cheaper to make all anew.
    """
    registry = found.lake_files.filter(pc.equal(found.lake_files["table_name"], RECORDS))
    return (
        len(found.new.tables["units"]["unit_key"].unique()) <= MOST_TOUCHED
        and found.rules == digest_of_relations(relations)
        and found.cohort_rule.equals(meta["cohort_rule"])
        and set(registry["path"].to_pylist()) == set(found.readings[RECORDS].paths)
    )


def _seeds(found: Standing, meta: Mapping[str, pa.Table]) -> frozenset[str]:
    """Studies that new records name, or that stand still or are held back, now or before."""
    units = found.new.tables["units"]["unit_key"].to_pylist()
    still = (meta[name]["study_key"].to_pylist() for name in ("quarantine", "upstream"))
    return found.unsettled.union(units, *still)


def _plan_of_all(lake: Lake, config: Config, *, is_fresh: bool, activate: str) -> Plan:
    before = Published() if is_fresh else published(lake)
    ledger = read_ledger(lake, known=before.ledger)
    raise_order(lake, ledger.highest_order)
    if not is_fresh:
        check_manifest(lake, before.ledger, ledger)
    check_rows_kept(ledger, before.ledger)
    known = with_new(lake, config, ledger)
    if activate:
        known |= moved(lake, config, ledger, activate)
    pointers = of_every_stage(config, known)
    _warn_of_others(config, pointers)
    landing = current_paths(lake, ledger, pointers)
    readings = prefer_batches(landing, read_batches(lake))
    n_rows = ledger.rows_of(path for reading in readings.values() for path in reading.alone)
    if has_enough_alone(readings, config):
        check_there(lake, (reading.paths for reading in readings.values()))
        compact(lake, config, landing, n_rows)
        readings = prefer_batches(landing, read_batches(lake))
    carried = what_to_carry(before, ledger)
    meta = meta_rows(lake, config, ledger, pointers)
    return _planned(
        lake,
        readings,
        n_rows,
        before.lake_files,
        meta=meta,
        ledger=lambda: meta,
        new=new_rows(before.ledger, meta) if before.ledger is not None else {},
        pointers=known,
        carried=carried,
    )


def _planned(
    lake: Lake,
    readings: Mapping[str, Reading],
    n_rows: Mapping[str, int],
    lake_files: pa.Table | None,
    **more: Any,
) -> Plan:
    """Hold the files against their records and tables; give the plan to show them."""
    check_there(lake, (reading.paths for reading in readings.values()))
    features = feature_names(lake, readings["feature_catalogue"].paths)
    now, unchanged = check_files(lake, readings, features, n_rows, lake_files)
    meta = more.pop("meta")
    known = set(lake_files["path"].to_pylist()) if lake_files is not None else set()
    read = {path for reading in readings.values() for path in reading.paths}
    if not unchanged >= known & read:  # a file was altered in its place: any study may be another
        more |= {"kept": frozenset(), "views": frozenset()}
    return Plan(
        lake=lake,
        relations=read_relations(base=META_NAMES),
        sources=_texts(lake, readings, features),
        meta={n: rows for n, rows in meta.items() if n not in LEDGER} | {"lake_file": now},
        n_files=sum(len(reading.paths) for reading in readings.values()),
        readings=readings,
        counted=Counted.of(lake_files, unchanged) if lake_files is not None else Counted(),
        features=features,
        **more,
    )


def _texts(lake: Lake, readings: Mapping[str, Reading], features: Features) -> dict[str, str]:
    return {
        name: source_of(lake, TABLES[name], reading, features) for name, reading in readings.items()
    }


def _warn_of_others(config: Config, pointers: Mapping[str, Address]) -> None:
    """Warn where stages are published at another version than the settings make."""
    if other := [stage for stage in chain_of(config) if pointers[stage] != config.address(stage)]:
        log.warning(
            "warehouse: %s are published as other settings made them; what is written now is not"
            " shown until `mpss recompute --activate`",
            ", ".join(other),
        )
