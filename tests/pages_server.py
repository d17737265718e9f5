"""Airflow's API server with the pages on a free port of loopback, with an account of each role.

``python tests/pages_server.py PORT`` is the server; ``running`` starts and ends it: as a demo home
has it (Airflow's simple accounts), or with accounts of persons (Flask-AppBuilder).
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mpss_lib.runtime.airflow_home import AUTH_MANAGER
from mpss_lib.runtime.services import free_port

SIMPLE = {"looker": "viewer", "reader": "user", "second": "user", "boss": "admin"}
PERSONS = ("viewer", "researcher", "reviewer", "operator", "privacy-officer", "admin")
"""Accounts of persons: each has the name of its only role."""

PASSWORD = "of-a-test"  # noqa: S105
DAGS = ("mpss_answers", "mpss_ingest", "mpss_mend", "mpss_review")
ASKED = "asked"
"""Name of the run of ``mpss_review`` that asks persons about the last study of the home."""

BOOK = """<!doctype html><html lang=en><title>Book</title><script src="own.js"></script>
<script>document.title += ', with what stands in it'</script>
<p onclick="document.title = 'foreign'">Research use only.</p></html>"""
"""A book of one page, with scripts as Sphinx has them, and one that it never has."""

NIGHTS = 5
PROJECT = Path(__file__).resolve().parents[1]


class Server:
    """A server that runs: its address, and tokens of its accounts."""

    def __init__(self, address, folder):
        self.address, self.folder = address, folder
        self.pages = f"{address}/mpss"
        self._tokens = {}

    def token(self, account):
        if account not in self._tokens:
            body = json.dumps({"username": account, "password": PASSWORD}).encode()
            asked = urllib.request.Request(  # noqa: S310 -- the address is ours, on loopback
                f"{self.address}/auth/token", body, {"Content-Type": "application/json"}
            )
            with _opener().open(asked, timeout=60) as answer:
                self._tokens[account] = json.load(answer)["access_token"]
        return self._tokens[account]

    def ask(self, path, account=None, body=None, headers=(), method=None):
        """(status, headers, bytes) of one request."""
        told = {"Authorization": f"Bearer {self.token(account)}"} if account else {}
        if body is not None:
            told |= {"Content-Type": "application/json", "X-Requested-With": "mpss"}
        asked = urllib.request.Request(  # noqa: S310 -- the address is ours, on loopback
            self.address + path,
            None if body is None else json.dumps(body).encode(),
            told | dict(headers),
            method=method,
        )
        try:
            with _opener().open(asked, timeout=120) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()


def _opener():
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def environment(folder, home, port, *, persons=False):
    """What every Airflow process of the folder needs."""
    manager = {
        "CORE__AUTH_MANAGER": AUTH_MANAGER,
        "FAB__CONFIG_FILE": folder / "webserver_config.py",
        "FAB__AUTH_RATE_LIMITED": False,
        "FAB__CACHE_TTL": 0,
    }
    settings = (manager if persons else {}) | {
        "CORE__DAGS_FOLDER": PROJECT / "dags",
        "CORE__PLUGINS_FOLDER": folder / "plugins",
        "CORE__LOAD_EXAMPLES": False,
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{n}:{r}" for n, r in SIMPLE.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": folder / "passwords.json",
        "CORE__FERNET_KEY": "KUnuPNJlBEMMUvwOHzAHRrgYq3cmb3sEnZJ1wcMQsRo=",
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__SECRET_KEY": "of a test",
        "API_AUTH__JWT_SECRET": "of a test, long enough for sha-512 " * 2,
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "USAGE_DATA_COLLECTION__ENABLED": False,
    }
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
    paths = [str(PROJECT), str(PROJECT / "plugins"), str(PROJECT / "tests")]
    return (
        kept
        | {"AIRFLOW_HOME": str(folder), "MPSS_HOME": str(home)}
        | {"PYTHONPATH": os.pathsep.join(paths)}
        | {f"AIRFLOW__{name}": str(value) for name, value in settings.items()}
    )


@contextlib.contextmanager
def running(folder, home, *, persons=False):
    """Start the server in a folder of its own; wait until it answers; end it."""
    folder = Path(folder)
    (folder / "plugins").mkdir(parents=True, exist_ok=True)
    # As the entry point of an installed package says it; a checkout may be installed or not.
    (folder / "plugins" / "pages.py").write_text(
        "from pathlib import Path\n"
        "from mpss_airflow.plugin import MpssPlugin\n"
        "from mpss_lib import project\n"
        f"project.BOOKS = (Path({str(folder / 'book')!r}),)\n"
    )
    (folder / "book").mkdir(exist_ok=True)
    (folder / "book" / "index.html").write_text(BOOK)
    (folder / "book" / "own.js").write_text("document.title += ', with its script'\n")
    (folder / "passwords.json").write_text(json.dumps(dict.fromkeys(SIMPLE, PASSWORD)))
    port = free_port(None)
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(
        [sys.executable, __file__, str(port)],
        env=environment(folder, home, port, persons=persons),
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    server = Server(f"http://127.0.0.1:{port}", folder)
    try:
        _wait(server, process)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        log.close()


def _wait(server, process, seconds=240):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with contextlib.suppress(urllib.error.URLError, OSError):
            if server.ask("/api/v2/version")[0] == 200:
                return
        time.sleep(0.3)
    raise RuntimeError((server.folder / "server.log").read_text()[-4000:])


def tell_dags(names):
    """Put DAGs of the checkout into Airflow's database, as its DAG processor does."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    for name in names:
        folder = PROJECT / "dags"
        found = BundleDagBag(folder / f"{name}.py", bundle_path=folder, bundle_name="dags-folder")
        sync_bag_to_db(found, "dags-folder", None)


