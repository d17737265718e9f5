"""What is out of date: outputs that were made with other settings or engines than those in force.

A study is out of date at a stage if the stage was done for it at some address and not at that of
the present settings. Nothing is changed here; ``recompute`` does it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from mpss_lib.batch import CHAIN, TOMBSTONE, chain_of
from mpss_lib.config import Address, Config, upstream
from mpss_lib.errors import WrongArgumentError
from mpss_lib.tables import Lake
from mpss_lib.warehouse.manifest import Ledger
from mpss_lib.warehouse.pointers import read_pointers
from mpss_lib.warehouse.published import ledger_of

MAIN_TABLE: Mapping[str, str] = {
    "pull": "instance",
    "intake": "volume",
    "segmentation": "segmentation",
    "quality": "quality_verdict",
    "radiomics": "feature_binned",
    "gated": "ejection",
    "companions": "companion",
    "calcium": "calcium_source",
    "publication": "prediction",
}
"""The table that tells that a stage was done for a study (a review alone is none of quality)."""

OF_A_COHORT: Mapping[str, str] = {"selection": "selected_feature", "evaluation": "model"}
SAMPLE = 40
"""Records from which the time of a stage is estimated: the newest."""


@dataclass(frozen=True)
class Step:
    """A stage that is out of date.

    Parameters
    ----------
    stage : str
    keys : tuple of str
        Studies to be done; empty for a stage of a cohort.
    n_studies : int
        Studies that it was ever done for.
    why : str
        What differs from the version that is published.
    seconds : float or None
        Estimated time from this home's own records; None where they tell nothing.
    """

    stage: str
    keys: tuple[str, ...]
    n_studies: int
    why: str
    seconds: float | None = None


def outdated(lake: Lake, config: Config, after: str = "") -> list[Step]:
    """List the stages to be done again, in the order in which they must be.

    Parameters
    ----------
    lake, config
    after : str
        A setting (``segmentation.wall_mm``), a section or a stage: only what hangs on it, and what
        it needs. By default everything.

    Raises
    ------
    WrongArgumentError
        No such setting, or one that changes no number.
    """
    stage = stage_of(after, config) if after else ""
    ledger, shown = ledger_of(lake), read_pointers(lake)
    made = Made.of(ledger)
    steps: list[Step] = []
    for name in chain_of(config):
        settled = made.settled(name, config)
        every = made.everywhere(name)
        if name in ("gated", "companions", "calcium"):  # asked for since the studies were measured
            every |= made.at("radiomics", config.address("radiomics"))
        if keys := every - settled:
            why = _why(name, config, shown.get(name) or _newest(ledger, name), ledger, steps)
            seconds = _seconds(name, ledger, len(keys))
            steps.append(Step(name, tuple(sorted(keys)), len(every), why, seconds))
    steps += _of_cohort(config, ledger, shown, made, steps, is_by_rule=stage == "cohort")
    return [step for step in steps if not stage or stage == "cohort" or _hangs(step.stage, stage)]


def lost(lake: Lake, config: Config) -> dict[str, str]:
    """Map each study that would vanish with the published version to the stage that lacks it.

    It was done at the published version, and is neither done nor refused at that of the settings.
    """
    shown, made = read_pointers(lake), Made.of(ledger_of(lake))
    found: dict[str, str] = {}
    for stage in chain_of(config):
        if stage in shown and shown[stage] != config.address(stage):
            gone = made.at(stage, shown[stage]) - made.settled(stage, config)
            found |= {key: stage for key in gone if key not in found}
    return found


@dataclass(frozen=True)
class Made:
    """What the manifest knows of every study, at every address.

    Parameters
    ----------
    files : dict of (table, address) to the units that have a file there
    refused : dict of (stage, address) to the studies that were refused there
    """

    files: Mapping[tuple[str, Address], set[str]]
    refused: Mapping[tuple[str, Address], set[str]]

    @classmethod
    def of(cls, ledger: Ledger) -> Made:
        """Gather it from the ledger; tombstones are nobody."""
        return cls(_files(ledger), _refused(ledger))

    def at(self, stage: str, address: Address) -> set[str]:
        """Studies that a stage has done or refused at an address."""
        done = self.files.get((MAIN_TABLE[stage], address), set())
        return done | self.refused.get((stage, address), set())

    def everywhere(self, stage: str) -> set[str]:
        """Studies that a stage has done or refused at any address."""
        found = [keys for (table, _), keys in self.files.items() if table == MAIN_TABLE[stage]]
        found += [keys for (name, _), keys in self.refused.items() if name == stage]
        return set().union(*found)

    def settled(self, stage: str, config: Config) -> set[str]:
        """Studies for which a stage has nothing more to do with the present settings.

        One that an earlier stage refuses with them does not come to this one.
        """
        found = self.at(stage, config.address(stage))
        for before in CHAIN[: CHAIN.index(stage)] if stage in CHAIN else ():
            found |= self.refused.get((before, config.address(before)), set())
        return found


def stage_of(setting: str, config: Config) -> str:
    """Stage that a setting belongs to; ``cohort`` for the rules of the cohort.

    Raises
    ------
    WrongArgumentError
        No such setting, or one that changes no number.
    """
    section, _, name = setting.partition(".")
    known = config.section(section)
    if section not in Config.model_fields or (name and name not in type(known).model_fields):
        raise WrongArgumentError(
            f"{setting!r} is no setting",
            way_out="write section.key as in segmentation.wall_mm, or a section:"
            f" {', '.join(sorted(Config.model_fields))}",
        )
    is_hashed = section in {*CHAIN, "stability", *OF_A_COHORT, "cohort"}
    if not is_hashed or (name and name in type(known).unhashed):
        raise WrongArgumentError(
            f"{setting!r} changes no number: nothing is to be done again",
            way_out="`mpss recompute --dry-run` alone lists whatever is out of date",
        )
    return section


def _hangs(stage: str, on: str) -> bool:
    """Whether a stage reads another, is it, or is read by it."""
    return stage == on or on in upstream(stage) or stage in upstream(on)


def _of_cohort(
    config: Config,
    ledger: Ledger,
    shown: Mapping[str, Address],
    made: Made,
    earlier: Sequence[Step],
    *,
    is_by_rule: bool,
) -> list[Step]:
    """List selection, evaluation and publication, where a model was ever registered."""
    if not any(table == "model" for table, _ in made.files):
        return []

    def why(stage: str, before: Sequence[Step]) -> str:
        old = shown.get(stage) or _newest(ledger, stage)
        return "rules of the cohort" if is_by_rule else _why(stage, config, old, ledger, before)

    stages = [
        stage
        for stage, table in OF_A_COHORT.items()
        if is_by_rule or (table, config.address(stage)) not in made.files
    ]
    every = made.everywhere("publication")
    keys = every if stages else every - made.settled("publication", config)
    steps: list[Step] = []
    for stage in stages:
        steps.append(Step(stage, (), 0, why(stage, [*earlier, *steps])))
    if keys:
        told = why("publication", [*earlier, *steps])
        steps.append(Step("publication", tuple(sorted(keys)), len(every), told))
    return steps


def _refused(ledger: Ledger) -> dict[tuple[str, Address], set[str]]:
    """Studies that a stage refused, by stage and address."""
    found: dict[tuple[str, Address], set[str]] = {}
    for unit in ledger.units:
        if unit["status"] == "rejected":
            where = (unit["stage"], Address(unit["engine"], unit["config"]))
            found.setdefault(where, set()).add(unit["unit_key"])
    return _living(found)


def _files(ledger: Ledger) -> dict[tuple[str, Address], set[str]]:
    """Units that have a file, by table and address."""
    found: dict[tuple[str, Address], set[str]] = {}
    for file in ledger.files:
        where = (file["table_name"], Address(file["engine"], file["config"]))
        found.setdefault(where, set()).add(file["unit_key"])
    return _living(found)


def _living(found: dict[tuple[str, Address], set[str]]) -> dict[tuple[str, Address], set[str]]:
    return {
        where: {key for key in keys if not key.startswith(TOMBSTONE)}
        for where, keys in found.items()
    }


# --------------------------------------------------------------------------- why, and how long


def _newest(ledger: Ledger, stage: str) -> Address | None:
    """Address of a stage's newest record."""
    made = [Address(r["engine"], r["config"]) for r in ledger.runs if r["stage"] == stage]
    return made[-1] if made else None


