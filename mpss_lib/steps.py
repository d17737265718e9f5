"""Steps that DAGs and the command line do alike: studies through the chain, a step of a cohort."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

from mpss_lib.batch import (
    CHAIN,
    TOMBSTONE,
    BatchResult,
    TooManyFaultsError,
    run_stage,
    standing_still,
    write_record,
)
from mpss_lib.config import Config, Sites
from mpss_lib.errors import WrongArgumentError
from mpss_lib.locks import working
from mpss_lib.tables import Lake, read_parquet

log = logging.getLogger(__name__)

Do = Callable[[str, list[str]], BatchResult]
"""``do(stage, study_keys)``: one study-level stage over a batch."""


class CohortStage(Protocol):
    """The ``stage`` module of a cohort-level stage, as a task and a command use it."""

    @property
    def DOORS(self) -> Mapping[str, Callable[..., dict[str, Any]]]:  # noqa: N802 (a constant)
        """Each step by its name: of a cohort's hash, its part if it has parts, lake and config."""


def through_chain(waiting: Mapping[str, Sequence[str]], do: Do) -> Iterator[BatchResult]:
    """Take studies through the chain, each from the stage on at which it waits.

    What is quarantined on the way stays there, however many they are; the others go on.

    Parameters
    ----------
    waiting : mapping of stage to study keys
    do : callable

    Yields
    ------
    BatchResult
        Of every stage that had something to do, as it ends.

    Raises
    ------
    PlatformFaultError, TryAgainError
        Of a stage, at once.
    """
    going_on: list[str] = []
    for stage in CHAIN:
        going_on += waiting.get(stage, ())
        if not going_on:
            continue
        try:
            result = do(stage, going_on)
        except TooManyFaultsError as error:
            log.warning("%s", error)
            result = error.result
        yield result
        going_on = list(result.keys)


def in_quarantine(lake: Lake, config: Config, wanted: Sequence[str] = ()) -> dict[str, list[str]]:
    """Studies that stand still, by the stage of the chain that is to be tried again.

    Parameters
    ----------
    lake, config
    wanted : sequence of str
        Study keys; all by default.

    Raises
    ------
    WrongArgumentError
        One that is wanted stands still at no stage that can be tried again.
    """
    still = {stage: standing_still(stage, lake, config) for stage in CHAIN}
    unknown = sorted(set(wanted).difference(*still.values()))
    if unknown and unknown[0] in standing_still("warehouse", lake, config):
        raise WrongArgumentError(
            f"{unknown[0]} is held back by an expectation: no stage can be tried again",
            way_out="do what `mpss quarantine ls` says, then `mpss warehouse check --publish`",
        )
    if unknown:
        raise WrongArgumentError(
            f"{unknown[0]!r} is no study in quarantine", way_out="`mpss quarantine ls` lists them"
        )
    return {
        stage: [key for key in keys if not wanted or key in wanted] for stage, keys in still.items()
    }


def cohort_step(
    stage: str,
    step: str,
    arguments: Sequence[str],
    lake: Lake,
    config: Config,
    *,
    run_name: str = "by hand",
    force: bool = False,
) -> dict[str, Any]:
    """Do one step of a cohort-level stage and record what it wrote.

    Parameters
    ----------
    stage : str
        ``selection``, ``stability`` or ``evaluation``.
    step : str
        Name of one of its ``DOORS``.
    arguments : sequence of str
        Cohort hash, then the part that the step is mapped over.
    lake, config
    run_name : str
        Name of the run that asks; only its digest is stored.
    force : bool
        Do again what is identical, where the door can.

    Returns
    -------
    dict
        What the step says, without the units of the record.
    """
    doors = cast("CohortStage", import_module(f"mpss_lib.{stage}.stage")).DOORS
    with working(lake.root):
        answer = dict(doors[step](*arguments, lake, config, **({"force": True} if force else {})))
        if units := answer.pop("units"):
            write_record(stage, units, lake, config, run_name)
    return answer


def members_of(cohort: str, lake: Lake, config: Config) -> list[str]:
    """Study keys of a frozen cohort, sorted; none that withdrew.

    Raises
    ------
    WrongArgumentError
        It is not frozen with these settings.
    """
    path = lake.current_path("cohort_member", config.address("warehouse"), cohort)
    if path is None:
        raise WrongArgumentError(
            f"cohort {cohort} is not frozen with these settings",
            way_out="freeze it: run mpss_evaluate from freeze_cohort",
        )
    keys = read_parquet(path, "cohort_member")["study_key"].to_pylist()
    return sorted(key for key in keys if not key.startswith(TOMBSTONE))


def measure_stability(
    cohort: str,
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    run_name: str = "by hand",
    force: bool = False,
    progress: Callable[[str, str], None] | None = None,
) -> dict[str, Any]:
    """Measure the studies of a frozen cohort under perturbations, then sum the cohort up.

    A study that is measured already is skipped, so that it goes on where it was stopped.

    Parameters
    ----------
    cohort : str
        Cohort hash.
    lake, config, sites
    run_name : str
        Name of the run that asks; only its digest is stored.
    force : bool
        Do again what is identical.
    progress : callable, optional
        Called with (study key, status) after each study.

    Returns
    -------
    dict
        What ``stability.stage.summarise`` says.

    Raises
    ------
    WrongArgumentError
        The cohort is not frozen with these settings.
    TooManyFaultsError
        More studies were quarantined than the settings allow.
    """
    keys = members_of(cohort, lake, config)
    told: dict[str, Any] = {"run_name": run_name, "force": force}
    run_stage("stability", keys, lake, config, sites, progress=progress, **told)
    return cohort_step("stability", "summarise", [cohort], lake, config, **told)