def tell_nights():
    """Put nights into Airflow's database; the first and the last failed, the last was slow."""
    from airflow.models.dagbag import DBDagBag
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import select

    with create_session() as session:
        if session.scalar(select(DagRun.id).limit(1)) is not None:
            return
        dag = DBDagBag().get_latest_version_of_dag("mpss_ingest", session=session)
        for number in range(NIGHTS):
            start = datetime(2026, 3, 1 + number, tzinfo=UTC)
            is_last = number == NIGHTS - 1
            has_failed = number in (0, NIGHTS - 1)
            names = {0: "first", NIGHTS - 1: "night"}
            run = dag.create_dagrun(
                run_id=names.get(number, f"scheduled__{start.isoformat()}"),
                logical_date=start,
                data_interval=(start, start),
                run_after=start,
                run_type=DagRunType.SCHEDULED,
                triggered_by=DagRunTriggeredByType.TEST,
                state="failed" if has_failed else "success",
                start_date=start,
                session=session,
            )
            run.end_date = start + timedelta(minutes=20 + number)
            for order, ti in enumerate(run.get_task_instances(session=session)):
                seconds = 400.0 if is_last and ti.task_id == "check" else 20.0 + order
                is_broken = has_failed and ti.task_id == "export_results"
                ti.state = "failed" if is_broken else "success"
                ti.start_date = start + timedelta(seconds=order)
                ti.end_date = ti.start_date + timedelta(seconds=seconds)
                ti.duration = seconds


def tell_accounts():
    """Make an account for each role; its hash is a quick one."""
    from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager
    from airflow.utils.session import create_session
    from werkzeug.security import generate_password_hash

    from mpss_lib.runtime.accounts import name_of

    hashed = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1000")
    with create_session() as session:
        manager = ApplessAirflowSecurityManager(session)
        for name in PERSONS:
            role = manager.find_role(name_of(name))
            manager.add_user(name, name, "-", f"{name}@x.example", role, hashed_password=hashed)


def tell_question():
    """Let the review ask about the last study that waits: a human task that nobody answered."""
    from airflow.models.dagbag import DBDagBag
    from airflow.models.hitl import HITLDetail
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from mpss_airflow.home import open_home

    from mpss_lib.warehouse.reader import rows

    [asked] = rows(
        open_home().lake,
        "select study_key from quality.awaiting_review order by study_key desc limit 1",
    )
    with create_session() as session:
        dag = DBDagBag().get_latest_version_of_dag("mpss_review", session=session)
        start = datetime(2026, 3, 9, tzinfo=UTC)
        run = dag.create_dagrun(
            run_id=ASKED,
            logical_date=start,
            data_interval=(start, start),
            run_after=start,
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state="running",
            start_date=start,
            session=session,
        )
        [task] = [one for one in run.task_instances if one.task_id == "review.decide"]
        task.map_index, task.state, task.start_date = 0, "awaiting_input", start
        session.add(
            HITLDetail(
                ti_id=task.id,
                options=["Accept", "Reject", "Unsure", "Later"],
                subject=f"{asked['study_key']}: review",
                body="",
                defaults=["Later"],
                multiple=False,
                params={"artefact": None, "reason": None},
            )
        )


def serve(port):
    """Prepare the database, tell it the DAGs, and serve."""
    import uvicorn
    from airflow.api_fastapi.app import create_app
    from mpss_airflow.bootstrap import prepare

    prepare({})
    tell_dags(DAGS)
    tell_nights()
    if os.environ.get("AIRFLOW__CORE__AUTH_MANAGER") == AUTH_MANAGER:
        tell_accounts()
        tell_question()
    uvicorn.run(create_app(apps="core"), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    serve(int(sys.argv[1]))
