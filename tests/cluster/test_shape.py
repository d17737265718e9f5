"""What Airflow is told about a cluster follows from its slots, and its options are Airflow's."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from mpss_airflow.vocabulary import DEFAULT_ARGS, POOLS
from rich.console import Console

from mpss_lib.config import load
from mpss_lib.errors import PlatformFaultError, SettingsError
from mpss_lib.runtime.airflow_home import AirflowHome, lacks_administrator
from mpss_lib.runtime.cluster import servers
from mpss_lib.runtime.cluster.shape import LOOK_S, LOST_AFTER_S, Shape
from mpss_lib.runtime.start import is_stopped_cluster, start_home
from mpss_lib.secrecy import without_passwords

LARGEST_LOST_S = 180
"""From the loss of a worker to the next try of its tasks: what issue and README promise."""
SCHEDULING_S = 10


def option(words, name):
    return words[words.index(name) + 1]


@pytest.fixture
def queue_of_pool(dagbag):
    pairs = {(task.pool, task.queue) for dag in dagbag.dags.values() for task in dag.tasks}
    assert len(pairs) == len(dict(pairs)), "a pool is of tasks of one queue"
    return dict(pairs)


@pytest.mark.parametrize("shape", [Shape(), Shape(3, 4)])
def test_a_worker_has_a_slot_for_each_slot_of_its_pools(shape, queue_of_pool):
    """Then a task that is handed to the broker finds a free worker: it never waits there."""
    slots = shape.pool_slots(2)
    assert set(slots) == {pool.name for pool in POOLS} == set(queue_of_pool)
    offered = dict.fromkeys(queue_of_pool.values(), 0)
    for words in shape.workers(2).values():
        queues = option(words, "--queues").split(",")
        for queue in queues:
            offered[queue] += int(option(words, "--concurrency"))
        wanted = sum(n for pool, n in slots.items() if queue_of_pool[pool] in queues)
        have = int(option(words, "--concurrency"))
        assert have in (wanted, wanted / shape.compute_workers)
    assert offered["compute"] == slots["mpss_compute"]
    assert shape.settings(2)["CORE__PARALLELISM"] == sum(slots.values())


def test_every_setting_is_one_that_airflow_or_celerys_provider_knows():
    from airflow.configuration import retrieve_configuration_description
    from airflow.jobs import scheduler_job_runner
    from airflow.providers.celery.get_provider_info import get_provider_info

    known = retrieve_configuration_description(include_providers=False)
    known |= get_provider_info()["config"]
    source = Path(scheduler_job_runner.__file__).read_text()  # one option has no description
    for name in Shape().settings(2):
        section, _, key = name.lower().partition("__")
        is_told = key in known[section]["options"]
        assert is_told or section == "celery_broker_transport_options" or f'"{key}"' in source, name


def test_a_lost_worker_is_made_good_in_three_minutes():
    """The longest pause before the first new try, as the installed Airflow computes it."""
    from airflow.models.taskinstance import TaskInstance

    end = datetime(2026, 3, 2, tzinfo=UTC)
    task = SimpleNamespace(**{
        name: DEFAULT_ARGS[name]
        for name in ("retry_delay", "retry_exponential_backoff", "max_retry_delay")
    })  # fmt: skip
    pauses = []
    for number in range(1, DEFAULT_ARGS["retries"] + 1):
        tries = [
            SimpleNamespace(
                retry_delay_override=None, task=task, try_number=number, end_date=end,
                dag_id="d", task_id=f"t{k}", logical_date=end,
            )
            for k in range(60)
        ]  # fmt: skip
        pauses.append(max(TaskInstance.next_retry_datetime(one) - end for one in tries))
    assert LOST_AFTER_S + LOOK_S + pauses[0].total_seconds() + SCHEDULING_S <= LARGEST_LOST_S
    assert pauses == sorted(pauses)
    assert pauses[-1] > 8 * pauses[0]
    assert sum(pauses, timedelta()) > timedelta(minutes=15), (
        "a writer that must be alone is waited for"
    )


def test_a_home_becomes_a_cluster_and_stays_one(tmp_path):
    config = load(tmp_path, environ={})
    first = AirflowHome.open(tmp_path, Shape(2, 3))
    again = AirflowHome.open(tmp_path)
    assert again.shape == first.shape
    assert AirflowHome.load(tmp_path).shape == first.shape
    ports = [first.secrets[n] for n in ("port", "worker_log_port", "trigger_port")]
    assert len({*ports, first.shape.postgres_port, first.shape.redis_port}) == 5
    told = again.environment(config)
    assert told["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert first.shape.password in told["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert first.shape.password not in repr(again) + str(again.programs(config))
    for name in ("DATABASE__SQL_ALCHEMY_CONN", "CELERY__BROKER_URL", "CELERY__RESULT_BACKEND"):
        assert first.shape.password not in without_passwords(told[f"AIRFLOW__{name}"])
    larger = AirflowHome.open(tmp_path, Shape(5, 1))
    assert larger.shape.compute_workers == 5
    assert larger.shape.password == first.shape.password


def test_a_home_on_sqlite_is_not_turned_into_a_cluster(tmp_path):
    AirflowHome.open(tmp_path)
    (tmp_path / "airflow" / "airflow.db").touch()
    with pytest.raises(PlatformFaultError, match=r"is on SQLite .* way out: .*MPSS_HOME"):
        AirflowHome.open(tmp_path, Shape())
    assert AirflowHome.load(tmp_path).shape is None


def test_the_first_account_is_asked_for_before_there_are_servers(tmp_path):
    config = load(tmp_path, environ={})
    AirflowHome.open(tmp_path, Shape())
    assert lacks_administrator(tmp_path, config)
    version = servers.folder_of(tmp_path) / "postgres" / "PG_VERSION"
    version.parent.mkdir(parents=True)
    version.touch()
    assert not lacks_administrator(tmp_path, config)


def test_whoever_cannot_be_asked_makes_the_first_account_of_the_cluster(tmp_path):
    """Not of a home on SQLite, which `mpss account add` would make otherwise."""

    def refuse():
        raise SettingsError("nobody sits at a terminal", way_out="`mpss account add`")

    assert not is_stopped_cluster(tmp_path)
    with pytest.raises(SettingsError):
        start_home(tmp_path, Console(), refuse, Shape(2, 2))
    assert AirflowHome.load(tmp_path).shape.compute_workers == 2
    assert is_stopped_cluster(tmp_path)
    assert not (tmp_path / "airflow" / "airflow.db").exists()
