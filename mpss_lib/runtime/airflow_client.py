"""Airflow's REST interface, as the demo and the start of a home use it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from mpss_lib.errors import PlatformFaultError

USER = "admin"
SHOW_EVERY_S = 4.0
"""A list of task instances costs the API server more than most tasks cost it."""
READ_FOR_S = 60.0
"""How long a question is asked again that has no answer: the server may be busy or starting."""
ANSWER_S, PROBE_S = 60.0, 10.0
"""How long an answer is waited for; a server that is just starting may take a probe and lose it."""
REVIEW_DAG = "mpss_review"
_SERVER_FAULT = 500


class AirflowClient:
    """Airflow's REST interface (API v2)."""

    def __init__(self, address: str, password: str) -> None:
        self.address = address
        self._password = password
        self._token = ""

    def log_in(self) -> None:
        """Get a token."""
        answer = self._call("POST", "/auth/token", {"username": USER, "password": self._password})
        self._token = answer["access_token"]

    def is_healthy(self) -> bool:
        """Whether database, scheduler, DAG processor and triggerer all report healthy."""
        try:
            health = self._call("GET", "/api/v2/monitor/health", seconds=PROBE_S)
        except (urllib.error.URLError, OSError):
            return False
        parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        return all((health.get(part) or {}).get("status") == "healthy" for part in parts)

    def dags(self) -> list[dict[str, Any]]:
        """Every DAG."""
        return list(self._read("/api/v2/dags?limit=100")["dags"])

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run a DAG."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}?update_mask=is_paused", {"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run by hand; returns its id."""
        body = {"logical_date": None, "conf": dict(conf)}
        return str(self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """State of a run."""
        return str(self._read(f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Every task instance of a run."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
        found: list[dict[str, Any]] = []
        while True:
            answer = self._read(f"{path}?limit=100&offset={len(found)}")
            found += answer["task_instances"]
            if len(found) >= answer["total_entries"] or not answer["task_instances"]:
                return found

    def fail_open_runs(self) -> None:
        """End the runs that a killed home had left open: their processes are gone.

        Runs that wait for a person hold no process; they go on waiting.
        """
        answer = self._read("/api/v2/dags/~/dagRuns?state=running&state=queued&limit=100")
        for run in answer["dag_runs"]:
            if run["dag_id"] == REVIEW_DAG:
                continue
            path = f"/api/v2/dags/{run['dag_id']}/dagRuns/{quote(run['dag_run_id'])}"
            self._call("PATCH", f"{path}?update_mask=state", {"state": "failed"})

    def wait_for_run(
        self,
        dag_id: str,
        run_id: str,
        seconds: float,
        show: Callable[[list[dict[str, Any]]], None],
    ) -> str:
        """Wait for the end of a run, showing its tasks; returns its state."""
        end, shown_at = time.monotonic() + seconds, 0.0
        while (now := time.monotonic()) < end:
            state = self.run_state(dag_id, run_id)
            has_ended = state in {"success", "failed"}
            if has_ended or now - shown_at > SHOW_EVERY_S:
                show(self.tasks(dag_id, run_id))
                shown_at = now
            if has_ended:
                return state
            time.sleep(1.0)
        raise PlatformFaultError(
            f"{dag_id} did not end within {seconds:.0f} s", way_out="look at its grid in the UI"
        )

    def _read(self, path: str) -> Any:
        """Ask, and again while the server cannot answer (5xx, no connection)."""
        end, pause = time.monotonic() + READ_FOR_S, 0.5
        while True:
            try:
                return self._call("GET", path)
            except (OSError, HTTPException) as error:  # urllib's own among them
                is_final = False
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
                    is_final = error.code < _SERVER_FAULT
                if is_final or time.monotonic() + pause > end:
                    raise PlatformFaultError(
                        f"Airflow does not answer {path.partition('?')[0]}: {error}",
                        way_out="read logs/api-server.log in the home",
                    ) from error
            time.sleep(pause)
            pause *= 2

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        seconds: float = ANSWER_S,
    ) -> Any:
        request = urllib.request.Request(  # noqa: S310 -- the address is ours, on loopback
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"}
            | ({"Authorization": f"Bearer {self._token}"} if self._token else {}),
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=seconds) as answer:
            content = answer.read()
        return json.loads(content) if content else {}
