"""Airflow as the purge and the backup see it: a program that answers questions in JSON.

``python -m mpss_airflow.withdrawal`` runs in the environment of the home's Airflow; nothing of it
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

MODULE = "mpss_airflow.withdrawal"
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
        """Take the traces out of the database; answers rows changed by table."""
        return dict(self._ask({"do": "clean", "traces": list(traces)})["tables"])

    def find(self, traces: Sequence[Plain]) -> dict[str, list[str]]:
        """Columns of the database in which traces are, with the kinds."""
        return dict(self._ask({"do": "find", "traces": list(traces)})["columns"])

    def results_url(self) -> str:
        """SQLAlchemy URL of the connection ``mpss_results``; "" where there is none."""
        return str(self._ask({"do": "results"})["url"])

    def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", MODULE],
            env=dict(self.environment),
            input=json.dumps(question),
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_S,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise PlatformFaultError(
                f"Airflow cannot answer ({question['do']}): {last[:300]}",
                way_out="check that its database runs and that its settings are those of the home",
            )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


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
    command = ["-m", "airflow", "db", "clean", "--skip-archive", "--yes"]
    command += ["--error-on-cleanup-failure"]
    done = subprocess.run(
        [sys.executable, *command, "--clean-before-timestamp", before.isoformat()],
        env=dict(airflow.environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=ANSWER_S,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise PlatformFaultError(
            f"`airflow db clean` failed: {last[:300]}", way_out="run it by hand and read on"
        )
    return sum(map(int, re.findall(r"Found (\d+) rows meeting deletion criteria", done.stdout)))
