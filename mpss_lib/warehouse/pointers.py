"""Which (engine, config) of each stage is published: ``lake/active.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mpss_lib.batch import chain_of
from mpss_lib.config import STAGES, Address, Config, upstream
from mpss_lib.errors import LakeCorruptError, WrongArgumentError
from mpss_lib.tables import Lake
from mpss_lib.warehouse.manifest import Ledger
from mpss_lib.whole_files import json_bytes, read_json, replacing


def pointer_path(lake: Lake) -> Path:
    """File that holds the pointers."""
    return lake.root / "active.json"


def read_pointers(lake: Lake) -> dict[str, Address]:
    """Pointers that are set; a stage that nothing was published of has none."""
    path = pointer_path(lake)
    if not path.exists():
        return {}
    try:
        return {
            stage: Address(engine=value["engine"], config=value["config"])
            for stage, value in read_json(path).items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise LakeCorruptError(
            f"{path.name} cannot be read: {type(error).__name__} {error}",
            way_out="restore it from the backup, or remove it to adopt the present settings",
        ) from error


def with_new(lake: Lake, config: Config, ledger: Ledger) -> dict[str, Address]:
    """Give the pointers that are set, and those that the next publish sets for the first time.

    The first publish that finds records of a stage at the settings' address sets its pointer.
    After that only ``activate`` moves it.
    """
    found = read_pointers(lake)
    fresh = {
        stage: config.address(stage)
        for stage in STAGES
        if stage not in found and ledger.has_files(stage, config.address(stage))
    }
    return found | fresh


def of_every_stage(config: Config, known: Mapping[str, Address]) -> dict[str, Address]:
    """Give the address of every stage: until it has a pointer a stage follows the settings."""
    return {stage: known.get(stage, config.address(stage)) for stage in STAGES}


def moved(lake: Lake, config: Config, ledger: Ledger, stage: str) -> dict[str, Address]:
    """Give the pointers that change where a stage (or ``all``) follows the present settings.

    What the stage reads moves with it, and so does every stage that reads what moves and was done
    with these settings: features beside the verdicts on other masks would be two versions of a
    study. Results of a cohort stay until their own version is there; they name their makers.

    Raises
    ------
    WrongArgumentError
        An unknown stage, one of which nothing was written with these settings, or one whose
        readers among the stages of a study were not done with them.
    """
    if stage != "all" and stage not in STAGES:
        raise WrongArgumentError(
            f"{stage!r} is no stage", way_out=f"give all or one of {', '.join(STAGES)}"
        )
    there = {s for s in STAGES if ledger.has_files(s, config.address(s))}
    if not there.intersection(STAGES if stage == "all" else (stage,)):
        address = config.address(STAGES[0] if stage == "all" else stage)
        raise WrongArgumentError(
            f"nothing of {stage} was written by engine {address.engine} with the present settings",
            way_out=f"run the stage first: `mpss run {stage}`; `mpss warehouse status` lists all",
        )
    shown = read_pointers(lake)
    differs = {s for s in STAGES if shown.get(s) != config.address(s)}
    wanted = set(STAGES) if stage == "all" else {stage, *upstream(stage)}
    wanted |= {s for s in STAGES if differs.intersection(upstream(s)).intersection(wanted)}
    left = [s for s in chain_of(config) if s in shown and s in wanted & differs and s not in there]
    if left:
        raise WrongArgumentError(
            f"{', '.join(left)} was not done with these settings: the snapshot would show two"
            " versions of a study side by side",
            way_out="`mpss recompute --dry-run` lists what is to be done, `mpss recompute` does it",
        )
    return {s: config.address(s) for s in STAGES if s in wanted & there}


@contextmanager
def setting(lake: Lake, pointers: Mapping[str, Address]) -> Iterator[None]:
    """Set the pointers once the block has ended well, and only then.

    Their file is written before the block and only renamed after it: a disk that is full is met
    while nothing has changed.
    """
    if pointers == read_pointers(lake):
        yield
        return
    content = {s: {"engine": a.engine, "config": a.config} for s, a in pointers.items()}
    with replacing(pointer_path(lake)) as temporary:
        temporary.write_bytes(json_bytes(content))
        yield


def versions(lake: Lake, config: Config, ledger: Ledger) -> list[dict[str, Any]]:
    """One row for each (stage, engine, config) that exists, is published or is set now.

    ``n_units`` counts the units (studies, cohorts) that have files there.
    """
    pointers = read_pointers(lake)
    units: dict[tuple[str, str, str], set[str]] = {}
    for file in ledger.files:
        key = (file["stage"], file["engine"], file["config"])
        units.setdefault(key, set()).add(file["unit_key"])
    return [row for stage in STAGES for row in _versions_of(stage, config, pointers, units)]


def _versions_of(
    stage: str,
    config: Config,
    pointers: Mapping[str, Address],
    units: Mapping[tuple[str, str, str], set[str]],
) -> list[dict[str, Any]]:
    settings, active = config.address(stage), pointers.get(stage)
    known = {Address(e, c) for s, e, c in units if s == stage} | {settings}
    known |= {active} if active else set()
    return [
        {
            "stage": stage,
            "engine": address.engine,
            "config": address.config,
            "n_units": len(units.get((stage, address.engine, address.config), ())),
            "is_active": address == active,
            "is_of_settings": address == settings,
        }
        for address in sorted(known, key=lambda a: (a.engine, a.config))
    ]
