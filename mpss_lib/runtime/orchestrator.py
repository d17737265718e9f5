"""Airflow as the purge and the backup see it: a program that answers questions in JSON.

``python -m mpss_airflow.purge`` runs in the environment of the home's Airflow; nothing of it
is imported here. Requests and answers are small; traces go in on standard input, never on a
command line.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mpss_lib.errors import PlatformFaultError

Plain = Mapping[str, str | bool]
"""A trace as JSON: ``kind``, ``text``, ``is_strong``."""

MODULE = "mpss_airflow.purge"
ANSWER_S = 3600.0


@dataclass(frozen=True)
class Places:
    """Where Airflow keeps what it knows."""

    home: Path
    logs: Path
    database_url: str
    sqlite: Path | None


@dataclass(frozen=True)
class Airflow:
    """The home's Airflow.

    Parameters
    ----------
    environment : mapping
        Environment variables of its processes.
    """

    environment: Mapping[str, str] = field(repr=False)
    _known: dict[str, Places] = field(default_factory=dict, repr=False, compare=False)

    def places(self) -> Places:
        """Home, folder of the task logs and database."""
        if "places" not in self._known:
            told = self._ask({"do": "places"})
            sqlite = Path(told["sqlite"]) if told["sqlite"] else None
            found = Places(Path(told["home"]), Path(told["logs"]), told["database_url"], sqlite)
            self._known["places"] = found
        return self._known["places"]

    def working(self) -> list[str]:
        """DAG ids of runs with a task at work or due; a run that waits for a person has none."""
        return list(self._ask({"do": "working"})["runs"])

    def clean(self, traces: Sequence[Plain]) -> dict[str, int]:
        """Take the traces out of the database; returns rows changed by table."""
        return dict(self._ask({"do": "clean", "traces": list(traces)})["tables"])

    def find(self, traces: Sequence[Plain]) -> dict[str, list[str]]:
        """Columns of the database in which traces are, with the kinds."""
        return dict(self._ask({"do": "find", "traces": list(traces)})["columns"])

    def results_url(self) -> str:
        """SQLAlchemy URL of the connection ``mpss_results``; "" where there is none."""
        return str(self._ask({"do": "results"})["url"])

    def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        told = self.run(
            [MODULE],
            f"Airflow cannot answer ({question['do']})",
            "check that its database runs and that its settings are those of the home",
            asks=json.dumps(question),
        )
        answer: dict[str, Any] = json.loads(told)
        return answer

    def run(self, command: Sequence[str], what_failed: str, way_out: str, *, asks: str = "") -> str:
        """Run a module (``python -m``) with Airflow's environment; give its standard output.

        Parameters
        ----------
        command : sequence of str
            The module and its arguments.
        what_failed, way_out : str
            For the message.
        asks : str
            Its standard input.

        Raises
        ------
        PlatformFaultError
            It failed; with its last line.
        """
        done = subprocess.run(
            [sys.executable, "-m", *command],
            env=dict(self.environment),
            input=asks,
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_S,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise PlatformFaultError(f"{what_failed}: {last[:300]}", way_out=way_out)
        return done.stdout


def clean_metadata(airflow: Airflow, days: float) -> int:
    """Remove rows of Airflow's database that are older than some days, by `airflow db clean`.

    Returns
    -------
    int
        Rows that it removed.

    Raises
    ------
    PlatformFaultError
        The command failed.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    command = ["airflow", "db", "clean", "--skip-archive", "--yes", "--error-on-cleanup-failure"]
    command += ["--clean-before-timestamp", before.isoformat()]
    told = airflow.run(command, "`airflow db clean` failed", "run it by hand and read on")
    return sum(map(int, re.findall(r"Found (\d+) rows meeting deletion criteria", told)))
