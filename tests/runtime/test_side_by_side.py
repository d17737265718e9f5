"""Who may work beside the version that a home runs with: read from the code, enforced by code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import MappingProxyType

import pytest
from mpss_airflow import beginning, bootstrap
from mpss_airflow.home import open_home
from typer.testing import CliRunner

from mpss_lib import cli, config, schemas
from mpss_lib.errors import PlatformFaultError, TryAgainError
from mpss_lib.pull import vault
from mpss_lib.runtime import rolling, side_by_side
from mpss_lib.runtime.airflow_database import DATABASE
from mpss_lib.runtime.side_by_side import (
    OtherCodeError,
    Version,
    check_may_work,
    declare,
    differences,
    parts_of_code,
    running_version,
    this_version,
    version_path,
)
from mpss_lib.tables import Lake
from mpss_lib.warehouse.layout import VERSION as LAYOUT
from mpss_lib.warehouse.layout import version_of

DAG = "mpss_ingest.py"


@pytest.fixture
def lake(tmp_path, monkeypatch):
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    monkeypatch.delenv(DATABASE, raising=False)
    return Lake(tmp_path / "lake")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of what belongs to the platform and is no module."""
    folder = tmp_path / "project"
    for name in ("dags", "sql", "plugins"):
        left_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(side_by_side.project_folder() / name, folder / name, ignore=left_out)
    monkeypatch.setattr(side_by_side, "project_folder", lambda: folder)
    monkeypatch.setattr(side_by_side, "sql_folder", lambda: folder / "sql")
    return folder


def other_than(before: dict[str, str]) -> set[str]:
    now = parts_of_code()
    assert now.keys() == before.keys()
    return {name for name in now if now[name] != before[name]}


def run_with(lake: Lake, **parts: str) -> None:
    """Let the home run with another version."""
    declare(lake)
    told = json.loads(version_path(lake).read_text())
    told["code"], told["parts"] = "0.0.9+older", told["parts"] | parts
    version_path(lake).write_text(json.dumps(told))


# ------------------------------------------------------------------ what must be the same


def test_the_same_code_has_the_same_parts():
    assert parts_of_code() == parts_of_code()
    assert not this_version().differences(Version("another", parts_of_code()))


def test_an_engine_and_all_that_reads_it_count(monkeypatch):
    before = parts_of_code()
    monkeypatch.setitem(config.ENGINES, "selection", "99")
    wanted = {"selection", "evaluation", "publication"}
    assert other_than(before) == {f"stage {name}" for name in wanted}


def test_a_column_of_a_lake_table_counts(monkeypatch):
    before = parts_of_code()
    table = schemas.TABLES["study"]
    columns = dict(table.columns) | {"more": next(iter(table.columns.values()))}
    other = type(table)(**{**vars(table), "columns": MappingProxyType(columns)})
    monkeypatch.setattr(side_by_side, "TABLES", dict(schemas.TABLES) | {"study": other})
    assert other_than(before) == {"tables of the lake"}


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("LAYOUT", LAYOUT + 1, "layout of the lake"),
        ("STATEMENTS", (*vault.STATEMENTS, "create table x (y)"), "tables of the vault"),
        ("WRITES", ("records.py",), "code that writes the lake"),
    ],
)
def test_what_lies_on_disks_counts(monkeypatch, name, value, part):
    before = parts_of_code()
    monkeypatch.setattr(side_by_side, name, value)
    assert other_than(before) == {part}


def test_a_library_of_another_version_or_none_counts(monkeypatch):
    before = parts_of_code()
    known = side_by_side.version
    monkeypatch.setattr(side_by_side, "version", lambda n: "0" if n == "numpy" else known(n))
    assert other_than(before) == {"numpy"}


@pytest.mark.parametrize(
    ("path", "old", "new", "part"),
    [
        (f"dags/{DAG}", '"gated"', '"gating"', {"tasks of the DAGs"}),
        (
            "plugins/mpss_airflow/vocabulary.py",
            "HANDED_ON = 1",
            "HANDED_ON = 2",
            {"tasks of the DAGs"},
        ),
        (f"dags/{DAG}", "**Safe to repeat**", "**Twice is as once**", set()),
        (f"dags/{DAG}", "from __future__", "# a comment\nfrom __future__", set()),
        (
            "sql/3_out/result.prediction.sql",
            "select",
            "select distinct",
            {"relations of the snapshot"},
        ),
    ],
)
def test_tasks_and_relations_count_and_words_about_tasks_do_not(project, path, old, new, part):
    before = parts_of_code()
    file = project / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    assert other_than(before) == part


