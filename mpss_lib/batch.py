"""A study-level stage over a batch: counts that add up, quarantine, one manifest record.

One bad study never stops the others; a fault of the platform stops the batch at once; more than
the allowed share of quarantined studies fails the batch after everything has been tried.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol, cast

from mpss_lib.audit.doors import recording
from mpss_lib.config import Config, Sites
from mpss_lib.errors import (
    ArchiveBusyError,
    MpssError,
    OneArchiveAwayError,
    PlatformFaultError,
    StudyRejectedError,
    StudyWithdrawnError,
    WrongArgumentError,
    place_of,
)
from mpss_lib.locks import working
from mpss_lib.records import Record, Unit
from mpss_lib.tables import Lake, Outcome, check_key

log = logging.getLogger(__name__)

Work = Callable[[str], Outcome]

CHAIN = ("pull", "intake", "segmentation", "quality", "radiomics", "gated", "companions", "calcium")
"""The study-level stages of an ingest, in order."""

TOMBSTONE = "X"
"""First letter of what stands in the place of a withdrawn study's key."""

WITHDRAWN = ("withdrawn",)
"""Reasons of a study of which no record is kept."""


def is_asked_for(stage: str, config: Config) -> bool:
    """Whether the settings ask for a stage: the last three are off by default."""
    beside = config.companions.is_asked_for
    return {"gated": config.gated.measure, "companions": beside, "calcium": beside}.get(stage, True)


def chain_of(config: Config) -> tuple[str, ...]:
    """Stages of ``CHAIN`` that the settings ask for."""
    return tuple(stage for stage in CHAIN if is_asked_for(stage, config))


