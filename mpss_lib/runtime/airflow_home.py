"""Airflow of a home, seen from outside: its environment and its start.

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
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mpss_lib.config import Config
from mpss_lib.errors import PlatformFaultError
from mpss_lib.project import project_folder
from mpss_lib.runtime.airflow_client import USER, AirflowClient
from mpss_lib.runtime.airflow_database import (
    DATABASE,
    broken_files,
    connected,
    has_administrator,
    known_dags,
)
from mpss_lib.runtime.cluster import servers
from mpss_lib.runtime.cluster.shape import Shape
from mpss_lib.runtime.services import (
    LOOPBACK,
    SERVERS,
    Program,
    Services,
    free_ports,
    open_log,
)
from mpss_lib.secrecy import PRIVATE_FILE, PRIVATE_FOLDER, SERVERS_FOLDER, seal
from mpss_lib.whole_files import read_json_there, write_json

PARALLELISM = 4
START_S = 300.0
SQLITE_WAIT_S = 60
"""A writer waits so long for another one: the 5 s of sqlite3 are too short on a busy machine."""
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
    airflow = AirflowHome.load(root)
    shape = airflow.shape if airflow else None
    is_made = servers.are_made(root) if shape else (root / "airflow" / "airflow.db").is_file()
    if airflow is None or not is_made:
        return True
    if shape and not servers.is_listening(shape.postgres_port):
        return False  # it was started before, and a database that does not run is not asked
    with connected(airflow.environment(config)[DATABASE]) as database:
        return not has_administrator(database)


@dataclass(frozen=True)
class AirflowHome:
    """Airflow in ``<home>/airflow``.

    On SQLite with the LocalExecutor; or, where the home is a cluster, on PostgreSQL and Redis with
    Celery workers.
    """

    root: Path
    secrets: Mapping[str, Any] = field(repr=False)

    @classmethod
    def open(cls, root: Path, shape: Shape | None = None) -> AirflowHome:
        """Open the home's Airflow; makes its keys, password and ports at the first time.

        Parameters
        ----------
        root : Path
        shape : Shape, optional
            Makes the home a cluster, or gives its workers another number; ports and password of
            its servers stay. A cluster stays one without it.

        Raises
        ------
        PlatformFaultError
            A shape is given and the home's Airflow is on SQLite.
        """
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
        if shape and (folder / "airflow.db").exists():
            raise PlatformFaultError(
                f"the Airflow of the home {root.name} is on SQLite",
                way_out="make the cluster in another home: set MPSS_HOME",
            )
        names = ("port", "worker_log_port", "trigger_port")
        known = Shape.read(kept)
        shape = shape or known
        servers_then = (known.postgres_port, known.redis_port) if known else (None, None)
        wanted = [*map(kept.get, names), *(servers_then if shape else ())]
        found = free_ports(*wanted)
        values = made | kept | dict(zip(names, found, strict=False))
        if shape:
            secret = known.password if known else secrets.token_hex(16)
            ports = {"postgres_port": found[-2], "redis_port": found[-1]}
            values[SERVERS_FOLDER] = replace(shape, password=secret, **ports).kept()
        write_json(file, values, mode=PRIVATE_FILE)
        write_json(folder / "passwords.json", {USER: values["password"]}, mode=PRIVATE_FILE)
        return cls(root, values)

    @classmethod
    def load(cls, root: Path) -> AirflowHome | None:
        """Load the home's Airflow as it was opened last (it may be running); None before that."""
        kept = read_json_there(root / "airflow" / "secrets.json")
        return None if kept is None else cls(root, kept)

    @property
    def shape(self) -> Shape | None:
        """The workers and servers of a cluster; None on one machine's SQLite."""
        return Shape.read(self.secrets)

    @property
    def address(self) -> str:
        """Address of the UI and of the REST interface."""
        return f"http://{LOOPBACK}:{self.secrets['port']}"

    def environment(self, config: Config) -> dict[str, str]:
        """Environment variables that every Airflow process of this home needs."""
        values = self.secrets
        caches = {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        settings: dict[str, object] = {
            "CORE__DAGS_FOLDER": project_folder() / "dags",
            "CORE__LOAD_EXAMPLES": False,
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
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 600,  # an edited file is read at once
            "DAG_PROCESSOR__REFRESH_INTERVAL": 30,
            "DAG_PROCESSOR__PRINT_STATS_INTERVAL": 0,  # a table twice a minute, 17 MB a day
            "SCHEDULER__CATCHUP_BY_DEFAULT": False,
            "USAGE_DATA_COLLECTION__ENABLED": False,
        }
        if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):  # a collector of metrics
            settings["METRICS__OTEL_ON"] = True
        settings |= {**self._form(config), **self._own_places(), **self._accounts(config)}
        settings |= NOTHING_SHOWN
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

    def _form(self, config: Config) -> dict[str, object]:
        """Where tasks run, and where Airflow keeps what it knows."""
        if shape := self.shape:
            return shape.settings(config.archive.max_associations)
        file = self.root / "airflow" / "airflow.db"
        return {
            "CORE__EXECUTOR": "mpss_airflow.executor.PreloadingExecutor",
            "CORE__PARALLELISM": PARALLELISM,
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{file}?timeout={SQLITE_WAIT_S}",
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

        Nothing of the home runs but its servers, and from then on it runs with this version.
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
        asked: dict[str, object] = {"connections": connections, "overwrite": overwrite}
        asked["is_alone"] = True
        if shape := self.shape:
            asked["slots"] = shape.pool_slots(config.archive.max_associations)
        if process.stdin is not None:
            process.stdin.write(json.dumps(asked))
            process.stdin.close()
        return process

    def programs(self, config: Config) -> dict[str, Program]:
        """Give what runs for Airflow, by the service's name; on a cluster its workers too."""
        environment, shape = self.environment(config), self.shape
        words = {name: (name, *options) for name, options in COMPONENTS.items()}
        if shape:
            words |= shape.workers(config.archive.max_associations)
        needs = SERVERS if shape else ()
        return {
            name: Program([sys.executable, "-m", "airflow", *one], environment, needs=needs)
            for name, one in words.items()
        }

    def start(self, config: Config, services: Services) -> None:
        """Start each component, with a log of its own."""
        for name, program in self.programs(config).items():
            services.launch(name, program)

    def wait_until_healthy(self, config: Config, services: Services) -> AirflowClient:
        """Wait for all components; returns a client that has not logged in."""
        end = time.monotonic() + START_S
        client = AirflowClient(self.address, self.secrets["password"])
        names = self.programs(config)
        while time.monotonic() < end:
            if dead := [name for name in names if not services.is_alive(name)]:
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
