import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from mpss_airflow.vocabulary import POOLS, QUEUES, SEGMENT_TASKS

from mpss_lib.config import STAGES
from mpss_lib.sections import SEGMENTS

PROJECT = Path(__file__).resolve().parents[2]
IDS = (
    *("mpss_answers", "mpss_clinical", "mpss_evaluate"),
    *("mpss_ingest", "mpss_maintain", "mpss_mend", "mpss_review"),
)

EDGES = {
    "mpss_ingest": {
        "find_studies": {"batch.fetch"},
        "batch.fetch": {"batch.intake"},
        "batch.intake": {"batch.segmentation"},
        "batch.segmentation": {"batch.quality"},
        "batch.quality": {"batch.radiomics"},
        "batch.radiomics": {"batch.gated", "batch.companions"},
        "batch.companions": {"batch.calcium"},
        "batch.calcium": {"check"},
        "batch.gated": {"check"},
        "check": {"snapshot"},
        "snapshot": {"predict"},
        "predict": {"check_predictions"},
        "check_predictions": {"snapshot_predictions"},
        "snapshot_predictions": {"export_results"},
        "export_results": {"night_verdict"},
        "night_verdict": set(),
    },
    "mpss_clinical": {
        "import_registry": {"check"},
        "check": {"snapshot"},
        "snapshot": set(),
    },
    "mpss_review": {
        "pending_studies": {"review.decide", "review.record_review"},
        "pictures": set(),
        "review.decide": {"review.record_review"},
        "review.record_review": set(),
    },
    "mpss_answers": {"snapshot": set()},
    "mpss_mend": {"mend": {"check"}, "check": {"snapshot"}, "snapshot": set()},
    "mpss_maintain": {
        "self_test": {"quarantine_retry", "find_undated", "recheck"},
        "quarantine_retry": {"remove_orphans"},
        "find_undated": {"remove_orphans"},
        "recheck": {"remove_orphans"},
        "reconcile": {"remove_orphans"},
        "backup": {"remove_orphans"},
        "remove_orphans": {"retention"},
        "retention": {"check"},
        "check": {"snapshot"},
        "snapshot": {"maintenance_verdict"},
        "maintenance_verdict": set(),
    },
}
CHAIN = (
    "freeze_cohort", "measure_stability", "select_features", "univariate", "evaluate", "summarise",
    "register_model", "snapshot", "predict", "check", "snapshot_predictions",
    "export_results",
)  # fmt: skip

pytestmark = pytest.mark.airflow


def test_every_file_imports_and_is_named_as_its_dag(dagbag):
    assert dagbag.import_errors == {}
    assert sorted(dagbag.dags) == list(IDS)
    assert sorted(path.stem for path in (PROJECT / "dags").glob("*.py")) == list(IDS)


@pytest.mark.parametrize("dag_id", EDGES)
def test_edges_are_exactly_these(dagbag, dag_id):
    tasks = dagbag.dags[dag_id].tasks
    assert {task.task_id: set(task.downstream_task_ids) for task in tasks} == EDGES[dag_id]


def test_the_evaluation_is_a_chain(dagbag):
    dag = dagbag.dags["mpss_evaluate"]
    assert {task.task_id for task in dag.tasks} == set(CHAIN)
    for before, after in pairwise(CHAIN):
        assert after in dag.get_task(before).downstream_task_ids


@pytest.mark.parametrize(
    ("dag_id", "leaf"),
    [("mpss_ingest", "night_verdict"), ("mpss_maintain", "maintenance_verdict")],
)
def test_a_verdict_is_the_only_leaf_where_tasks_do_not_stop_each_other(dagbag, dag_id, leaf):
    assert [task.task_id for task in dagbag.dags[dag_id].leaves] == [leaf]


def test_the_backup_waits_for_nothing(dagbag):
    assert not dagbag.dags["mpss_maintain"].get_task("backup").upstream_task_ids


@pytest.mark.parametrize("dag_id", IDS)
def test_each_dag_opens_with_its_runbook_and_says_what_it_is(dagbag, dag_id):
    dag = dagbag.dags[dag_id]
    for word in ("**Reads**", "**Writes**", "**Runs**", "repeat", "is skipped", "fails"):
        assert word in dag.doc_md, word
    assert "mpss" in dag.tags
    assert set(dag.tags) & set(STAGES)
    assert dag.catchup is False
    assert dag.dagrun_timeout is not None


@pytest.mark.parametrize("dag_id", IDS)
def test_every_task_has_an_owner_a_seeded_pool_and_an_end(dagbag, dag_id):
    seeded = {pool.name for pool in POOLS} | {"default_pool"}
    for task in dagbag.dags[dag_id].tasks:
        assert task.owner == "mpss"
        assert task.pool in seeded, f"{task.task_id} would wait for ever"
        limit = task.execution_timeout or getattr(task, "response_timeout", None)
        assert limit is not None or task.task_id == "review.decide"


