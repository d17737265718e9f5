"""Bring a home to the settings in force: what is out of date is done again, in the right order.

The new version is made beside the published one. Activation comes last and only if no study got
lost on the way: the stages of a study together, then (a cohort is frozen from what is published)
selection, evaluation and predictions, and these are published when all of them are there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mpss_lib.batch import CHAIN, TooManyFaultsError, run_stage
from mpss_lib.dicom.values import parse_date
from mpss_lib.errors import MpssError, PlatformFaultError
from mpss_lib.maintenance.outdated import OF_A_COHORT, Step, lost, outdated
from mpss_lib.publication.stage import predictable
from mpss_lib.pull.clinical.registry import import_registry
from mpss_lib.pull.stage import find
from mpss_lib.pull.vault import Vault
from mpss_lib.runtime.home import Home
from mpss_lib.steps import cohort_step, measure_stability
from mpss_lib.warehouse import stage as warehouse
from mpss_lib.warehouse.cohort import EmptyCohortError

RUN_NAME = "recompute"

Tell = Callable[[str], None]


class StudiesLostError(MpssError):
    """Studies of the published version could not be done with the new settings."""


def recompute(home: Home, *, after: str = "", activate: bool = False, tell: Tell) -> list[Step]:
    """Do what is out of date; publish it if that is asked for.

    Parameters
    ----------
    home : Home
    after : str
        See ``outdated``.
    activate : bool
        Publish the new version when all of it is there. Without it the new version waits beside
        the published one, and what needs it published (selection and later) is not done.
    tell : callable
        Called with a line for each step.

    Returns
    -------
    list of Step
        What is still out of date.

    Raises
    ------
    StudiesLostError
        Studies of the published version could not be done: nothing was activated.
    PlatformFaultError, TryAgainError
        Of a stage: what was done before stays, the same command goes on from there.
    """
    steps = outdated(home.lake, home.config, after)
    _do_studies([step for step in steps if step.stage in CHAIN], home, tell)
    if activate:
        _refuse_if_lost(home)
        _publish(home, tell)
        _do_cohort([step for step in steps if step.stage not in CHAIN], home, tell)
    return outdated(home.lake, home.config, after)


def _do_studies(steps: Sequence[Step], home: Home, tell: Tell) -> None:
    going_on: tuple[str, ...] = ()
    tried: set[str] = set()
    for step in steps:
        waiting = [key for key in step.keys if key not in tried]
        keys = [*going_on, *waiting]
        if step.stage == "pull":
            keys = _found_again(keys, home, tell)
        tried |= set(keys)
        going_on = _one_stage(step.stage, keys, home, tell)


def _one_stage(stage: str, keys: Sequence[str], home: Home, tell: Tell) -> tuple[str, ...]:
    try:
        result = run_stage(stage, keys, home.lake, home.config, home.sites, run_name=RUN_NAME)
    except TooManyFaultsError as error:  # counted with the lost ones before the activation
        result = error.result
    counts = {name: n for name, n in result.as_dict().items() if isinstance(n, int) and n}
    tell(f"{stage}: {counts}")
    return result.keys


def _found_again(keys: Sequence[str], home: Home, tell: Tell) -> list[str]:
    """Ask the archive for the studies anew: their rows carry the settings of pull."""
    known = Vault(home.sites.vault).known(keys)
    days = sorted(day for one in known.values() if (day := parse_date(one.study_date)))
    if not days:
        raise PlatformFaultError(
            "the vault knows the date of none of the studies",
            way_out="ask for them by `mpss find FIRST LAST`, then run this again",
        )
    found = find((days[0], days[-1]), home.lake, home.config, home.sites, run_name=RUN_NAME)
    tell(f"find: {len(set(found) & set(keys))} of {len(keys)} studies named again by the archive")
    if home.sites.registry_url:
        counts = import_registry(home.lake, home.config, home.sites, run_name=RUN_NAME)
        tell(f"registry: {counts}")
    return sorted(set(found) & set(keys))


def _refuse_if_lost(home: Home) -> None:
    """Refuse to publish a version that lacks studies which the published one has."""
    if gone := lost(home.lake, home.config):
        first = min(gone)
        raise StudiesLostError(
            f"{len(gone)} studies of the published version are not there with the new settings"
            f" (first: {first}, at {gone[first]}): nothing was activated",
            way_out="`mpss quarantine ls` says why, or the archive no longer names them (`mpss"
            " reconcile`); mend it, then run this again; or `mpss warehouse activate all` publishes"
            " without them",
        )


def _publish(home: Home, tell: Tell) -> None:
    moved = warehouse.activate("all", home.lake, home.config)
    tell(f"published: {', '.join(moved) or 'the same versions as before'}")


def _do_cohort(steps: Sequence[Step], home: Home, tell: Tell) -> None:
    if not steps:
        return
    lake, config = home.lake, home.config
    wanted = {step.stage for step in steps}
    if wanted.intersection(OF_A_COHORT):
        try:
            cohort = warehouse.freeze_cohort(lake, config, run_name=RUN_NAME)
        except EmptyCohortError as error:
            tell(f"no evaluation: {error}")
            return
        if config.stability.before_selection:
            measured = measure_stability(cohort, lake, config, home.sites, run_name=RUN_NAME)
            tell(f"stability: {measured}")
        for stage in OF_A_COHORT:
            answer = cohort_step(stage, "run", [cohort], lake, config, run_name=RUN_NAME)
            tell(f"{stage}: {answer}")
    _one_stage("publication", predictable(lake), home, tell)
    warehouse.check(lake, config, run_name=RUN_NAME)
    _publish(home, tell)
