"""A small hospital's home in which every command of ``mpss`` has something to do.

Everything in it was made by the commands themselves, from the archive to the predictions, so that a
command that is done again meets what it would meet in a hospital.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from mpss_lib import cli
from mpss_lib.config import Config, load, sites_of
from mpss_lib.demo.archive import Archive
from mpss_lib.demo.cohort import make_hospital
from mpss_lib.errors import MpssError
from mpss_lib.tables import Lake

PATIENTS = 14
SETTINGS = """
[cohort]
accept = "pass"
[warehouse]
threads = 1
compact_from = 8
[gated]
measure = true
[companions]
calcium_reports = true
[stability]
shifts = 2
rotations = 2
count_pairs = 1
[evaluation]
n_outer = 8
n_inner = 4
permutations = 2
[archive]
called_aet = "DEMOPACS"
"""
CHAIN = ("pull", "intake", "segmentation", "quality", "radiomics")
AFTER_PUBLISH = ("selection", "evaluation", "publication")


@dataclass
class Walked:
    """A home, and the words of commands that stand for its own studies."""

    root: Path
    names: dict[str, str]

    def words(self, told: str) -> list[str]:
        """Words of a command; ``{study}`` and the like stand for what this home has."""
        return [word.format(home=self.root, **self.names) for word in shlex.split(told)]

    @property
    def lake(self) -> Lake:
        return Lake(self.root / "lake")

    @property
    def config(self) -> Config:
        return load(self.root)


def leaves() -> list[str]:
    """Every command of the command line, as its words; no groups."""
    found: list[str] = []
    open_groups = [((), get_command(cli.app))]
    for words, command in open_groups:
        for name, inner in getattr(command, "commands", {}).items():
            if hasattr(inner, "commands"):
                open_groups.append(((*words, name), inner))
            else:
                found.append(" ".join((*words, name)))
    return sorted(found)


def call(home: Path, *words: str) -> int:
    """Run a command in this process and in this home; errors that are ours give status 1.

    Any other exception is raised: no command may end so.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPSS_HOME", str(home))
        patch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", raising=False)  # that of the tests
        told = CliRunner().invoke(cli.app, list(words), input="")
    if told.exception is None or isinstance(told.exception, SystemExit):
        return told.exit_code
    if isinstance(told.exception, MpssError):
        return 1
    raise AssertionError(" ".join(words)) from told.exception


@contextmanager
def hospital(folder: Path) -> Iterator[Walked]:
    """Make the home ``folder/home``; its archive answers as long as the block."""
    from mpss_lib.pull.stage import import_registry
    from mpss_lib.warehouse import stage

    made = make_hospital(folder / "hospital", patients=PATIENTS, workers=1)
    archive = Archive(folder / "archive")
    archive.add(*sorted(made.objects.glob("*.dcm")))
    root = folder / "home"
    root.mkdir()
    with archive.serve(aet="DEMOPACS", allowed_aets=["MPSS"]) as server:
        more = f"port = {server.port}\n[site]\nregistry_url = '{made.registry_url}'\n"
        (root / "mpss.toml").write_text(SETTINGS + more)
        home = Walked(root, {"first": made.first_date, "last": made.last_date})
        call(root, "find", made.first_date, made.last_date)
        import_registry(home.lake, home.config, sites_of(home.config, root))
        for name in (*CHAIN, "stability"):
            call(root, "run", name)
        call(root, "run", "warehouse")
        for name in AFTER_PUBLISH:
            assert call(root, "run", name) == 0, name
        stage.run(home.lake, home.config)
        shown = column(home.lake, "select study_key from core.cohort order by all")
        cohorts = column(home.lake, "select cohort_hash from core.cohort_frozen")
        home.names |= {"study": shown[0], "cohort": cohorts[0]}
        yield home


def column(lake: Lake, sql: str) -> list[str]:
    """The first column of an answer of the snapshot."""
    from mpss_lib.warehouse.reader import rows

    return [str(next(iter(row.values()))) for row in rows(lake, sql)]


def keep(home: Walked, folder: Path) -> Path:
    """Copy the home as it is; what is only ever replaced whole is linked."""
    shutil.copytree(home.root, folder, copy_function=_link_or_copy)
    return folder


def put_back(home: Walked, kept: Path) -> None:
    """Make the home what it was when it was kept, at its own place: a moved one is refused."""
    shutil.rmtree(home.root)
    for beside in home.root.parent.glob(f"{home.root.name}-*"):
        if beside.is_dir():
            shutil.rmtree(beside)
    shutil.copytree(kept, home.root, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> str:
    if source.endswith((".parquet", ".json", ".dcm", ".npz", ".png", ".duckdb")):
        os.link(source, target)
        return target
    return str(shutil.copy2(source, target))


State = dict[str, tuple[int, int]]


def state_of(root: Path, below: str = "") -> State:
    """Size and time of every file of the home but locks and the snapshot, which follows.

    Of the vault, reports and pictures it is what they say: they are written anew where nothing
    changes.
    """
    found = {}
    for path in (root / below).rglob("*"):
        name = path.relative_to(root).as_posix()
        if name.startswith("audit"):  # every door writes there what it did
            continue
        if path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as database:
                lines = (line for line in database.iterdump() if "audit_anchor" not in line)
                told = "\n".join(lines).encode()
            found[name] = (len(told), crc32(told))
        elif path.is_file() and (path.parent.name == "reports" or path.suffix == ".png"):
            found[name] = (path.stat().st_size, crc32(path.read_bytes()))
        elif path.is_file() and path.suffix not in (".lock", ".duckdb"):
            found[name] = (path.stat().st_size, path.stat().st_mtime_ns)
    return found


def only_tells(root: Path, before: State, after: State) -> bool:
    """Whether all is as it was but for records of tasks that found done what they were to do.

    Every file that such a record names was there, and stays what it was to every other command.
    """
    if any(after.get(path) != of for path, of in before.items()):
        return False
    return all(_found_done(root / path) for path in after.keys() - before.keys())


def _found_done(path: Path) -> bool:
    """Whether a file is the record of a task that did nothing, or refused again what it had."""
    if path.suffix != ".json" or path.parent.parent.name != "manifest":
        return False
    units = json.loads(path.read_bytes()).get("units", [{}])
    return all(unit.get("status") in ("skipped", "rejected") for unit in units)