def test_tasks_that_publish_share_the_one_slot(dagbag):
    for dag in dagbag.dags.values():
        for task in dag.tasks:
            publishes = task.task_id.rpartition(".")[2].startswith("snapshot")
            assert (task.pool == "mpss_snapshot") == publishes
    assert {pool.name: pool.slots for pool in POOLS}["mpss_snapshot"] == 1


TRUSTED_TASKS = {
    "mpss_clinical": {"import_registry"},
    "mpss_evaluate": {"export_results"},
    "mpss_ingest": {"find_studies", "batch.fetch", "batch.companions", "export_results"},
    "mpss_maintain": {
        *("quarantine_retry", "find_undated", "recheck", "reconcile", "backup", "retention"),
    },
    "mpss_mend": {"mend"},
    "mpss_review": {"review.record_review"},
}
"""What needs the vault, the audit log, the PACS or the registry: no other host may have them."""


def test_each_task_is_for_hosts_of_one_role(dagbag):
    for dag_id, dag in dagbag.dags.items():
        queues = {task.task_id: task.queue for task in dag.tasks}
        assert set(queues.values()) <= set(QUEUES)
        assert {name for name in queues if queues[name] == "pacs"} == TRUSTED_TASKS.get(
            dag_id, set()
        )
        for task in dag.tasks:
            name = task.task_id.rpartition(".")[2]
            publishes = name.startswith(("snapshot", "check"))
            assert (task.queue == "publish") == publishes, task.task_id
            assert task.pool != "mpss_pacs" or task.queue == "pacs", task.task_id


def test_one_interval_of_the_ingest_is_one_date_of_the_site_also_when_clocks_change(dagbag):
    import pendulum
    from airflow.serialization.serialized_objects import DagSerialization

    dag = DagSerialization.from_dict(DagSerialization.to_dict(dagbag.dags["mpss_ingest"]))
    for day, hours in (("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)):
        due = pendulum.parse(day, tz="Europe/Zurich").add(days=1, hours=4)
        interval = dag.timetable.infer_manual_data_interval(run_after=due)
        start, end = (moment.in_timezone("Europe/Zurich") for moment in interval)
        assert (start.to_date_string(), start.hour, end.hour) == (day, 0, 0)
        assert (end - start).total_hours() == hours


@pytest.mark.parametrize("dag_id", ["mpss_clinical", "mpss_evaluate", "mpss_maintain"])
def test_unpausing_runs_nothing_that_was_due_before(dagbag, dag_id):
    import pendulum
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction

    dag = DagSerialization.from_dict(DagSerialization.to_dict(dagbag.dags[dag_id]))
    assert dagbag.dags[dag_id].start_date is None
    first = dag.timetable.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(None, None, catchup=False)
    )
    assert first.run_after > pendulum.now("UTC")


def test_the_mapped_segments_are_those_of_the_library():
    assert SEGMENT_TASKS == SEGMENTS


def test_dag_files_are_one_screen():
    for path in (PROJECT / "dags").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 80, path.name


def test_parsing_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "assert not DagBag().import_errors\n"
        "heavy = {'numpy', 'numba', 'scipy', 'pandas', 'pyarrow', 'duckdb', 'pydicom'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip().splitlines()[-1] == "[]"


def test_the_bootstrap_seeds_pools_and_updates_connections(airflow_database):
    from airflow.models.connection import Connection
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from mpss_airflow.bootstrap import prepare
    from sqlalchemy import select

    for port, overwrite in ((1, False), (2, True), (3, False)):
        fields = {"conn_type": "dicom", "host": "h", "port": port, "extra": {"a": 1}}
        prepare({"mpss_test": fields}, overwrite=overwrite)
    with create_session() as session:
        assert {pool.name for pool in POOLS} <= {
            name for (name,) in session.execute(select(Pool.pool))
        }
        [found] = session.scalars(select(Connection).where(Connection.conn_id == "mpss_test"))
        assert found.port == 2
        session.delete(found)


def test_the_provider_offers_the_dicom_connection():
    from importlib.metadata import entry_points

    [entry] = [e for e in entry_points(group="apache_airflow_provider") if "mpss" in e.value]
    info = entry.load()()
    [kind] = info["connection-types"]
    module, _, name = kind["hook-class-name"].rpartition(".")
    hook = getattr(__import__(module, fromlist=[name]), name)
    assert hook.conn_type == kind["connection-type"] == "dicom"