def test_a_new_dag_counts(project):
    before = parts_of_code()
    (project / "dags" / "mpss_more.py").write_text("")
    assert other_than(before) == {"tasks of the DAGs"}


def test_a_part_that_one_version_does_not_know_is_a_difference():
    ours, theirs = Version("a", {"x": "1"}), Version("b", {"x": "1", "y": "2"})
    assert ours.differences(theirs) == ["y (2, in this version not there)"]
    assert theirs.differences(ours) == ["y (not there, in this version 2)"]
    assert not ours.differences(Version("b", {"x": "1"}))


# ---------------------------------------------------------------------------- the record


def test_who_brings_a_home_up_says_so_and_the_lake_has_its_layout(lake):
    assert running_version(lake) is None
    declare(lake)
    assert running_version(lake) == this_version()
    assert version_of(lake) == LAYOUT
    written = version_path(lake).stat().st_mtime_ns
    declare(lake)
    assert version_path(lake).stat().st_mtime_ns == written


def test_another_name_alone_is_no_difference_and_becomes_the_one_that_runs(lake):
    run_with(lake)
    assert differences(lake) == []
    check_may_work(lake, who="a worker")
    declare(lake)
    assert running_version(lake).code == this_version().code


# -------------------------------------------------------------------------- who is refused


def test_a_task_and_a_page_are_refused_before_they_open_the_home(lake):
    run_with(lake, numpy="1.0")
    before = {path: path.stat().st_mtime_ns for path in lake.root.rglob("*")}
    with pytest.raises(OtherCodeError, match=r"0\.0\.9\+older.*numpy \(1\.0, in this version"):
        open_home()
    assert {path: path.stat().st_mtime_ns for path in lake.root.rglob("*")} == before
    assert issubclass(OtherCodeError, TryAgainError)  # the next try may be another worker's


def test_a_component_ends_as_it_begins_and_a_task_is_not_asked(lake):
    from airflow.jobs.job import Job

    run_with(lake)
    Job()
    run_with(lake, duckdb="1.0")
    with pytest.raises(SystemExit, match=r"must not work beside 0\.0\.9\+older.*duckdb"):
        Job()
    beginning.on_starting(component=object())


def test_a_worker_ends_as_it_begins(lake):
    from mpss_airflow.celery_settings import load_stages

    run_with(lake, celery="1.0")
    with pytest.raises(SystemExit, match=r"a worker of .* must not work.*celery"):
        load_stages()


def test_a_lake_of_a_version_that_says_nothing_takes_no_component_and_any_task(lake):
    (lake.root / "landing").mkdir(parents=True)
    check_may_work(lake)
    with pytest.raises(OtherCodeError, match=r"a version before.*does not say"):
        check_may_work(lake, who="a worker")
    declare(lake)
    check_may_work(lake, who="a worker")


def test_a_home_that_nobody_brought_up_takes_anybody(lake):
    check_may_work(lake, who="a worker")
    check_may_work(lake)


def test_the_bootstrap_is_refused_beside_others_only(lake, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "beside", lambda: ["SchedulerJob"])
    run_with(lake)
    bootstrap.check_alone(lake)
    run_with(lake, Python="2.7")
    with pytest.raises(OtherCodeError, match="Python"):
        bootstrap.check_alone(lake)
    assert "at work: SchedulerJob" in capsys.readouterr().err
    monkeypatch.setattr(bootstrap, "beside", list)
    bootstrap.check_alone(lake)


def test_a_roll_needs_a_cluster_that_runs(lake):
    with pytest.raises(PlatformFaultError, match="runs no cluster"):
        rolling.roll(lake.root.parent)


def test_the_check_says_whether_hosts_may_take_it_one_after_the_other(lake):
    def said(*words):
        return CliRunner().invoke(cli.app, ["upgrade", "--check", *words]).stdout

    assert "any version may begin" in said()
    run_with(lake)
    assert "it may work beside 0.0.9+older" in said()
    assert json.loads(said("--json"))["not_beside"] == []
    run_with(lake, scipy="0.1")
    assert "no host may take it while others work: scipy (0.1" in " ".join(said().split())
    assert json.loads(said("--json"))["not_beside"][0].startswith("scipy (0.1")


def test_modules_that_are_named_are_there():
    package = Path(side_by_side.__file__).parents[1]
    assert all((package / name).is_file() for name in side_by_side.WRITES)
