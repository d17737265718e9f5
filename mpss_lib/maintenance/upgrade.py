"""A home of a version before is brought to this version: `mpss upgrade`, on one machine.

A backup is made first, of the home as it is. Each phase does only what is not done, and the journal
(``upgrade.json`` in the home) tells those that have ended: an upgrade that was killed is run again
and goes on where it stood.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from mpss_lib.audit.doors import recording
from mpss_lib.batch import code_version
from mpss_lib.errors import PlatformFaultError, WrongArgumentError
from mpss_lib.maintenance.backup import create, read_manifest, verify
from mpss_lib.maintenance.copies import VAULT_NAME
from mpss_lib.maintenance.upgrade_parts import (
    Part,
    check_all_done,
    parts_of,
    results_url,
    stages_to_recompute,
)
from mpss_lib.publication.stage import export_results
from mpss_lib.pull.vault import Vault, key_of
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.home import Home
from mpss_lib.runtime.services import Services, only_one, running_in
from mpss_lib.runtime.start import database_running, prepare_database
from mpss_lib.secrecy import PRIVATE_FILE
from mpss_lib.shelves import FILE
from mpss_lib.snapshot_file import attach
from mpss_lib.tables import sha256_of
from mpss_lib.warehouse.layout import bring_up_to_date, shelved
from mpss_lib.warehouse.stage import rebuild
from mpss_lib.whole_files import read_json_there, write_json

log = logging.getLogger(__name__)

JOURNAL = "upgrade.json"
BOOTSTRAP = "mpss_airflow.bootstrap"
_PREDICTIONS = (
    "select study_key, segment, configuration, value from result.prediction_latest order by all"
)

Progress = Callable[[str], None]


@dataclass
class Journal:
    """What an upgrade has done so far.

    Parameters
    ----------
    root : Path
        The home.
    told : dict
        ``backup``, ``begun_at``, ``ended_at``, ``done``, ``predictions`` (digest of those that
        were published before), ``to`` (code version).
    """

    root: Path
    told: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> Journal:
        """Read the journal of a home; an empty one where no upgrade was begun."""
        return cls(root, read_json_there(root / JOURNAL) or {})

    @property
    def is_open(self) -> bool:
        """Whether an upgrade was begun and has neither ended nor been taken back."""
        return bool(self.told) and not self.told.get("ended_at")

    def note(self, **told: object) -> None:
        """Write something down."""
        self.told |= told
        write_json(self.root / JOURNAL, self.told, mode=PRIVATE_FILE)

    @property
    def backup(self) -> Path | None:
        """The backup that was made before anything was changed."""
        known = self.told.get("backup")
        return Path(known) if known else None


@dataclass(frozen=True)
class Upgraded:
    """What an upgrade did."""

    parts: tuple[Part, ...]
    backup: Path | None
    stages_to_recompute: tuple[str, ...]


def check(root: Path) -> list[Part]:
    """Say what of a home is of a version before; nothing is changed.

    Raises
    ------
    SettingsError
        A setting of the home means nothing to this version.
    LakeCorruptError, ResultsSchemaError
        Something was written by a later version.
    """
    with database_running(root):
        return parts_of(Home.as_it_is(root))


def run(root: Path, target: Path, tell: Progress = log.info) -> Upgraded:
    """Back the home up, bring every part of it to this version, and look whether all is there.

    Parameters
    ----------
    root : Path
        A home in which nothing runs.
    target : Path
        Folder of the backups, outside the home.
    tell : callable, optional
        Called with the name of each phase: ``backup``, ``lake``, ``vault``, ``airflow``,
        ``snapshot``, ``results``, ``verify``.

    Raises
    ------
    PlatformFaultError
        Something of the home runs; or a part could not be brought to this version.
    """
    with only_one(root), database_running(root):
        home = Home.as_it_is(root)
        check_at_rest(home)
        due = [part for part in parts_of(home) if part.is_due]
        journal = Journal.of(root)
        if not due and not journal.is_open:
            return Upgraded((), None, tuple(stages_to_recompute(home)))
        if not journal.is_open:
            journal = _begun(home)
        with recording("upgrade", root, home.config, begins=True) as told:
            told.details = {part.name: f"{part.found}, {part.wanted}" for part in due}
            for name, phase in PHASES.items():
                if name not in journal.told["done"]:
                    tell(name)
                    phase(home, journal, target)
                    journal.note(done=[*journal.told["done"], name])
            journal.note(ended_at=datetime.now(UTC).isoformat())
        return Upgraded(tuple(due), journal.backup, tuple(stages_to_recompute(home)))


def check_at_rest(home: Home) -> None:
    """Refuse a home of which something runs, but for the servers of a cluster.

    Raises
    ------
    PlatformFaultError
        With what runs.
    """
    services = Services(home.root)
    names = {name for name in services.recorded() if services.is_alive(name)}
    running = sorted(names - {"redis", "postgres"})
    running += [] if running else [process.name() for process in running_in(home.root)]
    if not running and home.airflow is not None and AirflowHome.load(home.root) is None:
        running = home.airflow.working()
    if running:
        raise PlatformFaultError(
            f"in {home.root.name} runs: {', '.join(running)}",
            way_out="`mpss down` first (with containers: stop all but the database)",
        )


def _begun(home: Home) -> Journal:
    journal = Journal(home.root)
    journal.note(
        begun_at=datetime.now(UTC).isoformat(),
        to=code_version(),
        done=[],
        predictions=predictions_digest(home),
    )
    return journal


def predictions_digest(home: Home) -> str:
    """Digest of the published predictions, 64 hex digits; "" where none can be asked for."""
    try:
        with closing(attach(home.lake.snapshot, of_any_place=True)) as connection:
            found = connection.execute(_PREDICTIONS).fetchall()
    except duckdb.Error:  # nothing is published, or the home was moved
        return ""
    return hashlib.sha256(repr(found).encode()).hexdigest() if found else ""


# --------------------------------------------------------------------------- phases


def _back_up(home: Home, journal: Journal, target: Path) -> None:
    if home.sites.vault.exists():
        journal.note(backup=str(create(home, target)))
    elif (home.lake.root / "landing").is_dir():
        raise WrongArgumentError(
            f"{home.root.name} has a lake and no vault: it cannot be backed up",
            way_out="run it where the vault is (a host of the role pacs)",
        )


def _lake(home: Home, journal: Journal, target: Path) -> None:
    bring_up_to_date(home.lake)


def _vault(home: Home, journal: Journal, target: Path) -> None:
    if home.sites.vault.exists():
        Vault(home.sites.vault)


def _airflow(home: Home, journal: Journal, target: Path) -> None:
    own = AirflowHome.load(home.root)
    if own is not None:
        prepare_database(own, home.config, overwrite=False)
    elif home.airflow is not None:
        home.airflow.run(
            [BOOTSTRAP],
            "Airflow's database was not brought to this version",
            "read the message",
            asks=json.dumps({"is_alone": True}),  # ``check_at_rest`` has looked
        )


def _snapshot(home: Home, journal: Journal, target: Path) -> None:
    if home.lake.snapshot.is_file():
        rebuild(home.lake, home.config)


def _results(home: Home, journal: Journal, target: Path) -> None:
    if url := results_url(home):
        export_results(home.lake, home.config, replace(home.sites, results_url=url))


def _verify(home: Home, journal: Journal, target: Path) -> None:
    """Compare with the backup: every landing file byte by byte, the people of the vault."""
    check_all_done(home)
    if journal.backup is None:
        return
    if wrong := [*verify(journal.backup), *differences(home, journal.backup)]:
        raise PlatformFaultError(
            f"after the upgrade {len(wrong)} things are not as they were, first: {wrong[0]}",
            way_out="`mpss upgrade --rollback`, and report it",
        )
    before, now = journal.told["predictions"], predictions_digest(home)
    if before and before != now:
        raise PlatformFaultError(
            "after the upgrade other predictions are published than before",
            way_out="`mpss upgrade --rollback`, and report it",
        )


def differences(home: Home, backup: Path) -> list[str]:
    """List what a home lost or changed since a backup: landing files, the key, identities."""
    wrong = []
    for name, entry in landing_files(backup).items():
        place = home.lake.root / shelved(name.removeprefix("lake/"))
        if not place.is_file() or sha256_of(place) != entry["sha256"]:
            wrong.append(name)
    then, now = backup / VAULT_NAME, home.sites.vault
    if key_of(then).read_bytes() != key_of(now).read_bytes():
        wrong.append("key of the vault")
    if _people(then, "&immutable=1") - _people(now):  # a copy is in no log of SQLite's
        wrong.append("identities of the vault")
    return wrong


def landing_files(backup: Path) -> dict[str, Mapping[str, Any]]:
    """Landing files that a backup holds, without the marks beside them: these move on."""
    files: Mapping[str, Mapping[str, Any]] = read_manifest(backup)["files"]
    return {
        name: entry
        for name, entry in files.items()
        if name.startswith("lake/landing/") and name.endswith(FILE)
    }


def _people(vault: Path, more: str = "") -> set[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{vault}?mode=ro{more}", uri=True)) as db:
        return set(db.execute("select * from identity").fetchall())


Phase = Callable[[Home, Journal, Path], None]
PHASES: Mapping[str, Phase] = {
    "backup": _back_up,
    "lake": _lake,
    "vault": _vault,
    "airflow": _airflow,
    "snapshot": _snapshot,
    "results": _results,
    "verify": _verify,
}