def _why(
    stage: str,
    config: Config,
    before: Address | None,
    ledger: Ledger,
    earlier: Sequence[Step],
) -> str:
    """Say what differs between a version and the one that the settings make."""
    now = config.address(stage)
    if before is None or before == now:
        return "some studies were not done with these settings yet"
    told = [] if before.engine == now.engine else [f"engine {before.engine} -> {now.engine}"]
    told += _changed_fields(stage, config, before, ledger)
    changed = [step.stage for step in earlier if step.stage in upstream(stage)]
    read = ", ".join(changed or upstream(stage))
    return ", ".join(told) or (f"reads {read}" if read else "its settings are not on record")


def _changed_fields(stage: str, config: Config, before: Address, ledger: Ledger) -> list[str]:
    section = config.section(stage)
    present = section.model_dump(mode="json", exclude=set(section.unhashed))
    was: dict[str, Any] = {
        row["field"]: json.loads(row["value"])
        for row in ledger.tables["settings"].to_pylist()
        if (row["stage"], row["engine"], row["config"]) == (stage, before.engine, before.config)
    }
    told = [
        f"{stage}.{name} {json.dumps(was[name])} -> {json.dumps(value)}"
        for name, value in present.items()
        if name in was and was[name] != value
    ]
    new = [f"{stage}.{name}" for name in present if was and name not in was]
    return [*told, *([f"settings that are new: {', '.join(new)}"] if new else [])]


def _seconds(stage: str, ledger: Ledger, n_studies: int) -> float | None:
    """Estimate from the times between the records of a batch: a stage's and that before it."""
    times: dict[tuple[str, str], list[tuple[datetime, int]]] = {}
    for run in ledger.runs:
        key = (run["run_digest"], run["stage"])
        times.setdefault(key, []).append((run["written_at"], int(run["n_given"])))
    before = CHAIN[CHAIN.index(stage) - 1] if stage != CHAIN[0] else ""
    found = [
        per_study
        for run in _last(ledger.runs, stage)
        if (per_study := _per_study(run, times.get((run["run_digest"], before), ()))) is not None
    ]
    return median(found) * n_studies if found else None


def _last(runs: Iterable[Mapping[str, Any]], stage: str) -> list[Mapping[str, Any]]:
    return [run for run in runs if run["stage"] == stage and run["n_given"]][-SAMPLE:]


def _per_study(run: Mapping[str, Any], earlier: Sequence[tuple[datetime, int]]) -> float | None:
    """Seconds for each study of one record; None where the stage before left none in this run."""
    starts = [when for when, _ in earlier if when <= run["written_at"]]
    if not starts or run["n_done"] == 0:
        return None
    return float((run["written_at"] - max(starts)).total_seconds() / run["n_given"])
