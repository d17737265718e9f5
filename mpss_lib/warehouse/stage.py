"""Stage ``warehouse``: the doors. The unit of work is the whole lake."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpss_lib.config import STAGES, Address, Config
from mpss_lib.locks import alone
from mpss_lib.tables import Lake
from mpss_lib.warehouse import cohort, compaction, pointers, recovery
from mpss_lib.warehouse.expectations.suites import SUITES
from mpss_lib.warehouse.manifest import current_paths
from mpss_lib.warehouse.published import ledger_of, published
from mpss_lib.warehouse.publisher import one_publisher
from mpss_lib.warehouse.snapshot import publish


def run(
    lake: Lake, config: Config, *, run_name: str = "by hand", is_fresh: bool = False
) -> dict[str, int]:
    """Publish a new snapshot of what the manifest names.

    Parameters
    ----------
    lake, config
    run_name : str
        Name of the run that asks; only its digest is stored.
    is_fresh : bool
        Make and check every row anew instead of what is touched since the published snapshot.

    Returns
    -------
    dict
        ``sequence`` (higher at every publish), ``relations``, ``files``, ``bad_rows`` (of checks
        that report), ``studies`` and ``included``.

    Raises
    ------
    LakeCorruptError
        A file is gone or a table breaks its schema or grain: the published snapshot stays.
    """
    return publish(lake, config, run_name=run_name, is_fresh=is_fresh)


def rebuild(lake: Lake, config: Config) -> dict[str, int]:
    """Build the snapshot anew from the lake alone, for instance after the home was moved.

    Nothing of the published snapshot is shown again. Where records were lost, they are made from
    the names and times of the files (``recovery``).

    Raises
    ------
    WritersAtWorkError
        Records are missing and a batch is at work: whether they were lost is seen when it has
        ended.
    """
    known = published(lake).ledger
    if recovery.needs_adoption(lake, known):
        with alone(lake.root, "making lost records anew"), one_publisher(lake):
            recovery.adopt_files(lake, config, known)
    return publish(lake, config, run_name="rebuild", is_fresh=True)


def merge(lake: Lake, config: Config) -> dict[str, int]:
    """Join the batch files of the published version into large ones; the next publish reads them.

    Gives ``batches`` written and ``joined``: how many they replace.
    """
    with one_publisher(lake):
        ledger = ledger_of(lake)
        known = pointers.with_new(lake, config, ledger)
        landing = current_paths(lake, ledger, pointers.of_every_stage(config, known))
        return compaction.merge(lake, config, landing)


def freeze_cohort(lake: Lake, config: Config, *, run_name: str = "by hand") -> str:
    """Write down the cohort of the published snapshot; give its hash.

    See ``mpss_lib.warehouse.cohort.freeze``.
    """
    return cohort.freeze(lake, config, run_name=run_name)


def status(lake: Lake, config: Config) -> list[dict[str, Any]]:
    """List every version (engine and settings) of every stage: how many units, which is published.

    Columns: ``stage``, ``engine``, ``config``, ``n_units``, ``is_active``, ``is_of_settings``.
    """
    return pointers.versions(lake, config, ledger_of(lake))


def shown_otherwise(lake: Lake, config: Config) -> list[str]:
    """Name the stages whose published version is not that of the settings in force."""
    found = status(lake, config)
    return sorted({row["stage"] for row in found if row["is_active"] and not row["is_of_settings"]})


def activate(stage: str, lake: Lake, config: Config) -> dict[str, Address]:
    """Publish a stage (or ``all``) at the version that the present settings make.

    The pointer moves with the new snapshot: where that cannot be published, nothing has changed.
    Gives the stages that moved with their new address.

    Raises
    ------
    WrongArgumentError
        An unknown stage, nothing of it was written with these settings, or what reads it was not
        done with them.
    LakeCorruptError, PlatformFaultError
        The snapshot cannot be built.
    """
    before = pointers.read_pointers(lake)
    publish(lake, config, run_name="activate", activate=stage)
    after = pointers.read_pointers(lake)
    return {name: after[name] for name in STAGES if after.get(name) != before.get(name)}


def check(
    lake: Lake,
    config: Config,
    *,
    suites: Sequence[str] = (),
    force: bool = False,
    run_name: str = "by hand",
) -> dict[str, int]:
    """Hold the lake against its expectations; write the results, the notes and the page.

    A study with a row that breaks one is held back from the next publish and stands in quarantine
    until its file has been made anew; a warning is told. Suites of which nothing has changed are
    not run again. See ``mpss_lib.warehouse.expectations``.

    Parameters
    ----------
    lake, config
    suites : sequence of str
        ``study``, ``clinical``, ``features``, ``predictions``; all by default.
    force : bool
        Hold all against them anew: every file is read, and looked for where a batch repeats it.
        It is also looked for while the last check of these suites had found a file at fault.
    run_name : str
        Name of the run that asks; only its digest is stored.

    Returns
    -------
    dict
        ``suites_run``, ``expectations``, ``stops``, ``held_back`` (studies), ``warnings``.

    Raises
    ------
    LakeCorruptError
        A table is at fault: files, columns or grain. It is named, and no publish succeeds until
        it is mended and was checked again.
    """
    from mpss_lib.warehouse.expectations.checking import check_suites, is_open
    from mpss_lib.warehouse.expectations.consequences import read_report, settle
    from mpss_lib.warehouse.expectations.last_check import LastCheck
    from mpss_lib.warehouse.expectations.page import write_page
    from mpss_lib.warehouse.expectations.views import Current

    names, last = suites or SUITES, LastCheck(lake, config)
    current = Current(lake, config, is_whole=force or is_open(last, names))
    done = check_suites(current, last, names=names, force=force, run_name=run_name)
    report = read_report(current, last)
    write_page(lake, report)
    settle(lake, report)
    return {"suites_run": list(done.values()).count("done")} | report.counts()


def quality_page(lake: Lake) -> Path:
    """Path of the data-quality page that ``check`` writes."""
    from mpss_lib.warehouse.expectations.page import page_path

    return page_path(lake)
