"""Which (engine, config) of each stage is published: ``lake/active.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpss_lib.config import STAGES, Address, Config
from mpss_lib.errors import LakeCorruptError, WrongArgumentError
from mpss_lib.tables import Lake, read_json, write_json
from mpss_lib.warehouse.manifest import Ledger


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


def adopt(lake: Lake, config: Config, ledger: Ledger) -> dict[str, Address]:
    """Give the pointer of every stage; set those that are missing and have something to show.

    The first publish that finds records of a stage at the settings' address sets its pointer.
    After that only ``activate`` moves it. Until then the stage follows the settings.
    """
    found = read_pointers(lake)
    fresh = {
        stage: config.address(stage)
        for stage in STAGES
        if stage not in found and ledger.has_files(stage, config.address(stage))
    }
    if fresh:
        _write(lake, found | fresh)
    return {stage: (found | fresh).get(stage, config.address(stage)) for stage in STAGES}


def move(lake: Lake, config: Config, ledger: Ledger, stage: str) -> dict[str, Address]:
    """Point a stage (or ``all``) at the address of the present settings.

    Raises
    ------
    WrongArgumentError
        An unknown stage, or one of which nothing was written with these settings.
    """
    if stage != "all" and stage not in STAGES:
        raise WrongArgumentError(
            f"{stage!r} is no stage", way_out=f"give all or one of {', '.join(STAGES)}"
        )
    wanted = STAGES if stage == "all" else (stage,)
    moved = {s: config.address(s) for s in wanted if ledger.has_files(s, config.address(s))}
    if not moved:
        address = config.address(wanted[0])
        raise WrongArgumentError(
            f"nothing of {stage} was written by engine {address.engine} with the present settings",
            way_out=f"run the stage first: `mpss run {stage}`; `mpss warehouse status` lists all",
        )
    _write(lake, read_pointers(lake) | moved)
    return moved


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


def _write(lake: Lake, pointers: Mapping[str, Address]) -> None:
    content = {s: {"engine": a.engine, "config": a.config} for s, a in pointers.items()}
    write_json(pointer_path(lake), content)
