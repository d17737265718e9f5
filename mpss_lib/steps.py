"""Steps that DAGs and the command line do alike: studies through the chain, a step of a cohort."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from mpss_lib.batch import CHAIN, BatchResult, TooManyFaultsError, standing_still, write_record
from mpss_lib.config import Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.locks import working
from mpss_lib.tables import Lake

log = logging.getLogger(__name__)

Do = Callable[[str, list[str]], BatchResult]
"""``do(stage, study_keys)``: one study-level stage over a batch."""


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
        ``selection`` or ``evaluation``.
    step : str
        Name of the door in its ``stage.py``.
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
    door = getattr(import_module(f"mpss_lib.{stage}.stage"), step)
    with working(lake.root):
        answer = dict(door(*arguments, lake, config, **({"force": True} if force else {})))
        if units := answer.pop("units"):
            write_record(stage, units, lake, config, run_name)
    return answer
