"""Airflow of a home, seen from outside: its environment, its start, its REST interface.

Nothing here imports Airflow: it is a program that runs beside this one.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mpss_lib.config import Config
from mpss_lib.errors import PlatformFaultError
from mpss_lib.project import project_folder
from mpss_lib.runtime.airflow_database import (
    DATABASE,
    broken_files,
    connected,
    has_administrator,
    known_dags,
)
from mpss_lib.runtime.services import LOOPBACK, Services, free_ports, open_log
from mpss_lib.secrecy import PRIVATE_FILE, PRIVATE_FOLDER, seal
from mpss_lib.tables import read_json_there, write_json

USER = "admin"
PARALLELISM = 4
START_S = 300.0
SHOW_EVERY_S = 4.0
"""A list of task instances costs the API server more than most tasks cost it."""
SQLITE_WAIT_S = 60
"""A writer waits so long for another one: the 5 s of sqlite3 are too short on a busy machine."""
REVIEW_DAG = "mpss_review"
COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),
    "api-server": (),
}
"""Airflow's components with their options. Its log servers listen on every interface and cannot be
told otherwise (airflow.utils.serve_logs); the UI reads the files of the same machine itself."""

AUTH_MANAGER = "mpss_airflow.accounts.manager.MpssAuthManager"
IDLE_MINUTES, SESSION_MINUTES = 60, 720
"""A login ends after so many minutes without a request, and at the latest after so many."""

NOTHING_SHOWN: Mapping[str, object] = {
    "API__EXPOSE_CONFIG": False,
    "API__EXPOSE_STACKTRACE": False,
    "CORE__HIDE_SENSITIVE_VAR_CONN_FIELDS": True,
    "CORE__SENSITIVE_VAR_CONN_NAMES": "url",
}
"""What keeps passwords out of UI, REST interface and task logs: the extra field ``url`` of a
connection is an address with its password."""


def is_demo(root: Path) -> bool:
    """Whether a home was made by the demo: it has a hospital of its own."""
    return (root / "hospital" / "registry.sqlite").exists()


def has_persons(root: Path, config: Config) -> bool:
    """Whether each person has an account; a demo home has one for everybody."""
    return config.site.accounts == "persons" and not is_demo(root)


def lacks_administrator(root: Path, config: Config) -> bool:
    """Whether persons have accounts in a home and none of them may do everything yet."""
    if not has_persons(root, config):
        return False
    file = root / "airflow" / "airflow.db"
    if not file.is_file():
        return True
    with connected(f"sqlite:///{file}?timeout={SQLITE_WAIT_S}") as database:
        return not has_administrator(database)


@dataclass(frozen=True)
class AirflowHome:
    """Airflow in ``<home>/airflow``, on SQLite with the LocalExecutor."""

    root: Path
    secrets: Mapping[str, Any] = field(repr=False)

    @classmethod
    def open(cls, root: Path) -> AirflowHome:
        """Open the home's Airflow; makes its keys, password and ports at the first time."""
        folder = root / "airflow"
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        seal(root)
        file = folder / "secrets.json"
        kept = read_json_there(file) or {}
        made = {
            "password": secrets.token_urlsafe(12),
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "secret_key": secrets.token_urlsafe(32),
            "jwt_secret": secrets.token_urlsafe(48),
        }
        names = ("port", "worker_log_port", "trigger_port")
        ports = dict(zip(names, free_ports(*map(kept.get, names)), strict=True))
        values = made | kept | ports
        write_json(file, values, mode=PRIVATE_FILE)
        write_json(folder / "passwords.json", {USER: values["password"]}, mode=PRIVATE_FILE)
        return cls(root, values)

    @classmethod
    def load(cls, root: Path) -> AirflowHome | None:
        """Load the home's Airflow as it was opened last (it may be running); None before that."""
        kept = read_json_there(root / "airflow" / "secrets.json")
        return None if kept is None else cls(root, kept)

    @property
    def address(self) -> str:
        """Address of the UI and of the REST interface."""
        return f"http://{LOOPBACK}:{self.secrets['port']}"

    def environment(self, config: Config) -> dict[str, str]:
        """Environment variables that every Airflow process of this home needs."""
        values, folder = self.secrets, self.root / "airflow"
        caches = {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        database = f"sqlite:///{folder / 'airflow.db'}?timeout={SQLITE_WAIT_S}"
        settings: dict[str, object] = {
            "CORE__DAGS_FOLDER": project_folder() / "dags",
            "CORE__LOAD_EXAMPLES": False,
            "CORE__EXECUTOR": "mpss_airflow.executor.PreloadingExecutor",
            "CORE__PARALLELISM": PARALLELISM,
            "CORE__DEFAULT_TIMEZONE": config.site.timezone,
            "CORE__FERNET_KEY": values["fernet_key"],
            "CORE__TEST_CONNECTION": "Enabled",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.address}/execution/",
            "API__HOST": LOOPBACK,
            "API__PORT": values["port"],
            "API__BASE_URL": self.address,
            "API__SECRET_KEY": values["secret_key"],
            "API__WORKERS": 1,
            "API_AUTH__JWT_SECRET": values["jwt_secret"],
            "DATABASE__SQL_ALCHEMY_CONN": database,
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 600,  # an edited file is read at once
            "DAG_PROCESSOR__REFRESH_INTERVAL": 30,
            "DAG_PROCESSOR__PRINT_STATS_INTERVAL": 0,  # a table twice a minute, 17 MB a day
            "SCHEDULER__CATCHUP_BY_DEFAULT": False,
            "USAGE_DATA_COLLECTION__ENABLED": False,
        }
        if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):  # a collector of metrics
            settings["METRICS__OTEL_ON"] = True
        settings |= {**self._own_places(), **self._accounts(config), **NOTHING_SHOWN}
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
        kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
        return (
            kept
            | caches
            | {"AIRFLOW_HOME": str(self.root / "airflow"), "MPSS_HOME": str(self.root)}
            | {f"AIRFLOW__{name}": str(value) for name, value in settings.items()}
        )

    def _accounts(self, config: Config) -> dict[str, object]:
        """Who may log in: persons (Flask-AppBuilder), or one account with a generated password."""
        folder = self.root / "airflow"
        settings: dict[str, object] = {
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": folder / "passwords.json",
            "FAB__CONFIG_FILE": folder / "webserver_config.py",
        }
        if not has_persons(self.root, config):
            return settings
        if config.alarm.link:  # people come through a proxy
            settings |= {"API__BASE_URL": config.alarm.link, "FAB__ENABLE_PROXY_FIX": True}
        return settings | {
            "CORE__AUTH_MANAGER": AUTH_MANAGER,
            "FAB__SESSION_LIFETIME_MINUTES": IDLE_MINUTES,
            "FAB__SESSION_MAX_LIFETIME_MINUTES": SESSION_MINUTES,
            "FAB__COOKIE_SECURE": config.alarm.link.startswith("https:"),
        }

    def _own_places(self) -> dict[str, object]:
        """Where Airflow writes: named at each start, so that a copied home writes in itself."""
        logs = self.root / "airflow" / "logs"
        return {
            "CORE__PLUGINS_FOLDER": self.root / "airflow" / "plugins",
            "LOGGING__BASE_LOG_FOLDER": logs,
            "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": logs / "dag_processor",
            "LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": f"0o{PRIVATE_FOLDER:o}",
            "LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": f"0o{PRIVATE_FILE:o}",
            # Nobody listens there (see COMPONENTS); the UI asks the port while a task runs.
            "LOGGING__WORKER_LOG_SERVER_PORT": self.secrets["worker_log_port"],
            "LOGGING__TRIGGER_LOG_SERVER_PORT": self.secrets["trigger_port"],
        }

    def prepare(
        self, config: Config, connections: Mapping[str, Mapping[str, Any]], *, overwrite: bool
    ) -> subprocess.Popen[str]:
        """Start bringing the database up to date, with pools and connections, in the background.

        Only a demo home overwrites connections: its PACS has a new port at each start.
        """
        with open_log(self.root, "bootstrap") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "mpss_airflow.bootstrap"],
                env=self.environment(config),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                umask=0o777 & ~PRIVATE_FOLDER,  # it makes the database
            )
        if process.stdin is not None:
            process.stdin.write(json.dumps({"connections": connections, "overwrite": overwrite}))
            process.stdin.close()
        return process

    def start(self, config: Config, services: Services) -> None:
        """Start scheduler, DAG processor, triggerer and API server, each with a log of its own."""
        environment = self.environment(config)
        for component, options in COMPONENTS.items():
            command = [sys.executable, "-m", "airflow", component, *options]
            services.start(component, command, environment)

    def wait_until_healthy(self, services: Services) -> AirflowClient:
        """Wait for all four components; returns a client that has not logged in."""
        end = time.monotonic() + START_S
        client = AirflowClient(self.address, self.secrets["password"])
        while time.monotonic() < end:
            if dead := [name for name in COMPONENTS if not services.is_alive(name)]:
                raise PlatformFaultError(
                    f"Airflow's {dead[0]} ended by itself", way_out=f"read logs/{dead[0]}.log"
                )
            if client.is_healthy():
                return client
            time.sleep(0.5)
        raise PlatformFaultError(
            f"Airflow was not healthy after {START_S:.0f} s", way_out="read logs/*.log in the home"
        )

    def wait_for_dags(self, wanted: set[str], config: Config, seconds: float = 120.0) -> None:
        """Wait until the DAG processor has read all of them, without an import error."""
        end = time.monotonic() + seconds
        with connected(self.environment(config)[DATABASE]) as database:
            while True:
                missing, errors = wanted - known_dags(database), broken_files(database)
                if not (missing or errors):
                    return
                if errors or time.monotonic() > end:
                    told = f"do not import: {errors}" if errors else f"are unknown: {missing}"
                    raise PlatformFaultError(
                        f"DAGs {told}", way_out="read logs/dag-processor.log in the home"
                    )
                database.rollback()  # the next look sees what was written meanwhile
                time.sleep(0.5)


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
            health = self._call("GET", "/api/v2/monitor/health")
        except (urllib.error.URLError, OSError):
            return False
        parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        return all((health.get(part) or {}).get("status") == "healthy" for part in parts)

    def dags(self) -> list[dict[str, Any]]:
        """Every DAG."""
        return list(self._call("GET", "/api/v2/dags?limit=100")["dags"])

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run a DAG."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}?update_mask=is_paused", {"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run by hand; returns its id."""
        body = {"logical_date": None, "conf": dict(conf)}
        return str(self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """State of a run."""
        return str(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Every task instance of a run."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
        found: list[dict[str, Any]] = []
        while True:
            answer = self._call("GET", f"{path}?limit=100&offset={len(found)}")
            found += answer["task_instances"]
            if len(found) >= answer["total_entries"] or not answer["task_instances"]:
                return found

    def fail_open_runs(self) -> None:
        """End the runs that a killed home had left open: their processes are gone.

        Runs that wait for a person hold no process; they go on waiting.
        """
        answer = self._call("GET", "/api/v2/dags/~/dagRuns?state=running&state=queued&limit=100")
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

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 -- the address is ours, on loopback
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"}
            | ({"Authorization": f"Bearer {self._token}"} if self._token else {}),
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            content = answer.read()
        return json.loads(content) if content else {}