@dataclass(frozen=True)
class BatchResult:
    """What a batch did: ``given = done + skipped + rejected + quarantined``.

    ``keys`` are the studies that the next stage goes on with (done or skipped).
    """

    stage: str
    given: int
    done: int
    skipped: int
    rejected: int
    quarantined: int
    keys: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Plain values: what a task hands to the next one."""
        return asdict(self) | {"keys": list(self.keys)}


class TooManyFaultsError(MpssError):
    """More studies of a batch were quarantined than the settings allow; ``result`` counts them."""

    def __init__(self, problem: str, *, way_out: str, result: BatchResult) -> None:
        super().__init__(problem, way_out=way_out)
        self.result = result


class Opened(Protocol):
    """Opens what the studies of a batch share; gives ``run`` with its other arguments bound."""

    def __call__(
        self,
        lake: Lake,
        config: Config,
        sites: Sites,
        force: bool = False,
        keys: Sequence[str] = (),
    ) -> AbstractContextManager[Work]:
        """Open it; ``force`` does again what is there, ``keys`` will be asked for in this order."""


class Stage(Protocol):
    """The ``stage`` module of a study-level stage, as a batch uses it."""

    @property
    def opened(self) -> Opened:
        """The one door of every such stage."""


class LakeRun(Protocol):
    """``run`` of a stage that touches nothing but the lake."""

    def __call__(
        self, study_key: str, lake: Lake, config: Config, *, force: bool = False
    ) -> Outcome:
        """Do one study."""


def lake_only(run: LakeRun) -> Opened:
    """Make ``Stage.opened`` of a ``run`` that touches nothing but the lake."""

    def opened(
        lake: Lake, config: Config, sites: Sites, force: bool = False, keys: Sequence[str] = ()
    ) -> AbstractContextManager[Work]:
        return nullcontext(partial(run, lake=lake, config=config, force=force))

    return opened


def stage_of(name: str) -> Stage:
    """Load the ``stage`` module of a study-level stage."""
    return cast("Stage", import_module(f"mpss_lib.{name}.stage"))


def run_stage(
    stage: str,
    keys: Sequence[str],
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    force: bool = False,
    run_name: str = "by hand",
    progress: Callable[[str, str], None] | None = None,
) -> BatchResult:
    """Do a study-level stage for each study of a batch; all are skipped where nobody asks for it.

    Parameters
    ----------
    force : bool
        Do again what is there.
    stage, keys, lake, config, run_name, progress
        See ``run_batch``, whose errors it has.
    sites : Sites
        For the stages that touch more than the lake.
    """
    todo = list(dict.fromkeys(keys))
    if not is_asked_for(stage, config):
        log.info("%s: the settings do not ask for it", stage)
        return BatchResult(stage, len(todo), 0, len(todo), 0, 0, tuple(todo))
    with (
        stage_of(stage).opened(lake, config, sites, force, todo) as work,
        audited(stage, todo, config, sites) as told,
    ):
        done = run_batch(stage, work, todo, lake, config, run_name=run_name, progress=progress)
        told(done)
        return done


@contextmanager
def audited(
    stage: str, keys: Sequence[str], config: Config, sites: Sites
) -> Iterator[Callable[[BatchResult], None]]:
    """Write to the audit log of which studies objects are fetched; nothing of any other stage.

    Gives what the block calls with its counts.
    """
    if stage not in ("pull", "companions"):
        yield lambda done: None
        return
    root, peer = sites.vault.parent, sites.archive.everywhere
    with recording(stage, root, config, studies=keys, peer=peer, begins=True) as told:

        def tell(done: BatchResult) -> None:
            counts = done.as_dict()
            del counts["keys"], counts["stage"]
            told.details |= {name: str(count) for name, count in counts.items()}

        yield tell


def run_batch(
    stage: str,
    work: Work,
    keys: Sequence[str],
    lake: Lake,
    config: Config,
    *,
    run_name: str = "by hand",
    progress: Callable[[str, str], None] | None = None,
) -> BatchResult:
    """Do one stage for each study of a batch and record what was written.

    Parameters
    ----------
    stage : str
        Name of the stage.
    work : callable
        ``work(study_key) -> Outcome``: the stage's ``run`` with its other arguments bound.
    keys : sequence of str
        Study keys; a key given twice is done once.
    lake, config
        Where it is written and with which settings.
    run_name : str
        Name of the run that asks; only its digest is stored (it may carry a date).
    progress : callable, optional
        Called with (study key, status) after each study.

    Raises
    ------
    PlatformFaultError, ArchiveBusyError
        At once; what was done before is recorded. Of one archive of several after the last study.
    TooManyFaultsError
        After the last study, when the quarantined share is above ``batch.fault_share`` and they
        are ``batch.fault_least`` or more, or all.
    """
    todo = [check_key(key) for key in dict.fromkeys(keys)]
    with working(lake.root):
        return _run_batch(stage, work, todo, lake, config, run_name, progress)


def _run_batch(
    stage: str,
    work: Work,
    todo: Sequence[str],
    lake: Lake,
    config: Config,
    run_name: str,
    progress: Callable[[str, str], None] | None,
) -> BatchResult:
    states: dict[str, list[str]] = {s: [] for s in ("done", "skipped", "rejected", "quarantined")}
    units: list[Unit] = []
    try:
        for key, outcome in _outcomes(stage, work, todo, lake):
            states[outcome.status].append(key)
            if outcome.reasons != WITHDRAWN:
                units.append(Unit(key, outcome.status, outcome.written, outcome.reasons))
            if progress is not None:
                progress(key, outcome.status)
    finally:
        if units:
            write_record(stage, units, lake, config, run_name)
    counts = {state: len(found) for state, found in states.items()}
    log.info("%s: given %d, %s", stage, len(todo), counts)
    going_on = set(states["done"]) | set(states["skipped"])
    result = BatchResult(
        stage, len(todo), **counts, keys=tuple(key for key in todo if key in going_on)
    )
    if _has_too_many_faults(counts["quarantined"], len(todo), config):
        raise TooManyFaultsError(
            f"{stage}: {counts['quarantined']} of {len(todo)} studies quarantined"
            f" (first: {lake.quarantine_path(stage, states['quarantined'][0]).name})",
            way_out="read `mpss quarantine ls`, mend the cause, then do the batch again (clear its"
            " task): its sound studies wait for that too",
            result=result,
        )
    return result


def _outcomes(
    stage: str, work: Work, todo: Sequence[str], lake: Lake
) -> Iterator[tuple[str, Outcome]]:
    """Do each study; where one archive of several is away, those of the others first."""
    away: OneArchiveAwayError | None = None
    for key in todo:
        try:
            outcome = _one(stage, work, key, lake)
        except OneArchiveAwayError as error:
            away = away or error
            continue
        yield key, outcome
    if away is not None:
        raise away


def _has_too_many_faults(n_quarantined: int, n_given: int, config: Config) -> bool:
    """Whether the fault is not that of single studies: a share of a small batch says nothing."""
    if not n_quarantined or n_quarantined <= config.batch.fault_share * n_given:
        return False
    return n_quarantined >= config.batch.fault_least or n_quarantined == n_given


def standing_still(stage: str, lake: Lake, config: Config) -> list[str]:
    """Keys of the studies in quarantine at a stage.

    A window whose answers were unusable stands there too, but is no study: asking for the window
    again releases it.
    """
    keys = [row["study_key"] for row in lake.quarantined() if row["stage"] == stage]
    windows = lake.current_paths("query_window", config.address("pull"), keys)
    return [key for key in keys if key not in windows]


def due(stage: str, lake: Lake, config: Config) -> list[str]:
    """Keys of the studies that a stage is done for where nobody names any.

    Every study that was found; after pull only one that was pulled (after intake: and looked at)
    and does not stand still at an earlier stage. Withdrawn ones never.
    """
    known = set(lake.current_paths("study", config.address("pull")))
    before = CHAIN[: CHAIN.index(stage)] if stage in CHAIN else CHAIN
    for name, table in (("pull", "instance"), ("intake", "volume")):
        if name in before:
            known &= set(lake.current_paths(table, config.address(name)))
    for name in before:
        known -= set(standing_still(name, lake, config))
    return sorted(key for key in known if not key.startswith(TOMBSTONE))


def _one(stage: str, work: Work, key: str, lake: Lake) -> Outcome:
    try:
        outcome = work(key)
    except StudyWithdrawnError:
        return Outcome("rejected", (), WITHDRAWN)
    except StudyRejectedError as error:
        outcome = Outcome("rejected", (), error.reasons)
    except (PlatformFaultError, ArchiveBusyError, WrongArgumentError):
        raise
    except OSError as error:
        if error.errno is None:  # a parser's or a library's word, not the system's answer
            return _set_aside(stage, key, lake, error)
        raise PlatformFaultError(
            f"{stage}: the system refused: {error.strerror or type(error).__name__}",
            way_out="check disk space and rights of the home, then clear this task",
        ) from error
    except (
        Exception
    ) as error:  # one bad study must never stop the others: quarantined, counted, shown
        return _set_aside(stage, key, lake, error)
    lake.release(stage, key)
    if outcome.reasons:
        log.info("%s: %s rejected: %s", stage, key, ", ".join(outcome.reasons))
    return outcome


def _set_aside(stage: str, key: str, lake: Lake, error: Exception) -> Outcome:
    if isinstance(error, MpssError):
        problem, way_out = error.problem, error.way_out
        log.error("%s: %s quarantined: %s", stage, key, error)
    else:
        # The text of a foreign error may quote patient data: only its type and place are kept.
        problem = f"unexpected {type(error).__name__} at {place_of(error)}"
        way_out = "report it with this line; `mpss quarantine retry` after the correction"
        log.error("%s: %s quarantined: %s", stage, key, problem)
    lake.quarantine(stage, key, error=type(error).__name__, problem=problem, way_out=way_out)
    return Outcome("quarantined", (), (type(error).__name__,))


def write_record(
    stage: str, units: Sequence[Unit], lake: Lake, config: Config, run_name: str
) -> Path:
    """Write the manifest record of one batch task.

    The record has the time and the digest of the run's name, never the name: outside Airflow
    nothing may join a study key to its true date. Units of one key are merged.
    """
    record = Record(
        stage,
        config.address(stage),
        settings=json.loads(config.section(stage).model_dump_json()),
        run_digest=hashlib.sha256(run_name.encode()).hexdigest()[:16],
        code_version=code_version(),
        units=tuple(units),
    )
    return record.add_to(lake)


@cache
def code_version() -> str:
    """Package version with the git commit: of the checkout, or of ``COMMIT`` beside an image."""
    try:
        package = version("mpss-platform")
    except PackageNotFoundError:
        package = "0+unknown"
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        built = folder / "COMMIT"
        return f"{package}+{built.read_text().strip()}" if built.exists() else package
    answer = subprocess.run(
        ["git", "-C", os.fspath(folder), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return f"{package}+{answer.stdout.strip()}" if answer.returncode == 0 else package
