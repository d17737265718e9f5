"""What of a home is of a version before: asked, nothing of it changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mpss_lib.batch import code_version
from mpss_lib.errors import PlatformFaultError
from mpss_lib.maintenance.outdated import outdated
from mpss_lib.publication.results_tables import read_versions, version_applied
from mpss_lib.publication.server import connected
from mpss_lib.pull.vault import Vault
from mpss_lib.runtime.home import Home
from mpss_lib.snapshot_file import attach
from mpss_lib.warehouse.layout import VERSION as LAYOUT
from mpss_lib.warehouse.layout import version_of

EXAMINE = "mpss_airflow.examine"


@dataclass(frozen=True)
class Part:
    """One part of a home.

    Parameters
    ----------
    name : str
        ``lake``, ``vault``, ``airflow``, ``snapshot`` or ``results``.
    found, wanted : str
        What it is of, and what this version makes of it.
    """

    name: str
    found: str
    wanted: str

    @property
    def is_due(self) -> bool:
        """Whether an upgrade changes it."""
        return self.found != self.wanted


def parts_of(home: Home) -> list[Part]:
    """Ask every part that the home has; its Airflow's database must run.

    Parameters
    ----------
    home : Home
        As it is (``Home.as_it_is``).

    Raises
    ------
    LakeCorruptError, ResultsSchemaError
        Something was written by a later version.
    """
    return [*_lake(home), *_vault(home), *_airflow(home), *_snapshot(home), *_results(home)]


def stages_to_recompute(home: Home) -> list[str]:
    """Stages whose results are of another engine or of other settings, in their order.

    An upgrade leaves them published: ``mpss recompute`` decides about that.
    """
    if version_of(home.lake) < LAYOUT or not home.lake.root.is_dir():
        return []
    return list(dict.fromkeys(step.stage for step in outdated(home.lake, home.config)))


def results_url(home: Home) -> str:
    """Address of the results database: of the settings, or of Airflow's connection; or ""."""
    if home.sites.results_url or home.airflow is None:
        return home.sites.results_url
    return home.airflow.results_url()


def _lake(home: Home) -> Iterator[Part]:
    if home.lake.root.is_dir():
        yield Part("lake", f"layout {version_of(home.lake)}", f"layout {LAYOUT}")


def _vault(home: Home) -> Iterator[Part]:
    if not home.sites.vault.exists():
        return
    with TemporaryDirectory() as folder:
        new = Vault(Path(folder) / "vault.sqlite").path
        missing = _statements(new) - _statements(home.sites.vault)
    yield Part("vault", _named(missing) or "all tables", "all tables")


def _named(statements: set[tuple[str, str]]) -> str:
    return "without " + ", ".join(sorted(name for name, _ in statements)) if statements else ""


def _statements(vault: Path) -> set[tuple[str, str]]:
    """Name and columns of each table and index, as SQLite keeps them."""
    with closing(sqlite3.connect(f"file:{vault}?mode=ro", uri=True)) as db:
        found = db.execute("select name, sql from sqlite_master where sql is not null").fetchall()
    return {(str(name), " ".join(str(sql).split())) for name, sql in found}


def _airflow(home: Home) -> Iterator[Part]:
    if home.airflow is None:
        return
    told = home.airflow.run(
        [EXAMINE], "Airflow's database cannot be examined", "look whether it runs"
    )
    found = json.loads(told.splitlines()[-1])
    yield Part("airflow", f"revision {found['revision'] or 'none'}", f"revision {found['head']}")


def _snapshot(home: Home) -> Iterator[Part]:
    if home.lake.snapshot.is_file():
        with closing(attach(home.lake.snapshot, of_any_place=True)) as connection:
            row = connection.execute("select code_version from meta.snapshot").fetchone()
        yield Part("snapshot", f"of {row[0] if row else 'nobody'}", f"of {code_version()}")


def _results(home: Home) -> Iterator[Part]:
    """Give the results database's tables; one that nothing was exported to is none."""
    if not (url := results_url(home)):
        return
    with connected(url) as connection:
        applied = version_applied(connection, home.config.site.results_schema)
    if applied:
        yield Part("results", f"version {applied}", f"version {len(read_versions())}")


def check_all_done(home: Home) -> None:
    """Refuse an upgrade that has left something of before.

    Raises
    ------
    PlatformFaultError
        With each part's name.
    """
    if left := [part for part in parts_of(home) if part.is_due]:
        told = "; ".join(f"{part.name} is {part.found}, not {part.wanted}" for part in left)
        raise PlatformFaultError(
            f"after the upgrade {told}", way_out="`mpss upgrade --rollback`, and report it"
        )
