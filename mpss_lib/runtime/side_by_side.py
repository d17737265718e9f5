"""Whether this version of the code may work beside the one that a home runs with.

Several hosts cannot change their code at one moment. So the version that brings a home up writes
what it and others must have in common into the lake (``version.json``), which every host sees; who
has the same may work beside it, and who has not is refused in words: a worker, a scheduler, a DAG
processor and a triggerer at their start, a task and a page before they open the home.

What must be the same is made from the code, not promised: engines and settings of the stages,
layout and tables of the lake and the code that writes it, relations of the snapshot, tables of the
results database and of the vault, tasks of the DAGs, Python and the libraries that make numbers and
files. What the code does otherwise may change.
"""

from __future__ import annotations

import ast
import hashlib
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mpss_lib.batch import code_version
from mpss_lib.config import STAGES, Config
from mpss_lib.errors import TryAgainError
from mpss_lib.project import project_folder
from mpss_lib.publication.results_tables import read_versions
from mpss_lib.pull.vault import STATEMENTS
from mpss_lib.schemas import TABLES
from mpss_lib.sql_files import sql_folder
from mpss_lib.tables import Lake
from mpss_lib.warehouse.layout import VERSION as LAYOUT
from mpss_lib.warehouse.layout import bring_up_to_date
from mpss_lib.whole_files import read_json_there, write_json

LIBRARIES = (
    *("apache-airflow", "celery", "duckdb", "numba", "numpy", "pandas", "pyarrow", "pydicom"),
    *("scikit-image", "scikit-learn", "scipy", "statsmodels"),
)
"""They make numbers, files, or the messages between hosts."""

WRITES = ("locks.py", "parquet.py", "records.py", "shelves.py", "tables.py")
"""Modules of ``mpss_lib`` by which hosts meet in the lake."""

TASKS = ("steps.py", "vocabulary.py")
"""Modules of ``mpss_airflow`` that say what tasks there are, and what they hand to one another."""

SHOWN = ("1_raw", "2_core", "3_out", "checks")
"""Folders of ``sql/`` that say what the snapshot shows, and what is held against it."""

WAY_OUT = (
    "wait until the night has ended and end everything on every host; install this version there,"
    " `mpss upgrade --run FOLDER`, start again. Until then use the version that the home runs with"
)


class OtherCodeError(TryAgainError):
    """The home runs with a version that this code must not work beside: another host may go on."""


@dataclass(frozen=True)
class Version:
    """A version of the code.

    Parameters
    ----------
    code : str
        Its name, as records have it; it may differ.
    parts : mapping of str to str
        What must be the same on all hosts.
    """

    code: str
    parts: Mapping[str, str]

    def differences(self, running: Version) -> list[str]:
        """Name each part that is otherwise in the version that runs, with both."""
        names = [*self.parts, *(running.parts.keys() - self.parts.keys())]
        return [
            f"{name} ({running.parts.get(name, 'not there')}, in this version"
            f" {self.parts.get(name, 'not there')})"
            for name in names
            if self.parts.get(name) != running.parts.get(name)
        ]


def version_path(lake: Lake) -> Path:
    """File that tells the version that the home runs with."""
    return lake.root / "version.json"


@cache
def this_version() -> Version:
    """Give the version of this code, read once: what is installed later changes it no more."""
    return Version(code_version(), parts_of_code())


def parts_of_code() -> dict[str, str]:
    """Read from the code what hosts must have in common."""
    config, package, project = Config(), Path(__file__).resolve().parents[1], project_folder()
    airflow = _airflow_folder(project)
    dags = [*sorted((project / "dags").glob("*.py")), *(airflow / name for name in TASKS)]
    shown = [path for name in SHOWN for path in sorted((sql_folder() / name).rglob("*.sql"))]
    results = read_versions()
    found = {f"stage {stage}": _address(config, stage) for stage in STAGES}
    found |= {
        "layout of the lake": str(LAYOUT),
        "tables of the lake": _digest(_table(name) for name in sorted(TABLES)),
        "code that writes the lake": _digest(_code(package / name) for name in WRITES),
        "relations of the snapshot": _digest(path.name + path.read_text() for path in shown),
        "tables of the results database": f"{len(results)} {_digest(r.sql for r in results)}",
        "tables of the vault": _digest(STATEMENTS),
        "tasks of the DAGs": _digest(path.name + _code(path) for path in dags),
        "Python": ".".join(platform.python_version_tuple()[:2]),
    }
    return found | {name: _installed(name) for name in LIBRARIES}


def running_version(lake: Lake) -> Version | None:
    """Read which version a home runs with; None where none has said so."""
    told = read_json_there(version_path(lake))
    return None if told is None else Version(told["code"], told["parts"])


def declare(lake: Lake) -> None:
    """Say that the home runs with this version from now on."""
    now = this_version()
    if running_version(lake) == now:
        return
    if not lake.root.is_dir():
        lake.root.mkdir()
        bring_up_to_date(lake)
    write_json(version_path(lake), {"code": now.code, "parts": dict(now.parts)})


def differences(lake: Lake) -> list[str]:
    """Name what forbids this version to work beside the one that the home runs with; or nothing."""
    running = running_version(lake)
    if running is not None:
        return this_version().differences(running)
    is_old = (lake.root / "landing").is_dir()
    return ["the version that wrote the lake does not say what it has in common"] if is_old else []


def check_may_work(lake: Lake, *, who: str = "") -> None:
    """Refuse to work in a home that runs with a version which this one does not go with.

    Parameters
    ----------
    lake : Lake
    who : str
        What wants to begin its work, for the message. It is refused also where the version that
        wrote the lake says nothing; a task goes on there, in a home that nobody has brought up.

    Raises
    ------
    OtherCodeError
        With each part that is otherwise.
    """
    if not who and running_version(lake) is None:
        return
    if found := differences(lake):
        running = running_version(lake)
        raise OtherCodeError(
            f"{who or 'a task'} of {this_version().code} must not work beside"
            f" {running.code if running else 'a version before'}; not the same:"
            f" {'; '.join(found)}",
            way_out=WAY_OUT,
        )


# --------------------------------------------------------------------------- parts


def _address(config: Config, stage: str) -> str:
    address = config.address(stage)
    return f"engine {address.engine}, default settings {address.config}"


def _table(name: str) -> str:
    table = TABLES[name]
    columns = [f"{column} {kind}" for column, kind in table.columns.items()]
    return f"{name} {table.stage} {table.unit} {table.grain} {columns} {table.has_features}"


def _airflow_folder(project: Path) -> Path:
    """Folder of ``mpss_airflow``: of the checkout, or beside the installed package."""
    beside = Path(__file__).resolve().parents[2] / "mpss_airflow"
    return beside if beside.is_dir() else project / "plugins" / "mpss_airflow"


def _code(path: Path) -> str:
    """Give the code of a module without its comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return False
    return isinstance(node.value.value, str)


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not there"
